//! Mutations of a database directory that keep it openable: bytes change inside a block, and its checksum stays.

use crate::container::Files;
use crate::sealed::{self, HEADER};

/// A random-number generator (splitmix64): mutations must be repeatable from libFuzzer's seed.
pub struct Random(u64);

impl Random {
    /// A generator that starts from a seed.
    pub fn new(seed: u32) -> Self {
        Self(u64::from(seed))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() >> 32) as usize * usize::from(end > 0) % end.max(1)
    }
}

/// Values at the edges of bytes, packed integers and cell descriptors.
const EDGES: &[u8] =
    &[0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xdf, 0xe0, 0xe1, 0xef, 0xff];

/// Changes one file of the directory: bytes of a block, of the descriptor, or of a small text file.
/// `plain` mutates bytes without knowing what they are (libFuzzer's own mutator, which has the dictionary).
pub fn directory(files: &mut Files, random: &mut Random, mut plain: impl FnMut(&mut Vec<u8>, &mut Random)) {
    let chosen = random.below(files.len());
    let Some(bytes) = files.values_mut().nth(chosen) else { return };
    let blocks = sealed::blocks(bytes);
    if blocks.is_empty() {
        return plain(bytes, random);
    }
    match random.below(16) {
        // A file cut short, or with something behind it.
        0 => {
            let length = random.below(bytes.len() + sealed::UNIT);
            bytes.resize(length, 0);
        }
        // Damage that the checksum finds.
        1 => {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        // One block in the place of another: right in itself, wrong where it stands.
        2 => {
            let (from, to) = (blocks[random.below(blocks.len())].clone(), blocks[random.below(blocks.len())].clone());
            if from.len() == to.len() {
                let target = sealed::stored_checksum(&bytes[to.clone()]);
                bytes.copy_within(from, to.start);
                sealed::force(&mut bytes[to], target, true);
            }
        }
        _ => {
            let range = blocks[random.below(blocks.len())].clone();
            block(&mut bytes[range], random);
        }
    }
}

/// Changes some bytes of a block and keeps its checksum.
pub fn block(block: &mut [u8], random: &mut Random) {
    let target = sealed::stored_checksum(block);
    let used = sealed::number(block, 16).clamp(HEADER + 1, block.len());
    for _ in 0..=random.below(4) {
        // The page header now and then, the content mostly.
        let at = if random.below(6) == 0 { random.below(28) } else { HEADER + random.below(used - HEADER) };
        match random.below(6) {
            0 => block[at] ^= 1 << random.below(8),
            1 => block[at] = EDGES[random.below(EDGES.len())],
            2 => block[at] = random.bits() as u8,
            3 => block[at] = block[at].wrapping_add(if random.below(2) == 0 { 1 } else { 255 }),
            // Cells moved by a few bytes: what follows is read from a wrong place.
            4 => {
                let shift = 1 + random.below(4);
                let end = used.saturating_sub(shift).max(at);
                block.copy_within(at..end, at + shift.min(used - at));
            }
            _ => {
                let from = HEADER + random.below(used - HEADER);
                let length = random.below(32).min(used - from).min(used.saturating_sub(at));
                block.copy_within(from..from + length, at);
            }
        }
    }
    sealed::force(block, target, random.below(4) != 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutated_blocks_differ_and_keep_their_checksums() {
        let mut original = vec![3; 1024];
        original[16..20].copy_from_slice(&700_u32.to_le_bytes());
        original[28..32].copy_from_slice(&1024_u32.to_le_bytes());
        sealed::seal(&mut original);
        let mut changed = 0;
        for seed in 0..200 {
            let mut mutated = original.clone();
            block(&mut mutated, &mut Random::new(seed));
            assert_eq!(sealed::stored_checksum(&mutated), sealed::stored_checksum(&original));
            assert_eq!(sealed::checksum(&mutated), sealed::stored_checksum(&mutated));
            changed += usize::from(mutated[HEADER..700] != original[HEADER..700]);
        }
        assert!(changed > 100, "{changed}");
    }

    #[test]
    fn a_directory_of_any_shape_can_be_mutated() {
        for seed in 0..200 {
            let mut files = Files::new();
            directory(&mut files, &mut Random::new(seed), |_, _| {});
            files.insert("empty".to_owned(), Vec::new());
            files.insert("text".to_owned(), b"a=1".to_vec());
            directory(&mut files, &mut Random::new(seed), |bytes, _| bytes.push(0));
        }
    }
}

//! Blocks with their checksums: finding them in a file, and changing them so that the checksum stays what it was.
//!
//! A block's checksum stands in its own header and in whatever references the block: a parent page, a cookie in the
//! metadata, the turtle file. Mending all of those would take half an engine. Instead four bytes of the block that say
//! little are chosen so that the checksum comes out as before: CRC-32C is linear, so they are the solution of 32 equations.

use std::ops::Range;

/// Where blocks begin: the smallest allocation size.
pub const UNIT: usize = 512;
/// Page header and block header.
pub const HEADER: usize = 40;

const MEM_SIZE_AT: usize = 16;
const WRITE_GEN_AT: usize = 8;
const DISK_SIZE_AT: usize = 28;
const CHECKSUM: Range<usize> = 32..36;
const FLAGS_AT: usize = 36;
const FLAG_WHOLE: u8 = 1;
const PREFIX: usize = 64;

/// The places of the blocks of a file whose checksums are right.
pub fn blocks(file: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = UNIT;
    while at + UNIT <= file.len() {
        let size = number(file, at + DISK_SIZE_AT);
        let range = at..at.saturating_add(size);
        let fits = size >= UNIT && size.is_multiple_of(UNIT) && range.end <= file.len();
        if fits && checksum(&file[range.clone()]) == stored_checksum(&file[range.clone()]) {
            at = range.end;
            found.push(range);
        } else {
            at += UNIT;
        }
    }
    found
}

/// The checksum a block should have: over all of it or its first 64 bytes, as its flags say, its own field taken as zero.
pub fn checksum(block: &[u8]) -> u32 {
    let end = if block[FLAGS_AT] & FLAG_WHOLE != 0 { block.len() } else { PREFIX };
    let head = crc32c::crc32c(&block[..CHECKSUM.start]);
    let zeros = crc32c::crc32c_append(head, &[0; 4]);
    crc32c::crc32c_append(zeros, &block[CHECKSUM.end..end])
}

/// The checksum in the block's header.
pub fn stored_checksum(block: &[u8]) -> u32 {
    u32::from_le_bytes([block[32], block[33], block[34], block[35]])
}

/// Sets the block's header field to the right checksum. For blocks that nothing references, or tests.
pub fn seal(block: &mut [u8]) {
    let checksum = checksum(block).to_le_bytes();
    block[CHECKSUM].copy_from_slice(&checksum);
}

/// Makes `checksum(block)` equal `target` and stores it. Changes four bytes of the padding if the block has some and
/// `use_padding` says so, else the low half of the write generation.
pub fn force(block: &mut [u8], target: u32, use_padding: bool) {
    let padding_at = block.len() - 4;
    let has_padding = number(block, MEM_SIZE_AT) <= padding_at && block[FLAGS_AT] & FLAG_WHOLE != 0;
    let at = if has_padding && use_padding { padding_at } else { WRITE_GEN_AT };
    let mut with = |word: u32| {
        block[at..at + 4].copy_from_slice(&word.to_le_bytes());
        checksum(block)
    };
    let base = with(0);
    let columns: [u32; 32] = std::array::from_fn(|bit| with(1 << bit) ^ base);
    // The four bytes stand together, so the equations always have exactly one solution.
    let solution = solve(columns, target ^ base).unwrap_or_default();
    with(solution);
    block[CHECKSUM].copy_from_slice(&target.to_le_bytes());
}

/// The word whose set bits choose columns that add up (without carry) to `sum`.
fn solve(columns: [u32; 32], mut sum: u32) -> Option<u32> {
    // Each basis vector with the choice of columns that makes it, by its highest bit.
    let mut basis = [(0_u32, 0_u32); 32];
    for (bit, column) in columns.into_iter().enumerate() {
        let (mut vector, mut choice) = (column, 1 << bit);
        while vector != 0 {
            let high = vector.ilog2() as usize;
            if basis[high].0 == 0 {
                basis[high] = (vector, choice);
                break;
            }
            vector ^= basis[high].0;
            choice ^= basis[high].1;
        }
    }
    let mut solution = 0;
    while sum != 0 {
        let (vector, choice) = basis[sum.ilog2() as usize];
        if vector == 0 {
            return None;
        }
        sum ^= vector;
        solution ^= choice;
    }
    Some(solution)
}

/// The little-endian 32-bit number at an offset.
pub fn number(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: usize, mem_size: usize, flags: u8) -> Vec<u8> {
        let mut block: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
        block[MEM_SIZE_AT..MEM_SIZE_AT + 4].copy_from_slice(&(mem_size as u32).to_le_bytes());
        block[DISK_SIZE_AT..DISK_SIZE_AT + 4].copy_from_slice(&(size as u32).to_le_bytes());
        block[FLAGS_AT] = flags;
        seal(&mut block);
        block
    }

    #[test]
    fn blocks_are_found_among_other_bytes() {
        let mut file = vec![9; 1024];
        file.extend(block(512, 100, 1));
        file.extend(vec![0; 512]);
        file.extend(block(1536, 1536, 0));
        assert_eq!(blocks(&file), [1024..1536, 2048..3584]);
    }

    #[test]
    fn a_changed_block_keeps_its_checksum() {
        for (mem_size, flags) in [(100, 1), (1024, 1), (100, 0)] {
            for use_padding in [false, true] {
                let mut block = block(1024, mem_size, flags);
                let target = stored_checksum(&block);
                block[50] ^= 0x40;
                assert_ne!(checksum(&block), target);
                force(&mut block, target, use_padding);
                assert_eq!((checksum(&block), stored_checksum(&block)), (target, target));
            }
        }
    }
}

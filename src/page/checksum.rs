//! The checksum of a block: CRC-32C with its own four bytes taken as zero (format specification, section 2.3).
//!
//! Invariants
//! 1. The checksum covers the stored bytes: after compression, encryption and zero padding.
//! 2. The block's flag, itself covered, says whether the whole block or only its first 64 bytes are covered. A writer
//!    sets it first; a reader follows it.

use std::fmt;

use hardwired_plugin::Result;

use super::header::{BlockHeader, COMPRESS_SKIP};
use super::{HEADER_SIZE, corrupt};

/// Offset of the checksum in a block.
const CHECKSUM_OFFSET: usize = 32;
/// Offset of the first byte after the checksum.
const AFTER_CHECKSUM: usize = 36;

/// CRC-32C of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The checksum of a block: of all its bytes if `whole`, else of the first 64.
///
/// # Errors
/// `Corrupt` if the block is shorter than its headers.
pub fn of_block(block: &[u8], whole: bool) -> Result<u32> {
    let covered = if whole { block } else { block.get(..COMPRESS_SKIP).unwrap_or(block) };
    let parts = covered.split_at_checked(CHECKSUM_OFFSET).zip(covered.get(AFTER_CHECKSUM..));
    let ((before, _), after) = parts.ok_or_else(|| corrupt(0, "too short for a block header"))?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    Ok(crc32c::crc32c_append(crc, after))
}

/// Completes a block that is ready to be written: sets its size and flag, then its checksum, which is returned for the
/// address cookie.
///
/// `block` is the stored image padded with zeros to a multiple of the allocation size.
///
/// # Errors
/// `Corrupt` if the block is shorter than its headers, or too large for the size field.
pub fn seal(block: &mut [u8], whole: bool) -> Result<u32> {
    let disk_size = u32::try_from(block.len()).map_err(|_| corrupt(0, "requested block size is too large"))?;
    let mut header = BlockHeader { disk_size, checksum: 0, checksum_whole: whole, reserved: [0; 4] };
    header.write(block)?;
    header.checksum = of_block(block, whole)?;
    header.write(block)?;
    Ok(header.checksum)
}

/// Checks a block that was read against the checksum its address cookie promises.
///
/// # Errors
/// What differs: the block's stored checksum is compared with the cookie's first, then recomputed.
pub fn check(block: &[u8], expected: u32) -> Result<(), Mismatch> {
    let Ok(header) = BlockHeader::parse(block) else { return Err(Mismatch::TooShort) };
    if header.checksum != expected {
        return Err(Mismatch::Stored { stored: header.checksum, expected });
    }
    match of_block(block, header.checksum_whole) {
        Ok(computed) if computed == expected => Ok(()),
        Ok(computed) => Err(Mismatch::Computed { computed, expected }),
        Err(_) => Err(Mismatch::TooShort),
    }
}

/// Why a block doesn't have the checksum it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The block is shorter than its headers.
    TooShort,
    /// The block's header holds another checksum than the cookie: this is another block, or a stale one.
    Stored {
        /// The checksum in the block's header.
        stored: u32,
        /// The checksum in the cookie.
        expected: u32,
    },
    /// The block's bytes don't have the checksum that header and cookie agree on.
    Computed {
        /// The checksum of the bytes.
        computed: u32,
        /// The checksum in header and cookie.
        expected: u32,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooShort => write!(f, "a block of fewer than {HEADER_SIZE} bytes"),
            Self::Stored { stored, expected } => {
                let (stored, expected) = (Hex(stored), Hex(expected));
                write!(f, "block header checksum of {stored} doesn't match expected checksum of {expected}")
            }
            Self::Computed { computed, expected } => {
                let (computed, expected) = (Hex(computed), Hex(expected));
                write!(f, "calculated block checksum of {computed} doesn't match expected checksum of {expected}")
            }
        }
    }
}

/// A number as the real engine's messages show it: zero without prefix.
struct Hex(u32);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { f.write_str("0") } else { write!(f, "{:#x}", self.0) }
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors};

    #[test]
    fn strings() {
        let file = vectors("btree-crc32c.json");
        for case in file["strings"].as_array().unwrap() {
            assert_eq!(crc32c(&hex(&case["hex"])), number_u32(&case["crc"]));
        }
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn blocks() {
        let file = vectors("btree-crc32c.json");
        // One of the vectors is a file's description block, which has no block header.
        let blocks = file["blocks"].as_array().unwrap().iter();
        let cases: Vec<_> = blocks.filter(|case| case.get("block_flags").is_some()).collect();
        assert_eq!(cases.len(), 7);
        assert!(cases.iter().any(|case| number(&case["covers"]) == 64), "both kinds of cover");
        for case in cases {
            let mut block = hex(&case["image_without_trailing_zeros"]);
            block.resize(number_u32(&case["disk_size"]) as usize, 0);
            let (whole, checksum) = (number(&case["block_flags"]) != 0, number_u32(&case["checksum"]));
            assert_eq!(of_block(&block, whole).unwrap(), checksum);
            assert_eq!(check(&block, checksum), Ok(()));
            assert!(matches!(check(&block, !checksum), Err(Mismatch::Stored { .. })));
            let mut sealed = block.clone();
            sealed[28..40].fill(0xaa);
            assert_eq!(seal(&mut sealed, whole).unwrap(), checksum);
            assert_eq!(sealed, block);
            block[50] ^= 1;
            assert!(matches!(check(&block, checksum), Err(Mismatch::Computed { .. })));
        }
    }

    #[test]
    fn mismatches_read_as_the_real_engines_do() {
        let text = check(&[0; 512], 0x4954_20d1).unwrap_err().to_string();
        assert_eq!(text, "block header checksum of 0 doesn't match expected checksum of 0x495420d1");
    }

    #[test]
    fn short_blocks_are_refused() {
        for len in 0..HEADER_SIZE {
            assert_eq!(check(&vec![0; len], 0), Err(Mismatch::TooShort));
        }
        assert!(of_block(&[0; 35], true).is_err());
        assert!(seal(&mut [0; 39], true).is_err());
    }
}

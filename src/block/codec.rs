//! Packed integers and checksums, as this module needs them.

use crate::{Error, Result};

const TWO_BYTE_BASE: u64 = 64;
const MANY_BYTE_BASE: u64 = 8256;

/// Appends `value` as a packed unsigned integer.
pub(crate) fn put_vuint(out: &mut Vec<u8>, value: u64) {
    if value < TWO_BYTE_BASE {
        out.push(0x80 | value.to_le_bytes()[0]);
    } else if value < MANY_BYTE_BASE {
        let [low, high, ..] = value.wrapping_sub(TWO_BYTE_BASE).to_le_bytes();
        out.extend([0xc0 | high, low]);
    } else {
        let rest = value.wrapping_sub(MANY_BYTE_BASE);
        let zeros = rest.leading_zeros().wrapping_div(8).min(7);
        let bytes = rest.to_be_bytes();
        let tail = bytes.get(usize::try_from(zeros).unwrap_or(0)..).unwrap_or_default();
        out.push(0xe0 | u8::try_from(tail.len()).unwrap_or(8));
        out.extend_from_slice(tail);
    }
}

/// Takes one packed unsigned integer from the front of `input`.
pub(crate) fn get_vuint(input: &mut &[u8]) -> Result<u64> {
    let bad = || Error::corrupt("", 0, "bad packed integer");
    let (&first, rest) = input.split_first().ok_or_else(bad)?;
    let (value, rest) = match first {
        0x80..=0xbf => (u64::from(first & 0x3f), rest),
        0xc0..=0xdf => {
            let (&low, rest) = rest.split_first().ok_or_else(bad)?;
            (u64::from(u16::from_be_bytes([first & 0x1f, low])).wrapping_add(TWO_BYTE_BASE), rest)
        }
        0xe0..=0xe8 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0xf)).ok_or_else(bad)?;
            let value = bytes.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
            (value.wrapping_add(MANY_BYTE_BASE), rest)
        }
        _ => return Err(bad()),
    };
    *input = rest;
    Ok(value)
}

/// The CRC-32C of a block, its checksum field taken as zero. `covered` bytes count, at most the whole block.
pub(crate) fn block_checksum(block: &[u8], covered: usize) -> u32 {
    let covered = block.get(..covered).unwrap_or(block);
    let (head, tail) = covered.split_at_checked(32).unwrap_or((covered, &[]));
    let tail = tail.get(4..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]), tail)
}

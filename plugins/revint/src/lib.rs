//! The collator `revint`, for indices of an integer column of a table with integer keys: greater values first, and the rows
//! of one value by ascending key.
//!
//! Keys are packed as `ii`, index key and primary key. A key without the second (as for a search) comes before all keys with
//! the same first. A key that doesn't begin with a packed integer can't be compared: `EINVAL`.
//!
//! Source: extensions specification, section 9.2.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::collator::Collator;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The collator.
    pub static EXTENSION: Extension =
        Extension::collator("revint", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(Revint))
        })
        .with_library_names(&["revint_collator"]);
}

/// The collator.
#[derive(Debug)]
pub struct Revint;

impl Collator for Revint {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        let ((left, left_rest), (right, right_rest)) = (first(left)?, first(right)?);
        Ok(right.cmp(&left).then_with(|| second(left_rest).cmp(&second(right_rest))))
    }
}

fn first(key: &[u8]) -> Result<(i64, &[u8])> {
    unpack(key).ok_or_else(|| Error::invalid("revint: a key that doesn't begin with a packed integer"))
}

fn second(rest: &[u8]) -> i64 {
    unpack(rest).map_or(i64::MIN, |(number, _)| number)
}

/// Unpacks an integer in WiredTiger's variable-length code from the start of `bytes`; gives what follows it.
fn unpack(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let low = u64::from(first & 0x0f);
    let long = |len: u64, start: u64| {
        let (number, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        Some((number.iter().fold(start, |value, byte| value.wrapping_shl(8) | u64::from(*byte)), rest))
    };
    let two = |bits: u8| {
        let (second, rest) = rest.split_first()?;
        Some((u64::from(u16::from_be_bytes([first & bits, *second])), rest))
    };
    let (value, rest) = match first {
        0x10..=0x1f => long(8_u64.checked_sub(low)?, u64::MAX)?,
        0x20..=0x3f => two(0x1f).map(|(value, rest)| (value.wrapping_sub(8256), rest))?,
        0x40..=0x7f => (u64::from(first & 0x3f).wrapping_sub(64), rest),
        0x80..=0xbf => (u64::from(first & 0x3f), rest),
        0xc0..=0xdf => two(0x1f).map(|(value, rest)| (value.wrapping_add(64), rest))?,
        0xe0..=0xef => long(low, 0).map(|(value, rest)| (value.wrapping_add(8256), rest))?,
        _ => return None,
    };
    Some((value.cast_signed(), rest))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_are_unpacked() {
        for (bytes, number) in [
            (&[0x10, 0x80, 0, 0, 0, 0, 0, 0, 0][..], i64::MIN),
            (&[0x16, 0xdf, 0xbf], -8257),
            (&[0x20, 0], -8256),
            (&[0x40], -64),
            (&[0x7f], -1),
            (&[0x80], 0),
            (&[0xbf], 63),
            (&[0xc0, 0], 64),
            (&[0xdf, 0xff], 8255),
            (&[0xe1, 0], 8256),
            (&[0xe8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf, 0xbf], i64::MAX),
        ] {
            assert_eq!(unpack(bytes), Some((number, &[][..])), "{bytes:x?}");
            assert_eq!(unpack(&[bytes, &[7]].concat()), Some((number, &[7][..])));
            for len in 0..bytes.len() {
                assert_eq!(unpack(&bytes[..len]), None);
            }
        }
        assert!(unpack(&[0x0f]).is_none() && unpack(&[0xf0]).is_none() && unpack(&[0x19]).is_none());
    }
}

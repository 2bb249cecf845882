//! The variable-length unsigned integer of cells, cookies and history-store records (format specification, section 1.1).
//!
//! Invariants
//! 1. Byte-wise order of encodings is numeric order.
//! 2. [`push`] writes the one form the real engine writes; [`take`] also accepts what it doesn't write but reads
//!    (leading zero bytes, `e0` for 8256).
//! 3. An encoding has at most [`MAX_LEN`] bytes.

/// Bytes of the longest encoding.
pub const MAX_LEN: usize = 9;

/// First value that needs two bytes.
const TWO_BYTES_FROM: u64 = 64;
/// First value that is written as a count of bytes and the bytes.
const COUNTED_FROM: u64 = 8256;

const ONE_BYTE: u8 = 0x80;
const TWO_BYTES: u8 = 0xc0;
const COUNTED: u8 = 0xe0;

/// Appends the encoding of `value` to `out`.
#[inline]
pub fn push(out: &mut Vec<u8>, value: u64) {
    if value < TWO_BYTES_FROM {
        let [.., low] = value.to_be_bytes();
        out.push(ONE_BYTE | low);
    } else if value < COUNTED_FROM {
        let [.., high, low] = value.wrapping_sub(TWO_BYTES_FROM).to_be_bytes();
        out.extend_from_slice(&[TWO_BYTES | high, low]);
    } else {
        push_counted(out, value);
    }
}

fn push_counted(out: &mut Vec<u8>, value: u64) {
    let shifted = value.wrapping_sub(COUNTED_FROM);
    let bytes = shifted.to_be_bytes();
    let len = significant_bytes(shifted);
    let start = bytes.len().saturating_sub(usize::from(len));
    out.push(COUNTED | len);
    out.extend_from_slice(bytes.get(start..).unwrap_or(&bytes));
}

/// Number of bytes that [`push`] writes for `value`.
#[inline]
pub fn len(value: u64) -> usize {
    if value < TWO_BYTES_FROM {
        1
    } else if value < COUNTED_FROM {
        2
    } else {
        usize::from(significant_bytes(value.wrapping_sub(COUNTED_FROM))).saturating_add(1)
    }
}

/// Reads one number from the front of `input` and moves `input` past it.
///
/// `None`, and `input` unchanged, if the first byte starts no unsigned number or the number is cut off.
#[inline]
pub fn take(input: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = input.split_first()?;
    match first {
        0x80..=0xbf => {
            *input = rest;
            Some(u64::from(first & 0x3f))
        }
        0xc0..=0xdf => {
            let (&second, rest) = rest.split_first()?;
            *input = rest;
            let value = (u64::from(first & 0x1f) << 8) | u64::from(second);
            Some(value.wrapping_add(TWO_BYTES_FROM))
        }
        0xe0..=0xe8 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            *input = rest;
            let value = bytes.iter().fold(0u64, |value, &byte| (value << 8) | u64::from(byte));
            Some(value.wrapping_add(COUNTED_FROM))
        }
        _ => None,
    }
}

/// Bytes without leading zeros, at least one.
#[inline]
fn significant_bytes(value: u64) -> u8 {
    match value.leading_zeros() {
        0..=7 => 8,
        8..=15 => 7,
        16..=23 => 6,
        24..=31 => 5,
        32..=39 => 4,
        40..=47 => 3,
        48..=55 => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, vectors};
    use proptest::prelude::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        push(&mut out, value);
        out
    }

    #[test]
    fn every_vector_encodes_and_decodes() {
        let file = vectors("btree-intpack.json");
        let cases = file["vectors"].as_array().unwrap();
        assert!(cases.len() >= 35);
        for case in cases {
            let (value, bytes) = (number(&case["value"]), hex(&case["hex"]));
            assert_eq!(encoded(value), bytes, "{value}");
            assert_eq!(len(value), bytes.len(), "{value}");
            let mut input = &bytes[..];
            assert_eq!((take(&mut input), input.len()), (Some(value), 0));
        }
    }

    #[rstest::rstest]
    #[case(&[0xe0], Some(8256))]
    #[case(&[0xe2, 0x00, 0x01], Some(8257))]
    #[case(&[0xe8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(8255))]
    #[case(&[], None)]
    #[case(&[0x7f], None)]
    #[case(&[0xc0], None)]
    #[case(&[0xe2, 0x01], None)]
    #[case(&[0xe9, 1, 2, 3, 4, 5, 6, 7, 8, 9], None)]
    #[case(&[0xf0], None)]
    fn odd_forms(#[case] mut bytes: &[u8], #[case] expected: Option<u64>) {
        assert_eq!(take(&mut bytes), expected);
    }

    proptest! {
        #[test]
        fn round_trip_and_order(a: u64, b: u64, shift_a in 0u32..64, shift_b in 0u32..64) {
            let (a, b) = (a >> shift_a, b >> shift_b);
            let bytes = encoded(a);
            prop_assert_eq!(take(&mut &bytes[..]), Some(a));
            prop_assert_eq!(bytes.len(), len(a));
            prop_assert_eq!(bytes.cmp(&encoded(b)), a.cmp(&b));
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let mut input = &bytes[..];
            if let Some(value) = take(&mut input) {
                // A non-minimal form is longer than the minimal one; wrapped forms may be shorter than it.
                prop_assert!(bytes.len() - input.len() <= MAX_LEN);
                prop_assert_eq!(take(&mut &encoded(value)[..]), Some(value));
            }
        }
    }
}

//! Changing parts of a value: the entries of `modify`, applied to the full value.
//!
//! Source: API specification, section 8 (modify).

use crate::{Error, Result};

/// One change: `size` bytes at `offset` are replaced by `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modify<'a> {
    /// The new bytes.
    pub data: &'a [u8],
    /// Where they go, in bytes from the start of the value.
    pub offset: usize,
    /// How many bytes they replace.
    pub size: usize,
}

/// Applies the entries in order, each to the result of those before it. `padding` fills a gap between the end of the
/// value and an offset beyond it: zero for byte strings, a blank for text.
pub(crate) fn apply(value: &mut Vec<u8>, entries: &[Modify<'_>], padding: u8) -> Result<()> {
    for entry in entries {
        let end = entry
            .offset
            .checked_add(entry.data.len())
            .filter(|end| u64::try_from(*end).is_ok_and(|end| end <= super::MAX_ITEM_SIZE))
            .ok_or_else(|| super::item_too_large(entry.offset as u64))?;
        if entry.offset > value.len() {
            value.try_reserve(end - value.len()).map_err(|_| Error::invalid("modify: the value is too large"))?;
            value.resize(entry.offset, padding);
        }
        let stop = entry.offset.saturating_add(entry.size).min(value.len());
        value.splice(entry.offset..stop, entry.data.iter().copied());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[("XY", 2, 2)], "01XY456789")]
    #[case(&[("XYZ", 2, 1)], "01XYZ3456789")]
    #[case(&[("", 0, 8)], "89")]
    #[case(&[("X", 12, 1)], "0123456789..X")]
    #[case(&[("X", 9, 5)], "012345678X")]
    #[case(&[("AB", 0, 0), ("", 0, 1)], "B0123456789")]
    fn entries_replace_grow_shrink_and_pad(#[case] entries: &[(&str, usize, usize)], #[case] expected: &str) {
        let entries: Vec<Modify<'_>> =
            entries.iter().map(|&(data, offset, size)| Modify { data: data.as_bytes(), offset, size }).collect();
        let mut value = b"0123456789".to_vec();
        apply(&mut value, &entries, b'.').unwrap();
        assert_eq!(value, expected.as_bytes());
    }

    #[test]
    fn an_offset_beyond_the_limit_is_refused() {
        let mut value = b"v".to_vec();
        assert!(apply(&mut value, &[Modify { data: b"x", offset: usize::MAX, size: 1 }], 0).is_err());
        assert!(apply(&mut value, &[Modify { data: b"x", offset: 1 << 40, size: 1 }], 0).is_err());
        assert_eq!(value, b"v");
    }
}

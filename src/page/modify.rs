//! Packed modifications: how the history store and the log say that a value is another one with parts replaced (format
//! specification, section 13.2).
//!
//! Invariants
//! 1. Entries are applied in order, each to what the one before it left.
//! 2. Numbers are 64-bit and little-endian. An entry's offset can be anything: what it would make is bounded by the limit
//!    the caller gives before memory is asked for.
//!
//! Not here: finding the modifications between two values.

use hardwired_plugin::{Error, Result};

use super::input::Input;
use super::{corrupt, widen_u64};

/// Bytes of an entry's three numbers.
const ENTRY_SIZE: u64 = 24;

/// One replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modification<'a> {
    /// What is put in.
    pub data: &'a [u8],
    /// Where, in bytes from the start of the value.
    pub offset: u64,
    /// How many bytes it replaces.
    pub size: u64,
}

/// How values of a format are modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModifyFormat {
    /// `u`: raw bytes; a gap is filled with zero bytes.
    Raw,
    /// `S`: the final NUL is not part of the value; a gap is filled with spaces.
    String,
}

/// A parsed list of modifications.
#[derive(Debug, Clone, Copy)]
pub struct Modifications<'a> {
    count: u64,
    entries: Input<'a>,
    data: Input<'a>,
}

impl<'a> Modifications<'a> {
    /// Parses a packed list and checks its lengths.
    ///
    /// # Errors
    /// `Corrupt` if it is cut off or has bytes too many.
    pub fn parse(packed: &'a [u8]) -> Result<Self> {
        let malformed = || corrupt(0, "a malformed packed modification");
        let parsed = Input::at(packed, 0).and_then(|mut input| {
            let count = input.u64_le()?;
            let entries = input.take(count.checked_mul(ENTRY_SIZE)?)?;
            Some(Self { count, entries: Input::at(entries, 0)?, data: Input::at(input.rest(), 0)? })
        });
        let parsed = parsed.ok_or_else(malformed)?;
        let mut rest = parsed;
        for _ in 0..parsed.count {
            rest.next_entry().ok_or_else(malformed)?;
        }
        if rest.data.is_empty() { Ok(parsed) } else { Err(malformed()) }
    }

    /// Number of modifications.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn next_entry(&mut self) -> Option<Modification<'a>> {
        let data_size = self.entries.u64_le()?;
        let (offset, size) = (self.entries.u64_le()?, self.entries.u64_le()?);
        Some(Modification { data: self.data.take(data_size)?, offset, size })
    }

    /// Applies the modifications to `value` in place. The value of an `S` format is given and left with its final NUL.
    ///
    /// # Errors
    /// `EINVAL` if the value would become longer than `size_max` bytes; `Corrupt` if an `S` value has no final NUL.
    pub fn apply(mut self, value: &mut Vec<u8>, format: ModifyFormat, size_max: usize) -> Result<()> {
        if format == ModifyFormat::String && value.pop() != Some(0) {
            return Err(corrupt(0, "a string without its final NUL where a modification is applied"));
        }
        let filler = if format == ModifyFormat::String { b' ' } else { 0 };
        while let Some(entry) = self.next_entry() {
            apply_one(&entry, value, filler, size_max)?;
        }
        if format == ModifyFormat::String {
            value.push(0);
        }
        Ok(())
    }
}

impl<'a> Iterator for Modifications<'a> {
    type Item = Modification<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry()
    }
}

fn apply_one(entry: &Modification<'_>, value: &mut Vec<u8>, filler: u8, size_max: usize) -> Result<()> {
    let too_large = || Error::invalid(format!("a modification at offset {} makes a value too large", entry.offset));
    let offset = usize::try_from(entry.offset).map_err(|_| too_large())?;
    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
    let end = offset.saturating_add(size).min(value.len());
    let kept = value.len().saturating_sub(end.saturating_sub(offset)).max(offset);
    if kept.saturating_add(entry.data.len()) > size_max {
        return Err(too_large());
    }
    if offset >= value.len() {
        value.resize(offset, filler);
        value.extend_from_slice(entry.data);
    } else {
        value.splice(offset..end, entry.data.iter().copied());
    }
    Ok(())
}

/// Appends a packed list of modifications.
pub fn pack(entries: &[Modification<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(&widen_u64(entries.len()).to_le_bytes());
    for entry in entries {
        out.extend_from_slice(&widen_u64(entry.data.len()).to_le_bytes());
        out.extend_from_slice(&entry.offset.to_le_bytes());
        out.extend_from_slice(&entry.size.to_le_bytes());
    }
    for entry in entries {
        out.extend_from_slice(entry.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, vectors};
    use proptest::prelude::*;

    #[test]
    fn every_vector_is_packed_parsed_and_applied() {
        let file = vectors("btree-modify.json");
        let cases = file["vectors"].as_array().unwrap();
        assert!(cases.len() >= 52);
        for case in cases {
            let data: Vec<Vec<u8>> =
                case["entries"].as_array().unwrap().iter().map(|entry| hex(&entry["data"])).collect();
            let entries: Vec<_> = case["entries"]
                .as_array()
                .unwrap()
                .iter()
                .zip(&data)
                .map(|(entry, data)| Modification {
                    data,
                    offset: number(&entry["offset"]),
                    size: number(&entry["size"]),
                })
                .collect();
            let mut packed = Vec::new();
            pack(&entries, &mut packed);
            assert_eq!(packed, hex(&case["packed"]));
            let parsed = Modifications::parse(&packed).unwrap();
            assert_eq!(parsed.len(), entries.len() as u64);
            assert_eq!(parsed.collect::<Vec<_>>(), entries);
            let format = if case["value_format"] == "S" { ModifyFormat::String } else { ModifyFormat::Raw };
            let (mut value, mut expected) = (hex(&case["base"]), hex(&case["result"]));
            if format == ModifyFormat::String {
                value.push(0);
                expected.push(0);
            }
            parsed.apply(&mut value, format, 1 << 20).unwrap();
            assert_eq!(value, expected, "{case}");
        }
    }

    #[test]
    fn a_value_can_be_limited() {
        let entry = |offset, size| Modification { data: b"abc", offset, size };
        let apply = |entry: Modification<'_>| {
            let mut packed = Vec::new();
            pack(&[entry], &mut packed);
            let mut value = vec![1; 10];
            Modifications::parse(&packed).unwrap().apply(&mut value, ModifyFormat::Raw, 12).map(|()| value.len())
        };
        assert_eq!(apply(entry(9, 1)).unwrap(), 12);
        assert_eq!(apply(entry(0, u64::MAX)).unwrap(), 3);
        assert!(apply(entry(9, 0)).is_err());
        assert!(apply(entry(10, 0)).is_err());
        assert!(apply(entry(u64::MAX, u64::MAX)).is_err());
    }

    #[test]
    fn a_string_must_end() {
        let mut packed = Vec::new();
        pack(&[], &mut packed);
        let list = Modifications::parse(&packed).unwrap();
        assert!(list.is_empty());
        assert!(list.apply(&mut Vec::new(), ModifyFormat::String, 10).is_err());
        assert!(list.apply(&mut vec![b'a'], ModifyFormat::String, 10).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(mut bytes: Vec<u8>, count in 0u8..4, value: Vec<u8>) {
            if let Some(first) = bytes.first_chunk_mut::<8>() {
                *first = u64::from(count).to_le_bytes();
            }
            if let Ok(list) = Modifications::parse(&bytes) {
                let mut value = value;
                let _ = list.apply(&mut value, ModifyFormat::Raw, 1000);
            }
        }

        #[test]
        fn entries_act_in_order(
            base in prop::collection::vec(any::<u8>(), 0..30),
            entries in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..9), 0u64..40, 0u64..40), 0..5),
        ) {
            let list: Vec<_> =
                entries.iter().map(|(data, offset, size)| Modification { data, offset: *offset, size: *size }).collect();
            let (mut at_once, mut one_by_one) = (base.clone(), base);
            let mut packed = Vec::new();
            pack(&list, &mut packed);
            Modifications::parse(&packed).unwrap().apply(&mut at_once, ModifyFormat::Raw, 1000).unwrap();
            for entry in &list {
                packed.clear();
                pack(std::slice::from_ref(entry), &mut packed);
                Modifications::parse(&packed).unwrap().apply(&mut one_by_one, ModifyFormat::Raw, 1000).unwrap();
            }
            prop_assert_eq!(at_once, one_by_one);
        }
    }
}

//! Keys and values of the history store, `file:WiredTigerHS.wt` (format specification, section 13.1).
//!
//! Invariants
//! 1. Byte-wise order of packed keys is the order of tree, key length, key, start timestamp, counter. The collator of
//!    the user's table plays no role.
//! 2. A value's lifetime is the time window of its cell; the packed value repeats only the durable timestamps.

use hardwired_plugin::Result;

use super::input::Input;
use super::{corrupt, vuint, widen_u64};

/// Key of one old version of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryKey<'a> {
    /// Id of the file the record belongs to.
    pub btree_id: u32,
    /// The record's key as stored in that file; the packed record number in a column store.
    pub key: &'a [u8],
    /// When the version began.
    pub start_ts: u64,
    /// 0, or more for versions of one key that began at the same timestamp.
    pub counter: u64,
}

impl<'a> HistoryKey<'a> {
    /// Appends the packed key.
    pub fn pack(&self, out: &mut Vec<u8>) {
        self.pack_record(out);
        vuint::push(out, self.start_ts);
        vuint::push(out, self.counter);
    }

    /// Appends the part that all versions of the record share: for searching.
    pub fn pack_record(&self, out: &mut Vec<u8>) {
        vuint::push(out, u64::from(self.btree_id));
        vuint::push(out, widen_u64(self.key.len()));
        out.extend_from_slice(self.key);
    }

    /// Reads a packed key.
    ///
    /// # Errors
    /// `Corrupt` if it is cut off or has bytes too many.
    pub fn unpack(packed: &'a [u8]) -> Result<Self> {
        let unpacked = Input::at(packed, 0).and_then(|mut input| {
            let btree_id = u32::try_from(input.vuint()?).ok()?;
            let len = input.vuint()?;
            let key = input.take(len)?;
            let (start_ts, counter) = (input.vuint()?, input.vuint()?);
            input.is_empty().then_some(Self { btree_id, key, start_ts, counter })
        });
        unpacked.ok_or_else(|| corrupt(0, "a malformed history store key"))
    }
}

/// What a history-store value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateType {
    /// A packed modification that turns the next newer version into this one.
    Modify,
    /// The complete value.
    Standard,
}

impl UpdateType {
    fn raw(self) -> u64 {
        match self {
            Self::Modify => 1,
            Self::Standard => 3,
        }
    }
}

/// Value of one old version of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryValue<'a> {
    /// When the end of the version became durable.
    pub durable_stop_ts: u64,
    /// When the version became durable.
    pub durable_start_ts: u64,
    /// What `data` is.
    pub update_type: UpdateType,
    /// A value, or a packed modification (see [`super::modify`]).
    pub data: &'a [u8],
}

impl<'a> HistoryValue<'a> {
    /// Appends the packed value.
    pub fn pack(&self, out: &mut Vec<u8>) {
        vuint::push(out, self.durable_stop_ts);
        vuint::push(out, self.durable_start_ts);
        vuint::push(out, self.update_type.raw());
        out.extend_from_slice(self.data);
    }

    /// Reads a packed value.
    ///
    /// # Errors
    /// `Corrupt` if it is cut off or of a type that is never written.
    pub fn unpack(packed: &'a [u8]) -> Result<Self> {
        let unpacked = Input::at(packed, 0).and_then(|mut input| {
            let (durable_stop_ts, durable_start_ts) = (input.vuint()?, input.vuint()?);
            let update_type = match input.vuint()? {
                1 => UpdateType::Modify,
                3 => UpdateType::Standard,
                _ => return None,
            };
            Some(Self { durable_stop_ts, durable_start_ts, update_type, data: input.rest() })
        });
        unpacked.ok_or_else(|| corrupt(0, "a malformed history store value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors, window};
    use proptest::prelude::*;

    #[test]
    fn every_vector_packs_and_unpacks() {
        let file = vectors("btree-history-store.json");
        let cases = file["records"].as_array().unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let (packed_key, packed_value) = (hex(&case["key_hex"]), hex(&case["value_hex"]));
            let record = hex(&case["key"]);
            let key = HistoryKey {
                btree_id: number_u32(&case["btree_id"]),
                key: &record,
                start_ts: number(&case["start_ts"]),
                counter: number(&case["counter"]),
            };
            assert_eq!(HistoryKey::unpack(&packed_key).unwrap(), key);
            let mut out = Vec::new();
            key.pack(&mut out);
            assert_eq!(out, packed_key);
            let value = HistoryValue::unpack(&packed_value).unwrap();
            assert_eq!(value.durable_stop_ts, number(&case["durable_stop_ts"]));
            assert_eq!(value.durable_start_ts, number(&case["durable_start_ts"]));
            assert_eq!(value.update_type.raw(), number(&case["update_type"]));
            if value.update_type == UpdateType::Standard {
                assert_eq!(value.data, hex(&case["value"]));
            } else {
                assert!(!super::super::modify::Modifications::parse(value.data).unwrap().is_empty());
            }
            assert_eq!(value.durable_start_ts, window(&case["cell_tw"]).durable_start_ts);
            out.clear();
            value.pack(&mut out);
            assert_eq!(out, packed_value);
        }
    }

    #[test]
    fn the_length_of_a_key_comes_first_in_the_order() {
        let packed = |key: &[u8], start_ts| {
            let mut out = Vec::new();
            HistoryKey { btree_id: 2, key, start_ts, counter: 0 }.pack(&mut out);
            out
        };
        assert!(packed(b"zz", 1) < packed(b"aaa", 1));
        assert!(packed(b"aaa", 1) < packed(b"aaa", 70));
        assert!(packed(b"aaa", 9000) < packed(b"aab", 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = (HistoryKey::unpack(&bytes), HistoryValue::unpack(&bytes));
        }
    }
}

//! Operations: what a record says was done (log specification, section 6).
//!
//! Invariants
//! 1. An operation is type, size and fields; the size counts all three. A decoder never looks beyond it, and an operation
//!    whose fields end elsewhere is refused.
//! 2. A last field that is a byte string has no length of its own: it ends where the operation ends.
//! 3. What [`Operation::push`] writes is byte for byte what the real engine writes, and decodes to the same operation.

use super::Lsn;
use crate::page::vuint;
use crate::{Error, Result};

/// This bit in an operation's type or file id: readers that don't know it, and recovery, pass over it.
pub const IGNORE: u32 = 0x8000_0000;

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation<'a> {
    /// A record of a column store gets a value.
    ColPut {
        /// The file's id.
        file: u32,
        /// The record number.
        recno: u64,
        /// The value.
        value: &'a [u8],
    },
    /// A record of a column store is removed.
    ColRemove {
        /// The file's id.
        file: u32,
        /// The record number.
        recno: u64,
    },
    /// Records of a column store are removed.
    ColTruncate {
        /// The file's id.
        file: u32,
        /// The first record number; 0: from the beginning.
        start: u64,
        /// The last record number; 0: to the end.
        stop: u64,
    },
    /// A key gets a value.
    RowPut {
        /// The file's id.
        file: u32,
        /// The key.
        key: &'a [u8],
        /// The value.
        value: &'a [u8],
    },
    /// A key is removed.
    RowRemove {
        /// The file's id.
        file: u32,
        /// The key.
        key: &'a [u8],
    },
    /// A range of keys is removed.
    RowTruncate {
        /// The file's id.
        file: u32,
        /// The first key.
        start: &'a [u8],
        /// The last key.
        stop: &'a [u8],
        /// Which of the two count.
        mode: TruncateMode,
    },
    /// A checkpoint begins.
    CheckpointStart,
    /// Where the previous file ends.
    PrevLsn(Lsn),
    /// The value of a record of a column store is modified.
    ColModify {
        /// The file's id.
        file: u32,
        /// The record number.
        recno: u64,
        /// The packed modification.
        modify: &'a [u8],
    },
    /// The value of a key is modified.
    RowModify {
        /// The file's id.
        file: u32,
        /// The key.
        key: &'a [u8],
        /// The packed modification.
        modify: &'a [u8],
    },
    /// The state of an incremental backup.
    BackupId {
        /// 0 or 1.
        index: u32,
        /// The granularity in bytes; `u64::MAX`: the slot is unused.
        granularity: u64,
        /// The identifier, without its final NUL.
        id: &'a [u8],
    },
    /// The timestamps a transaction was given, for people.
    TxnTimestamp(Timestamps),
    /// An operation of another release that a reader passes over.
    Ignored {
        /// The operation's type.
        code: u32,
    },
}

/// Which keys of a [`Operation::RowTruncate`] count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncateMode {
    /// None: the whole file.
    All,
    /// Both.
    Both,
    /// From the start key to the end.
    Start,
    /// From the beginning to the stop key.
    Stop,
}

impl TruncateMode {
    /// The number on disk.
    pub fn code(self) -> u32 {
        match self {
            Self::All => 0,
            Self::Both => 1,
            Self::Start => 2,
            Self::Stop => 3,
        }
    }

    fn from_code(code: u32) -> Option<Self> {
        [Self::All, Self::Both, Self::Start, Self::Stop].into_iter().find(|mode| mode.code() == code)
    }
}

/// The fields of [`Operation::TxnTimestamp`]; 0: not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamps {
    /// Seconds of the wall clock.
    pub time_sec: u64,
    /// Nanoseconds of the wall clock.
    pub time_nsec: u64,
    /// The commit timestamp.
    pub commit: u64,
    /// The durable timestamp.
    pub durable: u64,
    /// The first commit timestamp.
    pub first_commit: u64,
    /// The prepare timestamp.
    pub prepare: u64,
    /// The read timestamp.
    pub read: u64,
}

/// Type codes.
mod code {
    pub(super) const COL_PUT: u32 = 1;
    pub(super) const COL_REMOVE: u32 = 2;
    pub(super) const COL_TRUNCATE: u32 = 3;
    pub(super) const ROW_PUT: u32 = 4;
    pub(super) const ROW_REMOVE: u32 = 5;
    pub(super) const ROW_TRUNCATE: u32 = 6;
    pub(super) const CHECKPOINT_START: u32 = 7;
    pub(super) const PREV_LSN: u32 = 8;
    pub(super) const COL_MODIFY: u32 = 9;
    pub(super) const ROW_MODIFY: u32 = 10;
    pub(super) const BACKUP_ID: u32 = 12;
    pub(super) const TXN_TIMESTAMP: u32 = 11 | super::IGNORE;
}

impl<'a> Operation<'a> {
    /// The type's number on disk.
    pub fn code(&self) -> u32 {
        match self {
            Self::ColPut { .. } => code::COL_PUT,
            Self::ColRemove { .. } => code::COL_REMOVE,
            Self::ColTruncate { .. } => code::COL_TRUNCATE,
            Self::RowPut { .. } => code::ROW_PUT,
            Self::RowRemove { .. } => code::ROW_REMOVE,
            Self::RowTruncate { .. } => code::ROW_TRUNCATE,
            Self::CheckpointStart => code::CHECKPOINT_START,
            Self::PrevLsn(_) => code::PREV_LSN,
            Self::ColModify { .. } => code::COL_MODIFY,
            Self::RowModify { .. } => code::ROW_MODIFY,
            Self::BackupId { .. } => code::BACKUP_ID,
            Self::TxnTimestamp(_) => code::TXN_TIMESTAMP,
            Self::Ignored { code } => *code,
        }
    }

    /// The type's name.
    pub fn name(&self) -> &'static str {
        name_of(self.code())
    }

    /// The file that the operation changes, with the ignore bit if it has it.
    pub fn file(&self) -> Option<u32> {
        match *self {
            Self::ColPut { file, .. }
            | Self::ColRemove { file, .. }
            | Self::ColTruncate { file, .. }
            | Self::RowPut { file, .. }
            | Self::RowRemove { file, .. }
            | Self::RowTruncate { file, .. }
            | Self::ColModify { file, .. }
            | Self::RowModify { file, .. } => Some(file),
            Self::CheckpointStart
            | Self::PrevLsn(_)
            | Self::BackupId { .. }
            | Self::TxnTimestamp(_)
            | Self::Ignored { .. } => None,
        }
    }

    /// Appends the operation. [`Operation::Ignored`] can't be written: its contents aren't known.
    pub fn push(&self, out: &mut Vec<u8>) {
        let numbers: &[u64];
        let storage: [u64; 7];
        let mut items: [Option<&[u8]>; 2] = [None, None];
        let mut trailing_number = None;
        let mut last: &[u8] = &[];
        let mut terminated = false;
        match *self {
            Self::ColPut { file, recno, value: bytes } | Self::ColModify { file, recno, modify: bytes } => {
                storage = [file.into(), recno, 0, 0, 0, 0, 0];
                numbers = storage.get(..2).unwrap_or_default();
                last = bytes;
            }
            Self::ColRemove { file, recno } => {
                storage = [file.into(), recno, 0, 0, 0, 0, 0];
                numbers = storage.get(..2).unwrap_or_default();
            }
            Self::ColTruncate { file, start, stop } => {
                storage = [file.into(), start, stop, 0, 0, 0, 0];
                numbers = storage.get(..3).unwrap_or_default();
            }
            Self::RowPut { file, key, value: bytes } | Self::RowModify { file, key, modify: bytes } => {
                storage = [file.into(), 0, 0, 0, 0, 0, 0];
                numbers = storage.get(..1).unwrap_or_default();
                items = [Some(key), None];
                last = bytes;
            }
            Self::RowRemove { file, key } => {
                storage = [file.into(), 0, 0, 0, 0, 0, 0];
                numbers = storage.get(..1).unwrap_or_default();
                last = key;
            }
            Self::RowTruncate { file, start, stop, mode } => {
                storage = [file.into(), 0, 0, 0, 0, 0, 0];
                numbers = storage.get(..1).unwrap_or_default();
                items = [Some(start), Some(stop)];
                trailing_number = Some(u64::from(mode.code()));
            }
            Self::PrevLsn(lsn) => {
                storage = [lsn.file.into(), lsn.offset.into(), 0, 0, 0, 0, 0];
                numbers = storage.get(..2).unwrap_or_default();
            }
            Self::BackupId { index, granularity, id } => {
                storage = [index.into(), granularity, 0, 0, 0, 0, 0];
                numbers = storage.get(..2).unwrap_or_default();
                last = id;
                terminated = true;
            }
            Self::TxnTimestamp(t) => {
                storage = [t.time_sec, t.time_nsec, t.commit, t.durable, t.first_commit, t.prepare, t.read];
                numbers = &storage;
            }
            Self::CheckpointStart => numbers = &[],
            Self::Ignored { .. } => return,
        }
        let items = || items.iter().flatten();
        let item_bytes = |item: &&[u8]| vuint::len(to_u64(item.len())).saturating_add(item.len());
        let fields = numbers
            .iter()
            .chain(&trailing_number)
            .map(|number| vuint::len(*number))
            .chain(items().map(item_bytes))
            .fold(last.len().saturating_add(usize::from(terminated)), usize::saturating_add);
        let code = u64::from(self.code());
        out.reserve(fields.saturating_add(2 * vuint::MAX_LEN));
        vuint::push(out, code);
        vuint::push(out, total_size(fields.saturating_add(vuint::len(code))));
        numbers.iter().for_each(|number| vuint::push(out, *number));
        for item in items() {
            vuint::push(out, to_u64(item.len()));
            out.extend_from_slice(item);
        }
        trailing_number.into_iter().for_each(|number| vuint::push(out, number));
        out.extend_from_slice(last);
        if terminated {
            out.push(0);
        }
    }

    /// Takes the operation at the front of `input`; `None` at the end of the list.
    ///
    /// # Errors
    /// `EINVAL` for an operation that doesn't decode, and for an unknown type without the ignore bit. `input` can't be read
    /// further then.
    pub fn take(input: &mut &'a [u8]) -> Result<Option<(Self, &'a [u8])>> {
        if input.first().is_none_or(|first| *first == 0) {
            return Ok(None);
        }
        let mut rest = *input;
        let unpack = |name: &str| Error::invalid(format!("{name}: unpack failure"));
        let code = vuint::take(&mut rest).and_then(|code| u32::try_from(code).ok());
        let code = code.ok_or_else(|| unpack("logop type"))?;
        let name = name_of(code);
        let size = vuint::take(&mut rest).and_then(|size| usize::try_from(size).ok());
        let header = input.len().saturating_sub(rest.len());
        let split = size.filter(|size| *size >= header).and_then(|size| input.split_at_checked(size));
        let (packed, after) = split.ok_or_else(|| unpack(name))?;
        let mut fields = packed.get(header..).unwrap_or_default();
        let operation = Self::fields(code, &mut fields).ok_or_else(|| unpack(name))??;
        if !fields.is_empty() {
            let got = packed.len().saturating_sub(fields.len());
            return Err(Error::invalid(format!("{name}: size mismatch: expected {}, got {got}", packed.len())));
        }
        *input = after;
        Ok(Some((operation, packed)))
    }

    /// Reads the fields of an operation. `None`: they end early.
    fn fields(code: u32, input: &mut &'a [u8]) -> Option<Result<Self>> {
        let operation = match code {
            code::COL_PUT => Self::ColPut { file: small(input)?, recno: vuint::take(input)?, value: all(input) },
            code::COL_REMOVE => Self::ColRemove { file: small(input)?, recno: vuint::take(input)? },
            code::COL_TRUNCATE => {
                Self::ColTruncate { file: small(input)?, start: vuint::take(input)?, stop: vuint::take(input)? }
            }
            code::ROW_PUT => Self::RowPut { file: small(input)?, key: item(input)?, value: all(input) },
            code::ROW_REMOVE => Self::RowRemove { file: small(input)?, key: all(input) },
            code::ROW_TRUNCATE => {
                let (file, start, stop) = (small(input)?, item(input)?, item(input)?);
                Self::RowTruncate { file, start, stop, mode: TruncateMode::from_code(small(input)?)? }
            }
            code::CHECKPOINT_START => Self::CheckpointStart,
            code::PREV_LSN => Self::PrevLsn(lsn(input)?),
            code::COL_MODIFY => Self::ColModify { file: small(input)?, recno: vuint::take(input)?, modify: all(input) },
            code::ROW_MODIFY => Self::RowModify { file: small(input)?, key: item(input)?, modify: all(input) },
            code::BACKUP_ID => {
                let (index, granularity) = (small(input)?, vuint::take(input)?);
                let end = input.iter().position(|byte| *byte == 0)?;
                let (id, rest) = input.split_at_checked(end)?;
                *input = rest.get(1..)?;
                Self::BackupId { index, granularity, id }
            }
            code::TXN_TIMESTAMP => {
                let mut next = || vuint::take(input);
                Self::TxnTimestamp(Timestamps {
                    time_sec: next()?,
                    time_nsec: next()?,
                    commit: next()?,
                    durable: next()?,
                    first_commit: next()?,
                    prepare: next()?,
                    read: next()?,
                })
            }
            code if code & IGNORE != 0 => {
                all(input);
                Self::Ignored { code }
            }
            code => {
                return Some(Err(Error::invalid(format!("unpacking operation: optype mismatch: unknown type {code}"))));
            }
        };
        Some(Ok(operation))
    }
}

/// An iterator over a list of operations, each with its bytes. Nothing follows an error.
#[derive(Debug, Clone)]
pub struct Operations<'a>(&'a [u8]);

impl<'a> Operations<'a> {
    /// The operations at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Result<(Operation<'a>, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        let taken = Operation::take(&mut self.0);
        if taken.is_err() {
            self.0 = &[];
        }
        taken.transpose()
    }
}

/// The size field of an operation whose other bytes are `rest` many: it counts itself.
fn total_size(rest: usize) -> u64 {
    let rest = to_u64(rest);
    let mut size = rest.saturating_add(1);
    // At most once for each length of the field.
    while to_u64(vuint::len(size)).saturating_add(rest) != size {
        size = to_u64(vuint::len(size)).saturating_add(rest);
    }
    size
}

/// The name of an operation's type, as messages have it.
fn name_of(code: u32) -> &'static str {
    match code {
        code::COL_PUT => "logop_col_put",
        code::COL_REMOVE => "logop_col_remove",
        code::COL_TRUNCATE => "logop_col_truncate",
        code::ROW_PUT => "logop_row_put",
        code::ROW_REMOVE => "logop_row_remove",
        code::ROW_TRUNCATE => "logop_row_truncate",
        code::CHECKPOINT_START => "logop_checkpoint_start",
        code::PREV_LSN => "logop_prev_lsn",
        code::COL_MODIFY => "logop_col_modify",
        code::ROW_MODIFY => "logop_row_modify",
        code::BACKUP_ID => "logop_backup_id",
        code::TXN_TIMESTAMP => "logop_txn_timestamp",
        _ => "logop_unknown",
    }
}

/// A number of 32 bits.
pub(super) fn small(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(vuint::take(input)?).ok()
}

/// Two numbers that are a place in the log.
pub(super) fn lsn(input: &mut &[u8]) -> Option<Lsn> {
    Some(Lsn::new(small(input)?, small(input)?))
}

/// A byte string with its length before it.
fn item<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(vuint::take(input)?).ok()?;
    let (item, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(item)
}

/// A byte string that ends the operation.
fn all<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    std::mem::take(input)
}

pub(super) fn to_u64(len: usize) -> u64 {
    crate::page::widen_u64(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn packed(operation: &Operation<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        operation.push(&mut out);
        out
    }

    /// The size field grows at 64 and at 8256 bytes: on both sides of each the size counts itself.
    #[rstest]
    #[case(58..70)]
    #[case(8240..8270)]
    #[case(8256 + 240..8256 + 270)]
    fn sizes_count_themselves(#[case] lengths: std::ops::Range<usize>) {
        for len in lengths {
            let value = vec![7; len];
            let operation = Operation::RowPut { file: 2, key: b"k", value: &value };
            let bytes = packed(&operation);
            let mut input = &bytes[1..];
            assert_eq!(vuint::take(&mut input), Some(bytes.len() as u64), "{len}");
            assert_eq!(Operation::take(&mut &bytes[..]).unwrap(), Some((operation, &bytes[..])));
        }
    }

    #[rstest]
    #[case::cut(&[0x84, 0x90, 0x82, 0x85], "logop_row_put: unpack failure")]
    #[case::key_beyond_the_end(&[0x84, 0x85, 0x82, 0x89, 0x61], "logop_row_put: unpack failure")]
    #[case::bytes_left(&[0x82, 0x86, 0x83, 0x81, 0x81, 0x81], "logop_col_remove: size mismatch: expected 6, got 4")]
    #[case::size_below_header(&[0x87, 0x81], "logop_checkpoint_start: unpack failure")]
    #[case::unknown(&[0x8d, 0x82], "unpacking operation: optype mismatch: unknown type 13")]
    #[case::no_number(&[0x01], "logop type: unpack failure")]
    #[case::bad_mode(&[0x86, 0x86, 0x82, 0x80, 0x80, 0x84], "logop_row_truncate: unpack failure")]
    #[case::file_too_large(&[0x85, 0x87, 0xe4, 0xff, 0xff, 0xff, 0xff], "logop_row_remove: unpack failure")]
    #[case::id_without_end(&[0x8c, 0x85, 0x80, 0x80, 0x41], "logop_backup_id: unpack failure")]
    fn malformed_operations_are_named(#[case] bytes: &[u8], #[case] message: &str) {
        let error = Operation::take(&mut &bytes[..]).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (crate::ErrorCode::EINVAL, message));
    }

    #[test]
    fn unknown_operations_with_the_ignore_bit_are_passed_over() {
        let mut bytes = Vec::new();
        vuint::push(&mut bytes, u64::from(IGNORE | 99));
        bytes.extend_from_slice(&[0x87, 1]);
        Operation::CheckpointStart.push(&mut bytes);
        let found: Vec<_> = Operations::new(&bytes).map(|taken| taken.unwrap().0).collect();
        assert_eq!(found, [Operation::Ignored { code: IGNORE | 99 }, Operation::CheckpointStart]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe_and_what_decodes_encodes(bytes: Vec<u8>) {
            for (operation, packed_bytes) in Operations::new(&bytes).map_while(Result::ok) {
                if !matches!(operation, Operation::Ignored { .. }) {
                    let again = packed(&operation);
                    prop_assert_eq!(Operation::take(&mut &again[..]).unwrap().unwrap().0, operation);
                    prop_assert!(!packed_bytes.is_empty());
                }
            }
        }
    }
}

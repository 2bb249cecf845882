//! Records as bytes: header, checksum, padding, and the kinds of contents (log specification, sections 4 and 5).
//!
//! Invariants
//! 1. A record written here is a multiple of [`UNIT`] bytes long and says so. Padding is zeros; if there are two bytes of it
//!    or more, the last one is [`END_MARK`]: a reader tells by it a record that was torn from one that was changed.
//! 2. The checksum covers header, contents and padding, its own four bytes taken as zero.
//! 3. Lengths are 32-bit: a longer record is refused, not cut.

use super::Lsn;
use super::operation::{Operations, lsn, small, to_u64};
use crate::page::vuint;
use crate::{Error, ErrorCode, Result};

/// Records begin at multiples of this many bytes.
pub const UNIT: usize = 128;
/// Bytes of a record's header.
pub const HEADER_SIZE: usize = 16;
/// The last byte of padding.
pub(crate) const END_MARK: u8 = 0xab;
/// The contents are compressed.
pub(crate) const COMPRESSED: u16 = 1;
/// The contents are encrypted.
pub(crate) const ENCRYPTED: u16 = 2;

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// The record's length with this header.
    pub len: u32,
    /// CRC-32C of the record.
    pub checksum: u32,
    /// [`COMPRESSED`], [`ENCRYPTED`].
    pub flags: u16,
    /// Two bytes that are zero.
    pub unused: u16,
    /// If compressed: the length before compression.
    pub mem_len: u32,
}

impl RecordHeader {
    /// Reads the header at the front of a record; `None` if there are fewer bytes.
    pub fn parse(record: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*record.get(at..)?.first_chunk()?));
        let half = |at: usize| Some(u16::from_le_bytes(*record.get(at..)?.first_chunk()?));
        Some(Self { len: word(0)?, checksum: word(4)?, flags: half(8)?, unused: half(10)?, mem_len: word(12)? })
    }

    /// Whether a record could have this header.
    pub fn is_plausible(&self) -> bool {
        self.flags & !(COMPRESSED | ENCRYPTED) == 0
            && self.unused == 0
            && (self.mem_len == 0 || self.flags & COMPRESSED != 0)
            && crate::page::widen(self.len) > HEADER_SIZE
    }

    /// The distance to the next record.
    pub fn step(&self) -> u64 {
        to_u64(UNIT).saturating_mul(u64::from(self.len).div_ceil(to_u64(UNIT)))
    }
}

/// The checksum of a whole record.
pub fn checksum(record: &[u8]) -> u32 {
    let (before, rest) = record.split_at_checked(4).unwrap_or((record, &[]));
    let crc = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
    crc32c::crc32c_append(crc, rest.get(4..).unwrap_or_default())
}

/// Starts a record in an empty buffer: its contents are appended, then `RecordTransform::seal` completes it.
pub(crate) fn start(out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER_SIZE, 0);
}

/// Completes a record: padding, length, checksum.
///
/// # Errors
/// `EFBIG` for a record whose length doesn't fit.
pub(crate) fn seal(record: &mut Vec<u8>) -> Result<()> {
    let unpadded = record.len();
    let padded = unpadded.checked_next_multiple_of(UNIT).and_then(|len| u32::try_from(len).ok());
    let len = padded.ok_or_else(|| {
        let message = format!("Log record size of {unpadded} exceeds the maximum supported size of {}", u32::MAX);
        Error::new(ErrorCode::EFBIG, message)
    })?;
    record.resize(crate::page::widen(len), 0);
    if record.len().saturating_sub(unpadded) >= 2
        && let Some(last) = record.last_mut()
    {
        *last = END_MARK;
    }
    set_word(record, 0, len);
    let checksum = checksum(record);
    set_word(record, 4, checksum);
    Ok(())
}

/// Says in the header what was done to the contents.
pub(crate) fn set_flags(record: &mut [u8], flags: u16) {
    if let Some(bytes) = record.get_mut(8..).and_then(|rest| rest.first_chunk_mut()) {
        *bytes = flags.to_le_bytes();
    }
}

/// Says in the header how long a compressed record was.
pub(crate) fn set_mem_len(record: &mut [u8], len: u32) {
    set_word(record, 12, len);
}

fn set_word(record: &mut [u8], at: usize, word: u32) {
    if let Some(bytes) = record.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *bytes = word.to_le_bytes();
    }
}

/// What a record says.
#[derive(Debug, Clone)]
pub enum Record<'a> {
    /// A checkpoint has been taken.
    Checkpoint {
        /// Where it began: what was logged before is in it.
        lsn: Lsn,
        /// Transactions that ran then. Their ids don't follow, though the number is there.
        running: u64,
    },
    /// A transaction was committed.
    Commit {
        /// Its id, in the run that wrote it.
        txn: u64,
        /// What it did.
        operations: Operations<'a>,
    },
    /// A file is (`start`) or was written by itself.
    FileSync {
        /// The file's id.
        file: u32,
        /// Before or after.
        start: bool,
    },
    /// Text for people.
    Message(&'a [u8]),
    /// What the engine has to say to itself.
    System(Operations<'a>),
}

/// Kinds of records.
mod kind {
    pub(super) const CHECKPOINT: u64 = 0;
    pub(super) const COMMIT: u64 = 1;
    pub(super) const FILE_SYNC: u64 = 2;
    pub(super) const MESSAGE: u64 = 3;
    pub(super) const SYSTEM: u64 = 4;
}

impl<'a> Record<'a> {
    /// Reads a record's contents: what follows its header, padding included.
    ///
    /// # Errors
    /// `EINVAL` for contents that don't decode.
    pub fn parse(mut body: &'a [u8]) -> Result<Self> {
        let kind = vuint::take(&mut body);
        Self::parse_kind(kind, body).ok_or_else(|| match kind {
            Some(kind::CHECKPOINT..=kind::SYSTEM) => Error::invalid("log record: unpack failure"),
            Some(kind) => Error::invalid(format!("log record: unknown type {kind}")),
            None => Error::invalid("log record: unpack failure of its type"),
        })
    }

    fn parse_kind(kind: Option<u64>, mut body: &'a [u8]) -> Option<Self> {
        let input = &mut body;
        Some(match kind? {
            kind::CHECKPOINT => Self::Checkpoint { lsn: lsn(input)?, running: vuint::take(input).unwrap_or(0) },
            kind::COMMIT => Self::Commit { txn: vuint::take(input)?, operations: Operations::new(body) },
            kind::FILE_SYNC => Self::FileSync { file: small(input)?, start: vuint::take(input)? != 0 },
            kind::MESSAGE => Self::Message(body.split(|byte| *byte == 0).next().unwrap_or_default()),
            kind::SYSTEM => Self::System(Operations::new(body)),
            _ => return None,
        })
    }

    /// The kind's number.
    pub fn kind(&self) -> u32 {
        match self {
            Self::Checkpoint { .. } => 0,
            Self::Commit { .. } => 1,
            Self::FileSync { .. } => 2,
            Self::Message(_) => 3,
            Self::System(_) => 4,
        }
    }
}

/// Starts a checkpoint record in `out`; nothing is appended to it.
pub(crate) fn start_checkpoint(out: &mut Vec<u8>, lsn: Lsn) {
    numbers(out, &[kind::CHECKPOINT, lsn.file.into(), lsn.offset.into(), 0]);
}

/// Starts a commit record in `out`: packed operations are appended to it.
pub(crate) fn start_commit(out: &mut Vec<u8>, txn: u64) {
    numbers(out, &[kind::COMMIT, txn]);
}

/// Starts a record about the writing of one file in `out`; nothing is appended to it.
pub(crate) fn start_file_sync(out: &mut Vec<u8>, file: u32, start: bool) {
    numbers(out, &[kind::FILE_SYNC, file.into(), start.into()]);
}

/// Starts a message record in `out`; nothing is appended to it.
pub(crate) fn start_message(out: &mut Vec<u8>, text: &str) {
    numbers(out, &[kind::MESSAGE]);
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// Starts a system record in `out`: packed operations are appended to it.
pub(crate) fn start_system(out: &mut Vec<u8>) {
    numbers(out, &[kind::SYSTEM]);
}

fn numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    start(out);
    numbers.iter().for_each(|number| vuint::push(out, *number));
}

#[cfg(test)]
mod tests {
    use super::super::operation::{Operation, Timestamps, TruncateMode};
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors};
    use serde_json::Value;

    fn lsn_of(value: &Value) -> Lsn {
        Lsn::new(number_u32(&value[0]), number_u32(&value[1]))
    }

    /// The operation that a vector's fields describe.
    fn operation<'a>(json: &Value, first: &'a mut Vec<u8>, second: &'a mut Vec<u8>) -> Operation<'a> {
        let file = || number_u32(&json["fileid"]);
        let recno = || number(&json["recno"]);
        let item = |name: &str, into: &'a mut Vec<u8>| -> &'a [u8] {
            *into = hex(&json[name]);
            into
        };
        match json["optype"].as_str().unwrap() {
            "col_put" => Operation::ColPut { file: file(), recno: recno(), value: item("value_hex", first) },
            "col_remove" => Operation::ColRemove { file: file(), recno: recno() },
            "col_truncate" => {
                Operation::ColTruncate { file: file(), start: number(&json["start"]), stop: number(&json["stop"]) }
            }
            "row_put" => {
                Operation::RowPut { file: file(), key: item("key_hex", first), value: item("value_hex", second) }
            }
            "row_remove" => Operation::RowRemove { file: file(), key: item("key_hex", first) },
            "row_truncate" => Operation::RowTruncate {
                file: file(),
                start: item("start_hex", first),
                stop: item("stop_hex", second),
                mode: [TruncateMode::All, TruncateMode::Both, TruncateMode::Start, TruncateMode::Stop]
                    [number(&json["mode"]) as usize],
            },
            "checkpoint_start" => Operation::CheckpointStart,
            "prev_lsn" => Operation::PrevLsn(lsn_of(&json["prev_lsn"])),
            "col_modify" => Operation::ColModify { file: file(), recno: recno(), modify: item("value_hex", first) },
            "row_modify" => {
                Operation::RowModify { file: file(), key: item("key_hex", first), modify: item("value_hex", second) }
            }
            "backup_id" => {
                *first = json["id"].as_str().unwrap().as_bytes().to_vec();
                let granularity = json["granularity"].as_str().unwrap().parse().unwrap();
                Operation::BackupId { index: number_u32(&json["index"]), granularity, id: first }
            }
            "txn_timestamp" => {
                let field = |name: &str| number(&json[name]);
                Operation::TxnTimestamp(Timestamps {
                    time_sec: field("time_sec"),
                    time_nsec: field("time_nsec"),
                    commit: field("commit_ts"),
                    durable: field("durable_ts"),
                    first_commit: field("first_commit_ts"),
                    prepare: field("prepare_ts"),
                    read: field("read_ts"),
                })
            }
            other => panic!("unknown operation {other}"),
        }
    }

    fn check_operations(found: Operations<'_>, expected: &Value, out: &mut Vec<u8>) {
        let expected = expected.as_array().unwrap();
        let found: Vec<_> = found.map(|taken| taken.unwrap()).collect();
        assert_eq!(found.len(), expected.len());
        for ((found, bytes), json) in found.into_iter().zip(expected) {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let operation = operation(json, &mut first, &mut second);
            assert_eq!(found, operation);
            assert_eq!(found.code(), number_u32(&json["type_code"]));
            assert_eq!((bytes.len() as u64, bytes.to_vec()), (number(&json["size"]), hex(&json["packed"])));
            operation.push(out);
        }
    }

    #[test]
    fn every_vector_decodes_and_encodes_to_the_same_bytes() {
        let file = vectors("log-records.json");
        let mut kinds = std::collections::BTreeMap::new();
        for json in file["records"].as_array().unwrap() {
            let bytes = hex(&json["record_hex"]);
            let header = RecordHeader::parse(&bytes).unwrap();
            assert_eq!(header.len, number_u32(&json["len"]));
            assert_eq!(u64::from(header.flags), number(&json["flags"]));
            assert_eq!(header.mem_len, number_u32(&json["mem_len"]));
            assert_eq!(format!("{:#010x}", header.checksum), json["checksum"].as_str().unwrap());
            assert_eq!(checksum(&bytes), header.checksum, "{json}");
            assert!(header.is_plausible());
            let kind = json["kind"].as_str().unwrap();
            *kinds.entry(kind.to_owned()).or_insert(0) += 1;
            if kind == "header" || header.flags != 0 {
                continue;
            }
            let mut out = Vec::new();
            match Record::parse(&bytes[HEADER_SIZE..]).unwrap() {
                Record::Checkpoint { lsn, running } => {
                    assert_eq!((lsn, running), (lsn_of(&json["ckpt_lsn"]), number(&json["nsnapshot"])));
                    numbers(&mut out, &[kind::CHECKPOINT, lsn.file.into(), lsn.offset.into(), running]);
                    seal(&mut out).unwrap();
                }
                Record::Commit { txn, operations } => {
                    assert_eq!(txn, number(&json["txnid"]));
                    start_commit(&mut out, txn);
                    check_operations(operations, &json["ops"], &mut out);
                    seal(&mut out).unwrap();
                }
                Record::FileSync { file, start } => {
                    assert_eq!((u64::from(file), u64::from(start)), (number(&json["fileid"]), number(&json["start"])));
                    start_file_sync(&mut out, file, start);
                    seal(&mut out).unwrap();
                }
                Record::Message(text) => {
                    assert_eq!(text, json["message"].as_str().unwrap().as_bytes());
                    start_message(&mut out, json["message"].as_str().unwrap());
                    seal(&mut out).unwrap();
                }
                Record::System(operations) => {
                    start_system(&mut out);
                    check_operations(operations, &json["ops"], &mut out);
                    // The record of the previous file's end is a fixed block without a mark: see `file_header`.
                    if json["ops"][0]["optype"] == "prev_lsn" {
                        continue;
                    }
                    seal(&mut out).unwrap();
                }
            }
            assert_eq!(out, bytes, "{json}");
        }
        assert!(kinds.len() >= 6, "{kinds:?}");
    }

    #[test]
    fn the_mark_needs_two_bytes_of_padding() {
        for unpadded in 100..=130 {
            let mut record = vec![0; unpadded];
            record[HEADER_SIZE..].fill(9);
            seal(&mut record).unwrap();
            let padding = record.len() - unpadded;
            let last = *record.last().unwrap();
            assert_eq!(last, [9, 0, END_MARK][padding.min(2)], "{padding} bytes of padding");
            assert_eq!(checksum(&record), RecordHeader::parse(&record).unwrap().checksum);
        }
    }

    #[rstest::rstest]
    #[case::empty(&[], "log record: unpack failure of its type")]
    #[case::unknown(&[0x85], "log record: unknown type 5")]
    #[case::cut(&[0x80, 0x81], "log record: unpack failure")]
    #[case::commit_without_id(&[0x81], "log record: unpack failure")]
    fn malformed_contents_are_refused(#[case] body: &[u8], #[case] message: &str) {
        assert_eq!(Record::parse(body).unwrap_err().to_string(), message);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = RecordHeader::parse(&bytes).map(|header| (header.is_plausible(), header.step()));
            let _ = checksum(&bytes);
            if let Ok(Record::Commit { operations, .. } | Record::System(operations)) = Record::parse(&bytes) {
                proptest::prop_assert!(operations.count() <= bytes.len());
            }
        }
    }
}

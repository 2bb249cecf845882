//! The two fixed blocks at the start of a log file: its header, and where the previous file ends (log specification,
//! section 3).

use super::Lsn;
use super::operation::Operation;
use super::record::{self, HEADER_SIZE, Record, RecordHeader, UNIT};
use crate::{Error, ErrorCode, Result};

/// The version of the log's format that is written.
pub const VERSION: u16 = 5;
/// The first version with a record of the previous file's end.
const VERSION_WITH_PREVIOUS: u16 = 2;
const MAGIC: u32 = 0x0010_1064;

/// The contents of a file's first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// The version of the format.
    pub version: u16,
    /// The writer's `file_max`, in bytes.
    pub file_max: u64,
}

impl FileHeader {
    /// The block.
    pub fn encode(self) -> [u8; UNIT] {
        let mut body = Vec::with_capacity(UNIT);
        body.extend_from_slice(&MAGIC.to_le_bytes());
        body.extend_from_slice(&self.version.to_le_bytes());
        body.extend_from_slice(&[0; 2]);
        body.extend_from_slice(&self.file_max.to_le_bytes());
        block(&body)
    }

    /// Reads the block. The checksum is not looked at: see [`is_intact`]. `name` is for errors.
    ///
    /// # Errors
    /// `WT_TRY_SALVAGE` for a wrong magic number, `WT_ERROR` for a version from the future.
    pub fn decode(block: &[u8; UNIT], name: &str) -> Result<Self> {
        let [.., m0, m1, m2, m3, v0, v1, _, _, s0, s1, s2, s3, s4, s5, s6, s7] = *first_half(block);
        let magic = u32::from_le_bytes([m0, m1, m2, m3]);
        if magic != MAGIC {
            let message = format!("log file {name} corrupted: Bad magic number {magic}");
            return Err(Error::new(ErrorCode::TRY_SALVAGE, message));
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version > VERSION {
            let message = format!(
                "unsupported WiredTiger file version: this build only supports versions up to {VERSION}, and the file is \
                 version {version}"
            );
            return Err(Error::new(ErrorCode::ERROR, message));
        }
        Ok(Self { version, file_max: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]) })
    }

    /// Whether the second block says where the previous file ends.
    pub fn has_previous(self) -> bool {
        self.version >= VERSION_WITH_PREVIOUS
    }

    /// Where the first record is, after the fixed blocks.
    pub fn first_record(self) -> u32 {
        if self.has_previous() { 256 } else { 128 }
    }
}

/// Whether a fixed block has the checksum it says it has.
pub(super) fn is_intact(block: &[u8; UNIT]) -> bool {
    RecordHeader::parse(block).is_some_and(|header| header.checksum == record::checksum(block))
}

/// The block that says where the previous file ends; [`Lsn::INITIAL`]: nobody knows.
pub fn encode_previous(previous: Lsn) -> [u8; UNIT] {
    let mut body = vec![0x84];
    Operation::PrevLsn(previous).push(&mut body);
    block(&body)
}

/// Reads the block that says where the previous file ends; `None`: it is not there. `name` is for errors.
///
/// # Errors
/// `WT_ERROR` for a wrong checksum, `EINVAL` for another kind of record.
pub fn decode_previous(block: &[u8; UNIT], name: &str) -> Result<Option<Lsn>> {
    let Some(header) = RecordHeader::parse(block).filter(|header| header.len != 0) else { return Ok(None) };
    let computed = record::checksum(block);
    if computed != header.checksum {
        let hex = |sum: u32| if sum == 0 { "0".to_owned() } else { format!("{sum:#x}") };
        return Err(Error::new(
            ErrorCode::ERROR,
            format!(
                "{name}: System log record checksum mismatch: calculated block checksum of {} doesn't match expected \
                 checksum of {}",
                hex(computed),
                hex(header.checksum)
            ),
        ));
    }
    let operation = match Record::parse(block.get(HEADER_SIZE..).unwrap_or_default())? {
        Record::System(mut operations) => operations.next().transpose()?,
        _ => None,
    };
    match operation {
        Some((Operation::PrevLsn(previous), _)) => Ok(Some(previous)),
        _ => Err(Error::invalid(format!("{name}: the record of the previous file's end is missing"))),
    }
}

/// A record of one unit with this body, without a mark in its padding.
fn block(body: &[u8]) -> [u8; UNIT] {
    let mut block = [0; UNIT];
    let (header, rest) = block.split_at_mut(HEADER_SIZE);
    if let Some(start) = header.first_mut() {
        *start = 0x80;
    }
    for (to, from) in rest.iter_mut().zip(body) {
        *to = *from;
    }
    let checksum = record::checksum(&block).to_le_bytes();
    for (to, from) in block.iter_mut().skip(4).zip(checksum) {
        *to = from;
    }
    block
}

/// Record header, magic number, version and size.
fn first_half(block: &[u8; UNIT]) -> &[u8; 32] {
    block.first_chunk().unwrap_or(&[0; 32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors};

    #[test]
    fn the_blocks_of_real_files_decode_and_encode() {
        let file = vectors("log-records.json");
        let (mut headers, mut previous) = (0, 0);
        for json in file["records"].as_array().unwrap() {
            let Ok(block) = <[u8; UNIT]>::try_from(hex(&json["record_hex"])) else { continue };
            if json["kind"] == "header" {
                let header = FileHeader::decode(&block, "").unwrap();
                let expected = (number(&json["version"]) as u16, number(&json["log_size"]));
                assert_eq!((header.version, header.file_max), expected);
                assert_eq!(header.encode(), block);
                assert!(is_intact(&block));
                headers += 1;
            } else if json["ops"][0]["optype"] == "prev_lsn" {
                let lsn = &json["ops"][0]["prev_lsn"];
                let lsn = Lsn::new(number_u32(&lsn[0]), number_u32(&lsn[1]));
                assert_eq!(decode_previous(&block, "").unwrap(), Some(lsn));
                assert_eq!(encode_previous(lsn), block);
                previous += 1;
            }
        }
        assert!(headers >= 2 && previous >= 3, "{headers} headers, {previous} records of a previous end");
    }

    #[test]
    fn damage_is_named() {
        let good = FileHeader { version: VERSION, file_max: 102_400 }.encode();
        let mut magic = good;
        magic[16..20].fill(0);
        let error = FileHeader::decode(&magic, "./WiredTigerLog.0000000003").unwrap_err();
        assert_eq!(error.code(), ErrorCode::TRY_SALVAGE);
        assert_eq!(error.to_string(), "log file ./WiredTigerLog.0000000003 corrupted: Bad magic number 0");
        let mut version = good;
        version[20] = 6;
        assert_eq!(FileHeader::decode(&version, "").unwrap_err().code(), ErrorCode::ERROR);
        let mut previous = encode_previous(Lsn::new(2, 92_416));
        previous[4..8].fill(0);
        let error = decode_previous(&previous, "f").unwrap_err();
        let expected = "f: System log record checksum mismatch: calculated block checksum of 0x";
        assert!(
            error.to_string().starts_with(expected) && error.to_string().ends_with("expected checksum of 0"),
            "{error}"
        );
        assert_eq!(decode_previous(&[0; UNIT], "f").unwrap(), None);
    }
}

//! What happens to a record's contents on their way to the file, and back: compression, then encryption (log specification,
//! section 8).
//!
//! Invariants
//! 1. The header stays clear, its flags say what was done. The fixed blocks at a file's front are not touched at all.
//! 2. With an encryptor every record is encrypted. A compressed form is kept only if it needs fewer units.
//! 3. No size that a record claims is allocated before it is found to be within [`MAX_RATIO`].
//! 4. The checksum, taken last, covers what is in the file: a reader finds the log's end without any key.

use super::Lsn;
use super::record::{COMPRESSED, ENCRYPTED, HEADER_SIZE, RecordHeader, UNIT, seal, set_flags, set_mem_len, start};
use crate::block::{KeyedEncryptor, MAX_RATIO};
use crate::page::widen;
use crate::plugin::compressor::Compressor;
use crate::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What is done to the records of a log. By default nothing.
#[derive(Clone, Default)]
pub struct RecordTransform {
    compressor: Option<Arc<dyn Compressor>>,
    encryptor: Option<Arc<KeyedEncryptor>>,
}

impl RecordTransform {
    /// Compresses, then encrypts.
    pub fn new(compressor: Option<Arc<dyn Compressor>>, encryptor: Option<Arc<KeyedEncryptor>>) -> Self {
        Self { compressor, encryptor }
    }

    /// Completes a record that was started: what is to be done to its contents, then padding, length, checksum.
    ///
    /// # Errors
    /// `EFBIG` for a record whose length doesn't fit; those of compressor and encryptor.
    pub(crate) fn seal(&self, record: &mut Vec<u8>) -> Result<()> {
        let mut flags = 0;
        let mut mem_len = 0;
        if let Some(packed) = self.compress(record)? {
            // A record whose length doesn't fit is refused as it would be without a compressor.
            mem_len = u32::try_from(record.len()).map_err(|_| Error::new(ErrorCode::EFBIG, "log record too long"))?;
            replace_contents(record, &packed);
            flags |= COMPRESSED;
        }
        if let Some(encryptor) = &self.encryptor {
            let framed = encryptor.seal(HEADER_SIZE, record.get(HEADER_SIZE..).unwrap_or_default())?;
            replace_contents(record, &framed);
            flags |= ENCRYPTED;
        }
        set_flags(record, flags);
        set_mem_len(record, mem_len);
        seal(record)
    }

    /// The compressed contents, if that saves a unit.
    fn compress(&self, record: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(compressor) = self.compressor.as_ref().filter(|_| record.len() >= UNIT) else { return Ok(None) };
        let source = record.get(HEADER_SIZE..).unwrap_or_default();
        let mut packed = vec![0; compressor.pre_size(source)?];
        let Some(len) = compressor.compress(source, &mut packed)? else { return Ok(None) };
        if len > packed.len() {
            return Err(Error::new(ErrorCode::ERROR, "a compressor claims more bytes than it was given room for"));
        }
        packed.truncate(len);
        let units = |bytes: usize| bytes.wrapping_div(UNIT);
        Ok((units(len.saturating_add(HEADER_SIZE)) < units(record.len())).then_some(packed))
    }

    /// The contents of a record, from what the file has behind its header.
    ///
    /// # Errors
    /// `WT_ERROR` for a record to which something was done that this log doesn't do; `Corrupt` for one that can't be
    /// restored.
    pub(crate) fn open<'a>(&self, lsn: Lsn, header: &RecordHeader, stored: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let missing = |what| Err(Error::new(ErrorCode::ERROR, format!("log record at LSN {lsn}: {what}")));
        let mut body = Cow::Borrowed(stored);
        if header.flags & ENCRYPTED != 0 {
            let Some(encryptor) = &self.encryptor else {
                return missing("Encrypted record with no configured decrypt method");
            };
            body = Cow::Owned(encryptor.open(HEADER_SIZE, &body).map_err(|error| damaged(lsn, error))?);
        }
        if header.flags & COMPRESSED != 0 {
            let Some(compressor) = &self.compressor else {
                return missing("Compressed record with no configured compressor");
            };
            let plain = decompressed(&**compressor, widen(header.mem_len), &body);
            body = Cow::Owned(plain.map_err(|error| damaged(lsn, error))?);
        }
        Ok(body)
    }
}

impl fmt::Debug for RecordTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (compresses, encrypts) = (self.compressor.is_some(), self.encryptor.is_some());
        f.debug_struct("RecordTransform").field("compresses", &compresses).field("encrypts", &encrypts).finish()
    }
}

fn replace_contents(record: &mut Vec<u8>, contents: &[u8]) {
    start(record);
    record.extend_from_slice(contents);
}

fn decompressed(compressor: &dyn Compressor, mem_len: usize, source: &[u8]) -> Result<Vec<u8>> {
    let wrong = || Error::new(ErrorCode::ERROR, "decompression failed with incorrect size");
    let len = mem_len.checked_sub(HEADER_SIZE).ok_or_else(wrong)?;
    if len > source.len().saturating_mul(MAX_RATIO) {
        return Err(wrong());
    }
    let mut plain = vec![0; len];
    if compressor.decompress(source, &mut plain)? != len {
        return Err(wrong());
    }
    Ok(plain)
}

/// The failure of restoring a record, with its place.
fn damaged(lsn: Lsn, error: Error) -> Error {
    let reason = match error {
        Error::Corrupt(corruption) => corruption.reason.to_string(),
        error => error.to_string(),
    };
    Error::corrupt(format!("log file {}", lsn.file), u64::from(lsn.offset), reason)
}

#[cfg(test)]
mod tests {
    use super::super::record::{self, Record};
    use super::*;
    use crate::page::test_data::{hex, vectors};
    use crate::plugin::encryptor::Encryptor;
    use std::sync::Arc;

    /// Runs of a byte as length and byte: as much as these tests need.
    struct Runs;

    impl Compressor for Runs {
        fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
            let packed: Vec<u8> = source
                .chunk_by(|a, b| a == b)
                .flat_map(|run| run.chunks(255))
                .flat_map(|run| [run.len() as u8, run[0]])
                .collect();
            let Some(out) = destination.get_mut(..packed.len()) else { return Ok(None) };
            out.copy_from_slice(&packed);
            Ok(Some(packed.len()))
        }

        fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
            let mut runs = source.chunks(2).flat_map(|run| vec![run[1]; usize::from(run[0])]);
            Ok(destination.iter_mut().zip(&mut runs).map(|(to, from)| *to = from).count())
        }
    }

    /// Adds three to each letter, as the reference's example does with key id 3; twenty bytes stand before the text.
    struct Letters;

    impl Letters {
        fn turn(byte: u8, by: u8) -> u8 {
            match byte {
                b'a'..=b'z' => (byte - b'a' + by) % 26 + b'a',
                b'A'..=b'Z' => (byte - b'A' + by) % 26 + b'A',
                other => other,
            }
        }
    }

    impl Encryptor for Letters {
        fn encrypt(&self, plain: &[u8], cipher: &mut [u8]) -> Result<usize> {
            cipher[..4].fill(b'C');
            cipher[4..20].fill(b'I');
            cipher[20..].iter_mut().zip(plain).for_each(|(to, from)| *to = Self::turn(*from, 3));
            Ok(plain.len() + 20)
        }

        fn decrypt(&self, cipher: &[u8], plain: &mut [u8]) -> Result<usize> {
            let text = cipher.get(20..).ok_or_else(|| Error::new(ErrorCode::ERROR, "too short"))?;
            plain.iter_mut().zip(text).for_each(|(to, from)| *to = Self::turn(*from, 23));
            Ok(text.len())
        }

        fn sizing(&self) -> Result<usize> {
            Ok(20)
        }
    }

    fn transform(compresses: bool, encrypts: bool) -> RecordTransform {
        let encryptor = || Arc::new(KeyedEncryptor::new(Arc::new(Letters)).unwrap());
        RecordTransform::new(compresses.then(|| Arc::new(Runs) as _), encrypts.then(encryptor))
    }

    fn contents(transform: &RecordTransform, record: &[u8]) -> Result<Vec<u8>> {
        let header = RecordHeader::parse(record).unwrap();
        transform.open(Lsn::new(3, 256), &header, &record[HEADER_SIZE..]).map(Cow::into_owned)
    }

    fn message(transform: &RecordTransform, text: &str) -> Vec<u8> {
        let mut record = Vec::new();
        record::start_message(&mut record, text);
        transform.seal(&mut record).unwrap();
        record
    }

    #[test]
    fn encrypted_records_of_the_reference_are_made_and_read() {
        let file = vectors("log-records.json");
        let mut done = 0;
        for json in file["records"].as_array().unwrap().iter().filter(|json| json["flags"] == 2) {
            let bytes = hex(&json["record_hex"]);
            let plain = contents(&transform(false, true), &bytes).unwrap();
            assert!(matches!(Record::parse(&plain).unwrap(), Record::Commit { .. }), "{json}");
            let mut record = Vec::new();
            start(&mut record);
            record.extend_from_slice(&plain);
            transform(false, true).seal(&mut record).unwrap();
            assert_eq!(record, bytes);
            done += 1;
        }
        assert!(done >= 4, "{done}");
    }

    #[rstest::rstest]
    #[case::nothing(false, false, 300, 0, 384)]
    #[case::compressed(true, false, 300, COMPRESSED, 128)]
    #[case::too_short_to_try(true, false, 100, 0, 128)]
    #[case::encrypted(false, true, 300, ENCRYPTED, 384)]
    #[case::both(true, true, 1000, COMPRESSED | ENCRYPTED, 128)]
    fn what_was_done_is_undone(
        #[case] compresses: bool,
        #[case] encrypts: bool,
        #[case] len: usize,
        #[case] flags: u16,
        #[case] stored: usize,
    ) {
        let text = "x".repeat(len);
        let transform = transform(compresses, encrypts);
        let record = message(&transform, &text);
        let header = RecordHeader::parse(&record).unwrap();
        // Header, kind, text, its end.
        let mem_len = if flags & COMPRESSED != 0 { len + HEADER_SIZE + 2 } else { 0 };
        assert_eq!((header.flags, header.len as usize, header.mem_len as usize), (flags, stored, mem_len));
        assert!(header.is_plausible());
        assert_eq!(header.checksum, record::checksum(&record));
        let found = contents(&transform, &record).unwrap();
        assert!(matches!(Record::parse(&found).unwrap(), Record::Message(found) if found == text.as_bytes()));
    }

    #[rstest::rstest]
    #[case(true, false, "Compressed record with no configured compressor")]
    #[case(false, true, "Encrypted record with no configured decrypt method")]
    fn what_cannot_be_undone_is_named(#[case] compresses: bool, #[case] encrypts: bool, #[case] reason: &str) {
        let record = message(&transform(compresses, encrypts), &"x".repeat(300));
        let error = contents(&RecordTransform::default(), &record).unwrap_err();
        assert_eq!((error.code(), error.to_string()), (ErrorCode::ERROR, format!("log record at LSN 3,256: {reason}")));
    }

    #[rstest::rstest]
    #[case::size(12, &[0xff, 0xff, 0xff, 0xff], "decompression failed with incorrect size")]
    #[case::one_more(12, &[0x3f, 1, 0, 0], "decompression failed with incorrect size")]
    #[case::less_than_a_header(12, &[15, 0, 0, 0], "decompression failed with incorrect size")]
    #[case::length_beyond_the_record(16, &[0, 1, 0, 0], "padded size less than actual size")]
    #[case::length_below_the_header(16, &[3, 0, 0, 0], "padded size less than actual size")]
    #[case::no_room_for_the_key(16, &[30, 0, 0, 0], "decryption failed: too short")]
    fn wrong_lengths_are_damage_at_the_record(#[case] at: usize, #[case] bytes: &[u8], #[case] reason: &str) {
        let is_compressed = at == 12;
        let transform = transform(is_compressed, !is_compressed);
        let mut record = message(&transform, &"x".repeat(if is_compressed { 300 } else { 10 }));
        record[at..at + 4].copy_from_slice(bytes);
        let error = contents(&transform, &record).unwrap_err();
        assert!(matches!(&error, Error::Corrupt(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

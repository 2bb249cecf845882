//! Reading a log record by record, and deciding where it ends (log specification, sections 13.3 and 14).
//!
//! Invariants
//! 1. Nothing is changed. What is to be cut off is told ([`Scanner::cuts`]); whoever replays the log does it afterwards.
//! 2. A record is handed out only with its checksum right. The log ends before the first that isn't, before a hole, and
//!    before a record that its file can't hold.
//! 3. Memory is bounded by the size of the file being read, never by a length that a record states.

use super::Lsn;
use super::directory::{LogDirectory, LogFile, read_block};
use super::file_header::{decode_previous, is_intact};
use super::operation::to_u64;
use super::record::{HEADER_SIZE, RecordHeader, UNIT, checksum};
use super::transform::RecordTransform;
use crate::{Error, Result};
use std::borrow::Cow;

/// Bytes read at once.
const WINDOW: u64 = 256 << 10;
/// What stays of a file whose records are cut off: its two fixed blocks.
const FIRST_RECORD: u64 = 256;

/// Why a log ends where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing after the last record.
    Complete,
    /// The record there looks as if its writing was interrupted.
    Torn,
    /// Zeros where a record should be, with data behind them; or a record that the file can't hold.
    Hole,
    /// The record there is damaged.
    Damaged,
    /// The file there doesn't follow the end of the one before it.
    Gap,
    /// The file there doesn't say what it follows.
    Unlinked,
}

/// A record.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Where it is.
    pub lsn: Lsn,
    /// Where the next one begins.
    pub next: Lsn,
    /// Its header.
    pub header: RecordHeader,
    /// What follows the header, padding included, as it is in the file.
    pub stored: &'a [u8],
    transform: &'a RecordTransform,
}

impl<'a> Entry<'a> {
    /// The contents.
    ///
    /// # Errors
    /// `WT_ERROR` for a compressed or encrypted record of a log without compressor or encryptor; `Corrupt` for one that
    /// can't be restored.
    pub fn body(&self) -> Result<Cow<'a, [u8]>> {
        self.transform.open(self.lsn, &self.header, self.stored)
    }
}

/// A forward reader of a log.
pub struct Scanner {
    directory: LogDirectory,
    last: u32,
    /// Whether a file must follow the end of the one before it.
    linked: bool,
    file: Option<Open>,
    /// The file to be opened next.
    next_file: Option<u32>,
    /// Where the file before ended; `None`: it wasn't read.
    previous_end: Option<u32>,
    end: Lsn,
    ending: Option<Ending>,
    cuts: Vec<(u32, u64)>,
}

/// The file being read.
struct Open {
    file: LogFile,
    size: u64,
    position: u64,
    /// The end of the last record.
    end: u64,
    window: Vec<u8>,
    window_start: u64,
}

/// What is at a position.
enum Found {
    Record(RecordHeader),
    EndOfFile,
    End(Ending),
}

impl Scanner {
    /// A reader that begins at `start` ([`Lsn::INITIAL`]: with the first file). `last` is the last file's number. With
    /// `linked`, a file that doesn't follow the end of the one before it ends the log.
    ///
    /// # Errors
    /// `Corrupt` for missing and short files; those of file headers and of the file system.
    pub fn new(directory: &LogDirectory, start: Lsn, last: u32, linked: bool) -> Result<Self> {
        let mut scanner = Self {
            directory: directory.clone(),
            last,
            linked,
            file: None,
            next_file: None,
            previous_end: None,
            end: start,
            ending: None,
            cuts: Vec::new(),
        };
        if start == Lsn::INITIAL {
            let numbers = directory.numbers()?;
            scanner.next_file = numbers.first().copied();
            return Ok(scanner);
        }
        if start.offset == 0 {
            scanner.next_file = Some(start.file);
            return Ok(scanner);
        }
        let (file, _) = directory.open(start.file, true)?;
        scanner.file = Some(Open::new(file, u64::from(start.offset))?);
        Ok(scanner)
    }

    /// The next record; `None` at the end of the log.
    ///
    /// # Errors
    /// As [`Scanner::new`].
    #[allow(clippy::should_implement_trait, reason = "a lending iterator can't be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        loop {
            if self.ending.is_some() {
                return Ok(None);
            }
            let Some(open) = &mut self.file else {
                match self.next_file.take() {
                    Some(number) => self.open_file(number)?,
                    None => self.ending = Some(Ending::Complete),
                }
                continue;
            };
            match open.look()? {
                Found::Record(header) => {
                    let lsn = open.lsn();
                    open.advance(&header);
                    let next = open.lsn();
                    self.end = next;
                    // Borrowed anew: the borrow of the loop ends here.
                    let stored = self.file.as_ref().map_or(&[][..], |open| open.record(lsn, &header));
                    return Ok(Some(Entry { lsn, next, header, stored, transform: self.directory.transform() }));
                }
                Found::EndOfFile => self.finish_file(),
                Found::End(ending) => self.finish(ending),
            }
        }
    }

    /// The end of the last record that was read.
    pub fn end(&self) -> Lsn {
        self.end
    }

    /// Why the log ended; `None`: it hasn't been read to its end.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Where the log ended before what stopped the reading.
    pub fn stopped_at(&self) -> Option<Lsn> {
        self.file.as_ref().map(Open::lsn)
    }

    /// What is to be cut off behind the log's end: numbers and new lengths of files.
    pub fn cuts(&self) -> &[(u32, u64)] {
        &self.cuts
    }

    fn open_file(&mut self, number: u32) -> Result<()> {
        let (file, header) = self.directory.open(number, true)?;
        let name = file.name.clone();
        let block = read_block(&*file.handle, &name, 0)?;
        let intact = is_intact(&block);
        let mut open = Open::new(file, u64::from(header.first_record()))?;
        if !intact {
            // A header is a record without an end mark: it looks torn, and nothing is cut.
            open.position = 0;
            self.file = Some(open);
            self.ending = Some(Ending::Torn);
            return Ok(());
        }
        if !header.has_previous() {
            self.file = Some(open);
            return Ok(());
        }
        let unit = to_u64(UNIT);
        match decode_previous(&read_block(&*open.file.handle, &name, unit)?, &name)? {
            Some(previous) => {
                let follows = !previous.is_real() || self.previous_end.is_none_or(|end| previous.offset == end);
                open.position = unit;
                open.end = unit;
                self.file = Some(open);
                if self.linked && !follows {
                    self.cuts.push((number, 0));
                    self.ending = Some(Ending::Gap);
                }
            }
            None => {
                open.end = unit;
                self.file = Some(open);
                if self.linked {
                    self.cuts.push((number, unit));
                    self.ending = Some(Ending::Unlinked);
                }
            }
        }
        Ok(())
    }

    fn finish_file(&mut self) {
        let Some(open) = self.file.take() else { return };
        let number = open.file.number;
        self.cuts.push((number, open.end));
        if number >= self.last {
            self.file = Some(open);
            self.ending = Some(Ending::Complete);
            return;
        }
        self.previous_end = u32::try_from(open.end).ok();
        self.next_file = number.checked_add(1);
    }

    fn finish(&mut self, ending: Ending) {
        self.ending = Some(ending);
        let Some(open) = &self.file else { return };
        match ending {
            Ending::Hole => {
                self.cuts.push((open.file.number, open.position));
                let later = open.file.number.saturating_add(1)..=self.last;
                self.cuts.extend(later.map(|number| (number, FIRST_RECORD)));
            }
            Ending::Damaged => self.cuts.push((open.file.number, open.position)),
            _ => {}
        }
    }
}

impl Open {
    fn new(file: LogFile, position: u64) -> Result<Self> {
        let size = file.handle.size()?;
        Ok(Self { file, size, position, end: position, window: Vec::new(), window_start: 0 })
    }

    fn lsn(&self) -> Lsn {
        Lsn::new(self.file.number, u32::try_from(self.position).unwrap_or(u32::MAX))
    }

    fn look(&mut self) -> Result<Found> {
        let unit = to_u64(UNIT);
        let at = self.position;
        // Offsets are 32-bit: what a file has beyond can't be records.
        if at.saturating_add(unit) > self.size || u32::try_from(at).is_err() {
            // The beginning of a record is a hole like any other.
            return Ok(if self.is_zero_from(at)? { Found::EndOfFile } else { Found::End(Ending::Hole) });
        }
        let Some(header) = RecordHeader::parse(self.read(at, unit)?) else { return Ok(Found::EndOfFile) };
        if header.len == 0 {
            let zeros = self.is_zero_from(at)?;
            return Ok(if zeros { Found::EndOfFile } else { Found::End(Ending::Hole) });
        }
        let len = u64::from(header.len);
        if len > unit && at.saturating_add(header.step()) > self.size {
            return Ok(Found::End(Ending::Hole));
        }
        let record = self.read(at, len.max(to_u64(HEADER_SIZE)))?;
        if len > to_u64(HEADER_SIZE) && checksum(record) == header.checksum {
            return Ok(Found::Record(header));
        }
        let torn = record.last().is_some_and(|last| *last == 0) && header.is_plausible();
        Ok(Found::End(if torn { Ending::Torn } else { Ending::Damaged }))
    }

    fn advance(&mut self, header: &RecordHeader) {
        self.position = self.position.saturating_add(header.step());
        self.end = self.position;
    }

    /// The contents of the record at `lsn`, which has just been looked at.
    fn record(&self, lsn: Lsn, header: &RecordHeader) -> &[u8] {
        let start = u64::from(lsn.offset).saturating_sub(self.window_start);
        let range = |start: u64| {
            let start = usize::try_from(start).ok()?;
            self.window.get(start..start.checked_add(crate::page::widen(header.len))?)?.get(HEADER_SIZE..)
        };
        range(start).unwrap_or_default()
    }

    /// Bytes of the file, which has them.
    fn read(&mut self, at: u64, len: u64) -> Result<&[u8]> {
        let end = at.saturating_add(len);
        let window_end = self.window_start.saturating_add(to_u64(self.window.len()));
        if at < self.window_start || end > window_end {
            let wanted = len.max(WINDOW).min(self.size.saturating_sub(at));
            self.window.resize(usize::try_from(wanted).unwrap_or(usize::MAX), 0);
            self.window_start = at;
            self.file.handle.read(at, &mut self.window)?;
        }
        let start = usize::try_from(at.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let bytes = self.window.get(start..).and_then(|rest| rest.get(..len));
        bytes.ok_or_else(|| Error::corrupt(&*self.file.name, at, "the file became shorter while it was read"))
    }

    fn is_zero_from(&mut self, mut at: u64) -> Result<bool> {
        while at < self.size {
            let len = WINDOW.min(self.size.saturating_sub(at));
            if self.read(at, len)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at = at.saturating_add(len);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Record;
    use crate::os::MemoryFileSystem;
    use crate::page::test_data::{hex, number, vectors};
    use crate::plugin::file_system::{FileSystem, FileType, OpenOptions};
    use std::path::Path;
    use std::sync::Arc;

    fn log_of(name: &str) -> LogDirectory {
        let vectors = vectors("log-files.json");
        let mut bytes = hex(&vectors[name]["nonzero_prefix_hex"]);
        bytes.resize(number(&vectors[name]["file_size"]) as usize, 0);
        let fs = MemoryFileSystem::new();
        put(&fs, 1, &bytes);
        LogDirectory::new(Arc::new(fs), Path::new("home"), ".")
    }

    fn put(fs: &MemoryFileSystem, number: u32, bytes: &[u8]) {
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        let path = format!("home/WiredTigerLog.{number:010}");
        fs.open(Path::new(&path), FileType::Log, create).unwrap().write(0, bytes).unwrap();
    }

    fn read_all(scanner: &mut Scanner) -> Vec<(Lsn, u32)> {
        let mut found = Vec::new();
        while let Some(entry) = scanner.next().unwrap() {
            found.push((entry.lsn, Record::parse(&entry.body().unwrap()).unwrap().kind()));
        }
        found
    }

    #[rstest::rstest]
    #[case("crash")]
    #[case("clean_close")]
    #[case("rel_11_3_1_crash")]
    fn real_files_are_read_to_their_ends(#[case] name: &str) {
        let log = log_of(name);
        let mut scanner = Scanner::new(&log, Lsn::INITIAL, 1, true).unwrap();
        let found = read_all(&mut scanner);
        assert!(found.len() >= 10, "{}", found.len());
        assert_eq!(found[0], (Lsn::new(1, 128), 4));
        assert_eq!(found[1], (Lsn::new(1, 256), 3));
        assert_eq!(scanner.ending(), Some(Ending::Complete));
        assert_eq!(scanner.cuts(), [(1, u64::from(scanner.end().offset))]);
        // Any record can be the start.
        let mut middle = Scanner::new(&log, found[9].0, 1, true).unwrap();
        assert_eq!(read_all(&mut middle), found[9..]);
    }

    /// Each byte of a record changed: the log ends before it or (a byte behind its end) isn't touched.
    #[test]
    fn no_changed_byte_is_read_as_a_record() {
        let vectors = vectors("log-files.json");
        let bytes = hex(&vectors["crash"]["nonzero_prefix_hex"]);
        let log = log_of("crash");
        let found = read_all(&mut Scanner::new(&log, Lsn::INITIAL, 1, false).unwrap());
        let (start, end) = (found[4].0.offset as usize, found[5].0.offset as usize);
        for at in start..end {
            let mut changed = bytes.clone();
            changed[at] ^= 0x11;
            let fs = MemoryFileSystem::new();
            put(&fs, 1, &changed);
            let log = LogDirectory::new(Arc::new(fs), Path::new("home"), ".");
            let mut scanner = Scanner::new(&log, Lsn::INITIAL, 1, false).unwrap();
            assert_eq!(read_all(&mut scanner), found[..4], "byte {at}");
            assert_ne!(scanner.ending(), Some(Ending::Complete));
        }
    }

    #[test]
    fn a_file_cut_anywhere_ends_early_or_is_refused() {
        let vectors = vectors("log-files.json");
        let bytes = hex(&vectors["crash"]["nonzero_prefix_hex"]);
        for len in (0..4000).step_by(7) {
            let fs = MemoryFileSystem::new();
            put(&fs, 1, &bytes[..len]);
            let log = LogDirectory::new(Arc::new(fs), Path::new("home"), ".");
            let mut scanner = Scanner::new(&log, Lsn::INITIAL, 1, true).unwrap();
            let mut refused = false;
            loop {
                match scanner.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        assert!(matches!(error, Error::Corrupt(_)), "{error}");
                        refused = true;
                        break;
                    }
                }
            }
            assert_eq!(refused, len < 256, "{len}");
        }
    }
}

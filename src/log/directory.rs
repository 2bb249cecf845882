//! The files of a log: names, creation, removal (log specification, section 2).
//!
//! Invariants
//! 1. Under its final name a file has a whole header, made durable before the rename that gave it the name. So the last
//!    file of a log is always one that can be opened.
//! 2. A file that is prepared ahead holds its header and zeros; it gets its place in the log when it is renamed.
//! 3. Numbers of log files are never given twice while older files exist: a new file is numbered after the last one.

use super::file_header::{FileHeader, VERSION, encode_previous};
use super::record::UNIT;
use super::transform::RecordTransform;
use super::{Lsn, operation};
use crate::plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use crate::{Error, ErrorCode, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOG: &str = "WiredTigerLog.";
const PREPARED: &str = "WiredTigerPreplog.";
const TEMPORARY: &str = "WiredTigerTmplog.";
/// Zeros are written in pieces of this size.
const ZEROS: usize = 1 << 20;

/// The directory that holds a log's files.
#[derive(Clone)]
pub struct LogDirectory {
    fs: Arc<dyn FileSystem>,
    directory: PathBuf,
    /// What messages put before file names: `log.path`.
    shown: String,
    /// What is done to the records in the files.
    transform: RecordTransform,
}

/// An open log file.
pub struct LogFile {
    /// Its number.
    pub number: u32,
    /// The name that messages use.
    pub name: String,
    /// The file.
    pub handle: Arc<dyn FileHandle>,
}

/// How new files are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewFile {
    /// The header's `file_max`.
    pub file_max: u64,
    /// The length a new file is extended to; 0: it is not.
    pub extend_to: u64,
    /// Whether zeros are written into all of it.
    pub zero_fill: bool,
}

impl LogDirectory {
    /// The directory `path` (as configured) of a home; records are neither compressed nor encrypted.
    pub fn new(fs: Arc<dyn FileSystem>, home: &Path, path: &str) -> Self {
        let directory = if path.is_empty() || path == "." { home.to_owned() } else { home.join(path) };
        let shown = if path.is_empty() { "." } else { path }.to_owned();
        Self { fs, directory, shown, transform: RecordTransform::default() }
    }

    /// The same with what is done to records.
    #[must_use]
    pub fn with_transform(self, transform: RecordTransform) -> Self {
        Self { transform, ..self }
    }

    pub(crate) fn transform(&self) -> &RecordTransform {
        &self.transform
    }

    /// The numbers of the log files, ascending.
    ///
    /// # Errors
    /// `WT_ERROR` for a name without a number; errors of the file system (`ENOENT`: there is no such directory).
    pub fn numbers(&self) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for name in self.fs.directory_list(&self.directory, LOG)? {
            let digits = name.rsplit('.').next().unwrap_or_default();
            let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
            numbers.push(number.ok_or_else(|| Error::new(ErrorCode::ERROR, format!("Bad log file name '{name}'")))?);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Opens a log file and checks its header.
    ///
    /// # Errors
    /// `Corrupt` for a missing file and one that is too short; otherwise those of [`FileHeader::decode`].
    pub fn open(&self, number: u32, readonly: bool) -> Result<(LogFile, FileHeader)> {
        let name = self.shown(number);
        let options = OpenOptions { readonly, ..OpenOptions::default() };
        let handle = self.fs.open(&self.path(LOG, number), FileType::Log, options).map_err(|error| {
            if error.code() == ErrorCode::ENOENT { Error::corrupt(&*name, 0, error.to_string()) } else { error }
        })?;
        let header = FileHeader::decode(&read_block(&*handle, &name, 0)?, &name)?;
        Ok((LogFile { number, name, handle }, header))
    }

    /// Makes the log file `number`, from a prepared one if there is any. Tells whether there was.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn create(
        &self,
        number: u32,
        previous: Lsn,
        new: NewFile,
        may_use_prepared: bool,
    ) -> Result<(LogFile, bool)> {
        let prepared = if may_use_prepared { self.fs.directory_list(&self.directory, PREPARED)? } else { Vec::new() };
        let path = self.path(LOG, number);
        match prepared.first() {
            Some(name) => self.fs.rename(&self.directory.join(name), &path, true)?,
            None => {
                let temporary = self.path(TEMPORARY, number);
                self.write_new(&temporary, new)?;
                self.fs.rename(&temporary, &path, true)?;
            }
        }
        let (file, _) = self.open(number, false)?;
        file.handle.write(operation::to_u64(UNIT), &encode_previous(previous))?;
        Ok((file, !prepared.is_empty()))
    }

    /// How many files are prepared.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn prepared(&self) -> Result<usize> {
        Ok(self.fs.directory_list(&self.directory, PREPARED)?.len())
    }

    /// Prepares a file. `number` counts prepared files.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn prepare(&self, number: u32, new: NewFile) -> Result<()> {
        // Its own range: the log may be making a file under the same number.
        let temporary = self.path(TEMPORARY, number | 1 << 31);
        self.write_new(&temporary, new)?;
        self.fs.rename(&temporary, &self.path(PREPARED, number), true)
    }

    /// Removes what an earlier run has prepared or left unfinished.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_leftovers(&self) -> Result<()> {
        for prefix in [PREPARED, TEMPORARY] {
            for name in self.fs.directory_list(&self.directory, prefix)? {
                self.fs.remove(&self.directory.join(name), false)?;
            }
        }
        Ok(())
    }

    /// Removes a log file.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, number: u32) -> Result<()> {
        self.fs.remove(&self.path(LOG, number), false)
    }

    /// Cuts a log file to `length` bytes, if it is longer.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn truncate(&self, number: u32, length: u64) -> Result<()> {
        let handle = self.fs.open(&self.path(LOG, number), FileType::Log, OpenOptions::default())?;
        if handle.size()? > length {
            handle.truncate(length)?;
            handle.sync()?;
        }
        Ok(())
    }

    /// A log file's name as messages show it.
    pub fn shown(&self, number: u32) -> String {
        format!("{}/{LOG}{number:010}", self.shown)
    }

    fn path(&self, prefix: &str, number: u32) -> PathBuf {
        self.directory.join(format!("{prefix}{number:010}"))
    }

    fn write_new(&self, path: &Path, new: NewFile) -> Result<()> {
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let handle = self.fs.open(path, FileType::Log, options)?;
        handle.truncate(0)?;
        handle.write(0, &FileHeader { version: VERSION, file_max: new.file_max }.encode())?;
        if new.zero_fill {
            let zeros = vec![0; ZEROS];
            let mut at = operation::to_u64(UNIT);
            while at < new.file_max {
                let rest = usize::try_from(new.file_max.saturating_sub(at)).unwrap_or(ZEROS).min(ZEROS);
                handle.write(at, zeros.get(..rest).unwrap_or_default())?;
                at = at.saturating_add(operation::to_u64(rest));
            }
        } else if new.extend_to > operation::to_u64(UNIT) {
            handle.truncate(new.extend_to)?;
        }
        handle.sync()
    }
}

/// Reads one of the fixed blocks at the start of a file.
pub(super) fn read_block(handle: &dyn FileHandle, name: &str, offset: u64) -> Result<[u8; UNIT]> {
    let mut block = [0; UNIT];
    let end = offset.saturating_add(operation::to_u64(UNIT));
    let size = handle.size()?;
    if size < end {
        let reason =
            format!("failed to read {UNIT} bytes at offset {offset}: log read failure, the file has {size} bytes");
        return Err(Error::corrupt(name, offset, reason));
    }
    handle.read(offset, &mut block)?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::MemoryFileSystem;

    const NEW: NewFile = NewFile { file_max: 102_400, extend_to: 102_400, zero_fill: false };

    fn directory() -> (MemoryFileSystem, LogDirectory) {
        let fs = MemoryFileSystem::new();
        (fs.clone(), LogDirectory::new(Arc::new(fs), Path::new("home"), "."))
    }

    #[test]
    fn a_new_file_is_as_the_real_engine_makes_it() {
        let (fs, log) = directory();
        let (file, prepared) = log.create(1, Lsn::INITIAL, NEW, true).unwrap();
        assert!(!prepared);
        assert_eq!((file.name.as_str(), file.handle.size().unwrap()), ("./WiredTigerLog.0000000001", 102_400));
        let vectors = crate::page::test_data::vectors("log-files.json");
        let real = crate::page::test_data::hex(&vectors["crash"]["nonzero_prefix_hex"]);
        let mut start = [0; 256];
        file.handle.read(0, &mut start).unwrap();
        assert_eq!(start, real[..256]);
        assert_eq!(fs.directory_list(Path::new("home"), "").unwrap(), ["WiredTigerLog.0000000001"]);
    }

    #[test]
    fn zero_filling_and_no_extension() {
        let (_, log) = directory();
        let filled = NewFile { file_max: 3 << 20, extend_to: 0, zero_fill: true };
        assert_eq!(log.create(1, Lsn::INITIAL, filled, true).unwrap().0.handle.size().unwrap(), 3 << 20);
        let short = NewFile { extend_to: 0, ..NEW };
        assert_eq!(log.create(2, Lsn::INITIAL, short, true).unwrap().0.handle.size().unwrap(), 256);
    }

    #[test]
    fn prepared_files_are_used_in_order_and_removed_as_leftovers() {
        let (fs, log) = directory();
        log.prepare(1, NEW).unwrap();
        log.prepare(2, NEW).unwrap();
        assert_eq!(log.prepared().unwrap(), 2);
        let (file, prepared) = log.create(7, Lsn::new(6, 93_824), NEW, true).unwrap();
        assert!(prepared && file.number == 7);
        let block = read_block(&*file.handle, "f", 128).unwrap();
        assert_eq!(super::super::decode_previous(&block, "f").unwrap(), Some(Lsn::new(6, 93_824)));
        log.create(8, Lsn::INITIAL, NEW, false).unwrap();
        assert_eq!((log.prepared().unwrap(), log.numbers().unwrap()), (1, vec![7, 8]));
        log.remove_leftovers().unwrap();
        log.remove(7).unwrap();
        assert_eq!(fs.directory_list(Path::new("home"), "").unwrap(), ["WiredTigerLog.0000000008"]);
    }

    #[rstest::rstest]
    #[case("WiredTigerLog.abc")]
    #[case("WiredTigerLog.")]
    #[case("WiredTigerLog.+1")]
    #[case("WiredTigerLog.99999999999")]
    fn bad_names_are_refused(#[case] name: &str) {
        let (fs, log) = directory();
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        fs.open(&Path::new("home").join(name), FileType::Log, create).unwrap();
        let numbers = log.numbers();
        if name == "WiredTigerLog." {
            // An empty number is none either.
            assert!(numbers.is_err());
            return;
        }
        assert_eq!(numbers.unwrap_err().to_string(), format!("Bad log file name '{name}'"));
    }
}

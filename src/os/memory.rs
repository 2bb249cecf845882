//! Files in memory.
//!
//! Directories are not objects of their own: a path names a file if it was created, and a directory exists if it is a
//! proper prefix of some file's path, or empty. Everything is lost with the last clone of the file system.

use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryFileSystem {
    files: Arc<Mutex<BTreeMap<PathBuf, Arc<Contents>>>>,
}

/// One file, named or not.
#[derive(Debug, Default)]
struct Contents {
    bytes: RwLock<Vec<u8>>,
    locked: AtomicBool,
}

/// An open file in memory.
struct MemoryFile {
    path: PathBuf,
    contents: Arc<Contents>,
    readonly: bool,
    holds_lock: AtomicBool,
}

impl MemoryFileSystem {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }
}

impl FileSystem for MemoryFileSystem {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        Ok(list(self.files.lock().keys(), directory, prefix))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.files.lock().keys().any(|file| file.starts_with(path)))
    }

    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let mut files = self.files.lock();
        let contents = match files.get(path) {
            Some(_) if options.create && options.exclusive => return Err(exists(path)),
            Some(contents) => Arc::clone(contents),
            None if file_type == FileType::Directory => Arc::default(),
            None if options.create => Arc::clone(files.entry(path.to_owned()).or_default()),
            None => return Err(missing(path, "handle-open")),
        };
        let path = path.to_owned();
        let readonly = options.readonly || file_type == FileType::Directory;
        Ok(Arc::new(MemoryFile { path, contents, readonly, holds_lock: AtomicBool::new(false) }))
    }

    fn remove(&self, path: &Path, _durable: bool) -> Result<()> {
        self.files.lock().remove(path).map(drop).ok_or_else(|| missing(path, "file-remove"))
    }

    fn rename(&self, from: &Path, to: &Path, _durable: bool) -> Result<()> {
        let mut files = self.files.lock();
        let contents = files.remove(from).ok_or_else(|| missing(from, "file-rename"))?;
        files.insert(to.to_owned(), contents);
        Ok(())
    }

    fn size(&self, path: &Path) -> Result<u64> {
        let files = self.files.lock();
        let contents = files.get(path).ok_or_else(|| missing(path, "file-size"))?;
        Ok(contents.bytes.read().len() as u64)
    }
}

impl MemoryFile {
    fn check_writable(&self) -> Result<()> {
        if self.readonly {
            return Err(Error::new(ErrorCode::EPERM, format!("{}: opened for reading alone", self.path.display())));
        }
        Ok(())
    }
}

impl FileHandle for MemoryFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, lock: bool) -> Result<()> {
        if lock {
            if !self.holds_lock.load(Ordering::Acquire) && self.contents.locked.swap(true, Ordering::AcqRel) {
                return Err(busy(&self.path));
            }
            self.holds_lock.store(true, Ordering::Release);
        } else if self.holds_lock.swap(false, Ordering::AcqRel) {
            self.contents.locked.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        read_at(&self.contents.bytes.read(), &self.path, offset, buffer)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.check_writable()?;
        write_at(&mut self.contents.bytes.write(), offset, data);
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        Ok(self.contents.bytes.read().len() as u64)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.check_writable()?;
        self.contents.bytes.write().resize(length as usize, 0);
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        let _ = self.lock(false);
    }
}

/// The names below `directory` that start with `prefix`, given all paths in order.
pub(super) fn list<'a>(paths: impl Iterator<Item = &'a PathBuf>, directory: &Path, prefix: &str) -> Vec<String> {
    let below = paths.filter_map(|path| path.strip_prefix(directory).ok()?.components().next());
    let mut names: Vec<String> = below.map(|first| first.as_os_str().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort_unstable();
    names.dedup();
    names
}

/// Copies bytes out of a file's contents.
pub(super) fn read_at(bytes: &[u8], path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
    let length = buffer.len();
    let source = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)?.get(..length));
    let source = source.ok_or_else(|| {
        let what = format!("{}: handle-read: failed to read {length} bytes at offset {offset}", path.display());
        Error::io(what, std::io::ErrorKind::UnexpectedEof.into())
    })?;
    buffer.copy_from_slice(source);
    Ok(())
}

/// Puts bytes into a file's contents, extending them with zeros where needed.
pub(super) fn write_at(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = offset as usize;
    let end = start + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

/// `ENOENT`, as an operation on a missing file gives it.
pub(super) fn missing(path: &Path, operation: &str) -> Error {
    Error::io(format!("{}: {operation}", path.display()), std::io::Error::from_raw_os_error(libc::ENOENT))
}

/// `EEXIST`, as an exclusive creation of an existing file gives it.
pub(super) fn exists(path: &Path) -> Error {
    Error::io(format!("{}: handle-open", path.display()), std::io::Error::from_raw_os_error(libc::EEXIST))
}

/// `EBUSY`, as a lock that is held gives it.
pub(super) fn busy(path: &Path) -> Error {
    let message = format!("{}: handle-lock: the file is locked by another process or handle", path.display());
    Error::new(ErrorCode::EBUSY, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract_of_file_systems() {
        super::super::conformance::run(&MemoryFileSystem::new(), Path::new("home"));
    }

    #[test]
    fn handles_to_one_file_see_each_others_writes() {
        let fs = MemoryFileSystem::new();
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let a = fs.open(Path::new("a"), FileType::Data, options).unwrap();
        let b = fs.open(Path::new("a"), FileType::Data, options).unwrap();
        a.write(3, b"xyz").unwrap();
        let mut bytes = [9; 6];
        b.read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"\0\0\0xyz");
    }
}

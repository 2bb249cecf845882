//! The operating system's files.
//!
//! 1. Reads and writes are positional; no handle has a current position, so threads share handles freely.
//! 2. A durable creation, removal or rename has synced the directory before it returns.
//! 3. Every error names the operation and the path.

use super::lock::set_first_byte_lock;
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The operating system's files: the file system of every database on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFileSystem;

impl LocalFileSystem {
    /// The local file system.
    pub fn new() -> Self {
        Self
    }
}

impl FileSystem for LocalFileSystem {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        let wrap = |error| Error::io(format!("{}: directory-list", directory.display()), error);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(wrap)? {
            // Names that aren't UTF-8 are none of the engine's.
            if let Ok(name) = entry.map_err(wrap)?.file_name().into_string()
                && name.starts_with(prefix)
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        path.try_exists().map_err(|error| Error::io(format!("{}: file-exists", path.display()), error))
    }

    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let wrap = |error| Error::io(format!("{}: handle-open", path.display()), error);
        let mut open = fs::OpenOptions::new();
        open.read(true);
        if file_type != FileType::Directory {
            open.write(!options.readonly);
            if options.create && options.exclusive {
                open.create_new(true);
            } else {
                open.create(options.create);
            }
        }
        let file = open.open(path).map_err(wrap)?;
        if options.create && options.durable && file_type != FileType::Directory {
            sync_parent(path)?;
        }
        Ok(Arc::new(LocalFile { path: path.to_owned(), file, directory: file_type == FileType::Directory }))
    }

    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        fs::remove_file(path).map_err(|error| Error::io(format!("{}: file-remove", path.display()), error))?;
        if durable { sync_parent(path) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        fs::rename(from, to)
            .map_err(|error| Error::io(format!("{} to {}: file-rename", from.display(), to.display()), error))?;
        if !durable {
            return Ok(());
        }
        sync_parent(to)?;
        if from.parent() == to.parent() { Ok(()) } else { sync_parent(from) }
    }

    fn size(&self, path: &Path) -> Result<u64> {
        let wrap = |error| Error::io(format!("{}: file-size", path.display()), error);
        fs::metadata(path).map(|metadata| metadata.len()).map_err(wrap)
    }
}

/// An open file of the operating system.
struct LocalFile {
    path: PathBuf,
    file: File,
    directory: bool,
}

impl LocalFile {
    fn wrap(&self, operation: &str, error: io::Error) -> Error {
        Error::io(format!("{}: {operation}", self.path.display()), error)
    }
}

impl FileHandle for LocalFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, lock: bool) -> Result<()> {
        set_first_byte_lock(&self.file, lock).map_err(|error| match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Error::new(
                ErrorCode::EBUSY,
                format!("{}: handle-lock: the file is locked by another process or handle", self.path.display()),
            ),
            _ => self.wrap("handle-lock", error),
        })
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| {
            let what = format!("handle-read: failed to read {} bytes at offset {offset}", buffer.len());
            self.wrap(&what, error)
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.file.write_all_at(data, offset).map_err(|error| {
            let what = format!("handle-write: failed to write {} bytes at offset {offset}", data.len());
            self.wrap(&what, error)
        })
    }

    fn size(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(|error| self.wrap("handle-size", error))
    }

    fn sync(&self) -> Result<()> {
        let synced = if self.directory { self.file.sync_all() } else { self.file.sync_data() };
        synced.map_err(|error| self.wrap("handle-sync", error))
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.wrap(&format!("handle-truncate to {length}"), error))
    }
}

/// Makes the entries of the directory that holds `path` durable.
fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| Error::io(format!("{}: directory-sync", parent.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_contract_of_file_systems() {
        let home = tempfile::tempdir().unwrap();
        super::super::conformance::run(&LocalFileSystem::new(), home.path());
    }

    #[test]
    fn a_directory_can_be_opened_and_synced() {
        let home = tempfile::tempdir().unwrap();
        let fs = LocalFileSystem::new();
        fs.open(home.path(), FileType::Directory, OpenOptions::default()).unwrap().sync().unwrap();
    }

    #[test]
    fn errors_name_path_and_reason() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("no such file");
        let error = LocalFileSystem.open(&path, FileType::Data, OpenOptions::default()).err().unwrap();
        assert_eq!(error.code(), ErrorCode::ENOENT);
        assert!(error.to_string().contains("no such file: handle-open"), "{error}");
    }
}

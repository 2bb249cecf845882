//! The file-system extension point: the engine reaches every file of a database through these traits.
//!
//! The default implementation lives in the engine (`os`); a simulated one drives the crash tests.
//! Source: extensions specification, section 12.

use crate::Result;
use std::path::Path;
use std::sync::Arc;

/// What a file is used for: a hint for caching and I/O options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    /// A B-tree file.
    Data,
    /// A checkpoint of a B-tree file, opened read-only.
    Checkpoint,
    /// A log file.
    Log,
    /// Any other file of the home directory.
    Regular,
    /// A directory, opened to make its entries durable.
    Directory,
}

/// How to open a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Create the file if it doesn't exist.
    pub create: bool,
    /// With `create`: fail with `EEXIST` if it exists.
    pub exclusive: bool,
    /// Open for reading alone.
    pub readonly: bool,
    /// The creation must be durable when `open` returns (the directory is synced).
    pub durable: bool,
}

/// A file system. Methods may be called from many threads at once.
pub trait FileSystem: Send + Sync {
    /// Names (not paths) of the entries of `directory` that start with `prefix`, sorted.
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>>;
    /// Whether a file or directory of that name exists.
    fn exists(&self, path: &Path) -> Result<bool>;
    /// Opens a file. Missing without `create`: `ENOENT`.
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>>;
    /// Removes a file. With `durable` the directory is synced before the call returns.
    fn remove(&self, path: &Path, durable: bool) -> Result<()>;
    /// Renames a file, replacing the target. With `durable` the directory is synced before the call returns.
    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()>;
    /// The size of a file in bytes.
    fn size(&self, path: &Path) -> Result<u64>;
    /// Called once when the connection closes.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

/// An open file. Dropping it closes it. Methods may be called from many threads at once.
pub trait FileHandle: Send + Sync {
    /// The path it was opened by.
    fn path(&self) -> &Path;
    /// Takes (`true`) or releases (`false`) the exclusive lock on the first byte. Held by another process: `EBUSY`.
    fn lock(&self, lock: bool) -> Result<()>;
    /// Fills `buffer` from `offset`; fewer bytes in the file are an error.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
    /// Writes all of `data` at `offset`, extending the file.
    fn write(&self, offset: u64, data: &[u8]) -> Result<()>;
    /// The size in bytes.
    fn size(&self) -> Result<u64>;
    /// Makes all written data durable.
    fn sync(&self) -> Result<()>;
    /// Cuts or extends the file to `length` bytes.
    fn truncate(&self, length: u64) -> Result<()>;
}

//! What a workload asks of an engine.
//!
//! 1. The traits are used by static dispatch only: a workload is compiled once per engine, so that no engine pays for
//!    an indirect call per row.
//! 2. Every engine gets the same `Options`; nothing else is tuned. What an option means where an engine has no such
//!    notion is said at that engine's module.
//! 3. One open database holds one table of byte-string keys and values in the order of `memcmp`.

use std::path::Path;

use anyhow::Result;

use crate::rows::Batch;

/// What all engines are opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The size of the engine's own cache, in bytes.
    pub(crate) cache_bytes: u64,
}

/// An open database.
pub(crate) trait Engine: Sized + Sync {
    /// The access of one thread, which may borrow the database and a session.
    type Worker<'w>: Worker
    where
        Self: 'w;

    /// The library's version, as far as it can be known.
    fn version() -> String;

    /// Opens the database in the existing directory `home`, and creates it there if the directory is empty.
    fn open(home: &Path, options: &Options) -> Result<Self>;

    /// Lets `work` use a new worker, on this thread.
    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R>;

    /// Makes everything that was committed before survive a crash of the machine.
    fn checkpoint(&self) -> Result<()>;

    /// Closes the database in an orderly way; all workers are gone.
    fn close(self) -> Result<()>;
}

/// The access of one thread to an open database.
pub(crate) trait Worker {
    /// Inserts or overwrites all rows of `batch` in one transaction that need not survive a crash.
    fn write(&mut self, batch: &Batch) -> Result<()>;

    /// Reads the rows of all keys of `batch` in one read transaction (one view of the database) and hands each value to
    /// `visit` with its position in the batch. A key without a row is an error.
    fn read(&mut self, batch: &Batch, visit: impl FnMut(usize, &[u8])) -> Result<()>;

    /// Visits at most `limit` rows in key order within one read transaction, from the first key that is not less than
    /// `from`. Returns how many there were.
    fn scan(&mut self, from: &[u8], limit: usize, visit: impl FnMut(&[u8], &[u8])) -> Result<usize>;
}

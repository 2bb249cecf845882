//! The storage-source extension point: buckets in which tiered tables keep the objects that are finished.
//!
//! A *bucket* is a place inside a storage source, named by opaque text. Objects in it are written whole, never changed,
//! and read through the [`BucketFileSystem`] that [`StorageSource::customize_file_system`] gives for the bucket.
//!
//! 1. Calls may come from any number of threads at once.
//! 2. A local file is flushed once it will never change again, and stays in the home directory at least until
//!    [`BucketFileSystem::flush_finish`] has returned.
//! 3. The order for an object: `flush`, then the engine's metadata records it, then `flush_finish`. After a crash in
//!    between, `flush` may come again for an object that the bucket already holds.
//!
//! What a bucket's file system has to offer: `directory_list`, `exists`, `size`, `open` for reading, `remove` (for
//! `drop` with `remove_shared`); its handles: `read`, `size`, `lock`. The rest may be `ENOTSUP`.
//!
//! Source: storage-source specification, section 4.

use crate::Result;
use crate::config::Config;
use crate::file_system::FileSystem;
use std::path::Path;
use std::sync::Arc;

/// Gives access to buckets.
pub trait StorageSource: Send + Sync {
    /// A file system over one bucket. The engine asks once for each bucket that a connection uses, and terminates the
    /// file system before the source.
    ///
    /// `config` has the key `cache_directory`. A bucket that doesn't exist is `ENOENT`.
    fn customize_file_system(
        &self,
        bucket: &str,
        auth_token: &str,
        config: Config<'_>,
    ) -> Result<Arc<dyn BucketFileSystem>>;

    /// Called once when the connection closes.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

/// The file system over one bucket, and the way objects get into it.
///
/// Paths are names of objects, their prefix included.
pub trait BucketFileSystem: FileSystem {
    /// Copies the local file `source` (a full path) into the bucket, under the name `object` (its prefix included).
    ///
    /// Returns when the copy is durable. An object of that name is `EEXIST`, unless it is the complete result of an
    /// earlier, interrupted flush of the same file.
    fn flush(&self, source: &Path, object: &str, config: Config<'_>) -> Result<()>;

    /// The metadata records the flush of `source` as `object`: the source may link the local file into its cache (link,
    /// not move: the engine removes the local one later).
    fn flush_finish(&self, source: &Path, object: &str, config: Config<'_>) -> Result<()>;
}

//! A bucket in use: its file system, and the prefix of this database's objects.

use crate::plugin::config::Config;
use crate::plugin::file_system::{FileHandle, FileType, OpenOptions};
use crate::plugin::storage_source::BucketFileSystem;
use crate::{Error, ErrorCode, Result};
use std::path::Path;
use std::sync::Arc;

/// One bucket under one prefix.
pub(crate) struct Bucket {
    /// The name under which the storage source was asked for.
    pub(crate) source: String,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) fs: Arc<dyn BucketFileSystem>,
}

impl Bucket {
    /// The name of an object in the bucket.
    pub(crate) fn key(&self, object: &str) -> String {
        format!("{}{object}", self.prefix)
    }

    /// Opens an object for reading.
    pub(crate) fn open(&self, object: &str) -> Result<Arc<dyn FileHandle>> {
        let options = OpenOptions { readonly: true, ..OpenOptions::default() };
        let opened = self.fs.open(Path::new(&self.key(object)), FileType::Data, options);
        opened.map_err(|error| self.explain(object, error))
    }

    /// Copies a local file into the bucket. When this returns, the bucket has a durable copy of all of it.
    pub(crate) fn flush(&self, local: &Path, size_bytes: u64, object: &str) -> Result<()> {
        let key = self.key(object);
        let flushed = self.fs.flush(local, &key, Config::default());
        flushed.map_err(|error| match error.code() {
            ErrorCode::EEXIST => Error::new(
                ErrorCode::EEXIST,
                format!(
                    "{object}: the bucket '{}' has another object of the name '{key}': does another database or node use \
                     the same bucket prefix (or cluster and member)? The local copy is kept. ({error})",
                    self.bucket
                ),
            ),
            _ => self.explain(object, error),
        })?;
        let copied_bytes = self.fs.size(Path::new(&key)).map_err(|error| self.explain(object, error))?;
        if copied_bytes == size_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::EIO,
            format!("{object}: copied to bucket '{}': it has {copied_bytes} of {size_bytes} bytes there", self.bucket),
        ))
    }

    /// Tells the source that the metadata has the object.
    pub(crate) fn flush_finish(&self, local: &Path, object: &str) -> Result<()> {
        let finished = self.fs.flush_finish(local, &self.key(object), Config::default());
        finished.map_err(|error| self.explain(object, error))
    }

    /// Removes an object. One that isn't there is gone already.
    pub(crate) fn remove(&self, object: &str) -> Result<()> {
        match self.fs.remove(Path::new(&self.key(object)), true) {
            Err(error) if error.code() == ErrorCode::ENOENT => Ok(()),
            removed => removed.map_err(|error| self.explain(object, error)),
        }
    }

    /// The objects of a tree that the bucket has, by number.
    pub(crate) fn objects_of(&self, base: &str) -> Result<Vec<u32>> {
        let names = self.fs.directory_list(Path::new(&self.prefix), &format!("{base}-"))?;
        Ok(names.iter().filter_map(|name| super::name::object_number(base, name)).collect())
    }

    fn explain(&self, object: &str, error: Error) -> Error {
        let text = format!("{object}: bucket '{}' of storage source '{}': {error}", self.bucket, self.source);
        Error::new(error.code(), text)
    }
}

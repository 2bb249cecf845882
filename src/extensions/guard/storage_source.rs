//! Fences around storage sources and the file systems of their buckets.

use super::{Label, call};
use hardwired_plugin::Result;
use hardwired_plugin::config::Config;
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired_plugin::storage_source::{BucketFileSystem, StorageSource};
use std::path::Path;
use std::sync::Arc;

/// A storage source behind the fence; its buckets are behind it too.
pub(in crate::extensions) struct GuardedStorageSource {
    pub(in crate::extensions) label: Label,
    pub(in crate::extensions) inner: Arc<dyn StorageSource>,
}

impl StorageSource for GuardedStorageSource {
    fn customize_file_system(
        &self,
        bucket: &str,
        auth_token: &str,
        config: Config<'_>,
    ) -> Result<Arc<dyn BucketFileSystem>> {
        let customize = || self.inner.customize_file_system(bucket, auth_token, config);
        let inner = call(&self.label, "customize_file_system", customize)?;
        let files = super::GuardedFileSystem { label: self.label.clone(), inner: Arc::clone(&inner) as _ };
        Ok(Arc::new(GuardedBucket { label: self.label.clone(), files, inner }))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

struct GuardedBucket {
    label: Label,
    files: super::GuardedFileSystem,
    inner: Arc<dyn BucketFileSystem>,
}

impl FileSystem for GuardedBucket {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        self.files.directory_list(directory, prefix)
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        self.files.exists(path)
    }
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        self.files.open(path, file_type, options)
    }
    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        self.files.remove(path, durable)
    }
    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        self.files.rename(from, to, durable)
    }
    fn size(&self, path: &Path) -> Result<u64> {
        self.files.size(path)
    }
    fn terminate(&self) -> Result<()> {
        self.files.terminate()
    }
}

impl BucketFileSystem for GuardedBucket {
    fn flush(&self, source: &Path, object: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "flush", || self.inner.flush(source, object, config))
    }
    fn flush_finish(&self, source: &Path, object: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "flush_finish", || self.inner.flush_finish(source, object, config))
    }
}

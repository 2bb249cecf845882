//! Fences around extensions: a panic inside becomes an error that names the extension and the method.
//!
//! In a program built with `panic = "abort"` there is nothing to catch: a panic ends the process there.

mod data_source;
mod storage_source;
mod transforms;

pub(super) use data_source::GuardedDataSource;
pub(super) use storage_source::GuardedStorageSource;
pub(super) use transforms::{GuardedCollator, GuardedCompressor, GuardedEncryptor};

use hardwired_plugin::extension::{MessageLevel, Messages};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired_plugin::key_provider::{KeyBlob, KeyProvider, StoredKey};
use hardwired_plugin::{Error, ErrorCode, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// How an error names an extension: `kek-mock (key provider, from hardwired-kek-mock 0.1.0)`.
pub(super) type Label = Arc<str>;

/// Runs one call of an extension.
///
/// After a panic the extension's own state may be half changed; it is called again all the same, and answers for it.
pub(super) fn call<T>(label: &Label, method: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    fence(label, method, body)
}

/// The same for callers outside: `label` says which extension.
pub(crate) fn fence<T>(label: &str, method: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(Error::new(ErrorCode::ERROR, format!("extension {label}: {method} panicked: {text}")))
    })
}

/// A key provider behind the fence.
pub(super) struct GuardedKeyProvider {
    pub(super) label: Label,
    pub(super) messages: Arc<dyn Messages>,
    pub(super) inner: Arc<dyn KeyProvider>,
}

impl GuardedKeyProvider {
    fn call<T>(&self, method: &str, body: impl FnOnce() -> Result<T>) -> Result<T> {
        call(&self.label, method, body)
    }

    /// For the calls that can't fail: the error goes to the event handler.
    fn report(&self, method: &str, body: impl FnOnce()) {
        let result = self.call(method, || {
            body();
            Ok(())
        });
        if let Err(error) = result {
            self.messages.message(MessageLevel::Error, &error.to_string());
        }
    }
}

impl KeyProvider for GuardedKeyProvider {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        self.call("load_key_blob", || self.inner.load_key_blob(stored))
    }
    fn get_key_blob(&self) -> Result<KeyBlob> {
        self.call("get_key_blob", || self.inner.get_key_blob())
    }
    fn get_key_complete(&self, stored: StoredKey<'_>) {
        self.report("get_key_complete", || self.inner.get_key_complete(stored));
    }
    fn get_key_failed(&self, error: &Error) {
        self.report("get_key_failed", || self.inner.get_key_failed(error));
    }
    fn terminate(&self) -> Result<()> {
        self.call("terminate", || self.inner.terminate())
    }
}

/// A file system behind the fence.
pub(super) struct GuardedFileSystem {
    pub(super) label: Label,
    pub(super) inner: Arc<dyn FileSystem>,
}

impl FileSystem for GuardedFileSystem {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        call(&self.label, "directory_list", || self.inner.directory_list(directory, prefix))
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        call(&self.label, "exists", || self.inner.exists(path))
    }
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let inner = call(&self.label, "open", || self.inner.open(path, file_type, options))?;
        Ok(Arc::new(GuardedFileHandle { label: self.label.clone(), inner }))
    }
    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        call(&self.label, "remove", || self.inner.remove(path, durable))
    }
    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        call(&self.label, "rename", || self.inner.rename(from, to, durable))
    }
    fn size(&self, path: &Path) -> Result<u64> {
        call(&self.label, "size", || self.inner.size(path))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

struct GuardedFileHandle {
    label: Label,
    inner: Arc<dyn FileHandle>,
}

impl FileHandle for GuardedFileHandle {
    fn path(&self) -> &Path {
        self.inner.path()
    }
    fn lock(&self, lock: bool) -> Result<()> {
        call(&self.label, "lock", || self.inner.lock(lock))
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        call(&self.label, "read", || self.inner.read(offset, buffer))
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        call(&self.label, "write", || self.inner.write(offset, data))
    }
    fn size(&self) -> Result<u64> {
        call(&self.label, "size", || self.inner.size())
    }
    fn sync(&self) -> Result<()> {
        call(&self.label, "sync", || self.inner.sync())
    }
    fn truncate(&self, length: u64) -> Result<()> {
        call(&self.label, "truncate", || self.inner.truncate(length))
    }
}

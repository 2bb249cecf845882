//! `dir_store`: a storage source whose buckets are directories. It emulates a cloud store for tests and demonstrations, and
//! serves where objects shall lie on another disk or a network file system.
//!
//! A bucket is a directory, relative to the database's home or absolute, that exists. Objects are files in it, written once
//! and read-only. Beside it is a cache directory in the home, with hard links or copies of the objects that were written or
//! read.
//!
//! 1. An object appears under its name complete and durable: it is written to `OBJECT.TMP`, synced, and linked to its name,
//!    which fails if the name is taken.
//! 2. An object that is there already is a success if it holds the same bytes (a flush that was interrupted after its copy),
//!    else `EEXIST`.
//! 3. The cache is expendable: a missing, stale or unwritable one costs time, never data.
//!
//! Options, in the entry's `config=`, all integers; others are ignored:
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `cache` | 1 | keep a cache directory |
//! | `delay_ms` | 0 | average length of a forced delay |
//! | `error_ms` | 0 | average delay before a forced error |
//! | `force_delay` | 0 | every so many-th operation is delayed; 0: none |
//! | `force_error` | 0 | every so many-th operation fails with `ENETUNREACH`; 0: none |
//! | `verbose` | 0 | 1: a message for every operation |
//!
//! The string `auth_token` is kept and not looked at.
//!
//! Where it is better than WiredTiger's sample of the same name: copies are durable; a leftover `.TMP` is replaced; repeated
//! calls after a crash are no errors; a cache on a full disk is passed over.
//!
//! Source: storage-source specification, section 10.
#![forbid(unsafe_code)]

mod bucket;
mod copy;
mod fault;
mod options;

pub use fault::Generator;
pub use options::Options;

use bucket::{Bucket, Shared};
use hardwired_plugin::config::Config;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use hardwired_plugin::services::Services;
use hardwired_plugin::storage_source::{BucketFileSystem, StorageSource};
use hardwired_plugin::{Error, ErrorCode, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The storage source. Tables and `tiered_storage=(name=)` call it `dir_store` or `dir-store`; other programs load it as
    /// `libwiredtiger_dir_store.so`.
    pub static EXTENSION: Extension =
        Extension::storage_source("dir-store", hardwired_plugin::origin!(), |context| Ok(Arc::new(DirStore::new(context)?)))
            .with_aliases(&["dir_store"]);
}

/// The storage source.
pub struct DirStore {
    shared: Arc<Shared>,
    services: Arc<dyn Services>,
}

impl DirStore {
    /// A source with the options of `context`. Buckets are looked for in the home directory that its services name.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        let options = Options::parse(context.config())?;
        let shared = Arc::new(Shared::new(options, context.messages()));
        Ok(Self { shared, services: Arc::clone(context.services()) })
    }
}

impl StorageSource for DirStore {
    fn customize_file_system(
        &self,
        bucket: &str,
        _auth_token: &str,
        config: Config<'_>,
    ) -> Result<Arc<dyn BucketFileSystem>> {
        let home = self.services.home();
        let directory = home.join(bucket);
        if bucket.is_empty() || !directory.is_dir() {
            return Err(failure(ErrorCode::ENOENT, &format!("{bucket}: bucket directory")));
        }
        let cache = if self.shared.options.cache {
            let given = config.text_or("cache_directory", "")?;
            let name = if given.is_empty() { default_cache(bucket) } else { PathBuf::from(given) };
            let cache = home.join(name);
            std::fs::create_dir_all(&cache)
                .map_err(|error| io(format_args!("{}: cache directory", cache.display()), &error))?;
            Some(cache)
        } else {
            None
        };
        Ok(Arc::new(Bucket::new(directory, cache, Arc::clone(&self.shared))))
    }
}

/// `cache-` and the last component of the bucket's path.
fn default_cache(bucket: &str) -> PathBuf {
    let last =
        Path::new(bucket).file_name().map_or_else(|| "bucket".into(), |name| name.to_string_lossy().into_owned());
    PathBuf::from(format!("cache-{last}"))
}

/// An error in the form of WiredTiger's sample: `dir_store: No such file or directory: DETAILS`.
fn failure(code: ErrorCode, details: &str) -> Error {
    Error::new(code, format!("dir_store: {}: {details}", hardwired_plugin::error::strerror(code.0)))
}

fn io(details: impl std::fmt::Display, error: &std::io::Error) -> Error {
    let code = ErrorCode(error.raw_os_error().unwrap_or(match error.kind() {
        std::io::ErrorKind::AlreadyExists => ErrorCode::EEXIST.0,
        std::io::ErrorKind::NotFound => ErrorCode::ENOENT.0,
        _ => ErrorCode::EIO.0,
    }));
    failure(code, &details.to_string())
}

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
//! # Writing a storage source
//!
//! A source is a crate that depends on `hardwired-plugin` alone: a type that implements [`StorageSource`], one that implements
//! [`BucketFileSystem`], and a descriptor. An application that names the crate (`use my_store as _;`) opens a database with
//! `extensions=[my-store],tiered_storage=(name=my-store,bucket=B,bucket_prefix=p_)`; from then on new tables are tiered.
//!
//! What the engine expects beyond the signatures:
//!
//! - **`flush` returns when the copy would survive a power failure**, complete and under its name. The engine takes the return
//!   as leave to remove the local file later. A partial copy must never show up under the object's name.
//! - **The engine repeats calls.** After a crash it can't know whether a `flush` was complete: so an object of the same name
//!   and the same bytes is a success. One with other bytes is `EEXIST`: two databases write under one prefix, and nobody's
//!   object may be overwritten.
//! - **An error is not the end.** Whatever error a call returns is reported, and the call comes again after
//!   `tiered_storage=(interval)`, or with the next flush. Nothing is lost meanwhile, because the local file stays. A panic inside
//!   a call is an error like others.
//! - **`flush_finish` is a hint.** A source with a cache may take over the local file (a hard link, say), so that it needn't be
//!   fetched once the engine has removed it. A failure is reported and has no consequence.
//! - **`directory_list` gets the beginning of names as its directory**, and leaves it out of the answer: with objects `p_a-1`
//!   and `p_b-1`, the directory `p_` and the prefix `a` give `a-1`. The engine asks for it when a table is created: objects
//!   that are left of an older table of the name refuse it.
//! - **Removing an object that isn't there** is a success or `ENOENT`, as the source likes.
//! - **Slow is fine.** Copies are made on a thread of their own; reads wait, as they do for a disk.
//!
//! The module `conformance` (feature of that name) checks a source in an author's own tests.
//!
//! ```
//! use hardwired_plugin::config::Config;
//! # #[cfg(feature = "conformance")]
//! use hardwired_plugin::conformance::{StoreUnderTest, check_storage_source};
//! use hardwired_plugin::extension::Extension;
//! use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
//! use hardwired_plugin::storage_source::{BucketFileSystem, StorageSource};
//! use hardwired_plugin::{Error, ErrorCode, Result};
//! use std::collections::BTreeMap;
//! use std::path::{Path, PathBuf};
//! use std::sync::{Arc, Mutex};
//!
//! /// A source with one bucket, `memory`.
//! #[derive(Default)]
//! struct MemoryStore(Arc<MemoryBucket>);
//!
//! #[derive(Default)]
//! struct MemoryBucket(Mutex<BTreeMap<String, Arc<[u8]>>>);
//!
//! impl StorageSource for MemoryStore {
//!     fn customize_file_system(&self, bucket: &str, _: &str, _: Config<'_>) -> Result<Arc<dyn BucketFileSystem>> {
//!         match bucket {
//!             "memory" => Ok(Arc::clone(&self.0) as Arc<dyn BucketFileSystem>),
//!             _ => Err(Error::new(ErrorCode::ENOENT, format!("{bucket}: no such bucket"))),
//!         }
//!     }
//! }
//!
//! impl MemoryBucket {
//!     fn find(&self, path: &Path) -> Result<Arc<[u8]>> {
//!         let missing = || Error::new(ErrorCode::ENOENT, format!("{}: no such object", path.display()));
//!         let objects = self.0.lock().unwrap();
//!         path.to_str().and_then(|name| objects.get(name)).map(Arc::clone).ok_or_else(missing)
//!     }
//! }
//!
//! impl BucketFileSystem for MemoryBucket {
//!     fn flush(&self, source: &Path, object: &str, _: Config<'_>) -> Result<()> {
//!         let bytes: Arc<[u8]> = std::fs::read(source).map_err(|error| Error::io(source.display(), error))?.into();
//!         let mut objects = self.0.lock().unwrap();
//!         match objects.get(object) {
//!             Some(present) if *present != bytes => Err(Error::new(ErrorCode::EEXIST, format!("{object}: exists"))),
//!             _ => {
//!                 objects.insert(object.to_owned(), bytes);
//!                 Ok(())
//!             }
//!         }
//!     }
//!     fn flush_finish(&self, _: &Path, _: &str, _: Config<'_>) -> Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! impl FileSystem for MemoryBucket {
//!     fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
//!         let beginning = directory.to_str().unwrap_or_default();
//!         let objects = self.0.lock().unwrap();
//!         let rest = objects.keys().filter_map(|name| name.strip_prefix(beginning));
//!         Ok(rest.filter(|rest| rest.starts_with(prefix)).map(str::to_owned).collect())
//!     }
//!     fn exists(&self, path: &Path) -> Result<bool> {
//!         Ok(self.find(path).is_ok())
//!     }
//!     fn open(&self, path: &Path, _: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
//!         if options.create || !options.readonly {
//!             return Err(Error::invalid("objects are read alone"));
//!         }
//!         Ok(Arc::new(MemoryObject { path: path.to_owned(), bytes: self.find(path)? }))
//!     }
//!     fn remove(&self, path: &Path, _: bool) -> Result<()> {
//!         self.0.lock().unwrap().remove(path.to_str().unwrap_or_default());
//!         Ok(())
//!     }
//!     fn rename(&self, _: &Path, _: &Path, _: bool) -> Result<()> {
//!         Err(Error::unsupported("objects keep their names"))
//!     }
//!     fn size(&self, path: &Path) -> Result<u64> {
//!         Ok(self.find(path)?.len() as u64)
//!     }
//! }
//!
//! struct MemoryObject {
//!     path: PathBuf,
//!     bytes: Arc<[u8]>,
//! }
//!
//! impl FileHandle for MemoryObject {
//!     fn path(&self) -> &Path {
//!         &self.path
//!     }
//!     fn lock(&self, _: bool) -> Result<()> {
//!         Ok(())
//!     }
//!     fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
//!         let end = offset as usize + buffer.len();
//!         let bytes = self.bytes.get(offset as usize..end).ok_or_else(|| Error::corrupt("object", offset, "ends here"))?;
//!         buffer.copy_from_slice(bytes);
//!         Ok(())
//!     }
//!     fn write(&self, _: u64, _: &[u8]) -> Result<()> {
//!         Err(Error::unsupported("objects don't change"))
//!     }
//!     fn size(&self) -> Result<u64> {
//!         Ok(self.bytes.len() as u64)
//!     }
//!     fn sync(&self) -> Result<()> {
//!         Ok(())
//!     }
//!     fn truncate(&self, _: u64) -> Result<()> {
//!         Err(Error::unsupported("objects don't change"))
//!     }
//! }
//!
//! hardwired_plugin::register_extension! {
//!     /// The descriptor by which `extensions=[...]` finds the source.
//!     static MEMORY_STORE: Extension =
//!         Extension::storage_source("memory-store", hardwired_plugin::origin!(), |_| Ok(Arc::new(MemoryStore::default())));
//! }
//!
//! // In the author's tests:
//! # #[cfg(feature = "conformance")]
//! fn the_memory_store_conforms() {
//!     let home = std::env::temp_dir().join(format!("memory-store-{}", std::process::id()));
//!     std::fs::create_dir_all(&home).unwrap();
//!     check_storage_source(&StoreUnderTest {
//!         source: &MemoryStore::default(),
//!         bucket: "memory",
//!         missing_bucket: "elsewhere",
//!         auth_token: "",
//!         scratch: &home,
//!     });
//!     std::fs::remove_dir_all(&home).unwrap();
//! }
//! # #[cfg(feature = "conformance")]
//! # the_memory_store_conforms();
//! ```
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
/// Paths are names of objects, their prefix included; the directory of `directory_list` is the beginning of names, which the
/// answer leaves out.
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

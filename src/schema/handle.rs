//! Open B-tree files and who uses them.
//!
//! Invariants:
//! 1. One handle a file and connection; all cursors on the file share its tree.
//! 2. A handle counts its users. Exclusive use (drop, alter, verify) excludes them and is excluded by them: whoever comes
//!    second gets `EBUSY` at once, nobody waits.

use crate::block::BlockManager;
use crate::btree::Tree;
use crate::packing::Format;
use crate::tiered::TieredTree;
use crate::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// An open B-tree file.
pub(crate) struct FileHandle {
    /// `file:NAME` or `tiered:NAME`
    pub(crate) uri: String,
    pub(crate) tree: Arc<Tree>,
    pub(crate) block: Arc<BlockManager>,
    /// The objects of a tiered tree.
    pub(crate) tiered: Option<Arc<TieredTree>>,
    pub(crate) key_format: Arc<Format>,
    pub(crate) value_format: Arc<Format>,
    /// The metadata string without its checkpoint keys: what every checkpoint of the file appends to.
    pub(crate) base: Mutex<String>,
    /// The write generation when the tree was first opened in this run.
    pub(crate) run_write_gen: u64,
    /// The number of users, or [`EXCLUSIVE`].
    users: AtomicI64,
}

const EXCLUSIVE: i64 = -1;

/// What a [`FileHandle`] is made of.
pub(crate) struct FileParts {
    pub(crate) uri: String,
    pub(crate) tree: Arc<Tree>,
    pub(crate) block: Arc<BlockManager>,
    pub(crate) tiered: Option<Arc<TieredTree>>,
    pub(crate) key_format: Format,
    pub(crate) value_format: Format,
    pub(crate) base: String,
    pub(crate) run_write_gen: u64,
}

impl FileHandle {
    pub(crate) fn new(parts: FileParts) -> Arc<Self> {
        Arc::new(Self {
            uri: parts.uri,
            tree: parts.tree,
            block: parts.block,
            tiered: parts.tiered,
            key_format: Arc::new(parts.key_format),
            value_format: Arc::new(parts.value_format),
            base: Mutex::new(parts.base),
            run_write_gen: parts.run_write_gen,
            users: AtomicI64::new(0),
        })
    }

    /// The part of a metadata row of this file that its checkpoints append to.
    ///
    /// # Errors
    /// `EINVAL` if the row doesn't parse.
    pub(crate) fn base_of(&self, row: &str) -> Result<String> {
        match &self.tiered {
            None => crate::config::metadata::file_without_checkpoint(row),
            Some(_) => crate::config::metadata::tiered_without_checkpoint(row),
        }
    }

    /// Whether anybody uses it.
    pub(crate) fn is_used(&self) -> bool {
        self.users.load(Ordering::Relaxed) != 0
    }

    /// Counts one more user.
    ///
    /// # Errors
    /// `EBUSY` while somebody uses the file exclusively.
    pub(crate) fn use_shared(self: &Arc<Self>) -> Result<InUse> {
        let mut users = self.users.load(Ordering::Relaxed);
        loop {
            if users == EXCLUSIVE {
                return Err(busy(&self.uri));
            }
            match self.users.compare_exchange_weak(users, users + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(InUse(Arc::clone(self))),
                Err(now) => users = now,
            }
        }
    }

    /// Takes the file for oneself.
    ///
    /// # Errors
    /// `EBUSY` while anybody uses it.
    pub(crate) fn use_exclusively(self: &Arc<Self>) -> Result<Exclusive> {
        match self.users.compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Ok(Exclusive { file: Arc::clone(self), forever: false }),
            Err(_) => Err(busy(&self.uri)),
        }
    }
}

/// A handle in use by a cursor; dropping it ends the use.
pub(crate) struct InUse(Arc<FileHandle>);

impl Deref for InUse {
    type Target = FileHandle;
    fn deref(&self) -> &FileHandle {
        &self.0
    }
}

impl InUse {
    /// Whether both are uses of the same file.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// One more use of the same file: it can't be in exclusive use.
    pub(crate) fn again(&self) -> Result<Self> {
        self.0.use_shared()
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Release);
    }
}

/// A handle in exclusive use; dropping it ends the use.
pub(crate) struct Exclusive {
    file: Arc<FileHandle>,
    forever: bool,
}

impl Exclusive {
    /// Never gives the file free again: it was dropped, and whoever still finds the handle must not use it.
    pub(crate) fn forever(mut self) {
        self.forever = true;
    }
}

impl Deref for Exclusive {
    type Target = Arc<FileHandle>;
    fn deref(&self) -> &Arc<FileHandle> {
        &self.file
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if !self.forever {
            self.file.users.store(0, Ordering::Release);
        }
    }
}

fn busy(uri: &str) -> Error {
    Error::new(ErrorCode::EBUSY, format!("{uri}: the object is in use"))
}

//! Open B-tree files.
//!
//! Invariants:
//! 1. One handle a file and connection; all cursors on the file share its tree.
//! 2. A handle counts its users ([`super::users`]). Exclusive use (drop, alter, verify) excludes them and is excluded by
//!    them.

use super::users::{self, Usable, Users};
use crate::Result;
use crate::block::BlockManager;
use crate::btree::Tree;
use crate::packing::Format;
use crate::tiered::TieredTree;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// The history store that the tree looks into: in use for as long as the handle lives.
    _history: Option<InUse>,
    users: Users,
    just_filled: AtomicBool,
}

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
    pub(crate) history: Option<InUse>,
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
            _history: parts.history,
            users: Users::default(),
            just_filled: AtomicBool::new(false),
        })
    }

    /// Marks it as filled since the last checkpoint that wasn't part of filling it.
    pub(crate) fn set_just_filled(&self, just_filled: bool) {
        self.just_filled.store(just_filled, Ordering::Relaxed);
    }

    /// Whether it has to wait for a checkpoint before it can be dropped: it has changes, or it is an index that was just
    /// filled. Those entries are durable, but programs expect what WiredTiger answers.
    pub(crate) fn awaits_checkpoint(&self) -> bool {
        self.tree.is_dirty() || self.just_filled.load(Ordering::Relaxed)
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
        self.users.are_some()
    }

    /// Counts one more user.
    ///
    /// # Errors
    /// `EBUSY` while somebody uses the file exclusively.
    pub(crate) fn use_shared(self: &Arc<Self>) -> Result<InUse> {
        users::use_shared(self)
    }

    /// Takes the file for oneself.
    ///
    /// # Errors
    /// `EBUSY` while anybody uses it.
    pub(crate) fn use_exclusively(self: &Arc<Self>) -> Result<Exclusive> {
        users::use_exclusively(self)
    }
}

impl Usable for FileHandle {
    fn users(&self) -> &Users {
        &self.users
    }

    fn uri(&self) -> &str {
        &self.uri
    }
}

/// A file in use by a cursor.
pub(crate) type InUse = users::InUse<FileHandle>;

/// A file in exclusive use.
pub(crate) type Exclusive = users::Exclusive<FileHandle>;

//! What a tree makes of the time windows on its pages.
//!
//! * A tree in use keeps the start and the stop of a value as versions, see `version`.
//! * A tree that is only read knows the history store, too: a reader who sees no version of a row searches there, and a
//!   prepared change is a conflict for who doesn't ignore it.
//! * A tree opened at a checkpoint shows one view to everybody. It is decided when a page is read: rows then have the value
//!   that the view shows, and no versions. So reading a checkpoint costs what reading a table without versions costs.
//! * The history store, as it is searched, keeps the windows: each value has its own packed in front, and all rows are
//!   there.

use crate::txn::{CheckpointView, Reader};
use hardwired_plugin::Result;
use std::sync::Arc;

/// See the module.
#[derive(Default)]
pub enum Windows {
    /// A tree in use.
    #[default]
    Versions,
    /// A tree that is only read.
    ReadOnly(Option<Arc<dyn History>>),
    /// A tree at a checkpoint.
    At(CheckpointView, Option<Arc<dyn History>>),
    /// The history store.
    Kept,
}

/// Older versions of the records of one tree.
pub trait History: Send + Sync {
    /// A place to search from. It can be used by one thread at a time.
    fn search(&self) -> Box<dyn HistorySearch>;
}

/// See [`History`].
pub trait HistorySearch: Send {
    /// Replaces `out` by the version of `key` that `reader` sees. `false`: it sees none; what `out` holds then means nothing.
    /// `on_page` gives the value that the tree's page holds, if it is wanted and there is one.
    ///
    /// # Errors
    /// `Corrupt` for rows that can't be right.
    fn find(
        &mut self,
        reader: &dyn Reader,
        key: &[u8],
        on_page: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
        out: &mut Vec<u8>,
    ) -> Result<bool>;
}

impl Windows {
    /// The history store behind the tree.
    pub(super) fn history(&self) -> Option<&Arc<dyn History>> {
        match self {
            Self::ReadOnly(history) | Self::At(_, history) => history.as_ref(),
            Self::Versions | Self::Kept => None,
        }
    }
}

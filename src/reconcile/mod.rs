//! Which version of a row goes to disk.
//!
//! The newest version that is committed from the writer's point of view is written; newer ones stay in memory and keep the
//! page dirty. No timestamp is tested. Versions below it are needed by readers in memory alone: a page leaves memory only
//! when nobody can see them (`btree::evict`), until older versions have a store of their own.
//!
//! Source: cache specification, sections 4 and 5.

use crate::btree::ChildAddress;
use crate::btree::version::{Kind, Row, Version};
use crate::os::page_memory::PageBuffer;
use crate::page::time_window::TimeWindow;
use crate::txn::{Snapshot, TXN_ABORTED, TXN_NONE, TxnId};

/// Whose point of view decides what is committed.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    /// Eviction: the caller made sure that everything on the page is visible to everybody.
    Everything,
    /// A checkpoint: what its snapshot sees.
    Snapshot(&'a Snapshot),
}

/// One block of a written leaf.
pub(crate) struct WrittenBlock {
    /// For the parent page.
    pub(crate) child: ChildAddress,
    /// The page image, if the caller asked for it.
    pub(crate) image: Option<PageBuffer>,
}

/// A written leaf.
pub(crate) struct WrittenLeaf {
    /// Its blocks in key order; none if no row is left.
    pub(crate) blocks: Vec<WrittenBlock>,
    /// Cookies of the overflow blocks that they refer to.
    pub(crate) overflow: Vec<Box<[u8]>>,
    /// Whether newer versions stay behind.
    pub(crate) leftover: bool,
}

/// What is written of a row.
pub(crate) enum Selected<'a> {
    /// Nothing: it doesn't exist for the writer.
    Nothing,
    /// The value on the page image.
    Base,
    /// The value of this version, with its time window.
    Version(Version<'a>, TimeWindow),
}

impl View<'_> {
    fn is_committed(&self, id: TxnId) -> bool {
        match self {
            Self::Everything => true,
            Self::Snapshot(snapshot) => id == TXN_NONE || snapshot.contains(id),
        }
    }

    /// Selects what is written of `row`; sets `leftover` if a newer version stays behind.
    pub(crate) fn select<'a>(&self, row: Row<'a>, leftover: &mut bool) -> Selected<'a> {
        let mut stop: Option<Version<'a>> = None;
        for version in row.versions().filter(|version| version.txn() != TXN_ABORTED) {
            if version.kind() == Kind::Reserve || !self.is_committed(version.txn()) {
                *leftover = true;
                continue;
            }
            if version.kind() != Kind::Tombstone {
                return Selected::Version(version, window(version, stop));
            }
            if version.start_ts() == 0 && version.durable_ts() == 0 {
                // Deleted without a timestamp: whoever may still see the value has it in memory.
                return Selected::Nothing;
            }
            stop = stop.or(Some(version));
        }
        if row.base() == 0 || stop.is_some() { Selected::Nothing } else { Selected::Base }
    }
}

/// The time window of a version. Transaction ids are not written: a page with versions that somebody might not see doesn't
/// leave memory, and after a restart ids mean nothing.
fn window(version: Version<'_>, stop: Option<Version<'_>>) -> TimeWindow {
    let mut window =
        TimeWindow { start_ts: version.start_ts(), durable_start_ts: version.durable_ts(), ..TimeWindow::DEFAULT };
    if let Some(stop) = stop {
        window.stop_txn = TXN_NONE;
        window.stop_ts = stop.start_ts();
        window.durable_stop_ts = stop.durable_ts();
    }
    window
}

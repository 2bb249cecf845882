//! Verification of a B-tree file: every checkpoint's tree is walked from disk, page by page, without the cache.
//!
//! What is checked:
//! 1. The descriptor block, the checkpoint cookies and the extent lists ([`crate::block::Verifier`]).
//! 2. Each page on its own ([`crate::page::verify`]), overflow pages included.
//! 3. Each page against the address that refers to it: type, overflow items, write generation, times.
//! 4. The order of keys or record numbers across all pages of a tree.
//! 5. The file's space: no byte used twice, no block outside its checkpoint's lists. Space that nothing uses is an error
//!    only in strict verification; otherwise it is reported.
//!
//! Invariants
//! 1. Nothing is written, and no page of the engine's cache is touched or trusted.
//! 2. Within one checkpoint each block is visited at most once, so whatever the file says, the walk ends.
//! 3. Memory holds one path from the root to a leaf and the extents of one checkpoint, never a whole tree.
//!
//! Not here: whether the object is free to be verified (open cursors, changes not in a checkpoint), which the caller must
//! see to; the history store's records of a table; repair.
//!
//! Source: B-tree format specification, sections 9, 14 and 15; block specification, section 8.5.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

mod object;
mod order;
mod report;
#[cfg(test)]
mod tests;
mod walk;

use crate::block::{BlockManager, BlockSettings, BlockTransform, CheckpointCookie, OpenMode, Verifier};
use crate::metadata::write_gen::{ConnectionBase, OpenReason, TreeGenerations};
use crate::metadata::{Checkpoint, METADATA_URI};
use crate::page::time_aggregate::TimeAggregate;
use crate::{Error, Result};
use hardwired_plugin::file_system::FileSystem;
use std::cmp::Ordering;
use std::path::Path;

pub(crate) use object::verify;
use report::Reporter;
pub use report::{Counts, Progress, VerifyReport};
use walk::Walk;

/// How two packed keys are ordered.
pub type Compare<'a> = dyn Fn(&[u8], &[u8]) -> Ordering + 'a;

/// The kind of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKind {
    /// Keys are bytes.
    Row,
    /// Keys are record numbers.
    ColumnVariable,
    /// Keys are record numbers, values have up to 8 bits.
    ColumnFixed {
        /// 1 to 8.
        bits: u8,
    },
}

impl TreeKind {
    /// The kind of a file with these formats, as its metadata gives them: `key_format=r` is a column store, and with a
    /// `value_format` of `1t` to `8t` one of fixed length.
    pub fn of(key_format: &str, value_format: &str) -> Self {
        if key_format != "r" {
            return Self::Row;
        }
        let bits = match value_format.strip_suffix('t') {
            // A lone `t` is one bit.
            Some("") => Some(1),
            Some(digits) => digits.parse().ok().filter(|bits| (1..=8).contains(bits)),
            None => None,
        };
        bits.map_or(Self::ColumnVariable, |bits| Self::ColumnFixed { bits })
    }
}

/// What is to be verified, and how.
pub struct VerifyInput<'a> {
    /// Where the file is.
    pub fs: &'a dyn FileSystem,
    /// Its path there.
    pub path: &'a Path,
    /// Its URI, `file:NAME`: stands in messages.
    pub uri: &'a str,
    /// Its block settings.
    pub block: BlockSettings,
    /// What is done to its blocks.
    pub transform: BlockTransform,
    /// Its kind of tree.
    pub kind: TreeKind,
    /// The order of its keys; `None`: byte-wise.
    pub compare: Option<&'a Compare<'a>>,
    /// All checkpoints of its metadata entry.
    pub checkpoints: &'a [Checkpoint],
    /// The connection's base write generation: which pages hold transaction ids of this run.
    pub base_write_gen: ConnectionBase,
    /// See there.
    pub options: VerifyOptions,
}

impl std::fmt::Debug for VerifyInput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyInput").field("uri", &self.uri).field("options", &self.options).finish_non_exhaustive()
    }
}

/// The options of `WT_SESSION.verify`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// `strict`: space that nothing uses is an error.
    pub strict: bool,
    /// `read_corrupt`: after an error go on with the next page; the first error is the result.
    pub read_corrupt: bool,
    /// `do_not_clear_txn_id`: transaction ids of earlier runs are checked too.
    pub do_not_clear_txn_id: bool,
    /// The timestamp that no time below an address without times may exceed (`stable_timestamp`); 0: there may be none.
    pub stable_timestamp: u64,
}

/// Verifies a file.
///
/// `message` gets lines about what isn't an error (leaks, unless strict) or isn't the last one (`read_corrupt`);
/// `progress` is called after each page.
///
/// # Errors
/// `ENOENT` for a missing file; `WT_ERROR` or `EINVAL` with file, offset and reason for the first problem; errors of the
/// file system.
pub fn verify_file(
    input: &VerifyInput<'_>,
    message: &mut dyn FnMut(&str),
    progress: &mut dyn FnMut(Progress),
) -> Result<VerifyReport> {
    let mut checkpoints: Vec<&Checkpoint> =
        input.checkpoints.iter().filter(|checkpoint| !checkpoint.is_fake()).collect();
    checkpoints.sort_by_key(|checkpoint| checkpoint.order);
    let newest = checkpoints.last().map(|checkpoint| checkpoint.cookie.as_slice());
    let name = input.uri.strip_prefix("file:").unwrap_or(input.uri);
    let mode = OpenMode::CheckpointReadOnly;
    let (manager, _) = BlockManager::open(input.fs, input.path, name, input.block, newest, mode)?;
    let total = checkpoints.iter().fold(0u64, |sum, checkpoint| sum.saturating_add(checkpoint.size));
    let mut reporter = Reporter::new(message, progress, total, input.options.read_corrupt);
    let file = File { input, name, manager: &manager };
    file.verify(&checkpoints, &mut reporter)
}

/// The file at hand.
struct File<'a> {
    input: &'a VerifyInput<'a>,
    /// The file's name, without `file:`.
    name: &'a str,
    manager: &'a BlockManager,
}

impl File<'_> {
    fn verify(&self, checkpoints: &[&Checkpoint], reporter: &mut Reporter<'_>) -> Result<VerifyReport> {
        let cookies: Vec<Vec<u8>> = checkpoints.iter().map(|checkpoint| checkpoint.cookie.clone()).collect();
        let mut blocks = Verifier::new(self.manager, &cookies, self.input.options.strict)?;
        let mut report = VerifyReport { checkpoints: checkpoints.len(), ..VerifyReport::default() };
        for checkpoint in checkpoints {
            let counts = self.verify_checkpoint(checkpoint, &mut blocks, reporter)?;
            report.total.add(&counts);
            report.newest = counts;
            if let Err(error) = blocks.end_checkpoint() {
                reporter.problem(error)?;
            }
        }
        let finished = blocks.finish();
        reporter.finish()?;
        report.leaks = finished?;
        for (ranges, what) in [(report.leaks.file_ranges, "file"), (report.leaks.checkpoint_ranges, "checkpoint")] {
            if ranges != 0 {
                reporter.message(&format!("{}: {what} ranges never verified: {ranges}", self.name));
            }
        }
        Ok(report)
    }

    fn verify_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        blocks: &mut Verifier<'_>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Counts> {
        let Some(root) = blocks.begin_checkpoint()? else { return Ok(Counts::default()) };
        let cookie = CheckpointCookie::decode(&checkpoint.cookie, self.manager.allocation_size())
            .map_err(|error| error.in_object(self.name, 0))?;
        let bounds = Bounds {
            file_size: cookie.file_size,
            base_write_gen: self.base_write_gen(checkpoint),
            has_times: self.input.uri != METADATA_URI,
            aggregate: checkpoint.aggregate,
        };
        Walk::new(self, &bounds, blocks, reporter).run(root)
    }

    /// Up to which write generation transaction ids mean nothing.
    fn base_write_gen(&self, checkpoint: &Checkpoint) -> u64 {
        if self.input.options.do_not_clear_txn_id {
            return 0;
        }
        TreeGenerations::open(Some(checkpoint), self.input.base_write_gen, OpenReason::Normal).base
    }

    /// Names the block in an error of a function that saw its bytes alone.
    fn located(&self, offset: u64, error: Error) -> Error {
        match error {
            Error::Corrupt(_) => error.in_object(self.name, offset),
            other => Error::new(other.code(), format!("{}: block at offset {offset}: {other}", self.name)),
        }
    }
}

/// What a checkpoint says of its pages.
struct Bounds {
    /// Bytes of the file in the checkpoint.
    file_size: u64,
    base_write_gen: u64,
    /// Whether times must lie within those of the parents: not in the metadata table.
    has_times: bool,
    /// The tree's times.
    aggregate: TimeAggregate,
}

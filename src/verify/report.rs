//! What a verification tells: figures, progress, and the errors that don't end it.

use crate::block::Leaks;
use crate::{Error, Result};

/// What has been found in trees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Internal pages, roots included.
    pub internal_pages: u64,
    /// Leaf pages.
    pub leaf_pages: u64,
    /// Overflow pages.
    pub overflow_pages: u64,
    /// Records on leaf pages, deleted ones included.
    pub rows: u64,
    /// Bytes of all these pages in the file.
    pub bytes: u64,
}

impl Counts {
    /// Pages of any kind.
    pub fn pages(&self) -> u64 {
        self.internal_pages.saturating_add(self.leaf_pages).saturating_add(self.overflow_pages)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.internal_pages = self.internal_pages.saturating_add(other.internal_pages);
        self.leaf_pages = self.leaf_pages.saturating_add(other.leaf_pages);
        self.overflow_pages = self.overflow_pages.saturating_add(other.overflow_pages);
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The outcome of a verification without error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Checkpoints verified: those with contents in the file.
    pub checkpoints: usize,
    /// The newest checkpoint's tree.
    pub newest: Counts,
    /// The trees of all checkpoints; a page that several share counts in each.
    pub total: Counts,
    /// Space that nothing uses.
    pub leaks: Leaks,
}

/// How far a verification has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages verified.
    pub pages: u64,
    /// Bytes of these pages.
    pub bytes: u64,
    /// Bytes of all trees, as the metadata gives them: a guide, not a bound.
    pub bytes_total: u64,
}

/// Takes messages, progress and errors.
pub(super) struct Reporter<'a> {
    message: &'a mut dyn FnMut(&str),
    progress: &'a mut dyn FnMut(Progress),
    done: Progress,
    goes_on: bool,
    first_error: Option<Error>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(
        message: &'a mut dyn FnMut(&str),
        progress: &'a mut dyn FnMut(Progress),
        bytes_total: u64,
        goes_on: bool,
    ) -> Self {
        Self { message, progress, done: Progress { bytes_total, ..Progress::default() }, goes_on, first_error: None }
    }

    pub(super) fn message(&mut self, text: &str) {
        (self.message)(text);
    }

    pub(super) fn page_done(&mut self, bytes: u64) {
        self.done.pages = self.done.pages.saturating_add(1);
        self.done.bytes = self.done.bytes.saturating_add(bytes);
        (self.progress)(self.done);
    }

    /// Takes an error after which the walk could go on: gives it back unless it should.
    pub(super) fn problem(&mut self, error: Error) -> Result<()> {
        if !self.goes_on {
            return Err(error);
        }
        (self.message)(&error.to_string());
        self.first_error.get_or_insert(error);
        Ok(())
    }

    /// The first of the errors taken.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.first_error.take().map_or(Ok(()), Err)
    }
}

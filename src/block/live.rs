//! The space of a file open for writing: which byte ranges are in use, free, or waiting for a checkpoint.
//!
//! Invariants:
//! 1. `alloc`, `avail`, `discard` and `ckpt_avail` are disjoint in pairs, and all lie within [allocation size, size);
//! 2. only `avail` is allocated from. What an older checkpoint still references goes to `discard`, what the checkpoint in
//!    progress gives up goes to `ckpt_avail`, and becomes available once that checkpoint is durable;
//! 3. the blocks that hold extent lists are in none of the four sets.
//!
//! Source: block specification, sections 4 and 7.1.

use super::extents::{Extent, ExtentSet, Fit, Overlap};
use crate::{Error, ErrorCode, Result};

/// Where a file stands in the course of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckpointState {
    /// No checkpoint.
    None,
    /// Started; nothing that can't be left as it is has happened.
    InProgress,
    /// The lists have been changed: what can't be made durable now must not go on.
    PanicOnFailure,
}

/// The live system of one file.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) allocation_size: u64,
    /// The logical file size: where the next extension goes.
    pub(crate) size: u64,
    pub(crate) alloc: ExtentSet,
    pub(crate) avail: ExtentSet,
    pub(crate) discard: ExtentSet,
    pub(crate) ckpt_avail: ExtentSet,
    /// Bytes of the tree without root pages, as of the last checkpoint.
    pub(crate) rolling_size: u64,
    pub(crate) state: CheckpointState,
}

impl Live {
    /// A file that holds its descriptor block alone.
    pub(crate) fn new(allocation_size: u32) -> Self {
        Self {
            allocation_size: u64::from(allocation_size),
            size: u64::from(allocation_size),
            alloc: ExtentSet::new(),
            avail: ExtentSet::with_size_index(),
            discard: ExtentSet::new(),
            ckpt_avail: ExtentSet::new(),
            rolling_size: 0,
            state: CheckpointState::None,
        }
    }

    /// Finds `size` bytes and puts them on the alloc list.
    pub(crate) fn allocate(&mut self, size: u64, fit: Fit) -> Result<u64> {
        let offset = self.allocate_unlisted(size, fit)?;
        self.alloc.insert(Extent { offset, size }).map_err(overlap)?;
        Ok(offset)
    }

    /// Finds `size` bytes that go on no list: the place of an extent list.
    pub(crate) fn allocate_unlisted(&mut self, size: u64, fit: Fit) -> Result<u64> {
        if size == 0 || size.checked_rem(self.allocation_size) != Some(0) {
            return Err(Error::invalid(format!(
                "cannot allocate a block of {size} bytes: not a multiple of the allocation size {}",
                self.allocation_size
            )));
        }
        if self.size < self.allocation_size {
            return Err(Error::invalid("file has no description information"));
        }
        if let Some(offset) = self.avail.take(size, fit) {
            return Ok(offset);
        }
        let offset = self.size;
        self.size = offset
            .checked_add(size)
            .filter(|&end| i64::try_from(end).is_ok())
            .ok_or_else(|| Error::new(ErrorCode::ERROR, "block allocation failed, file cannot grow further"))?;
        Ok(offset)
    }

    /// Gives up a block: at once if it was allocated since the last checkpoint, else when that checkpoint is deleted.
    pub(crate) fn free(&mut self, extent: Extent) -> Result<()> {
        self.check_range(extent)?;
        if self.alloc.remove(extent) {
            return self.avail.insert(extent).map_err(overlap);
        }
        // A block partly in `alloc`, or free already, was never handed out as such: the tree is wrong.
        for (list, set) in [("alloc", &self.alloc), ("avail", &self.avail), ("checkpoint-avail", &self.ckpt_avail)] {
            if let Some(existing) = set.find_overlap(extent) {
                return Err(Error::panic(format!(
                    "block manager extension list failure: freed range {extent} overlaps {existing} of the {list} list"
                )));
            }
        }
        self.discard.insert(extent).map_err(overlap)
    }

    /// Adds the place of a block to the space that becomes free when the running checkpoint is durable.
    pub(crate) fn release_after_checkpoint(&mut self, extent: Extent) -> Result<()> {
        self.ckpt_avail.insert(extent).map_err(overlap)
    }

    /// The free extent at the end of the file, if there is one.
    pub(crate) fn free_tail(&self) -> Option<Extent> {
        self.avail.last().filter(|last| last.end() == self.size)
    }

    /// Drops the free extent at the end of the file; gives the new logical size if there was one.
    pub(crate) fn cut_free_tail(&mut self) -> Option<u64> {
        let tail = self.free_tail()?;
        self.avail.remove(tail);
        self.size = tail.offset;
        Some(self.size)
    }

    fn check_range(&self, extent: Extent) -> Result<()> {
        let unit = self.allocation_size;
        let aligned = extent.offset.checked_rem(unit) == Some(0) && extent.size.checked_rem(unit) == Some(0);
        if aligned && extent.offset >= unit && extent.size != 0 && extent.end() <= self.size {
            return Ok(());
        }
        Err(Error::panic(format!(
            "block manager extension list failure: range {extent} is misaligned or outside the file (allocation size \
             {unit}, file size {})",
            self.size
        )))
    }
}

/// An overlap among the live lists: the file's space is no longer known, so nothing more may be written.
pub(crate) fn overlap(overlap: Overlap) -> Error {
    Error::panic(format!(
        "block manager extension list failure: range {} overlaps {}",
        overlap.inserted, overlap.existing
    ))
}

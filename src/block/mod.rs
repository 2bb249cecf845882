//! The block manager: a B-tree file as a set of checksummed blocks, whose space is reused without ever overwriting what
//! a durable checkpoint references.
//!
//! - [`BlockManager`]: opening, reading, writing, freeing, checkpoints of one file.
//! - [`CheckpointCookie`], [`Address`]: what parents and metadata remember of a file.
//! - [`ExtentSet`]: disjoint byte ranges.
//!
//! Everything that is read from the file is checked against stated bounds before it is used; a damaged file gives an
//! error that names file and offset.
//!
//! Source: block specification, sections 2 to 8.
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

mod address;
mod checkpoint;
mod codec;
mod cookie;
mod descriptor;
mod extent_list;
mod extents;
mod header;
#[cfg(test)]
mod lifecycle_tests;
mod live;
mod manager;
#[cfg(test)]
pub(crate) mod test_support;

pub use address::Address;
pub use checkpoint::{CheckpointAction, CheckpointEntry, TrailerBuilder, TrailerRequest, WrittenCheckpoint};
pub use cookie::CheckpointCookie;
pub use descriptor::{MAX_ALLOCATION_SIZE, MIN_ALLOCATION_SIZE, check_allocation_size};
pub use extent_list::Trailer;
pub use extents::{Extent, ExtentSet, Fit, Overlap};
pub use header::HEADER_SIZE;
pub use manager::{BlockManager, BlockSettings, BlockStatistics, ChecksumMode, OpenMode};

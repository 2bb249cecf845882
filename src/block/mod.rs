//! The block manager: a B-tree file as a set of checksummed blocks, whose space is reused without ever overwriting what
//! a durable checkpoint references.
//!
//! - [`BlockManager`]: opening, reading, writing, freeing, checkpoints of one file.
//! - [`CheckpointCookie`], [`Address`]: what parents and metadata remember of a file.
//! - [`Verifier`]: whether every byte of a file is used as its checkpoints say.
//! - [`ExtentSet`]: disjoint byte ranges.
//! - [`BlockTransform`]: compression and encryption, which callers apply to what they write and read.
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

mod checkpoint;
mod cookie;
mod descriptor;
#[cfg(test)]
mod docs_tests;
mod extent_list;
mod extents;
#[cfg(test)]
mod lifecycle_tests;
mod live;
mod manager;
#[cfg(test)]
mod manager_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod test_support;
mod transform;
mod verify;

pub use crate::page::HEADER_SIZE;
pub use crate::page::address::Address;
pub use checkpoint::{CheckpointAction, CheckpointEntry, TrailerBuilder, TrailerRequest, WrittenCheckpoint};
pub use cookie::CheckpointCookie;
pub use descriptor::{MAX_ALLOCATION_SIZE, MIN_ALLOCATION_SIZE, check_allocation_size};
pub use extent_list::{ListContents, ListKind, Trailer, decode as decode_extent_list};
pub use extents::{Extent, ExtentSet, Fit, Overlap};
pub use manager::{BlockManager, BlockSettings, BlockStatistics, ChecksumMode, OpenMode};
pub(crate) use transform::MAX_RATIO;
pub use transform::{BlockTransform, KeyedEncryptor};
pub use verify::{Leaks, Verifier};

//! The engine's side of key providers: keeps a provider's blob with the checkpoint it belongs to.
//!
//! The blob lies behind a checksummed header, in the metadata row [`METADATA_KEY`] up to [`INLINE_BLOB_BYTES`], else in a
//! file of its own that the row names. The row is part of the metadata's checkpoint, so blob and checkpoint become durable
//! by one and the same event: the rename of the turtle file.
//!
//! # Where the calls belong
//!
//! | event | call |
//! | --- | --- |
//! | open: turtle and metadata table are readable; nothing is replayed, repaired or created yet | [`KeyService::open`] with the row as the metadata's checkpoint has it |
//! | database checkpoint, under the checkpoint lock, when it is certain that it writes something: every data file and the history store are written, the `system:` rows are next | [`KeyService::before_checkpoint`]; then [`PendingKey::persist`], and its row into the checkpoint's metadata transaction |
//! | the turtle has been renamed, and its directory synced | [`PendingKey::completed`] |
//! | the checkpoint has failed at any step between | [`PendingKey::abandon`], or drop the [`PendingKey`] |
//! | a backup cursor is open | keep what [`KeyService::hold_for_backup`] returns, and add its file to the list |
//! | close | nothing: the provider ends with the other extensions |
//!
//! The checkpoint at close and that of recovery are database checkpoints like any other, and so is a named one. A checkpoint
//! of a single file, a checkpoint cursor, and the checkpoint of the metadata that a schema operation makes don't come here.
//!
//! # Invariants
//! 1. The row's update must not be logged. It becomes visible through the metadata's checkpoint alone; log replay would
//!    else give checkpoint n the key of a checkpoint n+1 that never completed.
//! 2. The provider hears of completion only after the commit point. What it was told is durable whatever happens next.
//! 3. After a blob was taken from the provider it hears of completion or of failure, exactly once.
//! 4. A blob's file is complete and synced before a row names it, and is removed only when a later checkpoint is durable,
//!    or at open if no row names it.
//! 5. Without a provider the row stays as it is, and no checkpoint touches it.
//! 6. A failed open has changed nothing.
//!
//! Deliberately absent: disaggregated storage (key pages in a page log), push mode, encryption.
//!
//! Source: key-provider specification, sections 6, 7 and 9.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod files;
mod header;
mod row;
mod service;
#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod tests;

pub use header::{DecodedKey, HEADER_BYTES, decode_key, encode_key};
pub use row::{KeyRow, METADATA_KEY, Place};
pub use service::{BackupHold, INLINE_BLOB_BYTES, KeyHome, KeyService, MetadataRow, Mode, PendingKey};

use hardwired_plugin::{Error, ErrorCode};

/// `EIO`: damage, with object, offset and reason.
#[cold]
fn damaged(object: &str, offset: usize, reason: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::EIO, format!("{object}: damaged at offset {offset}: {reason}"))
}

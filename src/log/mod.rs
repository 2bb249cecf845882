//! The write-ahead log: what was committed since the last checkpoint, in the order in which it was.
//!
//! - [`Lsn`], [`Record`], [`Operation`], [`FileHeader`]: the bytes, without I/O.
//! - [`LogDirectory`]: the files, by number.
//! - [`Scanner`]: reading records one after the other, and what counts as the log's end.
//! - [`Log`]: writing, shared by all sessions of a connection.
//!
//! Redo only: a commit record has the operations of one transaction, and is in the log before anybody sees its effects.
//! What is in a table's last checkpoint is not needed any more. Who replays the log is not this module's business, nor is
//! when a checkpoint is taken.
//!
//! The decoders accept any bytes: the result is a value or an error that names object and place.
//!
//! Source: log specification.
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

mod directory;
mod file_header;
mod lsn;
mod operation;
mod progress;
pub(crate) mod record;
mod scan;
mod transform;
mod writer;

pub use directory::{LogDirectory, LogFile};
pub use file_header::{FileHeader, VERSION, decode_previous, encode_previous};
pub use lsn::Lsn;
pub use operation::{IGNORE, Operation, Operations, Timestamps, TruncateMode};
pub use record::{HEADER_SIZE, Record, RecordHeader, UNIT, checksum};
pub use scan::{Ending, Entry, Scanner};
pub use transform::RecordTransform;
pub use writer::{Appended, Log};

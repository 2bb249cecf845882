//! Transactions: identifiers, snapshots, visibility.
//!
//! Nothing here knows trees: a transaction remembers *what* it changed through the `Undo` trait, so that a rollback can
//! mark the versions aborted. Commit publishes by clearing the session's id in the table, whatever the transaction's size.
//!
//! Source: transactions specification, sections 1 to 4 and 9.

mod global;
mod horizon;
mod reader;
mod snapshot;
pub(crate) mod timestamp;
mod transaction;

pub use global::TxnGlobal;
pub use horizon::Horizon;
pub use reader::{CheckpointView, Reader};
pub use snapshot::Snapshot;
pub(crate) use transaction::Undo;
pub use transaction::{Isolation, Txn};

/// A transaction id. Ids of a run begin at 1.
pub type TxnId = u64;
/// No transaction: visible to everybody.
pub const TXN_NONE: TxnId = 0;
/// The stop id of a live value (`-11` in metadata).
pub const TXN_MAX: TxnId = u64::MAX - 10;
/// A version that was rolled back: visible to nobody.
pub const TXN_ABORTED: TxnId = u64::MAX;
/// No timestamp.
pub const TS_NONE: u64 = 0;
/// The stop timestamp of a live value (`-1` in metadata).
pub const TS_MAX: u64 = u64::MAX;

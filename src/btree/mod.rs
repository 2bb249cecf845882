//! The in-memory B-tree: what stands between cursors and blocks.
//!
//! * [`Tree`]: one open object; descent, structure changes (`tree`), page-in (`load`), growth (`rebuild`), eviction
//!   (`evict`), checkpoints (`checkpoint`), what page-in makes of time windows (`windows`).
//! * [`TreeCursor`]: moving and writing as a [`crate::txn::Txn`] sees the records.
//! * Pages: `leaf` and `internal`, with `slots` (optimistic search), `version` (rows and version chains), `arena` (memory).
//!
//! It relies on `block` for storage, `reconcile` for page images, `txn` for visibility, `cache` for limits. It knows no
//! configuration strings, no formats of keys and values, no metadata.
#![allow(unsafe_code, reason = "pages are linked by address and freed by epoch; the invariants are in each module")]

mod address;
mod arena;
mod checkpoint;
mod cursor;
mod evict;
mod internal;
mod key;
mod leaf;
mod load;
#[cfg(all(test, loom))]
mod loom_tests;
mod open;
mod order;
#[cfg(test)]
mod protocol_tests;
mod rebuild;
mod seal;
mod settings;
#[cfg(test)]
mod stress_tests;
#[cfg(test)]
mod tests;
mod tree;
pub(crate) mod version;
mod windows;
mod write;
mod write_leaf;

pub(crate) use address::ChildAddress;
pub use checkpoint::TreeCheckpoint;
pub use cursor::TreeCursor;
pub use open::TreeOpen;
pub use order::KeyOrder;
pub use settings::TreeSettings;
pub use tree::Tree;
pub use windows::{History, HistorySearch, Windows};
pub use write::PutMode;

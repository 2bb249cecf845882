//! hardwired: a storage engine compatible with WiredTiger, with its extensions linked in at compile time.
#![deny(unsafe_code)]

pub mod block;
pub mod btree;
pub mod cache;
pub mod config;
pub mod extensions;
pub mod key_provider;
pub mod metadata;
pub mod os;
pub mod packing;
pub mod page;
mod reconcile;
mod sync;
pub mod txn;
pub mod verify;

pub use hardwired_plugin as plugin;
pub use hardwired_plugin::{Error, ErrorCode, Result};

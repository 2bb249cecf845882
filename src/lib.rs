//! hardwired: a storage engine compatible with WiredTiger, with its extensions linked in at compile time.
#![deny(unsafe_code)]

pub mod packing;

pub use hardwired_plugin as plugin;
pub use hardwired_plugin::{Error, ErrorCode, Result};

pub mod block;
mod cache;
pub mod os;
mod sync;
pub mod txn;

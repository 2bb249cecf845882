//! hardwired: a storage engine compatible with WiredTiger, with its extensions linked in at compile time.
#![deny(unsafe_code)]

pub mod block;
pub mod event;
pub mod extensions;
pub mod os;
pub mod packing;

pub use hardwired_plugin as plugin;
pub use hardwired_plugin::{Error, ErrorCode, Result};

//! hardwired: a storage engine compatible with WiredTiger, with its extensions linked in at compile time.
#![deny(unsafe_code)]

pub mod event;
pub mod extensions;

pub use hardwired_plugin as plugin;
pub use hardwired_plugin::{Error, ErrorCode, Result};

//! hardwired: a storage engine compatible with WiredTiger, with its extensions linked in at compile time.
#![deny(unsafe_code)]

pub mod block;
pub mod btree;
pub mod cache;
mod checkpoint;
pub mod cli;
pub mod config;
pub mod connection;
pub mod cursor;
pub mod event;
pub mod extensions;
mod history;
pub mod key_provider;
pub mod log;
pub mod metadata;
pub mod os;
pub mod packing;
pub mod page;
mod reconcile;
mod recovery;
mod schema;
pub mod session;
mod sync;
mod tiered;
pub mod txn;
pub mod verify;

pub use connection::{Builder, Connection, wiredtiger_open};
pub use cursor::{BoundSide, Cursor, Modify, Range};
pub use event::EventHandler;
pub use hardwired_plugin as plugin;
pub use hardwired_plugin::{Error, ErrorCode, Result};
pub use session::{LastError, Session, TimestampType};

/// What [`version`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The release of WiredTiger whose files are written.
    pub release: metadata::Version,
    /// This engine's name and version, and that release.
    pub text: &'static str,
}

impl Version {
    /// The release of WiredTiger whose files are written, as `11.3.1`.
    pub fn compatible_release(&self) -> String {
        let metadata::Version { major, minor, patch } = self.release;
        format!("{major}.{minor}.{patch}")
    }
}

/// The engine's version.
pub fn version() -> Version {
    Version {
        release: metadata::Version::WRITTEN,
        text: concat!("hardwired ", env!("CARGO_PKG_VERSION"), " (WiredTiger 11.3.1)"),
    }
}

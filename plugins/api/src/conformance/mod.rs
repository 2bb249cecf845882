//! Conformance kits: what the engine relies on, as checks that an extension's own tests run.
//!
//! Each kit panics with the promise that was broken. They are deterministic, need no engine, and take a fraction of a second;
//! property tests of the extension's own go well beside them.
//!
//! ```toml
//! [dev-dependencies]
//! hardwired-plugin = { version = "0.1", features = ["conformance"] }
//! ```

mod storage_source;

pub use storage_source::{StoreUnderTest, check_storage_source};

//! Conformance kits: what the engine relies on, as checks that an extension's own tests run.
//!
//! Each kit panics with the promise that was broken. They are deterministic, need no engine, and take a fraction of a second;
//! property tests of the extension's own go well beside them.
//!
//! ```toml
//! [dev-dependencies]
//! hardwired-plugin = { version = "0.1", features = ["conformance"] }
//! ```

mod data_source;
mod session;

pub use data_source::{DataSourceKit, check_data_source};
pub use session::KitSession;

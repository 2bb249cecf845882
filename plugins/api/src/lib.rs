//! What an extension of the hardwired storage engine needs, and nothing of the engine itself.
//!
//! The crate holds the error type, the configuration-string parser, the traits of every extension kind and the
//! link-time registry through which `wiredtiger_open` finds extensions by name. Authors of extensions begin with the
//! [`manual`].
#![forbid(unsafe_op_in_unsafe_fn)]

pub mod collator;
pub mod compressor;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod data_source;
pub mod encryptor;
pub mod error;
pub mod extension;
pub mod file_system;
pub mod key_provider;
pub mod manual;
pub mod registry;
pub mod services;
pub mod storage_source;

pub use error::{Error, ErrorCode, Result, SubLevel};

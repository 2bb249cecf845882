//! Configuration: from the strings of callers, files and the environment to typed settings.
//!
//! - [`schema`]: which keys each method and metadata kind takes (generated tables).
//! - [`added`]: the keys that an application adds to them.
//! - [`mod@check`]: whether a string is one that a method accepts, with WiredTiger's messages.
//! - [`combine`]: new strings from a stack of strings: collapse and merge.
//! - [`sources`]: where the configuration of `wiredtiger_open` comes from, in which order; configuration files.
//! - [`metadata`]: the strings that the metadata table holds for new objects.
//! - [`built`]: what this engine does not do yet, so that nothing is ignored silently.
//! - [`settings`]: the values the engine works with, per method.
//!
//! The parser and lookups are in `hardwired_plugin::config`, since extensions need them too.
//!
//! Invariants
//! 1. Pure functions of strings: no I/O, no clock, no environment.
//! 2. Any input is answered with a result or an error; nesting is bounded.
//!
//! Source: configuration specification.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

pub mod added;
pub mod built;
pub mod check;
pub mod combine;
pub mod metadata;
pub mod schema;
pub mod settings;
pub mod sources;

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod tests;

pub use check::{check, validate};
pub use combine::{collapse, merge};
pub use hardwired_plugin::config::*;
pub use schema::Method;

/// The part of `text` from where `part`, a slice of it, begins.
fn tail_from<'a>(text: &'a str, part: &str) -> &'a str {
    text.get(offset_in(text, part)..).unwrap_or("")
}

/// Where `part`, a slice of `text`, begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

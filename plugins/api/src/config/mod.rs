//! Configuration strings: `key=value` items separated by commas, with quoted strings and bracketed structures.
//!
//! The language has no schema: this module only says what the items of a string are ([`ConfigParser`]), what a
//! dotted key means in one string or a stack of strings ([`Config`], [`lookup`]) and what a value is as a boolean,
//! number, text or list ([`Item`]). Whether a key or a value is allowed is the engine's business.
//!
//! Invariants
//! 1. Nothing is allocated, except for the message of an error.
//! 2. Everything handed out is a slice of the string parsed: escapes are validated, never decoded.
//! 3. Any input is answered: no panic, no recursion deeper than [`MAX_NESTED_LOOKUPS`].
//!
//! Source: configuration specification, sections 2 to 4.
#![forbid(unsafe_code)]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod item;
mod lookup;
mod parser;
#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod tests;

pub use item::{Item, ItemKind};
pub use lookup::{Config, MAX_NESTED_LOOKUPS, lookup};
pub use parser::ConfigParser;

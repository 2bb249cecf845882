//! Keys and values as bytes: typed columns packed so that packed keys sort by their columns.
//!
//! [`Format`] says what columns there are; [`pack`] and [`unpack`] work on dynamic [`Value`]s, [`PackRow`] and
//! [`UnpackRow`] on Rust values and tuples of them; [`int`] is the integer code beneath, which the file format uses too.
//!
//! Invariants
//! 1. Every read is bounded by the bytes given: damaged data is `EINVAL`, never a panic or a read beyond the end.
//! 2. A value that its column can't hold is `EINVAL`: nothing is wrapped or cut silently, save for counted `S`, `s` and
//!    `u` columns, whose contract it is to cut and pad.
//! 3. Packed bytes compare, column by column, as the values do. Exceptions: `R`, and a `u` without a count that is not
//!    last (it sorts by length first).
//!
//! Not here: names of columns, projections, and the choice between row and column store.
//!
//! Source: packing specification, sections 12 to 16.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod format;
pub mod int;
mod item;
mod row;
#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]
mod tests;
mod value;

pub use format::{Column, ColumnType, Format};
pub use row::{FromValue, PackRow, ToValue, UnpackRow};
pub use value::{Packer, Unpacker, Value, pack, pack_into, packed_size, unpack};

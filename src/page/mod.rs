//! Pages of a B-tree file as bytes: headers, cells, page types, cookies, history-store records.
//!
//! Everything here is a pure function over byte slices: no input or output, no locks, no clock. It implements the
//! specification of the B-tree file format; the module of each concept names its section.
//!
//! Invariants
//! 1. Any sequence of bytes may be given to a decoder: the result is a value or an `Err`, never a panic, an endless loop
//!    or an allocation whose size an unchecked number chose.
//! 2. A decoder accepts what the real engine accepts, except where the real engine would crash or loop.
//! 3. What a writer emits is byte for byte what the real engine emits for the same input and configuration.
//! 4. Offsets in errors are relative to the start of the page image; [`hardwired_plugin::Error::in_object`] adds the
//!    file's name and the block's offset.
//!
//! Not here: compression and encryption themselves (only their framing, [`transform`]), the block manager's extent lists,
//! and the choice of which versions of a record are written.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub mod address;
pub mod cell;
pub mod cell_write;
pub mod checksum;
pub mod column;
#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod file_tests;
pub mod header;
pub mod history;
mod input;
pub mod modify;
pub mod overflow;
pub mod row_internal;
pub mod row_leaf;
pub mod row_leaf_write;
pub mod split;
#[cfg(test)]
pub(crate) mod test_data;
pub mod time_aggregate;
pub mod time_window;
pub mod transform;
pub mod verify;
pub mod verify_tree;
pub mod vuint;

use hardwired_plugin::Error;

/// Bytes of both headers; cells start here.
pub const HEADER_SIZE: usize = 40;

/// A part of a page image, as offset and length, both in bytes.
///
/// Spans that a decoder hands out lie within the image it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First byte, counted from the start of the image.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The bytes of the span, `None` if the image is shorter than the one the span came from.
    #[inline]
    pub fn get(self, image: &[u8]) -> Option<&[u8]> {
        let start = widen(self.offset);
        image.get(start..start.saturating_add(widen(self.len)))
    }

    /// The bytes of the span.
    ///
    /// # Errors
    /// `Corrupt` if the image is shorter than the one the span came from.
    #[inline]
    pub fn of(self, image: &[u8]) -> Result<&[u8], Error> {
        self.get(image).ok_or_else(|| corrupt(widen(self.offset), "a span beyond the end of the page"))
    }
}

/// A `u32` as an index: lossless, as every supported platform has pointers of at least 32 bits.
#[inline(always)]
pub(crate) const fn widen(value: u32) -> usize {
    const { assert!(usize::BITS >= u32::BITS) };
    #[allow(clippy::as_conversions)] // checked by the assertion above; `From` is not const and not defined for u32
    {
        value as usize
    }
}

/// An index as a 64-bit number: lossless, as no supported platform has wider pointers.
#[inline(always)]
pub(crate) const fn widen_u64(value: usize) -> u64 {
    const { assert!(usize::BITS <= u64::BITS) };
    #[allow(clippy::as_conversions)] // checked by the assertion above
    {
        value as u64
    }
}

/// An error at an offset of the image at hand.
#[cold]
#[inline(never)]
pub(crate) fn corrupt(offset: usize, reason: impl Into<String>) -> Error {
    Error::corrupt("", widen_u64(offset), reason)
}

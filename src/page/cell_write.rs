//! Encoding cells: each function appends one cell to a page under construction (format specification, section 5).
//!
//! Invariants
//! 1. Only the form that the real engine writes is written, except that an address cell's secondary descriptor is the
//!    caller's choice, as it is in the real engine.
//! 2. A row store passes a repeat count of 0, a column store the real count: both matter to the bytes (section 5.4).

use super::cell::{CellKind, LONG_LENGTH_BASE, descriptor};
use super::time_aggregate::{PageDelete, TimeAggregate};
use super::time_window::TimeWindow;
use super::{vuint, widen_u64};

/// Bytes of the longest short form.
const SHORT_MAX: usize = 63;

/// Bytes that a cell has besides its data, at most (section 5.7).
pub const OVERHEAD_MAX: usize = 98;

/// The descriptor of a short cell; `None` if the data is too long for one.
#[inline]
fn short_descriptor(kind: u8, len: usize) -> Option<u8> {
    match u8::try_from(len) {
        Ok(len) if usize::from(len) <= SHORT_MAX => Some((len << descriptor::SHORT_SHIFT) | kind),
        _ => None,
    }
}

#[inline]
fn push_reduced_length(out: &mut Vec<u8>, len: usize) {
    vuint::push(out, widen_u64(len).saturating_sub(LONG_LENGTH_BASE));
}

#[inline]
fn push_data(out: &mut Vec<u8>, data: &[u8]) {
    vuint::push(out, widen_u64(data.len()));
    out.extend_from_slice(data);
}

/// Appends a key cell: `prefix` bytes of the previous key followed by `suffix`; a prefix of 0 makes a plain key.
#[inline]
pub fn push_key(out: &mut Vec<u8>, prefix: u8, suffix: &[u8]) {
    if prefix == 0 {
        match short_descriptor(descriptor::KEY_SHORT, suffix.len()) {
            Some(first) => out.push(first),
            None => {
                out.push(descriptor::KEY);
                push_reduced_length(out, suffix.len());
            }
        }
    } else {
        match short_descriptor(descriptor::KEY_SHORT_PREFIX, suffix.len()) {
            Some(first) => out.extend_from_slice(&[first, prefix]),
            None => {
                out.extend_from_slice(&[descriptor::KEY_PREFIX, prefix]);
                push_reduced_length(out, suffix.len());
            }
        }
    }
    out.extend_from_slice(suffix);
}

/// Bytes of the key cell that [`push_key`] appends.
#[inline]
pub fn key_len(prefix: u8, suffix_len: usize) -> usize {
    let head = if prefix == 0 { 1usize } else { 2 };
    let length = if suffix_len <= SHORT_MAX { 0 } else { reduced_length_len(suffix_len) };
    head.saturating_add(length).saturating_add(suffix_len)
}

#[inline]
fn reduced_length_len(len: usize) -> usize {
    vuint::len(widen_u64(len).saturating_sub(LONG_LENGTH_BASE))
}

/// Bytes of a cell that holds only a cookie.
pub(super) fn overflow_len(cookie_len: usize) -> usize {
    vuint::len(widen_u64(cookie_len)).saturating_add(cookie_len).saturating_add(1)
}

/// Appends the cell of a key that is on an overflow page.
pub fn push_key_overflow(out: &mut Vec<u8>, cookie: &[u8]) {
    out.push(descriptor::KEY_OVERFLOW);
    push_data(out, cookie);
}

/// Appends a value cell. `count` is 0 in a row store, the number of equal records in a column store.
#[inline]
pub fn push_value(out: &mut Vec<u8>, window: &TimeWindow, count: u64, data: &[u8]) {
    push_value_head(out, window, count, data.len());
    out.extend_from_slice(data);
}

/// Appends a value cell up to its data, which the caller appends.
#[inline]
pub fn push_value_head(out: &mut Vec<u8>, window: &TimeWindow, count: u64, len: usize) {
    if window.is_default() && count < 2 {
        match short_descriptor(descriptor::VALUE_SHORT, len) {
            Some(first) => out.push(first),
            None => {
                out.push(descriptor::VALUE);
                push_reduced_length(out, len);
            }
        }
        return;
    }
    push_first(out, descriptor::VALUE | descriptor::NUMBER, window);
    vuint::push(out, count);
    vuint::push(out, widen_u64(len));
}

/// Appends a copy cell that refers to the cell `distance` bytes before it.
pub fn push_value_copy(out: &mut Vec<u8>, window: &TimeWindow, count: u64, distance: u64) {
    push_counted(out, descriptor::VALUE_COPY, window, count);
    vuint::push(out, distance);
}

/// Appends the cell of a value that is on an overflow page.
pub fn push_value_overflow(out: &mut Vec<u8>, window: &TimeWindow, count: u64, cookie: &[u8]) {
    push_counted(out, descriptor::VALUE_OVERFLOW, window, count);
    push_data(out, cookie);
}

/// Appends the cell of `count` deleted records. Writers give it the default window.
pub fn push_deleted(out: &mut Vec<u8>, window: &TimeWindow, count: u64) {
    push_counted(out, descriptor::DELETED, window, count);
}

/// A descriptor with window and, for two records or more, the count.
fn push_counted(out: &mut Vec<u8>, first: u8, window: &TimeWindow, count: u64) {
    if count < 2 {
        push_first(out, first, window);
    } else {
        push_first(out, first | descriptor::NUMBER, window);
        vuint::push(out, count);
    }
}

/// A descriptor and, unless it is the default, the window.
#[inline]
fn push_first(out: &mut Vec<u8>, first: u8, window: &TimeWindow) {
    if window.is_default() {
        out.push(first);
    } else {
        out.push(first | descriptor::SECOND);
        window.pack(out);
    }
}

/// What kind of page an address cell refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// A leaf that a truncate deleted as a whole.
    Deleted,
    /// An internal page.
    Internal,
    /// A leaf with overflow items, or one of which that isn't known.
    Leaf,
    /// A leaf without overflow items.
    LeafNoOverflow,
}

impl AddressKind {
    /// The address kind of a cell kind, `None` if that is no address.
    pub fn from_cell(kind: CellKind) -> Option<Self> {
        Some(match kind {
            CellKind::AddressDeleted => Self::Deleted,
            CellKind::AddressInternal => Self::Internal,
            CellKind::AddressLeaf => Self::Leaf,
            CellKind::AddressLeafNoOverflow => Self::LeafNoOverflow,
            _ => return None,
        })
    }

    fn descriptor(self) -> u8 {
        match self {
            Self::Deleted => descriptor::ADDRESS_DELETED,
            Self::Internal => descriptor::ADDRESS_INTERNAL,
            Self::Leaf => descriptor::ADDRESS_LEAF,
            Self::LeafNoOverflow => descriptor::ADDRESS_LEAF_NO_OVERFLOW,
        }
    }
}

/// An address cell to be written.
#[derive(Debug, Clone, Copy)]
pub struct AddressCell<'a> {
    /// What it refers to.
    pub kind: AddressKind,
    /// The subtree's aggregate: `Some`, even if default, for a page whose aggregate was just computed; `None` for a
    /// default aggregate that was read (section 5.6).
    pub aggregate: Option<&'a TimeAggregate>,
    /// The truncate, for [`AddressKind::Deleted`] on a page that stores it.
    pub page_delete: Option<&'a PageDelete>,
    /// The first record number of the subtree, in column stores.
    pub recno: Option<u64>,
    /// The block's cookie.
    pub cookie: &'a [u8],
}

impl AddressCell<'_> {
    /// Appends the cell.
    pub fn push(&self, out: &mut Vec<u8>) {
        let second = if self.aggregate.is_some() { descriptor::SECOND } else { 0 };
        let number = if self.recno.is_some() { descriptor::NUMBER } else { 0 };
        out.push(self.kind.descriptor() | second | number);
        if let Some(aggregate) = self.aggregate {
            aggregate.pack(out);
        }
        if let Some(delete) = self.page_delete {
            vuint::push(out, delete.txn);
            vuint::push(out, delete.ts);
            vuint::push(out, delete.durable_ts);
        }
        if let Some(recno) = self.recno {
            vuint::push(out, recno);
        }
        push_data(out, self.cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::HEADER_SIZE;
    use crate::page::cell::Cell;
    use proptest::prelude::*;

    #[rstest::rstest]
    #[case(0, 0)]
    #[case(0, 63)]
    #[case(0, 64)]
    #[case(0, 64 + 64)]
    #[case(0, 64 + 8256)]
    #[case(9, 63)]
    #[case(9, 64)]
    #[case(255, 70_000)]
    fn a_keys_length_is_known_before_it_is_written(#[case] prefix: u8, #[case] suffix: usize) {
        let mut out = Vec::new();
        push_key(&mut out, prefix, &vec![7; suffix]);
        assert_eq!(out.len(), key_len(prefix, suffix));
    }

    proptest! {
        #[test]
        fn values_round_trip(
            stop in prop::option::of(1u64..1000),
            start: u64,
            count in 0u64..3,
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut window = TimeWindow { start_ts: start, durable_start_ts: start, ..TimeWindow::DEFAULT };
            if let Some(stop) = stop {
                window.stop_ts = stop;
            }
            let mut image = vec![0; HEADER_SIZE];
            push_value(&mut image, &window, count, &data);
            let cell = Cell::decode(&image, HEADER_SIZE, false).unwrap();
            prop_assert_eq!(cell.data, &data[..]);
            prop_assert_eq!(cell.window(), window);
            prop_assert_eq!(cell.repeat_count(), count.max(1));
            prop_assert_eq!(cell.end(), image.len());
        }
    }
}

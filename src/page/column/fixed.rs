//! Leaf pages of fixed-length column stores: a bitmap of values of 1 to 8 bits, then the time windows of those values
//! that have one.
//!
//! Bit `b` of the bitmap is bit `b & 7`, counted from the least significant, of byte `b >> 3`. A value's most significant
//! bit comes first, except that values of 8 bits are stored as they are.

use hardwired_plugin::Result;

use super::{bitmap_len, len_u64, open};
use crate::page::cell::{CellKind, Cells};
use crate::page::cell_write;
use crate::page::header::{PageHeader, PageType};
use crate::page::input::Input;
use crate::page::time_window::TimeWindow;
use crate::page::{HEADER_SIZE, corrupt, vuint, widen, widen_u64};

/// Version of the area of time windows.
const AUXILIARY_VERSION: u8 = 1;
/// Bytes the real engine reserves before the first cell of the area.
const AUXILIARY_HEADER: usize = 7;

/// A leaf page of a fixed-length column store.
#[derive(Debug, Clone, Copy)]
pub struct ColumnFixed<'a> {
    image: &'a [u8],
    header: PageHeader,
    bits: u8,
    bitmap: &'a [u8],
    auxiliary: Option<Auxiliary>,
}

/// The area of time windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auxiliary {
    /// Number of windows.
    pub count: u64,
    /// Offset of the first byte after the area's header: filler, if the cells don't follow at once.
    pub filler: usize,
    /// Offset of the first cell.
    pub cells: usize,
}

impl<'a> ColumnFixed<'a> {
    /// Reads a page of values of `bits` bits in `block`, which may have bytes after the page.
    ///
    /// # Errors
    /// `Corrupt` if this is no leaf of a fixed-length column store, `bits` is not 1 to 8, the values don't fit the page,
    /// or the area of time windows has no valid header.
    pub fn open(block: &'a [u8], bits: u8) -> Result<Self> {
        let (header, image) = open(block, PageType::ColumnFixed)?;
        if !(1..=8).contains(&bits) {
            return Err(corrupt(0, format!("values of {bits} bits")));
        }
        let mut input = Input::at(image, HEADER_SIZE).ok_or_else(|| corrupt(0, "too short for its headers"))?;
        let bitmap = input.take(bitmap_len(header.entries, bits));
        let bitmap = bitmap.ok_or_else(|| corrupt(20, "more values than the page has room for"))?;
        Ok(Self { image, header, bits, bitmap, auxiliary: auxiliary(input, header.entries)? })
    }

    /// The page header; its record number is the first one of the page.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The bitmap's bytes.
    pub fn bitmap(&self) -> &'a [u8] {
        self.bitmap
    }

    /// The area of time windows, if there is one.
    pub fn auxiliary(&self) -> Option<&Auxiliary> {
        self.auxiliary.as_ref()
    }

    /// The bytes between the header of the area of time windows and its first cell: zeros on valid pages.
    pub fn filler(&self) -> &'a [u8] {
        let range = self.auxiliary.map(|area| area.filler..area.cells);
        range.and_then(|range| self.image.get(range)).unwrap_or_default()
    }

    /// The value at a position of the page, counted from 0; `None` beyond the last.
    pub fn value(&self, index: u32) -> Option<u8> {
        if index >= self.header.entries {
            return None;
        }
        get_bits(self.bitmap, index, self.bits)
    }

    /// The values in order.
    pub fn values(&self) -> impl Iterator<Item = u8> {
        (0..self.header.entries).map_while(|index| self.value(index))
    }

    /// The bits after the last value, in the lowest bits: zero on valid pages.
    pub fn spare_bits(&self) -> u8 {
        let used = u64::from(self.header.entries).saturating_mul(u64::from(self.bits)) & 7;
        match (self.bitmap.last(), u32::try_from(used)) {
            (Some(last), Ok(used @ 1..)) => last.checked_shr(used).unwrap_or(0),
            _ => 0,
        }
    }

    /// The time windows with the positions of their values.
    pub fn windows(&self) -> Windows<'a> {
        let offset = self.auxiliary.map_or(self.image.len(), |area| area.cells);
        Windows {
            cells: Cells::from(self.image, offset, false),
            left: self.auxiliary.map_or(0, |area| area.count),
            entries: self.header.entries,
            end: self.image.len(),
            failed: false,
        }
    }
}

/// Reads the header of the area of time windows.
fn auxiliary(mut input: Input<'_>, entries: u32) -> Result<Option<Auxiliary>> {
    let start = input.offset();
    match input.byte() {
        None | Some(0) => return Ok(None),
        Some(AUXILIARY_VERSION) => {}
        Some(version) => return Err(corrupt(start, format!("time windows of unknown version {version}"))),
    }
    let malformed = || corrupt(start, "a malformed header of the time windows");
    let (count, distance) = input.vuint().zip(input.vuint()).ok_or_else(malformed)?;
    let filler = input.offset();
    let cells =
        usize::try_from(distance).ok().and_then(|distance| start.checked_add(distance)).ok_or_else(malformed)?;
    let end = filler.saturating_add(input.rest().len());
    if cells < filler || cells > end || count > u64::from(entries) {
        return Err(malformed());
    }
    Ok(Some(Auxiliary { count, filler, cells }))
}

/// Iterator over the time windows of a page: the position of a value, its window. After an error it ends.
#[derive(Debug, Clone)]
pub struct Windows<'a> {
    cells: Cells<'a>,
    left: u64,
    entries: u32,
    end: usize,
    failed: bool,
}

impl Windows<'_> {
    fn advance(&mut self) -> Result<Option<(u32, TimeWindow)>> {
        let Some(key) = self.cells.next() else {
            return match self.left {
                0 => Ok(None),
                left => Err(corrupt(self.end, format!("the page ends {left} time windows before its count"))),
            };
        };
        let key = key?;
        let missing = || corrupt(key.offset, "a position without its time window");
        let value = self.cells.next().ok_or_else(missing)??;
        let too_many = || corrupt(key.offset, "unexpected bytes of data after the last cell");
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        if key.kind != CellKind::KeyShort || value.kind != CellKind::Value || !value.data.is_empty() {
            return Err(corrupt(key.offset, "cells that are not a position and a time window"));
        }
        let mut rest = key.data;
        let position = vuint::take(&mut rest).and_then(|position| u32::try_from(position).ok());
        match position.filter(|position| *position < self.entries && rest.is_empty()) {
            Some(position) if !value.window().is_default() => Ok(Some((position, value.window()))),
            Some(_) => Err(corrupt(value.offset, "an empty time window")),
            None => Err(corrupt(key.offset, "a time window of a record that is not on the page")),
        }
    }
}

impl Iterator for Windows<'_> {
    type Item = Result<(u32, TimeWindow)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let window = self.advance();
        self.failed = window.is_err();
        window.transpose()
    }
}

/// The value at a position of a bitmap.
fn get_bits(bitmap: &[u8], index: u32, bits: u8) -> Option<u8> {
    if bits == 8 {
        return bitmap.get(widen(index)).copied();
    }
    let first = u64::from(index).checked_mul(u64::from(bits))?;
    let mut value = 0;
    for position in first..first.checked_add(u64::from(bits))? {
        let byte = *bitmap.get(usize::try_from(position >> 3).ok()?)?;
        let shift = u32::try_from(position & 7).ok()?;
        value = (value << 1) | (byte.checked_shr(shift)? & 1);
    }
    Some(value)
}

/// Appends the bitmap of values of `bits` bits. Bits of a value beyond its width are ignored.
pub fn push_bitmap(values: &[u8], bits: u8, image: &mut Vec<u8>) {
    if bits == 8 {
        return image.extend_from_slice(values);
    }
    let (mut byte, mut used) = (0u8, 0u32);
    for value in values {
        for shift in (0..u32::from(bits)).rev() {
            let bit = value.checked_shr(shift).unwrap_or(0) & 1;
            byte |= bit.checked_shl(used).unwrap_or(0);
            used = used.saturating_add(1);
            if used == 8 {
                image.push(byte);
                (byte, used) = (0, 0);
            }
        }
    }
    if used != 0 {
        image.push(byte);
    }
}

/// Appends the area of time windows: positions in ascending order, windows that are not default. `gap` zero bytes are put
/// before the first cell, as the real engine does on a page whose bitmap became shorter than it had reserved. Without
/// windows nothing is appended.
pub fn push_windows(windows: &[(u32, TimeWindow)], gap: usize, image: &mut Vec<u8>) {
    if windows.is_empty() {
        return;
    }
    let start = image.len();
    let distance = AUXILIARY_HEADER.saturating_add(gap);
    image.push(AUXILIARY_VERSION);
    vuint::push(image, widen_u64(windows.len()));
    vuint::push(image, widen_u64(distance));
    // A count and distance of more than six bytes push the cells back.
    let cells = start.saturating_add(distance).max(image.len());
    image.resize(cells, 0);
    let mut position = Vec::new();
    for (index, window) in windows {
        position.clear();
        vuint::push(&mut position, u64::from(*index));
        cell_write::push_key(image, 0, &position);
        cell_write::push_value(image, window, 0, &[]);
    }
}

/// The number of values of `bits` bits that a page of at most `page_max` bytes holds, without time windows.
pub fn values_max(page_max: u32, bits: u8) -> u64 {
    let header = len_u64(&[0; HEADER_SIZE]);
    let room = u64::from(page_max).saturating_sub(header).saturating_mul(8);
    room.checked_div(u64::from(bits)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::column::{finish_page, start_page};
    use crate::page::test_data::{hex, number, unhex, vectors, window};
    use proptest::prelude::*;

    #[test]
    fn every_vector_reads_and_is_written_byte_for_byte() {
        let file = vectors("btree-pages.json");
        let mut pages = 0;
        for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "COL_FIX") {
            let (block, bits) = (hex(&page["image"]), u8::try_from(number(&page["bitcnt"])).unwrap());
            let leaf = ColumnFixed::open(&block, bits).unwrap();
            let values: Vec<u8> = leaf.values().collect();
            let expected: Vec<u64> = page["values"].as_array().unwrap().iter().map(number).collect();
            assert_eq!(values.iter().map(|value| u64::from(*value)).collect::<Vec<_>>(), expected, "{}", page["desc"]);
            assert_eq!((leaf.spare_bits(), leaf.filler().iter().max()), (0, leaf.filler().first()));
            let windows: Vec<_> = leaf.windows().map(Result::unwrap).collect();
            let mut gap = 0;
            if let Some(expected) = page["aux"].as_object() {
                assert_eq!(windows.len() as u64, number(&expected["entries"]));
                for (found, expected) in windows.iter().zip(expected["windows"].as_array().unwrap()) {
                    assert_eq!((u64::from(found.0), found.1), (number(&expected["offset"]), window(&expected["tw"])));
                }
                gap = usize::try_from(number(&expected["data_offset"])).unwrap() - AUXILIARY_HEADER;
            } else {
                assert!(windows.is_empty() && leaf.auxiliary().is_none());
            }
            let mut image = Vec::new();
            start_page(&mut image);
            push_bitmap(&values, bits, &mut image);
            push_windows(&windows, gap, &mut image);
            let entries = values.len().try_into().unwrap();
            finish_page(&mut image, PageType::ColumnFixed, leaf.header().recno, entries).unwrap();
            assert_eq!(image[16..28], block[16..28]);
            assert_eq!(image[40..], block[40..], "{}", page["desc"]);
            pages += 1;
        }
        assert!(pages >= 10, "{pages}");
    }

    fn page(content: &[u8], entries: u32) -> Vec<u8> {
        let mut image = Vec::new();
        start_page(&mut image);
        image.extend_from_slice(content);
        finish_page(&mut image, PageType::ColumnFixed, 1, entries).unwrap();
        image
    }

    fn is_valid(content: &str, entries: u32) -> bool {
        let image = page(&unhex(content), entries);
        let leaf = ColumnFixed::open(&image, 8);
        leaf.is_ok_and(|leaf| leaf.windows().all(|window| window.is_ok()))
    }

    #[rstest::rstest]
    #[case::no_windows("0102", 2, true)]
    #[case::version_zero("0102 00 ffff", 2, true)]
    #[case::no_filler("0102 01 81 83 05 81 8c 28 90 89 80 80", 2, true)]
    #[case::unknown_version("0102 02 81 83 05 81 8c 28 90 89 80 80", 2, false)]
    #[case::too_many_values("0102", 3, false)]
    #[case::count_too_small("0102 01 80 83 05 81 8c 28 90 89 80 80", 2, false)]
    #[case::count_too_large("0102 01 82 83 05 81 8c 28 90 89 80 80", 2, false)]
    #[case::more_windows_than_values("01 01 82 83", 1, false)]
    #[case::position_beyond_the_page("0102 01 81 83 05 82 8c 28 90 89 80 80", 2, false)]
    #[case::empty_window("0102 01 81 83 05 81 8c 00 80 80", 2, false)]
    #[case::value_with_data("0102 01 81 83 05 81 8c 28 90 89 80 81 61", 2, false)]
    #[case::distance_into_the_header("0102 01 81 82 05 81 8c 28 90 89 80 80", 2, false)]
    #[case::distance_beyond_the_page("0102 01 81 bf 05 81 8c 28 90 89 80 80", 2, false)]
    #[case::header_cut_off("0102 01 81", 2, false)]
    fn which_pages_are_accepted(#[case] content: &str, #[case] entries: u32, #[case] accepted: bool) {
        assert_eq!(is_valid(content, entries), accepted);
    }

    #[test]
    fn spare_bits_are_seen() {
        let image = page(&[0x0f], 1);
        assert_eq!(ColumnFixed::open(&image, 3).unwrap().spare_bits(), 1);
        assert_eq!(ColumnFixed::open(&image, 4).unwrap().spare_bits(), 0);
        assert_eq!(ColumnFixed::open(&image, 8).unwrap().spare_bits(), 0);
        assert!(ColumnFixed::open(&image, 0).is_err() && ColumnFixed::open(&image, 9).is_err());
        assert_eq!(values_max(4096, 3), (4096 - 40) * 8 / 3);
    }

    proptest! {
        #[test]
        fn round_trip(bits in 1u8..=8, values: Vec<u8>) {
            let values: Vec<u8> = values.iter().map(|value| value & (0xff >> (8 - bits))).collect();
            let mut content = Vec::new();
            push_bitmap(&values, bits, &mut content);
            let image = page(&content, values.len() as u32);
            let leaf = ColumnFixed::open(&image, bits).unwrap();
            prop_assert_eq!(leaf.values().collect::<Vec<_>>(), values);
            prop_assert_eq!(leaf.spare_bits(), 0);
        }

        #[test]
        fn any_bytes_are_safe(content: Vec<u8>, entries in 0u32..20, bits in 0u8..10) {
            let image = page(&content, entries);
            if let Ok(leaf) = ColumnFixed::open(&image, bits) {
                prop_assert_eq!(leaf.values().count(), entries as usize);
                prop_assert!(leaf.windows().count() <= content.len() + 1);
                let _ = leaf.filler();
            }
        }
    }
}

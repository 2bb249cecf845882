//! Reading a leaf page of a row store: its rows in one pass, without allocation (format specification, section 7).
//!
//! Invariants
//! 1. Every span a row holds lies within the image.
//! 2. A prefix never exceeds the length of the key it refers to: the closest key before it that is not an overflow key.
//! 3. When the iterator has ended without error, the cells filled the page exactly and were as many as the header says.
//! 4. Two rows never share their bytes, except through copy cells.
//!
//! Not here: key order, flags and time rules, which only [`super::verify`] checks, and writing
//! ([`super::row_leaf_write`]).

use hardwired_plugin::{Error, Result};

use super::cell::{Cell, CellKind, LONG_LENGTH_BASE, descriptor, span};
use super::header::{PageHeader, PageType};
use super::input::Input;
use super::time_window::TimeWindow;
use super::{HEADER_SIZE, Span, corrupt, widen};

/// Where a row's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey {
    /// The whole key is on the page.
    Plain(Span),
    /// The key is the first `prefix` bytes of the closest key before it that is not an overflow key, and a suffix.
    Prefixed {
        /// Bytes of the key before.
        prefix: u8,
        /// The rest.
        suffix: Span,
    },
    /// The key is on an overflow page; this is its cookie.
    Overflow(Span),
}

impl RowKey {
    /// Brings a key into `key`, which holds the closest key before it that is not an overflow key and has one, and says
    /// whether it did: an overflow key must be read by the caller and leaves `key` as it is.
    ///
    /// # Errors
    /// `Corrupt` if the row is not of this image or `key` is shorter than the prefix.
    pub fn build(self, image: &[u8], key: &mut Vec<u8>) -> Result<bool> {
        match self {
            Self::Plain(span) => {
                key.clear();
                key.extend_from_slice(span.of(image)?);
            }
            Self::Prefixed { prefix, suffix } => {
                if key.len() < usize::from(prefix) {
                    return Err(corrupt(widen(suffix.offset), PREFIX_TOO_LONG));
                }
                key.truncate(usize::from(prefix));
                key.extend_from_slice(suffix.of(image)?);
            }
            Self::Overflow(_) => return Ok(false),
        }
        Ok(true)
    }
}

/// Where a row's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowValue {
    /// There is no value cell: the value is empty.
    Absent,
    /// The value is on the page (for a copy cell: that of the cell it refers to).
    Plain(Span),
    /// The value is on an overflow page; this is its cookie.
    Overflow(Span),
}

/// One row of a leaf page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Where the key is.
    pub key: RowKey,
    /// Where the value is.
    pub value: RowValue,
    /// The value's time window, `None` for the default.
    pub window: Option<TimeWindow>,
}

impl Row {
    /// An empty key without value: something for [`Rows::read`] to write to.
    pub const EMPTY: Self =
        Self { key: RowKey::Plain(Span { offset: 0, len: 0 }), value: RowValue::Absent, window: None };
}

/// A leaf page of a row store.
#[derive(Debug, Clone, Copy)]
pub struct RowLeaf<'a> {
    image: &'a [u8],
    header: PageHeader,
}

impl<'a> RowLeaf<'a> {
    /// Reads the header of a page in `block`, which may have bytes after the page. Cells are checked as
    /// [`RowLeaf::rows`] meets them.
    ///
    /// # Errors
    /// `Corrupt` if this is no row leaf, or the header's size doesn't fit.
    #[inline]
    pub fn open(block: &'a [u8]) -> Result<Self> {
        let header = PageHeader::parse(block)?;
        if header.page_type != PageType::RowLeaf {
            return Err(wrong_type(header.page_type));
        }
        Ok(Self { image: header.image(block)?, header })
    }

    /// Reads a page and checks all its cells once, so that [`RowLeaf::rows`] can't fail later.
    ///
    /// # Errors
    /// As [`RowLeaf::open`], and the first error of [`RowLeaf::rows`].
    pub fn parse(block: &'a [u8]) -> Result<Self> {
        let page = Self::open(block)?;
        page.rows().try_for_each(|row| row.map(|_| ()))?;
        Ok(page)
    }

    /// The page header.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page image: exactly `mem_size` bytes. The spans of rows refer to it.
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The rows in page order.
    #[inline]
    pub fn rows(&self) -> Rows<'a> {
        Rows { image: self.image, offset: HEADER_SIZE, cells_left: self.header.entries, key_len: None, failed: false }
    }

    /// The most rows the page can have: for reserving memory. No larger than the page's size allows.
    pub fn rows_max(&self) -> usize {
        widen(self.header.entries).min(self.image.len().saturating_sub(HEADER_SIZE))
    }
}

/// Iterator over the rows of a leaf page. After an error it ends.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    image: &'a [u8],
    offset: usize,
    cells_left: u32,
    /// Length of the closest key before that is not an overflow key.
    key_len: Option<u32>,
    failed: bool,
}

const PREFIX_TOO_LONG: &str = "a key with a prefix that is longer than the previous key";

impl Rows<'_> {
    /// Offset of the next row's first cell.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the next row into `row`; `false` at the end of the page. The iterator does the same, but moves each row.
    ///
    /// # Errors
    /// `Corrupt`; afterwards the page counts as ended.
    #[inline]
    pub fn read(&mut self, row: &mut Row) -> Result<bool> {
        if self.failed {
            return Ok(false);
        }
        let result = self.advance(row);
        self.failed = result.is_err();
        result
    }

    #[inline]
    fn advance(&mut self, row: &mut Row) -> Result<bool> {
        let Some(&first) = self.image.get(self.offset) else {
            return if self.cells_left == 0 { Ok(false) } else { Err(self.too_few_cells()) };
        };
        self.count_cell()?;
        let start = self.offset;
        row.key = match first & descriptor::SHORT_MASK {
            descriptor::KEY_SHORT => {
                let suffix = self.short_data(start.saturating_add(1), first)?;
                self.key_len = Some(suffix.len);
                RowKey::Plain(suffix)
            }
            descriptor::KEY_SHORT_PREFIX => {
                let suffix = self.short_data(start.saturating_add(2), first)?;
                let prefix = self.image.get(start.saturating_add(1)).copied().unwrap_or(0);
                self.prefixed(prefix, suffix)?
            }
            _ => self.long_key()?,
        };
        row.window = None;
        match self.image.get(self.offset) {
            Some(&first) if first & descriptor::SHORT_MASK == descriptor::VALUE_SHORT => {
                self.count_cell()?;
                row.value = RowValue::Plain(self.short_data(self.offset.saturating_add(1), first)?);
            }
            Some(&first) if is_long_value(first) => {
                self.count_cell()?;
                self.long_value(first, row)?;
            }
            _ => row.value = RowValue::Absent,
        }
        Ok(true)
    }

    #[inline]
    fn count_cell(&mut self) -> Result<()> {
        match self.cells_left.checked_sub(1) {
            Some(left) => {
                self.cells_left = left;
                Ok(())
            }
            None => Err(corrupt(self.offset, "unexpected bytes of data after the last cell")),
        }
    }

    /// The data of a short cell, and the offset moved past it.
    #[inline]
    fn short_data(&mut self, start: usize, first: u8) -> Result<Span> {
        let len = usize::from(first >> descriptor::SHORT_SHIFT);
        self.data(start, len)
    }

    /// A span of data, and the offset moved past it.
    #[inline]
    fn data(&mut self, start: usize, len: usize) -> Result<Span> {
        let end = start.saturating_add(len);
        if end > self.image.len() {
            return Err(corrupt(self.offset, "a cell that is cut off"));
        }
        self.offset = end;
        Ok(span(start, len))
    }

    #[inline]
    fn prefixed(&mut self, prefix: u8, suffix: Span) -> Result<RowKey> {
        let prefix_len = u32::from(prefix);
        match self.key_len {
            Some(len) if prefix_len <= len => {}
            None if prefix == 0 => {}
            Some(_) => return Err(corrupt(self.offset, PREFIX_TOO_LONG)),
            None => return Err(corrupt(self.offset, "the first key on the page with a prefix")),
        }
        self.key_len = Some(prefix_len.saturating_add(suffix.len));
        // Without a prefix nothing needs to be put together.
        Ok(if prefix == 0 { RowKey::Plain(suffix) } else { RowKey::Prefixed { prefix, suffix } })
    }

    fn long_key(&mut self) -> Result<RowKey> {
        let cell = Cell::decode(self.image, self.offset, false)?;
        let data = cell.span();
        self.offset = cell.end();
        match cell.kind {
            CellKind::Key => {
                self.key_len = Some(data.len);
                Ok(RowKey::Plain(data))
            }
            CellKind::KeyPrefix => self.prefixed(cell.prefix, data),
            CellKind::KeyOverflow => Ok(RowKey::Overflow(data)),
            kind => Err(corrupt(cell.offset, format!("{} cell where a key is wanted", kind.name()))),
        }
    }

    #[inline]
    fn long_value(&mut self, first: u8, row: &mut Row) -> Result<()> {
        if first & descriptor::TYPE_MASK != descriptor::VALUE {
            return self.odd_value(row);
        }
        let head = match first & (descriptor::SECOND | descriptor::NUMBER) {
            0 => self.plain_head(),
            _ => self.value_head(first, row),
        };
        let (start, len) = head.ok_or_else(|| corrupt(self.offset, "a value cell that is cut off"))?;
        row.value = RowValue::Plain(self.data(start, len)?);
        Ok(())
    }

    /// A copy cell or an overflow value.
    #[cold]
    fn odd_value(&mut self, row: &mut Row) -> Result<()> {
        let cell = Cell::decode(self.image, self.offset, false)?;
        row.window = Some(cell.window()).filter(|window| !window.is_default());
        row.value = match cell.kind {
            CellKind::ValueOverflow => RowValue::Overflow(cell.span()),
            _ => RowValue::Plain(cell.resolve_copy(self.image)?.span()),
        };
        self.offset = cell.end();
        Ok(())
    }

    /// Data offset and data length of a value cell that is long only because of its size.
    #[inline]
    fn plain_head(&self) -> Option<(usize, usize)> {
        let mut input = Input::at(self.image, self.offset)?;
        input.byte()?;
        let len = input.vuint()?.checked_add(LONG_LENGTH_BASE)?;
        Some((input.offset(), usize::try_from(len).ok()?))
    }

    /// Data offset and data length of any other value cell; its window goes into `row`.
    fn value_head(&self, first: u8, row: &mut Row) -> Option<(usize, usize)> {
        let mut input = Input::at(self.image, self.offset)?;
        input.byte()?;
        let has_second = first & descriptor::SECOND != 0;
        if has_second {
            let window = input.unpack(TimeWindow::unpack)?;
            if !window.is_default() {
                row.window = Some(window);
            }
        }
        let count = if first & descriptor::NUMBER != 0 { input.vuint()? } else { 0 };
        let base = if has_second || count != 0 { 0 } else { LONG_LENGTH_BASE };
        let len = usize::try_from(input.vuint()?.checked_add(base)?).ok()?;
        Some((input.offset(), len))
    }

    #[cold]
    fn too_few_cells(&self) -> Error {
        corrupt(self.offset, format!("the page ends {} cells before its header's count", self.cells_left))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let mut row = Row::EMPTY;
        match self.read(&mut row) {
            Ok(true) => Some(Ok(row)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Whether a long-form cell is a value; anything else is left for the next row, where it must be a key.
#[inline]
fn is_long_value(first: u8) -> bool {
    first & descriptor::SHORT_MASK == 0
        && matches!(
            first & descriptor::TYPE_MASK,
            descriptor::VALUE | descriptor::VALUE_COPY | descriptor::VALUE_OVERFLOW
        )
}

#[cold]
fn wrong_type(found: PageType) -> Error {
    corrupt(24, format!("a {} page where a row-store leaf is wanted", found.name()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::Address;
    use crate::page::header::PageFlags;
    use crate::page::test_data::{hex, number, number_u32, unhex, vectors, window};
    use proptest::prelude::*;
    use serde_json::Value;

    /// A leaf image of these cells.
    pub(crate) fn leaf(cells: &[u8], entries: u32) -> Vec<u8> {
        let mem_size = (HEADER_SIZE + cells.len()).try_into().unwrap();
        let mut image = PageHeader::new(PageType::RowLeaf, mem_size, entries).to_bytes().to_vec();
        image.resize(HEADER_SIZE, 0);
        image.extend_from_slice(cells);
        image
    }

    fn check_cookie(cookie: &[u8], expected: &Value, allocation_size: u32) {
        let address = Address::unpack(cookie, allocation_size).unwrap();
        assert_eq!(address.offset, number(&expected["offset"]));
        assert_eq!(address.size, number_u32(&expected["size"]));
        assert_eq!(address.checksum, number_u32(&expected["checksum"]));
    }

    #[test]
    fn every_row_leaf_vector_reads() {
        let file = vectors("btree-pages.json");
        let mut pages = 0;
        for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "ROW_LEAF") {
            let mut block = hex(&page["image"]);
            block.resize(number_u32(&page["header"]["disk_size"]) as usize, 0);
            let leaf = RowLeaf::parse(&block).unwrap();
            let (image, allocation_size) = (leaf.image(), number_u32(&page["alloc"]));
            let rows: Vec<Row> = leaf.rows().map(Result::unwrap).collect();
            let expected = page["contents"].as_array().unwrap();
            assert_eq!(rows.len(), expected.len(), "{}", page["desc"]);
            assert!(rows.len() <= leaf.rows_max());
            let mut key = Vec::new();
            for (row, expected) in rows.iter().zip(expected) {
                if row.key.build(image, &mut key).unwrap() {
                    assert_eq!(key, hex(&expected["key"]));
                } else if let RowKey::Overflow(cookie) = row.key {
                    check_cookie(cookie.of(image).unwrap(), &expected["key_ovfl"], allocation_size);
                }
                match row.value {
                    RowValue::Absent => assert_eq!(expected["value"], ""),
                    RowValue::Plain(span) => assert_eq!(span.of(image).unwrap(), hex(&expected["value"])),
                    RowValue::Overflow(cookie) => {
                        check_cookie(cookie.of(image).unwrap(), &expected["value_ovfl"], allocation_size);
                    }
                }
                assert_eq!(row.window, expected.get("tw").map(window).filter(|window| !window.is_default()));
            }
            pages += 1;
        }
        assert!(pages >= 14, "{pages}");
    }

    #[rstest::rstest]
    #[case::value_first("0f 616263", 1)]
    #[case::two_values("05 61 07 62 07 63", 3)]
    #[case::deleted_cell("05 61 40", 2)]
    #[case::address_cell("05 61 30 87 8081e4e2137b7f", 2)]
    #[case::prefix_on_the_first_key("06 01 61", 1)]
    #[case::prefix_longer_than_the_key("05 61 06 02 62", 2)]
    #[case::prefix_on_a_first_key_after_overflow("60 87 8081e44dc18d39 06 01 61", 2)]
    #[case::key_cut_off("0d 61", 1)]
    #[case::prefix_cut_off("06", 1)]
    #[case::value_cut_off("05 61 0b 61", 2)]
    #[case::long_value_cut_off("05 61 8c 28 90", 2)]
    #[case::more_cells_than_entries("05 61 05 62", 1)]
    #[case::fewer_cells_than_entries("05 61 05 62", 3)]
    #[case::zero_byte_after_the_last_cell("05 61 00", 1)]
    #[case::copy_of_a_key("05 61 90 82", 2)]
    fn malformed_pages(#[case] cells: &str, #[case] entries: u32) {
        assert!(RowLeaf::parse(&leaf(&unhex(cells), entries)).is_err());
    }

    #[rstest::rstest]
    #[case::no_cells("", 0, 0)]
    #[case::empty_key("01", 1, 1)]
    #[case::explicit_empty_value("05 61 03", 2, 1)]
    #[case::prefix_of_zero_first("06 00 61 06 01 62", 2, 2)]
    #[case::window_without_number("05 61 88 28 90 89 80", 2, 1)]
    #[case::copy_of_a_copy("05 61 0f 616263 05 62 90 86 05 63 90 84", 6, 3)]
    fn odd_but_accepted(#[case] cells: &str, #[case] entries: u32, #[case] rows: usize) {
        let image = leaf(&unhex(cells), entries);
        assert_eq!(RowLeaf::parse(&image).unwrap().rows().count(), rows);
    }

    #[test]
    fn only_row_leaves_are_opened() {
        let mut image = leaf(&[], 0);
        image[24] = 6;
        assert!(RowLeaf::open(&image).is_err());
        image[24] = 7;
        image[16] = 39;
        assert!(RowLeaf::open(&image).is_err());
        image[16] = 41;
        assert!(RowLeaf::open(&image).is_err());
        assert_eq!(RowLeaf::open(&leaf(&[], 0)).unwrap().header().flags, PageFlags::default());
    }

    proptest! {
        #[test]
        fn any_cells_are_safe(cells: Vec<u8>, entries in 0u32..8) {
            let image = leaf(&cells, entries);
            let mut key = Vec::new();
            for row in RowLeaf::open(&image).unwrap().rows() {
                let Ok(row) = row else { break };
                row.key.build(&image, &mut key).unwrap();
                if let RowValue::Plain(span) | RowValue::Overflow(span) = row.value {
                    prop_assert!(span.get(&image).is_some());
                }
            }
        }
    }
}

//! Internal pages of a row store: reading the pairs of key and address, and writing them (format specification,
//! sections 5.6, 9.1 and 11).
//!
//! Invariants
//! 1. Each key is a lower bound of its subtree; the first key of a page means nothing and is normally one byte.
//! 2. Keys are never prefix-compressed. Overflow keys exist in old files only and are read, not written.
//! 3. A page is not cut before it has [`CHILDREN_MIN`] children.

use hardwired_plugin::Result;

use super::cell::{Cell, CellKind, Cells};
use super::cell_write::{self, AddressCell};
use super::header::{PageFlags, PageHeader, PageType};
use super::split::{Crossing, PageSink, SplitSizes, Splitter};
use super::{Span, corrupt, widen};

/// Children that an internal page has at least before it is cut.
pub const CHILDREN_MIN: u32 = 10;

/// The key of the first pair of a tree's root: a single zero byte.
pub const FIRST_KEY: &[u8] = &[0];

/// An internal page of a row store.
#[derive(Debug, Clone, Copy)]
pub struct RowInternal<'a> {
    image: &'a [u8],
    header: PageHeader,
}

/// One child of an internal page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child<'a> {
    /// Where the key is.
    pub key: ChildKey,
    /// The address cell: kind, aggregate, truncate, and the cookie as its data.
    pub address: Cell<'a>,
}

/// Where a child's key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildKey {
    /// On the page.
    Plain(Span),
    /// On an overflow page (old files only); this is its cookie.
    Overflow(Span),
}

impl<'a> RowInternal<'a> {
    /// Reads the header of a page in `block`, which may have bytes after the page.
    ///
    /// # Errors
    /// `Corrupt` if this is no internal page of a row store, or the header's size doesn't fit.
    pub fn open(block: &'a [u8]) -> Result<Self> {
        let header = PageHeader::parse(block)?;
        match header.page_type {
            PageType::RowInternal => Ok(Self { image: header.image(block)?, header }),
            other => Err(corrupt(24, format!("a {} page where a row-store internal page is wanted", other.name()))),
        }
    }

    /// Reads a page and checks all its cells once, so that [`RowInternal::children`] can't fail later.
    ///
    /// # Errors
    /// As [`RowInternal::open`], and the first error of [`RowInternal::children`].
    pub fn parse(block: &'a [u8]) -> Result<Self> {
        let page = Self::open(block)?;
        page.children().try_for_each(|child| child.map(|_| ()))?;
        Ok(page)
    }

    /// The page header.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page image: exactly `mem_size` bytes. The spans of children refer to it.
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The children in page order.
    pub fn children(&self) -> Children<'a> {
        let cells = Cells::new(self.image, self.header.flags.has(PageFlags::FAST_TRUNCATE));
        Children { cells, cells_left: self.header.entries, end: self.image.len(), failed: false }
    }

    /// The most children the page can have: for reserving memory. No larger than the page's size allows.
    pub fn children_max(&self) -> usize {
        widen(self.header.entries).min(self.image.len()).checked_div(2).unwrap_or(0)
    }
}

/// Iterator over the children of an internal page. After an error it ends.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    cells: Cells<'a>,
    cells_left: u32,
    end: usize,
    failed: bool,
}

impl<'a> Children<'a> {
    fn advance(&mut self) -> Result<Option<Child<'a>>> {
        let Some(key) = self.cells.next() else {
            return match self.cells_left {
                0 => Ok(None),
                left => Err(corrupt(self.end, format!("the page ends {left} cells before its header's count"))),
            };
        };
        let key = key?;
        let missing = || corrupt(key.offset, "a key without an address");
        let address = self.cells.next().ok_or_else(missing)??;
        self.cells_left = match self.cells_left.checked_sub(2) {
            Some(left) => left,
            None => return Err(corrupt(key.offset, "unexpected bytes of data after the last cell")),
        };
        let span = key.span();
        let key = match key.kind {
            CellKind::Key | CellKind::KeyShort => ChildKey::Plain(span),
            CellKind::KeyOverflow => ChildKey::Overflow(span),
            kind => return Err(corrupt(key.offset, format!("{} cell where a key is wanted", kind.name()))),
        };
        if !address.kind.is_address() {
            let reason = format!("{} cell where an address is wanted", address.kind.name());
            return Err(corrupt(address.offset, reason));
        }
        Ok(Some(Child { key, address }))
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<Child<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let child = self.advance();
        self.failed = child.is_err();
        child.transpose()
    }
}

/// How internal pages are written: the settings of a file, in the units of its configuration string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InternalConfig {
    /// `internal_page_max`, in bytes.
    pub page_max: u32,
    /// `split_pct`.
    pub split_percent: u32,
    /// `allocation_size`, in bytes.
    pub allocation_size: u32,
    /// Pages are written at the split size, and the last ones are not balanced.
    pub bulk: bool,
}

impl Default for InternalConfig {
    /// The defaults of `session.create`.
    fn default() -> Self {
        Self { page_max: 4096, split_percent: 90, allocation_size: 4096, bulk: false }
    }
}

impl InternalConfig {
    pub(super) fn splitter(&self, page_type: PageType, cells_per_child: u32) -> Splitter {
        let sizes = SplitSizes::new(self.page_max, self.split_percent, self.allocation_size);
        Splitter::new(page_type, sizes, CHILDREN_MIN.saturating_mul(cells_per_child), self.bulk)
    }
}

/// Builds internal pages of a row store from their children. No page refers to overflow pages.
#[derive(Debug)]
pub struct RowInternalWriter {
    splitter: Splitter,
    address: Vec<u8>,
}

impl RowInternalWriter {
    /// A writer for a file with these settings.
    pub fn new(config: InternalConfig) -> Self {
        Self { splitter: config.splitter(PageType::RowInternal, 2), address: Vec::new() }
    }

    /// Appends a child. The key of the first child is cut to its first byte (a zero byte if it has none).
    ///
    /// # Errors
    /// Those of the sink; the writer must then be [`reset`](Self::reset).
    pub fn append<S: PageSink + ?Sized>(&mut self, key: &[u8], child: &AddressCell<'_>, sink: &mut S) -> Result<()> {
        let key = match self.splitter.is_at_first_page() {
            true => key.get(..1).unwrap_or(FIRST_KEY),
            false => key,
        };
        self.address.clear();
        child.push(&mut self.address);
        let len = cell_write::key_len(0, key.len()).saturating_add(self.address.len());
        if self.splitter.is_at_page_start() {
            self.splitter.start_page(key);
        } else {
            match self.splitter.crossing(len) {
                Crossing::Split => self.splitter.cut(key, PageFlags::FAST_TRUNCATE, sink)?,
                Crossing::Minimum => self.splitter.remember(key),
                Crossing::None => {}
            }
        }
        let image = self.splitter.image();
        cell_write::push_key(image, 0, key);
        image.extend_from_slice(&self.address);
        self.splitter.count_address(2, child);
        Ok(())
    }

    /// Finishes the last pages and makes the writer ready for another run. Returns the number of pages of this run; 0 if
    /// no child was appended.
    ///
    /// # Errors
    /// As for [`RowInternalWriter::append`].
    pub fn finish<S: PageSink + ?Sized>(&mut self, sink: &mut S) -> Result<usize> {
        self.splitter.finish(PageFlags::FAST_TRUNCATE, sink)
    }

    /// Forgets the children since the last finished run, but keeps the buffers.
    pub fn reset(&mut self) {
        self.splitter.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::cell::CellTime;
    use crate::page::cell_write::AddressKind;
    use crate::page::row_leaf_write::tests::Collect;
    use crate::page::test_data::{aggregate, hex, number_u32, unhex, vectors};
    use crate::page::time_aggregate::TimeAggregate;
    use proptest::prelude::*;

    fn rewrite(page: &RowInternal<'_>, config: InternalConfig) -> Collect {
        let (mut writer, mut sink) = (RowInternalWriter::new(config), Collect::default());
        for child in page.children() {
            let child = child.unwrap();
            let ChildKey::Plain(key) = child.key else { panic!() };
            let time = match &child.address.time {
                CellTime::Aggregate(aggregate) => Some(aggregate),
                _ => None,
            };
            let address = AddressCell {
                kind: AddressKind::from_cell(child.address.kind).unwrap(),
                aggregate: time,
                page_delete: child.address.page_delete.as_ref(),
                recno: None,
                cookie: child.address.data,
            };
            writer.append(key.of(page.image()).unwrap(), &address, &mut sink).unwrap();
        }
        writer.finish(&mut sink).unwrap();
        sink
    }

    #[test]
    fn every_vector_reads_and_is_written_byte_for_byte() {
        let file = vectors("btree-pages.json");
        let mut pages = 0;
        for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "ROW_INT") {
            let image = hex(&page["image"]);
            let internal = RowInternal::parse(&image).unwrap();
            let expected = page["contents"].as_array().unwrap();
            assert_eq!(internal.children().count(), expected.len());
            assert_eq!(internal.children_max(), expected.len());
            for (child, expected) in internal.children().zip(expected) {
                let child = child.unwrap();
                assert_eq!(child.address.aggregate(), aggregate(&expected["ta"]));
                let ChildKey::Plain(key) = child.key else { panic!() };
                assert_eq!(key.of(&image).unwrap(), hex(&expected["key"]));
            }
            let allocation_size = number_u32(&page["alloc"]);
            let config = InternalConfig { page_max: allocation_size, allocation_size, ..InternalConfig::default() };
            let sink = rewrite(&internal, config);
            assert_eq!(sink.pages.len(), 1);
            // The first key of a page made by a cut is whole, and comes out short here.
            if !page["desc"].as_str().unwrap().contains("first key not truncated") {
                assert_eq!(sink.pages[0].image[40..], image[40..], "{}", page["desc"]);
                assert_eq!(sink.pages[0].image[16..28], image[16..28], "{}", page["desc"]);
            }
            pages += 1;
        }
        assert!(pages >= 11, "{pages}");
    }

    fn child(cookie: &[u8]) -> AddressCell<'_> {
        let aggregate = Some(&TimeAggregate::DEFAULT);
        AddressCell { kind: AddressKind::LeafNoOverflow, aggregate, page_delete: None, recno: None, cookie }
    }

    #[test]
    fn pages_have_ten_children_and_later_pages_their_first_key() {
        let config = InternalConfig { page_max: 512, allocation_size: 512, ..InternalConfig::default() };
        let (mut writer, mut sink) = (RowInternalWriter::new(config), Collect::default());
        for i in 0..35 {
            let key = format!("{i:0100}");
            writer.append(key.as_bytes(), &child(&[0x80, 0x81, 0x82]), &mut sink).unwrap();
        }
        assert_eq!(writer.finish(&mut sink).unwrap(), 4);
        let counts: Vec<_> = sink.pages.iter().map(|page| u32::from(page.image[20]) / 2).collect();
        assert_eq!(counts[..2], [10, 10]);
        assert_eq!(counts.iter().sum::<u32>(), 35);
        assert_eq!(sink.pages[0].separator, b"0");
        assert_eq!(sink.pages[1].separator, format!("{:0100}", 10).as_bytes());
        let second = RowInternal::parse(&sink.pages[1].image).unwrap();
        let ChildKey::Plain(key) = second.children().next().unwrap().unwrap().key else { panic!() };
        assert_eq!(key.of(second.image()).unwrap(), sink.pages[1].separator);
    }

    #[test]
    fn a_first_key_of_nothing_is_a_zero_byte() {
        let (mut writer, mut sink) = (RowInternalWriter::new(InternalConfig::default()), Collect::default());
        writer.append(b"", &child(&[0x80, 0x81, 0x82]), &mut sink).unwrap();
        assert_eq!(writer.finish(&mut sink).unwrap(), 1);
        assert_eq!(sink.pages[0].image[40..], unhex("05 00 38 00 83 80 81 82"));
    }

    fn internal(cells: &[u8], entries: u32) -> Vec<u8> {
        let mem_size = (40 + cells.len()).try_into().unwrap();
        let mut image = PageHeader::new(PageType::RowInternal, mem_size, entries).to_bytes().to_vec();
        image.resize(40, 0);
        image.extend_from_slice(cells);
        image
    }

    #[rstest::rstest]
    #[case::address_first("30 81 80", 1)]
    #[case::two_keys("05 61 05 62", 2)]
    #[case::two_addresses("05 61 30 81 80 30 81 80", 3)]
    #[case::prefix_key("06 00 61 30 81 80", 2)]
    #[case::no_address("05 61", 1)]
    #[case::value("05 61 07 61", 2)]
    #[case::too_many_cells("05 61 30 81 80", 0)]
    #[case::too_few_cells("05 61 30 81 80", 4)]
    fn malformed_pages(#[case] cells: &str, #[case] entries: u32) {
        assert!(RowInternal::parse(&internal(&unhex(cells), entries)).is_err());
    }

    proptest! {
        #[test]
        fn any_cells_are_safe(cells: Vec<u8>, entries in 0u32..8) {
            let image = internal(&cells, entries);
            for child in RowInternal::open(&image).unwrap().children() {
                let Ok(child) = child else { break };
                prop_assert!(child.address.end() <= image.len());
            }
        }
    }
}

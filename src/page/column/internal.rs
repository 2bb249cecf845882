//! Internal pages of column stores: addresses, each with its first record number.

use hardwired_plugin::Result;

use super::{count_cell, open, too_few_cells};
use crate::page::cell::{Cell, Cells};
use crate::page::corrupt;
use crate::page::header::{PageFlags, PageHeader, PageType};

/// The flags of a page of this type: internal pages announce what the cells of deleted pages carry.
pub(super) fn flags_of(page_type: PageType) -> PageFlags {
    if page_type.is_internal() { PageFlags::FAST_TRUNCATE } else { PageFlags::default() }
}

/// An internal page of a column store.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInternal<'a> {
    image: &'a [u8],
    header: PageHeader,
}

impl<'a> ColumnInternal<'a> {
    /// Reads the header of a page in `block`, which may have bytes after the page.
    ///
    /// # Errors
    /// `Corrupt` if this is no internal page of a column store, or the header's size doesn't fit.
    pub fn open(block: &'a [u8]) -> Result<Self> {
        let (header, image) = open(block, PageType::ColumnInternal)?;
        Ok(Self { image, header })
    }

    /// The page header; its record number is the first one of the subtree.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page image: exactly `mem_size` bytes.
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The children in page order, each with its first record number.
    pub fn children(&self) -> Children<'a> {
        let cells = Cells::new(self.image, self.header.flags.has(PageFlags::FAST_TRUNCATE));
        Children { cells, left: self.header.entries, end: self.image.len(), failed: false }
    }
}

/// One child of an internal page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Child<'a> {
    /// First record number of the subtree.
    pub recno: u64,
    /// The address cell: kind, aggregate, truncate, and the cookie as its data.
    pub address: Cell<'a>,
}

/// Iterator over the children of an internal page. After an error it ends.
#[derive(Debug, Clone)]
pub struct Children<'a> {
    cells: Cells<'a>,
    left: u32,
    end: usize,
    failed: bool,
}

impl<'a> Children<'a> {
    fn advance(&mut self) -> Result<Option<Child<'a>>> {
        let Some(cell) = self.cells.next() else {
            return if self.left == 0 { Ok(None) } else { Err(too_few_cells(self.end, self.left)) };
        };
        let address = cell?;
        count_cell(&mut self.left, address.offset)?;
        if !address.kind.is_address() {
            let reason = format!("{} cell where an address is wanted", address.kind.name());
            return Err(corrupt(address.offset, reason));
        }
        match address.number {
            Some(recno @ 1..) => Ok(Some(Child { recno, address })),
            _ => Err(corrupt(address.offset, "an address without record number")),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::cell::CellTime;
    use crate::page::cell_write::{AddressCell, AddressKind};
    use crate::page::column::{finish_page, start_page};
    use crate::page::test_data::{aggregate, hex, number, unhex, vectors};
    use proptest::prelude::*;

    #[test]
    fn every_vector_reads_and_is_written_byte_for_byte() {
        let file = vectors("btree-pages.json");
        let mut pages = 0;
        for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "COL_INT") {
            let image = hex(&page["image"]);
            let internal = ColumnInternal::open(&image).unwrap();
            let expected = page["contents"].as_array().unwrap();
            assert_eq!(internal.children().count(), expected.len());
            let mut written = Vec::new();
            start_page(&mut written);
            for (child, expected) in internal.children().zip(expected) {
                let child = child.unwrap();
                assert_eq!(child.recno, number(&expected["recno"]));
                assert_eq!(child.address.aggregate(), aggregate(&expected["ta"]));
                let CellTime::Aggregate(time) = &child.address.time else { panic!() };
                AddressCell {
                    kind: AddressKind::from_cell(child.address.kind).unwrap(),
                    aggregate: Some(time),
                    page_delete: child.address.page_delete.as_ref(),
                    recno: Some(child.recno),
                    cookie: child.address.data,
                }
                .push(&mut written);
            }
            let entries = expected.len().try_into().unwrap();
            finish_page(&mut written, PageType::ColumnInternal, internal.header().recno, entries).unwrap();
            assert_eq!(written[..8], image[..8]);
            assert_eq!(written[16..28], image[16..28]);
            assert_eq!(written[40..], image[40..], "{}", page["desc"]);
            pages += 1;
        }
        assert!(pages >= 5, "{pages}");
    }

    fn page(cells: &[u8], entries: u32) -> Vec<u8> {
        let mut image = Vec::new();
        start_page(&mut image);
        image.extend_from_slice(cells);
        finish_page(&mut image, PageType::ColumnInternal, 1, entries).unwrap();
        image
    }

    #[rstest::rstest]
    #[case::no_record_number("30 81 80", 1)]
    #[case::record_number_zero("34 80 81 80", 1)]
    #[case::value("07 61", 1)]
    #[case::too_few("34 81 81 80", 2)]
    #[case::too_many("34 81 81 80", 0)]
    fn malformed_pages(#[case] cells: &str, #[case] entries: u32) {
        let image = page(&unhex(cells), entries);
        assert!(ColumnInternal::open(&image).unwrap().children().any(|child| child.is_err()));
    }

    proptest! {
        #[test]
        fn any_cells_are_safe(cells: Vec<u8>, entries in 0u32..8) {
            let image = page(&cells, entries);
            prop_assert!(ColumnInternal::open(&image).unwrap().children().count() <= cells.len() + 1);
        }
    }
}

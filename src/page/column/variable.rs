//! Leaf pages of variable-length column stores: runs of equal or deleted records.

use hardwired_plugin::Result;

use super::{advance_recno, count_cell, open, too_few_cells};
use crate::page::cell::{CellKind, Cells};
use crate::page::header::{PageHeader, PageType};
use crate::page::time_window::TimeWindow;
use crate::page::{Span, corrupt, widen};

/// A leaf page of a variable-length column store.
#[derive(Debug, Clone, Copy)]
pub struct ColumnVariable<'a> {
    image: &'a [u8],
    header: PageHeader,
}

/// What the records of a run hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunValue {
    /// Nothing: they are deleted or never were.
    Deleted,
    /// A value on the page (for a copy cell: that of the cell it refers to).
    Plain(Span),
    /// A value on an overflow page; this is its cookie.
    Overflow(Span),
}

/// Records that follow each other and are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Number of the first record.
    pub recno: u64,
    /// Number of records, at least 1.
    pub count: u64,
    /// What they hold.
    pub value: RunValue,
    /// Their time window, `None` for the default.
    pub window: Option<TimeWindow>,
}

impl<'a> ColumnVariable<'a> {
    /// Reads the header of a page in `block`, which may have bytes after the page.
    ///
    /// # Errors
    /// `Corrupt` if this is no leaf of a variable-length column store, or the header's size doesn't fit.
    pub fn open(block: &'a [u8]) -> Result<Self> {
        let (header, image) = open(block, PageType::ColumnVariable)?;
        Ok(Self { image, header })
    }

    /// The page header; its record number is the first one of the page.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page image: exactly `mem_size` bytes. The spans of runs refer to it.
    pub fn image(&self) -> &'a [u8] {
        self.image
    }

    /// The runs in page order.
    pub fn runs(&self) -> Runs<'a> {
        Runs {
            image: self.image,
            cells: Cells::new(self.image, false),
            recno: self.header.recno,
            left: self.header.entries,
            failed: false,
        }
    }

    /// The most runs the page can have: for reserving memory.
    pub fn runs_max(&self) -> usize {
        widen(self.header.entries).min(self.image.len())
    }
}

/// Iterator over the runs of a page. After an error it ends.
#[derive(Debug, Clone)]
pub struct Runs<'a> {
    image: &'a [u8],
    cells: Cells<'a>,
    recno: u64,
    left: u32,
    failed: bool,
}

impl Runs<'_> {
    fn advance(&mut self) -> Result<Option<Run>> {
        let Some(cell) = self.cells.next() else {
            return if self.left == 0 { Ok(None) } else { Err(too_few_cells(self.image.len(), self.left)) };
        };
        let cell = cell?;
        count_cell(&mut self.left, cell.offset)?;
        let value = match cell.kind {
            CellKind::Deleted => RunValue::Deleted,
            CellKind::ValueOverflow => RunValue::Overflow(cell.span()),
            CellKind::Value | CellKind::ValueShort => RunValue::Plain(cell.span()),
            CellKind::ValueCopy => RunValue::Plain(cell.resolve_copy(self.image)?.span()),
            kind => return Err(corrupt(cell.offset, format!("{} cell where a value is wanted", kind.name()))),
        };
        let window = Some(cell.window()).filter(|window| !window.is_default());
        let run = Run { recno: self.recno, count: cell.repeat_count(), value, window };
        self.recno = advance_recno(run.recno, run.count, cell.offset)?;
        Ok(Some(run))
    }
}

impl Iterator for Runs<'_> {
    type Item = Result<Run>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let run = self.advance();
        self.failed = run.is_err();
        run.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::address::Address;
    use crate::page::cell_write;
    use crate::page::column::{finish_page, start_page};
    use crate::page::test_data::{hex, number, number_u32, unhex, vectors, window};
    use proptest::prelude::*;
    use serde_json::Value;

    /// Appends a run as the real engine does, copies of earlier values included if there is a dictionary.
    fn push(image: &mut Vec<u8>, run: &Run, data: &[u8], earlier: &mut Vec<(Vec<u8>, usize)>, dictionary: bool) {
        let window = run.window.unwrap_or_default();
        match run.value {
            RunValue::Deleted => cell_write::push_deleted(image, &window, run.count),
            RunValue::Overflow(_) => cell_write::push_value_overflow(image, &window, run.count, data),
            RunValue::Plain(_) => {
                let offset = image.len();
                let found = earlier.iter().find(|(value, _)| dictionary && data.len() > 5 && value == data);
                if let Some((_, earlier)) = found {
                    return cell_write::push_value_copy(image, &window, run.count, (offset - earlier) as u64);
                }
                earlier.push((data.to_vec(), offset));
                cell_write::push_value(image, &window, run.count, data);
            }
        }
    }

    fn check(run: &Run, data: &[u8], expected: &Value, allocation_size: u32) {
        assert_eq!((run.recno, run.count), (number(&expected["recno"]), number(&expected["count"])));
        assert_eq!(run.window, expected.get("tw").map(window).filter(|window| !window.is_default()));
        match run.value {
            RunValue::Deleted => assert_eq!(expected["deleted"], true, "{expected}"),
            RunValue::Plain(_) => assert_eq!(data, hex(&expected["value"])),
            RunValue::Overflow(_) => {
                let address = Address::unpack(data, allocation_size).unwrap();
                assert_eq!(address.checksum, number_u32(&expected["value_ovfl"]["checksum"]));
            }
        }
    }

    #[test]
    fn every_vector_reads_and_is_written_byte_for_byte() {
        let file = vectors("btree-pages.json");
        let mut pages = 0;
        for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "COL_VAR") {
            let block = hex(&page["image"]);
            let leaf = ColumnVariable::open(&block).unwrap();
            let expected = page["contents"].as_array().unwrap();
            assert_eq!((leaf.runs().count(), leaf.runs_max()), (expected.len(), expected.len()));
            let dictionary = page["desc"].as_str().unwrap().contains("dictionary");
            let (mut image, mut earlier) = (Vec::new(), Vec::new());
            start_page(&mut image);
            for (run, expected) in leaf.runs().zip(expected) {
                let run = run.unwrap();
                let data = match run.value {
                    RunValue::Plain(span) | RunValue::Overflow(span) => span.of(leaf.image()).unwrap(),
                    RunValue::Deleted => &[],
                };
                check(&run, data, expected, number_u32(&page["alloc"]));
                push(&mut image, &run, data, &mut earlier, dictionary);
            }
            let entries = expected.len().try_into().unwrap();
            finish_page(&mut image, PageType::ColumnVariable, leaf.header().recno, entries).unwrap();
            assert_eq!(image[16..28], block[16..28]);
            assert_eq!(image[40..], block[40..], "{}", page["desc"]);
            pages += 1;
        }
        assert!(pages >= 5, "{pages}");
    }

    fn page(cells: &[u8], entries: u32) -> Vec<u8> {
        let mut image = Vec::new();
        start_page(&mut image);
        image.extend_from_slice(cells);
        finish_page(&mut image, PageType::ColumnVariable, 7, entries).unwrap();
        image
    }

    #[rstest::rstest]
    #[case::key("05 61", 1)]
    #[case::address("34 81 81 80", 1)]
    #[case::too_few("07 61", 2)]
    #[case::too_many("07 61", 0)]
    #[case::record_numbers_overflow("44 e8ffffffffffffdfbf 07 61", 2)]
    fn malformed_pages(#[case] cells: &str, #[case] entries: u32) {
        let image = page(&unhex(cells), entries);
        assert!(ColumnVariable::open(&image).unwrap().runs().any(|run| run.is_err()));
    }

    #[test]
    fn a_count_of_zero_is_one() {
        let image = page(&unhex("84 80 80").iter().copied().chain([0; 64]).chain([0x07, 0x61]).collect::<Vec<_>>(), 2);
        let runs: Vec<_> = ColumnVariable::open(&image).unwrap().runs().map(Result::unwrap).collect();
        assert_eq!((runs[0].recno, runs[0].count, runs[1].recno), (7, 1, 8));
    }

    proptest! {
        #[test]
        fn any_cells_are_safe(cells: Vec<u8>, entries in 0u32..8) {
            let image = page(&cells, entries);
            for run in ColumnVariable::open(&image).unwrap().runs() {
                let Ok(run) = run else { break };
                prop_assert!(run.count >= 1);
                if let RunValue::Plain(span) | RunValue::Overflow(span) = run.value {
                    prop_assert!(span.get(&image).is_some());
                }
            }
        }
    }
}

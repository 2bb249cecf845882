//! Checking the relations between pages, as `verify` does while it walks a tree (format specification, sections 6.3, 9, 14
//! and 15).
//!
//! All functions are pure: the walk, the order of pages and what has been seen so far are the caller's.

use std::cmp::Ordering;

use hardwired_plugin::{Error, Result};

use super::cell::{CellKind, CellTime, Cells};
use super::cell_write::AddressKind;
use super::column::fixed::ColumnFixed;
use super::corrupt;
use super::header::{PageFlags, PageHeader, PageType};
use super::time_aggregate::TimeAggregate;
use super::time_window::TimeWindow;

/// Checks that a child was written before its parent.
///
/// # Errors
/// `EINVAL`.
pub fn check_write_gen(parent: &PageHeader, child: &PageHeader) -> Result<()> {
    if child.write_gen < parent.write_gen {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "child write generation {} greater/equal to parent write generation {}",
        child.write_gen, parent.write_gen
    )))
}

/// Checks that the page is of the kind its address cell promises. `has_overflow`: whether the page has overflow cells.
///
/// # Errors
/// `Corrupt`.
pub fn check_address_kind(kind: AddressKind, child: PageType, has_overflow: bool) -> Result<()> {
    let reason = match (kind, child.is_internal()) {
        (AddressKind::Internal, true) => return Ok(()),
        (AddressKind::Internal, false) => "leaf page referenced as an internal page",
        (_, true) => "internal page referenced as a leaf page",
        (AddressKind::LeafNoOverflow | AddressKind::Deleted, false) if has_overflow => {
            "page with overflow items referenced as a leaf page without them"
        }
        (AddressKind::Leaf, false) if child == PageType::ColumnFixed => {
            "fixed-length column-store page referenced as a leaf page with overflow items"
        }
        _ => return Ok(()),
    };
    Err(corrupt(0, reason))
}

/// Whether a page refers to overflow pages.
///
/// # Errors
/// Those of decoding its cells.
pub fn has_overflow(block: &[u8]) -> Result<bool> {
    let header = PageHeader::parse(block)?;
    if !matches!(header.page_type, PageType::RowLeaf | PageType::ColumnVariable | PageType::RowInternal) {
        return Ok(false);
    }
    for cell in Cells::new(header.image(block)?, header.flags.has(PageFlags::FAST_TRUNCATE)) {
        if cell?.kind.is_overflow() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks a separator (not the first of its page) against the largest key seen so far in the tree.
///
/// # Errors
/// `Corrupt` if the separator doesn't sort after the key.
pub fn check_separator(separator: &[u8], last_key: &[u8], compare: impl Fn(&[u8], &[u8]) -> Ordering) -> Result<()> {
    match compare(last_key, separator) {
        Ordering::Less => Ok(()),
        _ => Err(corrupt(0, "internal key and the largest key before it incorrectly sorted")),
    }
}

/// Checks the first key of a leaf against the largest key or separator seen so far; `last_is_separator` if that is the
/// separator before this leaf, which may be equal.
///
/// # Errors
/// `Corrupt` if the keys are not in order.
pub fn check_first_key(
    first_key: &[u8],
    last_key: &[u8],
    last_is_separator: bool,
    compare: impl Fn(&[u8], &[u8]) -> Ordering,
) -> Result<()> {
    match compare(last_key, first_key) {
        Ordering::Less => Ok(()),
        Ordering::Equal if last_is_separator => Ok(()),
        _ => Err(corrupt(0, "first key of a leaf and the largest key before it incorrectly sorted")),
    }
}

/// Checks the record number of a child of a column store against the number after the records before it: contiguous in a
/// fixed-length store, not overlapping in a variable-length one. Both start at 1.
///
/// # Errors
/// `Corrupt`.
pub fn check_recno(recno: u64, next: u64, is_fixed: bool) -> Result<()> {
    if recno == next || (!is_fixed && recno > next) {
        return Ok(());
    }
    Err(corrupt(0, format!("page has a starting record of {recno} when the expected starting record was {next}")))
}

/// What the times of a page's cells are checked against.
#[derive(Debug, Clone, Copy)]
pub struct TimeContext {
    /// Aggregate of the address cell that refers to the page; for the root that of the checkpoint.
    pub parent: TimeAggregate,
    /// Stable (or recovery) timestamp, 0 if there is none.
    pub stable_ts: u64,
    /// Transaction ids on pages up to this write generation are from earlier runs and mean nothing.
    pub base_write_gen: u64,
}

/// Checks that the times of all cells of a page lie within the aggregate of the address that refers to it. The metadata
/// file is exempt from this rule: don't call it there.
///
/// # Errors
/// `EINVAL`, or those of decoding the page's cells.
pub fn check_times(block: &[u8], bits: u8, context: &TimeContext) -> Result<()> {
    let header = PageHeader::parse(block)?;
    let forget = header.write_gen <= context.base_write_gen;
    match header.page_type {
        PageType::BlockManager | PageType::Overflow => Ok(()),
        PageType::ColumnFixed => {
            let leaf = ColumnFixed::open(block, bits)?;
            leaf.windows().try_for_each(|window| check_window(window?.1, forget, context))
        }
        _ => {
            let cells = Cells::new(header.image(block)?, header.flags.has(PageFlags::FAST_TRUNCATE));
            for cell in cells {
                let cell = cell?;
                match cell.time {
                    CellTime::Window(window) => check_window(window, forget, context)?,
                    _ if cell.kind.is_address() => check_aggregate(cell.aggregate(), forget, context)?,
                    _ if cell.kind.is_value() || cell.kind == CellKind::Deleted => {
                        check_window(TimeWindow::DEFAULT, false, context)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

fn check_window(mut window: TimeWindow, forget: bool, context: &TimeContext) -> Result<()> {
    if forget {
        window.forget_transactions();
    }
    context.parent.check_contains_window(&window, context.stable_ts)
}

fn check_aggregate(mut aggregate: TimeAggregate, forget: bool, context: &TimeContext) -> Result<()> {
    if forget {
        aggregate.forget_transactions();
    }
    context.parent.check_contains(&aggregate, context.stable_ts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::row_internal::RowInternal;
    use crate::page::test_data::{hex, unhex, vectors};
    use hardwired_plugin::ErrorCode;

    #[test]
    fn children_are_older_than_parents() {
        let header = |write_gen| PageHeader { write_gen, ..PageHeader::new(PageType::RowLeaf, 40, 1) };
        assert!(check_write_gen(&header(3), &header(2)).is_ok());
        assert_eq!(check_write_gen(&header(3), &header(3)).unwrap_err().code(), ErrorCode::EINVAL);
    }

    #[rstest::rstest]
    #[case(AddressKind::Internal, PageType::RowInternal, false, true)]
    #[case(AddressKind::Internal, PageType::RowLeaf, false, false)]
    #[case(AddressKind::Leaf, PageType::RowInternal, false, false)]
    #[case(AddressKind::Leaf, PageType::RowLeaf, false, true)]
    #[case(AddressKind::Leaf, PageType::RowLeaf, true, true)]
    #[case(AddressKind::LeafNoOverflow, PageType::RowLeaf, true, false)]
    #[case(AddressKind::LeafNoOverflow, PageType::ColumnFixed, false, true)]
    #[case(AddressKind::Leaf, PageType::ColumnFixed, false, false)]
    #[case(AddressKind::Deleted, PageType::RowLeaf, false, true)]
    fn addresses_promise_kinds(
        #[case] kind: AddressKind,
        #[case] child: PageType,
        #[case] has_overflow: bool,
        #[case] accepted: bool,
    ) {
        assert_eq!(check_address_kind(kind, child, has_overflow).is_ok(), accepted);
    }

    #[test]
    fn keys_ascend_across_pages() {
        let compare = |a: &[u8], b: &[u8]| a.cmp(b);
        assert!(check_separator(b"b", b"a", compare).is_ok());
        assert!(check_separator(b"a", b"a", compare).is_err());
        assert!(check_first_key(b"b", b"b", true, compare).is_ok());
        assert!(check_first_key(b"b", b"b", false, compare).is_err());
        assert!(check_first_key(b"a", b"b", true, compare).is_err());
    }

    #[test]
    fn record_numbers_ascend_across_pages() {
        assert!(check_recno(1, 1, true).is_ok() && check_recno(1, 1, false).is_ok());
        assert!(check_recno(5, 4, true).is_err() && check_recno(5, 4, false).is_ok());
        assert!(check_recno(3, 4, true).is_err() && check_recno(3, 4, false).is_err());
    }

    /// Pages of the vectors that stand below their parent, which follows them.
    #[test]
    fn real_children_lie_within_their_parents() {
        let file = vectors("btree-pages.json");
        let pages = file["pages"].as_array().unwrap();
        let mut checked = 0;
        for pair in pages.windows(2) {
            let description = pair[1]["desc"].as_str().unwrap();
            if !(description.starts_with("its parent") || description.starts_with("their parent")) {
                continue;
            }
            let (leaf, parent) = (hex(&pair[0]["image"]), hex(&pair[1]["image"]));
            let parent_header = PageHeader::parse(&parent).unwrap();
            let cell = Cells::new(parent_header.image(&parent).unwrap(), true)
                .map(Result::unwrap)
                .find(|cell| cell.kind.is_address())
                .unwrap();
            let context = TimeContext { parent: cell.aggregate(), stable_ts: 0, base_write_gen: 0 };
            check_times(&leaf, 8, &context).unwrap();
            let leaf_header = PageHeader::parse(&leaf).unwrap();
            check_write_gen(&parent_header, &leaf_header).unwrap();
            let kind = AddressKind::from_cell(cell.kind).unwrap();
            check_address_kind(kind, leaf_header.page_type, has_overflow(&leaf).unwrap()).unwrap();
            let narrow = TimeAggregate { newest_start_durable_ts: 1, ..cell.aggregate() };
            assert!(check_times(&leaf, 8, &TimeContext { parent: narrow, ..context }).is_err());
            checked += 1;
        }
        assert_eq!(checked, 4);
    }

    #[test]
    fn transaction_ids_of_earlier_runs_are_not_compared() {
        // A value with start transaction 4 below an aggregate whose newest transaction has been cleared (section 15).
        let mut image = PageHeader::new(PageType::RowLeaf, 40 + 10, 2).to_bytes().to_vec();
        image.resize(40, 0);
        image.extend_from_slice(&unhex("05 61 8c 28 85 84 80 82 6262"));
        image[8] = 7;
        let parent =
            TimeAggregate { newest_start_durable_ts: 5, oldest_start_ts: 5, newest_txn: 2, ..TimeAggregate::DEFAULT };
        let context = TimeContext { parent, stable_ts: 0, base_write_gen: 6 };
        assert!(check_times(&image, 8, &context).is_err());
        check_times(&image, 8, &TimeContext { base_write_gen: 7, ..context }).unwrap();
    }

    #[test]
    fn overflow_cells_are_found() {
        let file = vectors("btree-pages.json");
        let find = |text: &str| {
            let pages = file["pages"].as_array().unwrap();
            hex(&pages.iter().find(|page| page["desc"].as_str().unwrap().starts_with(text)).unwrap()["image"])
        };
        assert!(has_overflow(&find("overflow keys and values")).unwrap());
        assert!(!has_overflow(&find("overflow page")).unwrap());
        assert!(!has_overflow(&find("all values empty")).unwrap());
        let parent = find("parent of a page with overflow items");
        let child = RowInternal::open(&parent).unwrap().children().next().unwrap().unwrap();
        assert_eq!(child.address.kind, CellKind::AddressLeaf);
    }
}

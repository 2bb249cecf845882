use super::*;
use crate::page::test_data::{hex, number, number_u32, unhex, vectors};
use hardwired_plugin::ErrorCode;
use proptest::prelude::*;

fn page(page_type: PageType, flags: u8, cells: &str, entries: u32) -> Vec<u8> {
    let cells = unhex(cells);
    let mem_size = u32::try_from(HEADER_SIZE + cells.len()).unwrap();
    let recno = u64::from(page_type.is_column());
    let header = PageHeader { recno, flags: PageFlags(flags), ..PageHeader::new(page_type, mem_size, entries) };
    let mut image = header.to_bytes().to_vec();
    image.resize(HEADER_SIZE, 0);
    image.extend_from_slice(&cells);
    image
}

fn verify(block: &[u8]) -> Result<()> {
    let addresses = Some((4096, 1 << 30));
    verify_page(block, &PageContext { addresses, ..PageContext::default() })
}

#[test]
fn every_vector_passes_and_no_vector_passes_with_a_byte_cut_off_or_added() {
    let file = vectors("btree-pages.json");
    for page in file["pages"].as_array().unwrap() {
        let mut block = hex(&page["image"]);
        let mem_size = block.len();
        block.resize(number_u32(&page["header"]["disk_size"]) as usize, 0);
        let bits = page.get("bitcnt").map_or(8, number).try_into().unwrap();
        let context =
            PageContext { addresses: Some((number_u32(&page["alloc"]), 1 << 20)), bits, ..PageContext::default() };
        verify_page(&block, &context).unwrap_or_else(|error| panic!("{}: {error}", page["desc"]));
        if block.len() > mem_size {
            block[mem_size] = 1;
            let error = verify_page(&block, &context).unwrap_err().to_string();
            assert!(error.contains("non-zero trailing bytes"), "{error}");
            block[mem_size] = 0;
        }
        for difference in [u32::MAX, 1] {
            let changed = u32::try_from(mem_size).unwrap().wrapping_add(difference);
            block[16..20].copy_from_slice(&changed.to_le_bytes());
            // A zero byte after the cells is the start of the time windows on a fixed-length page: still not a valid one.
            assert!(verify_page(&block, &context).is_err(), "{}: {difference}", page["desc"]);
        }
    }
}

/// The table of section 14: header.
#[rstest::rstest]
#[case::type_0(24, 0, false)]
#[case::type_8(24, 8, false)]
#[case::record_number(0, 1, false)]
#[case::version_2(27, 2, false)]
#[case::version_0(27, 0, true)]
#[case::unused(26, 1, false)]
#[case::flag_40(25, 0x44, false)]
#[case::flag_80(25, 0x84, false)]
#[case::both_empty_flags(25, 0x06, false)]
#[case::historic_flag(25, 0x14, true)]
#[case::truncate_flag_on_a_leaf(25, 0x24, true)]
#[case::no_flags(25, 0, true)]
#[case::write_generation_0(8, 0, true)]
#[case::entries_0(20, 0, false)]
#[case::entries_1(20, 1, false)]
#[case::entries_3(20, 3, false)]
#[case::all_empty_with_values(25, 0x02, false)]
fn headers(#[case] offset: usize, #[case] byte: u8, #[case] accepted: bool) {
    let mut block = page(PageType::RowLeaf, 0x04, "05 61 07 62", 2);
    verify(&block).unwrap();
    block[offset] = byte;
    assert_eq!(verify(&block).is_ok(), accepted);
}

#[test]
fn column_pages_need_a_record_number_and_overflow_pages_data() {
    let mut block = page(PageType::ColumnVariable, 0, "07 62", 1);
    verify(&block).unwrap();
    block[0] = 0;
    assert!(verify(&block).is_err());
    assert!(verify(&page(PageType::Overflow, 0, "", 0)).is_err());
    verify(&page(PageType::Overflow, 0, "61", 1)).unwrap();
    assert!(verify(&page(PageType::BlockManager, 0, "61", 2)).is_err());
    verify(&page(PageType::BlockManager, 0, "61", 1)).unwrap();
}

/// The table of section 14: cells. Two pairs of a row leaf, or what the type says.
#[rstest::rstest]
#[case::ascending(PageType::RowLeaf, 0, "05 61 05 62", 2, true)]
#[case::equal_keys(PageType::RowLeaf, 0, "05 61 05 61", 2, false)]
#[case::descending(PageType::RowLeaf, 0, "05 62 05 61", 2, false)]
#[case::key_lacking_a_value(PageType::RowLeaf, 4, "05 61 05 62", 2, false)]
#[case::two_values(PageType::RowLeaf, 0, "05 61 07 62 07 62", 3, false)]
#[case::value_first(PageType::RowLeaf, 0, "07 62", 1, false)]
#[case::bytes_after_the_last_cell(PageType::RowLeaf, 0, "05 61 00", 1, false)]
#[case::first_key_with_prefix(PageType::RowLeaf, 0, "06 01 61", 1, false)]
#[case::prefix_too_long(PageType::RowLeaf, 0, "05 61 06 02 61", 2, false)]
#[case::prefix_of_zero(PageType::RowLeaf, 0, "05 61 06 00 62", 2, true)]
#[case::empty_key(PageType::RowLeaf, 0, "01 05 62", 2, true)]
#[case::explicit_empty_value(PageType::RowLeaf, 4, "05 61 03", 2, true)]
#[case::count_0(PageType::RowLeaf, 4, "05 61 8c 28 90 89 80 80", 2, true)]
#[case::count_1(PageType::RowLeaf, 4, "05 61 8c 28 90 89 81 80", 2, false)]
#[case::window_without_count(PageType::RowLeaf, 4, "05 61 88 28 90 89 80", 2, true)]
#[case::empty_descriptor(PageType::RowLeaf, 4, "05 61 88 00 80", 2, true)]
#[case::unused_bit(PageType::RowLeaf, 4, "05 61 88 80 80", 2, true)]
#[case::length_not_minimal(PageType::RowLeaf, 4, "05 61 84 80 e201", 2, false)]
#[case::window_that_cannot_be(PageType::RowLeaf, 4, "05 61 8c 18 90 e8ffffffffffffdfbe 80 80", 2, false)]
#[case::copy(PageType::RowLeaf, 4, "05 61 07 61 05 62 90 84", 4, true)]
#[case::copy_of_a_copy(PageType::RowLeaf, 4, "05 61 07 61 05 62 90 84 05 63 90 84", 6, true)]
#[case::copy_of_itself(PageType::RowLeaf, 4, "05 61 90 80", 2, false)]
#[case::deleted_cell(PageType::RowLeaf, 0, "05 61 40", 2, false)]
#[case::removed_cell(PageType::RowLeaf, 0, "05 61 b0 81 80", 2, false)]
#[case::type_13(PageType::RowLeaf, 0, "05 61 d0", 2, false)]
#[case::key_in_a_column(PageType::ColumnVariable, 0, "05 61", 1, false)]
#[case::internal(PageType::RowInternal, 0x20, "05 00 38 00 83 80 81 80 05 61 30 83 80 81 80", 4, true)]
#[case::internal_without_flag(PageType::RowInternal, 0, "05 00 38 00 83 80 81 80", 2, true)]
#[case::internal_any_first_key(PageType::RowInternal, 0, "05 7a 30 83 80 81 80 05 61 30 83 80 81 80", 4, true)]
#[case::internal_order(
    PageType::RowInternal,
    0,
    "05 00 30 83 80 81 80 05 62 30 83 80 81 80 05 61 30 83 80 81 80",
    6,
    false
)]
#[case::internal_not_alternating(PageType::RowInternal, 0, "05 00 05 61 30 83 80 81 80 30 83 80 81 80", 4, false)]
#[case::internal_prefix_key(PageType::RowInternal, 0, "06 00 61 30 83 80 81 80", 2, false)]
#[case::record_number_in_a_row_store(PageType::RowInternal, 0, "05 00 34 81 83 80 81 80", 2, false)]
#[case::aggregate_that_cannot_be(PageType::RowInternal, 0, "05 00 38 08 90 83 80 81 80", 2, false)]
#[case::truncate_of_nothing(PageType::RowInternal, 0x20, "05 00 00 80 80 80 83 80 81 80", 2, true)]
#[case::truncate_before_its_page(PageType::RowInternal, 0x20, "05 00 08 0a 85 80 82 84 84 83 80 81 80", 2, false)]
#[case::no_cookie(PageType::RowInternal, 0, "05 00 30 80", 2, false)]
#[case::bad_cookie(PageType::RowInternal, 0, "05 00 30 82 80 81", 2, false)]
#[case::runs(PageType::ColumnVariable, 0, "07 61 07 62 40 07 62", 4, true)]
#[case::equal_neighbours(PageType::ColumnVariable, 0, "07 61 07 61", 2, false)]
#[case::equal_copies(PageType::ColumnVariable, 0, "07 61 90 82", 2, false)]
#[case::equal_but_for_the_window(PageType::ColumnVariable, 0, "07 61 8c 28 90 89 81 81 61", 2, true)]
#[case::deleted_neighbours(PageType::ColumnVariable, 0, "40 44 82", 2, false)]
#[case::explicit_count_1(PageType::ColumnVariable, 0, "84 81 81 61 07 62", 2, true)]
#[case::deleted_with_window(PageType::ColumnVariable, 0, "48 28 90 89 07 62", 2, true)]
#[case::equal_overflow(PageType::ColumnVariable, 0, "a0 83 80 81 80 a0 83 80 81 80", 2, true)]
#[case::column_internal(PageType::ColumnInternal, 0x20, "34 81 83 80 81 80", 1, true)]
#[case::column_internal_without_number(PageType::ColumnInternal, 0x20, "30 83 80 81 80", 1, false)]
#[case::fixed(PageType::ColumnFixed, 0, "61", 1, true)]
#[case::fixed_version_2(PageType::ColumnFixed, 0, "61 02 81 83 05 80 8c 28 90 89 80 80", 1, false)]
#[case::fixed_no_filler(PageType::ColumnFixed, 0, "61 01 81 83 05 80 8c 28 90 89 80 80", 1, true)]
#[case::fixed_filler(PageType::ColumnFixed, 0, "61 01 81 84 01 05 80 8c 28 90 89 80 80", 1, false)]
#[case::fixed_offset(PageType::ColumnFixed, 0, "61 01 81 83 05 81 8c 28 90 89 80 80", 1, false)]
#[case::fixed_count(PageType::ColumnFixed, 0, "61 01 80 83 05 80 8c 28 90 89 80 80", 1, false)]
#[case::fixed_empty_window(PageType::ColumnFixed, 0, "61 01 81 83 05 80 8c 00 80 80", 1, false)]
fn pages_of_cells(
    #[case] page_type: PageType,
    #[case] flags: u8,
    #[case] cells: &str,
    #[case] entries: u32,
    #[case] accepted: bool,
) {
    let result = verify(&page(page_type, flags, cells, entries));
    assert_eq!(result.is_ok(), accepted, "{result:?}");
}

#[test]
fn bits_after_the_last_value() {
    let context = PageContext { bits: 3, ..PageContext::default() };
    assert!(verify_page(&page(PageType::ColumnFixed, 0, "07", 1), &context).is_ok());
    assert!(verify_page(&page(PageType::ColumnFixed, 0, "0f", 1), &context).is_err());
}

#[rstest::rstest]
#[case("05 61 05 61", 2, "incorrectly sorted")]
#[case("05 61 00", 1, "unexpected bytes of data after the last cell")]
#[case("05 61 40", 2, "illegal cell and page type combination")]
fn reasons_read_as_the_real_engines_do(#[case] cells: &str, #[case] entries: u32, #[case] reason: &str) {
    let error = verify(&page(PageType::RowLeaf, 0, cells, entries)).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(error.code(), ErrorCode::ERROR);
}

#[test]
fn merged_runs_and_addresses_have_their_reasons() {
    let error = verify(&page(PageType::ColumnVariable, 0, "07 61 07 61", 2)).unwrap_err().to_string();
    assert!(error.contains("should have been run-length encoded"), "{error}");
    let context = PageContext { addresses: Some((4096, 4096)), ..PageContext::default() };
    let error = verify_page(&page(PageType::RowInternal, 0, "05 00 30 83 80 81 80", 2), &context).unwrap_err();
    assert!(error.to_string().contains("address is past the end of the file"), "{error}");
    assert_eq!(error.code(), ErrorCode::EINVAL);
    let error = root_error("file:a.wt", &error);
    assert!(error.to_string().starts_with("unable to read root page from file:a.wt"));
    assert_eq!(error.code(), ErrorCode::EINVAL);
}

#[test]
fn overflow_keys_are_read_for_their_order() {
    let block = page(PageType::RowLeaf, 0, "05 62 60 83 80 81 80 05 64", 3);
    verify(&block).unwrap();
    let with = |key: &'static [u8]| {
        let read = move |_: &[u8]| Ok(key.to_vec());
        let context = PageContext { overflow_key: Some(&read), ..PageContext::default() };
        (verify_page(&block, &context).is_ok(), last_key(&block, &context).unwrap())
    };
    assert_eq!(with(b"c"), (true, Some(b"d".to_vec())));
    assert!(!with(b"a").0);
    assert!(!with(b"e").0);
    let block = page(PageType::RowLeaf, 0, "05 62 60 83 80 81 80", 2);
    assert_eq!(last_key(&block, &PageContext::default()).unwrap(), None);
    let read = |_: &[u8]| Ok(b"c".to_vec());
    let context = PageContext { overflow_key: Some(&read), ..PageContext::default() };
    assert_eq!(last_key(&block, &context).unwrap(), Some(b"c".to_vec()));
}

#[test]
fn a_collator_decides() {
    let reverse = |a: &[u8], b: &[u8]| b.cmp(a);
    let context = PageContext { compare: &reverse, ..PageContext::default() };
    assert!(verify_page(&page(PageType::RowLeaf, 0, "05 62 05 61", 2), &context).is_ok());
    assert!(verify_page(&page(PageType::RowLeaf, 0, "05 61 05 62", 2), &context).is_err());
}

proptest! {
    /// Real pages with some bytes changed: no panic, and what passes can be read.
    #[test]
    fn mutated_pages_are_safe(
        which in 0usize..46,
        changes in prop::collection::vec((0usize..400, any::<u8>()), 1..4),
    ) {
        let file = PAGES.with(Clone::clone);
        let mut block = file[which % file.len()].clone();
        for (offset, byte) in changes {
            let offset = offset % block.len();
            block[offset] = byte;
        }
        if verify(&block).is_ok() {
            match PageHeader::parse(&block).unwrap().page_type {
                PageType::RowLeaf => { RowLeaf::parse(&block).unwrap(); }
                PageType::RowInternal => { RowInternal::parse(&block).unwrap(); }
                _ => {}
            }
        }
    }
}

thread_local! {
    static PAGES: std::rc::Rc<Vec<Vec<u8>>> = {
        let file = vectors("btree-pages.json");
        std::rc::Rc::new(file["pages"].as_array().unwrap().iter().map(|page| hex(&page["image"])).collect())
    };
}

/// Found by fuzzing: the first record number is the largest there is, and more than one record follows.
#[test]
fn record_numbers_past_the_last_are_refused() {
    let block = include_bytes!("../../../tests/data/fuzz/column-past-last-record.bin");
    let error = verify_page(block, &PageContext::default()).unwrap_err();
    assert_eq!(error.code(), hardwired_plugin::ErrorCode::ERROR, "{error}");
}

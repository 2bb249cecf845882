use super::*;
use crate::page::header::PageHeader;
use crate::page::row_leaf::{RowLeaf, RowValue};
use crate::page::split::FinishedPage;
use crate::page::test_data::{hex, vectors, window};
use crate::page::time_aggregate::TimeAggregate;
use proptest::prelude::*;
use serde_json::Value;

/// Keeps pages in memory, and overflow items under cookies that are their index.
#[derive(Default)]
pub(crate) struct Collect {
    pub(crate) pages: Vec<Page>,
    pub(crate) items: Vec<Vec<u8>>,
    /// Cookies to hand out, from the last to the first.
    cookies: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) image: Vec<u8>,
    pub(crate) separator: Vec<u8>,
    pub(crate) aggregate: TimeAggregate,
    pub(crate) has_overflow: bool,
}

impl PageSink for Collect {
    fn write_overflow(&mut self, item: &[u8], cookie: &mut Vec<u8>) -> Result<()> {
        let index = u8::try_from(self.items.len() % 200).unwrap();
        self.items.push(item.to_vec());
        cookie.extend_from_slice(&self.cookies.pop().unwrap_or_else(|| vec![0x80, 0x81, 0x80 | (index & 0x3f)]));
        Ok(())
    }

    fn write_page(&mut self, page: FinishedPage<'_>) -> Result<()> {
        self.pages.push(Page {
            image: page.image.clone(),
            separator: page.separator.to_vec(),
            aggregate: page.aggregate,
            has_overflow: page.has_overflow,
        });
        Ok(())
    }
}

fn cookie_bytes(cookie: &Value, allocation_size: u32) -> Vec<u8> {
    let address = crate::page::address::Address {
        offset: cookie["offset"].as_u64().unwrap(),
        size: u32::try_from(cookie["size"].as_u64().unwrap()).unwrap(),
        checksum: u32::try_from(cookie["checksum"].as_u64().unwrap()).unwrap(),
        object_id: 0,
    };
    address.to_cookie(allocation_size).unwrap()
}

/// The configuration under which a vector was written, as far as its pages show it.
fn config_of(page: &Value) -> LeafConfig {
    let description = page["desc"].as_str().unwrap();
    let prefix_compression = description.contains("prefix");
    let dictionary = if description.contains("dictionary") { 100 } else { 0 };
    LeafConfig { prefix_compression, dictionary, ..LeafConfig::default() }
}

#[test]
fn every_row_leaf_vector_is_written_byte_for_byte() {
    let file = vectors("btree-pages.json");
    let mut written = 0;
    for page in file["pages"].as_array().unwrap().iter().filter(|page| page["header"]["type"] == "ROW_LEAF") {
        let (mut writer, mut sink) = (RowLeafWriter::new(config_of(page)), Collect::default());
        let allocation_size = u32::try_from(page["alloc"].as_u64().unwrap()).unwrap();
        for row in page["contents"].as_array().unwrap() {
            let time = row.get("tw").map(window);
            let cookie = row.get("value_ovfl").map(|cookie| cookie_bytes(cookie, allocation_size));
            let bytes = row.get("value").map(hex).unwrap_or_default();
            let value = cookie.as_deref().map_or(LeafValue::Bytes(&bytes), LeafValue::Overflow);
            match row.get("key_ovfl") {
                Some(cookie) => {
                    let cookie = cookie_bytes(cookie, allocation_size);
                    writer.append_overflow_key(b"unknown", &cookie, value, time.as_ref(), &mut sink).unwrap();
                }
                None => writer.append(&hex(&row["key"]), value, time.as_ref(), &mut sink).unwrap(),
            }
        }
        assert_eq!(writer.finish(&mut sink).unwrap(), 1);
        let (image, expected) = (&sink.pages[0].image, hex(&page["image"]));
        assert_eq!(image[40..], expected[40..], "{}", page["desc"]);
        let header = PageHeader::parse(image).unwrap();
        let expected = PageHeader::parse(&expected).unwrap();
        assert_eq!(PageHeader { write_gen: expected.write_gen, ..header }, expected, "{}", page["desc"]);
        assert!(sink.items.is_empty());
        written += 1;
    }
    assert!(written >= 14);
}

fn rows_of(pages: &[Page]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut rows, mut key) = (Vec::new(), Vec::new());
    for page in pages {
        for row in RowLeaf::parse(&page.image).unwrap().rows() {
            let row = row.unwrap();
            assert!(row.key.build(&page.image, &mut key).unwrap());
            let value = match row.value {
                RowValue::Plain(span) => span.of(&page.image).unwrap().to_vec(),
                _ => Vec::new(),
            };
            rows.push((key.clone(), value));
        }
        key.clear();
    }
    rows
}

fn write(config: LeafConfig, rows: &[(Vec<u8>, Vec<u8>)]) -> Collect {
    let (mut writer, mut sink) = (RowLeafWriter::new(config), Collect::default());
    for (key, value) in rows {
        writer.append(key, LeafValue::Bytes(value), None, &mut sink).unwrap();
    }
    let pages = writer.finish(&mut sink).unwrap();
    assert_eq!(pages, sink.pages.len());
    sink
}

fn numbered(count: usize, value_len: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..count).map(|i| (format!("key-{i:06}-some-suffix").into_bytes(), vec![b'v'; value_len])).collect()
}

#[test]
fn a_page_up_to_the_maximum_is_not_cut() {
    let config = LeafConfig { page_max: 4096, ..LeafConfig::default() };
    // A key of 22 + 1 bytes and a value of 101 + 2: 32 rows are 4,032 bytes, more than the split size of 3,686.
    let row_len = 22 + 1 + 101 + 2;
    let fits = (4096 - 40) / row_len;
    let sink = write(config, &numbered(fits, 101));
    assert_eq!(sink.pages.len(), 1);
    assert!(sink.pages[0].image.len() > 3686);
    let sink = write(config, &numbered(fits + 1, 101));
    let sizes: Vec<_> = sink.pages.iter().map(|page| page.image.len()).collect();
    // The rest after the split size would be small: it takes the part of the first page above its half.
    assert_eq!(sizes.len(), 2);
    assert!(sizes[0] <= 2048 && sizes[1] > sizes[0], "{sizes:?}");
}

#[test]
fn separators_are_as_short_as_they_can_be() {
    let config = LeafConfig { page_max: 512, allocation_size: 512, ..LeafConfig::default() };
    let rows = numbered(40, 20);
    let sink = write(config, &rows);
    assert_eq!(rows_of(&sink.pages), rows);
    assert_eq!(sink.pages[0].separator, rows[0].0);
    for pair in sink.pages.windows(2) {
        let (left, right) = (rows_of(&pair[..1]), rows_of(&pair[1..]));
        let (last, first) = (&left.last().unwrap().0, &right[0].0);
        assert!(*last < pair[1].separator && pair[1].separator <= *first);
        assert_eq!(pair[1].separator.len(), "key-000010".len());
    }
    let sink = write(LeafConfig { internal_key_truncate: false, ..config }, &rows);
    assert_eq!(sink.pages[1].separator.len(), "key-000010-some-suffix".len());
}

#[test]
fn large_items_go_to_overflow_pages_at_the_boundary() {
    let config = LeafConfig { leaf_key_max: 50, leaf_value_max: 100, ..LeafConfig::default() };
    assert_eq!((LeafConfig::default().key_limit(), LeafConfig::default().value_limit()), (2867, 14336));
    let rows = vec![(vec![b'a'; 50], vec![1; 100]), (vec![b'b'; 51], vec![2; 101])];
    let sink = write(config, &rows);
    // The value is written before the key.
    assert_eq!(sink.items, [vec![2; 101], vec![b'b'; 51]]);
    assert!(sink.pages[0].has_overflow);
    assert!(!write(config, &rows[..1]).pages[0].has_overflow);
    // What is left of a key after compression decides.
    let config = LeafConfig { prefix_compression: true, ..config };
    let long = |last: u8| [vec![b'p'; 45], vec![last; 26]].concat();
    let sink = write(config, &[(vec![b'p'; 45], vec![]), (long(b'q'), vec![]), (long(b'r'), vec![])]);
    assert!(sink.items.is_empty());
}

#[test]
fn an_oversized_item_is_a_page_of_its_own() {
    let config = LeafConfig { page_max: 512, allocation_size: 512, leaf_value_max: 100_000, ..LeafConfig::default() };
    let rows = vec![(b"a".to_vec(), vec![1; 10]), (b"b".to_vec(), vec![2; 5000]), (b"c".to_vec(), vec![3; 10])];
    let sink = write(config, &rows);
    assert_eq!(rows_of(&sink.pages), rows);
    assert_eq!(sink.pages.len(), 3);
}

#[test]
fn the_flags_are_those_of_the_run() {
    let config = LeafConfig { page_max: 512, allocation_size: 512, ..LeafConfig::default() };
    let mut rows = numbered(60, 20);
    let flags = |sink: &Collect| -> Vec<u8> { sink.pages.iter().map(|page| page.image[25]).collect() };
    assert!(flags(&write(config, &rows)).iter().all(|flags| *flags == 0x04));
    rows[0].1.clear();
    assert!(flags(&write(config, &rows)).iter().all(|flags| *flags == 0));
    rows.iter_mut().for_each(|row| row.1.clear());
    assert!(flags(&write(config, &rows)).iter().all(|flags| *flags == 0x02));
}

#[test]
fn aggregates_follow_the_rows_through_a_rebalancing() {
    let config = LeafConfig { page_max: 512, allocation_size: 512, ..LeafConfig::default() };
    let (mut writer, mut sink) = (RowLeafWriter::new(config), Collect::default());
    for (i, (key, value)) in numbered(17, 20).iter().enumerate() {
        let ts = 100 + i as u64;
        let window = TimeWindow { start_ts: ts, durable_start_ts: ts, start_txn: ts, ..TimeWindow::DEFAULT };
        writer.append(key, LeafValue::Bytes(value), Some(&window), &mut sink).unwrap();
    }
    writer.finish(&mut sink).unwrap();
    assert!(sink.pages.len() > 1);
    for page in &sink.pages {
        let mut expected = TimeAggregate::EMPTY;
        for row in RowLeaf::parse(&page.image).unwrap().rows() {
            expected.add_window(&row.unwrap().window.unwrap());
        }
        assert_eq!(page.aggregate, expected);
    }
}

/// Rows that are copied as cells give the same pages as rows that are appended one by one, wherever pages are cut.
#[rstest::rstest]
#[case::default(LeafConfig::default())]
#[case::small(LeafConfig { page_max: 4096, allocation_size: 512, ..LeafConfig::default() })]
#[case::whole_separators(LeafConfig { internal_key_truncate: false, ..LeafConfig::default() })]
#[case::bulk(LeafConfig { bulk: true, ..LeafConfig::default() })]
fn cells_and_rows_make_the_same_pages(#[case] config: LeafConfig) {
    for (count, value_len) in [(1, 10), (3000, 30), (3000, 100), (40, 900)] {
        let rows = numbered(count, value_len);
        let expected = write(config, &rows).pages;
        let mut writer = RowLeafWriter::new(LeafConfig { page_max: 512, allocation_size: 512, ..config });
        writer = writer.with_config(config);
        let mut sink = Collect::default();
        let (mut next, mut copied) = (0, 0);
        while next < rows.len() {
            let (mut cells, mut taken, mut last_key) = (Vec::new(), 0, 0..0);
            while let Some((key, value)) = rows.get(next + taken) {
                let before = cells.len();
                cell_write::push_key(&mut cells, 0, key);
                let key_end = cells.len();
                cell_write::push_value(&mut cells, &TimeWindow::DEFAULT, 0, value);
                if cells.len() > writer.room_for_cells() || taken == 7 {
                    cells.truncate(before);
                    break;
                }
                last_key = key_end - key.len()..key_end;
                taken += 1;
            }
            if taken == 0 {
                let (key, value) = &rows[next];
                writer.append(key, LeafValue::Bytes(value), None, &mut sink).unwrap();
                next += 1;
            } else {
                writer.append_cells(&cells, taken as u32, last_key);
                next += taken;
                copied += taken;
            }
        }
        writer.finish(&mut sink).unwrap();
        assert_eq!(sink.pages, expected);
        let fits = 2 * value_len < config.key_limit();
        assert!(copied > count / 2 || count == 1 || !fits, "{copied} of {count}");
    }
    for config in [LeafConfig { prefix_compression: true, ..config }, LeafConfig { dictionary: 10, ..config }] {
        let mut writer = RowLeafWriter::new(LeafConfig::default()).with_config(config);
        writer.append(b"key", LeafValue::Bytes(b"value"), None, &mut Collect::default()).unwrap();
        assert_eq!(writer.room_for_cells(), 0, "cells may refer to others");
    }
}

#[test]
fn a_writer_can_be_used_again() {
    let (mut writer, rows) =
        (RowLeafWriter::new(LeafConfig { prefix_compression: true, ..Default::default() }), numbered(2000, 30));
    let mut results = Vec::new();
    for _ in 0..2 {
        let mut sink = Collect::default();
        for (key, value) in &rows {
            writer.append(key, LeafValue::Bytes(value), None, &mut sink).unwrap();
        }
        assert!(writer.finish(&mut sink).unwrap() > 1);
        results.push(sink.pages);
    }
    assert_eq!(results[0], results[1]);
    assert_eq!(writer.finish(&mut Collect::default()).unwrap(), 0);
}

prop_compose! {
    fn any_config()(
        page_max in prop_oneof![Just(512u32), Just(4096u32)],
        prefix_compression: bool, truncate: bool, dictionary in prop_oneof![Just(0u32), Just(1000)], bulk: bool,
    ) -> LeafConfig {
        LeafConfig {
            page_max, allocation_size: 512, prefix_compression, internal_key_truncate: truncate, dictionary, bulk,
            leaf_key_max: 1000, leaf_value_max: 1000, ..LeafConfig::default()
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        config in any_config(),
        rows in prop::collection::btree_map(
            prop::collection::vec(prop::num::u8::ANY.prop_map(|byte| byte % 4), 0..30),
            prop_oneof![Just(vec![]), Just(vec![7; 9]), prop::collection::vec(any::<u8>(), 0..200)], 0..200),
    ) {
        let rows: Vec<_> = rows.into_iter().collect();
        let sink = write(config, &rows);
        prop_assert_eq!(rows_of(&sink.pages), rows);
        for pair in sink.pages.windows(2) {
            let last = rows_of(&pair[..1]).pop().unwrap().0;
            let first = rows_of(&pair[1..]).remove(0).0;
            prop_assert!(last < pair[1].separator && pair[1].separator <= first);
        }
        // Only a page of one row can be larger than a page may be.
        for page in &sink.pages {
            let rows = RowLeaf::parse(&page.image).unwrap().rows().count();
            prop_assert!(page.image.len() <= config.page_max as usize + 260 || rows == 1);
        }
    }
}

//! The worked examples of the page-format document.

use super::cell::Cell;
use super::checksum;
use super::column::fixed;
use super::header::{BlockHeader, PageHeader};
use super::history::{HistoryKey, HistoryValue};
use super::modify::Modifications;
use super::test_data::unhex;
use super::time_aggregate::TimeAggregate;
use super::time_window::TimeWindow;
use super::verify::{PageContext, verify_page};
use super::{HEADER_SIZE, vuint};

/// A parsed example: its first line, and each line's bytes and remark.
struct Example {
    title: String,
    lines: Vec<(Vec<u8>, String)>,
}

impl Example {
    fn bytes(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|line| line.0.clone()).collect()
    }

    /// The text after `key=` in the title.
    fn field(&self, key: &str) -> &str {
        let found = self.title.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{key} in {}", self.title))
    }

    fn number(&self, key: &str) -> u64 {
        self.field(key).parse().unwrap()
    }
}

fn examples() -> Vec<Example> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format/pages.md");
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (digits, remark) = line.split_once(';').unwrap_or((line, ""));
        (unhex(digits), remark.trim().to_owned())
    };
    let example = |block: &str| {
        let (title, rest) = block.split_once('\n').unwrap();
        Example { title: title.to_owned(), lines: rest.lines().map(line).collect() }
    };
    text.split("```hex\n").skip(1).map(|rest| example(rest.split_once("```").unwrap().0)).collect()
}

/// Compares the fields that a remark names.
fn check_fields(remark: &str, field: impl Fn(&str) -> u64) {
    let words: Vec<_> = remark.split(' ').collect();
    assert!(!words.is_empty());
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        assert_eq!(field(name), value.parse::<u64>().unwrap(), "{name}");
    }
}

fn window_field(window: &TimeWindow, name: &str) -> u64 {
    match name {
        "durable_start_ts" => window.durable_start_ts,
        "start_ts" => window.start_ts,
        "start_txn" => window.start_txn,
        "durable_stop_ts" => window.durable_stop_ts,
        "stop_ts" => window.stop_ts,
        "stop_txn" => window.stop_txn,
        "prepare" => u64::from(window.prepare),
        other => panic!("{other}"),
    }
}

fn aggregate_field(aggregate: &TimeAggregate, name: &str) -> u64 {
    match name {
        "newest_start_durable_ts" => aggregate.newest_start_durable_ts,
        "newest_stop_durable_ts" => aggregate.newest_stop_durable_ts,
        "oldest_start_ts" => aggregate.oldest_start_ts,
        "newest_txn" => aggregate.newest_txn,
        "newest_stop_ts" => aggregate.newest_stop_ts,
        "newest_stop_txn" => aggregate.newest_stop_txn,
        other => panic!("{other}"),
    }
}

fn check_page(example: &Example) {
    let mut block = example.bytes();
    let header = PageHeader::parse(&block).unwrap();
    assert_eq!(example.title, format!("page {}", header.page_type.name()));
    assert_eq!(header.to_bytes()[..], block[..28]);
    assert_eq!(header.mem_size as usize, block.len());
    let disk = BlockHeader::parse(&block).unwrap();
    block.resize(disk.disk_size as usize, 0);
    checksum::check(&block, disk.checksum).unwrap();
    verify_page(&block, &PageContext::default()).unwrap();
}

fn check_line(title: &str, bytes: &[u8], remark: &str) {
    let mut out = Vec::new();
    let mut input = bytes;
    match title {
        "vuint" => {
            let value = vuint::take(&mut input).unwrap();
            assert_eq!((value.to_string().as_str(), input.len()), (remark, 0));
            vuint::push(&mut out, value);
        }
        "cells" => {
            let image = [&[0; HEADER_SIZE][..], bytes].concat();
            let cell = Cell::decode(&image, HEADER_SIZE, true).unwrap();
            let name = remark.split([' ', ':']).next().unwrap();
            assert_eq!((cell.kind.name(), cell.end()), (name, image.len()));
            out = super::cell::tests::encode(&cell);
        }
        "window" => {
            let window = TimeWindow::unpack(&mut input).unwrap();
            check_fields(remark, |name| window_field(&window, name));
            window.pack(&mut out);
        }
        "aggregate" => {
            let aggregate = TimeAggregate::unpack(&mut input).unwrap();
            check_fields(remark, |name| aggregate_field(&aggregate, name));
            aggregate.pack(&mut out);
        }
        other => panic!("unknown example {other}"),
    }
    assert_eq!(out, bytes, "{title}: {remark}");
}

#[test]
fn every_worked_example_decodes_and_encodes() {
    let mut seen = Vec::new();
    for example in examples() {
        let kind = example.title.split(' ').next().unwrap().to_owned();
        let (bytes, mut out) = (example.bytes(), Vec::new());
        match kind.as_str() {
            "page" => check_page(&example),
            "bitmap" => {
                let values: Vec<u8> = example.field("values").split(',').map(|value| value.parse().unwrap()).collect();
                fixed::push_bitmap(&values, example.number("bits").try_into().unwrap(), &mut out);
                assert_eq!(out, bytes);
            }
            "history-key" => {
                let key = HistoryKey::unpack(&bytes).unwrap();
                assert_eq!(u64::from(key.btree_id), example.number("btree_id"));
                assert_eq!((key.start_ts, key.counter), (example.number("start_ts"), example.number("counter")));
                key.pack(&mut out);
                assert_eq!(out, bytes);
            }
            "history-value" => {
                let value = HistoryValue::unpack(&bytes).unwrap();
                assert_eq!(value.durable_stop_ts, example.number("durable_stop_ts"));
                assert_eq!(value.durable_start_ts, example.number("durable_start_ts"));
                let entry = Modifications::parse(value.data).unwrap().next().unwrap();
                assert_eq!((entry.data, entry.offset, entry.size), (&b"289"[..], 8, 4));
                value.pack(&mut out);
                assert_eq!(out, bytes);
            }
            title => example.lines.iter().for_each(|line| check_line(title, &line.0, &line.1)),
        }
        seen.push(kind);
    }
    let expected = ["vuint", "page", "page", "cells", "window", "aggregate", "bitmap", "bitmap"];
    assert_eq!(seen[..8], expected);
    assert_eq!(seen[8..], ["history-key", "history-value"]);
}

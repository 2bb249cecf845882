//! Whole files of the real engine, read and written anew page by page.
//!
//! Goal: what the writers emit for a tree's rows is what the real engine wrote: cuts, balancing, prefixes, copies,
//! overflow items, separators, aggregates, the order of writing. Method: read the rows of all leaves, give them to the
//! writers with the file's configuration, and compare every image up to write generation and block header.

use hardwired_plugin::Result;
use serde_json::Value;

use super::address::Address;
use super::cell_write::{AddressCell, AddressKind};
use super::header::{BlockHeader, PageHeader, PageType};
use super::row_internal::{ChildKey, InternalConfig, RowInternal, RowInternalWriter};
use super::row_leaf::{RowLeaf, RowValue};
use super::row_leaf_write::{LeafConfig, LeafValue, RowLeafWriter};
use super::split::{FinishedPage, PageSink};
use super::test_data::{hex, number, number_u32, vectors};
use super::time_aggregate::TimeAggregate;

struct File {
    allocation_size: u32,
    /// Images with their cookies, in the order of writing.
    pages: Vec<(Vec<u8>, Vec<u8>)>,
}

impl File {
    fn new(file: &Value) -> Self {
        let allocation_size = number_u32(&file["config"]["alloc"]);
        let page = |page: &Value| {
            let image = hex(&page["image"]);
            let block = BlockHeader::parse(&image).unwrap();
            let (offset, size, checksum) = (number(&page["offset"]), block.disk_size, block.checksum);
            let cookie = Address { offset, size, checksum, object_id: 0 }.to_cookie(allocation_size).unwrap();
            (image, cookie)
        };
        Self { allocation_size, pages: file["pages"].as_array().unwrap().iter().map(page).collect() }
    }

    fn overflow_item(&self, cookie: &[u8]) -> Vec<u8> {
        let (image, _) = self.pages.iter().find(|page| page.1 == cookie).unwrap();
        assert_eq!(PageHeader::parse(image).unwrap().page_type, PageType::Overflow);
        image[40..].to_vec()
    }
}

/// Compares what a writer emits with the pages of a file, and hands out that file's cookies.
struct Compare<'a> {
    file: &'a File,
    next: usize,
    /// Children for the level above: separator, cookie, aggregate, overflow.
    children: Vec<(Vec<u8>, Vec<u8>, TimeAggregate, bool)>,
}

impl PageSink for Compare<'_> {
    fn write_overflow(&mut self, item: &[u8], cookie: &mut Vec<u8>) -> Result<()> {
        let (image, expected) = &self.file.pages[self.next];
        assert_eq!(&image[40..], item, "overflow page {}", self.next);
        cookie.extend_from_slice(expected);
        self.next += 1;
        Ok(())
    }

    fn write_page(&mut self, page: FinishedPage<'_>) -> Result<()> {
        let (expected, cookie) = &self.file.pages[self.next];
        assert_eq!(page.image[16..28], expected[16..28], "header of page {}", self.next);
        assert_eq!(page.image[40..], expected[40..], "cells of page {}", self.next);
        self.children.push((page.separator.to_vec(), cookie.clone(), page.aggregate, page.has_overflow));
        self.next += 1;
        Ok(())
    }
}

fn flag(config: &Value, name: &str, default: bool) -> bool {
    config.get(name).map_or(default, |value| value.as_bool().unwrap())
}

fn setting(config: &Value, name: &str, default: u32) -> u32 {
    config.get(name).map_or(default, number_u32)
}

fn leaf_config(config: &Value) -> LeafConfig {
    let default = LeafConfig::default();
    LeafConfig {
        page_max: setting(config, "leaf_page_max", default.page_max),
        split_percent: setting(config, "split_pct", default.split_percent),
        allocation_size: setting(config, "alloc", default.allocation_size),
        leaf_key_max: setting(config, "leaf_key_max", 0),
        leaf_value_max: setting(config, "leaf_value_max", 0),
        prefix_compression: flag(config, "prefix_compression", false),
        prefix_compression_min: setting(config, "prefix_compression_min", 4),
        internal_key_truncate: flag(config, "internal_key_truncate", true),
        dictionary: setting(config, "dictionary", 0),
        bulk: flag(config, "bulk", false),
    }
}

/// Gives all rows of the file's leaves to a writer.
fn write_leaves(file: &File, config: LeafConfig, sink: &mut Compare<'_>) {
    let mut writer = RowLeafWriter::new(config);
    for (image, _) in &file.pages {
        let Ok(leaf) = RowLeaf::parse(image) else { continue };
        let mut key = Vec::new();
        for row in leaf.rows() {
            let row = row.unwrap();
            let mut overflow_key = Vec::new();
            if !row.key.build(image, &mut key).unwrap() {
                let super::row_leaf::RowKey::Overflow(cookie) = row.key else { panic!() };
                overflow_key = file.overflow_item(cookie.of(image).unwrap());
            }
            let value = match row.value {
                RowValue::Absent => Vec::new(),
                RowValue::Plain(span) => span.of(image).unwrap().to_vec(),
                RowValue::Overflow(cookie) => file.overflow_item(cookie.of(image).unwrap()),
            };
            let key = if overflow_key.is_empty() { &key } else { &overflow_key };
            writer.append(key, LeafValue::Bytes(&value), row.window.as_ref(), sink).unwrap();
        }
    }
    writer.finish(sink).unwrap();
}

/// Writes one level of internal pages above the last written pages.
fn write_level(kind: AddressKind, config: InternalConfig, sink: &mut Compare<'_>) {
    let mut writer = RowInternalWriter::new(config);
    for (index, (separator, cookie, aggregate, has_overflow)) in std::mem::take(&mut sink.children).iter().enumerate() {
        let kind = if *has_overflow { AddressKind::Leaf } else { kind };
        let aggregate = Some(aggregate);
        let child = AddressCell { kind, aggregate, page_delete: None, recno: None, cookie };
        writer.append(if index == 0 { &[] } else { separator }, &child, sink).unwrap();
    }
    writer.finish(sink).unwrap();
}

#[test]
fn real_files_are_written_byte_for_byte() {
    let json = vectors("btree-files.json");
    let files = json["files"].as_array().unwrap();
    assert_eq!(files.len(), 7);
    for value in files {
        let (file, config) = (File::new(value), &value["config"]);
        let mut sink = Compare { file: &file, next: 0, children: Vec::new() };
        write_leaves(&file, leaf_config(config), &mut sink);
        let internal = InternalConfig {
            page_max: setting(config, "internal_page_max", 4096),
            split_percent: setting(config, "split_pct", 90),
            allocation_size: file.allocation_size,
            ..InternalConfig::default()
        };
        write_level(AddressKind::LeafNoOverflow, internal, &mut sink);
        while sink.children.len() > 1 {
            write_level(AddressKind::Internal, internal, &mut sink);
        }
        assert_eq!(sink.next, file.pages.len(), "{}", value["file"]);
    }
}

#[test]
fn internal_pages_of_real_files_bound_their_children() {
    let json = vectors("btree-files.json");
    for value in json["files"].as_array().unwrap() {
        let file = File::new(value);
        for (image, _) in &file.pages {
            let Ok(page) = RowInternal::parse(image) else { continue };
            for child in page.children().skip(1) {
                let child = child.unwrap();
                let ChildKey::Plain(separator) = child.key else { panic!() };
                let (leaf, _) = file.pages.iter().find(|page| page.1 == child.address.data).unwrap();
                let Ok(leaf) = RowLeaf::parse(leaf) else { continue };
                let mut key = Vec::new();
                if leaf.rows().next().unwrap().unwrap().key.build(leaf.image(), &mut key).unwrap() {
                    assert!(separator.of(image).unwrap() <= &key[..]);
                }
            }
        }
    }
}

//! Writing pages: a leaf as a view sees it, and the internal pages of a checkpoint.

use super::address::ChildAddress;
use super::leaf::{Leaf, LeafInner, Slot, is_image_word};
use super::settings::TreeSettings;
use super::tree::Tree;
use super::version::{Kind, Row};
use crate::block::Address;
use crate::os::page_memory::PageBuffer;
use crate::page::HEADER_SIZE;
use crate::page::cell_write::{AddressCell, AddressKind};
use crate::page::header::{PageHeader, PageType, set_write_gen};
use crate::page::row_internal::{InternalConfig, RowInternalWriter};
use crate::page::row_leaf_write::{LeafConfig, LeafValue, RowLeafWriter};
use crate::page::split::{FinishedPage, PageSink, split_size};
use crate::page::time_aggregate::TimeAggregate;
use crate::reconcile::{Selected, View, WrittenBlock, WrittenLeaf};
use hardwired_plugin::Result;

/// So many rows ahead of the one being written, memory is asked for: rows were made in any order.
const PREFETCH_ROWS: usize = 6;

/// An internal page that is built but not written.
pub(super) struct BuiltPage {
    pub(super) image: Vec<u8>,
    pub(super) separator: Box<[u8]>,
    pub(super) aggregate: TimeAggregate,
}

/// Collects the pages of one leaf, writing each as it is finished.
struct LeafSink<'a> {
    tree: &'a Tree,
    /// Pages are to be made of the blocks.
    keep_images: bool,
    blocks: Vec<WrittenBlock>,
    overflow: Vec<Box<[u8]>>,
}

impl PageSink for LeafSink<'_> {
    fn write_overflow(&mut self, item: &[u8], cookie: &mut Vec<u8>) -> Result<()> {
        let written = self.tree.write_overflow(item)?;
        cookie.extend_from_slice(&written);
        self.overflow.push(written.into());
        Ok(())
    }

    fn write_page(&mut self, page: FinishedPage<'_>) -> Result<()> {
        set_write_gen(page.image, self.tree.next_write_gen())?;
        // Before the block layer pads the image.
        let image = self.keep_images.then(|| PageBuffer::copy_of(page.image));
        let image_len = page.image.len();
        let address = self.tree.write_sealed(page.image)?;
        self.tree.learn_ratio(image_len, address.size);
        let kind = if page.has_overflow { AddressKind::Leaf } else { AddressKind::LeafNoOverflow };
        let separator = page.separator.into();
        let child = ChildAddress { separator, address, kind, aggregate: page.aggregate, page_delete: None };
        self.blocks.push(WrittenBlock { child, image });
        Ok(())
    }
}

/// Collects internal pages without writing them: whether there is more than one decides what becomes of them.
#[derive(Default)]
struct InternalSink(Vec<BuiltPage>);

impl PageSink for InternalSink {
    fn write_overflow(&mut self, _item: &[u8], _cookie: &mut Vec<u8>) -> Result<()> {
        Err(hardwired_plugin::Error::invalid("an internal page has no overflow items"))
    }

    fn write_page(&mut self, page: FinishedPage<'_>) -> Result<()> {
        let image = std::mem::take(page.image);
        self.0.push(BuiltPage { image, separator: page.separator.into(), aggregate: page.aggregate });
        Ok(())
    }
}

impl TreeSettings {
    /// `page_max`: see [`Tree::leaf_image_max`]; what goes to overflow pages doesn't depend on it.
    fn leaf_config(&self, page_max: u32) -> LeafConfig {
        let split_size = split_size(self.leaf_page_max, self.split_pct, self.allocation_size);
        let or_part =
            |given, part| if given == 0 && page_max != self.leaf_page_max { split_size / part } else { given };
        LeafConfig {
            page_max,
            split_percent: self.split_pct,
            allocation_size: self.allocation_size,
            leaf_key_max: or_part(self.leaf_key_max, 10),
            leaf_value_max: or_part(self.leaf_value_max, 2),
            prefix_compression: self.prefix_compression,
            prefix_compression_min: self.prefix_compression_min,
            internal_key_truncate: self.internal_key_truncate && !self.order.is_collated(),
            dictionary: self.dictionary,
            bulk: false,
        }
    }
}

impl Tree {
    /// Writes a leaf as `view` sees it; `keep_images`: so that pages can be made of the blocks. Under its latch. The page's
    /// state is not changed; on an error the blocks written so
    /// far are lost until the next checkpoint forgets them, which no error but one of writing (then the file is given up)
    /// or of reading an overflow item can cause.
    pub(super) fn write_leaf(
        &self,
        leaf: &Leaf,
        inner: &mut LeafInner,
        view: &View<'_>,
        keep_images: bool,
    ) -> Result<WrittenLeaf> {
        let mut sink = LeafSink { tree: self, keep_images, blocks: Vec::new(), overflow: Vec::new() };
        let mut writer = self.cache.take_leaf_writer(self.settings.leaf_config(self.leaf_image_max()));
        let leftover = self.write_rows(leaf, inner, view, &mut writer, &mut sink)?;
        writer.finish(&mut sink)?;
        self.cache.give_back_leaf_writer(writer);
        Ok(WrittenLeaf { blocks: sink.blocks, overflow: sink.overflow, leftover })
    }

    /// Appends a leaf's rows; says whether newer versions stay behind.
    fn write_rows(
        &self,
        leaf: &Leaf,
        inner: &LeafInner,
        view: &View<'_>,
        writer: &mut RowLeafWriter,
        sink: &mut LeafSink<'_>,
    ) -> Result<bool> {
        let mut leftover = false;
        let (mut index, count) = (0, leaf.slots.len());
        while index < count {
            if let Some(run) = leaf.cells(index, writer.room_for_cells()) {
                writer.append_cells(run.cells, run.rows as u32, run.last_key);
                index += run.rows;
                continue;
            }
            leaf.prefetch(leaf.slots.word(index + PREFETCH_ROWS));
            let word = leaf.slots.word(index);
            index += 1;
            match leaf.slot(word) {
                Slot::Image(key, value) => writer.append(key, LeafValue::Bytes(value), None, sink)?,
                Slot::Row(row) => match view.select(row, &mut leftover) {
                    Selected::Nothing => {}
                    Selected::Base => {
                        debug_assert!(is_image_word(row.base()));
                        let value = LeafValue::Bytes(leaf.image_row(row.base()).1);
                        writer.append(row.key(), value, None, sink)?;
                    }
                    Selected::Version(version, window) => {
                        let value = match version.kind() {
                            Kind::Overflow if still_owned(inner, version.data()) => {
                                sink.overflow.push(version.data().into());
                                LeafValue::Overflow(version.data())
                            }
                            _ => LeafValue::Bytes(version.data()),
                        };
                        self.append_version(writer, sink, row, value, version.kind(), &window)?;
                    }
                },
            }
        }
        Ok(leftover)
    }

    fn append_version(
        &self,
        writer: &mut RowLeafWriter,
        sink: &mut LeafSink<'_>,
        row: Row<'_>,
        value: LeafValue<'_>,
        kind: Kind,
        window: &crate::page::time_window::TimeWindow,
    ) -> Result<()> {
        match value {
            // A block that this page's former state doesn't own can't be shared: the item is written again.
            LeafValue::Bytes(cookie) if kind == Kind::Overflow => {
                let item = self.read_overflow(cookie)?;
                writer.append(row.key(), LeafValue::Bytes(&item), Some(window), sink)
            }
            value => writer.append(row.key(), value, Some(window), sink),
        }
    }

    fn write_page(&self, image: &mut Vec<u8>) -> Result<Address> {
        set_write_gen(image, self.next_write_gen())?;
        self.write_sealed(image)
    }

    /// Writes an image whose header is complete.
    fn write_sealed(&self, image: &mut Vec<u8>) -> Result<Address> {
        match self.seal(image)? {
            None => self.block.write(image),
            Some(mut block) => self.block.write(&mut block),
        }
    }

    fn write_overflow(&self, item: &[u8]) -> Result<Vec<u8>> {
        let too_large = |_| hardwired_plugin::Error::invalid("requested block size is too large");
        let entries = u32::try_from(item.len()).map_err(too_large)?;
        let mem_size = u32::try_from(item.len().saturating_add(HEADER_SIZE)).map_err(too_large)?;
        let mut image = Vec::with_capacity(item.len().saturating_add(HEADER_SIZE));
        image.resize(HEADER_SIZE, 0);
        image.extend_from_slice(item);
        PageHeader::new(PageType::Overflow, mem_size, entries).write(&mut image)?;
        let address = self.write_page(&mut image)?;
        self.block.encode_address(&address)
    }

    /// Builds the internal pages for `children`.
    pub(super) fn build_internal(&self, children: &[ChildAddress]) -> Result<Vec<BuiltPage>> {
        let settings = &self.settings;
        let mut writer = RowInternalWriter::new(InternalConfig {
            page_max: settings.internal_page_max,
            split_percent: settings.split_pct,
            allocation_size: settings.allocation_size,
            bulk: false,
        });
        let mut sink = InternalSink::default();
        for child in children {
            let cookie = self.block.encode_address(&child.address)?;
            let cell = AddressCell {
                kind: child.kind,
                aggregate: Some(&child.aggregate),
                page_delete: child.page_delete.as_ref(),
                recno: None,
                cookie: &cookie,
            };
            writer.append(&child.separator, &cell, &mut sink)?;
        }
        writer.finish(&mut sink)?;
        Ok(sink.0)
    }

    /// Writes internal pages.
    pub(super) fn write_internal(&self, pages: Vec<BuiltPage>) -> Result<Vec<ChildAddress>> {
        pages
            .into_iter()
            .map(|mut page| {
                let address = self.write_page(&mut page.image)?;
                let (separator, aggregate) = (page.separator, page.aggregate);
                Ok(ChildAddress { separator, address, kind: AddressKind::Internal, aggregate, page_delete: None })
            })
            .collect()
    }
}

/// Whether an overflow block belongs to the page's former state, so that its next state may refer to it.
fn still_owned(inner: &LeafInner, cookie: &[u8]) -> bool {
    inner.overflow.iter().any(|owned| &owned[..] == cookie)
}

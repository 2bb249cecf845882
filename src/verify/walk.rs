//! The walk over the tree of one checkpoint, in key order.

use crate::block::{Address, BlockManager, Verifier};
use crate::metadata::Checkpoint;
use crate::page::cell::Cells;
use crate::page::cell_write::AddressKind;
use crate::page::header::{PageFlags, PageHeader, PageType};
use crate::page::overflow;
use crate::page::row_internal::{ChildKey, RowInternal};
use crate::page::row_leaf::{RowKey, RowLeaf};
use crate::page::time_aggregate::TimeAggregate;
use crate::page::verify::{PageContext, last_key, verify_page};
use crate::page::verify_tree::{
    TimeContext, check_address_kind, check_first_key, check_separator, check_times, check_write_gen, has_overflow,
};
use crate::{Error, Result};

/// Deeper trees are refused.
const MAX_DEPTH: usize = 64;

/// A page that is still to be visited.
struct Pending {
    address: Address,
    kind: AddressKind,
    /// The separator before the page; `None` for the first child of a page.
    separator: Option<Vec<u8>>,
    aggregate: TimeAggregate,
    parent: Option<PageHeader>,
    depth: usize,
}

/// The walk. After an error [`Walk::run`] can be called again and goes on behind the page in question.
pub(super) struct Walk<'a> {
    block: &'a BlockManager,
    name: &'a str,
    file_size: u64,
    root_aggregate: TimeAggregate,
    base_write_gen: u64,
    /// Pages to visit, the next one last. `None` before the first call.
    pending: Option<Vec<Pending>>,
    /// The largest key or separator seen, and whether it is a separator.
    last: Option<(Vec<u8>, bool)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(block: &'a BlockManager, name: &'a str, checkpoint: &Checkpoint, base_write_gen: u64) -> Self {
        Self {
            block,
            name,
            file_size: block.statistics().size,
            root_aggregate: checkpoint.aggregate,
            base_write_gen,
            pending: None,
            last: None,
        }
    }

    /// Visits what is left.
    pub(super) fn run(&mut self, root: Address, verifier: &mut Verifier<'_>) -> Result<()> {
        let first = Pending {
            address: root,
            kind: AddressKind::Internal,
            separator: None,
            aggregate: self.root_aggregate,
            parent: None,
            depth: 0,
        };
        self.pending.get_or_insert_with(|| vec![first]);
        while let Some(page) = self.pending.as_mut().and_then(Vec::pop) {
            let offset = page.address.offset;
            self.visit(page, verifier).map_err(|error| error.in_object(self.name, offset))?;
        }
        Ok(())
    }

    fn visit(&mut self, page: Pending, verifier: &mut Verifier<'_>) -> Result<()> {
        if page.depth > MAX_DEPTH {
            return Err(Error::corrupt("", 0, format!("the tree is deeper than {MAX_DEPTH} levels")));
        }
        // The root belongs to the checkpoint itself, not to the blocks below it.
        if page.depth > 0 {
            verifier.block(&page.address)?;
        }
        let image = self.block.read(&page.address)?;
        let (block, name) = (self.block, self.name);
        let read_overflow = |cookie: &[u8]| read_overflow(block, name, cookie);
        let context = PageContext {
            addresses: Some((self.block.allocation_size(), self.file_size)),
            overflow_key: Some(&read_overflow),
            ..PageContext::default()
        };
        verify_page(&image, &context)?;
        let header = PageHeader::parse(&image)?;
        check_address_kind(page.kind, header.page_type, has_overflow(&image)?)?;
        if let Some(parent) = &page.parent {
            check_write_gen(parent, &header)?;
        }
        let times = TimeContext { parent: page.aggregate, stable_ts: 0, base_write_gen: self.base_write_gen };
        check_times(&image, 8, &times)?;
        self.visit_overflow(&image, &header, verifier)?;
        match header.page_type {
            PageType::RowInternal => self.visit_internal(&image, &header, page),
            PageType::RowLeaf => {
                let last = last_key(&image, &context)?;
                self.visit_leaf(&image, page.separator, last)
            }
            other => {
                let reason = format!("a {} page in a row store", other.name());
                Err(Error::corrupt("", 24, reason))
            }
        }
    }

    /// The overflow pages that a page refers to.
    fn visit_overflow(&self, image: &[u8], header: &PageHeader, verifier: &mut Verifier<'_>) -> Result<()> {
        for cell in Cells::new(header.image(image)?, header.flags.has(PageFlags::FAST_TRUNCATE)) {
            let cell = cell?;
            if !cell.kind.is_overflow() {
                continue;
            }
            let address = address(self.block, cell.data)?;
            verifier.block(&address)?;
            let block = self.block.read(&address)?;
            verify_page(&block, &PageContext::default())
                .and_then(|()| overflow::item(&block).map(|_| ()))
                .map_err(|error| error.in_object(self.name, address.offset))?;
            check_write_gen(header, &PageHeader::parse(&block)?)?;
        }
        Ok(())
    }

    fn visit_internal(&mut self, image: &[u8], header: &PageHeader, page: Pending) -> Result<()> {
        let internal = RowInternal::parse(image)?;
        let mut children = Vec::with_capacity(internal.children_max());
        for (number, child) in internal.children().enumerate() {
            let child = child?;
            let key = match child.key {
                ChildKey::Plain(span) => span.of(internal.image())?.to_vec(),
                ChildKey::Overflow(span) => read_overflow(self.block, self.name, span.of(internal.image())?)?,
            };
            let kind = AddressKind::from_cell(child.address.kind)
                .ok_or_else(|| Error::corrupt("", 0, "a child that is no address"))?;
            children.push(Pending {
                address: address(self.block, child.address.data)?,
                kind,
                // The first key of an internal page stands for "from the page's own separator on".
                separator: if number == 0 { page.separator.clone() } else { Some(key) },
                aggregate: child.address.aggregate(),
                parent: Some(*header),
                depth: page.depth + 1,
            });
        }
        if let Some(pending) = &mut self.pending {
            pending.extend(children.into_iter().rev());
        }
        Ok(())
    }

    fn visit_leaf(&mut self, image: &[u8], separator: Option<Vec<u8>>, last: Option<Vec<u8>>) -> Result<()> {
        if let Some(separator) = separator {
            if let Some((key, false)) = &self.last {
                check_separator(&separator, key, Ord::cmp)?;
            }
            self.last = Some((separator, true));
        }
        let leaf = RowLeaf::parse(image)?;
        if let Some(row) = leaf.rows().next() {
            let row = row?;
            let mut first = Vec::new();
            if !row.key.build(leaf.image(), &mut first)?
                && let RowKey::Overflow(cookie) = row.key
            {
                first = read_overflow(self.block, self.name, cookie.of(leaf.image())?)?;
            }
            if let Some((key, is_separator)) = &self.last {
                check_first_key(&first, key, *is_separator, Ord::cmp)?;
            }
        }
        if let Some(last) = last {
            self.last = Some((last, false));
        }
        Ok(())
    }
}

fn read_overflow(block: &BlockManager, name: &str, cookie: &[u8]) -> Result<Vec<u8>> {
    let address = address(block, cookie)?;
    let image = block.read(&address)?;
    overflow::item(&image).map(<[u8]>::to_vec).map_err(|error| error.in_object(name, address.offset))
}

fn address(block: &BlockManager, cookie: &[u8]) -> Result<Address> {
    block.decode_address(cookie)?.ok_or_else(|| Error::corrupt("", 0, "a reference to no block"))
}

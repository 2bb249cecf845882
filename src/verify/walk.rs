//! The walk over the tree of one checkpoint, depth first, from the lowest key to the highest.

use super::order::Order;
use super::report::{Counts, Reporter};
use super::{Bounds, Compare, File, TreeKind};
use crate::block::{Address, Verifier};
use crate::page::cell::{Cell, CellKind, Cells};
use crate::page::cell_write::AddressKind;
use crate::page::column::variable::ColumnVariable;
use crate::page::header::{PageFlags, PageHeader, PageType};
use crate::page::row_leaf::{RowKey, RowLeaf};
use crate::page::time_aggregate::TimeAggregate;
use crate::page::verify::{PageContext, ReadOverflow, last_key, root_error, verify_page};
use crate::page::verify_tree::{TimeContext, check_address_kind, check_times, check_write_gen};
use crate::page::{HEADER_SIZE, overflow};
use crate::{Error, Result};

/// Deeper trees can't be opened, so they are errors here too.
const MAX_DEPTH: usize = 64;

/// The walk under way.
pub(super) struct Walk<'a, 'v, 'r> {
    file: &'a File<'a>,
    bounds: &'a Bounds,
    blocks: &'a mut Verifier<'v>,
    reporter: &'a mut Reporter<'r>,
    order: Order<'a>,
    /// The pages from the root to the current one.
    path: Vec<Frame>,
    counts: Counts,
}

/// A page as read.
struct Page {
    address: Address,
    block: Vec<u8>,
    header: PageHeader,
    has_overflow: bool,
}

/// An internal page whose children are being visited.
struct Frame {
    page: Page,
    /// The next cell.
    offset: usize,
    is_first: bool,
}

/// What an internal page says of a child.
struct Child {
    address: Address,
    kind: AddressKind,
    aggregate: TimeAggregate,
    /// `None` for the first child of a page.
    separator: Option<Vec<u8>>,
    /// In column stores.
    recno: Option<u64>,
}

impl<'a, 'v, 'r> Walk<'a, 'v, 'r> {
    pub(super) fn new(
        file: &'a File<'a>,
        bounds: &'a Bounds,
        blocks: &'a mut Verifier<'v>,
        reporter: &'a mut Reporter<'r>,
    ) -> Self {
        let order = Order::new(file.input.kind, file.compare());
        Self { file, bounds, blocks, reporter, order, path: Vec::new(), counts: Counts::default() }
    }

    /// Walks the whole tree.
    pub(super) fn run(mut self, root: Address) -> Result<Counts> {
        let page = self.root(root);
        self.enter(page)?;
        while let Some(mut frame) = self.path.pop() {
            match self.next_child(&mut frame) {
                Ok(None) => {}
                Ok(Some(child)) => {
                    let page = self.child(child, &frame);
                    self.path.push(frame);
                    self.enter(page)?;
                }
                // A page that has been checked ends early only if an overflow key can't be read.
                Err(error) => self.enter(Err(error))?,
            }
        }
        Ok(self.counts)
    }

    /// Goes down into a page that has been checked; after a leaf (`None`) or an error the walk goes on behind it.
    fn enter(&mut self, page: Result<Option<Page>>) -> Result<()> {
        match page {
            Ok(None) => Ok(()),
            Ok(Some(page)) if self.path.len() < MAX_DEPTH => {
                self.path.push(Frame { page, offset: HEADER_SIZE, is_first: true });
                Ok(())
            }
            Ok(Some(page)) => {
                self.order.skipped();
                let reason = format!("the tree is deeper than {MAX_DEPTH} levels");
                self.reporter.problem(Error::corrupt(self.file.name, page.address.offset, reason))
            }
            Err(error) => {
                self.order.skipped();
                self.reporter.problem(error)
            }
        }
    }

    fn root(&mut self, address: Address) -> Result<Option<Page>> {
        let page = self.load(address).map_err(|error| root_error(self.file.input.uri, &error))?;
        let aggregate = self.bounds.aggregate;
        self.relate(page, &Child { address, kind: AddressKind::Internal, aggregate, separator: None, recno: None })
    }

    fn child(&mut self, child: Child, parent: &Frame) -> Result<Option<Page>> {
        let mut child = child;
        let offset = child.address.offset;
        if let Some(separator) = child.separator.take() {
            let checked = self.order.separator(separator);
            checked.map_err(|error| self.file.located(parent.page.address.offset, error))?;
        }
        if let Some(recno) = child.recno {
            self.order.child_at(recno).map_err(|error| self.file.located(offset, error))?;
        }
        self.blocks.block(&child.address)?;
        let page = self.load(child.address)?;
        check_write_gen(&parent.page.header, &page.header).map_err(|error| self.file.located(offset, error))?;
        self.relate(page, &child)
    }

    /// Reads a page and checks it on its own, with its overflow pages.
    fn load(&mut self, address: Address) -> Result<Page> {
        let located = |error| self.file.located(address.offset, error);
        let block = self.file.read(&address)?;
        let header = PageHeader::parse(&block).map_err(located)?;
        verify_page(&block, &self.context(None)).map_err(located)?;
        self.check_tree_kind(header.page_type).map_err(located)?;
        let (has_overflow, has_overflow_key) = self.overflow_pages(&block, &header, address.offset)?;
        if has_overflow_key {
            // Only now, as each overflow block has been found to be referred to once: the work stays in proportion.
            let read = |cookie: &[u8]| self.file.overflow_item(cookie);
            verify_page(&block, &self.context(Some(&read))).map_err(located)?;
        }
        Ok(Page { address, block, header, has_overflow })
    }

    /// Checks a page against what refers to it. Gives back an internal page.
    fn relate(&mut self, page: Page, child: &Child) -> Result<Option<Page>> {
        let located = |error| self.file.located(page.address.offset, error);
        check_address_kind(child.kind, page.header.page_type, page.has_overflow).map_err(located)?;
        if self.bounds.has_times {
            let context = TimeContext {
                parent: child.aggregate,
                stable_ts: self.file.input.options.stable_timestamp,
                base_write_gen: self.bounds.base_write_gen,
            };
            check_times(&page.block, self.bits(), &context).map_err(located)?;
        }
        let rows = match page.header.page_type {
            PageType::RowLeaf => self.row_leaf(&page),
            PageType::ColumnVariable => self.column_variable(&page),
            PageType::ColumnFixed => {
                let count = u64::from(page.header.entries);
                self.order.records(count).map(|()| count)
            }
            _ => Ok(0),
        };
        self.counts.rows = self.counts.rows.saturating_add(rows.map_err(located)?);
        let is_internal = page.header.page_type.is_internal();
        let count = if is_internal { &mut self.counts.internal_pages } else { &mut self.counts.leaf_pages };
        *count = count.saturating_add(1);
        self.page_done(&page.address);
        Ok(is_internal.then_some(page))
    }

    fn page_done(&mut self, address: &Address) {
        self.counts.bytes = self.counts.bytes.saturating_add(u64::from(address.size));
        self.reporter.page_done(u64::from(address.size));
    }

    /// Passes a leaf of keys and counts its rows.
    fn row_leaf(&mut self, page: &Page) -> Result<u64> {
        let read = |cookie: &[u8]| self.file.overflow_item(cookie);
        let leaf = RowLeaf::open(&page.block)?;
        let rows = leaf.rows().try_fold(0u64, |rows, row| row.map(|_| rows.saturating_add(1)))?;
        let Some(first) = leaf.rows().next() else { return Ok(0) };
        let mut first_key = Vec::new();
        let first = first?;
        if let RowKey::Overflow(cookie) = first.key {
            first_key = read(cookie.of(leaf.image())?)?;
        } else {
            first.key.build(leaf.image(), &mut first_key)?;
        }
        match last_key(&page.block, &self.context(Some(&read)))? {
            Some(last_key) => self.order.leaf(&first_key, last_key).map(|()| rows),
            None => Ok(rows),
        }
    }

    /// Passes a leaf of runs and counts its records.
    fn column_variable(&mut self, page: &Page) -> Result<u64> {
        let count = ColumnVariable::open(&page.block)?.runs().try_fold(0u64, |count, run| {
            let run = run?;
            count.checked_add(run.count).ok_or_else(|| Error::corrupt("", 0, "record numbers that overflow"))
        })?;
        self.order.records(count).map(|()| count)
    }

    /// Checks the overflow pages of a page; says whether it has any, and whether any holds a key.
    fn overflow_pages(&mut self, block: &[u8], header: &PageHeader, offset: u64) -> Result<(bool, bool)> {
        if !matches!(header.page_type, PageType::RowLeaf | PageType::RowInternal | PageType::ColumnVariable) {
            return Ok((false, false));
        }
        let (mut any, mut key) = (false, false);
        let located = |error| self.file.located(offset, error);
        let image = header.image(block).map_err(located)?;
        for cell in Cells::new(image, header.flags.has(PageFlags::FAST_TRUNCATE)) {
            let cell = cell.map_err(|error| self.file.located(offset, error))?;
            if cell.kind.is_overflow() {
                any = true;
                key |= cell.kind == CellKind::KeyOverflow;
                self.overflow_page(&cell, offset)?;
            }
        }
        Ok((any, key))
    }

    fn overflow_page(&mut self, cell: &Cell<'_>, parent: u64) -> Result<()> {
        let address = self.file.address(cell, parent)?;
        self.blocks.block(&address)?;
        let block = self.file.read(&address)?;
        let located = |error| self.file.located(address.offset, error);
        overflow::item(&block).map_err(located)?;
        verify_page(&block, &self.context(None)).map_err(located)?;
        self.counts.overflow_pages = self.counts.overflow_pages.saturating_add(1);
        self.page_done(&address);
        Ok(())
    }

    /// The next child of a page.
    fn next_child(&self, frame: &mut Frame) -> Result<Option<Child>> {
        let page = &frame.page;
        let located = |error| self.file.located(page.address.offset, error);
        let image = page.header.image(&page.block).map_err(located)?;
        if frame.offset >= image.len() {
            return Ok(None);
        }
        let delete_info = page.header.flags.has(PageFlags::FAST_TRUNCATE);
        let mut cell = Cell::decode(image, frame.offset, delete_info).map_err(located)?;
        frame.offset = cell.end();
        let mut separator = None;
        if cell.kind.is_key() {
            let key = cell;
            cell = Cell::decode(image, frame.offset, delete_info).map_err(located)?;
            frame.offset = cell.end();
            separator = match key.kind {
                // The first key means nothing.
                _ if frame.is_first => None,
                CellKind::KeyOverflow => Some(self.file.overflow_item(key.data)?),
                _ => Some(key.data.to_vec()),
            };
        }
        frame.is_first = false;
        let kind = AddressKind::from_cell(cell.kind);
        let kind = kind.ok_or_else(|| located(Error::corrupt("", 0, "a key without an address")))?;
        let mut aggregate = cell.aggregate();
        if page.header.write_gen <= self.bounds.base_write_gen {
            aggregate.forget_transactions();
        }
        let address = self.file.address(&cell, page.address.offset)?;
        let recno = (page.header.page_type == PageType::ColumnInternal).then_some(cell.number.unwrap_or(0));
        Ok(Some(Child { address, kind, aggregate, separator, recno }))
    }

    /// Checks that a page belongs to this kind of tree.
    fn check_tree_kind(&self, found: PageType) -> Result<()> {
        let fits = match self.file.input.kind {
            TreeKind::Row => matches!(found, PageType::RowInternal | PageType::RowLeaf),
            TreeKind::ColumnVariable => matches!(found, PageType::ColumnInternal | PageType::ColumnVariable),
            TreeKind::ColumnFixed { .. } => matches!(found, PageType::ColumnInternal | PageType::ColumnFixed),
        };
        if fits {
            return Ok(());
        }
        Err(Error::corrupt("", 24, format!("a {} page in a tree of another kind", found.name())))
    }

    fn bits(&self) -> u8 {
        match self.file.input.kind {
            TreeKind::ColumnFixed { bits } => bits,
            _ => 8,
        }
    }

    fn context<'c>(&'c self, overflow_key: Option<&'c ReadOverflow<'c>>) -> PageContext<'c> {
        PageContext {
            compare: self.file.compare(),
            addresses: Some((self.file.manager.allocation_size(), self.bounds.file_size)),
            bits: self.bits(),
            overflow_key,
        }
    }
}

impl File<'_> {
    fn compare(&self) -> &Compare<'_> {
        self.input.compare.unwrap_or(&|a: &[u8], b: &[u8]| a.cmp(b))
    }

    /// A block of the tree; one that is neither compressed nor encrypted with its padding.
    fn read(&self, address: &Address) -> Result<Vec<u8>> {
        let block = self.input.transform.open(self.manager.read(address)?);
        block.map_err(|error| self.located(address.offset, error))
    }

    /// An overflow item.
    fn overflow_item(&self, cookie: &[u8]) -> Result<Vec<u8>> {
        let address = self.manager.decode_address(cookie)?;
        let address = address.ok_or_else(|| Error::corrupt(self.name, 0, "an overflow item without an address"))?;
        let block = self.read(&address)?;
        Ok(overflow::item(&block).map_err(|error| self.located(address.offset, error))?.to_vec())
    }

    /// The address in a cell of the page at `parent`.
    fn address(&self, cell: &Cell<'_>, parent: u64) -> Result<Address> {
        let missing = || self.located(parent, Error::corrupt("", 0, "an address of no block"));
        self.manager.decode_address(cell.data)?.ok_or_else(missing)
    }
}

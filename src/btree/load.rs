//! Reading pages from disk into memory.
//!
//! What is checked here, because everything else relies on it, whatever the bytes:
//! * a leaf's keys ascend strictly and lie within the bounds its ancestors set;
//! * an internal page's separators ascend strictly and lie within its own bounds, and the tree isn't too deep.
//!
//! So every search and every walk makes progress and ends, also in a file that somebody made up.
//!
//! Rows without time window and with plain cells stay where they are on the image; all others become rows with versions.

use super::address::ChildAddress;
use super::arena::Arena;
use super::internal::{Internal, OnDisk, Target, address, internal_link, leaf_link, on_disk_link};
use super::leaf::{Leaf, MAX_IMAGE_KEY, MAX_IMAGE_OFFSET, image_word, is_image_word, push_image_row};
use super::tree::{MAX_DEPTH, Pin, Tree};
use super::version::{Kind, Row, Version};
use super::windows::{History, HistorySearch, Windows};
use crate::block::Address;
use crate::os::page_memory::PageBuffer;
use crate::page::cell::{Cell, CellKind};
use crate::page::cell_write::AddressKind;
use crate::page::header::{PageFlags, PageHeader, PageType};
use crate::page::row_leaf::{RowKey, RowLeaf, RowValue};
use crate::page::time_aggregate::PageDelete;
use crate::page::time_window::TimeWindow;
use crate::page::{self, Span};
use crate::txn::{CheckpointView, Reader};
use hardwired_plugin::{Error, Result};
use std::sync::Arc;

/// A page's bytes, cut to its image.
struct Page<I> {
    header: PageHeader,
    image: I,
    address: Address,
}

impl Tree {
    /// Brings the child behind `link` into memory, unless somebody else does or did. The caller descends again.
    #[cold]
    pub(super) fn load(&self, pin: &Pin<'_>, on_disk: &OnDisk, link: u64, target: Target<'_>) -> Result<()> {
        let mut done = on_disk.loading.lock();
        if *done {
            return Ok(());
        }
        let Some(parent) = self.find_parent(pin, target, link) else { return Ok(()) };
        if parent.depth >= MAX_DEPTH {
            return Err(Error::corrupt(
                &self.name,
                on_disk.child.address.offset,
                format!("the tree is deeper than {MAX_DEPTH} levels"),
            ));
        }
        self.make_room_for_page();
        let low = parent.low.unwrap_or_default();
        let page = self.read_page(on_disk.child.address)?;
        let new = match (page.header.page_type, on_disk.child.kind) {
            (PageType::RowInternal, AddressKind::Internal) => {
                let internal = self.internal_from_page(&page, parent.low, parent.high)?;
                {
                    let mut inner = internal.latch.lock();
                    inner.disk = vec![on_disk.child.clone()];
                    self.account_internal(&internal, &mut inner);
                }
                internal_link(internal)
            }
            (PageType::RowLeaf, AddressKind::Leaf | AddressKind::LeafNoOverflow | AddressKind::Deleted) => {
                let page = Page { header: page.header, image: PageBuffer::copy_of(&page.image), address: page.address };
                let leaf = self.leaf_from_page(page, on_disk.child.clone(), low, parent.high)?;
                self.check_keys(&leaf, low, parent.high)
                    .map_err(|error| error.in_object(&self.name, on_disk.child.address.offset))?;
                leaf.touch(self.cache.generation());
                self.account(&leaf, &mut leaf.latch.lock());
                leaf_link(leaf)
            }
            (found, expected) => {
                return Err(self.corrupt(&page, 24, format!("a {} page behind a {expected:?} address", found.name())));
            }
        };
        self.replace_child(pin, target, link, &[(&[], new)]);
        *done = true;
        // SAFETY: unlinked by `replace_child`; the loading lock, held until here, makes this the only thread to do so.
        unsafe { self.txns.reclaimer().retire(address::<OnDisk>(link), size_of::<OnDisk>()) };
        Ok(())
    }

    /// Reads and checks the root page.
    pub(super) fn read_root(&self, address: Address) -> Result<Internal> {
        let page = self.read_page(address)?;
        if page.header.page_type != PageType::RowInternal {
            let found = page.header.page_type.name();
            return Err(self.corrupt(&page, 24, format!("a {found} page as root of a row store")));
        }
        self.internal_from_page(&page, None, None)
    }

    /// The bytes of an overflow item.
    pub(super) fn read_overflow(&self, cookie: &[u8]) -> Result<Vec<u8>> {
        let address = self
            .block
            .decode_address(cookie)?
            .ok_or_else(|| Error::corrupt(&self.name, 0, "an overflow item without an address"))?;
        let mut page = self.read_page(address)?;
        if page.header.page_type != PageType::Overflow {
            let found = page.header.page_type.name();
            return Err(self.corrupt(&page, 24, format!("a {found} page where an overflow item is wanted")));
        }
        let end = crate::page::HEADER_SIZE.saturating_add(page.header.entries as usize);
        if end > page.image.len() {
            return Err(self.corrupt(&page, 20, "an overflow item that is longer than its page".to_owned()));
        }
        page.image.truncate(end);
        page.image.drain(..crate::page::HEADER_SIZE);
        Ok(page.image)
    }

    /// The addresses of overflow blocks.
    pub(super) fn overflow_addresses<'a>(&self, cookies: impl Iterator<Item = &'a Box<[u8]>>) -> Result<Vec<Address>> {
        cookies.filter_map(|cookie| self.block.decode_address(cookie).transpose()).collect()
    }

    fn read_page(&self, address: Address) -> Result<Page<Vec<u8>>> {
        let image = self.block.read(&address)?;
        let image = self.settings.transform.open(image);
        let mut image = image.map_err(|error| error.in_object(&self.name, address.offset))?;
        let header = PageHeader::parse(&image).map_err(|error| error.in_object(&self.name, address.offset))?;
        let len = header.image(&image).map_err(|error| error.in_object(&self.name, address.offset))?.len();
        image.truncate(len);
        Ok(Page { header, image, address })
    }

    #[cold]
    fn corrupt<I>(&self, page: &Page<I>, offset: usize, reason: String) -> Error {
        Error::corrupt(&self.name, page.address.offset.saturating_add(offset as u64), reason)
    }

    fn internal_from_page(&self, page: &Page<Vec<u8>>, low: Option<&[u8]>, high: Option<&[u8]>) -> Result<Internal> {
        let order = &self.settings.order;
        let delete_info = page.header.flags.has(PageFlags::FAST_TRUNCATE);
        let mut children: Vec<ChildAddress> = Vec::new();
        let mut key: Option<Vec<u8>> = None;
        for cell in crate::page::cell::Cells::new(&page.image, delete_info) {
            let cell = cell.map_err(|error| error.in_object(&self.name, page.address.offset))?;
            let is_key = cell.kind.is_key();
            if !cell.kind.allowed_on(PageType::RowInternal) || is_key == key.is_some() {
                return Err(self.corrupt(page, cell.offset, "not a pair of key and address".to_owned()));
            }
            if is_key {
                key = Some(if cell.kind == CellKind::KeyOverflow {
                    self.read_overflow(cell.data)?
                } else {
                    cell.data.to_vec()
                });
                continue;
            }
            let mut separator = key.take().unwrap_or_default();
            if children.is_empty() {
                // The first key of a page means nothing, whatever it is.
                separator = low.unwrap_or_default().to_vec();
            }
            let previous = children.last().map_or(low, |child| Some(&child.separator[..]));
            let misplaced = !children.is_empty()
                && (previous.is_some_and(|previous| order.compare(&separator, previous).is_le())
                    || high.is_some_and(|high| order.compare(&separator, high).is_ge()));
            order.check()?;
            if misplaced {
                return Err(self.corrupt(page, cell.offset, "separators out of order".to_owned()));
            }
            children.push(self.child_from_cell(page, &cell, separator.into())?);
        }
        if children.is_empty() || key.is_some() {
            return Err(self.corrupt(page, page.image.len(), "an internal page without children".to_owned()));
        }
        let links: Vec<(Box<[u8]>, u64)> =
            children.into_iter().map(|child| (child.separator.clone(), on_disk_link(child))).collect();
        let mut borrowed: Vec<(&[u8], u64)> = links.iter().map(|(key, link)| (&key[..], *link)).collect();
        borrowed[0].0 = &[];
        Ok(Internal::new(&borrowed, order))
    }

    fn child_from_cell(&self, page: &Page<Vec<u8>>, cell: &Cell<'_>, separator: Box<[u8]>) -> Result<ChildAddress> {
        let kind = AddressKind::from_cell(cell.kind)
            .ok_or_else(|| self.corrupt(page, cell.offset, "not an address".to_owned()))?;
        let address = self
            .block
            .decode_address(cell.data)?
            .ok_or_else(|| self.corrupt(page, cell.offset, "a child without an address".to_owned()))?;
        let (mut aggregate, mut page_delete) = (cell.aggregate(), cell.page_delete);
        if page.header.write_gen <= self.base_write_gen {
            aggregate.forget_transactions();
            if let Some(delete) = &mut page_delete {
                delete.forget_transactions();
            }
        }
        Ok(ChildAddress { separator, address, kind, aggregate, page_delete })
    }

    /// A leaf made of a page image that was just written.
    pub(super) fn leaf_from_image(
        &self,
        image: PageBuffer,
        child: ChildAddress,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Result<Leaf> {
        let header = PageHeader::parse(&image)?;
        let leaf = self.leaf_from_page(Page { header, image, address: child.address }, child, low, high)?;
        debug_assert!(self.check_keys(&leaf, low, high).is_ok());
        Ok(leaf)
    }

    /// A leaf of the rows on `page`. Its keys are still to be checked.
    fn leaf_from_page(
        &self,
        page: Page<PageBuffer>,
        child: ChildAddress,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Result<Leaf> {
        let deleted = (child.kind == AddressKind::Deleted).then(|| child.page_delete.unwrap_or_default());
        let mut builder = LeafBuilder {
            tree: self,
            page: &page,
            deleted,
            arena: Arena::default(),
            rebuilt: None,
            words: Vec::with_capacity(page.header.entries as usize % (1 << 16) / 2 + 1),
            overflow: Vec::new(),
            last_key: Vec::new(),
            rows: 0,
            max_txn: 0,
            history: None,
        };
        builder.read()?;
        let LeafBuilder { arena, rebuilt, words, overflow, max_txn, .. } = builder;
        let has_cells = rebuilt.is_none();
        let image = rebuilt.map_or(page.image, |rebuilt| PageBuffer::copy_of(&rebuilt));
        let mut leaf = Leaf::new(image, arena, words.len(), &self.settings.order, low, high);
        if has_cells {
            leaf.set_has_cells();
        }
        leaf.fill(&words);
        {
            let mut inner = leaf.latch.lock();
            inner.disk = vec![child];
            inner.overflow = overflow;
            leaf.raise_max_txn(max_txn);
            let bytes = leaf.bytes(&inner);
            inner.split_bytes = self.split_bytes().max(bytes.saturating_mul(3) / 2);
        }
        Ok(leaf)
    }

    /// See the module.
    fn check_keys(&self, leaf: &Leaf, low: &[u8], high: Option<&[u8]>) -> Result<()> {
        let order = &self.settings.order;
        let mut previous: Option<&[u8]> = None;
        for index in 0..leaf.slots.len() {
            let key = leaf.key_of(leaf.slots.word(index));
            let ascends = match previous {
                None => order.compare(key, low).is_ge(),
                Some(previous) => order.compare(key, previous).is_gt(),
            };
            if !ascends {
                return Err(Error::corrupt("", 0, "keys out of order"));
            }
            previous = Some(key);
        }
        if let (Some(last), Some(high)) = (previous, high)
            && order.compare(last, high).is_ge()
        {
            return Err(Error::corrupt("", 0, "a key beyond the page's upper bound"));
        }
        order.check()
    }
}

/// Turns the cells of a leaf into slot words.
struct LeafBuilder<'a> {
    tree: &'a Tree,
    page: &'a Page<PageBuffer>,
    deleted: Option<PageDelete>,
    arena: Arena,
    /// A new image, if the page's own can't serve (prefix-compressed keys).
    rebuilt: Option<Vec<u8>>,
    words: Vec<u64>,
    overflow: Vec<Box<[u8]>>,
    /// The last key that wasn't an overflow key, for prefixes; only kept up to date once a prefix was met.
    last_key: Vec<u8>,
    /// Rows met so far, whether they are shown or not.
    rows: usize,
    max_txn: u64,
    history: Option<Box<dyn HistorySearch>>,
}

impl LeafBuilder<'_> {
    fn read(&mut self) -> Result<()> {
        let page = self.page;
        let located = |error: Error| error.in_object(&self.tree.name, page.address.offset);
        let leaf = RowLeaf::open(&page.image).map_err(located)?;
        let mut rows = leaf.rows();
        let mut row = page::row_leaf::Row::EMPTY;
        let in_place = self.deleted.is_none() && !matches!(self.tree.windows, Windows::Kept);
        while rows.read(&mut row).map_err(located)? {
            match (row.key, row.value, row.window) {
                (RowKey::Plain(key), value, None) if in_place && self.rebuilt.is_none() => {
                    self.push_in_place(key, value)?;
                }
                _ => self.push_elsewhere(&row)?,
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// A row that stays where it is on the page's image, if its cells are of the plain forms.
    #[inline]
    fn push_in_place(&mut self, key: Span, value: RowValue) -> Result<()> {
        let (offset, key_len) = (key.offset as usize, key.len as usize);
        let plain = match value {
            RowValue::Absent => true,
            // The value cell of a whole-page row follows its key, in the short form or the long form without extras.
            RowValue::Plain(_) => {
                self.page.image.get(offset + key_len).is_some_and(|first| first & 3 == 3 || *first == PLAIN_VALUE)
            }
            RowValue::Overflow(_) => false,
        };
        if plain && key_len <= MAX_IMAGE_KEY && offset <= MAX_IMAGE_OFFSET {
            // An explicit empty value cell is the same as none.
            let has_value = matches!(value, RowValue::Plain(value) if value.len > 0);
            self.words.push(image_word(offset, key_len, has_value));
            Ok(())
        } else {
            self.push_elsewhere(&page::row_leaf::Row { key: RowKey::Plain(key), value, window: None })
        }
    }

    /// A row whose key has to be put together, or whose value isn't plain.
    fn push_elsewhere(&mut self, row: &page::row_leaf::Row) -> Result<()> {
        let page = self.page;
        let located = |error: Error| error.in_object(&self.tree.name, page.address.offset);
        let key = match row.key {
            RowKey::Overflow(cookie) => {
                let cookie = cookie.of(&page.image).map_err(located)?;
                self.overflow.push(cookie.into());
                self.tree.read_overflow(cookie)?
            }
            key => {
                if matches!(key, RowKey::Prefixed { .. }) {
                    self.rebuild()?;
                }
                let mut whole = std::mem::take(&mut self.last_key);
                key.build(&page.image, &mut whole).map_err(located)?;
                self.last_key.clone_from(&whole);
                whole
            }
        };
        let simple = row.window.is_none()
            && self.deleted.is_none()
            && key.len() <= MAX_IMAGE_KEY
            && !matches!(self.tree.windows, Windows::Kept);
        if let (true, RowValue::Absent | RowValue::Plain(_), Some(rebuilt)) = (simple, row.value, &mut self.rebuilt)
            && rebuilt.len() <= MAX_IMAGE_OFFSET
        {
            let value = match row.value {
                RowValue::Plain(value) => value.of(&page.image).map_err(located)?,
                _ => &[],
            };
            self.words.push(push_image_row(rebuilt, &key, value));
            return Ok(());
        }
        self.push_row(&key, row)
    }

    /// From here on rows go to a new image, and those so far are copied there.
    fn rebuild(&mut self) -> Result<()> {
        if self.rebuilt.is_some() {
            return Ok(());
        }
        let page = self.page;
        let mut rebuilt = Vec::with_capacity(page.image.len().saturating_mul(2));
        let order = &self.tree.settings.order;
        let old = Leaf::new(PageBuffer::copy_of(&page.image), Arena::default(), 0, order, &[], None);
        for word in &mut self.words {
            if is_image_word(*word) {
                let (key, value) = old.image_row(*word);
                *word = push_image_row(&mut rebuilt, key, value);
            }
        }
        // The closest key before this row that isn't an overflow key.
        let leaf = RowLeaf::open(&page.image)?;
        let mut last_key = Vec::new();
        for row in leaf.rows().take(self.rows) {
            row?.key.build(&page.image, &mut last_key)?;
        }
        self.last_key = last_key;
        self.rebuilt = Some(rebuilt);
        Ok(())
    }

    /// A row with versions: for a value with a time window, off-page, or shared with another row.
    fn push_row(&mut self, key: &[u8], row: &page::row_leaf::Row) -> Result<()> {
        let page = self.page;
        let located = |error: Error| error.in_object(&self.tree.name, page.address.offset);
        let mut window = row.window.unwrap_or(TimeWindow::DEFAULT);
        if page.header.write_gen <= self.tree.base_write_gen {
            window.forget_transactions();
        }
        if let (Some(delete), false) = (self.deleted, window.has_stop()) {
            window.stop_txn = delete.txn;
            window.stop_ts = delete.ts;
            window.durable_stop_ts = delete.durable_ts;
        }
        let (kind, data) = match row.value {
            RowValue::Absent => (Kind::Standard, &[][..]),
            RowValue::Plain(value) => (Kind::Standard, value.of(&page.image).map_err(located)?),
            RowValue::Overflow(cookie) => {
                let cookie = cookie.of(&page.image).map_err(located)?;
                self.overflow.push(cookie.into());
                (Kind::Overflow, cookie)
            }
        };
        let tree = self.tree;
        match &tree.windows {
            Windows::Versions if window.prepare => {
                let what = format!("{}: prepared updates on a page are not built yet", tree.name);
                Err(Error::unsupported(what))
            }
            Windows::Versions => {
                self.push_versions(key, kind, data, &window);
                Ok(())
            }
            Windows::ReadOnly(history) => self.push_read_only(key, kind, data, &window, history.is_some()),
            Windows::At(view, history) => self.push_view(key, kind, data, &window, view, history.as_ref()),
            Windows::Kept => {
                let mut value = Vec::with_capacity(data.len().saturating_add(64));
                window.pack(&mut value);
                match kind {
                    Kind::Overflow => value.extend_from_slice(&tree.read_overflow(data)?),
                    _ => value.extend_from_slice(data),
                }
                self.push_version(key, Kind::Standard, &value);
                Ok(())
            }
        }
    }

    /// A row with one version that everybody sees.
    fn push_version(&mut self, key: &[u8], kind: Kind, data: &[u8]) {
        self.push_versions(key, kind, data, &TimeWindow::DEFAULT);
    }

    /// A row whose value has a start and perhaps a stop.
    fn push_versions(&mut self, key: &[u8], kind: Kind, data: &[u8], window: &TimeWindow) {
        let row = Row::new_in(&mut self.arena, key, 0);
        self.push_start(row, kind, data, window);
        if window.has_stop() {
            self.push_stop(row, Kind::Tombstone, window);
        }
        self.words.push(row.word());
    }

    fn push_start(&mut self, row: Row<'_>, kind: Kind, data: &[u8], window: &TimeWindow) {
        let version = Version::new_in(&mut self.arena, window.start_txn, kind, data);
        version.set_timestamps(window.start_ts, window.durable_start_ts);
        row.push(version);
        self.max_txn = self.max_txn.max(window.start_txn);
    }

    fn push_stop(&mut self, row: Row<'_>, kind: Kind, window: &TimeWindow) {
        let stop_txn = if window.stop_txn == crate::txn::TXN_MAX { 0 } else { window.stop_txn };
        let stop = Version::new_in(&mut self.arena, stop_txn, kind, &[]);
        stop.set_timestamps(window.stop_ts, window.durable_stop_ts);
        row.push(stop);
        self.max_txn = self.max_txn.max(stop_txn);
    }

    /// The same for a tree that is only read: a prepared start or stop is marked, and what is older is in the history store.
    fn push_read_only(
        &mut self,
        key: &[u8],
        kind: Kind,
        data: &[u8],
        window: &TimeWindow,
        has_history: bool,
    ) -> Result<()> {
        let row = Row::new_in(&mut self.arena, key, 0);
        let at_start = window.prepare && prepare_is_of_start(window);
        if has_history && (at_start || window.start_ts != 0 || window.start_txn != 0) {
            row.push(Version::new_in(&mut self.arena, crate::txn::TXN_NONE, Kind::History, &[]));
        }
        match kind {
            Kind::Overflow if at_start => {
                let item = self.tree.read_overflow(data)?;
                self.push_start(row, Kind::Prepared, &item, window);
            }
            kind => self.push_start(row, if at_start { Kind::Prepared } else { kind }, data, window),
        }
        if window.has_stop() && !at_start {
            self.push_stop(row, if window.prepare { Kind::Prepared } else { Kind::Tombstone }, window);
        }
        self.words.push(row.word());
        Ok(())
    }

    /// What a checkpoint's view shows of a row, if anything (transactions specification, sections 9.3 and 14). What is
    /// prepared isn't shown.
    fn push_view(
        &mut self,
        key: &[u8],
        kind: Kind,
        data: &[u8],
        window: &TimeWindow,
        view: &CheckpointView,
        history: Option<&Arc<dyn History>>,
    ) -> Result<()> {
        let at_start = window.prepare && prepare_is_of_start(window);
        let stopped = window.has_stop()
            && !window.prepare
            && view.sees_point(window.stop_txn, window.stop_ts, window.durable_stop_ts);
        if stopped {
            return Ok(());
        }
        if !at_start && view.sees_point(window.start_txn, window.start_ts, window.durable_start_ts) {
            self.push_version(key, kind, data);
            return Ok(());
        }
        let Some(history) = history else { return Ok(()) };
        let tree = self.tree;
        let mut on_page = || match kind {
            Kind::Overflow => tree.read_overflow(data).map(Some),
            _ => Ok(Some(data.to_vec())),
        };
        let mut value = Vec::new();
        let search = self.history.get_or_insert_with(|| history.search());
        if search.find(view, key, &mut on_page, &mut value)? {
            self.push_version(key, Kind::Standard, &value);
        }
        Ok(())
    }
}

/// Whether it is the start that is prepared: there is no stop, or both are of one transaction.
fn prepare_is_of_start(window: &TimeWindow) -> bool {
    !window.has_stop() || window.start_ts == window.stop_ts && window.start_txn == window.stop_txn
}

/// Descriptor of a long value cell without time window and repeat count.
const PLAIN_VALUE: u8 = 0x80;

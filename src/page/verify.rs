//! Checking one page as `verify` does, and as opening a tree does with its root (format specification, section 14).
//!
//! Invariants
//! 1. A page that passes can be read by every reader of this module without error.
//! 2. What the real engine accepts although it never writes it is accepted here too (explicit empty values, prefix cells of
//!    length 0, windows without count, long forms that aren't minimal, ...).
//! 3. Memory is needed for two keys at a time, whatever the page says.
//!
//! Not here: relations between pages ([`super::verify_tree`]), and whether each block of a file is used exactly once.

use std::cmp::Ordering;

use hardwired_plugin::{Error, Result};

use super::address::Address;
use super::cell::{Cell, CellKind, CellTime, Cells};
use super::column::{fixed::ColumnFixed, variable::ColumnVariable};
use super::header::{PageFlags, PageHeader, PageType, VERSION_TIMESTAMPS};
use super::overflow;
use super::row_internal::RowInternal;
use super::row_leaf::{RowKey, RowLeaf};
use super::{HEADER_SIZE, Span, corrupt, widen};

/// Reads an overflow item from its cookie.
pub type ReadOverflow<'a> = dyn Fn(&[u8]) -> Result<Vec<u8>> + 'a;

/// What a check of a page has to know of its file.
#[derive(Clone, Copy)]
pub struct PageContext<'a> {
    /// How keys are ordered.
    pub compare: &'a dyn Fn(&[u8], &[u8]) -> Ordering,
    /// Allocation size and size of the file in the checkpoint, in bytes, to check that addresses lie within it; `None` for
    /// a block manager whose cookies are opaque.
    pub addresses: Option<(u32, u64)>,
    /// Bits of a value, in a fixed-length column store.
    pub bits: u8,
    /// Reads an overflow key from its cookie, so that its order can be checked. Without it overflow keys are skipped.
    pub overflow_key: Option<&'a ReadOverflow<'a>>,
}

impl std::fmt::Debug for PageContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageContext").field("addresses", &self.addresses).field("bits", &self.bits).finish()
    }
}

impl Default for PageContext<'_> {
    /// Byte-wise order, opaque addresses, values of 8 bits.
    fn default() -> Self {
        Self { compare: &|a: &[u8], b: &[u8]| a.cmp(b), addresses: None, bits: 8, overflow_key: None }
    }
}

/// Checks everything about a page that can be seen in the page alone.
///
/// `block` is the image after decryption and decompression, with its padding if the block was neither.
///
/// # Errors
/// `Corrupt` (code `WT_ERROR`) with offset and reason; `EINVAL` for time windows, aggregates and addresses that can't be.
pub fn verify_page(block: &[u8], context: &PageContext<'_>) -> Result<()> {
    let header = PageHeader::parse(block)?;
    check_header(&header)?;
    let image = header.image(block)?;
    check_padding(block, &header)?;
    match header.page_type {
        PageType::BlockManager => check_length(image, &header),
        PageType::Overflow => overflow::item(block).map(|_| ()),
        PageType::ColumnFixed => check_column_fixed(block, context),
        PageType::ColumnInternal => check_cells(image, &header, context),
        PageType::ColumnVariable => {
            check_cells(image, &header, context)?;
            check_runs(image)?;
            // The record numbers of all runs are numbers.
            ColumnVariable::open(block)?.runs().try_for_each(|run| run.map(|_| ()))
        }
        PageType::RowInternal => {
            check_cells(image, &header, context)?;
            check_internal_keys(block, context)
        }
        PageType::RowLeaf => {
            check_cells(image, &header, context)?;
            check_leaf_flags(image, &header)?;
            check_leaf_keys(block, context)
        }
    }
}

/// Checks what the header alone must satisfy.
///
/// # Errors
/// `Corrupt` with the field's offset.
pub fn check_header(header: &PageHeader) -> Result<()> {
    let name = header.page_type.name();
    if header.page_type.is_column() != (header.recno != 0) {
        return Err(corrupt(0, format!("{name} page has a record number of {}", header.recno)));
    }
    let both_empty = header.flags.has(PageFlags::EMPTY_VALUES_ALL) && header.flags.has(PageFlags::EMPTY_VALUES_NONE);
    if header.flags.has(PageFlags::UNUSED) || (header.page_type == PageType::RowLeaf && both_empty) {
        return Err(corrupt(25, format!("{name} page has invalid flags set: {:#x}", header.flags.0)));
    }
    if header.unused != 0 {
        return Err(corrupt(26, format!("{name} page has a non-zero unused byte")));
    }
    if header.version > VERSION_TIMESTAMPS {
        return Err(corrupt(27, format!("{name} page has an invalid version of {}", header.version)));
    }
    match (header.entries, header.page_type) {
        (0, PageType::Overflow | PageType::BlockManager) => Err(corrupt(20, format!("{name} page has no data"))),
        (0, _) => Err(corrupt(20, format!("{name} page has no entries"))),
        _ => Ok(()),
    }
}

/// Checks that nothing but zeros follows the image in an untransformed block. Extent lists are exempt: some have
/// a trailer that their size doesn't count.
fn check_padding(block: &[u8], header: &PageHeader) -> Result<()> {
    if header.page_type == PageType::BlockManager {
        return Ok(());
    }
    let transformed = PageFlags::COMPRESSED.with(PageFlags::ENCRYPTED);
    let padding = block.get(widen(header.mem_size)..).unwrap_or_default();
    match padding.iter().position(|byte| *byte != 0) {
        Some(at) if !header.flags.has(transformed) => {
            Err(corrupt(widen(header.mem_size).saturating_add(at), "page has non-zero trailing bytes"))
        }
        _ => Ok(()),
    }
}

fn check_length(image: &[u8], header: &PageHeader) -> Result<()> {
    match image.len().saturating_sub(HEADER_SIZE) {
        room if room >= widen(header.entries) => Ok(()),
        _ => Err(corrupt(20, "more data than the page has room for")),
    }
}

/// Checks each cell on its own, and that they fill the page.
fn check_cells(image: &[u8], header: &PageHeader, context: &PageContext<'_>) -> Result<()> {
    let delete_info = header.flags.has(PageFlags::FAST_TRUNCATE);
    let (mut left, mut offset) = (header.entries, HEADER_SIZE);
    while offset < image.len() {
        let extra = || corrupt(offset, "unexpected bytes of data after the last cell");
        left = left.checked_sub(1).ok_or_else(extra)?;
        let cell = Cell::decode(image, offset, delete_info)?;
        check_cell(&cell, image, header.page_type, context)?;
        offset = cell.end();
    }
    if left == 0 { Ok(()) } else { Err(corrupt(image.len(), format!("the page ends {left} cells before its count"))) }
}

fn check_cell(cell: &Cell<'_>, image: &[u8], page_type: PageType, context: &PageContext<'_>) -> Result<()> {
    if !cell.kind.allowed_on(page_type) {
        let reason = format!(
            "illegal cell and page type combination: a {} cell on a {} page",
            cell.kind.name(),
            page_type.name()
        );
        return Err(corrupt(cell.offset, reason));
    }
    let number = cell.number.unwrap_or(0);
    if number != 0 && matches!(page_type, PageType::RowInternal | PageType::RowLeaf) {
        let reason =
            format!("{} cell with a repeat count or record number of {number} in a row store", cell.kind.name());
        return Err(corrupt(cell.offset, reason));
    }
    if number == 0 && page_type == PageType::ColumnInternal {
        return Err(corrupt(cell.offset, "an address without record number"));
    }
    if cell.kind == CellKind::ValueCopy {
        cell.resolve_copy(image)?;
    }
    match (&cell.time, &cell.page_delete) {
        (CellTime::Window(window), _) => window.check()?,
        (CellTime::Aggregate(aggregate), None) => aggregate.check()?,
        (_, Some(delete)) => {
            cell.aggregate().check()?;
            cell.aggregate().check_delete(delete)?;
        }
        (CellTime::Absent, None) => {}
    }
    if cell.kind.is_address() || cell.kind.is_overflow() {
        check_address(cell, context)?;
    }
    Ok(())
}

fn check_address(cell: &Cell<'_>, context: &PageContext<'_>) -> Result<()> {
    if cell.data.is_empty() || cell.data.len() > super::address::COOKIE_MAX {
        return Err(corrupt(cell.offset, format!("an address cookie of {} bytes", cell.data.len())));
    }
    let Some((allocation_size, file_size)) = context.addresses else { return Ok(()) };
    let address = Address::unpack(cell.data, allocation_size)
        .map_err(|_| corrupt(cell.data_offset, format!("{} cell with a malformed address cookie", cell.kind.name())))?;
    address.check_within(file_size)
}

/// Checks that the empty-value flags are true.
fn check_leaf_flags(image: &[u8], header: &PageHeader) -> Result<()> {
    let (mut keys, mut values) = (0u64, 0u64);
    for cell in Cells::new(image, false) {
        let count = if cell?.kind.is_key() { &mut keys } else { &mut values };
        *count = count.saturating_add(1);
    }
    if header.flags.has(PageFlags::EMPTY_VALUES_ALL) && values != 0 {
        return Err(corrupt(25, "page with values is marked as having none"));
    }
    if header.flags.has(PageFlags::EMPTY_VALUES_NONE) && values != keys {
        return Err(corrupt(25, "page with absent values is marked as having none absent"));
    }
    Ok(())
}

/// Two keys, of which each in turn is the one before.
struct KeyOrder<'a> {
    context: &'a PageContext<'a>,
    last: Option<Vec<u8>>,
}

impl<'a> KeyOrder<'a> {
    fn check(&mut self, key: &[u8], offset: usize) -> Result<()> {
        if let Some(last) = &self.last
            && (self.context.compare)(last, key) != Ordering::Less
        {
            return Err(corrupt(offset, "page has incorrectly sorted keys"));
        }
        let last = self.last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    fn check_overflow(&mut self, cookie: Span, image: &[u8]) -> Result<()> {
        match self.context.overflow_key {
            Some(read) => self.check(&read(cookie.of(image)?)?, widen(cookie.offset)),
            None => Ok(()),
        }
    }
}

/// Checks prefixes, the alternation of keys and values, and the order of keys.
fn check_leaf_keys(block: &[u8], context: &PageContext<'_>) -> Result<()> {
    let leaf = RowLeaf::open(block)?;
    let image = leaf.image();
    let (mut key, mut order) = (Vec::new(), KeyOrder { context, last: None });
    let mut rows = leaf.rows();
    loop {
        let offset = rows.offset();
        let Some(row) = rows.next() else { return Ok(()) };
        let row = row?;
        if row.key.build(image, &mut key)? {
            order.check(&key, offset)?;
        } else if let RowKey::Overflow(cookie) = row.key {
            order.check_overflow(cookie, image)?;
        }
    }
}

/// Checks the alternation of keys and addresses, and the order of keys from the second on.
fn check_internal_keys(block: &[u8], context: &PageContext<'_>) -> Result<()> {
    use super::row_internal::ChildKey;
    let page = RowInternal::open(block)?;
    let mut order = KeyOrder { context, last: None };
    for (index, child) in page.children().enumerate() {
        // The first key means nothing.
        match child?.key {
            _ if index == 0 => {}
            ChildKey::Plain(span) => order.check(span.of(page.image())?, widen(span.offset))?,
            ChildKey::Overflow(cookie) => order.check_overflow(cookie, page.image())?,
        }
    }
    Ok(())
}

/// Checks that equal neighbours have been merged.
fn check_runs(image: &[u8]) -> Result<()> {
    let mut last: Option<(Cell<'_>, &[u8])> = None;
    for cell in Cells::new(image, false) {
        let cell = cell?;
        let data = cell.kind == CellKind::ValueCopy;
        let data = if data { cell.resolve_copy(image)?.data } else { cell.data };
        let mergeable = match &last {
            _ if cell.kind == CellKind::ValueOverflow => false,
            Some((last, last_data)) => {
                let both_deleted = last.kind == CellKind::Deleted && cell.kind == CellKind::Deleted;
                let both_values = is_inline(last.kind) && is_inline(cell.kind);
                both_deleted || (both_values && last.window() == cell.window() && *last_data == data)
            }
            None => false,
        };
        if mergeable {
            return Err(corrupt(cell.offset, "matching values which should have been run-length encoded"));
        }
        last = Some((cell, data));
    }
    Ok(())
}

fn is_inline(kind: CellKind) -> bool {
    matches!(kind, CellKind::Value | CellKind::ValueShort | CellKind::ValueCopy)
}

fn check_column_fixed(block: &[u8], context: &PageContext<'_>) -> Result<()> {
    let leaf = ColumnFixed::open(block, context.bits)?;
    if leaf.spare_bits() != 0 {
        return Err(corrupt(HEADER_SIZE.saturating_add(leaf.bitmap().len()), "bits are set after the last value"));
    }
    match leaf.auxiliary() {
        Some(_) if leaf.filler().iter().any(|byte| *byte != 0) => {
            Err(corrupt(HEADER_SIZE, "bytes are set before the first time window"))
        }
        Some(_) => leaf.windows().try_for_each(|window| window.and_then(|(_, window)| window.check())),
        None => check_no_auxiliary(block, &leaf),
    }
}

/// A page without time windows ends with its bitmap.
fn check_no_auxiliary(block: &[u8], leaf: &ColumnFixed<'_>) -> Result<()> {
    let end = HEADER_SIZE.saturating_add(leaf.bitmap().len());
    match leaf.header().image(block)?.get(end) {
        Some(_) => Err(corrupt(end, "time windows of an unknown version")),
        None => Ok(()),
    }
}

/// The largest key of a leaf page, for [`super::verify_tree`]. `None` if it is an overflow key that can't be read.
///
/// # Errors
/// Those of reading the page.
pub fn last_key(block: &[u8], context: &PageContext<'_>) -> Result<Option<Vec<u8>>> {
    let leaf = RowLeaf::open(block)?;
    let (mut key, mut last) = (Vec::new(), None);
    for row in leaf.rows() {
        let row = row?;
        row.key.build(leaf.image(), &mut key)?;
        last = Some(row.key);
    }
    match (last, context.overflow_key) {
        (Some(RowKey::Overflow(cookie)), Some(read)) => read(cookie.of(leaf.image())?).map(Some),
        (Some(RowKey::Overflow(_)) | None, _) => Ok(None),
        _ => Ok(Some(key)),
    }
}

/// The error of a tree whose root page fails the check, as the real engine words it.
pub fn root_error(uri: &str, error: &Error) -> Error {
    Error::new(error.code(), format!("unable to read root page from {uri}: {error}"))
}

#[cfg(test)]
mod tests;

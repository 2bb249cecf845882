//! Writing the leaf pages of a row store from rows in key order (format specification, sections 7, 8, 9.1 and 11).
//!
//! Invariants
//! 1. Rows come in ascending key order; the caller guarantees it, nothing here compares keys for order.
//! 2. No key prefix and no copy cell refers across a position where a page may be cut.
//! 3. An overflow item reaches the sink before the page that refers to it.
//! 4. Between rows nothing is allocated: buffers grow once and are used again, also by the next run.
//!
//! Not here: which version of a record is written, and blocks (checksum, padding, write generation).

use std::collections::HashMap;

use hardwired_plugin::Result;

use super::cell_write;
use super::header::{PageFlags, PageType};
use super::split::{Crossing, PageSink, SplitSizes, Splitter};
use super::time_window::TimeWindow;
use super::{Span, cell, widen, widen_u64};

/// A prefix only grows when it grows by this much, so that runs of keys share one.
const PREFIX_STEP: usize = 10;
/// Values up to this length are written out rather than referred to.
const DICTIONARY_MIN_LEN: usize = 5;
/// Distinct values a dictionary remembers at least.
const DICTIONARY_MIN_ENTRIES: u32 = 100;

/// How leaf pages are written: the settings of a file, in the units of its configuration string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafConfig {
    /// `leaf_page_max`, in bytes.
    pub page_max: u32,
    /// `split_pct`.
    pub split_percent: u32,
    /// `allocation_size`, in bytes.
    pub allocation_size: u32,
    /// `leaf_key_max`, in bytes; 0 for a tenth of the split size.
    pub leaf_key_max: u32,
    /// `leaf_value_max`, in bytes; 0 for half of the split size.
    pub leaf_value_max: u32,
    /// `prefix_compression`.
    pub prefix_compression: bool,
    /// `prefix_compression_min`.
    pub prefix_compression_min: u32,
    /// `internal_key_truncate`; must be false for a file with a collator.
    pub internal_key_truncate: bool,
    /// `dictionary`: distinct values remembered, 0 for no dictionary.
    pub dictionary: u32,
    /// Pages are written at the split size, and the last ones are not balanced.
    pub bulk: bool,
}

impl Default for LeafConfig {
    /// The defaults of `session.create`.
    fn default() -> Self {
        Self {
            page_max: 32 * 1024,
            split_percent: 90,
            allocation_size: 4096,
            leaf_key_max: 0,
            leaf_value_max: 0,
            prefix_compression: false,
            prefix_compression_min: 4,
            internal_key_truncate: true,
            dictionary: 0,
            bulk: false,
        }
    }
}

impl LeafConfig {
    fn sizes(&self) -> SplitSizes {
        SplitSizes::new(self.page_max, self.split_percent, self.allocation_size)
    }

    /// Keys longer than this (after prefix compression), in bytes, go to an overflow page.
    pub fn key_limit(&self) -> usize {
        let default = widen(self.sizes().split_size).checked_div(10).unwrap_or(0);
        if self.leaf_key_max == 0 { default } else { widen(self.leaf_key_max) }
    }

    /// Values longer than this, in bytes, go to an overflow page.
    pub fn value_limit(&self) -> usize {
        let default = widen(self.sizes().split_size).checked_div(2).unwrap_or(0);
        if self.leaf_value_max == 0 { default } else { widen(self.leaf_value_max) }
    }
}

/// A row's value as the writer takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafValue<'a> {
    /// The value's bytes; the writer decides where they go.
    Bytes(&'a [u8]),
    /// The cookie of an overflow page that already holds the value.
    Overflow(&'a [u8]),
}

/// Builds leaf pages from rows. See the module's documentation.
#[derive(Debug)]
pub struct RowLeafWriter {
    config: LeafConfig,
    key_limit: usize,
    value_limit: usize,
    splitter: Splitter,
    last_key: LastKey,
    dictionary: Dictionary,
    /// Whether all, and whether any, values so far were absent: of the whole run, not of the page (section 2.1).
    all_absent: bool,
    any_absent: bool,
    /// The value cell up to its data, and scratch space for a separator and cookies.
    value_head: Vec<u8>,
    separator: Vec<u8>,
    key_cookie: Vec<u8>,
    value_cookie: Vec<u8>,
}

/// How the next key will be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyForm {
    /// With this many bytes of the last key.
    Prefix(u8),
    /// As the cookie in `key_cookie`.
    Overflow,
}

impl RowLeafWriter {
    /// A writer for a file with these settings.
    pub fn new(config: LeafConfig) -> Self {
        Self {
            config,
            key_limit: config.key_limit(),
            value_limit: config.value_limit(),
            splitter: Splitter::new(PageType::RowLeaf, config.sizes(), 0, config.bulk),
            last_key: LastKey::default(),
            dictionary: Dictionary::new(config.dictionary),
            all_absent: true,
            any_absent: false,
            value_head: Vec::new(),
            separator: Vec::new(),
            key_cookie: Vec::new(),
            value_cookie: Vec::new(),
        }
    }

    /// This writer for a file with other settings: the buffers stay.
    #[must_use]
    pub fn with_config(mut self, config: LeafConfig) -> Self {
        self.reset();
        if config != self.config {
            self.key_limit = config.key_limit();
            self.value_limit = config.value_limit();
            self.splitter.set_sizes(config.sizes(), config.bulk);
            self.dictionary = Dictionary::new(config.dictionary);
            self.config = config;
        }
        self
    }

    /// Bytes that the buffers of pages take.
    pub fn buffer_bytes(&self) -> usize {
        self.splitter.buffer_bytes()
    }

    /// How many bytes [`RowLeafWriter::append_cells`] takes now; 0: none, the next row needs [`RowLeafWriter::append`].
    #[inline]
    pub fn room_for_cells(&self) -> usize {
        if self.config.prefix_compression || self.dictionary.is_on() {
            return 0;
        }
        // A row this long may have a key or a value for an overflow page.
        self.splitter.room().min(self.key_limit.min(self.value_limit))
    }

    /// Appends rows that are cells of a page already: pairs of a plain key and a plain value without time window, of at most
    /// [`RowLeafWriter::room_for_cells`] bytes. `last_key` is where in `cells` the last row's key is.
    pub fn append_cells(&mut self, cells: &[u8], rows: u32, last_key: std::ops::Range<usize>) {
        let image = self.splitter.image();
        let start = image.len();
        image.extend_from_slice(cells);
        self.last_key.set_span(cell::span(start.saturating_add(last_key.start), last_key.len()));
        self.all_absent = false;
        self.splitter.count(rows.saturating_mul(2), None, false);
    }

    /// Appends a row. A window of `None` is the default window; a zero-length value with the default window is written
    /// without a cell.
    ///
    /// # Errors
    /// Those of the sink; the writer must then be [`reset`](Self::reset).
    #[inline]
    pub fn append<S: PageSink + ?Sized>(
        &mut self,
        key: &[u8],
        value: LeafValue<'_>,
        window: Option<&TimeWindow>,
        sink: &mut S,
    ) -> Result<()> {
        self.key_cookie.clear();
        self.append_row(key, value, window, sink)
    }

    /// Appends a row whose key is already on an overflow page; `key` is still needed for separators.
    ///
    /// # Errors
    /// As for [`RowLeafWriter::append`].
    pub fn append_overflow_key<S: PageSink + ?Sized>(
        &mut self,
        key: &[u8],
        cookie: &[u8],
        value: LeafValue<'_>,
        window: Option<&TimeWindow>,
        sink: &mut S,
    ) -> Result<()> {
        self.key_cookie.clear();
        self.key_cookie.extend_from_slice(cookie);
        self.append_row(key, value, window, sink)
    }

    /// Finishes the last pages and makes the writer ready for another run. Returns the number of pages of this run; 0 if
    /// no row was appended.
    ///
    /// # Errors
    /// As for [`RowLeafWriter::append`].
    pub fn finish<S: PageSink + ?Sized>(&mut self, sink: &mut S) -> Result<usize> {
        let pages = self.splitter.finish(self.flags(), sink)?;
        self.reset();
        Ok(pages)
    }

    /// Forgets the rows since the last finished run, but keeps the buffers.
    pub fn reset(&mut self) {
        self.splitter.reset();
        self.last_key = LastKey { bytes: std::mem::take(&mut self.last_key.bytes), ..LastKey::default() };
        self.last_key.bytes.clear();
        self.dictionary.clear();
        self.all_absent = true;
        self.any_absent = false;
    }

    fn flags(&self) -> PageFlags {
        match (self.all_absent, self.any_absent) {
            (true, _) => PageFlags::EMPTY_VALUES_ALL,
            (false, false) => PageFlags::EMPTY_VALUES_NONE,
            (false, true) => PageFlags::default(),
        }
    }

    fn append_row<S: PageSink + ?Sized>(
        &mut self,
        key: &[u8],
        value: LeafValue<'_>,
        window: Option<&TimeWindow>,
        sink: &mut S,
    ) -> Result<()> {
        let window = window.filter(|window| !window.is_default());
        let data = self.prepare_value(value, window, sink)?;
        let value_len = self.value_head.len().saturating_add(data.map_or(0, <[u8]>::len));
        let has_value = !self.value_head.is_empty();
        let mut form = self.key_form(key, true, sink)?;
        let mut len = self.key_cell_len(form, key).saturating_add(value_len);
        if self.splitter.is_at_page_start() {
            if self.splitter.is_at_first_page() {
                self.splitter.start_page(key);
            }
        } else if self.splitter.crossing(len) != Crossing::None {
            // The key may become the first of a page: it must not depend on the one before.
            form = self.key_form(key, false, sink)?;
            len = self.key_cell_len(form, key).saturating_add(value_len);
            self.cross(len, key, sink)?;
            // Nor may those behind it, should it be an overflow key, which keys don't share bytes with.
            self.last_key.bytes.clear();
        }
        let value_overflow = data.is_none() && has_value;
        self.note_value(has_value);
        self.push_key(form, key);
        if has_value {
            self.push_value(window, data);
        }
        let cells = if has_value { 2 } else { 1 };
        self.splitter.count(cells, window, value_overflow || form == KeyForm::Overflow);
        Ok(())
    }

    /// Cuts or remembers the position before a row of `len` bytes.
    fn cross<S: PageSink + ?Sized>(&mut self, len: usize, key: &[u8], sink: &mut S) -> Result<()> {
        let mut separator = std::mem::take(&mut self.separator);
        separator.clear();
        separator.extend_from_slice(self.separator_of(key));
        match self.splitter.crossing(len) {
            Crossing::Split => self.splitter.cut(&separator, self.flags(), sink)?,
            Crossing::Minimum => self.splitter.remember(&separator),
            Crossing::None => {}
        }
        self.separator = separator;
        self.dictionary.clear();
        Ok(())
    }

    /// The shortest prefix of `key` that sorts after the last key.
    fn separator_of<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        if !self.config.internal_key_truncate || self.last_key.is_overflow {
            return key;
        }
        let shared = common_prefix(self.last_key.get(self.splitter.current_image()), key);
        key.get(..shared.saturating_add(1)).unwrap_or(key)
    }

    /// Puts the value cell up to its data into `value_head` (nothing if there is no cell) and returns the data that
    /// follows; `None` for an overflow value, which is in `value_head` as a whole.
    fn prepare_value<'v, S: PageSink + ?Sized>(
        &mut self,
        value: LeafValue<'v>,
        window: Option<&TimeWindow>,
        sink: &mut S,
    ) -> Result<Option<&'v [u8]>> {
        self.value_head.clear();
        let window = window.unwrap_or(&TimeWindow::DEFAULT);
        match value {
            LeafValue::Bytes(&[]) if window.is_default() => Ok(Some(&[])),
            LeafValue::Bytes(data) if data.len() <= self.value_limit => {
                cell_write::push_value_head(&mut self.value_head, window, 0, data.len());
                Ok(Some(data))
            }
            LeafValue::Bytes(data) => {
                self.value_cookie.clear();
                sink.write_overflow(data, &mut self.value_cookie)?;
                cell_write::push_value_overflow(&mut self.value_head, window, 0, &self.value_cookie);
                Ok(None)
            }
            LeafValue::Overflow(cookie) => {
                cell_write::push_value_overflow(&mut self.value_head, window, 0, cookie);
                Ok(None)
            }
        }
    }

    #[inline]
    fn note_value(&mut self, has_value: bool) {
        self.all_absent &= !has_value;
        self.any_absent |= !has_value;
    }

    /// Chooses the form of a key and writes it to an overflow page if need be (once: its cookie stays in `key_cookie`).
    #[inline]
    fn key_form<S: PageSink + ?Sized>(&mut self, key: &[u8], may_share: bool, sink: &mut S) -> Result<KeyForm> {
        if !self.key_cookie.is_empty() {
            return Ok(KeyForm::Overflow);
        }
        let prefix = match may_share && self.config.prefix_compression {
            true => self.last_key.choose_prefix(key, widen(self.config.prefix_compression_min)),
            false => 0,
        };
        if key.len().saturating_sub(usize::from(prefix)) <= self.key_limit {
            return Ok(KeyForm::Prefix(prefix));
        }
        sink.write_overflow(key, &mut self.key_cookie)?;
        Ok(KeyForm::Overflow)
    }

    #[inline]
    fn key_cell_len(&self, form: KeyForm, key: &[u8]) -> usize {
        match form {
            KeyForm::Prefix(prefix) => cell_write::key_len(prefix, key.len().saturating_sub(usize::from(prefix))),
            KeyForm::Overflow => cell_write::overflow_len(self.key_cookie.len()),
        }
    }

    #[inline]
    fn push_key(&mut self, form: KeyForm, key: &[u8]) {
        let image = self.splitter.image();
        match form {
            KeyForm::Prefix(prefix) => {
                let suffix = key.get(usize::from(prefix)..).unwrap_or_default();
                cell_write::push_key(image, prefix, suffix);
                let end = image.len();
                self.last_key.set(prefix, key, end, self.config.prefix_compression);
            }
            KeyForm::Overflow => {
                cell_write::push_key_overflow(image, &self.key_cookie);
                self.last_key.is_overflow = true;
            }
        }
    }

    #[inline]
    fn push_value(&mut self, window: Option<&TimeWindow>, data: Option<&[u8]>) {
        let image = self.splitter.image();
        let Some(data) = data else { return image.extend_from_slice(&self.value_head) };
        let offset = image.len();
        if self.dictionary.is_on()
            && data.len() > DICTIONARY_MIN_LEN
            && let Some(distance) = self.dictionary.find_or_add(data, offset)
        {
            let window = window.unwrap_or(&TimeWindow::DEFAULT);
            return cell_write::push_value_copy(image, window, 0, distance);
        }
        image.extend_from_slice(&self.value_head);
        image.extend_from_slice(data);
    }
}

/// The last key that is not an overflow key.
#[derive(Debug, Default)]
struct LastKey {
    /// Its bytes, if keys are compressed.
    bytes: Vec<u8>,
    /// Where its bytes are in the current image, if keys are not compressed.
    span: Span,
    is_compressed: bool,
    /// The prefix it was written with.
    prefix: u8,
    /// Whether an overflow key followed it.
    is_overflow: bool,
}

impl LastKey {
    #[inline]
    fn get<'a>(&'a self, image: &'a [u8]) -> &'a [u8] {
        if self.is_compressed { &self.bytes } else { self.span.get(image).unwrap_or_default() }
    }

    /// Takes in a key that ends at `end` of the current image.
    #[inline]
    fn set(&mut self, prefix: u8, key: &[u8], end: usize, is_compressed: bool) {
        self.is_compressed = is_compressed;
        self.is_overflow = false;
        self.prefix = prefix;
        if is_compressed {
            // What is shared is already there.
            self.bytes.truncate(usize::from(prefix));
            self.bytes.extend_from_slice(key.get(usize::from(prefix)..).unwrap_or_default());
        } else {
            self.span = cell::span(end.saturating_sub(key.len()), key.len());
        }
    }

    /// Takes in an uncompressed key of the current image.
    #[inline]
    fn set_span(&mut self, span: Span) {
        *self = Self { bytes: std::mem::take(&mut self.bytes), span, ..Self::default() };
    }

    /// How many bytes the next key shares with this one, as the real engine chooses it (section 7.1).
    fn choose_prefix(&self, key: &[u8], min: usize) -> u8 {
        let shared = common_prefix(&self.bytes, key).min(usize::from(u8::MAX));
        let last = usize::from(self.prefix);
        let chosen = if shared < min {
            0
        } else if last != 0 && shared > last && shared < last.saturating_add(PREFIX_STEP) {
            last
        } else {
            shared
        };
        u8::try_from(chosen).unwrap_or(0)
    }
}

/// Number of equal bytes at the front.
#[inline]
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The values on the page since the last possible cut, to be referred to instead of written again.
#[derive(Debug)]
struct Dictionary {
    limit: usize,
    /// From value to the offset of its cell.
    values: HashMap<Box<[u8]>, usize>,
}

impl Dictionary {
    fn new(configured: u32) -> Self {
        let limit = if configured == 0 { 0 } else { configured.max(DICTIONARY_MIN_ENTRIES) };
        Self { limit: widen(limit), values: HashMap::new() }
    }

    #[inline]
    fn is_on(&self) -> bool {
        self.limit != 0
    }

    fn clear(&mut self) {
        if self.is_on() {
            self.values.clear();
        }
    }

    /// The distance from a cell at `offset` back to one with this value; if there is none, remembers this one.
    fn find_or_add(&mut self, value: &[u8], offset: usize) -> Option<u64> {
        if let Some(&found) = self.values.get(value) {
            return Some(widen_u64(offset.saturating_sub(found)));
        }
        if self.values.len() < self.limit {
            self.values.insert(value.into(), offset);
        }
        None
    }
}

#[cfg(test)]
pub(crate) mod tests;

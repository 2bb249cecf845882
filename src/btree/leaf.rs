//! A leaf page in memory.
//!
//! Its rows are in key order in a slot array. A slot's word is one of
//! * **image row** (lowest bit set): the row lies on the page's immutable image: its offset, key length and whether it has
//!   a value are in the word itself; it is visible to everybody;
//! * **row** (aligned address): a [`Row`] in the page's arena with its version chain.
//!
//! Invariants:
//! 1. Readers take nothing; they search the slot array optimistically. Whatever was once reachable from the page stays
//!    allocated until the page itself is freed.
//! 2. Writers hold the latch. A writer that finds the page *dead* (replaced in its parent) or its key at or above the upper
//!    bound has raced with a change of structure and starts again from the root.
//! 3. A page's lower bound never rises while it lives (it falls when an empty page on its left goes away); its upper bound
//!    changes only under the latch.
//! 4. `max_txn` is at least the id of every version on the page and of the writer who made the page dirty, so that a page with `max_txn < oldest id` has nothing that
//!    anybody could see differently: it may be replaced by its newest committed state.
//! 5. `dirty` is set, under the latch, before a new version can be committed, and cleared only by a write of the page that
//!    leaves no newer version behind.

use super::address::ChildAddress;
use super::arena::Arena;
use super::key::Key;
use super::order::KeyOrder;
use super::version::{Row, Version, Visible};
use crate::block::Address;
use crate::os::page_memory::{self, PageBuffer};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::slots::{Found, OldArray, Slots};
use crate::txn::{Txn, TxnId};
use std::ops::Range;

/// See the module.
pub(super) struct Leaf {
    pub(super) slots: Slots,
    image: PageBuffer,
    /// The image is a page of the file: between the rows of neighbouring image words lies nothing but their cells.
    has_cells: bool,
    dead: AtomicBool,
    dirty: AtomicBool,
    /// The cache's generation when the page was last used.
    used: AtomicU32,
    max_txn: AtomicU64,
    /// Word of the upper bound's [`Key`]; 0: none.
    high: AtomicU64,
    pub(super) latch: Mutex<LeafInner>,
}

/// What the latch protects.
pub(super) struct LeafInner {
    pub(super) arena: Arena,
    /// Replaced slot arrays: readers may still use them.
    old_arrays: Vec<OldArray>,
    /// Bytes of all slot arrays, the present one's included: so that accounting, at each write, reads no other memory.
    array_bytes: usize,
    /// A key of the page's range, by which its place in the tree is found. Smaller keys may have come to the page since an
    /// empty page on its left went away: see [`Leaf::lowest`].
    pub(super) low: Box<[u8]>,
    /// The blocks of the page's last written state.
    pub(super) disk: Vec<ChildAddress>,
    /// Cookies of the overflow blocks that the last written state refers to.
    pub(super) overflow: Vec<Box<[u8]>>,
    /// Blocks that the next write of the page frees: those of pages that this one came from.
    pub(super) free_on_write: Vec<Address>,
    /// Bytes reported to the cache, and whether as dirty, too.
    pub(super) accounted: usize,
    pub(super) accounted_dirty: usize,
    /// The page is rebuilt or split when it has grown to this.
    pub(super) split_bytes: usize,
    /// How many of the last inserts went to the end of the page.
    pub(super) appends: u32,
}

/// A slot's word, taken apart.
#[derive(Clone, Copy)]
pub(super) enum Slot<'a> {
    /// A row of the image: key and value.
    Image(&'a [u8], &'a [u8]),
    /// A row with versions.
    Row(Row<'a>),
}

/// The value a reader sees.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// In memory of the page.
    Here(&'a [u8]),
    /// In the overflow block whose cookie this is.
    Overflow(&'a [u8]),
    /// Whatever the history store has: the row.
    History(Row<'a>),
    /// A prepared change is in the way.
    Prepared,
}

/// Rows of a page of the file whose cells lie one behind the other.
pub(super) struct CellRun<'a> {
    pub(super) cells: &'a [u8],
    pub(super) rows: usize,
    /// Where the last row's key is in `cells`.
    pub(super) last_key: Range<usize>,
}

/// Longest data of a short cell, and the low bits of a short key cell's descriptor.
const SHORT_MAX: usize = 63;
const SHORT_KEY: u8 = 1;

const IMAGE_ROW: u64 = 1;
const KEY_LEN_BITS: u32 = 24;
/// Longest key and largest image offset that a word can describe; other rows live in the arena.
pub(super) const MAX_IMAGE_KEY: usize = (1 << KEY_LEN_BITS) - 1;
pub(super) const MAX_IMAGE_OFFSET: usize = (1 << 31) - 1;

/// Whether a word leads to a row of the image.
pub(super) fn is_image_word(word: u64) -> bool {
    word & IMAGE_ROW != 0
}

fn is_image_word_with_value(word: u64) -> bool {
    is_image_word(word) && word >> (32 + KEY_LEN_BITS) != 0
}

/// The word of an image row: its key is at `offset`, followed by its value cell if it `has_value`.
pub(super) fn image_word(offset: usize, key_len: usize, has_value: bool) -> u64 {
    debug_assert!(offset <= MAX_IMAGE_OFFSET && key_len <= MAX_IMAGE_KEY);
    IMAGE_ROW | (offset as u64) << 1 | (key_len as u64) << 32 | u64::from(has_value) << (32 + KEY_LEN_BITS)
}

impl Leaf {
    /// A page of `image` whose rows are still to be filled in. The image is not one of the file's pages.
    pub(super) fn new(
        image: PageBuffer,
        arena: Arena,
        capacity: usize,
        order: &KeyOrder,
        low: &[u8],
        high: Option<&[u8]>,
    ) -> Self {
        let mut inner = LeafInner {
            arena,
            old_arrays: Vec::new(),
            array_bytes: Slots::bytes(capacity, false),
            low: low.into(),
            disk: Vec::new(),
            overflow: Vec::new(),
            free_on_write: Vec::new(),
            accounted: 0,
            accounted_dirty: 0,
            split_bytes: usize::MAX,
            appends: 0,
        };
        let high = high.map_or(0, |high| Key::new_in(&mut inner.arena, high).word());
        Self {
            slots: Slots::with_capacity(capacity, false).ordered_by(order.for_slots()),
            image,
            has_cells: false,
            dead: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            used: AtomicU32::new(0),
            max_txn: AtomicU64::new(0),
            high: AtomicU64::new(high),
            latch: Mutex::new(inner),
        }
    }

    /// Before anybody else sees the page: its image is a page of the file, as it is.
    pub(super) fn set_has_cells(&mut self) {
        self.has_cells = true;
    }

    #[inline]
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Under the latch: the page is about to be replaced.
    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Under the latch that [`Leaf::kill`] was called under: it was not replaced.
    pub(super) fn revive(&self) {
        self.dead.store(false, Ordering::Release);
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Under the latch. Returns whether it was set before.
    pub(super) fn set_dirty(&self, dirty: bool) -> bool {
        self.dirty.swap(dirty, Ordering::AcqRel)
    }

    pub(super) fn max_txn(&self) -> TxnId {
        self.max_txn.load(Ordering::Acquire)
    }

    /// Under the latch.
    #[inline]
    pub(super) fn raise_max_txn(&self, id: TxnId) {
        if id > self.max_txn.load(Ordering::Relaxed) {
            self.max_txn.store(id, Ordering::Release);
        }
    }

    /// Notes that the page is in use.
    #[inline]
    pub(super) fn touch(&self, generation: u32) {
        if self.used.load(Ordering::Relaxed) != generation {
            self.used.store(generation, Ordering::Relaxed);
        }
    }

    pub(super) fn last_used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }

    /// The upper bound: no key of the page reaches it. `None`: there is none.
    #[inline]
    pub(super) fn high(&self) -> Option<&[u8]> {
        let word = self.high.load(Ordering::Acquire);
        // SAFETY: the word of a key in this page's arena.
        (word != 0).then(|| unsafe { Key::from_word(word) }.bytes())
    }

    /// Under the latch: a key of the page's range that isn't greater than any key of the page.
    pub(super) fn lowest<'a>(&'a self, inner: &'a LeafInner) -> &'a [u8] {
        match self.slots.word(0) {
            0 => &inner.low,
            word => {
                let first = self.key_of(word);
                if self.slots.compare(first, &inner.low).is_le() { first } else { &inner.low }
            }
        }
    }

    /// Under the latch.
    pub(super) fn set_high(&self, inner: &mut LeafInner, high: Option<&[u8]>) {
        let word = high.map_or(0, |high| Key::new_in(&mut inner.arena, high).word());
        self.high.store(word, Ordering::Release);
    }

    /// Takes a slot's word apart.
    #[inline]
    pub(super) fn slot(&self, word: u64) -> Slot<'_> {
        if word & IMAGE_ROW != 0 {
            let (key, value) = self.image_row(word);
            Slot::Image(key, value)
        } else {
            // SAFETY: words without the tag are rows of this page's arena.
            Slot::Row(unsafe { Row::from_word(word) })
        }
    }

    /// The key a word leads to.
    #[inline]
    pub(super) fn key_of(&self, word: u64) -> &[u8] {
        if word & IMAGE_ROW != 0 {
            let (offset, key_len) = word_parts(word);
            &self.image[offset..offset + key_len]
        } else {
            // SAFETY: words without the tag are rows of this page's arena.
            unsafe { Row::from_word(word) }.key()
        }
    }

    /// Key and value of an image row.
    #[inline]
    pub(super) fn image_row(&self, word: u64) -> (&[u8], &[u8]) {
        let (offset, key_len) = word_parts(word);
        let end = offset + key_len;
        let key = &self.image[offset..end];
        if word >> (32 + KEY_LEN_BITS) == 0 {
            return (key, &[]);
        }
        (key, &self.image[self.value_range(end)])
    }

    /// Where the value of the value cell at `offset` is.
    #[inline]
    fn value_range(&self, offset: usize) -> Range<usize> {
        let rest = &self.image[offset..];
        if rest[0] & 3 == 3 {
            offset + 1..offset + 1 + (rest[0] >> 2) as usize
        } else {
            let (extra, width) = long_length(&rest[1..]);
            offset + 1 + width..offset + 1 + width + 64 + extra
        }
    }

    /// What `txn` sees of the row that `word` leads to.
    #[inline]
    pub(super) fn visible(&self, word: u64, txn: &Txn) -> Option<(&[u8], Value<'_>)> {
        if word & IMAGE_ROW != 0 {
            let (key, value) = self.image_row(word);
            return Some((key, Value::Here(value)));
        }
        // SAFETY: words without the tag are rows of this page's arena.
        let row = unsafe { Row::from_word(word) };
        match row.visible(txn) {
            Visible::Version(version) => Some((row.key(), value_of(version))),
            Visible::Base => Some((row.key(), Value::Here(self.image_row(row.base()).1))),
            Visible::Nothing => None,
            Visible::Elsewhere(version) => Some((row.key(), elsewhere(row, version))),
        }
    }

    /// Searches for `key`.
    #[inline]
    pub(super) fn search(&self, key: &[u8]) -> Found {
        self.slots.search(key, 0, |word| self.key_of(word))
    }

    /// Inserts a row. Under the latch; `found` is the place of its key.
    pub(super) fn insert(&self, inner: &mut LeafInner, index: usize, row: Row<'_>) {
        let key = row.key();
        if !self.slots.fits_prefix(key) {
            // The prefix that the present keys and this one share; keys between the ends share it, too.
            let first = self.slots.word(0);
            let last = self.slots.word(self.slots.len().wrapping_sub(1));
            let shared = [first, last]
                .iter()
                .filter(|word| **word != 0)
                .fold(key.len(), |shared, word| shared.min(crate::sync::slots::common_prefix(key, self.key_of(*word))));
            self.slots.set_prefix(&key[..shared], 0, |word| self.key_of(word));
        }
        // The range grew downwards when an empty page before this one went away.
        if index == 0 && self.slots.compare(key, &inner.low).is_lt() {
            inner.low = key.into();
        }
        if let Some(old) = self.slots.insert(index, key, row.word(), None) {
            inner.old_arrays.push(old);
            inner.array_bytes += Slots::bytes(self.slots.capacity(), false);
        }
    }

    /// Fills an empty page that nobody else sees yet: rows in key order, as many as its capacity at most.
    pub(super) fn fill(&self, words: &[u64]) {
        self.slots.fill(words, |word| self.key_of(word));
    }

    /// The cells of the image rows from slot `index` on, as far as they lie one behind the other, all have values, and take
    /// no more than `room` bytes; `None`: there is no such row. Under the latch.
    pub(super) fn cells(&self, index: usize, room: usize) -> Option<CellRun<'_>> {
        let first = self.slots.word(index);
        if !self.has_cells || !is_image_word_with_value(first) {
            return None;
        }
        let (offset, key_len) = word_parts(first);
        let start = offset - 1;
        if self.image[start] != (key_len << 2) as u8 | SHORT_KEY || key_len > SHORT_MAX {
            return None;
        }
        let (mut rows, mut last, mut end) = (0, 0..0, start);
        loop {
            let word = self.slots.word(index + rows);
            if !is_image_word_with_value(word) {
                break;
            }
            let (offset, key_len) = word_parts(word);
            let value = self.value_range(offset + key_len);
            if value.end - start > room || key_len > SHORT_MAX || offset != end + 1 {
                break;
            }
            (last, end) = (offset - start..offset - start + key_len, value.end);
            rows += 1;
        }
        (rows > 0).then(|| CellRun { cells: &self.image[start..end], rows, last_key: last })
    }

    /// Asks for the row that `word` leads to, which is going to be read soon.
    #[inline]
    pub(super) fn prefetch(&self, word: u64) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if word != 0 && !is_image_word(word) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let row = std::ptr::with_exposed_provenance::<i8>(word as usize);
            // SAFETY: a hint about memory, which does nothing if the address is bad. It is that of a row, header first.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(row);
                _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(64));
                _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(128));
            }
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = word;
    }

    /// Whether fresh pages of the same rows would be read faster and be smaller: what rows and versions take beside the image
    /// is as much as a quarter of it, or there may be rows for several pages of `page_max` bytes. Under the latch.
    pub(super) fn is_bloated(&self, inner: &LeafInner, page_max: usize) -> bool {
        let beside = inner.arena.bytes();
        // Each row's key gets a descriptor on the page.
        beside > self.image.len() / 4 || self.image.len() + 2 * self.slots.len() + crate::page::HEADER_SIZE > page_max
    }

    /// Bytes of memory the page takes.
    pub(super) fn bytes(&self, inner: &LeafInner) -> usize {
        size_of::<Self>() + page_memory::footprint(self.image.len()) + inner.array_bytes + inner.arena.bytes()
    }
}

/// The value of a version that is not a tombstone.
#[inline]
fn value_of(version: Version<'_>) -> Value<'_> {
    match version.kind() {
        super::version::Kind::Overflow => Value::Overflow(version.data()),
        _ => Value::Here(version.data()),
    }
}

#[cold]
fn elsewhere<'a>(row: Row<'a>, version: Version<'_>) -> Value<'a> {
    match version.kind() {
        super::version::Kind::History => Value::History(row),
        _ => Value::Prepared,
    }
}

#[inline]
fn word_parts(word: u64) -> (usize, usize) {
    ((word as u32 >> 1) as usize, (word >> 32) as usize & MAX_IMAGE_KEY)
}

/// The packed number behind the descriptor of a long value cell (its length minus 64) and its width. Only called on cells
/// that were checked when the page was read, or that this module's writer made.
#[inline]
fn long_length(bytes: &[u8]) -> (usize, usize) {
    let first = bytes[0];
    match first >> 4 {
        0x8..=0xb => ((first & 0x3f) as usize, 1),
        0xc | 0xd => (64 + (((first & 0x1f) as usize) << 8 | bytes[1] as usize), 2),
        _ => {
            let width = (first & 0x0f) as usize;
            let value = bytes[1..=width].iter().fold(0_usize, |value, byte| value << 8 | *byte as usize);
            (value.wrapping_add(8256), 1 + width)
        }
    }
}

/// Appends an image row to the image of a page being built, and gives its word.
pub(super) fn push_image_row(image: &mut Vec<u8>, key: &[u8], value: &[u8]) -> u64 {
    let word = image_word(image.len(), key.len(), !value.is_empty());
    image.extend_from_slice(key);
    if value.is_empty() {
        return word;
    }
    if value.len() < 64 {
        image.push((value.len() as u8) << 2 | 3);
    } else {
        image.push(0x80);
        crate::page::vuint::push(image, value.len() as u64 - 64);
    }
    image.extend_from_slice(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_rows_of_every_length_come_back() {
        let mut image = Vec::new();
        let values: Vec<Vec<u8>> =
            [0, 1, 63, 64, 127, 128, 8000, 8319, 8320, 8321, 70_000].iter().map(|len| vec![9; *len]).collect();
        let words: Vec<u64> =
            values.iter().map(|value| push_image_row(&mut image, &[7; 5][..value.len().min(5)], value)).collect();
        let leaf =
            Leaf::new(PageBuffer::copy_of(&image), Arena::default(), words.len(), &KeyOrder::default(), b"", None);
        for (word, value) in words.iter().zip(&values) {
            let (key, found) = leaf.image_row(*word);
            assert_eq!((key.len(), found), (value.len().min(5), &value[..]));
        }
    }
}

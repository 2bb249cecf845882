//! Sorted slot arrays that are read optimistically: the index of every page, leaf or internal.
//!
//! A slot has a *head* (the first eight bytes of its key behind the prefix that all keys of the array share, big-endian), a
//! *word* (which leads to the key and, on a leaf, to the record) and optionally a *link* (to a child page). Whole keys are
//! compared only when heads are equal. A search begins where the target would be if heads were spread evenly, and widens
//! its steps from there: keys are often close to that, and then it touches one or two cache lines, the slot's own among
//! them. On any other keys it makes at most about twice the probes of a binary search.
//!
//! Invariants:
//! 1. Only the holder of the page's latch writes. While slots move, the sequence number is odd; it grows with every change
//!    of positions. A reader's positions are valid if the number was even and is unchanged afterwards.
//! 2. Every word or link in the array is 0 or a valid one of this page, at any moment: a reader may dereference what it
//!    loads before it validates (it is pinned, so nothing that was ever in the array is freed meanwhile).
//! 3. Replaced arrays are kept until the page is freed: a reader's array pointer stays valid while it may use the page.
//! 4. Changing a word or link in place doesn't touch the sequence number: the slot keeps its key.
//! 5. A larger array is stored before the count that needs it, and arrays never become smaller: a reader that loads the
//!    count first has an array with so many slots.
//! 6. `first` and `last` are hints: what they hold decides where a search begins, not what it finds.
//!
//! It knows no keys: callers pass a function from word to key. Keys are ordered byte-wise, unless the array has an order of
//! its own ([`CompareKeys`]); then there is no shared prefix, heads mean nothing, and whole keys are compared.

use super::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use super::spin;
#[cfg(not(loom))]
use crate::os::page_memory;
use std::cmp;
use std::ptr;
use std::sync::Arc;

const PREFIX_WORDS: usize = 3;
/// The longest shared prefix that is skipped.
pub(crate) const MAX_PREFIX_BYTES: usize = PREFIX_WORDS * 8;

/// An order of keys other than byte-wise.
pub(crate) trait CompareKeys: Send + Sync {
    /// A total order.
    fn compare(&self, left: &[u8], right: &[u8]) -> cmp::Ordering;
}

/// See the module.
pub(crate) struct Slots {
    sequence: AtomicU64,
    /// Number of slots (low half) and length of the shared prefix (high half).
    shape: AtomicU64,
    prefix: [AtomicU64; PREFIX_WORDS],
    /// The capacity and an unused word, then head, word and (with links) link of each slot.
    array: AtomicPtr<AtomicU64>,
    /// Heads of the first and the last slot that are searched.
    first: AtomicU64,
    last: AtomicU64,
    links: bool,
    order: Option<Arc<dyn CompareKeys>>,
}

/// Where a key is, or would be, among the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// The first slot whose key isn't smaller.
    pub(crate) index: usize,
    /// The slot's word if its key is equal, else 0.
    pub(crate) word: u64,
    /// The sequence number for which this holds.
    pub(crate) sequence: u64,
}

/// Where a descent goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descent {
    /// The slot.
    pub(crate) index: usize,
    /// Its link.
    pub(crate) link: u64,
    /// Its word.
    pub(crate) word: u64,
    /// The word of the slot behind it; 0: none.
    pub(crate) next: u64,
}

/// A view of count and array that fit each other, before validation.
#[derive(Clone, Copy)]
struct View {
    count: usize,
    prefix_len: usize,
    /// Words a slot takes.
    stride: usize,
    array: *const AtomicU64,
}

/// What a probe says of the target's place.
enum Probe {
    Above,
    At(u64),
    Below,
}

/// Words before the first slot: capacity and alignment.
const ARRAY_HEAD: usize = 2;
/// Slots of the first step of a search away from its first guess; each further one is as many times as long.
const GALLOP: usize = 4;

impl Slots {
    /// An empty array for `capacity` slots.
    pub(crate) fn with_capacity(capacity: usize, links: bool) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            shape: AtomicU64::new(0),
            prefix: std::array::from_fn(|_| AtomicU64::new(0)),
            array: AtomicPtr::new(new_array(capacity, links)),
            first: AtomicU64::new(0),
            last: AtomicU64::new(0),
            links,
            order: None,
        }
    }

    /// An array that nobody has used yet, with an order of its own.
    pub(crate) fn ordered_by(mut self, order: Option<Arc<dyn CompareKeys>>) -> Self {
        self.order = order;
        self
    }

    /// Compares two keys as the array orders them.
    #[inline]
    pub(crate) fn compare(&self, left: &[u8], right: &[u8]) -> cmp::Ordering {
        match &self.order {
            None => left.cmp(right),
            Some(order) => order.compare(left, right),
        }
    }

    /// Bytes of an array of `capacity`.
    pub(crate) fn bytes(capacity: usize, links: bool) -> usize {
        footprint(array_len(capacity, links))
    }

    #[inline]
    fn view(&self) -> View {
        // The count first: see invariant 5.
        let shape = self.shape.load(Ordering::Acquire);
        let array: *const AtomicU64 = self.array.load(Ordering::Acquire);
        let count = (shape & 0xffff_ffff) as usize;
        View { count, prefix_len: (shape >> 32) as usize, stride: stride(self.links), array }
    }

    /// The sequence number once no slots move.
    #[inline]
    pub(crate) fn sequence(&self) -> u64 {
        let mut rounds = 0;
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            if sequence & 1 == 0 {
                return sequence;
            }
            spin(&mut rounds);
        }
    }

    /// Whether positions read since [`Slots::sequence`] gave `sequence` are valid.
    #[inline]
    pub(crate) fn validate(&self, sequence: u64) -> bool {
        fence(Ordering::Acquire);
        self.sequence.load(Ordering::Relaxed) == sequence
    }

    /// Number of slots.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.view().count
    }

    pub(crate) fn capacity(&self) -> usize {
        self.view().capacity()
    }

    /// The word of slot `index`; 0 if there is no such slot.
    #[inline]
    pub(crate) fn word(&self, index: usize) -> u64 {
        let view = self.view();
        if index < view.count { view.word(index).load(Ordering::Acquire) } else { 0 }
    }

    /// The link of slot `index` of an array with links; 0 if there is no such slot.
    #[inline]
    pub(crate) fn link(&self, index: usize) -> u64 {
        let view = self.view();
        if index < view.count { view.link(index).load(Ordering::Acquire) } else { 0 }
    }

    /// Searches slots `from..` for `key`. Repeats until the answer is consistent.
    #[inline]
    pub(crate) fn search<'a>(&self, key: &[u8], from: usize, key_of: impl Fn(u64) -> &'a [u8]) -> Found {
        loop {
            let sequence = self.sequence();
            let (index, word) = self.search_once(key, from, &key_of);
            if self.validate(sequence) {
                return Found { index, word, sequence };
            }
        }
    }

    /// As [`Slots::search`] on an array with links, for descending: the link of the last slot whose key isn't greater than
    /// `key` (`strict`: is smaller), with the words of that slot and of the one behind it.
    #[inline]
    pub(crate) fn descend<'a>(&self, key: &[u8], strict: bool, key_of: impl Fn(u64) -> &'a [u8]) -> Descent {
        loop {
            let sequence = self.sequence();
            // The first slot's key stands for "everything smaller".
            let (at, equal) = self.search_once(key, 1, &key_of);
            let index = if equal != 0 && !strict { at } else { at.saturating_sub(1) };
            let descent = Descent { index, link: self.link(index), word: self.word(index), next: self.word(index + 1) };
            if self.validate(sequence) {
                return descent;
            }
        }
    }

    /// As [`Slots::descend`], for the last slot.
    pub(crate) fn descend_last(&self) -> Descent {
        loop {
            let sequence = self.sequence();
            let index = self.len().saturating_sub(1);
            let descent = Descent { index, link: self.link(index), word: self.word(index), next: 0 };
            if self.validate(sequence) {
                return descent;
            }
        }
    }

    #[inline]
    fn search_once<'a>(&self, key: &[u8], from: usize, key_of: &impl Fn(u64) -> &'a [u8]) -> (usize, u64) {
        let view = self.view();
        if let Some(order) = &self.order {
            return search_in_order(&view, &**order, key, from, key_of);
        }
        match self.compare_prefix(key, view.prefix_len) {
            cmp::Ordering::Less => return (from.min(view.count), 0),
            cmp::Ordering::Greater => return (view.count, 0),
            cmp::Ordering::Equal => {}
        }
        let target = head(key, view.prefix_len);
        let probe = |at: usize| {
            match view.head(at).load(Ordering::Relaxed).cmp(&target) {
                cmp::Ordering::Less => Probe::Above,
                cmp::Ordering::Greater => Probe::Below,
                cmp::Ordering::Equal => match view.word(at).load(Ordering::Acquire) {
                    0 => Probe::At(0), // A slot in motion: validation fails.
                    word => match key_of(word).cmp(key) {
                        cmp::Ordering::Less => Probe::Above,
                        cmp::Ordering::Equal => Probe::At(word),
                        cmp::Ordering::Greater => Probe::Below,
                    },
                },
            }
        };
        let (mut low, mut high) = (from, view.count);
        if let Some(mut at) = self.guess(target, low, high) {
            // From the guess on in growing steps, until the target is between two probes.
            let mut step = GALLOP;
            match probe(at) {
                Probe::At(word) => return (at, word),
                Probe::Above => loop {
                    low = at + 1;
                    at += step;
                    step *= GALLOP;
                    if at >= high {
                        break;
                    }
                    match probe(at) {
                        Probe::At(word) => return (at, word),
                        Probe::Above => {}
                        Probe::Below => {
                            high = at;
                            break;
                        }
                    }
                },
                Probe::Below => loop {
                    high = at;
                    if at < low + step {
                        break;
                    }
                    at -= step;
                    step *= GALLOP;
                    match probe(at) {
                        Probe::At(word) => return (at, word),
                        Probe::Below => {}
                        Probe::Above => {
                            low = at + 1;
                            break;
                        }
                    }
                },
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match probe(middle) {
                Probe::At(word) => return (middle, word),
                Probe::Above => low = middle + 1,
                Probe::Below => high = middle,
            }
        }
        (low, 0)
    }

    /// The slot in `low..high` where a target would be if heads were spread evenly; `None`: there is no telling.
    #[inline]
    fn guess(&self, target: u64, low: usize, high: usize) -> Option<usize> {
        let (first, last) = (self.first.load(Ordering::Relaxed), self.last.load(Ordering::Relaxed));
        let slots = high.checked_sub(low)?.checked_sub(1)?;
        if first >= last {
            return None;
        }
        let part = target.saturating_sub(first) as f64 / (last - first) as f64;
        Some(low + cmp::min((part * slots as f64) as usize, slots))
    }

    /// How `key` compares with the shared prefix: equal if it begins with it.
    #[inline]
    fn compare_prefix(&self, key: &[u8], prefix_len: usize) -> cmp::Ordering {
        if prefix_len == 0 {
            return cmp::Ordering::Equal;
        }
        let prefix_len = cmp::min(prefix_len, MAX_PREFIX_BYTES);
        let own = &key[..cmp::min(key.len(), prefix_len)];
        for (index, word) in self.prefix.iter().enumerate().take(prefix_len.div_ceil(8)) {
            let order = head(own, 8 * index).cmp(&word.load(Ordering::Relaxed));
            if order != cmp::Ordering::Equal {
                return order;
            }
        }
        own.len().cmp(&prefix_len)
    }

    /// Whether `key` begins with the shared prefix. Under the latch.
    pub(crate) fn fits_prefix(&self, key: &[u8]) -> bool {
        self.compare_prefix(key, self.view().prefix_len) == cmp::Ordering::Equal
    }

    // ----- Writers: all of the following are called under the page's latch. -----

    fn begin_move(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        debug_assert_eq!(sequence & 1, 0);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    fn end_move(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Release);
    }

    /// Makes readers that hold a position look again, although nothing moved.
    pub(crate) fn invalidate_positions(&self) {
        self.begin_move();
        self.end_move();
    }

    /// Replaces the word of a slot that keeps its key.
    pub(crate) fn set_word(&self, index: usize, word: u64) {
        let view = self.view();
        assert!(index < view.count);
        view.word(index).store(word, Ordering::Release);
    }

    /// Replaces the link of a slot.
    pub(crate) fn set_link(&self, index: usize, link: u64) {
        let view = self.view();
        assert!(index < view.count);
        view.link(index).store(link, Ordering::Release);
    }

    /// Inserts a slot; the key begins with the shared prefix. Returns the replaced array if a larger one was needed.
    #[must_use]
    pub(crate) fn insert(&self, index: usize, key: &[u8], word: u64, link: Option<u64>) -> Option<OldArray> {
        let mut view = self.view();
        assert!(index <= view.count);
        let old = self.make_room(&mut view, 1);
        let head = head(key, view.prefix_len);
        if index == view.count {
            // An append moves nothing: it is complete before the count says so.
            view.write(index, head, word, link);
            self.begin_move();
        } else {
            self.begin_move();
            view.shift_up(index, 1);
            view.write(index, head, word, link);
        }
        self.set_shape(view.count + 1, view.prefix_len);
        self.end_move();
        if index == view.count {
            self.last.store(head, Ordering::Relaxed);
        }
        if index <= self.from() {
            self.note_first();
        }
        old
    }

    /// On an array with links: replaces the link of slot `index` and inserts slots (key, word, link) behind it. One step: no
    /// reader sees a part of it. The keys begin with the shared prefix. Returns the replaced array if a larger one was needed.
    #[must_use]
    pub(crate) fn replace(&self, index: usize, link: u64, rest: &[(&[u8], u64, u64)]) -> Option<OldArray> {
        let mut view = self.view();
        assert!(self.links && index < view.count);
        if rest.is_empty() {
            view.link(index).store(link, Ordering::Release);
            return None;
        }
        let old = self.make_room(&mut view, rest.len());
        self.begin_move();
        view.shift_up(index + 1, rest.len());
        for (at, (key, word, link)) in rest.iter().enumerate() {
            view.write(index + 1 + at, head(key, view.prefix_len), *word, Some(*link));
        }
        view.link(index).store(link, Ordering::Release);
        self.set_shape(view.count + rest.len(), view.prefix_len);
        self.end_move();
        self.note_ends();
        old
    }

    /// Makes the array large enough for `more` slots.
    fn make_room(&self, view: &mut View, more: usize) -> Option<OldArray> {
        let capacity = view.capacity();
        if view.count + more <= capacity {
            return None;
        }
        let larger = new_array(cmp::max(cmp::max(8, capacity + capacity / 2), view.count + more), self.links);
        let new = View { array: larger, ..*view };
        new.copy_from(view);
        // Same content: readers of either are right, and the old one is kept (invariant 3).
        self.array.store(larger, Ordering::Release);
        let old = OldArray { array: view.array.cast_mut(), links: self.links };
        *view = new;
        Some(old)
    }

    /// Removes a slot.
    pub(crate) fn remove(&self, index: usize) {
        let view = self.view();
        assert!(index < view.count);
        self.begin_move();
        for at in view.start(index)..view.start(view.count - 1) {
            view.at(at).store(view.at(at + view.stride).load(Ordering::Relaxed), Ordering::Release);
        }
        self.set_shape(view.count - 1, view.prefix_len);
        self.end_move();
        self.note_ends();
    }

    /// Fills an empty array with enough room that nobody else sees yet: slots by word, in key order, behind the longest
    /// prefix that the first and the last key share.
    pub(crate) fn fill<'a>(&self, words: &[u64], key_of: impl Fn(u64) -> &'a [u8]) {
        let view = self.view();
        assert!(view.count == 0 && words.len() <= view.capacity() && !self.links);
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
        let (first, last) = (key_of(*first), key_of(*last));
        // A single key's whole length would fit no other key; with an order of its own, prefixes mean nothing.
        let shared = if words.len() == 1 || self.order.is_some() {
            0
        } else {
            cmp::min(common_prefix(first, last), MAX_PREFIX_BYTES)
        };
        self.begin_move();
        self.store_prefix(&first[..shared]);
        for (index, word) in words.iter().enumerate() {
            view.write(index, head(key_of(*word), shared), *word, None);
        }
        self.set_shape(words.len(), shared);
        self.end_move();
        self.note_ends();
    }

    /// Chooses the prefix anew and recomputes the heads of slots `from..`. `prefix` begins every key of them (and every key
    /// that is going to be inserted before the next call); at most [`MAX_PREFIX_BYTES`] of it are used.
    pub(crate) fn set_prefix<'a>(&self, prefix: &[u8], from: usize, key_of: impl Fn(u64) -> &'a [u8]) {
        if self.order.is_some() {
            return;
        }
        let prefix = &prefix[..cmp::min(prefix.len(), MAX_PREFIX_BYTES)];
        let view = self.view();
        self.begin_move();
        self.store_prefix(prefix);
        self.set_shape(view.count, prefix.len());
        for index in from..view.count {
            let key = key_of(view.word(index).load(Ordering::Relaxed));
            view.head(index).store(head(key, prefix.len()), Ordering::Relaxed);
        }
        self.end_move();
        self.note_ends();
    }

    fn store_prefix(&self, prefix: &[u8]) {
        for (index, word) in self.prefix.iter().enumerate() {
            word.store(head(prefix, 8 * index), Ordering::Relaxed);
        }
    }

    fn set_shape(&self, count: usize, prefix_len: usize) {
        self.shape.store(count as u64 | (prefix_len as u64) << 32, Ordering::Release);
    }

    /// The first slot that is searched: on an array with links the first one's key means nothing.
    fn from(&self) -> usize {
        usize::from(self.links)
    }

    fn note_first(&self) {
        let view = self.view();
        if self.from() < view.count {
            self.first.store(view.head(self.from()).load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn note_ends(&self) {
        self.note_first();
        let view = self.view();
        if let Some(last) = view.count.checked_sub(1) {
            self.last.store(view.head(last).load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// As [`Slots::search_once`], by an order of its own.
#[cold]
#[inline(never)]
fn search_in_order<'a>(
    view: &View,
    order: &dyn CompareKeys,
    key: &[u8],
    from: usize,
    key_of: &dyn Fn(u64) -> &'a [u8],
) -> (usize, u64) {
    let (mut low, mut high) = (from, view.count);
    while low < high {
        let middle = low.midpoint(high);
        let word = view.word(middle).load(Ordering::Acquire);
        if word == 0 {
            return (0, 0); // A slot in motion: validation fails.
        }
        match order.compare(key_of(word), key) {
            cmp::Ordering::Less => low = middle + 1,
            cmp::Ordering::Equal => return (middle, word),
            cmp::Ordering::Greater => high = middle,
        }
    }
    (low, 0)
}

impl View {
    #[inline]
    fn at(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: callers pass offsets below the array's length, for an array that lives (invariants 3 and 5 of the module).
        unsafe { &*self.array.add(offset) }
    }

    fn capacity(&self) -> usize {
        self.at(0).load(Ordering::Relaxed) as usize
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        ARRAY_HEAD + index * self.stride
    }

    #[inline]
    fn head(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity());
        self.at(self.start(index))
    }

    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity());
        self.at(self.start(index) + 1)
    }

    #[inline]
    fn link(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity() && self.stride == 3);
        self.at(self.start(index) + 2)
    }

    fn write(&self, index: usize, head: u64, word: u64, link: Option<u64>) {
        self.head(index).store(head, Ordering::Relaxed);
        self.word(index).store(word, Ordering::Release);
        if let Some(link) = link {
            self.link(index).store(link, Ordering::Release);
        }
    }

    fn copy_from(&self, other: &Self) {
        for at in ARRAY_HEAD..other.start(other.count) {
            self.at(at).store(other.at(at).load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn shift_up(&self, index: usize, by: usize) {
        let by = by * self.stride;
        for at in (self.start(index)..self.start(self.count)).rev() {
            self.at(at + by).store(self.at(at).load(Ordering::Relaxed), Ordering::Release);
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        let array = self.array.load(Ordering::Relaxed);
        // SAFETY: the array is owned by this index alone now.
        unsafe { free_array(array, self.links) };
    }
}

/// A replaced array: freed when dropped, which must not be before the page is.
pub(crate) struct OldArray {
    array: *mut AtomicU64,
    links: bool,
}

// SAFETY: an array of atomics that only this value owns.
unsafe impl Send for OldArray {}

impl OldArray {
    pub(crate) fn bytes(&self) -> usize {
        // SAFETY: the array is owned by this value.
        Slots::bytes(unsafe { &*self.array }.load(Ordering::Relaxed) as usize, self.links)
    }
}

impl Drop for OldArray {
    fn drop(&mut self) {
        // SAFETY: owned by this value, dropped once.
        unsafe { free_array(self.array, self.links) };
    }
}

fn stride(links: bool) -> usize {
    if links { 3 } else { 2 }
}

fn array_len(capacity: usize, links: bool) -> usize {
    ARRAY_HEAD + capacity * stride(links)
}

/// A zeroed array whose first word is its capacity.
fn new_array(capacity: usize, links: bool) -> *mut AtomicU64 {
    let array = allocate(array_len(capacity, links));
    // SAFETY: a fresh array of at least one word.
    unsafe { &*array }.store(capacity as u64, Ordering::Relaxed);
    array
}

/// # Safety
/// `array` came from [`new_array`], nobody uses it any more, and it is freed once.
unsafe fn free_array(array: *mut AtomicU64, links: bool) {
    // SAFETY: by contract.
    unsafe {
        let capacity = (*array).load(Ordering::Relaxed) as usize;
        free(array, array_len(capacity, links));
    }
}

#[cfg(not(loom))]
fn footprint(words: usize) -> usize {
    page_memory::footprint(8 * words)
}

/// `words` words of zero.
#[cfg(not(loom))]
fn allocate(words: usize) -> *mut AtomicU64 {
    let array = page_memory::allocate(8 * words).cast::<AtomicU64>().as_ptr();
    for at in 0..words {
        // SAFETY: a fresh allocation of so many bytes, aligned to eight.
        unsafe { array.add(at).write(AtomicU64::new(0)) };
    }
    array
}

/// # Safety
/// `array` came from [`allocate`] with the same `words`, and nobody uses it any more.
#[cfg(not(loom))]
unsafe fn free(array: *mut AtomicU64, words: usize) {
    // SAFETY: by contract; the pointer isn't null, and atomics need no destructor.
    unsafe { page_memory::free(ptr::NonNull::new_unchecked(array).cast(), 8 * words) };
}

#[cfg(loom)]
fn footprint(words: usize) -> usize {
    8 * words
}

/// `words` words of zero. Loom's atomics are no plain words.
#[cfg(loom)]
fn allocate(words: usize) -> *mut AtomicU64 {
    let array: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
    Box::into_raw(array).cast()
}

/// # Safety
/// `array` came from [`allocate`] with the same `words`, and nobody uses it any more.
#[cfg(loom)]
unsafe fn free(array: *mut AtomicU64, words: usize) {
    // SAFETY: by contract.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(array, words)) });
}

/// Eight bytes of `key` from `skip` on, big-endian, padded with zeros.
#[inline]
pub(crate) fn head(key: &[u8], skip: usize) -> u64 {
    let rest = key.get(skip..).unwrap_or(&[]);
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}

/// The number of leading bytes two keys share.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

//! Sorted slot arrays that are read optimistically: the index of every page, leaf or internal.
//!
//! A slot has a *head* (the first eight bytes of its key behind the prefix that all keys of the array share, big-endian), a
//! *word* (which leads to the key and, on a leaf, to the record) and optionally a *link* (to a child page). Heads lie in
//! contiguous memory, so that a search touches few cache lines and compares whole keys only when heads are equal.
//!
//! Invariants:
//! 1. Only the holder of the page's latch writes. While slots move, the sequence number is odd; it grows with every change
//!    of positions. A reader's positions are valid if the number was even and is unchanged afterwards.
//! 2. Every word or link in the array is 0 or a valid one of this page, at any moment: a reader may dereference what it
//!    loads before it validates (it is pinned, so nothing that was ever in the array is freed meanwhile).
//! 3. Replaced arrays are kept until the page is freed: a reader's array pointer stays valid while it may use the page.
//! 4. Changing a word or link in place doesn't touch the sequence number: the slot keeps its key.
//!
//! It knows no keys: callers pass a function from word to key.

use super::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use super::spin;
use std::cmp;
use std::ptr;

const PREFIX_WORDS: usize = 3;
/// The longest shared prefix that is skipped.
pub(crate) const MAX_PREFIX_BYTES: usize = PREFIX_WORDS * 8;

/// See the module.
pub(crate) struct Slots {
    sequence: AtomicU64,
    /// Number of slots (low half) and length of the shared prefix (high half).
    shape: AtomicU64,
    prefix: [AtomicU64; PREFIX_WORDS],
    /// One capacity word, then heads, words and (with links) links, `capacity` each.
    array: AtomicPtr<AtomicU64>,
    links: bool,
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

/// A consistent view of count and array, before validation.
#[derive(Clone, Copy)]
struct View {
    count: usize,
    prefix_len: usize,
    capacity: usize,
    array: *const AtomicU64,
}

impl Slots {
    /// An empty array for `capacity` slots.
    pub(crate) fn with_capacity(capacity: usize, links: bool) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            shape: AtomicU64::new(0),
            prefix: std::array::from_fn(|_| AtomicU64::new(0)),
            array: AtomicPtr::new(new_array(capacity, links)),
            links,
        }
    }

    /// Bytes of an array of `capacity`.
    pub(crate) fn bytes(capacity: usize, links: bool) -> usize {
        8 * array_len(capacity, links)
    }

    #[inline]
    fn view(&self) -> View {
        let shape = self.shape.load(Ordering::Relaxed);
        let array: *const AtomicU64 = self.array.load(Ordering::Acquire);
        // SAFETY: the pointer is always a live array (invariant 3), which begins with its capacity.
        let capacity = unsafe { &*array }.load(Ordering::Relaxed) as usize;
        // A count of one moment and an array of another may not fit each other.
        let count = cmp::min((shape & 0xffff_ffff) as usize, capacity);
        View { count, prefix_len: (shape >> 32) as usize, capacity, array }
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
        self.view().capacity
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
        match self.compare_prefix(key, view.prefix_len) {
            cmp::Ordering::Less => return (from.min(view.count), 0),
            cmp::Ordering::Greater => return (view.count, 0),
            cmp::Ordering::Equal => {}
        }
        let target = head(key, view.prefix_len);
        let (mut low, mut size) = (from, view.count.saturating_sub(from));
        while size > 0 {
            let half = size / 2;
            let middle = low + half;
            let probe = view.head(middle).load(Ordering::Relaxed);
            let less = match probe.cmp(&target) {
                cmp::Ordering::Less => true,
                cmp::Ordering::Greater => false,
                cmp::Ordering::Equal => {
                    let word = view.word(middle).load(Ordering::Acquire);
                    if word == 0 {
                        return (0, 0); // A slot in motion: validation fails.
                    }
                    match key_of(word).cmp(key) {
                        cmp::Ordering::Less => true,
                        cmp::Ordering::Equal => return (middle, word),
                        cmp::Ordering::Greater => false,
                    }
                }
            };
            low = if less { middle + 1 } else { low };
            size = if less { size - half - 1 } else { half };
        }
        (low, 0)
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
            view.shift_up(index, 1, self.links);
            view.write(index, head, word, link);
        }
        self.set_shape(view.count + 1, view.prefix_len);
        self.end_move();
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
        view.shift_up(index + 1, rest.len(), true);
        for (at, (key, word, link)) in rest.iter().enumerate() {
            view.write(index + 1 + at, head(key, view.prefix_len), *word, Some(*link));
        }
        view.link(index).store(link, Ordering::Release);
        self.set_shape(view.count + rest.len(), view.prefix_len);
        self.end_move();
        old
    }

    /// Makes the array large enough for `more` slots.
    fn make_room(&self, view: &mut View, more: usize) -> Option<OldArray> {
        if view.count + more <= view.capacity {
            return None;
        }
        let capacity = cmp::max(cmp::max(8, view.capacity + view.capacity / 2), view.count + more);
        let larger = new_array(capacity, self.links);
        let new = View { array: larger, capacity, ..*view };
        new.copy_from(view, self.links);
        // Same content: readers of either are right, and the old one is kept (invariant 3).
        self.array.store(larger, Ordering::Release);
        let old = OldArray { array: view.array.cast_mut(), links: self.links };
        *view = new;
        Some(old)
    }

    /// Removes a slot.
    pub(crate) fn remove(&self, index: usize) {
        let (view, links) = (self.view(), self.links);
        assert!(index < view.count);
        self.begin_move();
        for at in index..view.count - 1 {
            view.head(at).store(view.head(at + 1).load(Ordering::Relaxed), Ordering::Relaxed);
            view.word(at).store(view.word(at + 1).load(Ordering::Relaxed), Ordering::Release);
            if links {
                view.link(at).store(view.link(at + 1).load(Ordering::Relaxed), Ordering::Release);
            }
        }
        self.set_shape(view.count - 1, view.prefix_len);
        self.end_move();
    }

    /// Chooses the prefix anew and recomputes the heads of slots `from..`. `prefix` begins every key of them (and every key
    /// that is going to be inserted before the next call); at most [`MAX_PREFIX_BYTES`] of it are used.
    pub(crate) fn set_prefix<'a>(&self, prefix: &[u8], from: usize, key_of: impl Fn(u64) -> &'a [u8]) {
        let prefix = &prefix[..cmp::min(prefix.len(), MAX_PREFIX_BYTES)];
        let view = self.view();
        self.begin_move();
        for (index, word) in self.prefix.iter().enumerate() {
            word.store(head(prefix, 8 * index), Ordering::Relaxed);
        }
        self.set_shape(view.count, prefix.len());
        for index in from..view.count {
            let key = key_of(view.word(index).load(Ordering::Relaxed));
            view.head(index).store(head(key, prefix.len()), Ordering::Relaxed);
        }
        self.end_move();
    }

    fn set_shape(&self, count: usize, prefix_len: usize) {
        self.shape.store(count as u64 | (prefix_len as u64) << 32, Ordering::Relaxed);
    }
}

impl View {
    #[inline]
    fn at(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: callers pass offsets below the array's length, for an array that lives (invariant 3 of the module).
        unsafe { &*self.array.add(offset) }
    }

    #[inline]
    fn head(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity);
        self.at(1 + index)
    }

    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity);
        self.at(1 + self.capacity + index)
    }

    #[inline]
    fn link(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.capacity);
        self.at(1 + 2 * self.capacity + index)
    }

    fn write(&self, index: usize, head: u64, word: u64, link: Option<u64>) {
        self.head(index).store(head, Ordering::Relaxed);
        self.word(index).store(word, Ordering::Release);
        if let Some(link) = link {
            self.link(index).store(link, Ordering::Release);
        }
    }

    fn copy_from(&self, other: &Self, links: bool) {
        for index in 0..other.count {
            let link = links.then(|| other.link(index).load(Ordering::Relaxed));
            self.write(
                index,
                other.head(index).load(Ordering::Relaxed),
                other.word(index).load(Ordering::Relaxed),
                link,
            );
        }
    }

    fn shift_up(&self, index: usize, by: usize, links: bool) {
        for at in (index..self.count).rev() {
            self.head(at + by).store(self.head(at).load(Ordering::Relaxed), Ordering::Relaxed);
            self.word(at + by).store(self.word(at).load(Ordering::Relaxed), Ordering::Release);
            if links {
                self.link(at + by).store(self.link(at).load(Ordering::Relaxed), Ordering::Release);
            }
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

fn array_len(capacity: usize, links: bool) -> usize {
    1 + capacity * if links { 3 } else { 2 }
}

/// A zeroed array whose first word is its capacity.
fn new_array(capacity: usize, links: bool) -> *mut AtomicU64 {
    let len = array_len(capacity, links);
    let array: Box<[AtomicU64]> = (0..len).map(|_| AtomicU64::new(0)).collect();
    array[0].store(capacity as u64, Ordering::Relaxed);
    Box::into_raw(array).cast()
}

/// # Safety
/// `array` came from [`new_array`], nobody uses it any more, and it is freed once.
unsafe fn free_array(array: *mut AtomicU64, links: bool) {
    // SAFETY: by contract.
    unsafe {
        let capacity = (*array).load(Ordering::Relaxed) as usize;
        drop(Box::from_raw(ptr::slice_from_raw_parts_mut(array, array_len(capacity, links))));
    }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Keys by word: word `n` stands for `KEYS[n - 1]`.
    const KEYS: [&[u8]; 7] =
        [b"app", b"apple", b"applesauce", b"apples\0\0", b"application-form", b"application-format", b"apply"];

    fn key_of(word: u64) -> &'static [u8] {
        KEYS[word as usize - 1]
    }

    fn filled(order: &[usize], prefix: &[u8]) -> (Slots, Vec<OldArray>) {
        let slots = Slots::with_capacity(2, false);
        slots.set_prefix(prefix, 0, key_of);
        let mut old = Vec::new();
        for index in order {
            let found = slots.search(KEYS[*index], 0, key_of);
            assert_eq!(found.word, 0);
            old.extend(slots.insert(found.index, KEYS[*index], *index as u64 + 1, None));
        }
        (slots, old)
    }

    #[rstest::rstest]
    #[case::no_prefix(b"")]
    #[case::shared(b"ap")]
    #[case::shared_whole_key(b"app")]
    fn every_key_is_found_where_it_sorts(#[case] prefix: &[u8]) {
        let mut sorted: Vec<&[u8]> = KEYS.to_vec();
        sorted.sort();
        let (slots, _old) = filled(&[3, 0, 6, 2, 5, 1, 4], prefix);
        assert_eq!(slots.len(), 7);
        for (index, key) in sorted.iter().enumerate() {
            let found = slots.search(key, 0, key_of);
            assert_eq!((found.index, key_of(found.word)), (index, *key));
        }
        for (key, index) in [(&b"a"[..], 0), (b"", 0), (b"apple\0", 2), (b"b", 7), (b"applf", 4), (b"apq", 7)] {
            let found = slots.search(key, 0, key_of);
            assert_eq!((found.index, found.word), (index, 0), "{key:?}");
        }
        slots.set_prefix(b"", 0, key_of);
        assert_eq!(slots.search(b"apply", 0, key_of).index, 6);
        slots.remove(0);
        assert_eq!(slots.search(b"apply", 0, key_of).index, 5);
        assert_eq!(slots.search(b"app", 0, key_of), Found { index: 0, word: 0, sequence: slots.sequence() });
    }

    #[test]
    fn descending_takes_the_last_key_not_greater() {
        let slots = Slots::with_capacity(2, true);
        let mut old = Vec::new();
        for (index, key) in [b"".as_slice(), b"f", b"m"].iter().enumerate() {
            old.extend(slots.insert(index, key, index as u64 + 10, Some(index as u64 + 100)));
        }
        let key_of = |word| [b"".as_slice(), b"f", b"m"][word as usize - 10];
        assert_eq!(slots.descend(b"", false, key_of), Descent { index: 0, link: 100, word: 10, next: 11 });
        assert_eq!(slots.descend(b"f", false, key_of), Descent { index: 1, link: 101, word: 11, next: 12 });
        assert_eq!(slots.descend(b"f", true, key_of), Descent { index: 0, link: 100, word: 10, next: 11 });
        assert_eq!(slots.descend(b"z", false, key_of), Descent { index: 2, link: 102, word: 12, next: 0 });
    }

    #[test]
    fn a_reader_beside_a_writer_always_finds_what_stays() {
        let rounds = if cfg!(miri) { 5 } else { 3_000 };
        let (slots, old) = filled(&[3], b"");
        let old = std::sync::Mutex::new(old);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..rounds {
                    for index in [0, 1, 2, 4, 5, 6] {
                        let at = slots.search(KEYS[index], 0, key_of).index;
                        old.lock().unwrap().extend(slots.insert(at, KEYS[index], index as u64 + 1, None));
                    }
                    if round % 7 == 0 {
                        slots.set_prefix(if round % 2 == 0 { b"app" } else { b"" }, 0, key_of);
                    }
                    for index in [0, 1, 2, 4, 5, 6] {
                        slots.remove(slots.search(KEYS[index], 0, key_of).index);
                    }
                }
            });
            scope.spawn(|| {
                for _ in 0..rounds * 10 {
                    assert_eq!(slots.search(KEYS[3], 0, key_of).word, 4);
                }
            });
        });
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::model::check;
    use loom::sync::Arc;
    use loom::thread;

    const KEYS: [&[u8]; 5] = [b"a1", b"a2", b"a3", b"a4", b"b"];

    /// Word `n` stands for `KEYS[n - 1]`.
    fn key_of(word: u64) -> &'static [u8] {
        KEYS[word as usize - 1]
    }

    fn filled(capacity: usize, links: bool, words: &[u64]) -> Arc<Slots> {
        let slots = Slots::with_capacity(capacity, links);
        for (index, word) in words.iter().enumerate() {
            let link = links.then_some(100 + word);
            assert!(slots.insert(index, key_of(*word), *word, link).is_none());
        }
        Arc::new(slots)
    }

    /// Whatever `write` does, a reader that looks for each of `words` finds it.
    fn always_found(
        capacity: usize,
        words: &'static [u64],
        stay: &'static [u64],
        write: fn(&Slots) -> Option<OldArray>,
    ) {
        loom::model(move || {
            let slots = filled(capacity, false, words);
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    for word in stay {
                        assert_eq!(slots.search(key_of(*word), 0, key_of).word, *word);
                    }
                })
            };
            let old = write(&slots);
            reader.join().unwrap();
            drop(old);
        });
    }

    #[test]
    fn an_insert_before_a_key_never_hides_it() {
        always_found(2, &[2], &[2], |slots| slots.insert(0, KEYS[0], 1, None));
    }

    #[test]
    fn an_insert_into_a_larger_array_never_hides_a_key() {
        always_found(1, &[2], &[2], |slots| slots.insert(0, KEYS[0], 1, None));
    }

    #[test]
    fn a_removal_before_a_key_never_hides_it() {
        always_found(2, &[1, 2], &[2], |slots| {
            slots.remove(0);
            None
        });
    }

    #[test]
    fn another_shared_prefix_never_hides_a_key() {
        always_found(2, &[1, 2], &[2], |slots| {
            slots.set_prefix(b"a", 0, key_of);
            None
        });
    }

    /// A position is good for as long as the sequence number stays: what is read at it is the key that was found there.
    #[test]
    fn a_validated_position_is_that_of_the_key() {
        loom::model(|| {
            let slots = filled(3, false, &[1, 3]);
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    let found = slots.search(KEYS[2], 0, key_of);
                    let word = slots.word(found.index);
                    if slots.validate(found.sequence) {
                        assert_eq!(word, 3);
                    }
                })
            };
            assert!(slots.insert(1, KEYS[1], 2, None).is_none());
            reader.join().unwrap();
        });
    }

    /// A child is replaced by two: a descent gets the old link, or the one of the two that covers its key; and the new
    /// right one can't be found by somebody who then finds the old link for a key of the left one.
    #[test]
    fn a_child_is_replaced_by_two_in_one_step() {
        check(2, || {
            let slots = filled(4, true, &[1, 4]);
            let reader = {
                let slots = Arc::clone(&slots);
                thread::spawn(move || {
                    let right = slots.descend(KEYS[2], false, key_of);
                    let left = slots.descend(KEYS[0], false, key_of);
                    match right.link {
                        101 => assert!([101, 201].contains(&left.link), "{left:?}"),
                        202 => assert_eq!((right.word, left.link, left.next), (2, 201, 2)),
                        link => panic!("link {link}"),
                    }
                    assert_eq!(slots.descend(KEYS[3], false, key_of).link, 104);
                })
            };
            assert!(slots.replace(0, 201, &[(KEYS[1], 2, 202)]).is_none());
            reader.join().unwrap();
        });
    }
}

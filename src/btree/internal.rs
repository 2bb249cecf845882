//! An internal page in memory: separators and links to children.
//!
//! Child `i` holds the keys from separator `i` up to separator `i + 1`; the first separator stands for "everything smaller".
//! A link is a tagged address: a leaf, an internal page, or a child that is on disk ([`OnDisk`]).
//!
//! Invariants:
//! 1. Readers search the slot array optimistically; whatever was once reachable stays allocated until the page is freed.
//! 2. Separators and links change only under the latch. A *dead* page was replaced in its parent: who wants to change it
//!    starts again from the root.
//! 3. `dirty` is set, from the leaf upwards, before a change below can be committed, and cleared by a checkpoint before it visits the children.

use super::address::ChildAddress;
use super::arena::Arena;
use super::key::Key;
use super::leaf::Leaf;
use super::order::KeyOrder;
use crate::block::Address;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::slots::{OldArray, Slots, common_prefix};
use std::ptr;

/// See the module.
pub(super) struct Internal {
    pub(super) slots: Slots,
    dead: AtomicBool,
    dirty: AtomicBool,
    pub(super) latch: Mutex<InternalInner>,
}

/// What the latch protects.
#[derive(Default)]
pub(super) struct InternalInner {
    arena: Arena,
    old_arrays: Vec<OldArray>,
    /// The blocks of the page's last written state.
    pub(super) disk: Vec<ChildAddress>,
    /// Blocks that the next write of the page frees.
    pub(super) free_on_write: Vec<Address>,
    pub(super) accounted: usize,
    /// The last child was inserted behind all others.
    pub(super) grows_at_end: bool,
}

/// A child that is not in memory.
pub(super) struct OnDisk {
    pub(super) child: ChildAddress,
    /// Held while the child is read; says whether that is done.
    pub(super) loading: Mutex<bool>,
}

/// Where a link leads.
#[derive(Clone, Copy)]
pub(super) enum Child<'a> {
    /// A leaf in memory.
    Leaf(&'a Leaf),
    /// An internal page in memory.
    Internal(&'a Internal),
    /// A child on disk.
    OnDisk(&'a OnDisk),
}

/// Where a descent goes.
#[derive(Clone, Copy)]
pub(super) enum Target<'k> {
    /// To the place of this key.
    Key(&'k [u8]),
    /// To the place of the keys just below this key.
    Below(&'k [u8]),
    /// To the end.
    Last,
}

/// One step of a descent.
pub(super) struct Step<'a> {
    /// The child's index.
    pub(super) index: usize,
    /// The child's link.
    pub(super) link: u64,
    /// The child's separator; `None` for the first.
    pub(super) low: Option<&'a [u8]>,
    /// The separator behind it; `None` for the last.
    pub(super) high: Option<&'a [u8]>,
}

const TAG_LEAF: u64 = 0;
const TAG_ON_DISK: u64 = 1;
const TAG_INTERNAL: u64 = 2;
const TAG_MASK: u64 = 3;

/// The link to a leaf, which it takes over.
pub(super) fn leaf_link(leaf: Leaf) -> u64 {
    link(Box::new(leaf), TAG_LEAF)
}

/// The link to an internal page, which it takes over.
pub(super) fn internal_link(internal: Internal) -> u64 {
    link(Box::new(internal), TAG_INTERNAL)
}

/// The link to a child on disk.
pub(super) fn on_disk_link(child: ChildAddress) -> u64 {
    link(Box::new(OnDisk { child, loading: Mutex::new(false) }), TAG_ON_DISK)
}

/// The link that leads to an internal page in memory.
pub(super) fn link_of(page: &Internal) -> u64 {
    ptr::from_ref(page).expose_provenance() as u64 | TAG_INTERNAL
}

/// The link that leads to a leaf in memory.
pub(super) fn link_of_leaf(leaf: &Leaf) -> u64 {
    ptr::from_ref(leaf).expose_provenance() as u64 | TAG_LEAF
}

fn link<T>(value: Box<T>, tag: u64) -> u64 {
    const { assert!(align_of::<Leaf>() > 2 && align_of::<Internal>() > 2 && align_of::<OnDisk>() > 2) };
    Box::into_raw(value).expose_provenance() as u64 | tag
}

/// Takes a link apart.
///
/// # Safety
/// `link` came from one of the functions above, and what it leads to is not freed during `'a`.
#[inline]
pub(super) unsafe fn child<'a>(link: u64) -> Child<'a> {
    let address = (link & !TAG_MASK) as usize;
    // SAFETY: by contract; the tag says what was boxed.
    unsafe {
        match link & TAG_MASK {
            TAG_LEAF => Child::Leaf(&*ptr::with_exposed_provenance(address)),
            TAG_INTERNAL => Child::Internal(&*ptr::with_exposed_provenance(address)),
            _ => Child::OnDisk(&*ptr::with_exposed_provenance(address)),
        }
    }
}

/// The address in a link, for retiring what it leads to.
pub(super) fn address<T>(link: u64) -> *mut T {
    ptr::with_exposed_provenance_mut((link & !TAG_MASK) as usize)
}

/// The key a word of an internal page leads to.
#[inline]
pub(super) fn key_of<'a>(word: u64) -> &'a [u8] {
    // SAFETY: words of internal pages' slots are keys of the page's arena, and the caller uses the page.
    unsafe { Key::from_word(word) }.bytes()
}

impl Internal {
    /// A page with these children, in key order.
    pub(super) fn new(children: &[(&[u8], u64)], order: &KeyOrder) -> Self {
        let page = Self {
            slots: Slots::with_capacity(children.len() + 8, true).ordered_by(order.for_slots()),
            dead: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            latch: Mutex::new(InternalInner::default()),
        };
        {
            let mut inner = page.latch.lock();
            inner.arena.reserve(children.iter().map(|(key, _)| (key.len() + 4).next_multiple_of(8)).sum());
            for (index, (separator, link)) in children.iter().enumerate() {
                let key = Key::new_in(&mut inner.arena, separator);
                let old = page.slots.insert(index, separator, key.word(), Some(*link));
                inner.old_arrays.extend(old);
            }
            page.choose_prefix();
        }
        page
    }

    fn choose_prefix(&self) {
        let (first, last) = (self.slots.word(1), self.slots.word(self.slots.len().wrapping_sub(1)));
        if first != 0 && last != 0 && first != last {
            let shared = common_prefix(key_of(first), key_of(last));
            self.slots.set_prefix(&key_of(first)[..shared], 1, key_of);
        }
    }

    #[inline]
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Sequentially consistent, like the other accesses to the mark: a writer marks a page, then looks at its parent's mark;
    /// a checkpoint clears the parent's mark, then looks at the page's. One of them must see what the other did.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::SeqCst)
    }

    pub(super) fn set_dirty(&self, dirty: bool) -> bool {
        self.dirty.swap(dirty, Ordering::SeqCst)
    }

    /// The child to follow.
    #[inline]
    pub(super) fn descend(&self, target: Target<'_>) -> Step<'_> {
        let found = match target {
            Target::Key(key) => self.slots.descend(key, false, key_of),
            Target::Below(key) => self.slots.descend(key, true, key_of),
            Target::Last => self.slots.descend_last(),
        };
        Step {
            index: found.index,
            link: found.link,
            low: (found.index > 0).then(|| key_of(found.word)),
            high: (found.next != 0).then(|| key_of(found.next)),
        }
    }

    /// The separator of child `index`, empty for the first.
    pub(super) fn separator(&self, index: usize) -> &[u8] {
        match self.slots.word(index) {
            0 => &[],
            word => key_of(word),
        }
    }

    /// Under the latch: gives child `index` another link and inserts children (separator and link) behind it, in one step for
    /// readers: who found the new link of one would miss what is written there while the others still led to the old page.
    pub(super) fn replace(&self, inner: &mut InternalInner, index: usize, link: u64, rest: &[(&[u8], u64)]) {
        if let (Some((first, _)), Some((last, _))) = (rest.first(), rest.last()) {
            inner.grows_at_end = index + 1 == self.slots.len();
            if rest.iter().any(|(separator, _)| !self.slots.fits_prefix(separator)) {
                // The first slot's separator is not searched; those between the ends share what the ends share.
                let ends = [self.slots.word(1), self.slots.word(self.slots.len() - 1)];
                let shared = ends
                    .iter()
                    .filter(|word| **word != 0 && self.slots.len() > 1)
                    .fold(common_prefix(first, last), |shared, word| shared.min(common_prefix(first, key_of(*word))));
                self.slots.set_prefix(&first[..shared], 1, key_of);
            }
        }
        let rest: Vec<(&[u8], u64, u64)> = rest
            .iter()
            .map(|(separator, link)| (*separator, Key::new_in(&mut inner.arena, separator).word(), *link))
            .collect();
        let old = self.slots.replace(index, link, &rest);
        inner.old_arrays.extend(old);
    }

    /// Under the latch: removes a child whose range the child behind it takes over (`index` isn't the last).
    pub(super) fn remove_into_next(&self, index: usize) {
        assert!(index + 1 < self.slots.len());
        // The next child's link moves to this slot, which keeps its separator; then the next slot goes.
        let next = self.slots.link(index + 1);
        self.slots.set_link(index, next);
        self.slots.remove(index + 1);
    }

    /// Under the latch: all children, in key order.
    pub(super) fn children(&self) -> Vec<(&[u8], u64)> {
        (0..self.slots.len()).map(|index| (self.separator(index), self.slots.link(index))).collect()
    }

    /// Bytes of memory the page takes.
    pub(super) fn bytes(&self, inner: &InternalInner) -> usize {
        size_of::<Self>()
            + Slots::bytes(self.slots.capacity(), true)
            + inner.arena.bytes()
            + inner.old_arrays.iter().map(OldArray::bytes).sum::<usize>()
    }
}

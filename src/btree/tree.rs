//! The tree: descent, and replacing pages in their parents.
//!
//! Latch order: a child's latch, then its parent's, upwards. Nobody takes a latch downwards or sideways while holding one,
//! so there is no deadlock. Readers take none.
//!
//! Replacing a leaf: with its latch held, (1) it is marked dead, (2) the parent's link is switched to the new page and its
//! right siblings are inserted, in one step, (3) it is retired. Whoever reads the old page meanwhile reads what it held when it
//! died: everything that was committed before its descent began (or before it found the page alive). For nothing can be
//! committed on a new page before (2), and then (1) is visible to every snapshot that contains it. Whoever wants to change
//! the old page finds it dead. For the same reason a leaf that gets an empty right sibling lowers its upper bound before
//! the sibling can be found.
//!
//! A running checkpoint holds `structure` exclusively: internal pages are not split, evicted or replaced meanwhile; they
//! only gain and lose children.

use super::internal::{Child, Internal, InternalInner, Target, address, child, internal_link, link_of, link_of_leaf};
use super::leaf::{Leaf, LeafInner};
use super::settings::TreeSettings;
use super::windows::Windows;
use crate::block::{Address, BlockManager};
use crate::cache::Cache;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::reclaim::{Participant, Reclaimer};
use crate::sync::spin;
use crate::sync::{Mutex, RwLock};
use crate::txn::TxnGlobal;
use hardwired_plugin::Result;
use std::sync::Arc;

/// More children than this, and an internal page is split.
const MAX_CHILDREN: usize = 256;
/// Deeper trees are refused as corrupt.
pub(super) const MAX_DEPTH: usize = 64;

/// An open B-tree (a row store). Threads share it; each uses cursors of its own.
pub struct Tree {
    pub(super) name: String,
    pub(super) settings: TreeSettings,
    pub(super) block: Arc<BlockManager>,
    pub(super) cache: Arc<Cache>,
    pub(super) txns: Arc<TxnGlobal>,
    /// Link of the root, always an internal page.
    pub(super) root: AtomicU64,
    pub(super) dirty: AtomicBool,
    /// Whether rows were ever written: a new tree's checkpoint is a fake one.
    pub(super) ever_written: AtomicBool,
    pub(super) structure: RwLock<()>,
    pub(super) write_gen: AtomicU64,
    pub(super) base_write_gen: u64,
    pub(super) windows: Windows,
    /// How large leaf images may be; see [`Tree::leaf_image_max`].
    pub(super) leaf_image_max: AtomicU32,
    /// Where eviction goes on.
    pub(super) hand: Mutex<Vec<u8>>,
}

/// An operation in progress: what it loads from the tree stays allocated.
pub(super) struct Pin<'a> {
    reclaimer: &'a Reclaimer,
    participant: &'a Participant,
}

impl<'a> Pin<'a> {
    #[inline]
    pub(super) fn new(reclaimer: &'a Reclaimer, participant: &'a Participant) -> Self {
        reclaimer.pin(participant);
        Self { reclaimer, participant }
    }
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        self.reclaimer.unpin(self.participant);
    }
}

/// A leaf with the bounds that its ancestors set.
#[derive(Clone, Copy)]
pub(super) struct Found<'p> {
    pub(super) leaf: &'p Leaf,
    /// The tightest separator at or below the leaf's keys; `None`: it is the first leaf.
    pub(super) low: Option<&'p [u8]>,
}

impl Tree {
    #[inline]
    pub(super) fn root_page<'p>(&self, _pin: &'p Pin<'_>) -> &'p Internal {
        // SAFETY: the root link is one of an internal page; the pin keeps a replaced root allocated.
        match unsafe { child(self.root.load(Ordering::Acquire)) } {
            Child::Internal(page) => page,
            _ => unreachable!("the root is an internal page"),
        }
    }

    /// The child of `page` that a link leads to.
    #[inline]
    pub(super) fn child_of<'p>(&self, _pin: &'p Pin<'_>, link: u64) -> Child<'p> {
        // SAFETY: the link was loaded from a page while pinned, so what it leads to is not freed before the pin ends.
        unsafe { child(link) }
    }

    /// The leaf that `target` names, read from disk if need be.
    #[inline]
    pub(super) fn find_leaf<'p>(&self, pin: &'p Pin<'_>, target: Target<'_>) -> Result<Found<'p>> {
        loop {
            let mut page = self.root_page(pin);
            let mut low = None;
            loop {
                let step = page.descend(target);
                low = step.low.or(low);
                match self.child_of(pin, step.link) {
                    Child::Leaf(leaf) => {
                        self.settings.order.check()?;
                        return Ok(Found { leaf, low });
                    }
                    Child::Internal(internal) => page = internal,
                    Child::OnDisk(on_disk) => {
                        self.load(pin, on_disk, step.link, target)?;
                        break;
                    }
                }
            }
        }
    }

    /// The page that links to `link`, a child on the way to `target`; `None`: no page does (any more).
    pub(super) fn find_parent<'p>(&self, pin: &'p Pin<'_>, target: Target<'_>, link: u64) -> Option<Parent<'p>> {
        let mut page = self.root_page(pin);
        let (mut low, mut high, mut depth) = (None, None, 1);
        loop {
            let step = page.descend(target);
            low = step.low.or(low);
            high = step.high.or(high);
            if step.link == link {
                return Some(Parent { page, depth, low, high });
            }
            depth += 1;
            match self.child_of(pin, step.link) {
                Child::Internal(internal) => page = internal,
                _ => return None,
            }
        }
    }

    /// Replaces the child `old` on the way to `target` by `new` (separators and links, in key order; the first separator is not
    /// used). The caller holds the child's latch (or its loading lock), so it can't be replaced by anybody else. An empty
    /// `new` removes the child; the answer is false if it can't be removed because it is its page's last. The parent changes in
    /// one step for readers.
    pub(super) fn replace_child(&self, pin: &Pin<'_>, target: Target<'_>, old: u64, new: &[(&[u8], u64)]) -> bool {
        let mut rounds = 0;
        let parent = loop {
            let Some(parent) = self.find_parent(pin, target, old) else {
                spin(&mut rounds); // An ancestor is being split: the child's new parent is about to be linked.
                continue;
            };
            let mut inner = parent.page.latch.lock();
            if parent.page.is_dead() {
                continue;
            }
            let step = parent.page.descend(target);
            if step.link != old {
                continue;
            }
            let Some((first, rest)) = new.split_first() else {
                if step.index + 1 == parent.page.slots.len() {
                    return false;
                }
                parent.page.remove_into_next(step.index);
                return true;
            };
            parent.page.replace(&mut inner, step.index, first.1, rest);
            self.account_internal(parent.page, &mut inner);
            break parent;
        };
        if parent.page.slots.len() > MAX_CHILDREN {
            self.split_internal(pin, parent.page);
        }
        true
    }

    /// Replaces a leaf, under its latch, as [`Tree::replace_child`] does, and hands it to reclamation. False: it is empty and
    /// its page's last child, so it stays.
    pub(super) fn replace_leaf(
        &self,
        pin: &Pin<'_>,
        low: &[u8],
        leaf: &Leaf,
        inner: &mut LeafInner,
        new: &[(&[u8], u64)],
    ) -> bool {
        // Before anybody can find the new pages, hence commit something there: a cursor that rests on this one and is to see
        // that must find this one dead.
        leaf.kill();
        let replaced = self.replace_child(pin, Target::Key(low), link_of_leaf(leaf), new);
        if replaced {
            self.retire_leaf(leaf, inner);
        } else {
            leaf.revive();
        }
        replaced
    }

    /// Splits an internal page that has too many children (and then its ancestors), unless a checkpoint is running.
    #[cold]
    fn split_internal(&self, pin: &Pin<'_>, page: &Internal) {
        // Held to the end: a checkpoint must not meet the page half replaced.
        let Some(_structure) = self.structure.try_read() else { return };
        let mut inner = page.latch.lock();
        if page.is_dead() || page.slots.len() <= MAX_CHILDREN {
            return;
        }
        let children = page.children();
        // A page that grows at its end leaves full pages behind.
        let at_end = children.len() - 1;
        let middle = if inner.grows_at_end { at_end } else { children.len() / 2 };
        let order = &self.settings.order;
        let (left, right) = (Internal::new(&children[..middle], order), Internal::new(&children[middle..], order));
        for half in [&left, &right] {
            half.set_dirty(true);
            self.account_internal(half, &mut half.latch.lock());
        }
        {
            let mut left = left.latch.lock();
            left.free_on_write = std::mem::take(&mut inner.free_on_write);
            left.free_on_write.extend(inner.disk.drain(..).map(|child| child.address));
        }
        let (separator, key) = (children[middle].0, children[1].0);
        let (left, right) = (internal_link(left), internal_link(right));
        let own = link_of(page);
        if self.root.load(Ordering::Acquire) == own {
            let root = Internal::new(&[(&[], left), (separator, right)], order);
            root.set_dirty(true);
            self.account_internal(&root, &mut root.latch.lock());
            self.root.store(internal_link(root), Ordering::Release);
        } else {
            self.replace_child(pin, Target::Key(key), own, &[(&[], left), (separator, right)]);
        }
        page.kill();
        self.mark_dirty(pin, key);
        let bytes = inner.accounted;
        drop(inner);
        self.cache.sub(bytes);
        // SAFETY: the page was boxed for its link, no link leads to it any more, and only this thread killed it.
        unsafe { self.txns.reclaimer().retire(address::<Internal>(own), bytes) };
    }

    /// Marks the ancestors of the leaf of `key` as dirty, from the leaf upwards: a checkpoint, which clears the marks from the
    /// root downwards, can't miss one.
    pub(super) fn mark_dirty(&self, pin: &Pin<'_>, key: &[u8]) {
        let mut path = [None; MAX_DEPTH];
        let mut depth = 0;
        let mut page = self.root_page(pin);
        loop {
            path[depth] = Some(page);
            depth += 1;
            match self.child_of(pin, page.descend(Target::Key(key)).link) {
                Child::Internal(internal) if depth < MAX_DEPTH => page = internal,
                _ => break,
            }
        }
        for page in path[..depth].iter().rev().flatten() {
            if !page.is_dirty() {
                page.set_dirty(true);
            }
        }
        self.ever_written.store(true, Ordering::Release);
        self.dirty.store(true, Ordering::SeqCst);
    }

    /// Whether the next checkpoint has something to write.
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// The object's name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn account_internal(&self, page: &Internal, inner: &mut InternalInner) {
        let bytes = page.bytes(inner);
        if bytes > inner.accounted {
            self.cache.add(bytes - inner.accounted);
            inner.accounted = bytes;
        }
    }

    /// Reports a leaf's size to the cache.
    #[inline]
    pub(super) fn account(&self, leaf: &Leaf, inner: &mut LeafInner) {
        let bytes = leaf.bytes(inner);
        if bytes > inner.accounted {
            self.cache.add(bytes - inner.accounted);
            inner.accounted = bytes;
        }
        if leaf.is_dirty() && bytes > inner.accounted_dirty {
            self.cache.add_dirty(bytes - inner.accounted_dirty);
            inner.accounted_dirty = bytes;
        }
    }

    /// Under the leaf's latch: it was written, or is being discarded.
    pub(super) fn account_clean(&self, inner: &mut LeafInner) {
        self.cache.sub_dirty(std::mem::take(&mut inner.accounted_dirty));
    }

    /// Hands a replaced leaf to reclamation. Its latch is held by the caller.
    fn retire_leaf(&self, leaf: &Leaf, inner: &mut LeafInner) {
        leaf.slots.invalidate_positions();
        self.account_clean(inner);
        let bytes = std::mem::take(&mut inner.accounted);
        self.cache.sub(bytes);
        // SAFETY: the leaf was boxed for its link; the caller replaced that in the only parent, holds the latch, and found
        // the leaf alive, so nobody else retires it.
        unsafe { self.txns.reclaimer().retire(address::<Leaf>(link_of_leaf(leaf)), bytes) };
    }

    /// Frees blocks that no page refers to any more.
    pub(super) fn free_blocks(&self, blocks: impl IntoIterator<Item = Address>) -> Result<()> {
        for block in blocks {
            self.block.free(&block)?;
        }
        Ok(())
    }

    /// The next page's write generation.
    pub(crate) fn next_write_gen(&self) -> u64 {
        self.write_gen.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A page and which of its children was looked for.
pub(super) struct Parent<'p> {
    pub(super) page: &'p Internal,
    /// Pages from the root down to this one.
    pub(super) depth: usize,
    pub(super) low: Option<&'p [u8]>,
    pub(super) high: Option<&'p [u8]>,
}

//! Keeping page memory within its limits: writing dirty leaves, and dropping leaves from memory.
//!
//! Eviction walks the leaves in key order like the hand of a clock. A leaf that was used since the last round is spared. A
//! leaf may leave memory if nobody can see anything but its newest committed state (`max_txn < oldest id`); a dirty one is
//! written first, and then either dropped or, while only dirty memory is to be reduced, kept: as it is, or, if it has grown
//! far beyond its image, replaced by a page made of the blocks just written.
//!
//! Why a running checkpoint needs no protection from this: its snapshot pins the oldest id, so a leaf with anything newer
//! than the checkpoint is not evictable; what it writes belongs to the checkpoint, wherever the checkpoint's walk is.

use super::internal::{Child, Internal, Target, address, leaf_link, link_of, on_disk_link};
use super::leaf::{Leaf, LeafInner, Slot};
use super::rebuild::hides_older;
use super::tree::{Pin, Tree};
use super::version::Kind;
use crate::cache::{Evict, Want};
use crate::reconcile::{View, WrittenLeaf};
use crate::sync::MutexGuard;
use crate::sync::reclaim::Participant;
use crate::txn::Txn;
use hardwired_plugin::error::RollbackReason;
use hardwired_plugin::{Error, Result};
use std::time::{Duration, Instant};

/// Leaves that one call looks at, at most.
const VISITS: usize = 64;
/// Leaves that were used in this many latest rounds are spared.
const SPARED_GENERATIONS: u32 = 1;
/// Writers free replaced pages when this much waits, whether an eviction thread runs or not.
const RETIRED_BYTES: u64 = 2 << 20;
/// Rounds of eviction that a reader makes for one page, at most.
const PAGE_ROUNDS: usize = 4;
/// How long a writer waits for memory before its transaction is rolled back.
const STUCK_AFTER: Duration = Duration::from_secs(60);

impl Tree {
    /// Called before a write: helps eviction while memory is over its triggers.
    #[inline]
    pub(super) fn make_room(&self, txn: &Txn) -> Result<()> {
        if self.txns.reclaimer().retired_bytes() > RETIRED_BYTES {
            self.txns.reclaimer().collect();
        }
        if self.cache.over_trigger() { self.help(Some(txn)) } else { Ok(()) }
    }

    /// Evicts until memory is below its triggers, or nothing can be done. The caller holds no pin and no latch.
    #[cold]
    pub(super) fn help(&self, txn: Option<&Txn>) -> Result<()> {
        self.cache.wake();
        let started = Instant::now();
        for round in 0_u32.. {
            if !self.cache.over_trigger() {
                break;
            }
            self.txns.update_oldest();
            let Some(want) = self.cache.want(false) else { break };
            let done = self.cache.evict_round(Want { aggressive: round > 2, ..want });
            self.txns.reclaimer().collect();
            if done > 0 {
                continue;
            }
            // Nothing can go: versions are pinned by running transactions. A transaction that pins them itself goes on
            // (it must be able to commit) unless it alone fills the cache.
            let full = self.cache.bytes() > self.cache.limits().size;
            if !txn.is_some_and(Txn::has_modifications) {
                if round > 3 {
                    break;
                }
                std::thread::sleep(Duration::from_micros(200));
            } else if self.cache.bytes() > self.cache.limits().size.saturating_mul(2)
                || full && started.elapsed() > STUCK_AFTER
            {
                return Err(Error::Rollback(RollbackReason::OldestForEviction));
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Called before a page is read: evicts others while memory is over its trigger. The caller may be pinned (what is
    /// evicted meanwhile is freed when the next operation begins) but holds no latch.
    pub(super) fn make_room_for_page(&self) {
        if self.txns.reclaimer().retired_bytes() > RETIRED_BYTES {
            self.txns.reclaimer().collect();
        }
        for _ in 0..PAGE_ROUNDS {
            if !self.cache.over_space_trigger() {
                break;
            }
            self.txns.update_oldest();
            self.cache.evict_round(Want { space: true, clean: false, aggressive: true });
        }
    }

    /// Looks at a leaf; gives the bytes that left memory or became clean.
    pub(super) fn evict_leaf(&self, pin: &Pin<'_>, leaf: &Leaf, want: Want) -> Result<u64> {
        let Some(mut inner) = leaf.latch.try_lock() else { return Ok(0) };
        if leaf.is_dead() || leaf.max_txn() >= self.txns.oldest_id() {
            return Ok(0);
        }
        let age = self.cache.generation().wrapping_sub(leaf.last_used());
        let drop_it = want.space && (want.aggressive || age > SPARED_GENERATIONS);
        let dirty = leaf.is_dirty();
        if !(drop_it || dirty && want.clean) {
            return Ok(0);
        }
        let bytes = inner.accounted as u64;
        if !dirty {
            // What stays is no success: a helper would wait for more of it for ever.
            return Ok(if self.drop_leaf(pin, leaf, &mut inner) { bytes } else { 0 });
        }
        let refresh = !drop_it && leaf.is_bloated(&inner, self.leaf_image_max() as usize);
        let written = self.write_leaf(leaf, &mut inner, &View::Everything, refresh)?;
        debug_assert!(!written.leftover);
        leaf.set_dirty(false);
        self.account_clean(&mut inner);
        if drop_it {
            self.settle(&mut inner, &written, None)?;
            self.drop_leaf(pin, leaf, &mut inner);
        } else if refresh {
            self.refresh_leaf(pin, leaf, &mut inner, written)?;
        } else {
            self.settle(&mut inner, &written, Some(leaf))?;
        }
        Ok(bytes)
    }

    /// Notes what a write of the leaf made, and frees the blocks of its former state. `staying`: the leaf, if it stays in
    /// memory as it is; older versions whose overflow blocks go then get copies in memory.
    pub(super) fn settle(&self, inner: &mut LeafInner, written: &WrittenLeaf, staying: Option<&Leaf>) -> Result<()> {
        let former =
            std::mem::replace(&mut inner.disk, written.blocks.iter().map(|block| block.child.clone()).collect());
        let mut gone = std::mem::replace(&mut inner.overflow, written.overflow.clone());
        gone.retain(|cookie| !written.overflow.contains(cookie));
        if let Some(leaf) = staying
            && !gone.is_empty()
        {
            self.keep_in_memory(leaf, inner, &gone)?;
        }
        self.free_blocks(self.overflow_addresses(gone.iter())?)?;
        self.free_blocks(former.into_iter().map(|child| child.address))?;
        self.free_blocks(std::mem::take(&mut inner.free_on_write))
    }

    /// Gives versions that somebody may still see, and whose values are in these overflow blocks, copies in memory. The
    /// blocks can't stay instead: a checkpoint's lists hold exactly the blocks of its tree.
    fn keep_in_memory(&self, leaf: &Leaf, inner: &mut LeafInner, cookies: &[Box<[u8]>]) -> Result<()> {
        let horizon = self.txns.horizon();
        for index in 0..leaf.slots.len() {
            let Slot::Row(row) = leaf.slot(leaf.slots.word(index)) else { continue };
            for version in row.versions() {
                if version.kind() == Kind::Overflow && cookies.iter().any(|cookie| **cookie == *version.data()) {
                    let item = self.read_overflow(version.data())?;
                    row.replace(version, version.copy_with(&mut inner.arena, Kind::Standard, &item));
                }
                if hides_older(version, horizon) {
                    break;
                }
            }
        }
        self.account(leaf, inner);
        Ok(())
    }

    /// Replaces a clean leaf by its addresses. An empty one goes away, or stays if it is its parent's last child: then
    /// the answer is false.
    fn drop_leaf(&self, pin: &Pin<'_>, leaf: &Leaf, inner: &mut MutexGuard<'_, LeafInner>) -> bool {
        let low = inner.low.clone();
        let links: Vec<(Box<[u8]>, u64)> =
            inner.disk.iter().map(|child| (child.separator.clone(), on_disk_link(child.clone()))).collect();
        let new: Vec<(&[u8], u64)> = links.iter().map(|(separator, link)| (&separator[..], *link)).collect();
        self.replace_leaf(pin, &low, leaf, inner, &new)
    }

    /// Replaces a leaf that was just written by pages made of the written blocks.
    pub(super) fn refresh_leaf(
        &self,
        pin: &Pin<'_>,
        leaf: &Leaf,
        inner: &mut MutexGuard<'_, LeafInner>,
        written: WrittenLeaf,
    ) -> Result<()> {
        self.settle(inner, &written, None)?;
        if written.blocks.is_empty() {
            return Ok(());
        }
        let mut separators: Vec<Box<[u8]>> = written.blocks.iter().map(|block| block.child.separator.clone()).collect();
        separators[0] = leaf.lowest(inner).into();
        let mut pages = Vec::with_capacity(separators.len());
        for (index, block) in written.blocks.into_iter().enumerate() {
            let high = separators.get(index + 1).map(|separator| &separator[..]).or(leaf.high());
            let page = match block.image {
                Some(image) => self.leaf_from_image(image, block.child, &separators[index], high)?,
                None => unreachable!("written with images"),
            };
            page.raise_max_txn(leaf.max_txn());
            page.touch(leaf.last_used());
            {
                let mut new_inner = page.latch.lock();
                new_inner.appends = inner.appends;
                self.account(&page, &mut new_inner);
            }
            pages.push(page);
        }
        let links: Vec<u64> = pages.into_iter().map(leaf_link).collect();
        let new: Vec<(&[u8], u64)> = separators.iter().map(|separator| &separator[..]).zip(links).collect();
        let low = inner.low.clone();
        self.replace_leaf(pin, &low, leaf, inner, &new);
        Ok(())
    }

    /// Drops an internal page whose children are all on disk and that is unchanged since it was written. `key` is one by
    /// which a descent found the page: its own separators don't tell where it is, if it has one child.
    fn evict_internal(&self, pin: &Pin<'_>, page: &Internal, key: &[u8]) -> u64 {
        let Some(_structure) = self.structure.try_read() else { return 0 };
        let Some(mut inner) = page.latch.try_lock() else { return 0 };
        let children = page.children();
        let all_on_disk = children.iter().all(|(_, link)| matches!(self.child_of(pin, *link), Child::OnDisk(_)));
        if page.is_dead() || page.is_dirty() || !all_on_disk || inner.disk.len() != 1 || !inner.free_on_write.is_empty()
        {
            return 0;
        }
        // A child being read would be linked into this page: its loading lock is free, and stays so while we hold it.
        let mut locks = Vec::with_capacity(children.len());
        for (_, link) in &children {
            if let Child::OnDisk(child) = self.child_of(pin, *link) {
                let Some(lock) = child.loading.try_lock() else { return 0 };
                locks.push(lock);
            }
        }
        let link = on_disk_link(inner.disk[0].clone());
        self.replace_child(pin, Target::Key(key), link_of(page), &[(&[], link)]);
        page.kill();
        for lock in &mut locks {
            **lock = true;
        }
        drop(locks);
        let bytes = std::mem::take(&mut inner.accounted);
        self.cache.sub(bytes);
        for (_, link) in children {
            // SAFETY: the page that linked to it is dead, and nobody else links to it.
            unsafe { self.txns.reclaimer().retire(address::<super::internal::OnDisk>(link), 0) };
        }
        // SAFETY: unlinked by `replace_child`, under its latch, and found alive.
        unsafe { self.txns.reclaimer().retire(address::<Internal>(link_of(page)), bytes) };
        bytes as u64
    }

    /// Goes on with the clock's hand for some leaves.
    fn walk(&self, participant: &Participant, want: Want) -> Result<u64> {
        let mut hand = self.hand.lock();
        let mut done = 0;
        for _ in 0..VISITS {
            let pin = Pin::new(self.txns.reclaimer(), participant);
            let found = self.find_resident(&pin, &hand);
            match found.child {
                Child::Leaf(leaf) => done += self.evict_leaf(&pin, leaf, want)?,
                // The last leaf of a page was passed: the page itself may go.
                Child::OnDisk(_) if found.last && want.space && found.depth > 1 => {
                    done += self.evict_internal(&pin, found.parent, &hand);
                }
                _ => {}
            }
            match found.high {
                Some(high) => {
                    hand.clear();
                    hand.extend_from_slice(high);
                }
                None => {
                    hand.clear();
                    self.cache.advance_generation();
                    break;
                }
            }
        }
        self.settings.order.check()?;
        Ok(done)
    }

    /// The child at `key` without reading anything from disk. Runs of children on disk in one page are passed over.
    fn find_resident<'p>(&self, pin: &'p Pin<'_>, key: &[u8]) -> Resident<'p> {
        let mut page = self.root_page(pin);
        let (mut high, mut depth) = (None, 1);
        loop {
            let step = page.descend(Target::Key(key));
            let mut found = Resident {
                child: self.child_of(pin, step.link),
                parent: page,
                high: step.high.or(high),
                last: step.high.is_none(),
                depth,
            };
            if let Child::Internal(internal) = found.child {
                (page, high, depth) = (internal, found.high, depth + 1);
                continue;
            }
            let mut index = step.index;
            while matches!(found.child, Child::OnDisk(_)) && !found.last {
                index += 1;
                found.child = match page.slots.link(index) {
                    0 => return found,
                    link => self.child_of(pin, link),
                };
                found.last = index + 1 >= page.slots.len();
                found.high = if found.last { high } else { Some(page.separator(index + 1)) };
                if let Child::Internal(_) = found.child {
                    // Continue with it in the next step.
                    found.high = Some(page.separator(index));
                    return found;
                }
            }
            return found;
        }
    }
}

/// What the clock's hand points to.
struct Resident<'p> {
    child: Child<'p>,
    parent: &'p Internal,
    high: Option<&'p [u8]>,
    /// It is its page's last child.
    last: bool,
    depth: usize,
}

impl Evict for Tree {
    fn evict_some(&self, want: Want) -> u64 {
        let participant = self.txns.reclaimer().join();
        let result = self.walk(&participant, want);
        self.txns.reclaimer().leave(&participant);
        match result {
            Ok(done) => done,
            Err(error) => {
                // The block manager refuses further changes after a failed write, so the next write or checkpoint of this
                // tree reports it to its caller.
                tracing::error!(object = self.name, %error, "eviction failed");
                0
            }
        }
    }
}

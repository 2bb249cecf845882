//! Writing a tree as a snapshot sees it.
//!
//! 1. The checkpoint holds `structure` exclusively, so internal pages keep their identity; leaves may split, be rebuilt and
//!    be evicted meanwhile.
//! 2. It clears a page's dirty mark before it visits the children; writers mark from the leaf upwards. So a change that the
//!    checkpoint doesn't write leaves the whole path marked for the next one.
//! 3. Leaves are visited by key, each under its latch. What a visited leaf becomes later does not matter: this checkpoint
//!    has its addresses; see `evict` for why they stay valid.
//! 4. Children are written before parents, with increasing write generations.
//! 5. The root page is not written here: the block manager writes it as part of the file's checkpoint.

use super::address::ChildAddress;
use super::internal::{Child, Internal, Target};
use super::tree::{MAX_DEPTH, Pin, Tree};
use crate::block::Address;
use crate::page::header::set_write_gen;
use crate::page::time_aggregate::TimeAggregate;
use crate::reconcile::View;
use crate::sync::atomic::Ordering;
use crate::sync::reclaim::Participant;
use crate::txn::Snapshot;
use hardwired_plugin::{Error, Result};

/// What a file's checkpoint needs of its tree.
#[derive(Debug)]
pub struct TreeCheckpoint {
    /// The root page's block (header filled in but for the block header); `None`: the tree is empty.
    pub root: Option<Vec<u8>>,
    /// The aggregate of everything below the root.
    pub aggregate: TimeAggregate,
    /// The tree's write generation: at least that of every page written.
    pub write_gen: u64,
}

impl Tree {
    /// Writes all pages below the root as `snapshot` sees them. The snapshot must stay pinned until the file's checkpoint is
    /// complete. On an error the tree must not be used any more: what was marked clean may not be durable.
    pub fn checkpoint(&self, snapshot: &Snapshot) -> Result<TreeCheckpoint> {
        let _structure = self.structure.write();
        let participant = self.txns.reclaimer().join();
        let result = self.checkpoint_root(snapshot, &participant);
        self.txns.reclaimer().leave(&participant);
        result
    }

    fn checkpoint_root(&self, snapshot: &Snapshot, participant: &Participant) -> Result<TreeCheckpoint> {
        self.dirty.store(false, Ordering::SeqCst);
        self.txns.update_oldest();
        let pin = Pin::new(self.txns.reclaimer(), participant);
        let root = self.root_page(&pin);
        // SAFETY: the root is neither split nor replaced while `structure` is held, so it outlives the pin.
        let root: &Internal = unsafe { &*std::ptr::from_ref(root) };
        drop(pin);
        let mut entries = self.checkpoint_page(root, &[], None, snapshot, participant, 0)?;
        let mut upper: Vec<Address> = Vec::new();
        let root_image = loop {
            if entries.is_empty() {
                break None;
            }
            let mut images = self.build_internal(&entries)?;
            if images.len() == 1
                && let Some(mut image) = images.pop()
            {
                set_write_gen(&mut image.image, self.next_write_gen())?;
                if let Some(block) = self.seal(&image.image)? {
                    image.image = block;
                }
                break Some(image);
            }
            entries = self.write_internal(images)?;
            upper.extend(entries.iter().map(|entry| entry.address));
        };
        root.latch.lock().free_on_write.extend(upper);
        Ok(TreeCheckpoint {
            aggregate: root_image.as_ref().map_or_else(TimeAggregate::default, |image| image.aggregate),
            root: root_image.map(|image| image.image),
            write_gen: self.write_gen.load(Ordering::Relaxed),
        })
    }

    /// Writes what is below `page`, whose keys are from `low` up to `high`; gives the addresses of its children.
    fn checkpoint_page(
        &self,
        page: &Internal,
        low: &[u8],
        high: Option<&[u8]>,
        snapshot: &Snapshot,
        participant: &Participant,
        depth: usize,
    ) -> Result<Vec<ChildAddress>> {
        if depth == MAX_DEPTH {
            return Err(Error::corrupt(&self.name, 0, format!("the tree is deeper than {MAX_DEPTH} levels")));
        }
        page.set_dirty(false);
        let former = std::mem::take(&mut page.latch.lock().free_on_write);
        let mut entries = Vec::new();
        let mut key = low.to_vec();
        loop {
            let pin = Pin::new(self.txns.reclaimer(), participant);
            let step = page.descend(Target::Key(&key));
            let mut next = step.high.or(high).map(<[u8]>::to_vec);
            match self.child_of(&pin, step.link) {
                Child::OnDisk(on_disk) => {
                    entries.push(ChildAddress { separator: key.as_slice().into(), ..on_disk.child.clone() });
                }
                Child::Leaf(leaf) => {
                    let mut inner = leaf.latch.lock();
                    if leaf.is_dead() {
                        continue;
                    }
                    next = leaf.high().map(<[u8]>::to_vec);
                    self.checkpoint_leaf(&pin, leaf, &mut inner, &key, snapshot, &mut entries)?;
                }
                Child::Internal(child) => {
                    // SAFETY: internal pages are neither split nor evicted while `structure` is held.
                    let child: &Internal = unsafe { &*std::ptr::from_ref(child) };
                    drop(pin);
                    if child.is_dirty() || child.latch.lock().disk.is_empty() {
                        let below =
                            self.checkpoint_page(child, &key, next.as_deref(), snapshot, participant, depth + 1)?;
                        let written = self.write_internal(self.build_internal(&below)?)?;
                        let replaced = std::mem::replace(&mut child.latch.lock().disk, written);
                        self.free_blocks(replaced.into_iter().map(|child| child.address))?;
                    }
                    let disk = child.latch.lock().disk.clone();
                    let mut separator: Option<Box<[u8]>> = Some(key.as_slice().into());
                    entries.extend(
                        disk.into_iter().map(|entry| ChildAddress {
                            separator: separator.take().unwrap_or(entry.separator),
                            ..entry
                        }),
                    );
                }
            }
            match next {
                Some(next) if high.is_none_or(|high| self.settings.order.compare(&next, high).is_lt()) => key = next,
                _ => break,
            }
        }
        self.free_blocks(former)?;
        Ok(entries)
    }

    fn checkpoint_leaf(
        &self,
        pin: &Pin<'_>,
        leaf: &super::leaf::Leaf,
        inner: &mut crate::sync::MutexGuard<'_, super::leaf::LeafInner>,
        key: &[u8],
        snapshot: &Snapshot,
        entries: &mut Vec<ChildAddress>,
    ) -> Result<()> {
        let from = entries.len();
        if leaf.is_dirty() {
            // What `write_leaf` leaves behind was made after the snapshot, so the page is not replaced then.
            let refresh =
                leaf.is_bloated(inner, self.leaf_image_max() as usize) && leaf.max_txn() < self.txns.oldest_id();
            let written = self.write_leaf(leaf, inner, &View::Snapshot(snapshot), refresh)?;
            entries.extend(written.blocks.iter().map(|block| block.child.clone()));
            if written.leftover {
                self.settle(inner, &written, Some(leaf))?;
                self.mark_dirty(pin, key);
            } else {
                leaf.set_dirty(false);
                self.account_clean(inner);
                if refresh {
                    self.refresh_leaf(pin, leaf, inner, written)?;
                } else {
                    self.settle(inner, &written, Some(leaf))?;
                }
            }
        } else {
            entries.extend(inner.disk.iter().cloned());
        }
        if let Some(first) = entries.get_mut(from) {
            first.separator = key.into();
        }
        Ok(())
    }
}

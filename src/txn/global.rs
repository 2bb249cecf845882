//! The table of sessions' transaction ids, and the oldest id anybody may still need.
//!
//! Invariants:
//! 1. An id below the id counter is in its session's slot until it has resolved, or the slot says `ALLOCATING`. A snapshot
//!    first reads the counter, then the slots, and waits out `ALLOCATING`; so it lists every unresolved id below its `max`.
//! 2. A session that takes a snapshot first publishes a lower bound of its `min` as *pinned*, then reads the slots. So no
//!    scan for the oldest id passes the snapshot's `min`.
//! 3. `oldest` never decreases and never exceeds any published id, pinned id, or the id counter.

use super::{Snapshot, TxnId};
use crate::sync::reclaim::Reclaimer;
use hardwired_plugin::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// Sessions that the engine itself uses, beyond `session_max` (API specification, section 5).
const INTERNAL_SESSIONS: usize = 55;
/// A slot without an id (or pin).
const NONE: u64 = 0;
/// A slot whose session is about to get an id.
const ALLOCATING: u64 = u64::MAX;

/// The transaction state of a connection.
pub struct TxnGlobal {
    next_id: AtomicU64,
    oldest: AtomicU64,
    /// Advances whenever the set of unresolved ids changes: a session with an unchanged count reuses its snapshot.
    changes: AtomicU64,
    slots: Box<[Slot]>,
    /// Slots from here on were never used.
    used: AtomicUsize,
    free: Mutex<Vec<usize>>,
    reclaimer: Arc<Reclaimer>,
}

#[repr(align(128))]
struct Slot {
    id: AtomicU64,
    pinned: AtomicU64,
}

impl TxnGlobal {
    /// A table for `session_max` application sessions and the engine's own.
    pub fn new(session_max: usize) -> Arc<Self> {
        let capacity = session_max.saturating_add(INTERNAL_SESSIONS);
        Arc::new(Self {
            next_id: AtomicU64::new(1),
            oldest: AtomicU64::new(1),
            changes: AtomicU64::new(1),
            slots: (0..capacity).map(|_| Slot { id: AtomicU64::new(NONE), pinned: AtomicU64::new(NONE) }).collect(),
            used: AtomicUsize::new(0),
            free: Mutex::new(Vec::new()),
            reclaimer: Arc::new(Reclaimer::new()),
        })
    }

    pub(crate) fn reclaimer(&self) -> &Arc<Reclaimer> {
        &self.reclaimer
    }

    pub(super) fn take_slot(&self) -> Result<usize> {
        let mut free = self.free.lock();
        if let Some(index) = free.pop() {
            return Ok(index);
        }
        let index = self.used.load(Ordering::Relaxed);
        if index == self.slots.len() {
            return Err(Error::new(
                ErrorCode::ERROR,
                format!("out of sessions, configured for {} (including internal sessions)", self.slots.len()),
            ));
        }
        self.used.store(index + 1, Ordering::Release);
        Ok(index)
    }

    pub(super) fn give_back_slot(&self, index: usize) {
        self.resolve_id(index);
        self.unpin(index);
        self.free.lock().push(index);
    }

    /// Gives the session of `slot` an id.
    pub(super) fn allocate_id(&self, slot: usize) -> TxnId {
        let slot = &self.slots[slot].id;
        slot.store(ALLOCATING, Ordering::SeqCst);
        let id = self.next_id.fetch_add(1, Ordering::SeqCst);
        slot.store(id, Ordering::SeqCst);
        self.changes.fetch_add(1, Ordering::SeqCst);
        id
    }

    /// The commit point: the session's id is no longer unresolved.
    pub(super) fn resolve_id(&self, slot: usize) {
        let slot = &self.slots[slot].id;
        if slot.load(Ordering::Relaxed) != NONE {
            slot.store(NONE, Ordering::SeqCst);
            self.changes.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn unpin(&self, slot: usize) {
        self.slots[slot].pinned.store(NONE, Ordering::Release);
    }

    /// Pins `oldest` for a session that reads without a snapshot.
    pub(super) fn pin_oldest(&self, slot: usize) {
        let slot = &self.slots[slot].pinned;
        slot.store(self.oldest.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Pins the session and brings `snapshot` up to date; `seen` is the change count at which it was taken.
    #[inline]
    pub(super) fn refresh(&self, slot: usize, snapshot: &mut Snapshot, seen: &mut u64) {
        let pinned = &self.slots[slot].pinned;
        if *seen == self.changes.load(Ordering::Relaxed) {
            // The same set of unresolved ids as before, if it still is after the pin became visible to everybody.
            pinned.store(snapshot.min, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if *seen == self.changes.load(Ordering::SeqCst) && self.oldest.load(Ordering::SeqCst) <= snapshot.min {
                return;
            }
        }
        self.take_snapshot(slot, snapshot, seen);
    }

    #[cold]
    fn take_snapshot(&self, slot: usize, snapshot: &mut Snapshot, seen: &mut u64) {
        let pinned = &self.slots[slot].pinned;
        pinned.store(self.oldest.load(Ordering::SeqCst), Ordering::SeqCst);
        fence(Ordering::SeqCst);
        *seen = self.changes.load(Ordering::SeqCst);
        snapshot.running.clear();
        snapshot.max = self.next_id.load(Ordering::SeqCst);
        for (index, other) in self.slots[..self.used.load(Ordering::Acquire)].iter().enumerate() {
            if index == slot {
                continue;
            }
            let id = settled(&other.id);
            if id != NONE && id < snapshot.max {
                snapshot.running.push(id);
            }
        }
        let own = self.slots[slot].id.load(Ordering::Relaxed);
        if own != NONE && own < snapshot.max {
            snapshot.running.push(own);
        }
        snapshot.running.sort_unstable();
        snapshot.min = snapshot.running.first().copied().unwrap_or(snapshot.max);
        pinned.store(snapshot.min, Ordering::SeqCst);
    }

    /// The oldest id that may be invisible to somebody: every smaller id is visible to all, now and later.
    pub fn oldest_id(&self) -> TxnId {
        self.oldest.load(Ordering::Acquire)
    }

    /// Recomputes [`TxnGlobal::oldest_id`].
    pub fn update_oldest(&self) -> TxnId {
        let mut oldest = self.next_id.load(Ordering::SeqCst);
        for slot in &self.slots[..self.used.load(Ordering::Acquire)] {
            let id = settled(&slot.id);
            if id != NONE {
                oldest = oldest.min(id);
            }
            let pinned = slot.pinned.load(Ordering::SeqCst);
            if pinned != NONE {
                oldest = oldest.min(pinned);
            }
        }
        self.oldest.fetch_max(oldest, Ordering::SeqCst).max(oldest)
    }

    /// The next id to be handed out.
    pub fn current_id(&self) -> TxnId {
        self.next_id.load(Ordering::Acquire)
    }
}

/// The slot's id once it isn't being allocated.
#[inline]
fn settled(id: &AtomicU64) -> u64 {
    loop {
        match id.load(Ordering::SeqCst) {
            ALLOCATING => hint::spin_loop(),
            id => return id,
        }
    }
}

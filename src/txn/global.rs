//! The table of sessions' transaction ids, and the oldest id anybody may still need.
//!
//! Invariants:
//! 1. An id below the id counter is in its session's slot until it has resolved, or the slot says `ALLOCATING`. A snapshot
//!    first reads the counter, then the slots, and waits out `ALLOCATING`; so it lists every unresolved id below its `max`.
//! 2. A session that takes a snapshot first publishes a lower bound of its `min` as *pinned*, then reads the slots. A scan
//!    for the oldest id first reads the counter and all ids, then all pins. So a scan that missed the pin has read the ids
//!    before the session did, and met every id that the session found unresolved: it doesn't pass the snapshot's `min`. (In
//!    one pass over the slots it could: past the session's slot before it pins, at another slot after its id resolved.)
//! 3. A session that takes its former snapshot again pins, then makes sure that the snapshot's `min` is still unresolved
//!    (or was the counter): then (2) holds as if it had read the slots again.
//! 4. A read timestamp is published in its session's slot together with its comparison with the oldest timestamp, under the
//!    lock that a change of that takes too. So the pinned timestamp doesn't pass one that is in use (see `horizon`).
//! 5. `oldest` never decreases and never exceeds the `min` of a snapshot in use, an unresolved id, or the id counter.

use super::horizon::Pinned;
use super::{Snapshot, TxnId};
use crate::log::Log;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use crate::sync::reclaim::Reclaimer;
use crate::sync::spin;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::sync::{Arc, OnceLock};

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
    pub(super) slots: Box<[Slot]>,
    /// Slots from here on were never used.
    pub(super) used: AtomicUsize,
    pub(super) pinned: Pinned,
    free: Mutex<Vec<usize>>,
    reclaimer: Arc<Reclaimer>,
    /// Where commits are recorded, once there is a log and nothing is being replayed from it.
    log: OnceLock<Arc<Log>>,
}

#[derive(Default)]
#[repr(align(128))]
pub(super) struct Slot {
    id: AtomicU64,
    pinned: AtomicU64,
    /// The read timestamp of the running transaction; 0: none.
    pub(super) read_timestamp: AtomicU64,
}

/// What a session remembers of the moment at which it took its snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// The change count; 0: never.
    pub(super) changes: u64,
    /// The slot of the snapshot's smallest running id; `None`: nothing was running.
    min_slot: Option<usize>,
}

impl TxnGlobal {
    /// A table for `session_max` application sessions and the engine's own.
    pub fn new(session_max: usize) -> Arc<Self> {
        Self::with_capacity(session_max.saturating_add(INTERNAL_SESSIONS))
    }

    pub(super) fn with_capacity(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            next_id: AtomicU64::new(1),
            oldest: AtomicU64::new(1),
            changes: AtomicU64::new(1),
            slots: (0..capacity).map(|_| Slot::default()).collect(),
            used: AtomicUsize::new(0),
            pinned: Pinned::default(),
            free: Mutex::new(Vec::new()),
            reclaimer: Arc::new(Reclaimer::new()),
            log: OnceLock::new(),
        })
    }

    pub(crate) fn reclaimer(&self) -> &Arc<Reclaimer> {
        &self.reclaimer
    }

    /// Records commits in `log` from now on. It is set once, before sessions begin.
    pub(crate) fn set_log(&self, log: Arc<Log>) {
        let set = self.log.set(log);
        debug_assert!(set.is_ok(), "a connection has one log");
    }

    /// The log that commits are recorded in.
    #[inline]
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        self.log.get()
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

    /// Pins the session and brings `snapshot` up to date; `taken` tells of when it was taken.
    #[inline]
    pub(super) fn refresh(&self, slot: usize, snapshot: &mut Snapshot, taken: &mut Taken) {
        if taken.changes == self.changes.load(Ordering::Relaxed) {
            // The same set of unresolved ids as before, if it still is after the pin became visible to everybody.
            self.slots[slot].pinned.store(snapshot.min, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            // The count lags behind the slots, hence the second condition (invariant 3).
            let unresolved = |slot: usize| self.slots[slot].id.load(Ordering::SeqCst) == snapshot.min;
            if taken.changes == self.changes.load(Ordering::SeqCst)
                && taken.min_slot.is_none_or(unresolved)
                && self.oldest.load(Ordering::SeqCst) <= snapshot.min
            {
                return;
            }
        }
        self.take_snapshot(slot, snapshot, taken);
    }

    #[cold]
    fn take_snapshot(&self, slot: usize, snapshot: &mut Snapshot, taken: &mut Taken) {
        let pinned = &self.slots[slot].pinned;
        pinned.store(self.oldest.load(Ordering::SeqCst), Ordering::SeqCst);
        // Orders the pin before the reading of the ids, against the fence in `update_oldest` (invariant 2).
        fence(Ordering::SeqCst);
        taken.changes = self.changes.load(Ordering::SeqCst);
        taken.min_slot = None;
        snapshot.running.clear();
        snapshot.max = self.next_id.load(Ordering::SeqCst);
        snapshot.min = snapshot.max;
        for (index, other) in self.slots[..self.used.load(Ordering::Acquire)].iter().enumerate() {
            let id = settled(&other.id);
            if id == NONE || id >= snapshot.max {
                continue;
            }
            snapshot.running.push(id);
            if id < snapshot.min {
                snapshot.min = id;
                taken.min_slot = Some(index);
            }
        }
        snapshot.running.sort_unstable();
        pinned.store(snapshot.min, Ordering::SeqCst);
    }

    /// The oldest id that may be invisible to somebody: every smaller id is visible to all, now and later.
    pub fn oldest_id(&self) -> TxnId {
        self.oldest.load(Ordering::Acquire)
    }

    /// Recomputes [`TxnGlobal::oldest_id`] and [`TxnGlobal::pinned_timestamp`].
    pub fn update_oldest(&self) -> TxnId {
        self.update_pinned();
        let mut oldest = self.next_id.load(Ordering::SeqCst);
        let slots = &self.slots[..self.used.load(Ordering::Acquire)];
        for slot in slots {
            let id = settled(&slot.id);
            if id != NONE {
                oldest = oldest.min(id);
            }
        }
        // All ids before any pin: see invariant 2.
        fence(Ordering::SeqCst);
        for slot in slots {
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
    let mut rounds = 0;
    loop {
        match id.load(Ordering::SeqCst) {
            ALLOCATING => spin(&mut rounds),
            id => return id,
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::sync::model::check;
    use loom::thread;

    fn snapshot(global: &TxnGlobal, slot: usize) -> Snapshot {
        let mut snapshot = Snapshot::default();
        global.refresh(slot, &mut snapshot, &mut Taken::default());
        snapshot
    }

    /// Who sees a transaction sees everything that it wrote before it resolved.
    #[test]
    fn a_snapshot_contains_a_transaction_whole_or_not_at_all() {
        check(3, || {
            let global = TxnGlobal::with_capacity(2);
            let (writer, reader) = (global.take_slot().unwrap(), global.take_slot().unwrap());
            let written = Arc::new(AtomicU64::new(0));
            let thread = {
                let (global, written) = (Arc::clone(&global), Arc::clone(&written));
                thread::spawn(move || {
                    let id = global.allocate_id(writer);
                    written.store(id, Ordering::Release);
                    global.resolve_id(writer);
                })
            };
            let snapshot = snapshot(&global, reader);
            if snapshot.contains(1) {
                assert_eq!(written.load(Ordering::Acquire), 1);
            }
            thread.join().unwrap();
        });
    }

    /// As above, when the snapshot of the transaction before is taken again because nothing seems to have changed.
    #[test]
    fn a_snapshot_that_is_taken_again_is_no_older_than_what_was_seen_before() {
        check(3, || {
            let global = TxnGlobal::with_capacity(2);
            let (writer, reader) = (global.take_slot().unwrap(), global.take_slot().unwrap());
            let (mut snapshot, mut taken) = (Snapshot::default(), Taken::default());
            let resolved = Arc::new(AtomicU64::new(0));
            let id = global.allocate_id(writer);
            global.refresh(reader, &mut snapshot, &mut taken);
            global.unpin(reader);
            assert!(!snapshot.contains(id));
            let thread = {
                let (global, resolved) = (Arc::clone(&global), Arc::clone(&resolved));
                thread::spawn(move || {
                    global.resolve_id(writer);
                    resolved.store(1, Ordering::Release);
                    global.update_oldest();
                })
            };
            let before = resolved.load(Ordering::Acquire) == 1;
            global.refresh(reader, &mut snapshot, &mut taken);
            assert!(!before || snapshot.contains(id), "its resolution was known");
            assert!(global.oldest_id() <= snapshot.min);
            thread.join().unwrap();
        });
    }

    /// Invariant 5, with everybody at work: what a snapshot doesn't contain is not below the oldest id.
    #[test]
    fn the_oldest_id_does_not_pass_a_snapshot_in_use() {
        check(3, || {
            let global = TxnGlobal::with_capacity(3);
            let slots = [(); 3].map(|()| global.take_slot().unwrap());
            global.allocate_id(slots[2]);
            let writer = {
                let global = Arc::clone(&global);
                thread::spawn(move || global.resolve_id(slots[2]))
            };
            let scanner = {
                let global = Arc::clone(&global);
                thread::spawn(move || global.update_oldest())
            };
            let snapshot = snapshot(&global, slots[0]);
            scanner.join().unwrap();
            assert!(global.oldest_id() <= snapshot.min, "{snapshot:?}");
            global.update_oldest();
            assert!(global.oldest_id() <= snapshot.min, "{snapshot:?}");
            writer.join().unwrap();
        });
    }
}

//! What everybody sees, now and later: by transaction id, and by timestamp.
//!
//! The pinned timestamp is the smaller of the oldest timestamp and of all read timestamps in use; it follows them when the
//! oldest transaction id is recomputed. While there is no oldest timestamp there is no pinned one, and nothing that has a
//! timestamp is visible to everybody: a later reader may ask for any time.
//!
//! Source: transactions specification, sections 6 and 9.4.

use super::timestamp::{Change, GlobalTimestamps};
use super::{TS_NONE, TxnGlobal, TxnId};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};
use hardwired_plugin::Result;

/// The limit of what somebody may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Every smaller id is visible to everybody.
    pub oldest: TxnId,
    /// Every timestamp up to this one is visible to everybody; 0: none is.
    pub pinned: u64,
}

impl Horizon {
    /// Whether everybody sees an update of this transaction and durable timestamp, so that nobody needs an older one. Not
    /// for updates that are prepared and not yet resolved.
    #[inline]
    pub fn covers(self, id: TxnId, durable_ts: u64) -> bool {
        id < self.oldest && (durable_ts == TS_NONE || durable_ts <= self.pinned)
    }
}

/// The connection's timestamps, and what they make visible to everybody.
#[derive(Default)]
pub(super) struct Pinned {
    /// Also held by whoever changes one of the following or publishes a read timestamp.
    timestamps: Mutex<GlobalTimestamps>,
    /// The oldest timestamp again.
    target: AtomicU64,
    /// What [`TxnGlobal::pinned_timestamp`] gives: `target`, unless a reader keeps it back.
    value: AtomicU64,
}

impl TxnGlobal {
    /// See [`Horizon`]; as of the last [`TxnGlobal::update_oldest`].
    pub fn horizon(&self) -> Horizon {
        Horizon { oldest: self.oldest_id(), pinned: self.pinned_timestamp() }
    }

    /// The timestamp up to which everybody sees everything; 0: there is none.
    pub fn pinned_timestamp(&self) -> u64 {
        self.pinned.value.load(Ordering::Acquire)
    }

    /// The connection's timestamps.
    pub(crate) fn timestamps(&self) -> GlobalTimestamps {
        *self.pinned.timestamps.lock()
    }

    /// Changes timestamps of the connection. The pinned one follows, backwards too if the oldest goes backwards.
    ///
    /// # Errors
    /// `EINVAL` for a change that isn't permitted: then nothing is changed.
    pub(crate) fn set_timestamps(&self, change: &Change) -> Result<()> {
        self.replace_timestamps(|timestamps| timestamps.changed(change))
    }

    /// Begins with the timestamps of the checkpoint that was found at open.
    pub(crate) fn recover_timestamps(&self, checkpoint: u64, oldest: u64) {
        let found = GlobalTimestamps {
            oldest,
            stable: checkpoint,
            durable: checkpoint,
            last_checkpoint: checkpoint,
            recovery: checkpoint,
        };
        let replaced = self.replace_timestamps(|_| Ok(found));
        debug_assert!(replaced.is_ok());
    }

    /// A checkpoint at this timestamp is complete.
    pub(crate) fn set_last_checkpoint(&self, timestamp: u64) {
        self.pinned.timestamps.lock().last_checkpoint = timestamp;
    }

    fn replace_timestamps(&self, change: impl FnOnce(GlobalTimestamps) -> Result<GlobalTimestamps>) -> Result<()> {
        let mut timestamps = self.pinned.timestamps.lock();
        let new = change(*timestamps)?;
        let backwards = new.oldest < timestamps.oldest;
        *timestamps = new;
        self.pinned.target.store(new.oldest, Ordering::Release);
        self.recompute(new.oldest, backwards);
        Ok(())
    }

    /// The smallest read timestamp in use; 0: none is.
    pub fn oldest_reader(&self) -> u64 {
        let slots = &self.slots[..self.used.load(Ordering::Acquire)];
        let timestamps = slots.iter().map(|slot| slot.read_timestamp.load(Ordering::Acquire));
        timestamps.filter(|timestamp| *timestamp != TS_NONE).min().unwrap_or(TS_NONE)
    }

    /// Lets the pinned timestamp follow the readers that have ended.
    #[inline]
    pub(super) fn update_pinned(&self) {
        // Without timestamps, and while no reader keeps it back, there is nothing to do.
        let target = self.pinned.target.load(Ordering::Acquire);
        if target != TS_NONE && target != self.pinned_timestamp() {
            let timestamps = self.pinned.timestamps.lock();
            self.recompute(timestamps.oldest, false);
        }
    }

    /// Under the lock.
    fn recompute(&self, oldest: u64, backwards: bool) {
        let pinned = match self.oldest_reader() {
            TS_NONE => oldest,
            reader => oldest.min(reader),
        };
        let former = self.pinned_timestamp();
        self.pinned.value.store(if backwards { pinned } else { pinned.max(former) }, Ordering::Release);
    }

    /// Publishes the read timestamp of the session of `slot`, which has none, and returns it. One that is older than the
    /// oldest timestamp becomes that if `round_up`, else nothing is published.
    pub(super) fn publish_read_timestamp(&self, slot: usize, timestamp: u64, round_up: bool) -> Option<u64> {
        let timestamps = self.pinned.timestamps.lock();
        if timestamp < timestamps.oldest && !round_up {
            return None;
        }
        let timestamp = timestamp.max(timestamps.oldest);
        self.slots[slot].read_timestamp.store(timestamp, Ordering::Release);
        Some(timestamp)
    }

    /// As [`TxnGlobal::publish_read_timestamp`], for a checkpoint: at the stable timestamp, if there is one. Gives the
    /// connection's timestamps.
    pub(super) fn publish_stable(&self, slot: usize) -> GlobalTimestamps {
        let timestamps = self.pinned.timestamps.lock();
        self.slots[slot].read_timestamp.store(timestamps.stable, Ordering::Release);
        *timestamps
    }

    pub(super) fn withdraw_read_timestamp(&self, slot: usize) {
        self.slots[slot].read_timestamp.store(TS_NONE, Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::txn::timestamp::Change;
    use crate::txn::{Isolation, Txn, TxnGlobal};

    fn set_oldest(global: &TxnGlobal, timestamp: u64) {
        let change = Change::parse(&format!("oldest_timestamp={timestamp:x},force=true")).unwrap();
        global.set_timestamps(&change).unwrap();
    }

    #[test]
    fn the_pinned_timestamp_waits_for_readers_and_never_goes_back() {
        let global = TxnGlobal::new(10);
        let mut reader = Txn::new(&global).unwrap();
        assert!(
            !global.horizon().covers(0, 1),
            "without an oldest timestamp nothing with a timestamp is for everybody"
        );
        assert!(global.horizon().covers(0, 0));
        reader.begin(Isolation::Snapshot);
        assert!(reader.set_read_timestamp(15, false));
        set_oldest(&global, 10);
        assert_eq!((global.pinned_timestamp(), global.oldest_reader()), (10, 15));
        set_oldest(&global, 20);
        assert_eq!(global.pinned_timestamp(), 15);
        assert!(global.horizon().covers(0, 15) && !global.horizon().covers(0, 16) && !global.horizon().covers(1, 15));
        reader.commit().unwrap();
        assert_eq!(global.pinned_timestamp(), 15, "it follows when the oldest id is recomputed");
        global.update_oldest();
        assert_eq!((global.pinned_timestamp(), global.oldest_reader()), (20, 0));
        set_oldest(&global, 5);
        assert_eq!(global.pinned_timestamp(), 5, "the oldest timestamp was forced backwards");
    }

    #[test]
    fn a_read_timestamp_is_not_older_than_the_oldest() {
        let global = TxnGlobal::new(10);
        let mut reader = Txn::new(&global).unwrap();
        set_oldest(&global, 20);
        reader.begin(Isolation::Snapshot);
        assert!(!reader.set_read_timestamp(19, false));
        assert_eq!((reader.read_timestamp(), global.oldest_reader()), (0, 0));
        assert!(reader.set_read_timestamp(19, true));
        assert_eq!((reader.read_timestamp(), global.oldest_reader()), (20, 20));
        reader.rollback().unwrap();
        reader.begin(Isolation::Snapshot);
        assert!(reader.set_read_timestamp(20, false));
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use crate::sync::model::check;
    use crate::txn::timestamp::Change;
    use crate::txn::{Isolation, Txn, TxnGlobal};
    use loom::thread;
    use std::sync::Arc;

    fn set_oldest(global: &TxnGlobal, timestamp: u64) {
        global.set_timestamps(&Change::parse(&format!("oldest_timestamp={timestamp:x}")).unwrap()).unwrap();
    }

    /// Whatever becomes of the oldest timestamp meanwhile, the pinned one doesn't pass a reader's.
    #[test]
    fn the_pinned_timestamp_does_not_pass_a_read_timestamp_in_use() {
        check(3, || {
            let global = TxnGlobal::with_capacity(1);
            set_oldest(&global, 10);
            let setter = {
                let global = Arc::clone(&global);
                thread::spawn(move || {
                    set_oldest(&global, 20);
                    global.update_oldest();
                })
            };
            let mut reader = Txn::new(&global).unwrap();
            reader.begin(Isolation::Snapshot);
            if reader.set_read_timestamp(15, false) {
                assert!(global.pinned_timestamp() <= 15);
                setter.join().unwrap();
                global.update_oldest();
                assert_eq!(global.pinned_timestamp(), 15);
            } else {
                setter.join().unwrap();
            }
            reader.rollback().unwrap();
            global.update_oldest();
            assert_eq!(global.pinned_timestamp(), 20);
        });
    }
}

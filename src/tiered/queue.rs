//! The queue of background work.
//!
//! A pass of the worker takes what was queued before it began; what it queues itself, and what failed, waits for the next
//! signal or interval. Whoever waits for flushes is woken when none is left, or when one has failed.

use super::Bucket;
use crate::{Error, ErrorCode, Result};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is to be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnitKind {
    /// Copy it to the bucket, and record that.
    Flush,
    /// Tell the source that it is recorded.
    Finish,
    /// Remove the local copy.
    RemoveLocal,
    /// Remove it from the bucket.
    RemoveShared,
}

/// One piece of work.
#[derive(Clone)]
pub(crate) struct Unit {
    pub(crate) kind: UnitKind,
    /// The name of the tree, without `tiered:`.
    pub(crate) base: String,
    pub(crate) number: u32,
    pub(crate) bucket: Arc<Bucket>,
    /// Not before this time, in seconds since 1970.
    pub(crate) due_s: u64,
    /// The last failure, which was reported.
    pub(crate) failure: Option<String>,
}

/// The work of a connection.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes the worker.
    work: Condvar,
    /// Wakes those who wait for flushes.
    done: Condvar,
}

#[derive(Default)]
struct State {
    units: Vec<Unit>,
    /// Flushes that are queued or being made.
    flushes: usize,
    failures: u64,
    last_failure: Option<(ErrorCode, String)>,
    /// The tree of which an object is being copied.
    busy: Option<String>,
    signalled: bool,
    stopping: bool,
}

impl Queue {
    pub(crate) fn push(&self, units: impl IntoIterator<Item = Unit>) {
        let mut state = self.state.lock();
        for unit in units {
            let same = |other: &Unit| (other.kind, other.number) == (unit.kind, unit.number) && other.base == unit.base;
            if !state.units.iter().any(same) {
                state.flushes += usize::from(unit.kind == UnitKind::Flush);
                state.units.push(unit);
            }
        }
    }

    /// Wakes the worker.
    pub(crate) fn signal(&self) {
        self.state.lock().signalled = true;
        self.work.notify_all();
    }

    /// Ends the worker's waiting for good.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.work.notify_all();
        self.done.notify_all();
    }

    /// Waits for a signal or for `interval`; false: the end.
    pub(crate) fn wait(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.signalled && !state.stopping {
            self.work.wait_for(&mut state, interval);
        }
        state.signalled = false;
        !state.stopping
    }

    /// Takes the units that are due, flushes last: what earlier passes left is older.
    pub(crate) fn take_due(&self, now_s: u64) -> Vec<Unit> {
        let mut state = self.state.lock();
        let (mut due, later): (Vec<_>, Vec<_>) = state.units.drain(..).partition(|unit| unit.due_s <= now_s);
        state.units = later;
        due.sort_by_key(|unit| (unit.kind == UnitKind::Flush, unit.kind));
        due
    }

    /// Takes the removals from buckets, due or not.
    pub(crate) fn take_removals(&self) -> Vec<Unit> {
        let mut state = self.state.lock();
        let (removals, others) = state.units.drain(..).partition(|unit| unit.kind == UnitKind::RemoveShared);
        state.units = others;
        removals
    }

    /// A flush that was taken is complete; `after` is what follows from it.
    pub(crate) fn flushed(&self, after: Vec<Unit>) {
        self.push(after);
        let mut state = self.state.lock();
        state.flushes = state.flushes.saturating_sub(1);
        drop(state);
        self.done.notify_all();
    }

    /// The worker copies an object of a tree.
    pub(crate) fn begin(&self, base: &str) {
        self.state.lock().busy = Some(base.to_owned());
    }

    /// It doesn't any more.
    pub(crate) fn end(&self) {
        self.state.lock().busy = None;
    }

    /// Whether an object of the tree is being copied.
    pub(crate) fn is_busy(&self, base: &str) -> bool {
        self.state.lock().busy.as_deref() == Some(base)
    }

    /// The tree is gone, and so is its work.
    pub(crate) fn forget(&self, base: &str) {
        let mut state = self.state.lock();
        let of_tree = |unit: &Unit| unit.base == base && unit.kind != UnitKind::RemoveShared;
        let flushes = state.units.iter().filter(|unit| of_tree(unit) && unit.kind == UnitKind::Flush).count();
        state.units.retain(|unit| !of_tree(unit));
        state.flushes = state.flushes.saturating_sub(flushes);
        drop(state);
        self.done.notify_all();
    }

    /// A unit that was taken has failed, and comes again.
    pub(crate) fn failed(&self, unit: Unit, error: &Error) {
        let mut state = self.state.lock();
        if unit.kind == UnitKind::Flush {
            state.failures += 1;
            state.last_failure = Some((error.code(), error.to_string()));
        }
        state.units.push(unit);
        drop(state);
        self.done.notify_all();
    }

    /// The number of failed flushes so far, to be given to [`Queue::wait_flushed`].
    pub(crate) fn failures(&self) -> u64 {
        self.state.lock().failures
    }

    /// Waits until no flush is left.
    ///
    /// # Errors
    /// `EBUSY` after `timeout`; the failure of a flush since `failures` was asked for.
    pub(crate) fn wait_flushed(&self, failures: u64, timeout: Option<Duration>) -> Result<()> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.state.lock();
        loop {
            if state.flushes == 0 {
                return Ok(());
            }
            if state.failures > failures
                && let Some((code, text)) = &state.last_failure
            {
                return Err(Error::new(*code, format!("{text} (the flush is tried again in the background)")));
            }
            if state.stopping {
                return Err(Error::new(ErrorCode::EBUSY, "the connection closes before the flush is complete"));
            }
            match deadline {
                None => self.done.wait(&mut state),
                Some(deadline) => {
                    if self.done.wait_until(&mut state, deadline).timed_out() && state.flushes > 0 {
                        return Err(Error::new(ErrorCode::EBUSY, "flush_tier: not complete within the timeout"));
                    }
                }
            }
        }
    }
}

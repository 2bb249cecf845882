//! How far the log has come: what was handed to the operating system without a gap, and what is durable.
//!
//! Invariants
//! 1. Writes are queued in the order of their places, before they are made. The *write LSN* is the end of the longest prefix
//!    of the queue that has been made: everything before it is in the files.
//! 2. The *sync LSN* never passes the write LSN. It moves to what the write LSN was before the files were synced, and only
//!    after all of them were, older ones first. So what lies before it is durable without a gap.
//! 3. One thread syncs at a time, the *leader*; those who wait are served by its sync, or one of them leads the next. The
//!    leader writes out and syncs whatever has been appended by then, so a record waits for two syncs at most: the one that
//!    is under way when it comes, and the next.
//! 4. A slot is free again once the write LSN has passed it.
//! 5. A failure is for ever: nothing advances after it, whoever waits gets `WT_PANIC`.
//! 6. A *group* is those whom one sync concerns: the leader, those it serves, and those who came too late for it. A leader
//!    waits for the next group to become as large as the last one was, because threads that commit in a loop come back at
//!    once: without it, two of them would take turns, each waiting for the other's sync. It waits at most for a quarter of
//!    what the last sync took, and never longer than [`PATIENCE_MAX`]; a group that stays smaller makes the next wait for
//!    fewer. So a thread that commits alone never waits, and one that is left alone waits in vain once.

use super::{LogFile, Lsn};
use crate::{Error, Result};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time that a leader waits for others.
const PATIENCE_MAX: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct Progress {
    state: Mutex<State>,
    /// A write was made, or a slot given back.
    changed: Condvar,
    /// A sync has ended.
    synced: Condvar,
    /// Somebody has come to wait for a sync.
    arrived: Condvar,
    failed: AtomicBool,
}

struct State {
    queue: VecDeque<Write>,
    next_ticket: u64,
    write_lsn: Lsn,
    sync_lsn: Lsn,
    syncing: bool,
    /// What those wait for who don't lead (invariant 3), in no order.
    waiting: Vec<Lsn>,
    /// The size of the last group (invariant 6).
    group: usize,
    /// How long the next leader waits for as large a group.
    patience: Duration,
    /// Instead of what is measured: for tests.
    fixed_patience: Option<Duration>,
    free: Vec<usize>,
    /// The files that hold what isn't durable, and those after them: the last one is being written.
    files: VecDeque<Arc<LogFile>>,
    /// The ends of all of `files` but the last.
    ends: VecDeque<u32>,
    /// Files that won't be written again and are durable, with their ends.
    closed: Vec<(Arc<LogFile>, u32)>,
}

/// A write that was queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

struct Write {
    ticket: Ticket,
    end: Lsn,
    slot: Option<usize>,
    made: bool,
}

/// What a thread that wants something durable has to do.
pub(super) enum Turn {
    /// Nothing: it is.
    Durable,
    /// It is its turn to sync.
    Sync,
}

impl Progress {
    /// A log that begins at `start` in `file`, with so many free slots.
    pub(super) fn new(start: Lsn, file: Arc<LogFile>, slots: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            next_ticket: 0,
            write_lsn: start,
            sync_lsn: start,
            syncing: false,
            waiting: Vec::new(),
            group: 1,
            patience: Duration::ZERO,
            fixed_patience: None,
            free: (0..slots).collect(),
            files: VecDeque::from([file]),
            ends: VecDeque::new(),
            closed: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            synced: Condvar::new(),
            arrived: Condvar::new(),
            failed: AtomicBool::new(false),
        }
    }

    /// Refuses to go on after a failure.
    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) { Err(Error::panic("fatal log failure")) } else { Ok(()) }
    }

    /// Ends all progress.
    #[cold]
    pub(super) fn fail(&self, what: &str, error: &Error) -> Error {
        self.failed.store(true, Ordering::Release);
        drop(self.state.lock());
        self.changed.notify_all();
        self.synced.notify_all();
        self.arrived.notify_all();
        Error::panic(format!("{what}: fatal log failure: {error}"))
    }

    /// Queues a write.
    pub(super) fn queue(&self, end: Lsn, slot: Option<usize>) -> Ticket {
        let mut state = self.state.lock();
        let ticket = Ticket(state.next_ticket);
        state.next_ticket = state.next_ticket.wrapping_add(1);
        state.queue.push_back(Write { ticket, end, slot, made: false });
        ticket
    }

    /// Notes that a write was made.
    pub(super) fn made(&self, ticket: Ticket) {
        let mut state = self.state.lock();
        if let Some(write) = state.queue.iter_mut().find(|write| write.ticket == ticket) {
            write.made = true;
        }
        while let Some(write) = state.queue.pop_front_if(|write| write.made) {
            state.write_lsn = write.end;
            state.free.extend(write.slot);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Gives back a slot that nothing was put into.
    pub(super) fn give_back(&self, slot: usize) {
        self.state.lock().free.push(slot);
        self.changed.notify_all();
    }

    /// A free slot; waits for one.
    pub(super) fn take_slot(&self) -> Result<usize> {
        let mut state = self.state.lock();
        loop {
            self.check()?;
            if let Some(slot) = state.free.pop() {
                return Ok(slot);
            }
            self.changed.wait(&mut state);
        }
    }

    /// Goes on to the next file; the former one ends at `end`.
    pub(super) fn next_file(&self, file: Arc<LogFile>, end: u32) {
        let mut state = self.state.lock();
        state.files.push_back(file);
        state.ends.push_back(end);
    }

    /// Waits until everything before `lsn` was written.
    pub(super) fn wait_written(&self, lsn: Lsn) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            self.check()?;
            if state.write_lsn >= lsn {
                return Ok(());
            }
            self.changed.wait(&mut state);
        }
    }

    /// Waits until everything before `lsn` is durable or it is the caller's turn to make it so: then it must call
    /// [`Progress::sync`].
    pub(super) fn wait_turn(&self, lsn: Lsn) -> Result<Turn> {
        let mut state = self.state.lock();
        let mut waits = false;
        loop {
            self.check()?;
            if state.sync_lsn >= lsn {
                // The leader has taken it from those who wait.
                return Ok(Turn::Durable);
            }
            if !state.syncing {
                state.syncing = true;
                if waits && let Some(at) = state.waiting.iter().position(|waiting| *waiting == lsn) {
                    state.waiting.swap_remove(at);
                }
                return Ok(Turn::Sync);
            }
            if !waits {
                waits = true;
                state.waiting.push(lsn);
                self.arrived.notify_all();
            }
            self.synced.wait(&mut state);
        }
    }

    /// Waits a little for others that will want a sync soon (invariant 6).
    fn gather(&self) {
        let mut state = self.state.lock();
        if state.group <= 1 {
            return;
        }
        let patience = state.fixed_patience.unwrap_or(state.patience);
        let deadline = Instant::now().checked_add(patience);
        while state.waiting.len() < state.group.saturating_sub(1) && self.check().is_ok() {
            let Some(deadline) = deadline else { return };
            if self.arrived.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    /// Takes the turn: runs `write`, which puts into the files what is to become durable, then syncs them.
    pub(super) fn sync(&self, write: impl FnOnce() -> Result<()>) -> Result<()> {
        self.gather();
        let started = Instant::now();
        let synced = write().and_then(|()| {
            let (goal, files) = {
                let state = self.state.lock();
                let goal = state.write_lsn;
                let files: Vec<_> = state.files.iter().filter(|file| file.number <= goal.file).cloned().collect();
                (goal, files)
            };
            for file in files {
                file.handle.sync().map_err(|error| self.fail(&file.name, &error))?;
            }
            Ok(goal)
        });
        let mut state = self.state.lock();
        state.syncing = false;
        state.group = state.waiting.len().saturating_add(1);
        state.patience = started.elapsed().checked_div(4).unwrap_or_default().min(PATIENCE_MAX);
        if let Ok(goal) = synced {
            state.sync_lsn = goal;
            state.waiting.retain(|lsn| *lsn > goal);
            while state.files.front().is_some_and(|file| file.number < goal.file)
                && let Some(end) = state.ends.pop_front()
                && let Some(file) = state.files.pop_front()
            {
                state.closed.push((file, end));
            }
        }
        drop(state);
        self.synced.notify_all();
        synced.map(drop)
    }

    /// Lets leaders wait as long as a test wants.
    #[cfg(test)]
    pub(super) fn set_patience(&self, patience: Duration) {
        self.state.lock().fixed_patience = Some(patience);
    }

    /// How many wait for a sync that they don't lead.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// The files that are complete and durable, with their ends, since the last call.
    pub(super) fn take_closed(&self) -> Vec<(Arc<LogFile>, u32)> {
        std::mem::take(&mut self.state.lock().closed)
    }

    /// Whether a file is complete and not durable.
    pub(super) fn has_full_files(&self) -> bool {
        !self.state.lock().ends.is_empty()
    }

    pub(super) fn write_lsn(&self) -> Lsn {
        self.state.lock().write_lsn
    }

    pub(super) fn sync_lsn(&self) -> Lsn {
        self.state.lock().sync_lsn
    }
}

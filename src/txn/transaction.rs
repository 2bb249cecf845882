//! One session's transaction.

use super::global::Taken;
use super::timestamp::GlobalTimestamps;
use super::{Snapshot, TS_NONE, TXN_ABORTED, TXN_NONE, TxnGlobal, TxnId};
use crate::log::{Operation as LogOperation, record};
use crate::sync::reclaim::Participant;
use hardwired_plugin::Result;
use std::sync::Arc;

/// What a transaction sees of others (transactions specification, section 2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The newest version, whatever its state.
    ReadUncommitted,
    /// What was committed when the current operation began.
    ReadCommitted,
    /// What was committed when the transaction began.
    #[default]
    Snapshot,
}

/// Takes back a transaction's changes of one tree.
pub(crate) trait Undo: Send + Sync {
    /// Marks the versions of `key` that `id` made as aborted.
    fn abort(&self, participant: &Participant, id: TxnId, key: &[u8]) -> Result<()>;
    /// Marks the placeholders of `key` that `id` reserved as aborted.
    fn abort_reserved(&self, participant: &Participant, id: TxnId, key: &[u8]) -> Result<()>;
}

/// A session's transaction state: at most one running transaction, and the snapshot of reads outside of one.
pub struct Txn {
    global: Arc<TxnGlobal>,
    participant: Arc<Participant>,
    slot: usize,
    state: State,
    isolation: Isolation,
    id: TxnId,
    snapshot: Snapshot,
    /// When `snapshot` was taken.
    taken: Taken,
    has_snapshot: bool,
    /// 0: none.
    read_timestamp: u64,
    failed: bool,
    trees: Vec<Arc<dyn Undo>>,
    operations: Vec<Operation>,
    keys: Vec<u8>,
    /// The commit record, as far as the transaction has come; empty: nothing to log.
    log_record: Vec<u8>,
    /// Whether the commit waits for the log; `None`: as the connection is configured.
    sync: Option<bool>,
    /// Whether reads skip prepared changes.
    ignores_prepare: bool,
    /// The engine's own: it may commit while the connection closes.
    internal: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Implicit,
    Explicit,
}

/// One change: which tree (index into `trees`) and where in `keys` its key begins; it ends where the next begins.
struct Operation {
    tree: u32,
    reserve: bool,
    key_start: usize,
    key_end: usize,
}

/// No slot of the table.
const UNLISTED: usize = usize::MAX;

impl Txn {
    /// Takes a place in the connection's table. `WT_ERROR` when it is full.
    pub fn new(global: &Arc<TxnGlobal>) -> Result<Self> {
        Ok(Self::at(global, global.take_slot()?))
    }

    fn at(global: &Arc<TxnGlobal>, slot: usize) -> Self {
        Self {
            participant: global.reclaimer().join(),
            global: Arc::clone(global),
            slot,
            state: State::Idle,
            isolation: Isolation::Snapshot,
            id: TXN_NONE,
            snapshot: Snapshot::default(),
            taken: Taken::default(),
            has_snapshot: false,
            read_timestamp: TS_NONE,
            failed: false,
            trees: Vec::new(),
            operations: Vec::new(),
            keys: Vec::new(),
            log_record: Vec::new(),
            sync: None,
            ignores_prepare: false,
            internal: false,
        }
    }

    /// One that never runs, and so takes no place in the table: it sees what everybody sees.
    pub(crate) fn unlisted(global: &Arc<TxnGlobal>) -> Self {
        Self::at(global, UNLISTED)
    }

    /// The connection's transaction table.
    pub fn global(&self) -> &Arc<TxnGlobal> {
        &self.global
    }

    /// Starts an explicit transaction; under snapshot isolation the snapshot is taken now. None may be running.
    pub fn begin(&mut self, isolation: Isolation) {
        debug_assert_eq!(self.state, State::Idle);
        self.state = State::Explicit;
        self.isolation = isolation;
        self.failed = false;
        self.has_snapshot = false;
        if isolation == Isolation::Snapshot {
            self.take_snapshot();
        }
    }

    /// Starts the transaction of one autocommit write. None may be running.
    pub fn begin_implicit(&mut self) {
        debug_assert_eq!(self.state, State::Idle);
        self.state = State::Implicit;
        self.isolation = Isolation::Snapshot;
        self.failed = false;
        self.take_snapshot();
    }

    /// Whether a transaction (explicit or of an autocommit write) is running.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.state != State::Idle
    }

    /// Whether an explicit transaction is running.
    pub fn is_explicit(&self) -> bool {
        self.state == State::Explicit
    }

    /// Whether the running transaction has changed anything.
    pub fn has_modifications(&self) -> bool {
        !self.operations.is_empty()
    }

    /// The isolation of the running transaction, or of the last read outside of one.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The transaction's id, 0 before its first write.
    pub fn id(&self) -> TxnId {
        self.id
    }

    /// Marks the running transaction as failed: a commit with changes must be refused.
    pub fn set_failed(&mut self) {
        self.failed = true;
    }

    /// See [`Txn::set_failed`].
    pub fn is_failed(&self) -> bool {
        self.failed
    }

    /// Makes the snapshot that a read needs. Outside a transaction `isolation_outside` decides and the snapshot lasts until
    /// [`Txn::release_snapshot`]; outside a transaction a new one is taken if `fresh`, that is, if no cursor of the session
    /// rests on a record.
    #[inline]
    pub fn prepare_read(&mut self, isolation_outside: Isolation) {
        if self.state == State::Idle {
            self.isolation = isolation_outside;
        }
        if !self.has_snapshot {
            self.take_snapshot();
        }
    }

    #[inline]
    fn take_snapshot(&mut self) {
        if self.isolation == Isolation::ReadUncommitted {
            self.global.pin_oldest(self.slot);
        } else {
            self.global.refresh(self.slot, &mut self.snapshot, &mut self.taken);
        }
        self.has_snapshot = true;
    }

    /// Lets go of the snapshot outside a transaction (or, at read-committed and below, inside): the next read sees what was
    /// committed meanwhile. Under snapshot isolation inside a transaction nothing happens.
    #[inline]
    pub fn release_snapshot(&mut self) {
        if self.has_snapshot && (self.state == State::Idle || self.isolation != Isolation::Snapshot) {
            self.global.unpin(self.slot);
            self.has_snapshot = false;
        }
    }

    /// Takes a new snapshot in a running snapshot transaction that has changed nothing (`reset_snapshot`).
    pub fn renew_snapshot(&mut self) {
        self.take_snapshot();
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads as of `timestamp` from here on, with a new snapshot: in a running snapshot transaction without a read timestamp.
    /// One that is older than the oldest timestamp becomes that if `round_up`; else the answer is false, and nothing changes.
    pub fn set_read_timestamp(&mut self, timestamp: u64, round_up: bool) -> bool {
        debug_assert!(self.is_explicit() && self.isolation == Isolation::Snapshot && self.read_timestamp == TS_NONE);
        let Some(published) = self.global.publish_read_timestamp(self.slot, timestamp, round_up) else { return false };
        self.read_timestamp = published;
        self.take_snapshot();
        true
    }

    /// Reads as of the stable timestamp, if there is one, without a new snapshot: for the transaction of a checkpoint. Gives
    /// the connection's timestamps.
    pub(crate) fn pin_stable(&mut self) -> GlobalTimestamps {
        debug_assert!(self.is_explicit() && self.read_timestamp == TS_NONE);
        let timestamps = self.global.publish_stable(self.slot);
        self.read_timestamp = timestamps.stable;
        timestamps
    }

    /// The timestamp as of which the running transaction reads; 0: none.
    #[inline]
    pub fn read_timestamp(&self) -> u64 {
        self.read_timestamp
    }

    /// Whether a version made by `id` at `start_ts` is visible (transactions specification, section 9.1). The prepared state
    /// of a version is not considered.
    #[inline]
    pub(crate) fn sees(&self, id: TxnId, start_ts: u64) -> bool {
        if id == TXN_NONE {
            return self.sees_time(start_ts);
        }
        if id == TXN_ABORTED {
            return false;
        }
        if id == self.id {
            return true;
        }
        (self.isolation == Isolation::ReadUncommitted || self.snapshot.contains(id)) && self.sees_time(start_ts)
    }

    #[inline]
    fn sees_time(&self, start_ts: u64) -> bool {
        self.read_timestamp == TS_NONE || start_ts <= self.read_timestamp
    }

    /// The transaction's id, allocated at the first write.
    #[inline]
    pub(crate) fn ensure_id(&mut self) -> TxnId {
        if self.id == TXN_NONE {
            self.id = self.global.allocate_id(self.slot);
        }
        self.id
    }

    /// Remembers a change for rollback.
    pub(crate) fn record(&mut self, tree: &Arc<dyn Undo>, key: &[u8], reserve: bool) {
        let same = |other: &Arc<dyn Undo>| std::ptr::addr_eq(Arc::as_ptr(other), Arc::as_ptr(tree));
        let index = match self.trees.iter().rposition(same) {
            Some(index) => index,
            None => {
                self.trees.push(Arc::clone(tree));
                self.trees.len() - 1
            }
        };
        let key_start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.operations.push(Operation { tree: index as u32, reserve, key_start, key_end: self.keys.len() });
    }

    /// Adds an operation to the commit record, if there is a log.
    #[inline]
    pub(crate) fn record_in_log(&mut self, operation: &LogOperation<'_>) {
        if self.global.log().is_some() {
            if self.log_record.is_empty() {
                record::start_commit(&mut self.log_record, self.id);
            }
            operation.push(&mut self.log_record);
        }
    }

    /// The same for a transaction of the engine's own, which may commit while the connection closes.
    pub(crate) fn new_internal(global: &Arc<TxnGlobal>) -> Result<Self> {
        let mut txn = Self::new(global)?;
        txn.internal = true;
        Ok(txn)
    }

    /// Whether reads skip prepared changes; else they are conflicts.
    #[inline]
    pub(crate) fn ignores_prepare(&self) -> bool {
        self.ignores_prepare
    }

    /// See [`Txn::ignores_prepare`]; until the running transaction ends.
    pub(crate) fn set_ignore_prepare(&mut self, ignores_prepare: bool) {
        self.ignores_prepare = ignores_prepare;
    }

    /// What [`Txn::set_sync`] was told.
    pub fn sync(&self) -> Option<bool> {
        self.sync
    }

    /// Whether the commit of the running transaction waits for the log.
    pub fn set_sync(&mut self, sync: Option<bool>) {
        self.sync = sync;
    }

    /// Commits: from here on every snapshot taken sees the changes. They are in the log before (a durable timestamp, once
    /// there are any, is settled before that). An error of the log rolls back.
    pub fn commit(&mut self) -> Result<()> {
        let mut result = Ok(());
        if self.state == State::Explicit {
            for operation in self.operations.iter().filter(|operation| operation.reserve) {
                let key = &self.keys[operation.key_start..operation.key_end];
                let tree = &self.trees[operation.tree as usize];
                result = result.and(tree.abort_reserved(&self.participant, self.id, key));
            }
        }
        if self.log_record.is_empty() {
            self.end();
            return result;
        }
        let log = self.global.log().map(Arc::clone);
        // The gate is left after the transaction has resolved: see `Log`.
        let logged = log.as_ref().map(|log| {
            let gate = log.enter_commit(self.internal)?;
            log.seal(&mut self.log_record)?;
            log.commit(&self.log_record, self.sync).map(|()| gate)
        });
        match logged.transpose() {
            Ok(gate) => {
                self.end();
                drop(gate);
                result
            }
            Err(error) => {
                // The log's error is what the caller must see.
                let _ = self.rollback();
                Err(error)
            }
        }
    }

    /// Takes every change back. The transaction ends even if an error is returned (a page could not be read).
    pub fn rollback(&mut self) -> Result<()> {
        let mut result = Ok(());
        for operation in self.operations.iter().rev() {
            let key = &self.keys[operation.key_start..operation.key_end];
            let tree = &self.trees[operation.tree as usize];
            result = result.and(tree.abort(&self.participant, self.id, key));
        }
        self.end();
        result
    }

    #[inline]
    fn end(&mut self) {
        if self.id != TXN_NONE {
            self.global.resolve_id(self.slot);
            self.id = TXN_NONE;
            self.operations.clear();
            self.trees.clear();
            self.keys.clear();
            self.log_record.clear();
            if self.log_record.capacity() > 1 << 20 {
                self.log_record = Vec::new();
            }
            if self.keys.capacity() > 1 << 20 {
                self.keys = Vec::new();
                self.operations = Vec::new();
            }
        }
        if self.read_timestamp != TS_NONE {
            self.global.withdraw_read_timestamp(self.slot);
            self.read_timestamp = TS_NONE;
        }
        self.global.unpin(self.slot);
        self.has_snapshot = false;
        self.failed = false;
        self.sync = None;
        self.ignores_prepare = false;
        self.state = State::Idle;
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        if self.is_running() {
            // A rollback that can't read a page leaves versions of an id that nobody will ever commit: see `Tree::abort`.
            let _ = self.rollback();
        }
        if self.slot != UNLISTED {
            self.global.give_back_slot(self.slot);
        }
        self.global.reclaimer().leave(&self.participant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(global: &Arc<TxnGlobal>) -> Txn {
        Txn::new(global).unwrap()
    }

    #[test]
    fn a_snapshot_excludes_what_commits_later() {
        let global = TxnGlobal::new(10);
        let (mut writer, mut reader) = (session(&global), session(&global));
        writer.begin(Isolation::Snapshot);
        let id = writer.ensure_id();
        reader.begin(Isolation::Snapshot);
        assert!(!reader.sees(id, 0));
        writer.commit().unwrap();
        assert!(!reader.sees(id, 0), "repeatable");
        reader.commit().unwrap();
        reader.begin(Isolation::Snapshot);
        assert!(reader.sees(id, 0));
    }

    #[test]
    fn an_unchanged_table_lets_a_session_reuse_its_snapshot() {
        let global = TxnGlobal::new(10);
        let mut reader = session(&global);
        reader.prepare_read(Isolation::Snapshot);
        let seen = reader.taken.changes;
        reader.release_snapshot();
        reader.prepare_read(Isolation::Snapshot);
        assert_eq!(reader.taken.changes, seen);
        assert_eq!(global.update_oldest(), 1);
    }

    #[test]
    fn the_oldest_id_waits_for_snapshots() {
        let global = TxnGlobal::new(10);
        let (mut writer, mut reader) = (session(&global), session(&global));
        reader.begin(Isolation::Snapshot);
        for _ in 0..5 {
            writer.begin_implicit();
            writer.ensure_id();
            writer.commit().unwrap();
        }
        assert_eq!(global.update_oldest(), 1);
        reader.commit().unwrap();
        assert_eq!(global.update_oldest(), 6);
    }

    #[test]
    fn a_read_timestamp_hides_later_changes_but_its_own() {
        let global = TxnGlobal::new(10);
        let (mut writer, mut reader) = (session(&global), session(&global));
        writer.begin(Isolation::Snapshot);
        let theirs = writer.ensure_id();
        writer.commit().unwrap();
        reader.begin(Isolation::Snapshot);
        assert!(reader.sees(theirs, 30) && reader.sees(TXN_NONE, 30), "no read timestamp");
        assert!(reader.set_read_timestamp(20, false));
        let own = reader.ensure_id();
        for (id, start_ts, seen) in [
            (theirs, 0, true),
            (theirs, 20, true),
            (theirs, 21, false),
            (TXN_NONE, 20, true),
            (TXN_NONE, 21, false),
            (own, 21, true),
            (own + 1, 0, false),
            (TXN_ABORTED, 0, false),
        ] {
            assert_eq!(reader.sees(id, start_ts), seen, "{id} at {start_ts}");
        }
        reader.rollback().unwrap();
        assert_eq!(reader.read_timestamp(), 0);
        reader.begin(Isolation::Snapshot);
        assert!(reader.sees(theirs, 30), "it was the former transaction's");
    }

    #[test]
    fn the_table_has_an_end() {
        let global = TxnGlobal::new(1);
        let sessions: Vec<_> = (0..56).map(|_| session(&global)).collect();
        let error = Txn::new(&global).err().unwrap();
        assert_eq!(error.to_string(), "out of sessions, configured for 56 (including internal sessions)");
        drop(sessions);
        assert!(Txn::new(&global).is_ok());
    }
}

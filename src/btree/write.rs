//! Changing rows: one version linked under the leaf's latch.
//!
//! The latch is held for a search in one page and two bump allocations. The alternative, linking by compare-and-swap
//! without any latch, needs every writer to prove that the page isn't being replaced at that moment; see
//! `docs/decisions/0002-page-latches-for-writers.md`.

use super::cursor::Context;
use super::internal::Target;
use super::leaf::{Leaf, LeafInner, Slot};
use super::tree::{Found, Pin, Tree};
use super::version::{Kind, Row, Version, Visible};
use crate::log::Operation;
use crate::sync::MutexGuard;
use crate::sync::reclaim::Participant;
use crate::txn::{Txn, TxnId, Undo};
use hardwired_plugin::error::RollbackReason;
use hardwired_plugin::{Error, Result};
use std::sync::Arc;

/// What a write does when the record exists, or doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutMode {
    /// Writes in any case.
    Overwrite,
    /// Only a record that the transaction doesn't see: else [`Error::DuplicateKey`].
    InsertOnly,
    /// Only a record that the transaction sees: else [`Error::NotFound`].
    UpdateOnly,
}

/// One change of one row.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    Put(&'a [u8], PutMode),
    Remove,
    Reserve,
}

/// Where a write left its record: the leaf, the slot's word, and the written value's version.
pub(super) struct Written<'p> {
    pub(super) leaf: &'p Leaf,
    pub(super) row: Row<'p>,
    pub(super) version: Version<'p>,
}

/// Longest key or value (API specification, section 8).
const MAX_ITEM_BYTES: usize = 4_294_966_271;

impl Change<'_> {
    fn record_in_log(self, txn: &mut Txn, file: u32, key: &[u8]) {
        match self {
            Change::Put(value, _) => txn.record_in_log(&Operation::RowPut { file, key, value }),
            Change::Remove => txn.record_in_log(&Operation::RowRemove { file, key }),
            Change::Reserve => {}
        }
    }

    fn check(&self, key: &[u8]) -> Result<()> {
        let value = if let Change::Put(value, _) = self { value.len() } else { 0 };
        match [key.len(), value].into_iter().find(|len| *len > MAX_ITEM_BYTES) {
            Some(len) => Err(Error::invalid(format!(
                "item size of {len} exceeds the maximum supported WiredTiger size of {MAX_ITEM_BYTES}"
            ))),
            None => Ok(()),
        }
    }
}

impl Tree {
    /// Applies `change` to the row of `key` in `txn`. `hint`: a leaf to try before the descent.
    pub(super) fn write<'p>(
        &self,
        context: &Context,
        pin: &'p Pin<'_>,
        hint: Option<&'p Leaf>,
        txn: &mut Txn,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<Written<'p>> {
        change.check(key)?;
        let id = txn.ensure_id();
        let mut hint = hint;
        loop {
            let leaf = match hint.take() {
                Some(leaf) => leaf,
                None => self.find_leaf(pin, Target::Key(key))?.leaf,
            };
            let inner = leaf.latch.lock();
            if leaf.is_dead() || leaf.high().is_some_and(|high| self.settings.order.compare(key, high).is_ge()) {
                continue;
            }
            leaf.touch(self.cache.generation());
            if let Some(written) = self.write_latched(pin, leaf, inner, txn, id, key, change)? {
                txn.record(&context.undo, key, matches!(change, Change::Reserve));
                if let Some(file) = self.settings.log_file {
                    change.record_in_log(txn, file, key);
                }
                return Ok(written);
            }
        }
    }

    /// The part of [`Tree::write`] under the latch; `None`: the page was split, start again.
    #[allow(clippy::too_many_arguments, reason = "one step of `write`, split off for length")]
    fn write_latched<'p>(
        &self,
        pin: &'p Pin<'_>,
        leaf: &'p Leaf,
        mut inner: MutexGuard<'p, LeafInner>,
        txn: &Txn,
        id: TxnId,
        key: &[u8],
        change: Change<'_>,
    ) -> Result<Option<Written<'p>>> {
        let found = leaf.search(key);
        self.settings.order.check()?;
        let slot = (found.word != 0).then(|| leaf.slot(found.word));
        check_conflict(slot, txn, change)?;
        if slot.is_none() {
            let at_end = found.index == leaf.slots.len();
            inner.appends = if at_end { inner.appends.saturating_add(1) } else { 0 };
            if inner.accounted > inner.split_bytes {
                // The pages that come of it are dirty and give up this one's blocks when they are written. A checkpoint that
                // runs may refer to those: like any change, this one makes the pages wait for it.
                leaf.raise_max_txn(id);
                self.split_leaf(pin, leaf, inner, key)?;
                return Ok(None);
            }
        }
        let version = match change {
            Change::Put(value, _) => Version::new_in(&mut inner.arena, id, Kind::Standard, value),
            Change::Remove => Version::new_in(&mut inner.arena, id, Kind::Tombstone, &[]),
            Change::Reserve => Version::new_in(&mut inner.arena, id, Kind::Reserve, &[]),
        };
        leaf.raise_max_txn(id);
        let was_dirty = leaf.set_dirty(true);
        let row = match slot {
            Some(Slot::Row(row)) => {
                row.push(version);
                row
            }
            Some(Slot::Image(key, _)) => {
                let row = Row::new_in(&mut inner.arena, key, found.word);
                row.push(version);
                leaf.slots.set_word(found.index, row.word());
                row
            }
            None => {
                let row = Row::new_in(&mut inner.arena, key, 0);
                row.push(version);
                leaf.insert(&mut inner, found.index, row);
                row
            }
        };
        self.account(leaf, &mut inner);
        if !was_dirty {
            self.mark_dirty(pin, key);
        }
        if inner.accounted > inner.split_bytes && slot.is_some() {
            self.split_leaf(pin, leaf, inner, key)?;
        }
        Ok(Some(Written { leaf, row, version }))
    }

    /// Looks at a leaf after a write of `txn` to `key` of which `apply` takes back some versions.
    fn undo(&self, participant: &Participant, key: &[u8], apply: impl Fn(Version<'_>)) -> Result<()> {
        let pin = Pin::new(self.txns.reclaimer(), participant);
        loop {
            let Found { leaf, .. } = self.find_leaf(&pin, Target::Key(key))?;
            let _inner = leaf.latch.lock();
            if leaf.is_dead() || leaf.high().is_some_and(|high| self.settings.order.compare(key, high).is_ge()) {
                continue;
            }
            let word = leaf.search(key).word;
            self.settings.order.check()?;
            if word != 0
                && let Slot::Row(row) = leaf.slot(word)
            {
                row.versions().for_each(apply);
            }
            return Ok(());
        }
    }
}

impl Undo for Tree {
    /// A page with unresolved versions is never evicted, so this reads nothing from disk and can't fail for that.
    fn abort(&self, participant: &Participant, id: TxnId, key: &[u8]) -> Result<()> {
        self.undo(participant, key, |version| {
            if version.txn() == id {
                version.abort();
            }
        })
    }

    fn abort_reserved(&self, participant: &Participant, id: TxnId, key: &[u8]) -> Result<()> {
        self.undo(participant, key, |version| {
            if version.txn() == id && version.kind() == Kind::Reserve {
                version.abort();
            }
        })
    }
}

/// First updater wins (transactions specification, section 4): whether `txn` may write the row of `slot`.
fn check_conflict(slot: Option<Slot<'_>>, txn: &Txn, change: Change<'_>) -> Result<()> {
    let (exists, conflict) = match slot {
        None => (false, false),
        Some(Slot::Image(..)) => (true, false),
        Some(Slot::Row(row)) => {
            (!matches!(row.visible(txn), Visible::Nothing), row.newest().is_some_and(|newest| !newest.is_visible(txn)))
        }
    };
    if exists && matches!(change, Change::Put(_, PutMode::InsertOnly)) {
        return Err(Error::DuplicateKey);
    }
    if conflict {
        return Err(Error::Rollback(RollbackReason::WriteConflict));
    }
    match change {
        Change::Put(_, PutMode::Overwrite | PutMode::InsertOnly) => Ok(()),
        _ if exists => Ok(()),
        _ => Err(Error::NotFound),
    }
}

/// The tree as a transaction remembers it.
pub(super) fn undo_of(tree: &Arc<Tree>) -> Arc<dyn Undo> {
    Arc::clone(tree) as Arc<dyn Undo>
}

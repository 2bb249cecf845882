//! The metadata table: one row a named object, in a B-tree like any other.
//!
//! Invariants:
//! 1. Reads see uncommitted rows, as the database checkpoint and schema calls need it.
//! 2. A change is one transaction: all of its rows or none.
//! 3. Changes are in memory until the metadata checkpoint; the rename of the turtle file is what makes them durable.
//!
//! Source: block specification, section 11.

use super::handle::FileHandle;
use crate::btree::{PutMode, TreeCursor};
use crate::txn::{Isolation, Txn, TxnGlobal};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

/// The metadata table.
pub(crate) struct Catalog {
    pub(crate) file: Arc<FileHandle>,
    state: Mutex<State>,
}

struct State {
    txn: Txn,
    cursor: TreeCursor,
}

/// A row: key and value.
pub(crate) type Row = (String, String);

/// A change: the key and its new value, `None` to remove it.
pub(crate) type Change<'a> = (&'a str, Option<&'a str>);

impl Catalog {
    /// The table in an open tree.
    pub(crate) fn new(file: Arc<FileHandle>, txns: &Arc<TxnGlobal>) -> Result<Self> {
        let state = State { txn: Txn::new_internal(txns)?, cursor: TreeCursor::new(&file.tree) };
        Ok(Self { file, state: Mutex::new(state) })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(self.seek(|state| state.cursor.search(&state.txn, &packed(key)))?.map(|(_, value)| value))
    }

    /// The values of several keys, as one change left them.
    pub(crate) fn get_all<const N: usize>(&self, keys: [&str; N]) -> Result<[Option<String>; N]> {
        let mut state = self.state.lock();
        let State { txn, cursor } = &mut *state;
        txn.prepare_read(Isolation::ReadUncommitted);
        let mut values = [const { None }; N];
        let outcome = values.iter_mut().zip(keys).try_for_each(|(value, key)| {
            if cursor.search(txn, &packed(key))? {
                *value = Some(row(cursor)?.1);
            }
            Ok(())
        });
        cursor.reset();
        txn.release_snapshot();
        outcome.map(|()| values)
    }

    /// The value of a key that must be there: [`Error::NotFound`] otherwise.
    pub(crate) fn require(&self, key: &str) -> Result<String> {
        self.get(key)?.ok_or(Error::NotFound)
    }

    /// The first row.
    pub(crate) fn first(&self) -> Result<Option<Row>> {
        self.seek(|state| state.cursor.next(&state.txn))
    }

    /// The last row.
    pub(crate) fn last(&self) -> Result<Option<Row>> {
        self.seek(|state| state.cursor.prev(&state.txn))
    }

    /// The first row after a key.
    pub(crate) fn after(&self, key: &str) -> Result<Option<Row>> {
        let key = packed(key);
        self.seek(|state| {
            let found = state.cursor.seek_ge(&state.txn, &key)?;
            if found && state.cursor.key() == key { state.cursor.next(&state.txn) } else { Ok(found) }
        })
    }

    /// The last row before a key.
    pub(crate) fn before(&self, key: &str) -> Result<Option<Row>> {
        let key = packed(key);
        self.seek(|state| {
            let found = state.cursor.seek_le(&state.txn, &key)?;
            if found && state.cursor.key() == key { state.cursor.prev(&state.txn) } else { Ok(found) }
        })
    }

    /// The rows whose keys begin with a prefix, in order.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Result<Vec<Row>> {
        let mut state = self.state.lock();
        let State { txn, cursor } = &mut *state;
        txn.prepare_read(Isolation::ReadUncommitted);
        let mut rows = Vec::new();
        let mut found = cursor.seek_ge(txn, prefix.as_bytes());
        let outcome = loop {
            match found {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            match row(cursor) {
                Ok(row) if row.0.starts_with(prefix) => rows.push(row),
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
            found = cursor.next(txn);
        };
        cursor.reset();
        txn.release_snapshot();
        outcome.map(|()| rows)
    }

    /// The rows of all trees: ordinary files, without the objects of tiered trees, and tiered trees.
    pub(crate) fn trees(&self) -> Result<Vec<Row>> {
        let mut rows = self.with_prefix("file:")?;
        rows.retain(|(_, value)| !super::settings::is_tiered_object(value));
        rows.extend(self.with_prefix("tiered:")?);
        Ok(rows)
    }

    /// Applies changes as one transaction.
    pub(crate) fn change(&self, changes: &[Change<'_>]) -> Result<()> {
        let mut state = self.state.lock();
        let State { txn, cursor } = &mut *state;
        txn.begin(Isolation::Snapshot);
        let changed = changes.iter().try_for_each(|(key, value)| match value {
            Some(value) => {
                let mut value = value.as_bytes().to_vec();
                value.push(0);
                cursor.put(txn, &packed(key), &value, PutMode::Overwrite)
            }
            None => match cursor.remove(txn, &packed(key)) {
                Err(Error::NotFound) => Ok(()),
                removed => removed,
            },
        });
        cursor.reset();
        match changed {
            Ok(()) => txn.commit(),
            Err(error) => {
                txn.rollback()?;
                Err(error)
            }
        }
    }

    fn seek(&self, seek: impl FnOnce(&mut State) -> Result<bool>) -> Result<Option<Row>> {
        let mut state = self.state.lock();
        state.cursor.reset();
        state.txn.prepare_read(Isolation::ReadUncommitted);
        let found = seek(&mut state);
        let row = match found {
            Ok(true) => row(&state.cursor).map(Some),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        state.cursor.reset();
        state.txn.release_snapshot();
        row
    }
}

/// The record a cursor stands on.
fn row(cursor: &TreeCursor) -> Result<Row> {
    Ok((unpacked(cursor.key())?, unpacked(cursor.value())?))
}

fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

fn unpacked(bytes: &[u8]) -> Result<String> {
    let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
        _ => Err(Error::corrupt("file:WiredTiger.wt", 0, "a metadata entry is not a string")),
    }
}

//! The records of a table with named columns: one record from all column groups, kept in step with the indices.
//!
//! Invariants:
//! 1. Keys are the table's packed keys, values its packed values, whatever groups they are spread over.
//! 2. While [`TableRows`] rests on a record, every group rests on the record of that key.
//! 3. A change reaches all groups and indices in the transaction it is given. What a program meets in its normal course
//!    (a missing record, one that is there already) is found before anything is changed, or is taken back; other errors
//!    make a caller roll the transaction back.
//! 4. After a change there is no position.
//!
//! Order of changes: the first group decides what exists, then come the other groups, then the indices by name.
//!
//! Source: schema specification, sections 5 to 7.

use super::columns::Layout;
use super::records::Records;
use super::table::{Index, TableHandle};
use crate::btree::KeyOrder;
use crate::txn::{Isolation, Txn};
use crate::{Error, Result};
use std::sync::Arc;

/// A cursor over the records of a table.
pub(crate) struct TableRows {
    table: Arc<TableHandle>,
    key_layout: Layout,
    value_layout: Layout,
    groups: Vec<Box<dyn Records>>,
    /// Opened before the first change.
    indices: Option<Vec<IndexEntries>>,
    /// The only group's value is the table's.
    is_plain: bool,
    /// The table's value at the position, unless [`TableRows::is_plain`].
    value: Vec<u8>,
    /// A step failed after the first group had moved.
    first_has_moved: bool,
}

/// An index that is maintained.
pub(crate) struct IndexEntries {
    pub(crate) index: Index,
    pub(crate) records: Box<dyn Records>,
}

/// What an update does to an index.
struct Replacement {
    old: Vec<u8>,
    new: Vec<u8>,
}

impl TableRows {
    /// `groups` are the table's, in its order.
    pub(crate) fn new(table: &Arc<TableHandle>, groups: Vec<Box<dyn Records>>) -> Self {
        let (key_layout, value_layout) = table.columns.key_and_value();
        let is_plain = match table.groups.as_slice() {
            [group] => group.layout == value_layout,
            _ => false,
        };
        Self {
            table: Arc::clone(table),
            key_layout,
            value_layout,
            groups,
            indices: None,
            is_plain,
            value: Vec::new(),
            first_has_moved: false,
        }
    }

    /// Whether changes can be made.
    pub(crate) fn has_indices_open(&self) -> bool {
        self.indices.is_some()
    }

    /// The indices that changes are to maintain.
    pub(crate) fn open_indices(&mut self, indices: Vec<IndexEntries>) {
        self.indices = Some(indices);
    }

    // ---- reading

    /// Brings the other groups to the first one's record. `false`: one has no such record.
    fn follow(&mut self, txn: &mut Txn) -> Result<bool> {
        let Some((first, others)) = self.groups.split_first_mut() else { return Ok(false) };
        for other in others {
            if !other.search(txn, first.key())? {
                return Ok(false);
            }
        }
        self.assemble()?;
        Ok(true)
    }

    fn follow_if(&mut self, txn: &mut Txn, found: bool) -> Result<bool> {
        self.first_has_moved = false;
        if found && self.follow(txn)? {
            return Ok(true);
        }
        self.reset();
        Ok(false)
    }

    /// Makes the table's value out of the groups'.
    fn assemble(&mut self) -> Result<()> {
        if self.is_plain {
            return Ok(());
        }
        let mut payloads = self.table.columns.payloads();
        // Backwards, so that a column stored in several groups comes from the first.
        for (group, records) in self.table.groups.iter().zip(&self.groups).rev() {
            group.layout.read(records.value(), &mut payloads)?;
        }
        self.value.clear();
        self.value_layout.write(&payloads, &mut self.value);
        Ok(())
    }

    fn step(&mut self, txn: &mut Txn, forward: bool) -> Result<bool> {
        loop {
            let Some((first, others)) = self.groups.split_first_mut() else { return Ok(false) };
            if !self.first_has_moved && !step(first, txn, forward)? {
                self.reset();
                return Ok(false);
            }
            self.first_has_moved = true;
            let mut is_whole = true;
            for other in others {
                // In step, as a rule.
                let stepped = step(other, txn, forward)? && other.key() == first.key();
                is_whole = is_whole && (stepped || other.search(txn, first.key())?);
            }
            self.first_has_moved = false;
            if is_whole {
                return self.assemble().map(|()| true);
            }
            // A record that another transaction is just writing has not reached all groups.
            if txn.isolation() != Isolation::ReadUncommitted {
                let uri = self.table.uri.as_str();
                return Err(Error::corrupt(uri, 0, "a column group lacks a record that the first one has"));
            }
        }
    }

    // ---- writing

    /// The payloads of a record.
    fn payloads<'a>(&self, key: &'a [u8], value: &'a [u8]) -> Result<Vec<&'a [u8]>> {
        let mut payloads = self.table.columns.payloads();
        self.key_layout.read(key, &mut payloads)?;
        self.value_layout.read(value, &mut payloads)?;
        Ok(payloads)
    }

    /// Writes a record into the groups. `first` writes into the first one.
    fn write_groups(
        &mut self,
        txn: &mut Txn,
        key: &[u8],
        value: &[u8],
        first: impl Fn(&mut dyn Records, &mut Txn, &[u8]) -> Result<()>,
    ) -> Result<()> {
        if self.is_plain {
            return self.groups.first_mut().map_or(Ok(()), |group| first(&mut **group, txn, value));
        }
        let payloads = self.payloads(key, value)?;
        let mut row = Vec::new();
        for (number, (group, records)) in self.table.groups.iter().zip(&mut self.groups).enumerate() {
            row.clear();
            group.layout.write(&payloads, &mut row);
            if number == 0 {
                first(&mut **records, txn, &row)?;
            } else {
                records.insert(txn, key, &row, true)?;
            }
        }
        Ok(())
    }

    fn index_keys(&self, key: &[u8], value: &[u8], wanted: impl Fn(&Index) -> bool) -> Result<Vec<Option<Vec<u8>>>> {
        let payloads = self.payloads(key, value)?;
        let keys = self.opened()?.iter().map(|entries| {
            wanted(&entries.index).then(|| {
                let mut row = Vec::new();
                entries.index.layout.write(&payloads, &mut row);
                row
            })
        });
        Ok(keys.collect())
    }

    fn opened(&self) -> Result<&[IndexEntries]> {
        self.indices.as_deref().ok_or_else(|| Error::panic("a table is changed before its indices were opened"))
    }

    fn insert_record(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        if self.opened()?.is_empty() {
            return self.write_groups(txn, key, value, |first, txn, row| first.insert(txn, key, row, overwrite));
        }
        // Damaged input is found before anything is changed.
        let keys = self.index_keys(key, value, |_| true)?;
        match self.write_groups(txn, key, value, |first, txn, row| first.insert(txn, key, row, false)) {
            Ok(()) => self.insert_entries(txn, &keys),
            Err(Error::DuplicateKey) if overwrite => self.update_record(txn, key, value, false),
            Err(error) => Err(error),
        }
    }

    fn update_record(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        if self.opened()?.is_empty() {
            return self.write_groups(txn, key, value, |first, txn, row| first.update(txn, key, row, overwrite));
        }
        let new_keys = self.index_keys(key, value, |index| !index.immutable)?;
        if !Records::search(self, txn, key)? {
            if !overwrite {
                return Err(Error::NotFound);
            }
            self.write_groups(txn, key, value, |first, txn, row| first.insert(txn, key, row, true))?;
            return self.insert_entries(txn, &new_keys);
        }
        let old_keys = self.index_keys(key, Records::value(self), |index| !index.immutable)?;
        let replaced = old_keys.into_iter().zip(new_keys).map(|pair| match pair {
            (Some(old), Some(new)) if old != new => Some(Replacement { old, new }),
            _ => None,
        });
        let replaced: Vec<_> = replaced.collect();
        let Self { indices, .. } = self;
        for (entries, keys) in indices.iter_mut().flatten().zip(&replaced) {
            if let Some(keys) = keys {
                match entries.records.remove(txn, &keys.old) {
                    // An entry that isn't there need not be removed.
                    Ok(()) | Err(Error::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.write_groups(txn, key, value, |first, txn, row| first.update(txn, key, row, true))?;
        for (entries, keys) in self.indices.iter_mut().flatten().zip(&replaced) {
            if let Some(keys) = keys {
                entries.records.insert(txn, &keys.new, &[], true)?;
            }
        }
        Ok(())
    }

    fn remove_record(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        if !self.opened()?.is_empty() {
            if !Records::search(self, txn, key)? {
                return Err(Error::NotFound);
            }
            let keys = self.index_keys(key, Records::value(self), |_| true)?;
            self.remove_entries(txn, &keys)?;
        }
        let Some((first, others)) = self.groups.split_first_mut() else { return Err(Error::NotFound) };
        first.remove(txn, key)?;
        for other in others {
            match other.remove(txn, key) {
                Ok(()) | Err(Error::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts the entries of the record at the position into the open indices.
    pub(super) fn insert_entries_here(&mut self, txn: &mut Txn) -> Result<()> {
        let keys = self.index_keys(Records::key(self), Records::value(self), |_| true)?;
        self.insert_entries(txn, &keys)
    }

    fn insert_entries(&mut self, txn: &mut Txn, keys: &[Option<Vec<u8>>]) -> Result<()> {
        for (entries, key) in self.indices.iter_mut().flatten().zip(keys) {
            if let Some(key) = key {
                entries.records.insert(txn, key, &[], true)?;
            }
        }
        Ok(())
    }

    /// Removes the entries of a record. One that is missing (the columns of an immutable index were changed) makes the
    /// removal fail as a whole.
    fn remove_entries(&mut self, txn: &mut Txn, keys: &[Option<Vec<u8>>]) -> Result<()> {
        let indices = self.indices.as_deref_mut().unwrap_or_default();
        for (number, key) in keys.iter().enumerate() {
            let (done, rest) = indices.split_at_mut(number);
            let (Some(entries), Some(key)) = (rest.first_mut(), key) else { continue };
            match entries.records.remove(txn, key) {
                Ok(()) => {}
                Err(Error::NotFound) => {
                    for (entries, key) in done.iter_mut().zip(keys) {
                        if let Some(key) = key {
                            entries.records.insert(txn, key, &[], true)?;
                        }
                    }
                    return Err(Error::NotFound);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn without_position<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let result = change(self);
        self.reset();
        for entries in self.indices.iter_mut().flatten() {
            entries.records.reset();
        }
        result
    }
}

impl Records for TableRows {
    fn reset(&mut self) {
        self.first_has_moved = false;
        self.groups.iter_mut().for_each(|group| group.reset());
    }

    fn is_positioned(&self) -> bool {
        self.groups.first().is_some_and(|group| group.is_positioned())
    }

    fn key(&self) -> &[u8] {
        self.groups.first().map_or(&[], |group| group.key())
    }

    fn value(&self) -> &[u8] {
        if self.is_plain { self.groups.first().map_or(&[], |group| group.value()) } else { &self.value }
    }

    fn search(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.groups.first_mut().map_or(Ok(false), |group| group.search(txn, key))?;
        self.follow_if(txn, found)
    }

    fn seek_ge(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.groups.first_mut().map_or(Ok(false), |group| group.seek_ge(txn, key))?;
        self.follow_if(txn, found)
    }

    fn seek_le(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.groups.first_mut().map_or(Ok(false), |group| group.seek_le(txn, key))?;
        self.follow_if(txn, found)
    }

    fn next(&mut self, txn: &mut Txn) -> Result<bool> {
        self.step(txn, true)
    }

    fn prev(&mut self, txn: &mut Txn) -> Result<bool> {
        self.step(txn, false)
    }

    fn insert(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        self.without_position(|rows| rows.insert_record(txn, key, value, overwrite))
    }

    fn update(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        self.without_position(|rows| rows.update_record(txn, key, value, overwrite))
    }

    fn remove(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        self.without_position(|rows| rows.remove_record(txn, key))
    }

    fn reserve(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        self.without_position(|rows| rows.groups.iter_mut().try_for_each(|group| group.reserve(txn, key)))
    }

    fn largest_key(&mut self) -> Result<Option<Vec<u8>>> {
        self.groups.first_mut().map_or(Ok(None), |group| group.largest_key())
    }

    fn key_order(&self) -> &KeyOrder {
        static BYTE_WISE: KeyOrder = KeyOrder::BYTE_WISE;
        self.groups.first().map_or(&BYTE_WISE, |group| group.key_order())
    }

    fn order(&self, found: &[u8], sought: &[u8]) -> std::cmp::Ordering {
        self.groups.first().map_or(std::cmp::Ordering::Equal, |group| group.order(found, sought))
    }

    /// Where there are indices, the value that the program gave stays.
    fn shows_duplicates(&self) -> bool {
        self.indices.as_ref().is_none_or(Vec::is_empty)
    }
}

fn step(records: &mut Box<dyn Records>, txn: &mut Txn, forward: bool) -> Result<bool> {
    if forward { records.next(txn) } else { records.prev(txn) }
}

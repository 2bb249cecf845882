//! The records that an index leads to.
//!
//! Keys are whole index keys: the index's own columns, then what is needed of the table's key. A key that is sought may be
//! a prefix: then every entry that starts with it is equal to it, and the first of them is found. Values come from the
//! column groups that hold the columns wanted; none is looked at if the index key has them all.
//!
//! Nothing is changed through an index.
//!
//! Source: schema specification, sections 6.2 and 6.3; API specification, section 9.

use super::columns::Layout;
use super::records::Records;
use super::table::{Index, TableHandle};
use crate::btree::KeyOrder;
use crate::txn::Txn;
use crate::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// A cursor over the records of a table in the order of an index.
pub(crate) struct IndexRows {
    table: Arc<TableHandle>,
    index: Index,
    entries: Box<dyn Records>,
    /// The groups that are looked at, by their numbers.
    groups: Vec<(usize, Box<dyn Records>)>,
    key_layout: Layout,
    value_layout: Layout,
    /// The table's key at the position.
    primary: Vec<u8>,
    value: Vec<u8>,
}

/// The numbers of the groups that must be looked at for a value of this layout.
pub(crate) fn groups_needed(table: &TableHandle, value: &Layout) -> Vec<usize> {
    let columns = value.numbers().filter(|column| !table.columns.is_key(*column));
    let mut groups: Vec<usize> = columns
        .filter_map(|column| {
            table.groups.iter().position(|group| group.layout.numbers().any(|number| number == column))
        })
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

impl IndexRows {
    /// `groups` are those that [`groups_needed`] names for `value_layout`.
    pub(crate) fn new(
        table: &Arc<TableHandle>,
        index: Index,
        entries: Box<dyn Records>,
        groups: Vec<(usize, Box<dyn Records>)>,
        value_layout: Layout,
    ) -> Self {
        Self {
            table: Arc::clone(table),
            index,
            entries,
            groups,
            key_layout: table.columns.layout(table.columns.of_key()),
            value_layout,
            primary: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The part of an index key that the index's own columns make; all of a key that is shorter.
    pub(crate) fn public_part<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        let length = self.index.layout.length_of_first(self.index.public_count, key);
        length.ok().and_then(|length| key.get(..length)).unwrap_or(key)
    }

    fn fetch_if(&mut self, txn: &mut Txn, found: bool) -> Result<bool> {
        if !found {
            self.reset();
            return Ok(false);
        }
        self.fetch(txn)?;
        Ok(true)
    }

    /// Whether the entry is what was sought.
    fn is_sought(&self, key: &[u8]) -> Result<bool> {
        let is_equal = self.order(self.entries.key(), key).is_eq();
        self.key_order().check().map(|()| is_equal)
    }

    /// Finds the first entry of the key, else the next one.
    fn seek_entry(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.entries.seek_ge(txn, key)?;
        if !self.key_order().is_collated() || (found && self.is_sought(key)?) {
            return Ok(found);
        }
        Ok(self.search_before(txn, key)? || self.entries.seek_ge(txn, key)?)
    }

    /// Finds the first of the entries of a key that a collator sorts behind them, as `reverse` does with the start of a key.
    fn search_before(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        if !self.entries.seek_le(txn, key)? || !self.is_sought(key)? {
            return Ok(false);
        }
        while self.entries.prev(txn)? {
            if !self.is_sought(key)? {
                return self.entries.next(txn);
            }
        }
        // All entries before it are equal to it, so the first is the first of all.
        self.entries.reset();
        self.entries.next(txn)
    }

    /// Reads the record that the entry leads to.
    fn fetch(&mut self, txn: &mut Txn) -> Result<()> {
        let Self { table, index, entries, groups, key_layout, value_layout, primary, value } = self;
        let mut payloads = table.columns.payloads();
        index.layout.read(entries.key(), &mut payloads)?;
        primary.clear();
        key_layout.write(&payloads, primary);
        for (_, records) in groups.iter_mut() {
            if !records.search(txn, primary)? {
                return Err(Error::NotFound);
            }
        }
        // Backwards, so that a column stored in several groups comes from the first.
        for (number, records) in groups.iter().rev() {
            if let Some(group) = table.groups.get(*number) {
                group.layout.read(records.value(), &mut payloads)?;
            }
        }
        value.clear();
        value_layout.write(&payloads, value);
        Ok(())
    }
}

impl Records for IndexRows {
    fn reset(&mut self) {
        self.entries.reset();
        self.groups.iter_mut().for_each(|(_, group)| group.reset());
    }

    fn is_positioned(&self) -> bool {
        self.entries.is_positioned()
    }

    fn key(&self) -> &[u8] {
        self.entries.key()
    }

    fn value(&self) -> &[u8] {
        &self.value
    }

    fn search(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.seek_entry(txn, key)? && self.is_sought(key)?;
        self.fetch_if(txn, found)
    }

    fn seek_ge(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.seek_entry(txn, key)?;
        self.fetch_if(txn, found)
    }

    fn seek_le(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        let found = self.entries.seek_le(txn, key)?;
        self.fetch_if(txn, found)
    }

    fn next(&mut self, txn: &mut Txn) -> Result<bool> {
        let found = self.entries.next(txn)?;
        self.fetch_if(txn, found)
    }

    fn prev(&mut self, txn: &mut Txn) -> Result<bool> {
        let found = self.entries.prev(txn)?;
        self.fetch_if(txn, found)
    }

    fn insert(&mut self, _: &mut Txn, _: &[u8], _: &[u8], _: bool) -> Result<()> {
        Err(read_only())
    }

    fn update(&mut self, _: &mut Txn, _: &[u8], _: &[u8], _: bool) -> Result<()> {
        Err(read_only())
    }

    fn remove(&mut self, _: &mut Txn, _: &[u8]) -> Result<()> {
        Err(read_only())
    }

    fn reserve(&mut self, _: &mut Txn, _: &[u8]) -> Result<()> {
        Err(read_only())
    }

    fn largest_key(&mut self) -> Result<Option<Vec<u8>>> {
        Err(read_only())
    }

    fn key_order(&self) -> &KeyOrder {
        self.entries.key_order()
    }

    /// An entry that starts with the key sought is equal to it. A collator compares the index's own columns, unless the key
    /// sought has more.
    fn order(&self, found: &[u8], sought: &[u8]) -> Ordering {
        let order = self.key_order();
        if !order.is_collated() {
            return found.get(..sought.len()).unwrap_or(found).cmp(sought);
        }
        let has_more = self.public_part(sought).len() < sought.len();
        order.compare(if has_more { found } else { self.public_part(found) }, sought)
    }

    fn bound(&self, is_lower: bool, key: &[u8], inclusive: bool) -> Result<Option<(Vec<u8>, bool)>> {
        // Where a collator sorts the start of a key is its own affair, so no key stands for "all that start with this".
        if self.key_order().is_collated() {
            return Err(Error::unsupported(format!("{}: bounds of an index with a collator", self.index.uri)));
        }
        if is_lower == inclusive {
            return Ok(Some((key.to_vec(), inclusive)));
        }
        // Behind all entries that start with the key.
        match (successor(key), is_lower) {
            (Some(key), _) => Ok(Some((key, is_lower))),
            (None, true) => {
                Err(Error::invalid("Cannot set index cursors with the max possible key as the lower bound"))
            }
            (None, false) => Ok(None),
        }
    }
}

/// The smallest key that is greater than every key with this prefix.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut key = prefix.get(..=last)?.to_vec();
    if let Some(byte) = key.last_mut() {
        *byte = byte.wrapping_add(1);
    }
    Some(key)
}

fn read_only() -> Error {
    Error::unsupported("Unsupported cursor operation")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"y\0", Some(b"y\x01".as_slice()))]
    #[case(b"y\xff\xff", Some(&b"z"[..]))]
    #[case(b"\xff", None)]
    #[case(b"", None)]
    fn successors_lie_behind_all_keys_with_the_prefix(#[case] prefix: &[u8], #[case] expected: Option<&[u8]>) {
        assert_eq!(successor(prefix).as_deref(), expected);
    }
}

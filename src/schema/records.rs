//! What a column group or an index keeps its records in.
//!
//! [`Records`] is a cursor over packed keys and values that works inside a transaction. B-trees have it
//! ([`TreeCursor`]), tables with several groups have it (`TableRows`), indices have it (`IndexRows`), and a data source
//! that holds a table's group or index is to have it: `open_records` is the one place that chooses.
//!
//! Keys are compared byte by byte. A collator belongs to the tree, which then orders what `seek_ge` and `seek_le` find;
//! [`Records::order`] is where the cursors above ask how two keys compare.

use super::handle::FileHandle;
use crate::Result;
use crate::btree::{KeyOrder, PutMode, TreeCursor};
use crate::txn::Txn;
use std::cmp::Ordering;

/// A cursor over records.
pub(crate) trait Records {
    /// Lets go of the position.
    fn reset(&mut self);

    /// Whether it rests on a record.
    fn is_positioned(&self) -> bool;

    /// The key of the record it rests on.
    fn key(&self) -> &[u8];

    /// The value of the record it rests on.
    fn value(&self) -> &[u8];

    /// Positions on the record of `key`. `false`: there is none that `txn` sees.
    fn search(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool>;

    /// Positions on the first record at or after `key`.
    fn seek_ge(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool>;

    /// Positions on the last record at or before `key`.
    fn seek_le(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool>;

    /// Steps to the next record, from no position to the first.
    fn next(&mut self, txn: &mut Txn) -> Result<bool>;

    /// Steps to the previous record, from no position to the last.
    fn prev(&mut self, txn: &mut Txn) -> Result<bool>;

    /// Writes a record that doesn't exist; with `overwrite`, in any case.
    fn insert(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()>;

    /// Writes a record that exists; with `overwrite`, in any case.
    fn update(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()>;

    /// Removes a record.
    fn remove(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()>;

    /// Holds a record against other writers.
    fn reserve(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()>;

    /// The largest key, whoever may see it.
    fn largest_key(&mut self) -> Result<Option<Vec<u8>>>;

    /// The order of the records' keys.
    fn key_order(&self) -> &KeyOrder;

    /// How the key of a record compares to a key that was sought; with a collator see [`KeyOrder::check`].
    #[inline]
    fn order(&self, found: &[u8], sought: &[u8]) -> Ordering {
        self.key_order().compare(found, sought)
    }

    /// What a bound at a key means for the keys of records: a key and whether it is inside, or `None` for no bound.
    ///
    /// # Errors
    /// `EINVAL` for a bound that leaves nothing.
    #[inline]
    fn bound(&self, is_lower: bool, key: &[u8], inclusive: bool) -> Result<Option<(Vec<u8>, bool)>> {
        let _ = is_lower;
        Ok(Some((key.to_vec(), inclusive)))
    }

    /// Whether an insert that finds the record there shows it in the cursor's value.
    #[inline]
    fn shows_duplicates(&self) -> bool {
        true
    }
}

/// Records of a file.
pub(crate) fn open_records(file: &FileHandle) -> Box<dyn Records> {
    Box::new(TreeCursor::new(&file.tree))
}

impl Records for TreeCursor {
    #[inline]
    fn key_order(&self) -> &KeyOrder {
        Self::key_order(self)
    }

    #[inline]
    fn reset(&mut self) {
        Self::reset(self);
    }

    #[inline]
    fn is_positioned(&self) -> bool {
        Self::is_positioned(self)
    }

    #[inline]
    fn key(&self) -> &[u8] {
        Self::key(self)
    }

    #[inline]
    fn value(&self) -> &[u8] {
        Self::value(self)
    }

    #[inline]
    fn search(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        Self::search(self, txn, key)
    }

    #[inline]
    fn seek_ge(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        Self::seek_ge(self, txn, key)
    }

    #[inline]
    fn seek_le(&mut self, txn: &mut Txn, key: &[u8]) -> Result<bool> {
        Self::seek_le(self, txn, key)
    }

    #[inline]
    fn next(&mut self, txn: &mut Txn) -> Result<bool> {
        Self::next(self, txn)
    }

    #[inline]
    fn prev(&mut self, txn: &mut Txn) -> Result<bool> {
        Self::prev(self, txn)
    }

    #[inline]
    fn insert(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        self.put(txn, key, value, if overwrite { PutMode::Overwrite } else { PutMode::InsertOnly })
    }

    #[inline]
    fn update(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], overwrite: bool) -> Result<()> {
        self.put(txn, key, value, if overwrite { PutMode::Overwrite } else { PutMode::UpdateOnly })
    }

    #[inline]
    fn remove(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        Self::remove(self, txn, key)
    }

    #[inline]
    fn reserve(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        Self::reserve(self, txn, key)
    }

    #[inline]
    fn largest_key(&mut self) -> Result<Option<Vec<u8>>> {
        Self::largest_key(self)
    }
}

//! Filling a new index from the records of its table.
//!
//! Nobody has a cursor on the table meanwhile. Transactions that changed it through cursors they have closed since may
//! still be running: their changes would not get into the index, so then there is no index.

use super::database::Database;
use super::handle::FileHandle;
use super::records::{Records, open_records};
use super::rows::{IndexEntries, TableRows};
use super::table::{Index, TableHandle};
use crate::plugin::error::SubLevel;
use crate::txn::{Isolation, Txn};
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;

/// Records a transaction: what a transaction has written stays in memory until it ends.
const BATCH: usize = 1000;

impl Database {
    /// Whether a table has records.
    ///
    /// # Errors
    /// `EBUSY` while transactions that changed the table are running.
    pub(super) fn has_rows(&self, table: &Arc<TableHandle>) -> Result<bool> {
        let mut rows = self.rows_of(table)?;
        if self.txns.update_oldest() < self.txns.current_id() {
            self.refuse_uncommitted(table, &mut rows)?;
        }
        let mut txn = Txn::new(&self.txns)?;
        txn.begin(Isolation::Snapshot);
        let found = rows.next(&mut txn);
        rows.reset();
        txn.rollback()?;
        found
    }

    /// Puts the entries of all records into an index.
    pub(super) fn fill_index(&self, table: &Arc<TableHandle>, index: &Index, file: &FileHandle) -> Result<()> {
        let mut rows = self.rows_of(table)?;
        rows.open_indices(vec![IndexEntries { index: index.clone(), records: open_records(file) }]);
        let mut txn = Txn::new(&self.txns)?;
        let mut last = None;
        loop {
            txn.begin(Isolation::Snapshot);
            let filled = fill_batch(&mut rows, &mut txn, last.as_deref());
            rows.reset();
            match filled {
                Ok(Some(key)) => {
                    txn.commit()?;
                    last = Some(key);
                }
                Ok(None) => return txn.commit(),
                Err(error) => {
                    txn.rollback()?;
                    return Err(error);
                }
            }
        }
    }

    /// Fails unless everybody sees the same records.
    fn refuse_uncommitted(&self, table: &Arc<TableHandle>, rows: &mut TableRows) -> Result<()> {
        let mut newest = self.rows_of(table)?;
        let (mut committed, mut any) = (Txn::new(&self.txns)?, Txn::new(&self.txns)?);
        committed.begin(Isolation::Snapshot);
        any.prepare_read(Isolation::ReadUncommitted);
        let same = loop {
            match (rows.next(&mut committed), newest.next(&mut any)) {
                (Ok(true), Ok(true)) if rows.key() == newest.key() && rows.value() == newest.value() => {}
                (Ok(false), Ok(false)) => break Ok(true),
                (Ok(_), Ok(_)) => break Ok(false),
                (Err(error), _) | (_, Err(error)) => break Err(error),
            }
        };
        rows.reset();
        newest.reset();
        committed.rollback()?;
        any.release_snapshot();
        if same? {
            return Ok(());
        }
        let text = format!("Can't create an index for table: {}: it has uncommitted data", table.name());
        Err(Error::with_sub_level(ErrorCode::EBUSY, SubLevel::UNCOMMITTED_DATA, text))
    }

    /// A cursor over a table's records. The schema lock is held.
    fn rows_of(&self, table: &Arc<TableHandle>) -> Result<TableRows> {
        let groups = table.groups.iter().map(|group| Ok(open_records(&*self.open_file_locked(&group.source)?)));
        Ok(TableRows::new(table, groups.collect::<Result<Vec<_>>>()?))
    }
}

/// Puts the entries of the records after `last` into the index. The key of the last one; `None`: that was the end.
fn fill_batch(rows: &mut TableRows, txn: &mut Txn, last: Option<&[u8]>) -> Result<Option<Vec<u8>>> {
    let mut found = match last {
        None => rows.next(txn)?,
        Some(key) => rows.seek_ge(txn, key)? && (rows.key() != key || rows.next(txn)?),
    };
    for _ in 1..BATCH {
        if !found {
            return Ok(None);
        }
        rows.insert_entries_here(txn)?;
        found = rows.next(txn)?;
    }
    if !found {
        return Ok(None);
    }
    rows.insert_entries_here(txn)?;
    Ok(Some(rows.key().to_vec()))
}

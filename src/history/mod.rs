//! The history store as readers search it.
//!
//! A page of a table holds one version of each record. The versions before it are rows of `file:WiredTigerHS.wt`, ordered
//! by record, start timestamp and counter: oldest first. Who sees nothing on the page searches here.
//!
//! Invariants:
//! 1. All rows of a record lie side by side: its packed id, length and key are the prefix of their keys, and of no other's.
//! 2. Whether a row is visible is told by the time window of its cell; the start timestamp in its key is for finding it. (A
//!    cell's start becomes 0 once everybody sees it.)
//! 3. The newest visible row decides: a visible stop means that the record didn't exist then, and nothing older is looked at.
//! 4. A modification is applied to the next newer row, whether the reader sees that or not, or to the value on the table's
//!    page if there is none. So every version is made of what lies between it and the first full value.
//!
//! The tree given is opened with its windows kept ([`Windows::Kept`](crate::btree::Windows)): their bytes come first in each
//! value. It is only read: nothing here writes, moves or removes rows.
//!
//! Source: transactions specification, sections 9.3 and 12.5; format specification, section 13.

use crate::btree::{History, HistorySearch, Tree, TreeCursor};
use crate::page::history::{HistoryKey, HistoryValue, UpdateType};
use crate::page::modify::{Modifications, ModifyFormat};
use crate::page::time_window::TimeWindow;
use crate::txn::{Reader, Txn, TxnGlobal};
use hardwired_plugin::{Error, Result};
use std::sync::Arc;

/// Modifications between a version and the full value it is made of, at most. The engine writes ten (format specification,
/// section 13.1).
const MODIFICATIONS_MAX: usize = 1000;
/// How much longer than the values it is made of a version may become by modifications beyond their ends, in bytes: as long
/// as the history store's longest value that lies on its page.
const GROWTH_MAX: usize = 64 << 20;

/// Older versions of the records of one table.
pub(crate) struct TableHistory {
    /// The history store.
    pub(crate) tree: Arc<Tree>,
    pub(crate) txns: Arc<TxnGlobal>,
    /// The id of the table's file.
    pub(crate) file_id: u32,
    /// How the table's values are modified; `None`: they never are.
    pub(crate) format: Option<ModifyFormat>,
}

impl History for TableHistory {
    fn search(&self) -> Box<dyn HistorySearch> {
        Box::new(Search {
            cursor: TreeCursor::new(&self.tree),
            everything: Txn::unlisted(&self.txns),
            file_id: self.file_id,
            format: self.format,
            record: Vec::new(),
            target: Vec::new(),
        })
    }
}

struct Search {
    cursor: TreeCursor,
    /// The rows have no versions: any transaction sees all of them.
    everything: Txn,
    file_id: u32,
    format: Option<ModifyFormat>,
    /// The common prefix of the record's rows.
    record: Vec<u8>,
    target: Vec<u8>,
}

impl HistorySearch for Search {
    fn find(
        &mut self,
        reader: &dyn Reader,
        key: &[u8],
        on_page: &mut dyn FnMut() -> Result<Option<Vec<u8>>>,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let found = self.find_row(reader, key).and_then(|found| {
            if found {
                self.build(on_page, out)?;
            }
            Ok(found)
        });
        self.cursor.reset();
        found
    }
}

impl Search {
    /// Positions on the row that `reader` sees.
    fn find_row(&mut self, reader: &dyn Reader, key: &[u8]) -> Result<bool> {
        let newest = HistoryKey { btree_id: self.file_id, key, start_ts: reader.limit_ts(), counter: u64::MAX };
        self.record.clear();
        newest.pack_record(&mut self.record);
        self.target.clear();
        newest.pack(&mut self.target);
        let mut there = self.cursor.seek_le(&self.everything, &self.target)?;
        while there && self.is_of_record()? {
            let (window, _) = self.row()?;
            if window.has_stop() && reader.sees_point(window.stop_txn, window.stop_ts, window.durable_stop_ts) {
                return Ok(false);
            }
            if reader.sees_point(window.start_txn, window.start_ts, window.durable_start_ts) {
                return Ok(true);
            }
            there = self.cursor.prev(&self.everything)?;
        }
        Ok(false)
    }

    /// Makes the value of the row it is positioned on.
    fn build(&mut self, on_page: &mut dyn FnMut() -> Result<Option<Vec<u8>>>, out: &mut Vec<u8>) -> Result<()> {
        let mut modifications: Vec<Vec<u8>> = Vec::new();
        out.clear();
        loop {
            let (_, value) = self.row()?;
            match value.update_type {
                UpdateType::Standard => {
                    out.extend_from_slice(value.data);
                    break;
                }
                UpdateType::Modify if modifications.len() == MODIFICATIONS_MAX => {
                    return Err(self.corrupt("more modifications in a row than are ever written"));
                }
                UpdateType::Modify => modifications.push(value.data.to_vec()),
            }
            if self.cursor.next(&self.everything)? && self.is_of_record()? {
                continue;
            }
            let Some(value) = on_page()? else {
                return Err(self.corrupt("a modification of a value that is nowhere"));
            };
            out.extend_from_slice(&value);
            break;
        }
        if modifications.is_empty() {
            return Ok(());
        }
        let Some(format) = self.format else {
            return Err(self.corrupt("a modification of a value of a format that has none"));
        };
        let size_max = modifications.iter().fold(out.len(), |sum, one| sum.saturating_add(one.len()));
        for modification in modifications.iter().rev() {
            let applied = Modifications::parse(modification)
                .and_then(|list| list.apply(out, format, size_max.saturating_add(GROWTH_MAX)));
            applied.map_err(|error| self.corrupt(&error.to_string()))?;
        }
        Ok(())
    }

    /// Whether the row it is positioned on is one of the record's.
    fn is_of_record(&self) -> Result<bool> {
        if !self.cursor.key().starts_with(&self.record) {
            return Ok(false);
        }
        HistoryKey::unpack(self.cursor.key()).map(|_| true).map_err(|error| self.corrupt(&error.to_string()))
    }

    /// Window and value of the row it is positioned on.
    fn row(&self) -> Result<(TimeWindow, HistoryValue<'_>)> {
        let mut rest = self.cursor.value();
        let window = TimeWindow::unpack(&mut rest).ok_or_else(|| self.corrupt("a malformed time window"))?;
        let value = HistoryValue::unpack(rest).map_err(|error| self.corrupt(&error.to_string()))?;
        Ok((window, value))
    }

    #[cold]
    fn corrupt(&self, reason: &str) -> Error {
        Error::corrupt(self.cursor.tree().name(), 0, format!("history of file {}: {reason}", self.file_id))
    }
}

//! The cursor on the log: one record for each record of the log, and one for each operation of a commit record.
//!
//! Key: file, offset, counter. Counter 0 is the whole record: its value is what is in the file behind the record's type. The
//! operations of a commit record follow with counters from 1.
//!
//! Source: log specification, section 18.

use crate::log::{Log, LogDirectory, Lsn, Operation, Record, Scanner};
use crate::packing::Format;
use crate::session::Session;
use crate::{Error, Result};
use std::sync::Arc;

/// The formats of keys and values.
const KEY_FORMAT: &str = "III";
const VALUE_FORMAT: &str = "qIIIuu";

/// The state of a log cursor.
pub(crate) struct LogCursor {
    directory: LogDirectory,
    scanner: Option<Scanner>,
    /// Rows of the current record that are still to come.
    rest: std::vec::IntoIter<Row>,
    /// The packed key; empty: not set.
    key: Vec<u8>,
    value: Vec<u8>,
    /// Keeps files from being removed and cut.
    _reader: Reader,
}

/// One row of the cursor.
struct Row {
    lsn: Lsn,
    counter: u32,
    txn: u64,
    kind: u32,
    operation: u32,
    file: u32,
    key: Vec<u8>,
    value: Vec<u8>,
}

struct Reader(Option<Arc<Log>>);

impl LogCursor {
    /// A cursor on the log as it is now.
    ///
    /// # Errors
    /// `ENOTSUP` if there are no log files; those of writing what is buffered.
    pub(super) fn new(session: &Session) -> Result<Self> {
        let log = session.connection().txns.log().cloned();
        if let Some(log) = &log {
            log.flush()?;
        }
        let reader = Reader::new(log);
        let directory = session.log_directory();
        let cursor = Self {
            directory,
            scanner: None,
            rest: Vec::new().into_iter(),
            key: Vec::new(),
            value: Vec::new(),
            _reader: reader,
        };
        cursor.last()?;
        Ok(cursor)
    }

    /// The formats of keys and values.
    pub(super) fn formats() -> Result<(Arc<Format>, Arc<Format>)> {
        Ok((Arc::new(Format::parse(KEY_FORMAT)?), Arc::new(Format::parse(VALUE_FORMAT)?)))
    }

    pub(super) fn set_key(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.key.clear();
        fill(&mut self.key)
    }

    pub(super) fn key(&self) -> Result<&[u8]> {
        if self.key.is_empty() { Err(Error::invalid("requires key be set")) } else { Ok(&self.key) }
    }

    pub(super) fn value(&self) -> Result<&[u8]> {
        if self.value.is_empty() { Err(Error::invalid("requires value be set")) } else { Ok(&self.value) }
    }

    pub(super) fn reset(&mut self) {
        self.scanner = None;
        self.rest = Vec::new().into_iter();
        self.key.clear();
        self.value.clear();
    }

    /// Steps to the next row, from no position to the first.
    pub(super) fn next(&mut self) -> Result<()> {
        if self.rest.len() == 0 {
            let scanner = match self.scanner.take() {
                Some(scanner) => scanner,
                None => Scanner::new(&self.directory, Lsn::INITIAL, self.last()?, false)?,
            };
            let scanner = self.scanner.insert(scanner);
            self.rest = match scanner.next()? {
                Some(entry) => rows(&entry)?.into_iter(),
                None => {
                    self.reset();
                    return Err(Error::NotFound);
                }
            };
        }
        self.stand_on_next()
    }

    /// Positions on the record that begins at the key's place; its counter doesn't matter.
    pub(super) fn search(&mut self, format: &Format) -> Result<()> {
        let (file, offset, _): (u32, u32, u32) = format.unpack(self.key()?)?;
        let lsn = Lsn::new(file, offset);
        self.reset();
        if lsn != Lsn::INITIAL && !self.directory.numbers()?.contains(&file) {
            return Err(Error::NotFound);
        }
        let mut scanner = Scanner::new(&self.directory, lsn, self.last()?, false)?;
        let entry = scanner.next()?.filter(|entry| lsn == Lsn::INITIAL || entry.lsn == lsn).ok_or(Error::NotFound)?;
        self.rest = rows(&entry)?.into_iter();
        self.scanner = Some(scanner);
        self.stand_on_next()
    }

    fn stand_on_next(&mut self) -> Result<()> {
        let row = self.rest.next().ok_or(Error::NotFound)?;
        let (key_format, value_format) = Self::formats()?;
        self.key = key_format.pack(&(row.lsn.file, row.lsn.offset, row.counter))?;
        // Ids of transactions are below 2^63: nobody commits that often.
        let txn = i64::try_from(row.txn).unwrap_or(i64::MAX);
        self.value =
            value_format.pack(&(txn, row.kind, row.operation, row.file, row.key.as_slice(), row.value.as_slice()))?;
        Ok(())
    }

    fn last(&self) -> Result<u32> {
        self.directory.numbers()?.last().copied().ok_or_else(|| Error::unsupported("no log files found"))
    }
}

impl Reader {
    fn new(log: Option<Arc<Log>>) -> Self {
        if let Some(log) = &log {
            log.add_reader();
        }
        Self(log)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(log) = &self.0 {
            log.remove_reader();
        }
    }
}

/// The rows that a record is shown as.
fn rows(entry: &crate::log::Entry<'_>) -> Result<Vec<Row>> {
    let body = entry.body()?;
    let record = Record::parse(&body)?;
    let txn = if let Record::Commit { txn, .. } = &record { *txn } else { 0 };
    let row = |counter, operation, file, key, value| Row {
        lsn: entry.lsn,
        counter,
        txn,
        kind: record.kind(),
        operation,
        file,
        key,
        value,
    };
    // A record's type is one byte.
    let mut rows = vec![row(0, 0, 0, Vec::new(), body.get(1..).unwrap_or_default().to_vec())];
    if let Record::Commit { operations, .. } = record.clone() {
        for (operation, counter) in operations.zip(1..) {
            let (operation, packed) = operation?;
            let (file, key, value) = match operation {
                Operation::RowPut { file, key, value } => (file, key.to_vec(), value),
                Operation::RowModify { file, key, modify } => (file, key.to_vec(), modify),
                Operation::RowRemove { file, key } => (file, key.to_vec(), &[][..]),
                Operation::ColPut { file, recno, value } => (file, recno.to_le_bytes().to_vec(), value),
                Operation::ColModify { file, recno, modify } => (file, recno.to_le_bytes().to_vec(), modify),
                Operation::ColRemove { file, recno } => (file, recno.to_le_bytes().to_vec(), &[][..]),
                _ => (0, Vec::new(), packed),
            };
            rows.push(row(counter, operation.code(), file, key, value.to_vec()));
        }
    }
    Ok(rows)
}

//! Doing again what a commit record says (log specification, section 13.5).
//!
//! Each operation is a transaction of its own, which isn't logged: the log is not open for writing yet.

use crate::btree::{PutMode, TreeCursor};
use crate::log::{Lsn, Operation, TruncateMode};
use crate::metadata::{METADATA_FILE_ID, checkpoint_lsn_of};
use crate::page::modify::{Modifications, ModifyFormat};
use crate::schema::{Database, InUse, file_id};
use crate::txn::Txn;
use crate::{Error, Result};
use std::collections::HashMap;

/// The largest value in bytes.
const VALUE_MAX: usize = 4_294_966_271;

/// A file of the metadata, and from where it is replayed.
pub(super) struct Place {
    id: u32,
    uri: String,
    /// `None`: it isn't.
    pub(super) lsn: Option<Lsn>,
}

/// All files of the metadata.
///
/// # Errors
/// `EINVAL` for a place that doesn't parse.
pub(super) fn places(db: &Database) -> Result<Vec<Place>> {
    let rows = db.catalog.with_prefix("file:")?;
    rows.into_iter()
        .map(|(uri, value)| {
            let lsn = checkpoint_lsn_of(&value, &uri)
                .map_err(|error| Error::invalid(format!("Failed recovery setup for {uri}: {error}")))?;
            Ok(Place { id: file_id(&uri, &value)?, uri, lsn })
        })
        .collect()
}

/// Applies operations to files.
pub(super) struct Applier<'db> {
    db: &'db Database,
    txn: Txn,
    files: HashMap<u32, Target>,
}

struct Target {
    uri: String,
    lsn: Option<Lsn>,
    /// Opened with the first operation.
    open: Option<OpenTarget>,
}

struct OpenTarget {
    cursor: TreeCursor,
    /// `None`: the metadata, which is always open.
    _file: Option<InUse>,
    format: ModifyFormat,
}

impl<'db> Applier<'db> {
    /// Applies operations on the metadata.
    pub(super) fn metadata(db: &'db Database) -> Result<Self> {
        let cursor = TreeCursor::new(&db.catalog.file.tree);
        let open = OpenTarget { cursor, _file: None, format: ModifyFormat::String };
        let target = Target { uri: db.catalog.file.uri.clone(), lsn: Some(Lsn::INITIAL), open: Some(open) };
        Ok(Self { db, txn: Txn::new_internal(&db.txns)?, files: HashMap::from([(METADATA_FILE_ID, target)]) })
    }

    /// Applies operations on the files that the metadata names.
    pub(super) fn files(db: &'db Database) -> Result<Self> {
        let target = |place: Place| (place.id, Target { uri: place.uri, lsn: place.lsn, open: None });
        let files = places(db)?.into_iter().map(target).collect();
        Ok(Self { db, txn: Txn::new_internal(&db.txns)?, files })
    }

    /// Applies one operation, unless the file is unknown or its checkpoint has it.
    ///
    /// # Errors
    /// What prevents it, with the operation's type and place.
    pub(super) fn apply(&mut self, file: u32, operation: &Operation<'_>, at: Lsn) -> Result<()> {
        let Some(target) = self.files.get_mut(&file) else { return Ok(()) };
        if target.lsn.is_none_or(|lsn| at < lsn) {
            return Ok(());
        }
        let applied = target.open(self.db).and_then(|open| {
            loop {
                self.txn.begin_implicit();
                match open.apply(&mut self.txn, operation) {
                    Ok(()) => {
                        open.cursor.reset();
                        break self.txn.commit();
                    }
                    Err(error) => {
                        open.cursor.reset();
                        self.txn.rollback()?;
                        // Nobody else is here: it is the cache that had no room.
                        if !matches!(error, Error::Rollback(_)) {
                            break Err(error);
                        }
                        std::thread::yield_now();
                    }
                }
            }
        });
        applied.map_err(|error| match error {
            corrupt @ Error::Corrupt(_) => corrupt,
            error => Error::new(
                error.code(),
                format!(
                    "{}: operation apply failed during recovery: operation type {} at LSN {at}: {error}",
                    target.uri,
                    operation.code()
                ),
            ),
        })
    }
}

impl Target {
    fn open(&mut self, db: &Database) -> Result<&mut OpenTarget> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let file = db.open_file(&self.uri)?;
                let format = if file.value_format.text() == "S" { ModifyFormat::String } else { ModifyFormat::Raw };
                OpenTarget { cursor: TreeCursor::new(&file.tree), _file: Some(file), format }
            }
        };
        Ok(self.open.insert(open))
    }
}

impl OpenTarget {
    fn apply(&mut self, txn: &mut Txn, operation: &Operation<'_>) -> Result<()> {
        match *operation {
            Operation::RowPut { key, value, .. } => self.cursor.put(txn, key, value, PutMode::Overwrite),
            Operation::RowRemove { key, .. } => self.remove(txn, key),
            Operation::RowModify { key, modify, .. } => self.modify(txn, key, modify),
            Operation::RowTruncate { start, stop, mode, .. } => {
                let (from, to) = match mode {
                    TruncateMode::All => (None, None),
                    TruncateMode::Both => (Some(start), Some(stop)),
                    TruncateMode::Start => (Some(start), None),
                    TruncateMode::Stop => (None, Some(stop)),
                };
                self.truncate(txn, from, to)
            }
            _ => Err(Error::unsupported("operations on column stores are not supported yet")),
        }
    }

    fn remove(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        match self.cursor.remove(txn, key) {
            Err(Error::NotFound) => Ok(()),
            removed => removed,
        }
    }

    fn modify(&mut self, txn: &mut Txn, key: &[u8], modify: &[u8]) -> Result<()> {
        if !self.cursor.search(txn, key)? {
            return Ok(());
        }
        let mut value = self.cursor.value().to_vec();
        Modifications::parse(modify)?.apply(&mut value, self.format, VALUE_MAX)?;
        self.cursor.reset();
        self.cursor.put(txn, key, &value, PutMode::Overwrite)
    }

    /// Removes all records from `from` to `to`, both inclusive; `None`: from the first, to the last.
    fn truncate(&mut self, txn: &mut Txn, from: Option<&[u8]>, to: Option<&[u8]>) -> Result<()> {
        let mut found = match from {
            Some(from) => self.cursor.seek_ge(txn, from)?,
            None => self.cursor.next(txn)?,
        };
        while found {
            let key = self.cursor.key().to_vec();
            if to.is_some_and(|to| &*key > to) {
                break;
            }
            self.cursor.reset();
            self.remove(txn, &key)?;
            found = self.cursor.seek_ge(txn, &key)?;
        }
        Ok(())
    }
}

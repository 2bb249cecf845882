//! The metadata changes of one running schema call, and the services that a callback inside it gets.
//!
//! 1. A [`MetadataOperation`] collects changes; nothing of them is in the metadata table before
//!    [`MetadataOperation::commit`] writes all of them as one transaction. Dropping it undoes them.
//! 2. What the operation has changed is what it reads; nobody else sees it.
//! 3. [`CallServices`] speak for the call's session through [`CallingSession`], so that this layer needn't know sessions.
//!
//! Source: extensions specification, section 7.1; data-source specification, section 4.

use super::Database;
use super::catalog::Change;
use crate::metadata::Turtle;
use crate::plugin::extension::{MessageLevel, Messages};
use crate::plugin::services::{Isolation, Services, SessionServices, TransactionNotify};
use crate::{Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The metadata changes of a running schema call.
pub(crate) struct MetadataOperation<'db> {
    db: &'db Database,
    /// By key; `None` removes the row.
    changes: Mutex<BTreeMap<String, Option<String>>>,
}

impl<'db> MetadataOperation<'db> {
    /// An operation without changes. The caller holds the schema lock until it has committed.
    pub(crate) fn new(db: &'db Database) -> Self {
        Self { db, changes: Mutex::new(BTreeMap::new()) }
    }

    /// Inserts or replaces a row.
    ///
    /// # Errors
    /// `EINVAL` for the turtle's keys and for what a row can't hold.
    pub(crate) fn set(&self, verb: &str, key: &str, value: &str) -> Result<()> {
        self.db.check_metadata_row(verb, key, Some(value))?;
        self.changes.lock().insert(key.to_owned(), Some(value.to_owned()));
        Ok(())
    }

    /// Removes a row.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; else as [`set`](Self::set).
    pub(crate) fn remove(&self, key: &str) -> Result<()> {
        self.db.check_metadata_row("remove", key, None)?;
        self.search(key)?;
        self.changes.lock().insert(key.to_owned(), None);
        Ok(())
    }

    /// The value of a row as the operation sees it.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub(crate) fn search(&self, key: &str) -> Result<String> {
        match self.changes.lock().get(key) {
            Some(changed) => changed.clone().ok_or(Error::NotFound),
            None => self.db.metadata_search(key),
        }
    }

    /// The changes so far, for a caller that has rows of its own to write with them.
    pub(crate) fn into_changes(self) -> Vec<(String, Option<String>)> {
        self.changes.into_inner().into_iter().collect()
    }

    /// Writes all changes as one transaction and makes them durable.
    ///
    /// # Errors
    /// As [`Database::change_metadata`]; the rows are as before then, unless the connection has panicked.
    pub(crate) fn commit(self) -> Result<()> {
        let db = self.db;
        let rows = self.into_changes();
        if rows.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change<'_>> = rows.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        db.change_metadata(&changes)
    }
}

/// The metadata calls of extensions outside of a schema operation.
impl Database {
    /// Inserts or replaces a row and makes it durable; `verb` is the call's word in messages.
    ///
    /// No schema lock is taken: the calls come from callbacks too, and those may run under it.
    ///
    /// # Errors
    /// `EINVAL` for the turtle's keys and for what a row can't hold.
    pub(crate) fn metadata_set(&self, verb: &str, key: &str, value: &str) -> Result<()> {
        self.check_metadata_row(verb, key, Some(value))?;
        self.change_metadata(&[(key, Some(value))])
    }

    /// Removes a row.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; else as [`metadata_set`](Self::metadata_set).
    pub(crate) fn metadata_remove(&self, key: &str) -> Result<()> {
        self.check_metadata_row("remove", key, None)?;
        self.catalog.require(key)?;
        self.change_metadata(&[(key, None)])
    }

    /// The value of a row, or of a key of the turtle file.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub(crate) fn metadata_search(&self, key: &str) -> Result<String> {
        if Turtle::is_key(key) {
            return self.turtle.lock().value(key).ok_or(Error::NotFound);
        }
        self.catalog.require(key)
    }

    fn check_metadata_row(&self, verb: &str, key: &str, value: Option<&str>) -> Result<()> {
        if Turtle::is_key(key) {
            return Err(Error::invalid(format!("{key}: {verb} not supported on the turtle file")));
        }
        if self.readonly {
            return Err(Error::unsupported(format!("{key}: metadata {verb} on a read-only connection")));
        }
        // Rows are strings that end with a NUL, and lines of text in a backup.
        let is_line = |text: &str| !text.is_empty() && !text.contains(['\0', '\n']);
        if !is_line(key) || !value.is_none_or(is_line) {
            return Err(Error::invalid(format!(
                "{}: metadata {verb}: key and value must be non-empty lines without NUL",
                key.escape_debug()
            )));
        }
        Ok(())
    }
}

/// What a callback's services need of the session that the call is made for.
pub(crate) trait CallingSession {
    /// See [`SessionServices::transaction_id`].
    fn transaction_id(&self) -> Result<u64>;
    /// See [`SessionServices::isolation`].
    fn isolation(&self) -> Isolation;
    /// See [`SessionServices::notify`].
    fn notify(&self, notify: Arc<dyn TransactionNotify>) -> Result<()>;
    /// See [`SessionServices::is_visible`].
    fn is_visible(&self, id: u64) -> bool;
}

/// The engine's own calls, such as a checkpoint at intervals: no transaction is running.
pub(crate) struct NoTransaction<'db>(pub(crate) &'db Database);

impl CallingSession for NoTransaction<'_> {
    fn transaction_id(&self) -> Result<u64> {
        Err(no_transaction())
    }
    fn isolation(&self) -> Isolation {
        Isolation::ReadCommitted
    }
    fn notify(&self, _: Arc<dyn TransactionNotify>) -> Result<()> {
        Err(no_transaction())
    }
    fn is_visible(&self, id: u64) -> bool {
        id < self.0.txns.update_oldest()
    }
}

/// The refusal of what needs a transaction.
pub(crate) fn no_transaction() -> Error {
    Error::invalid("only permitted in a running transaction")
}

/// The services that one callback of an extension gets.
pub(crate) struct CallServices<'a> {
    db: &'a Database,
    session: &'a dyn CallingSession,
    operation: Option<&'a MetadataOperation<'a>>,
}

impl<'a> CallServices<'a> {
    /// Services for a callback that is made for `session`, inside the schema operation `operation` if it is part of one.
    pub(crate) fn new(
        db: &'a Database,
        session: &'a dyn CallingSession,
        operation: Option<&'a MetadataOperation<'a>>,
    ) -> Self {
        Self { db, session, operation }
    }
}

impl SessionServices for CallServices<'_> {
    fn connection(&self) -> &Arc<dyn Services> {
        &self.db.services
    }
    fn message(&self, level: MessageLevel, text: &str) {
        Messages::message(&*self.db.services, level, text);
    }
    fn metadata_insert(&self, key: &str, value: &str) -> Result<()> {
        match self.operation {
            Some(operation) => operation.set("insert", key, value),
            None => self.db.metadata_set("insert", key, value),
        }
    }
    fn metadata_update(&self, key: &str, value: &str) -> Result<()> {
        match self.operation {
            Some(operation) => operation.set("update", key, value),
            None => self.db.metadata_set("update", key, value),
        }
    }
    fn metadata_remove(&self, key: &str) -> Result<()> {
        match self.operation {
            Some(operation) => operation.remove(key),
            None => self.db.metadata_remove(key),
        }
    }
    fn metadata_search(&self, key: &str) -> Result<String> {
        match self.operation {
            Some(operation) => operation.search(key),
            None => self.db.metadata_search(key),
        }
    }
    fn transaction_id(&self) -> Result<u64> {
        self.session.transaction_id()
    }
    fn isolation(&self) -> Isolation {
        self.session.isolation()
    }
    fn notify(&self, notify: Arc<dyn TransactionNotify>) -> Result<()> {
        self.session.notify(notify)
    }
    fn is_visible(&self, id: u64) -> bool {
        self.session.is_visible(id)
    }
}

//! The data-source extension point: objects of a URI prefix of their own (`kvs:orders`), stored however the source likes.
//!
//! What the engine does: it checks configuration, packs and unpacks keys and values, keeps the cursor rules, and builds
//! tables and indices from a source's objects. What it doesn't: cache, transactions, log, checkpoints, timestamps. A source
//! hears of checkpoints and of the end of the connection and sees to its own durability.
//!
//! 1. Calls are not serialized: methods of a source and of its cursors may run on any number of threads at once. One cursor is
//!    used by one thread at a time.
//! 2. Every configuration is a stack: the method's defaults, what `configure_method` has added, then the caller's string;
//!    for cursors also `key_format` and `value_format`, below all others.
//! 3. A method that a source doesn't have is `ENOTSUP`, with the message `unsupported object operation: URI`.
//! 4. A source inserts its own row of the metadata table in [`DataSource::create`] (key: the URI; value:
//!    `key_format=...,value_format=...` and whatever else it wants to remember) and removes it in
//!    [`DataSource::drop_object`]. Without a row, opening a cursor is `ENOENT`.
//! 5. Error mapping: an existing key is [`Error::DuplicateKey`], a missing one [`Error::NotFound`], what needs a restart
//!    [`ErrorCode::PANIC`](crate::ErrorCode::PANIC); anything else is an errno value or `WT_ERROR`.
//! 6. Custom orders are not supported: creating an object with a collator is refused before the source is asked.
//!
//! Source: data-source specification.

use crate::config::Config;
use crate::services::SessionServices;
use crate::{Error, Result};

/// A store of objects whose URIs begin with a prefix.
///
/// Every method gets the services of the session that it is called for, the object's URI and the call's configuration.
pub trait DataSource: Send + Sync {
    /// Creates an object, and inserts its metadata row through `session`. What it inserts is undone if it fails.
    ///
    /// `exclusive` isn't enforced by the engine: a source returns `EEXIST` itself.
    fn create(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// Whether there are cursors. Where there are none, opening one is `ENOTSUP` whether or not the object exists; the
    /// engine asks before it looks for the object's row.
    fn has_cursors(&self) -> bool {
        true
    }

    /// Opens a cursor. The source reads `append`, `overwrite`, `key_format` and `value_format` here.
    fn open_cursor(
        &self,
        session: &dyn SessionServices,
        uri: &str,
        config: Config<'_>,
    ) -> Result<Box<dyn DataSourceCursor>> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// Drops an object, and removes its metadata row. The engine doesn't look for open cursors: a source that can't have
    /// any returns `EBUSY`.
    fn drop_object(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// Changes an object's configuration.
    fn alter(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// Gives space back.
    fn compact(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// Renames an object, and moves its metadata row.
    fn rename(&self, session: &dyn SessionServices, uri: &str, new_uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, new_uri, config);
        Err(unsupported(uri))
    }

    /// Saves what can be saved of a damaged object.
    fn salvage(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// The size of an object in bytes.
    fn size(&self, session: &dyn SessionServices, uri: &str) -> Result<u64> {
        let _ = session;
        Err(unsupported(uri))
    }

    /// Removes all records of an object.
    fn truncate(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<Truncated> {
        let _ = (session, uri, config);
        Ok(Truncated::RecordByRecord)
    }

    /// Removes the records of a range. Both ends are records of the object and belong to the range; `None` as `stop`
    /// means: to the end.
    fn range_truncate(
        &self,
        session: &dyn SessionServices,
        uri: &str,
        start: &Record,
        stop: Option<&Record>,
    ) -> Result<Truncated> {
        let _ = (session, uri, start, stop);
        Ok(Truncated::RecordByRecord)
    }

    /// Checks an object.
    fn verify(&self, session: &dyn SessionServices, uri: &str, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Err(unsupported(uri))
    }

    /// A checkpoint of the database begins. Called for the source, not for each of its objects; an error fails the
    /// checkpoint.
    fn checkpoint(&self, session: &dyn SessionServices, config: Config<'_>) -> Result<()> {
        let _ = (session, config);
        Ok(())
    }

    /// Called once, after the last checkpoint, when all cursors are closed.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

/// How a truncation was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncated {
    /// The source has removed the records.
    Done,
    /// The source has no such method: the engine removes the records one by one through a cursor.
    RecordByRecord,
}

/// The key and value through which the engine and a source's cursor speak. The engine owns it; a source reads what a call
/// gives it and writes what a call finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The record number, where `key_format` is `r`; 0 is none.
    pub recno: u64,
    /// The packed key, for every other `key_format`.
    pub key: Vec<u8>,
    /// The packed value; for a bit field (`1t` to `8t`) one byte with the value in its low bits.
    pub value: Vec<u8>,
}

impl Record {
    /// Replaces the key, without a new allocation where the old one is large enough.
    pub fn set_key(&mut self, key: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(key);
    }

    /// Replaces the value, without a new allocation where the old one is large enough.
    pub fn set_value(&mut self, value: &[u8]) {
        self.value.clear();
        self.value.extend_from_slice(value);
    }
}

/// A cursor of a data source. Dropping it closes it.
///
/// After a successful call the application reads key and value from the record as the method left it. After a failed
/// one, whatever the error, the engine calls [`reset`](Self::reset).
pub trait DataSourceCursor: Send {
    /// Moves to the next record; from no position, to the first. [`Error::NotFound`] at the end.
    fn next(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Moves to the previous record; from no position, to the last. [`Error::NotFound`] at the end.
    fn prev(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Gives up the position.
    fn reset(&mut self, session: &dyn SessionServices) -> Result<()>;

    /// Moves to the record with the key. [`Error::NotFound`] if there is none.
    fn search(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Moves to the record with the key or to one beside it, and says how the record found compares with the key.
    /// [`Error::NotFound`] in an empty object.
    fn search_near(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<std::cmp::Ordering>;

    /// Inserts the record; with `append`, under a new record number that it leaves in `recno`. Where the key exists: with
    /// `overwrite=true` replaces it, else [`Error::DuplicateKey`].
    fn insert(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Updates the record. Where there is none: with `overwrite=true` inserts it, else [`Error::NotFound`].
    fn update(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Removes the record. Where there is none: with `overwrite=true` does nothing, else [`Error::NotFound`].
    fn remove(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()>;

    /// Locks the record for an update by the running transaction.
    fn reserve(&mut self, session: &dyn SessionServices, record: &mut Record) -> Result<()> {
        let _ = (session, record);
        Err(Error::unsupported("Unsupported cursor operation"))
    }

    /// Sets or clears bounds. The configuration is that of `WT_CURSOR.bound`; `record` holds the key.
    fn bound(&mut self, session: &dyn SessionServices, record: &Record, config: Config<'_>) -> Result<()> {
        let _ = (session, record, config);
        Err(Error::unsupported("Unsupported cursor operation"))
    }
}

/// The error for a method that a source doesn't have.
pub fn unsupported(uri: &str) -> Error {
    Error::unsupported(format!("unsupported object operation: {uri}"))
}

//! The store: one redb file for all objects of a database, one redb table for each.
//!
//! 1. Every change is a redb transaction of its own. It becomes durable with the next durable one: that of a checkpoint.
//! 2. Whoever needs an object for itself is refused while cursors are open on it, and refuses cursors meanwhile. Nobody
//!    waits.

use crate::DIRECTORY;
use hardwired_plugin::{Error, ErrorCode, Result};
use redb::{Builder, Database, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A table of the store.
pub(crate) type Definition<'name> = TableDefinition<'name, &'static [u8], &'static [u8]>;
/// A table opened for reading.
pub(crate) type ReadTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
/// A table opened for writing.
pub(crate) type WriteTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// An open store.
pub(crate) struct Store {
    /// `None` once it is closed.
    database: RwLock<Option<Database>>,
    /// By URI: the number of open cursors, or [`EXCLUSIVE`]. Absent: nobody uses it.
    users: Mutex<HashMap<String, i64>>,
    /// Something was written since the last durable transaction.
    is_dirty: AtomicBool,
}

const EXCLUSIVE: i64 = -1;

impl Store {
    /// Opens the store in the home of a database, or makes it.
    pub(crate) fn open(home: &Path, cache_bytes: usize) -> Result<Arc<Self>> {
        let directory = home.join(DIRECTORY);
        std::fs::create_dir_all(&directory).map_err(|error| Error::io(directory.display(), error))?;
        let path = directory.join("kvs.redb");
        let database = Builder::new().set_cache_size(cache_bytes).create(&path).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => {
                Error::new(ErrorCode::EBUSY, format!("{}: the store is open elsewhere", path.display()))
            }
            error => library(&path.display().to_string(), error),
        })?;
        Ok(Arc::new(Self {
            database: RwLock::new(Some(database)),
            users: Mutex::default(),
            is_dirty: AtomicBool::new(false),
        }))
    }

    /// Reads an object.
    pub(crate) fn read<T>(&self, uri: &str, read: impl FnOnce(&ReadTable) -> Result<T>) -> Result<T> {
        let database = self.database.read().map_err(poisoned)?;
        let database = database.as_ref().ok_or_else(closed)?;
        let txn = database.begin_read().map_err(|error| library(uri, error))?;
        let table = txn.open_table(Definition::new(uri)).map_err(|error| table_error(uri, error))?;
        read(&table)
    }

    /// Changes an object.
    pub(crate) fn write<T>(
        &self,
        uri: &str,
        durable: bool,
        write: impl FnOnce(&mut WriteTable<'_>) -> Result<T>,
    ) -> Result<T> {
        self.transaction(uri, durable, |txn| {
            let mut table = txn.open_table(Definition::new(uri)).map_err(|error| table_error(uri, error))?;
            write(&mut table)
        })
    }

    /// Runs a transaction of the store. `what` stands in messages.
    pub(crate) fn transaction<T>(
        &self,
        what: &str,
        durable: bool,
        body: impl FnOnce(&WriteTransaction) -> Result<T>,
    ) -> Result<T> {
        let database = self.database.read().map_err(poisoned)?;
        let database = database.as_ref().ok_or_else(closed)?;
        let mut txn = database.begin_write().map_err(|error| library(what, error))?;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        txn.set_durability(durability).map_err(|error| library(what, error))?;
        let value = body(&txn)?;
        txn.commit().map_err(|error| library(what, error))?;
        if !durable {
            self.is_dirty.store(true, Ordering::Release);
        }
        Ok(value)
    }

    /// Makes durable what was written so far.
    pub(crate) fn sync(&self) -> Result<()> {
        if !self.is_dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let synced = self.transaction(DIRECTORY, true, |txn| {
            // A transaction without any change need not reach the file.
            let mut table = txn.open_table(CHECKPOINTS).map_err(|error| table_error(DIRECTORY, error))?;
            let count = table.get(()).map_err(|error| library(DIRECTORY, error))?.map_or(0, |count| count.value());
            table.insert((), count + 1).map_err(|error| library(DIRECTORY, error))?;
            Ok(())
        });
        synced.inspect_err(|_| self.is_dirty.store(true, Ordering::Release))
    }

    /// Runs `body` while nobody else has the file.
    pub(crate) fn alone<T>(&self, body: impl FnOnce(&mut Database) -> Result<T>) -> Result<T> {
        let mut database = self.database.write().map_err(poisoned)?;
        body(database.as_mut().ok_or_else(closed)?)
    }

    /// Closes the store.
    pub(crate) fn close(&self) -> Result<()> {
        let synced = self.sync();
        self.database.write().map_err(poisoned)?.take();
        synced
    }

    /// Counts a cursor on an object. `EBUSY` while somebody has it alone.
    pub(crate) fn use_shared(self: &Arc<Self>, uri: &str) -> Result<Use> {
        let mut users = self.users.lock().map_err(poisoned)?;
        let count = users.entry(uri.to_owned()).or_insert(0);
        if *count == EXCLUSIVE {
            return Err(busy(uri));
        }
        *count += 1;
        Ok(Use { store: Arc::clone(self), uri: uri.to_owned() })
    }

    /// Takes an object alone. `EBUSY` while anybody uses it.
    pub(crate) fn use_alone(self: &Arc<Self>, uri: &str) -> Result<Use> {
        let mut users = self.users.lock().map_err(poisoned)?;
        if users.contains_key(uri) {
            return Err(busy(uri));
        }
        users.insert(uri.to_owned(), EXCLUSIVE);
        Ok(Use { store: Arc::clone(self), uri: uri.to_owned() })
    }
}

/// A counter that makes each durable transaction change something. Its name is no URI.
const CHECKPOINTS: TableDefinition<'_, (), u64> = TableDefinition::new("checkpoints");

/// A use of an object; dropping it ends the use.
pub(crate) struct Use {
    store: Arc<Store>,
    uri: String,
}

impl Use {
    /// The object.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut users = self.store.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(&self.uri) {
            *count -= 1;
            if *count <= 0 {
                users.remove(&self.uri);
            }
        }
    }
}

fn busy(uri: &str) -> Error {
    Error::new(ErrorCode::EBUSY, format!("{uri}: the object is in use"))
}

fn closed() -> Error {
    Error::invalid("the store is closed")
}

fn poisoned<T>(_: PoisonError<T>) -> Error {
    Error::panic("kvs-sample: a thread has panicked while it held a lock of the store")
}

/// What the store's library says of an object.
pub(crate) fn library(what: &str, error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(error) => Error::io(what, error),
        redb::Error::Corrupted(reason) => Error::corrupt(what, 0, reason),
        redb::Error::LockPoisoned(place) => Error::panic(format!("{what}: a lock of the store is poisoned: {place}")),
        error => Error::new(ErrorCode::ERROR, format!("{what}: {}", &error as &dyn Display)),
    }
}

/// An object whose table is missing is a missing object.
fn table_error(uri: &str, error: redb::TableError) -> Error {
    match error {
        redb::TableError::TableDoesNotExist(_) => {
            Error::new(ErrorCode::ENOENT, format!("{uri}: the store has no such object"))
        }
        error => library(uri, error),
    }
}

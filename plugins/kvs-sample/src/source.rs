//! The source's methods.

use crate::PREFIX;
use crate::cursor::KvsCursor;
use crate::object::Shape;
use crate::store::{Definition, Store, WriteTable, library};
use hardwired_plugin::config::{Config, ConfigParser};
use hardwired_plugin::data_source::{DataSource, DataSourceCursor, Record, Truncated};
use hardwired_plugin::extension::{ExtensionContext, MessageLevel};
use hardwired_plugin::services::SessionServices;
use hardwired_plugin::{Error, ErrorCode, Result};
use redb::{ReadableTable, ReadableTableMetadata};
use std::ops::Bound;
use std::sync::Arc;

type Session<'s> = &'s dyn SessionServices;

/// The memory for pages if the configuration doesn't say.
const DEFAULT_CACHE_BYTES: usize = 16 << 20;

/// The data source.
pub struct Kvs {
    store: Arc<Store>,
}

impl Kvs {
    /// Opens the store of the database that the context is about.
    ///
    /// # Errors
    /// `EINVAL` for options it doesn't know; `EBUSY` for a store that is open elsewhere; errors of the file system.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        let mut cache_bytes = DEFAULT_CACHE_BYTES;
        for item in ConfigParser::new(context.config()) {
            let (key, value) = item?;
            let unexpected = || context.unexpected(key.text(), value.text());
            match key.text() {
                "cache_size" => {
                    let bytes = value.as_i64().ok().and_then(|bytes| usize::try_from(bytes).ok());
                    cache_bytes = bytes.ok_or_else(unexpected)?;
                }
                _ => return Err(unexpected()),
            }
        }
        Ok(Self { store: Store::open(context.services().home(), cache_bytes)? })
    }

    /// The records of an object, checked one by one.
    fn check_records(&self, uri: &str, shape: Shape) -> Result<()> {
        self.store.read(uri, |table| {
            let mut count = 0_u64;
            let mut last: Option<Vec<u8>> = None;
            for record in table.iter().map_err(|error| library(uri, error))? {
                let (key, value) = record.map_err(|error| library(uri, error))?;
                let (key, value) = (key.value(), value.value());
                shape.check_stored(key, value).map_err(|error| error.in_object(uri, count))?;
                if last.as_deref().is_some_and(|last| last >= key) {
                    return Err(Error::corrupt(uri, count, "a record out of order"));
                }
                last = Some(key.to_vec());
                count += 1;
            }
            let expected = table.len().map_err(|error| library(uri, error))?;
            if count == expected {
                return Ok(());
            }
            Err(Error::corrupt(uri, count, format!("{count} records where {expected} are counted")))
        })
    }
}

impl DataSource for Kvs {
    fn create(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        check_name(uri)?;
        if session.metadata_search(uri).is_ok() {
            return if config.bool_or("exclusive", false)? {
                Err(Error::new(ErrorCode::EEXIST, format!("{uri}: the object exists")))
            } else {
                Ok(())
            };
        }
        Shape::of(config)?;
        let _use = self.store.use_alone(uri)?;
        self.store.transaction(uri, true, |txn| {
            // What an interrupted create or drop has left.
            txn.delete_table(Definition::new(uri)).map_err(|error| library(uri, error))?;
            txn.open_table(Definition::new(uri)).map_err(|error| library(uri, error))?;
            Ok(())
        })?;
        let mut row = String::new();
        for key in ["app_metadata", "key_format", "value_format", "kvs_comment"] {
            let value = config.get(key)?.map_or("", |item| item.source());
            if !row.is_empty() {
                row.push(',');
            }
            row.push_str(&format!("{key}={value}"));
        }
        session.metadata_insert(uri, &row)
    }

    fn open_cursor(&self, _: Session<'_>, uri: &str, config: Config<'_>) -> Result<Box<dyn DataSourceCursor>> {
        let shape = Shape::of(config)?;
        let in_use = self.store.use_shared(uri)?;
        self.store.read(uri, |_| Ok(()))?;
        Ok(Box::new(KvsCursor::new(&self.store, in_use, shape, config)?))
    }

    fn drop_object(&self, session: Session<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        let _use = self.store.use_alone(uri)?;
        session.metadata_remove(uri)?;
        self.store.transaction(uri, true, |txn| {
            txn.delete_table(Definition::new(uri)).map_err(|error| library(uri, error))?;
            Ok(())
        })
    }

    /// Changes `app_metadata` and `kvs_comment`.
    fn alter(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        let row = session.metadata_search(uri)?;
        // The application's string alone: defaults change nothing.
        let given = Config::single(config.strings().next_back().unwrap_or(""));
        let mut changed = String::new();
        for item in ConfigParser::new(&row) {
            let (key, old) = item?;
            let new = match key.text() {
                "app_metadata" | "kvs_comment" => given.get(key.text())?,
                _ => None,
            };
            if !changed.is_empty() {
                changed.push(',');
            }
            changed.push_str(&format!("{}={}", key.source(), new.unwrap_or(old).source()));
        }
        session.metadata_update(uri, &changed)
    }

    /// Compacts the store's file: all objects.
    fn compact(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        session.metadata_search(uri)?;
        if config.bool_or("dryrun", false)? {
            return Ok(());
        }
        self.store.alone(|database| database.compact().map_err(|error| library(uri, error)))?;
        Ok(())
    }

    fn rename(&self, session: Session<'_>, uri: &str, new_uri: &str, _: Config<'_>) -> Result<()> {
        check_name(new_uri)?;
        if uri == new_uri {
            return session.metadata_search(uri).map(|_| ());
        }
        let _uses = (self.store.use_alone(uri)?, self.store.use_alone(new_uri)?);
        let row = session.metadata_search(uri)?;
        if session.metadata_search(new_uri).is_ok() {
            return Err(Error::new(ErrorCode::EEXIST, format!("{new_uri}: the object exists")));
        }
        session.metadata_remove(uri)?;
        session.metadata_insert(new_uri, &row)?;
        self.store.transaction(uri, true, |txn| {
            txn.delete_table(Definition::new(new_uri)).map_err(|error| library(new_uri, error))?;
            txn.rename_table(Definition::new(uri), Definition::new(new_uri)).map_err(|error| library(uri, error))
        })
    }

    /// Lets the library repair the file, then removes records that can't be this object's.
    fn salvage(&self, session: Session<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        let shape = shape_of(session, uri)?;
        let _use = self.store.use_alone(uri)?;
        let intact = self.store.alone(|database| database.check_integrity().map_err(|error| library(uri, error)))?;
        if !intact {
            session
                .message(MessageLevel::Notice, &format!("{uri}: the store's file was damaged and has been repaired"));
        }
        self.store.write(uri, true, |table| {
            table.retain(|key, value| shape.check_stored(key, value).is_ok()).map_err(|error| library(uri, error))
        })
    }

    fn size(&self, session: Session<'_>, uri: &str) -> Result<u64> {
        session.metadata_search(uri)?;
        self.store.read(uri, |table| {
            let stats = table.stats().map_err(|error| library(uri, error))?;
            Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
        })
    }

    fn truncate(&self, session: Session<'_>, uri: &str, _: Config<'_>) -> Result<Truncated> {
        session.metadata_search(uri)?;
        let _use = self.store.use_alone(uri)?;
        self.store.transaction(uri, false, |txn| {
            txn.delete_table(Definition::new(uri)).map_err(|error| library(uri, error))?;
            txn.open_table(Definition::new(uri)).map_err(|error| library(uri, error))?;
            Ok(Truncated::Done)
        })
    }

    /// Removes the range in one transaction; of bit fields it leaves zeros, as removing one by one would.
    fn range_truncate(
        &self,
        session: Session<'_>,
        uri: &str,
        start: &Record,
        stop: Option<&Record>,
    ) -> Result<Truncated> {
        let shape = shape_of(session, uri)?;
        let first = shape.key(start)?;
        let last = stop.map(|stop| shape.key(stop)).transpose()?;
        let range = (Bound::Included(&*first), last.as_deref().map_or(Bound::Unbounded, Bound::Included));
        self.store.write(uri, false, |table| {
            if shape.bits.is_some() {
                return set_to_zero(uri, table, range);
            }
            table.retain_in::<&[u8], _>(range, |_, _| false).map_err(|error| library(uri, error))
        })?;
        Ok(Truncated::Done)
    }

    fn verify(&self, session: Session<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        let shape = shape_of(session, uri)?;
        let _use = self.store.use_alone(uri)?;
        self.check_records(uri, shape)
    }

    fn checkpoint(&self, _: Session<'_>, _: Config<'_>) -> Result<()> {
        self.store.sync()
    }

    fn terminate(&self) -> Result<()> {
        self.store.close()
    }
}

/// A URI needs a name behind the prefix.
fn check_name(uri: &str) -> Result<()> {
    if uri.strip_prefix(PREFIX).is_none_or(str::is_empty) {
        return Err(Error::invalid(format!("unsupported object: {uri}")));
    }
    Ok(())
}

/// The shape of an object by its row; `WT_NOTFOUND` if there is none.
fn shape_of(session: Session<'_>, uri: &str) -> Result<Shape> {
    Shape::of(Config::single(&session.metadata_search(uri)?))
}

fn set_to_zero(uri: &str, table: &mut WriteTable<'_>, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<()> {
    let mut keys = Vec::new();
    for record in table.range::<&[u8]>(range).map_err(|error| library(uri, error))? {
        keys.push(record.map_err(|error| library(uri, error))?.0.value().to_vec());
    }
    for key in keys {
        table.insert(&*key, &[0][..]).map_err(|error| library(uri, error))?;
    }
    Ok(())
}

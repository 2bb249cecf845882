//! A cursor: the key that it stands on, and the rules of `append` and `overwrite`.
//!
//! It keeps no transaction of the store between two calls: a step finds the neighbour of the key, wherever the record has
//! gone meanwhile.

use crate::object::{Shape, number_key, number_of};
use crate::store::{ReadTable, Store, Use, WriteTable, library};
use hardwired_plugin::config::Config;
use hardwired_plugin::data_source::{DataSourceCursor, Record};
use hardwired_plugin::services::SessionServices;
use hardwired_plugin::{Error, Result};
use redb::{ReadableTable, StorageError};
use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

type Session<'s> = &'s dyn SessionServices;
type Guard<'t> = redb::AccessGuard<'t, &'static [u8]>;
type Found<'t> = Option<std::result::Result<(Guard<'t>, Guard<'t>), StorageError>>;

/// A cursor on an object of the store.
pub(crate) struct KvsCursor {
    store: Arc<Store>,
    in_use: Use,
    shape: Shape,
    append: bool,
    overwrite: bool,
    sync: bool,
    /// The key of the store that it stands on; there need not be a record any more.
    position: Option<Vec<u8>>,
}

impl KvsCursor {
    /// A cursor with the settings of `open_cursor`.
    pub(crate) fn new(store: &Arc<Store>, in_use: Use, shape: Shape, config: Config<'_>) -> Result<Self> {
        Ok(Self {
            store: Arc::clone(store),
            in_use,
            append: config.bool_or("append", false)? && shape.numbered,
            overwrite: config.bool_or("overwrite", true)?,
            sync: config.bool_or("kvs_sync", false)?,
            shape,
            position: None,
        })
    }

    /// Stands on the record that `find` finds. Without one the position is gone.
    fn stand(&mut self, record: &mut Record, find: impl FnOnce(&ReadTable) -> Result<Option<Pair>>) -> Result<()> {
        self.position = None;
        let (key, value) = self.store.read(self.in_use.uri(), find)?.ok_or(Error::NotFound)?;
        self.shape.set_key(&key, record).map_err(|error| error.in_object(self.in_use.uri(), 0))?;
        record.value = value;
        self.position = Some(key);
        Ok(())
    }

    fn write<T>(&self, write: impl FnOnce(&mut WriteTable<'_>) -> Result<T>) -> Result<T> {
        self.store.write(self.in_use.uri(), self.sync, write)
    }
}

type Pair = (Vec<u8>, Vec<u8>);

fn owned(uri: &str, found: Found<'_>) -> Result<Option<Pair>> {
    let Some(found) = found else { return Ok(None) };
    let (key, value) = found.map_err(|error| library(uri, error))?;
    Ok(Some((key.value().to_vec(), value.value().to_vec())))
}

fn is_there(uri: &str, table: &WriteTable<'_>, key: &[u8]) -> Result<bool> {
    Ok(table.get(key).map_err(|error| library(uri, error))?.is_some())
}

fn put(uri: &str, table: &mut WriteTable<'_>, key: &[u8], value: &[u8]) -> Result<()> {
    table.insert(key, value).map_err(|error| library(uri, error))?;
    Ok(())
}

impl DataSourceCursor for KvsCursor {
    fn next(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let from = self.position.take();
        let uri = self.in_use.uri().to_owned();
        self.stand(record, |table| {
            let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut range = table.range::<&[u8]>((from, Bound::Unbounded)).map_err(|error| library(&uri, error))?;
            owned(&uri, range.next())
        })
    }

    fn prev(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let to = self.position.take();
        let uri = self.in_use.uri().to_owned();
        self.stand(record, |table| {
            let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut range = table.range::<&[u8]>((Bound::Unbounded, to)).map_err(|error| library(&uri, error))?;
            owned(&uri, range.next_back())
        })
    }

    fn reset(&mut self, _: Session<'_>) -> Result<()> {
        self.position = None;
        Ok(())
    }

    fn search(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let key = self.shape.key(record)?;
        let uri = self.in_use.uri().to_owned();
        self.stand(record, |table| {
            let value = table.get(&*key).map_err(|error| library(&uri, error))?;
            Ok(value.map(|value| (key, value.value().to_vec())))
        })
    }

    fn search_near(&mut self, _: Session<'_>, record: &mut Record) -> Result<Ordering> {
        let sought = self.shape.key(record)?;
        let uri = self.in_use.uri().to_owned();
        self.stand(record, |table| {
            let mut range = table.range(&*sought..).map_err(|error| library(&uri, error))?;
            match owned(&uri, range.next())? {
                None => {
                    let last = table.last().map_err(|error| library(&uri, error))?;
                    owned(&uri, last.map(Ok))
                }
                found => Ok(found),
            }
        })?;
        Ok(self.position.as_deref().map_or(Ordering::Equal, |found| found.cmp(&sought)))
    }

    fn insert(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        self.shape.check_value(&record.value)?;
        let (uri, value) = (self.in_use.uri(), &record.value);
        let key = if self.append {
            self.write(|table| {
                let last = table.last().map_err(|error| library(uri, error))?;
                let last = last.map_or(Ok(0), |(key, _)| number_of(key.value()))?;
                let key = number_key(last.saturating_add(1))?;
                put(uri, table, &key, value)?;
                Ok(key.to_vec())
            })?
        } else {
            let key = self.shape.key(record)?;
            self.write(|table| {
                if !self.overwrite && is_there(uri, table, &key)? {
                    return Err(Error::DuplicateKey);
                }
                put(uri, table, &key, value)
            })?;
            key
        };
        self.shape.set_key(&key, record)?;
        self.position = Some(key);
        Ok(())
    }

    fn update(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        self.shape.check_value(&record.value)?;
        let key = self.shape.key(record)?;
        let uri = self.in_use.uri();
        self.write(|table| {
            if !self.overwrite && !is_there(uri, table, &key)? {
                return Err(Error::NotFound);
            }
            put(uri, table, &key, &record.value)
        })?;
        self.position = Some(key);
        Ok(())
    }

    fn remove(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let key = self.shape.key(record)?;
        let uri = self.in_use.uri();
        let removed = self.write(|table| {
            if self.shape.bits.is_none() {
                return Ok(table.remove(&*key).map_err(|error| library(uri, error))?.is_some());
            }
            let there = is_there(uri, table, &key)?;
            if there {
                put(uri, table, &key, &[0])?;
            }
            Ok(there)
        })?;
        self.position = Some(key);
        if removed || self.overwrite { Ok(()) } else { Err(Error::NotFound) }
    }
}

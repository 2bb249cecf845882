//! redb: a copy-on-write B-tree in one file, written in Rust.
//!
//! A commit that need not survive a crash is `Durability::None`; a checkpoint is an empty commit with
//! `Durability::Immediate`, which makes all earlier ones durable.

use std::path::Path;

use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{locked_version, missing};
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("bench");

/// An open redb database.
pub(crate) struct Redb {
    database: Database,
}

impl Engine for Redb {
    type Worker<'w> = &'w Redb;

    fn version() -> String {
        locked_version("redb")
    }

    fn open(home: &Path, options: &Options) -> Result<Self> {
        let database =
            Database::builder().set_cache_size(usize::try_from(options.cache_bytes)?).create(home.join("redb"))?;
        let txn = database.begin_write()?;
        txn.open_table(TABLE)?;
        txn.commit()?;
        Ok(Self { database })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        work(&mut &*self)
    }

    fn checkpoint(&self) -> Result<()> {
        self.database.begin_write()?.commit()?;
        Ok(())
    }

    fn close(self) -> Result<()> {
        Ok(())
    }
}

impl Worker for &Redb {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let mut txn = self.database.begin_write()?;
        txn.set_durability(Durability::None)?;
        {
            let mut table = txn.open_table(TABLE)?;
            for (key, value) in batch.rows() {
                table.insert(key, value)?;
            }
        }
        txn.commit()?;
        Ok(())
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        for (position, key) in batch.keys().enumerate() {
            let value = table.get(key)?.ok_or_else(|| missing(batch, position))?;
            visit(position, value.value());
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let table = self.database.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for row in table.range(from..)?.take(limit) {
            let (key, value) = row?;
            visit(key.value(), value.value());
            count += 1;
        }
        Ok(count)
    }
}

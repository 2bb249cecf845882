//! fjall: a log-structured merge tree, written in Rust.
//!
//! Its journal can't be switched off; with `manual_journal_persist` a commit leaves its record in the process's buffer.
//! A checkpoint is an fsync of the journal, so this workload costs fjall far less than an engine that writes a tree;
//! it pays in the background, when a memtable is flushed. Compression is compiled out, as no other engine compresses.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::{locked_version, missing};
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

/// An open fjall database.
pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Engine for Fjall {
    type Worker<'w> = &'w Fjall;

    fn version() -> String {
        locked_version("fjall")
    }

    fn open(home: &Path, options: &Options) -> Result<Self> {
        let database = Database::builder(home.join("fjall"))
            .cache_size(options.cache_bytes)
            .manual_journal_persist(true)
            .open()?;
        let keyspace = database.keyspace("bench", || KeyspaceCreateOptions::default().manual_journal_persist(true))?;
        Ok(Self { database, keyspace })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        work(&mut &*self)
    }

    fn checkpoint(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }

    fn close(self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncAll)?)
    }
}

impl Worker for &Fjall {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        if batch.len() == 1 {
            for (key, value) in batch.rows() {
                self.keyspace.insert(key, value)?;
            }
            return Ok(());
        }
        let mut writes = self.database.batch();
        for (key, value) in batch.rows() {
            writes.insert(&self.keyspace, key, value);
        }
        Ok(writes.commit()?)
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        if batch.len() == 1 {
            for key in batch.keys() {
                visit(0, &self.keyspace.get(key)?.ok_or_else(|| missing(batch, 0))?);
            }
            return Ok(());
        }
        let snapshot = self.database.snapshot();
        for (position, key) in batch.keys().enumerate() {
            visit(position, &snapshot.get(&self.keyspace, key)?.ok_or_else(|| missing(batch, position))?);
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let mut count = 0;
        for row in self.keyspace.range(from..).take(limit) {
            let (key, value) = row.into_inner()?;
            visit(&key, &value);
            count += 1;
        }
        Ok(count)
    }
}

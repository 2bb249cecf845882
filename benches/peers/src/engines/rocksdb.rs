//! RocksDB: a log-structured merge tree, written in C++.
//!
//! A commit that need not survive a crash is a write without the write-ahead log; a checkpoint flushes the memtable.
//! `--cache-mb` bounds the block cache, to which the memtables (64 MB each by default) come on top. Compression is
//! compiled out, as no other engine compresses.

use std::path::Path;

use anyhow::Result;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, WriteBatch, WriteOptions};

use super::{locked_version, missing};
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

/// An open RocksDB database.
pub(crate) struct RocksDb {
    database: DB,
}

/// One thread's access, with its options and batch ready for use.
pub(crate) struct RocksDbWorker<'e> {
    database: &'e DB,
    write_options: WriteOptions,
    writes: WriteBatch,
}

impl Engine for RocksDb {
    type Worker<'w> = RocksDbWorker<'w>;

    fn version() -> String {
        locked_version("librocksdb-sys")
    }

    fn open(home: &Path, options: &Options) -> Result<Self> {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(usize::try_from(options.cache_bytes)?));
        let mut settings = rocksdb::Options::default();
        settings.create_if_missing(true);
        settings.set_compression_type(DBCompressionType::None);
        settings.set_block_based_table_factory(&blocks);
        Ok(Self { database: DB::open(&settings, home)? })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        work(&mut RocksDbWorker { database: &self.database, write_options, writes: WriteBatch::default() })
    }

    fn checkpoint(&self) -> Result<()> {
        Ok(self.database.flush()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.database.flush()?)
    }
}

impl Worker for RocksDbWorker<'_> {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        if batch.len() == 1 {
            for (key, value) in batch.rows() {
                self.database.put_opt(key, value, &self.write_options)?;
            }
            return Ok(());
        }
        self.writes.clear();
        for (key, value) in batch.rows() {
            self.writes.put(key, value);
        }
        Ok(self.database.write_opt(&self.writes, &self.write_options)?)
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        if batch.len() == 1 {
            for key in batch.keys() {
                visit(0, &self.database.get_pinned(key)?.ok_or_else(|| missing(batch, 0))?);
            }
            return Ok(());
        }
        let snapshot = self.database.snapshot();
        for (position, key) in batch.keys().enumerate() {
            visit(position, &snapshot.get_pinned(key)?.ok_or_else(|| missing(batch, position))?);
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let mut rows = self.database.raw_iterator();
        rows.seek(from);
        let mut count = 0;
        while count < limit {
            let Some((key, value)) = rows.item() else { break };
            visit(key, value);
            count += 1;
            rows.next();
        }
        rows.status()?;
        Ok(count)
    }
}

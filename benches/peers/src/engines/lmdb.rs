//! LMDB, through heed: a copy-on-write B-tree in a memory map.
//!
//! It has no cache of its own: the operating system's page cache serves, and `--cache-mb` doesn't bound it. A commit
//! that need not survive a crash is `MDB_NOSYNC` (its documentation warns that such a crash may also damage the file);
//! a checkpoint is a forced sync.
#![allow(unsafe_code, reason = "opening a memory map is unsafe in heed: the file must not change under it")]

use std::{ops::Bound, path::Path};

use anyhow::Result;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, WithTls, types::Bytes};

use super::{locked_version, missing};
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

/// Address space for the map; the file grows as needed.
const MAP_BYTES: usize = 256 << 30;

/// An open LMDB environment and its unnamed database.
pub(crate) struct Lmdb {
    env: Env<WithTls>,
    database: Database<'static, Bytes, Bytes>,
}

impl Engine for Lmdb {
    type Worker<'w> = &'w Lmdb;

    fn version() -> String {
        let version = heed::lmdb_version();
        format!("{}.{}.{} (heed {})", version.major, version.minor, version.patch, locked_version("heed"))
    }

    fn open(home: &Path, _options: &Options) -> Result<Self> {
        // SAFETY: `home` is a directory that this process made for itself, so nothing else writes the mapped file; the
        // flag gives up durability, not memory safety.
        let env = unsafe { EnvOpenOptions::new().map_size(MAP_BYTES).flags(EnvFlags::NO_SYNC).open(home)? };
        let created = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let database = created.unwrap_commit();
        Ok(Self { env, database })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        work(&mut &*self)
    }

    fn checkpoint(&self) -> Result<()> {
        Ok(self.env.force_sync()?)
    }

    fn close(self) -> Result<()> {
        self.env.force_sync()?;
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

impl Worker for &Lmdb {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for (key, value) in batch.rows() {
            self.database.put(&mut txn, key, value)?;
        }
        Ok(txn.commit()?)
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        let txn = self.env.read_txn()?;
        for (position, key) in batch.keys().enumerate() {
            let value = self.database.get(&txn, key)?.ok_or_else(|| missing(batch, position))?;
            visit(position, value);
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let txn = self.env.read_txn()?;
        let mut count = 0;
        for row in self.database.range(&txn, &(Bound::Included(from), Bound::Unbounded))?.take(limit) {
            let (key, value) = row?;
            visit(key, value);
            count += 1;
        }
        Ok(count)
    }
}

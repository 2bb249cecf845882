//! hardwired's tree alone: what `hardwired` does below its sessions, without metadata, eviction thread and cursors' state.
//! The difference to `hardwired` is what those cost.
//!
//! Nothing is evicted, `--cache-mb` is ignored. The checkpoint's address is kept in a small file of the bench.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, anyhow};
use hardwired::{
    block::{BlockManager, BlockSettings, CheckpointAction, CheckpointEntry, OpenMode},
    btree::{PutMode, Tree, TreeCursor, TreeOpen, TreeSettings, Windows},
    cache::{Cache, CacheLimits},
    os::LocalFileSystem,
    txn::{Isolation, Txn, TxnGlobal},
};

use super::missing;
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

/// The file that holds the last checkpoint's address.
const COOKIE: &str = "core.cookie";

/// One open tree.
pub(crate) struct HardwiredCore {
    home: PathBuf,
    block: Arc<BlockManager>,
    tree: Arc<Tree>,
    txns: Arc<TxnGlobal>,
    checkpoint: Mutex<Vec<CheckpointEntry>>,
}

/// A transaction and a cursor, of one thread.
pub(crate) struct HardwiredCoreWorker {
    txn: Txn,
    cursor: TreeCursor,
}

impl Engine for HardwiredCore {
    type Worker<'w> = HardwiredCoreWorker;

    fn version() -> String {
        format!("{} (the tree alone)", super::locked_version("hardwired"))
    }

    fn open(home: &Path, _options: &Options) -> Result<Self> {
        let files = LocalFileSystem::new();
        let (path, cookie_path) = (home.join("core.wt"), home.join(COOKIE));
        let settings = TreeSettings::default();
        let mut state = None;
        if cookie_path.exists() {
            let bytes = fs::read(&cookie_path)?;
            let (write_gen, cookie) = bytes.split_first_chunk().ok_or_else(|| anyhow!("{COOKIE} is too short"))?;
            state = Some((u64::from_le_bytes(*write_gen), cookie.to_vec()));
        } else {
            BlockManager::create(&files, &path, settings.allocation_size)?;
        }
        let block_settings = BlockSettings { allocation_size: settings.allocation_size, ..BlockSettings::default() };
        let cookie = state.as_ref().map(|(_, cookie)| cookie.as_slice());
        let (block, root) = BlockManager::open(&files, &path, "core.wt", block_settings, cookie, OpenMode::Live)?;
        let unlimited = u64::MAX;
        let limits = CacheLimits {
            size: unlimited,
            target: unlimited,
            trigger: unlimited,
            dirty_target: unlimited,
            dirty_trigger: unlimited,
        };
        let txns = TxnGlobal::new(100);
        let write_gen = state.as_ref().map_or(1, |(write_gen, _)| *write_gen);
        let tree = Tree::open(TreeOpen {
            name: "file:core.wt".to_owned(),
            settings,
            block: Arc::clone(&block),
            cache: Cache::new(limits),
            txns: Arc::clone(&txns),
            root,
            write_gen,
            base_write_gen: write_gen,
            windows: Windows::default(),
        })?;
        let last = state.map(|(_, cookie)| entry(cookie)).into_iter().collect();
        Ok(Self { home: home.to_owned(), block, tree, txns, checkpoint: Mutex::new(last) })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        work(&mut HardwiredCoreWorker { txn: Txn::new(&self.txns)?, cursor: TreeCursor::new(&self.tree) })
    }

    fn checkpoint(&self) -> Result<()> {
        let mut last = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        self.txns.update_oldest();
        let mut txn = Txn::new(&self.txns)?;
        txn.begin(Isolation::Snapshot);
        self.block.checkpoint_start()?;
        let mut written = self.tree.checkpoint(txn.snapshot())?;
        let place = self.block.checkpoint(&mut last, written.root.as_mut(), None)?;
        self.block.sync()?;
        let mut bytes = written.write_gen.to_le_bytes().to_vec();
        bytes.extend_from_slice(&place.cookie);
        fs::write(self.home.join(COOKIE), bytes)?;
        self.block.checkpoint_resolve(true)?;
        txn.rollback()?;
        *last = vec![entry(place.cookie)];
        Ok(())
    }

    fn close(self) -> Result<()> {
        if self.tree.is_dirty() {
            self.checkpoint()?;
        }
        Ok(self.block.close()?)
    }
}

/// A checkpoint that the next one replaces.
fn entry(cookie: Vec<u8>) -> CheckpointEntry {
    CheckpointEntry { cookie, action: CheckpointAction::Delete }
}

impl HardwiredCoreWorker {
    /// A new view of the database for a read outside a transaction, as a session does when no cursor is positioned.
    fn renew(&mut self) {
        self.cursor.reset();
        self.txn.release_snapshot();
        self.txn.prepare_read(Isolation::Snapshot);
    }
}

impl Worker for HardwiredCoreWorker {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let Self { txn, cursor } = self;
        cursor.reset();
        txn.release_snapshot();
        if batch.len() == 1 {
            txn.begin_implicit();
        } else {
            txn.begin(Isolation::Snapshot);
        }
        for (key, value) in batch.rows() {
            cursor.put(txn, key, value, PutMode::Overwrite)?;
        }
        cursor.reset();
        Ok(txn.commit()?)
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        self.renew();
        for (position, key) in batch.keys().enumerate() {
            if !self.cursor.search(&self.txn, key)? {
                return Err(missing(batch, position));
            }
            visit(position, self.cursor.value());
        }
        Ok(())
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        self.renew();
        let Self { txn, cursor } = self;
        let mut found = cursor.seek_ge(txn, from)?;
        let mut count = 0;
        while found && count < limit {
            visit(cursor.key(), cursor.value());
            count += 1;
            if count < limit {
                found = cursor.next(txn)?;
            }
        }
        cursor.reset();
        txn.release_snapshot();
        Ok(count)
    }
}

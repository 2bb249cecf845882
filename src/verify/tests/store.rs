//! A tree in a memory file with the checkpoints that its metadata would list.

use super::*;
use crate::block::{CheckpointAction, CheckpointEntry};
use crate::btree::{PutMode, Tree, TreeCursor, TreeOpen, TreeSettings};
use crate::cache::{Cache, CacheLimits};
use crate::page::header::PageHeader;
use crate::txn::{Isolation, Txn, TxnGlobal};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const PATH: &str = "t.wt";
pub(super) const URI: &str = "file:t.wt";
pub(super) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A repeatable sequence of numbers.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

pub(super) struct Store {
    pub(super) fs: MemoryFileSystem,
    settings: TreeSettings,
    cache_bytes: u64,
    pub(super) tree: Arc<Tree>,
    pub(super) txns: Arc<TxnGlobal>,
    pub(super) cache: Arc<Cache>,
    pub(super) checkpoints: Vec<Checkpoint>,
    run_write_gen: u64,
}

/// Small pages, so that little data makes a deep tree with overflow items.
pub(super) fn small_pages() -> TreeSettings {
    TreeSettings { allocation_size: 512, leaf_page_max: 1024, internal_page_max: 512, ..TreeSettings::default() }
}

impl Store {
    pub(super) fn new(cache_bytes: u64, settings: TreeSettings) -> Self {
        let fs = MemoryFileSystem::new();
        BlockManager::create(&fs, Path::new(PATH), settings.allocation_size).unwrap();
        let (tree, txns, cache) = open(&fs, &settings, cache_bytes, None, 1);
        Self { fs, settings, cache_bytes, tree, txns, cache, checkpoints: Vec::new(), run_write_gen: 1 }
    }

    /// What a new run of the engine does: whatever isn't in the newest checkpoint is gone.
    pub(super) fn reopen(&mut self) {
        let newest = self.checkpoints.last();
        self.run_write_gen = newest.map_or(1, |newest| newest.write_gen + 1);
        let cookie = newest.map(|newest| newest.cookie.clone());
        let (tree, txns, cache) = open(&self.fs, &self.settings, self.cache_bytes, cookie, self.run_write_gen);
        (self.tree, self.txns, self.cache) = (tree, txns, cache);
    }

    /// Writes a checkpoint and deletes those older ones whose index is in `delete`.
    pub(super) fn checkpoint(&mut self, delete: &[usize]) {
        let mut txn = Txn::new(&self.txns).unwrap();
        txn.begin(Isolation::Snapshot);
        let block = Arc::clone(self.tree.block());
        block.checkpoint_start().unwrap();
        let mut written = self.tree.checkpoint(txn.snapshot()).unwrap();
        if let Some(root) = &written.root {
            // Else a later run would take ids of this one for its own.
            assert!(PageHeader::parse(root).unwrap().write_gen <= written.write_gen);
        }
        let action = |index| if delete.contains(&index) { CheckpointAction::Delete } else { CheckpointAction::Keep };
        let entry =
            |(index, old): (usize, &Checkpoint)| CheckpointEntry { cookie: old.cookie.clone(), action: action(index) };
        let mut entries: Vec<CheckpointEntry> = self.checkpoints.iter().enumerate().map(entry).collect();
        let new = block.checkpoint(&mut entries, written.root.as_mut(), None).unwrap();
        block.sync().unwrap();
        block.checkpoint_resolve(true).unwrap();
        txn.rollback().unwrap();
        let order = self.checkpoints.last().map_or(1, |last| last.order + 1);
        let old = std::mem::take(&mut self.checkpoints).into_iter().zip(entries);
        let kept = old.filter(|(_, entry)| entry.action == CheckpointAction::Keep);
        self.checkpoints = kept.map(|(old, entry)| Checkpoint { cookie: entry.cookie, ..old }).collect();
        self.checkpoints.push(Checkpoint {
            name: format!("c{order}"),
            cookie: new.cookie,
            order,
            time: order,
            size: new.size,
            aggregate: written.aggregate,
            write_gen: written.write_gen,
            run_write_gen: self.run_write_gen,
        });
    }

    pub(super) fn input(&self, options: VerifyOptions) -> VerifyInput<'_> {
        VerifyInput {
            fs: &self.fs,
            path: Path::new(PATH),
            uri: URI,
            block: BlockSettings { allocation_size: self.settings.allocation_size, ..BlockSettings::default() },
            kind: TreeKind::Row,
            transform: crate::block::BlockTransform::default(),
            compare: None,
            checkpoints: &self.checkpoints,
            base_write_gen: ConnectionBase::NEW,
            options,
        }
    }

    /// Verifies all checkpoints strictly: nothing may be wrong and no byte lost.
    #[track_caller]
    pub(super) fn verify(&self, what: &str) -> VerifyReport {
        let (result, said) = run(&self.input(STRICT));
        let report = result.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(said.messages.is_empty(), "{what}: {:?}", said.messages);
        assert_eq!(report.checkpoints, self.checkpoints.len());
        assert_eq!(report.total.pages(), said.progress.len() as u64);
        report
    }

    /// The rows of a checkpoint.
    pub(super) fn rows_of(&self, checkpoint: &Checkpoint) -> Model {
        self.read_copy(&self.fs, checkpoint).unwrap()
    }

    /// The rows of a checkpoint in a copy of the file.
    pub(super) fn read_copy(&self, fs: &MemoryFileSystem, checkpoint: &Checkpoint) -> Result<Model> {
        let block = BlockSettings { allocation_size: self.settings.allocation_size, ..BlockSettings::default() };
        let cookie = Some(checkpoint.cookie.as_slice());
        let (block, root) = BlockManager::open(fs, Path::new(PATH), URI, block, cookie, OpenMode::CheckpointReadOnly)?;
        let (txns, cache) = (TxnGlobal::new(10), Cache::new(CacheLimits::of_size(10 << 20)));
        let tree = Tree::open(TreeOpen {
            name: URI.to_owned(),
            settings: self.settings.clone(),
            block,
            cache,
            txns: Arc::clone(&txns),
            root,
            write_gen: checkpoint.write_gen,
            base_write_gen: checkpoint.write_gen,
            windows: crate::btree::Windows::Versions,
        })?;
        scan(&tree, &mut Txn::new(&txns)?)
    }
}

fn open(
    fs: &MemoryFileSystem,
    settings: &TreeSettings,
    cache_bytes: u64,
    cookie: Option<Vec<u8>>,
    write_gen: u64,
) -> (Arc<Tree>, Arc<TxnGlobal>, Arc<Cache>) {
    let block = BlockSettings { allocation_size: settings.allocation_size, ..BlockSettings::default() };
    let (block, root) = BlockManager::open(fs, Path::new(PATH), URI, block, cookie.as_deref(), OpenMode::Live).unwrap();
    let (txns, cache) = (TxnGlobal::new(10), Cache::new(CacheLimits::of_size(cache_bytes)));
    let tree = Tree::open(TreeOpen {
        name: URI.to_owned(),
        settings: settings.clone(),
        block,
        cache: Arc::clone(&cache),
        txns: Arc::clone(&txns),
        root,
        write_gen,
        base_write_gen: write_gen,
        windows: crate::btree::Windows::Versions,
    })
    .unwrap();
    (tree, txns, cache)
}

/// All rows, read forwards.
pub(super) fn scan(tree: &Arc<Tree>, txn: &mut Txn) -> Result<Model> {
    let mut cursor = TreeCursor::new(tree);
    txn.prepare_read(Isolation::Snapshot);
    let mut rows = Model::new();
    let outcome = loop {
        match cursor.next(txn) {
            Ok(true) => rows.insert(cursor.key().to_vec(), cursor.value().to_vec()),
            Ok(false) => break Ok(rows),
            Err(error) => break Err(error),
        };
    };
    txn.release_snapshot();
    outcome
}

/// One change in a transaction of its own.
pub(super) fn put(cursor: &mut TreeCursor, txn: &mut Txn, key: &[u8], value: &[u8]) {
    txn.begin_implicit();
    cursor.put(txn, key, value, PutMode::Overwrite).unwrap();
    txn.commit().unwrap();
}

/// Removes a row; says whether there was one.
pub(super) fn remove(cursor: &mut TreeCursor, txn: &mut Txn, key: &[u8]) -> bool {
    txn.begin_implicit();
    let removed = cursor.remove(txn, key);
    let found = !matches!(removed, Err(Error::NotFound));
    assert!(removed.is_ok() || !found, "{removed:?}");
    if found {
        txn.commit().unwrap()
    } else {
        txn.rollback().unwrap()
    }
    found
}

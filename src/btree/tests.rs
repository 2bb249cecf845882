//! The tree against a model, in one thread and in several.

use super::*;
use crate::block::{BlockManager, BlockSettings, OpenMode};
use crate::cache::{Cache, CacheLimits};
use crate::os::MemoryFileSystem;
use crate::txn::{Isolation, Txn, TxnGlobal};
use hardwired_plugin::file_system::FileSystem;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A tree in a memory file.
pub(super) struct Fixture {
    pub(super) tree: Arc<Tree>,
    pub(super) txns: Arc<TxnGlobal>,
    pub(super) cache: Arc<Cache>,
    pub(super) files: Arc<dyn FileSystem>,
}

pub(super) fn fixture(cache_bytes: u64, settings: TreeSettings) -> Fixture {
    let files: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
    let path = Path::new("t.wt");
    BlockManager::create(&*files, path, settings.allocation_size).unwrap();
    let block_settings = BlockSettings { allocation_size: settings.allocation_size, ..BlockSettings::default() };
    let (block, root) = BlockManager::open(&*files, path, "file:t.wt", block_settings, None, OpenMode::Live).unwrap();
    let (txns, cache) = (TxnGlobal::new(10), Cache::new(CacheLimits::of_size(cache_bytes)));
    let tree = Tree::open(TreeOpen {
        name: "file:t.wt".to_owned(),
        settings,
        block,
        cache: Arc::clone(&cache),
        txns: Arc::clone(&txns),
        root,
        write_gen: 1,
        base_write_gen: 1,
        windows: crate::btree::Windows::Versions,
    })
    .unwrap();
    Fixture { tree, txns, cache, files }
}

/// Small pages, so that a small test has a deep tree.
pub(super) fn small_pages() -> TreeSettings {
    TreeSettings { allocation_size: 512, leaf_page_max: 1024, internal_page_max: 512, ..TreeSettings::default() }
}

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
}

pub(super) fn key(number: u64) -> Vec<u8> {
    format!("key-{:05}{}", number % 3_000, "x".repeat((number % 7) as usize)).into_bytes()
}

pub(super) fn autocommit<T>(
    txn: &mut Txn,
    op: impl FnOnce(&mut Txn) -> hardwired_plugin::Result<T>,
) -> hardwired_plugin::Result<T> {
    txn.begin_implicit();
    match op(txn) {
        Ok(result) => txn.commit().map(|()| result),
        Err(error) => {
            txn.rollback()?;
            Err(error)
        }
    }
}

pub(super) fn scan(tree: &Arc<Tree>, txn: &mut Txn, forward: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut cursor = TreeCursor::new(tree);
    txn.prepare_read(Isolation::Snapshot);
    let mut rows = Vec::new();
    while if forward { cursor.next(txn).unwrap() } else { cursor.prev(txn).unwrap() } {
        rows.push((cursor.key().to_vec(), cursor.value().to_vec()));
    }
    txn.release_snapshot();
    rows
}

#[test]
fn random_operations_agree_with_a_model() {
    let rounds = if cfg!(miri) { 300 } else { 60_000 };
    let fixture = fixture(100 << 20, small_pages());
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut numbers = Numbers(7);
    for round in 0..rounds {
        let key = key(numbers.next());
        let value = vec![round as u8; (numbers.next() % 60) as usize];
        match numbers.next() % 8 {
            0..4 => {
                autocommit(&mut txn, |txn| cursor.put(txn, &key, &value, PutMode::Overwrite)).unwrap();
                model.insert(key, value);
            }
            4 => {
                let result = autocommit(&mut txn, |txn| cursor.remove(txn, &key));
                assert_eq!(result.is_ok(), model.remove(&key).is_some());
            }
            5 => {
                txn.begin(Isolation::Snapshot);
                cursor.put(&mut txn, &key, &value, PutMode::Overwrite).unwrap();
                assert!(cursor.search(&txn, &key).unwrap());
                assert_eq!(cursor.value(), value);
                txn.rollback().unwrap();
            }
            6 => {
                txn.prepare_read(Isolation::Snapshot);
                assert_eq!(cursor.search(&txn, &key).unwrap(), model.contains_key(&key));
                if let Some(expected) = model.get(&key) {
                    assert_eq!(cursor.value(), expected);
                    let next = model.range((std::ops::Bound::Excluded(key.clone()), std::ops::Bound::Unbounded)).next();
                    assert_eq!(cursor.next(&txn).unwrap(), next.is_some());
                    if let Some((key, value)) = next {
                        assert_eq!((cursor.key(), cursor.value()), (&key[..], &value[..]));
                    }
                }
                txn.release_snapshot();
            }
            _ => {
                txn.prepare_read(Isolation::Snapshot);
                let (next, previous) = (model.range(key.clone()..).next(), model.range(..=key.clone()).next_back());
                assert_eq!(cursor.seek_ge(&txn, &key).unwrap(), next.is_some());
                assert!(next.is_none_or(|(key, _)| key == cursor.key()));
                assert_eq!(cursor.seek_le(&txn, &key).unwrap(), previous.is_some());
                assert!(previous.is_none_or(|(key, _)| key == cursor.key()));
                if previous.is_some() {
                    let before = model.range(..cursor.key().to_vec()).next_back();
                    assert_eq!(cursor.prev(&txn).unwrap(), before.is_some());
                }
                txn.release_snapshot();
            }
        }
    }
    let expected: Vec<_> = model.into_iter().collect();
    assert_eq!(scan(&fixture.tree, &mut txn, true), expected);
    let mut backward = scan(&fixture.tree, &mut txn, false);
    backward.reverse();
    assert_eq!(backward, expected);
}

#[test]
fn a_snapshot_reads_the_same_rows_while_others_write() {
    let rounds = if cfg!(miri) { 30 } else { 4_000 };
    let fixture = fixture(100 << 20, small_pages());
    let (mut reader, mut writer) = (Txn::new(&fixture.txns).unwrap(), Txn::new(&fixture.txns).unwrap());
    let mut cursor = TreeCursor::new(&fixture.tree);
    let mut numbers = Numbers(1);
    for _ in 0..rounds {
        let key = key(numbers.next());
        autocommit(&mut writer, |txn| cursor.put(txn, &key, b"old", PutMode::Overwrite)).unwrap();
    }
    let before = scan(&fixture.tree, &mut writer, true);
    reader.begin(Isolation::Snapshot);
    for _ in 0..rounds {
        let key = key(numbers.next());
        autocommit(&mut writer, |txn| cursor.put(txn, &key, b"new", PutMode::Overwrite)).unwrap();
        let key = super::tests::key(numbers.next());
        let _ = autocommit(&mut writer, |txn| cursor.remove(txn, &key));
    }
    assert_eq!(scan(&fixture.tree, &mut reader, true), before);
    assert_ne!(scan(&fixture.tree, &mut writer, true), before);
}

#[test]
fn threads_lose_no_update() {
    let (threads, rounds) = if cfg!(miri) { (2, 20) } else { (4, 5_000) };
    let fixture = fixture(100 << 20, small_pages());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let fixture = &fixture;
            scope.spawn(move || {
                let mut txn = Txn::new(&fixture.txns).unwrap();
                let mut cursor = TreeCursor::new(&fixture.tree);
                let mut numbers = Numbers(thread);
                for _ in 0..rounds {
                    let counter = format!("counter-{}", numbers.next() % 200);
                    loop {
                        txn.begin(Isolation::Snapshot);
                        let old = if cursor.search(&txn, counter.as_bytes()).unwrap() {
                            u64::from_le_bytes(cursor.value().try_into().unwrap())
                        } else {
                            0
                        };
                        let new = (old + 1).to_le_bytes();
                        match cursor.put(&mut txn, counter.as_bytes(), &new, PutMode::Overwrite) {
                            Ok(()) => {
                                txn.commit().unwrap();
                                break;
                            }
                            Err(_) => txn.rollback().unwrap(),
                        }
                    }
                    let row = key(numbers.next());
                    while autocommit(&mut txn, |txn| cursor.put(txn, &row, &row, PutMode::Overwrite)).is_err() {}
                }
            });
        }
    });
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let rows = scan(&fixture.tree, &mut txn, true);
    let total: u64 = rows
        .iter()
        .filter(|(key, _)| key.starts_with(b"counter"))
        .map(|(_, value)| u64::from_le_bytes(value[..].try_into().unwrap()))
        .sum();
    assert_eq!(total, threads * rounds);
    assert!(rows.is_sorted());
}

/// A checkpoint of the fixture's file: where it is, and the tree's write generation.
pub(super) struct Written {
    cookie: Vec<u8>,
    write_gen: u64,
}

/// Writes the tree's checkpoint into its file, in the place of the one before (`last`). `between` runs when the tree's pages
/// are written and the file's checkpoint is not.
pub(super) fn checkpoint(fixture: &Fixture, last: Option<&Written>, between: impl FnOnce()) -> Written {
    use crate::block::{CheckpointAction, CheckpointEntry};
    let mut txn = Txn::new(&fixture.txns).unwrap();
    txn.begin(Isolation::Snapshot);
    let block = fixture.tree.block();
    block.checkpoint_start().unwrap();
    let mut checkpoint = fixture.tree.checkpoint(txn.snapshot()).unwrap();
    between();
    let deleted = |last: &Written| CheckpointEntry { cookie: last.cookie.clone(), action: CheckpointAction::Delete };
    let mut entries: Vec<CheckpointEntry> = last.map(deleted).into_iter().collect();
    let written = block.checkpoint(&mut entries, checkpoint.root.as_mut(), None).unwrap();
    block.sync().unwrap();
    block.checkpoint_resolve(true).unwrap();
    txn.rollback().unwrap();
    Written { cookie: written.cookie, write_gen: checkpoint.write_gen }
}

/// Opens a checkpoint with a cache of its own.
pub(super) fn reopen(fixture: &Fixture, written: &Written) -> Fixture {
    let settings = fixture.tree.settings().clone();
    let block_settings = BlockSettings { allocation_size: settings.allocation_size, ..BlockSettings::default() };
    let (block, root) = BlockManager::open(
        &*fixture.files,
        Path::new("t.wt"),
        "file:t.wt",
        block_settings,
        Some(&written.cookie),
        OpenMode::CheckpointReadOnly,
    )
    .unwrap();
    let (txns, cache) = (TxnGlobal::new(10), Cache::new(CacheLimits::of_size(100 << 20)));
    let tree = Tree::open(TreeOpen {
        name: "file:t.wt".to_owned(),
        settings,
        block,
        cache: Arc::clone(&cache),
        txns: Arc::clone(&txns),
        root,
        write_gen: written.write_gen,
        base_write_gen: written.write_gen,
        windows: crate::btree::Windows::Versions,
    })
    .unwrap();
    Fixture { tree, txns, cache, files: Arc::clone(&fixture.files) }
}

#[test]
fn checkpoints_hold_what_was_committed_and_a_small_cache_suffices() {
    let (checkpoints, rounds) = if cfg!(miri) { (2, 40) } else { (12, 4_000) };
    // A cache that holds a fraction of the data, so that most pages come and go between operations.
    let fixture = fixture(64 << 10, small_pages());
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut other = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut numbers = Numbers(11);
    let mut last = None;
    for round in 0..checkpoints {
        for _ in 0..rounds {
            let key = key(numbers.next());
            // Some values are large enough for overflow blocks.
            let len = if numbers.next().is_multiple_of(50) { 3_000 } else { numbers.next() % 40 };
            let value = vec![round; len as usize];
            if numbers.next().is_multiple_of(4) {
                let removed = autocommit(&mut txn, |txn| cursor.remove(txn, &key));
                assert_eq!(removed.is_ok(), model.remove(&key).is_some());
            } else {
                autocommit(&mut txn, |txn| cursor.put(txn, &key, &value, PutMode::Overwrite)).unwrap();
                model.insert(key, value);
            }
        }
        // Changes of a transaction that is still running are not in the checkpoint.
        let mut second = TreeCursor::new(&fixture.tree);
        other.begin(Isolation::Snapshot);
        for _ in 0..20 {
            let key = key(numbers.next());
            second.put(&mut other, &key, b"uncommitted", PutMode::Overwrite).unwrap();
        }
        cursor.reset();
        let written = checkpoint(&fixture, last.as_ref(), || {});
        let reopened = reopen(&fixture, &written);
        last = Some(written);
        let expected: Vec<_> = model.clone().into_iter().collect();
        let mut reader = Txn::new(&reopened.txns).unwrap();
        assert!(scan(&reopened.tree, &mut reader, true) == expected, "round {round}");
        let mut backward = scan(&reopened.tree, &mut reader, false);
        backward.reverse();
        assert!(backward == expected);
        other.rollback().unwrap();
        assert!(scan(&fixture.tree, &mut txn, true) == expected);
        let before = fixture.cache.bytes();
        fixture.txns.reclaimer().collect();
        assert!(before < 4 << 20, "{before}");
    }
    assert!(fixture.tree.block().statistics().size < 40 * (64 << 10), "{:?}", fixture.tree.block().statistics());
}

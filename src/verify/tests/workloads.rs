//! Whatever is done to a tree, each of its checkpoints verifies strictly and holds the rows of its time.
//!
//! Method: rounds of random changes, with a cache that holds a fraction of the tree, transactions that are rolled back or
//! run across checkpoints, checkpoints that are kept or deleted in any order, and reopening. A failure names seed and round.

use super::store::*;
use super::*;
use crate::btree::{PutMode, TreeCursor, TreeSettings};
use crate::txn::{Isolation, Txn};
use rstest::rstest;

const ROUNDS: u64 = 24;

fn key(numbers: &mut Numbers, space: u64) -> Vec<u8> {
    let number = numbers.below(space);
    // Some keys don't fit the leaf.
    let tail = if number.is_multiple_of(97) { 400 } else { number % 9 };
    format!("key-{number:05}{}", "x".repeat(tail as usize)).into_bytes()
}

fn value(numbers: &mut Numbers, round: u64) -> Vec<u8> {
    let len = match numbers.below(40) {
        0 => 3_000,
        1 => 700,
        2..6 => 0,
        _ => numbers.below(40),
    };
    vec![round as u8; len as usize]
}

/// Random changes, each in a transaction of its own.
fn change(store: &Store, model: &mut Model, numbers: &mut Numbers, round: u64, count: u64, space: u64) {
    let mut txn = Txn::new(&store.txns).unwrap();
    let mut cursor = TreeCursor::new(&store.tree);
    // Rounds that mostly delete empty whole pages.
    let removals = if round % 5 == 3 { 7 } else { 2 };
    for _ in 0..count {
        let key = key(numbers, space);
        match numbers.below(10) {
            choice if choice < removals => {
                assert_eq!(remove(&mut cursor, &mut txn, &key), model.remove(&key).is_some());
            }
            9 => {
                let value = value(numbers, round);
                txn.begin(Isolation::Snapshot);
                cursor.put(&mut txn, &key, &value, PutMode::Overwrite).unwrap();
                txn.rollback().unwrap();
            }
            _ => {
                let value = value(numbers, round);
                put(&mut cursor, &mut txn, &key, &value);
                model.insert(key, value);
            }
        }
    }
}

/// Which of the existing checkpoints go: sometimes all, sometimes none, mostly one.
fn choose(numbers: &mut Numbers, count: usize) -> Vec<usize> {
    match numbers.below(5) {
        _ if count == 0 => Vec::new(),
        0 => (0..count).collect(),
        1 if count < 6 => Vec::new(),
        2 => (0..count).filter(|_| numbers.below(2) == 0).collect(),
        3 => vec![numbers.below(count as u64) as usize],
        _ => vec![count - 1],
    }
}

#[rstest]
#[case::small_pages(1, 64 << 10, small_pages())]
#[case::another_seed(2, 64 << 10, small_pages())]
#[case::large_cache(3, 64 << 20, small_pages())]
#[case::tiny_cache(4, 16 << 10, small_pages())]
#[case::prefixes(5, 64 << 10, TreeSettings { prefix_compression: true, prefix_compression_min: 2, ..small_pages() })]
#[case::dictionary(6, 64 << 10, TreeSettings { dictionary: 100, ..small_pages() })]
#[case::default_pages(7, 256 << 10, TreeSettings::default())]
#[case::whole_separators(8, 64 << 10, TreeSettings { internal_key_truncate: false, ..small_pages() })]
fn random_changes_and_checkpoints_verify(#[case] seed: u64, #[case] cache: u64, #[case] settings: TreeSettings) {
    let mut numbers = Numbers(seed);
    let mut store = Store::new(cache, settings);
    let mut model = Model::new();
    let mut history: Vec<(u64, Model)> = Vec::new();
    for round in 0..ROUNDS {
        let what = format!("seed {seed}, round {round}");
        // Changes of a transaction that is still running are in no checkpoint.
        let mut other = Txn::new(&store.txns).unwrap();
        let mut other_cursor = TreeCursor::new(&store.tree);
        let uncommitted = round % 3 == 0;
        if uncommitted {
            other.begin(Isolation::Snapshot);
            for number in 0..10 {
                let key = format!("other-{number}").into_bytes();
                other_cursor.put(&mut other, &key, &value(&mut numbers, round), PutMode::Overwrite).unwrap();
            }
        }
        let count = if round % 7 == 6 { 3 } else { 1_500 };
        change(&store, &mut model, &mut numbers, round, count, if round < 12 { 3_000 } else { 400 });
        let delete = choose(&mut numbers, store.checkpoints.len());
        store.checkpoint(&delete);
        store.verify(&what);
        history.retain(|(order, _)| store.checkpoints.iter().any(|kept| kept.order == *order));
        history.push((store.checkpoints.last().unwrap().order, model.clone()));
        for (checkpoint, (order, rows)) in store.checkpoints.iter().zip(&history) {
            assert_eq!(checkpoint.order, *order);
            assert!(store.rows_of(checkpoint) == *rows, "{what}: checkpoint {order}");
        }
        if uncommitted {
            other.rollback().unwrap();
        }
        drop((other_cursor, other));
        if round % 6 == 5 {
            store.reopen();
        }
    }
    assert!(bytes_of(&store.fs, Path::new(PATH)).len() < 16 << 20);
}

#[test]
fn a_tree_that_is_emptied_and_filled_again_verifies() {
    let mut store = Store::new(64 << 10, small_pages());
    let mut numbers = Numbers(21);
    let mut model = Model::new();
    for round in 0..6 {
        change(&store, &mut model, &mut numbers, round, 2_000, 2_000);
        store.checkpoint(&[]);
        assert_ne!(store.verify("filled").newest.rows, 0);
        let mut txn = Txn::new(&store.txns).unwrap();
        let mut cursor = TreeCursor::new(&store.tree);
        for key in std::mem::take(&mut model).into_keys() {
            assert!(remove(&mut cursor, &mut txn, &key));
        }
        drop((cursor, txn));
        let all: Vec<usize> = (0..store.checkpoints.len()).collect();
        store.checkpoint(if round % 2 == 0 { &all } else { &[] });
        let report = store.verify("emptied");
        assert_eq!(report.newest, Counts::default(), "round {round}");
        // A checkpoint without any change since the last.
        store.checkpoint(&[0]);
        store.verify("nothing changed");
    }
}

#[test]
fn a_reader_that_holds_old_versions_loses_no_space() {
    let mut store = Store::new(64 << 10, small_pages());
    let mut numbers = Numbers(33);
    let mut model = Model::new();
    change(&store, &mut model, &mut numbers, 0, 2_000, 1_000);
    store.checkpoint(&[]);
    let mut reader = Txn::new(&store.txns).unwrap();
    reader.begin(Isolation::Snapshot);
    let before = model.clone();
    for round in 1..6 {
        change(&store, &mut model, &mut numbers, round, 600, 1_000);
        store.checkpoint(&[0]);
        store.verify(&format!("round {round}"));
        assert!(store.rows_of(store.checkpoints.last().unwrap()) == model);
    }
    let mut cursor = TreeCursor::new(&store.tree);
    let mut rows = Model::new();
    while cursor.next(&reader).unwrap() {
        rows.insert(cursor.key().to_vec(), cursor.value().to_vec());
    }
    assert!(rows == before);
    drop(cursor);
    reader.rollback().unwrap();
    store.checkpoint(&[0]);
    store.verify("after the reader");
}

#[test]
fn counts_are_those_of_the_tree() {
    let mut store = Store::new(1 << 20, small_pages());
    let mut txn = Txn::new(&store.txns).unwrap();
    let mut cursor = TreeCursor::new(&store.tree);
    for number in 0..500_u32 {
        let len = if number % 100 == 0 { 2_000 } else { 10 };
        put(&mut cursor, &mut txn, format!("{number:05}").as_bytes(), &vec![1; len]);
    }
    drop((cursor, txn));
    store.checkpoint(&[]);
    let report = store.verify("counts");
    assert_eq!((report.newest.rows, report.newest.overflow_pages), (500, 5));
    assert!(report.newest.leaf_pages >= 10 && report.newest.internal_pages >= 1, "{report:?}");
    assert_eq!(report.newest.bytes, store.checkpoints[0].size);
    assert_eq!(report.total, report.newest);
}

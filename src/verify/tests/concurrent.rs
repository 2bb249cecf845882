//! Checkpoints taken beside writers and eviction verify strictly.

use super::store::*;
use super::*;
use crate::btree::{PutMode, TreeCursor};
use crate::txn::{Isolation, Txn};
use rstest::rstest;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes until told to stop: transactions of a few changes, some rolled back.
fn write(tree: &Arc<crate::btree::Tree>, txns: &Arc<crate::txn::TxnGlobal>, seed: u64, stop: &AtomicBool) {
    let mut txn = Txn::new(txns).unwrap();
    let mut cursor = TreeCursor::new(tree);
    let mut numbers = Numbers(seed);
    while !stop.load(Ordering::Relaxed) {
        txn.begin(Isolation::Snapshot);
        let failed = (0..numbers.below(12)).any(|_| {
            let key = format!("key-{:05}", numbers.below(2_000)).into_bytes();
            let len = if numbers.below(40) == 0 { 2_500 } else { numbers.below(60) };
            let changed = match numbers.below(4) {
                0 => cursor.remove(&mut txn, &key),
                _ => cursor.put(&mut txn, &key, &vec![seed as u8; len as usize], PutMode::Overwrite),
            };
            matches!(changed, Err(Error::Rollback(_)))
        });
        if failed || numbers.below(5) == 0 {
            txn.rollback().unwrap();
        } else {
            txn.commit().unwrap();
        }
    }
}

#[rstest]
#[case::tiny_cache(32 << 10)]
#[case::small_cache(256 << 10)]
#[case::large_cache(32 << 20)]
fn checkpoints_beside_writers_verify(#[case] cache: u64) {
    let mut store = Store::new(cache, small_pages());
    for run in 0..3 {
        let stop = AtomicBool::new(false);
        let (tree, txns) = (Arc::clone(&store.tree), Arc::clone(&store.txns));
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (tree, txns, stop) = (&tree, &txns, &stop);
                scope.spawn(move || write(tree, txns, run * 10 + thread, stop));
            }
            for round in 0..12_u64 {
                std::thread::sleep(std::time::Duration::from_millis(10));
                let delete: Vec<usize> = (0..store.checkpoints.len()).filter(|index| (index + 1) % 3 != 0).collect();
                store.checkpoint(if round % 4 == 3 { &[] } else { &delete });
                let report = run_strict(&store);
                if let Err(error) = report {
                    stop.store(true, Ordering::Relaxed);
                    panic!("cache of {cache}, run {run}, round {round}: {error}");
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        drop((tree, txns));
        store.checkpoint(&[0]);
        store.verify("at rest");
        store.reopen();
    }
}

fn run_strict(store: &Store) -> Result<VerifyReport> {
    super::run(&store.input(STRICT)).0
}

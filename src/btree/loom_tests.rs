//! The page protocols under every interleaving that loom finds within a bound: real trees, real version chains.
//!
//! Each test's threads run with loom's atomics and locks (`crate::sync`); files and the cache's counters are not part of the
//! model. Filling a page happens before threads start, so only what races is explored.

use super::arena::Arena;
use super::internal::Target;
use super::tests::{Fixture, autocommit, fixture, small_pages};
use super::tree::Pin;
use super::version::{Kind, Row, Version};
use super::{PutMode, TreeCursor};
use crate::cache::Want;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::model::check;
use crate::txn::{Isolation, TXN_ABORTED, Txn};
use loom::thread;
use std::sync::Arc;

const DROP: Want = Want { space: true, clean: true, aggressive: true };
/// Few of these fill a page.
const ROW: &[u8] = &[1; 3_000];
const CHANGED: &[u8] = &[2; 10];

fn put(fixture: &Fixture, key: &[u8], value: &[u8]) {
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    autocommit(&mut txn, |txn| cursor.put(txn, key, value, PutMode::Overwrite)).unwrap();
}

fn get(fixture: &Fixture, cursor: &mut TreeCursor, key: &[u8]) -> Option<Vec<u8>> {
    let mut txn = Txn::new(&fixture.txns).unwrap();
    txn.prepare_read(Isolation::Snapshot);
    let found = cursor.search(&txn, key).unwrap().then(|| cursor.value().to_vec());
    txn.release_snapshot();
    found
}

fn has_one_leaf_over_limit(fixture: &Fixture) -> bool {
    let participant = fixture.txns.reclaimer().join();
    let pin = Pin::new(fixture.txns.reclaimer(), &participant);
    let leaf = fixture.tree.find_leaf(&pin, Target::Key(b"")).unwrap().leaf;
    let inner = leaf.latch.lock();
    let grown = leaf.high().is_none() && inner.accounted > inner.split_bytes;
    drop(inner);
    drop(pin);
    fixture.txns.reclaimer().leave(&participant);
    grown
}

/// A tree with one leaf, which the next insert splits; keys come downwards, so that the page isn't one that grows at its end.
fn grown() -> (Arc<Fixture>, Vec<[u8; 1]>) {
    let fixture = fixture(100 << 20, small_pages());
    let mut keys = Vec::new();
    while !has_one_leaf_over_limit(&fixture) {
        keys.push([100 - 2 * keys.len() as u8]);
        put(&fixture, keys.last().unwrap(), ROW);
    }
    keys.reverse();
    (Arc::new(fixture), keys)
}

#[test]
fn a_reader_of_a_chain_sees_all_that_was_pushed_before() {
    check(3, || {
        let mut arena = Arena::default();
        let row = Row::new_in(&mut arena, b"key", 0);
        row.push(Version::new_in(&mut arena, 1, Kind::Standard, b"one"));
        let word = row.word();
        // The reader is the spawned thread: loom looks for other orders of a store and the last access before it, and the
        // writer's own load would be that of a reader that ran first.
        let reader = thread::spawn(move || {
            // SAFETY: the arena lives until both threads are done.
            let row = unsafe { Row::from_word(word) };
            let data: Vec<&[u8]> = row.versions().map(Version::data).collect();
            let whole: [&[&[u8]]; 3] = [&[b"one"], &[b"two", b"one"], &[b"two", b"ONE"]];
            assert!(whole.contains(&&data[..]), "{data:?}");
            let newest = row.newest().unwrap();
            // It may be taken back just after it was found.
            assert!(matches!((newest.txn(), newest.data()), (2 | TXN_ABORTED, b"two") | (1, b"one" | b"ONE")));
        });
        let two = Version::new_in(&mut arena, 2, Kind::Standard, b"two");
        row.push(two);
        // As when an overflow block goes: the older version is replaced by a copy.
        let one = row.versions().last().unwrap();
        row.replace(one, one.copy_with(&mut arena, Kind::Standard, b"ONE"));
        two.abort();
        reader.join().unwrap();
        assert_eq!(row.newest().unwrap().data(), b"ONE");
    });
}

/// The reader's cursor rests on the page that is split; whatever was committed before its snapshot, it sees.
#[test]
fn a_resting_cursor_sees_what_was_committed_on_the_pages_that_replaced_its_own() {
    check(2, || {
        let (fixture, keys) = grown();
        let (first, last) = (keys[0], *keys.last().unwrap());
        let committed = Arc::new(AtomicU64::new(0));
        let mut cursor = TreeCursor::new(&fixture.tree);
        assert_eq!(get(&fixture, &mut cursor, &first).unwrap(), ROW);
        let writer = {
            let (fixture, committed) = (Arc::clone(&fixture), Arc::clone(&committed));
            thread::spawn(move || {
                put(&fixture, &[first[0] + 1], CHANGED);
                put(&fixture, &first, CHANGED);
                committed.store(1, Ordering::Release);
            })
        };
        let known = committed.load(Ordering::Acquire) == 1;
        let found = get(&fixture, &mut cursor, &first).expect("the row was always there");
        assert!(found == CHANGED || !known && found == ROW);
        let other = get(&fixture, &mut cursor, &last).expect("the row was always there");
        assert!(other == ROW);
        writer.join().unwrap();
        assert_eq!(get(&fixture, &mut cursor, &first).unwrap(), CHANGED);
        assert!(!has_one_leaf_over_limit(&fixture), "the page was split");
    });
}

/// A cursor at the end of a leaf goes on to the sibling that the leaf gets meanwhile.
#[test]
fn a_cursor_goes_on_to_the_sibling_that_its_leaf_gets() {
    check(2, || {
        let fixture = fixture(100 << 20, small_pages());
        let mut last = 0;
        // Upwards: the next insert gives the leaf an empty sibling.
        while !has_one_leaf_over_limit(&fixture) {
            last += 1;
            put(&fixture, &[last], &[1; 600]);
        }
        let fixture = Arc::new(fixture);
        let committed = Arc::new(AtomicU64::new(0));
        let mut cursor = TreeCursor::new(&fixture.tree);
        assert!(get(&fixture, &mut cursor, &[last]).is_some());
        let writer = {
            let (fixture, committed) = (Arc::clone(&fixture), Arc::clone(&committed));
            thread::spawn(move || {
                put(&fixture, &[last + 1], CHANGED);
                committed.store(1, Ordering::Release);
            })
        };
        let known = committed.load(Ordering::Acquire) == 1;
        let mut txn = Txn::new(&fixture.txns).unwrap();
        txn.prepare_read(Isolation::Snapshot);
        let next = cursor.next(&txn).unwrap().then(|| cursor.key().to_vec());
        txn.release_snapshot();
        assert!(next == Some(vec![last + 1]) || !known && next.is_none(), "{next:?}");
        writer.join().unwrap();
        assert_eq!(get(&fixture, &mut cursor, &[last + 1]).unwrap(), CHANGED);
    });
}

/// Two writers meet on a page that one of them splits: no row is lost.
#[test]
fn writers_on_a_page_that_is_split_lose_nothing() {
    check(2, || {
        let (fixture, keys) = grown();
        let new = [[keys[0][0] + 1], [keys[1][0] + 1]];
        let other = {
            let fixture = Arc::clone(&fixture);
            thread::spawn(move || put(&fixture, &new[1], CHANGED))
        };
        put(&fixture, &new[0], CHANGED);
        other.join().unwrap();
        let mut cursor = TreeCursor::new(&fixture.tree);
        for key in new {
            assert_eq!(get(&fixture, &mut cursor, &key).as_deref(), Some(CHANGED));
        }
        for key in &keys {
            assert_eq!(get(&fixture, &mut cursor, key).as_deref(), Some(ROW));
        }
    });
}

/// A page leaves memory while somebody writes to it, and somebody reads it back.
#[test]
fn a_page_that_is_evicted_keeps_its_rows() {
    check(2, || {
        let fixture = Arc::new(fixture(100 << 20, small_pages()));
        put(&fixture, b"a", ROW);
        put(&fixture, b"b", ROW);
        fixture.txns.update_oldest();
        let evictor = {
            let fixture = Arc::clone(&fixture);
            thread::spawn(move || {
                let participant = fixture.txns.reclaimer().join();
                let pin = Pin::new(fixture.txns.reclaimer(), &participant);
                let leaf = fixture.tree.find_leaf(&pin, Target::Key(b"a")).unwrap().leaf;
                fixture.tree.evict_leaf(&pin, leaf, DROP).unwrap();
                drop(pin);
                fixture.txns.reclaimer().leave(&participant);
                fixture.txns.reclaimer().collect();
            })
        };
        put(&fixture, b"a", CHANGED);
        let mut cursor = TreeCursor::new(&fixture.tree);
        assert_eq!(get(&fixture, &mut cursor, b"a").as_deref(), Some(CHANGED));
        assert_eq!(get(&fixture, &mut cursor, b"b").as_deref(), Some(ROW));
        evictor.join().unwrap();
        assert_eq!(get(&fixture, &mut cursor, b"a").as_deref(), Some(CHANGED));
    });
}

//! Moments of the page protocols that only a race brings about, made by hand: one test each.

#[cfg(not(miri))]
use super::internal::Child;
use super::internal::Target;
use super::leaf::Leaf;
use super::tests::{Fixture, autocommit, checkpoint, fixture, reopen, scan, small_pages};
use super::tree::Pin;
use super::{PutMode, TreeCursor};
use crate::cache::{Evict, Want};
use crate::sync::reclaim::Participant;
use crate::txn::{Isolation, Txn};
use std::time::Duration;

const DROP: Want = Want { space: true, clean: true, aggressive: true };
const CLEAN: Want = Want { space: false, clean: true, aggressive: false };

/// The value of most rows. Miri's pages are filled by few rows.
const ROW: &[u8] = if cfg!(miri) { &[1; 400] } else { &[1; 30] };

fn number_key(number: u64) -> Vec<u8> {
    format!("{number:08}").into_bytes()
}

/// Writes rows, each in a transaction of its own.
fn put(fixture: &Fixture, numbers: impl Iterator<Item = u64>, value: &[u8]) {
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    for number in numbers {
        autocommit(&mut txn, |txn| cursor.put(txn, &number_key(number), value, PutMode::Overwrite)).unwrap();
    }
}

fn remove(fixture: &Fixture, keys: &[Vec<u8>]) {
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    for key in keys {
        autocommit(&mut txn, |txn| cursor.remove(txn, key)).unwrap();
    }
}

fn keys_of(leaf: &Leaf) -> Vec<Vec<u8>> {
    (0..leaf.slots.len()).map(|index| leaf.key_of(leaf.slots.word(index)).to_vec()).collect()
}

fn leaf_at<'p>(fixture: &Fixture, pin: &'p Pin<'_>, key: &[u8]) -> &'p Leaf {
    fixture.tree.find_leaf(pin, Target::Key(key)).unwrap().leaf
}

fn is_over_limit(leaf: &Leaf) -> bool {
    let inner = leaf.latch.lock();
    inner.accounted > inner.split_bytes
}

/// A leaf that the next insert splits: the only one. Gives how many rows it has, with even numbers.
fn grown_leaf(fixture: &Fixture, participant: &Participant) -> u64 {
    let pin = Pin::new(fixture.txns.reclaimer(), participant);
    let leaf = leaf_at(fixture, &pin, b"");
    // Downwards, so that the page doesn't count as growing at its end.
    for row in 0.. {
        put(fixture, [2 * (100_000 - row)].into_iter(), ROW);
        if is_over_limit(leaf) {
            return row + 1;
        }
    }
    unreachable!()
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}");
}

/// A helper that is told of success goes on: if there were always some, writers would help for ever.
#[test]
fn a_page_that_stays_is_no_success_of_eviction() {
    let fixture = fixture(100 << 20, small_pages());
    assert_eq!(fixture.tree.evict_some(DROP), 0, "an empty tree keeps its leaf");
    put(&fixture, 0..3, b"x");
    remove(&fixture, &[number_key(0), number_key(1), number_key(2)]);
    fixture.txns.update_oldest();
    fixture.tree.evict_some(DROP);
    assert_eq!(fixture.tree.evict_some(DROP), 0);
}

/// An empty page goes away, the page behind it takes over its range, and then gets keys below its old range.
#[test]
fn a_page_that_took_over_its_neighbours_range_is_written_and_split() {
    let fixture = fixture(100 << 20, small_pages());
    let participant = fixture.txns.reclaimer().join();
    put(&fixture, (0..if cfg!(miri) { 2_000 } else { 20_000 }).step_by(10), ROW);
    let (empty, next) = {
        let pin = Pin::new(fixture.txns.reclaimer(), &participant);
        let first = leaf_at(&fixture, &pin, b"");
        let empty = leaf_at(&fixture, &pin, first.high().unwrap());
        (keys_of(empty), keys_of(leaf_at(&fixture, &pin, empty.high().unwrap())))
    };
    remove(&fixture, &empty);
    fixture.txns.update_oldest();
    {
        let pin = Pin::new(fixture.txns.reclaimer(), &participant);
        fixture.tree.evict_leaf(&pin, leaf_at(&fixture, &pin, &empty[0]), DROP).unwrap();
        assert!(keys_of(leaf_at(&fixture, &pin, &empty[0])) == next, "the next page took over");
    }
    let low: u64 = String::from_utf8(empty[0].clone()).unwrap().parse().unwrap();
    put(&fixture, low + 1..low + 2, b"below");
    fixture.txns.update_oldest();
    {
        let pin = Pin::new(fixture.txns.reclaimer(), &participant);
        let leaf = leaf_at(&fixture, &pin, &empty[0]);
        assert!(leaf.is_dirty());
        fixture.tree.evict_leaf(&pin, leaf, CLEAN).unwrap();
        assert!(!leaf_at(&fixture, &pin, &empty[0]).is_dirty());
    }
    // Now all of its rows are below its old range, and it is split.
    remove(&fixture, &next);
    put(&fixture, low + 1..low + 120, &[7; 400]);
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let rows = scan(&fixture.tree, &mut txn, true);
    assert_eq!(rows.iter().filter(|(_, value)| value[..] == [7; 400]).count(), 119);
    assert!(rows.is_sorted());
    fixture.txns.reclaimer().leave(&participant);
}

/// An internal page with one child, read from disk, leaves memory again: its separators don't tell where it is.
#[test]
#[cfg(not(miri))]
fn an_internal_page_with_one_child_leaves_memory_twice() {
    let fixture = fixture(100 << 20, small_pages());
    let participant = fixture.txns.reclaimer().join();
    let mut rows = 0;
    loop {
        put(&fixture, rows..rows + 20, &[1; 100]);
        rows += 20;
        let pin = Pin::new(fixture.txns.reclaimer(), &participant);
        let root = fixture.tree.root_page(&pin);
        if let Child::Internal(last) = fixture.tree.child_of(&pin, root.slots.link(root.slots.len() - 1)) {
            assert_eq!(last.slots.len(), 1, "a page that grows at its end leaves its last child");
            break;
        }
    }
    fixture.txns.update_oldest();
    let written = checkpoint(&fixture, None, || {});
    fixture.txns.update_oldest();
    let mut txn = Txn::new(&fixture.txns).unwrap();
    for _ in 0..3 {
        // Rounds enough for every page of the tree.
        for _ in 0..400 {
            fixture.tree.evict_some(DROP);
        }
        {
            let pin = Pin::new(fixture.txns.reclaimer(), &participant);
            let root = fixture.tree.root_page(&pin);
            let last = fixture.tree.child_of(&pin, root.slots.link(root.slots.len() - 1));
            assert!(matches!(last, Child::OnDisk(_)), "it left");
        }
        txn.prepare_read(Isolation::Snapshot);
        assert!(TreeCursor::new(&fixture.tree).search(&txn, &number_key(rows - 1)).unwrap());
        txn.release_snapshot();
    }
    assert_eq!(scan(&fixture.tree, &mut txn, true).len() as u64, rows);
    let reopened = reopen(&fixture, &written);
    assert_eq!(scan(&reopened.tree, &mut Txn::new(&reopened.txns).unwrap(), true).len() as u64, rows);
    fixture.txns.reclaimer().leave(&participant);
}

/// A clean leaf that a running checkpoint has passed is split by an insert that comes later: the half without the new row
/// must not be written (and give up the blocks that the checkpoint refers to) before the checkpoint is complete.
#[test]
fn a_checkpoint_keeps_the_blocks_of_a_page_that_is_split_behind_it() {
    let fixture = fixture(100 << 20, small_pages());
    let participant = fixture.txns.reclaimer().join();
    let mut old_reader = Txn::new(&fixture.txns).unwrap();
    old_reader.begin(Isolation::Snapshot);
    let rows = grown_leaf(&fixture, &participant);
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let expected = scan(&fixture.tree, &mut txn, true);
    // For the old reader's sake the checkpoint leaves the page as it is.
    let written = checkpoint(&fixture, None, || {
        old_reader.rollback().unwrap();
        fixture.txns.update_oldest();
        put(&fixture, [2 * (100_000 - rows / 4) - 1].into_iter(), b"later");
        fixture.txns.update_oldest();
        let pin = Pin::new(fixture.txns.reclaimer(), &participant);
        let left = leaf_at(&fixture, &pin, b"");
        assert!(left.high().is_some() && left.is_dirty(), "it was split");
        assert_eq!(fixture.tree.evict_leaf(&pin, left, DROP).unwrap(), 0);
        for _ in 0..4 {
            fixture.tree.evict_some(DROP);
        }
    });
    let reopened = reopen(&fixture, &written);
    assert!(scan(&reopened.tree, &mut Txn::new(&reopened.txns).unwrap(), true) == expected);
    fixture.txns.reclaimer().leave(&participant);
}

/// A cursor that rests on a leaf must find it dead before anything can be committed on the pages that replace it, and who
/// writes on those must find their ancestors marked.
#[test]
fn a_leaf_is_dead_and_its_ancestors_dirty_before_its_successors_can_be_found() {
    let fixture = fixture(100 << 20, small_pages());
    let participant = fixture.txns.reclaimer().join();
    let mut old_reader = Txn::new(&fixture.txns).unwrap();
    old_reader.begin(Isolation::Snapshot);
    grown_leaf(&fixture, &participant);
    checkpoint(&fixture, None, || {});
    let pin = Pin::new(fixture.txns.reclaimer(), &participant);
    let (root, leaf) = (fixture.tree.root_page(&pin), leaf_at(&fixture, &pin, b""));
    assert!(is_over_limit(leaf) && !leaf.is_dirty() && !root.is_dirty());
    let parent_latch = root.latch.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| put(&fixture, [7].into_iter(), b"splits"));
        eventually("dead", || leaf.is_dead());
        assert_eq!(root.slots.len(), 1, "nothing can be found yet");
        assert!(root.is_dirty());
        drop(parent_latch);
    });
    assert_eq!(root.slots.len(), 2);
    drop(pin);
    fixture.txns.reclaimer().leave(&participant);
}

/// A cursor at the end of a leaf that gets a right sibling must not go past the sibling once that can have rows.
#[test]
fn a_leaf_lowers_its_bound_before_its_sibling_can_be_found() {
    let fixture = fixture(100 << 20, small_pages());
    let participant = fixture.txns.reclaimer().join();
    let pin = Pin::new(fixture.txns.reclaimer(), &participant);
    let (root, leaf) = (fixture.tree.root_page(&pin), leaf_at(&fixture, &pin, b""));
    let mut rows = 0;
    while !is_over_limit(leaf) {
        put(&fixture, rows..rows + 1, ROW);
        rows += 1;
    }
    let parent_latch = root.latch.lock();
    std::thread::scope(|scope| {
        scope.spawn(|| put(&fixture, rows..rows + 1, b"splits"));
        eventually("bounded", || leaf.high().is_some());
        assert_eq!(root.slots.len(), 1, "the sibling can't be found yet");
        drop(parent_latch);
    });
    assert_eq!(root.slots.len(), 2);
    assert!(!leaf.is_dead());
    drop(pin);
    fixture.txns.reclaimer().leave(&participant);
}

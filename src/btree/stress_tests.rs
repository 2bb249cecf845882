//! Everything at once: writers, readers, eviction, splits, page-in and checkpoints on one tree whose cache holds a fraction
//! of it, against models.
//!
//! * Each writer owns every n-th key (so pages are shared) and a *mark*, a row with the number of its last transaction. The
//!   journal of its transactions says what its rows are at every mark, hence in every snapshot and in every checkpoint.
//! * Transfers between accounts keep a sum that every snapshot and every checkpoint shows.
//! * Increments of counters are not lost.
//!
//! `HARDWIRED_STRESS_SECONDS` makes it run longer, `HARDWIRED_STRESS_SEED` differently.

use super::tests::{Fixture, Numbers, checkpoint, fixture, reopen, scan, small_pages};
use super::{PutMode, TreeCursor};
use crate::cache::EvictionServer;
use crate::txn::{Isolation, Txn};
use hardwired_plugin::Result;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KEYS: u64 = if cfg!(miri) { 60 } else { 24_000 };
const ACCOUNTS: u64 = if cfg!(miri) { 6 } else { 300 };
const COUNTERS: u64 = 20;
const START: u64 = 1_000;

type Row = (Vec<u8>, Vec<u8>);
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What one transaction of a writer did to its rows: `None` is a removal.
type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A writer's committed transactions in order: the first has mark 1. Entered before the commit.
#[derive(Default)]
struct Journal(Mutex<Vec<Changes>>);

/// A writer's rows at a mark that only grows.
#[derive(Default)]
struct Replay {
    mark: usize,
    rows: Model,
}

struct Plan {
    writers: u64,
    cache_bytes: u64,
    seconds: u64,
    /// Transactions of a writer, at most.
    transactions: u64,
    seed: u64,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

fn plan(cache_bytes: u64, seed: u64) -> Plan {
    Plan {
        writers: if cfg!(miri) { 2 } else { 3 },
        cache_bytes,
        seconds: setting("HARDWIRED_STRESS_SECONDS", 2),
        transactions: if cfg!(miri) { 12 } else { u64::MAX },
        seed: setting("HARDWIRED_STRESS_SEED", seed),
    }
}

fn row_key(number: u64) -> Vec<u8> {
    // Lengths differ, so that separators and shared prefixes do.
    format!("row-{number:06}{}", "+".repeat((number % 5) as usize)).into_bytes()
}

fn owner(key: &[u8], writers: u64) -> Option<u64> {
    let number = std::str::from_utf8(key.strip_prefix(b"row-")?.get(..6)?).unwrap();
    Some(number.parse::<u64>().unwrap() % writers)
}

fn account(number: u64) -> Vec<u8> {
    // Far apart among the rows, so that a transfer changes two pages.
    format!("row-{:06}$account", number * (KEYS / ACCOUNTS)).into_bytes()
}

fn is_account(key: &[u8]) -> bool {
    key.ends_with(b"$account")
}

fn mark_key(writer: u64) -> Vec<u8> {
    format!("writer-{writer}").into_bytes()
}

fn counter_key(counter: u64) -> Vec<u8> {
    format!("counter-{counter:02}").into_bytes()
}

fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().unwrap())
}

impl Journal {
    /// Applies what was done up to `mark`.
    fn replay(&self, replay: &mut Replay, mark: usize) {
        let entries = self.0.lock();
        assert!(replay.mark <= mark && mark <= entries.len(), "mark {mark} after {} of {}", replay.mark, entries.len());
        for (key, value) in entries[replay.mark..mark].iter().flatten() {
            match value {
                Some(value) => replay.rows.insert(key.clone(), value.clone()),
                None => replay.rows.remove(key),
            };
        }
        replay.mark = mark;
    }
}

/// Whether all rows of a snapshot (or checkpoint) belong to one moment of each writer, and accounts add up.
fn check_rows(plan: &Plan, journals: &[Journal], replays: &mut [Replay], rows: &[Row], what: &str) {
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "{what}: order");
    let mut sum = 0;
    let mut found: Vec<Vec<&Row>> = vec![Vec::new(); journals.len()];
    for row in rows {
        if is_account(&row.0) {
            sum += number(&row.1);
        } else if let Some(owner) = owner(&row.0, plan.writers) {
            found[owner as usize].push(row);
        }
    }
    assert_eq!(sum, ACCOUNTS * START, "{what}: seed {}", plan.seed);
    for (writer, (journal, replay)) in journals.iter().zip(replays).enumerate() {
        let mark = mark_key(writer as u64);
        let mark = rows.iter().find(|(key, _)| *key == mark).map_or(0, |(_, value)| number(value));
        journal.replay(replay, mark as usize);
        let expected: Vec<Row> = replay.rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let found: Vec<Row> = found[writer].iter().map(|row| (*row).clone()).collect();
        let wrong = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        assert!(found == expected, "{what}: writer {writer} at {mark}, seed {}: {wrong:?}", plan.seed);
    }
}

/// One thread that writes and checks what it owns.
struct Writer<'a> {
    plan: &'a Plan,
    fixture: &'a Fixture,
    journal: &'a Journal,
    increments: &'a AtomicU64,
    me: u64,
    numbers: Numbers,
    txn: Txn,
    cursor: TreeCursor,
    /// Rests somewhere while other things happen.
    resting: TreeCursor,
    rows: Model,
    transactions: u64,
}

impl Writer<'_> {
    fn own_key(&mut self) -> Vec<u8> {
        row_key(self.numbers.next() % (KEYS / self.plan.writers) * self.plan.writers + self.me)
    }

    fn value(&mut self) -> Vec<u8> {
        let len = if self.numbers.next().is_multiple_of(100) { 2_000 } else { self.numbers.next() % 80 };
        vec![self.numbers.next() as u8; len as usize]
    }

    /// Some changes of own rows in one transaction: committed with a new mark, or rolled back.
    fn change_rows(&mut self) {
        let run = self.numbers.next() % 30;
        let mut key = self.own_key();
        let ascending = self.numbers.next().is_multiple_of(3);
        let mut changes: Changes = Vec::new();
        self.txn.begin(Isolation::Snapshot);
        let mut result = Ok(());
        for _ in 0..run {
            if ascending {
                let next = owner_next(&key, self.plan.writers);
                key = next.unwrap_or_else(|| self.own_key());
            } else {
                key = self.own_key();
            }
            let value = self.value();
            // Removals prevail in some transactions, so that pages become empty.
            let removes = if ascending && run.is_multiple_of(2) { 7 } else { 2 };
            let remove = self.numbers.next() % 8 < removes;
            let known = changes.iter().rev().find(|(changed, _)| *changed == key).map(|(_, value)| value.is_some());
            let exists = known.unwrap_or_else(|| self.rows.contains_key(&key));
            let done = match (remove, exists) {
                (true, true) => self.cursor.remove(&mut self.txn, &key),
                (true, false) => continue,
                _ => self.cursor.put(&mut self.txn, &key, &value, PutMode::Overwrite),
            };
            if let Err(error) = done {
                result = Err(error);
                break;
            }
            changes.push((key.clone(), (!remove).then_some(value)));
        }
        let mark = (self.journal.0.lock().len() as u64 + 1).to_le_bytes();
        let result =
            result.and_then(|()| self.cursor.put(&mut self.txn, &mark_key(self.me), &mark, PutMode::Overwrite));
        if result.is_err() || self.numbers.next().is_multiple_of(5) {
            self.txn.rollback().unwrap();
            return;
        }
        for (key, value) in &changes {
            match value {
                Some(value) => self.rows.insert(key.clone(), value.clone()),
                None => self.rows.remove(key),
            };
        }
        self.journal.0.lock().push(changes);
        self.txn.commit().unwrap();
    }

    fn read_row(&mut self) {
        let key = self.own_key();
        self.txn.prepare_read(Isolation::Snapshot);
        let found = self.cursor.search(&self.txn, &key).unwrap().then(|| self.cursor.value().to_vec());
        assert_eq!(found.as_ref(), self.rows.get(&key), "seed {}", self.plan.seed);
        self.txn.release_snapshot();
    }

    /// From where the resting cursor is: the next (previous) own row must be the model's.
    fn step(&mut self) {
        let forward = self.numbers.next().is_multiple_of(2);
        let (own, writers) = (self.me, self.plan.writers);
        self.txn.prepare_read(Isolation::Snapshot);
        if !self.resting.is_positioned() {
            let key = self.own_key();
            let found = self.resting.seek_ge(&self.txn, &key).unwrap();
            assert!(found || self.rows.range(key..).next().is_none());
        }
        for _ in 0..self.numbers.next() % 6 {
            if !self.resting.is_positioned() {
                break;
            }
            let from = self.resting.key().to_vec();
            let mut next = if forward {
                self.rows.range((std::ops::Bound::Excluded(from.clone()), std::ops::Bound::Unbounded)).next()
            } else {
                self.rows.range(..from.clone()).next_back()
            };
            let expected = next.take();
            let found = loop {
                let moved = if forward { self.resting.next(&self.txn) } else { self.resting.prev(&self.txn) }.unwrap();
                if !moved {
                    break None;
                }
                let key = self.resting.key();
                if !is_account(key) && owner(key, writers) == Some(own) {
                    break Some((key.to_vec(), self.resting.value().to_vec()));
                }
            };
            assert!(
                found.as_ref().map(|(key, value)| (key, value)) == expected,
                "writer {own} from {from:?} forward {forward}: found {found:?}, not {expected:?}, seed {}",
                self.plan.seed
            );
        }
        if self.numbers.next().is_multiple_of(10) {
            self.resting.reset();
        }
        self.txn.release_snapshot();
    }

    /// A change of the sum of two rows by nothing; conflicts are rolled back.
    fn transfer(&mut self) -> Result<()> {
        let (from, to) = (account(self.numbers.next() % ACCOUNTS), account(self.numbers.next() % ACCOUNTS));
        self.txn.begin(Isolation::Snapshot);
        let read = |cursor: &mut TreeCursor, txn: &Txn, key: &[u8]| {
            assert!(cursor.search(txn, key).unwrap());
            number(cursor.value())
        };
        let amount = read(&mut self.cursor, &self.txn, &from).min(self.numbers.next() % 50);
        let left = read(&mut self.cursor, &self.txn, &from) - amount;
        self.cursor.put(&mut self.txn, &from, &left.to_le_bytes(), PutMode::UpdateOnly)?;
        let more = read(&mut self.cursor, &self.txn, &to) + amount;
        self.cursor.put(&mut self.txn, &to, &more.to_le_bytes(), PutMode::UpdateOnly)?;
        self.txn.commit()
    }

    fn increment(&mut self) -> Result<()> {
        let key = counter_key(self.numbers.next() % COUNTERS);
        self.txn.begin(Isolation::Snapshot);
        let old = if self.cursor.search(&self.txn, &key).unwrap() { number(self.cursor.value()) } else { 0 };
        self.cursor.put(&mut self.txn, &key, &(old + 1).to_le_bytes(), PutMode::Overwrite)?;
        self.txn.commit()?;
        self.increments.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn run(&mut self, deadline: Instant) {
        while Instant::now() < deadline && self.transactions < self.plan.transactions {
            self.transactions += 1;
            let result = match self.numbers.next() % 8 {
                0..3 => {
                    self.change_rows();
                    Ok(())
                }
                3 => {
                    self.read_row();
                    Ok(())
                }
                4..6 => {
                    self.step();
                    Ok(())
                }
                6 => self.transfer(),
                _ => self.increment(),
            };
            if result.is_err() {
                self.txn.rollback().unwrap();
            }
        }
        let mut txn = Txn::new(&self.fixture.txns).unwrap();
        let own = scan(&self.fixture.tree, &mut txn, true);
        let own = own.into_iter().filter(|(key, _)| !is_account(key) && owner(key, self.plan.writers) == Some(self.me));
        assert!(own.eq(std::mem::take(&mut self.rows)), "writer {} at the end, seed {}", self.me, self.plan.seed);
    }
}

/// The same owner's key behind `key`.
fn owner_next(key: &[u8], writers: u64) -> Option<Vec<u8>> {
    let number = std::str::from_utf8(&key[4..10]).unwrap().parse::<u64>().unwrap() + writers;
    (number < KEYS).then(|| row_key(number))
}

/// Checks whole snapshots, forwards and backwards, until it is told to stop.
fn read_all(plan: &Plan, fixture: &Fixture, journals: &[Journal], stop: &AtomicBool) {
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut replays: Vec<Replay> = journals.iter().map(|_| Replay::default()).collect();
    let mut cursor = TreeCursor::new(&fixture.tree);
    while !stop.load(Ordering::Relaxed) {
        txn.begin(Isolation::Snapshot);
        let mut rows = Vec::new();
        while cursor.next(&txn).unwrap() {
            rows.push((cursor.key().to_vec(), cursor.value().to_vec()));
        }
        check_rows(plan, journals, &mut replays, &rows, "snapshot");
        let mut backward = Vec::new();
        while cursor.prev(&txn).unwrap() {
            backward.push((cursor.key().to_vec(), cursor.value().to_vec()));
        }
        backward.reverse();
        assert!(backward == rows, "a snapshot is the same forwards and backwards, seed {}", plan.seed);
        txn.commit().unwrap();
    }
}

/// Writes checkpoints and reads each of them from its file, until it is told to stop. Gives how many.
fn write_checkpoints(plan: &Plan, fixture: &Fixture, journals: &[Journal], stop: &AtomicBool) -> u64 {
    let mut replays: Vec<Replay> = journals.iter().map(|_| Replay::default()).collect();
    let mut last = None;
    for count in 1.. {
        let ends = stop.load(Ordering::Relaxed);
        let written = checkpoint(fixture, last.as_ref(), || {});
        let reopened = reopen(fixture, &written);
        let mut txn = Txn::new(&reopened.txns).unwrap();
        let rows = scan(&reopened.tree, &mut txn, true);
        check_rows(plan, journals, &mut replays, &rows, "checkpoint");
        last = Some(written);
        if ends {
            return count;
        }
    }
    unreachable!()
}

fn run(plan: &Plan) {
    let fixture = fixture(plan.cache_bytes, small_pages());
    let server = EvictionServer::start(&fixture.cache, &fixture.txns).unwrap();
    let mut txn = Txn::new(&fixture.txns).unwrap();
    let mut cursor = TreeCursor::new(&fixture.tree);
    txn.begin(Isolation::Snapshot);
    for number in 0..ACCOUNTS {
        cursor.put(&mut txn, &account(number), &START.to_le_bytes(), PutMode::InsertOnly).unwrap();
    }
    txn.commit().unwrap();
    drop((cursor, txn));
    let journals: Vec<Journal> = (0..plan.writers).map(|_| Journal::default()).collect();
    let (stop, increments) = (AtomicBool::new(false), AtomicU64::new(0));
    let deadline = Instant::now() + Duration::from_secs(plan.seconds);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..plan.writers)
            .map(|me| {
                let mut writer = Writer {
                    plan,
                    fixture: &fixture,
                    journal: &journals[me as usize],
                    increments: &increments,
                    me,
                    numbers: Numbers(plan.seed << 8 | me),
                    txn: Txn::new(&fixture.txns).unwrap(),
                    cursor: TreeCursor::new(&fixture.tree),
                    resting: TreeCursor::new(&fixture.tree),
                    rows: Model::new(),
                    transactions: 0,
                };
                scope.spawn(move || writer.run(deadline))
            })
            .collect();
        scope.spawn(|| read_all(plan, &fixture, &journals, &stop));
        let checkpoints = scope.spawn(|| write_checkpoints(plan, &fixture, &journals, &stop));
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(|ended| ended.is_ok()), "seed {}", plan.seed);
        assert!(checkpoints.join().unwrap() > 0);
    });
    let rows = scan(&fixture.tree, &mut Txn::new(&fixture.txns).unwrap(), true);
    let total: u64 = rows.iter().filter(|(key, _)| key.starts_with(b"counter")).map(|(_, value)| number(value)).sum();
    assert_eq!(total, increments.load(Ordering::Relaxed), "increments, seed {}", plan.seed);
    drop(server);
    let Fixture { tree, cache, .. } = fixture;
    drop(tree);
    assert_eq!((cache.bytes(), cache.dirty_bytes()), (0, 0), "what pages took they gave back");
}

#[test]
fn everything_at_once_in_a_tiny_cache() {
    run(&plan(if cfg!(miri) { 20 << 10 } else { 200 << 10 }, 1));
}

#[test]
#[cfg(not(miri))]
fn everything_at_once_in_a_small_cache() {
    run(&plan(2 << 20, 2));
}

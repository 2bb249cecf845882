//! Stress through the public interface: many threads on one small cache, and laws that must hold all the time.
//!
//! ```sh
//! cargo run --release --example stress -- [--seconds N] [--seed N] [--writers N] [--cache-mb N]
//! ```
//!
//! | law | how it is looked at |
//! | --- | --- |
//! | a snapshot is one moment of all tables | transfers between two tables never change the total that any scan, forwards or backwards, of a transaction or of a checkpoint finds |
//! | no update is lost | counters end at the number of increments that committed |
//! | write skew is permitted, and nothing beyond | once on purpose; and the sum of a pair, which every decrement leaves at 0 or more as it sees it, is never below -1 |
//! | splits, eviction and checkpoints change nothing | rows of up to some kilobytes come and go between the accounts, in a cache that is smaller than the tables |
//! | what was closed is what is opened | all of it again after closing, and verification |
//!
//! The same seed gives each thread the same choices; how threads meet is up to the machine. A breach panics and names the
//! seed. It is also the program that ThreadSanitizer runs; see CONTRIBUTING.md.

use hardwired::{Connection, Cursor, ErrorCode, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Accounts in each of the two tables.
const ACCOUNTS: u64 = 50;
const START: i64 = 1_000;
const TOTAL: i64 = 2 * ACCOUNTS.cast_signed() * START;
/// Keys from one account to the next: room for rows that come and go.
const STRIDE: u64 = 200;
const COUNTERS: u64 = 5;
const PAIRS: u64 = 3;

const BANKS: [&str; 2] = ["table:bank-a", "table:bank-b"];
const COUNTS: &str = "table:counts";
const PAIR: &str = "table:pairs";

#[derive(Debug, Clone, Copy)]
struct Plan {
    seconds: u64,
    seed: u64,
    writers: u64,
    cache_mb: u64,
}

/// What all threads count.
#[derive(Debug, Default)]
struct Tally {
    stop: AtomicBool,
    commits: AtomicU64,
    rollbacks: AtomicU64,
    increments: AtomicU64,
    scans: AtomicU64,
    checkpoints: AtomicU64,
    skews: AtomicU64,
}

fn main() -> Result<()> {
    let plan = arguments();
    let home = std::env::temp_dir().join(format!("hardwired-stress-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a temporary directory can be made");
    println!("{plan:?} in {}", home.display());
    let tally = Tally::default();
    let connection = open(&home, plan)?;
    fill(&connection)?;
    skew_on_purpose(&connection)?;
    run(&connection, plan, &tally)?;
    check_all(&connection, plan, &tally)?;
    connection.close("")?;
    drop(connection);

    let connection = open(&home, plan)?;
    check_all(&connection, plan, &tally)?;
    let session = connection.open_session("")?;
    for table in [BANKS[0], BANKS[1], COUNTS, PAIR] {
        session.verify(table, "")?;
    }
    drop(session);
    connection.close("")?;
    std::fs::remove_dir_all(&home).expect("the directory is this program's");
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "held: {} commits, {} rollbacks, {} increments, {} scans, {} checkpoints, {} write skews",
        read(&tally.commits),
        read(&tally.rollbacks),
        read(&tally.increments),
        read(&tally.scans),
        read(&tally.checkpoints),
        read(&tally.skews)
    );
    Ok(())
}

fn arguments() -> Plan {
    let mut plan = Plan { seconds: 20, seed: 1, writers: 6, cache_mb: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        let value = value.unwrap_or_else(|| panic!("{option} needs a number"));
        match option.as_str() {
            "--seconds" => plan.seconds = value,
            "--seed" => plan.seed = value,
            "--writers" => plan.writers = value,
            "--cache-mb" => plan.cache_mb = value,
            _ => panic!("no option {option}"),
        }
    }
    plan
}

fn open(home: &Path, plan: Plan) -> Result<Connection> {
    Connection::builder(home).create(true).cache_size(plan.cache_mb << 20).open()
}

fn fill(connection: &Connection) -> Result<()> {
    let session = connection.open_session("")?;
    for bank in BANKS {
        session.create(
            bank,
            "key_format=Q,value_format=qu,leaf_page_max=4KB,internal_page_max=4KB,memory_page_max=32KB",
        )?;
        let mut rows = session.open_cursor(bank, "")?;
        for account in 0..ACCOUNTS {
            rows.put((account * STRIDE,), (START, &[][..]))?;
        }
    }
    session.create(COUNTS, "key_format=Q,value_format=Q")?;
    session.create(PAIR, "key_format=Q,value_format=q")?;
    let mut counts = session.open_cursor(COUNTS, "")?;
    (0..COUNTERS).try_for_each(|counter| counts.put((counter,), (0_u64,)))?;
    let mut pairs = session.open_cursor(PAIR, "")?;
    (0..2 * PAIRS).try_for_each(|half| pairs.put((half,), (1_i64,)))
}

/// Two transactions that each read what the other changes both commit: snapshot isolation isn't serializability.
fn skew_on_purpose(connection: &Connection) -> Result<()> {
    let (first, second) = (connection.open_session("")?, connection.open_session("")?);
    let (mut one, mut other) = (first.open_cursor(PAIR, "")?, second.open_cursor(PAIR, "")?);
    first.begin_transaction("isolation=snapshot")?;
    second.begin_transaction("isolation=snapshot")?;
    assert_eq!((number(&mut one, 0)?, number(&mut other, 1)?), (1, 1));
    one.put((1_u64,), (0_i64,))?;
    other.put((0_u64,), (0_i64,))?;
    first.commit_transaction("")?;
    second.commit_transaction("")?;
    assert_eq!((number(&mut one, 0)?, number(&mut other, 1)?), (0, 0));
    Ok(())
}

fn run(connection: &Connection, plan: Plan, tally: &Tally) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(plan.seconds);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..plan.writers)
            .map(|me| scope.spawn(move || write(connection, Numbers(plan.seed << 8 | me), deadline, tally)))
            .collect();
        let others = [
            scope.spawn(|| scan(connection, plan, tally)),
            scope.spawn(|| scan(connection, plan, tally)),
            scope.spawn(|| write_checkpoints(connection, plan, tally)),
        ];
        let written: Vec<_> = writers.into_iter().map(|thread| thread.join()).collect();
        tally.stop.store(true, Ordering::Relaxed);
        let others = others.map(|thread| thread.join());
        for ended in written.into_iter().chain(others) {
            ended.unwrap_or_else(|_| panic!("a thread panicked, {plan:?}"))?;
        }
        Ok(())
    })
}

/// Sees to it that no thread goes on when one has failed.
struct StopOnPanic<'a>(&'a Tally);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Cursors of one writer.
struct Writer<'s> {
    banks: [Cursor<'s>; 2],
    counts: Cursor<'s>,
    pairs: Cursor<'s>,
    numbers: Numbers,
}

fn write(connection: &Connection, numbers: Numbers, deadline: Instant, tally: &Tally) -> Result<()> {
    let _stop = StopOnPanic(tally);
    let session = connection.open_session("")?;
    let banks = [session.open_cursor(BANKS[0], "")?, session.open_cursor(BANKS[1], "")?];
    let (counts, pairs) = (session.open_cursor(COUNTS, "")?, session.open_cursor(PAIR, "")?);
    let mut writer = Writer { banks, counts, pairs, numbers };
    while Instant::now() < deadline && !tally.stop.load(Ordering::Relaxed) {
        session.begin_transaction("isolation=snapshot")?;
        let action = writer.numbers.below(8);
        let done = match action {
            0..3 => writer.transfer(),
            3..6 => writer.change_rows(),
            6 => writer.increment(),
            _ => writer.change_pair(tally),
        };
        // Some are given up although nothing stands against them.
        let give_up = writer.numbers.below(16) == 0;
        let ended = match done {
            Ok(()) if give_up => session.rollback_transaction("").map(|()| false),
            Ok(()) => session.commit_transaction("").map(|()| true),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::ROLLBACK, "{error}");
                session.rollback_transaction("").map(|()| false)
            }
        };
        let committed = ended?;
        if committed && action == 6 {
            tally.increments.fetch_add(1, Ordering::Relaxed);
        }
        (if committed { &tally.commits } else { &tally.rollbacks }).fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

impl Writer<'_> {
    fn transfer(&mut self) -> Result<()> {
        let [from, to] = [(); 2].map(|()| (self.numbers.below(2) as usize, self.numbers.below(ACCOUNTS) * STRIDE));
        let amount = self.numbers.below(100).cast_signed();
        for ((bank, account), change) in [(from, -amount), (to, amount)] {
            let (balance, _) = row(&mut self.banks[bank], account)?;
            self.banks[bank].put((account,), (balance + change, &[][..]))?;
        }
        Ok(())
    }

    /// A run of rows without money comes or goes, or single ones here and there.
    fn change_rows(&mut self) -> Result<()> {
        let bank = &mut self.banks[self.numbers.below(2) as usize];
        let mut key = self.numbers.below(ACCOUNTS * STRIDE);
        let runs = self.numbers.below(2) == 0;
        let removes = self.numbers.below(3) == 0;
        for _ in 0..self.numbers.below(40) {
            key = if runs { key + 1 } else { self.numbers.below(ACCOUNTS * STRIDE) };
            if key.is_multiple_of(STRIDE) {
                continue;
            }
            if removes {
                bank.delete((key,))?;
            } else {
                let large = self.numbers.below(50) == 0;
                let len = self.numbers.below(if large { 6_000 } else { 150 });
                bank.put((key,), (0_i64, &vec![key as u8; len as usize][..]))?;
            }
        }
        Ok(())
    }

    fn increment(&mut self) -> Result<()> {
        let counter = self.numbers.below(COUNTERS);
        let (count,): (u64,) = self.counts.get((counter,))?.expect("counters are never removed");
        self.counts.put((counter,), (count + 1,))
    }

    /// Takes one from a half of a pair if the sum allows it; else fills the pair again.
    fn change_pair(&mut self, tally: &Tally) -> Result<()> {
        let first = self.numbers.below(PAIRS) * 2;
        let halves = [number(&mut self.pairs, first)?, number(&mut self.pairs, first + 1)?];
        let sum: i64 = halves.iter().sum();
        assert!((-1..=2).contains(&sum), "pair {first}: {halves:?}");
        if sum > 0 {
            let half = self.numbers.below(2);
            return self.pairs.put((first + half,), (halves[half as usize] - 1,));
        }
        if sum < 0 {
            tally.skews.fetch_add(1, Ordering::Relaxed);
        }
        (0..2).try_for_each(|half| self.pairs.put((first + half,), (1_i64,)))
    }
}

fn row(bank: &mut Cursor<'_>, key: u64) -> Result<(i64, Vec<u8>)> {
    Ok(bank.get((key,))?.expect("accounts are never removed"))
}

fn number(cursor: &mut Cursor<'_>, key: u64) -> Result<i64> {
    let (number,): (i64,) = cursor.get((key,))?.expect("the row is never removed");
    Ok(number)
}

/// The money in a table; with `backward` from its end. Checks order and rows on the way.
fn money(rows: &mut Cursor<'_>, backward: bool) -> Result<i64> {
    let (mut sum, mut accounts, mut last) = (0, 0, None);
    rows.reset()?;
    while if backward { rows.prev()? } else { rows.next()? } {
        let (key,): (u64,) = rows.get_key()?;
        let ordered = last.is_none_or(|last| if backward { key < last } else { key > last });
        assert!(ordered, "{key} behind {last:?}, backward {backward}");
        last = Some(key);
        let (balance, filling): (i64, &[u8]) = rows.get_value()?;
        sum += balance;
        if key.is_multiple_of(STRIDE) {
            accounts += 1;
        } else {
            assert_eq!(balance, 0, "row {key}");
            assert!(filling.iter().all(|byte| *byte == key as u8), "row {key}");
        }
    }
    assert_eq!(accounts, ACCOUNTS, "accounts, backward {backward}");
    Ok(sum)
}

fn scan(connection: &Connection, plan: Plan, tally: &Tally) -> Result<()> {
    let _stop = StopOnPanic(tally);
    let session = connection.open_session("")?;
    let mut banks = [session.open_cursor(BANKS[0], "")?, session.open_cursor(BANKS[1], "")?];
    while !tally.stop.load(Ordering::Relaxed) {
        session.begin_transaction("isolation=snapshot")?;
        let forward = money(&mut banks[0], false)? + money(&mut banks[1], false)?;
        let backward = money(&mut banks[0], true)? + money(&mut banks[1], true)?;
        assert_eq!((forward, backward), (TOTAL, TOTAL), "a snapshot's totals, {plan:?}");
        session.commit_transaction("")?;
        tally.scans.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn write_checkpoints(connection: &Connection, plan: Plan, tally: &Tally) -> Result<()> {
    let _stop = StopOnPanic(tally);
    let session = connection.open_session("")?;
    for count in 1.. {
        let last = tally.stop.load(Ordering::Relaxed);
        session.checkpoint("")?;
        let config = "checkpoint=WiredTigerCheckpoint";
        let mut banks = [session.open_cursor(BANKS[0], config)?, session.open_cursor(BANKS[1], config)?];
        let total = money(&mut banks[0], false)? + money(&mut banks[1], false)?;
        assert_eq!(total, TOTAL, "checkpoint {count}, {plan:?}");
        tally.checkpoints.fetch_add(1, Ordering::Relaxed);
        if last {
            break;
        }
    }
    Ok(())
}

/// What must hold when everybody has gone.
fn check_all(connection: &Connection, plan: Plan, tally: &Tally) -> Result<()> {
    let session = connection.open_session("")?;
    let mut banks = [session.open_cursor(BANKS[0], "")?, session.open_cursor(BANKS[1], "")?];
    assert_eq!(money(&mut banks[0], false)? + money(&mut banks[1], true)?, TOTAL, "{plan:?}");
    let mut counts = session.open_cursor(COUNTS, "")?;
    let mut counted = 0;
    while counts.next()? {
        let (count,): (u64,) = counts.get_value()?;
        counted += count;
    }
    assert_eq!(counted, tally.increments.load(Ordering::Relaxed), "increments, {plan:?}");
    Ok(())
}

/// A repeatable sequence of numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

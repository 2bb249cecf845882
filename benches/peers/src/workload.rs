//! The workloads, run in order on one engine in this process; each prints its figure as one line of standard output.
//!
//! 1. Every answer is checked against what was written; a wrong one fails the whole run.
//! 2. Work between two figures (a load that wasn't asked for, dirtying rows, warming up) is never timed.
//! 3. Workloads that only read run for a time; those that write do a fixed number of operations (bounded by a time that
//!    only slow engines reach), so that all engines carry the same history into the next workload.
//! 4. A thread writes only rows whose number is its own modulo the number of threads: no conflicts, nothing to retry.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    engine::{Engine, Options, Worker},
    rows::{Batch, Checker, Permutation, Random, Rows, Shape},
};

/// Rows of a short range.
const RANGE_ROWS: u64 = 100;

/// One kind of work; a run does those it is asked for in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Workload {
    /// Insert all rows in key order, then make them durable.
    LoadSeq,
    /// Insert all rows in random order, then make them durable; the workloads below run on this database.
    LoadRand,
    /// Read random rows, one a transaction.
    Read,
    /// The same by two threads.
    Read2,
    /// Read random rows, many in one transaction.
    ReadTxn,
    /// Read all keys and values in order.
    Scan,
    /// Read 100 rows from a random key.
    Range,
    /// Overwrite random rows, one a transaction.
    Update,
    /// Overwrite random rows, many in one transaction.
    UpdateTxn,
    /// Reads and overwrites, half and half, one a transaction.
    Mixed,
    /// The same by two threads.
    Mixed2,
    /// Make a tenth of all rows durable after overwriting them.
    Checkpoint,
    /// Close, open, and read a tenth of all rows at random.
    Reopen,
    /// `read` on the reopened database, warm.
    ReadReopened,
    /// `scan` on the reopened database, warm.
    ScanReopened,
    /// `range` on the reopened database, warm.
    RangeReopened,
}

/// What to run, and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// An empty directory for the databases.
    pub(crate) home: PathBuf,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// Sizes and the spelling of keys.
    pub(crate) shape: Shape,
    /// What the engine is opened with.
    pub(crate) options: Options,
    /// Rows a transaction in `load-*` and `*-txn`.
    pub(crate) batch: usize,
    /// How long a reading workload runs.
    pub(crate) duration: Duration,
    /// Seed of the random orders.
    pub(crate) seed: u64,
    /// What to run.
    pub(crate) workloads: Vec<Workload>,
}

/// Operations done and the time they took.
#[derive(Clone, Copy)]
struct Figure {
    operations: u64,
    elapsed: Duration,
    /// Processor time of all threads of the process, the engine's own included.
    processor: Duration,
}

/// Measures from its making on.
struct Stopwatch {
    start: Instant,
    processor: Duration,
}

impl Stopwatch {
    fn start() -> Self {
        Self { start: Instant::now(), processor: processor_time() }
    }

    fn figure(&self, operations: u64) -> Figure {
        let elapsed = self.start.elapsed();
        Figure { operations, elapsed, processor: processor_time().saturating_sub(self.processor) }
    }
}

/// Processor time of all threads of the process since its start.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Runs all workloads of `plan` on `E`.
pub(crate) fn run<E: Engine>(plan: &Plan) -> Result<()> {
    if plan.workloads.contains(&Workload::LoadSeq) {
        load_in_order::<E>(plan)?;
    }
    if plan.workloads.iter().any(|workload| *workload != Workload::LoadSeq) {
        let home = plan.home.join("random");
        fs::create_dir(&home)?;
        let mut run = Run::<E> {
            plan,
            rows: Rows::new(plan.shape, plan.rows)?,
            engine: Some(E::open(&home, &plan.options)?),
            home,
            reopened: false,
        };
        for workload in [Workload::LoadRand].iter().chain(plan.workloads.iter().filter(|w| **w > Workload::LoadRand)) {
            run.one(*workload).with_context(|| format!("{workload:?}"))?;
        }
        run.close()?;
        println!("disk {}", disk_bytes(&run.home)?);
    }
    println!("memory {}", peak_memory_bytes()?);
    Ok(())
}

/// `load-seq`, on a database of its own.
fn load_in_order<E: Engine>(plan: &Plan) -> Result<()> {
    let home = plan.home.join("sequential");
    fs::create_dir(&home)?;
    let rows = Rows::new(plan.shape, plan.rows)?;
    let engine = E::open(&home, &plan.options)?;
    load(plan, &rows, &engine, "load-seq", |position| position)?;
    engine.with_worker(|worker| scan_all(&rows, worker))?;
    engine.close()?;
    fs::remove_dir_all(&home)?;
    Ok(())
}

/// Inserts all rows in the order of `at`; prints the figures `name` and, with the checkpoint at the end, `name`-sync.
fn load<E: Engine>(plan: &Plan, rows: &Rows, engine: &E, name: &str, at: impl Fn(u64) -> u64) -> Result<()> {
    let (watch, loaded) = engine.with_worker(|worker| {
        let mut batch = Batch::new(&plan.shape);
        let watch = Stopwatch::start();
        let mut position = 0;
        while position < plan.rows {
            let end = plan.rows.min(position + plan.batch as u64);
            batch.clear();
            (position..end).for_each(|position| rows.push(at(position), &mut batch));
            worker.write(&batch)?;
            position = end;
        }
        let loaded = watch.figure(plan.rows);
        Ok((watch, loaded))
    })?;
    engine.checkpoint()?;
    let durable = watch.figure(plan.rows);
    if plan.workloads.contains(&if name == "load-seq" { Workload::LoadSeq } else { Workload::LoadRand }) {
        print(name, loaded);
        print(&format!("{name}-sync"), durable);
    }
    Ok(())
}

/// The state between the workloads of one engine.
struct Run<'p, E> {
    plan: &'p Plan,
    rows: Rows,
    engine: Option<E>,
    home: PathBuf,
    reopened: bool,
}

impl<E: Engine> Run<'_, E> {
    fn one(&mut self, workload: Workload) -> Result<()> {
        if workload > Workload::Reopen && !self.reopened {
            self.reopen()?;
        }
        let (name, figure) = match workload {
            Workload::LoadSeq => return Ok(()),
            Workload::LoadRand => {
                let order = Permutation::new(self.plan.rows, self.plan.seed);
                return load(self.plan, &self.rows, self.engine()?, "load-rand", |position| order.at(position));
            }
            Workload::Read => ("read", self.read(1, 1)?),
            Workload::Read2 => ("read-2", self.read(2, 1)?),
            Workload::ReadTxn => ("read-txn", self.read(1, self.plan.batch)?),
            Workload::Scan => ("scan", self.scan()?),
            Workload::Range => ("range", self.range()?),
            Workload::Update => ("update", self.update(1)?),
            Workload::UpdateTxn => ("update-txn", self.update(self.plan.batch)?),
            Workload::Mixed => ("mixed", self.mixed(1)?),
            Workload::Mixed2 => ("mixed-2", self.mixed(2)?),
            Workload::Checkpoint => ("checkpoint", self.checkpoint()?),
            Workload::Reopen => ("reopen", self.reopen()?),
            Workload::ReadReopened => ("read-reopened", self.read(1, 1)?),
            Workload::ScanReopened => ("scan-reopened", self.scan()?),
            Workload::RangeReopened => ("range-reopened", self.range()?),
        };
        print(name, figure);
        Ok(())
    }

    fn engine(&self) -> Result<&E> {
        self.engine.as_ref().context("the database is closed")
    }

    fn close(&mut self) -> Result<()> {
        self.engine.take().map_or(Ok(()), E::close)
    }

    fn read(&self, threads: u64, size: usize) -> Result<Figure> {
        let limits = Limits { operations: u64::MAX, duration: self.plan.duration };
        self.threads(threads, limits, |worker, random, _, checker, batch| {
            read_random(&self.rows, worker, size, || random.below(self.plan.rows), checker, batch)
        })
    }

    fn update(&self, size: usize) -> Result<Figure> {
        self.threads(1, self.write_limits(1), |worker, random, _, _, batch| {
            write_random(&self.rows, worker, size, || random.below(self.plan.rows), batch)
        })
    }

    fn mixed(&self, threads: u64) -> Result<Figure> {
        self.threads(threads, self.write_limits(threads), |worker, random, thread, checker, batch| {
            let index = random.below(self.plan.rows / threads) * threads + thread;
            if random.below(2) == 0 {
                read_random(&self.rows, worker, 1, || index, checker, batch)
            } else {
                write_random(&self.rows, worker, 1, || index, batch)
            }
        })
    }

    fn range(&self) -> Result<Figure> {
        let limits = Limits { operations: u64::MAX, duration: self.plan.duration };
        let rows = &self.rows;
        let mut key = vec![0; self.plan.shape.key_size];
        let mut random = Random::new(self.plan.seed ^ 0xF0);
        let mut checker = Checker::default();
        let figure = self.engine()?.with_worker(|worker| {
            repeat(limits, || {
                let first = random.below(self.plan.rows - RANGE_ROWS);
                self.plan.shape.key(first, &mut key);
                let mut index = first;
                let count = worker.scan(&key, RANGE_ROWS as usize, |key, value| {
                    checker.expect(rows.row_is_right(index, key, value));
                    index += 1;
                })?;
                checker.expect(count as u64 == RANGE_ROWS);
                Ok(1)
            })
        })?;
        checker.finish()?;
        Ok(figure)
    }

    fn scan(&self) -> Result<Figure> {
        let limits = Limits { operations: u64::MAX, duration: self.plan.duration };
        self.engine()?.with_worker(|worker| repeat(limits, || scan_all(&self.rows, worker)))
    }

    fn checkpoint(&self) -> Result<Figure> {
        let engine = self.engine()?;
        engine.checkpoint()?;
        let mut random = Random::new(self.plan.seed ^ 0xC0);
        let mut batch = Batch::new(&self.plan.shape);
        let dirty = engine.with_worker(|worker| {
            let mut dirty = 0;
            while dirty < self.plan.rows / 10 {
                let next = || random.below(self.plan.rows);
                dirty += write_random(&self.rows, worker, self.plan.batch, next, &mut batch)?;
            }
            Ok(dirty)
        })?;
        let watch = Stopwatch::start();
        engine.checkpoint()?;
        Ok(watch.figure(dirty))
    }

    /// Times opening and the first reads; then scans all rows, untimed, to check them and to warm up.
    fn reopen(&mut self) -> Result<Figure> {
        self.close()?;
        let mut random = Random::new(self.plan.seed ^ 0xE0);
        let mut checker = Checker::default();
        let mut batch = Batch::new(&self.plan.shape);
        let watch = Stopwatch::start();
        let engine = self.engine.insert(E::open(&self.home, &self.plan.options)?);
        let figure = engine.with_worker(|worker| {
            let mut operations = 0;
            while operations < self.plan.rows / 10 {
                let next = || random.below(self.plan.rows);
                operations += read_random(&self.rows, worker, 1, next, &mut checker, &mut batch)?;
            }
            Ok(watch.figure(operations))
        })?;
        checker.finish()?;
        self.engine()?.with_worker(|worker| scan_all(&self.rows, worker))?;
        self.reopened = true;
        Ok(figure)
    }

    fn write_limits(&self, threads: u64) -> Limits {
        Limits { operations: self.plan.rows / threads, duration: self.plan.duration * 4 }
    }

    /// Repeats `step` on each of some threads, which start together; the last to end ends the time.
    fn threads(
        &self,
        threads: u64,
        limits: Limits,
        step: impl Fn(&mut E::Worker<'_>, &mut Random, u64, &mut Checker, &mut Batch) -> Result<u64> + Sync,
    ) -> Result<Figure> {
        let engine = self.engine()?;
        let barrier = Barrier::new(usize::try_from(threads)?);
        let one = |thread: u64| -> Result<Figure> {
            let mut random = Random::new(self.plan.seed ^ (thread + 1));
            let mut checker = Checker::default();
            let mut batch = Batch::new(&self.plan.shape);
            let started = Cell::new(false);
            let figure = engine.with_worker(|worker| {
                started.set(true);
                barrier.wait();
                repeat(limits, || step(worker, &mut random, thread, &mut checker, &mut batch))
            });
            if !started.get() {
                // The others must not wait for a thread that got no worker.
                barrier.wait();
            }
            checker.finish()?;
            figure
        };
        let figures = thread::scope(|scope| {
            let one = &one;
            let handles: Vec<_> = (1..threads).map(|thread| scope.spawn(move || one(thread))).collect();
            let mut figures = vec![one(0)];
            figures.extend(handles.into_iter().map(|handle| handle.join().map_err(|_| anyhow!("a thread panicked"))?));
            figures.into_iter().collect::<Result<Vec<_>>>()
        })?;
        Ok(Figure {
            operations: figures.iter().map(|figure| figure.operations).sum(),
            elapsed: figures.iter().map(|figure| figure.elapsed).max().unwrap_or_default(),
            processor: figures.iter().map(|figure| figure.processor).max().unwrap_or_default(),
        })
    }
}

/// When to stop: at either of both.
#[derive(Clone, Copy)]
struct Limits {
    operations: u64,
    duration: Duration,
}

/// Repeats `step`, which returns the operations it did, until a limit is reached; looks at the clock every few steps.
fn repeat(limits: Limits, mut step: impl FnMut() -> Result<u64>) -> Result<Figure> {
    const STEPS_UNTIMED: u32 = 32;
    let watch = Stopwatch::start();
    let mut operations = 0;
    loop {
        let first = operations;
        for _ in 0..STEPS_UNTIMED {
            operations += step()?;
            // A step of many operations is long enough to look at the clock after each.
            if operations >= limits.operations || operations - first > u64::from(STEPS_UNTIMED) {
                break;
            }
        }
        if operations >= limits.operations || watch.start.elapsed() >= limits.duration {
            return Ok(watch.figure(operations));
        }
    }
}

fn read_random(
    rows: &Rows,
    worker: &mut impl Worker,
    size: usize,
    mut next: impl FnMut() -> u64,
    checker: &mut Checker,
    batch: &mut Batch,
) -> Result<u64> {
    batch.clear();
    (0..size).for_each(|_| batch.push_key(&rows.shape, next()));
    let mut seen = 0;
    worker.read(batch, |position, value| {
        checker.expect(rows.value_is_right(batch.index(position), value));
        seen += 1;
    })?;
    checker.expect(seen == size);
    Ok(size as u64)
}

fn write_random(
    rows: &Rows,
    worker: &mut impl Worker,
    size: usize,
    mut next: impl FnMut() -> u64,
    batch: &mut Batch,
) -> Result<u64> {
    batch.clear();
    (0..size).for_each(|_| rows.push_next(next(), batch));
    worker.write(batch)?;
    Ok(size as u64)
}

/// Reads all rows in order and checks each; returns how many there are.
fn scan_all(rows: &Rows, worker: &mut impl Worker) -> Result<u64> {
    let mut first = vec![0; rows.shape.key_size];
    rows.shape.key(0, &mut first);
    let mut checker = Checker::default();
    let mut index = 0;
    let count = worker.scan(&first, usize::MAX, |key, value| {
        checker.expect(rows.row_is_right(index, key, value));
        index += 1;
    })?;
    checker.finish()?;
    ensure!(count as u64 == rows.count(), "a scan found {count} rows of {}", rows.count());
    Ok(rows.count())
}

fn print(name: &str, figure: Figure) {
    let (elapsed, processor) = (figure.elapsed.as_secs_f64(), figure.processor.as_secs_f64());
    println!("figure {name} {} {elapsed} {processor}", figure.operations);
}

/// Bytes allocated to all files below `directory`.
fn disk_bytes(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// The largest resident set this process has had; for a memory map it includes the pages of the file.
fn peak_memory_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM in /proc/self/status")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("VmHWM without a number")?.parse()?;
    Ok(kilobytes * 1024)
}

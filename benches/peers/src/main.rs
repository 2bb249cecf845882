//! `peers`: hardwired beside other storage engines, with the same data, the same operations and the same durability.
//!
//! The parent process runs the engines in turn, some rounds, each time in a child process of its own; the child runs
//! the workloads (`workload`) and prints one line a figure; the parent makes the tables (`report`).

mod engine;
mod engines;
mod report;
mod rounds;
mod rows;
mod workload;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::{
    engine::Options,
    engines::{ENGINES, Entry},
    rows::{KeyStyle, Shape},
    workload::{Plan, Workload},
};

/// Compares storage engines: one workload runner, the same data, operations and durability.
#[derive(Clone, Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Engines to compare, all of this build by default.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Workloads to run, in a fixed order; all by default.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Rows in the table.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Rounds; each runs every engine once.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Key size in bytes.
    #[arg(long, default_value_t = 16)]
    key_size: usize,
    /// Value size in bytes.
    #[arg(long, default_value_t = 100)]
    value_size: usize,
    /// How keys are spelt.
    #[arg(long, value_enum, default_value_t = KeyStyle::Binary)]
    key_style: KeyStyle,
    /// Rows a transaction in load-seq, load-rand, read-txn and update-txn (all other operations have one each).
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// The engines' cache in MB (LMDB has none of its own).
    #[arg(long, default_value_t = 1024)]
    cache_mb: u64,
    /// Seconds each reading workload runs; a writing one stops at as many operations as there are rows, or after four
    /// times as long.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Where the databases go, in a temporary directory that is removed; the system's by default.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Which seconds count.
    #[arg(long, value_enum, default_value_t = Measure::Wall)]
    measure: Measure,
    /// Engines to show ratios to.
    #[arg(long, value_delimiter = ',', default_value = "wiredtiger,lmdb")]
    relative_to: Vec<String>,
    /// Appends every single figure to this file (CSV).
    #[arg(long)]
    raw: Option<PathBuf>,
    /// Runs one engine in this process.
    #[arg(long, hide = true, requires = "home")]
    child: Option<String>,
    /// The directory the child uses.
    #[arg(long, hide = true)]
    home: Option<PathBuf>,
    /// The round, which seeds the random orders.
    #[arg(long, hide = true, default_value_t = 0)]
    round: u64,
}

/// Which seconds the rates are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Those of the clock on the wall.
    Wall,
    /// Processor time of all threads of the process, the engine's background threads included: steadier on a busy
    /// machine, but blind to waiting.
    Cpu,
}

impl Arguments {
    fn shape(&self) -> Shape {
        Shape { key_size: self.key_size, value_size: self.value_size, key_style: self.key_style }
    }

    fn plan(&self, home: PathBuf) -> Result<Plan> {
        ensure!(self.batch > 0, "--batch must not be 0");
        let seconds = self.seconds;
        let duration = Duration::try_from_secs_f64(seconds).with_context(|| format!("--seconds {seconds}"))?;
        self.shape().check(self.rows)?;
        let mut workloads = self.workloads.clone();
        if workloads.is_empty() {
            workloads = Workload::value_variants().to_vec();
        }
        workloads.sort();
        workloads.dedup();
        Ok(Plan {
            home,
            rows: self.rows,
            shape: self.shape(),
            options: Options { cache_bytes: self.cache_mb << 20 },
            batch: self.batch,
            duration,
            seed: self.round,
            workloads,
        })
    }

    /// The engines asked for, in the order of the table of all.
    fn selected(&self) -> Result<Vec<&'static Entry>> {
        for name in &self.engines {
            find(name)?;
        }
        let asked = |entry: &&Entry| self.engines.is_empty() || self.engines.iter().any(|name| name == entry.name);
        let selected: Vec<_> = ENGINES.iter().filter(asked).collect();
        ensure!(!selected.is_empty(), "this build contains no engine");
        Ok(selected)
    }
}

fn find(name: &str) -> Result<&'static Entry> {
    ENGINES.iter().find(|entry| entry.name == name).with_context(|| {
        let names: Vec<_> = ENGINES.iter().map(|entry| entry.name).collect();
        format!("no engine `{name}` in this build, which has {} (the others are Cargo features)", names.join(", "))
    })
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match (&arguments.child, &arguments.home) {
        (Some(engine), Some(home)) => (find(engine)?.run)(&arguments.plan(home.clone())?),
        _ => {
            arguments.plan(PathBuf::new())?;
            let outcome = rounds::run(&arguments)?;
            report::print(&arguments, &outcome)
        }
    }
}

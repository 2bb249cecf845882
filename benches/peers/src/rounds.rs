//! Rounds: every engine once a round, in an order that rotates, each in a child process of its own.
//!
//! 1. The children run one at a time; before each, the operating system writes back what the last one left.
//! 2. A child that fails leaves no figures of that round, and its error is reported; it is not tried again.

use std::{
    fs::OpenOptions,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{Arguments, Measure, engines::Entry};

/// One figure of one engine in one round.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The round, from 0.
    pub(crate) round: u64,
    /// The engine's name.
    pub(crate) engine: &'static str,
    /// The workload's name.
    pub(crate) workload: String,
    /// Operations a second, of the clock that was asked for.
    pub(crate) rate: f64,
}

/// What an engine needed in one round, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Footprint {
    /// The engine's name.
    pub(crate) engine: &'static str,
    /// The process's largest resident set.
    pub(crate) memory_bytes: u64,
    /// The randomly loaded database's files at the end.
    pub(crate) disk_bytes: u64,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Outcome {
    /// All figures, in the order they came.
    pub(crate) samples: Vec<Sample>,
    /// What each child needed.
    pub(crate) footprints: Vec<Footprint>,
    /// Engines that failed, with round and reason.
    pub(crate) failures: Vec<String>,
    /// The machine's load average before each round.
    pub(crate) loads: Vec<String>,
}

/// Runs all rounds.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome> {
    let engines = arguments.selected()?;
    let mut outcome = Outcome::default();
    for round in 0..arguments.rounds {
        outcome.loads.push(load_average());
        for turn in 0..engines.len() {
            let engine = engines[(turn + usize::try_from(round)?) % engines.len()];
            eprintln!("round {} of {}: {}", round + 1, arguments.rounds, engine.name);
            if let Err(error) = child(arguments, engine, round, &mut outcome) {
                eprintln!("  failed: {error:#}");
                outcome.failures.push(format!("{} failed in round {}: {error:#}", engine.name, round + 1));
            }
        }
    }
    Ok(outcome)
}

fn child(arguments: &Arguments, engine: &Entry, round: u64, outcome: &mut Outcome) -> Result<()> {
    let home = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    }
    .context("no temporary directory for the databases")?;
    rustix::fs::sync();
    let output = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--child", engine.name, "--round", &round.to_string(), "--home"])
        .arg(home.path())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("{}, see its message above", output.status);
    }
    let text = String::from_utf8(output.stdout).context("a child's output")?;
    let (mut memory_bytes, mut disk_bytes) = (0, 0);
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["figure", workload, operations, elapsed, processor] => {
                let line = format!("{round},{},{workload},{operations},{elapsed},{processor}", engine.name);
                append_raw(arguments.raw.as_deref(), &line)?;
                let seconds: f64 = match arguments.measure {
                    Measure::Wall => elapsed.parse()?,
                    Measure::Cpu => processor.parse()?,
                };
                let rate = operations.parse::<f64>()? / seconds;
                outcome.samples.push(Sample { round, engine: engine.name, workload: workload.to_owned(), rate });
            }
            ["memory", bytes] => memory_bytes = bytes.parse()?,
            ["disk", bytes] => disk_bytes = bytes.parse()?,
            _ => bail!("a child printed {line:?}"),
        }
    }
    outcome.footprints.push(Footprint { engine: engine.name, memory_bytes, disk_bytes });
    Ok(())
}

fn append_raw(path: Option<&Path>, line: &str) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if file.metadata()?.len() == 0 {
        writeln!(file, "round,engine,workload,operations,seconds,processor_seconds")?;
    }
    Ok(writeln!(file, "{line}")?)
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

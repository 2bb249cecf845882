//! `cargo xtask fuzz`: runs the targets of `fuzz/targets.txt`, each for a time, and shows that the canary crashes.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

const TABLE: &str = "fuzz/targets.txt";
const DEFAULT_SECONDS: u64 = 30;

/// A run of a single input that takes longer than this counts as a hang.
const INPUT_LIMIT_SECONDS: u64 = 20;
/// More memory than this counts as unbounded allocation. The sanitizer's own share is in it.
const MEMORY_LIMIT_MB: u64 = 2048;

/// Of a failure's backtrace so many lines are printed, and of any line so much.
const SHOWN_FRAME_LINES: usize = 30;
const SHOWN_LINE_CHARS: usize = 400;

/// What a run must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Pass,
    Crash,
}

#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    outcome: Outcome,
}

/// Runs the named targets, or all.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut seconds = DEFAULT_SECONDS;
    let mut seed = None;
    let mut names = Vec::new();
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--seconds" => {
                let value = rest.next().context("--seconds needs a number")?;
                seconds = value.parse().with_context(|| format!("--seconds {value}"))?;
            }
            "--seed" => {
                let value = rest.next().context("--seed needs a number")?;
                // libFuzzer takes 0 for "choose one".
                seed = Some(value.parse::<NonZeroU32>().with_context(|| format!("--seed {value}"))?);
            }
            name if name.starts_with('-') => bail!("no option {name}"),
            name => names.push(name),
        }
    }
    let table = read_table(root)?;
    for name in &names {
        ensure!(table.iter().any(|target| target.name == *name), "{TABLE} lists no target {name}");
    }
    crate::fuzz_seeds::run(root)?;
    let built = Command::new("cargo").args(["+nightly", "fuzz", "build"]).current_dir(root).status();
    ensure!(built.context("cargo fuzz")?.success(), "the fuzz targets do not build");
    for target in table.iter().filter(|target| names.is_empty() || names.contains(&target.name.as_str())) {
        run_target(root, target, seconds, seed)?;
    }
    Ok(())
}

fn run_target(root: &Path, target: &Target, seconds: u64, seed: Option<NonZeroU32>) -> Result<()> {
    let name = &target.name;
    // The first folder takes what the run finds; the others are read only. Inputs that failed once come first of all.
    let folder = |kind: &str| PathBuf::from("fuzz").join(kind).join(name);
    std::fs::create_dir_all(root.join(folder("corpus")))?;
    let mut command = Command::new("cargo");
    command.args(["+nightly", "fuzz", "run", name]).arg(folder("corpus"));
    for kind in ["regressions", "seeds"] {
        if root.join(folder(kind)).is_dir() {
            command.arg(folder(kind));
        }
    }
    command.args(["--", &format!("-max_total_time={seconds}"), &format!("-timeout={INPUT_LIMIT_SECONDS}")]);
    command.args([&format!("-rss_limit_mb={MEMORY_LIMIT_MB}"), "-print_final_stats=1"]);
    if let Some(seed) = seed {
        command.arg(format!("-seed={seed}"));
    }
    let dictionary = PathBuf::from("fuzz/dictionaries").join(format!("{name}.txt"));
    if root.join(&dictionary).is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    println!("fuzz {name}: {seconds} s");
    let started = Instant::now();
    let output = command.current_dir(root).stdin(Stdio::null()).output().context("cargo fuzz")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let took = started.elapsed().as_secs();
    match (target.outcome, output.status.success()) {
        (Outcome::Pass, true) => println!("fuzz {name}: passed in {took} s, {}", statistics(&text)),
        (Outcome::Crash, false) if text.contains("deadly signal") || text.contains("panicked at") => {
            println!("fuzz {name}: crashed in {took} s, as it must");
            // Its find is no find.
            drop(std::fs::remove_dir_all(root.join(folder("artifacts"))));
        }
        (Outcome::Pass, false) => {
            bail!("fuzz {name} failed after {took} s:\n{}", reason(&text));
        }
        (Outcome::Crash, _) => bail!("fuzz {name} must crash and did not:\n{}", tail(&text, 20)),
    }
    Ok(())
}

/// Executions and coverage, out of libFuzzer's closing lines.
fn statistics(text: &str) -> String {
    let executed = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let coverage = text.lines().rev().find_map(|line| line.split_once("cov: ")?.1.split(' ').next());
    format!("{} runs, coverage {}", executed.unwrap_or("?").trim(), coverage.unwrap_or("?"))
}

/// What libFuzzer's output tells of a failure, from its first sign on: the panic's message, the error, where the input is and
/// how to repeat it. Of each backtrace only the first frames, and of long lines (the input's bytes) only the beginning.
fn reason(text: &str) -> String {
    let signs = ["panicked at", "ERROR:", "error:"];
    let from = text.lines().position(|line| signs.iter().any(|sign| line.contains(sign))).unwrap_or(0);
    let mut frames = 0;
    let mut shown = Vec::new();
    for line in text.lines().skip(from) {
        frames = if is_frame(line) { frames + 1 } else { 0 };
        if frames <= SHOWN_FRAME_LINES {
            shown.push(line.chars().take(SHOWN_LINE_CHARS).collect::<String>());
        }
    }
    shown.join("\n")
}

/// Whether a line is one of a backtrace, as Rust or the sanitizer prints it.
fn is_frame(line: &str) -> bool {
    let rest = line.trim_start();
    rest.len() < line.len()
        && (rest.starts_with('#') || rest.starts_with("at ") || rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn read_table(root: &Path) -> Result<Vec<Target>> {
    parse_table(&std::fs::read_to_string(root.join(TABLE)).context(TABLE)?)
}

fn parse_table(text: &str) -> Result<Vec<Target>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            let outcome = match words.next() {
                Some("pass") => Outcome::Pass,
                Some("crash") => Outcome::Crash,
                _ => bail!("{TABLE}: {name} must `pass` or `crash`"),
            };
            ensure!(words.next().is_some(), "{TABLE}: {name} has no description");
            Ok(Target { name, outcome })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<Target> {
        read_table(crate::root()).unwrap()
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(crate::root().join(path)).unwrap()
    }

    #[test]
    fn the_table_lists_the_targets_of_the_manifest() {
        let manifest = read("fuzz/Cargo.toml");
        let bins: Vec<&str> = manifest
            .split("[[bin]]")
            .skip(1)
            .map(|bin| bin.split_once("name = \"").unwrap().1.split('"').next().unwrap())
            .collect();
        assert_eq!(table().iter().map(|target| target.name.as_str()).collect::<Vec<_>>(), bins);
    }

    #[test]
    fn the_document_describes_every_target() {
        let document = read("docs/fuzzing.md");
        for target in table() {
            assert!(document.contains(&format!("| `{}` |", target.name)), "{}", target.name);
        }
    }

    #[test]
    fn a_failure_is_told_with_its_message_and_its_input() {
        let mut output =
            "INFO: Seed: 1\nthread '<unnamed>' panicked at src/page/verify.rs:7:5:\nno such cell\n".to_owned();
        for frame in 0..200 {
            output += &format!("  {frame}: hardwired::page::f\n         at ./src/page/verify.rs:7:5\n");
        }
        output += "==9== ERROR: libFuzzer: deadly signal\n";
        for frame in 0..200 {
            output += &format!("    #{frame} 0x5581 in main\n");
        }
        output += &format!("Test unit written to fuzz/artifacts/page/crash-1\nBase64: {}\n", "A".repeat(10_000));
        let reason = reason(&output);
        assert!(reason.starts_with("thread '<unnamed>' panicked at src/page/verify.rs:7:5:\nno such cell\n"));
        assert!(reason.contains("  0: hardwired::page::f\n") && !reason.contains("  99: "), "{reason}");
        assert!(reason.contains("deadly signal") && reason.contains("fuzz/artifacts/page/crash-1"));
        assert!(reason.len() < 6_000, "{}", reason.len());
    }

    #[test]
    fn there_is_exactly_one_canary() {
        assert_eq!(table().iter().filter(|target| target.outcome == Outcome::Crash).count(), 1);
    }

    #[test]
    fn a_line_without_outcome_is_refused() {
        assert!(parse_table("a pass words\n# b\n\n").is_ok());
        assert!(parse_table("a maybe words").is_err());
        assert!(parse_table("a pass").is_err());
    }
}

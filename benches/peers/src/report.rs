//! The tables, in markdown: rates, ratios to the engines of `--relative-to`, memory and disk.
//!
//! A rate is the median of all rounds, with the lowest and the highest. A ratio is the median of the ratios of each
//! round, so that a round in which the whole machine was slow cancels out.

use std::{collections::BTreeSet, fmt::Write};

use anyhow::{Result, bail};

use crate::{
    Arguments, Measure,
    rounds::{Outcome, Sample},
};

/// Prints all tables; an error if an engine failed.
pub(crate) fn print(arguments: &Arguments, outcome: &Outcome) -> Result<()> {
    let mut text = String::new();
    head(arguments, outcome, &mut text)?;
    let table = Table::new(arguments, outcome)?;
    table.rates(&mut text)?;
    for base in &arguments.relative_to {
        if table.engines.contains(&base.as_str()) {
            table.ratios(base, &mut text)?;
        }
    }
    table.footprints(outcome, &mut text)?;
    println!("{text}");
    if outcome.failures.is_empty() {
        return Ok(());
    }
    bail!("not complete: {}", outcome.failures.join("; "))
}

fn head(arguments: &Arguments, outcome: &Outcome, text: &mut String) -> Result<()> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism()?;
    let system = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(text, "{cores} cores of {}, Linux {}", cpu.trim_start_matches([' ', '\t', ':']), system.trim())?;
    writeln!(text, "load average before each round: {}", outcome.loads.join(", "))?;
    writeln!(
        text,
        "{} rows, {:?} keys of {} bytes, values of {}; {} rows a transaction in load-* and *-txn, else 1; {} MB cache; {} rounds",
        arguments.rows,
        arguments.key_style,
        arguments.key_size,
        arguments.value_size,
        arguments.batch,
        arguments.cache_mb,
        arguments.rounds
    )?;
    for engine in arguments.selected()? {
        writeln!(text, "{} {}", engine.name, (engine.version)())?;
    }
    Ok(())
}

struct Table<'o> {
    engines: Vec<&'static str>,
    workloads: Vec<&'o str>,
    samples: &'o [Sample],
    rounds: u64,
    unit: &'static str,
}

impl<'o> Table<'o> {
    fn new(arguments: &Arguments, outcome: &'o Outcome) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let workloads = outcome.samples.iter().map(|sample| sample.workload.as_str()).filter(|name| seen.insert(*name));
        Ok(Self {
            engines: arguments.selected()?.iter().map(|engine| engine.name).collect(),
            workloads: workloads.collect(),
            samples: &outcome.samples,
            rounds: arguments.rounds,
            unit: match arguments.measure {
                Measure::Wall => "operations a second",
                Measure::Cpu => "operations a second of processor time",
            },
        })
    }

    fn rate(&self, round: u64, engine: &str, workload: &str) -> Option<f64> {
        let is_it = |s: &&Sample| s.round == round && s.engine == engine && s.workload == workload;
        self.samples.iter().find(is_it).map(|sample| sample.rate)
    }

    fn header(&self, first: &str, engines: &[&str], text: &mut String) -> Result<()> {
        writeln!(text, "\n| {first} | {} |", engines.join(" | "))?;
        writeln!(text, "| --- |{}", " ---: |".repeat(engines.len()))?;
        Ok(())
    }

    fn rates(&self, text: &mut String) -> Result<()> {
        self.header(self.unit, &self.engines, text)?;
        for workload in &self.workloads {
            write!(text, "| {workload} |")?;
            for engine in &self.engines {
                let rates = sorted((0..self.rounds).filter_map(|round| self.rate(round, engine, workload)));
                match (rates.first(), median(&rates), rates.last()) {
                    (Some(low), Some(middle), Some(high)) if rates.len() > 1 => {
                        write!(text, " {} ({}-{}) |", short(middle), short(*low), short(*high))?;
                    }
                    (_, Some(middle), _) => write!(text, " {} |", short(middle))?,
                    _ => write!(text, " - |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn ratios(&self, base: &str, text: &mut String) -> Result<()> {
        let others: Vec<_> = self.engines.iter().copied().filter(|engine| *engine != base).collect();
        self.header(&format!("relative to {base}"), &others, text)?;
        for workload in &self.workloads {
            write!(text, "| {workload} |")?;
            for engine in &others {
                let ratio = |round| Some(self.rate(round, engine, workload)? / self.rate(round, base, workload)?);
                match median(&sorted((0..self.rounds).filter_map(ratio))) {
                    Some(ratio) => write!(text, " {ratio:.2} |")?,
                    None => write!(text, " - |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }

    fn footprints(&self, outcome: &Outcome, text: &mut String) -> Result<()> {
        self.header("MB", &self.engines, text)?;
        for (name, bytes) in [("peak memory", 0), ("files at the end", 1)] {
            write!(text, "| {name} |")?;
            for engine in &self.engines {
                let own = outcome.footprints.iter().filter(|footprint| footprint.engine == *engine);
                let values = own.map(|footprint| [footprint.memory_bytes, footprint.disk_bytes][bytes] as f64);
                match median(&sorted(values)) {
                    Some(bytes) => write!(text, " {:.0} |", bytes / f64::from(1 << 20))?,
                    None => write!(text, " - |")?,
                }
            }
            writeln!(text)?;
        }
        Ok(())
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The middle of sorted numbers.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted.get((sorted.len() / 2).checked_sub(1)?)? + upper) / 2.0)
}

/// Three digits, with k or M.
fn short(rate: f64) -> String {
    let (number, unit) = match rate {
        rate if rate >= 1e6 => (rate / 1e6, "M"),
        rate if rate >= 1e3 => (rate / 1e3, "k"),
        rate => (rate, ""),
    };
    match number {
        number if number >= 100.0 => format!("{number:.0}{unit}"),
        number if number >= 10.0 => format!("{number:.1}{unit}"),
        number => format!("{number:.2}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both_middles() {
        for (numbers, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![3.0, 1.0], Some(2.0)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![9.0, 1.0, 2.0, 4.0], Some(3.0)),
        ] {
            assert_eq!(median(&sorted(numbers.into_iter())), expected);
        }
    }

    #[test]
    fn rates_have_three_digits() {
        for (rate, expected) in
            [(7.0, "7.00"), (999.0, "999"), (12_345.0, "12.3k"), (123_456.0, "123k"), (1.234e6, "1.23M")]
        {
            assert_eq!(short(rate), expected);
        }
    }

    #[test]
    fn a_ratio_pairs_the_rates_of_one_round() {
        let sample = |round, engine, rate| Sample { round, engine, workload: "read".to_owned(), rate };
        let samples = [
            sample(0, "a", 10.0),
            sample(0, "b", 20.0),
            sample(1, "a", 100.0),
            sample(1, "b", 300.0),
            sample(2, "a", 1.0),
            sample(3, "b", 1.0),
        ];
        let table = Table { engines: vec!["a", "b"], workloads: vec!["read"], samples: &samples, rounds: 4, unit: "" };
        let mut text = String::new();
        table.ratios("a", &mut text).unwrap();
        assert!(text.contains("| read | 2.50 |"), "{text}");
    }
}

//! `cargo xtask mutants`: shows that the models of the lock-free protocols can fail.
//!
//! `xtask/mutants.txt` lists faults: lines of the engine and what they are replaced by. Each names the models (tests in modules
//! `loom_tests`) that must find it. The faults of one round are made together in a copy of the sources, for one build is enough
//! then: no model that is run in the round reaches the fault of another one's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{fs, str};

use anyhow::{Context, Result, bail, ensure};

const TABLE: &str = "xtask/mutants.txt";

/// A fault that is made on purpose.
#[derive(Debug, PartialEq, Eq)]
struct Mutant {
    round: u32,
    what: String,
    file: String,
    /// Names of the models that find it.
    models: Vec<String>,
    /// Lines without their indentation: they occur once in the file.
    old: Vec<String>,
    new: Vec<String>,
}

/// Makes the faults of the given rounds, or of all.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let rounds: Vec<u32> = arguments
        .iter()
        .map(|argument| argument.parse().with_context(|| format!("{argument} is no round")))
        .collect::<Result<_>>()?;
    let table = read_table(root)?;
    let mut all: Vec<u32> = table.iter().map(|mutant| mutant.round).collect();
    all.dedup();
    for round in &rounds {
        ensure!(all.contains(round), "{TABLE} has no round {round}");
    }
    let copy = root.join("target/mutants");
    copy_sources(root, &copy)?;
    let mut missed = Vec::new();
    for round in all.iter().filter(|round| rounds.is_empty() || rounds.contains(round)) {
        let mutants: Vec<&Mutant> = table.iter().filter(|mutant| mutant.round == *round).collect();
        for mutant in &mutants {
            let path = copy.join(&mutant.file);
            fs::write(&path, mutate(&fs::read_to_string(&path)?, mutant)?)?;
        }
        let built = cargo(root, &copy, &["--no-run"])?;
        ensure!(built.status.success(), "round {round} doesn't build:\n{}", String::from_utf8_lossy(&built.stderr));
        for mutant in &mutants {
            for model in &mutant.models {
                let output = cargo(root, &copy, &[&format!("loom_tests::{model}")])?;
                let text = String::from_utf8_lossy(&output.stdout);
                // One test that fails or takes the process with it; no test at all is a mistake in the table.
                ensure!(text.contains("running 1 test"), "{model} is not one model:\n{text}");
                let found = !output.status.success();
                println!("round {round}: {}: {model} {}", mutant.what, if found { "fails" } else { "PASSES" });
                if !found {
                    missed.push(format!("{model} does not find: {}", mutant.what));
                }
            }
        }
        for mutant in &mutants {
            fs::copy(root.join(&mutant.file), copy.join(&mutant.file))?;
        }
    }
    ensure!(missed.is_empty(), "{}", missed.join("\n"));
    Ok(())
}

fn cargo(root: &Path, copy: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("cargo");
    command.args(["test", "--lib", "--package", "hardwired"]).args(arguments).current_dir(copy);
    // Dependencies are shared with the stage `loom`.
    command.env("RUSTFLAGS", "--cfg loom").env("CARGO_TARGET_DIR", root.join("target/loom"));
    command.stdin(Stdio::null()).output().context("cargo test")
}

/// Copies the files that git knows of, those that differ.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    ensure!(listed.status.success(), "git ls-files failed");
    for name in str::from_utf8(&listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), copy.join(name));
        let Ok(content) = fs::read(&from) else { continue };
        if fs::read(&to).is_ok_and(|present| present == content) {
            continue;
        }
        fs::create_dir_all(to.parent().map_or_else(PathBuf::new, Path::to_owned))?;
        fs::write(to, content)?;
    }
    Ok(())
}

/// The text with the fault in it.
fn mutate(text: &str, mutant: &Mutant) -> Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut places = lines
        .windows(mutant.old.len())
        .enumerate()
        .filter(|(_, window)| window.iter().zip(&mutant.old).all(|(line, old)| line.trim() == old))
        .map(|(at, _)| at);
    let Some(at) = places.next() else {
        bail!("{}: the lines to be replaced for {:?} are not there", mutant.file, mutant.what)
    };
    ensure!(places.next().is_none(), "{}: the lines for {:?} are there twice", mutant.file, mutant.what);
    let mut changed: Vec<&str> = lines[..at].to_vec();
    changed.extend(mutant.new.iter().map(String::as_str));
    changed.extend(&lines[at + mutant.old.len()..]);
    Ok(changed.join("\n") + "\n")
}

fn read_table(root: &Path) -> Result<Vec<Mutant>> {
    parse_table(&fs::read_to_string(root.join(TABLE)).context(TABLE)?)
}

fn parse_table(text: &str) -> Result<Vec<Mutant>> {
    let mut table: Vec<Mutant> = Vec::new();
    let mut round = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match (word, table.last_mut()) {
            ("round", _) => round = Some(rest.parse().with_context(|| format!("{TABLE}: {line}"))?),
            ("fault", _) => table.push(Mutant {
                round: round.with_context(|| format!("{TABLE}: no round before {line}"))?,
                what: rest.to_owned(),
                file: String::new(),
                models: Vec::new(),
                old: Vec::new(),
                new: Vec::new(),
            }),
            ("file", Some(mutant)) => rest.clone_into(&mut mutant.file),
            ("fails", Some(mutant)) => mutant.models.push(rest.to_owned()),
            ("-", Some(mutant)) => mutant.old.push(rest.to_owned()),
            ("+", Some(mutant)) => mutant.new.push(rest.to_owned()),
            _ => bail!("{TABLE}: {line}"),
        }
    }
    for mutant in &table {
        ensure!(!mutant.old.is_empty() && !mutant.models.is_empty(), "{TABLE}: {:?} is incomplete", mutant.what);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_every_fault_are_in_the_sources_once() {
        for mutant in read_table(crate::root()).unwrap() {
            let text = fs::read_to_string(crate::root().join(&mutant.file)).unwrap();
            assert_ne!(mutate(&text, &mutant).unwrap(), text, "{}", mutant.what);
        }
    }

    /// The names of the tests behind the beginning of a module `loom_tests`.
    fn models_in(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                models_in(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let models = if path.ends_with("loom_tests.rs") {
                Some(&text[..])
            } else {
                text.split_once("mod loom_tests {").map(|(_, models)| models)
            };
            let tests = models.unwrap_or_default().split("#[test]").skip(1);
            found.extend(tests.map(|test| test.split_once("fn ").unwrap().1.split('(').next().unwrap().to_owned()));
        }
    }

    #[test]
    fn every_model_is_listed_with_a_fault() {
        let mut models = Vec::new();
        models_in(&crate::root().join("src"), &mut models);
        assert!(models.len() >= 16, "{models:?}");
        let table = read_table(crate::root()).unwrap();
        // Models for which no fault is listed yet.
        let missing = ["the_pinned_timestamp_does_not_pass_a_read_timestamp_in_use"];
        for model in models.iter().filter(|model| !missing.contains(&model.as_str())) {
            assert!(table.iter().any(|mutant| mutant.models.contains(model)), "no fault shows that {model} can fail");
        }
        for mutant in &table {
            for model in &mutant.models {
                assert!(models.contains(model), "there is no model {model}");
            }
        }
    }

    #[test]
    fn lines_are_replaced_where_they_are_once() {
        let table = "round 1\nfault f\nfile a.rs\nfails m\n- b\n- c\n+ x\n";
        let mutant = &parse_table(table).unwrap()[0];
        assert_eq!(mutate("a\n    b\n  c\nd\n", mutant).unwrap(), "a\nx\nd\n");
        assert!(mutate("a\n", mutant).is_err());
        assert!(mutate("b\nc\nb\nc\n", mutant).is_err());
        assert!(parse_table("fault f\n").is_err());
        assert!(parse_table("round 1\nfault f\nfile a.rs\n- b\n").is_err());
    }
}

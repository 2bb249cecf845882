//! Repository chores: `cargo xtask NAME`.
//!
//! Everything that would otherwise be a shell script or a file made by hand. A chore that fails prints every reason it
//! found and exits with status 1.

mod config_schema;
mod features;
mod fuzz;
mod fuzz_seeds;
mod mutants;
mod sizes;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask CHORE

  tidy                                 check the repository: layers, file lengths, unsafe code, documents
  config-schema [--check]              write src/config/schema/generated.rs from data/config-schema.json, or compare
  features                             list the root package's features, one a line
  fuzz [--seconds N] [--seed N] [TARGET...]
                                       run fuzz targets (default: all, 30 s each) and the canary
  fuzz-seeds                           rebuild fuzz/seeds from tests/data
  mutants [ROUND...]                   show that the models of the lock-free protocols can fail (minutes)
  sizes                                measure the program with each feature (minutes), into docs/binary-size.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let root = root();
    match arguments {
        ["tidy"] => tidy::run(root),
        ["config-schema"] => config_schema::write(),
        ["config-schema", "--check"] => config_schema::check(),
        ["features"] => features::run(root),
        ["fuzz", rest @ ..] => fuzz::run(root, rest),
        ["fuzz-seeds"] => fuzz_seeds::run(root),
        ["mutants", rest @ ..] => mutants::run(root, rest),
        ["sizes"] => sizes::run(root),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [] => bail!("no chore named\n{USAGE}"),
        [name, ..] => bail!("no chore named {name:?}\n{USAGE}"),
    }
}

/// The directory that holds the workspace's `Cargo.toml`.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

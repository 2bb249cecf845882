//! `cargo xtask sizes`: how large the program is with each feature, as the table of `docs/binary-size.md`.
//!
//! Each line is a static build of the program `hardwired` for musl in the release profile, stripped, with one feature; so
//! the difference to the first line is what that extension adds. The builds take minutes: nothing calls this by itself.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

const TARGET: &str = "x86_64-unknown-linux-musl";
const DOCUMENT: &str = "docs/binary-size.md";
const BEGIN: &str = "<!-- table: cargo xtask sizes -->\n";
const END: &str = "<!-- end of table -->\n";

/// Builds, measures, and writes the table into the document.
pub(crate) fn run(root: &Path) -> Result<()> {
    let manifest = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let features = features(&manifest);
    ensure!(!features.is_empty(), "Cargo.toml has no features that add an extension");
    let bare = measure(root, &["--no-default-features"])?;
    let mut table = String::from("| features | bytes | added |\n| --- | ---: | ---: |\n");
    writeln!(table, "| none | {bare} | |")?;
    for feature in &features {
        let bytes = measure(root, &["--no-default-features", "--features", feature])?;
        writeln!(table, "| `{feature}` | {bytes} | {} |", bytes.cast_signed() - bare.cast_signed())?;
    }
    let all = measure(root, &["--all-features"])?;
    writeln!(table, "| all | {all} | {} |", all.cast_signed() - bare.cast_signed())?;
    print!("{table}");
    let path = root.join(DOCUMENT);
    let document = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    std::fs::write(&path, replace(&document, &table).with_context(|| path.display().to_string())?)?;
    Ok(())
}

/// The features that pull in an extension's crate, in the order of the manifest.
fn features(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[features]").skip(1);
    let section = lines.take_while(|line| !line.starts_with('['));
    let named = section.filter(|line| line.contains("\"dep:hardwired-")).filter_map(|line| line.split_once('='));
    named.map(|(name, _)| name.trim().to_owned()).collect()
}

/// The size of one build in bytes.
fn measure(root: &Path, features: &[&str]) -> Result<u64> {
    let target = root.join("target/sizes");
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--bin", "hardwired", "--target", TARGET])
        .args(["--config", "profile.release.strip=true"])
        .args(features)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(root)
        .status()
        .context("cargo build")?;
    ensure!(status.success(), "the program does not build with {}", features.join(" "));
    let binary = target.join(TARGET).join("release/hardwired");
    Ok(std::fs::metadata(&binary).with_context(|| binary.display().to_string())?.len())
}

/// The document with `table` in the place of the old one.
fn replace(document: &str, table: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_with_a_crate() {
        let manifest = "[package]\n[features]\ndefault = []\n## Words.\nlz4 = [\"dep:hardwired-lz4\"]\nx = []\n[dependencies]\n\
                        zz = [\"dep:hardwired-zz\"]\n";
        assert_eq!(features(manifest), ["lz4"]);
    }

    #[test]
    fn the_table_takes_the_place_of_the_old_one() {
        let document = format!("a\n{BEGIN}old\n{END}b\n");
        let written = replace(&document, "new\n").unwrap();
        assert_eq!(written, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(replace(&written, "new\n").unwrap(), written);
        assert!(replace("nothing", "new").is_err());
    }
}

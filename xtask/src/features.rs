//! `cargo xtask features`: the root package's features, one a line, for what is done with each of them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

const PACKAGE: &str = "hardwired";

/// Prints them.
pub(crate) fn run(root: &Path) -> Result<()> {
    for name in read(root)? {
        println!("{name}");
    }
    Ok(())
}

/// Every feature but `default`, as cargo reads the manifest, in alphabetical order.
fn read(root: &Path) -> Result<Vec<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    parse(&serde_json::from_slice(&output.stdout)?)
}

fn parse(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == PACKAGE);
    let features = package.and_then(|package| package["features"].as_object());
    let features = features.with_context(|| format!("cargo metadata lists no features of {PACKAGE}"))?;
    let mut names: Vec<String> = features.keys().filter(|name| *name != "default").cloned().collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_features_of_the_manifest_are_listed_but_the_default() {
        let names = read(crate::root()).unwrap();
        let manifest = std::fs::read_to_string(crate::root().join("Cargo.toml")).unwrap();
        assert!(names.iter().any(|name| name == "kek-mock"), "{names:?}");
        for name in &names {
            assert!(manifest.contains(&format!("\n{name} = [")), "{name}");
        }
        assert!(!names.iter().any(|name| name == "default"));
    }

    #[test]
    fn metadata_without_the_package_is_refused() {
        assert!(parse(&serde_json::json!({"packages": [{"name": "other", "features": {}}]})).is_err());
        assert!(parse(&serde_json::json!({})).is_err());
    }
}

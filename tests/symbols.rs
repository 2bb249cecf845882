//! A feature that is off leaves nothing of its extension in the program; one that is on is there.
//!
//! Method: build the program twice, without features and with all of them, and look for the mangled names of the plugin
//! crates (`18hardwired_kek_mock`) among its symbols. The second build shows that the search can find something.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The plugin crates that a feature adds, as they appear in symbols: length and name.
fn crates() -> Vec<String> {
    let manifest = include_str!("../Cargo.toml");
    let features =
        manifest.lines().skip_while(|line| *line != "[features]").take_while(|line| !line.starts_with("[pack"));
    let dependencies = features.flat_map(|line| line.split('"')).filter_map(|word| word.strip_prefix("dep:"));
    let mut names: Vec<String> =
        dependencies.filter(|name| name.starts_with("hardwired-")).map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("{}{}", name.len(), name.replace('-', "_"))).collect()
}

fn build(features: &[&str]) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("symbols");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--offline", "--bin", "hardwired"])
        .args(["--config", "profile.dev.debug=false"])
        .args(features)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", &target)
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the program does not build with {features:?}");
    std::fs::read(target.join("debug/hardwired")).expect("the program was built")
}

fn has(program: &[u8], name: &str) -> bool {
    program.windows(name.len()).any(|window| window == name.as_bytes())
}

#[test]
fn a_feature_that_is_off_leaves_no_symbol() {
    let crates = crates();
    assert!(crates.contains(&"18hardwired_kek_mock".to_owned()), "{crates:?}");
    let bare = build(&["--no-default-features"]);
    assert!(has(&bare, "16hardwired_plugin"), "symbols are looked for in the wrong form");
    let left: Vec<_> = crates.iter().filter(|name| has(&bare, name)).collect();
    assert!(left.is_empty(), "without features the program contains {left:?}");
    let full = build(&["--all-features"]);
    let missing: Vec<_> = crates.iter().filter(|name| !has(&full, name)).collect();
    assert!(missing.is_empty(), "with all features the program lacks {missing:?}");
}

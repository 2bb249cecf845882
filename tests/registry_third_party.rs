//! A plugin crate and a program from outside the workspace: built by cargo as a third party would, and run.
//!
//! The plugin depends on `hardwired-plugin` alone. The program names the plugin once, must find it linked beside the
//! built-in extensions of the features it has chosen, and keeps a database with it: the key of the first run is stored by
//! a checkpoint and handed to the provider of the second.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the program with the given cargo features and returns its lines.
fn run(features: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = root.join("tests/third_party");
    // The same versions as the project's: nothing has to be fetched.
    std::fs::copy(root.join("Cargo.lock"), workspace.join("Cargo.lock")).expect("the project has a lock file");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let home = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--package", "app", "--features", features, "--"])
        .arg(home.path())
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", target.join("third_party"))
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "features '{features}': {errors}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn a_third_partys_extension_is_linked_and_used() {
    let version = env!("CARGO_PKG_VERSION");
    let cellar = "linked: cellar-keys (key provider, from cellar-keys 7.8.9)".to_owned();
    let mock = format!("linked: kek-mock (key provider, from hardwired-kek-mock {version})");
    let life = [
        "a new database",
        "cellar-keys: opened with 'oak=1'",
        "cellar-keys: loaded nothing",
        "cellar-keys: stored, lsn 1",
        "after the checkpoint",
        "cellar-keys: locked",
        "again",
        "cellar-keys: opened with 'oak=1'",
        "cellar-keys: loaded 'oak=1', lsn 1",
        "merlot: Some(\"red\")",
        "riesling: Some(\"dry\")",
        "cellar-keys: locked",
    ]
    .map(str::to_owned);
    assert_eq!(run(""), [&[cellar.clone()][..], &life[..]].concat());
    assert_eq!(run("kek-mock"), [&[cellar, mock][..], &life[..]].concat());
}

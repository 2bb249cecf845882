//! Plugin crates and programs from outside the workspace: built by cargo as a third party would, and run.
//!
//! The plugins (one of them is the template for authors, `docs/template`) depend on `hardwired-plugin` alone. The program
//! names each once, must find it linked beside the built-in extensions of the features it has chosen, and keeps a database
//! with both: the key of the first run is stored by a checkpoint and handed to the provider of the second, and the rows come
//! in the order of the collator. The same holds after fat link-time optimisation, and names reach a program in C.
//!
//! All of it shares one target directory, so that the engine is compiled once for each profile and set of features.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the project's own build is.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo in a workspace of a third party.
fn cargo(workspace: &Path) -> Command {
    // The same versions as the project's: nothing has to be fetched.
    std::fs::copy(root().join("Cargo.lock"), workspace.join("Cargo.lock")).expect("the project has a lock file");
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace).env("CARGO_TARGET_DIR", target().join("third_party"));
    command.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

/// The lines of a run that succeeds.
fn lines(what: &str, command: &mut Command) -> Vec<String> {
    let Output { status, stdout, stderr } = command.output().expect("the command runs");
    assert!(status.success(), "{what}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text").lines().map(str::to_owned).collect()
}

/// Runs the program with the given arguments for cargo.
fn app(arguments: &[&str]) -> Vec<String> {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = cargo(&root().join("tests/third_party"));
    command.args(["run", "--quiet", "--offline", "--package", "app"]).args(arguments).arg("--").arg(home.path());
    lines(&format!("{arguments:?}"), &mut command)
}

/// What the program prints: the names that it has linked, and the life of its database.
fn expected(with_mock: bool) -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let mock = format!("linked: kek-mock (key provider, from hardwired-kek-mock {version})");
    let linked = [
        "linked: acme-caseless (collator, from acme-caseless 0.1.0)",
        "linked: cellar-keys (key provider, from cellar-keys 7.8.9)",
    ];
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
        // As bytes, a capital letter comes first.
        "riesling: dry",
        "Sauvignon: dry, too",
        "cellar-keys: locked",
    ];
    let mock = with_mock.then_some(mock);
    linked.map(str::to_owned).into_iter().chain(mock).chain(life.map(str::to_owned)).collect()
}

#[test]
fn third_parties_extensions_are_linked_and_used() {
    assert_eq!(app(&[]), expected(false));
    assert_eq!(app(&["--features", "kek-mock"]), expected(true));
}

#[test]
fn fat_link_time_optimisation_drops_none() {
    assert_eq!(app(&["--profile", "fat", "--features", "kek-mock"]), expected(true));
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_in_c_finds_the_built_in_ones_and_those_given() {
    let workspace = root().join("tests/third_party");
    lines("names-c", cargo(&workspace).args(["build", "--quiet", "--offline", "--package", "names-c"]));
    let folder = target().join("third_party/debug");
    let program = folder.join("names-c-main");
    let mut cc = Command::new("cc");
    cc.arg(workspace.join("names-c/main.c")).arg(folder.join("libnames_c.a")).arg("-o").arg(&program);
    // What `rustc --print native-static-libs` says.
    cc.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]);
    lines("cc", &mut cc);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        lines("names-c-main", &mut Command::new(&program)),
        [
            "linked: cellar-keys (key provider, from cellar-keys 7.8.9)".to_owned(),
            format!("linked: kek-mock (key provider, from hardwired-kek-mock {version})"),
        ]
    );
}

/// A copy of the template somewhere else, as an author begins: its own tests pass, and nothing of it needs the engine.
#[test]
fn a_copy_of_the_template_passes_its_own_tests() {
    let template = root().join("docs/template");
    let copy = tempfile::tempdir().expect("a directory");
    for folder in ["src", "tests"] {
        std::fs::create_dir(copy.path().join(folder)).expect("a folder");
    }
    for file in ["src/lib.rs", "tests/conformance.rs", "tests/registered.rs"] {
        std::fs::copy(template.join(file), copy.path().join(file)).expect(file);
    }
    let manifest = std::fs::read_to_string(template.join("Cargo.toml")).expect("the template has a manifest");
    let api = root().join("plugins/api");
    let moved = manifest.replace("\"../../plugins/api\"", &format!("{:?}", api.display().to_string()));
    assert_ne!(moved, manifest);
    std::fs::write(copy.path().join("Cargo.toml"), moved).expect("a manifest");
    let output = lines("the template", cargo(copy.path()).args(["test", "--offline", "--tests"]));
    let passed = output.iter().filter(|line| line.starts_with("test ") && line.ends_with("... ok")).count();
    assert_eq!(passed, 3, "{output:?}");
    let tree =
        lines("its tree", cargo(copy.path()).args(["tree", "--offline", "--edges", "normal", "--prefix", "none"]));
    assert!(!tree.iter().any(|line| line.starts_with("hardwired ")), "{tree:?}");
}

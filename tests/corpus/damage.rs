//! Damaged directories: a clear error that names the file, or the right answer; nothing changed; no panic, no hang.

use std::path::{Path, PathBuf};

use rstest::rstest;

use super::support::{Case, Object, Run, assert_unchanged, hardwired, rows, snapshot};

/// Cases where hardwired refuses what the real engine accepts, and why.
const STRICTER: &[(&str, &str)] = &[(
    "damaged-turtle-missing-12",
    "the reference takes a directory without turtle file for a new one and puts the old metadata aside: the tables are lost",
)];

fn command(home: &Path, rest: &[&str]) -> Run {
    let home = home.to_str().expect("temporary directories have UTF-8 names");
    hardwired(["-h", home].into_iter().chain(rest.iter().copied()))
}

fn refused_as_a_whole(case: &Case, object: &Object<'_>) -> bool {
    STRICTER.iter().any(|(name, _)| *name == case.text("name"))
        || object.json["reference_scan"].as_str().is_some_and(|answer| answer.starts_with("open failed"))
}

/// The object's rows before the damage, or an error that names the damaged file.
#[track_caller]
fn assert_right_or_clear(case: &Case, object: &Object<'_>, run: &Run) {
    let uri = object.uri;
    if run.code == 0 {
        let expected = object.expected("hex").expect("each object has a hex dump");
        assert_eq!(rows(&run.stdout), rows(&expected), "{uri}: a dump that succeeds is right");
    } else {
        assert_eq!(run.code, 1, "{uri}");
        assert_clear(case, run);
    }
}

#[track_caller]
fn assert_clear(case: &Case, run: &Run) {
    let file = case.text("damaged_file");
    // The turtle file holds the address of a block of the metadata file, where the damage comes to light.
    let named = run.stderr.contains(file) || (file == "WiredTiger.turtle" && run.stderr.contains("WiredTiger.wt"));
    assert!(named, "the message names {file}: {:?}", run.stderr);
}

#[rstest]
fn a_read_only_dump_is_right_or_a_clear_error(#[files("tests/data/corpus/damaged/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let before = snapshot(copy.path());
    for object in case.objects() {
        let run = command(copy.path(), &["-r", "dump", "-x", object.uri]);
        if refused_as_a_whole(&case, &object) {
            // A read-only open needs neither history nor recovery, so it may do without the history file.
            assert_right_or_clear(&case, &object, &run);
        } else if object.json["reference_scan"] == "ok" {
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{} is not damaged", object.uri);
            assert_right_or_clear(&case, &object, &run);
        } else {
            assert_right_or_clear(&case, &object, &run);
        }
    }
    assert_unchanged(&before, copy.path());
}

#[rstest]
fn a_writable_open_is_right_or_a_clear_error(#[files("tests/data/corpus/damaged/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    for object in case.objects() {
        // Each on a copy of its own: the first open may have written.
        let copy = case.copy();
        let damaged_file = copy.path().join(case.text("damaged_file"));
        let before = std::fs::read(&damaged_file).ok();
        let run = command(copy.path(), &["dump", "-x", object.uri]);
        if refused_as_a_whole(&case, &object) {
            assert_eq!(run.code, 1, "{} must not open", object.uri);
            assert_clear(&case, &run);
        } else if object.json["reference_scan"] == "ok" {
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{} is not damaged", object.uri);
        }
        assert_right_or_clear(&case, &object, &run);
        if run.code != 0 {
            assert_eq!(std::fs::read(&damaged_file).ok(), before, "damage is evidence: it stays as it was found");
        }
    }
}

#[rstest]
fn verify_finds_what_the_real_engine_finds(#[files("tests/data/corpus/damaged/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    for object in case.objects() {
        let copy = case.copy();
        let run = command(copy.path(), &["verify", object.uri]);
        if object.json["reference_verify"] == "ok" {
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{} is not damaged", object.uri);
        } else {
            assert_eq!(run.code, 1, "{} is damaged", object.uri);
            assert_clear(&case, &run);
        }
    }
}

#[test]
fn a_missing_home_is_named_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("nowhere");
    let run = command(&home, &["list"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("nowhere"), "{:?}", run.stderr);
    assert!(!home.exists());
}

#[test]
fn a_directory_that_is_no_database_is_refused_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let run = command(folder.path(), &["-r", "list"]);
    assert_eq!(run.code, 1);
    assert!(!run.stderr.is_empty());
    assert!(snapshot(folder.path()).is_empty());
}

//! Undamaged directories: what hardwired reads equals what the real engine read.

use std::path::{Path, PathBuf};

use rstest::rstest;

use super::support::{Case, assert_unchanged, data, hardwired, rows, snapshot};

/// A command line about a case's copy, with the configuration that its extensions and keys need.
fn of_case<'a>(case: &'a Case, home: &'a Path, rest: &[&'a str]) -> Vec<&'a str> {
    ["-C", case.text("open_config")].into_iter().chain(home_and(home, rest)).collect()
}

fn home_and<'a>(home: &'a Path, rest: &[&'a str]) -> Vec<&'a str> {
    let home = home.to_str().expect("temporary directories have UTF-8 names");
    ["-h", home].into_iter().chain(rest.iter().copied()).collect()
}

#[rstest]
fn a_read_only_dump_is_equal_and_changes_nothing(#[files("tests/data/corpus/read/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let before = snapshot(copy.path());
    for object in case.objects() {
        let expected = object.expected("hex").expect("each object has a hex dump");
        let dump = hardwired(of_case(&case, copy.path(), &["-r", "dump", "-x", object.uri])).succeeded();
        assert_eq!(rows(&dump), rows(&expected), "{}", object.uri);
        assert_eq!(rows(&dump).len(), object.json["rows"].as_u64().unwrap() as usize, "{}", object.uri);
        if let Some(expected) = object.expected("print") {
            let dump = hardwired(of_case(&case, copy.path(), &["-r", "dump", object.uri])).succeeded();
            assert_eq!(rows(&dump), rows(&expected), "{}", object.uri);
        }
    }
    assert_unchanged(&before, copy.path());
}

/// Opening for writing and closing rewrites metadata and may rewrite pages: nothing may get lost on the way.
#[rstest]
fn a_dump_stays_equal_over_several_opens(#[files("tests/data/corpus/read/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    for round in 1..=3 {
        for object in case.objects() {
            let expected = object.expected("hex").expect("each object has a hex dump");
            let dump = hardwired(of_case(&case, copy.path(), &["dump", "-x", object.uri])).succeeded();
            assert_eq!(data(&dump), data(&expected), "{} in round {round}", object.uri);
        }
    }
}

#[rstest]
fn every_object_verifies(#[files("tests/data/corpus/read/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    for object in case.objects() {
        hardwired(of_case(&case, copy.path(), &["verify", object.uri])).succeeded();
    }
}

#[rstest]
fn list_names_the_same_objects(#[files("tests/data/corpus/read/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let output = hardwired(of_case(&case, copy.path(), &["-r", "list"])).succeeded();
    let expected: Vec<&str> =
        case.json["list"].as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect();
    assert_eq!(String::from_utf8(output).unwrap().lines().collect::<Vec<_>>(), expected);
}

/// The log of a crash, through the compressor and the encryptor of its records.
#[rstest]
fn a_transformed_log_prints_as_the_real_engine_prints_it(
    #[files("tests/data/corpus/crashed/log-*/case.json")] path: PathBuf,
) {
    let case = Case::read(&path);
    let copy = case.copy();
    let before = snapshot(copy.path());
    let expected = std::fs::read_to_string(case.folder.join("expected/printlog.txt")).unwrap();
    let printed = hardwired(of_case(&case, copy.path(), &["printlog", "-u", "-x"])).succeeded();
    assert!(expected.lines().count() > 100);
    assert_eq!(String::from_utf8(printed).unwrap().lines().collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
    assert_unchanged(&before, copy.path());
}

/// With another key, and without any, an encrypted database is refused and stays as it is.
#[rstest]
fn an_encrypted_database_needs_its_key(#[values("encrypt-rotn-11", "encrypt-sodium-12")] name: &str) {
    let case = Case::read(&Path::new("tests/data/corpus/read").join(name).join("case.json"));
    let config = case.text("open_config");
    let other = config.replace("keyid=13", "keyid=12").replace("secretkey=5", "secretkey=6");
    let (without, _) = config.split_once(",encryption").unwrap();
    for wrong in [other, format!("config_base=false,{without}")] {
        assert_ne!(wrong, config);
        let copy = case.copy();
        let before = snapshot(copy.path());
        let run = hardwired(home_and(copy.path(), &["-C", &wrong, "list"]));
        assert_eq!(run.code, 1);
        assert!(run.stderr.contains("including all encryption"), "{wrong}: {}", run.stderr);
        assert_unchanged(&before, copy.path());
    }
}

/// A table goes with its column groups and indices.
#[rstest]
fn a_dump_of_a_table_with_indices_loads(#[files("tests/data/corpus/read/tables-*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let fresh = tempfile::tempdir().unwrap();
    for table in case.objects().iter().filter(|object| object.uri.starts_with("table:")) {
        let dump = hardwired(of_case(&case, copy.path(), &["-r", "dump", "-x", table.uri])).succeeded();
        let header = |dump: &[u8]| {
            let lines: Vec<String> = String::from_utf8_lossy(dump).lines().map(str::to_owned).collect();
            let end = lines.iter().position(|line| line == "Data").unwrap();
            lines[3..end].iter().step_by(2).cloned().collect::<Vec<_>>()
        };
        assert_eq!(header(&dump), header(&table.expected("hex").unwrap()));
        super::support::hardwired_with_input(home_and(fresh.path(), &["load"]), &dump).succeeded();
    }
    for object in case.objects() {
        let again = hardwired(home_and(fresh.path(), &["dump", "-x", object.uri])).succeeded();
        assert_eq!(data(&again), data(&object.expected("hex").unwrap()), "{}", object.uri);
    }
}

/// What one database dumps, another loads: the copy's dump is the same.
#[rstest]
fn a_dump_loads_into_a_new_database(#[files("tests/data/corpus/read/row-*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let fresh = tempfile::tempdir().unwrap();
    for object in case.objects() {
        let dump = hardwired(of_case(&case, copy.path(), &["-r", "dump", "-x", object.uri])).succeeded();
        super::support::hardwired_with_input(home_and(fresh.path(), &["load"]), &dump).succeeded();
        let again = hardwired(home_and(fresh.path(), &["dump", "-x", object.uri])).succeeded();
        assert_eq!(data(&again), data(&dump), "{}", object.uri);
        hardwired(home_and(fresh.path(), &["verify", object.uri])).succeeded();
    }
}

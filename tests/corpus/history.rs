//! Directories with history: what hardwired reads at every timestamp and of every checkpoint equals what the real engine
//! read.
//!
//! The real engine opened the directories for writing. Where it found one that had crashed, it rolled it back to stable
//! first. Read-only, hardwired shows that state through a cursor on the last checkpoint; without one, it shows the
//! directory as it is, as the real engine does.

use std::path::{Path, PathBuf};

use hardwired::{Connection, ErrorCode, Session, wiredtiger_open};
use rstest::rstest;
use serde_json::Value;

use super::support::{Case, assert_unchanged, hardwired, rows, snapshot};

type Rows = Vec<(String, String)>;

fn open(case: &Case, home: &Path) -> Connection {
    let config = format!("readonly=true,{}", case.text("open_config"));
    wiredtiger_open(home, None, &config).expect("the directory can be read")
}

/// What a cursor sees, as hexadecimal text.
fn scan(session: &Session, uri: &str, config: &str) -> Rows {
    let mut cursor = session.open_cursor(uri, &format!("raw,{config}")).expect(config);
    let mut found = Rows::new();
    while cursor.next().expect("the rows can be read") {
        found.push((hex(cursor.get_key().unwrap()), hex(cursor.get_value().unwrap())));
    }
    let mut backwards = Rows::new();
    while cursor.prev().expect("the rows can be read") {
        backwards.push((hex(cursor.get_key().unwrap()), hex(cursor.get_value().unwrap())));
    }
    backwards.reverse();
    assert_eq!(backwards, found, "{uri} {config}");
    for (key, value) in &found {
        cursor.set_key(&*unhex(key)).unwrap();
        assert!(cursor.search().unwrap(), "{uri} {config}: {key}");
        assert_eq!(&hex(cursor.get_value().unwrap()), value);
    }
    found
}

fn scan_at(session: &Session, uri: &str, begin: &str) -> Rows {
    session.begin_transaction(begin).expect(begin);
    let found = scan(session, uri, "");
    session.rollback_transaction("").unwrap();
    found
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no text {field}"))
}

fn items<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    object[field].as_array().into_iter().flatten()
}

/// The rows of a file of JSON lines.
fn expected_lines(case: &Case, file: &str) -> Rows {
    let lines = std::fs::read_to_string(case.folder.join("expected").join(file)).expect(file);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        (text(&row, "k").to_owned(), text(&row, "v").to_owned())
    };
    lines.lines().map(row).collect()
}

/// The rows of a dump in hexadecimal.
fn expected_dump(case: &Case, file: &str) -> Rows {
    rows(&std::fs::read(case.folder.join("expected").join(file)).expect(file))
}

fn hex_number(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("a timestamp")
}

#[rstest]
fn every_checkpoint_is_read_at_its_own_and_at_older_timestamps(
    #[files("tests/data/corpus/history/*/case.json")]
    #[files("tests/data/corpus/read/*/case.json")]
    path: PathBuf,
) {
    let case = Case::read(&path);
    let copy = case.copy();
    let before = snapshot(copy.path());
    let connection = open(&case, copy.path());
    let session = connection.open_session("").unwrap();
    for object in case.objects() {
        for checkpoint in items(object.json, "checkpoints") {
            let name = text(checkpoint, "name");
            let config = format!("checkpoint={name}");
            match checkpoint["hex"].as_str() {
                Some(file) => {
                    let expected = expected_dump(&case, file);
                    assert_eq!(scan(&session, object.uri, &config), expected, "{} {name}", object.uri);
                }
                None => assert!(session.open_cursor(object.uri, &config).is_err(), "{} has no {name}", object.uri),
            }
        }
        for read in items(object.json, "checkpoint_reads") {
            let (name, at) = (text(read, "name"), text(read, "read_timestamp"));
            let config = format!("checkpoint={name},debug=(checkpoint_read_timestamp={at})");
            let expected = expected_lines(&case, text(read, "rows"));
            assert_eq!(scan(&session, object.uri, &config), expected, "{} {config}", object.uri);
        }
    }
    drop(session);
    connection.close("").unwrap();
    assert_unchanged(&before, copy.path());
}

/// Its snapshot and its timestamp leave out what a rollback to stable removes.
#[rstest]
fn the_last_checkpoint_is_what_the_next_open_finds(#[files("tests/data/corpus/history/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let connection = open(&case, copy.path());
    let session = connection.open_session("").unwrap();
    for object in case.objects() {
        let found = scan(&session, object.uri, "checkpoint=WiredTigerCheckpoint");
        assert_eq!(found, expected_dump(&case, text(object.json, "hex")), "{}", object.uri);
        for read in items(object.json, "reads") {
            let at = text(read, "read_timestamp");
            let config = format!("checkpoint=WiredTigerCheckpoint,debug=(checkpoint_read_timestamp={at})");
            let expected = expected_lines(&case, text(read, "rows"));
            assert_eq!(scan(&session, object.uri, &config), expected, "{} at {at}", object.uri);
        }
    }
}

/// Without a crash there is nothing to roll back: transactions read what they read in the real engine.
#[rstest]
fn transactions_read_at_every_timestamp(#[files("tests/data/corpus/history/*/case.json")] path: PathBuf) {
    let case = Case::read(&path);
    let copy = case.copy();
    let connection = open(&case, copy.path());
    let session = connection.open_session("").unwrap();
    let crashed = case.json["crashed"].as_bool().expect("a truth");
    // Prepared changes are rolled back, too. No case has timestamps to read at that are later than the stable one.
    let begin = if crashed { "ignore_prepare=true," } else { "" };
    for object in case.objects() {
        for read in items(object.json, "reads") {
            let at = text(read, "read_timestamp");
            let found = scan_at(&session, object.uri, &format!("{begin}read_timestamp={at}"));
            assert_eq!(found, expected_lines(&case, text(read, "rows")), "{} at {at}", object.uri);
        }
        if !crashed {
            let found = scan(&session, object.uri, "");
            assert_eq!(found, expected_dump(&case, text(object.json, "hex")), "{}", object.uri);
        }
    }
}

/// `dump -t` takes timestamps in decimal or as two halves, `dump -c` names of checkpoints.
#[test]
fn a_dump_is_made_as_of_a_timestamp_or_checkpoint() {
    let case = Case::read(Path::new("tests/data/corpus/history/checkpoints-ts-12/case.json"));
    let copy = case.copy();
    let home = copy.path().to_str().unwrap();
    let dump =
        |form: [&str; 2], uri| rows(&hardwired(["-h", home, "-r", "dump", "-x", form[0], form[1], uri]).succeeded());
    for object in case.objects() {
        for read in items(object.json, "reads") {
            let at = hex_number(text(read, "read_timestamp"));
            for at in [at.to_string(), format!("(0,{at})")] {
                let expected = expected_lines(&case, text(read, "rows"));
                assert_eq!(dump(["-t", &at], object.uri), expected, "{} at {at}", object.uri);
            }
        }
        for checkpoint in items(object.json, "checkpoints") {
            let name = text(checkpoint, "name");
            let expected = expected_dump(&case, text(checkpoint, "hex"));
            assert_eq!(dump(["-c", name], object.uri), expected, "{} {name}", object.uri);
        }
        for bad in ["x", "(1,2", "(1,4294967296)"] {
            assert_eq!(hardwired(["-h", home, "-r", "dump", "-t", bad, object.uri]).code, 1, "{bad}");
        }
        let before_oldest = hardwired(["-h", home, "-r", "dump", "-t", "1", object.uri]);
        assert!(
            before_oldest.stderr.contains("begin transaction failed: Invalid argument"),
            "{}",
            before_oldest.stderr
        );
    }
}

#[rstest]
fn a_prepared_change_is_a_conflict_unless_it_is_ignored(
    #[files("tests/data/corpus/history/prepared-crash-*/case.json")] path: PathBuf,
) {
    let case = Case::read(&path);
    let copy = case.copy();
    let connection = open(&case, copy.path());
    let session = connection.open_session("").unwrap();
    for object in case.objects() {
        let mut cursor = session.open_cursor(object.uri, "raw").unwrap();
        let conflict = loop {
            match cursor.next() {
                Ok(true) => {}
                Ok(false) => panic!("{}: no conflict", object.uri),
                Err(error) => break error,
            }
        };
        assert_eq!(conflict.code(), ErrorCode::PREPARE_CONFLICT, "{}", object.uri);
        drop(cursor);
        let expected = expected_dump(&case, text(object.json, "hex"));
        for begin in ["ignore_prepare=true", "ignore_prepare=force"] {
            assert_eq!(scan_at(&session, object.uri, begin), expected, "{} {begin}", object.uri);
        }
    }
}

#[test]
fn a_timestamp_that_cannot_be_read_at_is_refused() {
    let case = Case::read(Path::new("tests/data/corpus/history/checkpoints-ts-12/case.json"));
    let copy = case.copy();
    let connection = open(&case, copy.path());
    let session = connection.open_session("").unwrap();
    let begin = |config: &str| session.begin_transaction(config).unwrap_err();
    assert_eq!(begin("read_timestamp=1").code(), ErrorCode::EINVAL);
    assert_eq!(begin("read_timestamp=0").to_string(), "illegal read timestamp '0': zero not permitted");
    assert_eq!(begin("read_timestamp=0x10").to_string(), "Failed to parse read timestamp '0x10'");
    assert_eq!(begin("read_timestamp=12345678901234567").to_string(), "read timestamp too long '12345678901234567'");
    // Who reads as of a timestamp has a snapshot, whatever was asked for.
    session.begin_transaction("isolation=read-committed,read_timestamp=20").unwrap();
    session.rollback_transaction("").unwrap();
    session.begin_transaction("read_timestamp=1,roundup_timestamps=(read=true)").unwrap();
    session.rollback_transaction("").unwrap();
    let open = |at: &str| {
        session.open_cursor("table:alpha", &format!("checkpoint=at20,debug=(checkpoint_read_timestamp={at})"))
    };
    assert_eq!(
        open("1").unwrap_err().to_string(),
        "checkpoint_read_timestamp must not be before the checkpoint oldest timestamp"
    );
    assert_eq!(open("xyz").unwrap_err().code(), ErrorCode::EINVAL);
    assert!(open("0").is_ok());
}

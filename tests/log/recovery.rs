//! Recovery of what a crash leaves: recorded outcomes of the real engine, and databases of our own.

use crate::support::{crashed_copy, log_files, open, put, row, rows};
use hardwired::Error;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const LOGGED: &str = "create,log=(enabled,file_max=100KB,prealloc=false)";

fn mutate(home: &Path, mutation: &Value) {
    let file = || home.join(format!("WiredTigerLog.{:010}", mutation["file"].as_u64().unwrap()));
    let number = |field: &str| mutation[field].as_u64().unwrap() as usize;
    match mutation["op"].as_str().unwrap() {
        "remove" => std::fs::remove_file(file()).unwrap(),
        "remove_name" => std::fs::remove_file(home.join(mutation["name"].as_str().unwrap())).unwrap(),
        "create_name" => std::fs::write(home.join(mutation["name"].as_str().unwrap()), b"").unwrap(),
        "truncate" => {
            let mut bytes = std::fs::read(file()).unwrap();
            bytes.resize(number("size"), 0);
            std::fs::write(file(), bytes).unwrap();
        }
        "write" => {
            let mut bytes = std::fs::read(file()).unwrap();
            let hex = mutation["hex"].as_str().unwrap();
            let pattern: Vec<u8> =
                (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
            let data = pattern.repeat(number("repeat"));
            let at = number("offset");
            bytes[at..at + data.len()].copy_from_slice(&data);
            std::fs::write(file(), bytes).unwrap();
        }
        other => panic!("unknown mutation {other}"),
    }
}

/// Every damage of the log that was recorded has the recorded outcome: the code of the open, the rows that are there, and how
/// the log's files were cut.
#[test]
fn damage_has_the_recorded_outcome() {
    let text = std::fs::read_to_string("tests/data/vectors/log-recovery-cases.json").unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let mut done = 0;
    let mut wrong = Vec::new();
    for case in vectors["cases"].as_array().unwrap() {
        let (name, config) = (case["name"].as_str().unwrap(), case["open_config"].as_str().unwrap());
        // Salvaging a database isn't built.
        if config.contains("salvage=true") {
            continue;
        }
        let home = crashed_copy(Path::new("tests/data/log/crashed"));
        case["mutations"].as_array().unwrap().iter().for_each(|mutation| mutate(home.path(), mutation));
        let opened = open(home.path(), config);
        let code = opened.as_ref().map_or_else(|error| error.code().0, |_| 0);
        let found = opened.as_ref().ok().map(|connection| {
            let session = connection.open_session("").unwrap();
            let mut cursor = session.open_cursor("table:r", "").unwrap();
            let mut count = 0;
            while cursor.next().unwrap() {
                count += 1;
            }
            count
        });
        if let Ok(connection) = &opened {
            connection.close("").unwrap();
        }
        let expected = (case["ret"].as_i64().unwrap() as i32, case["rows"].as_i64());
        if (code, found) != expected {
            let error = opened.err().map(|error: Error| error.to_string());
            wrong.push(format!("{name}: {code} {found:?} instead of {expected:?}: {error:?}"));
            continue;
        }
        let sizes: BTreeMap<String, u64> = log_files(home.path()).into_iter().collect();
        for (file, size) in case["log_file_sizes_after"].as_object().unwrap() {
            // A refused open leaves no new file behind.
            if code == 0 && sizes.get(file).copied() != size.as_u64() {
                wrong.push(format!("{name}: {file} has {:?} instead of {size} bytes", sizes.get(file)));
            }
        }
        done += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(done >= 34, "{done} cases");
}

#[test]
fn what_was_committed_survives_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), LOGGED).unwrap();
    connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
    put(&connection, "table:t", (0..2000).map(row));
    connection.open_session("").unwrap().checkpoint("").unwrap();
    put(&connection, "table:t", (1000..3000).map(|number| (row(number).0, "second".to_owned())));
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..10 {
        cursor.set_key(&*row(number).0).unwrap();
        cursor.remove().unwrap();
    }
    session.create("table:late", "key_format=S,value_format=S").unwrap();
    put(&connection, "table:late", (0..5).map(row));
    session.log_flush("").unwrap();
    let expected = (rows(&connection, "table:t"), rows(&connection, "table:late"));
    assert_eq!(expected.0.len(), 2990);
    let mut crashed = crashed_copy(home.path());
    // A crash in the run after a crash, before anything else happened, and after a few changes.
    for round in 0..3 {
        let again = open(crashed.path(), LOGGED).unwrap();
        assert_eq!((rows(&again, "table:t"), rows(&again, "table:late")), expected, "round {round}");
        if round == 1 {
            put(&again, "table:late", [row(3)]);
            again.open_session("").unwrap().log_flush("").unwrap();
        }
        let next = crashed_copy(crashed.path());
        let verified = again.open_session("").unwrap();
        again.open_session("").unwrap().checkpoint("").unwrap();
        verified.verify("table:t", "").unwrap();
        drop(verified);
        again.close("").unwrap();
        crashed = next;
    }
}

#[test]
fn a_clean_database_needs_no_recovery() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), LOGGED).unwrap();
    connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
    put(&connection, "table:t", (0..100).map(row));
    let crashed = {
        connection.open_session("").unwrap().log_flush("").unwrap();
        crashed_copy(home.path())
    };
    connection.close("").unwrap();
    for config in ["log=(enabled,recover=error)", "readonly,log=(enabled)"] {
        let clean = open(home.path(), config).unwrap();
        assert_eq!(rows(&clean, "table:t").len(), 100, "{config}");
        clean.close("").unwrap();
        let error = open(crashed.path(), config).unwrap_err();
        assert_eq!(error.code(), hardwired::ErrorCode::PANIC, "{config}: {error}");
        assert!(error.to_string().contains("needs recovery"), "{error}");
    }
    assert_eq!(rows(&open(crashed.path(), LOGGED).unwrap(), "table:t").len(), 100);
}

/// A file that was last written without a log is replayed as soon as there is a log again.
#[test]
fn nothing_is_lost_when_the_log_is_switched_off_and_on() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), LOGGED).unwrap();
    connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
    put(&connection, "table:t", (0..10).map(row));
    connection.close("").unwrap();
    let without = open(home.path(), "log=(enabled=false)").unwrap();
    put(&without, "table:t", (10..20).map(row));
    without.close("").unwrap();
    let connection = open(home.path(), LOGGED).unwrap();
    put(&connection, "table:t", (20..30).map(row));
    connection.open_session("").unwrap().log_flush("sync=on").unwrap();
    let crashed = crashed_copy(home.path());
    assert_eq!(rows(&open(crashed.path(), LOGGED).unwrap(), "table:t"), (0..30).map(row).collect::<Vec<_>>());
}

#[test]
fn tables_without_log_return_to_the_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), LOGGED).unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:logged", "key_format=S,value_format=S").unwrap();
    session.create("table:other", "key_format=S,value_format=S,log=(enabled=false)").unwrap();
    put(&connection, "table:logged", [row(1)]);
    put(&connection, "table:other", [row(1)]);
    session.checkpoint("").unwrap();
    put(&connection, "table:logged", [row(2)]);
    put(&connection, "table:other", [row(2)]);
    session.log_flush("").unwrap();
    let crashed = crashed_copy(home.path());
    let again = open(crashed.path(), LOGGED).unwrap();
    assert_eq!(rows(&again, "table:logged"), [row(1), row(2)]);
    assert_eq!(rows(&again, "table:other"), [row(1)]);
}

//! Everything that was loaded is terminated, once and in the order of the specification: at a close, after an open that
//! failed half-way, and when extensions fail or panic.

use crate::probes::{ALL, FILE_SYSTEM, KEY_PROVIDER, Lines, event, events};
use hardwired::plugin::extension::Extension;
use hardwired::{Connection, ErrorCode};
use rstest::rstest;
use std::path::Path;
use std::sync::Arc;

/// Opens a database with every kind of extension; `config` goes to the one of that name.
fn open_all(home: &Path, name: &str, config: &str) -> (hardwired::Result<Connection>, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let mut builder = Connection::builder(home).create(true).event_handler(Arc::clone(&lines) as _);
    for extension in ALL {
        builder = builder.with_config(extension, if extension.name() == name { config } else { "" });
    }
    (builder.open(), lines)
}

const ENDS: [&str; 10] = [
    "terminate collator",
    "terminate compressor",
    "terminate data source",
    "terminate encryptor",
    "terminate storage source",
    "terminate key provider",
    "terminate file system",
    // In load order: the early one first.
    "terminator key provider",
    "terminator storage source",
    "terminator collator",
];

#[test]
fn a_close_terminates_by_kind_then_the_file_system_then_in_load_order() {
    let home = tempfile::tempdir().unwrap();
    let (connection, _) = open_all(home.path(), "", "");
    let connection = connection.unwrap();
    let loaded = [
        "open file system",
        "open key provider",
        "open storage source",
        "open encryptor",
        "open data source",
        "open compressor",
        "open collator",
        "load None",
    ];
    assert_eq!(events(), loaded, "the early ones first");
    let session = connection.open_session("").unwrap();
    session.create("table:t", "").unwrap();
    drop(session);
    event("close");
    connection.close("").unwrap();
    assert_eq!(events(), [&["close"][..], &ENDS].concat());
    assert_eq!(connection.close("").unwrap_err().code(), ErrorCode::EINVAL);
    drop(connection);
    assert!(events().is_empty(), "everything ends once");
}

#[test]
fn dropping_the_last_handle_terminates_too() {
    let home = tempfile::tempdir().unwrap();
    let (connection, _) = open_all(home.path(), "", "");
    events();
    drop(connection.unwrap());
    assert_eq!(events(), ENDS);
}

/// What an open leaves behind that failed after `loaded` extensions.
#[rstest]
#[case::file_system("probe-files", &["open file system"])]
#[case::key_provider("probe-keys", &["open file system", "open key provider", "terminate file system"])]
#[case::data_source("probe-data", &[
    "open file system", "open key provider", "open storage source", "open encryptor", "open data source",
    "terminate encryptor", "terminate storage source", "terminate key provider", "terminate file system",
    "terminator key provider", "terminator storage source",
])]
fn an_open_that_fails_half_way_terminates_what_was_loaded(#[case] name: &str, #[case] expected: &[&str]) {
    for (config, code) in [("fail-open", ErrorCode::ENOTSUP), ("panic-open", ErrorCode::ERROR)] {
        let home = tempfile::tempdir().unwrap();
        let (result, lines) = open_all(home.path(), name, config);
        let error = result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(events(), expected, "{config}");
        if config == "panic-open" {
            assert!(error.to_string().contains(&format!("extension {name} (")), "{error}");
            assert!(lines.contain("constructor panicked: open of"), "the event handler hears of it");
        }
        let (again, _) = open_all(home.path(), "", "");
        again.unwrap().close("").unwrap();
        events();
    }
}

#[test]
fn a_refused_key_ends_the_open_with_everything_terminated() {
    let home = tempfile::tempdir().unwrap();
    for config in ["fail-load_key_blob", "panic-load_key_blob"] {
        let (result, _) = open_all(home.path(), "probe-keys", config);
        assert!(result.is_err());
        let happened = events();
        assert_eq!(happened[7], "load None");
        assert_eq!(happened[8..], ENDS);
        assert!(!home.path().join("WiredTiger.turtle").exists(), "nothing was made");
    }
}

#[rstest]
fn an_error_or_a_panic_at_the_end_stops_nobody_else(#[values(0, 1, 2, 3, 4, 5, 6)] which: usize) {
    let extension: &Extension = ALL[which];
    for (config, code) in [("fail-terminate", ErrorCode::ENOTSUP), ("panic-terminate", ErrorCode::ERROR)] {
        let home = tempfile::tempdir().unwrap();
        let (connection, lines) = open_all(home.path(), extension.name(), config);
        let connection = connection.unwrap();
        events();
        let error = connection.close("").unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(events(), ENDS);
        assert!(lines.contain("terminating extensions: "), "{:?}", lines.take());
        drop(connection);
        // The home was released, and the last checkpoint is complete.
        let (again, _) = open_all(home.path(), "", "");
        again.unwrap().close("").unwrap();
        events();
    }
}

#[test]
fn a_panicking_file_system_panics_the_connection_and_not_the_process() {
    let home = tempfile::tempdir().unwrap();
    open_all(home.path(), "", "").0.unwrap().close("").unwrap();
    events();
    let lines = Arc::new(Lines::default());
    let connection = Connection::builder(home.path())
        .event_handler(Arc::clone(&lines) as _)
        .with_config(&FILE_SYSTEM, "panic-rename")
        .open()
        .unwrap();
    let session = connection.open_session("").unwrap();
    let error = session.create("table:t", "").unwrap_err();
    assert_eq!(error.code(), ErrorCode::PANIC, "a turtle that can't be replaced: {error}");
    assert!(lines.contain("rename panicked: rename of file system"));
    assert_eq!(session.create("table:u", "").unwrap_err().code(), ErrorCode::PANIC);
    drop(session);
    events();
    assert_eq!(connection.close("").unwrap_err().code(), ErrorCode::PANIC);
    assert_eq!(events(), ["terminate file system"], "extensions end with a connection that has panicked");
    // Nothing of the failed call is there; the former state is.
    let connection = Connection::builder(home.path()).open().unwrap();
    let session = connection.open_session("").unwrap();
    assert_eq!(session.open_cursor("table:t", "").unwrap_err().code(), ErrorCode::ENOENT);
}

#[test]
fn a_panicking_key_provider_fails_its_checkpoint_alone() {
    let home = tempfile::tempdir().unwrap();
    let open = |config: &str| {
        let lines = Arc::new(Lines::default());
        let builder = Connection::builder(home.path()).create(true).event_handler(Arc::clone(&lines) as _);
        (builder.with_config(&KEY_PROVIDER, config).open().unwrap(), lines)
    };
    let (connection, _) = open("panic-get_key_blob");
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "1").unwrap();
    let error = session.checkpoint("").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ERROR);
    assert!(error.to_string().contains("get_key_blob panicked"), "{error}");
    session.open_cursor("table:t", "").unwrap().put("b", "2").unwrap();
    drop(session);
    // The last checkpoint needs the provider too; the home is released all the same.
    assert!(connection.close("").is_err());
    drop(connection);

    let (connection, lines) = open("rotate,panic-get_key_complete");
    let session = connection.open_session("").unwrap();
    session.checkpoint("").unwrap();
    assert!(lines.contain("get_key_complete panicked"), "{:?}", lines.take());
    drop(session);
    connection.close("").unwrap();
    events();
    drop(connection);
    let (connection, _) = open("");
    assert!(events().contains(&"load Some(2)".to_owned()));
    connection.close("").unwrap();
}

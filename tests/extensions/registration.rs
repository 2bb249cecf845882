//! The registration calls of an open connection.

use crate::probes::{COLLATOR, COMPRESSOR, FILE_SYSTEM, KEY_PROVIDER, Lines, Probe, events, kept_services};
use hardwired::os::LocalFileSystem;
use hardwired::plugin::config::Config;
use hardwired::plugin::storage_source::StorageSource;
use hardwired::{Connection, ErrorCode, Result};
use std::sync::Arc;

fn open(home: &tempfile::TempDir) -> (Connection, Arc<Lines>) {
    let lines = Arc::new(Lines::default());
    let builder = Connection::builder(home.path()).create(true).event_handler(Arc::clone(&lines) as _);
    // Known to the connection, and only the first is loaded at once.
    let connection = builder.with(&COMPRESSOR).open().unwrap();
    events();
    (connection, lines)
}

fn refused(result: Result<()>) -> (i32, String) {
    let error = result.unwrap_err();
    (error.code().0, error.to_string())
}

/// The cases of `ext-configure-method.json` that are about registration.
#[test]
fn the_vectors_of_the_registration_calls() {
    let home = tempfile::tempdir().unwrap();
    let (connection, lines) = open(&home);
    let probe = |kind| Probe::plain(kind, "", kept_services());
    assert_eq!(
        refused(connection.add_collator("none", probe("c"), "")),
        (22, "invalid name for a collator: none".to_owned())
    );
    assert_eq!(
        refused(connection.add_compressor("none", probe("c"), "")),
        (22, "invalid name for a compressor: none".to_owned())
    );
    assert_eq!(
        refused(connection.add_encryptor("none", probe("c"), "")),
        (22, "invalid name for an encryptor: none".to_owned())
    );
    assert_eq!(connection.add_storage_source("none", probe("c"), "").unwrap_err().code(), ErrorCode::EINVAL);
    connection.add_data_source("file:", probe("file"), "").unwrap();
    connection.add_data_source("dup:", probe("first"), "").unwrap();
    connection.add_data_source("dup:", probe("second"), "any=thing").unwrap();
    connection.add_compressor("x", probe("x"), "").unwrap();
    connection.add_compressor("x", probe("x again"), "").unwrap();
    connection.add_encryptor("e", probe("e"), "").unwrap();
    assert_eq!(
        refused(connection.set_file_system(Arc::new(LocalFileSystem::new()), "")),
        (1, "filesystem already configured; custom filesystems should enable \"early_load\" configuration".to_owned())
    );
    assert_eq!(
        refused(connection.get_storage_source("nope").map(drop)),
        (22, "unknown storage_source 'nope'".to_owned())
    );
    assert!(lines.contain("unknown storage_source 'nope': Invalid argument"), "refusals are reported");

    // The engine's own prefixes keep their meaning.
    let session = connection.open_session("").unwrap();
    session.create("file:t.wt", "").unwrap();
    drop(session);
    connection.close("").unwrap();
    let ends = events();
    let expected = [
        "terminate compressor",
        "terminate x",
        "terminate x again",
        "terminate file",
        "terminate first",
        "terminate second",
        "terminate e",
    ];
    assert_eq!(ends, expected, "by kind, in the order of registration, unreachable ones too");
}

#[test]
fn a_storage_source_is_found_by_its_name_and_its_panics_are_errors() {
    let home = tempfile::tempdir().unwrap();
    let (connection, _) = open(&home);
    let probe = |config| Probe::plain("storage source", config, kept_services());
    connection.add_storage_source("first", probe(""), "").unwrap();
    connection.add_storage_source("bad", probe("panic-customize_file_system"), "").unwrap();
    let code = |name| {
        let source: Arc<dyn StorageSource> = connection.get_storage_source(name).unwrap();
        let error = source.customize_file_system("bucket", "", Config::single("")).err().unwrap();
        (error.code(), error.to_string())
    };
    assert_eq!(code("first").0, ErrorCode::ENOENT);
    let (panicked, text) = code("bad");
    assert_eq!(panicked, ErrorCode::ERROR);
    assert!(
        text.contains("extension bad (storage source, added by the application): customize_file_system panicked"),
        "{text}"
    );
}

#[test]
fn load_extension_follows_the_vectors() {
    let home = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::default());
    let connection = Connection::builder(home.path())
        .create(true)
        .event_handler(Arc::clone(&lines) as _)
        .with(&COLLATOR)
        .with(&KEY_PROVIDER)
        .with(&FILE_SYSTEM)
        .open()
        .unwrap();
    events();
    let code = |path: &str, config: &str| connection.load_extension(path, config).err().map(|error| error.code().0);
    assert_eq!(code("/nonexistent.so", ""), Some(-31802));
    assert_eq!(code("probe-collator", "entry=nosuch"), Some(2));
    assert_eq!(code("local", "entry=nosuch"), Some(2));
    assert_eq!(
        refused(connection.load_extension("probe-collator", "foo=1")),
        (22, "unknown configuration key 'foo'".to_owned())
    );
    assert_eq!(code("probe-collator", "early_load=true"), None);
    assert!(events().is_empty(), "early loading is over");
    assert_eq!(code("probe-collator", "terminate=nosuch"), None);
    assert_eq!(code("/usr/lib/libwiredtiger_probe_collator.so", ""), None);
    assert_eq!(code("probe-collator", "config=(fail-open)"), Some(95));
    assert_eq!(events(), ["open collator", "open collator", "open collator"]);
    assert_eq!(code("probe-files", ""), Some(1));
    assert_eq!(code("probe-keys", ""), Some(22));
    assert!(events().is_empty());
    connection.close("").unwrap();
    let ends = events();
    assert_eq!(ends.iter().filter(|text| *text == "terminate collator").count(), 3, "{ends:?}");
    // The one with another terminate symbol has no terminator.
    assert_eq!(ends.iter().filter(|text| *text == "terminator collator").count(), 2, "{ends:?}");
}

#[test]
fn a_closed_connection_registers_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (connection, _) = open(&home);
    let probe = Probe::plain("late", "", kept_services());
    connection.close("").unwrap();
    events();
    for result in [
        connection.add_collator("late", Arc::clone(&probe) as _, ""),
        connection.add_data_source("late:", Arc::clone(&probe) as _, ""),
        connection.load_extension("probe-compressor", ""),
        connection.configure_method("WT_SESSION.create", None, "a=1", "int", None),
        connection.get_storage_source("late").map(drop),
    ] {
        assert_eq!(result.unwrap_err().code(), ErrorCode::EINVAL);
    }
    assert!(events().is_empty());
}

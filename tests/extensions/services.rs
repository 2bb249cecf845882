//! What a connection's services do: before the database is open, while it is, and afterwards.

use crate::probes::{COLLATOR, KEY_PROVIDER, Lines, events, kept_services};
use hardwired::plugin::config::Config;
use hardwired::plugin::extension::MessageLevel;
use hardwired::plugin::file_system::{FileType, OpenOptions};
use hardwired::plugin::services::{PackValue, Services};
use hardwired::{Connection, Error, ErrorCode};
use rstest::rstest;
use std::cmp::Ordering;
use std::sync::Arc;

struct Opened {
    connection: Connection,
    services: Arc<dyn Services>,
    lines: Arc<Lines>,
    home: tempfile::TempDir,
}

fn open() -> Opened {
    let home = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::default());
    let connection = Connection::builder(home.path())
        .create(true)
        .event_handler(Arc::clone(&lines) as _)
        .with(&COLLATOR)
        .open()
        .unwrap();
    events();
    Opened { services: connection.extension_services(), connection, lines, home }
}

fn code<T>(result: hardwired::Result<T>) -> ErrorCode {
    result.err().expect("must fail").code()
}

/// `ext-configure-method.json`, the notes on metadata.
#[test]
fn metadata_calls_follow_the_vectors() {
    let Opened { connection, services, home, .. } = open();
    services.metadata_insert("app:x", "a=1").unwrap();
    services.metadata_insert("app:x", "a=2").unwrap();
    assert_eq!(services.metadata_search("app:x").unwrap(), "a=2");
    services.metadata_update("app:x", "a=3").unwrap();
    assert_eq!(services.metadata_search("app:x").unwrap(), "a=3");
    services.metadata_update("app:new", "b=1").unwrap();
    services.metadata_remove("app:new").unwrap();
    assert!(matches!(services.metadata_remove("app:new"), Err(Error::NotFound)));
    assert!(matches!(services.metadata_search("app:new"), Err(Error::NotFound)));
    // They are rows like all others: an application reads them, and they are durable at once.
    let session = connection.open_session("").unwrap();
    let row: Option<String> = session.open_cursor("metadata:", "").unwrap().get("app:x").unwrap();
    assert_eq!(row.as_deref(), Some("a=3"));
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let copied = Connection::builder(copy.path()).open().unwrap();
    assert_eq!(copied.extension_services().metadata_search("app:x").unwrap(), "a=3");
}

#[rstest]
#[case("WiredTiger version")]
#[case("WiredTiger version string")]
#[case("file:WiredTiger.wt")]
#[case("Compatibility version")]
#[case("Live Restore")]
fn the_turtles_keys_are_not_changed(#[case] key: &str) {
    let Opened { connection: _connection, services, .. } = open();
    for (verb, result) in [
        ("insert", services.metadata_insert(key, "a=1")),
        ("update", services.metadata_update(key, "a=1")),
        ("remove", services.metadata_remove(key)),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::EINVAL);
        assert_eq!(error.to_string(), format!("{key}: {verb} not supported on the turtle file"));
    }
    let is_there = key.starts_with("WiredTiger") || key.starts_with("file:");
    assert_eq!(services.metadata_search(key).is_ok(), is_there);
}

#[rstest]
#[case("", "a=1")]
#[case("app:x", "")]
#[case("app:x", "a\0b")]
#[case("app\nx", "a=1")]
fn what_a_row_cannot_hold_is_refused(#[case] key: &str, #[case] value: &str) {
    let Opened { connection: _connection, services, .. } = open();
    assert_eq!(code(services.metadata_insert(key, value)), ErrorCode::EINVAL);
}

#[test]
fn a_read_only_connection_reads_metadata_alone() {
    let Opened { connection, services, home, .. } = open();
    services.metadata_insert("app:x", "a=1").unwrap();
    connection.close("").unwrap();
    let connection = Connection::builder(home.path()).readonly(true).open().unwrap();
    let services = connection.extension_services();
    assert_eq!(services.metadata_search("app:x").unwrap(), "a=1");
    assert_eq!(code(services.metadata_insert("app:x", "a=2")), ErrorCode::ENOTSUP);
    assert_eq!(code(services.metadata_remove("app:x")), ErrorCode::ENOTSUP);
}

#[test]
fn messages_have_the_extensions_category_and_are_filtered_by_level() {
    let Opened { connection, services, lines, .. } = open();
    lines.take();
    services.message(MessageLevel::Error, "went wrong");
    services.message(MessageLevel::Warning, "take care");
    services.message(MessageLevel::Notice, "look here");
    services.message(MessageLevel::Info, "by the way");
    services.message(MessageLevel::Debug1, "not wanted");
    let said = lines.take();
    assert_eq!(said.len(), 4, "{said:?}");
    for (line, end) in said.iter().zip([
        "[WT_VERB_EXTENSION][ERROR]: went wrong",
        "[WT_VERB_EXTENSION][WARNING]: take care",
        "[WT_VERB_EXTENSION][NOTICE]: look here",
        "[WT_VERB_EXTENSION][INFO]: by the way",
    ]) {
        assert!(line.ends_with(end), "{line}");
    }
    connection.reconfigure("verbose=[all:2]").unwrap();
    services.message(MessageLevel::Debug2, "details");
    services.message(MessageLevel::Debug3, "more details");
    assert!(lines.contain("details") && !lines.contain("more details"));
    assert_eq!(services.error_text(ErrorCode(-31803)), "WT_NOTFOUND: item not found");
    assert_eq!(services.error_text(ErrorCode(0)), "Successful return: 0");
}

#[test]
fn packing_follows_the_vectors_and_refuses_what_does_not_fit() {
    let Opened { connection: _connection, services, .. } = open();
    // struct_pack of the vectors: 8761626300.
    let packed = services.pack("iS", &[PackValue::Int(7), PackValue::Str("abc")]).unwrap();
    assert_eq!(packed, [0x87, b'a', b'b', b'c', 0]);
    let row = [PackValue::Uint(5), PackValue::Bytes(b"\xff\0"), PackValue::Str("x"), PackValue::Int(-1)];
    let packed = services.pack("QuSq", &row).unwrap();
    assert_eq!(services.unpack("QuSq", &packed).unwrap(), row);
    assert_eq!(code(services.unpack("QuSq", &packed[..3])), ErrorCode::EINVAL);
    assert_eq!(code(services.pack("S", &[PackValue::Int(1)])), ErrorCode::EINVAL);
    assert_eq!(code(services.pack("S", &[])), ErrorCode::EINVAL);
    assert_eq!(code(services.pack("!", &[])), ErrorCode::EINVAL);
    let error = services.unpack("S", b"\xff\0").unwrap_err();
    assert!(error.to_string().contains("holds other bytes"), "{error}");
}

#[test]
fn a_configured_collator_is_found_customized_and_ended() {
    let Opened { connection, services, .. } = open();
    assert_eq!(services.collate(None, b"a", b"ab").unwrap(), Ordering::Less);
    assert!(services.collator("x:", Config::single("")).unwrap().is_none());
    assert!(services.collator("x:", Config::single("collator=none")).unwrap().is_none());
    let error = services.collator("x:", Config::single("collator=zzz")).err().unwrap();
    assert_eq!(error.to_string(), "unknown collator 'zzz'");
    let registered = services.collator("x:", Config::single("collator=probe-collator")).unwrap().unwrap();
    assert_eq!(services.collate(Some(&*registered), b"a", b"b").unwrap(), Ordering::Greater);
    drop(registered);
    assert!(events().is_empty(), "the registered one lives on");
    let own = services.collator("x:y", Config::single("collator=probe-collator,app_metadata=(a=b)")).unwrap().unwrap();
    let copy = Arc::clone(&own);
    drop(own);
    assert_eq!(events(), ["customize x:y (a=b)"]);
    drop(copy);
    assert_eq!(events(), ["terminate customized collator"]);
    connection.load_extension("probe-collator", "config=(panic-compare)").unwrap();
    connection.close("").unwrap();
}

#[test]
fn a_panicking_comparison_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let connection = Connection::builder(home.path())
        .create(true)
        .with_config(&COLLATOR, "panic-compare,panic-customize")
        .open()
        .unwrap();
    let services = connection.extension_services();
    let error = services.collator("x:", Config::single("collator=probe-collator")).err().unwrap();
    assert!(error.to_string().contains("customize panicked"), "{error}");
    let connection = {
        connection.close("").unwrap();
        Connection::builder(home.path()).with_config(&COLLATOR, "panic-compare").open().unwrap()
    };
    let services = connection.extension_services();
    let collator = services.collator("x:", Config::single("collator=probe-collator")).unwrap().unwrap();
    let error = services.collate(Some(&*collator), b"a", b"b").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ERROR);
    assert!(error.to_string().contains("extension probe-collator (collator, from probes 1.0.0): compare panicked"));
    connection.open_session("").unwrap().create("table:t", "").unwrap();
}

#[test]
fn the_file_system_home_and_version_are_the_engines() {
    let Opened { connection, services, home, .. } = open();
    assert_eq!(services.home(), home.path());
    let file_system = services.file_system().unwrap();
    assert!(file_system.exists(&home.path().join("WiredTiger.turtle")).unwrap());
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    file_system.open(&home.path().join("mine"), FileType::Regular, options).unwrap().write(0, b"x").unwrap();
    assert_eq!(services.version(), (11, 3, 1));
    let before = services.oldest_transaction_id();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "1").unwrap();
    assert!(before > 0 && services.oldest_transaction_id() > before);
}

#[test]
fn after_the_end_there_is_nothing_but_messages_and_packing() {
    let Opened { connection, services, lines, .. } = open();
    connection.close("").unwrap();
    let check = || {
        assert_eq!(code(services.metadata_insert("app:x", "a=1")), ErrorCode::EINVAL);
        assert_eq!(code(services.metadata_search("app:x")), ErrorCode::EINVAL);
        services.message(MessageLevel::Error, "still there");
        assert!(services.pack("S", &[PackValue::Str("x")]).is_ok());
    };
    check();
    drop(connection);
    check();
    assert!(matches!(services.file_system(), Err(Error::NotFound)));
    assert_eq!(services.oldest_transaction_id(), 0);
    assert_eq!(code(services.collator("x:", Config::single("collator=probe-collator"))), ErrorCode::EINVAL);
    assert!(lines.contain("still there"));
}

/// The probe keeps its services for as long as it lives, and the connection keeps the probe.
#[test]
fn an_extension_that_keeps_its_services_does_not_keep_the_connection() {
    let Opened { connection, home, .. } = open();
    let kept = kept_services();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "1").unwrap();
    drop((connection, session));
    assert_eq!(code(kept.metadata_search("table:t")), ErrorCode::EINVAL);
    let again = Connection::builder(home.path()).open().expect("the home is released");
    let session = again.open_session("").unwrap();
    let value: Option<String> = session.open_cursor("table:t", "").unwrap().get("a").unwrap();
    assert_eq!(value.as_deref(), Some("1"), "dropping has closed it");
}

#[test]
fn an_early_constructor_has_messages_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let early = Connection::builder(home.path()).create(true).with_config(&KEY_PROVIDER, "fail-open").open();
    assert_eq!(code(early), ErrorCode::ENOTSUP);
    // The services of an open that came no further are in the state that the constructor saw.
    let services = kept_services();
    assert!(matches!(services.file_system(), Err(Error::NotFound)));
    assert_eq!(code(services.metadata_search("table:t")), ErrorCode::EINVAL);
    assert_eq!(services.home(), home.path());
}

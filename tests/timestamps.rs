//! Timestamps through the public API, as far as the recorded scenarios don't show them: what a checkpoint and a close keep,
//! and what a read timestamp does to a transaction.

use hardwired::{Connection, ErrorCode, Session, TimestampType, wiredtiger_open};
use std::path::Path;

fn open(home: &Path, config: &str) -> Connection {
    wiredtiger_open(home, None, config).unwrap()
}

fn query(connection: &Connection, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| connection.query_timestamp(&format!("get={name}")).unwrap()).collect()
}

fn table(connection: &Connection) -> Session {
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session
}

fn put(session: &Session, value: &str) {
    session.open_cursor("table:t", "").unwrap().put("a", value).unwrap();
}

fn metadata(session: &Session, key: &str) -> Option<String> {
    let mut cursor = session.open_cursor("metadata:", "").unwrap();
    cursor.set_key(key).unwrap();
    cursor.search().unwrap().then(|| cursor.get_value::<String>().unwrap())
}

/// The scenario `last-checkpoint` of the vectors, without its write generations.
#[test]
fn a_checkpoint_keeps_the_stable_and_the_oldest_timestamp() {
    const ALL: &[&str] = &["all_durable", "last_checkpoint", "oldest", "pinned", "recovery", "stable", "oldest_reader"];
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let session = table(&connection);
    connection.set_timestamp("oldest_timestamp=1,stable_timestamp=a").unwrap();
    put(&session, "1");
    session.checkpoint("").unwrap();
    assert_eq!(query(&connection, &["last_checkpoint", "recovery"]), ["a", "0"]);
    put(&session, "2");
    session.checkpoint("use_timestamp=false").unwrap();
    assert_eq!(query(&connection, &["last_checkpoint"]), ["0"]);
    assert_eq!(metadata(&session, "system:checkpoint"), None);
    put(&session, "3");
    connection.set_timestamp("stable_timestamp=14").unwrap();
    session.checkpoint("name=mine").unwrap();
    assert_eq!(query(&connection, &["last_checkpoint"]), ["14"]);
    for suffix in ["", ".mine"] {
        let value = metadata(&session, &format!("system:checkpoint{suffix}")).unwrap();
        assert!(value.starts_with("checkpoint_timestamp=\"14\",checkpoint_time="), "{value}");
        let value = metadata(&session, &format!("system:oldest{suffix}")).unwrap();
        assert!(value.starts_with("oldest_timestamp=\"1\",checkpoint_time="), "{value}");
    }
    drop(session);
    connection.close("").unwrap();
    let connection = open(home.path(), "");
    assert_eq!(query(&connection, ALL), ["14", "14", "1", "1", "14", "14", "0"]);
    let error = connection.set_timestamp("stable_timestamp=13").unwrap_err();
    assert_eq!(
        error.to_string(),
        "set_timestamp: stable timestamp (0, 19) must not be older than current stable timestamp (0, 20)"
    );
    connection.close("use_timestamp=false").unwrap();
    let connection = open(home.path(), "");
    assert_eq!(query(&connection, ALL), ["0"; 7]);
    connection.close("").unwrap();
}

#[test]
fn a_close_without_other_changes_keeps_the_timestamps() {
    let home = tempfile::tempdir().unwrap();
    open(home.path(), "create").close("").unwrap();
    let connection = open(home.path(), "");
    connection.set_timestamp("stable_timestamp=20,oldest_timestamp=10").unwrap();
    connection.close("").unwrap();
    let connection = open(home.path(), "");
    assert_eq!(query(&connection, &["stable", "oldest"]), ["20", "10"]);
    connection.close("").unwrap();
    let connection = open(home.path(), "readonly=true");
    assert_eq!(query(&connection, &["stable", "oldest", "recovery"]), ["20", "10", "20"]);
    connection.close("").unwrap();
}

#[test]
fn a_read_timestamp_takes_a_new_snapshot_and_sees_changes_without_timestamp_and_its_own() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let (reader, writer) = (table(&connection), connection.open_session("").unwrap());
    let get = |session: &Session| {
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        cursor.set_key("a").unwrap();
        cursor.search().unwrap().then(|| cursor.get_value::<String>().unwrap())
    };
    reader.begin_transaction("").unwrap();
    put(&writer, "theirs");
    assert_eq!(get(&reader), None);
    reader.timestamp_transaction_uint(TimestampType::Read, 5).unwrap();
    assert_eq!(get(&reader).as_deref(), Some("theirs"));
    put(&reader, "own");
    assert_eq!(get(&reader).as_deref(), Some("own"));
    assert_eq!(query(&connection, &["oldest_reader", "pinned"]), ["5", "0"]);
    reader.commit_transaction("").unwrap();
    assert_eq!(query(&connection, &["oldest_reader"]), ["0"]);
    assert_eq!(get(&writer).as_deref(), Some("own"));
    // A key of a compilable method may be shortened.
    reader.begin_transaction("read_t=7,round=(read)").unwrap();
    assert_eq!(reader.query_timestamp("").unwrap(), "7");
    reader.rollback_transaction("").unwrap();
}

/// The real library has no text for the second error; a caller in Rust gets one all the same.
#[test]
fn refusals_name_what_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let session = table(&connection);
    connection.set_timestamp("oldest_timestamp=a").unwrap();
    let refused = |result: hardwired::Result<()>, code: ErrorCode, text: &str| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    refused(session.timestamp_transaction("read_timestamp=a"), ErrorCode::EINVAL, "only permitted in a running");
    refused(session.begin_transaction("read_timestamp=9"), ErrorCode::EINVAL, "older than the oldest timestamp");
    refused(session.begin_transaction("read_timestamp=0"), ErrorCode::EINVAL, "zero not permitted");
    session.begin_transaction("").unwrap();
    refused(session.begin_transaction("read_timestamp=a"), ErrorCode::EINVAL, "not permitted in a running");
    for key in ["commit_timestamp", "durable_timestamp", "prepare_timestamp"] {
        refused(session.timestamp_transaction(&format!("{key}=b")), ErrorCode::ENOTSUP, key);
    }
    for (which, name) in [
        (TimestampType::Commit, "commit"),
        (TimestampType::Durable, "durable"),
        (TimestampType::Prepare, "prepare"),
        (TimestampType::Read, "read"),
    ] {
        let text = format!("illegal {name} timestamp: zero not permitted");
        refused(session.timestamp_transaction_uint(which, 0), ErrorCode::EINVAL, &text);
    }
    refused(session.timestamp_transaction_uint(TimestampType::Commit, 7), ErrorCode::ENOTSUP, "commit_timestamp");
    session.rollback_transaction("").unwrap();
    refused(session.begin_transaction("roundup_timestamps=(prepared=true)"), ErrorCode::ENOTSUP, "prepared");
}

//! The main job through the public API: rows go in, a checkpoint or a close makes them durable, and they are there after
//! reopening.

use hardwired::{Connection, ErrorCode, Result, wiredtiger_open};
use std::path::Path;

fn open(home: &Path, config: &str) -> Connection {
    wiredtiger_open(home, None, config).unwrap()
}

fn rows(connection: &Connection, uri: &str) -> Vec<(String, String)> {
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor(uri, "").unwrap();
    cursor.range::<String, String>(..).unwrap().collect::<Result<_>>().unwrap()
}

#[test]
fn every_committed_row_is_there_after_reopening() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    assert!(connection.is_new());
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..5_000 {
        cursor.put(format!("key{number:06}"), format!("value {number} {}", "x".repeat(number % 200))).unwrap();
    }
    drop(cursor);
    session.checkpoint("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in (0..5_000).step_by(3) {
        assert!(cursor.delete(format!("key{number:06}")).unwrap());
    }
    cursor.put("after the checkpoint", "yes").unwrap();
    drop(cursor);
    let expected = rows(&connection, "table:t");
    assert_eq!(expected.len(), 5_000 - 1_667 + 1);
    drop(session);
    connection.close("").unwrap();

    for config in ["", "readonly=true", "create"] {
        let connection = open(home.path(), config);
        assert!(!connection.is_new());
        assert_eq!(rows(&connection, "table:t"), expected, "{config}");
        let session = connection.open_session("").unwrap();
        session.verify("table:t", "").unwrap();
    }
}

#[test]
fn dropping_the_last_handle_closes_and_keeps_everything() {
    let home = tempfile::tempdir().unwrap();
    {
        let connection = open(home.path(), "create");
        let session = connection.open_session("").unwrap();
        session.create("file:plain.wt", "key_format=i,value_format=iS").unwrap();
        session.open_cursor("file:plain.wt", "").unwrap().put(-7, (1, "one")).unwrap();
        drop(connection);
        // The session keeps the connection open.
        session.open_cursor("file:plain.wt", "").unwrap().put(9, (2, "two")).unwrap();
    }
    let connection = open(home.path(), "");
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("file:plain.wt", "").unwrap();
    assert_eq!(cursor.get::<(i32, &str)>(-7).unwrap(), Some((1, "one")));
    assert_eq!(cursor.get::<(i32, String)>(9).unwrap(), Some((2, "two".to_owned())));
    assert_eq!(cursor.get::<(i32, &str)>(8).unwrap(), None);
}

#[test]
fn what_was_not_committed_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    cursor.put("kept", "1").unwrap();
    session.begin_transaction("").unwrap();
    cursor.put("lost", "2").unwrap();
    cursor.put("kept", "changed").unwrap();
    let other = connection.open_session("").unwrap();
    other.checkpoint("").unwrap();
    connection.close("").unwrap();
    assert_eq!(session.commit_transaction("").unwrap_err().code(), ErrorCode::EINVAL);
    drop(cursor);
    drop(session);
    drop(other);
    let connection = open(home.path(), "");
    assert_eq!(rows(&connection, "table:t"), [("kept".to_owned(), "1".to_owned())]);
}

#[test]
fn many_checkpoints_keep_the_file_bounded() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=i,value_format=u").unwrap();
    let mut size_after_warm_up = 0;
    for round in 0..40_u8 {
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        for key in 0..500_i32 {
            cursor.put(key, vec![round; 300]).unwrap();
        }
        drop(cursor);
        session.checkpoint("").unwrap();
        let size = std::fs::metadata(home.path().join("t.wt")).unwrap().len();
        if round == 5 {
            size_after_warm_up = size;
        }
        assert!(round < 6 || size <= 2 * size_after_warm_up, "round {round}: {size} bytes");
    }
    session.verify("table:t", "").unwrap();
}

#[test]
fn named_checkpoints_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create");
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "first").unwrap();
    session.checkpoint("name=one").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "second").unwrap();
    session.checkpoint("").unwrap();
    let value = |checkpoint: &str| {
        let config = format!("checkpoint={checkpoint}");
        let mut cursor = session.open_cursor("table:t", &config).unwrap();
        cursor.get::<String>("a").unwrap().unwrap()
    };
    assert_eq!(value("one"), "first");
    assert_eq!(value("WiredTigerCheckpoint"), "second");
    let held = session.open_cursor("table:t", "checkpoint=one").unwrap();
    assert_eq!(session.checkpoint("drop=(one)").unwrap_err().code(), ErrorCode::EBUSY);
    drop(held);
    session.checkpoint("drop=(one)").unwrap();
    assert_eq!(session.open_cursor("table:t", "checkpoint=one").unwrap_err().code(), ErrorCode::ENOENT);
}

#[test]
fn schema_calls_checkpoints_and_writers_run_side_by_side() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create,cache_size=20MB");
    connection.open_session("").unwrap().create("table:shared", "key_format=i,value_format=S").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..2_i32 {
            let connection = &connection;
            scope.spawn(move || {
                let session = connection.open_session("").unwrap();
                for round in 0..25 {
                    let uri = format!("table:t{thread}_{round}");
                    session.create(&uri, "key_format=i,value_format=S").unwrap();
                    session.open_cursor(&uri, "").unwrap().put(round, "row").unwrap();
                    if round % 3 == 0 {
                        session.drop(&uri, "force").unwrap();
                    }
                }
            });
            scope.spawn(move || {
                let session = connection.open_session("").unwrap();
                let mut cursor = session.open_cursor("table:shared", "").unwrap();
                for number in 0..3_000 {
                    cursor.put(number * 2 + thread, "value").unwrap();
                }
            });
        }
        scope.spawn(|| {
            let session = connection.open_session("").unwrap();
            for _ in 0..30 {
                session.checkpoint("").unwrap();
            }
        });
    });
    connection.close("").unwrap();
    drop(connection);
    let connection = open(home.path(), "");
    let session = connection.open_session("").unwrap();
    for thread in 0..2 {
        for round in 0..25 {
            let cursor = session.open_cursor(&format!("table:t{thread}_{round}"), "");
            assert_eq!(cursor.is_ok(), round % 3 != 0, "t{thread}_{round}");
        }
    }
    let mut cursor = session.open_cursor("table:shared", "").unwrap();
    assert_eq!(cursor.range::<i32, String>(..).unwrap().count(), 6_000);
    drop(cursor);
    session.verify("table:shared", "").unwrap();
}

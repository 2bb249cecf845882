//! What commits, flushes and checkpoints do to the log.

use crate::support::{crashed_copy, log_files, open, put, row, rows};
use hardwired::ErrorCode;

const CONFIG: &str = "create,log=(enabled,file_max=100KB)";

#[test]
fn sync_is_given_once_a_transaction() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), CONFIG).unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    for (begin, commit, works) in [
        ("sync=true", "", true),
        ("sync=false", "", true),
        ("", "sync=on", true),
        ("", "sync=off", true),
        ("sync=true", "sync=off", false),
        ("sync=false", "sync=off", false),
    ] {
        session.begin_transaction(begin).unwrap();
        let done = session.commit_transaction(commit);
        assert_eq!(done.is_ok(), works, "{begin}, {commit}");
        if let Err(error) = done {
            assert_eq!(error.code(), ErrorCode::EINVAL);
            assert!(error.to_string().contains("sync already set during begin_transaction"), "{error}");
        }
    }
}

#[test]
fn a_synced_commit_is_in_the_files() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), CONFIG).unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    for (number, sync) in ["sync=on", "sync=off"].into_iter().enumerate() {
        session.begin_transaction("").unwrap();
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        let (key, value) = row(number);
        cursor.set_key(&*key).unwrap();
        cursor.set_value(&*value).unwrap();
        cursor.insert().unwrap();
        session.commit_transaction(sync).unwrap();
        let crashed = crashed_copy(home.path());
        let found = rows(&open(crashed.path(), CONFIG).unwrap(), "table:t");
        assert!(found.contains(&row(0)), "{sync}");
    }
    session.log_flush("sync=off").unwrap();
    let crashed = crashed_copy(home.path());
    assert_eq!(rows(&open(crashed.path(), CONFIG).unwrap(), "table:t"), [row(0), row(1)]);
}

#[test]
fn log_calls_need_a_log() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create").unwrap();
    let session = connection.open_session("").unwrap();
    assert_eq!(session.log_flush("").unwrap_err().to_string(), "logging not enabled");
    session.log_printf("nobody reads this").unwrap();
    drop(session);
    connection.close("").unwrap();
    let connection = open(home.path(), "readonly").unwrap();
    let session = connection.open_session("").unwrap();
    assert_eq!(session.log_flush("").unwrap_err().code(), ErrorCode::ENOTSUP);
    assert_eq!(session.log_printf("x").unwrap_err().code(), ErrorCode::ENOTSUP);
}

/// Old files go with checkpoints, unless they are to stay.
#[test]
fn files_are_removed_after_checkpoints() {
    for (remove, keeps) in [("", false), (",remove=false", true), (",archive=false", true)] {
        let home = tempfile::tempdir().unwrap();
        let config = format!("create,log=(enabled,file_max=100KB{remove})");
        let connection = open(home.path(), &config).unwrap();
        connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
        put(&connection, "table:t", (0..3000).map(row));
        let before = log_files(home.path()).len();
        assert!(before >= 3, "{before} files");
        connection.open_session("").unwrap().checkpoint("").unwrap();
        // The log's thread removes them within a second; the last one it looks at is the one being written.
        let mut after = before;
        for _ in 0..200 {
            after = log_files(home.path()).len();
            if after < before {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(if keeps { 15 } else { 50 }));
        }
        assert_eq!(after < before, !keeps, "{config}: {before} files, {after} after the checkpoint");
        connection.close("").unwrap();
        assert_eq!(rows(&open(home.path(), &config).unwrap(), "table:t").len(), 3000);
    }
}

#[test]
fn many_threads_commit_at_once() {
    const THREADS: usize = 4;
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), &format!("{CONFIG},transaction_sync=(enabled,method=fsync)")).unwrap();
    connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let connection = &connection;
            scope.spawn(move || put(connection, "table:t", (0..50).map(|number| row(thread * 1000 + number))));
        }
    });
    let crashed = crashed_copy(home.path());
    let found = rows(&open(crashed.path(), CONFIG).unwrap(), "table:t");
    let expected: Vec<_> =
        (0..THREADS).flat_map(|thread| (0..50).map(move |number| row(thread * 1000 + number))).collect();
    assert_eq!(found, expected);
}

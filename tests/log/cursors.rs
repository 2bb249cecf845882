//! Cursors on the log.

use crate::support::{open, put, row};
use hardwired::ErrorCode;

type Key = (u32, u32, u32);

#[test]
fn a_cursor_shows_records_and_the_operations_of_commits() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create,log=(enabled)").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    put(&connection, "table:t", [row(1), row(2)]);
    session.log_printf("a message").unwrap();
    let mut cursor = session.open_cursor("log:", "").unwrap();
    assert_eq!((cursor.key_format(), cursor.value_format()), ("III", "qIIIuu"));
    let (mut messages, mut values, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    while cursor.next().unwrap() {
        let key: Key = cursor.get_key().unwrap();
        keys.push(key);
        let (txn, kind, operation, file, _, value): (i64, u32, u32, u32, &[u8], &[u8]) = cursor.get_value().unwrap();
        match (kind, key.2) {
            (3, 0) => messages.push(String::from_utf8_lossy(value).trim_end_matches(['\0', '\u{fffd}']).to_owned()),
            (1, 1) if file != 0 => values.push((operation, value.to_vec())),
            (1, 0) => assert!(txn > 0 && file == 0),
            _ => {}
        }
    }
    assert_eq!(keys[0], (1, 128, 0), "the header isn't shown, the previous file's end is");
    assert!(keys.is_sorted());
    assert_eq!(messages.last().map(String::as_str), Some("a message"));
    assert_eq!(values, [(4, b"value1\0".to_vec()), (4, b"value2\0".to_vec())]);
    // Every record can be searched for, by its place alone.
    for (file, offset, _) in keys.iter().filter(|key| key.2 == 0) {
        cursor.set_key((*file, *offset, 7_u32)).unwrap();
        assert!(cursor.search().unwrap(), "{file},{offset}");
        assert_eq!(cursor.get_key::<Key>().unwrap(), (*file, *offset, 0));
    }
    for missing in [(1_u32, 129_u32, 0_u32), (1, 1 << 20, 0), (9, 128, 0)] {
        cursor.set_key(missing).unwrap();
        assert!(!cursor.search().unwrap(), "{missing:?}");
    }
    assert_eq!(cursor.prev().unwrap_err().code(), ErrorCode::ENOTSUP);
    assert_eq!(cursor.insert().unwrap_err().code(), ErrorCode::ENOTSUP);
}

#[test]
fn without_log_files_there_is_no_cursor() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create").unwrap();
    let session = connection.open_session("").unwrap();
    let error = session.open_cursor("log:", "").unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::ENOTSUP, "no log files found"));
}

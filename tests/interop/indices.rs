//! A table with column groups and indices that both engines change in turn. All objects are compared as raw bytes; the real
//! engine compares every index with the table as well.

use std::path::Path;

use hardwired::{Session, wiredtiger_open};

use crate::oracle::{Content, Oracle, Table};
use crate::program;

/// The same table as the real engine makes (`indices_make` in `oracle.py`).
fn make(home: &Path) {
    let connection = wiredtiger_open(home, None, "create").unwrap();
    let session = connection.open_session("").unwrap();
    for (uri, config) in [
        ("table:t", "key_format=iS,value_format=Siu,columns=(id,name,city,zip,blob),colgroups=(main,extra)"),
        ("colgroup:t:main", "columns=(city,zip)"),
        ("colgroup:t:extra", "columns=(blob)"),
        ("index:t:place", "columns=(city,zip)"),
        ("index:t:name", "columns=(name,zip)"),
    ] {
        session.create(uri, config).unwrap();
    }
    drop(session);
    connection.close("").unwrap();
}

/// Puts, changes and removes records, some of them in a transaction that is rolled back, and makes two more indices.
fn change(home: &Path, seed: i32) -> Content {
    let connection = wiredtiger_open(home, None, "").unwrap();
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..600_i32 {
        let mixed = (number + 600 * seed).wrapping_mul(0x9e37_79b1_u32.cast_signed());
        let part = |shift: u32, end: i32| ((mixed >> shift) & 0xffff) % end;
        let name = ["ann", "bob"][part(3, 2) as usize];
        let key = (part(5, 300) - 150, name);
        let rolled_back = number % 7 == 0;
        session.begin_transaction("").unwrap();
        if number % 4 == 0 {
            cursor.delete(key).unwrap();
        } else {
            let city = ["bern", "oslo", "rome"][part(9, 3) as usize];
            let blob = vec![part(11, 256) as u8; part(7, 4) as usize];
            cursor.put(key, (city, part(2, 7) - 3, blob.as_slice())).unwrap();
        }
        if rolled_back {
            session.rollback_transaction("").unwrap();
        } else {
            session.commit_transaction("").unwrap();
        }
        if number % 200 == 0 {
            session.checkpoint("").unwrap();
        }
    }
    drop(cursor);
    session.create("index:t:blob", "columns=(blob)").unwrap();
    session.create("index:t:all", "columns=(blob,id,city,name,zip)").unwrap();
    let content = read(&session);
    drop(session);
    connection.close("").unwrap();
    content
}

/// All objects through raw cursors.
fn read(session: &Session) -> Content {
    let mut content = Content::default();
    let mut uris = session.open_cursor("metadata:create", "").unwrap();
    while uris.next().unwrap() {
        let uri: String = uris.get_key().unwrap();
        if !["table:", "colgroup:", "index:"].iter().any(|kind| uri.starts_with(kind)) {
            continue;
        }
        let mut table = Table { key_format: "u".to_owned(), value_format: "u".to_owned(), ..Table::default() };
        let mut cursor = session.open_cursor(&uri, "raw").unwrap();
        while cursor.next().unwrap() {
            let (key, value) = (cursor.get_key_raw().unwrap().to_vec(), cursor.get_value_raw().unwrap().to_vec());
            assert_eq!(table.rows.insert(key, value), None, "{uri}");
        }
        content.tables.insert(uri, table);
    }
    content
}

fn assert_reads(home: &Path, expected: &Content) {
    let connection = wiredtiger_open(home, None, "").unwrap();
    let session = connection.open_session("").unwrap();
    read(&session).assert_equal(expected, "what hardwired reads");
    session.verify("table:t", "").unwrap();
    drop(session);
    connection.close("").unwrap();
}

/// Every index has an entry for every record.
fn assert_complete(content: &Content, indices: usize) {
    let records = content.tables["table:t"].rows.len();
    assert!(records > 100);
    let of_indices: Vec<_> = content.tables.iter().filter(|(uri, _)| uri.starts_with("index:")).collect();
    assert_eq!(of_indices.len(), indices);
    for (uri, table) in of_indices {
        assert_eq!(table.rows.len(), records, "{uri}");
    }
}

#[test]
fn both_engines_maintain_groups_and_indices_that_the_real_engine_made() {
    let home = tempfile::tempdir().unwrap();
    Oracle::make_indices(home.path());
    to_and_fro(home.path());
}

#[test]
fn both_engines_maintain_groups_and_indices_that_hardwired_made() {
    let home = tempfile::tempdir().unwrap();
    make(home.path());
    to_and_fro(home.path());
}

fn to_and_fro(home: &Path) {
    let content = Oracle::change_indices(home, 1);
    assert_complete(&content, 3);
    assert_reads(home, &content);
    for seed in 0..2 {
        let content = change(home, seed);
        assert_complete(&content, 4);
        Oracle::check_indices(home).assert_equal(&content, "what the real engine reads");
        let content = Oracle::change_indices(home, 2);
        assert_complete(&content, 4);
        assert_reads(home, &content);
    }
}

/// The real engine finds the same in a table whose indices hardwired filled.
#[test]
fn the_real_engine_reads_indices_that_hardwired_filled() {
    let home = tempfile::tempdir().unwrap();
    make(home.path());
    let content = change(home.path(), 7);
    assert_complete(&content, 4);
    Oracle::check_indices(home.path()).assert_equal(&content, "what the real engine reads");
    program::verify(home.path(), &content);
}

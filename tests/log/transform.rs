//! Logs with compressed and encrypted records.

use crate::support::{crashed_copy, open, put, row, rows};
use hardwired::{Error, ErrorCode};
use std::collections::BTreeMap;
use std::path::Path;

const LOG: &str = "log=(enabled,file_max=100KB,prealloc=false";
const ROTN: &str = "extensions=[libwiredtiger_rotn.so,libwiredtiger_zlib.so],encryption=(name=rotn,keyid=5)";
const SODIUM: &str = "extensions=[libwiredtiger_sodium.so],encryption=(name=sodium,secretkey=";

fn key(first: char) -> String {
    format!("{first}123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
}

fn sodium(first: char) -> String {
    format!("{SODIUM}{}),{LOG})", key(first))
}

/// The flags of all records of a home's log, and whether its files hold `text`.
fn look(home: &Path, text: &[u8]) -> (BTreeMap<u16, usize>, bool) {
    let (mut flags, mut holds) = (BTreeMap::new(), false);
    for (name, bytes) in files(home) {
        if !name.starts_with("WiredTigerLog.") {
            continue;
        }
        holds |= bytes.windows(text.len()).any(|window| window == text);
        // The two blocks before are never transformed.
        let mut at = 256;
        while let Some(header) = bytes.get(at..at + 16) {
            let len = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
            if len == 0 {
                break;
            }
            *flags.entry(u16::from_le_bytes(header[8..10].try_into().unwrap())).or_default() += 1;
            at += len;
        }
    }
    (flags, holds)
}

fn files(home: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(home).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

/// A copy of a home, taken while the log held all of a table's rows and no checkpoint did.
fn crashed(config: &str) -> tempfile::TempDir {
    crashed_after(config, false)
}

/// The same; before the rows were written, there may have been a checkpoint.
fn crashed_after(config: &str, has_checkpoint: bool) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), &format!("create,{config}")).unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    if has_checkpoint {
        session.checkpoint("").unwrap();
    }
    put(&connection, "table:t", (0..50).map(row));
    put(&connection, "table:t", [("long".to_owned(), "telltale".repeat(200))]);
    session.log_flush("sync=on").unwrap();
    crashed_copy(home.path())
}

fn expected() -> Vec<(String, String)> {
    let mut rows: Vec<_> = (0..50).map(row).collect();
    rows.push(("long".to_owned(), "telltale".repeat(200)));
    rows
}

#[rstest::rstest]
#[case::compressed(&format!("extensions=[libwiredtiger_zlib.so],{LOG},compressor=zlib)"), &[0, 1])]
#[case::encrypted(&format!("{ROTN},{LOG})"), &[2])]
#[case::both(&format!("{ROTN},{LOG},compressor=zlib)"), &[2, 3])]
#[case::authenticated(&sodium('0'), &[2])]
fn a_transformed_log_is_replayed(#[case] config: &str, #[case] kinds: &[u16]) {
    let home = crashed(config);
    let (flags, holds_text) = look(home.path(), b"telltaletelltaletelltale");
    assert_eq!(flags.keys().copied().collect::<Vec<_>>(), kinds, "{flags:?}");
    assert!(!holds_text, "a value stands in the log as it is");
    let connection = open(home.path(), config).unwrap();
    assert_eq!(rows(&connection, "table:t"), expected());
    connection.close("").unwrap();
}

/// Control of the test above: without a transform the value can be found.
#[test]
fn a_plain_log_holds_what_was_written() {
    let home = crashed(&format!("{LOG})"));
    assert_eq!(look(home.path(), b"telltaletelltaletelltale").0.keys().copied().collect::<Vec<_>>(), [0]);
    assert!(look(home.path(), b"telltaletelltaletelltale").1);
}

/// What the open says; the home must be as it was, but for the lock.
fn refused(home: &Path, config: &str) -> Error {
    let before = files(home);
    let error = open(home, config).err().unwrap();
    let mut after = files(home);
    for (name, bytes) in &before {
        assert_eq!(after.remove(name).as_ref(), Some(bytes), "{name}");
    }
    assert!(after.is_empty(), "{:?}", after.keys());
    error
}

/// Whether the metadata's checkpoint or the log's first record is what can't be read.
#[rstest::rstest]
#[case::by_the_metadata(true, "including all encryption")]
#[case::by_the_log(false, "Encrypted record with no configured decrypt method")]
fn a_wrong_key_and_no_key_change_nothing(#[case] has_checkpoint: bool, #[case] without_key: &str) {
    let home = crashed_after(&sodium('0'), has_checkpoint);
    let error = refused(home.path(), &sodium('1'));
    assert_eq!(error.code(), ErrorCode::EINVAL, "{error}");
    let error = refused(home.path(), &format!("config_base=false,{LOG})"));
    assert!(error.to_string().contains(without_key), "{error}");
    let connection = open(home.path(), &sodium('0')).unwrap();
    assert_eq!(rows(&connection, "table:t"), expected());
}

/// The encryptor `rotn` authenticates nothing: that a key is wrong shows in the metadata's rows, and every database has one of
/// the history store's file.
#[test]
fn a_database_without_tables_needs_its_key_too() {
    let home = tempfile::tempdir().unwrap();
    let with_key = |key: usize| format!("create,extensions=[rotn],encryption=(name=rotn,keyid={key})");
    open(home.path(), &with_key(5)).unwrap().close("").unwrap();
    for key in (0..26).filter(|key| *key != 5) {
        let error = refused(home.path(), &with_key(key));
        assert_eq!(error.code(), ErrorCode::EINVAL, "{key}: {error}");
        assert!(error.to_string().contains("including all encryption"), "{key}: {error}");
    }
    open(home.path(), &with_key(5)).unwrap().close("").unwrap();
}

#[test]
fn a_compressed_log_without_its_compressor_changes_nothing() {
    let config = format!("extensions=[libwiredtiger_zlib.so],{LOG},compressor=zlib)");
    let home = crashed(&config);
    let error = refused(home.path(), &format!("config_base=false,{LOG})"));
    assert!(error.to_string().contains("Compressed record with no configured compressor"), "{error}");
    let connection = open(home.path(), &config).unwrap();
    assert_eq!(rows(&connection, "table:t"), expected());
}

#[test]
fn a_compressor_that_is_not_there_is_named() {
    let home = tempfile::tempdir().unwrap();
    let error = open(home.path(), &format!("create,{LOG},compressor=nosuch)")).err().unwrap();
    assert_eq!((error.code(), error.to_string()), (ErrorCode::EINVAL, "unknown compressor 'nosuch'".to_owned()));
}

/// A log cursor shows what was written, not what the file holds.
#[test]
fn a_log_cursor_shows_the_contents() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), &format!("create,{ROTN},{LOG},compressor=zlib)")).unwrap();
    let session = connection.open_session("").unwrap();
    session.log_printf("telltale").unwrap();
    session.log_flush("sync=on").unwrap();
    let mut cursor = session.open_cursor("log:", "").unwrap();
    let mut found = Vec::new();
    while cursor.next().unwrap() {
        let (_, kind, _, _, _, value): (i64, u32, u32, u32, &[u8], &[u8]) = cursor.get_value().unwrap();
        if kind == 3 {
            found.push(value.to_vec());
        }
    }
    assert_eq!(found.last().map(Vec::as_slice), Some(&b"telltale\0"[..]));
}

//! One bit flipped in any file: an error or the right answer, never a panic, a hang or a wrong answer.
//!
//! In memory and within one process, because there are thousands of runs. Every byte of the small files is tried, and in the
//! larger ones every byte of the headers and a sample of the rest, which the same checksums cover.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hardwired::os::MemoryFileSystem;
use hardwired::plugin::file_system::{FileSystem, FileType, OpenOptions};
use hardwired::{Connection, EventHandler, Result};

const HOME: &str = "home";
/// Files up to this size are tried byte by byte.
const SMALL_BYTES: usize = 2048;
/// In larger files: the first bytes of each 512, and every so many of the others.
const HEADER_BYTES: usize = 44;
const STRIDE: usize = 37;

type Files = BTreeMap<String, Vec<u8>>;
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

struct Silent;

impl EventHandler for Silent {
    fn handle_error(&self, _: i32, _: &str) -> Result<()> {
        Ok(())
    }

    fn handle_message(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

fn open(files: &Files, config: &str) -> Result<(MemoryFileSystem, Connection)> {
    let fs = MemoryFileSystem::new();
    for (name, bytes) in files {
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        fs.open(&Path::new(HOME).join(name), FileType::Regular, create)?.write(0, bytes)?;
    }
    let connection = Connection::builder(HOME)
        .config(config)
        .event_handler(Arc::new(Silent))
        .file_system(Arc::new(fs.clone()))
        .open()?;
    Ok((fs, connection))
}

fn tables() -> impl Iterator<Item = String> {
    (0..3).map(|number| format!("table:t{number}"))
}

/// A database of several tables, one with overflow values, closed cleanly.
fn database() -> (Files, BTreeMap<String, Rows>) {
    let (fs, connection) = open(&Files::new(), "create").unwrap();
    let session = connection.open_session("").unwrap();
    let mut content = BTreeMap::new();
    for (number, uri) in tables().enumerate() {
        let config = "key_format=u,value_format=u,allocation_size=512,leaf_page_max=1KB,internal_page_max=512";
        session.create(&uri, config).unwrap();
        let mut cursor = session.open_cursor(&uri, "").unwrap();
        let mut rows = Rows::new();
        for row in 0..120_usize {
            let key = format!("key {row:04} of {number}").into_bytes();
            // The last table has some values of blocks of their own.
            let length = if number == 2 && row % 40 == 0 { 1500 } else { row % 50 };
            rows.push((key, vec![b'a' + (row % 26) as u8; length]));
        }
        for (key, value) in &rows {
            cursor.put(key, value).unwrap();
        }
        content.insert(uri, rows);
    }
    session.checkpoint("").unwrap();
    drop(session);
    connection.close("").unwrap();
    let mut files = Files::new();
    for name in fs.directory_list(Path::new(HOME), "").unwrap() {
        let path = Path::new(HOME).join(&name);
        let mut bytes = vec![0; fs.size(&path).unwrap() as usize];
        let handle = fs.open(&path, FileType::Regular, OpenOptions::default()).unwrap();
        handle.read(0, &mut bytes).unwrap();
        files.insert(name, bytes);
    }
    (files, content)
}

fn read(connection: &Connection, uri: &str) -> Result<Rows> {
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor(uri, "")?;
    let mut rows = Rows::new();
    while cursor.next()? {
        let (key, value) = cursor.get_raw_key_value()?;
        rows.push((key.to_vec(), value.to_vec()));
    }
    Ok(rows)
}

/// Reads all tables; how many gave an error.
fn check(files: &Files, content: &BTreeMap<String, Rows>, config: &str, what: &str) -> usize {
    let Ok((_, connection)) = open(files, config) else { return content.len() };
    let mut errors = 0;
    for (uri, expected) in content {
        match read(&connection, uri) {
            Ok(rows) => assert!(rows == *expected, "{what}: {uri} has other rows and no error"),
            Err(_) => errors += 1,
        }
    }
    errors
}

fn places(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| length <= SMALL_BYTES || at % 512 < HEADER_BYTES || at % STRIDE == 0)
}

#[test]
fn an_undamaged_database_has_all_rows() {
    let (files, content) = database();
    for config in ["readonly=true", ""] {
        assert_eq!(check(&files, &content, config, "undamaged"), 0);
    }
}

#[test]
fn a_flipped_bit_gives_an_error_or_the_right_answer() {
    let (files, content) = database();
    let mut errors = 0;
    for name in files.keys() {
        for at in places(files[name].len()) {
            let mut damaged = files.clone();
            let bit = (at % 8) as u32;
            damaged.get_mut(name).unwrap()[at] ^= 1 << bit;
            errors += check(&damaged, &content, "readonly=true", &format!("{name}, byte {at}, bit {bit}"));
        }
    }
    // Most bytes matter: a sweep without errors would not have damaged anything.
    assert!(errors > 1000, "only {errors} errors");
}

#[test]
fn a_file_cut_short_gives_an_error_or_the_right_answer() {
    let (files, content) = database();
    for name in files.keys() {
        let length = files[name].len();
        for keep in (0..length).step_by((length / 24).max(1)) {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap().truncate(keep);
            for config in ["readonly=true", ""] {
                check(&damaged, &content, config, &format!("{name} cut to {keep} bytes, opened with '{config}'"));
            }
        }
    }
}

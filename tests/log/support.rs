//! Databases with a log: opening, killing, looking at what is there.

use hardwired::connection::Connection;
use hardwired::event::EventHandler;
use hardwired::{Error, wiredtiger_open};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Keeps the texts of errors and notices.
#[derive(Default)]
pub(crate) struct Texts(pub(crate) Mutex<Vec<String>>);

impl EventHandler for Texts {
    fn handle_error(&self, _: i32, text: &str) -> Result<(), Error> {
        self.0.lock().unwrap().push(text.to_owned());
        Ok(())
    }
    fn handle_message(&self, text: &str) -> Result<(), Error> {
        self.0.lock().unwrap().push(text.to_owned());
        Ok(())
    }
}

pub(crate) fn open(home: &Path, config: &str) -> Result<Connection, Error> {
    wiredtiger_open(home, Some(Arc::new(Texts::default())), config)
}

/// What a crash of the process leaves: all that was handed to the operating system.
pub(crate) fn crashed_copy(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_into(home, copy.path());
    copy
}

fn copy_into(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            // Fixtures may be read-only: the contents are what is copied. The log's thread may just have removed a file.
            match std::fs::read(entry.path()) {
                Ok(bytes) => std::fs::write(&target, bytes).unwrap(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => panic!("{}: {error}", entry.path().display()),
            }
        }
    }
}

/// The log files of a home, with their sizes.
pub(crate) fn log_files(home: &Path) -> Vec<(String, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(home)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("WiredTigerLog."))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().unwrap().len()))
        .collect();
    files.sort();
    files
}

/// All rows of a table with string keys and values.
pub(crate) fn rows(connection: &Connection, uri: &str) -> Vec<(String, String)> {
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor(uri, "").unwrap();
    let mut rows = Vec::new();
    while cursor.next().unwrap() {
        rows.push((cursor.get_key().unwrap(), cursor.get_value().unwrap()));
    }
    rows
}

/// Inserts or replaces rows, each in a transaction of its own.
pub(crate) fn put(connection: &Connection, uri: &str, rows: impl IntoIterator<Item = (String, String)>) {
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor(uri, "").unwrap();
    for (key, value) in rows {
        cursor.set_key(&*key).unwrap();
        cursor.set_value(&*value).unwrap();
        cursor.insert().unwrap();
    }
}

pub(crate) fn row(number: usize) -> (String, String) {
    (format!("key{number:06}"), format!("value{number}"))
}

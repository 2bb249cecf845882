//! Data sources through the public API: the sample keeps real records, and sources that fail or panic harm nothing.
//!
//! `objects` is about the session's calls, `cursors` about records, `faults` about sources that misbehave.

#![cfg(feature = "kvs-sample")]

mod cursors;
mod faults;
mod objects;

use hardwired::{Connection, ErrorCode, Result, Session};
use std::path::Path;

/// The database with the sample loaded.
fn open(home: &Path) -> Connection {
    Connection::builder(home).create(true).config("extensions=[kvs-sample]").open().unwrap()
}

/// What went wrong, as code and text.
fn refusal<T>(result: Result<T>) -> (ErrorCode, String) {
    let error = result.map(|_| ()).unwrap_err();
    (error.code(), error.to_string())
}

/// All records of an object with text keys and values.
fn texts(session: &Session, uri: &str) -> Vec<(String, String)> {
    let mut cursor = session.open_cursor(uri, "").unwrap();
    cursor.range::<String, String>(..).unwrap().collect::<Result<_>>().unwrap()
}

/// Creates an object of texts with these keys; the value is the key's length.
fn fill(session: &Session, uri: &str, keys: &[&str]) {
    session.create(uri, "key_format=S,value_format=S").unwrap();
    let mut cursor = session.open_cursor(uri, "").unwrap();
    for key in keys {
        cursor.put(*key, key.len().to_string().as_str()).unwrap();
    }
}

/// The keys of an object of texts.
fn keys(session: &Session, uri: &str) -> Vec<String> {
    texts(session, uri).into_iter().map(|(key, _)| key).collect()
}

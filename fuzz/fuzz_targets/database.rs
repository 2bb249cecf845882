//! A whole database directory: opened, listed, scanned both ways, verified, written to, checkpointed, reopened.
//!
//! Any step may be refused; none may panic, hang or fill the memory. The mutator keeps block checksums right, so that the
//! decoders behind them are reached. That also means that pages may hold what no writer would write (keys out of order, two
//! tables in one file, space in use listed as free), so the target asks nothing of the rows themselves.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use hardwired::os::MemoryFileSystem;
use hardwired::{Connection, EventHandler, Result, Session};
use hardwired_fuzz::container;
use hardwired_fuzz::mutate::{self, Random};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use libfuzzer_sys::{Corpus, fuzzer_mutate};

const HOME: &str = "home";
/// Objects looked at in one run, and rows of each: a directory may name many.
const MAX_OBJECTS: usize = 6;
const MAX_ROWS: usize = 400;
/// What the text files of a directory may grow to.
const MAX_TEXT_BYTES: usize = 8192;

libfuzzer_sys::fuzz_target!(|data: &[u8]| -> Corpus {
    let Some(files) = container::unpack(data) else { return Corpus::Reject };
    let fs = MemoryFileSystem::new();
    for (name, bytes) in &files {
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        let path = Path::new(HOME).join(name);
        let handle = fs.open(&path, FileType::Regular, create).expect("a file can be made in memory");
        handle.write(0, bytes).expect("memory can be written");
    }
    drop(read(&fs));
    if write(&fs).is_ok() {
        drop(read(&fs));
    }
    Corpus::Keep
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some(mut files) = container::unpack(&data[..size]) else { return fuzzer_mutate(data, size, max_size) };
    mutate::directory(&mut files, &mut Random::new(seed), |bytes, _| {
        let length = bytes.len().min(MAX_TEXT_BYTES);
        bytes.resize(MAX_TEXT_BYTES, 0);
        let length = fuzzer_mutate(bytes, length, MAX_TEXT_BYTES);
        bytes.truncate(length);
    });
    match container::pack(&files).filter(|packed| packed.len() <= max_size) {
        Some(packed) => {
            data[..packed.len()].copy_from_slice(&packed);
            packed.len()
        }
        None => size,
    }
});

/// Messages are part of what is tested, but not worth printing.
struct Silent;

impl EventHandler for Silent {
    fn handle_error(&self, _: i32, _: &str) -> Result<()> {
        Ok(())
    }

    fn handle_message(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

fn open(fs: &MemoryFileSystem, config: &str) -> Result<Connection> {
    Connection::builder(HOME)
        .config("cache_size=10MB")
        .config(config)
        .event_handler(Arc::new(Silent))
        .file_system(Arc::new(fs.clone()))
        .open()
}

/// Reads everything through a read-only connection.
fn read(fs: &MemoryFileSystem) -> Result<()> {
    let connection = open(fs, "readonly=true")?;
    let session = connection.open_session("")?;
    for uri in objects(&session)? {
        drop(scan(&session, &uri));
    }
    drop(session);
    connection.close("")
}

/// The objects that the metadata names.
fn objects(session: &Session) -> Result<Vec<String>> {
    let mut cursor = session.open_cursor("metadata:", "")?;
    let mut found = Vec::new();
    while found.len() < MAX_OBJECTS && cursor.next()? {
        let uri: &str = cursor.get_key()?;
        if uri.starts_with("table:") || uri.starts_with("file:") {
            found.push(uri.to_owned());
        }
    }
    Ok(found)
}

/// Scans forwards and backwards, and looks up what it found.
fn scan(session: &Session, uri: &str) -> Result<()> {
    let mut cursor = session.open_cursor(uri, "")?;
    let mut keys = Vec::new();
    while keys.len() < MAX_ROWS && cursor.next()? {
        keys.push(cursor.get_raw_key_value()?.0.to_vec());
    }
    cursor.reset()?;
    let mut count = 0;
    while count < MAX_ROWS && cursor.prev()? {
        cursor.get_raw_key_value()?;
        count += 1;
    }
    for key in keys.iter().step_by(keys.len() / 8 + 1) {
        cursor.set_key_raw(key)?;
        drop(cursor.search());
        cursor.set_key_raw(key)?;
        drop(cursor.search_near());
    }
    Ok(())
}

/// Verifies every object, puts a row into each, removes another, and takes a checkpoint.
fn write(fs: &MemoryFileSystem) -> Result<()> {
    let connection = open(fs, "")?;
    let session = connection.open_session("")?;
    let objects = objects(&session)?;
    for uri in &objects {
        drop(session.verify(uri, ""));
        drop(change(&session, uri));
    }
    session.checkpoint("")?;
    for uri in &objects {
        drop(scan(&session, uri));
    }
    drop(session);
    connection.close("")
}

/// Puts a row under a key that any byte-string format takes, and removes the first row behind it.
fn change(session: &Session, uri: &str) -> Result<()> {
    let mut cursor = session.open_cursor(uri, "")?;
    cursor.set_key_raw(b"fuzz\0")?;
    cursor.set_value_raw(b"written\0")?;
    cursor.insert()?;
    cursor.set_key_raw(b"fuzz\0")?;
    if cursor.search()? && cursor.next()? {
        cursor.remove()?;
    }
    Ok(())
}

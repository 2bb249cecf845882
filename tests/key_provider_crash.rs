//! Key providers of real databases that are cut short, damaged, copied and used by several threads.
//!
//! The provider here gives a new key at every checkpoint that its test asks for, and remembers its calls; each test has its
//! own.

use hardwired::os::{CrashPolicy, SimulatedFileSystem};
use hardwired::plugin::key_provider::{KeyBlob, KeyProvider, StoredKey};
use hardwired::{Connection, Error, ErrorCode, Result};
use rstest::rstest;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Longer than what the metadata row holds.
const LARGE: usize = 100_000;

#[derive(Default)]
struct Keys {
    next: Mutex<Option<Vec<u8>>>,
    calls: Mutex<Vec<String>>,
    rotates_always: AtomicBool,
    running: AtomicUsize,
}

/// The number that a key begins with, and its length.
fn shown(stored: StoredKey<'_>) -> String {
    let number = String::from_utf8_lossy(stored.blob.get(..4).unwrap_or_default()).into_owned();
    format!("{number} of {} at {}", stored.blob.len(), stored.lsn)
}

impl Keys {
    fn give(&self, number: usize, length: usize) {
        *self.next.lock().unwrap() = Some(key(number, length));
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

fn key(number: usize, length: usize) -> Vec<u8> {
    format!("{number:04}").into_bytes().into_iter().cycle().take(length).collect()
}

impl KeyProvider for Keys {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        self.note(format!("load {}", stored.map_or("nothing".to_owned(), shown)));
        Ok(())
    }
    fn get_key_blob(&self) -> Result<KeyBlob> {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "calls overlap");
        let always = self.rotates_always.load(Ordering::SeqCst).then(|| key(9, 20));
        let answer = self.next.lock().unwrap().take().or(always).map_or(KeyBlob::Unchanged, KeyBlob::Changed);
        if !answer.has_changes() {
            self.running.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(answer)
    }
    fn get_key_complete(&self, stored: StoredKey<'_>) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.note(format!("complete {}", shown(stored)));
    }
    fn get_key_failed(&self, _: &Error) {
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.note("failed".to_owned());
    }
}

fn open_on(files: &SimulatedFileSystem, config: &str) -> (Result<Connection>, Arc<Keys>) {
    let keys = Arc::new(Keys::default());
    let opened = Connection::builder("home")
        .config(config)
        .file_system(Arc::new(files.clone()))
        .key_provider(Arc::clone(&keys) as _)
        .open();
    (opened, keys)
}

fn open_in(home: &Path, config: &str) -> (Result<Connection>, Arc<Keys>) {
    let keys = Arc::new(Keys::default());
    (Connection::builder(home).config(config).key_provider(Arc::clone(&keys) as _).open(), keys)
}

fn length(number: usize) -> usize {
    if number.is_multiple_of(2) { LARGE } else { 20 }
}

const ROTATIONS: usize = 3;

/// A database with a table, and nothing else.
fn created() -> SimulatedFileSystem {
    let files = SimulatedFileSystem::new();
    let connection = Connection::builder("home").create(true).file_system(Arc::new(files.clone())).open().unwrap();
    connection.open_session("").unwrap().create("table:t", "key_format=S,value_format=S").unwrap();
    connection.close("").unwrap();
    files
}

/// A row and a new key per checkpoint, until the file system fails. How many keys the provider was told to be durable.
fn run(files: &SimulatedFileSystem) -> usize {
    let (Ok(connection), keys) = open_on(files, "") else { return 0 };
    let session = connection.open_session("").unwrap();
    for number in 1..=ROTATIONS {
        keys.give(number, length(number));
        let put = session.open_cursor("table:t", "").and_then(|mut cursor| cursor.put("a", &*number.to_string()));
        if put.and_then(|_| session.checkpoint("")).is_err() {
            break;
        }
    }
    drop(session);
    let _ = connection.close("");
    let calls = keys.calls();
    let completed = calls.iter().filter(|call| call.starts_with("complete")).count();
    assert_eq!(keys.running.load(Ordering::SeqCst), 0, "a key whose fate nobody told: {calls:?}");
    completed
}

#[test]
fn at_every_crash_point_key_and_data_belong_to_one_checkpoint() {
    let undisturbed = created();
    let first = undisturbed.changes();
    assert_eq!(run(&undisturbed), ROTATIONS);
    let changes = undisturbed.changes();
    let mut seen = [false; ROTATIONS + 1];
    for fail_from in first..=changes {
        for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseUnsynced, CrashPolicy::Random(fail_from)] {
            let files = created();
            files.fail_from(fail_from);
            let completed = run(&files);
            let context = format!("failing from change {fail_from} of {changes}, {policy:?}");
            let (opened, keys) = open_on(&files.crash(policy), "");
            let connection = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
            let session = connection.open_session("").unwrap();
            let value: Option<String> = session.open_cursor("table:t", "").unwrap().get("a").unwrap();
            let found = value.map_or(0, |value| value.parse().unwrap());
            assert!((completed..=completed + 1).contains(&found), "{context}: found {found}, told {completed}");
            let expected = match found {
                0 => "load nothing".to_owned(),
                _ => format!("load {found:04} of {} at {found}", length(found)),
            };
            assert_eq!(keys.calls(), [expected], "{context}");
            seen[found] = true;
        }
    }
    assert_eq!(seen, [true; ROTATIONS + 1], "every state was met");
}

#[test]
fn a_crash_while_a_database_is_made_leaves_a_home_that_can_be_made() {
    let make = |files: &SimulatedFileSystem| {
        let opened = Connection::builder("home").create(true).file_system(Arc::new(files.clone())).open();
        let connection = opened?;
        connection.open_session("")?.create("table:t", "key_format=S,value_format=S")?;
        connection.close("")
    };
    let undisturbed = SimulatedFileSystem::new();
    make(&undisturbed).unwrap();
    for fail_from in 0..=undisturbed.changes() {
        for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseUnsynced, CrashPolicy::Random(fail_from)] {
            let files = SimulatedFileSystem::new();
            files.fail_from(fail_from);
            let _ = make(&files);
            let context = format!("failing from change {fail_from}, {policy:?}");
            make(&files.crash(policy)).unwrap_or_else(|error| panic!("{context}: {error}"));
        }
    }
}

/// A database whose key lies in a file.
fn with_key_file() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (connection, keys) = open_in(home.path(), "create");
    let connection = connection.unwrap();
    keys.give(1, LARGE);
    connection.open_session("").unwrap().checkpoint("").unwrap();
    connection.close("").unwrap();
    let file = home.path().join("WiredTigerKeyProvider.0000000001");
    assert!(file.exists());
    (home, file)
}

#[rstest]
#[case::flipped(|bytes: &mut Vec<u8>| bytes[50_000] ^= 1, "checksum mismatch")]
#[case::header(|bytes: &mut Vec<u8>| bytes[0] ^= 1, "checksum mismatch")]
#[case::truncated(|bytes: &mut Vec<u8>| bytes.truncate(100), "100 bytes where")]
#[case::emptied(|bytes: &mut Vec<u8>| bytes.clear(), "0 bytes where")]
#[case::longer(|bytes: &mut Vec<u8>| bytes.push(0), "100017 bytes where")]
fn a_damaged_key_ends_the_open_and_changes_nothing(#[case] damage: fn(&mut Vec<u8>), #[case] reason: &str) {
    let (home, file) = with_key_file();
    let good = std::fs::read(&file).unwrap();
    let mut bytes = good.clone();
    damage(&mut bytes);
    std::fs::write(&file, &bytes).unwrap();
    let (opened, keys) = open_in(home.path(), "");
    let error = opened.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EIO, "{error}");
    let text = error.to_string();
    assert!(text.contains("WiredTigerKeyProvider.0000000001: damaged at offset ") && text.contains(reason), "{text}");
    assert!(keys.calls().is_empty(), "the provider never sees damage");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    // Without a provider the database opens, and keeps the key as it is.
    Connection::builder(home.path()).open().unwrap().close("").unwrap();
    std::fs::write(&file, good).unwrap();
    let (opened, keys) = open_in(home.path(), "");
    assert_eq!(keys.calls(), [format!("load 0001 of {LARGE} at 1")]);
    opened.unwrap().close("").unwrap();
}

#[test]
fn a_missing_key_ends_the_open() {
    let (home, file) = with_key_file();
    std::fs::remove_file(file).unwrap();
    let error = open_in(home.path(), "").0.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EIO);
    assert!(error.to_string().contains("it is missing"), "{error}");
}

#[test]
fn a_read_only_open_loads_and_never_asks() {
    let (home, file) = with_key_file();
    let (opened, keys) = open_in(home.path(), "readonly");
    let connection = opened.unwrap();
    keys.give(2, 20);
    assert!(connection.open_session("").unwrap().checkpoint("").is_err());
    connection.close("").unwrap();
    assert_eq!(keys.calls(), [format!("load 0001 of {LARGE} at 1")]);
    assert!(file.exists());
}

#[test]
fn a_copied_directory_has_its_key() {
    let (home, _) = with_key_file();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let (first, keys) = open_in(home.path(), "");
    let first = first.unwrap();
    keys.give(2, 20);
    first.open_session("").unwrap().checkpoint("").unwrap();
    let (opened, keys) = open_in(copy.path(), "");
    assert_eq!(keys.calls(), [format!("load 0001 of {LARGE} at 1")]);
    opened.unwrap().close("").unwrap();
    first.close("").unwrap();
}

/// A provider of another make gets the bytes all the same: what they mean is its own affair.
#[test]
fn another_provider_gets_the_stored_key() {
    let (home, _) = with_key_file();
    let (opened, keys) = open_in(home.path(), "");
    assert_eq!(keys.calls(), [format!("load 0001 of {LARGE} at 1")]);
    let connection = opened.unwrap();
    keys.give(2, 20);
    connection.close("").unwrap();
    assert_eq!(keys.calls(), ["complete 0002 of 20 at 2"], "the last checkpoint asks as well");
}

#[test]
fn checkpoints_of_many_threads_ask_one_after_the_other() {
    let home = tempfile::tempdir().unwrap();
    let (connection, keys) = open_in(home.path(), "create,session_max=50");
    let connection = connection.unwrap();
    keys.rotates_always.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let session = connection.open_session("").unwrap();
                (0..5).for_each(|_| session.checkpoint("force").unwrap());
            });
        }
    });
    keys.rotates_always.store(false, Ordering::SeqCst);
    connection.close("").unwrap();
    let calls = keys.calls();
    let expected: Vec<_> = (1..=20).map(|lsn| format!("complete 0009 of 20 at {lsn}")).collect();
    assert_eq!(calls[0], "load nothing");
    assert_eq!(calls[1..], expected);
}

//! A home directory with buckets, and what the tests look at.

use hardwired::plugin::config::ConfigParser;
use hardwired::{Connection, EventHandler, Result, Session, wiredtiger_open};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A condition that takes longer to come true never does.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The extension, as configuration strings name it.
pub(crate) const DIR_STORE: &str = "extensions=[dir_store]";

/// Keeps what the engine says.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl EventHandler for Lines {
    fn handle_error(&self, _: i32, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
    fn handle_message(&self, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
}

/// A home directory with the buckets `bucket1` and `bucket2`.
pub(crate) struct World {
    pub(crate) home: tempfile::TempDir,
    pub(crate) lines: Arc<Lines>,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for bucket in ["bucket1", "bucket2"] {
            fs::create_dir(home.path().join(bucket)).unwrap();
        }
        Self { home, lines: Arc::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn try_open(&self, config: &str) -> Result<Connection> {
        wiredtiger_open(self.home.path(), Some(Arc::clone(&self.lines) as _), config)
    }

    #[track_caller]
    pub(crate) fn open(&self, config: &str) -> Connection {
        self.try_open(config).unwrap()
    }

    /// Opens with tiered storage in `bucket1`; `more` is added to the group.
    #[track_caller]
    pub(crate) fn open_tiered(&self, more: &str) -> Connection {
        self.open(&tiered(more))
    }

    /// Names of files in the home and its directories, without the engine's own.
    pub(crate) fn files(&self) -> Vec<String> {
        self.listing().into_iter().map(|file| file.name).collect()
    }

    /// The objects in a bucket.
    pub(crate) fn bucket(&self, bucket: &str) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.path(bucket)).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn listing(&self) -> Vec<Listed> {
        let mut files = Vec::new();
        list(self.home.path(), "", &mut files);
        files.sort_by_key(|file| (file.name.contains('/'), file.name.clone()));
        files
    }
}

/// A file, as the recorded listings have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) links: u64,
}

fn list(folder: &Path, prefix: &str, files: &mut Vec<Listed>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        // A temporary file may be gone by now.
        let Ok(info) = entry.metadata() else { continue };
        if info.is_dir() {
            list(&entry.path(), &format!("{name}/"), files);
        } else if !name.starts_with("WiredTiger") {
            files.push(Listed { name, size: info.len(), mode: info.mode() & 0o777, links: info.nlink() });
        }
    }
}

/// The configuration of a connection with tiered storage in `bucket1`; `more` is added to the group.
pub(crate) fn tiered(more: &str) -> String {
    format!("create,{DIR_STORE},tiered_storage=(name=dir_store,bucket=bucket1,bucket_prefix=pfx_,interval=1,{more})")
}

#[track_caller]
pub(crate) fn session(connection: &Connection) -> Session {
    connection.open_session("").unwrap()
}

/// Puts rows `from..to`.
#[track_caller]
pub(crate) fn fill(session: &Session, table: &str, numbers: std::ops::Range<u32>) {
    let mut cursor = session.open_cursor(&format!("table:{table}"), "").unwrap();
    for number in numbers {
        cursor.put(key(number), format!("value {number} of {table}")).unwrap();
    }
}

/// A flush closes the objects of tables that were changed up to the checkpoint before.
#[track_caller]
pub(crate) fn checkpoint_and_flush(session: &Session) {
    session.checkpoint("").unwrap();
    session.checkpoint("flush_tier=(enabled)").unwrap();
}

pub(crate) fn key(number: u32) -> String {
    format!("key{number:06}")
}

/// All rows of a table with text keys and values.
pub(crate) fn try_rows(connection: &Connection, table: &str) -> Result<Vec<(String, String)>> {
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor(&format!("table:{table}"), "")?;
    cursor.range::<String, String>(..)?.collect()
}

#[track_caller]
pub(crate) fn rows(connection: &Connection, table: &str) -> Vec<(String, String)> {
    try_rows(connection, table).unwrap()
}

/// What [`fill`] put.
pub(crate) fn filled(table: &str, numbers: std::ops::Range<u32>) -> Vec<(String, String)> {
    numbers.map(|number| (key(number), format!("value {number} of {table}"))).collect()
}

/// The metadata rows of objects, without those of the engine's own.
#[track_caller]
pub(crate) fn metadata(connection: &Connection) -> BTreeMap<String, String> {
    let session = session(connection);
    let mut cursor = session.open_cursor("metadata:", "").unwrap();
    let own = |key: &str| key.starts_with("metadata:") || key.starts_with("system:") || key.contains("WiredTigerHS");
    let mut rows = BTreeMap::new();
    while cursor.next().unwrap() {
        let key: String = cursor.get_key().unwrap();
        if !own(&key) {
            rows.insert(key, cursor.get_value().unwrap());
        }
    }
    rows
}

/// The keys of a row, the last value of each.
pub(crate) fn keys(row: &str) -> BTreeMap<String, String> {
    let items = ConfigParser::new(row).map(|item| item.unwrap());
    items.map(|(key, value)| (key.text().to_owned(), value.source().to_owned())).collect()
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIME_LIMIT, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The recorded run of the real engine.
pub(crate) struct Recorded(Value);

impl Recorded {
    pub(crate) fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors/ext-dir-store.json");
        Self(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    }

    fn step(&self, kind: &str, name: &str) -> &Value {
        let steps = self.0["steps"].as_array().unwrap();
        steps.iter().find(|step| step[kind] == name).unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    pub(crate) fn files(&self, name: &str) -> Vec<Listed> {
        let files = self.step("listing", name)["files"].as_array().unwrap();
        let listed = |file: &Value| Listed {
            name: file[0].as_str().unwrap().to_owned(),
            size: file[1].as_u64().unwrap(),
            mode: u32::from_str_radix(file[2].as_str().unwrap(), 8).unwrap(),
            links: file[3].as_u64().unwrap(),
        };
        files.iter().map(listed).collect()
    }

    /// The rows of a listing; those that say `unchanged` come from the listing before.
    pub(crate) fn metadata(&self, name: &str) -> BTreeMap<String, String> {
        let mut rows: BTreeMap<String, String> = BTreeMap::new();
        for step in self.0["steps"].as_array().unwrap().iter().filter(|step| !step["metadata"].is_null()) {
            let listed = step["rows"].as_object().unwrap();
            let value = |uri: &String, row: &Value| match row.as_str().unwrap() {
                "unchanged" => rows[uri].clone(),
                row => row.to_owned(),
            };
            rows = listed.iter().map(|(uri, row)| (uri.clone(), value(uri, row))).collect();
            if step["metadata"] == name {
                return rows;
            }
        }
        panic!("no metadata {name}")
    }
}

/// Compares metadata rows with recorded ones: the same rows, with the same keys and values. What depends on time or on the
/// bytes of pages is left out, and so are keys that only release 12 writes.
#[track_caller]
pub(crate) fn assert_rows_like(found: &BTreeMap<String, String>, recorded: &BTreeMap<String, String>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), recorded.keys().collect::<Vec<_>>());
    for (uri, row) in found {
        let (found, recorded) = (keys(row), keys(&recorded[uri]));
        for (key, value) in &found {
            let expected = recorded.get(key).unwrap_or_else(|| panic!("{uri}: {key} is not recorded"));
            match key.as_str() {
                "checkpoint" => assert_eq!(checkpoints(value), checkpoints(expected), "{uri}"),
                "flush_time" => assert_eq!(value == "0", expected == "0", "{uri}: flush_time {value}, {expected}"),
                _ => assert_eq!(value, expected, "{uri}: {key}"),
            }
        }
        let missing: Vec<_> = recorded.keys().filter(|key| !found.contains_key(*key)).collect();
        assert!(missing.iter().all(|key| *key == "live_restore"), "{uri}: lacks {missing:?}");
    }
}

/// Names and objects of checkpoints.
fn checkpoints(list: &str) -> Vec<(String, String)> {
    let inside = |list: &str| list.strip_prefix('(').and_then(|list| list.strip_suffix(')')).unwrap_or(list).to_owned();
    let object = |checkpoint: &str| {
        let address = keys(&inside(checkpoint))["addr"].trim_matches('"').to_owned();
        // A flag byte and the packed number.
        address[address.len() - 4..].to_owned()
    };
    let list = inside(list);
    let items = ConfigParser::new(&list).map(|item| item.unwrap());
    items.map(|(name, value)| (name.text().to_owned(), object(value.source()))).collect()
}

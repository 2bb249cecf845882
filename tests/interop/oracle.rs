//! The real engine behind `oracle.py`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::run;

/// What a database holds: its tables by URI.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) tables: BTreeMap<String, Table>,
}

/// A table's formats, and its rows as packed bytes in key order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) key_format: String,
    pub(crate) value_format: String,
    pub(crate) rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Content {
    /// Parses a dump of `oracle.py`.
    fn parse(text: &str) -> Self {
        let mut content = Self::default();
        let mut table: Option<&mut Table> = None;
        for line in text.lines() {
            // An empty value leaves an empty last word.
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["table", uri, key_format, value_format] => {
                    let entry = content.tables.entry((*uri).to_owned()).or_default();
                    entry.key_format = (*key_format).to_owned();
                    entry.value_format = (*value_format).to_owned();
                    table = Some(entry);
                }
                ["row", key, value] => {
                    let rows = &mut table.as_mut().expect("a row follows its table").rows;
                    let earlier = rows.insert(bytes(key), bytes(value));
                    assert!(earlier.is_none(), "the key {key} comes twice");
                }
                ["verified", _] => {}
                _ => panic!("a line that the oracle does not write: {line:?}"),
            }
        }
        content
    }

    /// Fails with the first rows that differ (all of them would fill the screen).
    #[track_caller]
    pub(crate) fn assert_equal(&self, expected: &Self, what: &str) {
        let uris = |content: &Self| content.tables.keys().cloned().collect::<Vec<_>>();
        assert_eq!(uris(self), uris(expected), "{what}: tables");
        for (uri, expected) in &expected.tables {
            let found = &self.tables[uri];
            assert_eq!(found.key_format, expected.key_format, "{what}: {uri}");
            assert_eq!(found.value_format, expected.value_format, "{what}: {uri}");
            assert_rows_equal(&found.rows, &expected.rows, &format!("{what}: {uri}"));
        }
    }
}

/// Fails with the first row that differs.
#[track_caller]
pub(crate) fn assert_rows_equal(found: &BTreeMap<Vec<u8>, Vec<u8>>, expected: &BTreeMap<Vec<u8>, Vec<u8>>, what: &str) {
    if found == expected {
        return;
    }
    let keys: std::collections::BTreeSet<&Vec<u8>> = found.keys().chain(expected.keys()).collect();
    let key = keys.into_iter().find(|key| found.get(*key) != expected.get(*key)).expect("some row differs");
    let shown = |rows: &BTreeMap<Vec<u8>, Vec<u8>>| rows.get(key).map(|value| hex(&value[..value.len().min(60)]));
    panic!(
        "{what}: {} rows found, {} expected; first difference at key {}: found {:?}, expected {:?}",
        found.len(),
        expected.len(),
        hex(key),
        shown(found),
        shown(expected)
    );
}

/// A database, and what either engine is to open it with: extensions, keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Database<'a> {
    pub(crate) home: &'a Path,
    pub(crate) open: &'a str,
}

impl<'a> From<&'a Path> for Database<'a> {
    fn from(home: &'a Path) -> Self {
        Self { home, open: "" }
    }
}

/// Runs of `oracle.py`.
pub(crate) struct Oracle;

impl Oracle {
    /// Makes a database of a shape.
    pub(crate) fn write<'a>(database: impl Into<Database<'a>>, shape: &str, seed: u64) -> Content {
        Content::parse(&call_on(database, "write", &[shape, &seed.to_string()]))
    }

    /// Opens, verifies every table, and reads.
    #[track_caller]
    pub(crate) fn check<'a>(database: impl Into<Database<'a>>) -> Content {
        let output = call_on(database, "check", &[]);
        let content = Content::parse(&output);
        for uri in content.tables.keys() {
            assert!(output.lines().any(|line| line == format!("verified {uri}")), "{uri} was not verified");
        }
        content
    }

    /// Changes rows of every table.
    pub(crate) fn modify<'a>(database: impl Into<Database<'a>>, seed: u64) -> Content {
        Content::parse(&call_on(database, "modify", &[&seed.to_string()]))
    }

    /// Makes the table of the tests about indices.
    pub(crate) fn make_indices(home: &Path) {
        call(&["indices-make", text(home)]);
    }

    /// Changes it, and makes indices: `seed` of them.
    pub(crate) fn change_indices(home: &Path, seed: u64) -> Content {
        Content::parse(&call(&["indices-change", text(home), &seed.to_string()]))
    }

    /// Verifies it, compares every index with the table, and reads all of its objects.
    pub(crate) fn check_indices(home: &Path) -> Content {
        Content::parse(&call(&["indices-check", text(home)]))
    }

    pub(crate) fn shapes() -> Vec<String> {
        call(&["shapes"]).lines().map(str::to_owned).collect()
    }

    pub(crate) fn version() -> String {
        call(&["version"]).trim().to_owned()
    }

    /// The configuration that each table of a shape is created with.
    pub(crate) fn configs(shape: &str) -> BTreeMap<String, String> {
        call(&["configs", shape])
            .lines()
            .map(|line| line.split_once(' ').expect("URI and configuration"))
            .map(|(uri, config)| (uri.to_owned(), config.to_owned()))
            .collect()
    }
}

/// Runs `oracle.py`; its standard output.
fn call_on<'a>(database: impl Into<Database<'a>>, command: &str, rest: &[&str]) -> String {
    let Database { home, open } = database.into();
    call_with(open, &[&[command, text(home)], rest].concat())
}

fn call(arguments: &[&str]) -> String {
    call_with("", arguments)
}

fn call_with(open: &str, arguments: &[&str]) -> String {
    let python = std::env::var("HARDWIRED_ORACLE").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(&python);
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/oracle.py"))
        .args(arguments)
        .env("ORACLE_OPEN", open);
    let run = run(command, b"");
    assert!(
        !run.stderr.contains("No module named 'wiredtiger'"),
        "{python} does not have the real engine: apt-get install swig && pip install wiredtiger==11.3.1, \
         or name the interpreter that has it in HARDWIRED_ORACLE, or run .ci/run interop"
    );
    assert_eq!(run.code, 0, "oracle.py {arguments:?}: {}", run.stderr);
    String::from_utf8(run.stdout).expect("the oracle writes text")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary directories have UTF-8 names")
}

/// Bytes as hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal text.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0, "hexadecimal text has two digits a byte: {hex:?}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits")).collect()
}

//! hardwired's side: the program where it has a command for it, the library for the rest.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::oracle::{Content, Database, Table, assert_rows_equal, bytes, hex};
use crate::support::{Run, hardwired, hardwired_with_input, rows};

fn command(Database { home, open }: Database<'_>, rest: &[&str], input: &[u8]) -> Run {
    let home = home.to_str().expect("temporary directories have UTF-8 names");
    let arguments: Vec<&str> = ["-C", open, "-h", home].into_iter().chain(rest.iter().copied()).collect();
    if input.is_empty() { hardwired(arguments) } else { hardwired_with_input(arguments, input) }
}

/// Creates the tables of `content` with their configurations and loads their rows, out of hexadecimal dumps.
pub(crate) fn load<'a>(database: impl Into<Database<'a>>, content: &Content, configs: &BTreeMap<String, String>) {
    let database = database.into();
    for (uri, table) in &content.tables {
        let mut dump =
            format!("WiredTiger Dump (WiredTiger Version 11.3.1)\nFormat=hex\nHeader\n{uri}\n{}\nData\n", configs[uri]);
        for (key, value) in &table.rows {
            writeln!(dump, "{}\n{}", hex(key), hex(value)).expect("text can be appended to");
        }
        command(database, &["load"], dump.as_bytes()).succeeded();
    }
}

/// Fails unless hardwired dumps every table as expected.
#[track_caller]
pub(crate) fn assert_content<'a>(database: impl Into<Database<'a>>, expected: &Content, what: &str) {
    let database = database.into();
    for (uri, table) in &expected.tables {
        let dump = command(database, &["dump", "-x", uri], b"").succeeded();
        let found = rows(&dump).iter().map(|(key, value)| (bytes(key), bytes(value))).collect();
        assert_rows_equal(&found, &table.rows, &format!("{what}: {uri}"));
    }
}

/// Fails unless hardwired finds every table sound.
#[track_caller]
pub(crate) fn verify<'a>(database: impl Into<Database<'a>>, content: &Content) {
    let database = database.into();
    for uri in content.tables.keys() {
        command(database, &["verify", uri], b"").succeeded();
    }
}

/// Changes every table through the library: committed and rolled-back transactions, updates, inserts, removes of single rows
/// and of runs of neighbours, with a checkpoint after each round. What the tables hold then.
pub(crate) fn modify<'a>(database: impl Into<Database<'a>>, mut content: Content, seed: u64) -> Content {
    let Database { home, open } = database.into();
    let connection = hardwired::wiredtiger_open(home, None, open).expect("the database opens");
    let session = connection.open_session("").expect("a session opens");
    let mut random = Random(seed);
    for (uri, table) in &mut content.tables {
        for round in 0..3 {
            let mut abandoned = table.clone();
            session.begin_transaction("").expect("a transaction begins");
            change_rows(&session, uri, &mut abandoned, &mut random);
            session.rollback_transaction("").expect("a transaction rolls back");
            session.begin_transaction("").expect("a transaction begins");
            change_rows(&session, uri, table, &mut random);
            session.commit_transaction("").expect("a transaction commits");
            // Twice at the end of a table, so that a checkpoint without changes comes between others.
            for _ in 0..=round / 2 {
                session.checkpoint("").expect("a checkpoint is taken");
            }
        }
    }
    drop(session);
    connection.close("").expect("the connection closes");
    content
}

fn change_rows(session: &hardwired::Session, uri: &str, table: &mut Table, random: &mut Random) {
    let mut cursor = session.open_cursor(uri, "").expect("a cursor opens");
    let keys: Vec<Vec<u8>> = table.rows.keys().cloned().collect();
    let Some(last) = keys.len().checked_sub(1) else { return };
    let text = table.value_format == "S";
    let mut put = |key: &[u8], value: Vec<u8>, rows: &mut BTreeMap<Vec<u8>, Vec<u8>>| {
        cursor.set_key_raw(key).expect("a key is set");
        cursor.set_value_raw(&value).expect("a value is set");
        cursor.insert().expect("a row is written");
        rows.insert(key.to_vec(), value);
    };
    for _ in 0..keys.len() / 12 + 1 {
        let key = &keys[random.below(keys.len())];
        put(key, random.value(100, text), &mut table.rows);
    }
    for _ in 0..8 {
        let mut key = keys[random.below(keys.len())].clone();
        match table.key_format.as_str() {
            // A text's NUL stays at its end.
            "S" => key.insert(key.len() - 1, b'0' + random.below(10) as u8),
            "u" => key.push(random.below(256) as u8),
            _ => continue,
        }
        put(&key, random.value(6000, text), &mut table.rows);
    }
    let start = random.below(keys.len());
    let run = &keys[start..=(start + keys.len() / 6).min(last)];
    let singles: Vec<&Vec<u8>> = (0..keys.len() / 12).map(|_| &keys[random.below(keys.len())]).collect();
    for key in run.iter().chain(singles) {
        if table.rows.remove(key).is_some() {
            cursor.set_key_raw(key).expect("a key is set");
            cursor.remove().expect("a row is removed");
        }
    }
}

/// A random-number generator (splitmix64) that a seed repeats.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A packed value of at most `longest` bytes.
    fn value(&mut self, longest: usize, text: bool) -> Vec<u8> {
        let length = self.below(longest);
        if text {
            let mut bytes: Vec<u8> = (0..length).map(|_| b'a' + self.below(26) as u8).collect();
            bytes.push(0);
            return bytes;
        }
        (0..length).map(|_| self.bits() as u8).collect()
    }
}

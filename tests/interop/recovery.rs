//! What one engine leaves when it is killed with a log, the other recovers.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hardwired::{Connection, Result, wiredtiger_open};
use rstest::rstest;

use crate::oracle::{Content, Oracle, Table};
use crate::program::Random;

const LOG: &str = "create,log=(enabled,file_max=100KB,prealloc=false)";
/// Tells the child process of [`what_a_killed_hardwired_leaves_the_real_engine_recovers`] where to write, and its seed.
const HOME: &str = "HARDWIRED_TEST_HOME";
const SEED: &str = "HARDWIRED_TEST_SEED";
const READY: &str = "ready";

const TABLES: [&str; 2] = ["table:a", "table:b"];

/// Everything in the tables that the content names.
fn read(connection: &Connection, expected: &Content) -> Result<Content> {
    let session = connection.open_session("")?;
    let mut content = Content::default();
    for (uri, table) in &expected.tables {
        let mut cursor = session.open_cursor(uri, "")?;
        let mut found = Table {
            key_format: table.key_format.clone(),
            value_format: table.value_format.clone(),
            rows: Default::default(),
        };
        while cursor.next()? {
            let (key, value) = cursor.get_raw_key_value()?;
            found.rows.insert(key.to_vec(), value.to_vec());
        }
        content.tables.insert(uri.clone(), found);
    }
    Ok(content)
}

/// Seed 0: everything is in the log; 1: a checkpoint has the first part.
#[rstest]
fn what_a_killed_real_engine_leaves_hardwired_recovers(#[values(0, 1)] seed: u64) {
    let home = tempfile::tempdir().unwrap();
    let expected = Oracle::crash(home.path(), seed);
    assert_eq!(expected.tables.len(), 4);
    // To be sure that there is something to recover.
    let refused = wiredtiger_open(home.path(), None, "log=(enabled,recover=error)").unwrap_err();
    assert!(refused.to_string().contains("needs recovery"), "{refused}");
    for round in 0..2 {
        let connection = wiredtiger_open(home.path(), None, LOG).unwrap();
        read(&connection, &expected).unwrap().assert_equal(&expected, &format!("seed {seed}, round {round}"));
        let session = connection.open_session("").unwrap();
        expected.tables.keys().for_each(|uri| session.verify(uri, "").unwrap());
        drop(session);
        connection.close("").unwrap();
    }
    Oracle::recover(home.path()).assert_equal(&expected, "the real engine afterwards");
}

/// The process that is killed is this program, with one test and two environment variables.
#[rstest]
fn what_a_killed_hardwired_leaves_the_real_engine_recovers(#[values(0, 1)] seed: u64) {
    if let Some(home) = std::env::var_os(HOME) {
        if std::env::var(SEED).unwrap() == seed.to_string() {
            write_and_wait(Path::new(&home), seed);
        }
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["what_a_killed_hardwired_leaves", "--nocapture"])
        .env(HOME, home.path())
        .env(SEED, seed.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..3000 {
        if home.path().join(READY).exists() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.try_wait().unwrap().is_none(), "the child must not end by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(home.path().join(READY).exists(), "the child took too long");
    std::fs::remove_file(home.path().join(READY)).unwrap();
    let mut expected = Content::default();
    for uri in TABLES {
        let table = Table { key_format: "u".to_owned(), value_format: "u".to_owned(), rows: Default::default() };
        expected.tables.insert(uri.to_owned(), table);
    }
    commits(seed, |_, commit| {
        for (table, key, value) in commit {
            let rows = &mut expected.tables.get_mut(TABLES[*table]).unwrap().rows;
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    })
    .unwrap();
    Oracle::recover(home.path()).assert_equal(&expected, &format!("seed {seed}"));
    // And back.
    let connection = wiredtiger_open(home.path(), None, LOG).unwrap();
    read(&connection, &expected).unwrap().assert_equal(&expected, "hardwired afterwards");
    connection.close("").unwrap();
}

type Changes = Vec<(usize, Vec<u8>, Option<Vec<u8>>)>;

/// The commits of a seed, in order.
fn commits(seed: u64, mut each: impl FnMut(usize, &Changes) -> Result<()>) -> Result<()> {
    let mut random = Random(seed + 100);
    for number in 0..400 {
        let mut changes = Changes::new();
        for _ in 0..=random.below(5) {
            let value = (random.below(4) > 0).then(|| vec![random.bits() as u8; random.below(900)]);
            changes.push((random.below(2), format!("key{:03}", random.below(150)).into_bytes(), value));
        }
        each(number, &changes)?;
    }
    Ok(())
}

/// Commits, says so, and waits for the end.
fn write_and_wait(home: &Path, seed: u64) {
    let connection = wiredtiger_open(home, None, LOG).unwrap();
    let session = connection.open_session("").unwrap();
    TABLES.iter().for_each(|table| session.create(table, "key_format=u,value_format=u").unwrap());
    let written = commits(seed, |number, changes| {
        session.begin_transaction("")?;
        for (table, key, value) in changes {
            let mut cursor = session.open_cursor(TABLES[*table], "")?;
            cursor.set_key_raw(key)?;
            match value {
                Some(value) => {
                    cursor.set_value_raw(value)?;
                    cursor.insert()?;
                }
                None => match cursor.remove() {
                    Err(hardwired::Error::NotFound) => {}
                    done => done?,
                },
            }
        }
        session.commit_transaction("")?;
        if number == 200 && seed > 0 { session.checkpoint("") } else { Ok(()) }
    });
    written.unwrap();
    // Something that is never committed is written to the log by no one.
    session.log_flush("sync=off").unwrap();
    std::fs::write(home.join(READY), b"").unwrap();
    loop {
        std::thread::park();
    }
}

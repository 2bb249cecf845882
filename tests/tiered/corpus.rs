//! A database that the real engine wrote, with finished objects in its bucket.

use super::support::*;
use hardwired::Connection;
use std::fs;
use std::path::{Path, PathBuf};

const CASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/corpus/tiered/tiered-12");
const OPEN: &str = "tiered_storage=(auth_token=Secret)";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

fn copied() -> World {
    let world = World::new();
    copy(&PathBuf::from(CASE).join("db"), world.home.path());
    world
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys and values of a table, packed and in hexadecimal, as a dump has them.
fn dump(connection: &Connection, table: &str) -> Vec<String> {
    let session = session(connection);
    let mut cursor = session.open_cursor(&format!("table:{table}"), "raw").unwrap();
    let mut lines = Vec::new();
    while cursor.next().unwrap() {
        let key: Vec<u8> = cursor.get_key().unwrap();
        let value: Vec<u8> = cursor.get_value().unwrap();
        lines.extend([hexadecimal(&key), hexadecimal(&value)]);
    }
    lines
}

fn expected(table: &str) -> Vec<String> {
    let dump = fs::read_to_string(format!("{CASE}/expected/table.{table}.dumpx.txt")).unwrap();
    let (_, data) = dump.split_once("\nData\n").unwrap();
    data.lines().map(str::to_owned).collect()
}

const TABLES: [(&str, usize); 3] = [("delta", 1), ("fjord", 343), ("jade", 89)];

#[test]
fn the_dumps_are_those_of_the_real_engine() {
    let world = copied();
    for round in 1..=2 {
        let connection = world.open(OPEN);
        for (table, count) in TABLES {
            let dump = dump(&connection, table);
            assert_eq!(dump.len(), 2 * count);
            assert_eq!(dump, expected(table), "{table} in round {round}");
        }
        connection.close("").unwrap();
    }
}

#[test]
fn a_finished_object_is_read_from_the_bucket_when_its_local_copy_is_gone() {
    let world = copied();
    for name in ["fjord-0000000001.wtobj", "jade-0000000001.wtobj"] {
        fs::remove_file(world.path(name)).unwrap();
    }
    let connection = world.open(OPEN);
    for (table, _) in TABLES {
        assert_eq!(dump(&connection, table), expected(table), "{table}");
    }
}

#[test]
fn a_flush_goes_on_where_the_real_engine_stopped() {
    let world = copied();
    let connection = world.open(OPEN);
    let session = session(&connection);
    session.open_cursor("table:fjord", "").unwrap().put("zz", "the last").unwrap();
    session.checkpoint("flush_tier=(enabled)").unwrap();
    let objects = world.bucket("bucket");
    assert!(objects.contains(&"pfx_fjord-0000000002.wtobj".to_owned()), "{objects:?}");
    drop(session);
    connection.close("").unwrap();

    let connection = world.open(OPEN);
    let mut all = expected("fjord");
    all.extend([hexadecimal(b"zz\0"), hexadecimal(b"the last\0")]);
    assert_eq!(dump(&connection, "fjord"), all);
    assert_eq!(dump(&connection, "jade"), expected("jade"));
}

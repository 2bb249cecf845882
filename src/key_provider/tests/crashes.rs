//! Cuts a series of rotations short at every change, and looks at what a restart finds.

use super::*;

/// Small and large blobs in turn, so that every transition of places occurs.
fn length(number: u64) -> usize {
    if number.is_multiple_of(3) { 9 } else { LARGE }
}

const ROTATIONS: u64 = 6;

/// Rotates until the file system fails. What the provider was told to be durable last.
fn run(database: &mut Database) -> u64 {
    for number in 1..=ROTATIONS {
        if database.rotate(blob(number, length(number))).is_err() {
            break;
        }
    }
    let calls = database.provider.calls();
    let taken = calls.iter().filter(|call| *call == "get").count();
    let settled = calls.iter().filter(|call| call.starts_with("complete") || call.starts_with("failed")).count();
    assert_eq!(taken, settled, "{calls:?}");
    calls.iter().filter(|call| call.starts_with("complete")).count() as u64
}

#[test]
fn every_restart_finds_the_key_of_its_checkpoint() {
    let mut undisturbed = new_database();
    let first = undisturbed.files.changes();
    assert_eq!(run(&mut undisturbed), ROTATIONS);
    let changes = undisturbed.files.changes();
    assert!(changes > 40, "{changes}");
    for fail_from in first..=changes {
        for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseUnsynced, CrashPolicy::Random(fail_from)] {
            let mut database = new_database();
            database.files.fail_from(fail_from);
            let completed = run(&mut database);
            let restarted = database.files.crash(policy);
            let context = format!("failing from change {fail_from}, {policy:?}");
            check(&restarted, completed, &context);
        }
    }
}

fn check(files: &SimulatedFileSystem, completed: u64, context: &str) {
    let database = Database::open(files, NORMAL).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = database.checkpoint;
    assert!((completed..=completed + 1).contains(&found), "{context}: checkpoint {found}, told {completed}");
    let expected = match found {
        0 => "load nothing".to_owned(),
        _ => format!("load key{found:03} of {} at {found}", length(found)),
    };
    assert_eq!(database.provider.calls(), [expected], "{context}");
    let has_file = found > 0 && length(found) > INLINE_BLOB_BYTES;
    assert_eq!(database.blob_files().len(), usize::from(has_file), "{context}: leftovers after open");
    let mut database = database;
    database.rotate(blob(99, LARGE)).unwrap_or_else(|error| panic!("{context}: {error}"));
    let database = open(&database.files.crash(CrashPolicy::LoseUnsynced));
    assert_eq!(database.provider.calls(), [format!("load key099 of {LARGE} at {}", found + 1)], "{context}");
}

//! Opening: modes, providers that come and go, damage and salvage.

use super::*;
use hardwired_plugin::ErrorCode;
use rstest::rstest;

#[test]
fn read_only_loads_and_never_asks() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let (files, before) = (database.files.clone(), database.files.changes());
    let readonly = Database::open(&files, Opening { mode: Mode::ReadOnly, ..NORMAL }).unwrap();
    assert!(readonly.service.before_checkpoint().unwrap().is_none());
    assert_eq!(readonly.provider.calls(), [format!("load key001 of {LARGE} at 1")]);
    assert_eq!(files.changes(), before);
}

#[test]
fn in_memory_keeps_nothing_but_counts() {
    let files = SimulatedFileSystem::new();
    let mut database = Database::open(&files, Opening { mode: Mode::InMemory, ..NORMAL }).unwrap();
    database.rotate(blob(1, LARGE)).unwrap();
    database.rotate(blob(2, 9)).unwrap();
    let complete = format!("complete key001 of {LARGE} at 1");
    assert_eq!(database.provider.calls(), ["load nothing", "get", &complete, "get", "complete key002 of 9 at 2"]);
    assert_eq!((database.row.clone(), database.blob_files().len()), (None, 0));
}

#[test]
fn without_a_provider_the_blob_is_carried_on() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let mut without = Database::open(&database.files, Opening { has_provider: false, ..NORMAL }).unwrap();
    assert_eq!(without.service.hold_for_backup().file(), Some("WiredTigerKeyProvider.0000000001"));
    without.checkpoint().unwrap();
    assert_eq!(without.messages.0.lock()[0].0, MessageLevel::Notice);
    assert_eq!(without.provider.calls(), [""; 0]);
    assert_eq!(open(&without.files).provider.calls(), [format!("load key001 of {LARGE} at 1")]);
}

#[test]
fn a_provider_can_come_to_an_existing_database() {
    let files = SimulatedFileSystem::new();
    let mut without = Database::open(&files, Opening { has_provider: false, ..NORMAL }).unwrap();
    without.checkpoint().unwrap();
    assert!(without.messages.0.lock().is_empty());
    let mut database = open(&files);
    database.rotate(blob(1, 9)).unwrap();
    assert_eq!(database.provider.calls(), ["load nothing", "get", "complete key001 of 9 at 1"]);
}

#[test]
fn a_refusing_provider_ends_the_open_with_nothing_changed() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let files = database.files;
    files
        .open(
            &path("WiredTigerKeyProvider.0000000009"),
            FileType::Regular,
            OpenOptions { create: true, ..OpenOptions::default() },
        )
        .unwrap();
    let before = files.changes();
    let error = Database::open(&files, Opening { refuses_load: true, ..NORMAL }).err().unwrap();
    assert_eq!((error.to_string().as_str(), files.changes()), ("refused", before));
    assert_eq!(open(&files).blob_files(), ["WiredTigerKeyProvider.0000000001"]);
}

type Edit = fn(&mut Vec<u8>);

#[rstest]
#[case::flipped(|bytes: &mut Vec<u8>| bytes[5000] ^= 1, "checksum mismatch")]
#[case::shortened(|bytes: &mut Vec<u8>| bytes.truncate(100), "100 bytes where")]
#[case::emptied(|bytes: &mut Vec<u8>| bytes.clear(), "0 bytes where")]
fn a_damaged_file_ends_the_open_unless_salvaging(#[case] edit: Edit, #[case] reason: &str) {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let (files, before) = (database.files, "WiredTigerKeyProvider.0000000001");
    files.damage(&path(before), edit).unwrap();
    refuses_then_salvages(&files, before, reason);
}

#[test]
fn a_missing_file_ends_the_open_unless_salvaging() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let name = "WiredTigerKeyProvider.0000000001";
    database.files.remove(&path(name), true).unwrap();
    refuses_then_salvages(&database.files, name, "it is missing");
}

#[test]
fn a_damaged_row_ends_the_open_unless_salvaging() {
    let mut database = new_database();
    database.rotate(blob(1, 9)).unwrap();
    let row = database.row.clone().unwrap();
    write_turtle(&database.files, 1, Some(&row.replace("6b6579", "6b6578"))).unwrap();
    refuses_then_salvages(&database.files, "row system:key_provider", "checksum mismatch");
}

fn refuses_then_salvages(files: &SimulatedFileSystem, object: &str, reason: &str) {
    let error = Database::open(files, NORMAL).err().unwrap();
    let text = error.to_string();
    assert_eq!(error.code(), ErrorCode::EIO, "{text}");
    assert!(text.contains(object) && text.contains(reason), "{text}");
    let mut salvaged = Database::open(files, Opening { salvage: true, ..NORMAL }).unwrap();
    let warning = salvaged.messages.0.lock()[0].clone();
    assert_eq!(warning.0, MessageLevel::Warning);
    assert!(warning.1.contains(reason), "{}", warning.1);
    salvaged.rotate(blob(2, 9)).unwrap();
    assert_eq!(salvaged.provider.calls(), ["load nothing", "get", "complete key002 of 9 at 2"]);
    assert_eq!(open(&salvaged.files).provider.calls(), ["load key002 of 9 at 2"]);
}

#[test]
fn salvage_does_not_hide_a_later_version() {
    let files = SimulatedFileSystem::new();
    write_turtle(&files, 1, Some("version=2")).unwrap();
    let error = Database::open(&files, Opening { salvage: true, ..NORMAL }).err().unwrap();
    assert_eq!(error.code(), ErrorCode::ENOTSUP);
}

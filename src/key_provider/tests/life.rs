//! Checkpoints: what is stored, removed and told to the provider.

use super::*;
use hardwired_plugin::ErrorCode;
use hardwired_plugin::key_provider::MAX_KEY_BLOB_BYTES;
use rstest::rstest;

#[rstest]
#[case::in_the_row(20)]
#[case::longest_in_the_row(INLINE_BLOB_BYTES)]
#[case::in_a_file(LARGE)]
fn a_blob_is_stored_with_its_checkpoint_and_loaded_again(#[case] length: usize) {
    let mut database = new_database();
    database.rotate(blob(1, length)).unwrap();
    database.checkpoint().unwrap();
    let complete = format!("complete key001 of {length} at 1");
    assert_eq!(database.provider.calls(), ["load nothing", "get", &complete, "get"]);
    let mut database = open(&database.files.crash(CrashPolicy::LoseUnsynced));
    assert_eq!(database.provider.calls(), [format!("load key001 of {length} at 1")]);
    database.rotate(blob(2, length)).unwrap();
    assert_eq!(database.provider.calls()[1], format!("complete key002 of {length} at 2"));
    assert_eq!(database.blob_files().len(), usize::from(length > INLINE_BLOB_BYTES));
    let database = open(&database.files);
    assert_eq!(database.provider.calls(), [format!("load key002 of {length} at 2")]);
}

#[test]
fn without_changes_nothing_is_written_and_nothing_completed() {
    let mut database = new_database();
    for _ in 0..3 {
        database.checkpoint().unwrap();
    }
    assert_eq!(database.provider.calls(), ["load nothing", "get", "get", "get"]);
    assert_eq!(database.row, None);
    database.rotate(blob(1, LARGE)).unwrap();
    let row = database.row.clone();
    let before = database.files.changes();
    assert!(database.service.before_checkpoint().unwrap().is_none());
    assert_eq!(database.files.changes(), before);
    database.checkpoint().unwrap();
    assert_eq!((database.row.clone(), database.blob_files().len()), (row, 1));
}

#[test]
fn an_error_of_the_provider_fails_the_checkpoint_and_the_next_asks_again() {
    let mut database = new_database();
    *database.provider.next.lock() = Some(Err(Error::unsupported("no key today")));
    assert_eq!(database.checkpoint().unwrap_err().to_string(), "no key today");
    database.rotate(blob(1, 9)).unwrap();
    assert_eq!(database.provider.calls(), ["load nothing", "get", "get", "complete key001 of 9 at 1"]);
}

#[test]
fn empty_and_huge_blobs_are_refused_and_reported_as_failed() {
    let mut database = new_database();
    let error = database.rotate(Vec::new()).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (ErrorCode::EINVAL, "key provider: the changed key blob is empty")
    );
    let error = database.rotate(vec![0; MAX_KEY_BLOB_BYTES + 1]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::EFBIG);
    let calls = database.provider.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("failed: key provider: ")).count(), 2, "{calls:?}");
}

#[test]
fn an_abandoned_blob_is_reported_once_and_its_number_not_used_again() {
    let mut database = new_database();
    database.provider.give(blob(1, 9));
    database.service.before_checkpoint().unwrap().unwrap().abandon(&Error::unsupported("disk full"));
    database.provider.give(blob(1, 9));
    let mut pending = database.service.before_checkpoint().unwrap().unwrap();
    pending.persist().unwrap();
    assert_eq!(database.service.before_checkpoint().unwrap_err().code(), ErrorCode::EBUSY);
    drop(pending);
    database.rotate(blob(1, 9)).unwrap();
    let dropped = "failed: key blob not stored: the checkpoint did not complete";
    let complete = "complete key001 of 9 at 3";
    assert_eq!(
        database.provider.calls(),
        ["load nothing", "get", "failed: disk full", "get", dropped, "get", complete]
    );
}

#[test]
fn the_file_before_stays_until_the_next_checkpoint_is_complete() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    database.provider.give(blob(2, LARGE));
    let mut pending = database.service.before_checkpoint().unwrap().unwrap();
    pending.persist().unwrap();
    let both = ["WiredTigerKeyProvider.0000000001", "WiredTigerKeyProvider.0000000002"];
    assert_eq!(blob_files(&database.files), both);
    pending.completed();
    assert_eq!(database.blob_files(), both[1..]);
    database.rotate(blob(3, 9)).unwrap();
    assert_eq!(database.blob_files(), [""; 0]);
}

#[test]
fn a_backup_keeps_its_file() {
    let mut database = new_database();
    database.rotate(blob(1, LARGE)).unwrap();
    let first = "WiredTigerKeyProvider.0000000001";
    let hold = database.service.hold_for_backup();
    assert_eq!(hold.file(), Some(first));
    database.provider.give(blob(2, LARGE));
    let mut pending = database.service.before_checkpoint().unwrap().unwrap();
    let row = pending.persist().unwrap().unwrap();
    write_turtle(&database.files, 2, Some(&row.value)).unwrap();
    pending.completed();
    assert_eq!(blob_files(&database.files).len(), 2);
    drop(hold);
    let database = open(&database.files);
    assert_eq!(database.blob_files(), ["WiredTigerKeyProvider.0000000002"]);
}

#[test]
fn a_blobs_file_is_durable_before_a_row_names_it() {
    let database = new_database();
    let expected = blob(1, LARGE);
    database.provider.give(expected.clone());
    let mut pending = database.service.before_checkpoint().unwrap().unwrap();
    let row = KeyRow::parse(&pending.persist().unwrap().unwrap().value).unwrap();
    let files = database.files.crash(CrashPolicy::LoseUnsynced);
    assert_eq!(row.place, Place::File(blob_files(&files).concat()));
    let page =
        super::super::files::read(&files, Path::new(HOME), "WiredTigerKeyProvider.0000000001", row.size).unwrap();
    assert_eq!(decode_key(&page, "page").unwrap().blob, expected);
    drop(pending);
}

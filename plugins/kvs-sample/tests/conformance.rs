//! The sample keeps the promises of a data source, without an engine.

use hardwired_kvs_sample::{EXTENSION, Kvs, MAX_RECORD_NUMBER, PREFIX};
use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{DataSourceKit, KitSession, check_data_source};
use hardwired_plugin::data_source::{DataSource, Record};
use hardwired_plugin::extension::ExtensionContext;
use hardwired_plugin::services::SessionServices;
use hardwired_plugin::{ErrorCode, Result};
use std::path::Path;
use std::sync::Arc;

fn open(home: &Path) -> (KitSession, Arc<Kvs>) {
    let session = KitSession::new(home);
    let kvs = reopen(&session).unwrap();
    (session, kvs)
}

fn reopen(session: &KitSession) -> Result<Arc<Kvs>> {
    Kvs::new(&ExtensionContext::new("cache_size=1MB", Arc::clone(session.services()))).map(Arc::new)
}

fn numbered(recno: u64, value: &[u8]) -> Record {
    Record { recno, key: Vec::new(), value: value.to_vec() }
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.map(|_| ()).unwrap_err().code()
}

#[test]
fn every_promise_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    check_data_source(&DataSourceKit { source: kvs, session, prefix: PREFIX, record_numbers: true, bit_fields: true });
}

#[test]
fn the_extension_has_its_names() {
    assert_eq!(EXTENSION.name(), "kvs-sample");
    assert!(EXTENSION.answers_to("kvs_bdb") && EXTENSION.answers_to("kvs_sample"));
}

#[test]
fn unknown_options_and_a_second_opening_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    assert_eq!(code(reopen(&session)), ErrorCode::EBUSY);
    kvs.terminate().unwrap();
    let services = Arc::clone(session.services());
    for config in ["colour=red", "cache_size=-1", "cache_size=much"] {
        let error = Kvs::new(&ExtensionContext::new(config, Arc::clone(&services))).err().unwrap();
        assert_eq!(error.code(), ErrorCode::EINVAL, "{config}");
        assert!(error.to_string().contains("unexpected configuration"), "{error}");
    }
    assert_eq!(
        code(kvs.checkpoint(&session, Config::single("force=false")).and_then(|()| kvs.size(&session, "kvs:a"))),
        ErrorCode::NOTFOUND
    );
}

#[test]
fn a_checkpoint_makes_changes_durable_and_so_does_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    kvs.create(&session, "kvs:a", Config::single("key_format=r,value_format=u")).unwrap();
    let mut cursor = kvs.open_cursor(&session, "kvs:a", Config::single("key_format=r,value_format=u,append")).unwrap();
    let mut written = numbered(0, b"one");
    cursor.insert(&session, &mut written).unwrap();
    kvs.checkpoint(&session, Config::single("force=false")).unwrap();
    written.set_value(b"two");
    cursor.insert(&session, &mut written).unwrap();
    drop(cursor);
    kvs.terminate().unwrap();
    let kvs = reopen(&session).unwrap();
    let mut cursor = kvs.open_cursor(&session, "kvs:a", Config::single("key_format=r,value_format=u")).unwrap();
    let mut found = Record::default();
    for value in [&b"one"[..], b"two"] {
        cursor.next(&session, &mut found).unwrap();
        assert_eq!(found.value, value);
    }
}

#[test]
fn numbers_and_bits_that_do_not_fit_are_erange() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    let formats = Config::single("key_format=r,value_format=3t");
    kvs.create(&session, "kvs:bits", formats).unwrap();
    let mut cursor = kvs.open_cursor(&session, "kvs:bits", formats).unwrap();
    assert_eq!(code(cursor.insert(&session, &mut numbered(1, &[8]))), ErrorCode::ERANGE);
    assert_eq!(code(cursor.insert(&session, &mut numbered(MAX_RECORD_NUMBER + 1, &[1]))), ErrorCode::ERANGE);
    let error = cursor.search(&session, &mut numbered(1 << 40, &[])).unwrap_err();
    assert_eq!(error.to_string(), "record number 1099511627776: the largest is 4294967295");
    cursor.insert(&session, &mut numbered(MAX_RECORD_NUMBER, &[7])).unwrap();
    let append = Config::single("key_format=r,value_format=3t,append");
    let mut appending = kvs.open_cursor(&session, "kvs:bits", append).unwrap();
    assert_eq!(code(appending.insert(&session, &mut numbered(0, &[1]))), ErrorCode::ERANGE);
}

#[test]
fn a_removed_bit_field_is_zero() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    let formats = Config::single("key_format=r,value_format=3t");
    kvs.create(&session, "kvs:bits", formats).unwrap();
    let mut cursor = kvs.open_cursor(&session, "kvs:bits", formats).unwrap();
    for number in 1..=4 {
        cursor.insert(&session, &mut numbered(number, &[5])).unwrap();
    }
    cursor.remove(&session, &mut numbered(1, &[])).unwrap();
    kvs.range_truncate(&session, "kvs:bits", &numbered(3, &[]), None).unwrap();
    for (number, value) in [(1, 0), (2, 5), (3, 0), (4, 0)] {
        let mut found = numbered(number, &[]);
        cursor.search(&session, &mut found).unwrap();
        assert_eq!(found.value, [value], "record {number}");
    }
}

#[test]
fn objects_with_cursors_are_busy() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    let none = Config::single("");
    for uri in ["kvs:a", "kvs:b"] {
        kvs.create(&session, uri, Config::single("key_format=u,value_format=u")).unwrap();
    }
    let cursor = kvs.open_cursor(&session, "kvs:a", Config::single("")).unwrap();
    assert_eq!(code(kvs.drop_object(&session, "kvs:a", Config::single("force=false"))), ErrorCode::EBUSY);
    assert_eq!(code(kvs.rename(&session, "kvs:a", "kvs:c", none)), ErrorCode::EBUSY);
    assert_eq!(code(kvs.truncate(&session, "kvs:a", none)), ErrorCode::EBUSY);
    assert_eq!(code(kvs.verify(&session, "kvs:a", none)), ErrorCode::EBUSY);
    assert_eq!(code(kvs.salvage(&session, "kvs:a", none)), ErrorCode::EBUSY);
    kvs.verify(&session, "kvs:b", none).unwrap();
    kvs.compact(&session, "kvs:a", none).unwrap();
    drop(cursor);
    kvs.verify(&session, "kvs:a", none).unwrap();
    assert_eq!(code(kvs.rename(&session, "kvs:a", "kvs:b", none)), ErrorCode::EEXIST);
    assert_eq!(kvs.rename(&session, "kvs:a", "kvs:", none).unwrap_err().to_string(), "unsupported object: kvs:");
    kvs.rename(&session, "kvs:a", "kvs:c", none).unwrap();
    kvs.drop_object(&session, "kvs:c", Config::single("force=false")).unwrap();
}

#[test]
fn alter_changes_what_was_given_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let (session, kvs) = open(home.path());
    let row = || session.metadata_search("kvs:a").unwrap();
    let create = "app_metadata=(a=1),key_format=S,value_format=SS,kvs_comment=\"old, text\"";
    kvs.create(&session, "kvs:a", Config::single(create)).unwrap();
    assert_eq!(row(), create);
    kvs.alter(&session, "kvs:a", Config::with(&["app_metadata=,kvs_comment="], "kvs_comment=new")).unwrap();
    assert_eq!(row(), "app_metadata=(a=1),key_format=S,value_format=SS,kvs_comment=new");
    kvs.alter(&session, "kvs:a", Config::with(&["app_metadata="], "app_metadata=(b=[2,3]),key_format=r")).unwrap();
    assert_eq!(row(), "app_metadata=(b=[2,3]),key_format=S,value_format=SS,kvs_comment=new");
    assert_eq!(code(kvs.alter(&session, "kvs:none", Config::single(""))), ErrorCode::NOTFOUND);
}

//! Cursors on objects of the sample: keys, record numbers, bit fields, `append`, `overwrite`, ranges, transactions.

use super::{fill, keys, open, refusal, texts};
use hardwired::{Error, ErrorCode};
use std::cmp::Ordering;

#[test]
fn text_keys_are_found_stepped_over_changed_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["pear", "fig", "apple"]);
    assert_eq!(keys(&session, "kvs:a"), ["apple", "fig", "pear"]);
    let mut cursor = session.open_cursor("kvs:a", "").unwrap();
    assert_eq!((cursor.key_format(), cursor.value_format()), ("S", "S"));
    assert!(cursor.prev().unwrap());
    assert_eq!(cursor.get_key::<&str>().unwrap(), "pear");
    assert_eq!(cursor.get::<&str>("fig").unwrap(), Some("3"));
    assert_eq!(cursor.get::<&str>("figs").unwrap(), None);
    for (sought, order, found) in
        [("fig", Ordering::Equal, "fig"), ("banana", Ordering::Greater, "fig"), ("zebra", Ordering::Less, "pear")]
    {
        cursor.set_key(sought).unwrap();
        assert_eq!(cursor.search_near().unwrap(), Some(order), "{sought}");
        assert_eq!(cursor.get_key::<&str>().unwrap(), found);
    }
    assert!(!cursor.next().unwrap());
    assert!(cursor.next().unwrap(), "after the end comes the first record");
    assert_eq!(cursor.get_key::<&str>().unwrap(), "apple");
    let copy = session.duplicate_cursor(&cursor, "").unwrap();
    assert_eq!(copy.get_value::<&str>().unwrap(), "5");
    assert!(copy.equals(&cursor).unwrap());
    cursor.set_key("fig").unwrap();
    cursor.set_value("green").unwrap();
    cursor.update().unwrap();
    assert!(cursor.delete("pear").unwrap());
    drop((cursor, copy));
    assert_eq!(texts(&session, "kvs:a"), [("apple".into(), "5".into()), ("fig".into(), "green".into())]);
}

#[test]
fn overwrite_decides_what_an_existing_and_a_missing_record_mean() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["there"]);
    let mut strict = session.open_cursor("kvs:a", "overwrite=false").unwrap();
    assert!(matches!(strict.put("there", "new"), Err(Error::DuplicateKey)));
    assert_eq!(strict.get_value::<&str>().unwrap(), "new", "the application's value, not the record's");
    strict.set_key("missing").unwrap();
    strict.set_value("new").unwrap();
    assert!(matches!(strict.update(), Err(Error::NotFound)));
    strict.set_key("missing").unwrap();
    assert!(matches!(strict.remove(), Err(Error::NotFound)));
    assert_eq!(texts(&session, "kvs:a"), [("there".into(), "5".into())]);

    let mut lax = session.open_cursor("kvs:a", "overwrite=true").unwrap();
    lax.put("there", "replaced").unwrap();
    lax.set_key("missing").unwrap();
    lax.set_value("made").unwrap();
    lax.update().unwrap();
    lax.set_key("never").unwrap();
    lax.remove().unwrap();
    assert_eq!(texts(&session, "kvs:a"), [("missing".into(), "made".into()), ("there".into(), "replaced".into())]);
}

#[test]
fn keys_and_values_must_be_set() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &[]);
    let mut cursor = session.open_cursor("kvs:a", "").unwrap();
    assert_eq!(refusal(cursor.search()), (ErrorCode::EINVAL, "requires key be set".into()));
    cursor.set_key("k").unwrap();
    assert_eq!(refusal(cursor.insert()), (ErrorCode::EINVAL, "requires value be set".into()));
    assert_eq!(cursor.search_near().unwrap(), None, "the object is empty");
    let mut readonly = session.open_cursor("kvs:a", "readonly=true").unwrap();
    readonly.set_key("k").unwrap();
    readonly.set_value("v").unwrap();
    assert_eq!(refusal(readonly.insert()), (ErrorCode::ENOTSUP, "Unsupported cursor operation".into()));
    assert_eq!(refusal(cursor.largest_key()), (ErrorCode::ENOTSUP, "Unsupported cursor operation".into()));
}

#[test]
fn record_numbers_are_ordered_as_numbers_and_append_gives_the_next() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    session.create("kvs:r", "key_format=r,value_format=S").unwrap();
    let mut cursor = session.open_cursor("kvs:r", "").unwrap();
    for number in [300_u64, 2, 70_000] {
        cursor.put(number, format!("v{number}").as_str()).unwrap();
    }
    let mut appending = session.open_cursor("kvs:r", "append=true").unwrap();
    for expected in [70_001, 70_002] {
        appending.set_value("appended").unwrap();
        appending.insert().unwrap();
        assert_eq!(appending.get_key::<u64>().unwrap(), expected);
    }
    cursor.reset().unwrap();
    let mut numbers = Vec::new();
    while cursor.next().unwrap() {
        numbers.push(cursor.get_key::<u64>().unwrap());
    }
    assert_eq!(numbers, [2, 300, 70_000, 70_001, 70_002]);
    assert_eq!(cursor.get::<&str>(300_u64).unwrap(), Some("v300"));
    assert_eq!(refusal(cursor.set_key(0_u64).and_then(|()| cursor.search())).0, ErrorCode::EINVAL);
    assert_eq!(
        refusal(cursor.put(1_u64 << 32, "far")),
        (ErrorCode::ERANGE, "record number 4294967296: the largest is 4294967295".into())
    );
}

#[test]
fn a_bit_field_is_one_byte_and_removing_it_leaves_zero() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    session.create("kvs:bits", "key_format=r,value_format=3t").unwrap();
    let mut cursor = session.open_cursor("kvs:bits", "").unwrap();
    for (number, bits) in [(1_u64, 7_u8), (2, 0), (3, 5)] {
        cursor.put(number, bits).unwrap();
    }
    assert!(cursor.put(4_u64, 8_u8).is_err(), "four bits");
    assert!(cursor.delete(3_u64).unwrap());
    cursor.reset().unwrap();
    let mut records = Vec::new();
    while cursor.next().unwrap() {
        records.push((cursor.get_key::<u64>().unwrap(), cursor.get_value::<u8>().unwrap()));
    }
    assert_eq!(records, [(1, 7), (2, 0), (3, 0)]);
}

#[test]
fn a_range_is_truncated_with_and_without_ends() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["a", "b", "c", "d", "e", "f"]);
    let at = |key: &str| {
        let mut cursor = session.open_cursor("kvs:a", "").unwrap();
        cursor.set_key(key).unwrap();
        cursor
    };
    session.truncate_range(Some(&mut at("bb")), Some(&mut at("d")), "").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["a", "b", "e", "f"]);
    session.truncate_range(None, Some(&mut at("a")), "").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["b", "e", "f"]);
    session.truncate_range(Some(&mut at("ee")), None, "").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["b", "e"]);
    assert_eq!(
        refusal(session.truncate_range(Some(&mut at("e")), Some(&mut at("b")), "")),
        (ErrorCode::EINVAL, "the start cursor position is after the stop cursor position".into())
    );
    session.truncate("kvs:a", "").unwrap();
    assert_eq!(keys(&session, "kvs:a"), [""; 0]);
    session.truncate("kvs:a", "").unwrap();
}

#[test]
fn a_rollback_undoes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &[]);
    session.begin_transaction("").unwrap();
    session.open_cursor("kvs:a", "").unwrap().put("kept", "1").unwrap();
    session.rollback_transaction("").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["kept"]);
}

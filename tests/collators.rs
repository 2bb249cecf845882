//! Tables and indices in the order of a collator, through the public interface.
#![cfg(all(feature = "reverse", feature = "revint"))]

use hardwired::packing::{PackRow, UnpackRow};
use hardwired::{Connection, ErrorCode, Result, Session, wiredtiger_open};
use std::cmp::Ordering;
use std::path::Path;

fn open(home: &Path) -> Connection {
    wiredtiger_open(home, None, "create,extensions=[reverse,revint]").unwrap()
}

fn keys(session: &Session, uri: &str) -> Vec<i32> {
    let mut cursor = session.open_cursor(uri, "").unwrap();
    cursor.range::<i32, String>(..).unwrap().map(|row| row.map(|(key, _)| key)).collect::<Result<_>>().unwrap()
}

#[test]
fn a_table_is_in_the_order_of_revint_over_checkpoints_and_opens() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    session
        .create("table:t", "key_format=i,value_format=S,collator=revint,leaf_page_max=512B,allocation_size=512B")
        .unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    let numbers = [8255, 8256, -8256, -8257, i32::MIN, i32::MAX];
    for number in (-600..600).chain(numbers) {
        cursor.put(number, format!("value {number}")).unwrap();
    }
    for number in (-600..600).step_by(3) {
        assert!(cursor.delete(number).unwrap());
    }
    let mut expected: Vec<i32> = (-600..600).filter(|number| (number + 600) % 3 != 0).chain(numbers).collect();
    expected.sort_unstable_by(|left, right| right.cmp(left));
    assert_eq!(keys(&session, "table:t"), expected);
    drop(cursor);
    drop(session);
    connection.close("").unwrap();

    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    assert_eq!(keys(&session, "table:t"), expected);
    session.verify("table:t", "").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    // 0 was removed: after it in this order comes -1.
    cursor.set_key(0).unwrap();
    assert_eq!(cursor.search_near().unwrap(), Some(Ordering::Greater));
    assert_eq!(cursor.get_key::<i32>().unwrap(), -1);
}

/// Towns with their numbers of inhabitants, some of them equal.
const TOWNS: [(i32, &str, i32); 6] =
    [(1, "bern", 130), (2, "oslo", 700), (3, "oslo", -5), (4, "rome", 130), (5, "bonn", 130), (6, "bern", 9)];

fn make(session: &Session, fill_first: bool) {
    session.create("table:t", "key_format=i,value_format=Si,columns=(id,name,people)").unwrap();
    let put = || {
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        TOWNS.iter().for_each(|(id, name, people)| cursor.put(*id, (*name, *people)).unwrap());
    };
    if fill_first {
        put();
    }
    session.create("index:t:name", "columns=(name),collator=reverse").unwrap();
    session.create("index:t:people", "columns=(people),collator=revint").unwrap();
    if !fill_first {
        put();
    }
}

/// The ids in the order of an index.
fn ids(session: &Session, index: &str) -> Vec<i32> {
    let mut cursor = session.open_cursor(&format!("{index}(id)"), "").unwrap();
    let mut ids = Vec::new();
    while cursor.next().unwrap() {
        ids.push(cursor.get_value().unwrap());
    }
    ids
}

#[rstest::rstest]
fn an_index_is_in_the_order_of_its_collator(#[values(false, true)] fill_first: bool) {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    make(&session, fill_first);
    // `reverse` turns the order of the table's keys around as well, `revint` doesn't.
    assert_eq!(ids(&session, "index:t:name"), [4, 3, 2, 5, 6, 1]);
    assert_eq!(ids(&session, "index:t:people"), [2, 1, 4, 5, 6, 3]);
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    cursor.put(2, ("bern", 1)).unwrap();
    assert!(cursor.delete(4).unwrap());
    drop(cursor);
    drop(session);
    connection.close("").unwrap();

    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    assert_eq!(ids(&session, "index:t:name"), [3, 5, 6, 2, 1]);
    assert_eq!(ids(&session, "index:t:people"), [1, 5, 6, 2, 3]);
    session.verify("table:t", "").unwrap();
}

/// The ids of all entries of a key, from the first on; empty if it isn't found.
fn found<K>(session: &Session, index: &str, key: &K) -> Vec<i32>
where
    K: PackRow + Clone + PartialEq + for<'c> UnpackRow<'c>,
{
    let mut cursor = session.open_cursor(&format!("{index}(id)"), "").unwrap();
    cursor.set_key(key.clone()).unwrap();
    let mut ids = Vec::new();
    let mut is_there = cursor.search().unwrap();
    while is_there && cursor.get_key::<K>().unwrap() == *key {
        ids.push(cursor.get_value().unwrap());
        is_there = cursor.next().unwrap();
    }
    ids
}

/// A key is found whether the collator sorts its start before its entries (`revint`) or behind them (`reverse`).
#[test]
fn a_search_finds_the_first_of_the_entries_of_a_key() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    make(&session, false);
    for (name, expected) in [("rome", &[4][..]), ("oslo", &[3, 2]), ("bonn", &[5]), ("bern", &[6, 1]), ("paris", &[])] {
        assert_eq!(found(&session, "index:t:name", &name.to_owned()), expected, "{name}");
    }
    for (people, expected) in [(700, &[2][..]), (130, &[1, 4, 5]), (9, &[6]), (-5, &[3]), (131, &[]), (i32::MIN, &[])] {
        assert_eq!(found(&session, "index:t:people", &people), expected, "{people}");
    }
    let mut cursor = session.open_cursor("index:t:name", "").unwrap();
    for (name, result, at) in [
        ("oslo", Some(Ordering::Equal), "oslo"),
        ("paris", Some(Ordering::Greater), "oslo"),
        ("zug", Some(Ordering::Greater), "rome"),
        ("aachen", Some(Ordering::Less), "bern"),
    ] {
        cursor.set_key(name).unwrap();
        assert_eq!(cursor.search_near().unwrap(), result, "{name}");
        assert_eq!(cursor.get_key::<String>().unwrap(), at);
    }
}

#[test]
fn bounds_of_an_index_with_a_collator_are_refused_by_its_name() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    make(&session, false);
    let mut cursor = session.open_cursor("index:t:name", "").unwrap();
    cursor.set_key("oslo").unwrap();
    let error = cursor.bound("bound=lower").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ENOTSUP);
    assert!(error.to_string().contains("index:t:name: bounds of an index with a collator"), "{error}");
}

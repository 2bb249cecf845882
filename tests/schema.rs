//! Tables with column groups and indices through the public API: dropping them, bad input, and a model that random changes
//! are compared with.

use hardwired::plugin::error::SubLevel;
use hardwired::{Connection, Cursor, Error, ErrorCode, Result, Session, wiredtiger_open};
use proptest::prelude::*;
use rstest::rstest;
use std::collections::BTreeMap;
use std::path::Path;

const TABLE: &str = "key_format=i,value_format=SiS,columns=(id,city,zip,note),colgroups=(main,extra)";

fn open(home: &Path) -> Connection {
    wiredtiger_open(home, None, "create").unwrap()
}

/// Creates the table `t` with two column groups.
fn create_table(session: &Session) {
    session.create("table:t", TABLE).unwrap();
    session.create("colgroup:t:main", "columns=(city,zip)").unwrap();
    session.create("colgroup:t:extra", "columns=(note)").unwrap();
}

/// The objects of the metadata that belong to `t`.
fn objects(session: &Session) -> Vec<String> {
    let mut cursor = session.open_cursor("metadata:", "").unwrap();
    let mut uris = Vec::new();
    while cursor.next().unwrap() {
        let uri: String = cursor.get_key().unwrap();
        let name = uri.split_once(':').map_or("", |(_, name)| name);
        if name == "t" || name.starts_with("t_") || name.starts_with("t:") || name == "t.wt" {
            uris.push(uri);
        }
    }
    uris
}

fn files(home: &Path) -> Vec<String> {
    let names = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with('t')).collect();
    names.sort();
    names
}

#[test]
fn a_dropped_table_takes_its_groups_indices_and_files_along() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    create_table(&session);
    session.create("index:t:city", "columns=(city)").unwrap();
    session.open_cursor("table:t", "").unwrap().put(1, ("rome", 100, "old")).unwrap();
    assert_eq!(files(home.path()), ["t_city.wti", "t_extra.wt", "t_main.wt"]);

    let busy = session.drop("table:t", "").unwrap_err();
    assert_eq!((busy.code(), session.get_last_error().sub_level), (ErrorCode::EBUSY, SubLevel::DIRTY_DATA));
    let forced = session.drop("table:t", "force").unwrap_err();
    assert_eq!(forced.code(), ErrorCode::ENOTSUP);
    session.checkpoint("").unwrap();
    let cursor = session.open_cursor("index:t:city", "").unwrap();
    let held = session.drop("table:t", "").unwrap_err();
    assert_eq!((held.code(), session.get_last_error().sub_level), (ErrorCode::EBUSY, SubLevel::CONFLICT_DHANDLE));
    drop(cursor);
    session.drop("table:t", "").unwrap();
    assert_eq!(objects(&session), [""; 0]);
    assert_eq!(files(home.path()), [""; 0]);

    // The name is free again, and nothing is left of the former rows.
    create_table(&session);
    assert!(!session.open_cursor("table:t", "").unwrap().next().unwrap());
    session.verify("table:t", "").unwrap();
}

#[test]
fn a_dropped_index_leaves_the_table_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    create_table(&session);
    session.open_cursor("table:t", "").unwrap().put(1, ("rome", 100, "old")).unwrap();
    session.create("index:t:city", "columns=(city)").unwrap();
    assert_eq!(session.drop("index:t:city", "").unwrap_err().code(), ErrorCode::EBUSY, "it was just filled");
    session.checkpoint("").unwrap();
    session.drop("index:t:city", "").unwrap();
    assert_eq!(session.open_cursor("index:t:city", "").unwrap_err().code(), ErrorCode::ENOENT);
    assert_eq!(session.drop("index:t:city", "").unwrap_err().code(), ErrorCode::ENOENT);
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    cursor.put(1, ("oslo", 200, "new")).unwrap();
    assert_eq!(cursor.get::<(String, i32, String)>(1).unwrap(), Some(("oslo".into(), 200, "new".into())));
}

#[test]
fn a_table_that_lacks_a_group_is_unusable_until_it_has_it_and_can_be_dropped() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    session.create("table:t", TABLE).unwrap();
    session.create("colgroup:t:main", "columns=(city,zip)").unwrap();
    let refused = session.open_cursor("table:t", "").unwrap_err();
    assert_eq!(refused.code(), ErrorCode::EINVAL);
    assert!(refused.to_string().contains("cannot be used until all column groups are created"), "{refused}");
    session.create("colgroup:t:extra", "columns=(note)").unwrap();
    session.open_cursor("table:t", "").unwrap().put(1, ("rome", 100, "old")).unwrap();
    session.checkpoint("").unwrap();
    session.drop("colgroup:t:extra", "").unwrap();
    assert_eq!(session.open_cursor("table:t", "").unwrap_err().code(), ErrorCode::EINVAL);
    session.drop("table:t", "").unwrap();
    assert_eq!(objects(&session), [""; 0]);
}

/// What is refused leaves neither rows nor files behind.
#[rstest]
#[case::too_few_columns("table:x", "key_format=i,value_format=SS,columns=(id,a)", ErrorCode::EINVAL)]
#[case::too_many_columns("table:x", "key_format=i,value_format=S,columns=(id,a,b)", ErrorCode::EINVAL)]
#[case::groups_without_columns("table:x", "key_format=i,value_format=S,colgroups=(a)", ErrorCode::EINVAL)]
#[case::unbalanced("table:x", "key_format=i,value_format=S,columns=(id,a", ErrorCode::EINVAL)]
#[case::record_numbers("table:x", "key_format=r,value_format=S,columns=(id,a)", ErrorCode::ENOTSUP)]
#[case::group_of_no_table("colgroup:nope:a", "columns=(a)", ErrorCode::ENOENT)]
#[case::group_that_is_not_listed("colgroup:t:other", "columns=(note)", ErrorCode::EINVAL)]
#[case::group_without_columns("colgroup:u:whole", "", ErrorCode::EINVAL)]
#[case::group_of_an_unknown_column("colgroup:u:whole", "columns=(nope)", ErrorCode::EINVAL)]
#[case::group_of_a_key_column("colgroup:u:whole", "columns=(k)", ErrorCode::EINVAL)]
#[case::group_that_leaves_a_column_out("colgroup:u:whole", "columns=(a)", ErrorCode::EINVAL)]
#[case::index_of_no_table("index:nope:i", "columns=(a)", ErrorCode::ENOENT)]
#[case::index_without_a_name("index:t", "columns=(city)", ErrorCode::EINVAL)]
#[case::index_without_columns("index:t:i", "", ErrorCode::EINVAL)]
#[case::index_of_an_unknown_column("index:t:i", "columns=(nope)", ErrorCode::EINVAL)]
#[case::index_of_a_simple_table("index:simple:i", "columns=(a)", ErrorCode::EINVAL)]
#[case::index_with_an_unknown_collator("index:t:i", "columns=(city),collator=nope", ErrorCode::EINVAL)]
fn bad_input_is_refused_and_leaves_nothing(#[case] uri: &str, #[case] config: &str, #[case] code: ErrorCode) {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    create_table(&session);
    session.create("table:simple", "key_format=S,value_format=S").unwrap();
    session.create("table:u", "key_format=i,value_format=SS,columns=(k,a,b),colgroups=(whole)").unwrap();
    session.open_cursor("table:t", "").unwrap().put(1, ("rome", 100, "old")).unwrap();
    let state = || {
        let mut names: Vec<_> =
            std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let mut cursor = session.open_cursor("metadata:create", "").unwrap();
        let mut uris: Vec<String> = Vec::new();
        while cursor.next().unwrap() {
            uris.push(cursor.get_key().unwrap());
        }
        (names, uris)
    };
    let before = state();
    let error = session.create(uri, config).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(state(), before);
    // The table works on.
    session.create("index:t:late", "columns=(zip)").unwrap();
    assert!(session.open_cursor("index:t:late", "").unwrap().next().unwrap());
}

#[test]
fn what_a_cursor_on_an_index_does_not_do_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    create_table(&session);
    session.create("index:t:city", "columns=(city)").unwrap();
    session.open_cursor("table:t", "").unwrap().put(1, ("rome", 100, "old")).unwrap();
    for uri in ["index:t:nope", "table:t(nope)", "index:t:city(nope)", "table:t(note"] {
        assert!(session.open_cursor(uri, "").is_err(), "{uri}");
    }
    let mut cursor = session.open_cursor("index:t:city", "").unwrap();
    assert!(cursor.next().unwrap());
    for refused in [cursor.insert(), cursor.update(), cursor.remove(), cursor.reserve()] {
        assert_eq!(refused.unwrap_err().code(), ErrorCode::ENOTSUP);
    }
}

// ---- the model

#[derive(Debug, Clone)]
enum Change {
    Put(i32, &'static str, i32, String),
    Delete(i32),
}

#[derive(Debug, Clone)]
enum Step {
    Change(Change),
    /// Changes in one transaction, and whether it commits.
    Transaction(Vec<Change>, bool),
    Checkpoint,
    Reopen,
    /// Makes the index on `note`, or fails to because it is there.
    CreateIndex,
}

type Rows = BTreeMap<i32, (String, i32, String)>;

fn change() -> impl Strategy<Value = Change> {
    let city = prop::sample::select(vec!["bern", "oslo", "rome"]);
    prop_oneof![
        3 => (-20..20_i32, city, 0..4_i32, "[a-c]{0,3}").prop_map(|(id, city, zip, note)| Change::Put(id, city, zip, note)),
        1 => (-20..20_i32).prop_map(Change::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => change().prop_map(Step::Change),
        3 => (prop::collection::vec(change(), 1..8), any::<bool>()).prop_map(|(changes, commits)| Step::Transaction(changes, commits)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::CreateIndex),
    ]
}

fn apply(cursor: &mut Cursor<'_>, rows: &mut Rows, change: &Change) {
    match change {
        Change::Put(id, city, zip, note) => {
            cursor.put(*id, (*city, *zip, note.as_str())).unwrap();
            rows.insert(*id, ((*city).to_owned(), *zip, note.clone()));
        }
        Change::Delete(id) => assert_eq!(cursor.delete(*id).unwrap(), rows.remove(id).is_some()),
    }
}

/// Every record of a cursor, in its order.
fn all<T>(session: &Session, uri: &str, mut read: impl FnMut(&Cursor<'_>) -> Result<T>) -> Vec<T> {
    let mut cursor = session.open_cursor(uri, "").unwrap();
    let mut records = Vec::new();
    while cursor.next().unwrap() {
        records.push(read(&cursor).unwrap());
    }
    records
}

fn check(session: &Session, rows: &Rows, has_note_index: bool) {
    let found = all(session, "table:t", |cursor| Ok((cursor.get_key::<i32>()?, cursor.get_value()?)));
    assert_eq!(found, rows.clone().into_iter().collect::<Vec<_>>());
    let extra =
        all(session, "colgroup:t:extra", |cursor| Ok((cursor.get_key::<i32>()?, cursor.get_value::<String>()?)));
    assert_eq!(extra, rows.iter().map(|(id, (.., note))| (*id, note.clone())).collect::<Vec<_>>());

    let mut expected: Vec<(String, i32, i32)> =
        rows.iter().map(|(id, (city, zip, _))| (city.clone(), *zip, *id)).collect();
    expected.sort();
    let found: Vec<(String, i32, i32)> = all(session, "index:t:place(city,zip,id)", |cursor| cursor.get_value());
    assert_eq!(found, expected);
    if has_note_index {
        let mut expected: Vec<(String, i32)> = rows.iter().map(|(id, (.., note))| (note.clone(), *id)).collect();
        expected.sort();
        let found: Vec<(String, i32)> = all(session, "index:t:note(note,id)", |cursor| cursor.get_value());
        assert_eq!(found, expected);
    }
    // The records behind the entries.
    let behind = all(session, "index:t:place", |cursor| {
        let (city, zip): (String, i32) = cursor.get_key()?;
        let value: (String, i32, String) = cursor.get_value()?;
        assert_eq!((&value.0, value.1), (&city, zip));
        Ok(value)
    });
    assert_eq!(behind.len(), rows.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn groups_and_indices_agree_with_a_model(steps in prop::collection::vec(step(), 1..60)) {
        let home = tempfile::tempdir().unwrap();
        let mut connection = open(home.path());
        let mut session = connection.open_session("").unwrap();
        create_table(&session);
        session.create("index:t:place", "columns=(city,zip)").unwrap();
        let (mut rows, mut has_note_index) = (Rows::new(), false);
        for step in &steps {
            match step {
                Step::Change(change) => apply(&mut session.open_cursor("table:t", "").unwrap(), &mut rows, change),
                Step::Transaction(changes, commits) => {
                    let mut changed = rows.clone();
                    session.begin_transaction("").unwrap();
                    let mut cursor = session.open_cursor("table:t", "").unwrap();
                    changes.iter().for_each(|change| apply(&mut cursor, &mut changed, change));
                    drop(cursor);
                    if *commits {
                        session.commit_transaction("").unwrap();
                        rows = changed;
                    } else {
                        session.rollback_transaction("").unwrap();
                    }
                }
                Step::Checkpoint => session.checkpoint("").unwrap(),
                Step::Reopen => {
                    drop(session);
                    connection.close("").unwrap();
                    connection = open(home.path());
                    session = connection.open_session("").unwrap();
                    session.verify("table:t", "").unwrap();
                }
                Step::CreateIndex => {
                    let created = session.create("index:t:note", "columns=(note),exclusive");
                    prop_assert_eq!(created.map_err(|error: Error| error.code()).is_err(), has_note_index);
                    has_note_index = true;
                }
            }
        }
        check(&session, &rows, has_note_index);
        drop(session);
        connection.close("").unwrap();
        let connection = open(home.path());
        check(&connection.open_session("").unwrap(), &rows, has_note_index);
    }
}

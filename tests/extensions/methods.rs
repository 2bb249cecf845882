//! Keys that an application adds to methods.

use hardwired::{Connection, ErrorCode};

const OPEN_CURSOR: &str = "WT_SESSION.open_cursor";

fn open(home: &tempfile::TempDir) -> Connection {
    let connection = Connection::builder(home.path()).create(true).open().unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    connection
}

#[test]
fn an_added_key_is_checked_and_otherwise_without_effect() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(&home);
    let session = connection.open_session("").unwrap();
    let code = |config: &str| session.open_cursor("table:t", config).err().map(|error| error.code().0);
    assert_eq!(code("devices=7"), Some(22));
    connection.configure_method(OPEN_CURSOR, None, "devices=5", "int", Some("min=1, max=30")).unwrap();
    assert_eq!(code("devices=7"), None);
    let error = session.open_cursor("table:t", "devices=31").unwrap_err();
    assert_eq!(error.to_string(), "Value too large for key 'devices' the maximum is 30");
    connection.configure_method("WT_SESSION.create", Some("table:"), "device=/path", "string", None).unwrap();
    session.create("table:u", "device=/home,key_format=S").unwrap();
    let row: Option<String> = session.open_cursor("metadata:", "").unwrap().get("table:u").unwrap();
    assert!(!row.unwrap().contains("device"), "only the methods' own keys are stored");
}

#[test]
fn a_prefix_limits_a_key_to_its_uris() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(&home);
    let session = connection.open_session("").unwrap();
    connection.configure_method(OPEN_CURSOR, Some("file:"), "speed", "string", None).unwrap();
    assert!(session.open_cursor("file:t.wt", "speed=high").is_ok());
    let error = session.open_cursor("table:t", "speed=high").unwrap_err();
    assert_eq!(error.to_string(), "unknown configuration key 'speed'");
}

#[test]
fn a_replaced_key_has_a_new_default() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(&home);
    let session = connection.open_session("").unwrap();
    session.open_cursor("table:t", "").unwrap().put("a", "1").unwrap();
    connection.configure_method(OPEN_CURSOR, None, "overwrite=false", "boolean", None).unwrap();
    let insert = |config: &str| {
        let mut cursor = session.open_cursor("table:t", config).unwrap();
        cursor.set_key("a").unwrap();
        cursor.set_value("2").unwrap();
        cursor.insert()
    };
    assert_eq!(insert("").unwrap_err().code(), ErrorCode::DUPLICATE_KEY);
    insert("overwrite=true").unwrap();
    connection
        .configure_method("WT_SESSION.begin_transaction", None, "isolation=read-uncommitted", "string", None)
        .unwrap();
    session.begin_transaction("").unwrap();
    session.reset_snapshot().expect_err("the new default is weaker than snapshot isolation");
    session.rollback_transaction("").unwrap();
}

#[test]
fn keys_belong_to_a_connection() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, other) = (open(&homes[0]), open(&homes[1]));
    one.configure_method(OPEN_CURSOR, None, "mine=1", "int", None).unwrap();
    assert!(one.open_session("").unwrap().open_cursor("table:t", "mine=2").is_ok());
    assert!(other.open_session("").unwrap().open_cursor("table:t", "mine=2").is_err());
    one.close("").unwrap();
    let again = Connection::builder(homes[0].path()).open().unwrap();
    assert!(again.open_session("").unwrap().open_cursor("table:t", "mine=2").is_err(), "until it closes");
}

#[test]
fn wrong_arguments_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(&home);
    let add = |method: &str, config: &str, kind: &str, check| {
        let error = connection.configure_method(method, None, config, kind, check).unwrap_err();
        (error.code().0, error.to_string())
    };
    let expected = [
        (add("WT_SESSION.nosuch", "a=1", "int", None), 2, "no method matching WT_SESSION.nosuch found"),
        (add(OPEN_CURSOR, "", "int", None), 22, "no configuration specified"),
        (add(OPEN_CURSOR, "a=1", "", None), 22, "no configuration type specified"),
        (
            add(OPEN_CURSOR, "a=1", "float", None),
            22,
            "type must be one of \"boolean\", \"int\", \"list\" or \"string\"",
        ),
        (
            add(OPEN_CURSOR, "a=zzz", "string", Some("choices=[a,b]")),
            22,
            "Value 'zzz' not a permitted choice for key 'a'",
        ),
    ];
    for ((code, text), expected_code, expected) in expected {
        assert_eq!((code, text.as_str()), (expected_code, expected));
    }
}

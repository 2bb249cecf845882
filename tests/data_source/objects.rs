//! Objects of the sample: creating, dropping, renaming, verifying them; checkpoints, reopening, tables over them.

use super::{fill, keys, open, refusal};
use hardwired::{Connection, ErrorCode};
use hardwired_kvs_sample::{EXTENSION, METHOD_KEYS};
use rstest::rstest;
use std::fs;
use std::path::Path;

#[test]
fn an_object_lives_from_create_to_drop() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["one", "two"]);
    session.create("kvs:a", "key_format=S,value_format=S").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["one", "two"], "creating it again changes nothing");
    assert_eq!(refusal(session.create("kvs:a", "exclusive=true")).0, ErrorCode::EEXIST);
    session.verify("kvs:a", "").unwrap();
    session.salvage("kvs:a", "").unwrap();
    session.compact("kvs:a", "").unwrap();
    session.rename("kvs:a", "kvs:b", "").unwrap();
    assert!(session.source_size("kvs:b").unwrap() > 0);
    assert_eq!(refusal(session.open_cursor("kvs:a", "")).0, ErrorCode::ENOENT);
    assert_eq!(keys(&session, "kvs:b"), ["one", "two"]);

    let cursor = session.open_cursor("kvs:b", "").unwrap();
    for busy in [session.drop("kvs:b", ""), session.truncate("kvs:b", ""), session.verify("kvs:b", "")] {
        assert_eq!(refusal(busy).0, ErrorCode::EBUSY);
    }
    drop(cursor);
    session.drop("kvs:b", "").unwrap();
    assert_eq!(refusal(session.drop("kvs:b", "")).0, ErrorCode::ENOENT);
    session.drop("kvs:b", "force=true").unwrap();
}

#[rstest]
#[case("kvs:x", "colour=red", ErrorCode::EINVAL, "unknown configuration key 'colour'")]
#[case("kvs:x", "collator=reverse", ErrorCode::EINVAL, "WT_DATA_SOURCE objects do not support WT_COLLATOR ordering")]
#[case("kvs:", "", ErrorCode::EINVAL, "unsupported object: kvs:")]
#[case("zzz:a", "", ErrorCode::ENOTSUP, "unknown object type: zzz:a")]
fn what_cannot_be_created_is_refused(
    #[case] uri: &str,
    #[case] config: &str,
    #[case] code: ErrorCode,
    #[case] text: &str,
) {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    assert_eq!(refusal(session.create(uri, config)), (code, text.to_owned()));
    assert!(refusal(session.open_cursor(uri, "")).0 != ErrorCode::EINVAL);
}

#[test]
fn no_collator_is_the_only_one_allowed() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    session.create("kvs:none", "key_format=S,value_format=S,collator=none").unwrap();
    session.create("kvs:empty", "key_format=S,value_format=S,collator=").unwrap();
    assert!(session.create("kvs:bad", "key_format=!").is_err());
}

#[test]
fn tables_and_indices_over_a_source_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:x", &["k"]);
    let text = |uri: &str, source: &str| {
        format!(
            "{uri}: \"{source}\" can't hold its records: tables and indices over data sources are not supported yet"
        )
    };
    let refused = refusal(session.create("table:t", "key_format=S,value_format=S,type=kvs"));
    assert_eq!(refused, (ErrorCode::ENOTSUP, text("table:t", "kvs:t")));
    let refused = refusal(session.create("table:t", "key_format=S,value_format=S,source=\"kvs:x\""));
    assert_eq!(refused, (ErrorCode::ENOTSUP, text("table:t", "kvs:x")));
    let refused = refusal(session.create("table:t", "key_format=S,value_format=S,type=zzz"));
    assert_eq!(refused, (ErrorCode::ENOTSUP, "unknown object type: zzz:t".into()));
    session.create("table:t", "key_format=S,value_format=S,columns=(k,v)").unwrap();
    let refused = refusal(session.create("index:t:i", "columns=(v),type=kvs"));
    assert_eq!(refused, (ErrorCode::ENOTSUP, text("index:t:i", "kvs:t_i_idx")));
    session.drop("table:t", "").unwrap();
    assert_eq!(keys(&session, "kvs:x"), ["k"]);
}

#[test]
fn records_are_there_after_reopening_and_the_row_stays_without_the_source() {
    let home = tempfile::tempdir().unwrap();
    // Given so, the extension is not written into the database.
    let given = || Connection::builder(home.path()).create(true).with(&EXTENSION).open().unwrap();
    let connection = given();
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["one", "two"]);
    session.create("table:plain", "key_format=S,value_format=S").unwrap();
    drop(session);
    connection.close("").unwrap();

    let connection = Connection::builder(home.path()).open().unwrap();
    let session = connection.open_session("").unwrap();
    assert_eq!(refusal(session.open_cursor("kvs:a", "")), (ErrorCode::ENOTSUP, "unknown object type: kvs:a".into()));
    let mut metadata = session.open_cursor("metadata:", "").unwrap();
    assert_eq!(metadata.get::<&str>("kvs:a").unwrap(), Some("app_metadata=,key_format=S,value_format=S,kvs_comment="));
    drop(metadata);
    session.open_cursor("table:plain", "").unwrap().put("k", "v").unwrap();
    session.checkpoint("").unwrap();
    let text = "kvs:a object does not support named checkpoints";
    assert_eq!(refusal(session.checkpoint("name=first")), (ErrorCode::EINVAL, text.into()));
    drop(session);
    connection.close("").unwrap();

    let connection = given();
    let session = connection.open_session("").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["one", "two"]);
    session.verify("kvs:a", "").unwrap();
    assert_eq!(refusal(session.checkpoint("name=first")), (ErrorCode::EINVAL, text.into()));
    session.drop("kvs:a", "").unwrap();
    session.checkpoint("name=first").unwrap();
}

#[test]
fn a_checkpoint_makes_records_durable() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["before"]);
    session.checkpoint("").unwrap();
    // What a process that dies now leaves behind.
    let copy = tempfile::tempdir().unwrap();
    copy_tree(home.path(), copy.path());
    // The configuration that the database keeps names the extension.
    let copied = Connection::builder(copy.path()).open().unwrap();
    assert_eq!(keys(&copied.open_session("").unwrap(), "kvs:a"), ["before"]);
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn keys_of_the_sources_own_reach_it_once_they_are_added() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    let config = "key_format=S,value_format=S,kvs_comment=hello";
    assert_eq!(refusal(session.create("kvs:a", config)).1, "unknown configuration key 'kvs_comment'");
    for (method, key, kind, check) in METHOD_KEYS {
        let check = Some(*check).filter(|check| !check.is_empty());
        connection.configure_method(method, Some("kvs:"), key, kind, check).unwrap();
    }
    connection.configure_method("WT_SESSION.create", Some("kvs:"), "kvs_comment=usual", "string", None).unwrap();
    session.create("kvs:a", config).unwrap();
    session.create("kvs:b", "key_format=S,value_format=S").unwrap();
    let mut metadata = session.open_cursor("metadata:", "").unwrap();
    for (uri, comment) in [("kvs:a", "hello"), ("kvs:b", "usual")] {
        let row = format!("app_metadata=,key_format=S,value_format=S,kvs_comment={comment}");
        assert_eq!(metadata.get::<&str>(uri).unwrap(), Some(row.as_str()));
    }
    session.open_cursor("kvs:a", "kvs_sync=true").unwrap().put("k", "v").unwrap();
    session.alter("kvs:a", "kvs_comment=changed").unwrap();
    assert!(metadata.get::<&str>("kvs:a").unwrap().unwrap().ends_with("kvs_comment=changed"));
}

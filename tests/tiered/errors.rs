//! What is refused, and in which words.

use super::support::*;
use hardwired::{Connection, Error, ErrorCode};
use rstest::rstest;

#[track_caller]
fn assert_error<T>(result: Result<T, Error>, code: ErrorCode, text: &str) {
    let error = result.map(drop).unwrap_err();
    assert!(error.code() == code && error.to_string().contains(text), "{:?}: {error}", error.code());
}

#[rstest]
#[case("tiered_storage=(bucket=bucket1)", "tiered_storage.bucket requires tiered_storage.name to be set")]
#[case("tiered_storage=(name=dir_store)", "table tiered storage requires bucket to be set")]
#[case("tiered_storage=(name=dir_store,bucket=bucket1)", "table tiered storage requires bucket_prefix to be set")]
#[case("tiered_storage=(name=other,bucket=bucket1,bucket_prefix=p)", "unknown storage source 'other'")]
#[case(
    "in_memory,tiered_storage=(name=dir_store,bucket=bucket1,bucket_prefix=p)",
    "is not compatible with tiered storage"
)]
fn a_connection_that_contradicts_itself_does_not_open(#[case] config: &str, #[case] text: &str) {
    let world = World::new();
    assert_error(world.try_open(&format!("create,{DIR_STORE},{config}")), ErrorCode::EINVAL, text);
}

#[test]
fn a_missing_bucket_is_named() {
    let world = World::new();
    let config = format!("create,{DIR_STORE},tiered_storage=(name=dir_store,bucket=gone,bucket_prefix=p)");
    assert_error(world.try_open(&config), ErrorCode::ENOENT, "gone");
}

#[rstest]
#[case("tiered_storage=(name=dir_store)", "requires bucket to be set")]
#[case("tiered_storage=(name=other,bucket=bucket1)", "unknown storage source 'other'")]
#[case("tiered_storage=(shared=true)", "requires connection tiered storage shared to be set")]
fn a_table_that_contradicts_itself_is_not_created(#[case] config: &str, #[case] text: &str) {
    let world = World::new();
    let connection = world.open_tiered("");
    let before = world.files();
    assert_error(session(&connection).create("table:a", config), ErrorCode::EINVAL, text);
    assert_eq!((world.files(), metadata(&connection).len()), (before, 0));
}

#[test]
fn a_bucket_means_nothing_without_tiered_storage() {
    let world = World::new();
    let connection = world.open(&format!("create,{DIR_STORE}"));
    let create = session(&connection).create("table:a", "tiered_storage=(name=dir_store,bucket=bucket1)");
    assert_error(create, ErrorCode::EINVAL, "table tiered storage requires connection tiered storage to be set");
}

fn with_table() -> (World, Connection) {
    let world = World::new();
    let connection = world.open_tiered("");
    session(&connection).create("table:a", "key_format=S,value_format=S").unwrap();
    (world, connection)
}

#[test]
fn files_and_indices_can_not_be_tiered() {
    let (_world, connection) = with_table();
    let session = session(&connection);
    session.create("table:n", "columns=(k,v),key_format=S,value_format=S").unwrap();
    let named = "tiered_storage=(name=dir_store,bucket=bucket1)";
    for (uri, config) in [("file:f", named.to_owned()), ("index:n:i", format!("columns=(v),{named}"))] {
        assert_error(session.create(uri, &config), ErrorCode::ENOTSUP, "files and indices can't");
    }
    session.create("file:f", "").unwrap();
    session.create("index:n:i", "columns=(v)").unwrap();
    let rows = metadata(&connection);
    assert!(rows.contains_key("file:f") && rows.contains_key("file:n_i.wti"), "{:?}", rows.keys());
}

/// An object alone is no tree: who wrote to it would damage the table.
#[test]
fn an_object_can_not_be_used_by_itself() {
    let (_world, connection) = with_table();
    let session = session(&connection);
    let uri = "file:a-0000000001.wtobj";
    let text = "can't be used by itself";
    assert_error(session.open_cursor(uri, ""), ErrorCode::ENOTSUP, text);
    assert_error(session.drop(uri, ""), ErrorCode::ENOTSUP, text);
    assert_error(session.alter(uri, "app_metadata=x"), ErrorCode::ENOTSUP, text);
    assert_error(session.verify(uri, ""), ErrorCode::ENOTSUP, text);
}

#[test]
fn a_tiered_table_can_not_be_verified() {
    let (_world, connection) = with_table();
    let verify = session(&connection).verify("table:a", "");
    assert_error(verify, ErrorCode::ENOTSUP, "tiered tables can't be verified");
}

#[test]
fn a_named_checkpoint_is_refused_where_objects_are() {
    let (_world, connection) = with_table();
    let session = session(&connection);
    fill(&session, "a", 0..3);
    session.checkpoint("name=before").unwrap();
    session.checkpoint("flush_tier=(enabled)").unwrap();
    assert_error(session.checkpoint("name=after"), ErrorCode::EINVAL, "object does not support named checkpoints");
}

#[test]
fn files_of_a_drop_can_not_stay_when_shared_objects_go() {
    let (_world, connection) = with_table();
    let drop = session(&connection).drop("table:a", "remove_files=false,remove_shared=true");
    assert_error(drop, ErrorCode::EINVAL, "must configure removal of underlying files");
}

/// A name that was used has objects in the bucket: those of the new table would have the same names.
#[test]
fn a_dropped_name_comes_again_only_when_its_objects_are_gone() {
    let (world, connection) = with_table();
    let session = session(&connection);
    fill(&session, "a", 0..3);
    checkpoint_and_flush(&session);
    session.drop("table:a", "").unwrap();
    let again = session.create("table:a", "key_format=S,value_format=S");
    assert_error(again, ErrorCode::EEXIST, "has objects of a table of this name already");
    assert_eq!(world.bucket("bucket1"), ["pfx_a-0000000001.wtobj"]);

    session.create("table:b", "key_format=S,value_format=S").unwrap();
    fill(&session, "b", 0..3);
    checkpoint_and_flush(&session);
    session.drop("table:b", "remove_shared=true").unwrap();
    wait_until("the object is removed from the bucket", || world.bucket("bucket1").len() == 1);
    session.create("table:b", "key_format=S,value_format=S").unwrap();
    assert_eq!(rows(&connection, "b"), []);
}

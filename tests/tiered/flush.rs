//! Flushes: what they close, what they copy, what they leave.

use super::support::*;

/// The run of the specification, beside what the real engine recorded.
#[test]
fn files_and_rows_are_those_of_the_recorded_run() {
    let recorded = Recorded::read();
    let world = World::new();
    let like = |connection: &hardwired::Connection, step: &str| {
        assert_rows_like(&metadata(connection), &recorded.metadata(step));
    };
    let connection = world.open_tiered("auth_token=tok,local_retention=10000");
    let session = session(&connection);
    session.create("table:a", "key_format=S,value_format=S").unwrap();
    assert_eq!(world.listing(), recorded.files("after create"));
    like(&connection, "after create");

    fill(&session, "a", 0..10);
    session.checkpoint("").unwrap();
    assert_eq!(world.listing(), recorded.files("after plain checkpoint"));
    like(&connection, "after plain checkpoint");

    session.checkpoint("flush_tier=(enabled)").unwrap();
    wait_until("the first object is linked to the cache", || world.files().len() == 4);
    assert_eq!(world.listing(), recorded.files("2s after flush 1"));
    like(&connection, "after flush 1");

    fill(&session, "a", 10..20);
    session.checkpoint("flush_tier=(enabled)").unwrap();
    assert_eq!(world.listing(), recorded.files("after flush 2"));
    like(&connection, "after flush 2");

    session.checkpoint("flush_tier=(enabled)").unwrap();
    session.checkpoint("flush_tier=(enabled,force=true)").unwrap();
    wait_until("all are linked to the cache", || world.bucket("cache-bucket1").len() == 3);
    like(&connection, "after forced flush");
    drop(session);
    connection.close("").unwrap();

    // Another retention, for what is removed after it.
    let connection = world.open_tiered("local_retention=0");
    super::support::session(&connection).checkpoint("flush_tier=(enabled)").unwrap();
    wait_until("the finished objects are removed, and in the cache", || {
        let files = world.files();
        files[1].starts_with("bucket1/") && world.bucket("cache-bucket1").len() == 3
    });
    assert_eq!(world.listing(), recorded.files("6s later (retention 3)"));
    assert_eq!(rows(&connection, "a"), filled("a", 0..20));
}

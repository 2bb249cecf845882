//! The services that a callback gets of its session: transaction, isolation, visibility, who hears of the end, and the
//! metadata of a running schema call.

use super::Session;
use crate::plugin::services::{Isolation, SessionServices, TransactionNotify};
use crate::schema::{MetadataOperation, NoTransaction};
use crate::{Connection, Error, ErrorCode, Result};
use parking_lot::Mutex;
use rstest::rstest;
use std::sync::Arc;

/// What was heard, by whom.
type Heard = Arc<Mutex<Vec<String>>>;

struct Listener {
    name: &'static str,
    heard: Heard,
    answer: fn() -> Result<()>,
}

impl TransactionNotify for Listener {
    fn notify(&self, _: u64, committed: bool) -> Result<()> {
        self.heard.lock().push(format!("{} {}", self.name, if committed { "commit" } else { "rollback" }));
        (self.answer)()
    }
}

fn agree() -> Result<()> {
    Ok(())
}

fn refuse() -> Result<()> {
    Err(Error::new(ErrorCode::EBUSY, "not now"))
}

fn panicking() -> Result<()> {
    panic!("no comment")
}

struct Home {
    // Before the directory, which the connection's close still needs.
    session: Session,
    connection: Connection,
    _directory: tempfile::TempDir,
}

fn open() -> Home {
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection::builder(directory.path()).create(true).open().unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    Home { session, connection, _directory: directory }
}

fn code<T>(result: Result<T>) -> ErrorCode {
    result.err().expect("must fail").code()
}

/// Runs `use_services` as a callback of the session would.
fn within<T>(session: &Session, use_services: impl FnOnce(&dyn SessionServices) -> T) -> T {
    use_services(&session.services(&session.connection.db, None))
}

fn listen(session: &Session, heard: &Heard, name: &'static str, answer: fn() -> Result<()>) -> Arc<Listener> {
    let listener = Arc::new(Listener { name, heard: Arc::clone(heard), answer });
    within(session, |services| services.notify(Arc::clone(&listener) as _)).unwrap();
    listener
}

fn put(session: &Session, key: &str, value: &str) {
    session.open_cursor("table:t", "").unwrap().put(key, value).unwrap();
}

fn get(session: &Session, key: &str) -> Option<String> {
    session.open_cursor("table:t", "").unwrap().get(key).unwrap()
}

#[test]
fn a_transactions_id_is_allocated_once_and_only_in_a_transaction() {
    let Home { session, .. } = &open();
    assert_eq!(code(within(session, |services| services.transaction_id())), ErrorCode::EINVAL);
    assert_eq!(
        code(within(session, |services| services.notify(Arc::new(Listener {
            name: "nobody",
            heard: Heard::default(),
            answer: agree
        })))),
        ErrorCode::EINVAL
    );
    session.begin_transaction("").unwrap();
    let first = within(session, |services| services.transaction_id().unwrap());
    assert_eq!(within(session, |services| services.transaction_id().unwrap()), first);
    session.commit_transaction("").unwrap();
    session.begin_transaction("").unwrap();
    assert!(within(session, |services| services.transaction_id().unwrap()) > first);
    session.rollback_transaction("").unwrap();
}

#[rstest]
#[case("read-uncommitted", Isolation::ReadUncommitted)]
#[case("read-committed", Isolation::ReadCommitted)]
#[case("snapshot", Isolation::Snapshot)]
fn the_isolation_is_the_transactions_else_the_sessions(#[case] word: &str, #[case] expected: Isolation) {
    let Home { session, connection, .. } = &open();
    session.begin_transaction(&format!("isolation={word}")).unwrap();
    assert_eq!(within(session, |services| services.isolation()), expected);
    session.rollback_transaction("").unwrap();
    assert_eq!(within(session, |services| services.isolation()), Isolation::Snapshot);
    let other = connection.open_session(&format!("isolation={word}")).unwrap();
    assert_eq!(within(&other, |services| services.isolation()), expected);
}

#[test]
fn visible_is_what_the_running_transaction_sees() {
    let Home { session: reader, connection, .. } = &open();
    let writer = connection.open_session("").unwrap();
    writer.begin_transaction("").unwrap();
    let id = within(&writer, |services| services.transaction_id().unwrap());
    put(&writer, "a", "1");
    let sees = |session: &Session| within(session, |services| services.is_visible(id));
    assert!(sees(&writer), "its own changes");
    assert!(!sees(reader));
    let dirty = connection.open_session("isolation=read-uncommitted").unwrap();
    assert!(sees(&dirty));
    reader.begin_transaction("").unwrap();
    assert!(!sees(reader));
    writer.commit_transaction("").unwrap();
    assert!(!sees(reader), "the snapshot is older");
    assert_eq!(get(reader, "a"), None);
    reader.commit_transaction("").unwrap();
    assert!(sees(reader));
    assert!(within(reader, |services| services.connection().oldest_transaction_id()) > id);
}

#[test]
fn everybody_hears_of_the_end_once_and_in_order() {
    let Home { session, .. } = &open();
    for (end, expected) in [(true, ["one commit", "two commit"]), (false, ["one rollback", "two rollback"])] {
        let heard = Heard::default();
        session.begin_transaction("").unwrap();
        let one = listen(session, &heard, "one", agree);
        listen(session, &heard, "two", agree);
        within(session, |services| services.notify(one)).expect("registering twice changes nothing");
        assert!(heard.lock().is_empty());
        if end {
            session.commit_transaction("").unwrap();
        } else {
            session.rollback_transaction("").unwrap();
        }
        assert_eq!(*heard.lock(), expected);
        // The next transaction is none of their business.
        session.begin_transaction("").unwrap();
        session.commit_transaction("").unwrap();
        assert_eq!(heard.lock().len(), 2);
    }
}

#[rstest]
#[case::refused(refuse, ErrorCode::EBUSY, "not now")]
#[case::panicked(panicking, ErrorCode::ERROR, "notify panicked: no comment")]
fn a_refused_commit_is_a_rollback(#[case] answer: fn() -> Result<()>, #[case] expected: ErrorCode, #[case] text: &str) {
    let Home { session, .. } = &open();
    put(session, "a", "before");
    let heard = Heard::default();
    session.begin_transaction("").unwrap();
    put(session, "a", "after");
    listen(session, &heard, "agrees", agree);
    listen(session, &heard, "refuses", answer);
    listen(session, &heard, "unasked", agree);
    let error = session.commit_transaction("").unwrap_err();
    assert_eq!(error.code(), expected);
    assert!(error.to_string().contains(text), "{error}");
    assert_eq!(*heard.lock(), ["agrees commit", "refuses commit", "agrees rollback", "unasked rollback"]);
    assert_eq!(get(session, "a").as_deref(), Some("before"));
    put(session, "a", "later");
    assert_eq!(get(session, "a").as_deref(), Some("later"), "the session goes on");
}

#[test]
fn a_session_that_goes_with_a_running_transaction_tells_of_the_rollback() {
    let home = open();
    let heard = Heard::default();
    home.session.begin_transaction("").unwrap();
    listen(&home.session, &heard, "one", agree);
    drop(home.session);
    assert_eq!(*heard.lock(), ["one rollback"]);
}

#[test]
fn an_objection_to_a_rollback_changes_nothing() {
    let Home { session, .. } = &open();
    for answer in [refuse as fn() -> Result<()>, panicking] {
        let heard = Heard::default();
        session.begin_transaction("").unwrap();
        put(session, "a", "1");
        listen(session, &heard, "objects", answer);
        listen(session, &heard, "next", agree);
        session.rollback_transaction("").unwrap();
        assert_eq!(*heard.lock(), ["objects rollback", "next rollback"]);
        assert_eq!(get(session, "a"), None);
    }
}

#[test]
fn metadata_of_a_running_schema_call_are_its_own_until_it_commits() {
    let Home { session, .. } = &open();
    let db = &session.connection.db;
    let outside = |key| within(session, |services| services.metadata_search(key).ok());
    within(session, |services| services.metadata_insert("app:old", "a=1")).unwrap();
    {
        let _schema = db.schema_lock.lock();
        let operation = MetadataOperation::new(db);
        let inside = session.services(db, Some(&operation));
        inside.metadata_insert("app:new", "b=1").unwrap();
        inside.metadata_update("app:old", "a=2").unwrap();
        assert_eq!(inside.metadata_search("app:new").unwrap(), "b=1");
        inside.metadata_remove("app:new").unwrap();
        assert!(matches!(inside.metadata_remove("app:new"), Err(Error::NotFound)));
        inside.metadata_insert("app:new", "b=2").unwrap();
        assert_eq!(outside("app:new"), None);
        assert_eq!(outside("app:old").as_deref(), Some("a=1"));
        // Dropped: undone.
    }
    assert_eq!((outside("app:new"), outside("app:old").as_deref()), (None, Some("a=1")));
    {
        let _schema = db.schema_lock.lock();
        let operation = MetadataOperation::new(db);
        let inside = session.services(db, Some(&operation));
        inside.metadata_insert("app:new", "b=2").unwrap();
        inside.metadata_remove("app:old").unwrap();
        assert_eq!(code(inside.metadata_insert("file:WiredTiger.wt", "a=1")), ErrorCode::EINVAL);
        operation.commit().unwrap();
    }
    assert_eq!((outside("app:new").as_deref(), outside("app:old")), (Some("b=2"), None));
}

/// What a callback gets that the engine makes for itself, as at an interval's checkpoint.
#[test]
fn the_engines_own_calls_have_no_transaction() {
    let Home { session, .. } = &open();
    let db = &session.connection.db;
    let own = NoTransaction(db);
    let services = crate::schema::CallServices::new(db, &own, None);
    assert_eq!(code(services.transaction_id()), ErrorCode::EINVAL);
    assert_eq!(services.isolation(), Isolation::ReadCommitted);
    let listener = Listener { name: "nobody", heard: Heard::default(), answer: agree };
    assert_eq!(code(services.notify(Arc::new(listener))), ErrorCode::EINVAL);
    session.begin_transaction("").unwrap();
    let id = within(session, |services| services.transaction_id().unwrap());
    assert!(!services.is_visible(id));
    session.commit_transaction("").unwrap();
    assert!(services.is_visible(id));
}

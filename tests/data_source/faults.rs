//! Sources that lack methods, fail or panic: the error says which, and neither records nor rows are harmed.

use super::{fill, keys, refusal};
use hardwired::plugin::config::Config;
use hardwired::plugin::data_source::{DataSource, DataSourceCursor, Record, Truncated};
use hardwired::plugin::extension::Extension;
use hardwired::plugin::origin;
use hardwired::plugin::services::SessionServices;
use hardwired::{Connection, Error, ErrorCode, Result, Session};
use hardwired_kvs_sample::Kvs;
use rstest::rstest;
use std::cell::Cell;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

type Services<'s> = &'s dyn SessionServices;

#[derive(Clone, Copy)]
enum Fault {
    Fail,
    Panic,
}

thread_local! {
    /// The method that misbehaves, on this thread.
    static FAULT: Cell<Option<(&'static str, Fault)>> = const { Cell::new(None) };
}

/// Misbehaves if it is this method's turn.
fn fault(method: &str) -> Result<()> {
    match FAULT.get() {
        Some((chosen, Fault::Fail)) if chosen == method => {
            Err(Error::new(ErrorCode::EIO, format!("the faulty source doesn't {method}")))
        }
        Some((chosen, Fault::Panic)) if chosen == method => panic!("no {method} today"),
        _ => Ok(()),
    }
}

static FAULTY: Extension =
    Extension::data_source("faulty", origin!(), "kvs:", |context| Ok(Arc::new(Faulty(Kvs::new(context)?))));

/// The sample, with faults. `create` and `drop` do their work first, so that there is something to undo.
struct Faulty(Kvs);

impl DataSource for Faulty {
    fn create(&self, session: Services<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        self.0.create(session, uri, config).and_then(|()| fault("create"))
    }
    fn open_cursor(&self, session: Services<'_>, uri: &str, config: Config<'_>) -> Result<Box<dyn DataSourceCursor>> {
        fault("open_cursor")?;
        Ok(Box::new(FaultyCursor(self.0.open_cursor(session, uri, config)?)))
    }
    fn drop_object(&self, session: Services<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        session.metadata_remove(uri).and_then(|()| fault("drop_object"))
    }
    fn truncate(&self, session: Services<'_>, uri: &str, config: Config<'_>) -> Result<Truncated> {
        fault("truncate")?;
        self.0.truncate(session, uri, config)
    }
    fn verify(&self, session: Services<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        fault("verify")?;
        self.0.verify(session, uri, config)
    }
    fn checkpoint(&self, session: Services<'_>, config: Config<'_>) -> Result<()> {
        fault("checkpoint")?;
        self.0.checkpoint(session, config)
    }
    fn terminate(&self) -> Result<()> {
        self.0.terminate()
    }
}

struct FaultyCursor(Box<dyn DataSourceCursor>);

impl DataSourceCursor for FaultyCursor {
    fn next(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.next")?;
        self.0.next(session, record)
    }
    fn prev(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.prev")?;
        self.0.prev(session, record)
    }
    fn reset(&mut self, session: Services<'_>) -> Result<()> {
        fault("cursor.reset")?;
        self.0.reset(session)
    }
    fn search(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.search")?;
        self.0.search(session, record)
    }
    fn search_near(&mut self, session: Services<'_>, record: &mut Record) -> Result<Ordering> {
        fault("cursor.search_near")?;
        self.0.search_near(session, record)
    }
    fn insert(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.insert")?;
        self.0.insert(session, record)
    }
    fn update(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.update")?;
        self.0.update(session, record)
    }
    fn remove(&mut self, session: Services<'_>, record: &mut Record) -> Result<()> {
        fault("cursor.remove")?;
        self.0.remove(session, record)
    }
}

fn open(home: &Path) -> Connection {
    Connection::builder(home).create(true).with(&FAULTY).open().unwrap()
}

/// One call that reaches the method.
fn reach(session: &Session, method: &str) -> Result<()> {
    let cursor = || {
        let mut cursor = session.open_cursor("kvs:a", "")?;
        cursor.set_key("one")?;
        cursor.set_value("changed")?;
        Ok::<_, Error>(cursor)
    };
    match method {
        "create" => session.create("kvs:new", "key_format=S,value_format=S"),
        "open_cursor" => session.open_cursor("kvs:a", "").map(|_| ()),
        "drop_object" => session.drop("kvs:a", ""),
        "truncate" => session.truncate("kvs:a", ""),
        "verify" => session.verify("kvs:a", ""),
        "checkpoint" => session.checkpoint(""),
        "cursor.next" => cursor()?.next().map(|_| ()),
        "cursor.prev" => cursor()?.prev().map(|_| ()),
        "cursor.reset" => cursor()?.reset(),
        "cursor.search" => cursor()?.search().map(|_| ()),
        "cursor.search_near" => cursor()?.search_near().map(|_| ()),
        "cursor.insert" => cursor()?.insert(),
        "cursor.update" => cursor()?.update(),
        "cursor.remove" => cursor()?.remove(),
        _ => unreachable!("{method}"),
    }
}

const METHODS: &[&str] = &[
    "create",
    "open_cursor",
    "drop_object",
    "truncate",
    "verify",
    "checkpoint",
    "cursor.next",
    "cursor.prev",
    "cursor.reset",
    "cursor.search",
    "cursor.search_near",
    "cursor.insert",
    "cursor.update",
    "cursor.remove",
];

#[rstest]
#[case(Fault::Fail)]
#[case(Fault::Panic)]
fn a_fault_is_an_error_and_harms_nothing(#[case] kind: Fault) {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    fill(&session, "kvs:a", &["one", "two"]);
    session.create("table:plain", "key_format=S,value_format=S").unwrap();
    session.open_cursor("table:plain", "").unwrap().put("k", "v").unwrap();
    for method in METHODS {
        FAULT.set(Some((method, kind)));
        let (code, text) = refusal(reach(&session, method));
        FAULT.set(None);
        match kind {
            Fault::Fail => {
                assert_eq!((code, text), (ErrorCode::EIO, format!("the faulty source doesn't {method}")));
            }
            Fault::Panic => {
                assert_eq!(code, ErrorCode::ERROR, "{method}: {text}");
                assert!(text.starts_with("extension faulty (data source, from "), "{text}");
                assert!(text.ends_with(&format!("{method} panicked: no {method} today")), "{text}");
            }
        }
        assert_eq!(keys(&session, "kvs:a"), ["one", "two"], "after {method}");
        assert_eq!(refusal(session.open_cursor("kvs:new", "")).0, ErrorCode::ENOENT, "after {method}");
    }
    session.checkpoint("").unwrap();
    session.verify("kvs:a", "").unwrap();
    drop(session);
    connection.close("").unwrap();
    let connection = open(home.path());
    let session = connection.open_session("").unwrap();
    assert_eq!(keys(&session, "kvs:a"), ["one", "two"]);
    assert_eq!(keys(&session, "table:plain"), ["k"]);
}

/// Creates objects, and can do nothing else.
struct Bare;

impl DataSource for Bare {
    fn create(&self, session: Services<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        session.metadata_insert(uri, "key_format=S,value_format=S")
    }
}

type Call = fn(&Session) -> Result<()>;

#[rstest]
#[case::alter(|session: &Session| session.alter("bare:a", ""))]
#[case::compact(|session: &Session| session.compact("bare:a", ""))]
#[case::drop(|session: &Session| session.drop("bare:a", ""))]
#[case::drop_by_force(|session: &Session| session.drop("bare:a", "force=true"))]
#[case::open_cursor(|session: &Session| session.open_cursor("bare:a", "").map(|_| ()))]
#[case::rename(|session: &Session| session.rename("bare:a", "bare:b", ""))]
#[case::salvage(|session: &Session| session.salvage("bare:a", ""))]
#[case::size(|session: &Session| session.source_size("bare:a").map(|_| ()))]
#[case::truncate_through_a_cursor(|session: &Session| session.truncate("bare:a", ""))]
#[case::verify(|session: &Session| session.verify("bare:a", ""))]
fn a_missing_method_is_not_supported(#[case] call: Call) {
    let home = tempfile::tempdir().unwrap();
    let connection = Connection::builder(home.path()).create(true).data_source("bare:", Arc::new(Bare)).open().unwrap();
    let session = connection.open_session("").unwrap();
    session.create("bare:a", "").unwrap();
    assert_eq!(refusal(call(&session)), (ErrorCode::ENOTSUP, "unsupported object operation: bare:a".into()));
    session.checkpoint("").unwrap();
}

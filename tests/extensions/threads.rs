//! One connection's services, called from many threads at once, with extensions that panic in between.
//!
//! Goal: every service is thread-safe, and a panic in one extension's callback is an error of that call alone: the others
//! go on, nothing is poisoned. Method: as many threads as there are services, each with a task of its own that can tell a
//! wrong answer, all over the same span of time; one more thread provokes the panics.

use crate::probes::{COLLATOR, Lines};
use hardwired::plugin::collator::Collator;
use hardwired::plugin::config::Config;
use hardwired::plugin::extension::MessageLevel;
use hardwired::plugin::file_system::{FileType, OpenOptions};
use hardwired::plugin::services::{PackValue, Services};
use hardwired::{Connection, Error, ErrorCode, Result};
use std::cmp::Ordering;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};
use std::sync::{Arc, Barrier};

const ROUNDS: usize = 200;

/// A collator that panics at some keys.
struct Touchy;

impl Collator for Touchy {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        assert!(left != b"panic", "touched");
        Ok(left.cmp(right))
    }
}

type Task = (&'static str, fn(&dyn Services, usize));

/// A task for each service; the number is that of the round.
const TASKS: &[Task] = &[
    ("metadata", |services, round| {
        let key = format!("app:{}", round % 7);
        services.metadata_insert(&key, &format!("a={round}")).unwrap();
        services.metadata_update(&key, &format!("a={round},b=1")).unwrap();
        assert_eq!(services.metadata_search(&key).unwrap(), format!("a={round},b=1"));
        services.metadata_remove(&key).unwrap();
        assert!(matches!(services.metadata_remove(&key), Err(Error::NotFound)));
    }),
    ("other metadata", |services, round| {
        services.metadata_insert("app:other", &format!("b={round}")).unwrap();
        assert_eq!(services.metadata_search("app:other").unwrap(), format!("b={round}"));
    }),
    ("packing", |services, round| {
        let row = [PackValue::Uint(round as u64), PackValue::Str("x"), PackValue::Int(-1)];
        let packed = services.pack("QSq", &row).unwrap();
        assert_eq!(services.unpack("QSq", &packed).unwrap(), row);
    }),
    ("collators", |services, _| {
        let config = Config::single("collator=probe-collator,app_metadata=(a=b)");
        let collator = services.collator("x:y", config).unwrap().unwrap();
        assert_eq!(services.collate(Some(&*collator), b"a", b"b").unwrap(), Ordering::Greater);
        assert_eq!(services.collate(None, b"a", b"b").unwrap(), Ordering::Less);
    }),
    ("panicking collator", |services, _| {
        let touchy = services.collator("x:", Config::single("collator=touchy")).unwrap().unwrap();
        let error = services.collate(Some(&*touchy), b"panic", b"b").unwrap_err();
        assert_eq!(error.code(), ErrorCode::ERROR);
        assert!(error.to_string().contains("touchy") && error.to_string().contains("compare panicked"), "{error}");
        assert_eq!(services.collate(Some(&*touchy), b"a", b"b").unwrap(), Ordering::Less, "it isn't poisoned");
    }),
    ("files", |services, round| {
        let file_system = services.file_system().unwrap();
        let path = services.home().join("mine");
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let text = format!("{round:08}");
        file_system.open(&path, FileType::Regular, options).unwrap().write(0, text.as_bytes()).unwrap();
        let mut back = [0; 8];
        file_system.open(&path, FileType::Regular, OpenOptions::default()).unwrap().read(0, &mut back).unwrap();
        assert_eq!(back, text.as_bytes());
    }),
    ("messages", |services, round| services.message(MessageLevel::Info, &format!("round {round}"))),
    ("texts", |services, _| {
        assert_eq!(services.error_text(ErrorCode(-31803)), "WT_NOTFOUND: item not found");
        assert_eq!(services.version(), (11, 3, 1));
        assert!(services.oldest_transaction_id() > 0);
    }),
];

#[test]
fn every_service_works_from_many_threads_while_an_extension_panics() {
    let home = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::default());
    let builder = Connection::builder(home.path()).create(true).event_handler(Arc::clone(&lines) as _);
    let connection = builder.with(&COLLATOR).open().unwrap();
    connection.add_collator("touchy", Arc::new(Touchy), "").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    lines.take();
    let services = connection.extension_services();
    let (start, finished) = (Barrier::new(TASKS.len() + 1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (name, task) in TASKS {
            let (services, start, finished) = (&services, &start, &finished);
            std::thread::Builder::new()
                .name((*name).to_owned())
                .spawn_scoped(scope, move || {
                    start.wait();
                    (0..ROUNDS).for_each(|round| task(&**services, round));
                    finished.fetch_add(1, Memory::Relaxed);
                })
                .unwrap();
        }
        // The application works on meanwhile.
        start.wait();
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        for number in 0..ROUNDS {
            cursor.put(format!("key{number}"), "value").unwrap();
        }
        drop(cursor);
        session.checkpoint("").unwrap();
    });
    assert_eq!(finished.into_inner(), TASKS.len());
    let rounds = lines.take().iter().filter(|line| line.contains("[WT_VERB_EXTENSION][INFO]: round ")).count();
    assert_eq!(rounds, ROUNDS, "a message each, none lost or torn");
    drop(session);
    connection.close("").unwrap();
    let connection = Connection::builder(home.path()).open().unwrap();
    let row = connection.extension_services().metadata_search("app:other").unwrap();
    assert_eq!(row, format!("b={}", ROUNDS - 1));
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    assert_eq!(cursor.range::<String, String>(..).unwrap().count(), ROUNDS);
}

//! Key providers through the public API: asked at start-up and at checkpoints, told when a key is durable, handed the same
//! key after reopening.
//!
//! The provider of these tests writes down its calls, per thread: everything here happens on the test's own thread.

use hardwired::plugin::extension::{Extension, ExtensionContext};
use hardwired::plugin::key_provider::{KeyBlob, KeyProvider, StoredKey};
use hardwired::plugin::origin;
use hardwired::{Connection, Error, ErrorCode, Result};
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
struct Notes {
    calls: Vec<String>,
    /// What the next checkpoint is given; `Err`: the provider fails.
    next: Option<std::result::Result<Vec<u8>, ()>>,
    refuse_load: bool,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

fn note(call: String) {
    NOTES.with_borrow_mut(|notes| notes.calls.push(call));
}

fn calls() -> Vec<String> {
    NOTES.with_borrow_mut(|notes| std::mem::take(&mut notes.calls))
}

fn give(next: std::result::Result<&[u8], ()>) {
    NOTES.with_borrow_mut(|notes| notes.next = Some(next.map(<[u8]>::to_vec)));
}

struct Recorder;

impl KeyProvider for Recorder {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        note(match stored {
            None => "load nothing".to_owned(),
            Some(key) => format!("load {} from {}", String::from_utf8_lossy(key.blob), key.lsn),
        });
        if NOTES.with_borrow(|notes| notes.refuse_load) { Err(Error::new(ErrorCode::EACCES, "no")) } else { Ok(()) }
    }

    fn get_key_blob(&self) -> Result<KeyBlob> {
        match NOTES.with_borrow_mut(|notes| notes.next.take()) {
            None => Ok(KeyBlob::Unchanged),
            Some(Ok(blob)) => Ok(KeyBlob::Changed(blob)),
            Some(Err(())) => Err(Error::new(ErrorCode::EIO, "the key store is away")),
        }
    }

    fn get_key_complete(&self, stored: StoredKey<'_>) {
        note(format!("complete {} at {}", String::from_utf8_lossy(stored.blob), stored.lsn));
    }

    fn get_key_failed(&self, error: &Error) {
        note(format!("failed: {error}"));
    }

    fn terminate(&self) -> Result<()> {
        note("terminate".to_owned());
        Ok(())
    }
}

fn construct(_: &ExtensionContext<'_>) -> Result<Arc<dyn KeyProvider>> {
    Ok(Arc::new(Recorder))
}

static RECORDER: Extension = Extension::key_provider("recorder", origin!(), construct);

fn open(home: &Path) -> Result<Connection> {
    Connection::builder(home).create(true).with(&RECORDER).open()
}

#[test]
fn a_key_lives_with_its_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path()).unwrap();
    assert_eq!(calls(), ["load nothing"]);
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    assert!(calls().is_empty(), "a schema call's metadata checkpoint is none of the provider's business");

    session.checkpoint("").unwrap();
    assert!(calls().is_empty(), "no changes: nothing written, no completion");
    give(Ok(b"first"));
    session.checkpoint("").unwrap();
    assert_eq!(calls(), ["complete first at 1"]);
    session.checkpoint("").unwrap();
    assert!(calls().is_empty());

    give(Err(()));
    session.open_cursor("table:t", "").unwrap().put("a", "b").unwrap();
    let error = session.checkpoint("").unwrap_err();
    assert_eq!(error.code(), ErrorCode::EIO);
    session.checkpoint("").expect("a provider's failure is no panic");
    give(Ok(b"second"));
    drop(session);
    connection.close("").unwrap();
    assert_eq!(calls(), ["complete second at 2", "terminate"]);
    drop(connection);

    let connection = open(home.path()).unwrap();
    assert_eq!(calls(), ["load second from 2"]);
    let session = connection.open_session("").unwrap();
    assert_eq!(session.open_cursor("table:t", "").unwrap().get::<String>("a").unwrap().unwrap(), "b");
    let large = vec![b'k'; 200_000];
    give(Ok(&large));
    session.checkpoint("name=large").unwrap();
    assert_eq!(calls(), [format!("complete {} at 3", "k".repeat(200_000))]);
    drop(session);
    drop(connection);
    assert_eq!(calls(), ["terminate"]);

    // A program without the provider keeps the key as it is.
    let connection = Connection::builder(home.path()).open().unwrap();
    let session = connection.open_session("").unwrap();
    session.open_cursor("table:t", "").unwrap().put("c", "d").unwrap();
    session.checkpoint("").unwrap();
    drop(session);
    drop(connection);
    let connection = open(home.path()).unwrap();
    assert_eq!(calls(), [format!("load {} from 3", "k".repeat(200_000))]);
    drop(connection);
}

#[test]
fn a_key_of_a_checkpoint_that_never_completed_is_not_handed_back() {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path()).unwrap();
    let session = connection.open_session("").unwrap();
    give(Ok(b"durable"));
    session.checkpoint("").unwrap();
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    give(Ok(b"later"));
    session.checkpoint("").unwrap();
    calls();
    let crashed = open(copy.path()).unwrap();
    assert_eq!(calls(), ["load durable from 1"]);
    drop((crashed, session, connection));
}

#[test]
fn a_refused_load_ends_the_open_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()).unwrap());
    let turtle = std::fs::read(home.path().join("WiredTiger.turtle")).unwrap();
    NOTES.with_borrow_mut(|notes| notes.refuse_load = true);
    let error = open(home.path()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::EACCES);
    assert_eq!(std::fs::read(home.path().join("WiredTiger.turtle")).unwrap(), turtle);
    NOTES.with_borrow_mut(|notes| notes.refuse_load = false);
    calls();
    drop(open(home.path()).unwrap());
}

#[test]
fn a_provider_must_be_loaded_early() {
    let home = tempfile::tempdir().unwrap();
    let builder = Connection::builder(home.path()).create(true).link(&RECORDER);
    let error = builder.config("extensions=[recorder=(early_load=false)]").open().unwrap_err();
    assert_eq!(error.code(), ErrorCode::EINVAL);
    assert!(error.to_string().contains("early_load=true"), "{error}");
    #[cfg(feature = "kek-mock")]
    {
        let error = hardwired::wiredtiger_open(home.path(), None, "extensions=[kek-mock]").unwrap_err();
        assert_eq!(error.code(), ErrorCode::EINVAL);
        assert!(error.to_string().contains("early_load"), "{error}");
    }
}

#[cfg(feature = "kek-mock")]
#[test]
fn the_mock_keeps_its_key_across_reopening() {
    let home = tempfile::tempdir().unwrap();
    let open = |config: &str| hardwired::wiredtiger_open(home.path(), None, config).unwrap();
    let with = "extensions=[kek-mock=(early_load=true,config=(key_expires=0))]";
    let row = |connection: &Connection| {
        let session = connection.open_session("").unwrap();
        let mut cursor = session.open_cursor("metadata:", "").unwrap();
        cursor.get::<String>("system:key_provider").unwrap()
    };
    let connection = open(&format!("create,{with}"));
    assert_eq!(row(&connection), None);
    connection.open_session("").unwrap().checkpoint("").unwrap();
    let first = row(&connection).unwrap();
    connection.close("").unwrap();
    drop(connection);
    // The default expiry keeps the key that is there; the mock refuses one that it didn't make.
    let connection = open("extensions=[kek-mock=(early_load=true)]");
    let kept = row(&connection).unwrap();
    assert_ne!(kept, first, "close took a checkpoint, and the key had expired");
    connection.open_session("").unwrap().checkpoint("").unwrap();
    assert_eq!(row(&connection).unwrap(), kept);
}

/// Keeps what the engine says, without time, process and thread.
#[cfg(feature = "kek-mock")]
#[derive(Default)]
struct Said(std::sync::Mutex<Vec<String>>);

#[cfg(feature = "kek-mock")]
impl Said {
    /// The lines of extensions since the last call: level, function and text.
    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *self.0.lock().unwrap());
        let of_extension = lines.iter().filter_map(|line| line.split_once("[WT_VERB_EXTENSION]"));
        of_extension
            .map(|(_, rest)| {
                let (level, text) = rest.split_once(": ").unwrap();
                let (pointer, text) = text.split_once(", ").expect("it begins with the provider's address");
                assert!(pointer.starts_with("0x"), "{pointer}");
                // Keys are of random length.
                let words: Vec<_> = text.split(' ').collect();
                let of = |at: usize| at.checked_sub(1).is_some_and(|before| words[before] == "of");
                let words = words.iter().enumerate().map(|(at, word)| if of(at) { "N" } else { *word });
                format!("{level} {}", words.collect::<Vec<_>>().join(" "))
            })
            .collect()
    }
}

#[cfg(feature = "kek-mock")]
impl hardwired::EventHandler for Said {
    fn handle_error(&self, _: i32, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
    fn handle_message(&self, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
}

/// The provider's `verbose` decides what it says; the engine's `verbose` only what it passes on of the details.
#[cfg(feature = "kek-mock")]
#[test]
fn the_mock_speaks_at_its_verbose_level() {
    const OPEN: &str = "[INFO] open: key_expires=43200";
    const NOTHING: &str = "[INFO] load_key_blob: no stored key, using the default key";
    const NEW: &str = "[INFO] get_key_blob: new key of N bytes";
    const STORED: &str = "[INFO] get_key_complete: key of N bytes stored, lsn 1";
    const UNCHANGED: &str = "[DEBUG_1] get_key_blob: key unchanged";
    for (mock, engine, expected) in [
        ("", "", vec![OPEN, NOTHING, NEW, STORED]),
        ("verbose=0", "", vec![OPEN, NOTHING, NEW, STORED]),
        ("verbose=-1", "", vec![]),
        ("verbose=-3", "verbose=[all:5]", vec![]),
        ("verbose=1", "", vec![OPEN, NOTHING, NEW, STORED]),
        ("verbose=1", "verbose=[all:1]", vec![OPEN, NOTHING, NEW, STORED, UNCHANGED]),
        ("verbose=5", "verbose=[all:5]", vec![OPEN, NOTHING, NEW, STORED, UNCHANGED]),
        ("verbose=0", "verbose=[all:5]", vec![OPEN, NOTHING, NEW, STORED]),
    ] {
        let (home, said) = (tempfile::tempdir().unwrap(), Arc::new(Said::default()));
        let open = |more: &str, mock: &str| {
            let config = format!("{more},extensions=[kek-mock=(early_load=true,config=\"{mock}\")],{engine}");
            hardwired::wiredtiger_open(home.path(), Some(Arc::clone(&said) as _), &config)
        };
        let connection = open("create", mock).unwrap();
        let session = connection.open_session("").unwrap();
        session.checkpoint("").unwrap();
        session.checkpoint("").unwrap();
        assert_eq!(said.take(), expected, "{mock} {engine}");
        drop(session);
        drop(connection);
        said.take();
        // A key that isn't the mock's own: an error message at every level but below errors.
        let other = tempfile::tempdir().unwrap();
        give(Ok(b"not of the mock"));
        drop(self::open(other.path()).unwrap());
        calls();
        for (level, text) in [(mock, true), ("verbose=-4", false)] {
            let config = format!("extensions=[kek-mock=(early_load=true,config=\"{level}\")]");
            let refused = hardwired::wiredtiger_open(other.path(), Some(Arc::clone(&said) as _), &config).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::EINVAL, "{refused}");
            let errors: Vec<_> = said.take().into_iter().filter(|line| line.starts_with("[ERROR]")).collect();
            let expected = ["[ERROR] load_key_blob: the stored key is not one of N provider"];
            assert_eq!(errors, if text { &expected[..] } else { &[] }, "{level}");
        }
    }
}

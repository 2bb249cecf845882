//! The promises of a data source.

use super::session::KitSession;
use crate::config::Config;
use crate::data_source::{DataSource, DataSourceCursor, Record, Truncated};
use crate::services::SessionServices;
use crate::{Error, ErrorCode, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// The defaults of the methods, as far as a source reads them.
const CREATE: &str = "exclusive=false,key_format=u,value_format=u";
const OPEN_CURSOR: &str = "append=false,bulk=false,dump=,overwrite=true,raw=false,readonly=false";
const DROP: &str = "checkpoint_wait=true,force=false,lock_wait=true,remove_files=true,remove_shared=false";

/// How many threads use an object at once.
const THREADS: u8 = 4;
/// How many records each of them inserts.
const RECORDS: u8 = 50;

/// What the kit should know of a source.
pub struct DataSourceKit {
    /// The source, as its constructor makes it.
    pub source: Arc<dyn DataSource>,
    /// The session to call it with: its services are those that the source was made with.
    pub session: KitSession,
    /// The prefix of its URIs, colon included.
    pub prefix: &'static str,
    /// It has objects with `key_format=r`.
    pub record_numbers: bool,
    /// It has objects with bit fields as values.
    pub bit_fields: bool,
}

/// Checks every promise of [`crate::data_source`] that can be seen from outside.
///
/// An optional method must work or answer `ENOTSUP` with the message of [`unsupported`](crate::data_source::unsupported).
/// The objects that the kit makes are called `kit_...`; they are dropped at the end.
///
/// # Panics
/// With the promise that is broken.
pub fn check_data_source(kit: &DataSourceKit) {
    kit.objects_have_rows();
    kit.records_are_ordered();
    kit.overwrite_decides();
    kit.positions_hold();
    kit.cursors_are_apart();
    kit.near_records_are_found();
    kit.ranges_are_removed();
    kit.optional_methods_work_or_say_so();
    kit.threads_work_at_once();
    if kit.record_numbers {
        kit.record_numbers_are_numbers();
    }
    if kit.bit_fields {
        kit.bit_fields_are_bytes();
    }
    kit.source.checkpoint(&kit.session, Config::single("force=false,name=")).expect("checkpoint");
}

/// The key and value of a record.
type Pair = (Vec<u8>, Vec<u8>);

impl DataSourceKit {
    // ---- helpers

    fn uri(&self, name: &str) -> String {
        format!("{}kit_{name}", self.prefix)
    }

    fn create(&self, name: &str, config: &str) -> String {
        let uri = self.uri(name);
        self.source.create(&self.session, &uri, Config::with(&[CREATE], config)).expect("create");
        uri
    }

    fn object(&self, name: &str) -> String {
        self.create(name, "key_format=u,value_format=u")
    }

    fn open(&self, uri: &str, config: &str) -> Box<dyn DataSourceCursor> {
        self.try_open(uri, config).unwrap_or_else(|error| panic!("open_cursor on {uri}: {error}"))
    }

    /// Opens as the engine does: with the formats of the row at the bottom of the stack.
    fn try_open(&self, uri: &str, config: &str) -> Result<Box<dyn DataSourceCursor>> {
        let row = self.session.metadata_search(uri)?;
        let row = Config::single(&row);
        let (key, value) = (row.text_or("key_format", "u")?, row.text_or("value_format", "u")?);
        let formats = format!("key_format={key},value_format={value}");
        self.source.open_cursor(&self.session, uri, Config::with(&[&formats, OPEN_CURSOR], config))
    }

    fn drop_object(&self, uri: &str) {
        self.source.drop_object(&self.session, uri, Config::single(DROP)).expect("drop");
    }

    fn insert(&self, cursor: &mut dyn DataSourceCursor, key: &[u8], value: &[u8]) {
        cursor.insert(&self.session, &mut record(key, value)).expect("insert");
    }

    fn filled(&self, name: &str, keys: &[&str]) -> (String, Box<dyn DataSourceCursor>) {
        let uri = self.object(name);
        let mut cursor = self.open(&uri, "");
        for key in keys {
            self.insert(&mut *cursor, key.as_bytes(), format!("value of {key}").as_bytes());
        }
        cursor.reset(&self.session).expect("reset");
        (uri, cursor)
    }

    fn all(&self, cursor: &mut dyn DataSourceCursor) -> Vec<Pair> {
        cursor.reset(&self.session).expect("reset");
        let mut found = Vec::new();
        let mut record = Record::default();
        loop {
            match cursor.next(&self.session, &mut record) {
                Ok(()) => found.push((record.key.clone(), record.value.clone())),
                Err(Error::NotFound) => break,
                Err(error) => panic!("next: {error}"),
            }
        }
        cursor.reset(&self.session).expect("reset");
        found
    }

    fn keys(&self, cursor: &mut dyn DataSourceCursor) -> String {
        let keys: Vec<String> =
            self.all(cursor).into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect();
        keys.join(" ")
    }

    // ---- promises

    fn objects_have_rows(&self) {
        let uri = self.uri("rows");
        assert!(self.session.metadata_search(&uri).is_err(), "{uri} exists before it was created");
        self.create("rows", "key_format=S,value_format=u");
        let row = self.session.metadata_search(&uri).expect("`create` inserts a metadata row");
        let row = Config::single(&row);
        assert_eq!(row.text_or("key_format", "").unwrap(), "S", "the row's key_format");
        assert_eq!(row.text_or("value_format", "").unwrap(), "u", "the row's value_format");
        let mut cursor = self.open(&uri, "");
        self.insert(&mut *cursor, b"k\0", b"v");
        drop(cursor);
        self.create("rows", "key_format=S,value_format=u");
        let mut cursor = self.open(&uri, "");
        assert_eq!(self.all(&mut *cursor).len(), 1, "creating an object again leaves it as it is");
        drop(cursor);
        let exclusive = Config::with(&[CREATE], "key_format=S,value_format=u,exclusive=true");
        let again = self.source.create(&self.session, &uri, exclusive);
        assert_eq!(code(again), Some(ErrorCode::EEXIST), "`exclusive` on an object that exists");
        self.drop_object(&uri);
        assert!(self.session.metadata_search(&uri).is_err(), "`drop` removes the metadata row");
        let missing = self.source.drop_object(&self.session, &uri, Config::single(DROP));
        let missing = code(missing);
        assert!(
            matches!(missing, Some(ErrorCode::NOTFOUND | ErrorCode::ENOENT)),
            "dropping a missing object: {missing:?} in place of WT_NOTFOUND or ENOENT"
        );
        self.create("rows", "key_format=S,value_format=u");
        let mut cursor = self.open(&uri, "");
        assert_eq!(self.all(&mut *cursor), [], "an object created anew is empty");
        drop(cursor);
        self.drop_object(&uri);
    }

    fn records_are_ordered(&self) {
        let (uri, mut cursor) = self.filled("order", &["b", "a", "c", "aa"]);
        self.insert(&mut *cursor, b"\0", b"\0\xff");
        self.insert(&mut *cursor, b"\xff\0", b"");
        let big = vec![7; 100_000];
        self.insert(&mut *cursor, b"\x80", &big);
        let keys: Vec<Vec<u8>> = self.all(&mut *cursor).into_iter().map(|(key, _)| key).collect();
        let expected: [&[u8]; 7] = [b"\0", b"a", b"aa", b"b", b"c", b"\x80", b"\xff\0"];
        assert_eq!(keys, expected, "records come in the order of their packed keys");
        let mut found = Record::default();
        let mut backwards = Vec::new();
        while cursor.prev(&self.session, &mut found).is_ok() {
            backwards.push(found.key.clone());
        }
        backwards.reverse();
        assert_eq!(backwards, keys, "`prev` gives the same records in reverse");
        cursor.reset(&self.session).unwrap();
        for (key, value) in [(&b"\0"[..], &b"\0\xff"[..]), (b"\xff\0", b""), (b"\x80", &big)] {
            let mut found = record(key, b"old");
            cursor.search(&self.session, &mut found).expect("search");
            assert_eq!((&*found.key, &*found.value), (key, value), "a record is what was inserted");
        }
        drop(cursor);
        self.drop_object(&uri);
    }

    fn overwrite_decides(&self) {
        let (uri, mut cursor) = self.filled("overwrite", &["a"]);
        let mut strict = self.open(&uri, "overwrite=false");
        let session = &self.session;
        let refused = strict.insert(session, &mut record(b"a", b"new"));
        assert!(matches!(refused, Err(Error::DuplicateKey)), "insert of an existing key with overwrite=false");
        strict.reset(session).unwrap();
        let missing = strict.update(session, &mut record(b"x", b"new"));
        assert!(matches!(missing, Err(Error::NotFound)), "update of a missing key with overwrite=false");
        strict.reset(session).unwrap();
        let missing = strict.remove(session, &mut record(b"x", b""));
        assert!(matches!(missing, Err(Error::NotFound)), "remove of a missing key with overwrite=false");
        strict.reset(session).unwrap();
        strict.insert(session, &mut record(b"b", b"1")).expect("insert of a missing key with overwrite=false");
        strict.update(session, &mut record(b"b", b"2")).expect("update of an existing key with overwrite=false");
        strict.remove(session, &mut record(b"a", b"")).expect("remove of an existing key with overwrite=false");
        assert_eq!(self.all(&mut *cursor), [(b"b".to_vec(), b"2".to_vec())]);
        cursor.insert(session, &mut record(b"b", b"3")).expect("insert of an existing key with overwrite=true");
        cursor.update(session, &mut record(b"c", b"4")).expect("update of a missing key with overwrite=true");
        cursor.remove(session, &mut record(b"x", b"")).expect("remove of a missing key with overwrite=true");
        let expected = [(b"b".to_vec(), b"3".to_vec()), (b"c".to_vec(), b"4".to_vec())];
        assert_eq!(self.all(&mut *cursor), expected);
        drop((cursor, strict));
        self.drop_object(&uri);
    }

    fn positions_hold(&self) {
        let (uri, mut cursor) = self.filled("positions", &["a", "b", "c"]);
        let session = &self.session;
        let mut found = record(b"b", b"");
        cursor.search(session, &mut found).expect("search");
        cursor.next(session, &mut found).expect("next");
        assert_eq!(found.key, b"c", "`next` goes on from where `search` stood");
        assert!(matches!(cursor.next(session, &mut found), Err(Error::NotFound)), "`next` at the end");
        cursor.reset(session).unwrap();
        cursor.next(session, &mut found).expect("next");
        assert_eq!(found.key, b"a", "after the end and a reset `next` begins at the first record");
        cursor.reset(session).unwrap();
        cursor.prev(session, &mut found).expect("prev");
        assert_eq!(found.key, b"c", "from no position `prev` begins at the last record");
        let missing = cursor.search(session, &mut record(b"bb", b""));
        assert!(matches!(missing, Err(Error::NotFound)), "search for a missing key");
        cursor.reset(session).unwrap();
        let mut found = record(b"a", b"");
        cursor.search(session, &mut found).unwrap();
        cursor.remove(session, &mut found).expect("remove");
        assert_eq!(self.keys(&mut *cursor), "b c", "a removed record is gone");
        drop(cursor);
        self.drop_object(&uri);
    }

    fn cursors_are_apart(&self) {
        let (uri, mut one) = self.filled("apart", &["a", "b", "c"]);
        let other_uri = self.object("apart2");
        let mut two = self.open(&uri, "");
        let mut other = self.open(&other_uri, "");
        let session = &self.session;
        let (mut in_one, mut in_two) = (Record::default(), Record::default());
        one.next(session, &mut in_one).unwrap();
        two.prev(session, &mut in_two).unwrap();
        one.next(session, &mut in_one).unwrap();
        assert_eq!((&*in_one.key, &*in_two.key), (&b"b"[..], &b"c"[..]), "each cursor has a position of its own");
        self.insert(&mut *other, b"z", b"");
        assert_eq!(self.keys(&mut *two), "a b c", "objects are apart");
        self.insert(&mut *two, b"d", b"");
        assert_eq!(self.keys(&mut *one), "a b c d", "a record is seen by the other cursors of its object");
        drop((one, two, other));
        self.drop_object(&uri);
        self.drop_object(&other_uri);
    }

    fn near_records_are_found(&self) {
        let (uri, mut cursor) = self.filled("near", &["b", "d"]);
        let session = &self.session;
        for key in ["a", "b", "c", "d", "e"] {
            let mut found = record(key.as_bytes(), b"");
            let order = cursor.search_near(session, &mut found).expect("search_near");
            assert_eq!(order, found.key.as_slice().cmp(key.as_bytes()), "what search_near says of {key}");
            let beside: &[&[u8]] = match key {
                "a" | "b" => &[b"b"],
                "c" => &[b"b", b"d"],
                _ => &[b"d"],
            };
            assert!(beside.contains(&found.key.as_slice()), "search_near of {key} gives a neighbour");
            let was_b = found.key == b"b";
            let stepped = if was_b { cursor.next(session, &mut found) } else { cursor.prev(session, &mut found) };
            stepped.expect("a step from where search_near stood");
            assert_eq!(found.key, if was_b { b"d" } else { b"b" }, "search_near stands on what it found");
            cursor.reset(session).unwrap();
        }
        drop(cursor);
        self.drop_object(&uri);
        let uri = self.object("empty");
        let mut cursor = self.open(&uri, "");
        let nothing = cursor.search_near(session, &mut record(b"a", b""));
        assert!(matches!(nothing, Err(Error::NotFound)), "search_near in an empty object");
        drop(cursor);
        self.drop_object(&uri);
    }

    fn ranges_are_removed(&self) {
        let session = &self.session;
        for (start, stop, left) in [("b", Some("c"), "a d"), ("c", None, "a b"), ("a", Some("a"), "b c d")] {
            let (uri, mut cursor) = self.filled("range", &["a", "b", "c", "d"]);
            let stop_record = stop.map(|stop| record(stop.as_bytes(), b""));
            let start_record = record(start.as_bytes(), b"");
            let removed = self.source.range_truncate(session, &uri, &start_record, stop_record.as_ref());
            match removed.expect("range_truncate") {
                Truncated::Done => {}
                Truncated::RecordByRecord => self.remove_one_by_one(&mut *cursor, start, stop),
            }
            assert_eq!(self.keys(&mut *cursor), left, "after removing {start} to {stop:?}");
            drop(cursor);
            self.drop_object(&uri);
        }
        let (uri, cursor) = self.filled("all", &["a", "b", "c"]);
        drop(cursor);
        let removed = self.source.truncate(session, &uri, Config::single("")).expect("truncate");
        if removed == Truncated::Done {
            let mut cursor = self.open(&uri, "");
            assert_eq!(self.keys(&mut *cursor), "", "a truncated object is empty");
        }
        self.drop_object(&uri);
    }

    /// As the engine does where a source has no such method.
    fn remove_one_by_one(&self, cursor: &mut dyn DataSourceCursor, start: &str, stop: Option<&str>) {
        let mut found = record(start.as_bytes(), b"");
        cursor.search(&self.session, &mut found).expect("search");
        loop {
            let key = found.key.clone();
            cursor.remove(&self.session, &mut found).expect("remove");
            if stop.is_some_and(|stop| key == stop.as_bytes()) {
                break;
            }
            match cursor.next(&self.session, &mut found) {
                Ok(()) => assert!(found.key > key, "after a remove `next` goes on behind the removed record"),
                Err(Error::NotFound) => break,
                Err(error) => panic!("next: {error}"),
            }
        }
        cursor.reset(&self.session).expect("reset");
    }

    fn optional_methods_work_or_say_so(&self) {
        let (uri, cursor) = self.filled("optional", &["a", "b"]);
        drop(cursor);
        let session = &self.session;
        let checked = |what: &str, result: Result<()>| match result {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::ENOTSUP, "{what}: {error}");
                let expected = format!("unsupported object operation: {uri}");
                assert_eq!(error.to_string(), expected, "{what}: the message of a method that isn't there");
                false
            }
        };
        checked("alter", self.source.alter(session, &uri, Config::single("app_metadata=kit")));
        checked("compact", self.source.compact(session, &uri, Config::single("dryrun=false,timeout=1200")));
        checked("salvage", self.source.salvage(session, &uri, Config::single("force=false")));
        checked("verify", self.source.verify(session, &uri, Config::single("strict=false")));
        checked("size", self.source.size(session, &uri).map(|_| ()));
        let new_uri = self.uri("renamed");
        let left = if checked("rename", self.source.rename(session, &uri, &new_uri, Config::single(""))) {
            assert!(session.metadata_search(&uri).is_err(), "`rename` moves the metadata row");
            session.metadata_search(&new_uri).expect("`rename` moves the metadata row");
            new_uri
        } else {
            uri.clone()
        };
        let mut cursor = self.open(&left, "");
        assert_eq!(self.keys(&mut *cursor), "a b", "these methods keep the records");
        drop(cursor);
        self.drop_object(&left);
    }

    fn threads_work_at_once(&self) {
        let uri = self.object("threads");
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let uri = &uri;
                scope.spawn(move || {
                    // One session a thread, as in a program.
                    let mut cursor = self.open(uri, "");
                    for number in 0..RECORDS {
                        let mut written = record(&[thread, number], &[number; 10]);
                        cursor.insert(&self.session, &mut written).expect("insert");
                        let mut found = record(&[thread, number], b"");
                        cursor.search(&self.session, &mut found).expect("a thread sees what it has inserted");
                        assert_eq!(found.value, [number; 10]);
                        let mut other = record(&[number % THREADS, 0], b"");
                        cursor.search_near(&self.session, &mut other).expect("search_near");
                    }
                });
            }
        });
        let mut cursor = self.open(&uri, "");
        let expected = usize::from(THREADS) * usize::from(RECORDS);
        assert_eq!(self.all(&mut *cursor).len(), expected, "every thread's records are there");
        drop(cursor);
        self.drop_object(&uri);
    }

    fn record_numbers_are_numbers(&self) {
        let uri = self.create("numbers", "key_format=r,value_format=u");
        let session = &self.session;
        let mut append = self.open(&uri, "append");
        let mut written = Record::default();
        for expected in 1..=3 {
            written.set_value(format!("v{expected}").as_bytes());
            append.insert(session, &mut written).expect("append");
            assert_eq!(written.recno, expected, "`append` gives the number after the largest");
        }
        let mut cursor = self.open(&uri, "");
        cursor.insert(session, &mut numbered(300, b"v300")).expect("insert of a record number");
        append.insert(session, &mut written).expect("append");
        assert_eq!(written.recno, 301, "`append` gives the number after the largest");
        let mut found = numbered(300, b"");
        cursor.search(session, &mut found).expect("search");
        assert_eq!((found.recno, &*found.value), (300, &b"v300"[..]));
        cursor.prev(session, &mut found).expect("prev");
        assert_eq!(found.recno, 3, "record numbers are ordered as numbers");
        let mut found = numbered(20, b"");
        let order = cursor.search_near(session, &mut found).expect("search_near");
        assert!(
            (order == Ordering::Less && found.recno == 3) || (order == Ordering::Greater && found.recno == 300),
            "search_near of 20: {order:?} {}",
            found.recno
        );
        cursor.remove(session, &mut numbered(3, b"")).expect("remove");
        assert!(
            matches!(cursor.search(session, &mut numbered(3, b"")), Err(Error::NotFound)),
            "a removed record number"
        );
        drop((append, cursor));
        self.drop_object(&uri);
    }

    fn bit_fields_are_bytes(&self) {
        let session = &self.session;
        for bits in 1..=8_u32 {
            let uri = self.create(&format!("bits{bits}"), &format!("key_format=r,value_format={bits}t"));
            let mut cursor = self.open(&uri, "");
            let largest = u8::try_from((1_u32 << bits) - 1).expect("eight bits at most");
            for (number, value) in [(1, largest), (2, 0), (3, 1)] {
                cursor.insert(session, &mut numbered(number, &[value])).expect("insert of a bit field");
            }
            let mut found = Record::default();
            for (number, value) in [(1, largest), (2, 0), (3, 1)] {
                cursor.next(session, &mut found).expect("next");
                assert_eq!((found.recno, &*found.value), (number, &[value][..]), "a bit field is one byte");
            }
            drop(cursor);
            self.drop_object(&uri);
        }
    }
}

fn record(key: &[u8], value: &[u8]) -> Record {
    Record { recno: 0, key: key.to_vec(), value: value.to_vec() }
}

fn numbered(recno: u64, value: &[u8]) -> Record {
    Record { recno, key: Vec::new(), value: value.to_vec() }
}

fn code(result: Result<()>) -> Option<ErrorCode> {
    result.err().map(|error| error.code())
}

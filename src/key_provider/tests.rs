//! Header, row, service; and a small database whose checkpoints are cut short at every change of the file system.

use super::header::HEADER_BYTES;
use super::*;
use crate::os::{CrashPolicy, SimulatedFileSystem};
use hardwired_plugin::Result;
use hardwired_plugin::extension::{MessageLevel, Messages};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, MAX_KEY_BLOB_BYTES, StoredKey};
use parking_lot::Mutex;
use proptest::prelude::*;
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LARGE: usize = INLINE_BLOB_BYTES + 1;
const HOME: &str = "home";

#[derive(Default)]
struct Collected(Mutex<Vec<(MessageLevel, String)>>);

impl Messages for Collected {
    fn message(&self, level: MessageLevel, text: &str) {
        self.0.lock().push((level, text.to_owned()));
    }
}

/// A provider that gives what the test has put into `next`, and remembers every call.
#[derive(Default)]
struct Script {
    next: Mutex<Option<Result<KeyBlob>>>,
    calls: Mutex<Vec<String>>,
    refuses_load: bool,
}

impl Script {
    fn give(&self, blob: Vec<u8>) {
        *self.next.lock() = Some(Ok(KeyBlob::Changed(blob)));
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock())
    }

    fn call(&self, text: String) {
        self.calls.lock().push(text);
    }
}

fn shown(stored: StoredKey<'_>) -> String {
    let start: String = stored.blob.iter().take(6).map(|byte| char::from(*byte)).collect();
    format!("{start} of {} at {}", stored.blob.len(), stored.lsn)
}

impl KeyProvider for Script {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        self.call(format!("load {}", stored.map_or("nothing".to_owned(), shown)));
        if self.refuses_load { Err(Error::unsupported("refused")) } else { Ok(()) }
    }
    fn get_key_blob(&self) -> Result<KeyBlob> {
        self.call("get".to_owned());
        self.next.lock().take().unwrap_or(Ok(KeyBlob::Unchanged))
    }
    fn get_key_complete(&self, stored: StoredKey<'_>) {
        self.call(format!("complete {}", shown(stored)));
    }
    fn get_key_failed(&self, error: &Error) {
        self.call(format!("failed: {error}"));
    }
}

/// What stands for a database: a turtle file with the number of the last checkpoint and the key row, and the service.
struct Database {
    files: SimulatedFileSystem,
    service: KeyService,
    provider: Arc<Script>,
    messages: Arc<Collected>,
    checkpoint: u64,
    row: Option<String>,
}

struct Opening {
    mode: Mode,
    salvage: bool,
    has_provider: bool,
    refuses_load: bool,
}

const NORMAL: Opening = Opening { mode: Mode::Writable, salvage: false, has_provider: true, refuses_load: false };

fn path(name: &str) -> PathBuf {
    Path::new(HOME).join(name)
}

fn read_turtle(files: &SimulatedFileSystem) -> Result<(u64, Option<String>)> {
    let turtle = path("turtle");
    if !files.exists(&turtle)? {
        return Ok((0, None));
    }
    let mut bytes = vec![0; usize::try_from(files.size(&turtle)?).unwrap()];
    files.open(&turtle, FileType::Regular, OpenOptions::default())?.read(0, &mut bytes)?;
    let text = String::from_utf8(bytes).unwrap();
    let (checkpoint, row) = text.split_once('\n').unwrap();
    Ok((checkpoint.parse().unwrap(), Some(row.to_owned()).filter(|row| !row.is_empty())))
}

impl Database {
    fn open(files: &SimulatedFileSystem, opening: Opening) -> Result<Self> {
        let (checkpoint, row) = read_turtle(files)?;
        let provider = Arc::new(Script { refuses_load: opening.refuses_load, ..Script::default() });
        let messages = Arc::new(Collected::default());
        let home = KeyHome {
            file_system: Arc::new(files.clone()),
            directory: HOME.into(),
            mode: opening.mode,
            salvage: opening.salvage,
        };
        let given = opening.has_provider.then(|| Arc::clone(&provider) as _);
        let service = KeyService::open(given, home, row.as_deref(), Arc::clone(&messages) as _)?;
        Ok(Self { files: files.clone(), service, provider, messages, checkpoint, row })
    }

    /// A database checkpoint as the engine makes it, the data files left out.
    fn checkpoint(&mut self) -> Result<()> {
        let mut pending = self.service.before_checkpoint()?;
        let mut row = self.row.clone();
        if let Some(pending) = &mut pending
            && let Some(new) = pending.persist()?
        {
            assert_eq!(new.key, METADATA_KEY);
            row = Some(new.value);
        }
        write_turtle(&self.files, self.checkpoint + 1, row.as_deref())?;
        (self.checkpoint, self.row) = (self.checkpoint + 1, row);
        if let Some(pending) = pending {
            pending.completed();
        }
        Ok(())
    }

    fn rotate(&mut self, blob: Vec<u8>) -> Result<()> {
        self.provider.give(blob);
        self.checkpoint()
    }

    fn blob_files(&self) -> Vec<String> {
        blob_files(&self.files)
    }
}

fn blob_files(files: &SimulatedFileSystem) -> Vec<String> {
    files.directory_list(Path::new(HOME), "WiredTigerKeyProvider").unwrap()
}

fn write_turtle(files: &SimulatedFileSystem, checkpoint: u64, row: Option<&str>) -> Result<()> {
    let (set, turtle) = (path("turtle.set"), path("turtle"));
    let file = files.open(&set, FileType::Regular, OpenOptions { create: true, ..OpenOptions::default() })?;
    file.truncate(0)?;
    file.write(0, format!("{checkpoint}\n{}", row.unwrap_or_default()).as_bytes())?;
    file.sync()?;
    files.rename(&set, &turtle, true)
}

fn blob(number: u64, length: usize) -> Vec<u8> {
    format!("key{number:03}.").into_bytes().into_iter().cycle().take(length).collect()
}

fn open(files: &SimulatedFileSystem) -> Database {
    Database::open(files, NORMAL).unwrap()
}

/// A new home: the directory exists because a turtle lies in it.
fn new_database() -> Database {
    let files = SimulatedFileSystem::new();
    write_turtle(&files, 0, None).unwrap();
    open(&files)
}

mod format {
    use super::*;
    use hardwired_plugin::ErrorCode;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_header_vectors_pass() {
        let text = include_str!("../../tests/data/vectors/ext-crypt-header.json");
        let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 19);
        for case in cases {
            let (name, result) = (case["name"].as_str().unwrap(), case["result"].as_str().unwrap());
            let page = unhex(case["page_hex"].as_str().unwrap());
            let decoded = decode_key(&page, "page");
            match result {
                "ok" => {
                    let decoded = decoded.unwrap();
                    assert_eq!(decoded.blob, unhex(case["payload_hex"].as_str().unwrap()), "{name}");
                    if let Some(timestamp) = case["timestamp"].as_u64() {
                        assert_eq!(decoded.timestamp, timestamp, "{name}");
                    }
                    if page[4] == 1 {
                        assert_eq!(encode_key(decoded.blob).unwrap(), page, "{name}");
                    }
                }
                "ENOTSUP" => assert_eq!(decoded.unwrap_err().code(), ErrorCode::ENOTSUP, "{name}"),
                _ => assert_eq!(decoded.unwrap_err().code(), ErrorCode::EIO, "{name}"),
            }
        }
    }

    #[test]
    fn errors_name_object_offset_and_reason() {
        let error = decode_key(b"short", "WiredTigerKeyProvider.0000000001").unwrap_err();
        let text = "WiredTigerKeyProvider.0000000001: damaged at offset 0: Encryption key data too small: expected at least 16, got 5";
        assert_eq!(error.to_string(), text);
        let mut page = encode_key(b"key").unwrap();
        page[0] ^= 1;
        let text = decode_key(&page, "x").unwrap_err().to_string();
        assert!(text.starts_with("x: damaged at offset 12: Encryption key data checksum mismatch"), "{text}");
    }

    #[test]
    fn any_single_flipped_bit_is_noticed() {
        let page = encode_key(b"abcdefghijklmnopqrstuvwxyz").unwrap();
        for bit in 0..page.len() * 8 {
            let mut page = page.clone();
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_key(&page, "page").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn rows_have_the_specified_text() {
        let row = KeyRow { lsn: KeyLsn(7), size: 3, place: Place::Inline(vec![0, 0xab, 0xff]) };
        assert_eq!(row.to_value(), "version=1,page.1=(page_id=1,lsn=7,size=3),data=\"00abff\"");
        assert_eq!(KeyRow::parse(&row.to_value()).unwrap(), row);
        let row = KeyRow { lsn: KeyLsn(7), size: 99, place: Place::File("WiredTigerKeyProvider.0000000007".into()) };
        let value = "version=1,page.1=(page_id=1,lsn=7,size=99),file=\"WiredTigerKeyProvider.0000000007\"";
        assert_eq!(row.to_value(), value);
        assert_eq!(KeyRow::parse(value).unwrap(), row);
    }

    #[rstest]
    #[case::empty("", "Incomplete key_provider metadata: version=0, page_id=0, lsn=0, size=None")]
    #[case::no_lsn("version=1,page.1=(page_id=1,size=1),data=\"00\"", "Incomplete key_provider metadata")]
    #[case::no_size("version=1,page.1=(page_id=1,lsn=1),data=\"00\"", "Incomplete key_provider metadata")]
    #[case::page("version=1,page.1=(page_id=2,lsn=1,size=1),data=\"00\"", "Key provider page ID 2 out of range")]
    #[case::entry("version=1,colour=red", "unknown entry 'colour'")]
    #[case::page_entry("version=1,page.1=(colour=red)", "unknown entry 'colour'")]
    #[case::word("version=1,page.1=(page_id=1,lsn=red,size=1)", "lsn: Value 'red'")]
    #[case::negative("version=1,page.1=(page_id=1,lsn=-1,size=1)", "lsn: Value '-1'")]
    #[case::no_place("version=1,page.1=(page_id=1,lsn=1,size=1)", "one of data and file")]
    #[case::odd("version=1,page.1=(page_id=1,lsn=1,size=1),data=\"000\"", "data of 3 hexadecimal digits")]
    #[case::short(
        "version=1,page.1=(page_id=1,lsn=1,size=2),data=\"00\"",
        "data of 2 hexadecimal digits where 2 bytes"
    )]
    #[case::hex("version=1,page.1=(page_id=1,lsn=1,size=1),data=\"0g\"", "not hexadecimal")]
    #[case::huge("version=1,page.1=(page_id=1,lsn=1,size=9999999999),data=\"00\"", "over the limit")]
    #[case::escape(
        "version=1,page.1=(page_id=1,lsn=1,size=1),file=\"../etc/passwd\"",
        "'WiredTigerKeyProvider.0000000001' was expected"
    )]
    #[case::grammar("version=(1", "damaged")]
    fn damaged_rows_are_refused(#[case] value: &str, #[case] reason: &str) {
        let error = KeyRow::parse(value).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EIO);
        let text = error.to_string();
        assert!(text.starts_with("WiredTiger.wt, row system:key_provider: ") && text.contains(reason), "{text}");
    }

    #[test]
    fn a_later_rows_version_is_not_supported() {
        let error = KeyRow::parse("version=2,page.1=(page_id=1,lsn=1,size=1)").unwrap_err();
        assert_eq!(error.code(), ErrorCode::ENOTSUP);
        assert!(error.to_string().ends_with("Unsupported key_provider metadata version: 2"));
    }

    proptest! {
        #[test]
        fn any_blob_comes_back(blob in proptest::collection::vec(any::<u8>(), 1..200), lsn in 1..i64::MAX as u64) {
            let page = encode_key(&blob).unwrap();
            let row = KeyRow { lsn: KeyLsn(lsn), size: page.len() as u64, place: Place::Inline(page) };
            let parsed = KeyRow::parse(&row.to_value()).unwrap();
            prop_assert_eq!(&parsed, &row);
            let Place::Inline(page) = parsed.place else { unreachable!() };
            prop_assert_eq!(decode_key(&page, "page").unwrap().blob, &blob[..]);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,80}") {
            let _ = decode_key(&bytes, "page");
            let _ = KeyRow::parse(&text);
        }

        #[test]
        fn any_header_with_a_right_checksum_is_answered(mut bytes in proptest::collection::vec(any::<u8>(), 16..64)) {
            let before = crc32c::crc32c(&bytes[..12]);
            let sum = crc32c::crc32c_append(crc32c::crc32c_append(before, &[0; 4]), &bytes[HEADER_BYTES..]);
            bytes[12..16].copy_from_slice(&sum.to_le_bytes());
            prop_assert!(!decode_key(&bytes, "page").is_err_and(|error| error.to_string().contains("checksum")));
        }
    }
}

mod life {
    use super::*;
    use hardwired_plugin::ErrorCode;

    #[rstest]
    #[case::in_the_row(20)]
    #[case::longest_in_the_row(INLINE_BLOB_BYTES)]
    #[case::in_a_file(LARGE)]
    fn a_blob_is_stored_with_its_checkpoint_and_loaded_again(#[case] length: usize) {
        let mut database = new_database();
        database.rotate(blob(1, length)).unwrap();
        database.checkpoint().unwrap();
        let complete = format!("complete key001 of {length} at 1");
        assert_eq!(database.provider.calls(), ["load nothing", "get", &complete, "get"]);
        let mut database = open(&database.files.crash(CrashPolicy::LoseUnsynced));
        assert_eq!(database.provider.calls(), [format!("load key001 of {length} at 1")]);
        database.rotate(blob(2, length)).unwrap();
        assert_eq!(database.provider.calls()[1], format!("complete key002 of {length} at 2"));
        assert_eq!(database.blob_files().len(), usize::from(length > INLINE_BLOB_BYTES));
        let database = open(&database.files);
        assert_eq!(database.provider.calls(), [format!("load key002 of {length} at 2")]);
    }

    #[test]
    fn without_changes_nothing_is_written_and_nothing_completed() {
        let mut database = new_database();
        for _ in 0..3 {
            database.checkpoint().unwrap();
        }
        assert_eq!(database.provider.calls(), ["load nothing", "get", "get", "get"]);
        assert_eq!(database.row, None);
        database.rotate(blob(1, LARGE)).unwrap();
        let row = database.row.clone();
        let before = database.files.changes();
        assert!(database.service.before_checkpoint().unwrap().is_none());
        assert_eq!(database.files.changes(), before);
        database.checkpoint().unwrap();
        assert_eq!((database.row.clone(), database.blob_files().len()), (row, 1));
    }

    #[test]
    fn an_error_of_the_provider_fails_the_checkpoint_and_the_next_asks_again() {
        let mut database = new_database();
        *database.provider.next.lock() = Some(Err(Error::unsupported("no key today")));
        assert_eq!(database.checkpoint().unwrap_err().to_string(), "no key today");
        database.rotate(blob(1, 9)).unwrap();
        assert_eq!(database.provider.calls(), ["load nothing", "get", "get", "complete key001 of 9 at 1"]);
    }

    #[test]
    fn empty_and_huge_blobs_are_refused_and_reported_as_failed() {
        let mut database = new_database();
        let error = database.rotate(Vec::new()).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (ErrorCode::EINVAL, "key provider: the changed key blob is empty")
        );
        let error = database.rotate(vec![0; MAX_KEY_BLOB_BYTES + 1]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EFBIG);
        let calls = database.provider.calls();
        assert_eq!(calls.iter().filter(|call| call.starts_with("failed: key provider: ")).count(), 2, "{calls:?}");
    }

    #[test]
    fn an_abandoned_blob_is_reported_once_and_its_number_not_used_again() {
        let mut database = new_database();
        database.provider.give(blob(1, 9));
        database.service.before_checkpoint().unwrap().unwrap().abandon(&Error::unsupported("disk full"));
        database.provider.give(blob(1, 9));
        let mut pending = database.service.before_checkpoint().unwrap().unwrap();
        pending.persist().unwrap();
        assert_eq!(database.service.before_checkpoint().unwrap_err().code(), ErrorCode::EBUSY);
        drop(pending);
        database.rotate(blob(1, 9)).unwrap();
        let dropped = "failed: key blob not stored: the checkpoint did not complete";
        let complete = "complete key001 of 9 at 3";
        assert_eq!(
            database.provider.calls(),
            ["load nothing", "get", "failed: disk full", "get", dropped, "get", complete]
        );
    }

    #[test]
    fn the_file_before_stays_until_the_next_checkpoint_is_complete() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        database.provider.give(blob(2, LARGE));
        let mut pending = database.service.before_checkpoint().unwrap().unwrap();
        pending.persist().unwrap();
        let both = ["WiredTigerKeyProvider.0000000001", "WiredTigerKeyProvider.0000000002"];
        assert_eq!(blob_files(&database.files), both);
        pending.completed();
        assert_eq!(database.blob_files(), both[1..]);
        database.rotate(blob(3, 9)).unwrap();
        assert_eq!(database.blob_files(), [""; 0]);
    }

    #[test]
    fn a_backup_keeps_its_file() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let first = "WiredTigerKeyProvider.0000000001";
        let hold = database.service.hold_for_backup();
        assert_eq!(hold.file(), Some(first));
        database.provider.give(blob(2, LARGE));
        let mut pending = database.service.before_checkpoint().unwrap().unwrap();
        let row = pending.persist().unwrap().unwrap();
        write_turtle(&database.files, 2, Some(&row.value)).unwrap();
        pending.completed();
        assert_eq!(blob_files(&database.files).len(), 2);
        drop(hold);
        let database = open(&database.files);
        assert_eq!(database.blob_files(), ["WiredTigerKeyProvider.0000000002"]);
    }
}

mod opening {
    use super::*;
    use hardwired_plugin::ErrorCode;

    #[test]
    fn read_only_loads_and_never_asks() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let (files, before) = (database.files.clone(), database.files.changes());
        let readonly = Database::open(&files, Opening { mode: Mode::ReadOnly, ..NORMAL }).unwrap();
        assert!(readonly.service.before_checkpoint().unwrap().is_none());
        assert_eq!(readonly.provider.calls(), [format!("load key001 of {LARGE} at 1")]);
        assert_eq!(files.changes(), before);
    }

    #[test]
    fn in_memory_keeps_nothing_but_counts() {
        let files = SimulatedFileSystem::new();
        let mut database = Database::open(&files, Opening { mode: Mode::InMemory, ..NORMAL }).unwrap();
        database.rotate(blob(1, LARGE)).unwrap();
        database.rotate(blob(2, 9)).unwrap();
        let complete = format!("complete key001 of {LARGE} at 1");
        assert_eq!(database.provider.calls(), ["load nothing", "get", &complete, "get", "complete key002 of 9 at 2"]);
        assert_eq!((database.row.clone(), database.blob_files().len()), (None, 0));
    }

    #[test]
    fn without_a_provider_the_blob_is_carried_on() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let mut without = Database::open(&database.files, Opening { has_provider: false, ..NORMAL }).unwrap();
        assert_eq!(without.service.hold_for_backup().file(), Some("WiredTigerKeyProvider.0000000001"));
        without.checkpoint().unwrap();
        assert_eq!(without.messages.0.lock()[0].0, MessageLevel::Notice);
        assert_eq!(without.provider.calls(), [""; 0]);
        assert_eq!(open(&without.files).provider.calls(), [format!("load key001 of {LARGE} at 1")]);
    }

    #[test]
    fn a_provider_can_come_to_an_existing_database() {
        let files = SimulatedFileSystem::new();
        let mut without = Database::open(&files, Opening { has_provider: false, ..NORMAL }).unwrap();
        without.checkpoint().unwrap();
        assert!(without.messages.0.lock().is_empty());
        let mut database = open(&files);
        database.rotate(blob(1, 9)).unwrap();
        assert_eq!(database.provider.calls(), ["load nothing", "get", "complete key001 of 9 at 1"]);
    }

    #[test]
    fn a_refusing_provider_ends_the_open_with_nothing_changed() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let files = database.files;
        files
            .open(
                &path("WiredTigerKeyProvider.0000000009"),
                FileType::Regular,
                OpenOptions { create: true, ..OpenOptions::default() },
            )
            .unwrap();
        let before = files.changes();
        let error = Database::open(&files, Opening { refuses_load: true, ..NORMAL }).err().unwrap();
        assert_eq!((error.to_string().as_str(), files.changes()), ("refused", before));
        assert_eq!(open(&files).blob_files(), ["WiredTigerKeyProvider.0000000001"]);
    }

    type Edit = fn(&mut Vec<u8>);

    #[rstest]
    #[case::flipped(|bytes: &mut Vec<u8>| bytes[5000] ^= 1, "checksum mismatch")]
    #[case::shortened(|bytes: &mut Vec<u8>| bytes.truncate(100), "100 bytes where")]
    #[case::emptied(|bytes: &mut Vec<u8>| bytes.clear(), "0 bytes where")]
    fn a_damaged_file_ends_the_open_unless_salvaging(#[case] edit: Edit, #[case] reason: &str) {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let (files, before) = (database.files, "WiredTigerKeyProvider.0000000001");
        files.damage(&path(before), edit).unwrap();
        refuses_then_salvages(&files, before, reason);
    }

    #[test]
    fn a_missing_file_ends_the_open_unless_salvaging() {
        let mut database = new_database();
        database.rotate(blob(1, LARGE)).unwrap();
        let name = "WiredTigerKeyProvider.0000000001";
        database.files.remove(&path(name), true).unwrap();
        refuses_then_salvages(&database.files, name, "it is missing");
    }

    #[test]
    fn a_damaged_row_ends_the_open_unless_salvaging() {
        let mut database = new_database();
        database.rotate(blob(1, 9)).unwrap();
        let row = database.row.clone().unwrap();
        write_turtle(&database.files, 1, Some(&row.replace("6b6579", "6b6578"))).unwrap();
        refuses_then_salvages(&database.files, "row system:key_provider", "checksum mismatch");
    }

    fn refuses_then_salvages(files: &SimulatedFileSystem, object: &str, reason: &str) {
        let error = Database::open(files, NORMAL).err().unwrap();
        let text = error.to_string();
        assert_eq!(error.code(), ErrorCode::EIO, "{text}");
        assert!(text.contains(object) && text.contains(reason), "{text}");
        let mut salvaged = Database::open(files, Opening { salvage: true, ..NORMAL }).unwrap();
        let warning = salvaged.messages.0.lock()[0].clone();
        assert_eq!(warning.0, MessageLevel::Warning);
        assert!(warning.1.contains(reason), "{}", warning.1);
        salvaged.rotate(blob(2, 9)).unwrap();
        assert_eq!(salvaged.provider.calls(), ["load nothing", "get", "complete key002 of 9 at 2"]);
        assert_eq!(open(&salvaged.files).provider.calls(), ["load key002 of 9 at 2"]);
    }

    #[test]
    fn salvage_does_not_hide_a_later_version() {
        let files = SimulatedFileSystem::new();
        write_turtle(&files, 1, Some("version=2")).unwrap();
        let error = Database::open(&files, Opening { salvage: true, ..NORMAL }).err().unwrap();
        assert_eq!(error.code(), ErrorCode::ENOTSUP);
    }
}

/// Cuts a series of rotations short at every change, and looks at what a restart finds.
mod crashes {
    use super::*;

    /// Small and large blobs in turn, so that every transition of places occurs.
    fn length(number: u64) -> usize {
        if number.is_multiple_of(3) { 9 } else { LARGE }
    }

    const ROTATIONS: u64 = 6;

    /// Rotates until the file system fails. What the provider was told to be durable last.
    fn run(database: &mut Database) -> u64 {
        for number in 1..=ROTATIONS {
            if database.rotate(blob(number, length(number))).is_err() {
                break;
            }
        }
        let calls = database.provider.calls();
        let taken = calls.iter().filter(|call| *call == "get").count();
        let settled = calls.iter().filter(|call| call.starts_with("complete") || call.starts_with("failed")).count();
        assert_eq!(taken, settled, "{calls:?}");
        calls.iter().filter(|call| call.starts_with("complete")).count() as u64
    }

    #[test]
    fn every_restart_finds_the_key_of_its_checkpoint() {
        let mut undisturbed = new_database();
        let first = undisturbed.files.changes();
        assert_eq!(run(&mut undisturbed), ROTATIONS);
        let changes = undisturbed.files.changes();
        assert!(changes > 40, "{changes}");
        for fail_from in first..=changes {
            for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseUnsynced, CrashPolicy::Random(fail_from)] {
                let mut database = new_database();
                database.files.fail_from(fail_from);
                let completed = run(&mut database);
                let restarted = database.files.crash(policy);
                let context = format!("failing from change {fail_from}, {policy:?}");
                check(&restarted, completed, &context);
            }
        }
    }

    fn check(files: &SimulatedFileSystem, completed: u64, context: &str) {
        let database = Database::open(files, NORMAL).unwrap_or_else(|error| panic!("{context}: {error}"));
        let found = database.checkpoint;
        assert!((completed..=completed + 1).contains(&found), "{context}: checkpoint {found}, told {completed}");
        let expected = match found {
            0 => "load nothing".to_owned(),
            _ => format!("load key{found:03} of {} at {found}", length(found)),
        };
        assert_eq!(database.provider.calls(), [expected], "{context}");
        let has_file = found > 0 && length(found) > INLINE_BLOB_BYTES;
        assert_eq!(database.blob_files().len(), usize::from(has_file), "{context}: leftovers after open");
        let mut database = database;
        database.rotate(blob(99, LARGE)).unwrap_or_else(|error| panic!("{context}: {error}"));
        let database = open(&database.files.crash(CrashPolicy::LoseUnsynced));
        assert_eq!(database.provider.calls(), [format!("load key099 of {LARGE} at {}", found + 1)], "{context}");
    }
}

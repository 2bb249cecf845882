//! Header, row, service; and a small database whose checkpoints are cut short at every change of the file system.

mod crashes;
mod format;
mod life;
mod opening;

use super::*;
use crate::os::{CrashPolicy, SimulatedFileSystem};
use hardwired_plugin::Result;
use hardwired_plugin::extension::{MessageLevel, Messages};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, StoredKey};
use parking_lot::Mutex;
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

//! A file system in memory that crashes.
//!
//! It remembers, for every file and for the names, what has been made durable and what has been done since. A test runs
//! the engine on it, optionally lets every change fail from the n-th on ([`SimulatedFileSystem::fail_from`]), and then
//! takes what would be on disk after a power failure ([`SimulatedFileSystem::crash`]): the durable state, plus a
//! selection of the later changes that the [`CrashPolicy`] makes. The same seed gives the same selection.
//!
//! The model: a write that wasn't followed by a sync of its file may be there, be missing, or be there in any subset of its
//! 512-byte sectors, independently of all others; a truncation may be there or not. Creations, removals and renames
//! become durable in the order they were made (as in a journal), by a durable operation or a sync of a directory, or
//! by chance. A sync of a file doesn't make its name durable.

use super::memory::{busy, exists, list, missing, read_at, write_at};
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECTOR: usize = 512;

/// What happens to changes that weren't made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPolicy {
    /// All of them are on disk: only the process died.
    KeepAll,
    /// None of them is.
    LoseUnsynced,
    /// Chance decides for each, and for each sector of a write; the number is the seed.
    Random(u64),
}

/// A file system in memory that can crash. Clones share its state.
#[derive(Debug, Clone, Default)]
pub struct SimulatedFileSystem {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, File>,
    next_file: u64,
    names: Names,
    durable_names: Names,
    /// Name changes that aren't durable, oldest first.
    pending_names: Vec<NameChange>,
    changes: u64,
    fail_from: Option<u64>,
}

type Names = BTreeMap<PathBuf, u64>;

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Changes that aren't durable, oldest first.
    pending: Vec<Change>,
    locked: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug)]
enum NameChange {
    Create(PathBuf, u64),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

/// An open file of the simulation.
struct SimulatedFile {
    path: PathBuf,
    /// `None` for a directory.
    file: Option<u64>,
    readonly: bool,
    holds_lock: Mutex<bool>,
    state: Arc<Mutex<State>>,
}

impl SimulatedFileSystem {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of changes so far: writes, truncations, syncs, creations, removals and renames.
    pub fn changes(&self) -> u64 {
        self.state.lock().changes
    }

    /// Lets every change fail with `EIO` from the given one on, counted as [`SimulatedFileSystem::changes`] does. The first
    /// failing write may still reach the disk, whole or in part.
    pub fn fail_from(&self, change: u64) {
        self.state.lock().fail_from = Some(change);
    }

    /// What a restarted system finds. Everything in it is durable, and nothing fails.
    #[must_use]
    pub fn crash(&self, policy: CrashPolicy) -> Self {
        let state = self.state.lock();
        let mut random = Random::new(policy);
        let mut names = state.durable_names.clone();
        let kept_names = random.prefix(state.pending_names.len());
        state.pending_names.iter().take(kept_names).for_each(|change| change.apply(&mut names));
        let mut files = BTreeMap::new();
        for &id in names.values() {
            let Some(file) = state.files.get(&id) else { continue };
            let mut bytes = file.durable.clone();
            file.pending.iter().for_each(|change| random.apply(change, &mut bytes));
            files.insert(id, File { durable: bytes.clone(), bytes, ..File::default() });
        }
        let next_file = state.next_file;
        let durable_names = names.clone();
        let state = State { files, next_file, names, durable_names, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Changes a file's bytes behind everybody's back, durably: damage for tests.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn damage(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let mut state = self.state.lock();
        let id = *state.names.get(path).ok_or_else(|| missing(path, "damage"))?;
        let file = state.files.entry(id).or_default();
        edit(&mut file.bytes);
        file.durable.clone_from(&file.bytes);
        file.pending.clear();
        Ok(())
    }
}

impl FileSystem for SimulatedFileSystem {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        Ok(list(self.state.lock().names.keys(), directory, prefix))
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.state.lock().names.keys().any(|file| file.starts_with(path)))
    }

    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let mut state = self.state.lock();
        let directory = file_type == FileType::Directory;
        let file = match state.names.get(path) {
            Some(_) if options.create && options.exclusive => return Err(exists(path)),
            Some(&id) => Some(id),
            None if directory => None,
            None if options.create => Some(state.create(path, options.durable)?),
            None => return Err(missing(path, "handle-open")),
        };
        drop(state);
        Ok(Arc::new(SimulatedFile {
            path: path.to_owned(),
            file,
            readonly: options.readonly || directory,
            holds_lock: Mutex::new(false),
            state: Arc::clone(&self.state),
        }))
    }

    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        let mut state = self.state.lock();
        if !state.names.contains_key(path) {
            return Err(missing(path, "file-remove"));
        }
        state.change_names(NameChange::Remove(path.to_owned()), durable)
    }

    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        let mut state = self.state.lock();
        if !state.names.contains_key(from) {
            return Err(missing(from, "file-rename"));
        }
        state.change_names(NameChange::Rename(from.to_owned(), to.to_owned()), durable)
    }

    fn size(&self, path: &Path) -> Result<u64> {
        let state = self.state.lock();
        let file = state.names.get(path).and_then(|id| state.files.get(id));
        file.map(|file| file.bytes.len() as u64).ok_or_else(|| missing(path, "file-size"))
    }
}

impl State {
    /// Counts a change; fails it if its time has come.
    fn count(&mut self) -> Result<()> {
        let number = self.changes;
        self.changes += 1;
        if self.fail_from.is_some_and(|from| number >= from) {
            return Err(Error::new(ErrorCode::EIO, format!("simulated failure of change {number}")));
        }
        Ok(())
    }

    fn create(&mut self, path: &Path, durable: bool) -> Result<u64> {
        let id = self.next_file;
        self.next_file += 1;
        self.change_names(NameChange::Create(path.to_owned(), id), durable)?;
        self.files.insert(id, File::default());
        Ok(id)
    }

    fn change_names(&mut self, change: NameChange, durable: bool) -> Result<()> {
        self.count()?;
        change.apply(&mut self.names);
        self.pending_names.push(change);
        if durable {
            self.sync_names();
        }
        Ok(())
    }

    fn sync_names(&mut self) {
        self.pending_names.clear();
        self.durable_names.clone_from(&self.names);
    }

    fn change_file(&mut self, id: u64, change: Change) -> Result<()> {
        let counted = self.count();
        let is_write = matches!(change, Change::Write { .. });
        let file = self.files.entry(id).or_default();
        if counted.is_ok() {
            change.apply(&mut file.bytes);
        }
        if counted.is_ok() || is_write {
            file.pending.push(change);
        }
        counted
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Create(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write_at(bytes, *offset, data),
            Self::Truncate(length) => bytes.resize(*length as usize, 0),
        }
    }
}

impl SimulatedFile {
    fn with_file<T>(&self, body: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
        let id = self.file.ok_or_else(|| Error::invalid(format!("{}: is a directory", self.path.display())))?;
        body(self.state.lock().files.entry(id).or_default())
    }

    fn change(&self, change: Change) -> Result<()> {
        match self.file {
            Some(id) if !self.readonly => self.state.lock().change_file(id, change),
            _ => Err(Error::new(ErrorCode::EPERM, format!("{}: opened for reading alone", self.path.display()))),
        }
    }
}

impl FileHandle for SimulatedFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, lock: bool) -> Result<()> {
        let mut holds = self.holds_lock.lock();
        if *holds != lock {
            self.with_file(|file| {
                if lock && file.locked {
                    return Err(busy(&self.path));
                }
                file.locked = lock;
                Ok(())
            })?;
            *holds = lock;
        }
        Ok(())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.with_file(|file| read_at(&file.bytes, &self.path, offset, buffer))
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.change(Change::Write { offset, data: data.to_vec() })
    }

    fn size(&self) -> Result<u64> {
        self.with_file(|file| Ok(file.bytes.len() as u64))
    }

    fn sync(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.count()?;
        let Some(id) = self.file else {
            state.sync_names();
            return Ok(());
        };
        let File { durable, pending, .. } = state.files.entry(id).or_default();
        pending.drain(..).for_each(|change| change.apply(durable));
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<()> {
        self.change(Change::Truncate(length))
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let _ = self.lock(false);
    }
}

/// Decides what survives. The generator is splitmix64.
struct Random {
    policy: CrashPolicy,
    state: u64,
}

impl Random {
    fn new(policy: CrashPolicy) -> Self {
        let state = if let CrashPolicy::Random(seed) = policy { seed } else { 0 };
        Self { policy, state }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// How many of `count` changes in a fixed order survive.
    fn prefix(&mut self, count: usize) -> usize {
        match self.policy {
            CrashPolicy::KeepAll => count,
            CrashPolicy::LoseUnsynced => 0,
            CrashPolicy::Random(_) => (self.next() % (count as u64 + 1)) as usize,
        }
    }

    fn apply(&mut self, change: &Change, bytes: &mut Vec<u8>) {
        match self.policy {
            CrashPolicy::KeepAll => change.apply(bytes),
            CrashPolicy::LoseUnsynced => {}
            CrashPolicy::Random(_) => match (self.next() % 3, change) {
                (0, _) => {}
                (1, Change::Write { offset, data }) => self.tear(*offset, data, bytes),
                _ => change.apply(bytes),
            },
        }
    }

    /// Writes some of the sectors.
    fn tear(&mut self, offset: u64, data: &[u8], bytes: &mut Vec<u8>) {
        let mut done = 0;
        while done < data.len() {
            let to_boundary = SECTOR - (offset as usize + done) % SECTOR;
            let length = to_boundary.min(data.len() - done);
            if self.next().is_multiple_of(2) {
                write_at(bytes, offset + done as u64, &data[done..done + length]);
            }
            done += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: OpenOptions = OpenOptions { create: true, exclusive: false, readonly: false, durable: true };

    fn contents(fs: &SimulatedFileSystem, name: &str) -> Option<Vec<u8>> {
        let file = fs.open(Path::new(name), FileType::Data, OpenOptions::default()).ok()?;
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read(0, &mut bytes).unwrap();
        Some(bytes)
    }

    #[test]
    fn keeps_the_contract_of_file_systems() {
        super::super::conformance::run(&SimulatedFileSystem::new(), Path::new("home"));
    }

    #[test]
    fn a_crash_loses_what_was_not_synced_and_nothing_else() {
        let fs = SimulatedFileSystem::new();
        let file = fs.open(Path::new("a"), FileType::Data, CREATE).unwrap();
        file.write(0, b"one").unwrap();
        file.sync().unwrap();
        file.write(3, b"two").unwrap();
        assert_eq!(contents(&fs.crash(CrashPolicy::LoseUnsynced), "a").unwrap(), b"one");
        assert_eq!(contents(&fs.crash(CrashPolicy::KeepAll), "a").unwrap(), b"onetwo");
        assert_eq!(contents(&fs, "a").unwrap(), b"onetwo", "the crashed copy is a copy");
    }

    #[test]
    fn names_are_durable_only_by_a_directory_sync() {
        let fs = SimulatedFileSystem::new();
        let not_durable = OpenOptions { durable: false, ..CREATE };
        let file = fs.open(Path::new("d/a"), FileType::Data, not_durable).unwrap();
        file.write(0, b"x").unwrap();
        file.sync().unwrap();
        assert_eq!(contents(&fs.crash(CrashPolicy::LoseUnsynced), "d/a"), None);
        fs.open(Path::new("d"), FileType::Directory, OpenOptions::default()).unwrap().sync().unwrap();
        fs.rename(Path::new("d/a"), Path::new("d/b"), false).unwrap();
        let crashed = fs.crash(CrashPolicy::LoseUnsynced);
        assert_eq!((contents(&crashed, "d/a"), contents(&crashed, "d/b")), (Some(b"x".to_vec()), None));
        fs.remove(Path::new("d/b"), true).unwrap();
        assert_eq!(contents(&fs.crash(CrashPolicy::KeepAll), "d/b"), None);
    }

    #[test]
    fn chance_tears_writes_and_repeats_itself() {
        let fs = SimulatedFileSystem::new();
        let file = fs.open(Path::new("a"), FileType::Data, CREATE).unwrap();
        file.write(0, &[1; 8 * SECTOR]).unwrap();
        file.sync().unwrap();
        file.write(100, &[2; 7 * SECTOR]).unwrap();
        let mut torn = 0;
        for seed in 0..50 {
            let bytes = contents(&fs.crash(CrashPolicy::Random(seed)), "a").unwrap();
            assert_eq!(Some(&bytes), contents(&fs.crash(CrashPolicy::Random(seed)), "a").as_ref());
            let new = bytes.iter().filter(|&&byte| byte == 2).count();
            torn += usize::from(new > 0 && new < 7 * SECTOR);
        }
        assert!(torn > 5, "{torn} of 50 crashes tore the write");
    }

    #[test]
    fn every_change_fails_from_the_chosen_one_on() {
        let fs = SimulatedFileSystem::new();
        let file = fs.open(Path::new("a"), FileType::Data, CREATE).unwrap();
        file.write(0, b"one").unwrap();
        fs.fail_from(fs.changes() + 1);
        file.sync().unwrap();
        assert_eq!(file.write(0, b"two").unwrap_err().code(), ErrorCode::EIO);
        assert!(file.sync().is_err() && fs.remove(Path::new("a"), false).is_err());
        assert_eq!(contents(&fs, "a").unwrap(), b"one");
        assert_eq!(contents(&fs.crash(CrashPolicy::KeepAll), "a").unwrap(), b"two", "the failing write may be on disk");
    }
}

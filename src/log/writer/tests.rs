use super::*;
use crate::log::{Ending, Record, Scanner};
use crate::os::{CrashPolicy, MemoryFileSystem, SimulatedFileSystem};
use crate::plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn settings() -> LogSettings {
    LogSettings {
        enabled: true,
        path: ".".to_owned(),
        compressor: String::new(),
        file_max: 102_400,
        extend_to: 102_400,
        prealloc: false,
        prealloc_init_count: 1,
        recover_error: false,
        remove: true,
        zero_fill: false,
        sync: false,
        sync_method: SyncMethod::Fsync,
    }
}

fn start(fs: Arc<dyn FileSystem>, settings: LogSettings) -> Log {
    Log::start(LogDirectory::new(fs, Path::new("home"), "."), settings, 1).unwrap()
}

fn commit_record(txn: u64, value_len: usize) -> Vec<u8> {
    let mut record = Vec::new();
    record::start_commit(&mut record, txn);
    let value = vec![7; value_len];
    Operation::RowPut { file: 2, key: &txn.to_be_bytes(), value: &value }.push(&mut record);
    record::seal(&mut record).unwrap();
    record
}

/// The transactions of a log, by place, and why it ends.
fn read(fs: Arc<dyn FileSystem>) -> (BTreeMap<Lsn, u64>, Option<Ending>) {
    let directory = LogDirectory::new(fs, Path::new("home"), ".");
    let last = *directory.numbers().unwrap().last().unwrap();
    let mut scanner = Scanner::new(&directory, Lsn::INITIAL, last, true).unwrap();
    let mut found = BTreeMap::new();
    while let Some(entry) = scanner.next().unwrap() {
        if let Record::Commit { txn, .. } = Record::parse(&entry.body().unwrap()).unwrap() {
            found.insert(entry.lsn, txn);
        }
    }
    (found, scanner.ending())
}

#[test]
fn records_are_where_they_were_said_to_be() {
    let fs = MemoryFileSystem::new();
    let log = start(Arc::new(fs.clone()), settings());
    assert_eq!(log.append_message("hello").unwrap().lsn, Lsn::new(1, 256));
    let mut expected = BTreeMap::new();
    // Small ones, some longer than half a buffer (5120 bytes), one longer than a file.
    for txn in 0..400 {
        let len = match txn % 50 {
            48 => 6000,
            49 if txn == 149 => 300_000,
            _ => 100,
        };
        expected.insert(log.append(&commit_record(txn, len)).unwrap().lsn, txn);
    }
    log.sync().unwrap();
    assert_eq!(read(Arc::new(fs)), (expected, Some(Ending::Complete)));
    assert!(log.directory().numbers().unwrap().len() >= 3, "the log went over several files");
}

#[test]
fn threads_share_slots() {
    const THREADS: u64 = 4;
    const COMMITS: u64 = 300;
    let fs = MemoryFileSystem::new();
    let log = start(Arc::new(fs.clone()), settings());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for number in 0..COMMITS {
                    let record = commit_record(thread * COMMITS + number, if number % 97 == 0 { 9000 } else { 30 });
                    log.commit(&record, Some(number % 5 == 0)).unwrap();
                }
            });
        }
    });
    log.sync().unwrap();
    let (found, ending) = read(Arc::new(fs));
    assert_eq!(ending, Some(Ending::Complete));
    let places: Vec<u64> = found.into_values().collect();
    for thread in 0..THREADS {
        let range = thread * COMMITS..(thread + 1) * COMMITS;
        let own: Vec<u64> = places.iter().copied().filter(|txn| range.contains(txn)).collect();
        assert_eq!(own, range.collect::<Vec<_>>(), "a thread's commits are in their order");
    }
}

#[test]
fn what_was_synced_survives_a_crash_and_prefixes_have_no_gaps() {
    for seed in 0..40 {
        let fs = SimulatedFileSystem::new();
        let log = start(Arc::new(fs.clone()), settings());
        let mut synced = 0;
        for txn in 1..=120 {
            let sync = (txn + seed) % 17 == 0;
            log.commit(&commit_record(txn, 200), Some(sync)).unwrap();
            if sync {
                synced = txn;
            } else if txn % 5 == 0 {
                log.flush().unwrap();
            }
        }
        let after = fs.crash(CrashPolicy::Random(seed));
        let (found, _) = read(Arc::new(after));
        let found: Vec<u64> = found.into_values().collect();
        let prefix: Vec<u64> = (1..=found.len() as u64).collect();
        assert_eq!(found, prefix, "seed {seed}: a prefix of what was committed");
        assert!(found.len() as u64 >= synced, "seed {seed}: {synced} were acknowledged, {} found", found.len());
    }
}

#[test]
fn a_failed_write_or_sync_fails_the_log_for_ever() {
    for failing in 0..25 {
        let fs = SimulatedFileSystem::new();
        let log = start(Arc::new(fs.clone()), settings());
        fs.fail_from(failing);
        let mut acknowledged = 0;
        for txn in 1..=30 {
            match log.commit(&commit_record(txn, 100), Some(true)) {
                Ok(()) => acknowledged = txn,
                Err(error) => {
                    assert_eq!(error.code(), crate::ErrorCode::PANIC, "{error}");
                    break;
                }
            }
        }
        assert!(acknowledged < 30, "the failure was met");
        assert_eq!(log.append_message("x").unwrap_err().code(), crate::ErrorCode::PANIC);
        assert_eq!(log.sync().unwrap_err().code(), crate::ErrorCode::PANIC);
        let (found, _) = read(Arc::new(fs.crash(CrashPolicy::LoseUnsynced)));
        assert!(found.len() >= acknowledged as usize);
    }
}

#[test]
fn a_checkpoint_starts_between_commits() {
    let fs = MemoryFileSystem::new();
    let log = start(Arc::new(fs), settings());
    let gate = log.enter_commit(false).unwrap();
    std::thread::scope(|scope| {
        let started = scope.spawn(|| log.start_checkpoint(|| ()).unwrap().0);
        let committed = log.append(&commit_record(1, 10)).unwrap();
        drop(gate);
        assert!(started.join().unwrap() >= committed.end || !committed.lsn.is_real());
    });
    log.close_gate();
    assert_eq!(log.enter_commit(false).unwrap_err().code(), crate::ErrorCode::EINVAL);
    drop(log.enter_commit(true).unwrap());
}

#[test]
fn old_files_go_after_a_checkpoint_and_stay_while_read() {
    let fs = MemoryFileSystem::new();
    let log = start(Arc::new(fs), LogSettings { prealloc: true, ..settings() });
    for txn in 0..1500 {
        log.append(&commit_record(txn, 100)).unwrap();
    }
    log.maintain().unwrap();
    let before = log.directory().numbers().unwrap();
    assert!(before.len() >= 3 && before[0] == 1, "nothing goes without a checkpoint: {before:?}");
    assert!(log.directory().prepared().unwrap() >= 1);
    let (first, _) = log.directory().open(1, true).unwrap();
    assert!(first.handle.size().unwrap() < 102_400, "a full file is cut to its end");
    let (lsn, ()) = log.start_checkpoint(|| ()).unwrap();
    log.sync().unwrap();
    log.set_checkpoint(lsn);
    log.add_reader();
    log.maintain().unwrap();
    assert_eq!(log.directory().numbers().unwrap(), before);
    log.remove_reader();
    log.maintain().unwrap();
    assert_eq!(log.directory().numbers().unwrap(), [lsn.file]);
}

/// A simulated file system whose syncs of log files are counted, and wait while the test holds them.
#[derive(Clone)]
struct HeldFileSystem {
    files: SimulatedFileSystem,
    /// Syncs that have begun, and how many of them may end.
    syncs: Arc<Mutex<(usize, usize)>>,
}

struct HeldFile {
    file: Arc<dyn FileHandle>,
    syncs: Arc<Mutex<(usize, usize)>>,
}

impl HeldFileSystem {
    fn new() -> Self {
        Self { files: SimulatedFileSystem::new(), syncs: Arc::new(Mutex::new((0, usize::MAX))) }
    }

    /// Counts from 0, and holds every sync.
    fn hold(&self) {
        *self.syncs.lock() = (0, 0);
    }

    /// Lets `count` of the syncs end, counted from the holding on.
    fn let_end(&self, count: usize) {
        self.syncs.lock().1 = count;
    }

    fn begun(&self) -> usize {
        self.syncs.lock().0
    }
}

impl FileSystem for HeldFileSystem {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        self.files.directory_list(directory, prefix)
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        self.files.exists(path)
    }
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let file = self.files.open(path, file_type, options)?;
        let held = HeldFile { file: Arc::clone(&file), syncs: Arc::clone(&self.syncs) };
        Ok(if file_type == FileType::Log { Arc::new(held) } else { file })
    }
    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        self.files.remove(path, durable)
    }
    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        self.files.rename(from, to, durable)
    }
    fn size(&self, path: &Path) -> Result<u64> {
        self.files.size(path)
    }
}

impl FileHandle for HeldFile {
    fn path(&self) -> &Path {
        self.file.path()
    }
    fn lock(&self, lock: bool) -> Result<()> {
        self.file.lock(lock)
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read(offset, buffer)
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.file.write(offset, data)
    }
    fn size(&self) -> Result<u64> {
        self.file.size()
    }
    fn sync(&self) -> Result<()> {
        let number = {
            let mut syncs = self.syncs.lock();
            syncs.0 += 1;
            syncs.0
        };
        wait_until("a sync may end", || self.syncs.lock().1 >= number);
        self.file.sync()
    }
    fn truncate(&self, length: u64) -> Result<()> {
        self.file.truncate(length)
    }
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{what}: not within a minute");
}

/// While one thread syncs, any number comes to wait; one more sync serves them all, and all of them are durable.
#[test]
fn all_who_wait_share_one_sync() {
    const WAITING: u64 = 24;
    let files = HeldFileSystem::new();
    let log = start(Arc::new(files.clone()), settings());
    files.hold();
    let log = &log;
    std::thread::scope(|scope| {
        scope.spawn(move || log.commit(&commit_record(0, 100), Some(true)).unwrap());
        wait_until("the first syncs", || files.begun() == 1);
        for txn in 1..=WAITING {
            scope.spawn(move || log.commit(&commit_record(txn, 100), Some(true)).unwrap());
        }
        wait_until("all wait", || log.progress.waiting() == WAITING as usize);
        assert_eq!(files.begun(), 1);
        files.let_end(usize::MAX);
    });
    assert_eq!(files.begun(), 2, "syncs for {} commits", WAITING + 1);
    let (found, _) = read(Arc::new(files.files.crash(CrashPolicy::LoseUnsynced)));
    let mut found: Vec<u64> = found.into_values().collect();
    found.sort_unstable();
    assert_eq!(found, (0..=WAITING).collect::<Vec<_>>());
}

/// Two threads that commit in a loop don't take turns: who leads waits for the other to come back.
#[test]
fn a_leader_waits_for_as_many_as_there_were_and_not_for_ever() {
    let files = HeldFileSystem::new();
    let log = start(Arc::new(files.clone()), settings());
    log.progress.set_patience(Duration::from_secs(600));
    files.hold();
    let log = &log;
    let commit = |txn| move || log.commit(&commit_record(txn, 100), Some(true)).unwrap();
    std::thread::scope(|scope| {
        let first = scope.spawn(commit(1));
        wait_until("the first syncs", || files.begun() == 1);
        let second = scope.spawn(commit(2));
        wait_until("the second waits", || log.progress.waiting() == 1);
        files.let_end(1);
        first.join().unwrap();
        // The second leads now, and would wait for ten minutes if the first didn't come back.
        wait_until("the second leads", || log.progress.waiting() == 0);
        let first = scope.spawn(commit(3));
        wait_until("both are in one sync", || files.begun() == 2 && log.progress.waiting() == 1);
        files.let_end(usize::MAX);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(files.begun(), 2, "syncs for 3 commits");
        // Alone again: one wait in vain, then none.
        log.progress.set_patience(Duration::from_millis(1));
        scope.spawn(commit(4)).join().unwrap();
        log.progress.set_patience(Duration::from_secs(600));
        scope.spawn(commit(5)).join().unwrap();
        assert_eq!(files.begun(), 4);
    });
}

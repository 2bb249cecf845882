//! Group commit, measured: commits a second and syncs of the log per commit, for several numbers of threads.
//!
//! ```sh
//! cargo run --release --example group_commit -- [--seconds N] [--home DIRECTORY] [THREADS...]
//! ```
//!
//! Every transaction puts one row of 100 bytes and waits until it is durable. Syncs are counted by a file system that passes
//! everything on to the operating system's. The first line measures the device: writes of 128 bytes with a sync each, by
//! themselves.

use hardwired::os::LocalFileSystem;
use hardwired::plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired::{Connection, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TABLE: &str = "table:t";
const CONFIG: &str = "create,log=(enabled),transaction_sync=(enabled,method=fsync),session_max=200";

fn main() -> Result<()> {
    let (home, time, threads) = arguments();
    std::fs::create_dir_all(&home).expect("a directory can be made");
    println!("a write and a sync: {:.0} a second", device(&home, time));
    println!("threads   commits/s   syncs/s   syncs/commit");
    for threads in threads {
        let syncs = Arc::new(AtomicU64::new(0));
        let files = Counting { files: LocalFileSystem::new(), syncs: Arc::clone(&syncs) };
        let connection = Connection::builder(&home).config(CONFIG).file_system(Arc::new(files)).open()?;
        connection.open_session("")?.create(TABLE, "key_format=Q,value_format=u")?;
        let before = syncs.load(Ordering::Relaxed);
        let started = Instant::now();
        let commits = commit(&connection, threads, started + time);
        let seconds = started.elapsed().as_secs_f64();
        let syncs = syncs.load(Ordering::Relaxed) - before;
        let (commits, syncs) = (commits as f64, syncs as f64);
        println!("{threads:7} {:11.0} {:9.0} {:14.3}", commits / seconds, syncs / seconds, syncs / commits);
        connection.close("")?;
    }
    std::fs::remove_dir_all(&home).expect("the directory is this program's");
    Ok(())
}

/// Commits from so many threads until `end`; how many.
fn commit(connection: &Connection, threads: u64, end: Instant) -> u64 {
    let run = |thread: u64| -> Result<u64> {
        let session = connection.open_session("")?;
        let mut cursor = session.open_cursor(TABLE, "")?;
        let mut commits = 0;
        while Instant::now() < end {
            cursor.set_key((thread << 32) | commits)?;
            cursor.set_value(&[7_u8; 100][..])?;
            cursor.insert()?;
            commits += 1;
        }
        Ok(commits)
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        let results = running.into_iter().map(|thread| thread.join().expect("a thread that commits"));
        results.map(|commits| commits.expect("commits")).sum()
    })
}

/// Writes with a sync each, a second.
fn device(home: &Path, time: Duration) -> f64 {
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    let file = LocalFileSystem::new().open(&home.join("device"), FileType::Log, options).expect("a file");
    file.truncate(1 << 20).expect("a longer file");
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < time {
        file.write(count % 8192 * 128, &[7; 128]).expect("a write");
        file.sync().expect("a sync");
        count += 1;
    }
    count as f64 / started.elapsed().as_secs_f64()
}

fn arguments() -> (PathBuf, Duration, Vec<u64>) {
    let mut home = std::env::temp_dir().join(format!("hardwired-group-commit-{}", std::process::id()));
    let mut seconds = 3;
    let mut threads = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--seconds" => seconds = value().parse().expect("a number of seconds"),
            "--home" => home = PathBuf::from(value()).join("hardwired-group-commit"),
            number => threads.push(number.parse().unwrap_or_else(|_| panic!("not a number of threads: {number}"))),
        }
    }
    if threads.is_empty() {
        threads = vec![1, 2, 4, 8];
    }
    (home, Duration::from_secs(seconds), threads)
}

/// Counts syncs of log files.
struct Counting {
    files: LocalFileSystem,
    syncs: Arc<AtomicU64>,
}

struct CountingFile {
    file: Arc<dyn FileHandle>,
    /// `None`: not a log file.
    syncs: Option<Arc<AtomicU64>>,
}

impl FileSystem for Counting {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        self.files.directory_list(directory, prefix)
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        self.files.exists(path)
    }
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let file = self.files.open(path, file_type, options)?;
        let syncs = (file_type == FileType::Log).then(|| Arc::clone(&self.syncs));
        Ok(Arc::new(CountingFile { file, syncs }))
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

impl FileHandle for CountingFile {
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
        self.syncs.iter().for_each(|syncs| _ = syncs.fetch_add(1, Ordering::Relaxed));
        self.file.sync()
    }
    fn truncate(&self, length: u64) -> Result<()> {
        self.file.truncate(length)
    }
}

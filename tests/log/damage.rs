//! Damage of the log at every place: what is recovered is the state after some commit, or the open is refused.

use crate::support::{Texts, row};
use hardwired::os::{CrashPolicy, SimulatedFileSystem};
use hardwired::plugin::file_system::FileSystem;
use hardwired::{Connection, ErrorCode, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HOME: &str = "home";
const COMMITS: usize = 6;

fn open(files: &SimulatedFileSystem) -> Result<Connection> {
    let config = "create,cache_size=2MB,log=(enabled,file_max=100KB,prealloc=false)";
    let builder = Connection::builder(HOME).config(config).event_handler(Arc::new(Texts::default()));
    builder.file_system(Arc::new(files.clone())).open()
}

/// A home whose log holds commits that no checkpoint does: `commits` of them, with values of so many bytes more. Commit `n`
/// puts row `n` and changes the row before it.
fn crashed(commits: usize, longer: usize) -> SimulatedFileSystem {
    let files = SimulatedFileSystem::new();
    let connection = open(&files).unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S").unwrap();
    session.checkpoint("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..commits {
        session.begin_transaction("").unwrap();
        for (key, value) in rows_of(number, longer) {
            cursor.put(&*key, &*value).unwrap();
        }
        session.commit_transaction("").unwrap();
    }
    session.log_flush("sync=on").unwrap();
    files.crash(CrashPolicy::KeepAll)
}

fn rows_of(commit: usize, longer: usize) -> Vec<(String, String)> {
    let (key, value) = row(commit);
    let mut rows = vec![(key, format!("{value}{}", "+".repeat(longer)))];
    rows.extend(commit.checked_sub(1).map(|before| (row(before).0, format!("changed by {commit}"))));
    rows
}

/// How many commits the recovered database has. Its rows must be those after exactly so many.
fn recovered(files: &SimulatedFileSystem, longer: usize, what: &str) -> Result<usize> {
    let connection = open(files)?;
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor("table:t", "")?;
    let mut found = Vec::new();
    while cursor.next()? {
        found.push((cursor.get_key::<String>()?, cursor.get_value::<String>()?));
    }
    let mut expected: Vec<(String, String)> = Vec::new();
    for number in 0..found.len() {
        for (key, value) in rows_of(number, longer) {
            expected.retain(|(earlier, _)| *earlier != key);
            expected.push((key, value));
        }
    }
    expected.sort();
    assert_eq!(found, expected, "{what}");
    Ok(found.len())
}

fn log_files(files: &SimulatedFileSystem) -> Vec<PathBuf> {
    let names = files.directory_list(Path::new(HOME), "WiredTigerLog.").unwrap();
    names.iter().map(|name| Path::new(HOME).join(name)).collect()
}

/// The end of the last record: where the rest of the file is zeros.
fn used(files: &SimulatedFileSystem, path: &Path) -> usize {
    let mut used = 0;
    let find = |bytes: &mut Vec<u8>| used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    files.damage(path, find).unwrap();
    used.next_multiple_of(128)
}

/// Recovers with one damage after the other; how often how many commits came back (the last count: how often the open was
/// refused).
fn sweep(
    base: &SimulatedFileSystem,
    path: &Path,
    damages: impl Iterator<Item = (usize, usize, u8)>,
) -> [usize; COMMITS + 2] {
    let mut outcomes = [0; COMMITS + 2];
    for (offset, length, change) in damages {
        let files = base.crash(CrashPolicy::KeepAll);
        let damage = |bytes: &mut Vec<u8>| {
            let end = (offset + length).min(bytes.len());
            bytes[offset..end].iter_mut().for_each(|byte| *byte = if change == 0 { 0 } else { *byte ^ change });
        };
        files.damage(path, damage).unwrap();
        let what = format!("{length} bytes at {offset} changed by {change}");
        match recovered(&files, 0, &what) {
            Ok(count) => outcomes[count] += 1,
            Err(error) => {
                let codes = [ErrorCode::TRY_SALVAGE, ErrorCode::PANIC, ErrorCode::ERROR, ErrorCode::ENOTSUP];
                assert!(codes.contains(&error.code()), "{what}: {error}");
                outcomes[COMMITS + 1] += 1;
            }
        }
    }
    outcomes
}

#[test]
fn every_changed_byte_of_the_log_gives_a_state_after_some_commit_or_an_error() {
    let base = crashed(COMMITS, 0);
    let paths = log_files(&base);
    let path = paths.last().unwrap();
    let used = used(&base, path);
    assert_eq!(recovered(&base.crash(CrashPolicy::KeepAll), 0, "undamaged").unwrap(), COMMITS);
    // The records of the commits, at the file's end, byte by byte; what is before them, which a checkpoint has made
    // unneeded in part, at every seventh.
    let commits = used - COMMITS * 128;
    let offsets = (0..commits).step_by(7).chain(commits..used);
    let outcomes = sweep(&base, path, offsets.enumerate().map(|(at, offset)| (offset, 1, 1 << (at % 8))));
    // Damage in the record of a commit takes it and those behind it away.
    assert!(outcomes[..COMMITS].iter().all(|count| *count >= 100), "{outcomes:?}");
    assert!(outcomes[COMMITS] > 0 && outcomes[COMMITS + 1] > 0, "{outcomes:?}");
}

#[test]
fn every_lost_or_inverted_sector_of_the_log_gives_a_state_after_some_commit_or_an_error() {
    let base = crashed(COMMITS, 0);
    let path = log_files(&base).last().unwrap().clone();
    let used = used(&base, &path);
    for size in [128, 512] {
        for change in [0, 0xff] {
            let outcomes = sweep(&base, &path, (0..used).step_by(size).map(|offset| (offset, size, change)));
            assert!(
                outcomes[..COMMITS].iter().filter(|count| **count > 0).count() >= 2,
                "{size}, {change}: {outcomes:?}"
            );
        }
    }
}

#[test]
fn a_log_cut_short_anywhere_gives_a_state_after_some_commit_or_an_error() {
    let base = crashed(COMMITS, 0);
    let path = log_files(&base).last().unwrap().clone();
    let mut before = 0;
    for length in (0..=used(&base, &path)).step_by(64) {
        let files = base.crash(CrashPolicy::KeepAll);
        files.damage(&path, |bytes| bytes.truncate(length)).unwrap();
        match recovered(&files, 0, &format!("cut to {length} bytes")) {
            Ok(count) => {
                assert!(count >= before, "{length} bytes give {count} commits, fewer gave {before}");
                before = count;
            }
            Err(error) => assert!(before == 0, "{length} bytes: {error}"),
        }
    }
    assert_eq!(before, COMMITS);
}

/// Files of the log that are missing: the first ones that are needed, one in the middle, the last.
#[test]
fn missing_files_give_a_state_after_some_commit_or_an_error() {
    const LONGER: usize = 3000;
    const MANY: usize = 130;
    let base = crashed(MANY, LONGER);
    let paths = log_files(&base);
    assert!(paths.len() >= 4, "{paths:?}");
    let mut outcomes = Vec::new();
    for path in &paths {
        let files = base.crash(CrashPolicy::KeepAll);
        files.remove(path, true).unwrap();
        match recovered(&files, LONGER, &format!("without {}", path.display())) {
            Ok(count) => outcomes.push(Some(count)),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::TRY_SALVAGE, "without {}: {error}", path.display());
                outcomes.push(None);
            }
        }
    }
    // Without the file that replay begins with nothing can be told; without the last one its commits are gone.
    assert_eq!(outcomes[0], None, "{outcomes:?}");
    assert!(outcomes.last().unwrap().is_some_and(|count| count > MANY / 2 && count < MANY), "{outcomes:?}");
}

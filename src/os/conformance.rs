//! What every file system must do, run by the tests of each implementation.

use crate::ErrorCode;
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use std::path::Path;
use std::sync::Arc;

const CREATE: OpenOptions = OpenOptions { create: true, exclusive: false, readonly: false, durable: true };
const EXCLUSIVE: OpenOptions = OpenOptions { exclusive: true, ..CREATE };
const PLAIN: OpenOptions = OpenOptions { create: false, exclusive: false, readonly: false, durable: false };
const READONLY: OpenOptions = OpenOptions { readonly: true, ..PLAIN };

/// Runs all checks in the directory `home`, which is empty.
pub(super) fn run(fs: &dyn FileSystem, home: &Path) {
    creation(fs, home);
    contents(fs, home);
    names(fs, home);
    locks(fs, home);
}

fn open(fs: &dyn FileSystem, path: &Path, options: OpenOptions) -> Arc<dyn FileHandle> {
    fs.open(path, FileType::Data, options).unwrap()
}

fn code<T>(result: crate::Result<T>) -> ErrorCode {
    result.err().expect("must fail").code()
}

fn creation(fs: &dyn FileSystem, home: &Path) {
    let path = home.join("created");
    assert_eq!(code(fs.open(&path, FileType::Data, PLAIN)), ErrorCode::ENOENT);
    assert!(!fs.exists(&path).unwrap());
    open(fs, &path, EXCLUSIVE).write(0, b"kept").unwrap();
    assert!(fs.exists(&path).unwrap());
    assert_eq!(code(fs.open(&path, FileType::Data, EXCLUSIVE)), ErrorCode::EEXIST);
    assert_eq!(open(fs, &path, CREATE).size().unwrap(), 4, "creating an existing file keeps its contents");
    assert_eq!(open(fs, &path, PLAIN).path(), path);
    fs.remove(&path, true).unwrap();
    assert_eq!(code(fs.remove(&path, false)), ErrorCode::ENOENT);
    assert_eq!(code(fs.size(&path)), ErrorCode::ENOENT);
}

fn contents(fs: &dyn FileSystem, home: &Path) {
    let path = home.join("contents");
    let file = open(fs, &path, CREATE);
    file.write(5, b"hello").unwrap();
    assert_eq!((file.size().unwrap(), fs.size(&path).unwrap()), (10, 10));
    let mut bytes = [1; 10];
    file.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0\0\0hello");
    assert_eq!(code(file.read(6, &mut [0; 5])), ErrorCode::ERROR, "short reads are errors");
    assert_eq!(code(file.read(u64::from(u32::MAX), &mut [0; 1])), ErrorCode::ERROR);
    file.truncate(7).unwrap();
    file.truncate(9).unwrap();
    file.sync().unwrap();
    let reader = open(fs, &path, READONLY);
    let mut bytes = [1; 9];
    reader.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0\0\0he\0\0");
    assert!(reader.write(0, b"x").is_err(), "a handle for reading can't write");
    assert!(reader.truncate(0).is_err());
    assert_eq!(fs.size(&path).unwrap(), 9);
    fs.remove(&path, false).unwrap();
    let mut bytes = [1; 9];
    file.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0\0\0he\0\0", "an open handle outlives the name");
}

fn names(fs: &dyn FileSystem, home: &Path) {
    for name in ["b.wt", "a.wt", "ab.log", "c"] {
        open(fs, &home.join(name), CREATE).write(0, name.as_bytes()).unwrap();
    }
    assert_eq!(fs.directory_list(home, "").unwrap(), ["a.wt", "ab.log", "b.wt", "c"]);
    assert_eq!(fs.directory_list(home, "a").unwrap(), ["a.wt", "ab.log"]);
    fs.rename(&home.join("b.wt"), &home.join("c"), true).unwrap();
    assert_eq!(fs.directory_list(home, "").unwrap(), ["a.wt", "ab.log", "c"]);
    let mut bytes = [0; 4];
    open(fs, &home.join("c"), READONLY).read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"b.wt", "a rename replaces its target");
    assert_eq!(code(fs.rename(&home.join("b.wt"), &home.join("d"), false)), ErrorCode::ENOENT);
}

fn locks(fs: &dyn FileSystem, home: &Path) {
    let path = home.join("lock");
    let first = open(fs, &path, CREATE);
    let second = open(fs, &path, CREATE);
    first.lock(true).unwrap();
    assert_eq!(code(second.lock(true)), ErrorCode::EBUSY);
    drop(open(fs, &path, CREATE));
    assert_eq!(code(second.lock(true)), ErrorCode::EBUSY, "closing another handle must not drop the lock");
    first.lock(false).unwrap();
    second.lock(true).unwrap();
    drop(second);
    first.lock(true).unwrap();
    first.lock(false).unwrap();
}

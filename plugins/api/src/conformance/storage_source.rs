//! What every storage source must do.

use crate::config::Config;
use crate::file_system::{FileHandle, FileType, OpenOptions};
use crate::storage_source::{BucketFileSystem, StorageSource};
use crate::{ErrorCode, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A source, and where the checks may work.
pub struct StoreUnderTest<'a> {
    /// The source.
    pub source: &'a dyn StorageSource,
    /// A bucket that exists and is empty.
    pub bucket: &'a str,
    /// A bucket that doesn't exist.
    pub missing_bucket: &'a str,
    /// What the bucket asks for.
    pub auth_token: &'a str,
    /// An existing local directory for files to flush.
    pub scratch: &'a Path,
}

const READ: OpenOptions = OpenOptions { create: false, exclusive: false, readonly: true, durable: false };

/// Runs all checks. The bucket is empty again afterwards. The source is not terminated.
///
/// # Panics
/// If the source does something else than it must.
pub fn check_storage_source(store: &StoreUnderTest<'_>) {
    missing_bucket(store);
    let bucket = store
        .source
        .customize_file_system(store.bucket, store.auth_token, Config::single("cache_directory="))
        .expect("a bucket that exists can be opened");
    let files = Files { directory: store.scratch.to_owned() };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        life_of_an_object(&*bucket, &files);
        repeated_flushes(&*bucket, &files);
        listings(&*bucket, &files);
        missing_objects(&*bucket);
        objects_do_not_change(&*bucket, &files);
        many_threads(&bucket, &files);
    }));
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(bucket.directory_list(Path::new(""), "").unwrap(), Vec::<String>::new(), "all objects were removed");
    bucket.terminate().expect("a bucket's file system can be terminated");
}

/// Local files to be flushed.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        // An earlier one may be read-only since its flush was finished.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).expect("the scratch directory can be written");
        path
    }
}

fn flush(bucket: &dyn BucketFileSystem, source: &Path, object: &str) -> Result<()> {
    bucket.flush(source, object, Config::default())
}

fn contents(bucket: &dyn BucketFileSystem, object: &str) -> Vec<u8> {
    let handle = bucket.open(Path::new(object), FileType::Data, READ).expect("an object can be opened");
    read_all(&*handle)
}

fn read_all(handle: &dyn FileHandle) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(handle.size().expect("an object has a size")).expect("a small object")];
    handle.read(0, &mut bytes).expect("an object can be read");
    bytes
}

fn code<T>(what: &str, result: Result<T>) -> ErrorCode {
    match result {
        Ok(_) => panic!("{what}: must be an error"),
        Err(error) => error.code(),
    }
}

fn missing_bucket(store: &StoreUnderTest<'_>) {
    let opened = store.source.customize_file_system(store.missing_bucket, store.auth_token, Config::default());
    assert_eq!(code("a bucket that doesn't exist", opened), ErrorCode::ENOENT, "a bucket that doesn't exist is ENOENT");
}

fn life_of_an_object(bucket: &dyn BucketFileSystem, files: &Files) {
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let source = files.write("life", &bytes);
    let object = Path::new("kit_life-0000000001.wtobj");
    assert!(!bucket.exists(object).unwrap(), "an object doesn't exist before its flush");
    flush(bucket, &source, "kit_life-0000000001.wtobj").expect("a file can be flushed");
    assert!(source.exists(), "flush leaves the local file alone");
    assert!(bucket.exists(object).unwrap(), "an object exists after its flush");
    assert_eq!(bucket.size(object).unwrap(), 200_000, "the size is that of the file");
    assert!(contents(bucket, "kit_life-0000000001.wtobj") == bytes, "the object holds the bytes of the file");

    bucket.flush_finish(&source, "kit_life-0000000001.wtobj", Config::default()).expect("flush_finish after flush");
    assert!(source.exists(), "flush_finish leaves the local file: the engine removes it");
    std::fs::remove_file(&source).unwrap();
    assert!(bucket.exists(object).unwrap(), "an object doesn't need its local file");
    let handle = bucket.open(object, FileType::Data, READ).unwrap();
    assert_eq!(handle.path(), object, "a handle knows its name");
    handle.lock(true).and_then(|()| handle.lock(false)).expect("locks are accepted");
    let mut part = [0; 1000];
    handle.read(123_456, &mut part).unwrap();
    assert!(part[..] == bytes[123_456..124_456], "reads are positional");
    assert!(handle.read(199_999, &mut [0; 2]).is_err(), "a read beyond the end is an error");

    bucket.remove(object, true).expect("an object can be removed");
    assert!(!bucket.exists(object).unwrap(), "a removed object is gone");
    assert_eq!(code("opening it", bucket.open(object, FileType::Data, READ)), ErrorCode::ENOENT);
    assert!(read_all(&*handle) == bytes || handle.size().is_err(), "an open handle reads the object or fails");
}

fn repeated_flushes(bucket: &dyn BucketFileSystem, files: &Files) {
    let source = files.write("again", b"the same bytes");
    for _ in 0..3 {
        flush(bucket, &source, "kit_again")
            .expect("a flush may be repeated: after a crash nobody knows whether it was complete");
    }
    bucket.flush_finish(&source, "kit_again", Config::default()).expect("flush_finish");
    let other = files.write("other", b"other bytes!!!");
    let refused = flush(bucket, &other, "kit_again");
    assert_eq!(code("another object of the name", refused), ErrorCode::EEXIST, "nobody's object is overwritten");
    let shorter = files.write("shorter", b"the same");
    assert_eq!(code("a shorter one", flush(bucket, &shorter, "kit_again")), ErrorCode::EEXIST);
    assert!(contents(bucket, "kit_again") == b"the same bytes", "the object is what it was");
    let missing = flush(bucket, &files.directory.join("no such file"), "kit_missing");
    assert_eq!(code("a missing local file", missing), ErrorCode::ENOENT);
    assert!(!bucket.exists(Path::new("kit_missing")).unwrap(), "a flush that fails leaves no object");
    bucket.remove(Path::new("kit_again"), true).unwrap();
    flush(bucket, &other, "kit_again").expect("a removed object's name is free");
    assert!(contents(bucket, "kit_again") == b"other bytes!!!", "nothing old comes back");
    bucket.remove(Path::new("kit_again"), true).unwrap();
}

fn listings(bucket: &dyn BucketFileSystem, files: &Files) {
    let source = files.write("listed", b"x");
    let names = ["kit_a-1", "kit_a-2", "kit_b-1", "kut_a-1"];
    for name in names {
        flush(bucket, &source, name).unwrap();
    }
    let list = |directory: &str, prefix: &str| bucket.directory_list(Path::new(directory), prefix).unwrap();
    assert_eq!(list("", ""), names, "sorted, and all of them");
    assert_eq!(list("kit_", ""), ["a-1", "a-2", "b-1"], "the beginning that is asked for is left out");
    assert_eq!(list("kit_", "a-"), ["a-1", "a-2"]);
    assert_eq!(list("nothing", ""), Vec::<String>::new());
    for name in names {
        bucket.remove(Path::new(name), true).unwrap();
    }
}

fn missing_objects(bucket: &dyn BucketFileSystem) {
    let path = Path::new("kit_nothing");
    assert!(!bucket.exists(path).unwrap());
    assert_eq!(code("open", bucket.open(path, FileType::Data, READ)), ErrorCode::ENOENT);
    assert_eq!(code("size", bucket.size(path)), ErrorCode::ENOENT);
    if let Err(error) = bucket.remove(path, true) {
        assert_eq!(error.code(), ErrorCode::ENOENT, "removing what isn't there is a success or ENOENT");
    }
}

fn objects_do_not_change(bucket: &dyn BucketFileSystem, files: &Files) {
    let source = files.write("fixed", b"fixed");
    flush(bucket, &source, "kit_fixed").unwrap();
    let path = Path::new("kit_fixed");
    for options in [
        OpenOptions { create: true, ..READ },
        OpenOptions { readonly: false, ..READ },
        OpenOptions { create: true, readonly: false, ..READ },
    ] {
        if let Ok(handle) = bucket.open(path, FileType::Data, options) {
            assert!(handle.write(0, b"F").is_err(), "an object can't be written");
        }
    }
    let handle = bucket.open(path, FileType::Data, READ).unwrap();
    assert!(handle.write(0, b"F").is_err() && handle.truncate(0).is_err(), "an object can't be changed");
    assert!(contents(bucket, "kit_fixed") == b"fixed", "the object is what it was");
    bucket.remove(path, true).unwrap();
}

fn many_threads(bucket: &Arc<dyn BucketFileSystem>, files: &Files) {
    let sources: Vec<_> = (0..8_u8).map(|number| files.write(&format!("thread{number}"), &[number; 5_000])).collect();
    std::thread::scope(|scope| {
        for (number, source) in sources.iter().enumerate() {
            scope.spawn(move || {
                let name = format!("kit_thread-{number}");
                flush(&**bucket, source, &name).unwrap();
                assert!(contents(&**bucket, &name).iter().all(|&byte| usize::from(byte) == number));
                bucket.flush_finish(source, &name, Config::default()).unwrap();
            });
        }
    });
    for number in 0..8 {
        bucket.remove(Path::new(&format!("kit_thread-{number}")), true).unwrap();
    }
}

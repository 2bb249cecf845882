//! The storage source by itself: the conformance kit, and what is its own.

use hardwired_dir_store::{DirStore, Options};
use hardwired_plugin::config::Config;
use hardwired_plugin::conformance::{StoreUnderTest, check_storage_source};
use hardwired_plugin::extension::{ExtensionContext, MessageLevel, Messages};
use hardwired_plugin::file_system::{FileType, OpenOptions};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::storage_source::{BucketFileSystem, StorageSource};
use hardwired_plugin::{ErrorCode, Result};
use rstest::rstest;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl Messages for Collected {
    fn message(&self, level: MessageLevel, text: &str) {
        self.0.lock().unwrap().push(format!("{level:?} {text}"));
    }
}

const READ: OpenOptions = OpenOptions { create: false, exclusive: false, readonly: true, durable: false };

struct World {
    home: tempfile::TempDir,
    messages: Arc<Collected>,
    store: DirStore,
}

impl World {
    fn new(config: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bucket")).unwrap();
        let messages = Arc::new(Collected::default());
        let services = OfflineServices::at(Arc::clone(&messages) as _, home.path());
        let store = DirStore::new(&ExtensionContext::new(config, services)).unwrap();
        Self { home, messages, store }
    }

    fn bucket(&self) -> Arc<dyn BucketFileSystem> {
        self.store.customize_file_system("bucket", "token", Config::single("cache_directory=")).unwrap()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> std::path::PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

fn flush(bucket: &dyn BucketFileSystem, source: &Path, object: &str) -> Result<()> {
    bucket.flush(source, object, Config::default())
}

#[rstest]
#[case("")]
#[case("cache=0")]
fn it_keeps_the_contract_of_storage_sources(#[case] config: &str) {
    let world = World::new(config);
    let scratch = tempfile::tempdir_in(world.home.path()).unwrap();
    check_storage_source(&StoreUnderTest {
        source: &world.store,
        bucket: "bucket",
        missing_bucket: "nowhere",
        auth_token: "token",
        scratch: scratch.path(),
    });
    world.store.terminate().unwrap();
}

#[test]
fn an_object_is_read_only_and_the_cache_holds_a_link_of_the_local_file() {
    let world = World::new("");
    let bucket = world.bucket();
    let source = world.file("a-0000000001.wtobj", b"bytes");
    flush(&*bucket, &source, "p_a-0000000001.wtobj").unwrap();
    let info = fs::metadata(world.path("bucket/p_a-0000000001.wtobj")).unwrap();
    assert_eq!((info.permissions().mode() & 0o777, info.nlink()), (0o444, 1));
    bucket.flush_finish(&source, "p_a-0000000001.wtobj", Config::default()).unwrap();
    let (local, cached) =
        (fs::metadata(&source).unwrap(), fs::metadata(world.path("cache-bucket/p_a-0000000001.wtobj")).unwrap());
    assert_eq!((local.ino(), local.nlink(), local.permissions().mode() & 0o777), (cached.ino(), 2, 0o444));
    // Again, after a crash that nobody remembers.
    flush(&*bucket, &source, "p_a-0000000001.wtobj").unwrap();
    bucket.flush_finish(&source, "p_a-0000000001.wtobj", Config::default()).unwrap();
}

#[test]
fn an_object_is_fetched_into_the_cache_and_read_from_there() {
    let world = World::new("");
    let bucket = world.bucket();
    world.file("bucket/o", b"bytes");
    bucket.open(Path::new("o"), FileType::Data, READ).unwrap();
    let cached = fs::metadata(world.path("cache-bucket/o")).unwrap();
    assert_eq!((cached.len(), cached.permissions().mode() & 0o777), (5, 0o444));
    fs::remove_file(world.path("bucket/o")).unwrap();
    bucket.open(Path::new("o"), FileType::Regular, READ).unwrap();
    assert_eq!(bucket.size(Path::new("o")).unwrap(), 5);
}

#[test]
fn a_leftover_temporary_file_is_replaced() {
    let world = World::new("");
    let bucket = world.bucket();
    let source = world.file("a", b"whole");
    for mode in [0o644, 0o444] {
        let leftover = world.file("bucket/o.TMP", b"half of something that was longer");
        fs::set_permissions(&leftover, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(bucket.directory_list(Path::new(""), "").unwrap(), ["o.TMP"], "leftovers are listed");
        flush(&*bucket, &source, "o").unwrap();
        assert_eq!(fs::read(world.path("bucket/o")).unwrap(), b"whole");
        assert!(!world.path("bucket/o.TMP").exists());
        bucket.remove(Path::new("o"), true).unwrap();
    }
}

#[test]
fn a_copy_in_progress_is_not_taken_over() {
    let world = World::new("");
    let bucket = world.bucket();
    let source = world.file("a", b"whole");
    let other = fs::File::create(world.path("bucket/o.TMP")).unwrap();
    other.lock().unwrap();
    assert_eq!(flush(&*bucket, &source, "o").unwrap_err().code(), ErrorCode::EBUSY);
    drop(other);
    flush(&*bucket, &source, "o").unwrap();
}

#[test]
fn a_stale_cache_entry_gives_way_to_a_new_object() {
    let world = World::new("");
    let bucket = world.bucket();
    fs::write(world.path("cache-bucket/o"), b"of a table that was dropped").unwrap();
    let source = world.file("a", b"new");
    flush(&*bucket, &source, "o").unwrap();
    assert_eq!(bucket.size(Path::new("o")).unwrap(), 3);
}

#[test]
fn without_room_in_the_cache_the_bucket_is_read() {
    let world = World::new("");
    let bucket = world.bucket();
    world.file("bucket/o", b"bytes");
    // What a full disk does to every file: here none can be made, not even by root.
    fs::remove_dir(world.path("cache-bucket")).unwrap();
    fs::write(world.path("cache-bucket"), b"").unwrap();
    let handle = bucket.open(Path::new("o"), FileType::Data, READ).unwrap();
    let mut bytes = [0; 5];
    handle.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"bytes");
    let messages = world.messages.0.lock().unwrap();
    assert!(messages[0].starts_with("Warning dir_store: ") && messages[0].contains("o: not cached"), "{messages:?}");
}

#[test]
fn the_cache_directory_can_be_chosen() {
    let world = World::new("");
    let bucket =
        world.store.customize_file_system("bucket", "", Config::single("cache_directory=\"my/cache\"")).unwrap();
    world.file("bucket/o", b"bytes");
    bucket.open(Path::new("o"), FileType::Data, READ).unwrap();
    assert!(world.path("my/cache/o").exists() && !world.path("cache-bucket").exists());
    let absolute = world.path("bucket");
    World::new("").store.customize_file_system(absolute.to_str().unwrap(), "", Config::default()).unwrap();
}

#[test]
fn a_missing_bucket_is_named_as_in_the_sample() {
    let world = World::new("");
    let error = world.store.customize_file_system("bucketX", "", Config::default()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::ENOENT);
    assert_eq!(error.to_string(), "dir_store: No such file or directory: bucketX: bucket directory");
}

#[rstest]
#[case("../o")]
#[case("/tmp/o")]
#[case("")]
fn objects_stay_inside_their_bucket(#[case] object: &str) {
    let world = World::new("");
    let source = world.file("a", b"x");
    assert_eq!(flush(&*world.bucket(), &source, object).unwrap_err().code(), ErrorCode::EINVAL);
    assert_eq!(world.bucket().remove(Path::new(object), false).unwrap_err().code(), ErrorCode::EINVAL);
}

#[rstest]
#[case(FileType::Log, READ)]
#[case(FileType::Directory, READ)]
#[case(FileType::Data, OpenOptions { readonly: false, ..READ })]
#[case(FileType::Data, OpenOptions { create: true, ..READ })]
fn other_opens_are_refused(#[case] file_type: FileType, #[case] options: OpenOptions) {
    let world = World::new("");
    world.file("bucket/o", b"bytes");
    let error = world.bucket().open(Path::new("o"), file_type, options).err().unwrap();
    assert_eq!(error.code(), ErrorCode::EINVAL);
    let rename = world.bucket().rename(Path::new("o"), Path::new("p"), true).unwrap_err();
    assert_eq!(rename.code(), ErrorCode::ENOTSUP);
}

#[rstest]
#[case("force_error=x")]
#[case("verbose=true")]
#[case("delay_ms=(a)")]
fn a_value_that_is_no_integer_is_refused_in_the_words_of_the_sample(#[case] config: &str) {
    let error = Options::parse(config).unwrap_err();
    assert_eq!(error.to_string(), "dir_store: Invalid argument: force_error config arg: integer required");
    assert_eq!(error.code(), ErrorCode::EINVAL);
}

#[test]
fn options_are_read_and_other_keys_ignored() {
    let options =
        Options::parse("cache=0,delay_ms=1,error_ms=2,force_delay=3,force_error=4,verbose=5,whatever=x").unwrap();
    let expected = Options { cache: false, delay_ms: 1, error_ms: 2, force_delay: 3, force_error: 4, verbose: 5 };
    assert_eq!(options, expected);
    assert_eq!(Options::parse("").unwrap(), Options::default());
    assert!(Options::parse("delay_ms=-1").is_err());
}

/// The counter goes on with opens and with flushes that got past the check.
#[test]
fn forced_errors_come_at_every_so_many_operations() {
    let world = World::new("force_error=3");
    let bucket = world.bucket();
    let source = world.file("a", b"x");
    let outcomes = |bucket: &dyn BucketFileSystem| flush(bucket, &source, "o").map_err(|error| error.to_string());
    // The very first operation is hit, again and again, until an open that needs no copy raises the counter.
    for _ in 0..2 {
        assert_eq!(outcomes(&*bucket).unwrap_err(), "dir_store: Network is unreachable: o: forced error");
    }
    fs::write(world.path("cache-bucket/c"), b"x").unwrap();
    bucket.open(Path::new("c"), FileType::Data, READ).unwrap();
    outcomes(&*bucket).unwrap();
    outcomes(&*bucket).unwrap();
    assert!(outcomes(&*bucket).is_err(), "operation 3");
}

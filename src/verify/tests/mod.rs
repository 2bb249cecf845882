//! Tests of verification, and by verification.

mod concurrent;
mod corpus;
mod flips;
mod relations;
mod store;
mod workloads;

use super::*;
use crate::os::MemoryFileSystem;
use crate::plugin::config::Config;

/// What a verification said besides its result.
#[derive(Debug, Default)]
struct Said {
    messages: Vec<String>,
    progress: Vec<Progress>,
}

/// Verifies and records everything.
fn run(input: &VerifyInput<'_>) -> (Result<VerifyReport>, Said) {
    let mut said = Said::default();
    let result = verify_file(input, &mut |message| said.messages.push(message.to_owned()), &mut |progress| {
        said.progress.push(progress)
    });
    (result, said)
}

const STRICT: VerifyOptions =
    VerifyOptions { strict: true, read_corrupt: false, do_not_clear_txn_id: false, stable_timestamp: 0 };

/// The block settings of a metadata value.
fn block_settings(value: &str) -> BlockSettings {
    let allocation_size = Config::single(value).i64_or("allocation_size", 4096).unwrap();
    BlockSettings { allocation_size: allocation_size.try_into().unwrap(), ..BlockSettings::default() }
}

/// A copy of a file system's file, for tests that change its bytes.
fn with_bytes(path: &Path, bytes: &[u8]) -> MemoryFileSystem {
    use hardwired_plugin::file_system::{FileType, OpenOptions};
    let fs = MemoryFileSystem::new();
    let options = OpenOptions { create: true, ..OpenOptions::default() };
    fs.open(path, FileType::Data, options).unwrap().write(0, bytes).unwrap();
    fs
}

fn bytes_of(fs: &dyn FileSystem, path: &Path) -> Vec<u8> {
    use hardwired_plugin::file_system::{FileType, OpenOptions};
    let handle = fs.open(path, FileType::Data, OpenOptions { readonly: true, ..OpenOptions::default() }).unwrap();
    let mut bytes = vec![0; handle.size().unwrap() as usize];
    handle.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn formats_tell_the_kind_of_tree() {
    assert_eq!(TreeKind::of("u", "u"), TreeKind::Row);
    assert_eq!(TreeKind::of("r", "u"), TreeKind::ColumnVariable);
    assert_eq!(TreeKind::of("r", "8t"), TreeKind::ColumnFixed { bits: 8 });
    assert_eq!(TreeKind::of("r", "t"), TreeKind::ColumnFixed { bits: 1 });
    assert_eq!(TreeKind::of("r", "tt"), TreeKind::ColumnVariable);
}

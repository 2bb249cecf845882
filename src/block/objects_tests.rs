//! Tiered trees, object by object.

use super::*;
use crate::ErrorCode;
use crate::os::MemoryFileSystem;
use crate::page::header::{PageHeader, PageType};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use rstest::rstest;
use std::path::PathBuf;
use std::sync::Arc;

const UNIT: u32 = 4096;

fn object(number: u32) -> PathBuf {
    PathBuf::from(format!("t-{number}"))
}

/// Objects as files of a file system in memory.
struct Files(MemoryFileSystem);

impl ObjectSource for Files {
    fn object_name(&self, number: u32) -> String {
        format!("t-{number}")
    }
    fn open_object(&self, number: u32) -> crate::Result<Arc<dyn FileHandle>> {
        self.0.open(&object(number), FileType::Data, OpenOptions::default())
    }
}

fn open(
    fs: &MemoryFileSystem,
    active: u32,
    cookie: Option<&[u8]>,
    mode: OpenMode,
) -> crate::Result<(Arc<BlockManager>, Option<Address>)> {
    let source = Arc::new(Files(fs.clone()));
    let open = ObjectsOpen { source, active };
    BlockManager::open_objects(fs, &object(active), "tiered:t", BlockSettings::default(), cookie, mode, open)
}

fn created(fs: &MemoryFileSystem) -> Arc<BlockManager> {
    BlockManager::create(fs, &object(1), UNIT).unwrap();
    open(fs, 1, None, OpenMode::Live).unwrap().0
}

fn next(fs: &MemoryFileSystem, number: u32) -> NextObject {
    BlockManager::create(fs, &object(number), UNIT).unwrap();
    NextObject { number, handle: Files(fs.clone()).open_object(number).unwrap() }
}

fn page(fill: u8) -> Vec<u8> {
    let mut image = vec![fill; 3000];
    PageHeader::new(PageType::RowLeaf, 3000, 1).write(&mut image).unwrap();
    image
}

/// A checkpoint that closes the active object.
fn close_object(manager: &BlockManager, next: NextObject) -> WrittenCheckpoint {
    manager.checkpoint_start().unwrap();
    let written = manager.checkpoint_and_switch(&mut [], Some(&mut page(9)), None, Some(next)).unwrap();
    manager.sync().unwrap();
    manager.checkpoint_resolve(true).unwrap();
    written
}

fn bytes(fs: &MemoryFileSystem, number: u32) -> Vec<u8> {
    let handle = Files(fs.clone()).open_object(number).unwrap();
    let mut bytes = vec![0; usize::try_from(handle.size().unwrap()).unwrap()];
    handle.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_checkpoint_that_switches_ends_the_old_object_for_good() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let first = manager.write(&mut page(1)).unwrap();
    let written = close_object(&manager, next(&fs, 2));
    let closed = bytes(&fs, 1);
    let second = manager.write(&mut page(2)).unwrap();
    assert_eq!((first.object_id, second.object_id, manager.active_object()), (1, 2, 2));
    assert_eq!(second.offset, u64::from(UNIT), "the next object begins empty");

    // What is deleted in a finished object is nobody's space any more.
    manager.free(&first).unwrap();
    let third = manager.write(&mut page(3)).unwrap();
    assert_eq!((third.object_id, third.offset), (2, 2 * u64::from(UNIT)));
    assert!(bytes(&fs, 1) == closed, "the finished object has changed");

    // The checkpoint is that of the first object; its root is read from there.
    let (reopened, root) = open(&fs, 2, Some(&written.cookie), OpenMode::Live).unwrap();
    let root = root.unwrap();
    assert_eq!((root.object_id, reopened.active_object()), (1, 2));
    assert_eq!(reopened.read(&root).unwrap()[100], 9);
    assert_eq!(reopened.read(&first).unwrap()[100], 1);
    let (reader, root) = open(&fs, 2, Some(&written.cookie), OpenMode::CheckpointReadOnly).unwrap();
    assert_eq!(reader.read(&root.unwrap()).unwrap()[100], 9);
}

#[test]
fn an_object_that_is_replaced_is_read_from_its_copy() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let address = manager.write(&mut page(1)).unwrap();
    close_object(&manager, next(&fs, 2));
    let elsewhere = MemoryFileSystem::new();
    let create = OpenOptions { create: true, ..OpenOptions::default() };
    let copy = elsewhere.open(&object(1), FileType::Data, create).unwrap();
    copy.write(0, &bytes(&fs, 1)).unwrap();
    manager.replace_object(1, &copy);
    copy.write(address.offset + 100, &[0x77]).unwrap();
    let error = manager.read(&address).unwrap_err();
    assert!(error.to_string().starts_with("t-1: corrupted at offset 4096"), "{error}");
    copy.write(address.offset + 100, &[1]).unwrap();
    manager.read(&address).unwrap();
}

#[test]
fn an_object_that_is_missing_is_named() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let address = manager.write(&mut page(1)).unwrap();
    let written = close_object(&manager, next(&fs, 2));
    drop(manager);
    fs.remove(&object(1), true).unwrap();
    let (manager, _) = open(&fs, 2, Some(&written.cookie), OpenMode::Live).unwrap();
    let error = manager.read(&address).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ENOENT);
    assert!(error.to_string().contains("t-1"), "{error}");
}

#[rstest]
#[case::number_zero(Address { object_id: 0, ..FINE }, "object 0, which the table doesn't have")]
#[case::a_number_to_come(Address { object_id: 3, ..FINE }, "object 3, which the table doesn't have")]
#[case::the_descriptor(Address { offset: 0, ..FINE }, "outside the object")]
#[case::an_odd_offset(Address { offset: 4097, ..FINE }, "outside the object")]
#[case::behind_the_end(Address { offset: 1 << 40, ..FINE }, "outside the object")]
#[case::beyond_all_numbers(Address { offset: u64::MAX - 4095, ..FINE }, "outside the object")]
#[case::an_odd_size(Address { size: 100, ..FINE }, "outside the object")]
#[case::a_huge_size(Address { size: 1 << 30, ..FINE }, "outside the object")]
fn an_address_of_no_block_is_refused(#[case] address: Address, #[case] reason: &str) {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    manager.write(&mut page(1)).unwrap();
    close_object(&manager, next(&fs, 2));
    manager.write(&mut page(2)).unwrap();
    let error = manager.read(&address).unwrap_err();
    assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
    assert!(error.to_string().contains(reason), "{error}");
}

/// The first block of the first object, but for its checksum.
const FINE: Address = Address { offset: 4096, size: 4096, checksum: 0, object_id: 1 };

#[test]
fn a_checkpoint_in_an_object_that_the_tree_lacks_is_damage() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    close_object(&manager, next(&fs, 2));
    manager.write(&mut page(2)).unwrap();
    let written = close_object(&manager, next(&fs, 3));
    let error = open(&fs, 1, Some(&written.cookie), OpenMode::Live).map(drop).unwrap_err();
    assert!(error.to_string().contains("a checkpoint in object 2, but the newest one is 1"), "{error}");
}

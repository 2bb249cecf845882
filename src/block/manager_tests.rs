//! What callers of the block manager meet: damage, failed writes, handles for reading, many threads.

use super::*;
use crate::ErrorCode;
use crate::os::{MemoryFileSystem, SimulatedFileSystem};
use crate::page::header::{PageFlags, PageHeader, PageType};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use rstest::rstest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const PATH: &str = "t.wt";
const UNIT: u32 = 4096;

fn path() -> &'static Path {
    Path::new(PATH)
}

fn open(
    fs: &dyn FileSystem,
    cookie: Option<&[u8]>,
    mode: OpenMode,
) -> crate::Result<(Arc<BlockManager>, Option<Address>)> {
    BlockManager::open(fs, path(), PATH, BlockSettings::default(), cookie, mode)
}

fn created(fs: &dyn FileSystem) -> Arc<BlockManager> {
    BlockManager::create(fs, path(), UNIT).unwrap();
    open(fs, None, OpenMode::Live).unwrap().0
}

fn image(size: usize, flags: PageFlags) -> Vec<u8> {
    let mut image = vec![0x5a; size];
    let header = PageHeader { flags, ..PageHeader::new(PageType::RowLeaf, size as u32, 1) };
    header.write(&mut image).unwrap();
    image
}

fn plain(size: usize) -> Vec<u8> {
    image(size, PageFlags::default())
}

fn checkpoint(manager: &BlockManager, entries: &mut [CheckpointEntry]) -> crate::Result<WrittenCheckpoint> {
    manager.checkpoint_start()?;
    let written = manager.checkpoint(entries, Some(&mut plain(100)), None)?;
    manager.sync()?;
    manager.checkpoint_resolve(true)?;
    Ok(written)
}

#[test]
fn a_name_that_is_taken_is_moved_aside() {
    let fs = MemoryFileSystem::new();
    assert_eq!(BlockManager::create(&fs, path(), UNIT).unwrap(), None);
    assert_eq!(BlockManager::create(&fs, path(), UNIT).unwrap(), Some(PathBuf::from("t.wt.1")));
    assert_eq!(BlockManager::create(&fs, path(), UNIT).unwrap(), Some(PathBuf::from("t.wt.2")));
    assert_eq!(fs.size(path()).unwrap(), 4096);
}

#[test]
fn blocks_are_padded_checksummed_and_read_back() {
    let manager = created(&MemoryFileSystem::new());
    let mut written = plain(5000);
    let address = manager.write(&mut written).unwrap();
    assert_eq!((address.offset, address.size, written.len()), (4096, 8192, 8192));
    let mut read = vec![1; 3];
    manager.read_into(&address, &mut read).unwrap();
    assert!(read == written && read[5000..].iter().all(|&byte| byte == 0));
    assert_eq!(manager.decode_address(&manager.encode_address(&address).unwrap()).unwrap(), Some(address));
    assert_eq!(manager.decode_address(&[0x80; 3]).unwrap(), None);
    let error = manager.decode_address(&[0x80; 2]).unwrap_err();
    assert!(error.to_string().starts_with("t.wt: corrupted"), "{error}");
}

#[rstest]
#[case(ChecksumMode::On, [true, true, true])]
#[case(ChecksumMode::Off, [false, false, false])]
#[case(ChecksumMode::Uncompressed, [true, false, true])]
#[case(ChecksumMode::Unencrypted, [true, true, false])]
fn the_checksum_covers_what_the_setting_says(#[case] checksum: ChecksumMode, #[case] whole: [bool; 3]) {
    let fs = MemoryFileSystem::new();
    drop(created(&fs));
    let settings = BlockSettings { checksum, ..BlockSettings::default() };
    let (manager, _) = BlockManager::open(&fs, path(), PATH, settings, None, OpenMode::Live).unwrap();
    for (flags, whole) in [PageFlags::default(), PageFlags::COMPRESSED, PageFlags::ENCRYPTED].into_iter().zip(whole) {
        let mut block = image(4096, flags);
        let address = manager.write(&mut block).unwrap();
        assert_eq!(block[36], u8::from(whole));
        let file = fs.open(path(), FileType::Data, OpenOptions::default()).unwrap();
        file.write(address.offset + 64, &[!block[64]]).unwrap();
        assert_eq!(manager.read(&address).is_err(), whole, "a change after 64 bytes");
        file.write(address.offset + 63, &[!block[63]]).unwrap();
        assert!(manager.read(&address).is_err(), "a change within 64 bytes");
    }
}

#[test]
fn every_damaged_byte_of_a_block_is_found_and_named() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let mut block = plain(600);
    let address = manager.write(&mut block).unwrap();
    let file = fs.open(path(), FileType::Data, OpenOptions::default()).unwrap();
    for at in (0..100).chain((100..4096).step_by(97)) {
        file.write(4096 + at as u64, &[block[at] ^ 0x04]).unwrap();
        let error = manager.read(&address).unwrap_err();
        assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
        assert!(error.to_string().starts_with("t.wt: corrupted at offset 4096: "), "byte {at}: {error}");
        file.write(4096 + at as u64, &[block[at]]).unwrap();
    }
    manager.read(&address).unwrap();
}

#[rstest]
#[case::too_small(4096, 512, 22)]
#[case::misaligned(5000, 4096, -31802)]
#[case::descriptor(0, 4096, -31802)]
#[case::beyond_end(8192, 4096, -31802)]
#[case::huge(4096, 4_294_963_200, -31802)]
#[case::far_away(1 << 62, 4096, -31802)]
fn impossible_addresses_are_refused(#[case] offset: u64, #[case] size: u32, #[case] code: i32) {
    let manager = created(&MemoryFileSystem::new());
    manager.write(&mut plain(100)).unwrap();
    let error = manager.read(&Address { offset, size, checksum: 1, object_id: 0 }).unwrap_err();
    assert_eq!(error.code().0, code, "{error}");
    assert!(error.to_string().starts_with("t.wt: "), "{error}");
    manager.write(&mut plain(100)).expect("a failed read changes nothing");
}

#[test]
fn a_failed_write_stops_everything() {
    let fs = SimulatedFileSystem::new();
    let manager = created(&fs);
    let address = manager.write(&mut plain(100)).unwrap();
    fs.fail_from(fs.changes());
    let error = manager.write(&mut plain(100)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PANIC);
    assert!(error.to_string().contains("simulated failure"), "the cause is named: {error}");
    fs.fail_from(u64::MAX);
    manager.read(&address).expect("reads go on");
    assert_eq!(manager.write(&mut plain(100)).unwrap_err().code(), ErrorCode::PANIC);
    assert_eq!(manager.free(&address).unwrap_err().code(), ErrorCode::PANIC);
    assert_eq!(manager.sync().unwrap_err().code(), ErrorCode::PANIC);
    assert_eq!(manager.checkpoint_start().unwrap_err().code(), ErrorCode::PANIC);
    assert_eq!(manager.close().unwrap_err().code(), ErrorCode::PANIC);
}

#[test]
fn a_failed_sync_stops_everything() {
    let fs = SimulatedFileSystem::new();
    let manager = created(&fs);
    fs.fail_from(fs.changes());
    assert_eq!(manager.sync().unwrap_err().code(), ErrorCode::PANIC);
    fs.fail_from(u64::MAX);
    assert_eq!(manager.sync().unwrap_err().code(), ErrorCode::PANIC, "a second sync can't make up for the first");
}

#[test]
fn blocks_that_are_not_in_use_can_not_be_freed() {
    let manager = created(&MemoryFileSystem::new());
    let address = manager.write(&mut plain(100)).unwrap();
    manager.free(&address).unwrap();
    assert_eq!(manager.free(&address).unwrap_err().code(), ErrorCode::PANIC);
}

#[test]
fn too_small_and_too_large_images_are_refused_without_harm() {
    let manager = created(&MemoryFileSystem::new());
    assert_eq!(manager.write(&mut vec![0; 39]).unwrap_err().code(), ErrorCode::EINVAL);
    manager.write(&mut plain(40)).unwrap();
}

#[test]
fn the_steps_of_a_checkpoint_have_one_order() {
    let wrong: [fn(&BlockManager) -> crate::Result<()>; 3] = [
        |manager| manager.checkpoint_start().and_then(|()| manager.checkpoint_start()),
        |manager| manager.checkpoint(&mut [], None, None).map(drop),
        |manager| manager.checkpoint_resolve(true),
    ];
    for steps in wrong {
        let manager = created(&MemoryFileSystem::new());
        assert_eq!(steps(&manager).unwrap_err().code(), ErrorCode::PANIC);
    }
    let manager = created(&MemoryFileSystem::new());
    manager.checkpoint_start().unwrap();
    manager.checkpoint_resolve(false).expect("nothing was written");
    checkpoint(&manager, &mut []).unwrap();
    manager.checkpoint_start().unwrap();
    manager.checkpoint(&mut [], None, None).unwrap();
    let error = manager.checkpoint_resolve(false).unwrap_err();
    assert!(error.to_string().contains("the checkpoint failed, the system must restart"), "{error}");
}

#[test]
fn unreadable_lists_leave_the_file_as_it_is() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    manager.write(&mut plain(100)).unwrap();
    let first = checkpoint(&manager, &mut []).unwrap();
    let cookie = CheckpointCookie::decode(&first.cookie, UNIT).unwrap();
    let file = fs.open(path(), FileType::Data, OpenOptions::default()).unwrap();
    let mut byte = [0];
    let at = cookie.alloc.unwrap().offset + 45;
    file.read(at, &mut byte).unwrap();
    file.write(at, &[!byte[0]]).unwrap();
    let mut entries = [CheckpointEntry { cookie: first.cookie, action: CheckpointAction::Delete }];
    manager.checkpoint_start().unwrap();
    let size = manager.statistics().size;
    let error = manager.checkpoint(&mut entries, Some(&mut plain(100)), None).unwrap_err();
    assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
    assert_eq!(manager.statistics().size, size);
    manager.checkpoint_resolve(false).unwrap();
    file.write(at, &byte).unwrap();
    checkpoint(&manager, &mut entries).unwrap();
}

#[test]
fn handles_for_reading_read_their_checkpoint_and_write_nothing() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let block = manager.write(&mut plain(100)).unwrap();
    let written = checkpoint(&manager, &mut []).unwrap();
    let cookie = Some(&written.cookie[..]);
    let (reader, root) = open(&fs, cookie, OpenMode::CheckpointReadOnly).unwrap();
    assert_eq!(root, written.root);
    reader.read(&root.unwrap()).unwrap();
    reader.read(&block).unwrap();
    assert_eq!(reader.write(&mut plain(100)).unwrap_err().code(), ErrorCode::EPERM);
    assert_eq!(reader.free(&block).unwrap_err().code(), ErrorCode::EPERM);
    assert_eq!(reader.checkpoint_start().unwrap_err().code(), ErrorCode::EPERM);
    reader.close().unwrap();
}

#[test]
fn opening_cuts_off_what_the_checkpoint_does_not_hold() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let kept = manager.write(&mut plain(100)).unwrap();
    let written = checkpoint(&manager, &mut []).unwrap();
    let size = fs.size(path()).unwrap();
    let lost = manager.write(&mut plain(9000)).unwrap();
    assert!(fs.size(path()).unwrap() > size);
    drop(manager);
    let (manager, _) = open(&fs, Some(&written.cookie), OpenMode::Live).unwrap();
    assert_eq!((fs.size(path()).unwrap(), manager.statistics().size), (size, size));
    manager.read(&kept).unwrap();
    assert!(manager.read(&lost).is_err());
    drop(manager);
    drop(open(&fs, Some(&[]), OpenMode::Live).unwrap());
    assert_eq!(fs.size(path()).unwrap(), 4096, "without a checkpoint the file is emptied");
}

/// A changed digit in the metadata must not cost data.
#[test]
fn a_file_is_not_cut_by_a_damaged_cookie() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let free = manager.write(&mut plain(100)).unwrap();
    for _ in 0..9 {
        manager.write(&mut plain(100)).unwrap();
    }
    manager.free(&free).unwrap();
    manager.checkpoint_start().unwrap();
    let trailer = |_: &TrailerRequest<'_>| Ok(Some(Trailer::default()));
    let written = manager.checkpoint(&mut [], None, Some(&trailer)).unwrap();
    drop(manager);
    let size = fs.size(path()).unwrap();
    for at in 0..written.cookie.len() {
        for bit in 0..8 {
            let mut cookie = written.cookie.clone();
            cookie[at] ^= 1 << bit;
            let _ = open(&fs, Some(&cookie), OpenMode::Live);
            assert_eq!(fs.size(path()).unwrap(), size, "byte {at}, bit {bit}");
        }
    }
    let cookie = CheckpointCookie::decode(&written.cookie, UNIT).unwrap();
    let cookie = CheckpointCookie { file_size: size - 4096, ..cookie }.encode(UNIT).unwrap();
    assert!(open(&fs, Some(&cookie), OpenMode::Live).is_err());
    open(&fs, Some(&written.cookie), OpenMode::Live).unwrap();
}

/// WiredTiger opens such a file, and fails at the first read beyond its end.
#[test]
fn a_file_that_lost_its_end_is_refused_unless_that_was_free() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let blocks: Vec<Address> = (0..4).map(|_| manager.write(&mut plain(100)).unwrap()).collect();
    let written = checkpoint(&manager, &mut []).unwrap();
    drop(manager);
    let file = fs.open(path(), FileType::Data, OpenOptions::default()).unwrap();
    let size = file.size().unwrap();
    file.truncate(size - 1).unwrap();
    let error = open(&fs, Some(&written.cookie), OpenMode::Live).unwrap_err();
    assert!(error.to_string().starts_with("t.wt: corrupted at offset"), "{error}");
    assert_eq!(file.size().unwrap(), size - 1);
    file.truncate(size).unwrap();

    // With free space at its end, a file may have lost that to a later checkpoint that never became durable.
    let (manager, _) = open(&fs, Some(&written.cookie), OpenMode::Live).unwrap();
    manager.set_truncation_allowed(false);
    blocks.iter().for_each(|address| manager.free(address).unwrap());
    let delete = |cookie| CheckpointEntry { cookie, action: CheckpointAction::Delete };
    let mut last = written.cookie;
    for _ in 0..2 {
        last = checkpoint(&manager, &mut [delete(last)]).unwrap().cookie;
    }
    let size = manager.statistics().size;
    manager.set_truncation_allowed(true);
    assert!(manager.has_free_tail());
    manager.checkpoint_start().unwrap();
    manager.checkpoint(&mut [delete(last.clone())], None, None).unwrap();
    assert!(fs.size(path()).unwrap() < size);
    drop(manager);
    open(&fs, Some(&last), OpenMode::Live).unwrap();
}

#[rstest]
#[case(b"\x02\x80\x80\x80", "unsupported checkpoint version 2")]
#[case(b"\x01\x80\x80\x80", "cut off")]
#[case(b"\x01\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\xc1\x00\x80", "file size 320 is not a multiple")]
fn impossible_cookies_are_refused_and_the_file_stays(#[case] cookie: &[u8], #[case] text: &str) {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    manager.write(&mut plain(100)).unwrap();
    drop(manager);
    let error = open(&fs, Some(cookie), OpenMode::Live).unwrap_err();
    assert!(error.to_string().starts_with("t.wt: ") && error.to_string().contains(text), "{error}");
    assert_eq!(fs.size(path()).unwrap(), 8192);
}

#[test]
fn a_backup_keeps_the_file_from_shrinking() {
    let fs = MemoryFileSystem::new();
    let manager = created(&fs);
    let blocks: Vec<Address> = (0..10).map(|_| manager.write(&mut plain(100)).unwrap()).collect();
    manager.set_truncation_allowed(false);
    blocks.iter().for_each(|address| manager.free(address).unwrap());
    assert!(manager.has_free_tail());
    let size = fs.size(path()).unwrap();
    checkpoint(&manager, &mut []).unwrap();
    assert_eq!(fs.size(path()).unwrap(), size);
    assert!(manager.statistics().size < size, "the logical size shrinks all the same");
    manager.close().unwrap();
    assert!(fs.size(path()).unwrap() < size);
}

/// Writers, freers and readers at once: no block is handed out twice, and every read is right.
#[test]
fn many_threads_share_a_file() {
    let manager = created(&MemoryFileSystem::new());
    let mut kept: Vec<Address> = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4u8)
            .map(|worker| {
                let manager = &manager;
                scope.spawn(move || {
                    let mut mine: Vec<(Address, u8)> = Vec::new();
                    for round in 0..400u32 {
                        let fill = worker.wrapping_mul(61).wrapping_add(round as u8);
                        let mut block = plain(100 + (round as usize * 37) % 9000);
                        block[HEADER_SIZE..].fill(fill);
                        mine.push((manager.write(&mut block).unwrap(), fill));
                        let (address, fill) = mine[round as usize * 7 % mine.len()];
                        assert_eq!(manager.read(&address).unwrap()[HEADER_SIZE], fill);
                        if mine.len() > 50 {
                            let (address, _) = mine.swap_remove(round as usize * 13 % 50);
                            manager.free(&address).unwrap();
                        }
                    }
                    mine
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| kept.extend(worker.join().unwrap().iter().map(|(address, _)| address)));
    });
    let mut used = ExtentSet::new();
    for address in &kept {
        used.insert(Extent::new(address.offset, u64::from(address.size))).expect("no block twice");
        manager.read(address).unwrap();
    }
    let statistics = manager.statistics();
    assert_eq!(statistics.size, u64::from(UNIT) + used.bytes() + statistics.avail_bytes, "no byte is lost");
}

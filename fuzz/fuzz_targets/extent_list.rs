//! Extent lists: the input is the content of an avail list behind its header, in a file that is right otherwise.
//!
//! If the file opens, space can be allocated, freed and checkpointed, and the lists it then holds can be read back.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use hardwired::block::{
    Address, BlockManager, BlockSettings, CheckpointAction, CheckpointCookie, CheckpointEntry, OpenMode,
};
use hardwired::os::MemoryFileSystem;
use hardwired_fuzz::sealed;
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};

const ALLOCATION_SIZE: usize = 512;
/// Descriptor, free space for extents to name, then the list.
const LIST_AT: usize = 64 * ALLOCATION_SIZE;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let fs = MemoryFileSystem::new();
    let path = Path::new("f.wt");
    BlockManager::create(&fs, path, ALLOCATION_SIZE as u32).expect("a file can be made in memory");
    let block = list_block(data);
    let handle = fs.open(path, FileType::Data, OpenOptions::default()).expect("the file is there");
    handle.write(LIST_AT as u64, &block).expect("memory can be written");
    drop(handle);
    let avail = Address {
        offset: LIST_AT as u64,
        size: block.len() as u32,
        checksum: sealed::stored_checksum(&block),
        object_id: 0,
    };
    let cookie = CheckpointCookie {
        root: None,
        alloc: None,
        avail: Some(avail),
        discard: None,
        file_size: (LIST_AT + block.len()) as u64,
        rolling_size: 0,
        object_id: 0,
    };
    let cookie = cookie.encode(ALLOCATION_SIZE as u32).expect("the cookie is in order");
    let settings = BlockSettings { allocation_size: ALLOCATION_SIZE as u32, ..BlockSettings::default() };
    let Ok((manager, _)) = BlockManager::open(&fs, path, "f.wt", settings, Some(&cookie), OpenMode::Live) else {
        return;
    };
    use_space(&manager, cookie);
});

fn list_block(content: &[u8]) -> Vec<u8> {
    let used = sealed::HEADER + content.len();
    let mut block = vec![0; used.next_multiple_of(ALLOCATION_SIZE)];
    let size = block.len() as u32;
    block[16..20].copy_from_slice(&(used as u32).to_le_bytes());
    block[20..24].copy_from_slice(&(content.len() as u32).to_le_bytes());
    block[24] = 1; // page type: the block manager's own
    block[27] = 1; // page version
    block[28..32].copy_from_slice(&size.to_le_bytes());
    block[36] = 1; // checksum over the whole block
    block[sealed::HEADER..used].copy_from_slice(content);
    sealed::seal(&mut block);
    block
}

/// A checkpoint on a list that was accepted. The list may claim space that is in use, so any step may be refused, but none
/// panics, and what was written can be read.
fn use_space(manager: &Arc<BlockManager>, cookie: Vec<u8>) {
    let mut image = vec![0; 600];
    image[24] = 7;
    let Ok(address) = manager.write(&mut image) else { return };
    let mut block = Vec::new();
    manager.read_into(&address, &mut block).expect("what was written can be read");
    if manager.checkpoint_start().is_err() {
        return;
    }
    let mut entries = [CheckpointEntry { cookie, action: CheckpointAction::Delete }];
    if manager.checkpoint(&mut entries, None, None).is_ok() {
        drop(manager.sync());
        drop(manager.checkpoint_resolve(true));
    }
    drop(manager.free(&address));
    drop(manager.close());
}

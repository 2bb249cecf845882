//! Every byte of a small file changed, with and without repaired checksums: an error or success, never a panic or a hang.
//!
//! With repaired checksums changes reach the decoders. What still verifies must also be readable: the tree trusts pages no
//! further than verification has looked.

use super::store::*;
use super::*;
use crate::block::Address;
use crate::btree::TreeCursor;
use crate::page::cell::Cells;
use crate::page::checksum;
use crate::page::header::{BlockHeader, PageFlags, PageHeader, PageType};
use crate::txn::Txn;
use std::collections::BTreeMap;

const UNIT: u32 = 512;

/// A file of two checkpoints that share pages, with overflow items and a list of freed blocks.
fn small_file() -> Store {
    let mut store = Store::new(1 << 20, small_pages());
    for round in 0..2_u8 {
        let mut txn = Txn::new(&store.txns).unwrap();
        let mut cursor = TreeCursor::new(&store.tree);
        for number in (0..120_u32).filter(|number| round == 0 || *number < 40) {
            let key = if number == 7 { "key-00007".repeat(30) } else { format!("key-{number:05}") };
            let len = if number % 50 == 0 { 600 } else { number % 30 };
            put(&mut cursor, &mut txn, key.as_bytes(), &vec![b'a' + round; len as usize]);
        }
        if round == 1 {
            assert!(remove(&mut cursor, &mut txn, b"key-00050"));
        }
        drop((cursor, txn));
        store.checkpoint(&[]);
    }
    store.verify("undamaged");
    store
}

/// Where the address of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Block(u64),
    Checkpoint(usize),
}

/// The blocks of a file that matter to verification: size, and where their addresses are.
type Blocks = BTreeMap<u64, (u32, Vec<Holder>)>;

fn blocks_of(bytes: &[u8], checkpoints: &[Checkpoint]) -> Blocks {
    let mut blocks = Blocks::new();
    let mut pending: Vec<(Address, Holder)> = Vec::new();
    for (index, checkpoint) in checkpoints.iter().enumerate() {
        let cookie = CheckpointCookie::decode(&checkpoint.cookie, UNIT).unwrap();
        // The avail list of an older checkpoint is never read.
        let avail = cookie.avail.filter(|_| index + 1 == checkpoints.len());
        let addresses = [cookie.root, cookie.alloc, avail, cookie.discard];
        pending.extend(addresses.into_iter().flatten().map(|address| (address, Holder::Checkpoint(index))));
    }
    while let Some((address, holder)) = pending.pop() {
        let (_, holders) = blocks.entry(address.offset).or_insert((address.size, Vec::new()));
        let is_new = holders.is_empty();
        if !holders.contains(&holder) {
            holders.push(holder);
        }
        let block = &bytes[address.offset as usize..][..address.size as usize];
        let header = PageHeader::parse(block).unwrap();
        if !is_new || matches!(header.page_type, PageType::BlockManager | PageType::Overflow) {
            continue;
        }
        for cell in Cells::new(header.image(block).unwrap(), header.flags.has(PageFlags::FAST_TRUNCATE)) {
            let cell = cell.unwrap();
            if cell.kind.is_address() || cell.kind.is_overflow() {
                let child = Address::unpack(cell.data, UNIT).unwrap();
                pending.push((child, Holder::Block(address.offset)));
            }
        }
    }
    blocks
}

/// Gives a changed block its right checksum, and with it all blocks above it and the checkpoint cookies. `None` if an
/// address would change its length.
fn repair(bytes: &mut [u8], checkpoints: &mut [Checkpoint], blocks: &Blocks, changed: u64) -> Option<()> {
    let mut pending = vec![changed];
    while let Some(offset) = pending.pop() {
        let (size, holders) = &blocks[&offset];
        let block = &mut bytes[offset as usize..][..*size as usize];
        let old = Address { offset, size: *size, checksum: BlockHeader::parse(block).unwrap().checksum, object_id: 0 };
        let whole = block[36] & 1 != 0;
        let mut sealed = block.to_vec();
        // The change may have hit the block header: only the checksum is to be made right.
        let sum = checksum::seal(&mut sealed, whole).unwrap();
        block[32..36].copy_from_slice(&sum.to_le_bytes());
        let header = BlockHeader::parse(block).unwrap();
        if header.disk_size != *size || sealed != block {
            return None;
        }
        let new = Address { checksum: sum, ..old };
        let (from, to) = (old.to_cookie(UNIT).unwrap(), new.to_cookie(UNIT).unwrap());
        if from.len() != to.len() {
            return None;
        }
        for holder in holders {
            match *holder {
                Holder::Block(parent) => {
                    let (parent_size, _) = blocks[&parent];
                    let parent_block = &mut bytes[parent as usize..][..parent_size as usize];
                    // A change of the parent itself may have hit the address.
                    let at = parent_block.windows(from.len()).position(|window| window == from)?;
                    parent_block[at..][..to.len()].copy_from_slice(&to);
                    pending.push(parent);
                }
                Holder::Checkpoint(index) => {
                    let mut cookie = CheckpointCookie::decode(&checkpoints[index].cookie, UNIT).unwrap();
                    for slot in [&mut cookie.root, &mut cookie.alloc, &mut cookie.avail, &mut cookie.discard] {
                        if slot.is_some_and(|address| address.offset == offset) {
                            *slot = Some(new);
                        }
                    }
                    checkpoints[index].cookie = cookie.encode(UNIT).unwrap();
                }
            }
        }
    }
    Some(())
}

fn verify_bytes(store: &Store, fs: &MemoryFileSystem, checkpoints: &[Checkpoint]) -> Result<VerifyReport> {
    let options = VerifyOptions { strict: false, ..STRICT };
    run(&VerifyInput { fs, checkpoints, ..store.input(options) }).0
}

#[test]
fn every_changed_byte_in_use_is_found() {
    let store = small_file();
    let bytes = bytes_of(&store.fs, Path::new(PATH));
    let blocks = blocks_of(&bytes, &store.checkpoints);
    assert!(blocks.len() > 15, "{}", blocks.len());
    let in_use = |at: u64| {
        let block = blocks.range(..=at).next_back().filter(|(offset, (size, _))| at < *offset + u64::from(*size));
        at < u64::from(UNIT) || block.is_some()
    };
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let result = verify_bytes(&store, &with_bytes(Path::new(PATH), &changed), &store.checkpoints);
        assert_eq!(result.is_err(), in_use(at as u64), "byte {at}: {result:?}");
    }
}

#[test]
fn changes_behind_repaired_checksums_are_errors_or_harmless() {
    let store = small_file();
    let bytes = bytes_of(&store.fs, Path::new(PATH));
    let blocks = blocks_of(&bytes, &store.checkpoints);
    let (mut errors, mut accepted, mut skipped) = (0, 0, 0);
    for (&offset, &(size, _)) in &blocks {
        for at in offset..offset + u64::from(size) {
            for mask in [1 << (at % 8), 0xff] {
                let (mut changed, mut checkpoints) = (bytes.clone(), store.checkpoints.clone());
                changed[at as usize] ^= mask;
                if repair(&mut changed, &mut checkpoints, &blocks, offset).is_none() {
                    skipped += 1;
                    continue;
                }
                let fs = with_bytes(Path::new(PATH), &changed);
                if verify_bytes(&store, &fs, &checkpoints).is_err() {
                    errors += 1;
                    continue;
                }
                accepted += 1;
                for checkpoint in &checkpoints {
                    store.read_copy(&fs, checkpoint).unwrap_or_else(|error| panic!("byte {at}, mask {mask}: {error}"));
                }
            }
        }
    }
    // The block headers, apart from their first flag, and the few checksums of another length.
    assert!(skipped < 1_000, "{skipped} of {} blocks", blocks.len());
    // Values may be anything, padding of pages must be zero.
    assert!(errors > 3_000 && accepted > 1_000, "{errors} {accepted}");
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_complete() {
    let store = small_file();
    let bytes = bytes_of(&store.fs, Path::new(PATH));
    for end in (0..bytes.len()).step_by(61) {
        let result = verify_bytes(&store, &with_bytes(Path::new(PATH), &bytes[..end]), &store.checkpoints);
        assert!(result.is_err() || end > bytes.len() / 2, "cut at {end}");
    }
}

#[test]
fn changed_checkpoint_cookies_are_errors() {
    let store = small_file();
    let mut errors = 0;
    for index in 0..store.checkpoints.len() {
        for at in 0..store.checkpoints[index].cookie.len() {
            for mask in [1, 0x10, 0x80, 0xff] {
                let mut checkpoints = store.checkpoints.clone();
                checkpoints[index].cookie[at] ^= mask;
                errors += usize::from(verify_bytes(&store, &store.fs, &checkpoints).is_err());
            }
        }
    }
    assert!(errors > 100, "{errors}");
}

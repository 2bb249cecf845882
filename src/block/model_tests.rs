//! Random lives of a file, checked against a model, with and without crashes.
//!
//! The model of a tree is the list of its blocks and what is in them. The metadata is a small file that names the newest
//! durable state by a number; the states themselves stay in memory. After every checkpoint, and after every crash, each
//! checkpoint that the metadata lists must read back and verify strictly.

use super::*;
use crate::os::{CrashPolicy, MemoryFileSystem, SimulatedFileSystem};
use crate::page::header::{PageHeader, PageType};
use crate::{ErrorCode, Result};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

const UNIT: u32 = 512;
const SETTINGS: BlockSettings = BlockSettings { allocation_size: UNIT, first_fit: false, checksum: ChecksumMode::On };

#[derive(Debug, Clone)]
enum Operation {
    Write {
        units: u8,
    },
    Free {
        index: u16,
    },
    /// A bit for each existing checkpoint: whether it stays.
    Checkpoint {
        keep: u8,
    },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (1u8..6).prop_map(|units| Operation::Write { units }),
        5 => any::<u16>().prop_map(|index| Operation::Free { index }),
        // Mostly like the engine: the checkpoint before goes. Never more than eight stay.
        2 => prop_oneof![Just(0), any::<u8>()].prop_map(|keep| Operation::Checkpoint { keep }),
        1 => Just(Operation::Reopen),
    ]
}

/// One block of the tree: where, and the byte it is filled with.
type Block = (Address, u8);

#[derive(Debug, Clone)]
struct Durable {
    cookie: Vec<u8>,
    root: Option<Block>,
    blocks: Vec<Block>,
}

/// The checkpoints listed by one version of the metadata, oldest first.
type Metadata = Vec<Durable>;

struct Model<'a> {
    fs: &'a dyn FileSystem,
    manager: Arc<BlockManager>,
    blocks: Vec<Block>,
    /// All versions of the metadata; the file on disk names one.
    versions: Vec<Metadata>,
    fill: u8,
}

impl<'a> Model<'a> {
    fn create(fs: &'a dyn FileSystem) -> Result<Self> {
        BlockManager::create(fs, Path::new("t.wt"), UNIT)?;
        store_version(fs, 0)?;
        Self::open(fs, vec![Vec::new()])
    }

    /// Opens the file at the newest checkpoint of the metadata on disk.
    fn open(fs: &'a dyn FileSystem, mut versions: Vec<Metadata>) -> Result<Self> {
        versions.truncate(load_version(fs) + 1);
        let newest = versions.last().unwrap().last();
        let cookie = newest.map(|durable| &durable.cookie[..]);
        let (manager, root) = BlockManager::open(fs, Path::new("t.wt"), "t.wt", SETTINGS, cookie, OpenMode::Live)?;
        assert_eq!(root, newest.and_then(|durable| durable.root).map(|(address, _)| address));
        let blocks = newest.map(|durable| durable.blocks.clone()).unwrap_or_default();
        Ok(Self { fs, manager, blocks, versions, fill: 0 })
    }

    fn run(&mut self, operation: &Operation) -> Result<()> {
        match *operation {
            Operation::Write { units } => {
                let fill = self.next_fill();
                let address = self.manager.write(&mut image(u32::from(units) * UNIT - 7, fill))?;
                self.blocks.push((address, fill));
            }
            Operation::Free { index } if !self.blocks.is_empty() => {
                let (address, _) = self.blocks.swap_remove(usize::from(index) % self.blocks.len());
                self.manager.free(&address)?;
            }
            Operation::Free { .. } => {}
            Operation::Checkpoint { keep } => self.checkpoint(keep)?,
            Operation::Reopen => {
                self.manager.close()?;
                *self = Self::open(self.fs, self.versions.clone())?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, keep: u8) -> Result<()> {
        let mut list = self.versions.last().unwrap().clone();
        let stays = |index: usize| index < 8 && keep >> index & 1 == 1;
        let mut entries: Vec<CheckpointEntry> = (list.iter().enumerate())
            .map(|(index, durable)| CheckpointEntry {
                cookie: durable.cookie.clone(),
                action: if stays(index) { CheckpointAction::Keep } else { CheckpointAction::Delete },
            })
            .collect();
        let fill = self.next_fill();
        let mut root = (!self.blocks.is_empty()).then(|| image(UNIT, fill));
        let trailer = |_: &TrailerRequest<'_>| Ok(Some(Trailer { write_gen: 1, ..Trailer::default() }));
        self.manager.checkpoint_start()?;
        let written = self.manager.checkpoint(&mut entries, root.as_mut(), Some(&trailer))?;
        self.manager.sync()?;
        list.iter_mut().zip(&entries).for_each(|(durable, entry)| durable.cookie.clone_from(&entry.cookie));
        let mut index = 0;
        list.retain(|_| {
            index += 1;
            stays(index - 1)
        });
        let root = written.root.map(|address| (address, fill));
        list.push(Durable { cookie: written.cookie, root, blocks: self.blocks.clone() });
        // Known before it is durable: after a crash the metadata on disk may be this one.
        self.versions.push(list);
        store_version(self.fs, self.versions.len() - 1)?;
        self.manager.checkpoint_resolve(true)?;
        verify(self.fs, self.versions.last().unwrap());
        Ok(())
    }

    fn next_fill(&mut self) -> u8 {
        self.fill = self.fill.wrapping_add(1);
        self.fill
    }
}

/// A page image of `size` bytes, all but its headers `fill`.
fn image(size: u32, fill: u8) -> Vec<u8> {
    let mut image = vec![fill; size as usize];
    PageHeader::new(PageType::RowLeaf, size, 0).write(&mut image).unwrap();
    image
}

/// Reads every block of every checkpoint, and accounts for every byte of the file.
fn verify(fs: &dyn FileSystem, metadata: &Metadata) {
    let path = Path::new("t.wt");
    let (manager, _) = BlockManager::open(fs, path, "t.wt", SETTINGS, None, OpenMode::CheckpointReadOnly).unwrap();
    let cookies: Vec<Vec<u8>> = metadata.iter().map(|durable| durable.cookie.clone()).collect();
    let mut verifier = Verifier::new(&manager, &cookies, true).unwrap();
    for durable in metadata {
        assert_eq!(verifier.begin_checkpoint().unwrap(), durable.root.map(|(address, _)| address));
        for (address, fill) in durable.blocks.iter().chain(&durable.root) {
            let block = manager.read(address).unwrap();
            assert!(block[HEADER_SIZE..].iter().all(|byte| byte == fill || *byte == 0) && block[HEADER_SIZE] == *fill);
        }
        durable.blocks.iter().for_each(|(address, _)| verifier.block(address).unwrap());
        verifier.end_checkpoint().unwrap();
    }
    verifier.finish().unwrap();
}

fn store_version(fs: &dyn FileSystem, version: usize) -> Result<()> {
    let (new, name) = (Path::new("metadata.set"), Path::new("metadata"));
    let file = fs.open(new, FileType::Regular, OpenOptions { create: true, ..OpenOptions::default() })?;
    file.write(0, &(version as u64).to_le_bytes())?;
    file.sync()?;
    fs.rename(new, name, true)
}

fn load_version(fs: &dyn FileSystem) -> usize {
    let mut bytes = [0; 8];
    fs.open(Path::new("metadata"), FileType::Regular, OpenOptions::default()).unwrap().read(0, &mut bytes).unwrap();
    u64::from_le_bytes(bytes) as usize
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_life_of_a_file_loses_or_leaks_a_block(operations in prop::collection::vec(operation(), 1..120)) {
        let fs = MemoryFileSystem::new();
        let mut model = Model::create(&fs).unwrap();
        for operation in &operations {
            model.run(operation).unwrap();
        }
        model.checkpoint(0).unwrap();
    }

    /// Power fails at a random change; what was durable is there, and life goes on.
    #[test]
    fn after_a_crash_the_last_durable_checkpoints_are_whole(
        operations in prop::collection::vec(operation(), 1..80),
        at in any::<prop::sample::Index>(),
        seed: u64,
        more in prop::collection::vec(operation(), 1..30),
    ) {
        let fs = SimulatedFileSystem::new();
        let mut model = Model::create(&fs).unwrap();
        let start = fs.changes();
        // A first run only counts the changes.
        for operation in &operations {
            model.run(operation).unwrap();
        }
        let changes = fs.changes();

        let fs = SimulatedFileSystem::new();
        let mut model = Model::create(&fs).unwrap();
        fs.fail_from(start + at.index((changes - start) as usize + 1) as u64);
        let failed = operations.iter().find_map(|operation| model.run(operation).err());
        if failed.is_some() && model.manager.write(&mut image(UNIT, 0)).is_ok() {
            // The failure was that of the metadata file.
            prop_assert_eq!(model.manager.checkpoint_resolve(false).unwrap_err().code(), ErrorCode::PANIC);
        }
        let versions = model.versions.clone();
        let fs = fs.crash(CrashPolicy::Random(seed));
        verify(&fs, &versions[load_version(&fs)]);
        let mut model = Model::open(&fs, versions).unwrap();
        for operation in &more {
            model.run(operation).unwrap();
        }
        model.checkpoint(0).unwrap();
    }
}

/// Under a steady load of inserts, deletes and checkpoints a file stays within a small multiple of its contents.
#[test]
fn a_steady_load_keeps_the_file_bounded() {
    let fs = MemoryFileSystem::new();
    let mut model = Model::create(&fs).unwrap();
    let mut random = 12345u32;
    let mut next = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 16
    };
    let mut largest = 0;
    for round in 0..6000u32 {
        model.run(&Operation::Write { units: (next() % 8 + 1) as u8 }).unwrap();
        if model.blocks.len() > 200 {
            model.run(&Operation::Free { index: next() as u16 }).unwrap();
        }
        if round % 25 == 0 {
            model.checkpoint(0).unwrap();
            model.versions.drain(..model.versions.len() - 1);
            store_version(&fs, 0).unwrap();
        }
        if round > 1000 {
            largest = largest.max(model.manager.statistics().size);
        }
    }
    let contents: u64 = model.blocks.iter().map(|(address, _)| u64::from(address.size)).sum();
    assert!(largest < 2 * contents, "the file grew to {largest} bytes for {contents} bytes of contents");
    model.blocks.drain(..).for_each(|(address, _)| model.manager.free(&address).unwrap());
    for _ in 0..3 {
        model.checkpoint(0).unwrap();
    }
    assert!(fs.size(Path::new("t.wt")).unwrap() < 20 * u64::from(UNIT), "an emptied file gives its space back");
}

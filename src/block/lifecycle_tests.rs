//! A file's whole life, as recorded from the real engine, replayed through the block manager: every offset, list, cookie
//! and truncation must be equal.

use super::cookie::CheckpointCookie;
use super::extent_list::{ListImage, ListKind, Trailer};
use super::test_support::{address_of, hex, vectors};
use super::*;
use crate::os::MemoryFileSystem;
use crate::page::header::{PageHeader, PageType};
use hardwired_plugin::file_system::FileSystem;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

struct Replay {
    fs: MemoryFileSystem,
    manager: Arc<BlockManager>,
    blocks: HashMap<u64, Address>,
    checkpoints: Vec<(String, Vec<u8>)>,
}

const PATH: &str = "t.wt";
const ALLOCATION_SIZE: u32 = 512;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn extents(value: &Value) -> Vec<Extent> {
    let pairs = value.as_array().map(Vec::as_slice).unwrap_or_default();
    pairs.iter().map(|pair| Extent::new(number(&pair[0]), number(&pair[1]))).collect()
}

impl Replay {
    fn new() -> Self {
        let fs = MemoryFileSystem::new();
        BlockManager::create(&fs, Path::new(PATH), ALLOCATION_SIZE).unwrap();
        let settings = BlockSettings { allocation_size: ALLOCATION_SIZE, ..BlockSettings::default() };
        let (manager, root) = BlockManager::open(&fs, Path::new(PATH), PATH, settings, None, OpenMode::Live).unwrap();
        assert_eq!(root, None);
        Self { fs, manager, blocks: HashMap::new(), checkpoints: Vec::new() }
    }

    fn image(size: u64) -> Vec<u8> {
        let mut image = vec![0xab; size as usize];
        PageHeader::new(PageType::RowLeaf, size as u32, 0).write(&mut image).unwrap();
        image
    }

    fn alloc(&mut self, event: &Value) {
        let size = number(&event["size"]);
        let address = self.manager.write(&mut Self::image(size)).unwrap();
        assert_eq!((address.offset, u64::from(address.size)), (number(&event["offset"]), size));
        self.blocks.insert(address.offset, address);
    }

    fn free(&mut self, event: &Value) {
        let address = self.blocks.remove(&number(&event["offset"])).unwrap();
        assert_eq!(u64::from(address.size), number(&event["size"]));
        self.manager.free(&address).unwrap();
    }

    fn checkpoint(&mut self, event: &Value) {
        let deleted: Vec<&str> =
            event["delete"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let name = event["name"].as_str().unwrap();
        let mut entries: Vec<CheckpointEntry> = self
            .checkpoints
            .iter()
            .map(|(name, cookie)| CheckpointEntry {
                cookie: cookie.clone(),
                action: if deleted.contains(&name.as_str()) {
                    CheckpointAction::Delete
                } else {
                    CheckpointAction::Keep
                },
            })
            .collect();
        let lists = event["list_blocks"].as_array().unwrap();
        let avail_size = number(&lists.last().unwrap()["size"]);
        // The trailer's texts aren't in the vector; any texts that give a block of the recorded size do.
        let trailer = |request: &TrailerRequest<'_>| {
            assert_eq!(request.size, number(&event["size"]));
            let trailer = |length: usize| Trailer { write_gen: 7, metadata: vec![b'm'; length], ..Trailer::default() };
            let size =
                |length| ListImage::new(std::iter::empty(), Some(&trailer(length)), ALLOCATION_SIZE).unwrap().size();
            let length = (0..4096).find(|&length| size(length) == avail_size).unwrap();
            Ok(Some(trailer(length)))
        };
        self.manager.checkpoint_start().unwrap();
        let mut root = (!event["root_offset"].is_null()).then(|| Self::image(number(&event["root_size"])));
        let written = self.manager.checkpoint(&mut entries, root.as_mut(), Some(&trailer)).unwrap();
        assert_eq!(written.size, number(&event["size"]));
        assert_eq!(written.root.map(|root| root.offset), event["root_offset"].as_u64());
        if let Some(length) = event["truncate_to"].as_u64() {
            assert!(self.fs.size(Path::new(PATH)).unwrap() >= length);
        }
        let ckpt_avail: Vec<Extent> = self.manager.live.as_ref().unwrap().lock().ckpt_avail.iter().collect();
        assert_eq!(ckpt_avail, extents(&event["ckpt_avail"]));

        let kept = self.checkpoints.iter().zip(entries).filter(|(_, entry)| entry.action == CheckpointAction::Keep);
        let mut checkpoints: Vec<_> = kept.map(|((name, _), entry)| (name.clone(), entry.cookie)).collect();
        checkpoints.push((name.to_owned(), written.cookie));
        self.checkpoints = checkpoints;
        for block in lists {
            let cookie = self.cookie(block["checkpoint"].as_str().unwrap());
            let address = match block["list"].as_str().unwrap() {
                "alloc" => cookie.alloc,
                "discard" => cookie.discard,
                _ => cookie.avail,
            };
            let place = address.map(|address| (address.offset, u64::from(address.size)));
            assert_eq!(place, Some((number(&block["offset"]), number(&block["size"]))), "{name}: {block}");
        }
        self.manager.sync().unwrap();
        self.manager.checkpoint_resolve(true).unwrap();
    }

    fn cookie(&self, name: &str) -> CheckpointCookie {
        let (_, bytes) = self.checkpoints.iter().find(|(other, _)| other == name).unwrap();
        CheckpointCookie::decode(bytes, ALLOCATION_SIZE).unwrap()
    }

    fn expect(&self, event: &Value) {
        let expected = event["checkpoints"].as_array().unwrap();
        let names: Vec<&str> = expected.iter().map(|checkpoint| checkpoint["name"].as_str().unwrap()).collect();
        assert_eq!(self.checkpoints.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
        for checkpoint in expected {
            let cookie = self.cookie(checkpoint["name"].as_str().unwrap());
            let recorded =
                CheckpointCookie::decode(&hex(checkpoint["cookie"].as_str().unwrap()), ALLOCATION_SIZE).unwrap();
            // Root and avail list hold bytes that the vector lacks; all else is equal, checksums included.
            let place = |address: Option<Address>| address.map(|address| (address.offset, address.size));
            assert_eq!(place(cookie.root), place(recorded.root));
            assert_eq!(place(cookie.avail), place(recorded.avail));
            assert_eq!(cookie.alloc, recorded.alloc);
            assert_eq!(cookie.discard, recorded.discard);
            assert_eq!(cookie.discard, address_of(&checkpoint["fields"]["discard"]));
            assert_eq!((cookie.file_size, cookie.rolling_size), (recorded.file_size, recorded.rolling_size));
            let list = |address: Option<Address>, kind, field: &str| {
                let found =
                    address.map(|address| self.manager.read_list(&address, kind, cookie.file_size).unwrap().extents);
                assert_eq!(found.unwrap_or_default(), extents(&checkpoint[field]), "{field}");
            };
            list(cookie.alloc, ListKind::Alloc, "alloc_extents");
            list(cookie.discard, ListKind::Discard, "discard_extents");
            if !checkpoint["avail_extents"].is_null() {
                list(cookie.avail, ListKind::Avail, "avail_extents");
            }
        }
        let live: Vec<Extent> = self.manager.live.as_ref().unwrap().lock().avail.iter().collect();
        assert_eq!(live, extents(&event["live_avail"]));
        assert_eq!(self.manager.statistics().size, number(&event["file_size"]));
    }
}

#[test]
fn a_recorded_life_of_a_file_is_repeated_to_the_byte() {
    let vectors = vectors("block-lifecycle.json");
    let mut replay = Replay::new();
    let mut done = [0; 4];
    for event in vectors["events"].as_array().unwrap() {
        let index = match event["op"].as_str().unwrap() {
            "alloc" => {
                replay.alloc(event);
                0
            }
            "free" => {
                replay.free(event);
                1
            }
            "checkpoint" => {
                replay.checkpoint(event);
                2
            }
            "expect_checkpoints" => {
                replay.expect(event);
                3
            }
            "close" => {
                replay.manager.close().unwrap();
                assert_eq!(replay.fs.size(Path::new(PATH)).unwrap(), number(&event["truncate_to"]));
                continue;
            }
            "note" => continue,
            "truncate" => {
                assert_eq!(replay.fs.size(Path::new(PATH)).unwrap(), number(&event["size"]));
                continue;
            }
            other => panic!("unknown event {other}"),
        };
        done[index] += 1;
    }
    assert_eq!(done, [38, 38, 13, 13]);
}

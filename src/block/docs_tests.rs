//! The worked examples of the file-format document.

use super::cookie::CheckpointCookie;
use super::extent_list::{self, ListImage, ListKind};
use super::test_support::hex;
use super::{Address, descriptor};

/// A parsed example: the words of its first line, and its bytes.
struct Example {
    words: Vec<String>,
    bytes: Vec<u8>,
}

impl Example {
    /// The number in the first line's `key=number`.
    fn number(&self, key: &str) -> u64 {
        let found = self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{key} in {:?}", self.words)).parse().unwrap()
    }
}

fn examples() -> Vec<Example> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/format/files.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```hex\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let example = |block: &str| {
        let (first, rest) = block.split_once('\n').unwrap();
        let digits: String = rest.split_whitespace().collect();
        Example { words: first.split(' ').map(str::to_owned).collect(), bytes: hex(&digits) }
    };
    blocks.map(example).collect()
}

#[test]
fn every_worked_example_decodes_and_encodes() {
    let mut seen = Vec::new();
    for mut example in examples() {
        let unit: u32 = example.words[1].parse().unwrap();
        match example.words[0].as_str() {
            "descriptor" => {
                example.bytes.resize(unit as usize, 0);
                assert_eq!(descriptor::encode(unit).unwrap(), example.bytes);
            }
            "address" => {
                let address = Address::unpack(&example.bytes, unit).unwrap();
                assert_eq!(address.offset, example.number("offset"));
                assert_eq!(u64::from(address.size), example.number("size"));
                assert_eq!(u64::from(address.checksum), example.number("checksum"));
                assert_eq!(address.to_cookie(unit).unwrap(), example.bytes);
            }
            "checkpoint" => {
                let cookie = CheckpointCookie::decode(&example.bytes, unit).unwrap();
                assert_eq!(cookie.file_size, example.number("file_size"));
                assert_eq!(cookie.rolling_size, example.number("rolling_size"));
                assert_eq!(cookie.encode(unit).unwrap(), example.bytes);
            }
            "discard" => {
                example.bytes.resize(example.number("padded") as usize, 0);
                let list = extent_list::decode(&example.bytes, ListKind::Discard, unit, 1 << 20).unwrap();
                let image = ListImage::new(list.extents.into_iter(), None, unit).unwrap();
                let (bytes, address) = image.finish(example.number("offset"), 0).unwrap();
                assert_eq!((bytes, address.offset), (example.bytes, 81408));
            }
            other => panic!("unknown example {other}"),
        }
        seen.push(example.words[0].clone());
    }
    assert_eq!(seen, ["descriptor", "address", "checkpoint", "discard"]);
}

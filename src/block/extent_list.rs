//! Extent-list blocks: how alloc, avail and discard lists are stored in the file itself.
//!
//! An extent list is one block (28-byte page header, 12-byte block header) of page type 1. From byte 40:
//! packed 71002 and 0; packed (offset, size) pairs in bytes; packed 0 and V. With V = 1 (avail lists of new checkpoints)
//! a trailer follows, not counted in the header's sizes, from which a file can be opened without its metadata.
//!
//! Source: block specification, section 5.

use super::extents::Extent;
use crate::page::address::Address;
use crate::page::header::{PageHeader, PageType};
use crate::page::{HEADER_SIZE, checksum, vuint, widen, widen_u64};
use crate::{Error, Result};

const MAGIC: u64 = 71_002;
/// The file size in a trailer is padded to the longest packed integer, so that it can be filled in last.
const FILE_SIZE_WIDTH: usize = vuint::MAX_LEN;
/// The largest block: 4 GB - 1 KB.
const MAX_BLOCK: u64 = 4_294_966_271;

/// Which of the three lists of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Blocks allocated since the checkpoint before.
    Alloc,
    /// Free blocks.
    Avail,
    /// Blocks freed since the checkpoint before.
    Discard,
}

impl ListKind {
    /// The name messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alloc => "alloc",
            Self::Avail => "avail",
            Self::Discard => "discard",
        }
    }
}

/// What follows the newest avail list, for readers that have the file but not its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trailer {
    /// The tree's write generation, one above that of the checkpoint.
    pub write_gen: u64,
    /// `encryption=...,block_metadata_encrypted=...,block_metadata=[...]`.
    pub metadata: Vec<u8>,
    /// `checkpoint=(...)`, its last entry with the cookie below.
    pub checkpoint_list: Vec<u8>,
    /// The checkpoint's cookie without its avail list and with the file size of the checkpoint before.
    pub cookie: Vec<u8>,
}

/// The decoded contents of a list block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListContents {
    /// As stored: avail lists are not sorted.
    pub extents: Vec<Extent>,
    /// Trailer and the file size stored in it; `None` if the terminator announces none, or it can't be read.
    pub trailer: Option<(Trailer, u64)>,
}

/// A list block without its place in the file. Space for it is allocated after its size is known; only then can the file
/// size in its trailer be filled in.
pub(crate) struct ListImage {
    bytes: Vec<u8>,
    file_size_at: Option<usize>,
}

impl ListImage {
    /// Serialises a list. The image is padded to the allocation size.
    pub(crate) fn new(
        extents: impl Iterator<Item = Extent>,
        trailer: Option<&Trailer>,
        allocation_size: u32,
    ) -> Result<Self> {
        let mut bytes = vec![0; HEADER_SIZE];
        vuint::push(&mut bytes, MAGIC);
        vuint::push(&mut bytes, 0);
        for extent in extents {
            vuint::push(&mut bytes, extent.offset);
            vuint::push(&mut bytes, extent.size);
        }
        vuint::push(&mut bytes, 0);
        vuint::push(&mut bytes, u64::from(trailer.is_some()));
        let counted = bytes.len();
        let mut file_size_at = None;
        if let Some(trailer) = trailer {
            vuint::push(&mut bytes, trailer.write_gen);
            file_size_at = Some(bytes.len());
            bytes.extend([0; FILE_SIZE_WIDTH]);
            for text in [&trailer.metadata, &trailer.checkpoint_list, &trailer.cookie] {
                vuint::push(&mut bytes, widen_u64(text.len()));
                bytes.extend_from_slice(text);
            }
        }
        let mem_size = u32::try_from(counted).map_err(|_| too_large())?;
        let data_length = counted.saturating_sub(HEADER_SIZE);
        let data_length = u32::try_from(data_length).map_err(|_| too_large())?;
        PageHeader::new(PageType::BlockManager, mem_size, data_length).write(&mut bytes)?;
        pad(&mut bytes, allocation_size)?;
        Ok(Self { bytes, file_size_at })
    }

    /// The block's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        widen_u64(self.bytes.len())
    }

    /// Finishes the block for its place: fills in the logical file size, the block header and the checksum.
    pub(crate) fn finish(mut self, offset: u64, file_size: u64) -> Result<(Vec<u8>, Address)> {
        if let Some(at) = self.file_size_at {
            let mut packed = Vec::with_capacity(FILE_SIZE_WIDTH);
            vuint::push(&mut packed, file_size);
            packed.resize(FILE_SIZE_WIDTH, 0);
            self.bytes.splice(at..at.saturating_add(FILE_SIZE_WIDTH), packed);
        }
        let checksum = checksum::seal(&mut self.bytes, true)?;
        let size = u32::try_from(self.bytes.len()).map_err(|_| too_large())?;
        Ok((self.bytes, Address { offset, size, checksum, object_id: 0 }))
    }
}

/// Pads a block with zeros to a multiple of the allocation size.
pub(crate) fn pad(block: &mut Vec<u8>, allocation_size: u32) -> Result<()> {
    let unit = widen(allocation_size);
    let length = block.len().checked_next_multiple_of(unit).filter(|&length| widen_u64(length) <= MAX_BLOCK);
    block.resize(length.ok_or_else(too_large)?, 0);
    Ok(())
}

fn take(input: &mut &[u8]) -> Result<u64> {
    vuint::take(input).ok_or_else(|| Error::corrupt("", 0, "extent list ends early or holds a bad packed integer"))
}

fn too_large() -> Error {
    Error::invalid("requested block size is too large")
}

/// Reads a list block whose checksum has been verified.
///
/// `bounds` are the limits extents must keep: multiples of the allocation size, from one allocation size to the file size
/// of the checkpoint.
///
/// # Errors
/// [`Error::Corrupt`] without object name.
pub fn decode(block: &[u8], kind: ListKind, allocation_size: u32, file_size: u64) -> Result<ListContents> {
    let unit = u64::from(allocation_size);
    let name = kind.name();
    let corrupted =
        |reason: String| Error::corrupt("", 0, format!("file contains a corrupted {name} extent list, {reason}"));
    let mut rest = block.get(HEADER_SIZE..).ok_or_else(|| corrupted("block too short".to_owned()))?;
    let magic = (take(&mut rest)?, take(&mut rest)?);
    if magic != (MAGIC, 0) {
        return Err(corrupted(format!("magic numbers {} and {}, expected {MAGIC} and 0", magic.0, magic.1)));
    }
    let mut extents = Vec::new();
    let terminator = loop {
        let (offset, size) = (take(&mut rest)?, take(&mut rest)?);
        if offset == 0 {
            break size;
        }
        let aligned = offset.checked_rem(unit) == Some(0) && size.checked_rem(unit) == Some(0);
        let end = offset.checked_add(size).filter(|&end| end <= file_size);
        if !aligned || offset < unit || size == 0 || end.is_none() {
            return Err(corrupted(format!(
                "range {offset} of {size} bytes is misaligned or past end-of-file (allocation size {unit}, file size \
                 {file_size})"
            )));
        }
        extents.push(Extent { offset, size });
    };
    // A trailer in a form that later releases may have is no reason to refuse the list.
    let trailer = if terminator == 0 { None } else { decode_trailer(rest).ok() };
    Ok(ListContents { extents, trailer })
}

fn decode_trailer(mut rest: &[u8]) -> Result<(Trailer, u64)> {
    let bad = || Error::corrupt("", 0, "avail extent list's trailer ends early");
    let write_gen = take(&mut rest)?;
    let (mut file_size, mut rest) = rest.split_at_checked(FILE_SIZE_WIDTH).ok_or_else(bad)?;
    let file_size = take(&mut file_size)?;
    let mut text = || -> Result<Vec<u8>> {
        let length = usize::try_from(take(&mut rest)?).map_err(|_| bad())?;
        let (text, tail) = rest.split_at_checked(length).ok_or_else(bad)?;
        rest = tail;
        Ok(text.to_vec())
    };
    let trailer = Trailer { write_gen, metadata: text()?, checkpoint_list: text()?, cookie: text()? };
    Ok((trailer, file_size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::{hex, vectors};
    use proptest::prelude::*;
    use serde_json::Value;

    fn block_of(vector: &Value) -> Vec<u8> {
        let mut block = hex(vector["block_prefix_hex"].as_str().unwrap());
        block.resize(vector["zero_padded_to"].as_u64().unwrap() as usize, 0);
        block
    }

    fn kind_of(vector: &Value) -> ListKind {
        match vector["list"].as_str().unwrap() {
            "alloc" => ListKind::Alloc,
            "avail" => ListKind::Avail,
            _ => ListKind::Discard,
        }
    }

    fn text(value: &Value) -> Vec<u8> {
        value.as_str().unwrap().as_bytes().to_vec()
    }

    /// Real list blocks decode to the recorded extents and trailers, and encode again byte for byte.
    #[test]
    fn real_lists_decode_and_encode_byte_for_byte() {
        let vectors = vectors("block-extent-lists.json");
        let lists = vectors["lists"].as_array().unwrap();
        assert!(lists.len() >= 50);
        let mut with_trailer = 0;
        for vector in lists {
            let block = block_of(vector);
            let allocation_size = vector["allocation_size"].as_u64().unwrap() as u32;
            let list = decode(&block, kind_of(vector), allocation_size, 1 << 40).unwrap();
            let expected: Vec<Extent> = vector["extents"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| Extent::new(pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap()))
                .collect();
            assert_eq!(list.extents, expected);
            let stored = &vector["trailer"];
            let mut file_size = 0;
            let trailer = list.trailer.map(|(trailer, size)| {
                file_size = size;
                trailer
            });
            assert_eq!(trailer.is_some(), !stored.is_null());
            if let Some(trailer) = &trailer {
                with_trailer += 1;
                assert_eq!(trailer.write_gen, stored["write_gen"].as_u64().unwrap());
                assert_eq!(file_size, stored["file_size"].as_u64().unwrap());
                assert_eq!(trailer.metadata, text(&stored["metadata"]));
                assert_eq!(trailer.checkpoint_list, text(&stored["ckptlist"]));
                assert_eq!(trailer.cookie, hex(stored["cookie"].as_str().unwrap()));
            }
            let offset = vector["block_offset"].as_u64().unwrap();
            let image = ListImage::new(expected.into_iter(), trailer.as_ref(), allocation_size).unwrap();
            assert_eq!(image.size(), block.len() as u64);
            let (encoded, address) = image.finish(offset, file_size).unwrap();
            assert!(encoded == block, "{} {}", vector["file"], vector["checkpoint"]);
            assert_eq!(u64::from(address.checksum), vector["checksum"].as_u64().unwrap());
        }
        assert_eq!(with_trailer, 20);
    }

    #[test]
    fn extents_outside_the_file_are_refused() {
        let image = |extents: &[(u64, u64)]| {
            let extents = extents.iter().map(|&(offset, size)| Extent { offset, size });
            ListImage::new(extents, None, 512).unwrap().finish(4096, 0).unwrap().0
        };
        let load = |extents: &[(u64, u64)]| decode(&image(extents), ListKind::Discard, 512, 8192);
        assert!(load(&[(512, 7680)]).is_ok());
        for bad in [(512, 8192), (8192, 512), (256, 512), (513, 512), (512, 100), (512, 0), (512, u64::MAX - 511)] {
            let error = load(&[(512, 512), bad]).unwrap_err().to_string();
            assert!(error.contains("corrupted discard extent list") && error.contains("past end-of-file"), "{error}");
        }
        let mut other = image(&[]);
        other[41] ^= 1;
        assert!(decode(&other, ListKind::Alloc, 512, 8192).unwrap_err().to_string().contains("magic numbers"));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..200), magic in any::<bool>()) {
            let mut block = vec![0; HEADER_SIZE];
            if magic {
                vuint::push(&mut block, MAGIC);
                vuint::push(&mut block, 0);
            }
            block.extend(body);
            if let Ok(list) = decode(&block, ListKind::Avail, 512, 1 << 20) {
                prop_assert!(list.extents.iter().all(|extent| extent.end() <= 1 << 20));
            }
        }
    }
}

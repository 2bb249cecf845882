//! The 40 bytes in front of every block: page header (28 bytes) and block header (12 bytes).

use super::address::Address;
use super::codec::block_checksum;
use crate::{Error, Result};

/// Page header and block header together, in bytes.
pub const HEADER_SIZE: usize = 40;
/// The page type of the block manager's own blocks.
pub(crate) const BLOCK_MANAGER_PAGE: u8 = 1;
/// The page-header flag of a compressed block.
pub(crate) const PAGE_COMPRESSED: u8 = 0x01;
/// The page-header flag of an encrypted block.
pub(crate) const PAGE_ENCRYPTED: u8 = 0x08;
/// The block-header flag: the checksum covers the whole block, else its first 64 bytes.
const CHECKSUM_WHOLE: u8 = 0x01;
const CHECKSUM_PREFIX: usize = 64;
/// 4 GB - 1 KB.
const MAX_BLOCK: u64 = 4_294_966_271;

/// The fields of the headers that the block manager deals with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockHeader {
    pub(crate) mem_size: u32,
    pub(crate) data_length: u32,
    pub(crate) page_type: u8,
    pub(crate) page_flags: u8,
    pub(crate) page_version: u8,
    pub(crate) disk_size: u32,
    pub(crate) checksum: u32,
    pub(crate) block_flags: u8,
}

impl BlockHeader {
    /// The header of an extent list.
    pub(crate) fn list(mem_size: u32, data_length: u32) -> Self {
        Self {
            mem_size,
            data_length,
            page_type: BLOCK_MANAGER_PAGE,
            page_flags: 0,
            page_version: 1,
            disk_size: 0,
            checksum: 0,
            block_flags: 0,
        }
    }

    pub(crate) fn load(block: &[u8]) -> Result<Self> {
        let short = || Error::corrupt("", 0, format!("a block of {} bytes has no room for its header", block.len()));
        let word = |at: usize| block.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let byte = |at: usize| block.get(at).copied();
        let load = || {
            Some(Self {
                mem_size: word(16)?,
                data_length: word(20)?,
                page_type: byte(24)?,
                page_flags: byte(25)?,
                page_version: byte(27)?,
                disk_size: word(28)?,
                checksum: word(32)?,
                block_flags: byte(36)?,
            })
        };
        load().filter(|_| block.len() >= HEADER_SIZE).ok_or_else(short)
    }

    /// Stores the page header of the block manager's own blocks.
    pub(crate) fn store_page_part(&self, block: &mut [u8]) {
        put(block, 16, &self.mem_size.to_le_bytes());
        put(block, 20, &self.data_length.to_le_bytes());
        put(block, 24, &[self.page_type, self.page_flags, 0, self.page_version]);
    }

    /// How many bytes the checksum covers.
    pub(crate) fn covered(&self) -> usize {
        if self.block_flags & CHECKSUM_WHOLE == 0 {
            CHECKSUM_PREFIX
        } else {
            usize::try_from(self.disk_size).unwrap_or(usize::MAX)
        }
    }
}

/// Pads a block with zeros to a multiple of the allocation size.
pub(crate) fn pad(block: &mut Vec<u8>, allocation_size: u32) -> Result<()> {
    let unit = usize::try_from(allocation_size).unwrap_or(usize::MAX);
    let length = block
        .len()
        .checked_next_multiple_of(unit)
        .filter(|&length| u64::try_from(length).is_ok_and(|length| length <= MAX_BLOCK));
    block.resize(length.ok_or_else(|| Error::invalid("requested block size is too large"))?, 0);
    Ok(())
}

/// Fills in the block header of a padded block and gives its address at `offset`.
pub(crate) fn seal(block: &mut [u8], offset: u64, checksum_whole: bool) -> Result<Address> {
    let size = u32::try_from(block.len()).map_err(|_| Error::invalid("requested block size is too large"))?;
    put(block, 28, &size.to_le_bytes());
    put(block, 32, &[0, 0, 0, 0, if checksum_whole { CHECKSUM_WHOLE } else { 0 }, 0, 0, 0]);
    let covered = if checksum_whole { block.len() } else { CHECKSUM_PREFIX };
    let checksum = block_checksum(block, covered);
    put(block, 32, &checksum.to_le_bytes());
    Ok(Address { offset, size, checksum, object_id: 0 })
}

fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = block.get_mut(at..at.saturating_add(bytes.len())) {
        target.copy_from_slice(bytes);
    }
}

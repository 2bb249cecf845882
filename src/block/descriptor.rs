//! The descriptor block: the first allocation unit of every B-tree file.
//!
//! Layout (little-endian): magic u32 = 120897, major u16 = 1, minor u16 = 0, CRC-32C u32 over the whole allocation unit
//! with this field zero, then zeros. The allocation size itself is not in the file, so the checksum can only be verified
//! by a reader that knows it from the metadata.
//!
//! Source: block specification, section 2.

use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::FileHandle;

const MAGIC: u32 = 120_897;
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
const CHECKSUM_AT: usize = 8;
/// The smallest allocation size in bytes.
pub const MIN_ALLOCATION_SIZE: u32 = 512;
/// The largest allocation size in bytes.
pub const MAX_ALLOCATION_SIZE: u32 = 128 << 20;
/// Files whose damage means that the database must be salvaged as a whole.
const INTERNAL_FILES: [&str; 3] = ["WiredTiger.wt", "WiredTigerHS.wt", "WiredTigerCC.wt"];

/// Checks an allocation size: a power of two from 512 bytes to 128 MB.
///
/// # Errors
/// `EINVAL` for any other value.
pub fn check_allocation_size(allocation_size: u32) -> Result<()> {
    if allocation_size.is_power_of_two() && (MIN_ALLOCATION_SIZE..=MAX_ALLOCATION_SIZE).contains(&allocation_size) {
        return Ok(());
    }
    Err(Error::invalid(format!("allocation size {allocation_size} is not a power of two from 512B to 128MB")))
}

/// The descriptor block of a file with the given allocation size in bytes.
pub(crate) fn encode(allocation_size: u32) -> Result<Vec<u8>> {
    check_allocation_size(allocation_size)?;
    let mut block: Vec<u8> = [&MAGIC.to_le_bytes()[..], &MAJOR.to_le_bytes(), &MINOR.to_le_bytes()].concat();
    let length = usize::try_from(allocation_size).map_err(|_| Error::invalid("allocation size out of range"))?;
    block.resize(length, 0);
    let checksum = crc32c::crc32c(&block).to_le_bytes();
    block.splice(CHECKSUM_AT..CHECKSUM_AT.saturating_add(4), checksum);
    Ok(block)
}

/// Reads and checks the descriptor block of an open file; `name` is the file's name, for the messages.
///
/// # Errors
/// As specified: a file shorter than the allocation size and a file that isn't a B-tree file of this allocation size are
/// `WT_ERROR` (`WT_TRY_SALVAGE` for the engine's own files); a newer version is `WT_ERROR`.
pub(crate) fn check(handle: &dyn FileHandle, name: &str, allocation_size: u32) -> Result<()> {
    check_allocation_size(allocation_size)?;
    let internal = INTERNAL_FILES.contains(&name.strip_prefix("file:").unwrap_or(name));
    let damage_code = if internal { ErrorCode::TRY_SALVAGE } else { ErrorCode::ERROR };
    let size = handle.size()?;
    if size < u64::from(allocation_size) {
        return Err(Error::new(
            damage_code,
            format!("File {name} is smaller than allocation size; file size={size}, alloc size={allocation_size}"),
        ));
    }
    let length = usize::try_from(allocation_size).map_err(|_| Error::invalid("allocation size out of range"))?;
    let mut block = vec![0; length];
    handle.read(0, &mut block)?;
    let field = |at: usize| block.get(at..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    let (magic, [m0, m1, n0, n1]) = (u32::from_le_bytes(field(0)), field(4));
    let (major, minor) = (u16::from_le_bytes([m0, m1]), u16::from_le_bytes([n0, n1]));
    let expected = u32::from_le_bytes(field(CHECKSUM_AT));
    block.splice(CHECKSUM_AT..CHECKSUM_AT.saturating_add(4), [0; 4]);
    let found = crc32c::crc32c(&block);
    if magic != MAGIC || expected != found {
        let message = if internal {
            format!(
                "{name} is corrupted: calculated block checksum of {found:#x} doesn't match expected checksum of \
                 {expected:#x} (magic number {magic}, expected {MAGIC})"
            )
        } else {
            format!("{name} does not appear to be a WiredTiger file")
        };
        return Err(Error::new(damage_code, message));
    }
    if (major, minor) > (MAJOR, MINOR) {
        return Err(Error::new(
            ErrorCode::ERROR,
            format!(
                "{name}: unsupported WiredTiger file version: this build only supports major/minor versions up to \
                 {MAJOR}/{MINOR}, and the file is version {major}/{minor}"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::{hex, vectors};
    use crate::os::MemoryFileSystem;
    use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
    use rstest::rstest;
    use std::path::Path;

    fn checked(bytes: &[u8], name: &str, allocation_size: u32) -> Result<()> {
        let fs = MemoryFileSystem::new();
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let handle = fs.open(Path::new("f"), FileType::Data, options).unwrap();
        handle.write(0, bytes).unwrap();
        check(&*handle, name, allocation_size)
    }

    /// `block` with its version replaced and its checksum made right again.
    fn with_version(major: u16, minor: u16) -> Vec<u8> {
        let mut block = encode(4096).unwrap();
        block[4..6].copy_from_slice(&major.to_le_bytes());
        block[6..8].copy_from_slice(&minor.to_le_bytes());
        block[8..12].fill(0);
        let checksum = crc32c::crc32c(&block);
        block[8..12].copy_from_slice(&checksum.to_le_bytes());
        block
    }

    #[test]
    fn real_descriptors_are_reproduced_and_accepted() {
        let vectors = vectors("block-descriptors.json");
        for vector in vectors["descriptors"].as_array().unwrap() {
            let allocation_size = vector["allocation_size"].as_u64().unwrap() as u32;
            let mut expected = hex(vector["first_16_bytes_hex"].as_str().unwrap());
            expected.resize(allocation_size as usize, 0);
            let block = encode(allocation_size).unwrap();
            assert!(block == expected, "{}", vector["file"]);
            checked(&block, "a.wt", allocation_size).unwrap();
        }
    }

    #[rstest]
    #[case::too_short(vec![0; 4095], "a.wt", -31802, "smaller than allocation size; file size=4095, alloc size=4096")]
    #[case::not_ours(vec![7; 4096], "a.wt", -31802, "a.wt does not appear to be a WiredTiger file")]
    #[case::internal(vec![7; 4096], "file:WiredTigerHS.wt", -31809, "is corrupted: calculated block checksum")]
    #[case::newer_major(with_version(2, 0), "a.wt", -31802, "up to 1/0, and the file is version 2/0")]
    #[case::newer_minor(with_version(1, 1), "a.wt", -31802, "up to 1/0, and the file is version 1/1")]
    fn damage_is_named(#[case] bytes: Vec<u8>, #[case] name: &str, #[case] code: i32, #[case] text: &str) {
        let error = checked(&bytes, name, 4096).unwrap_err();
        assert_eq!(error.code().0, code);
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn older_versions_are_accepted_and_other_allocation_sizes_are_not() {
        checked(&with_version(0, 9), "a.wt", 4096).unwrap();
        let block = encode(4096).unwrap();
        assert!(checked(&block, "a.wt", 512).is_err());
        for size in [0, 256, 1000, 4097, 256 << 20] {
            assert_eq!(encode(size).unwrap_err().code(), ErrorCode::EINVAL);
        }
    }

    #[test]
    fn every_single_changed_byte_is_found() {
        let block = encode(512).unwrap();
        for at in 0..block.len() {
            let mut changed = block.clone();
            changed[at] ^= 0x10;
            assert!(checked(&changed, "a.wt", 512).is_err(), "byte {at}");
        }
    }
}

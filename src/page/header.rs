//! The 28 bytes of the page header and the 12 bytes of the block header (format specification, section 2).
//!
//! Invariants
//! 1. Fixed-width fields are little-endian on every host.
//! 2. [`PageHeader::parse`] refuses only what no reader can use (a type that doesn't exist, a buffer that is too short);
//!    everything else that a valid page must satisfy is the business of [`super::verify`].
//!
//! Not here: the 16-byte block header of disaggregated storage.

use hardwired_plugin::{Error, Result};

use super::input::Input;
use super::{HEADER_SIZE, corrupt};

/// Bytes of the page header.
pub const PAGE_HEADER_SIZE: usize = 28;
/// Bytes of the block header, which follows the page header.
pub const BLOCK_HEADER_SIZE: usize = 12;
/// Bytes of a block that are never compressed.
pub const COMPRESS_SKIP: usize = 64;
/// Offset of the write generation in a block.
pub const WRITE_GEN_OFFSET: usize = 8;
/// Page version of everything written since timestamps exist, except overflow pages.
pub const VERSION_TIMESTAMPS: u8 = 1;
/// Page version of overflow pages and of pages from before timestamps.
pub const VERSION_ORIGINAL: u8 = 0;

/// What a page holds (format specification, section 4).
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageType {
    /// An extent list of the block manager.
    BlockManager = 1,
    /// Leaf of a fixed-length column store.
    ColumnFixed = 2,
    /// Internal page of a column store.
    ColumnInternal = 3,
    /// Leaf of a variable-length column store.
    ColumnVariable = 4,
    /// One overflow item.
    Overflow = 5,
    /// Internal page of a row store.
    RowInternal = 6,
    /// Leaf of a row store.
    RowLeaf = 7,
}

impl PageType {
    /// The type with this number, if there is one.
    #[inline]
    pub fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            1 => Self::BlockManager,
            2 => Self::ColumnFixed,
            3 => Self::ColumnInternal,
            4 => Self::ColumnVariable,
            5 => Self::Overflow,
            6 => Self::RowInternal,
            7 => Self::RowLeaf,
            _ => return None,
        })
    }

    /// The number in the header.
    #[inline]
    pub fn raw(self) -> u8 {
        match self {
            Self::BlockManager => 1,
            Self::ColumnFixed => 2,
            Self::ColumnInternal => 3,
            Self::ColumnVariable => 4,
            Self::Overflow => 5,
            Self::RowInternal => 6,
            Self::RowLeaf => 7,
        }
    }

    /// Whether pages of this type refer to other pages of the tree.
    pub fn is_internal(self) -> bool {
        matches!(self, Self::ColumnInternal | Self::RowInternal)
    }

    /// Whether the header's record number must be set; it must be 0 on every other type.
    pub fn is_column(self) -> bool {
        matches!(self, Self::ColumnFixed | Self::ColumnInternal | Self::ColumnVariable)
    }

    /// The name WiredTiger gives the type in its messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::BlockManager => "block-manager",
            Self::ColumnFixed => "column-store fixed-length leaf",
            Self::ColumnInternal => "column-store internal",
            Self::ColumnVariable => "column-store variable-length leaf",
            Self::Overflow => "overflow",
            Self::RowInternal => "row-store internal",
            Self::RowLeaf => "row-store leaf",
        }
    }
}

/// Bits of the page header's flags byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PageFlags(pub u8);

impl PageFlags {
    /// The block's bytes from offset 64 on are compressed.
    pub const COMPRESSED: Self = Self(0x01);
    /// Row leaf: there is no value cell on the page.
    pub const EMPTY_VALUES_ALL: Self = Self(0x02);
    /// Row leaf: every key is followed by a value cell.
    pub const EMPTY_VALUES_NONE: Self = Self(0x04);
    /// The block's bytes from offset 40 on are encrypted.
    pub const ENCRYPTED: Self = Self(0x08);
    /// Historic; never written, tolerated.
    pub const LOOKASIDE: Self = Self(0x10);
    /// Internal page: cells of deleted pages carry the truncate's transaction and timestamps.
    pub const FAST_TRUNCATE: Self = Self(0x20);
    /// Bits that no version uses.
    pub const UNUSED: Self = Self(0xc0);

    /// Whether any bit of `other` is set.
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets of bits.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits that are not in `other`.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The first 28 bytes of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// First record number of a column-store page, 0 on every other page.
    pub recno: u64,
    /// Write generation: a counter of the file, larger on a parent than on its children.
    pub write_gen: u64,
    /// Exact bytes of the uncompressed, unencrypted image with both headers.
    pub mem_size: u32,
    /// Cells of an internal, row-leaf or variable-length page, records of a fixed-length page, bytes of an overflow page
    /// or extent list.
    pub entries: u32,
    /// What the page holds.
    pub page_type: PageType,
    /// See [`PageFlags`].
    pub flags: PageFlags,
    /// Always 0 on valid pages.
    pub unused: u8,
    /// [`VERSION_TIMESTAMPS`] or [`VERSION_ORIGINAL`].
    pub version: u8,
}

impl PageHeader {
    /// The header of a page about to be written: no record number, no flags, write generation not yet known.
    pub fn new(page_type: PageType, mem_size: u32, entries: u32) -> Self {
        let version = if page_type == PageType::Overflow { VERSION_ORIGINAL } else { VERSION_TIMESTAMPS };
        Self { recno: 0, write_gen: 0, mem_size, entries, page_type, flags: PageFlags::default(), unused: 0, version }
    }

    /// Reads the header at the front of a block or page image.
    ///
    /// # Errors
    /// `Corrupt` if there are fewer than 28 bytes or the page type doesn't exist.
    #[inline]
    pub fn parse(image: &[u8]) -> Result<Self> {
        let too_short = || corrupt(0, "too short for a page header");
        let (recno, rest) = image.split_first_chunk::<8>().ok_or_else(too_short)?;
        let (write_gen, rest) = rest.split_first_chunk::<8>().ok_or_else(too_short)?;
        let (mem_size, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
        let (entries, rest) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
        let [raw_type, flags, unused, version] = *rest.first_chunk::<4>().ok_or_else(too_short)?;
        let page_type = PageType::from_raw(raw_type).ok_or_else(|| unknown_type(raw_type))?;
        Ok(Self {
            recno: u64::from_le_bytes(*recno),
            write_gen: u64::from_le_bytes(*write_gen),
            mem_size: u32::from_le_bytes(*mem_size),
            entries: u32::from_le_bytes(*entries),
            page_type,
            flags: PageFlags(flags),
            unused,
            version,
        })
    }

    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; PAGE_HEADER_SIZE] {
        let mut bytes = [0; PAGE_HEADER_SIZE];
        let (recno, write_gen) = (self.recno.to_le_bytes(), self.write_gen.to_le_bytes());
        let (mem_size, entries) = (self.mem_size.to_le_bytes(), self.entries.to_le_bytes());
        let tail = [self.page_type.raw(), self.flags.0, self.unused, self.version];
        let fields = [&recno[..], &write_gen, &mem_size, &entries, &tail].into_iter().flatten();
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = *field;
        }
        bytes
    }

    /// Overwrites the front of an image with this header.
    ///
    /// # Errors
    /// `Corrupt` if the image is shorter than the header.
    pub fn write(&self, image: &mut [u8]) -> Result<()> {
        let slot = image.first_chunk_mut().ok_or_else(|| corrupt(0, "too short for a page header"))?;
        *slot = self.to_bytes();
        Ok(())
    }

    /// The part of a block or buffer that is the page image: `mem_size` bytes.
    ///
    /// # Errors
    /// `Corrupt` if `mem_size` is smaller than the headers or larger than the buffer.
    #[inline]
    pub fn image<'a>(&self, block: &'a [u8]) -> Result<&'a [u8]> {
        let len = super::widen(self.mem_size);
        if len < HEADER_SIZE {
            return Err(corrupt(16, "the page's size is smaller than its header"));
        }
        block.get(..len).ok_or_else(|| corrupt(16, "the page's size is larger than its block"))
    }
}

/// Sets the write generation of a finished image (before its checksum is computed).
///
/// # Errors
/// `Corrupt` if the image is shorter than a page header.
pub fn set_write_gen(image: &mut [u8], write_gen: u64) -> Result<()> {
    let slot = image.get_mut(WRITE_GEN_OFFSET..).and_then(<[u8]>::first_chunk_mut);
    *slot.ok_or_else(|| corrupt(0, "too short for a page header"))? = write_gen.to_le_bytes();
    Ok(())
}

/// The 12 bytes after the page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockHeader {
    /// Bytes of the block in the file, a multiple of the allocation size.
    pub disk_size: u32,
    /// CRC-32C of the block, see [`super::checksum`].
    pub checksum: u32,
    /// The checksum covers the whole block, not only its first 64 bytes.
    pub checksum_whole: bool,
    /// Flag bits other than 0x01, and three bytes: written as 0, not checked.
    pub reserved: [u8; 4],
}

impl BlockHeader {
    /// Reads the block header of a block.
    ///
    /// # Errors
    /// `Corrupt` if there are fewer than 40 bytes.
    #[inline]
    pub fn parse(block: &[u8]) -> Result<Self> {
        Self::parse_input(block).ok_or_else(|| corrupt(0, "too short for a block header"))
    }

    #[inline]
    fn parse_input(block: &[u8]) -> Option<Self> {
        let mut input = Input::at(block, PAGE_HEADER_SIZE)?;
        let (disk_size, checksum) = (input.u32_le()?, input.u32_le()?);
        let [flags, a, b, c] = input.array()?;
        Some(Self { disk_size, checksum, checksum_whole: flags & 0x01 != 0, reserved: [flags & !0x01, a, b, c] })
    }

    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; BLOCK_HEADER_SIZE] {
        let [d0, d1, d2, d3] = self.disk_size.to_le_bytes();
        let [c0, c1, c2, c3] = self.checksum.to_le_bytes();
        let [r0, r1, r2, r3] = self.reserved;
        [d0, d1, d2, d3, c0, c1, c2, c3, r0 | u8::from(self.checksum_whole), r1, r2, r3]
    }

    /// Overwrites the block header of a block.
    ///
    /// # Errors
    /// `Corrupt` if the block is shorter than both headers.
    pub fn write(&self, block: &mut [u8]) -> Result<()> {
        let slot = block.get_mut(PAGE_HEADER_SIZE..).and_then(<[u8]>::first_chunk_mut);
        *slot.ok_or_else(|| corrupt(0, "too short for a block header"))? = self.to_bytes();
        Ok(())
    }
}

#[cold]
fn unknown_type(raw: u8) -> Error {
    corrupt(24, format!("page has an invalid type of {raw}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors};
    use proptest::prelude::*;

    pub(crate) fn type_named(name: &str) -> PageType {
        match name {
            "BLOCK_MANAGER" => PageType::BlockManager,
            "COL_FIX" => PageType::ColumnFixed,
            "COL_INT" => PageType::ColumnInternal,
            "COL_VAR" => PageType::ColumnVariable,
            "OVFL" => PageType::Overflow,
            "ROW_INT" => PageType::RowInternal,
            "ROW_LEAF" => PageType::RowLeaf,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_page_vector_has_its_header() {
        let file = vectors("btree-pages.json");
        for page in file["pages"].as_array().unwrap() {
            let (image, expected) = (hex(&page["image"]), &page["header"]);
            let header = PageHeader::parse(&image).unwrap();
            assert_eq!(header.recno, number(&expected["recno"]));
            assert_eq!(header.write_gen, number(&expected["write_gen"]));
            assert_eq!(header.mem_size, number_u32(&expected["mem_size"]));
            assert_eq!(header.entries, number_u32(&expected["entries"]));
            assert_eq!(header.page_type, type_named(expected["type"].as_str().unwrap()));
            assert_eq!(u64::from(header.flags.0), number(&expected["flags"]));
            assert_eq!(u64::from(header.version), number(&expected["version"]));
            assert_eq!(header.to_bytes()[..], image[..28]);
            assert_eq!(header.image(&image).unwrap().len(), image.len());
            let block = BlockHeader::parse(&image).unwrap();
            assert_eq!(block.disk_size, number_u32(&expected["disk_size"]));
            assert_eq!(block.checksum, number_u32(&expected["checksum"]));
            assert_eq!(u64::from(block.checksum_whole), number(&expected["block_flags"]));
            assert_eq!(block.to_bytes()[..], image[28..40]);
        }
    }

    #[test]
    fn a_write_generation_can_be_set_late() {
        let mut image = PageHeader::new(PageType::RowLeaf, 40, 0).to_bytes();
        set_write_gen(&mut image, 0x0102_0304).unwrap();
        assert_eq!(PageHeader::parse(&image).unwrap().write_gen, 0x0102_0304);
        assert!(set_write_gen(&mut image[..15], 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            if let Ok(header) = PageHeader::parse(&bytes) {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[..28]);
                let _ = header.image(&bytes);
            }
            if let Ok(header) = BlockHeader::parse(&bytes) {
                prop_assert_eq!(&header.to_bytes()[..], &bytes[28..40]);
            }
        }
    }
}

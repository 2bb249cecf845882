//! Address cookies: the packed name of a block (format specification, section 3).
//!
//! Invariants
//! 1. An address of size 0 is "no block"; its offset and checksum are 0 too.
//! 2. Offsets and sizes are multiples of the allocation size; the first unit of a file holds no page.
//!
//! Not here: whether an address lies within its file (see [`Address::check_within`]'s caller), and the cookies of other
//! block managers, which are opaque.

use hardwired_plugin::{Error, Result};

use super::input::Input;
use super::{corrupt, vuint};

/// Bytes of the longest cookie that any block manager may make.
pub const COOKIE_MAX: usize = 255;

/// Flag byte after the triple: an object id follows.
const OBJECT_ID_FOLLOWS: u8 = 0x01;

/// Where a block is, and the checksum it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address {
    /// Byte offset in the file.
    pub offset: u64,
    /// Bytes of the block; 0 if there is no block.
    pub size: u32,
    /// CRC-32C of the block.
    pub checksum: u32,
    /// Object of a tiered table; 0 in plain files, which don't store it.
    pub object_id: u32,
}

impl Address {
    /// Whether this is "no block".
    pub fn is_none(&self) -> bool {
        self.size == 0
    }

    /// Appends the cookie of this address to `out`.
    ///
    /// # Errors
    /// `EINVAL` if offset or size is not a multiple of `allocation_size`, or the offset is 0 for a block that exists.
    pub fn pack(&self, allocation_size: u32, out: &mut Vec<u8>) -> Result<()> {
        self.pack_triple(allocation_size, out)?;
        if self.object_id != 0 {
            out.push(OBJECT_ID_FOLLOWS);
            vuint::push(out, u64::from(self.object_id));
        }
        Ok(())
    }

    /// Appends offset, size and checksum alone, as a checkpoint cookie holds them.
    ///
    /// # Errors
    /// As for [`Address::pack`].
    pub fn pack_triple(&self, allocation_size: u32, out: &mut Vec<u8>) -> Result<()> {
        if self.is_none() {
            out.extend_from_slice(&[0x80, 0x80, 0x80]);
            return Ok(());
        }
        let (unit, size) = (u64::from(allocation_size), u64::from(self.size));
        let (units, blocks) = (self.offset.checked_div(unit), size.checked_div(unit));
        let aligned = self.offset.checked_rem(unit) == Some(0) && size.checked_rem(unit) == Some(0);
        match (units, blocks) {
            (Some(1..), Some(blocks)) if aligned => {
                vuint::push(out, units.unwrap_or(1).wrapping_sub(1));
                vuint::push(out, blocks);
                vuint::push(out, u64::from(self.checksum));
                Ok(())
            }
            _ => Err(self.misaligned(allocation_size)),
        }
    }

    /// The cookie of this address as bytes of its own.
    ///
    /// # Errors
    /// As for [`Address::pack`].
    pub fn to_cookie(&self, allocation_size: u32) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(24);
        self.pack(allocation_size, &mut out)?;
        Ok(out)
    }

    /// Reads a cookie.
    ///
    /// # Errors
    /// `Corrupt` if it is cut off, names an offset or size that can't be, or has bytes too many.
    pub fn unpack(cookie: &[u8], allocation_size: u32) -> Result<Self> {
        let mut rest = cookie;
        let mut address = Self::unpack_triple(&mut rest, allocation_size)?;
        let offset = |rest: &[u8]| cookie.len().saturating_sub(rest.len());
        let Some((&flags, mut tail)) = rest.split_first() else { return Ok(address) };
        if flags & OBJECT_ID_FOLLOWS != 0 {
            let object_id = vuint::take(&mut tail).and_then(|id| u32::try_from(id).ok());
            address.object_id = object_id.ok_or_else(|| corrupt(offset(rest), "an address cookie's object id"))?;
        }
        // With a flag that a later version may define, the rest is not ours to judge.
        if flags & !OBJECT_ID_FOLLOWS == 0 && !tail.is_empty() {
            return Err(corrupt(offset(tail), "an address cookie with bytes after its end"));
        }
        Ok(address)
    }

    /// Reads offset, size and checksum from the front of `input` and moves `input` past them.
    ///
    /// # Errors
    /// `Corrupt` if they are cut off or don't fit their types.
    pub fn unpack_triple(input: &mut &[u8], allocation_size: u32) -> Result<Self> {
        let bytes = *input;
        let mut reader = Input::at(bytes, 0).ok_or_else(|| corrupt(0, "an empty address cookie"))?;
        let mut next = || reader.vuint().ok_or_else(|| corrupt(reader.offset(), "an address cookie that is cut off"));
        let (units, blocks, checksum) = (next()?, next()?, next()?);
        *input = reader.rest();
        if blocks == 0 {
            return Ok(Self::default());
        }
        let unit = u64::from(allocation_size);
        let offset = units.checked_add(1).and_then(|units| units.checked_mul(unit));
        let size = blocks.checked_mul(unit).and_then(|size| u32::try_from(size).ok());
        match (offset, size, u32::try_from(checksum)) {
            (Some(offset), Some(size), Ok(checksum)) if i64::try_from(offset).is_ok() => {
                Ok(Self { offset, size, checksum, object_id: 0 })
            }
            _ => Err(corrupt(0, "an address cookie with numbers that are too large")),
        }
    }

    /// Checks that the block ends at or before `file_size`.
    ///
    /// # Errors
    /// `EINVAL`, `address is past the end of the file`.
    pub fn check_within(&self, file_size: u64) -> Result<()> {
        match self.offset.checked_add(u64::from(self.size)) {
            Some(end) if end <= file_size => Ok(()),
            _ => Err(Error::invalid(format!("{self}: address is past the end of the file ({file_size} bytes)"))),
        }
    }

    #[cold]
    fn misaligned(&self, allocation_size: u32) -> Error {
        Error::invalid(format!("{self}: not a block of {allocation_size}-byte units"))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_none() {
            return f.write_str("[NoAddr]");
        }
        let end = self.offset.saturating_add(u64::from(self.size));
        write!(f, "[{}: {}-{end}, {}, {:#x}]", self.object_id, self.offset, self.size, self.checksum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{hex, number, number_u32, vectors};
    use proptest::prelude::*;

    #[test]
    fn every_vector_packs_and_unpacks() {
        let file = vectors("btree-cookies.json");
        let mut seen = 0;
        for case in ["observed", "derived"].iter().flat_map(|kind| file[kind].as_array().unwrap()) {
            let (bytes, allocation_size) = (hex(&case["hex"]), number_u32(&case["alloc"]));
            let address = Address {
                offset: number(&case["offset"]),
                size: number_u32(&case["size"]),
                checksum: number_u32(&case["checksum"]),
                object_id: number_u32(&case["objectid"]),
            };
            assert_eq!(Address::unpack(&bytes, allocation_size).unwrap(), address);
            assert_eq!(address.to_cookie(allocation_size).unwrap(), bytes);
            seen += 1;
        }
        assert_eq!(seen, 20);
    }

    #[rstest::rstest]
    #[case::explicit_object_zero("808181 01 80", true)]
    #[case::no_flags_nothing_else("808181 00", true)]
    #[case::unknown_flag_rest_ignored("808181 02 ff ff", true)]
    #[case::unknown_flag_and_object("808181 03 82 ff", true)]
    #[case::trailing("808181 01 80 80", false)]
    #[case::trailing_without_flags("808181 00 80", false)]
    #[case::object_cut_off("808181 01", false)]
    #[case::cut_off("8081", false)]
    #[case::empty("", false)]
    #[case::size_too_large("80 e4ffffffff 80", false)]
    #[case::offset_too_large("e8ffffffffffff0000 81 80", false)]
    #[case::checksum_too_large("80 81 e500ffffffffff", false)]
    fn what_is_accepted(#[case] cookie: &str, #[case] accepted: bool) {
        assert_eq!(Address::unpack(&crate::page::test_data::unhex(cookie), 4096).is_ok(), accepted);
    }

    #[test]
    fn misaligned_addresses_are_not_packed() {
        let address = Address { offset: 4096, size: 4096, checksum: 1, object_id: 0 };
        for bad in
            [Address { offset: 100, ..address }, Address { size: 5000, ..address }, Address { offset: 0, ..address }]
        {
            assert!(bad.to_cookie(4096).is_err(), "{bad}");
        }
        assert!(address.to_cookie(0).is_err());
    }

    #[test]
    fn the_end_of_the_file_is_respected() {
        let address = Address { offset: 4096, size: 4096, checksum: 1, object_id: 0 };
        assert!(address.check_within(8192).is_ok());
        let error = address.check_within(8191).unwrap_err().to_string();
        assert!(error.contains("address is past the end of the file"), "{error}");
    }

    proptest! {
        #[test]
        fn round_trip(units in 1u64..1 << 40, blocks in 1u32..1 << 12, checksum: u32, object_id: u32, shift in 9u32..20) {
            let unit = 1u32 << shift;
            let address = Address { offset: units * u64::from(unit), size: blocks * unit, checksum, object_id };
            let cookie = address.to_cookie(unit).unwrap();
            prop_assert_eq!(Address::unpack(&cookie, unit).unwrap(), address);
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, allocation_size: u32) {
            let _ = Address::unpack(&bytes, allocation_size);
        }
    }
}

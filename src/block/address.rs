//! The address of a block, and its packed form.

use super::codec::{get_vuint, put_vuint};
use crate::{Error, Result};

/// Where a block lies and what its checksum must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// Byte offset in the file: a multiple of the allocation size, never 0.
    pub offset: u64,
    /// Size in bytes, padding included: a multiple of the allocation size, never 0.
    pub size: u32,
    /// The block's CRC-32C.
    pub checksum: u32,
    /// The object of a tiered table; 0 for ordinary files.
    pub object_id: u32,
}

/// Appends the three packed numbers of an address; `None` is written as the null address.
pub(crate) fn put_triple(out: &mut Vec<u8>, address: Option<&Address>, allocation_size: u32) {
    let unit = u64::from(allocation_size);
    let Some(address) = address else {
        return out.extend([0x80; 3]);
    };
    put_vuint(out, address.offset.checked_div(unit).unwrap_or(0).wrapping_sub(1));
    put_vuint(out, u64::from(address.size).checked_div(unit).unwrap_or(0));
    put_vuint(out, u64::from(address.checksum));
}

/// Takes the three packed numbers of an address from the front of `input`; a size of 0 is the null address.
pub(crate) fn get_triple(input: &mut &[u8], allocation_size: u32) -> Result<Option<Address>> {
    let unit = u64::from(allocation_size);
    let bad = || Error::corrupt("", 0, "block address out of range");
    let (offset, size, checksum) = (get_vuint(input)?, get_vuint(input)?, get_vuint(input)?);
    if size == 0 {
        return Ok(None);
    }
    let offset = offset.checked_add(1).and_then(|units| units.checked_mul(unit)).ok_or_else(bad)?;
    let size = size.checked_mul(unit).and_then(|bytes| u32::try_from(bytes).ok()).ok_or_else(bad)?;
    let end = offset.checked_add(u64::from(size)).and_then(|end| i64::try_from(end).ok());
    let checksum = u32::try_from(checksum).map_err(|_| bad())?;
    end.map(|_| Some(Address { offset, size, checksum, object_id: 0 })).ok_or_else(bad)
}

/// The bytes of an address cookie, as parent pages hold it; `None` gives the null address.
pub(crate) fn encode(address: Option<&Address>, allocation_size: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    put_triple(&mut out, address, allocation_size);
    if let Some(object_id) = address.map(|address| address.object_id).filter(|&object_id| object_id != 0) {
        out.push(1);
        put_vuint(&mut out, u64::from(object_id));
    }
    out
}

/// Reads an address cookie; `None` is the null address.
pub(crate) fn decode(mut bytes: &[u8], allocation_size: u32) -> Result<Option<Address>> {
    let mut address = get_triple(&mut bytes, allocation_size)?;
    let Some((&flags, mut rest)) = bytes.split_first() else { return Ok(address) };
    if flags & 1 != 0 {
        let object_id =
            u32::try_from(get_vuint(&mut rest)?).map_err(|_| Error::corrupt("", 0, "object id out of range"))?;
        address.iter_mut().for_each(|address| address.object_id = object_id);
    }
    if flags & !1 == 0 && !rest.is_empty() {
        return Err(Error::corrupt("", 0, format!("{} bytes after a block address", rest.len())));
    }
    Ok(address)
}

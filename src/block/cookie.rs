//! The checkpoint cookie: everything the block manager needs to open one checkpoint of a file.
//!
//! Layout: version 1 (one byte); the addresses of root, alloc list, avail list and discard list (three packed numbers
//! each); packed file size; packed rolling size; then, only for objects of tiered tables, the byte 1 and the packed
//! object id. In the metadata the bytes stand in lower-case hexadecimal as `addr="..."`.
//!
//! Source: block specification, section 6.

use crate::page::address::Address;
use crate::page::vuint;
use crate::{Error, Result};

const VERSION: u8 = 1;
const HAS_OBJECT_ID: u8 = 1;

/// One checkpoint of a file, as the block manager sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointCookie {
    /// The root page; `None` for an empty tree.
    pub root: Option<Address>,
    /// The list of blocks allocated since the checkpoint before.
    pub alloc: Option<Address>,
    /// The list of free blocks.
    pub avail: Option<Address>,
    /// The list of blocks freed since the checkpoint before.
    pub discard: Option<Address>,
    /// The logical size of the file in bytes when the checkpoint ended.
    pub file_size: u64,
    /// The bytes of the tree without its root.
    pub rolling_size: u64,
    /// The object of a tiered table; 0 for ordinary files.
    pub object_id: u32,
}

impl CheckpointCookie {
    /// Reads a cookie of a file with the given allocation size in bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] without object name for anything that no writer produces.
    pub fn decode(bytes: &[u8], allocation_size: u32) -> Result<Self> {
        let (&version, mut rest) =
            bytes.split_first().ok_or_else(|| Error::corrupt("", 0, "empty checkpoint address"))?;
        if version != VERSION {
            return Err(Error::corrupt("", 0, format!("unsupported checkpoint version {version}, expected {VERSION}")));
        }
        let mut address = || {
            let address = Address::unpack_triple(&mut rest, allocation_size)?;
            Ok::<_, Error>((!address.is_none()).then_some(address))
        };
        let (root, alloc, avail, discard) = (address()?, address()?, address()?, address()?);
        let cut_off = || Error::corrupt("", 0, "checkpoint address is cut off");
        let mut number = || vuint::take(&mut rest).ok_or_else(cut_off);
        let (file_size, rolling_size) = (number()?, number()?);
        let mut cookie = Self { root, alloc, avail, discard, file_size, rolling_size, object_id: 0 };
        if let Some((&flags, mut tail)) = rest.split_first() {
            if flags & HAS_OBJECT_ID != 0 {
                cookie.object_id = vuint::take(&mut tail)
                    .and_then(|id| u32::try_from(id).ok())
                    .ok_or_else(|| Error::corrupt("", 0, "bad object id of a checkpoint address"))?;
                // The four blocks lie in the checkpoint's object.
                let addresses = [&mut cookie.root, &mut cookie.alloc, &mut cookie.avail, &mut cookie.discard];
                addresses.into_iter().flatten().for_each(|address| address.object_id = cookie.object_id);
            }
            // Other flag bits are reserved; what they announce can't be told, so the rest is skipped only then.
            if !tail.is_empty() && flags & !HAS_OBJECT_ID == 0 {
                return Err(Error::corrupt("", 0, format!("{} bytes after the checkpoint address", tail.len())));
            }
        }
        if i64::try_from(cookie.file_size).is_err() {
            return Err(Error::corrupt("", 0, format!("file size {} of a checkpoint address", cookie.file_size)));
        }
        Ok(cookie)
    }

    /// The bytes of the cookie, for a file with the given allocation size in bytes.
    ///
    /// # Errors
    /// `EINVAL` for an address that isn't of this allocation size.
    pub fn encode(&self, allocation_size: u32) -> Result<Vec<u8>> {
        let mut out = vec![VERSION];
        for address in [&self.root, &self.alloc, &self.avail, &self.discard] {
            address.unwrap_or_default().pack_triple(allocation_size, &mut out)?;
        }
        vuint::push(&mut out, self.file_size);
        vuint::push(&mut out, self.rolling_size);
        if self.object_id != 0 {
            out.push(HAS_OBJECT_ID);
            vuint::push(&mut out, u64::from(self.object_id));
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::{address_of, hex, vectors};
    use proptest::prelude::*;

    #[test]
    fn real_cookies_decode_and_encode_byte_for_byte() {
        let vectors = vectors("block-checkpoint-cookies.json");
        let cookies = vectors["cookies"].as_array().unwrap();
        assert!(cookies.len() >= 52);
        for vector in cookies {
            let allocation_size = vector["allocation_size"].as_u64().unwrap() as u32;
            let bytes = hex(vector["cookie_hex"].as_str().unwrap());
            if bytes.is_empty() {
                // A fake checkpoint.
                assert!(vector["fields"].is_null(), "{vector}");
                continue;
            }
            let cookie = CheckpointCookie::decode(&bytes, allocation_size).unwrap();
            let fields = &vector["fields"];
            assert_eq!(cookie.root, address_of(&fields["root"]));
            assert_eq!(cookie.alloc, address_of(&fields["alloc"]));
            assert_eq!(cookie.avail, address_of(&fields["avail"]));
            assert_eq!(cookie.discard, address_of(&fields["discard"]));
            assert_eq!(cookie.file_size, fields["file_size"].as_u64().unwrap());
            assert_eq!(cookie.rolling_size, fields["ckpt_size"].as_u64().unwrap());
            assert_eq!(u64::from(cookie.object_id), fields["object_id"].as_u64().unwrap());
            assert_eq!(cookie.encode(allocation_size).unwrap(), bytes);
        }
    }

    #[test]
    fn other_versions_and_cut_cookies_are_refused() {
        let bytes = hex("018f81e4911518609081e4230a4e899181e46fcf1ea2808080e3010fc0e2cfc0");
        assert!(CheckpointCookie::decode(&bytes, 4096).is_ok());
        for length in 0..bytes.len() {
            assert!(CheckpointCookie::decode(&bytes[..length], 4096).is_err(), "{length}");
        }
        let other = [&[2], &bytes[1..]].concat();
        let error = CheckpointCookie::decode(&other, 4096).unwrap_err();
        assert!(error.to_string().contains("unsupported checkpoint version 2"), "{error}");
        let longer = [&bytes[..], &[0x01, 0x81, 0x00]].concat();
        assert!(CheckpointCookie::decode(&longer, 4096).is_err());
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), shift in 9u32..28) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() { *first = VERSION; }
            if let Ok(cookie) = CheckpointCookie::decode(&bytes, 1 << shift) {
                let again = cookie.encode(1 << shift).unwrap();
                prop_assert_eq!(CheckpointCookie::decode(&again, 1 << shift).unwrap(), cookie);
            }
        }
    }
}

//! The header in front of a stored blob: 16 bytes in version 1, which is written; 24 in version 2, which is read too.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | signature, the bytes `wtch` |
//! | 4 | 1 | version |
//! | 5 | 1 | oldest version whose readers can read it |
//! | 6 | 1 | length of the header in bytes; the blob follows |
//! | 7 | 1 | 0 |
//! | 8 | 4 | length of the blob in bytes |
//! | 12 | 4 | CRC-32C of header and blob, with this field as 0 |
//! | 16 | 8 | version 2: timestamp |
//!
//! Numbers are little-endian. Source: key-provider specification, section 6.

use super::damaged;
use hardwired_plugin::{Error, ErrorCode, Result};

/// Length of the header that is written.
pub const HEADER_BYTES: usize = 16;

const SIGNATURE: [u8; 4] = *b"wtch";
const WRITTEN_VERSION: u8 = 1;
const READER_VERSION: u8 = 2;
const CHECKSUM_OFFSET: usize = 12;

/// A blob taken out of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedKey<'a> {
    /// The provider's bytes.
    pub blob: &'a [u8],
    /// The timestamp of a version 2 header, else 0.
    pub timestamp: u64,
}

/// Puts the header in front of a blob.
///
/// # Errors
/// `EFBIG` if the blob is longer than the header can say (4 GiB).
pub fn encode_key(blob: &[u8]) -> Result<Vec<u8>> {
    let size = u32::try_from(blob.len())
        .map_err(|_| Error::new(ErrorCode::EFBIG, format!("key blob of {} bytes is too large", blob.len())))?;
    let mut start = Vec::with_capacity(HEADER_BYTES.saturating_add(blob.len()));
    start.extend_from_slice(&SIGNATURE);
    start.extend_from_slice(&[WRITTEN_VERSION, WRITTEN_VERSION, 16, 0]);
    start.extend_from_slice(&size.to_le_bytes());
    let checksum = checksum(&start, blob);
    start.extend_from_slice(&checksum.to_le_bytes());
    start.extend_from_slice(blob);
    Ok(start)
}

/// Checks a page (header and blob) and takes the blob out. `object` names its place in errors.
///
/// # Errors
/// `EIO` for damage, with the offset in the page; `ENOTSUP` if a later version wrote it that this one can't read.
pub fn decode_key<'a>(page: &'a [u8], object: &str) -> Result<DecodedKey<'a>> {
    let bad = |offset, reason: String| Err(damaged(object, offset, reason));
    let Some((header, rest)) = page.split_first_chunk::<HEADER_BYTES>() else {
        let found = page.len();
        return bad(0, format!("Encryption key data too small: expected at least {HEADER_BYTES}, got {found}"));
    };
    let [s0, s1, s2, s3, version, compatible_version, header_size, _, z0, z1, z2, z3, c0, c1, c2, c3] = *header;
    let stored_checksum = u32::from_le_bytes([c0, c1, c2, c3]);
    let (before_checksum, _) = header.split_at(CHECKSUM_OFFSET);
    let computed = checksum(before_checksum, rest);
    if stored_checksum != computed {
        let reason = format!("Encryption key data checksum mismatch: expected {stored_checksum:#x}, got {computed:#x}");
        return bad(CHECKSUM_OFFSET, reason);
    }
    let header_bytes = usize::from(header_size);
    if header_bytes < HEADER_BYTES {
        return bad(
            6,
            format!("Encryption key header is too small: expected at least {HEADER_BYTES}, got {header_size}"),
        );
    }
    let Some((_, blob)) = page.split_at_checked(header_bytes) else {
        return bad(
            6,
            format!("Encryption key header of {header_size} bytes is larger than the {} bytes stored", page.len()),
        );
    };
    let size = u32::from_le_bytes([z0, z1, z2, z3]);
    if u32::try_from(blob.len()) != Ok(size) {
        return bad(8, format!("Encryption key data size mismatch: expected {size}, got {}", blob.len()));
    }
    if compatible_version > READER_VERSION {
        let text = format!("{object}: Unsupported encryption key data version {version}, min {compatible_version}");
        return Err(Error::unsupported(text));
    }
    let signature = [s0, s1, s2, s3];
    if signature != SIGNATURE {
        return bad(
            0,
            format!("Encryption key data signature mismatch: expected {SIGNATURE:02x?}, got {signature:02x?}"),
        );
    }
    let has_timestamp = version >= 2 && header_bytes >= 24;
    let timestamp = rest.first_chunk::<8>().filter(|_| has_timestamp).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(DecodedKey { blob, timestamp })
}

/// CRC-32C of a page whose checksum field counts as 0: `before` are its first 12 bytes, `after` those from 16 on.
fn checksum(before: &[u8], after: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]), after)
}

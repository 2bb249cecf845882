//! The framing of compressed and encrypted blocks: which bytes stay clear, which are transformed (format specification,
//! section 12).
//!
//! Order when writing: page image, compress, encrypt, pad with zeros, checksum. Reading is the inverse.
//!
//! Invariants
//! 1. `mem_size` in the header is always that of the plain, uncompressed image.
//! 2. A compressed block keeps its first 64 bytes, an encrypted one its first 40; with both, the 24 bytes in between are
//!    inside the encrypted part.
//!
//! Not here: compressors and encryptors themselves.

use hardwired_plugin::{Error, Result};

use super::header::{COMPRESS_SKIP, PageFlags, PageHeader};
use super::input::Input;
use super::{HEADER_SIZE, corrupt, widen};

/// Offset of the ciphertext: after the headers and its length.
const CIPHERTEXT_OFFSET: usize = 44;

/// The message about a compressed block in a file without compressor.
pub const NO_COMPRESSION: &str = "compressed block for which no compression configured";
/// The message about an encrypted block in a file without encryptor.
pub const NO_ENCRYPTION: &str = "encrypted block for which no encryption configured";
/// The message about a clear block in a file with an encryptor.
pub const NOT_ENCRYPTED: &str = "unencrypted block for which encryption configured";

/// What has been done to a block's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    /// The bytes from 64 on are compressed (inside the encrypted part, if there is one).
    pub compressed: bool,
    /// The bytes from 40 on are encrypted.
    pub encrypted: bool,
}

impl Framing {
    /// What the page flags say.
    pub fn of(flags: PageFlags) -> Self {
        Self { compressed: flags.has(PageFlags::COMPRESSED), encrypted: flags.has(PageFlags::ENCRYPTED) }
    }
}

/// The page image in a block of a file that has neither compressor nor encryptor: no copy is made.
///
/// # Errors
/// `Corrupt` with [`NO_COMPRESSION`] or [`NO_ENCRYPTION`] if the block is compressed or encrypted, or if its header is
/// invalid.
pub fn plain_image(block: &[u8]) -> Result<&[u8]> {
    let header = PageHeader::parse(block)?;
    let framing = Framing::of(header.flags);
    if framing.encrypted {
        return Err(corrupt(25, NO_ENCRYPTION));
    }
    if framing.compressed {
        return Err(corrupt(25, NO_COMPRESSION));
    }
    header.image(block)
}

/// The ciphertext of an encrypted block. The decryptor's output replaces the bytes from offset 40 on.
///
/// # Errors
/// `Corrupt` if the stored length doesn't fit the block.
pub fn ciphertext(block: &[u8]) -> Result<&[u8]> {
    let length = Input::at(block, HEADER_SIZE).and_then(|mut input| input.u32_le());
    let end = widen(length.ok_or_else(|| corrupt(HEADER_SIZE, "an encrypted block that is cut off"))?);
    if end > block.len() {
        let reason = "corrupted encrypted item: padded size less than actual size";
        return Err(corrupt(HEADER_SIZE, reason));
    }
    block
        .get(CIPHERTEXT_OFFSET..end)
        .ok_or_else(|| corrupt(HEADER_SIZE, "an encrypted block with an impossible length"))
}

/// Appends an encrypted block to `out`: the clear headers of `image`, the length, the ciphertext. The encrypted flag is
/// set in the copy of the header.
///
/// # Errors
/// `Corrupt` if `image` is shorter than its headers; `EINVAL` if the block would be too large.
pub fn frame_encrypted(image: &[u8], ciphertext: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let total = ciphertext.len().checked_add(CIPHERTEXT_OFFSET).and_then(|total| u32::try_from(total).ok());
    let total = total.ok_or_else(|| Error::invalid("requested block size is too large"))?;
    frame(image, HEADER_SIZE, PageFlags::ENCRYPTED, out)?;
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(ciphertext);
    Ok(())
}

/// The compressor's output in a compressed block, with the padding behind it: each format finds its own end.
///
/// # Errors
/// `Corrupt` if the block is shorter than its clear part.
pub fn compressed_part(block: &[u8]) -> Result<&[u8]> {
    block.get(COMPRESS_SKIP..).ok_or_else(|| corrupt(0, "a compressed block that is cut off"))
}

/// How many bytes the decompressor must produce: all of the image but its clear part.
///
/// # Errors
/// `Corrupt` if the page's size leaves nothing to decompress.
pub fn decompressed_len(header: &PageHeader) -> Result<usize> {
    let len = widen(header.mem_size).checked_sub(COMPRESS_SKIP);
    len.ok_or_else(|| corrupt(16, "a compressed block whose page is smaller than its clear part"))
}

/// What a compressor gets of a page image: everything after the clear part. `None` if there is nothing to compress.
pub fn compressible(image: &[u8]) -> Option<&[u8]> {
    image.get(COMPRESS_SKIP..).filter(|rest| !rest.is_empty())
}

/// Appends a compressed image to `out`: the clear part of `image` with the compressed flag set, then the output.
///
/// # Errors
/// `Corrupt` if `image` is shorter than its clear part.
pub fn frame_compressed(image: &[u8], compressed: &[u8], out: &mut Vec<u8>) -> Result<()> {
    frame(image, COMPRESS_SKIP, PageFlags::COMPRESSED, out)?;
    out.extend_from_slice(compressed);
    Ok(())
}

/// Appends the first `clear` bytes of an image, with a flag set in the header.
fn frame(image: &[u8], clear: usize, flag: PageFlags, out: &mut Vec<u8>) -> Result<()> {
    let mut header = PageHeader::parse(image)?;
    let clear = image.get(..clear).ok_or_else(|| corrupt(0, "an image that is smaller than its clear part"))?;
    header.flags = header.flags.with(flag);
    let start = out.len();
    out.extend_from_slice(clear);
    header.write(out.get_mut(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checksum;
    use crate::page::test_data::{hex, number, number_u32, vectors};
    use proptest::prelude::*;
    use serde_json::Value;

    fn block(case: &Value) -> Vec<u8> {
        let mut block = hex(&case["image_without_trailing_zeros"]);
        block.resize(number_u32(&case["disk_size"]) as usize, 0);
        checksum::check(&block, number_u32(&case["checksum"])).unwrap();
        block
    }

    #[test]
    fn compressed_vectors_split_and_are_framed_again() {
        let file = vectors("btree-block-transforms.json");
        let cases = file["compression"].as_array().unwrap();
        assert_eq!(cases.len(), 15);
        for case in cases {
            let block = block(case);
            let header = PageHeader::parse(&block).unwrap();
            assert_eq!(Framing::of(header.flags), Framing { compressed: true, encrypted: false });
            assert_eq!(decompressed_len(&header).unwrap() as u64, number(&case["mem_size"]) - 64);
            let part = compressed_part(&block).unwrap();
            if case["compressor"] == "nop" {
                // Nothing changed: the whole uncompressed body can be seen.
                let body = [&block[40..64], &part[..decompressed_len(&header).unwrap()]].concat();
                assert_eq!(body, hex(&case["uncompressed_body_from_offset_40"]));
                assert_eq!(checksum::crc32c(&body), number_u32(&case["uncompressed_body_crc32c"]));
            }
            let mut image = block[..64].to_vec();
            image[25] &= !1;
            let mut framed = Vec::new();
            frame_compressed(&image, part, &mut framed).unwrap();
            assert_eq!(framed, block);
            let error = plain_image(&block).unwrap_err().to_string();
            assert!(error.contains(NO_COMPRESSION), "{error}");
        }
    }

    #[test]
    fn encrypted_vectors_split_and_are_framed_again() {
        let file = vectors("btree-block-transforms.json");
        for case in file["encryption"].as_array().unwrap() {
            let block = block(case);
            let header = PageHeader::parse(&block).unwrap();
            if case["encryptor"] == "none" {
                assert_eq!(plain_image(&block).unwrap().len() as u64, number(&case["mem_size"]));
                continue;
            }
            let framing = Framing::of(header.flags);
            assert_eq!(framing, Framing { compressed: case["compressor"] != Value::Null, encrypted: true });
            let text = ciphertext(&block).unwrap();
            if !framing.compressed {
                // rotn adds a header and an initialization vector of 20 bytes together, nop nothing.
                let added = if case["encryptor"] == "nop" { 0 } else { 20 };
                assert_eq!(text.len() as u64, number(&case["mem_size"]) - 40 + added);
            }
            let mut image = block[..40].to_vec();
            image[25] &= !8;
            let mut framed = Vec::new();
            frame_encrypted(&image, text, &mut framed).unwrap();
            framed.resize(block.len(), 0);
            assert_eq!(framed, block);
            assert!(plain_image(&block).unwrap_err().to_string().contains(NO_ENCRYPTION));
        }
    }

    #[test]
    fn a_length_beyond_the_block_is_refused() {
        let mut block = vec![0; 64];
        block[40] = 65;
        assert!(ciphertext(&block).unwrap_err().to_string().contains("padded size less than actual size"));
        block[40] = 43;
        assert!(ciphertext(&block).is_err());
        block[40] = 44;
        assert!(ciphertext(&block).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = (plain_image(&bytes), ciphertext(&bytes), compressed_part(&bytes), compressible(&bytes));
            let mut out = Vec::new();
            let _ = (frame_compressed(&bytes, b"x", &mut out), frame_encrypted(&bytes, b"x", &mut out));
        }
    }
}

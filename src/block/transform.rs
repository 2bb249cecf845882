//! What happens to a page image on its way to the file, and back: compression, then encryption.
//!
//! Invariants
//! 1. A compressed form is kept only if it needs fewer allocation units.
//! 2. All blocks of a file with an encryptor are encrypted, those of others are not: a block that says otherwise is damage.
//! 3. What is restored has exactly the size that the page's header gives, and its flags say that nothing was done to it.
//! 4. No size that a block claims is allocated before it is found to be within [`MAX_RATIO`].
//!
//! The block manager itself knows nothing of this: it gets and gives blocks, and takes checksums over them. The framing is
//! in [`crate::page::transform`].
//!
//! Source: B-tree format specification, section 12.

use crate::page::header::{COMPRESS_SKIP, PageFlags, PageHeader};
use crate::page::transform::{
    Framing, NO_COMPRESSION, NO_ENCRYPTION, NOT_ENCRYPTED, ciphertext, compressed_part, compressible, decompressed_len,
    frame_compressed, frame_encrypted,
};
use crate::page::{HEADER_SIZE, corrupt, widen};
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::encryptor::Encryptor;
use std::fmt;
use std::sync::Arc;

/// No format makes more of a byte than this (Zstandard has blocks of 128 KB in four bytes).
pub(crate) const MAX_RATIO: usize = 1 << 16;
/// Encryptors that add more than this are taken for broken.
const MAX_EXPANSION: usize = 1 << 16;
/// Bytes of the length before a cipher text.
const LENGTH_SIZE: usize = 4;

/// An encryptor with its key, and what it adds to a text.
pub struct KeyedEncryptor {
    encryptor: Arc<dyn Encryptor>,
    expansion: usize,
}

impl KeyedEncryptor {
    /// Asks the encryptor for its expansion, once.
    ///
    /// # Errors
    /// Those of the encryptor; `EINVAL` for an expansion that can't be meant.
    pub fn new(encryptor: Arc<dyn Encryptor>) -> Result<Self> {
        let expansion = encryptor.sizing()?;
        if expansion > MAX_EXPANSION {
            return Err(Error::invalid(format!("an encryptor that adds {expansion} bytes to each text")));
        }
        Ok(Self { encryptor, expansion })
    }

    /// The framed cipher text of what stands behind `clear` bytes that stay as they are: the length of all, then the cipher
    /// text. Metadata in files has no clear part, log records have their header.
    ///
    /// # Errors
    /// Those of the encryptor; `EINVAL` for a text that is too long.
    pub fn seal(&self, clear: usize, plain: &[u8]) -> Result<Vec<u8>> {
        let cipher = self.encrypt(plain)?;
        let total = clear.saturating_add(LENGTH_SIZE).saturating_add(cipher.len());
        let total = u32::try_from(total).map_err(|_| Error::invalid("a text that is too long to be encrypted"))?;
        let mut out = Vec::with_capacity(cipher.len().saturating_add(LENGTH_SIZE));
        out.extend_from_slice(&total.to_le_bytes());
        out.extend_from_slice(&cipher);
        Ok(out)
    }

    /// What [`seal`](Self::seal) was given; there may be padding behind the framed text.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a length that doesn't fit, or if the encryptor refuses the text.
    pub fn open(&self, clear: usize, framed: &[u8]) -> Result<Vec<u8>> {
        let impossible = || corrupt(clear, "corrupted encrypted item: padded size less than actual size");
        let (total, rest) = framed.split_first_chunk::<LENGTH_SIZE>().ok_or_else(impossible)?;
        let len = widen(u32::from_le_bytes(*total)).checked_sub(clear.saturating_add(LENGTH_SIZE));
        let cipher = len.and_then(|len| rest.get(..len)).ok_or_else(impossible)?;
        let mut plain = vec![0; cipher.len()];
        let failed = |reason: String| corrupt(clear, format!("decryption failed: {reason}"));
        let len = self.encryptor.decrypt(cipher, &mut plain).map_err(|error| failed(error.to_string()))?;
        if len > plain.len() {
            return Err(failed(format!("{len} bytes from a cipher text of {}", plain.len())));
        }
        plain.truncate(len);
        Ok(plain)
    }

    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut cipher = vec![0; plain.len().saturating_add(self.expansion)];
        let len = self.encryptor.encrypt(plain, &mut cipher)?;
        if len > cipher.len() {
            return Err(Error::new(ErrorCode::ERROR, "an encryptor claims more bytes than it was given room for"));
        }
        cipher.truncate(len);
        Ok(cipher)
    }
}

impl fmt::Debug for KeyedEncryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedEncryptor").field("expansion", &self.expansion).finish_non_exhaustive()
    }
}

/// What is done to the blocks of a file. By default nothing.
#[derive(Clone, Default)]
pub struct BlockTransform {
    compressor: Option<Arc<dyn Compressor>>,
    encryptor: Option<Arc<KeyedEncryptor>>,
}

impl BlockTransform {
    /// Compresses, then encrypts.
    pub fn new(compressor: Option<Arc<dyn Compressor>>, encryptor: Option<Arc<KeyedEncryptor>>) -> Self {
        Self { compressor, encryptor }
    }

    /// Whether nothing is done.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.compressor.is_none() && self.encryptor.is_none()
    }

    /// Whether pages are compressed.
    pub fn compresses(&self) -> bool {
        self.compressor.is_some()
    }

    /// Whether pages are encrypted.
    pub fn encrypts(&self) -> bool {
        self.encryptor.is_some()
    }

    /// What encrypts pages.
    pub fn encryptor(&self) -> Option<&KeyedEncryptor> {
        self.encryptor.as_deref()
    }

    /// What is written for a page image; `None`: the image itself.
    ///
    /// # Errors
    /// Those of compressor and encryptor: the write fails.
    pub fn seal(&self, image: &[u8], allocation_size: u32) -> Result<Option<Vec<u8>>> {
        let compressed = self.compress(image, widen(allocation_size).max(1))?;
        let Some(encryptor) = &self.encryptor else { return Ok(compressed) };
        let plain = compressed.as_deref().unwrap_or(image);
        let cipher = encryptor.encrypt(plain.get(HEADER_SIZE..).unwrap_or_default())?;
        let mut block = Vec::with_capacity(cipher.len().saturating_add(HEADER_SIZE + LENGTH_SIZE));
        frame_encrypted(plain, &cipher, &mut block)?;
        Ok(Some(block))
    }

    fn compress(&self, image: &[u8], unit: usize) -> Result<Option<Vec<u8>>> {
        let (Some(compressor), Some(source)) = (&self.compressor, compressible(image)) else { return Ok(None) };
        let added = self.encryptor.as_ref().map_or(0, |encryptor| encryptor.expansion.saturating_add(LENGTH_SIZE));
        let units = |bytes: usize| bytes.saturating_add(added).div_ceil(unit);
        if units(image.len()) < 2 {
            return Ok(None);
        }
        let mut packed = vec![0; compressor.pre_size(source)?];
        let Some(len) = compressor.compress(source, &mut packed)? else { return Ok(None) };
        let Some(packed) = packed.get(..len) else {
            return Err(Error::new(ErrorCode::ERROR, "a compressor claims more bytes than it was given room for"));
        };
        let total = len.saturating_add(COMPRESS_SKIP);
        if units(total) >= units(image.len()) {
            return Ok(None);
        }
        let mut block = Vec::with_capacity(total);
        frame_compressed(image, packed, &mut block)?;
        Ok(Some(block))
    }

    /// The page image in a block; a block to which nothing was done comes back as it is, with its padding.
    ///
    /// # Errors
    /// [`Error::Corrupt`] (offsets count from the block's start) for a block to which something else was done, or that
    /// can't be restored.
    pub fn open(&self, block: Vec<u8>) -> Result<Vec<u8>> {
        let mut header = PageHeader::parse(&block)?;
        let framing = Framing::of(header.flags);
        let mut image = match (&self.encryptor, framing.encrypted) {
            (None, false) => block,
            (Some(encryptor), true) => decrypted(encryptor, &block)?,
            (None, true) => return Err(corrupt(25, NO_ENCRYPTION)),
            (Some(_), false) => return Err(corrupt(25, NOT_ENCRYPTED)),
        };
        if framing.compressed {
            let compressor = self.compressor.as_ref().ok_or_else(|| corrupt(25, NO_COMPRESSION))?;
            image = decompressed(&**compressor, &header, &image)?;
        }
        if framing.compressed || framing.encrypted {
            header.flags = header.flags.without(PageFlags::COMPRESSED).without(PageFlags::ENCRYPTED);
            header.write(&mut image)?;
        }
        Ok(image)
    }
}

fn decrypted(encryptor: &KeyedEncryptor, block: &[u8]) -> Result<Vec<u8>> {
    let cipher = ciphertext(block)?;
    let mut image = vec![0; cipher.len().saturating_add(HEADER_SIZE)];
    let (Some((clear, text)), Some(headers)) = (image.split_at_mut_checked(HEADER_SIZE), block.get(..HEADER_SIZE))
    else {
        return Err(corrupt(0, "an encrypted block that is cut off"));
    };
    clear.copy_from_slice(headers);
    let failed = |reason: String| corrupt(HEADER_SIZE, format!("block decryption failed: {reason}"));
    let len = encryptor.encryptor.decrypt(cipher, text).map_err(|error| failed(error.to_string()))?;
    if len > text.len() {
        return Err(failed(format!("{len} bytes from a cipher text of {}", text.len())));
    }
    image.truncate(len.saturating_add(HEADER_SIZE));
    Ok(image)
}

fn decompressed(compressor: &dyn Compressor, header: &PageHeader, block: &[u8]) -> Result<Vec<u8>> {
    let source = compressed_part(block)?;
    let len = decompressed_len(header)?;
    let failed = |reason: String| corrupt(COMPRESS_SKIP, format!("block decompression failed: {reason}"));
    if len > source.len().saturating_mul(MAX_RATIO) {
        return Err(failed(format!("{} bytes can't hold {len}", source.len())));
    }
    let mut image = vec![0; len.saturating_add(COMPRESS_SKIP)];
    let (Some((clear, out)), Some(prefix)) = (image.split_at_mut_checked(COMPRESS_SKIP), block.get(..COMPRESS_SKIP))
    else {
        return Err(corrupt(0, "a compressed block that is cut off"));
    };
    clear.copy_from_slice(prefix);
    let given = compressor.decompress(source, out).map_err(|error| failed(error.to_string()))?;
    if given != len { Err(failed(format!("{given} bytes instead of {len}"))) } else { Ok(image) }
}

impl fmt::Debug for BlockTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (compresses, encrypts) = (self.compresses(), self.encrypts());
        f.debug_struct("BlockTransform").field("compresses", &compresses).field("encrypts", &encrypts).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::header::PageType;
    use proptest::prelude::*;

    /// Keeps every second byte of runs of pairs; enough to tell "compressed" from "not".
    struct Pairs;

    impl Compressor for Pairs {
        fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
            if !source.chunks(2).all(|pair| pair.len() == 1 || pair[0] == pair[1]) {
                return Ok(None);
            }
            let len = source.len().div_ceil(2);
            source.iter().step_by(2).zip(destination).for_each(|(byte, out)| *out = *byte);
            Ok(Some(len))
        }
        fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
            let Some(source) = source.get(..destination.len().div_ceil(2)) else {
                return Err(Error::new(ErrorCode::ERROR, "too short"));
            };
            destination.chunks_mut(2).zip(source).for_each(|(out, byte)| out.fill(*byte));
            Ok(destination.len())
        }
    }

    /// Adds a checksum of one byte, and turns the bits over.
    struct Negative;

    impl Encryptor for Negative {
        fn sizing(&self) -> Result<usize> {
            Ok(1)
        }
        fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
            destination[0] = source.iter().fold(0, |sum, byte| sum ^ byte);
            destination[1..].iter_mut().zip(source).for_each(|(out, byte)| *out = !byte);
            Ok(source.len() + 1)
        }
        fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
            let Some((sum, text)) = source.split_first() else { return Ok(0) };
            destination.iter_mut().zip(text).for_each(|(out, byte)| *out = !byte);
            if destination[..text.len()].iter().fold(0, |sum, byte| sum ^ byte) != *sum {
                return Err(Error::new(ErrorCode::ERROR, "another key"));
            }
            Ok(text.len())
        }
    }

    fn transform(compresses: bool, encrypts: bool) -> BlockTransform {
        BlockTransform::new(
            compresses.then(|| Arc::new(Pairs) as Arc<dyn Compressor>),
            encrypts.then(|| Arc::new(KeyedEncryptor::new(Arc::new(Negative)).unwrap())),
        )
    }

    fn image(body: &[u8]) -> Vec<u8> {
        let mut image = vec![0; HEADER_SIZE];
        image.extend_from_slice(body);
        let size = u32::try_from(image.len()).unwrap();
        PageHeader::new(PageType::Overflow, size, size - 40).write(&mut image).unwrap();
        image
    }

    fn sealed(transform: &BlockTransform, image: &[u8]) -> Vec<u8> {
        let mut block = transform.seal(image, 512).unwrap().unwrap_or_else(|| image.to_vec());
        block.resize(block.len().next_multiple_of(512), 0);
        block
    }

    #[test]
    fn what_is_sealed_is_opened_again_in_all_combinations() {
        for body in [vec![7; 3000], (0..3000_u32).map(|n| n as u8).collect(), vec![1; 30], vec![2; 1]] {
            for (compresses, encrypts) in [(false, false), (true, false), (false, true), (true, true)] {
                let transform = transform(compresses, encrypts);
                let image = image(&body);
                let block = sealed(&transform, &image);
                let flags = PageHeader::parse(&block).unwrap().flags;
                let saves = compresses && body == vec![7; 3000];
                assert_eq!(Framing::of(flags), Framing { compressed: saves, encrypted: encrypts });
                let mut opened = transform.open(block.clone()).unwrap();
                opened.truncate(image.len());
                assert_eq!(opened, image);
                if encrypts {
                    let error = self::transform(true, false).open(block).unwrap_err().to_string();
                    assert!(error.contains(NO_ENCRYPTION), "{error}");
                } else {
                    let error = self::transform(true, true).open(block).unwrap_err().to_string();
                    assert!(error.contains(NOT_ENCRYPTED), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_form_that_saves_no_unit_is_not_kept() {
        // 40 + 480 bytes take two units; compressed they take one.
        assert!(transform(true, false).seal(&image(&[3; 480]), 512).unwrap().is_some());
        assert!(transform(true, false).seal(&image(&[3; 472]), 512).unwrap().is_none());
        // 600 bytes of body: from one unit of 4096 to one.
        assert!(transform(true, false).seal(&image(&[3; 600]), 4096).unwrap().is_none());
    }

    #[test]
    fn sizes_that_lie_are_damage_without_memory_for_them() {
        let transform = transform(true, false);
        let block = sealed(&transform, &image(&[7; 3000]));
        for size in [64_u32, 63, 0, 3041, 3000, u32::MAX] {
            let mut lying = block.clone();
            lying[16..20].copy_from_slice(&size.to_le_bytes());
            // The toy compressor fills any length it has enough bytes for; the size is in the header and can't be checked.
            if let Ok(opened) = transform.open(lying) {
                assert_eq!(opened.len() as u32, size);
            }
        }
        let mut short = block[..600].to_vec();
        short[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        let error = transform.open(short).unwrap_err().to_string();
        assert!(error.contains("block decompression failed: 536 bytes can't hold"), "{error}");
    }

    #[test]
    fn a_framed_text_is_opened_again_and_no_length_is_believed() {
        let encryptor = KeyedEncryptor::new(Arc::new(Negative)).unwrap();
        for clear in [0, 16] {
            let framed = encryptor.seal(clear, b"text").unwrap();
            assert_eq!(framed[..4], u32::try_from(clear + 4 + 5).unwrap().to_le_bytes());
            assert_eq!(encryptor.open(clear, &[&framed[..], &[0; 9]].concat()).unwrap(), b"text");
            for length in [0, u32::try_from(clear).unwrap() + 3, u32::try_from(clear).unwrap() + 10, u32::MAX] {
                let lying = [&length.to_le_bytes()[..], &framed[4..]].concat();
                assert!(matches!(encryptor.open(clear, &lying), Err(Error::Corrupt(_))), "{length}");
            }
            assert!(encryptor.open(clear, &framed[..3]).is_err());
        }
    }

    #[test]
    fn another_key_is_damage() {
        let transform = transform(false, true);
        let mut block = sealed(&transform, &image(&[7; 100]));
        block[60] ^= 1;
        let error = transform.open(block).unwrap_err();
        assert!(
            matches!(&error, Error::Corrupt(_)) && error.to_string().contains("block decryption failed: another key")
        );
    }

    proptest! {
        #[test]
        fn any_block_is_safe(block: Vec<u8>, flags in 0..16_u8, at in 0..30_usize) {
            let mut block = block;
            if let Some(byte) = block.get_mut(25) {
                *byte = flags;
            }
            if let Some(byte) = block.get_mut(at) {
                *byte = 7;
            }
            for (compresses, encrypts) in [(false, false), (true, false), (false, true), (true, true)] {
                let _ = transform(compresses, encrypts).open(block.clone());
            }
        }
    }
}

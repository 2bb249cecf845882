//! The encryptor `sodium`: XChaCha20-Poly1305, in the byte format of WiredTiger's extension that uses libsodium.
//!
//! | offset | bytes | content |
//! | --- | --- | --- |
//! | 0 | 1 | version, 1 |
//! | 1 | 1 | cipher, 1: XChaCha20-Poly1305 |
//! | 2 | 2 | zero |
//! | 4 | 24 | nonce: random |
//! | 28 | n | cipher text |
//! | 28 + n | 16 | tag over the cipher text and the first four bytes |
//!
//! The key is `secretkey=` with 64 hexadecimal digits. Key ids are not supported, as there is nothing that would turn one
//! into a key; so a table can't have a key of its own, only the connection's or none.
//!
//! 1. The key's memory is wiped when the instance goes, and so is every copy on the way there.
//! 2. No message and no `Debug` output contains any of it.
//! 3. A nonce is never used twice: it has 192 bits of the operating system's randomness. Without those, encryption fails.
//!
//! Pure Rust, through the crate `chacha20poly1305`.
//!
//! Source: extensions specification, section 11.6.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};
use hardwired_plugin::config::Config;
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

hardwired_plugin::register_extension! {
    /// The encryptor.
    pub static EXTENSION: Extension =
        Extension::encryptor("sodium", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(Sodium { cipher: None }))
        })
        .with_library_names(&["sodium_encrypt"]);
}

/// Version, cipher, two zeros: authenticated, though not encrypted.
const HEADER: [u8; 4] = [1, 1, 0, 0];
const NONCE: usize = 24;
const TAG: usize = 16;
/// By how much a text grows.
const EXPANSION: usize = HEADER.len() + NONCE + TAG;
const KEY: usize = 32;

/// The encryptor; without a key until it is customized.
pub struct Sodium {
    /// Wipes its key when it is dropped.
    cipher: Option<XChaCha20Poly1305>,
}

impl Sodium {
    /// An encryptor with this key.
    pub fn with_key(key: &[u8; KEY]) -> Self {
        Self { cipher: Some(XChaCha20Poly1305::new(Key::from_slice(key))) }
    }

    fn cipher(&self) -> Result<&XChaCha20Poly1305> {
        self.cipher.as_ref().ok_or_else(no_key)
    }
}

impl Encryptor for Sodium {
    fn sizing(&self) -> Result<usize> {
        Ok(EXPANSION)
    }

    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let cipher = self.cipher()?;
        let total = source.len().saturating_add(EXPANSION);
        let too_small = || Error::new(ErrorCode::ENOMEM, "sodium: encrypt buffer not big enough");
        let out = destination.get_mut(..total).ok_or_else(too_small)?;
        let (header, out) = out.split_first_chunk_mut().ok_or_else(too_small)?;
        let (nonce, out) = out.split_first_chunk_mut::<NONCE>().ok_or_else(too_small)?;
        let (text, tag) = out.split_last_chunk_mut::<TAG>().ok_or_else(too_small)?;
        *header = HEADER;
        getrandom::fill(nonce)
            .map_err(|error| Error::new(ErrorCode::ERROR, format!("sodium: no random bytes for a nonce: {error}")))?;
        text.copy_from_slice(source);
        let sealed = cipher.encrypt_in_place_detached(XNonce::from_slice(nonce), header, text);
        *tag = sealed.map_err(|_| Error::new(ErrorCode::ERROR, "sodium: encryption failed"))?.into();
        Ok(total)
    }

    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let cipher = self.cipher()?;
        let failed = |text: &str| Error::new(ErrorCode::ERROR, format!("sodium: {text}"));
        let too_short = || failed("cipher text is too short");
        let (header, rest) = source.split_first_chunk::<4>().ok_or_else(too_short)?;
        match header {
            [1, 1, ..] => {}
            [1, other, ..] => return Err(failed(&format!("unknown cipher {other}"))),
            [other, ..] => return Err(failed(&format!("unknown format version {other}"))),
        }
        let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or_else(too_short)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or_else(too_short)?;
        let Some(out) = destination.get_mut(..text.len()) else {
            return Err(Error::new(ErrorCode::ENOMEM, "sodium: decrypt buffer not big enough"));
        };
        out.copy_from_slice(text);
        cipher
            .decrypt_in_place_detached(XNonce::from_slice(nonce), header, out, Tag::from_slice(tag))
            .map_err(|_| failed("decryption failed"))?;
        Ok(text.len())
    }

    fn customize(&self, config: Config<'_>) -> Result<Option<Arc<dyn Encryptor>>> {
        let (keyid, secret) = (config.text_or("keyid", "")?, config.text_or("secretkey", "")?);
        match (keyid.is_empty(), secret.is_empty()) {
            (true, true) => Err(no_key()),
            (false, true) => Err(Error::invalid("sodium_customize: keyids not supported yet")),
            (false, false) => Err(Error::invalid("sodium_customize: keys specified with both keyid= and secretkey=")),
            (true, false) => {
                let key = key_of(secret)?;
                Ok(Some(Arc::new(Self::with_key(&key))))
            }
        }
    }
}

fn no_key() -> Error {
    Error::invalid("sodium_customize: no key given with either keyid= or secretkey=")
}

fn key_of(digits: &str) -> Result<Zeroizing<[u8; KEY]>> {
    let not_hex = || Error::invalid("sodium_customize: secret key not hex");
    let digits = digits.as_bytes();
    if !digits.iter().all(u8::is_ascii_hexdigit) || !digits.len().is_multiple_of(2) {
        return Err(not_hex());
    }
    if digits.len() != KEY * 2 {
        return Err(Error::invalid("sodium_customize: wrong secret key length"));
    }
    let mut key = Zeroizing::new([0; KEY]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let (high, low) = nibble(0).zip(nibble(1)).ok_or_else(not_hex)?;
        *byte = u8::try_from(high << 4 | low).map_err(|_| not_hex())?;
    }
    Ok(key)
}

/// Tells nothing of the key.
impl fmt::Debug for Sodium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sodium").field("key", if self.cipher.is_some() { &"..." } else { &"none" }).finish()
    }
}

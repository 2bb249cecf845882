//! A toy encryptor, to see in tests what is encrypted and under which key. It protects nothing.
//!
//! Byte format: four bytes `C` (for a checksum), 16 bytes `I` (for an initialization vector), the transformed text.
//! - Without a secret key the letters a-z and A-Z are rotated by `keyid`; other bytes stay.
//! - With one (letters alone), byte i of the text grows by `keyid` and the position in the alphabet of letter i of the key,
//!   which repeats.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `rotn_force_error` | false | every decryption fails with -1000, for tests of failures |
//!
//! WiredTiger can't decrypt what it encrypts without a secret key under a `keyid` above 26; this one can.
//!
//! Source: extensions specification, section 11.5.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::config::{Config, ConfigParser};
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

hardwired_plugin::register_extension! {
    /// The toy encryptor.
    pub static EXTENSION: Extension =
        Extension::encryptor("rotn", hardwired_plugin::origin!(), |context| Ok(Arc::new(Rotn::new(context)?)))
            .with_library_names(&["rotn_encrypt"]);
}

/// Stands before the text.
const PREFIX: &[u8; 20] = b"CCCCIIIIIIIIIIIIIIII";
/// What a forced error gives.
const FORCED: ErrorCode = ErrorCode(-1000);

/// The encryptor.
pub struct Rotn {
    key: Key,
    force_error: bool,
}

enum Key {
    /// Letters are rotated by this.
    Rotate(u8),
    /// Bytes grow by these in turn; there is at least one.
    Shift(Zeroizing<Vec<u8>>),
}

#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

impl Rotn {
    /// Makes an encryptor without a key, with the options of `context`.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        let mut force_error = false;
        for item in ConfigParser::new(context.config()) {
            let (key, value) = item?;
            let unexpected = || context.unexpected(key.text(), value.text());
            match key.text() {
                "rotn_force_error" => force_error = value.as_bool().map_err(|_| unexpected())?,
                _ => return Err(unexpected()),
            }
        }
        Ok(Self { key: Key::Rotate(0), force_error })
    }
}

impl Key {
    fn parse(config: Config<'_>) -> Result<Self> {
        // What isn't a number counts as 0.
        let keyid = config.get("keyid")?.and_then(|item| item.as_i64().ok()).unwrap_or(0);
        let secret = config.text_or("secretkey", "")?;
        let keyid = u64::try_from(keyid).map_err(|_| Error::invalid("rotn_customize: invalid keyid"))?;
        let below = |limit| u8::try_from(keyid.checked_rem(limit).unwrap_or(0)).unwrap_or(0);
        if secret.is_empty() {
            return Ok(Self::Rotate(below(26)));
        }
        let shift = |letter: u8| {
            letter
                .is_ascii_alphabetic()
                .then(|| letter.to_ascii_lowercase().wrapping_sub(b'a').wrapping_add(below(256)))
        };
        let shifts: Option<Vec<u8>> = secret.bytes().map(shift).collect();
        let shifts = shifts.ok_or_else(|| Error::invalid("rotn_customize: invalid key"))?;
        Ok(Self::Shift(Zeroizing::new(shifts)))
    }

    fn transform(&self, source: &[u8], destination: &mut [u8], way: Way) {
        match self {
            Self::Rotate(by) => {
                let by = if matches!(way, Way::There) { *by } else { 26_u8.wrapping_sub(*by) };
                destination.iter_mut().zip(source).for_each(|(out, byte)| *out = rotated(*byte, by));
            }
            Self::Shift(by) => {
                for ((out, byte), by) in destination.iter_mut().zip(source).zip(by.iter().cycle()) {
                    *out = if matches!(way, Way::There) { byte.wrapping_add(*by) } else { byte.wrapping_sub(*by) };
                }
            }
        }
    }
}

fn rotated(byte: u8, by: u8) -> u8 {
    let first = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    let moved = byte.wrapping_sub(first).wrapping_add(by);
    first.wrapping_add(moved.checked_rem(26).unwrap_or(0))
}

impl Encryptor for Rotn {
    fn sizing(&self) -> Result<usize> {
        Ok(PREFIX.len())
    }

    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let total = source.len().saturating_add(PREFIX.len());
        let Some((prefix, text)) = destination.get_mut(..total).and_then(|out| out.split_first_chunk_mut()) else {
            return Err(Error::new(ErrorCode::ENOMEM, "rotn encryption: encrypt buffer not big enough"));
        };
        *prefix = *PREFIX;
        self.key.transform(source, text, Way::There);
        Ok(total)
    }

    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        if self.force_error {
            return Err(Error::new(FORCED, "rotn: an error was asked for"));
        }
        let Some((_, text)) = source.split_first_chunk::<{ PREFIX.len() }>() else {
            return Err(Error::new(ErrorCode::ERROR, "rotn encryption: cipher text is too short"));
        };
        let Some(out) = destination.get_mut(..text.len()) else {
            return Err(Error::new(ErrorCode::ENOMEM, "rotn encryption: decrypt buffer not big enough"));
        };
        self.key.transform(text, out, Way::Back);
        Ok(text.len())
    }

    fn customize(&self, config: Config<'_>) -> Result<Option<Arc<dyn Encryptor>>> {
        Ok(Some(Arc::new(Self { key: Key::parse(config)?, force_error: self.force_error })))
    }
}

/// Tells nothing of the key.
impl fmt::Debug for Rotn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotn").field("key", &"...").field("force_error", &self.force_error).finish()
    }
}

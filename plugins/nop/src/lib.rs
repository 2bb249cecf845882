//! A compressor and an encryptor, both named `nop`, that copy: for tests of what is around them.
//!
//! A library path that could mean either has to name the kind: `nop_compress`, `nop_encrypt`, or a folder (`encryptors/nop`).
//!
//! Source: extensions specification, sections 10.2 and 11.4.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::Config;
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The compressor that doesn't compress.
    pub static COMPRESSOR: Extension =
        Extension::compressor("nop", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(NopCompressor))
        })
        .with_library_names(&["nop_compress"]);
}

hardwired_plugin::register_extension! {
    /// The encryptor that doesn't encrypt.
    pub static ENCRYPTOR: Extension =
        Extension::encryptor("nop", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(NopEncryptor))
        })
        .with_library_names(&["nop_encrypt"]);
}

/// The compressor.
#[derive(Debug)]
pub struct NopCompressor;

impl Compressor for NopCompressor {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        let Some(out) = destination.get_mut(..source.len()) else { return Ok(None) };
        out.copy_from_slice(source);
        Ok(Some(source.len()))
    }

    /// Unlike WiredTiger's, notices a source that is too short.
    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let Some(source) = source.get(..destination.len()) else {
            let text = "nop decompression: the source is shorter than what it should decompress to";
            return Err(Error::new(ErrorCode::ERROR, text));
        };
        destination.copy_from_slice(source);
        Ok(source.len())
    }
}

/// The encryptor.
#[derive(Debug)]
pub struct NopEncryptor;

impl Encryptor for NopEncryptor {
    fn sizing(&self) -> Result<usize> {
        Ok(0)
    }

    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        copy(source, destination, "nop encryption: encrypt buffer not big enough")
    }

    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        copy(source, destination, "nop encryption: decrypt buffer not big enough")
    }

    fn customize(&self, config: Config<'_>) -> Result<Option<Arc<dyn Encryptor>>> {
        let has = |key| Ok::<_, Error>(!config.text_or(key, "")?.is_empty());
        if has("keyid")? && has("secretkey")? {
            return Err(Error::invalid("nop_customize: keys specified with both keyid= and secretkey="));
        }
        Ok(None)
    }
}

fn copy(source: &[u8], destination: &mut [u8], too_small: &str) -> Result<usize> {
    let out = destination.get_mut(..source.len()).ok_or_else(|| Error::new(ErrorCode::ENOMEM, too_small))?;
    out.copy_from_slice(source);
    Ok(source.len())
}

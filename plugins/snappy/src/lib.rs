//! The snappy compressor.
//!
//! Byte format: the length L of what follows as a little-endian `u64`, then L bytes of raw snappy (no framing). It takes no
//! options. Pure Rust, through the crate `snap`.
//!
//! Source: extensions specification, section 10.2.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The snappy compressor.
    pub static EXTENSION: Extension =
        Extension::compressor("snappy", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(Snappy))
        })
        .with_library_names(&["snappy_compress"]);
}

/// Bytes of the length before the compressed ones.
const PREFIX: usize = 8;

/// The compressor.
#[derive(Debug)]
pub struct Snappy;

impl Compressor for Snappy {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        let Some((prefix, rest)) = destination.split_first_chunk_mut::<PREFIX>() else { return Ok(None) };
        if rest.len() < snap::raw::max_compress_len(source.len()) {
            return Ok(None);
        }
        let compressed = snap::raw::Encoder::new().compress(source, rest);
        let length = compressed.map_err(|error| failed("compress", &error))?;
        *prefix = u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes();
        let total = length.saturating_add(PREFIX);
        Ok((total < source.len()).then_some(total))
    }

    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let too_long = || Error::new(ErrorCode::ERROR, "WT_COMPRESSOR.decompress: stored size exceeds source size");
        let (prefix, rest) = source.split_first_chunk::<PREFIX>().ok_or_else(too_long)?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).map_err(|_| too_long())?;
        let compressed = rest.get(..length).ok_or_else(too_long)?;
        // Checks the size that the stream declares against the destination before anything is written.
        snap::raw::Decoder::new().decompress(compressed, destination).map_err(|error| failed("decompress", &error))
    }

    fn pre_size(&self, source: &[u8]) -> Result<usize> {
        Ok(snap::raw::max_compress_len(source.len()).saturating_add(PREFIX))
    }
}

fn failed(call: &str, error: &snap::Error) -> Error {
    Error::new(ErrorCode::ERROR, format!("snappy error: {call}: {error}"))
}

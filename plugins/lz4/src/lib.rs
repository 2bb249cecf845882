//! The LZ4 compressor; `lz4-noraw` is another name of it.
//!
//! Byte format: four little-endian `u32`, then an LZ4 block (no frame): the length of the block, the length of what it
//! decompresses to, how much of that is useful, and zero. The second and third are equal: they differed under WiredTiger's raw
//! compression, which ended in 2018, and WiredTiger refuses such blocks too. It takes no options. Pure Rust, through the
//! crate `lz4_flex` without unsafe code.
//!
//! Source: extensions specification, section 10.2.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::{Error, ErrorCode, Result};
use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The LZ4 compressor.
    pub static EXTENSION: Extension =
        Extension::compressor("lz4", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(Lz4))
        })
        .with_aliases(&["lz4-noraw"])
        .with_library_names(&["lz4_compress"]);
}

/// Bytes of the four numbers.
const PREFIX: usize = 16;

/// The compressor.
#[derive(Debug)]
pub struct Lz4;

impl Compressor for Lz4 {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        let Ok(source_len) = u32::try_from(source.len()) else { return Ok(None) };
        let Some((prefix, rest)) = destination.split_first_chunk_mut::<PREFIX>() else { return Ok(None) };
        if rest.len() < get_maximum_output_size(source.len()) {
            return Ok(None);
        }
        let Ok(length) = compress_into(source, rest) else { return Ok(None) };
        let Ok(block_len) = u32::try_from(length) else { return Ok(None) };
        let mut out = prefix.chunks_exact_mut(4);
        for (out, number) in out.by_ref().zip([block_len, source_len, source_len, 0]) {
            out.copy_from_slice(&number.to_le_bytes());
        }
        let total = length.saturating_add(PREFIX);
        Ok((total < source.len()).then_some(total))
    }

    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let too_long = || failed("WT_COMPRESSOR.decompress: stored size exceeds source size");
        let (prefix, rest) = source.split_first_chunk::<PREFIX>().ok_or_else(too_long)?;
        let mut numbers = prefix.chunks_exact(4).filter_map(|bytes| <[u8; 4]>::try_from(bytes).ok());
        let mut number = || numbers.next().map_or(usize::MAX, |bytes| index(u32::from_le_bytes(bytes)));
        let (block_len, decoded_len, useful_len) = (number(), number(), number());
        let block = rest.get(..block_len).ok_or_else(too_long)?;
        if decoded_len != useful_len || decoded_len > destination.len() {
            return Err(mismatch(useful_len, decoded_len));
        }
        let out = destination.get_mut(..decoded_len).ok_or_else(too_long)?;
        let decoded = decompress_into(block, out).map_err(|error| failed(format!("LZ4 error: decompress: {error}")))?;
        if decoded == useful_len { Ok(decoded) } else { Err(mismatch(useful_len, decoded)) }
    }

    fn pre_size(&self, source: &[u8]) -> Result<usize> {
        Ok(get_maximum_output_size(source.len()).saturating_add(PREFIX))
    }
}

/// Lossless where pointers have 32 bits; else the number fits no buffer.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn failed(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ERROR, text)
}

fn mismatch(useful: usize, decoded: usize) -> Error {
    failed(format!("WT_COMPRESSOR.decompress: decoded length does not match the useful length ({decoded}, {useful})"))
}

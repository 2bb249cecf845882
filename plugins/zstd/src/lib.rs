//! The Zstandard compressor.
//!
//! Byte format: the length L of what follows as a little-endian `u64`, then one frame of L bytes with its content's size and
//! without a checksum (blocks have one of their own).
//!
//! Not pure Rust: it binds the reference implementation in C, statically, through the crate `zstd`. The Rust implementations
//! decompress every level but compress at the lowest alone, and the default level here is 6. Building it takes a C compiler
//! (for the musl target, `musl-gcc` of Debian's `musl-tools`).
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `compression_level` | 6 | 1 to 22, negative ones are faster; what is out of range counts as the nearest. Any level is read by any |
//!
//! Source: extensions specification, section 10.2.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::ConfigParser;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use zstd::bulk;
use zstd::zstd_safe::{CParameter, compress_bound};

hardwired_plugin::register_extension! {
    /// The Zstandard compressor.
    pub static EXTENSION: Extension =
        Extension::compressor("zstd", hardwired_plugin::origin!(), |context| Ok(Arc::new(Zstd::new(context)?)))
            .with_library_names(&["zstd_compress"]);
}

/// Bytes of the length before the frame.
const PREFIX: usize = 8;
/// States of each direction that are kept for the next call.
const POOLED: usize = 50;
/// The level if none is given.
const DEFAULT_LEVEL: i32 = 6;

/// The compressor.
pub struct Zstd {
    level: i32,
    compressors: Mutex<Vec<bulk::Compressor<'static>>>,
    decompressors: Mutex<Vec<bulk::Decompressor<'static>>>,
}

impl Zstd {
    /// Makes a compressor with the options of `context`.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        let mut level = DEFAULT_LEVEL;
        for item in ConfigParser::new(context.config()) {
            let (key, value) = item?;
            let unexpected = || context.unexpected(key.text(), value.text());
            if key.text() != "compression_level" {
                return Err(unexpected());
            }
            let number = value.as_i64().map_err(|_| unexpected())?;
            let range = zstd::compression_level_range();
            let clamped = number.clamp(i64::from(*range.start()), i64::from(*range.end()));
            level = i32::try_from(clamped).map_err(|_| unexpected())?;
        }
        Ok(Self { level, compressors: Mutex::default(), decompressors: Mutex::default() })
    }

    fn compressor(&self) -> io::Result<bulk::Compressor<'static>> {
        if let Some(state) = take(&self.compressors) {
            return Ok(state);
        }
        let mut state = bulk::Compressor::new(self.level)?;
        state.set_parameter(CParameter::ContentSizeFlag(true))?;
        state.set_parameter(CParameter::ChecksumFlag(false))?;
        Ok(state)
    }
}

impl Compressor for Zstd {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        let Some((prefix, rest)) = destination.split_first_chunk_mut::<PREFIX>() else { return Ok(None) };
        if rest.len() < compress_bound(source.len()) {
            return Ok(None);
        }
        let failed = |error| failed("ZSTD_compress", &error);
        let mut state = self.compressor().map_err(failed)?;
        let length = state.compress_to_buffer(source, rest).map_err(failed)?;
        give_back(&self.compressors, state);
        *prefix = u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes();
        let total = length.saturating_add(PREFIX);
        Ok((total < source.len()).then_some(total))
    }

    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let too_long = || Error::new(ErrorCode::ERROR, "WT_COMPRESSOR.decompress: stored size exceeds source size");
        let (prefix, rest) = source.split_first_chunk::<PREFIX>().ok_or_else(too_long)?;
        let length = usize::try_from(u64::from_le_bytes(*prefix)).map_err(|_| too_long())?;
        let frame = rest.get(..length).ok_or_else(too_long)?;
        let failed = |error| failed("ZSTD_decompress", &error);
        let mut state = match take(&self.decompressors) {
            Some(state) => state,
            None => bulk::Decompressor::new().map_err(failed)?,
        };
        // In one call the frame is decoded straight into the destination: its window size allocates nothing.
        let decoded = state.decompress_to_buffer(frame, destination).map_err(failed)?;
        give_back(&self.decompressors, state);
        Ok(decoded)
    }

    fn pre_size(&self, source: &[u8]) -> Result<usize> {
        Ok(compress_bound(source.len()).saturating_add(PREFIX))
    }
}

fn failed(call: &str, error: &io::Error) -> Error {
    Error::new(ErrorCode::ERROR, format!("zstd error: {call}: {error}"))
}

fn take<T>(pool: &Mutex<Vec<T>>) -> Option<T> {
    pool.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<T>(pool: &Mutex<Vec<T>>, state: T) {
    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
    if pool.len() < POOLED {
        pool.push(state);
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zstd").field("level", &self.level).finish_non_exhaustive()
    }
}

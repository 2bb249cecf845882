//! The zlib compressor; `zlib-noraw` is another name of it.
//!
//! Byte format: one zlib stream (RFC 1950), which tells its own end. Pure Rust, through the crates `flate2` and `zlib-rs`.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `compression_level` | -1 | 0: none, to 9: best; -1: the library's default, 6. Any level is read by any |
//!
//! Source: extensions specification, section 10.2.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::ConfigParser;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

hardwired_plugin::register_extension! {
    /// The zlib compressor.
    pub static EXTENSION: Extension =
        Extension::compressor("zlib", hardwired_plugin::origin!(), |context| Ok(Arc::new(Zlib::new(context)?)))
            .with_aliases(&["zlib-noraw"])
            .with_library_names(&["zlib_compress"]);
}

/// States of each direction that are kept for the next call.
const POOLED: usize = 50;

/// The compressor.
pub struct Zlib {
    level: Compression,
    compressors: Mutex<Vec<Compress>>,
    decompressors: Mutex<Vec<Decompress>>,
}

impl Zlib {
    /// Makes a compressor with the options of `context`. `EINVAL` for a level that there isn't.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        let mut level = None;
        for item in ConfigParser::new(context.config()) {
            let (key, value) = item?;
            if key.text() != "compression_level" {
                return Err(context.unexpected(key.text(), value.text()));
            }
            let number = value.as_i64().map_err(|_| context.unexpected(key.text(), value.text()))?;
            level = match u32::try_from(number) {
                Ok(number @ 0..=9) => Some(number),
                Err(_) if number == -1 => None,
                _ => return Err(Error::invalid(format!("zlib_init_config: unsupported compression level {number}"))),
            };
        }
        let level = level.map_or_else(Compression::default, Compression::new);
        Ok(Self { level, compressors: Mutex::default(), decompressors: Mutex::default() })
    }
}

impl Compressor for Zlib {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        let mut state = take(&self.compressors).unwrap_or_else(|| Compress::new(self.level, true));
        let status = state.compress(source, destination, FlushCompress::Finish);
        let written = usize::try_from(state.total_out()).ok();
        state.reset();
        give_back(&self.compressors, state);
        match status {
            Ok(Status::StreamEnd) => Ok(written),
            // It doesn't fit.
            Ok(_) => Ok(None),
            Err(error) => Err(failed(format!("deflate: {error}"))),
        }
    }

    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        let mut state = take(&self.decompressors).unwrap_or_else(|| Decompress::new(true));
        let status = state.decompress(source, destination, FlushDecompress::Finish);
        let written = usize::try_from(state.total_out()).unwrap_or(usize::MAX);
        state.reset(true);
        give_back(&self.decompressors, state);
        match status {
            Ok(Status::StreamEnd) => Ok(written),
            Ok(_) => Err(failed("inflate: buffer error: -5".to_owned())),
            Err(_) => Err(failed("inflate: data error: -3".to_owned())),
        }
    }
}

fn failed(what: String) -> Error {
    Error::new(ErrorCode::ERROR, format!("zlib error: {what}"))
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

impl fmt::Debug for Zlib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zlib").field("level", &self.level.level()).finish_non_exhaustive()
    }
}

//! The compressor extension point: blocks of files, and records of the log.
//!
//! What the engine promises:
//! 1. All calls may come from any number of threads at once; both buffers belong to the engine.
//! 2. The destination of [`Compressor::decompress`] has exactly the length of what was compressed.
//! 3. The source of `decompress` may go on behind the compressor's output (padding to the allocation unit), so a format
//!    has to find its own end. It may also be anything else: it comes from a disk.
//!
//! Source: extensions specification, section 10.

use crate::Result;

/// A compression format.
pub trait Compressor: Send + Sync {
    /// Compresses `source` into `destination`, and says how many bytes that took.
    ///
    /// `None`: the output doesn't fit, or compressing doesn't help; the engine then stores the source as it is. An error
    /// fails the write.
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>>;

    /// Restores what [`compress`](Self::compress) was given, and says how many bytes that are: anything but the length
    /// of `destination` counts as corruption.
    ///
    /// # Errors
    /// `WT_ERROR` for a source that isn't this compressor's output. Whatever the source claims, an implementation must
    /// neither panic nor take more memory than a small multiple of the destination's length.
    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize>;

    /// How long a destination [`compress`](Self::compress) wants for this source. By default as long as the source.
    fn pre_size(&self, source: &[u8]) -> Result<usize> {
        Ok(source.len())
    }

    /// Called once when the connection closes.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

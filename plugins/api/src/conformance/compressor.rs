//! What the engine relies on in a compressor.

use super::{THREADS, lengths, noise, samples, texts};
use crate::compressor::Compressor;

/// Checks a compressor:
/// 1. what it compresses comes back, also with bytes behind it that don't belong to it;
/// 2. it says no more than it has written, and never writes past the destination, however short that is;
/// 3. a source that is cut off gives an error or another length, never other bytes of the right length;
/// 4. damaged and invented sources don't make it panic, and don't spoil what comes after them;
/// 5. it may be used by several threads at once.
///
/// # Panics
/// If one of them doesn't hold.
///
/// ```
/// # use hardwired_plugin::compressor::Compressor;
/// # use hardwired_plugin::{Error, ErrorCode, Result};
/// /// Stores how many bytes there are, and the bytes.
/// struct Counted;
///
/// impl Compressor for Counted {
///     fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
///         let Some(out) = destination.get_mut(..source.len() + 8) else { return Ok(None) };
///         out[..8].copy_from_slice(&(source.len() as u64).to_le_bytes());
///         out[8..].copy_from_slice(source);
///         Ok(Some(out.len()))
///     }
///     fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
///         let wrong = || Error::new(ErrorCode::ERROR, "not the output of this compressor");
///         let (length, bytes) = source.split_first_chunk().ok_or_else(wrong)?;
///         let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| wrong())?;
///         let bytes = bytes.get(..length).filter(|bytes| bytes.len() <= destination.len()).ok_or_else(wrong)?;
///         destination[..length].copy_from_slice(bytes);
///         Ok(length)
///     }
///     fn pre_size(&self, source: &[u8]) -> Result<usize> {
///         Ok(source.len() + 8)
///     }
/// }
///
/// hardwired_plugin::conformance::check_compressor(&Counted);
/// ```
pub fn check_compressor(compressor: &dyn Compressor) {
    let samples = samples();
    let mut compressed_any = false;
    for plain in &samples {
        compressed_any |= check_sample(compressor, plain);
    }
    assert!(compressed_any, "none of the samples is compressed, not even zeros");
    for len in [0, 1, 7, 8, 9, 15, 16, 17, 64, 300, 4032] {
        for seed in 0..20 {
            // An answer of any kind will do.
            let _ = compressor.decompress(&noise(len, seed), &mut vec![0; 1000]);
            let _ = compressor.decompress(&vec![seed as u8; len], &mut vec![0; 1000]);
            let mut boastful = vec![0xff; len];
            boastful.extend(noise(len, seed));
            let _ = compressor.decompress(&boastful, &mut vec![0; 1000]);
        }
    }
    for (seed, plain) in texts().enumerate() {
        if let Some(mut packed) = round_trip(compressor, &plain) {
            packed.extend_from_slice(&[0; 100]);
            assert_eq!(decompressed(compressor, &packed, plain.len()), Some(plain.clone()), "text {seed}, padded");
        }
        // What is nobody's output, in a destination of any length.
        let _ = decompressed(compressor, &plain, noise(2, seed as u64).iter().map(|byte| usize::from(*byte) * 8).sum());
    }
    // None of it may have left anything behind.
    samples.iter().for_each(|plain| drop(round_trip(compressor, plain)));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| samples.iter().for_each(|plain| drop(round_trip(compressor, plain))));
        }
    });
}

/// The output, if the compressor took the sample.
fn round_trip(compressor: &dyn Compressor, plain: &[u8]) -> Option<Vec<u8>> {
    let size = compressor.pre_size(plain).expect("a size can be told for any source");
    let mut packed = vec![0xaa; size];
    let len = compressor.compress(plain, &mut packed).expect("any source can be compressed or declined")?;
    assert!(len <= size, "claims {len} bytes in a destination of {size}");
    packed.truncate(len);
    assert_eq!(decompressed(compressor, &packed, plain.len()), Some(plain.to_vec()), "what was compressed comes back");
    Some(packed)
}

/// `None`: an error or another length than the destination's, which the engine takes for damage.
fn decompressed(compressor: &dyn Compressor, packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut out = vec![0x55; len];
    let given = compressor.decompress(packed, &mut out).ok()?;
    assert!(given <= len, "claims {given} bytes in a destination of {len}");
    (given == len).then_some(out)
}

fn check_sample(compressor: &dyn Compressor, plain: &[u8]) -> bool {
    for size in lengths(plain.len()) {
        let mut out = vec![0; size];
        if let Ok(Some(len)) = compressor.compress(plain, &mut out) {
            assert!(len <= size, "claims {len} bytes in a destination of {size}");
        }
    }
    let Some(packed) = round_trip(compressor, plain) else { return false };
    for behind in [vec![0; 1], vec![0; 4096], vec![0xff; 9], noise(512, 1)] {
        let padded = [packed.clone(), behind].concat();
        let result = decompressed(compressor, &padded, plain.len());
        assert_eq!(result.as_deref(), Some(plain), "bytes behind the output are none of its business");
    }
    for len in lengths(packed.len()) {
        if let Some(bytes) = decompressed(compressor, &packed[..len], plain.len()) {
            assert_eq!(bytes, plain, "a source cut to {len} of {} bytes gives other bytes", packed.len());
        }
    }
    for at in lengths(packed.len()) {
        let mut damaged = packed.clone();
        damaged[at] ^= 1 << (at % 8);
        let _ = decompressed(compressor, &damaged, plain.len());
    }
    for len in [0, 1, plain.len() / 2, plain.len() - 1, plain.len() + 1] {
        let _ = decompressed(compressor, &packed, len);
    }
    true
}

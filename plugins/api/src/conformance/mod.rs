//! Conformance kits: what the engine relies on, as checks that an extension's own tests run.
//!
//! Each kit panics with the promise that was broken. They are deterministic, need no engine, and take a fraction of a second;
//! property tests of the extension's own go well beside them.
//!
//! ```toml
//! [dev-dependencies]
//! hardwired-plugin = { version = "0.1", features = ["conformance"] }
//! ```

mod collator;
mod compressor;
mod data_source;
mod encryptor;
mod session;
mod storage_source;

pub use collator::check_collator;
pub use compressor::check_compressor;
pub use data_source::{DataSourceKit, check_data_source};
pub use encryptor::{Authentication, check_encryptor};
pub use session::KitSession;
pub use storage_source::{StoreUnderTest, check_storage_source};

/// How many threads use an instance at once.
const THREADS: usize = 4;

/// Bytes that nothing compresses, always the same.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Plain texts of all sorts: short, long, repetitive, random, like records.
fn samples() -> Vec<Vec<u8>> {
    let mut samples: Vec<Vec<u8>> = vec![vec![0], b"abcdefgh".repeat(8), vec![0; 1000], b"abcdefgh".repeat(5000)];
    samples.extend([1, 2, 63, 64, 65, 255, 256, 4032, 28_608].map(|len| noise(len, len as u64)));
    samples.extend([10, 100, 2000].map(|rows| {
        (0..rows).flat_map(|row| format!("key{row:07}\tvalue-{}-the quick brown fox;", row * 7).into_bytes()).collect()
    }));
    samples.push([noise(3000, 5), vec![7; 3000], noise(100, 6)].concat());
    samples
}

/// How many texts of [`texts`] a kit tries.
const TEXTS: u64 = 256;

/// Texts that nobody thought of, always the same: pieces of random bytes of random lengths, all of it repeated.
fn texts() -> impl Iterator<Item = Vec<u8>> {
    (0..TEXTS).map(|seed| {
        let numbers = noise(32, seed + 1000);
        let pieces = numbers[1..].iter().take(usize::from(numbers[0] % 20));
        let unit: Vec<u8> = pieces.flat_map(|len| noise(usize::from(*len) / 3, seed ^ u64::from(*len))).collect();
        unit.repeat(usize::from(numbers[31] % 20) + 1)
    })
}

/// Lengths from 0 to `len`, all of the small and some of the large ones.
fn lengths(len: usize) -> impl Iterator<Item = usize> {
    (0..len).filter(move |at| *at < 80 || *at + 20 >= len || at % (len / 50 + 1) == 0)
}

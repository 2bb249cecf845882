//! The data: deterministic keys and values that can be checked without keeping a copy.
//!
//! 1. Row `i` has a key that is a function of `i`, ascending with `i`, and a value that is a function of (`i`, version).
//! 2. The fold (exclusive or of 64-bit words) of a whole value is the mix of (`i`, version): one pass over the value's
//!    bytes proves that all of them are the ones written last, and nothing but the version needs to be remembered.
//! 3. Values look random, so that no engine's compression could help.

use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, bail, ensure};

/// How keys are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum KeyStyle {
    /// The row number in eight big-endian bytes, then `0` digits (as RocksDB's db_bench does).
    Binary,
    /// The row number in decimal, zero-padded to the key's size: a long common prefix.
    Decimal,
}

/// Sizes and the spelling of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Key size in bytes, at least 8 for binary and 10 for decimal keys.
    pub(crate) key_size: usize,
    /// Value size in bytes, at least 8.
    pub(crate) value_size: usize,
    /// How keys are spelt.
    pub(crate) key_style: KeyStyle,
}

impl Shape {
    /// Refuses sizes that can't hold a row number or a checksum.
    pub(crate) fn check(&self, rows: u64) -> Result<()> {
        let needed = match self.key_style {
            KeyStyle::Binary => 8,
            KeyStyle::Decimal => 10,
        };
        ensure!(self.key_size >= needed, "--key-size must be at least {needed} bytes");
        ensure!(self.value_size >= 8, "--value-size must be at least 8 bytes");
        ensure!((1000..10_000_000_000).contains(&rows), "--rows must be from 1,000 to 9,999,999,999");
        Ok(())
    }

    /// Writes the key of row `index` into `key`, which has the key's size.
    pub(crate) fn key(&self, index: u64, key: &mut [u8]) {
        match self.key_style {
            KeyStyle::Binary => {
                let (head, tail) = key.split_at_mut(8);
                head.copy_from_slice(&index.to_be_bytes());
                tail.fill(b'0');
            }
            KeyStyle::Decimal => {
                let mut rest = index;
                for digit in key.iter_mut().rev() {
                    *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
                    rest /= 10;
                }
            }
        }
    }

    /// The row number a key spells.
    fn index(&self, key: &[u8]) -> Option<u64> {
        if key.len() != self.key_size {
            return None;
        }
        match self.key_style {
            KeyStyle::Binary => key.first_chunk().map(|head| u64::from_be_bytes(*head)),
            KeyStyle::Decimal => key
                .iter()
                .try_fold(0u64, |sum, byte| sum.checked_mul(10)?.checked_add(u64::from(byte.checked_sub(b'0')?))),
        }
    }
}

/// Writes the value of row `index` at `version`.
fn fill_value(index: u64, version: u8, value: &mut [u8]) {
    let seed = seed(index, version);
    let (check, rest) = value.split_at_mut(8);
    let mut word = seed;
    let mut sum = seed;
    for chunk in rest.chunks_mut(8) {
        word = word.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        let bytes = word.to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
        sum ^= fold(chunk);
    }
    check.copy_from_slice(&sum.to_le_bytes());
}

/// The exclusive or of all 64-bit little-endian words, the last one padded with zeros.
fn fold(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    words.iter().fold(u64::from_le_bytes(last), |sum, word| sum ^ u64::from_le_bytes(*word))
}

fn seed(index: u64, version: u8) -> u64 {
    mix(index.wrapping_mul(257).wrapping_add(u64::from(version)))
}

/// SplitMix64's finalizer.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

/// All rows and the version each was last written with; wrong answers are counted, never forgiven.
pub(crate) struct Rows {
    /// Sizes and the spelling of keys.
    pub(crate) shape: Shape,
    versions: Vec<AtomicU8>,
}

impl Rows {
    /// `rows` rows, all of version 0.
    pub(crate) fn new(shape: Shape, rows: u64) -> Result<Self> {
        shape.check(rows)?;
        Ok(Self { shape, versions: (0..rows).map(|_| AtomicU8::new(0)).collect() })
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> u64 {
        self.versions.len() as u64
    }

    /// The version row `index` was last written with; `None` past the end.
    fn version(&self, index: u64) -> Option<u8> {
        Some(self.versions.get(usize::try_from(index).ok()?)?.load(Ordering::Relaxed))
    }

    /// Appends row `index` at its current version to `batch`.
    pub(crate) fn push(&self, index: u64, batch: &mut Batch) {
        batch.push(&self.shape, index, self.version(index).unwrap_or_default());
    }

    /// Gives row `index` its next version and appends it to `batch`. A row has one writer at a time.
    pub(crate) fn push_next(&self, index: u64, batch: &mut Batch) {
        let version = self.version(index).unwrap_or_default().wrapping_add(1);
        self.versions[index as usize].store(version, Ordering::Relaxed);
        batch.push(&self.shape, index, version);
    }

    /// Whether `value` is what row `index` was last written with.
    pub(crate) fn value_is_right(&self, index: u64, value: &[u8]) -> bool {
        let expected = self.version(index).map(|version| seed(index, version));
        value.len() == self.shape.value_size && Some(fold(value)) == expected
    }

    /// Whether `key` and `value` are row `index`.
    pub(crate) fn row_is_right(&self, index: u64, key: &[u8], value: &[u8]) -> bool {
        self.shape.index(key) == Some(index) && self.value_is_right(index, value)
    }
}

/// Some rows in flat buffers that are used again and again.
pub(crate) struct Batch {
    key_size: usize,
    value_size: usize,
    indexes: Vec<u64>,
    keys: Vec<u8>,
    values: Vec<u8>,
}

impl Batch {
    /// An empty batch for rows of this shape.
    pub(crate) fn new(shape: &Shape) -> Self {
        Self {
            key_size: shape.key_size,
            value_size: shape.value_size,
            indexes: Vec::new(),
            keys: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.indexes.clear();
        self.keys.clear();
        self.values.clear();
    }

    /// Appends a key without a value, for reading.
    pub(crate) fn push_key(&mut self, shape: &Shape, index: u64) {
        self.indexes.push(index);
        let at = self.keys.len();
        self.keys.resize(at + self.key_size, 0);
        shape.key(index, &mut self.keys[at..]);
    }

    fn push(&mut self, shape: &Shape, index: u64, version: u8) {
        self.push_key(shape, index);
        let at = self.values.len();
        self.values.resize(at + self.value_size, 0);
        fill_value(index, version, &mut self.values[at..]);
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.indexes.len()
    }

    /// The row number of the key at `position`.
    pub(crate) fn index(&self, position: usize) -> u64 {
        self.indexes[position]
    }

    /// The keys.
    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.chunks_exact(self.key_size)
    }

    /// The rows; none if the batch has keys only.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.keys.chunks_exact(self.key_size).zip(self.values.chunks_exact(self.value_size))
    }
}

/// Wrong answers of one thread.
#[derive(Default)]
pub(crate) struct Checker {
    wrong: u64,
}

impl Checker {
    /// Counts an answer.
    pub(crate) fn expect(&mut self, right: bool) {
        self.wrong += u64::from(!right);
    }

    /// An error if any answer was wrong.
    pub(crate) fn finish(self) -> Result<()> {
        if self.wrong > 0 {
            bail!("{} rows were not what was written", self.wrong);
        }
        Ok(())
    }
}

/// A sequence of random numbers (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// The sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The next number below `bound`, which is below 2^32 or thereabouts (the bias is bound / 2^64).
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let product = u128::from(mix(self.0)) * u128::from(bound);
        (product >> 64) as u64
    }
}

/// All numbers below a bound, each once, in random order, without a table: a Feistel network of four rounds over the
/// next even power of two, walked until it falls below the bound.
pub(crate) struct Permutation {
    half_bits: u32,
    bound: u64,
    seed: u64,
}

impl Permutation {
    /// The order that belongs to `seed`.
    pub(crate) fn new(bound: u64, seed: u64) -> Self {
        let bits = u64::BITS - bound.saturating_sub(1).leading_zeros();
        Self { half_bits: bits.div_ceil(2).max(1), bound, seed }
    }

    /// The number at `position`.
    pub(crate) fn at(&self, position: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let mut number = position;
        loop {
            let (mut left, mut right) = (number >> self.half_bits, number & mask);
            for round in 0..4 {
                (left, right) = (right, left ^ (mix(right ^ self.seed.rotate_left(round * 16)) & mask));
            }
            number = (left << self.half_bits) | right;
            if number < self.bound {
                return number;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(key_style: KeyStyle) -> Shape {
        Shape { key_size: 16, value_size: 100, key_style }
    }

    #[test]
    fn every_changed_bit_of_a_value_and_every_older_version_is_noticed() {
        let rows = Rows::new(shape(KeyStyle::Binary), 1000).unwrap();
        let mut batch = Batch::new(&rows.shape);
        rows.push(7, &mut batch);
        let mut value = batch.rows().next().unwrap().1.to_vec();
        assert!(rows.value_is_right(7, &value));
        assert!(!rows.value_is_right(8, &value));
        for bit in 0..800 {
            value[bit / 8] ^= 1 << (bit % 8);
            assert!(!rows.value_is_right(7, &value), "bit {bit}");
            value[bit / 8] ^= 1 << (bit % 8);
        }
        rows.push_next(7, &mut batch);
        assert!(!rows.value_is_right(7, &value));
        assert!(rows.value_is_right(7, batch.rows().nth(1).unwrap().1));
        assert!(!rows.value_is_right(1000, &value), "past the end");
    }

    #[test]
    fn keys_ascend_and_give_their_row_back() {
        for style in [KeyStyle::Binary, KeyStyle::Decimal] {
            let shape = shape(style);
            let mut last = vec![];
            for index in [0, 1, 9, 10, 255, 256, 65_536, 999_999, 9_999_999_999] {
                let mut key = vec![0; 16];
                shape.key(index, &mut key);
                assert_eq!(shape.index(&key), Some(index));
                assert!(key > last);
                last = key;
            }
            assert_eq!(shape.index(b"short"), None);
        }
    }

    #[test]
    fn a_permutation_gives_every_number_once() {
        for bound in [1, 2, 3, 1000, 4096, 5000] {
            let order = Permutation::new(bound, 42);
            let mut seen: Vec<u64> = (0..bound).map(|position| order.at(position)).collect();
            assert!(bound < 1000 || seen.iter().zip(0..).filter(|(number, position)| *number == position).count() < 10);
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..bound));
        }
    }

    #[test]
    fn sizes_that_cannot_hold_a_row_are_refused() {
        assert!(Rows::new(Shape { key_size: 7, ..shape(KeyStyle::Binary) }, 1000).is_err());
        assert!(Rows::new(Shape { key_size: 9, ..shape(KeyStyle::Decimal) }, 1000).is_err());
        assert!(Rows::new(Shape { value_size: 7, ..shape(KeyStyle::Binary) }, 1000).is_err());
        assert!(Rows::new(shape(KeyStyle::Binary), 1).is_err());
    }
}

//! Log sequence numbers: where a record begins.

use std::fmt;

/// A place in the log: file number and byte offset. Later places compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn {
    /// The number in the file's name.
    pub file: u32,
    /// The offset in that file, in bytes.
    pub offset: u32,
}

impl Lsn {
    /// The beginning of the log, wherever that is.
    pub const INITIAL: Self = Self { file: 1, offset: 0 };
    /// No place.
    pub const ZERO: Self = Self { file: 0, offset: 0 };
    /// A checkpoint that was taken without a log.
    pub const MAX: Self = Self { file: u32::MAX, offset: i32::MAX.unsigned_abs() };

    /// A place.
    pub const fn new(file: u32, offset: u32) -> Self {
        Self { file, offset }
    }

    /// Whether it stands for "there was no log". Readers accept two forms of it.
    pub fn is_max(self) -> bool {
        self.file == u32::MAX && (self.offset == Self::MAX.offset || self.offset == u32::MAX)
    }

    /// Whether it is a place a record can have, not one of the values with a meaning of their own.
    pub fn is_real(self) -> bool {
        !self.is_max() && self != Self::INITIAL && self != Self::ZERO
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.file, self.offset)
    }
}

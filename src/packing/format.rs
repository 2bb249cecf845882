//! Packing formats: what columns a key or value has.

use std::fmt;

use crate::{Error, Result};

/// What a column holds. The letters are WiredTiger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `x`: zero bytes, no value.
    Padding,
    /// `b`: a signed byte.
    Int8,
    /// `B`: an unsigned byte.
    Uint8,
    /// `h`, `i` and `l`, `q`: a signed integer of so many bits (16, 32, 64), in the variable-length code.
    Int(u32),
    /// `H`, `I` and `L`, `Q` and `r`: an unsigned integer of so many bits (16, 32, 64), in the variable-length code.
    Uint(u32),
    /// `R`: 8 bytes, little-endian.
    Raw64,
    /// `s`: a string of exactly [`Column::size`] bytes.
    FixedString,
    /// `S`: a string that ends with a NUL, or fills a field of [`Column::size`] bytes.
    String,
    /// `t`: a field of [`Column::size`] bits, stored in one byte.
    Bits,
    /// `u`: bytes. Their length is stored unless the column is the last or has a size.
    Bytes,
    /// `U`: bytes with their length, always.
    SizedBytes,
}

/// One column of a format, or a run of equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What it holds.
    pub kind: ColumnType,
    /// The letter in the format.
    pub letter: u8,
    /// The count of a column for which the count is a size: bytes, or bits for `t`. `None` if there is no count.
    pub size: Option<u32>,
    /// How many columns like this there are: 1 where the count is a size.
    pub repeat: u32,
    /// Whether this is the last character of the format (which is what makes a `u` lose its length).
    pub is_last: bool,
}

impl Column {
    /// Whether the column takes a value: all but padding do.
    pub fn has_value(&self) -> bool {
        self.kind != ColumnType::Padding
    }
}

/// A parsed packing format.
///
/// Grammar: an optional `.`, then columns, each an optional decimal count and a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    text: Box<str>,
    columns: Box<[Column]>,
    shape: Shape,
}

/// The formats that need no column by column work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `u`: the bytes are the value.
    Bytes,
    /// `S`: a string and its NUL.
    String,
    Other,
}

impl Format {
    /// Parses a format.
    ///
    /// # Errors
    /// `EINVAL`, naming the character and the format.
    pub fn parse(text: &str) -> Result<Self> {
        let mut columns = Vec::new();
        for column in Columns::new(text)? {
            columns.push(column?);
        }
        let shape = match text {
            "u" => Shape::Bytes,
            "S" => Shape::String,
            _ => Shape::Other,
        };
        Ok(Self { text: text.into(), columns: columns.into_boxed_slice(), shape })
    }

    /// Checks a format without keeping it.
    ///
    /// # Errors
    /// As [`Format::parse`].
    pub fn check(text: &str) -> Result<()> {
        Columns::new(text)?.try_for_each(|column| column.map(|_| ()))
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns, runs of equal ones together.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many values a row of this format has.
    pub fn value_count(&self) -> u64 {
        self.columns
            .iter()
            .filter(|column| column.has_value())
            .fold(0, |count, column| count.saturating_add(u64::from(column.repeat)))
    }

    /// How many names `columns=(...)` must give for this format: each padding needs one too.
    pub fn name_count(&self) -> u64 {
        self.columns.iter().fold(0, |count, column| count.saturating_add(u64::from(column.repeat)))
    }

    /// Whether, as a `key_format`, this makes a column store. Only the exact text `r` does.
    pub fn is_record_number(&self) -> bool {
        &*self.text == "r"
    }

    /// The number of bits if, as the `value_format` of a column store, this makes a fixed-length one.
    pub fn fixed_bits(&self) -> Option<u32> {
        match &*self.columns {
            [Column { kind: ColumnType::Bits, size, .. }] => Some(size.unwrap_or(1)),
            _ => None,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Iterates over the columns of a format text.
struct Columns<'a> {
    text: &'a str,
    rest: &'a [u8],
}

impl<'a> Columns<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let rest = match text.as_bytes() {
            [prefix @ (b'@' | b'<' | b'>'), ..] => {
                let prefix = char::from(*prefix);
                return Err(Error::invalid(format!("Byte order '{prefix}' is not supported in format '{text}'")));
            }
            [b'.', rest @ ..] => rest,
            rest => rest,
        };
        Ok(Self { text, rest })
    }

    /// The count before a letter.
    fn count(&mut self) -> Result<Option<u32>> {
        let mut count = None;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            let digit = u32::from(digit.wrapping_sub(b'0'));
            let next = count.unwrap_or(0_u32).checked_mul(10).and_then(|tens| tens.checked_add(digit));
            // Counts are a C `int` in places: refuse what doesn't fit one.
            count = next.filter(|next| *next <= i32::MAX.unsigned_abs());
            if count.is_none() {
                return Err(Error::invalid(format!("Column count too large in format '{}'", self.text)));
            }
            self.rest = rest;
        }
        Ok(count)
    }

    fn column(&mut self) -> Result<Option<Column>> {
        let count = self.count()?;
        let [letter, rest @ ..] = self.rest else {
            return match count {
                None => Ok(None),
                Some(_) => Err(Error::invalid(format!("Column type missing at the end of format '{}'", self.text))),
            };
        };
        let letter = *letter;
        let at = self.text.len().saturating_sub(self.rest.len());
        self.rest = rest;
        let is_last = rest.is_empty();
        let kind = match letter {
            b'x' => ColumnType::Padding,
            b's' => ColumnType::FixedString,
            b'S' => ColumnType::String,
            b't' => ColumnType::Bits,
            b'u' => ColumnType::Bytes,
            b'U' => ColumnType::SizedBytes,
            _ => {
                let kind = self.integer(letter, at)?;
                return Ok(Some(Column { kind, letter, size: None, repeat: count.unwrap_or(1), is_last }));
            }
        };
        match (kind, count) {
            (ColumnType::Bits, Some(count)) if !(1..=8).contains(&count) => {
                Err(Error::invalid(format!("Bitfield sizes must be between 1 and 8 bits in format '{}'", self.text)))
            }
            (ColumnType::FixedString, Some(0)) => {
                Err(Error::invalid(format!("Fixed length strings must be at least 1 byte in format '{}'", self.text)))
            }
            _ => Ok(Some(Column { kind, letter, size: count, repeat: 1, is_last })),
        }
    }

    fn integer(&self, letter: u8, at: usize) -> Result<ColumnType> {
        Ok(match letter {
            b'b' => ColumnType::Int8,
            b'B' => ColumnType::Uint8,
            b'h' => ColumnType::Int(16),
            b'H' => ColumnType::Uint(16),
            b'i' | b'l' => ColumnType::Int(32),
            b'I' | b'L' => ColumnType::Uint(32),
            b'q' => ColumnType::Int(64),
            b'Q' | b'r' => ColumnType::Uint(64),
            b'R' => ColumnType::Raw64,
            _ => {
                let letter = self.text.get(at..).and_then(|tail| tail.chars().next()).unwrap_or('\u{fffd}');
                return Err(Error::invalid(format!("Invalid type '{letter}' found in format '{}'", self.text)));
            }
        })
    }
}

impl Iterator for Columns<'_> {
    type Item = Result<Column>;

    fn next(&mut self) -> Option<Self::Item> {
        self.column().transpose()
    }
}

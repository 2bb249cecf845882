//! Packing and unpacking of dynamic values.

use std::fmt;

use super::format::{Column, ColumnType, Format, Shape};
use super::int;
use crate::{Error, ErrorCode, Result};

/// `ENOMEM`: the buffer given is too small.
const ENOMEM: ErrorCode = ErrorCode(12);

/// The longest packed row: lengths in a file are 32-bit.
const MAX_PACKED_LEN: u64 = 0xffff_ffff;

/// The value of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// A signed integer: `b h i l q`.
    Int(i64),
    /// An unsigned integer: `B H I L Q R r t`.
    Uint(u64),
    /// The bytes of a string, without the NUL that ends it: `S s`. They need not be UTF-8; those of a counted column
    /// keep their padding.
    Text(&'a [u8]),
    /// Bytes: `u U`.
    Bytes(&'a [u8]),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.escape_ascii().fmt(f),
        }
    }
}

/// The packed form of a row.
///
/// # Errors
/// `EINVAL` if there are too few or too many values, or one that its column can't hold.
pub fn pack(format: &Format, values: &[Value<'_>]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    pack_into(format, values, &mut out)?;
    Ok(out)
}

/// Appends the packed form of a row to `out`; after an error `out` is as before.
///
/// # Errors
/// As [`pack`].
pub fn pack_into(format: &Format, values: &[Value<'_>], out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let mut packer = Packer::new(format, out);
    let result = values.iter().try_for_each(|value| packer.push(*value)).and_then(|()| packer.finish());
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// The number of bytes a row packs to.
///
/// # Errors
/// As [`pack`].
pub fn packed_size(format: &Format, values: &[Value<'_>]) -> Result<usize> {
    pack(format, values).map(|bytes| bytes.len())
}

/// The values of a packed row. Bytes after the last column are ignored.
///
/// # Errors
/// `EINVAL` if the bytes are not a row of this format.
pub fn unpack<'b>(format: &Format, bytes: &'b [u8]) -> Result<Vec<Value<'b>>> {
    Unpacker::new(format, bytes).collect()
}

/// Walks over the columns that take a value, expanding repetitions.
#[derive(Debug, Clone)]
struct Cursor<'a> {
    columns: &'a [Column],
    /// How many of the first column are done.
    done: u32,
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<&'a Column> {
        while let Some((column, rest)) = self.columns.split_first() {
            if self.done < column.repeat {
                self.done = self.done.saturating_add(1);
                return Some(column);
            }
            (self.columns, self.done) = (rest, 0);
        }
        None
    }
}

/// Packs a row value by value, to the end of a buffer.
#[derive(Debug)]
pub struct Packer<'a> {
    format: &'a Format,
    cursor: Cursor<'a>,
    out: &'a mut Vec<u8>,
    start: usize,
    limit: usize,
}

impl<'a> Packer<'a> {
    /// A packer that appends to `out`.
    pub fn new(format: &'a Format, out: &'a mut Vec<u8>) -> Self {
        Self::with_limit(format, out, usize::MAX)
    }

    /// A packer that appends at most `limit` bytes to `out`; more is `ENOMEM`.
    pub fn with_limit(format: &'a Format, out: &'a mut Vec<u8>, limit: usize) -> Self {
        let start = out.len();
        let limit = limit.min(usize::try_from(MAX_PACKED_LEN).unwrap_or(usize::MAX));
        Self { format, cursor: Cursor { columns: format.columns(), done: 0 }, out, start, limit }
    }

    /// Packs the next value, with the padding before it.
    ///
    /// # Errors
    /// `EINVAL` if no column is left or the column can't hold the value; `ENOMEM` if the limit is reached.
    pub fn push(&mut self, value: Value<'_>) -> Result<()> {
        match (self.format.shape(), value) {
            (Shape::Bytes, Value::Bytes(bytes)) if self.cursor.done == 0 => {
                self.cursor.done = 1;
                return self.extend(bytes);
            }
            (Shape::String, Value::Text(text)) if self.cursor.done == 0 => {
                self.cursor.done = 1;
                self.refuse_nul(b'S', text)?;
                self.extend(text)?;
                return self.zeros(1);
            }
            _ => {}
        }
        while let Some(column) = self.cursor.next() {
            if column.has_value() {
                return self.column(column, value);
            }
            self.zeros(column.size.unwrap_or(1))?;
        }
        Err(self.invalid("too many values for"))
    }

    /// Ends the row: packs trailing padding and makes sure that no value is missing.
    ///
    /// # Errors
    /// `EINVAL` if values are missing; `ENOMEM` if the limit is reached.
    pub fn finish(mut self) -> Result<()> {
        while let Some(column) = self.cursor.next() {
            if column.has_value() {
                return Err(self.invalid("too few values for"));
            }
            self.zeros(column.size.unwrap_or(1))?;
        }
        Ok(())
    }

    fn column(&mut self, column: &Column, value: Value<'_>) -> Result<()> {
        match column.kind {
            ColumnType::Padding => Ok(()),
            ColumnType::Int8 => {
                let value = self.signed(column, value, i64::from(i8::MIN), i64::from(i8::MAX))?;
                let [.., low] = value.wrapping_add(0x80).to_be_bytes();
                self.extend(&[low])
            }
            ColumnType::Uint8 => self.byte(column, value, 0xff),
            // Not masked by the width, as the engine's own reader doesn't either.
            ColumnType::Bits => self.byte(column, value, 0xff),
            ColumnType::Int(bits) => {
                let unused = 64_u32.saturating_sub(bits);
                let value = self.signed(column, value, i64::MIN >> unused, i64::MAX >> unused)?;
                self.extend(int::encode_i64(value).as_bytes())
            }
            ColumnType::Uint(bits) => {
                let value = self.unsigned(column, value, u64::MAX >> 64_u32.saturating_sub(bits))?;
                self.extend(int::encode_u64(value).as_bytes())
            }
            ColumnType::Raw64 => {
                let value = self.unsigned(column, value, u64::MAX)?;
                self.extend(&value.to_le_bytes())
            }
            ColumnType::FixedString => {
                let bytes = self.bytes(column, value)?;
                self.field(bytes, column.size.unwrap_or(1))
            }
            ColumnType::String => self.string(column, value),
            ColumnType::Bytes => {
                let bytes = self.bytes(column, value)?;
                match column.size {
                    Some(size) => self.field(bytes, size),
                    None if column.is_last => self.extend(bytes),
                    None => self.prefixed(bytes),
                }
            }
            ColumnType::SizedBytes => {
                let bytes = self.bytes(column, value)?;
                match column.size {
                    Some(size) => self.field(bytes, size),
                    None => self.prefixed(bytes),
                }
            }
        }
    }

    fn string(&mut self, column: &Column, value: Value<'_>) -> Result<()> {
        let bytes = self.bytes(column, value)?;
        match column.size {
            None => {
                self.refuse_nul(column.letter, bytes)?;
                self.extend(bytes)?;
                self.zeros(1)
            }
            Some(size) => {
                // What was read from such a field comes with its padding.
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
                let text = bytes.get(..end).unwrap_or_default();
                self.refuse_nul(column.letter, text)?;
                self.field(text, size)
            }
        }
    }

    /// Bytes cut or padded to a fixed size.
    fn field(&mut self, bytes: &[u8], size: u32) -> Result<()> {
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        self.extend(bytes.get(..len).unwrap_or(bytes))?;
        self.zeros(size.saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX)))
    }

    fn prefixed(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend(int::encode_u64(u64::try_from(bytes.len()).unwrap_or(u64::MAX)).as_bytes())?;
        self.extend(bytes)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<()> {
        self.reserve(bytes.len())?;
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn zeros(&mut self, count: u32) -> Result<()> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.reserve(count)?;
        self.out.resize(self.out.len().saturating_add(count), 0);
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        let used = self.out.len().saturating_sub(self.start);
        if self.limit.saturating_sub(used) < more || self.out.try_reserve(more).is_err() {
            return Err(Error::new(ENOMEM, format!("no room to pack a row of format '{}'", self.format)));
        }
        Ok(())
    }

    fn byte(&mut self, column: &Column, value: Value<'_>, max: u64) -> Result<()> {
        let [.., low] = self.unsigned(column, value, max)?.to_be_bytes();
        self.extend(&[low])
    }

    fn signed(&self, column: &Column, value: Value<'_>, min: i64, max: i64) -> Result<i64> {
        let number = match value {
            Value::Int(number) => Some(number),
            Value::Uint(number) => i64::try_from(number).ok(),
            _ => return Err(self.mismatch(column, value)),
        };
        number.filter(|number| (min..=max).contains(number)).ok_or_else(|| self.out_of_range(column, value))
    }

    fn unsigned(&self, column: &Column, value: Value<'_>, max: u64) -> Result<u64> {
        let number = match value {
            Value::Int(number) => u64::try_from(number).ok(),
            Value::Uint(number) => Some(number),
            _ => return Err(self.mismatch(column, value)),
        };
        number.filter(|number| *number <= max).ok_or_else(|| self.out_of_range(column, value))
    }

    fn bytes<'v>(&self, column: &Column, value: Value<'v>) -> Result<&'v [u8]> {
        match value {
            Value::Text(bytes) | Value::Bytes(bytes) => Ok(bytes),
            _ => Err(self.mismatch(column, value)),
        }
    }

    /// A NUL ends a string: what follows it would be lost.
    fn refuse_nul(&self, letter: u8, text: &[u8]) -> Result<()> {
        if text.contains(&0) {
            return Err(self.invalid(&format!("a string with a NUL byte for column type '{}' of", char::from(letter))));
        }
        Ok(())
    }

    #[cold]
    fn mismatch(&self, column: &Column, value: Value<'_>) -> Error {
        let kind = match value {
            Value::Int(_) | Value::Uint(_) => "an integer",
            Value::Text(_) => "a string",
            Value::Bytes(_) => "bytes",
        };
        self.invalid(&format!("{kind} for column type '{}' of", char::from(column.letter)))
    }

    #[cold]
    fn out_of_range(&self, column: &Column, value: Value<'_>) -> Error {
        self.invalid(&format!("value {value} out of range for column type '{}' of", char::from(column.letter)))
    }

    #[cold]
    fn invalid(&self, what: &str) -> Error {
        Error::invalid(format!("{what} format '{}'", self.format))
    }
}

/// Iterates over the values of a packed row; an error ends the iteration.
#[derive(Debug, Clone)]
pub struct Unpacker<'f, 'b> {
    format: &'f Format,
    cursor: Cursor<'f>,
    rest: &'b [u8],
}

impl<'f, 'b> Unpacker<'f, 'b> {
    /// Unpacks the row at the start of `bytes`.
    pub fn new(format: &'f Format, bytes: &'b [u8]) -> Self {
        Self { format, cursor: Cursor { columns: format.columns(), done: 0 }, rest: bytes }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'b [u8] {
        self.rest
    }

    fn value(&mut self) -> Result<Option<Value<'b>>> {
        while let Some(column) = self.cursor.next() {
            if column.has_value() {
                return self.column(column).map(Some);
            }
            self.take(column, column.size.unwrap_or(1))?;
        }
        Ok(None)
    }

    fn column(&mut self, column: &Column) -> Result<Value<'b>> {
        Ok(match column.kind {
            ColumnType::Padding | ColumnType::FixedString => Value::Text(self.take(column, column.size.unwrap_or(1))?),
            ColumnType::Int8 => Value::Int(i64::from(self.byte(column)?).wrapping_sub(0x80)),
            ColumnType::Uint8 | ColumnType::Bits => Value::Uint(u64::from(self.byte(column)?)),
            ColumnType::Int(bits) => {
                let value = self.decoded(column, int::decode_i64(self.rest))?;
                // What doesn't fit loses its high bits, as in the engine.
                let unused = 64_u32.saturating_sub(bits);
                Value::Int(value.wrapping_shl(unused).wrapping_shr(unused))
            }
            ColumnType::Uint(bits) => {
                let value = self.decoded(column, int::decode_u64(self.rest))?;
                let unused = 64_u32.saturating_sub(bits);
                Value::Uint(value.wrapping_shl(unused).wrapping_shr(unused))
            }
            ColumnType::Raw64 => {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(self.take(column, 8)?);
                Value::Uint(u64::from_le_bytes(bytes))
            }
            ColumnType::String => match column.size {
                Some(size) => Value::Text(self.take(column, size)?),
                None => {
                    let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.short(column))?;
                    let (text, rest) = self.rest.split_at(end);
                    self.rest = rest.get(1..).unwrap_or_default();
                    Value::Text(text)
                }
            },
            ColumnType::Bytes | ColumnType::SizedBytes => Value::Bytes(match column.size {
                Some(size) => self.take(column, size)?,
                None if column.kind == ColumnType::Bytes && column.is_last => std::mem::take(&mut self.rest),
                None => {
                    let len = self.decoded(column, int::decode_u64(self.rest))?;
                    self.take(column, u32::try_from(len).map_err(|_| self.short(column))?)?
                }
            }),
        })
    }

    fn decoded<T>(&mut self, column: &Column, decoded: Option<(T, usize)>) -> Result<T> {
        let (value, len) = decoded.ok_or_else(|| self.short(column))?;
        self.rest = self.rest.get(len..).unwrap_or_default();
        Ok(value)
    }

    fn byte(&mut self, column: &Column) -> Result<u8> {
        self.take(column, 1)?.first().copied().ok_or_else(|| self.short(column))
    }

    fn take(&mut self, column: &Column, len: u32) -> Result<&'b [u8]> {
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (bytes, rest) = split.ok_or_else(|| self.short(column))?;
        self.rest = rest;
        Ok(bytes)
    }

    #[cold]
    fn short(&self, column: &Column) -> Error {
        let letter = char::from(column.letter);
        let left = self.rest.len();
        Error::invalid(format!(
            "packed data ends early or is damaged at column type '{letter}' of format '{}', {left} bytes from the end",
            self.format
        ))
    }
}

impl<'b> Iterator for Unpacker<'_, 'b> {
    type Item = Result<Value<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = self.value().transpose();
        if matches!(result, Some(Err(_))) {
            self.cursor.columns = &[];
        }
        result
    }
}

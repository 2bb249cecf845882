//! The columns of a packed row one by one, as bytes: what is needed to move columns between rows without decoding them.
//!
//! The *payload* of a column is its packed form without a length prefix, so that the payload of a `u` column is the same
//! whether its length is stored or not. All other columns have the same bytes wherever they stand.

use super::format::{Column, ColumnType, Format};
use super::int;
use crate::{Error, Result};

impl Format {
    /// The columns with runs of equal ones expanded. The caller limits their number.
    pub(crate) fn items(&self) -> impl Iterator<Item = Column> + '_ {
        self.columns().iter().flat_map(|column| {
            let one = Column { repeat: 1, ..*column };
            std::iter::repeat_n(one, usize::try_from(column.repeat).unwrap_or(usize::MAX))
        })
    }
}

impl Column {
    /// This column at another place of a row: a `u` that isn't last stores its length, a `U` that is last doesn't.
    pub(crate) fn placed(self, is_last: bool) -> Self {
        let (kind, letter) = match (self.kind, self.size) {
            (ColumnType::Bytes, None) if !is_last => (ColumnType::SizedBytes, b'U'),
            (ColumnType::SizedBytes, None) if is_last => (ColumnType::Bytes, b'u'),
            (kind, _) => (kind, self.letter),
        };
        Self { kind, letter, is_last, ..self }
    }

    /// Appends the column's text: its letter and, where it has one, its size.
    pub(crate) fn push_text(&self, text: &mut String) {
        if let Some(size) = self.size {
            text.push_str(&size.to_string());
        }
        text.push(char::from(self.letter));
    }

    /// Splits the payload of this column off the front of a packed row.
    ///
    /// # Errors
    /// `EINVAL` for a row that ends early or is damaged.
    pub(crate) fn split<'a>(&self, row: &mut &'a [u8]) -> Result<&'a [u8]> {
        let bytes = *row;
        let length = match (self.kind, self.size) {
            (ColumnType::Int8 | ColumnType::Uint8 | ColumnType::Bits, _) => 1,
            (ColumnType::Int(_), _) => int::decode_i64(bytes).ok_or_else(|| self.damaged(bytes))?.1,
            (ColumnType::Uint(_), _) => int::decode_u64(bytes).ok_or_else(|| self.damaged(bytes))?.1,
            (ColumnType::Raw64, _) => 8,
            (ColumnType::Padding | ColumnType::FixedString, size) => length_of(size.unwrap_or(1)),
            (ColumnType::String | ColumnType::Bytes | ColumnType::SizedBytes, Some(size)) => length_of(size),
            (ColumnType::String, None) => {
                let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| self.damaged(bytes))?;
                end.saturating_add(1)
            }
            (ColumnType::Bytes | ColumnType::SizedBytes, None) if !self.has_prefix() => bytes.len(),
            (ColumnType::Bytes | ColumnType::SizedBytes, None) => {
                let (length, prefix) = int::decode_u64(bytes).ok_or_else(|| self.damaged(bytes))?;
                *row = bytes.get(prefix..).unwrap_or_default();
                usize::try_from(length).map_err(|_| self.damaged(bytes))?
            }
        };
        let (payload, rest) = row.split_at_checked(length).ok_or_else(|| self.damaged(bytes))?;
        *row = rest;
        Ok(payload)
    }

    /// Appends a payload to a packed row.
    pub(crate) fn append(&self, payload: &[u8], row: &mut Vec<u8>) {
        if self.has_prefix() {
            row.extend_from_slice(int::encode_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX)).as_bytes());
        }
        row.extend_from_slice(payload);
    }

    /// The payload of the column's zero value: 0, the empty string, no bytes.
    pub(crate) fn zero(&self) -> Vec<u8> {
        match (self.kind, self.size) {
            (ColumnType::Int8, _) => vec![0x80],
            (ColumnType::Uint8 | ColumnType::Bits, _) => vec![0],
            (ColumnType::Int(_), _) => int::encode_i64(0).as_bytes().to_vec(),
            (ColumnType::Uint(_), _) => int::encode_u64(0).as_bytes().to_vec(),
            (ColumnType::Raw64, _) => vec![0; 8],
            (ColumnType::String, None) => vec![0],
            (ColumnType::Padding | ColumnType::FixedString, size) => vec![0; length_of(size.unwrap_or(1))],
            (ColumnType::String | ColumnType::Bytes | ColumnType::SizedBytes, Some(size)) => vec![0; length_of(size)],
            (ColumnType::Bytes | ColumnType::SizedBytes, None) => Vec::new(),
        }
    }

    /// Whether the packed form starts with its length.
    fn has_prefix(&self) -> bool {
        self.size.is_none()
            && match self.kind {
                ColumnType::Bytes => !self.is_last,
                kind => kind == ColumnType::SizedBytes,
            }
    }

    #[cold]
    fn damaged(&self, rest: &[u8]) -> Error {
        let (letter, left) = (char::from(self.letter), rest.len());
        Error::invalid(format!(
            "packed data ends early or is damaged at a column of type '{letter}', {left} bytes from the end"
        ))
    }
}

fn length_of(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

    use super::*;
    use crate::packing::{Value, pack};
    use rstest::rstest;

    #[rstest]
    #[case("iSSu", "iSSu")]
    #[case("3i2xu5s", "iii2xU5s")]
    #[case("uU", "Uu")]
    #[case("10uU", "10uu")]
    fn texts_follow_the_place(#[case] format: &str, #[case] expected: &str) {
        let format = Format::parse(format).unwrap();
        let count = format.items().count();
        let mut text = String::new();
        format.items().enumerate().for_each(|(at, item)| item.placed(at + 1 == count).push_text(&mut text));
        assert_eq!(text, expected);
    }

    #[test]
    fn payloads_are_split_and_put_together_again() {
        let format = Format::parse("iS2x5s3SbuQU8tRu").unwrap();
        let values = [
            Value::Int(-70_000),
            Value::Text(b"text"),
            Value::Text(b"fixed"),
            Value::Text(b"ab"),
            Value::Int(-3),
            Value::Bytes(b"sized\0"),
            Value::Uint(1 << 40),
            Value::Bytes(b""),
            Value::Uint(9),
            Value::Uint(7),
            Value::Bytes(b"rest"),
        ];
        let packed = pack(&format, &values).unwrap();
        let mut rest = packed.as_slice();
        let mut again = Vec::new();
        for item in format.items() {
            let payload = item.split(&mut rest).unwrap();
            item.append(payload, &mut again);
        }
        assert_eq!((again, rest.len()), (packed.clone(), 0));
        // Cut anywhere: an error or a shorter last column, never a panic.
        for length in 0..packed.len() {
            let mut rest = &packed[..length];
            let split = format.items().try_for_each(|item| item.split(&mut rest).map(|_| ()));
            assert_eq!(split.is_ok(), length + 4 >= packed.len(), "{length}");
        }
    }

    #[test]
    fn zeroes_are_what_packing_makes_of_them() {
        let format = Format::parse("iS5s3SbuQU8tRu").unwrap();
        let values = [
            Value::Int(0),
            Value::Text(b""),
            Value::Text(b""),
            Value::Text(b""),
            Value::Int(0),
            Value::Bytes(b""),
            Value::Uint(0),
            Value::Bytes(b""),
            Value::Uint(0),
            Value::Uint(0),
            Value::Bytes(b""),
        ];
        let mut row = Vec::new();
        format.items().for_each(|item| item.append(&item.zero(), &mut row));
        assert_eq!(row, pack(&format, &values).unwrap());
    }

    #[test]
    fn a_length_beyond_the_row_is_refused() {
        let column = Format::parse("uS").unwrap().items().next().unwrap();
        let mut row: &[u8] = b"\xe8\xff\xff\xff\xff\xff\xff\xff\xffx";
        assert!(column.split(&mut row).is_err());
    }
}

//! The texts of a dump cursor: what the application sees in place of the packed key and value.

use super::dump::DumpFormat;
use crate::packing::int;
use crate::{Error, Result};
use std::cell::OnceCell;

/// The texts of the current key and value, made when they are asked for. Empty for cursors that aren't dump cursors.
#[derive(Debug, Default)]
pub(super) struct Texts {
    format: Option<DumpFormat>,
    /// Keys are record numbers: their text is decimal.
    numbered: bool,
    key: OnceCell<Vec<u8>>,
    value: OnceCell<Vec<u8>>,
}

impl Texts {
    pub(super) fn new(format: Option<DumpFormat>, numbered: bool) -> Self {
        Self { format, numbered, ..Self::default() }
    }

    pub(super) fn format(&self) -> Option<DumpFormat> {
        self.format
    }

    /// The largest key or value that the application may give, in bytes. The text of one is longer than itself.
    #[inline]
    pub(super) fn most_bytes(&self) -> u64 {
        if self.format.is_some() { u64::MAX } else { super::MAX_ITEM_SIZE }
    }

    /// The cursor is about to move.
    #[inline]
    pub(super) fn clear(&mut self) {
        if self.format.is_some() {
            self.key.take();
            self.value.take();
        }
    }

    /// What the application sees for a packed key: its NUL-terminated text for dump cursors.
    #[inline]
    pub(super) fn key<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.shown(&self.key, bytes, self.numbered)
    }

    /// What the application sees for a packed value.
    #[inline]
    pub(super) fn value<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.shown(&self.value, bytes, false)
    }

    fn shown<'a>(&'a self, cell: &'a OnceCell<Vec<u8>>, bytes: &'a [u8], number: bool) -> &'a [u8] {
        match self.format {
            None => bytes,
            Some(format) => cell.get_or_init(|| {
                let mut text = Vec::with_capacity(bytes.len() + 1);
                match int::decode_u64(bytes) {
                    Some((record_number, _)) if number => text.extend_from_slice(record_number.to_string().as_bytes()),
                    _ => format.encode(bytes, &mut text),
                }
                text.push(0);
                text
            }),
        }
    }

    /// Turns what the application gives as a key into what fills the key slot.
    #[inline]
    pub(super) fn decode_key(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<()> {
        self.clear_one(true);
        decoding(self.format, self.numbered, fill)
    }

    /// Turns what the application gives as a value into what fills the value slot.
    #[inline]
    pub(super) fn decode_value(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<()> {
        self.clear_one(false);
        decoding(self.format, false, fill)
    }

    #[inline]
    fn clear_one(&mut self, key: bool) {
        if self.format.is_some() {
            if key {
                self.key.take()
            } else {
                self.value.take()
            };
        }
    }
}

#[inline]
fn decoding(
    format: Option<DumpFormat>,
    number: bool,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> impl FnOnce(&mut Vec<u8>) -> Result<()> {
    move |out| match format {
        None => fill(out),
        Some(format) => {
            let mut text = Vec::new();
            fill(&mut text)?;
            let text = text.strip_suffix(b"\0").unwrap_or(&text);
            if number {
                out.extend_from_slice(int::encode_u64(parse_record_number(text)?).as_bytes());
                return Ok(());
            }
            format.decode(text, out)
        }
    }
}

/// A record number as C reads it: decimal, `0x` hexadecimal or leading-0 octal.
fn parse_record_number(text: &[u8]) -> Result<u64> {
    let bad = || Error::invalid(format!("{}: invalid record number", text.escape_ascii()));
    let digits = std::str::from_utf8(text).map_err(|_| bad())?.to_ascii_lowercase();
    let (digits, radix) = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (digits.as_str(), 10),
    };
    // A sign is none of C's digits.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return Err(bad());
    }
    u64::from_str_radix(digits, radix).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10", Some(10))]
    #[case("0x1F", Some(31))]
    #[case("010", Some(8))]
    #[case("0", Some(0))]
    #[case("+1", None)]
    #[case("0x", None)]
    #[case("1z", None)]
    #[case("18446744073709551616", None)]
    fn record_numbers_are_read_as_c_does(#[case] text: &str, #[case] number: Option<u64>) {
        assert_eq!(parse_record_number(text.as_bytes()).ok(), number);
    }
}

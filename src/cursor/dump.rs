//! The text forms in which dump cursors exchange keys and values.
//!
//! `print` shows printable ASCII as it is (the backslash doubled) and every other byte as `\xx`; `hex` shows all bytes as
//! pairs of lower-case hexadecimal digits. Both are read back.
//!
//! Source: API specification, section 12.

use crate::{Error, Result};

/// The form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DumpFormat {
    /// `dump=print`
    Print,
    /// `dump=hex`
    Hex,
}

impl DumpFormat {
    /// Appends the text for packed bytes.
    pub(crate) fn encode(self, bytes: &[u8], text: &mut Vec<u8>) {
        for &byte in bytes {
            match (self, byte) {
                (Self::Print, b'\\') => text.extend_from_slice(b"\\\\"),
                (Self::Print, 0x20..=0x7e) => text.push(byte),
                (Self::Print, _) => {
                    text.push(b'\\');
                    push_hex(byte, text);
                }
                (Self::Hex, _) => push_hex(byte, text),
            }
        }
    }

    /// Appends the packed bytes for a text.
    ///
    /// # Errors
    /// `EINVAL` for a text that isn't of the form.
    pub(crate) fn decode(self, text: &[u8], bytes: &mut Vec<u8>) -> Result<()> {
        let mut rest = text;
        loop {
            rest = match (self, rest) {
                (_, []) => return Ok(()),
                (Self::Print, [b'\\', b'\\', tail @ ..]) => {
                    bytes.push(b'\\');
                    tail
                }
                (Self::Print, [b'\\', high, low, tail @ ..]) | (Self::Hex, [high, low, tail @ ..]) => {
                    let (high, low) = (hex_digit(*high)?, hex_digit(*low)?);
                    bytes.push(high << 4 | low);
                    tail
                }
                (Self::Print, [b'\\', ..]) | (Self::Hex, _) => return Err(bad_hex()),
                (Self::Print, [byte, tail @ ..]) => {
                    bytes.push(*byte);
                    tail
                }
            };
        }
    }
}

fn push_hex(byte: u8, text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push(DIGITS[usize::from(byte >> 4)]);
    text.push(DIGITS[usize::from(byte & 15)]);
}

fn hex_digit(digit: u8) -> Result<u8> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(bad_hex()),
    }
}

fn bad_hex() -> Error {
    Error::invalid("Invalid format in hexadecimal string")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(DumpFormat::Print, b"key\\2\0\t\xff~", r"key\\2\00\09\ff~")]
    #[case(DumpFormat::Hex, b"key\0\xff", "6b657900ff")]
    fn text_has_wiredtigers_form(#[case] format: DumpFormat, #[case] bytes: &[u8], #[case] text: &str) {
        let mut encoded = Vec::new();
        format.encode(bytes, &mut encoded);
        assert_eq!(encoded, text.as_bytes());
    }

    #[rstest]
    #[case(DumpFormat::Print, r"bad\zz")]
    #[case(DumpFormat::Print, r"bad\0")]
    #[case(DumpFormat::Print, r"bad\")]
    #[case(DumpFormat::Hex, "abc")]
    #[case(DumpFormat::Hex, "0g")]
    fn other_text_is_refused(#[case] format: DumpFormat, #[case] text: &str) {
        let error = format.decode(text.as_bytes(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "Invalid format in hexadecimal string");
    }

    proptest! {
        #[test]
        fn every_byte_string_comes_back(bytes: Vec<u8>, hex: bool) {
            let format = if hex { DumpFormat::Hex } else { DumpFormat::Print };
            let mut text = Vec::new();
            format.encode(&bytes, &mut text);
            prop_assert!(text.is_ascii() && !text.contains(&b'\n'));
            let mut decoded = Vec::new();
            format.decode(&text, &mut decoded).unwrap();
            prop_assert_eq!(decoded, bytes);
        }
    }
}

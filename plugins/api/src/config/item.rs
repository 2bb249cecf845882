//! One key or value of a configuration string, and what it means as a number, boolean, text or list.

use super::ConfigParser;
use crate::{Error, Result};

/// What the parser saw. The discriminants are the codes of WiredTiger's `WT_CONFIG_ITEM` types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemKind {
    /// A quoted string.
    String = 0,
    /// An absent value (which is true), or a bare `true` or `false`.
    Bool = 1,
    /// Any other bare word, and bare numbers that are malformed or out of range.
    Id = 2,
    /// A bare signed 64-bit integer, with any number of the suffixes `B K M G T P`.
    Number = 3,
    /// A value in brackets of any shape.
    Struct = 4,
}

/// A key or a value: a slice of the string it was parsed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    source: &'a str,
    kind: ItemKind,
    number: i64,
}

impl<'a> Item<'a> {
    /// The value of a key that has none: true.
    pub const ABSENT: Self = Self { source: "", kind: ItemKind::Bool, number: 1 };

    pub(super) fn new(source: &'a str, kind: ItemKind) -> Self {
        Self { source, kind, number: 1 }
    }

    /// The text without the quotes of a quoted string, with the brackets of a structure.
    pub fn text(&self) -> &'a str {
        if self.kind != ItemKind::String {
            return self.source;
        }
        self.source.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(self.source)
    }

    /// The text as it is written, quotes included: what goes into a derived string.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// What the parser saw.
    pub fn kind(&self) -> ItemKind {
        self.kind
    }

    /// WiredTiger's `val`: the number, 0 for `false`, what came before the offending byte of a malformed number,
    /// and 1 for everything else.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Whether there is no text: an absent value or an empty quoted string.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// The value as a boolean, as the engine's consumers read it: everything but `false` and zero is true.
    /// An empty value is true, since merging writes `enabled` as `enabled=`.
    pub fn truth(&self) -> bool {
        self.number != 0
    }

    /// The value as a boolean, strictly: absent, `true`, `false`, `1` or `0`.
    ///
    /// # Errors
    /// `EINVAL`, naming the value.
    pub fn as_bool(&self) -> Result<bool> {
        match (self.kind, self.number) {
            (ItemKind::Bool | ItemKind::Number, 0) => Ok(false),
            (ItemKind::Bool | ItemKind::Number, 1) => Ok(true),
            _ => Err(Error::invalid(format!("Value '{}' expected to be a boolean", self.text()))),
        }
    }

    /// The value as an integer.
    ///
    /// # Errors
    /// `EINVAL`, naming the value, if it is anything but a bare number.
    pub fn as_i64(&self) -> Result<i64> {
        match self.kind {
            ItemKind::Number => Ok(self.number),
            _ => Err(Error::invalid(format!("Value '{}' expected to be an integer", self.text()))),
        }
    }

    /// The value as a count or size in bytes.
    ///
    /// # Errors
    /// `EINVAL`, naming the value, if it is anything but a bare number of 0 or more.
    pub fn as_u64(&self) -> Result<u64> {
        u64::try_from(self.as_i64()?)
            .map_err(|_| Error::invalid(format!("Value '{}' too small, the minimum is 0", self.text())))
    }

    /// The name in a value for which the word `none` means the same as nothing at all (`block_compressor=none`).
    pub fn name(&self) -> Option<&'a str> {
        Some(self.text()).filter(|text| !text.is_empty() && *text != "none")
    }

    /// The items inside a value. The value need not be in brackets: `log=enabled` means `log=(enabled)`.
    pub fn items(&self) -> ConfigParser<'a> {
        ConfigParser::new(self.text())
    }

    /// Gives a value its meaning; keys stay as the parser saw them.
    pub(super) fn classify(mut self) -> Self {
        match self.kind {
            ItemKind::Id if self.source == "true" => self.kind = ItemKind::Bool,
            ItemKind::Id if self.source == "false" => (self.kind, self.number) = (ItemKind::Bool, 0),
            ItemKind::Number => match parse_number(self.source.as_bytes()) {
                Ok(number) => self.number = number,
                Err(number) => (self.kind, self.number) = (ItemKind::Id, number),
            },
            _ => {}
        }
        self
    }
}

/// The number in a bare word, or what was read of it before it turned out not to be one.
fn parse_number(text: &[u8]) -> Result<i64, i64> {
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut number: i64 = 0;
    let mut has_digits = false;
    let mut in_range = true;
    while let [digit @ b'0'..=b'9', tail @ ..] = rest {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        let next = number
            .checked_mul(10)
            .and_then(|tens| if negative { tens.checked_sub(digit) } else { tens.checked_add(digit) });
        in_range &= next.is_some();
        number = next.unwrap_or(if negative { i64::MIN } else { i64::MAX });
        (has_digits, rest) = (true, tail);
    }
    if !has_digits || !in_range {
        return Err(number);
    }
    for suffix in rest {
        let shift = match suffix.to_ascii_lowercase() {
            b'b' => continue,
            b'k' => 10,
            b'm' => 20,
            b'g' => 30,
            b't' => 40,
            b'p' => 50,
            _ => return Err(number),
        };
        if number < 0 {
            return Err(number);
        }
        // Bits shifted out are lost without notice, as in WiredTiger: only a negative result counts as overflow.
        number = number.wrapping_shl(shift);
        if number < 0 {
            return Err(number);
        }
    }
    Ok(number)
}

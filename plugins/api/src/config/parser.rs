//! The tokenizer: an iterator over the items of a string.

use super::{Item, ItemKind};
use crate::{Error, Result};

/// Iterates over the items of a configuration string in textual order, duplicates included.
///
/// Each step gives a key and its value ([`Item::ABSENT`] if there is none). Brackets around the whole string are
/// transparent, so a structure's text can be parsed like any string. An error (`EINVAL`, with the offset and the
/// reason) ends the iteration.
#[derive(Debug, Clone)]
pub struct ConfigParser<'a> {
    text: &'a str,
    position: usize,
    /// Open brackets.
    depth: i64,
    /// The depth at which items are delivered: 1 if the string begins with a bracket. Fixed by the first token.
    top: Option<i64>,
    done: bool,
}

/// What a byte does outside quotes and bare words.
enum Class {
    Space,
    Quote,
    Separator(Slot, bool),
    Comma,
    Open,
    Close,
    Word(ItemKind),
    Bad,
}

/// Which half of an item the next token fills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Key,
    Value,
}

/// The item being read, and where the next token goes.
struct Pending<'a> {
    key: Item<'a>,
    value: Item<'a>,
    slot: Slot,
    /// Start of the structure that is being skipped over.
    struct_start: usize,
}

impl<'a> Pending<'a> {
    fn current(&mut self) -> &mut Item<'a> {
        match self.slot {
            Slot::Key => &mut self.key,
            Slot::Value => &mut self.value,
        }
    }
}

const UNBALANCED: &str = "Unbalanced brackets";
const UNEXPECTED: &str = "Unexpected character";
const NO_SEPARATOR: &str = "New value starts without a separator";
const COMPLETE: &str = "Value already complete";

impl<'a> ConfigParser<'a> {
    /// A parser at the beginning of `text`.
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0, depth: 0, top: None, done: false }
    }

    /// A configuration string from bytes of unknown origin (a file). No valid configuration string is refused, save
    /// for overlong UTF-8.
    ///
    /// # Errors
    /// `EINVAL`, with the offset, if the bytes are not UTF-8.
    pub fn text_of(bytes: &'a [u8]) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|error| {
            let start = error.valid_up_to();
            let is_lead = matches!(bytes.get(start), Some(0xc0..=0xf7));
            let offset = if is_lead { start.saturating_add(error.error_len().unwrap_or(1)) } else { start };
            parse_error(&String::from_utf8_lossy(bytes), offset, UNEXPECTED)
        })
    }

    /// The whole string this parser was made from.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// Looks a key up in the whole text, wherever the iteration is; see [`super::lookup`].
    ///
    /// # Errors
    /// `EINVAL` if the string (or a nested value that was searched) doesn't parse.
    pub fn get(&self, key: &str) -> Result<Option<Item<'a>>> {
        super::lookup(self.text, key)
    }

    fn next_item(&mut self) -> Result<Option<(Item<'a>, Item<'a>)>> {
        let mut pending = Pending {
            key: Item::new("", ItemKind::String),
            value: Item::ABSENT,
            slot: Slot::Key,
            struct_start: self.position,
        };
        while let Some(byte) = self.peek() {
            match classify(byte) {
                Class::Space => self.advance(),
                Class::Bad => return Err(self.error(self.position, UNEXPECTED)),
                Class::Quote => self.quoted(&mut pending)?,
                Class::Word(kind) => self.word(&mut pending, kind)?,
                Class::Open => self.open(&mut pending)?,
                Class::Close => self.close(&mut pending)?,
                Class::Separator(slot, strict) => {
                    if self.at_top() {
                        if strict && pending.slot == Slot::Value {
                            return Err(self.error(self.position, COMPLETE));
                        }
                        pending.slot = slot;
                    }
                    self.advance();
                }
                Class::Comma => {
                    let ends_item = self.at_top() && !pending.key.is_empty();
                    self.advance();
                    if ends_item {
                        return Ok(Some((pending.key, pending.value.classify())));
                    }
                }
            }
        }
        if self.top.is_none_or(|top| self.depth <= top) && !pending.key.is_empty() {
            Ok(Some((pending.key, pending.value.classify())))
        } else if self.depth == 0 {
            Ok(None)
        } else {
            Err(self.error(self.position, UNBALANCED))
        }
    }

    fn open(&mut self, pending: &mut Pending<'a>) -> Result<()> {
        if self.at_top() {
            self.start_token(pending)?;
            pending.struct_start = self.position;
        }
        self.depth = self.depth.saturating_add(1);
        self.top.get_or_insert(self.depth);
        self.advance();
        Ok(())
    }

    fn close(&mut self, pending: &mut Pending<'a>) -> Result<()> {
        if self.top.is_none() {
            return Err(self.error(self.position, UNBALANCED));
        }
        self.depth = self.depth.saturating_sub(1);
        self.advance();
        if self.at_top() {
            *pending.current() = Item::new(self.slice(pending.struct_start), ItemKind::Struct);
        }
        Ok(())
    }

    /// A bare word: up to a terminator, which is left for the caller.
    fn word(&mut self, pending: &mut Pending<'a>, kind: ItemKind) -> Result<()> {
        let start = self.start_token(pending)?;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b':' | b'=' | b',' | b')' | b']' | b'}' => break,
                0x21..=0x7e => self.advance(),
                _ => return Err(self.error(self.position, UNEXPECTED)),
            }
        }
        if self.at_top() {
            *pending.current() = Item::new(self.slice(start), kind);
        }
        Ok(())
    }

    /// A quoted string. One that is still open at the end of the input counts as empty.
    fn quoted(&mut self, pending: &mut Pending<'a>) -> Result<()> {
        let start = self.start_token(pending)?;
        if self.at_top() {
            *pending.current() = Item::new("", ItemKind::String);
        }
        self.advance();
        while let Some(byte) = self.peek() {
            self.advance();
            match byte {
                b'"' => {
                    if self.at_top() {
                        *pending.current() = Item::new(self.slice(start), ItemKind::String);
                    }
                    return Ok(());
                }
                b'\\' => match self.peek() {
                    Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') => self.advance(),
                    Some(_) => return Err(self.error(self.position, UNEXPECTED)),
                    None => {}
                },
                // The text is a `str`: lead and continuation bytes are in order.
                0x20..=0x7e | 0x80.. => {}
                _ => return Err(self.error(self.position.saturating_sub(1), UNEXPECTED)),
            }
        }
        Ok(())
    }

    /// A token begins here: fixes the top depth, and refuses a second token in one slot.
    fn start_token(&mut self, pending: &mut Pending<'a>) -> Result<usize> {
        if self.top.is_none() && classify(self.peek().unwrap_or(0)).is_scalar() {
            self.top = Some(self.depth);
        }
        if self.at_top() && !pending.current().is_empty() {
            return Err(self.error(self.position, NO_SEPARATOR));
        }
        Ok(self.position)
    }

    fn at_top(&self) -> bool {
        self.top == Some(self.depth)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn advance(&mut self) {
        self.position = self.position.saturating_add(1);
    }

    /// From `start` to the current position; both are next to ASCII bytes, so they are character boundaries.
    fn slice(&self, start: usize) -> &'a str {
        self.text.get(start..self.position).unwrap_or("")
    }

    #[cold]
    fn error(&self, offset: usize, reason: &str) -> Error {
        parse_error(self.text, offset, reason)
    }
}

impl<'a> Iterator for ConfigParser<'a> {
    type Item = Result<(Item<'a>, Item<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let result = self.next_item().transpose();
        self.done = !matches!(result, Some(Ok(_)));
        result
    }
}

impl std::iter::FusedIterator for ConfigParser<'_> {}

impl Class {
    fn is_scalar(&self) -> bool {
        matches!(self, Self::Quote | Self::Word(_))
    }
}

fn parse_error(text: &str, offset: usize, reason: &str) -> Error {
    Error::invalid(format!("Error parsing '{text}' at offset {offset}: {reason}"))
}

fn classify(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => Class::Space,
        b'"' => Class::Quote,
        b':' => Class::Separator(Slot::Value, false),
        b'=' => Class::Separator(Slot::Value, true),
        b',' => Class::Comma,
        b'(' | b'[' | b'{' => Class::Open,
        b')' | b']' | b'}' => Class::Close,
        b'-' | b'0'..=b'9' => Class::Word(ItemKind::Number),
        b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'%' | b'.' => Class::Word(ItemKind::Id),
        _ => Class::Bad,
    }
}

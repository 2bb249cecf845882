//! The texts of a dump cursor: what the application sees in place of the packed key and value.

use super::dump::DumpFormat;
use crate::Result;
use std::cell::OnceCell;

/// The texts of the current key and value, made when they are asked for. Empty for cursors that aren't dump cursors.
#[derive(Debug, Default)]
pub(super) struct Texts {
    format: Option<DumpFormat>,
    key: OnceCell<Vec<u8>>,
    value: OnceCell<Vec<u8>>,
}

impl Texts {
    pub(super) fn new(format: Option<DumpFormat>) -> Self {
        Self { format, ..Self::default() }
    }

    pub(super) fn format(&self) -> Option<DumpFormat> {
        self.format
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
        self.shown(&self.key, bytes)
    }

    /// What the application sees for a packed value.
    #[inline]
    pub(super) fn value<'a>(&'a self, bytes: &'a [u8]) -> &'a [u8] {
        self.shown(&self.value, bytes)
    }

    fn shown<'a>(&'a self, cell: &'a OnceCell<Vec<u8>>, bytes: &'a [u8]) -> &'a [u8] {
        match self.format {
            None => bytes,
            Some(format) => cell.get_or_init(|| {
                let mut text = Vec::with_capacity(bytes.len() + 1);
                format.encode(bytes, &mut text);
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
        decoding(self.format, fill)
    }

    /// Turns what the application gives as a value into what fills the value slot.
    #[inline]
    pub(super) fn decode_value(
        &mut self,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<()> {
        self.clear_one(false);
        decoding(self.format, fill)
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
    fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> impl FnOnce(&mut Vec<u8>) -> Result<()> {
    move |out| match format {
        None => fill(out),
        Some(format) => {
            let mut text = Vec::new();
            fill(&mut text)?;
            format.decode(text.strip_suffix(b"\0").unwrap_or(&text), out)
        }
    }
}

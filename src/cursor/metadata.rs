//! The cursor on the metadata: `metadata:` shows every row, `metadata:create` shows what `create` would need.
//!
//! The first record is a synthetic one with key `metadata:`: the configuration of the metadata file itself. Reads see
//! uncommitted rows, as schema calls do. Rows are copied: nobody iterates over metadata in a hurry.
//!
//! Source: API specification, section 10.10.

use super::table::Direction;
use crate::session::Session;
use crate::{Error, Result};
use std::cmp::Ordering;

/// The key of the synthetic record.
const SYNTHETIC: &str = "metadata:";

/// The state of a metadata cursor.
pub(crate) struct MetadataCursor {
    create_form: bool,
    /// Key and value as packed strings (NUL-terminated); empty: not set.
    key: Vec<u8>,
    value: Vec<u8>,
    position: Position,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    None,
    Synthetic,
    Row(String),
}

impl MetadataCursor {
    pub(super) fn new(create_form: bool) -> Self {
        Self { create_form, key: Vec::new(), value: Vec::new(), position: Position::None }
    }

    pub(super) fn set_key(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.key.clear();
        fill(&mut self.key)
    }

    pub(super) fn set_value(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.value.clear();
        fill(&mut self.value)
    }

    pub(super) fn key(&self) -> Result<&[u8]> {
        if self.key.is_empty() { Err(Error::invalid("requires key be set")) } else { Ok(&self.key) }
    }

    pub(super) fn value(&self) -> Result<&[u8]> {
        if self.value.is_empty() { Err(Error::invalid("requires value be set")) } else { Ok(&self.value) }
    }

    pub(super) fn reset(&mut self) {
        self.key.clear();
        self.value.clear();
        self.position = Position::None;
    }

    pub(super) fn step(&mut self, session: &Session, direction: Direction) -> Result<()> {
        let metadata = session.connection().metadata();
        let position = std::mem::replace(&mut self.position, Position::None);
        self.reset();
        let row = match (position, direction) {
            (Position::None, Direction::Next) => return self.stand_on_synthetic(session),
            (Position::Synthetic, Direction::Next) => metadata.first()?,
            (Position::Row(key), Direction::Next) => metadata.after(&key)?,
            (Position::None, Direction::Prev) => match metadata.last()? {
                None => return self.stand_on_synthetic(session),
                row => row,
            },
            (Position::Synthetic, Direction::Prev) => None,
            (Position::Row(key), Direction::Prev) => match metadata.before(&key)? {
                None => return self.stand_on_synthetic(session),
                row => row,
            },
        };
        let (key, value) = row.ok_or(Error::NotFound)?;
        self.stand_on(session, key, value)
    }

    pub(super) fn search(&mut self, session: &Session) -> Result<()> {
        let key = self.key_text()?;
        self.value.clear();
        self.position = Position::None;
        if key == SYNTHETIC {
            return self.stand_on_synthetic(session);
        }
        match session.connection().metadata().get(&key)? {
            Some(value) => self.stand_on(session, key, value),
            None => Err(Error::NotFound),
        }
    }

    pub(super) fn search_near(&mut self, session: &Session) -> Result<Ordering> {
        let key = self.key_text()?;
        if key == SYNTHETIC {
            self.stand_on_synthetic(session)?;
            return Ok(Ordering::Greater);
        }
        let metadata = session.connection().metadata();
        if let Some(value) = metadata.get(&key)? {
            self.stand_on(session, key, value)?;
            return Ok(Ordering::Equal);
        }
        let (row, exact) = match metadata.after(&key)? {
            Some(row) => (row, Ordering::Greater),
            None => (metadata.before(&key)?.ok_or(Error::NotFound)?, Ordering::Less),
        };
        self.stand_on(session, row.0, row.1)?;
        Ok(exact)
    }

    pub(super) fn insert(&mut self, session: &Session) -> Result<()> {
        self.put(session)?;
        self.reset();
        Ok(())
    }

    pub(super) fn update(&mut self, session: &Session) -> Result<()> {
        let key = self.put(session)?;
        self.position = Position::Row(key);
        Ok(())
    }

    pub(super) fn remove(&mut self, session: &Session) -> Result<()> {
        let key = self.key_text()?;
        refuse_turtle_key(&key)?;
        session.connection().change_metadata(&[(&key, None)])?;
        self.reset();
        Ok(())
    }

    fn put(&mut self, session: &Session) -> Result<String> {
        let key = self.key_text()?;
        let value = text_of(self.value()?)?;
        refuse_turtle_key(&key)?;
        session.connection().change_metadata(&[(&key, Some(&value))])?;
        Ok(key)
    }

    fn key_text(&self) -> Result<String> {
        text_of(self.key()?)
    }

    fn stand_on_synthetic(&mut self, session: &Session) -> Result<()> {
        let value = session.connection().metadata_file_value()?;
        fill(&mut self.key, SYNTHETIC);
        fill(&mut self.value, &value);
        self.position = Position::Synthetic;
        Ok(())
    }

    fn stand_on(&mut self, session: &Session, key: String, value: String) -> Result<()> {
        let value = if self.create_form { session.connection().create_form(&key, &value)? } else { value };
        fill(&mut self.key, &key);
        fill(&mut self.value, &value);
        self.position = Position::Row(key);
        Ok(())
    }
}

fn fill(slot: &mut Vec<u8>, text: &str) {
    slot.clear();
    slot.extend_from_slice(text.as_bytes());
    slot.push(0);
}

fn text_of(packed: &[u8]) -> Result<String> {
    let text = packed.strip_suffix(b"\0").unwrap_or(packed);
    String::from_utf8(text.to_vec()).map_err(|_| Error::invalid("metadata is text"))
}

/// The rows of the turtle file are not rows of the table.
fn refuse_turtle_key(key: &str) -> Result<()> {
    const TURTLE: &[&str] = &[
        "Compatibility version",
        "Live Restore",
        "WiredTiger version string",
        "WiredTiger version",
        "file:WiredTiger.wt",
        SYNTHETIC,
    ];
    if TURTLE.contains(&key) {
        return Err(Error::invalid(format!("{key}: this entry can't be changed through the metadata")));
    }
    Ok(())
}

//! The cursor on an object of a data source: what the engine puts between the application and the source's own cursor.
//!
//! Invariants:
//! 1. A slot is empty, *set* by the application (its packed bytes are in the cursor's own buffer) or *found*: what the
//!    last call of the source has left in the record. The source can't damage what the application has set.
//! 2. After every successful call that names a record both slots are found. After every failed one the source's cursor is
//!    reset; a missing record empties both slots, any other failure those that were found.
//! 3. A record number is a number to the source and packed bytes to everything above.
//! 4. The session's reset of all cursors reaches the source when the cursor is next used.
//!
//! It does not know transactions: a rollback doesn't undo what a source has done. It doesn't act on `overwrite`, `bulk`,
//! `checkpoint` or `next_random` either: all of them are the source's.
//!
//! Source: data-source specification, sections 4 to 7.

use super::item_too_large;
use super::modify::{self, Modify};
use super::table::Direction;
use crate::connection::ConnectionInner;
use crate::packing::int;
use crate::plugin::config::Config;
use crate::plugin::data_source::{DataSourceCursor, Record, Truncated};
use crate::plugin::services::SessionServices;
use crate::schema::{SourceObject, or_reset, remove_records};
use crate::session::{OpenCursor, Session};
use crate::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    Set,
    Found,
}

/// The state of a cursor on a data source's object.
pub(crate) struct SourceCursor {
    pub(super) object: SourceObject,
    inner: Box<dyn DataSourceCursor>,
    /// What the source reads and writes.
    record: Record,
    key: Slot,
    value: Slot,
    /// The application's key; of a record number also the one found, packed.
    key_buffer: Vec<u8>,
    value_buffer: Vec<u8>,
    /// The last successful call has found the record, and so the source's cursor stands on it.
    stands: bool,
    /// Inserts allocate record numbers.
    append: bool,
    /// The value is a bit field, of one byte.
    is_bits: bool,
    open: Arc<OpenCursor>,
}

impl SourceCursor {
    /// A cursor of the source, and what the object's row says.
    pub(super) fn new(session: &Session, object: SourceObject, inner: Box<dyn DataSourceCursor>, append: bool) -> Self {
        Self {
            append: append && object.key_format.is_record_number(),
            is_bits: object.value_format.fixed_bits().is_some(),
            object,
            inner,
            record: Record::default(),
            key: Slot::Empty,
            value: Slot::Empty,
            key_buffer: Vec::new(),
            value_buffer: Vec::new(),
            stands: false,
            open: session.foreign_cursor_opened(),
        }
    }

    /// Whether keys are record numbers.
    #[inline]
    pub(super) fn has_record_numbers(&self) -> bool {
        self.object.key_format.is_record_number()
    }

    // ---- slots

    /// Puts the application's packed key into the key slot.
    #[inline]
    pub(super) fn set_key(&mut self, session: &Session, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.follow(session)?;
        self.key = Slot::Empty;
        self.key_buffer.clear();
        fill(&mut self.key_buffer)?;
        if self.key_buffer.is_empty() {
            return Err(Error::invalid("Empty keys not permitted"));
        }
        if self.has_record_numbers() && record_number(&self.key_buffer)? == 0 {
            return Err(Error::invalid("0 is an invalid record number"));
        }
        self.key = Slot::Set;
        Ok(())
    }

    /// Puts the application's packed value into the value slot.
    #[inline]
    pub(super) fn set_value(&mut self, session: &Session, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.follow(session)?;
        self.value = Slot::Empty;
        self.value_buffer.clear();
        fill(&mut self.value_buffer)?;
        if self.is_bits && self.value_buffer.len() != 1 {
            return Err(Error::invalid(format!(
                "item size of {} does not match fixed-length file requirement of 1 byte",
                self.value_buffer.len()
            )));
        }
        self.value = Slot::Set;
        Ok(())
    }

    /// The packed key in the key slot.
    #[inline]
    pub(super) fn key(&self) -> Result<&[u8]> {
        match self.current(self.key) {
            Slot::Empty => Err(key_required()),
            Slot::Set => Ok(&self.key_buffer),
            Slot::Found if self.has_record_numbers() && self.record.recno == 0 => {
                Err(self.wrong("0, which is no record number, as a key"))
            }
            Slot::Found if self.has_record_numbers() => Ok(&self.key_buffer),
            Slot::Found => Ok(&self.record.key),
        }
    }

    /// The packed value in the value slot.
    #[inline]
    pub(super) fn value(&self) -> Result<&[u8]> {
        match self.current(self.value) {
            Slot::Empty => Err(value_required()),
            Slot::Set => Ok(&self.value_buffer),
            Slot::Found if self.is_bits && self.record.value.len() != 1 => {
                Err(self.wrong("a value of another size than one byte for a bit field"))
            }
            Slot::Found => Ok(&self.record.value),
        }
    }

    // ---- the source's calls

    /// Steps to the neighbour.
    #[inline]
    pub(super) fn step(&mut self, session: &Session, direction: Direction) -> Result<()> {
        self.follow(session)?;
        self.key = Slot::Empty;
        self.value = Slot::Empty;
        let Self { inner, record, .. } = self;
        let services = session.services(database(session), None);
        let stepped = match direction {
            Direction::Next => inner.next(&services, record),
            Direction::Prev => inner.prev(&services, record),
        };
        self.found(&services, stepped)
    }

    /// Positions on the record with the key.
    #[inline]
    pub(super) fn search(&mut self, session: &Session) -> Result<()> {
        self.follow(session)?;
        self.give_key()?;
        let services = session.services(database(session), None);
        let found = self.inner.search(&services, &mut self.record);
        self.found(&services, found)
    }

    /// Positions on the record with the key or on a neighbour; tells which.
    pub(super) fn search_near(&mut self, session: &Session) -> Result<Ordering> {
        self.follow(session)?;
        self.give_key()?;
        let services = session.services(database(session), None);
        let found = self.inner.search_near(&services, &mut self.record);
        self.found(&services, found)
    }

    /// Inserts the record; with `append` under a number that the source chooses.
    #[inline]
    pub(super) fn insert(&mut self, session: &Session) -> Result<()> {
        self.follow(session)?;
        if self.append {
            self.record.key.clear();
        } else {
            self.give_key()?;
        }
        self.give_value()?;
        self.write(session, |inner, services, record| inner.insert(services, record))
    }

    /// Changes the record.
    #[inline]
    pub(super) fn update(&mut self, session: &Session) -> Result<()> {
        self.follow(session)?;
        self.give_key()?;
        self.give_value()?;
        self.write(session, |inner, services, record| inner.update(services, record))
    }

    /// Removes the record. What the slots hold afterwards, and where the cursor stands, is the source's.
    #[inline]
    pub(super) fn remove(&mut self, session: &Session) -> Result<()> {
        self.follow(session)?;
        self.give_key()?;
        self.write(session, |inner, services, record| inner.remove(services, record))
    }

    /// Locks the record, if the source can.
    pub(super) fn reserve(&mut self, session: &Session) -> Result<()> {
        self.follow(session)?;
        self.give_key()?;
        self.write(session, |inner, services, record| inner.reserve(services, record))
    }

    /// Changes parts of the value: a search and an update of the source. `padding` fills gaps; `terminated` values end in
    /// a NUL that the entries don't see.
    pub(super) fn modify(
        &mut self,
        session: &Session,
        entries: &[Modify<'_>],
        padding: u8,
        terminated: bool,
    ) -> Result<()> {
        self.follow(session)?;
        if self.key == Slot::Empty {
            return Err(key_required());
        }
        if entries.is_empty() {
            return Err(Error::invalid("Illegal modify vector with 0 entries"));
        }
        self.search(session)?;
        let value = &mut self.record.value;
        if terminated && value.last() == Some(&0) {
            value.pop();
        }
        let applied = modify::apply(value, entries, padding);
        if terminated {
            value.push(0);
        }
        applied?;
        self.update(session)
    }

    /// Sets or clears a bound, if the source can. The configuration has been checked.
    pub(super) fn bound(&mut self, session: &Session, config: &str) -> Result<()> {
        self.follow(session)?;
        if self.key != Slot::Empty {
            self.give_key()?;
        }
        let defaults = [crate::config::schema::WT_CURSOR_BOUND.base];
        let services = session.services(database(session), None);
        self.inner.bound(&services, &self.record, Config::with(&defaults, config))
    }

    /// No position, empty slots.
    pub(super) fn reset(&mut self, session: &Session) -> Result<()> {
        self.open.followed();
        self.key = Slot::Empty;
        self.value = Slot::Empty;
        self.stands = false;
        self.inner.reset(&session.services(database(session), None))
    }

    /// The session forgets the cursor.
    pub(super) fn close(&self, session: &Session) {
        session.cursor_closed(&self.open);
    }

    /// How the keys of two cursors on one object compare.
    pub(super) fn compare(&self, other: &Self) -> Result<Ordering> {
        if self.object.uri != other.object.uri {
            return Err(Error::invalid("Cursors must reference the same object"));
        }
        let (mine, theirs) = (self.key()?, other.key()?);
        match &self.object.collator {
            _ if self.has_record_numbers() => Ok(record_number(mine)?.cmp(&record_number(theirs)?)),
            Some(collator) => collator.compare(mine, theirs),
            None => Ok(mine.cmp(theirs)),
        }
    }

    // ---- truncation of a range

    /// Whether the key slot is empty.
    pub(super) fn lacks_key(&self) -> bool {
        self.current(self.key) == Slot::Empty
    }

    /// Stands on the record of the key or, if there is none, on the one next to it inside the range that begins
    /// (`Direction::Next`) or ends (`Direction::Prev`) there. `false`: there is none.
    pub(super) fn stand_inside(&mut self, session: &Session, inwards: Direction) -> Result<bool> {
        if self.stands && self.key == Slot::Found {
            return Ok(true);
        }
        let outside = match inwards {
            Direction::Next => Ordering::Less,
            Direction::Prev => Ordering::Greater,
        };
        let stood = match self.search_near(session) {
            Ok(order) if order == outside => self.step(session, inwards),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match stood {
            Ok(()) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the records from where this cursor stands to where `stop` stands (`None`: to the end).
    pub(super) fn truncate(&mut self, session: &Session, stop: Option<&Self>) -> Result<()> {
        let db = database(session);
        let stop = stop.map(|stop| &stop.record);
        if db.truncate_range_in_source(session, &self.object.uri, &self.record, stop)? == Truncated::Done {
            return Ok(());
        }
        let services = session.services(db, None);
        remove_records(&mut *self.inner, &services, &self.object, &mut self.record, stop)
    }

    // ---- helpers

    /// A slot, unless the session has reset all cursors since the last use.
    #[inline]
    fn current(&self, slot: Slot) -> Slot {
        if self.open.is_reset() { Slot::Empty } else { slot }
    }

    /// Does what the session's reset of all cursors asked for, if it did since the last use.
    #[inline]
    fn follow(&mut self, session: &Session) -> Result<()> {
        if self.open.is_reset() { self.reset(session) } else { Ok(()) }
    }

    /// Puts the key where the source reads it.
    #[inline]
    fn give_key(&mut self) -> Result<()> {
        match self.key {
            Slot::Empty => Err(key_required()),
            Slot::Found => Ok(()),
            Slot::Set if self.has_record_numbers() => {
                self.record.recno = record_number(&self.key_buffer)?;
                self.record.key.clear();
                Ok(())
            }
            Slot::Set => {
                self.record.set_key(&self.key_buffer);
                Ok(())
            }
        }
    }

    /// Puts the value where the source reads it.
    #[inline]
    fn give_value(&mut self) -> Result<()> {
        match self.value {
            Slot::Empty => return Err(value_required()),
            Slot::Found => {}
            Slot::Set => self.record.set_value(&self.value_buffer),
        }
        match u64::try_from(self.record.value.len()) {
            Ok(length) if length <= super::MAX_ITEM_SIZE => Ok(()),
            length => Err(item_too_large(length.unwrap_or(u64::MAX))),
        }
    }

    /// A call that changes something: in the running transaction, else in one of its own that begins when the source asks
    /// for it.
    #[inline]
    fn write(
        &mut self,
        session: &Session,
        operation: impl FnOnce(&mut dyn DataSourceCursor, &dyn SessionServices, &mut Record) -> Result<()>,
    ) -> Result<()> {
        self.stands = false;
        let Self { inner, record, .. } = self;
        let services = session.services(database(session), None);
        let written = session.in_implicit_transaction(|| operation(&mut **inner, &services, record));
        self.done(&services, written)
    }

    /// The end of a call that finds a record.
    #[inline]
    fn found<T>(&mut self, services: &dyn SessionServices, result: Result<T>) -> Result<T> {
        self.stands = result.is_ok();
        self.done(services, result)
    }

    /// The end of a call that names a record.
    #[inline]
    fn done<T>(&mut self, services: &dyn SessionServices, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => {
                self.key = Slot::Found;
                self.value = Slot::Found;
                if self.has_record_numbers() {
                    self.key_buffer.clear();
                    self.key_buffer.extend_from_slice(int::encode_u64(self.record.recno).as_bytes());
                }
                Ok(value)
            }
            Err(error) => Err(self.failed(services, error)),
        }
    }

    #[cold]
    fn failed(&mut self, services: &dyn SessionServices, error: Error) -> Error {
        let missing = error.is_not_found();
        for slot in [&mut self.key, &mut self.value] {
            if missing || *slot == Slot::Found {
                *slot = Slot::Empty;
            }
        }
        match or_reset::<()>(&mut *self.inner, services, Err(error)) {
            Err(error) => error,
            Ok(()) => Error::NotFound,
        }
    }

    #[cold]
    fn wrong(&self, what: &str) -> Error {
        Error::new(crate::ErrorCode::ERROR, format!("{}: the data source has returned {what}", self.object.uri))
    }
}

#[inline]
fn database(session: &Session) -> &crate::schema::Database {
    let connection: &ConnectionInner = session.connection();
    &connection.db
}

/// The number in a packed key of format `r`.
#[inline]
fn record_number(packed: &[u8]) -> Result<u64> {
    match int::decode_u64(packed) {
        Some((number, length)) if length == packed.len() => Ok(number),
        _ => Err(Error::invalid(format!("{}: invalid record number", packed.escape_ascii()))),
    }
}

#[cold]
fn key_required() -> Error {
    Error::invalid("requires key be set")
}

#[cold]
fn value_required() -> Error {
    Error::invalid("requires value be set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_record_numbers_are_read_whole() {
        for number in [1, 63, 64, 8256, u64::MAX] {
            assert_eq!(record_number(int::encode_u64(number).as_bytes()).unwrap(), number);
        }
        for bytes in [&b""[..], b"\x81\0", b"\xff"] {
            assert!(record_number(bytes).is_err(), "{bytes:?}");
        }
    }
}

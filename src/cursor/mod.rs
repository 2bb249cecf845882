//! Cursors: the handles through which records are read and written.
//!
//! A [`Cursor`] borrows its session and has WiredTiger's verbs (`set_key`, `search`, `next`, `insert`, ...) beside Rust's
//! (`get`, `put`, `range`). Keys and values go in and out typed, by the packing format of the object, or raw.
//!
//! Invariants:
//! 1. Every method goes through the session's frame: panic check, last error, messages, transaction poisoning.
//! 2. What belongs to the normal course is no error: the end of an iteration and a missing record are `Ok(false)`.
//!    `get_last_error` has them as `WT_NOTFOUND`.
//!
//! One file a kind: `table` for B-tree files, `named` for tables with named columns and `index` for their indices, both over
//! the state machine of `table`; `metadata` for the schema's rows, `log` for the log, `source` for the objects of data
//! sources; `dump` has the text forms.
//!
//! Source: API specification, sections 7 to 12.

mod bounds;
mod dump;
mod index;
mod log;
mod metadata;
mod modify;
mod named;
mod open;
mod range;
mod source;
mod table;
mod text;
mod truncate;
mod verbs;

pub use bounds::BoundSide;
pub use modify::Modify;
pub(crate) use open::{duplicate as duplicate_cursor, open as open_cursor};
pub use range::{Range, RangeKey};
pub(crate) use truncate::truncate_range;

use crate::event::Origin;
use crate::packing::{Format, PackRow, UnpackRow};
use crate::schema::Records;
use crate::session::{Failure, Session};
use crate::{Error, Result};
use index::IndexCursor;
use log::LogCursor;
use metadata::MetadataCursor;
use named::NamedCursor;
use source::SourceCursor;
use std::sync::Arc;
use table::{Direction, TableCursor};

/// The largest key or value in bytes.
const MAX_ITEM_SIZE: u64 = 4_294_966_271;

#[cold]
fn item_too_large(size: u64) -> Error {
    Error::invalid(format!("item size of {size} exceeds the maximum supported WiredTiger size of {MAX_ITEM_SIZE}"))
}

/// Copies a key or value, unless it is too large to be one: then its memory isn't even touched.
#[inline]
fn copy_item(item: &[u8], most: u64, out: &mut Vec<u8>) -> Result<()> {
    match u64::try_from(item.len()) {
        Ok(size) if size <= most => {
            out.extend_from_slice(item);
            Ok(())
        }
        size => Err(item_too_large(size.unwrap_or(u64::MAX))),
    }
}

/// A cursor of a session. Dropping it closes it.
pub struct Cursor<'session> {
    session: &'session Session,
    uri: Box<str>,
    kind: Kind,
    /// The object's formats.
    key_format: Arc<Format>,
    value_format: Arc<Format>,
    /// The formats in which the application exchanges keys and values: others for raw and dump cursors.
    key_exchange: Arc<Format>,
    value_exchange: Arc<Format>,
    readonly: bool,
    texts: text::Texts,
}

enum Kind {
    Table(TableCursor),
    Named(Box<NamedCursor>),
    Index(Box<IndexCursor>),
    Metadata(MetadataCursor),
    Log(LogCursor),
    Source(Box<SourceCursor>),
    /// `config:`: opens, and supports nothing.
    Placeholder,
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl<'session> Cursor<'session> {
    /// The URI it was opened on.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The session it belongs to.
    pub fn session(&self) -> &'session Session {
        self.session
    }

    /// The packing format of the keys as the application sees them: that of the object, `S` for dump cursors.
    pub fn key_format(&self) -> &str {
        if self.texts.format().is_some() { "S" } else { self.key_format.text() }
    }

    /// The packing format of the values as the application sees them.
    pub fn value_format(&self) -> &str {
        if self.texts.format().is_some() { "S" } else { self.value_format.text() }
    }

    /// The packing format of the object's keys, also for dump cursors.
    pub fn object_key_format(&self) -> &str {
        self.key_format.text()
    }

    // ---- keys and values

    /// Sets the key: one value, a tuple, or a byte string for raw cursors.
    ///
    /// # Errors
    /// `EINVAL` for a key that doesn't fit the format, is empty or too long; the key slot is empty then.
    pub fn set_key(&mut self, key: impl PackRow) -> Result<()> {
        self.fill_key(|format, out| key.pack_row(format, out))
    }

    /// Sets the key to packed bytes, whatever the format.
    ///
    /// # Errors
    /// As [`Cursor::set_key`].
    #[inline]
    pub fn set_key_raw(&mut self, key: &[u8]) -> Result<()> {
        let most = self.texts.most_bytes();
        self.fill_key(|_, out| copy_item(key, most, out))
    }

    /// Sets the value: one value, a tuple, or a byte string for raw cursors.
    ///
    /// # Errors
    /// `EINVAL` for a value that doesn't fit the format; the value slot is empty then.
    pub fn set_value(&mut self, value: impl PackRow) -> Result<()> {
        self.fill_value(|format, out| value.pack_row(format, out))
    }

    /// Sets the value to packed bytes, whatever the format.
    ///
    /// # Errors
    /// As [`Cursor::set_value`].
    #[inline]
    pub fn set_value_raw(&mut self, value: &[u8]) -> Result<()> {
        let most = self.texts.most_bytes();
        self.fill_value(|_, out| copy_item(value, most, out))
    }

    /// Sets key and value of a dump cursor from lines of a dump.
    ///
    /// # Errors
    /// `EINVAL` for text that isn't of the cursor's form.
    pub fn set_text(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.set_key_raw(key)?;
        self.set_value_raw(value)
    }

    /// The key in the key slot.
    ///
    /// # Errors
    /// `EINVAL` for an empty slot and for a type that doesn't fit the format.
    pub fn get_key<'c, T: UnpackRow<'c>>(&'c self) -> Result<T> {
        let result = self.key_bytes().and_then(|bytes| T::unpack_row(&self.key_exchange, self.texts.key(bytes)));
        self.session.finish(Origin::call("WT_CURSOR.get_key"), result)
    }

    /// The value in the value slot.
    ///
    /// # Errors
    /// As [`Cursor::get_key`].
    pub fn get_value<'c, T: UnpackRow<'c>>(&'c self) -> Result<T> {
        let result = self.value_bytes().and_then(|bytes| T::unpack_row(&self.value_exchange, self.texts.value(bytes)));
        self.session.finish(Origin::call("WT_CURSOR.get_value"), result)
    }

    /// The packed key in the key slot. That of an index has the table's key behind the index's own columns.
    ///
    /// # Errors
    /// `EINVAL` for an empty slot.
    #[inline]
    pub fn get_key_raw(&self) -> Result<&[u8]> {
        self.session.finish(Origin::call("WT_CURSOR.get_key"), self.key_bytes())
    }

    /// The packed value in the value slot.
    ///
    /// # Errors
    /// `EINVAL` for an empty slot.
    #[inline]
    pub fn get_value_raw(&self) -> Result<&[u8]> {
        self.session.finish(Origin::call("WT_CURSOR.get_value"), self.value_bytes())
    }

    /// Both packed slots at once.
    ///
    /// # Errors
    /// `EINVAL` for an empty slot; `ENOTSUP` for tables with named columns and indices.
    pub fn get_raw_key_value(&self) -> Result<(&[u8], &[u8])> {
        let both = match &self.kind {
            Kind::Named(_) | Kind::Index(_) => self.session.enter().and_then(|()| Err(unsupported())),
            _ => self.key_bytes().and_then(|key| Ok((key, self.value_bytes()?))),
        };
        if both.as_ref().is_err_and(is_unsupported) {
            return self.session.finish(Origin::call(NO_CALL), both);
        }
        self.session.finish(Origin::call("WT_CURSOR.get_raw_key_value"), both)
    }

    // ---- helpers

    #[inline]
    fn key_bytes(&self) -> Result<&[u8]> {
        self.session.enter()?;
        match &self.kind {
            Kind::Table(table) => table.key(),
            Kind::Named(named) => named.rows.key(),
            Kind::Index(index) => index.rows.key(),
            Kind::Metadata(metadata) => metadata.key(),
            Kind::Log(log) => log.key(),
            Kind::Source(source) => source.key(),
            Kind::Placeholder => Err(Error::invalid("requires key be set")),
        }
    }

    #[inline]
    fn value_bytes(&self) -> Result<&[u8]> {
        self.session.enter()?;
        match &self.kind {
            Kind::Table(table) => table.value(),
            Kind::Named(named) => named.value(),
            Kind::Index(index) => index.rows.value(),
            Kind::Metadata(metadata) => metadata.value(),
            Kind::Log(log) => log.value(),
            Kind::Source(source) => source.value(),
            Kind::Placeholder => Err(Error::invalid("requires value be set")),
        }
    }

    #[inline]
    fn fill_key(&mut self, fill: impl FnOnce(&Format, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let Self { session, kind, texts, key_exchange: format, .. } = self;
        let result = session.enter().and_then(|()| {
            let fill = texts.decode_key(|out| fill(format, out));
            match kind {
                Kind::Table(table) => table.set_key(fill),
                Kind::Named(named) => named.rows.set_key(fill),
                Kind::Index(index) => index.rows.set_key(fill),
                Kind::Metadata(metadata) => metadata.set_key(fill),
                Kind::Log(log) => log.set_key(fill),
                Kind::Source(source) => source.set_key(session, fill),
                Kind::Placeholder => Ok(()),
            }
        });
        self.complete("WT_CURSOR.set_key", result)
    }

    #[inline]
    fn fill_value(&mut self, fill: impl FnOnce(&Format, &mut Vec<u8>) -> Result<()>) -> Result<()> {
        let Self { session, kind, texts, value_exchange: format, .. } = self;
        let result = session.enter().and_then(|()| {
            let fill = texts.decode_value(|out| fill(format, out));
            match kind {
                Kind::Table(table) => table.set_value(fill),
                Kind::Named(named) => named.set_value(fill),
                Kind::Index(_) => Err(index::no_set_value()),
                Kind::Metadata(metadata) => metadata.set_value(fill),
                Kind::Log(_) => Err(unsupported()),
                Kind::Source(source) => source.set_value(session, fill),
                Kind::Placeholder => Ok(()),
            }
        });
        self.complete("WT_CURSOR.set_value", result)
    }

    #[inline]
    fn step(&mut self, call: &'static str, direction: Direction) -> Result<bool> {
        self.clear();
        let session = self.session;
        let result = session.enter().and_then(|()| match &mut self.kind {
            Kind::Table(table) => table.step(session, direction),
            Kind::Named(named) => named.rows.step(session, direction),
            Kind::Index(index) => index.rows.step(session, direction),
            Kind::Metadata(metadata) => metadata.step(session, direction),
            Kind::Source(source) => source.step(session, direction),
            Kind::Log(log) if direction == Direction::Next => log.next(),
            Kind::Log(_) | Kind::Placeholder => Err(unsupported()),
        });
        self.found(call, result)
    }

    /// What was derived from the position or the slots doesn't hold any more.
    #[inline]
    fn clear(&mut self) {
        self.texts.clear();
        if let Kind::Named(named) = &mut self.kind {
            named.clear();
        }
    }

    #[inline]
    fn write(&mut self, call: &'static str, change: Change<'_>) -> Result<()> {
        self.clear();
        let session = self.session;
        let readonly = self.readonly;
        let result = session.enter().and_then(|()| match &mut self.kind {
            _ if readonly => Err(unsupported()),
            Kind::Table(table) => change.apply(table, session),
            Kind::Named(named) => named.prepare_change(session).and_then(|()| change.apply(&mut named.rows, session)),
            Kind::Metadata(metadata) => change.apply_to_metadata(metadata, session),
            Kind::Source(source) => change.apply_to_source(source, session),
            Kind::Index(_) | Kind::Log(_) | Kind::Placeholder => Err(unsupported()),
        });
        self.complete(call, result)
    }

    /// The end of a call: a failure is recorded and reported with the object it is about.
    #[inline]
    fn complete<T>(&self, call: &'static str, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(call, error)),
        }
    }

    #[cold]
    fn failed(&self, call: &'static str, error: Error) -> Error {
        // WiredTiger has no object in hand where slots and bounds are set.
        let without_object = ["WT_CURSOR.set_key", "WT_CURSOR.set_value", "WT_CURSOR.bound", "WT_CURSOR.reconfigure"];
        let object = match &self.kind {
            Kind::Table(table) if !without_object.contains(&call) => table.file.uri.as_str(),
            Kind::Named(named) if !without_object.contains(&call) && !OF_TABLES_THEMSELVES.contains(&call) => {
                named.file_uri()
            }
            Kind::Metadata(_) => "file:WiredTiger.wt",
            Kind::Source(source) if !without_object.contains(&call) => &source.object.uri,
            _ => "",
        };
        let origin = if is_unsupported(&error) { Origin::call(NO_CALL) } else { Origin { object, call } };
        self.session.failed(origin, error, Failure::Full)
    }

    #[inline]
    fn found(&self, call: &'static str, result: Result<()>) -> Result<bool> {
        match self.complete(call, result) {
            Ok(()) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Table(table) => table.close(self.session),
            Kind::Named(named) => named.rows.close(self.session),
            Kind::Index(index) => index.rows.close(self.session),
            Kind::Source(source) => source.close(self.session),
            Kind::Metadata(_) | Kind::Log(_) | Kind::Placeholder => {}
        }
    }
}

/// Calls on a table with named columns that are not passed on to its column groups.
const OF_TABLES_THEMSELVES: &[&str] = &["WT_CURSOR.compare", "WT_CURSOR.equals", "WT_CURSOR.reserve"];

/// A change that a cursor makes at its key.
#[derive(Clone, Copy)]
enum Change<'a> {
    Insert,
    Update,
    Remove,
    Reserve,
    /// Entries, what fills gaps, and whether values end in a NUL that the entries don't see.
    Modify(&'a [Modify<'a>], u8, bool),
}

impl Change<'_> {
    #[inline(always)]
    fn apply<R: Records, O>(self, rows: &mut TableCursor<R, O>, session: &Session) -> Result<()> {
        match self {
            Self::Insert => rows.insert(session),
            Self::Update => rows.update(session),
            Self::Remove => rows.remove(session),
            Self::Reserve => rows.reserve(session),
            Self::Modify(entries, padding, terminated) => rows.modify(session, entries, padding, terminated),
        }
    }

    fn apply_to_metadata(self, metadata: &mut MetadataCursor, session: &Session) -> Result<()> {
        match self {
            Self::Insert => metadata.insert(session),
            Self::Update => metadata.update(session),
            Self::Remove => metadata.remove(session),
            Self::Reserve | Self::Modify(..) => Err(unsupported()),
        }
    }

    fn apply_to_source(self, source: &mut SourceCursor, session: &Session) -> Result<()> {
        match self {
            Self::Insert => source.insert(session),
            Self::Update => source.update(session),
            Self::Remove => source.remove(session),
            Self::Reserve => source.reserve(session),
            Self::Modify(entries, padding, terminated) => source.modify(session, entries, padding, terminated),
        }
    }
}

/// The place WiredTiger names for operations that a cursor doesn't have.
const NO_CALL: &str = "connection-open-session";
const UNSUPPORTED: &str = "Unsupported cursor operation";

#[cold]
fn unsupported() -> Error {
    Error::unsupported(UNSUPPORTED)
}

fn is_unsupported(error: &Error) -> bool {
    matches!(error, Error::Other(failure) if failure.message == UNSUPPORTED)
}

//! The operations of a cursor: WiredTiger's verbs, then Rust's.

use super::table::{Direction, TableCursor};
use super::{BoundSide, Change, Cursor, Kind, Modify, NO_CALL, open, unsupported};
use crate::event::Origin;
use crate::packing::{PackRow, UnpackRow};
use crate::schema::Records;
use crate::session::Failure;
use crate::{Error, Result};
use std::cmp::Ordering;

impl Cursor<'_> {
    // ---- reading

    /// Steps to the next record, from no position to the first. `false`: there is none; the cursor has no position.
    ///
    /// # Errors
    /// Those of reading.
    #[allow(clippy::should_implement_trait, reason = "WiredTiger's verb; a lending iterator can't be an Iterator")]
    #[inline]
    pub fn next(&mut self) -> Result<bool> {
        self.step("WT_CURSOR.next", Direction::Next)
    }

    /// Steps to the previous record, from no position to the last. `false`: there is none; the cursor has no position.
    ///
    /// # Errors
    /// Those of reading.
    #[inline]
    pub fn prev(&mut self) -> Result<bool> {
        self.step("WT_CURSOR.prev", Direction::Prev)
    }

    /// Positions on the record with the key. `false`: there is none; the key stays set.
    ///
    /// # Errors
    /// `EINVAL` without a key; those of reading.
    #[inline]
    pub fn search(&mut self) -> Result<bool> {
        self.clear();
        let session = self.session;
        let result = session.enter().and_then(|()| match &mut self.kind {
            Kind::Table(table) => table.search(session),
            Kind::Named(named) => named.rows.search(session),
            Kind::Index(index) => index.rows.search(session),
            Kind::Metadata(metadata) => metadata.search(session),
            Kind::Log(log) => log.search(&self.key_format),
            Kind::Source(source) => source.search(session),
            Kind::Placeholder => Err(unsupported()),
        });
        self.found("WT_CURSOR.search", result)
    }

    /// Positions on the record with the key or on a neighbour: how the record found compares to the key. `None`: there
    /// is no record in range.
    ///
    /// # Errors
    /// `EINVAL` without a key; those of reading.
    pub fn search_near(&mut self) -> Result<Option<Ordering>> {
        self.clear();
        let session = self.session;
        let result = session.enter().and_then(|()| match &mut self.kind {
            Kind::Table(table) => table.search_near(session),
            Kind::Named(named) => named.rows.search_near(session),
            Kind::Index(index) => index.rows.search_near(session),
            Kind::Metadata(metadata) => metadata.search_near(session),
            Kind::Source(source) => source.search_near(session),
            Kind::Log(_) | Kind::Placeholder => Err(unsupported()),
        });
        match self.complete("WT_CURSOR.search_near", result) {
            Ok(exact) => Ok(Some(exact)),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the key to the largest of the object, be it visible or not. `false`: the object is empty.
    ///
    /// # Errors
    /// `EINVAL` on a cursor with bounds.
    pub fn largest_key(&mut self) -> Result<bool> {
        self.clear();
        let session = self.session;
        let result = session.enter().and_then(|()| match &mut self.kind {
            Kind::Table(table) => table.largest_key(session),
            Kind::Named(named) => named.rows.largest_key(session),
            Kind::Index(_) | Kind::Metadata(_) | Kind::Log(_) | Kind::Source(_) | Kind::Placeholder => {
                Err(unsupported())
            }
        });
        match self.complete("WT_CURSOR.largest_key", result) {
            Err(Error::NotFound) => Ok(false),
            result => result.map(|()| true),
        }
    }

    // ---- writing

    /// Inserts the record of key and value; one that is there is replaced unless the cursor has `overwrite=false`.
    ///
    /// # Errors
    /// `EINVAL` without key or value or for one that is too large; [`Error::DuplicateKey`] (`get_value` then gives the
    /// record that is there); [`Error::Rollback`] on a conflict in a transaction; [`Error::NotFound`] outside the bounds.
    #[inline]
    pub fn insert(&mut self) -> Result<()> {
        self.write("WT_CURSOR.insert", Change::Insert)
    }

    /// Changes the record, and positions on it; a missing one is inserted unless the cursor has `overwrite=false`.
    ///
    /// # Errors
    /// As [`Cursor::insert`]; [`Error::NotFound`] for a missing record.
    #[inline]
    pub fn update(&mut self) -> Result<()> {
        self.write("WT_CURSOR.update", Change::Update)
    }

    /// Removes the record. A cursor that stood on it stays there, without a value.
    ///
    /// # Errors
    /// `EINVAL` without a key; [`Error::NotFound`] for a missing record; [`Error::Rollback`].
    #[inline]
    pub fn remove(&mut self) -> Result<()> {
        self.write("WT_CURSOR.remove", Change::Remove)
    }

    /// Holds the record against other writers until the transaction ends, and positions on it.
    ///
    /// # Errors
    /// `EINVAL` without a key or a transaction; [`Error::NotFound`]; [`Error::Rollback`].
    pub fn reserve(&mut self) -> Result<()> {
        self.write("WT_CURSOR.reserve", Change::Reserve)
    }

    /// Changes parts of the record's value, and positions on it.
    ///
    /// # Errors
    /// `ENOTSUP` for formats other than `S` and `u`, outside a transaction and at weaker isolation than snapshot;
    /// `EINVAL` without a key or entries; [`Error::NotFound`]; [`Error::Rollback`].
    pub fn modify(&mut self, entries: &[Modify<'_>]) -> Result<()> {
        let (padding, terminated) = match (self.value_format.text(), &self.kind) {
            (_, Kind::Named(_) | Kind::Index(_)) => {
                self.session.enter()?;
                return Err(self.session.failed(Origin::call(NO_CALL), unsupported(), Failure::Full));
            }
            ("u", _) => (0, false),
            ("S", _) => (b' ', true),
            _ => {
                self.session.enter()?;
                let error = Error::unsupported("WT_CURSOR.modify only supported for 'S' and 'u' value formats");
                return Err(self.session.failed(Origin::call(NO_CALL), error, Failure::Full));
            }
        };
        self.write("WT_CURSOR.modify", Change::Modify(entries, padding, terminated))
    }

    // ---- position and bounds

    /// Gives up position, key, value and bounds.
    ///
    /// # Errors
    /// `WT_PANIC`.
    pub fn reset(&mut self) -> Result<()> {
        self.clear();
        self.session.enter()?;
        match &mut self.kind {
            Kind::Table(table) => table.reset(self.session),
            Kind::Named(named) => named.rows.reset(self.session),
            Kind::Index(index) => index.rows.reset(self.session),
            Kind::Metadata(metadata) => metadata.reset(),
            Kind::Log(log) => log.reset(),
            Kind::Source(source) => {
                let reset = source.reset(self.session);
                return self.complete("WT_CURSOR.reset", reset);
            }
            Kind::Placeholder => {}
        }
        Ok(())
    }

    /// Sets a bound at the key, or clears both: `action=set|clear`, `bound=lower|upper`, `inclusive`.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration, on a positioned cursor, without a key and for bounds that leave no room.
    pub fn bound(&mut self, config: &str) -> Result<()> {
        if let Kind::Source(_) = self.kind {
            return self.bound_source(config);
        }
        let (session, uri) = (self.session, self.uri.clone());
        self.bound_as(|| {
            Ok(match open::parse_bound(session, &uri, config)? {
                open::BoundAction::Clear => Bound::Clear,
                open::BoundAction::Set { side, inclusive } => Bound::Set(side, inclusive),
            })
        })
    }

    /// Sets a bound at the key.
    ///
    /// # Errors
    /// As [`Cursor::bound`].
    pub fn set_bound(&mut self, side: BoundSide, inclusive: bool) -> Result<()> {
        if let Kind::Source(_) = self.kind {
            let side = if side == BoundSide::Lower { "lower" } else { "upper" };
            return self.bound_source(&format!("action=set,bound={side},inclusive={inclusive}"));
        }
        self.bound_as(|| Ok(Bound::Set(Some(side), inclusive)))
    }

    /// Removes both bounds; the position stays.
    ///
    /// # Errors
    /// `WT_PANIC`.
    pub fn clear_bounds(&mut self) -> Result<()> {
        if let Kind::Source(_) = self.kind {
            return self.bound_source("action=clear");
        }
        self.bound_as(|| Ok(Bound::Clear))
    }

    fn bound_as(&mut self, parse: impl FnOnce() -> Result<Bound>) -> Result<()> {
        self.clear();
        let result = self.session.enter().and_then(|()| match &mut self.kind {
            Kind::Table(table) => parse()?.apply(table),
            Kind::Named(named) => parse()?.apply(&mut named.rows),
            Kind::Index(index) => parse()?.apply(&mut index.rows),
            Kind::Metadata(_) | Kind::Log(_) | Kind::Source(_) | Kind::Placeholder => Err(unsupported()),
        });
        self.complete("WT_CURSOR.bound", result)
    }

    /// How this cursor's key compares to that of `other`, a cursor on the same object.
    ///
    /// # Errors
    /// `EINVAL` for cursors of different objects and for missing keys.
    pub fn compare(&self, other: &Cursor<'_>) -> Result<Ordering> {
        self.compare_as("WT_CURSOR.compare", other)
    }

    /// Whether this cursor's key equals that of `other`, a cursor on the same object.
    ///
    /// # Errors
    /// As [`Cursor::compare`].
    pub fn equals(&self, other: &Cursor<'_>) -> Result<bool> {
        self.compare_as("WT_CURSOR.equals", other).map(Ordering::is_eq)
    }

    /// Changes `overwrite`; resets the cursor but for its bounds.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration.
    pub fn reconfigure(&mut self, config: &str) -> Result<()> {
        self.clear();
        let result =
            self.session.enter().and_then(|()| open::reconfigure(&mut self.kind, self.session, &self.uri, config));
        self.complete("WT_CURSOR.reconfigure", result)
    }

    /// Closes the cursor.
    ///
    /// # Errors
    /// `WT_PANIC`.
    pub fn close(self) -> Result<()> {
        self.session.enter()
    }

    // ---- Rust's verbs

    /// The value of `key`, if there is a record.
    ///
    /// # Errors
    /// Those of [`Cursor::set_key`], [`Cursor::search`] and [`Cursor::get_value`].
    pub fn get<'c, T: UnpackRow<'c>>(&'c mut self, key: impl PackRow) -> Result<Option<T>> {
        self.set_key(key)?;
        if self.search()? { self.get_value().map(Some) } else { Ok(None) }
    }

    /// Inserts `value` under `key`, as [`Cursor::insert`] does.
    ///
    /// # Errors
    /// Those of [`Cursor::set_key`], [`Cursor::set_value`] and [`Cursor::insert`].
    pub fn put(&mut self, key: impl PackRow, value: impl PackRow) -> Result<()> {
        self.set_key(key)?;
        self.set_value(value)?;
        self.insert()
    }

    /// Removes the record of `key`. `false`: there was none.
    ///
    /// # Errors
    /// Those of [`Cursor::set_key`] and [`Cursor::remove`].
    pub fn delete(&mut self, key: impl PackRow) -> Result<bool> {
        self.set_key(key)?;
        match self.remove() {
            Ok(()) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The bounds of a data source's cursor are the source's.
    fn bound_source(&mut self, config: &str) -> Result<()> {
        self.texts.clear();
        let session = self.session;
        let result = session.enter().and_then(|()| match &mut self.kind {
            Kind::Source(source) => {
                open::parse_bound(session, &self.uri, config)?;
                source.bound(session, config)
            }
            _ => Err(unsupported()),
        });
        self.complete("WT_CURSOR.bound", result)
    }

    fn compare_as(&self, call: &'static str, other: &Cursor<'_>) -> Result<Ordering> {
        let result = self.session.enter().and_then(|()| match (&self.kind, &other.kind) {
            (Kind::Table(mine), Kind::Table(theirs)) => {
                if !mine.file.is_same(&theirs.file) {
                    return Err(Error::invalid("cursors must reference the same object"));
                }
                mine.compare(theirs.key()?)
            }
            (Kind::Named(mine), Kind::Named(theirs)) if mine.rows.file.is_same(&theirs.rows.file) => {
                Ok(mine.rows.key()?.cmp(theirs.rows.key()?))
            }
            (Kind::Named(_), _) => Err(Error::invalid("comparison method cursors must reference the same object")),
            (Kind::Index(mine), Kind::Index(theirs)) if self.uri == other.uri => mine.compare(theirs),
            (Kind::Index(_), _) => Err(Error::invalid("Cursors must reference the same object")),
            (Kind::Metadata(mine), Kind::Metadata(theirs)) => Ok(mine.key()?.cmp(theirs.key()?)),
            (Kind::Log(mine), Kind::Log(theirs)) => Ok(mine.key()?.cmp(theirs.key()?)),
            (Kind::Source(mine), Kind::Source(theirs)) => mine.compare(theirs),
            (Kind::Metadata(_) | Kind::Log(_), _) => Err(Error::invalid("Can only compare cursors of the same type")),
            (Kind::Table(_) | Kind::Source(_), _) => Err(Error::invalid("Cursors must reference the same object")),
            (Kind::Placeholder, _) => Err(unsupported()),
        });
        self.complete(call, result)
    }
}

/// What a bound call asks for. The side is missing if the configuration names none.
enum Bound {
    Set(Option<BoundSide>, bool),
    Clear,
}

impl Bound {
    fn apply<R: Records, O>(self, rows: &mut TableCursor<R, O>) -> Result<()> {
        match self {
            Self::Clear => {
                rows.clear_bounds();
                Ok(())
            }
            Self::Set(side, inclusive) => {
                rows.check_bound()?;
                rows.set_bound(side.ok_or_else(open::no_side)?, inclusive)
            }
        }
    }
}

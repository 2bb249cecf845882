//! The cursor on records: WiredTiger's state machine of key slot, value slot and position. The records are those of one
//! B-tree file, of a table with column groups, or of an index; see [`Records`].
//!
//! Invariants:
//! 1. A slot is empty, *set* by the application (its bytes are in the cursor's buffer) or *internal*: the data of the
//!    position, borrowed from the tree where the tree cursor stands there, copied into the buffer after a write.
//! 2. `position` is `None`, or the session counts this cursor as positioned. A cursor that the session has reset is
//!    unpositioned, and notices when it is next used.
//! 3. `search`, `next`, `prev` and writes of raw keys allocate nothing once the buffers have grown to the size of the
//!    records.
//!
//! It does not pack or unpack: keys and values are the packed bytes here.
//!
//! Source: API specification, sections 7 to 9.

use super::bounds::{Bound, BoundSide, Bounds, Place};
use super::modify::{self, Modify};
use crate::btree::TreeCursor;
use crate::schema::{InUse, Records};
use crate::session::{OpenCursor, Session};
use crate::txn::{Isolation, Txn};
use crate::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// What a slot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    /// The application's bytes, in the buffer.
    Set,
    /// The position's bytes, in the tree.
    InTree,
    /// The position's bytes, in the buffer.
    InBuffer,
}

/// Where the cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    None,
    /// On the record where the tree cursor stands.
    Tree,
    /// On the key in `position_key`: after a write, whether or not the record is still there.
    Key,
}

/// The direction of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Next,
    Prev,
}

/// The state of a cursor on records `R` of an object `O`.
pub(crate) struct TableCursor<R: Records = TreeCursor, O = InUse> {
    /// What the cursor is open on: in use for as long as the cursor is open.
    pub(crate) file: O,
    tree: R,
    key: Slot,
    value: Slot,
    key_buffer: Vec<u8>,
    value_buffer: Vec<u8>,
    position: Position,
    position_key: Vec<u8>,
    open: Arc<OpenCursor>,
    bounds: Bounds,
    /// `overwrite`: inserts replace, updates insert.
    pub(crate) overwrite: bool,
}

impl TableCursor {
    /// A cursor on a file.
    pub(crate) fn new(session: &Session, file: InUse, overwrite: bool) -> Self {
        let tree = TreeCursor::new(&file.tree);
        Self::with_records(session, file, tree, overwrite)
    }
}

impl<R: Records, O> TableCursor<R, O> {
    /// A cursor on the records of an object.
    pub(crate) fn with_records(session: &Session, file: O, tree: R, overwrite: bool) -> Self {
        Self {
            tree,
            file,
            key: Slot::Empty,
            value: Slot::Empty,
            key_buffer: Vec::new(),
            value_buffer: Vec::new(),
            position: Position::None,
            position_key: Vec::new(),
            open: session.cursor_opened(),
            bounds: Bounds::default(),
            overwrite,
        }
    }

    /// The records it moves over.
    pub(crate) fn records(&self) -> &R {
        &self.tree
    }

    /// The same, to be made ready for a change.
    pub(crate) fn records_mut(&mut self) -> &mut R {
        &mut self.tree
    }

    // ---- slots

    /// Puts the application's packed key into the key slot. The position stays until the next operation.
    pub(crate) fn set_key(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.follow();
        self.key = Slot::Empty;
        self.key_buffer.clear();
        fill(&mut self.key_buffer)?;
        if self.key_buffer.is_empty() {
            return Err(Error::invalid("Empty keys not permitted"));
        }
        if u32::try_from(self.key_buffer.len()).is_err() {
            return Err(Error::invalid(format!("Key size ({}) out of range", self.key_buffer.len())));
        }
        self.key = Slot::Set;
        Ok(())
    }

    /// Puts the application's packed value into the value slot.
    pub(crate) fn set_value(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.follow();
        self.value = Slot::Empty;
        self.value_buffer.clear();
        fill(&mut self.value_buffer)?;
        self.value = Slot::Set;
        Ok(())
    }

    /// The packed key in the key slot.
    pub(crate) fn key(&self) -> Result<&[u8]> {
        let slot = if self.open.is_reset() { Slot::Empty } else { self.key };
        match slot {
            Slot::Empty => Err(key_required()),
            Slot::InTree => Ok(self.tree.key()),
            Slot::Set | Slot::InBuffer => Ok(&self.key_buffer),
        }
    }

    /// The packed value in the value slot.
    pub(crate) fn value(&self) -> Result<&[u8]> {
        let slot = if self.open.is_reset() { Slot::Empty } else { self.value };
        match slot {
            Slot::Empty => Err(value_required()),
            Slot::InTree => Ok(self.tree.value()),
            Slot::Set | Slot::InBuffer => Ok(&self.value_buffer),
        }
    }

    /// The order of its key and another.
    pub(crate) fn compare(&self, other: &[u8]) -> Result<Ordering> {
        let order = self.tree.key_order().compare(self.key()?, other);
        self.tree.key_order().check().map(|()| order)
    }

    // ---- reading

    /// Steps to the neighbour, from no position to the first (last) record of the bounds.
    pub(crate) fn step(&mut self, session: &Session, direction: Direction) -> Result<()> {
        self.follow();
        self.key = Slot::Empty;
        self.value = Slot::Empty;
        let from = self.position;
        if from == Position::None {
            self.tree.reset();
        }
        let Self { tree, bounds, position_key, .. } = self;
        let stepped = session.read(|txn| match from {
            Position::Tree => step_tree(tree, txn, direction),
            Position::Key => step_from_key(tree, txn, direction, position_key),
            Position::None => {
                let start = if direction == Direction::Next { bounds.lower() } else { bounds.upper() };
                match start {
                    None => step_tree(tree, txn, direction),
                    Some(bound) => start_at_bound(tree, txn, direction, bound),
                }
            }
        });
        match stepped.and_then(|found| Ok(found && self.bounds.admit(self.tree.key_order(), self.tree.key())?)) {
            Ok(true) => {
                self.stand_in_tree(session);
                Ok(())
            }
            Ok(false) => {
                self.leave(session);
                Err(Error::NotFound)
            }
            Err(error) => {
                self.leave(session);
                Err(error)
            }
        }
    }

    /// Positions on the record with the key.
    pub(crate) fn search(&mut self, session: &Session) -> Result<()> {
        let external = self.take_key()?;
        self.value = Slot::Empty;
        self.leave(session);
        self.require_in_bounds(external)?;
        let Self { tree, key_buffer, .. } = self;
        match session.read(|txn| tree.search(txn, key_buffer)) {
            Ok(true) => {
                self.stand_in_tree(session);
                Ok(())
            }
            Ok(false) => {
                session.settle();
                Err(self.miss(external, Error::NotFound))
            }
            Err(error) => {
                session.settle();
                Err(self.miss(external, error))
            }
        }
    }

    /// Positions on the record with the key or on a neighbour; tells which.
    pub(crate) fn search_near(&mut self, session: &Session) -> Result<Ordering> {
        let external = self.take_key()?;
        self.value = Slot::Empty;
        self.leave(session);
        let Self { tree, key_buffer, bounds, .. } = self;
        let found = session.read(|txn| near(tree, txn, key_buffer, bounds));
        match found {
            Ok(Some(exact)) => {
                self.stand_in_tree(session);
                Ok(exact)
            }
            Ok(None) => {
                self.tree.reset();
                session.settle();
                Err(self.miss(external, Error::NotFound))
            }
            Err(error) => {
                self.tree.reset();
                session.settle();
                Err(self.miss(external, error))
            }
        }
    }

    /// The largest key of the tree, whoever may see it, into the key slot.
    pub(crate) fn largest_key(&mut self, session: &Session) -> Result<()> {
        if !self.bounds.is_empty() {
            return Err(Error::invalid("setting bounds is not compatible with cursor largest key"));
        }
        self.unposition(session);
        match self.tree.largest_key()? {
            Some(key) => {
                self.key_buffer = key;
                self.key = Slot::Set;
                Ok(())
            }
            None => Err(Error::NotFound),
        }
    }

    // ---- writing

    /// Inserts the record. Leaves the cursor unpositioned.
    pub(crate) fn insert(&mut self, session: &Session) -> Result<()> {
        let external = self.take_key_and_value()?;
        self.leave(session);
        self.require_in_bounds(external)?;
        let Self { tree, key_buffer, value_buffer, overwrite, .. } = self;
        match session.write(|txn| tree.insert(txn, key_buffer, value_buffer, *overwrite)) {
            Ok(()) => {
                self.key = Slot::Empty;
                self.value = Slot::Empty;
                Ok(())
            }
            Err(Error::DuplicateKey) if self.tree.shows_duplicates() => self.show_duplicate(session, external),
            Err(error) => Err(self.failed_write(session, external, error)),
        }
    }

    /// Changes the record. Leaves the cursor on it.
    pub(crate) fn update(&mut self, session: &Session) -> Result<()> {
        let external = self.take_key_and_value()?;
        self.leave(session);
        self.require_in_bounds(external)?;
        self.update_and_stand(session, external, self.overwrite)
    }

    /// Removes the record. A cursor that stood on it stays there.
    pub(crate) fn remove(&mut self, session: &Session) -> Result<()> {
        let external = self.take_key()?;
        self.value = Slot::Empty;
        self.leave(session);
        self.require_in_bounds(external)?;
        let Self { tree, key_buffer, .. } = self;
        let removed = session.write(|txn| tree.remove(txn, key_buffer));
        match removed {
            Ok(()) if external => {
                self.key = Slot::Empty;
                Ok(())
            }
            Ok(()) => {
                self.stand_after_write(session);
                self.value = Slot::Empty;
                Ok(())
            }
            Err(error) => Err(self.failed_write(session, external, error)),
        }
    }

    /// Holds the record against other writers until the transaction ends. Leaves the cursor on it.
    pub(crate) fn reserve(&mut self, session: &Session) -> Result<()> {
        let external = self.take_key()?;
        if !session.in_transaction() {
            return Err(Error::invalid("only permitted in a running transaction"));
        }
        self.value = Slot::Empty;
        self.leave(session);
        self.require_in_bounds(external)?;
        let Self { tree, key_buffer, .. } = self;
        let reserved = session.write(|txn| tree.reserve(txn, key_buffer));
        match reserved {
            Ok(()) => {
                self.key = Slot::Set;
                self.search(session)
            }
            Err(error) => Err(self.failed_write(session, external, error)),
        }
    }

    /// Changes parts of the record's value. Leaves the cursor on it. `padding` fills gaps; `terminated` values end in a
    /// NUL that the entries don't see.
    pub(crate) fn modify(
        &mut self,
        session: &Session,
        entries: &[Modify<'_>],
        padding: u8,
        terminated: bool,
    ) -> Result<()> {
        let external = self.take_key()?;
        if entries.is_empty() {
            return Err(Error::invalid("Illegal modify vector with 0 entries"));
        }
        if session.isolation() != Isolation::Snapshot {
            return Err(Error::unsupported("not supported in read-committed or read-uncommitted transactions"));
        }
        if !session.in_transaction() {
            return Err(Error::unsupported("not supported in implicit transactions"));
        }
        self.value = Slot::Empty;
        self.leave(session);
        self.require_in_bounds(external)?;
        let Self { tree, key_buffer, value_buffer, .. } = self;
        let found = session.read(|txn| {
            let found = tree.search(txn, key_buffer)?;
            if found {
                value_buffer.clear();
                value_buffer.extend_from_slice(tree.value());
            }
            Ok(found)
        });
        match found {
            Ok(true) => {}
            Ok(false) => return Err(self.miss(external, Error::NotFound)),
            Err(error) => return Err(self.miss(external, error)),
        }
        if terminated {
            self.value_buffer.pop();
        }
        if let Err(error) = modify::apply(&mut self.value_buffer, entries, padding) {
            return Err(self.miss(external, error));
        }
        if terminated {
            self.value_buffer.push(0);
        }
        self.update_and_stand(session, external, false)
    }

    // ---- position and bounds

    /// The application's reset: no position, empty slots, no bounds.
    pub(crate) fn reset(&mut self, session: &Session) {
        self.unposition(session);
        self.bounds.clear();
    }

    /// The end of the cursor.
    pub(crate) fn close(&mut self, session: &Session) {
        self.unposition(session);
        session.cursor_closed(&self.open);
    }

    /// No position, empty slots; the bounds stay.
    pub(crate) fn unposition(&mut self, session: &Session) {
        self.follow();
        self.key = Slot::Empty;
        self.value = Slot::Empty;
        self.leave(session);
    }

    /// Sets a bound at the key in the key slot.
    pub(crate) fn set_bound(&mut self, side: BoundSide, inclusive: bool) -> Result<()> {
        self.check_bound()?;
        match self.tree.bound(side == BoundSide::Lower, &self.key_buffer, inclusive)? {
            Some((key, inclusive)) => self.bounds.set(self.tree.key_order(), side, &key, inclusive),
            None => {
                self.bounds.remove(side);
                Ok(())
            }
        }
    }

    /// Whether a bound can be set now.
    pub(crate) fn check_bound(&mut self) -> Result<()> {
        self.follow();
        if self.position != Position::None {
            return Err(Error::invalid("setting bounds on a positioned cursor is not allowed"));
        }
        if self.key == Slot::Empty { Err(key_required()) } else { Ok(()) }
    }

    /// Removes both bounds; the position stays.
    pub(crate) fn clear_bounds(&mut self) {
        self.bounds.clear();
    }

    // ---- helpers

    /// Does what the session's reset asked for, if there was one since the last use.
    fn follow(&mut self) {
        if self.open.is_reset() {
            self.open.followed();
            self.position = Position::None;
            self.tree.reset();
            self.key = Slot::Empty;
            self.value = Slot::Empty;
        }
    }

    /// Gives the position up; the tree cursor may keep what it knows as a hint.
    fn leave(&mut self, session: &Session) {
        if self.position != Position::None {
            self.position = Position::None;
            self.tree.reset();
            session.unpositioned(&self.open);
        }
    }

    fn stand(&mut self, session: &Session, position: Position) {
        if self.position == Position::None {
            session.positioned(&self.open);
        }
        self.position = position;
    }

    fn stand_in_tree(&mut self, session: &Session) {
        self.stand(session, Position::Tree);
        self.key = Slot::InTree;
        self.value = Slot::InTree;
    }

    /// After a write the tree cursor is at the key, unless the write let go of it.
    fn stand_after_write(&mut self, session: &Session) {
        if self.tree.is_positioned() {
            self.stand(session, Position::Tree);
        } else {
            self.stand(session, Position::Key);
            self.position_key.clear();
            self.position_key.extend_from_slice(&self.key_buffer);
        }
        self.key = Slot::InBuffer;
        self.value = Slot::InBuffer;
    }

    /// Makes sure that the key is in the buffer. Tells whether the application put it there.
    fn take_key(&mut self) -> Result<bool> {
        self.follow();
        match self.key {
            Slot::Empty => Err(key_required()),
            Slot::Set => Ok(true),
            Slot::InBuffer => Ok(false),
            Slot::InTree => {
                self.key_buffer.clear();
                self.key_buffer.extend_from_slice(self.tree.key());
                self.key = Slot::InBuffer;
                Ok(false)
            }
        }
    }

    fn take_key_and_value(&mut self) -> Result<bool> {
        let external = self.take_key()?;
        match self.value {
            Slot::Empty => return Err(value_required()),
            Slot::Set | Slot::InBuffer => {}
            Slot::InTree => {
                self.value_buffer.clear();
                self.value_buffer.extend_from_slice(self.tree.value());
                self.value = Slot::InBuffer;
            }
        }
        match u64::try_from(self.value_buffer.len()) {
            Ok(length) if length <= super::MAX_ITEM_SIZE => Ok(external),
            length => Err(super::item_too_large(length.unwrap_or(u64::MAX))),
        }
    }

    /// [`Error::NotFound`] if the key in the buffer is out of bounds.
    fn require_in_bounds(&mut self, external: bool) -> Result<()> {
        match self.bounds.admit(self.tree.key_order(), &self.key_buffer) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.miss(external, Error::NotFound)),
            Err(error) => Err(self.miss(external, error)),
        }
    }

    /// The slots after a failure: the application's key stays, an internal one is gone with the position.
    fn miss(&mut self, external: bool, error: Error) -> Error {
        if external {
            self.key = Slot::Set;
            if self.value != Slot::Set {
                self.value = Slot::Empty;
            }
        } else {
            self.key = Slot::Empty;
            self.value = Slot::Empty;
        }
        error
    }

    /// The slots after a failed write.
    fn failed_write(&mut self, session: &Session, external: bool, error: Error) -> Error {
        let error = self.miss(external, error);
        if !session.in_transaction() {
            session.reset_cursors_after_failure();
            self.follow();
        }
        error
    }

    fn update_and_stand(&mut self, session: &Session, external: bool, overwrite: bool) -> Result<()> {
        let Self { tree, key_buffer, value_buffer, .. } = self;
        match session.write(|txn| tree.update(txn, key_buffer, value_buffer, overwrite)) {
            Ok(()) => {
                self.stand_after_write(session);
                Ok(())
            }
            Err(error) => Err(self.failed_write(session, external, error)),
        }
    }

    /// After a refused insert the value slot shows the record that is there.
    fn show_duplicate(&mut self, session: &Session, external: bool) -> Result<()> {
        let Self { tree, key_buffer, value_buffer, .. } = self;
        let found = session.read(|txn| {
            let found = tree.search(txn, key_buffer)?;
            if found {
                value_buffer.clear();
                value_buffer.extend_from_slice(tree.value());
            }
            Ok(found)
        });
        self.tree.reset();
        session.settle();
        let error = self.miss(external, Error::DuplicateKey);
        if external && matches!(found, Ok(true)) {
            self.value = Slot::Set;
        }
        if !session.in_transaction() {
            session.reset_cursors_after_failure();
            self.follow();
        }
        Err(error)
    }
}

fn step_tree<R: Records>(tree: &mut R, txn: &mut Txn, direction: Direction) -> Result<bool> {
    match direction {
        Direction::Next => tree.next(txn),
        Direction::Prev => tree.prev(txn),
    }
}

/// The neighbour of `key`, whether or not there is a record with that key.
fn step_from_key<R: Records>(tree: &mut R, txn: &mut Txn, direction: Direction, key: &[u8]) -> Result<bool> {
    let found = match direction {
        Direction::Next => tree.seek_ge(txn, key)?,
        Direction::Prev => tree.seek_le(txn, key)?,
    };
    if found && is_at(tree, key)? { step_tree(tree, txn, direction) } else { Ok(found) }
}

fn start_at_bound<R: Records>(tree: &mut R, txn: &mut Txn, direction: Direction, bound: &Bound) -> Result<bool> {
    let found = match direction {
        Direction::Next => tree.seek_ge(txn, &bound.key)?,
        Direction::Prev => tree.seek_le(txn, &bound.key)?,
    };
    if found && !bound.inclusive && is_at(tree, &bound.key)? { step_tree(tree, txn, direction) } else { Ok(found) }
}

/// Whether it stands at `key`, which with a collator needn't mean the same bytes.
fn is_at<R: Records>(tree: &R, key: &[u8]) -> Result<bool> {
    let order = tree.key_order();
    let is_at = order.compare(tree.key(), key).is_eq();
    order.check().map(|()| is_at)
}

/// The record with `key`, else the next larger one in bounds, else the next smaller one in bounds.
fn near<R: Records>(tree: &mut R, txn: &mut Txn, key: &[u8], bounds: &Bounds) -> Result<Option<Ordering>> {
    let inside = |tree: &R| bounds.admit(tree.key_order(), tree.key());
    match bounds.place(tree.key_order(), key)? {
        Place::Below => {
            let Some(lower) = bounds.lower() else { return Ok(None) };
            let found = start_at_bound(tree, txn, Direction::Next, lower)? && inside(tree)?;
            Ok(found.then_some(Ordering::Greater))
        }
        Place::Above => {
            let Some(upper) = bounds.upper() else { return Ok(None) };
            let found = start_at_bound(tree, txn, Direction::Prev, upper)? && inside(tree)?;
            Ok(found.then_some(Ordering::Less))
        }
        Place::Inside => {
            if tree.seek_ge(txn, key)? && inside(tree)? {
                let order = tree.order(tree.key(), key);
                tree.key_order().check()?;
                return Ok(Some(order));
            }
            let found = tree.seek_le(txn, key)? && inside(tree)?;
            Ok(found.then_some(Ordering::Less))
        }
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

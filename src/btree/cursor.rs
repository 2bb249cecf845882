//! Moving over a tree's records as a transaction sees them.
//!
//! A cursor that rests on a record names the leaf in its hazard slot, so key and value stay where they are until it moves.
//! It holds no latch and no pin. When it moves on, it looks at the leaf again: if slots moved, it finds its key anew; if the
//! leaf was replaced, it descends from the root.
//!
//! Why reading a replaced leaf within one operation is right: the operation's snapshot was taken before the leaf was looked
//! up (or found alive), so every version that the snapshot contains was linked before the leaf was replaced.

use super::internal::Target;
use super::leaf::{Leaf, Value};
use super::order::KeyOrder;
use super::tree::{Found, Pin, Tree};
use super::version::{Kind, Row};
use super::windows::HistorySearch;
use super::write::{Change, PutMode, Written, undo_of};
use crate::sync::reclaim::{HazardSlot, Participant};
use crate::sync::spin;
use crate::txn::{Txn, Undo};
use hardwired_plugin::{Error, Result};
use std::ptr;
use std::sync::Arc;

/// A position in a tree. See the module.
pub struct TreeCursor {
    context: Context,
    position: Position,
}

/// What a cursor needs of the tree and of reclamation.
pub(super) struct Context {
    pub(super) tree: Arc<Tree>,
    pub(super) undo: Arc<dyn Undo>,
    participant: Arc<Participant>,
    hazard: Arc<HazardSlot>,
}

/// Where the cursor rests. The pointers lead into `leaf` (or into `overflow`), which the hazard slot protects.
struct Position {
    leaf: *const Leaf,
    key: *const [u8],
    value: *const [u8],
    index: usize,
    /// The leaf's sequence number for which `index` holds.
    sequence: u64,
    /// The value, if it isn't on the page.
    overflow: Vec<u8>,
    /// Where the history store is searched from, once it was.
    history: Option<Box<dyn HistorySearch>>,
}

/// A sequence number no page has: the index must be found anew.
const STALE: u64 = u64::MAX;

// SAFETY: the pointers lead to memory that the hazard slot keeps, whichever thread uses the cursor; nothing is bound to a
// thread.
unsafe impl Send for TreeCursor {}

/// A place between or at slots of a leaf.
#[derive(Clone, Copy)]
struct Place<'p> {
    leaf: &'p Leaf,
    index: usize,
    sequence: u64,
}

impl TreeCursor {
    /// An unpositioned cursor.
    pub fn new(tree: &Arc<Tree>) -> Self {
        let reclaimer = tree.txns.reclaimer();
        let context = Context {
            tree: Arc::clone(tree),
            undo: undo_of(tree),
            participant: reclaimer.join(),
            hazard: reclaimer.new_hazard(),
        };
        Self { context, position: Position::none() }
    }

    /// The order of its keys.
    #[inline]
    pub fn key_order(&self) -> &KeyOrder {
        self.context.tree.order()
    }

    /// The tree it moves over.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.context.tree
    }

    /// Whether it rests on a record.
    #[inline]
    pub fn is_positioned(&self) -> bool {
        !self.position.leaf.is_null()
    }

    /// The key of the record it rests on; empty if there is none.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: memory of the protected leaf (or an empty constant); borrowed from `self`, so the cursor can't move.
        unsafe { &*self.position.key }
    }

    /// The value of the record it rests on; empty if there is none.
    #[inline]
    pub fn value(&self) -> &[u8] {
        // SAFETY: memory of the protected leaf or of `position.overflow`; borrowed from `self`, so neither changes.
        unsafe { &*self.position.value }
    }

    /// Lets go of the position.
    #[inline]
    pub fn reset(&mut self) {
        self.position.clear(&self.context);
    }

    /// Positions on the record of `key`. `false`: there is none that `txn` sees; the cursor is unpositioned.
    #[inline]
    pub fn search(&mut self, txn: &Txn, key: &[u8]) -> Result<bool> {
        let Self { context, position } = self;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        let leaf = context.tree.find_leaf(&pin, Target::Key(key))?.leaf;
        leaf.touch(context.tree.cache.generation());
        let found = leaf.search(key);
        context.tree.order().check()?;
        if found.word != 0
            && let Some(record) = leaf.visible(found.word, txn)
        {
            let place = Place { leaf, index: found.index, sequence: found.sequence };
            if position.set(context, place, record, txn)? {
                return Ok(true);
            }
        }
        position.clear(context);
        Ok(false)
    }

    /// Positions on the first record at or after `key`.
    pub fn seek_ge(&mut self, txn: &Txn, key: &[u8]) -> Result<bool> {
        let Self { context, position } = self;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        let leaf = context.tree.find_leaf(&pin, Target::Key(key))?.leaf;
        leaf.touch(context.tree.cache.generation());
        let place = Place::of(leaf, key);
        context.tree.order().check()?;
        forward(context, position, &pin, txn, place, Some(key), true)
    }

    /// Positions on the last record at or before `key`.
    pub fn seek_le(&mut self, txn: &Txn, key: &[u8]) -> Result<bool> {
        let Self { context, position } = self;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        let leaf = context.tree.find_leaf(&pin, Target::Key(key))?.leaf;
        leaf.touch(context.tree.cache.generation());
        let found = leaf.search(key);
        context.tree.order().check()?;
        if found.word != 0
            && let Some(record) = leaf.visible(found.word, txn)
        {
            let place = Place { leaf, index: found.index, sequence: found.sequence };
            if position.set(context, place, record, txn)? {
                return Ok(true);
            }
        }
        let place = Place { leaf, index: found.index, sequence: found.sequence };
        backward(context, position, &pin, txn, place, Some(key))
    }

    /// Moves to the next record; unpositioned: to the first. `false`: there is none; the cursor is unpositioned.
    #[inline]
    pub fn next(&mut self, txn: &Txn) -> Result<bool> {
        let Self { context, position } = self;
        // SAFETY: the hazard slot protects the leaf; the reference ends before the position changes it.
        if let Some(leaf) = unsafe { position.leaf.as_ref() }
            && !leaf.is_dead()
        {
            let index = position.index + 1;
            let word = leaf.slots.word(index);
            if word != 0
                && leaf.slots.validate(position.sequence)
                && let Some((key, Value::Here(value))) = leaf.visible(word, txn)
            {
                position.index = index;
                position.key = key;
                position.value = value;
                return Ok(true);
            }
        }
        next_slow(context, position, txn)
    }

    /// Moves to the previous record; unpositioned: to the last. `false`: there is none; the cursor is unpositioned.
    #[inline]
    pub fn prev(&mut self, txn: &Txn) -> Result<bool> {
        let Self { context, position } = self;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        // SAFETY: the hazard slot protects the leaf for as long as the position names it; the reference is not used after
        // `backward` has moved the position (the pin keeps what it reaches from then on).
        let Some(leaf) = (unsafe { position.leaf.as_ref() }) else {
            let leaf = context.tree.find_leaf(&pin, Target::Last)?.leaf;
            return backward(context, position, &pin, txn, Place::end_of(leaf), None);
        };
        // SAFETY: memory of the protected leaf.
        let key = unsafe { &*position.key };
        let place = if leaf.is_dead() {
            Place::of(context.tree.find_leaf(&pin, Target::Key(key))?.leaf, key)
        } else if leaf.slots.sequence() == position.sequence {
            Place { leaf, index: position.index, sequence: position.sequence }
        } else {
            Place::of(leaf, key)
        };
        backward(context, position, &pin, txn, place, Some(key))
    }

    /// Writes a record in the running transaction and positions on it. `WT_ROLLBACK`: another transaction was first.
    pub fn put(&mut self, txn: &mut Txn, key: &[u8], value: &[u8], mode: PutMode) -> Result<()> {
        self.write(txn, key, Change::Put(value, mode))
    }

    /// Removes a record in the running transaction; the cursor rests on the place of its key, without a value.
    /// [`hardwired_plugin::Error::NotFound`]: `txn` sees none.
    pub fn remove(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        self.write(txn, key, Change::Remove)
    }

    /// Keeps other transactions from writing a record until the running one ends, and positions on it.
    /// [`hardwired_plugin::Error::NotFound`]: `txn` sees none.
    pub fn reserve(&mut self, txn: &mut Txn, key: &[u8]) -> Result<()> {
        self.write(txn, key, Change::Reserve)?;
        self.search(txn, key).map(|_| ())
    }

    fn write(&mut self, txn: &mut Txn, key: &[u8], change: Change<'_>) -> Result<()> {
        self.context.tree.make_room(txn)?;
        let Self { context, position } = self;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        // SAFETY: the hazard slot protects the leaf until `set_written` moves the position; the hint isn't used after.
        let hint = unsafe { position.leaf.as_ref() }.filter(|leaf| {
            let first = leaf.slots.word(0);
            first != 0 && context.tree.order().compare(leaf.key_of(first), key).is_le()
        });
        let written = context.tree.write(context, &pin, hint, txn, key, change)?;
        position.set_written(context, &written);
        Ok(())
    }

    /// The largest key in the tree, whether anybody sees its record or not.
    pub fn largest_key(&mut self) -> Result<Option<Vec<u8>>> {
        self.reset();
        let context = &self.context;
        let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
        let mut found = context.tree.find_leaf(&pin, Target::Last)?;
        loop {
            let place = Place::end_of(found.leaf);
            if let Some(last) = place.index.checked_sub(1) {
                let word = found.leaf.slots.word(last);
                if word != 0 && found.leaf.slots.validate(place.sequence) {
                    return Ok(Some(found.leaf.key_of(word).to_vec()));
                }
                continue;
            }
            match found.low {
                Some(low) => found = context.tree.find_leaf(&pin, Target::Below(low))?,
                None => return Ok(None),
            }
        }
    }
}

impl Drop for TreeCursor {
    fn drop(&mut self) {
        let reclaimer = self.context.tree.txns.reclaimer();
        reclaimer.leave(&self.context.participant);
        reclaimer.drop_hazard(&self.context.hazard);
    }
}

impl<'p> Place<'p> {
    /// The first slot whose key isn't smaller than `key`.
    fn of(leaf: &'p Leaf, key: &[u8]) -> Self {
        let found = leaf.search(key);
        Self { leaf, index: found.index, sequence: found.sequence }
    }

    /// Behind the last slot.
    fn end_of(leaf: &'p Leaf) -> Self {
        loop {
            let sequence = leaf.slots.sequence();
            let index = leaf.slots.len();
            if leaf.slots.validate(sequence) {
                return Self { leaf, index, sequence };
            }
        }
    }
}

#[cold]
#[inline(never)]
fn next_slow(context: &Context, position: &mut Position, txn: &Txn) -> Result<bool> {
    let pin = Pin::new(context.tree.txns.reclaimer(), &context.participant);
    // SAFETY: the hazard slot protects the leaf for as long as the position names it; see `TreeCursor::prev`.
    let Some(leaf) = (unsafe { position.leaf.as_ref() }) else {
        let leaf = context.tree.find_leaf(&pin, Target::Key(&[]))?.leaf;
        let place = Place { leaf, index: 0, sequence: leaf.slots.sequence() };
        return forward(context, position, &pin, txn, place, None, true);
    };
    // SAFETY: memory of the protected leaf.
    let key = unsafe { &*position.key };
    let leaf = if leaf.is_dead() { context.tree.find_leaf(&pin, Target::Key(key))?.leaf } else { leaf };
    let place = if leaf.slots.sequence() == position.sequence && ptr::eq(leaf, position.leaf) {
        Place { leaf, index: position.index + 1, sequence: position.sequence }
    } else {
        Place::after(leaf, key)
    };
    forward(context, position, &pin, txn, place, Some(key), false)
}

impl<'p> Place<'p> {
    /// The first slot whose key is greater than `key`.
    fn after(leaf: &'p Leaf, key: &[u8]) -> Self {
        let found = leaf.search(key);
        Self { leaf, index: found.index + usize::from(found.word != 0), sequence: found.sequence }
    }
}

/// Positions on the first visible record at `place` or behind it. `floor`: a key that `place` follows (`inclusive`: or
/// equals), by which the place is found again if slots move.
fn forward<'p>(
    context: &Context,
    position: &mut Position,
    pin: &'p Pin<'_>,
    txn: &Txn,
    mut place: Place<'p>,
    mut floor: Option<&'p [u8]>,
    mut inclusive: bool,
) -> Result<bool> {
    let mut rounds = 0;
    loop {
        let word = place.leaf.slots.word(place.index);
        if !place.leaf.slots.validate(place.sequence) {
            place = match floor {
                Some(key) if inclusive => Place::of(place.leaf, key),
                Some(key) => Place::after(place.leaf, key),
                None => Place { index: 0, sequence: place.leaf.slots.sequence(), ..place },
            };
            continue;
        }
        if word == 0 {
            let Some(high) = place.leaf.high() else {
                position.clear(context);
                return Ok(false);
            };
            let leaf = context.tree.find_leaf(pin, Target::Key(high))?.leaf;
            if ptr::eq(leaf, place.leaf) {
                spin(&mut rounds); // Its right sibling is about to be linked.
            }
            leaf.touch(context.tree.cache.generation());
            place = Place::of(leaf, high);
            (floor, inclusive) = (Some(high), true);
            continue;
        }
        if let Some(record) = place.leaf.visible(word, txn)
            && position.set(context, place, record, txn)?
        {
            return Ok(true);
        }
        (floor, inclusive) = (Some(place.leaf.key_of(word)), false);
        place.index += 1;
    }
}

/// Positions on the last visible record before `place`. `bound`: a key that isn't smaller than any key before `place`, by
/// which the place is found again if slots move.
fn backward<'p>(
    context: &Context,
    position: &mut Position,
    pin: &'p Pin<'_>,
    txn: &Txn,
    mut place: Place<'p>,
    bound: Option<&[u8]>,
) -> Result<bool> {
    let mut passed: Option<&'p [u8]> = None;
    loop {
        let Some(index) = place.index.checked_sub(1) else {
            let Some(target) = passed.or(bound) else {
                // An empty last leaf: go on with what its ancestors say is below it.
                let found = context.tree.find_leaf(pin, Target::Last)?;
                let Some(low) = found.low else {
                    position.clear(context);
                    return Ok(false);
                };
                return before(context, position, pin, txn, low);
            };
            return before(context, position, pin, txn, target);
        };
        let word = place.leaf.slots.word(index);
        if word == 0 || !place.leaf.slots.validate(place.sequence) {
            place = match passed.or(bound) {
                Some(key) => Place::of(place.leaf, key),
                None => Place::end_of(place.leaf),
            };
            continue;
        }
        if let Some(record) = place.leaf.visible(word, txn)
            && position.set(context, Place { index, ..place }, record, txn)?
        {
            return Ok(true);
        }
        passed = Some(place.leaf.key_of(word));
        place.index = index;
    }
}

/// Positions on the last visible record whose key is smaller than `key`, descending from the root.
fn before(context: &Context, position: &mut Position, pin: &Pin<'_>, txn: &Txn, key: &[u8]) -> Result<bool> {
    let mut bound = key;
    loop {
        let Found { leaf, low, .. } = context.tree.find_leaf(pin, Target::Below(bound))?;
        leaf.touch(context.tree.cache.generation());
        let mut place = Place::of(leaf, bound);
        while let Some(index) = place.index.checked_sub(1) {
            let word = leaf.slots.word(index);
            if word == 0 || !leaf.slots.validate(place.sequence) {
                place = Place::of(leaf, bound);
                continue;
            }
            if let Some(record) = leaf.visible(word, txn)
                && position.set(context, Place { index, ..place }, record, txn)?
            {
                return Ok(true);
            }
            place.index = index;
        }
        match low {
            Some(low) => bound = low,
            None => {
                position.clear(context);
                return Ok(false);
            }
        }
    }
}

impl Position {
    fn none() -> Self {
        Self { leaf: ptr::null(), key: &[], value: &[], index: 0, sequence: STALE, overflow: Vec::new(), history: None }
    }

    #[inline]
    fn clear(&mut self, context: &Context) {
        if !self.leaf.is_null() {
            context.hazard.clear();
            self.leaf = ptr::null();
        }
        self.key = &[];
        self.value = &[];
        self.sequence = STALE;
    }

    /// Rests on a record of a leaf that the caller's pin (or the hazard slot already) protects. `false`: it turned out that
    /// `txn` sees none; the position is as it was. `WT_PREPARE_CONFLICT`: nobody knows yet.
    #[inline]
    fn set(
        &mut self,
        context: &Context,
        place: Place<'_>,
        (key, value): (&[u8], Value<'_>),
        txn: &Txn,
    ) -> Result<bool> {
        self.value = match value {
            Value::Here(value) => value,
            Value::Overflow(cookie) => self.read_overflow(context, place.leaf, key, cookie, txn)?,
            Value::History(row) => match self.read_history(context, row, txn)? {
                Some(value) => value,
                None => return Ok(false),
            },
            Value::Prepared => return Err(Error::PrepareConflict),
        };
        self.rest_on(context, place.leaf);
        self.key = key;
        self.index = place.index;
        self.sequence = place.sequence;
        Ok(true)
    }

    /// The version of a row that `txn` sees in the history store.
    #[cold]
    fn read_history(&mut self, context: &Context, row: Row<'_>, txn: &Txn) -> Result<Option<*const [u8]>> {
        let Some(history) = context.tree.windows.history() else { return Ok(None) };
        let search = self.history.get_or_insert_with(|| history.search());
        let mut on_page = || match row.on_page() {
            Some(version) if version.kind() == Kind::Overflow => context.tree.read_overflow(version.data()).map(Some),
            version => Ok(version.map(|version| version.data().to_vec())),
        };
        // The present value may be in `overflow`, and stays if there is no other.
        let mut value = Vec::new();
        if !search.find(txn, row.key(), &mut on_page, &mut value)? {
            return Ok(None);
        }
        self.overflow = value;
        Ok(Some(&raw const self.overflow[..]))
    }

    /// Reads a value from its overflow block. A checkpoint may have given the row a copy in memory and the block away after
    /// the caller found the cookie: what is in the block then doesn't have the cookie's checksum, and the copy is taken.
    #[cold]
    fn read_overflow(
        &mut self,
        context: &Context,
        leaf: &Leaf,
        key: &[u8],
        cookie: &[u8],
        txn: &Txn,
    ) -> Result<*const [u8]> {
        match context.tree.read_overflow(cookie) {
            Ok(item) => self.overflow = item,
            Err(error) => {
                let word = leaf.search(key).word;
                match if word == 0 { None } else { leaf.visible(word, txn) } {
                    Some((_, Value::Here(value))) => return Ok(value),
                    _ => return Err(error),
                }
            }
        }
        Ok(&raw const self.overflow[..])
    }

    fn set_written(&mut self, context: &Context, written: &Written<'_>) {
        self.rest_on(context, written.leaf);
        self.key = written.row.key();
        self.value = written.version.data();
        self.sequence = STALE;
    }

    #[inline]
    fn rest_on(&mut self, context: &Context, leaf: &Leaf) {
        if !ptr::eq(self.leaf, leaf) {
            context.hazard.set(leaf);
            self.leaf = leaf;
        }
    }
}

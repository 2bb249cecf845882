//! Replacing a leaf by fresh ones in memory: when it has grown, to split it or to drop what nobody needs any more.
//!
//! A rebuilt page keeps, for each row, only what somebody may still see. A row whose newest version is visible to everybody
//! goes onto the new page's image (contiguous, no version header); a row that was deleted for everybody goes away.

use super::arena::Arena;
use super::internal::{Target, leaf_link, link_of_leaf};
use super::leaf::{Leaf, LeafInner, MAX_IMAGE_KEY, MAX_IMAGE_OFFSET, Slot, push_image_row};
use super::tree::{Pin, Tree};
use super::version::{Kind, Row, Version};
use crate::os::page_memory::PageBuffer;
use crate::sync::MutexGuard;
use crate::sync::slots::common_prefix;
use crate::txn::{Horizon, TXN_ABORTED};
use hardwired_plugin::Result;

/// Appends in a row that make a page count as growing at its end.
const APPEND_RUN: u32 = 16;

/// What becomes of a row in a rebuilt page.
enum Kept<'a> {
    /// Nobody sees it any more.
    Gone,
    /// Everybody sees this value.
    Image(&'a [u8], &'a [u8]),
    /// Several versions may be seen, or the value lies elsewhere.
    Row(Row<'a>),
}

/// Rows of one new page.
#[derive(Default)]
struct Plan<'a> {
    rows: Vec<Kept<'a>>,
    image_bytes: usize,
    arena_bytes: usize,
}

impl Tree {
    /// Splits or shrinks a leaf that has outgrown its limit. `key` is about to be written, so the leaf covers it.
    #[cold]
    pub(super) fn split_leaf<'p>(
        &self,
        pin: &'p Pin<'_>,
        leaf: &'p Leaf,
        mut inner: MutexGuard<'p, LeafInner>,
        key: &[u8],
    ) -> Result<()> {
        let order = &self.settings.order;
        let last = leaf.slots.word(leaf.slots.len().wrapping_sub(1));
        if inner.appends >= APPEND_RUN && last != 0 && order.compare(leaf.key_of(last), key).is_lt() {
            self.split_append(pin, leaf, &mut inner, key);
            return Ok(());
        }
        self.txns.update_oldest();
        let whole = plan(leaf, self.txns.horizon());
        let limit = self.leaf_image_max() as usize;
        let parts = if whole.image_bytes + whole.arena_bytes > limit - limit / 4 && whole.rows.len() > 1 {
            halve(whole)
        } else {
            vec![whole]
        };
        self.replace_leaf_by(pin, leaf, &mut inner, parts)
    }

    /// Gives the leaf an empty right sibling for `key`, which is greater than all of its keys. Nothing is copied.
    fn split_append(&self, pin: &Pin<'_>, leaf: &Leaf, inner: &mut LeafInner, key: &[u8]) {
        let last = leaf.key_of(leaf.slots.word(leaf.slots.len() - 1));
        // The shortest key that is greater than the last and not greater than the new one.
        let separator = self.separator(last, key);
        let order = &self.settings.order;
        let capacity = leaf.slots.len();
        let right = Leaf::new(PageBuffer::copy_of(&[]), Arena::default(), capacity, order, separator, leaf.high());
        {
            let mut right_inner = right.latch.lock();
            right_inner.split_bytes = self.split_bytes();
            right_inner.appends = APPEND_RUN;
            // Keys to come probably share what this page's keys share.
            let first = leaf.key_of(leaf.slots.word(0));
            let shared = common_prefix(first, last).min(common_prefix(last, key));
            right.slots.set_prefix(&key[..shared], 0, |word| leaf.key_of(word));
            self.account(&right, &mut right_inner);
        }
        let right = leaf_link(right);
        // The bound first: a reader at the end of this page must not go past the sibling, once that can hold rows.
        leaf.set_high(inner, Some(separator));
        let own = link_of_leaf(leaf);
        self.replace_child(pin, Target::Key(last), own, &[(&[], own), (separator, right)]);
        // The page is full and won't be split again by appends.
        inner.appends = 0;
        inner.split_bytes = inner.accounted.saturating_mul(3) / 2;
    }

    /// The shortest key that is greater than `left` and not greater than `right`. With a collator that is `right`: nothing
    /// is known of its prefixes.
    fn separator<'a>(&self, left: &[u8], right: &'a [u8]) -> &'a [u8] {
        if self.settings.order.is_collated() {
            return right;
        }
        &right[..right.len().min(common_prefix(left, right) + 1)]
    }

    /// The size at which a new leaf is split.
    pub(super) fn split_bytes(&self) -> usize {
        (self.leaf_image_max() as usize).saturating_mul(2).max(16 << 10)
    }

    /// Builds one leaf for each plan and puts them in the place of `leaf`.
    fn replace_leaf_by(&self, pin: &Pin<'_>, leaf: &Leaf, inner: &mut LeafInner, parts: Vec<Plan<'_>>) -> Result<()> {
        let lowest: Box<[u8]> = leaf.lowest(inner).into();
        let separators: Vec<&[u8]> = (0..parts.len())
            .map(|index| match index.checked_sub(1).and_then(|before| parts[before].rows.last()) {
                None => &lowest,
                Some(last) => self.separator(key_of(last), key_of(&parts[index].rows[0])),
            })
            .collect();
        let mut links = Vec::with_capacity(parts.len());
        let overflow: Vec<Vec<Box<[u8]>>> = parts.iter().map(|part| overflow_of(part, inner)).collect();
        let gone = inner.overflow.iter().filter(|cookie| !overflow.iter().flatten().any(|kept| kept == *cookie));
        let mut free_on_write = self.overflow_addresses(gone)?;
        free_on_write.append(&mut inner.free_on_write);
        free_on_write.extend(inner.disk.drain(..).map(|child| child.address));
        let mut overflow = overflow.into_iter();
        for (index, part) in parts.iter().enumerate() {
            let high = separators.get(index + 1).copied().or(leaf.high());
            let new = self.build_leaf(leaf, part, separators[index], high);
            let mut new_inner = new.latch.lock();
            new_inner.overflow = overflow.next().unwrap_or_default();
            new_inner.free_on_write = std::mem::take(&mut free_on_write);
            new.raise_max_txn(leaf.max_txn());
            new.touch(leaf.last_used());
            new.set_dirty(true);
            self.account(&new, &mut new_inner);
            new_inner.split_bytes = self.split_bytes().max(new_inner.accounted.saturating_mul(3) / 2);
            drop(new_inner);
            links.push((separators[index], leaf_link(new)));
        }
        let low = inner.low.clone();
        if !leaf.is_dirty() {
            // Before anybody can find the new pages: who writes to a dirty page relies on its ancestors' marks.
            self.mark_dirty(pin, &low);
        }
        self.replace_leaf(pin, &low, leaf, inner, &links);
        Ok(())
    }

    fn build_leaf(&self, old: &Leaf, plan: &Plan<'_>, low: &[u8], high: Option<&[u8]>) -> Leaf {
        let horizon = self.txns.horizon();
        let mut image = Vec::with_capacity(plan.image_bytes);
        let mut arena = Arena::default();
        arena.reserve(plan.arena_bytes + high.map_or(0, |high| high.len() + 16));
        let mut words = Vec::with_capacity(plan.rows.len());
        for row in &plan.rows {
            match *row {
                Kept::Gone => {}
                Kept::Image(key, value) => words.push(push_image_row(&mut image, key, value)),
                Kept::Row(row) => words.push(copy_row(old, &mut arena, &mut image, row, horizon)),
            }
        }
        let (buffer, capacity) = (PageBuffer::copy_of(&image), words.len() + words.len() / 8 + 4);
        let leaf = Leaf::new(buffer, arena, capacity, &self.settings.order, low, high);
        leaf.fill(&words);
        leaf
    }
}

/// Decides for each row what is kept.
fn plan(leaf: &Leaf, horizon: Horizon) -> Plan<'_> {
    let mut plan = Plan::default();
    for index in 0..leaf.slots.len() {
        let kept = match leaf.slot(leaf.slots.word(index)) {
            Slot::Image(key, value) => Kept::Image(key, value),
            Slot::Row(row) => keep(leaf, row, horizon),
        };
        plan.push(kept);
    }
    plan
}

fn keep<'a>(leaf: &'a Leaf, row: Row<'a>, horizon: Horizon) -> Kept<'a> {
    let (key, too_long) = (row.key(), row.key().len() > MAX_IMAGE_KEY);
    let Some(newest) = row.newest() else {
        return match row.base() {
            0 => Kept::Gone,
            _ if too_long => Kept::Row(row),
            base => Kept::Image(key, leaf.image_row(base).1),
        };
    };
    if newest.txn() >= horizon.oldest || too_long {
        return Kept::Row(row);
    }
    let timeless = newest.start_ts() == 0 && newest.durable_ts() == 0;
    match newest.kind() {
        Kind::Tombstone if timeless => Kept::Gone,
        Kind::Standard if timeless => Kept::Image(key, newest.data()),
        _ => Kept::Row(row),
    }
}

impl<'a> Plan<'a> {
    fn push(&mut self, row: Kept<'a>) {
        match row {
            Kept::Gone => return,
            Kept::Image(key, value) => self.image_bytes += key.len() + value.len() + 3,
            Kept::Row(row) => {
                let versions: usize = row.versions().map(|version| version.data().len() + 48).sum();
                self.arena_bytes += row.key().len() + 40 + versions;
            }
        }
        // An image that offsets can't address any more continues in another page: see `halve`.
        debug_assert!(self.image_bytes <= MAX_IMAGE_OFFSET);
        self.rows.push(row);
    }

    fn bytes(&self) -> usize {
        self.image_bytes + self.arena_bytes
    }
}

/// Two plans of about the same size.
fn halve(whole: Plan<'_>) -> Vec<Plan<'_>> {
    let half = whole.bytes() / 2;
    let mut parts = vec![Plan::default(), Plan::default()];
    let rows = whole.rows.len();
    for (index, row) in whole.rows.into_iter().enumerate() {
        let left = index == 0 || (parts[0].bytes() < half && index + 1 < rows && parts[1].rows.is_empty());
        parts[usize::from(!left)].push(row);
    }
    parts
}

fn key_of<'a>(row: &Kept<'a>) -> &'a [u8] {
    match row {
        Kept::Gone => &[],
        Kept::Image(key, _) => key,
        Kept::Row(row) => row.key(),
    }
}

/// Copies a row with the versions that somebody may see, and its base value if no version hides it from everybody.
fn copy_row(old: &Leaf, arena: &mut Arena, image: &mut Vec<u8>, row: Row<'_>, horizon: Horizon) -> u64 {
    let mut versions: Vec<Version<'_>> = row.versions().filter(|version| version.txn() != TXN_ABORTED).collect();
    let last_needed = versions.iter().position(|version| hides_older(*version, horizon));
    versions.truncate(last_needed.map_or(versions.len(), |index| index + 1));
    let base = match row.base() {
        0 => 0,
        _ if last_needed.is_some() => 0,
        word => push_image_row(image, row.key(), old.image_row(word).1),
    };
    let copy = Row::new_in(arena, row.key(), base);
    for version in versions.into_iter().rev() {
        copy.push(version.copy_to(arena));
    }
    copy.word()
}

/// Whether nobody can see past this version. A deletion with a timestamp keeps its value: both are written together.
pub(super) fn hides_older(version: Version<'_>, horizon: Horizon) -> bool {
    horizon.covers(version.txn(), version.durable_ts())
        && match version.kind() {
            Kind::Standard | Kind::Overflow => true,
            Kind::Tombstone => version.start_ts() == 0 && version.durable_ts() == 0,
            Kind::Reserve => false,
        }
}

/// The cookies of overflow blocks that a plan's rows refer to, among those that the old page's written state refers to.
fn overflow_of(plan: &Plan<'_>, inner: &LeafInner) -> Vec<Box<[u8]>> {
    if inner.overflow.is_empty() {
        return Vec::new();
    }
    let referred: Vec<&[u8]> = plan
        .rows
        .iter()
        .filter_map(|row| if let Kept::Row(row) = row { Some(row) } else { None })
        .flat_map(|row| row.versions().filter(|version| version.kind() == Kind::Overflow).map(Version::data))
        .collect();
    inner.overflow.iter().filter(|cookie| referred.contains(&&cookie[..])).cloned().collect()
}

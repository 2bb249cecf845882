//! Sets of disjoint byte ranges of a file.
//!
//! Invariants of an [`ExtentSet`]:
//! 1. extents are disjoint and not empty, and no two of them touch: neighbours are always merged;
//! 2. the by-size index, where there is one, holds exactly the extents of the by-offset map;
//! 3. [`ExtentSet::bytes`] is the sum of all sizes.
//!
//! The set knows nothing of allocation sizes or of files; see `live` for the rules of allocation.
//!
//! Source: block specification, section 4.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A byte range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// Byte offset.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Extent {
    /// A range of `size` bytes at `offset`.
    pub fn new(offset: u64, size: u64) -> Self {
        Self { offset, size }
    }

    /// The offset after the last byte.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.size)
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.offset, self.end())
    }
}

/// Which free extent an allocation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The smallest that is large enough, the lowest among equals.
    Best,
    /// The lowest that is large enough.
    First,
}

/// An insertion that would make a byte range part of a set twice (or an extent that is empty or leaves the number range).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// What was to be inserted.
    pub inserted: Extent,
    /// What it meets in the set.
    pub existing: Extent,
}

/// A set of disjoint extents, ordered by offset and always coalesced.
#[derive(Debug, Clone, Default)]
pub struct ExtentSet {
    by_offset: BTreeMap<u64, u64>,
    /// (size, offset) of every extent; only sets that are allocated from pay for it.
    by_size: Option<BTreeSet<(u64, u64)>>,
    bytes: u64,
}

impl ExtentSet {
    /// An empty set without by-size index.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty set from which extents can be taken by [`ExtentSet::take`] in logarithmic time.
    pub fn with_size_index() -> Self {
        Self { by_size: Some(BTreeSet::new()), ..Self::default() }
    }

    /// The number of extents.
    pub fn len(&self) -> usize {
        self.by_offset.len()
    }

    /// Whether the set has no extent.
    pub fn is_empty(&self) -> bool {
        self.by_offset.is_empty()
    }

    /// The sum of all sizes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The extents by ascending offset.
    pub fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        self.by_offset.iter().map(|(&offset, &size)| Extent { offset, size })
    }

    /// The extent of the greatest offset.
    pub fn last(&self) -> Option<Extent> {
        self.by_offset.last_key_value().map(|(&offset, &size)| Extent { offset, size })
    }

    /// An extent of the set that shares a byte with `extent`: the one of greatest offset.
    pub fn find_overlap(&self, extent: Extent) -> Option<Extent> {
        let (&offset, &size) = self.by_offset.range(..extent.end()).next_back()?;
        let candidate = Extent { offset, size };
        (candidate.end() > extent.offset).then_some(candidate)
    }

    /// Whether one extent of the set covers all of `extent`.
    pub fn contains(&self, extent: Extent) -> bool {
        self.containing(extent).is_some()
    }

    /// Adds `extent`, merging it with neighbours that touch it.
    ///
    /// # Errors
    /// [`Overlap`] if it shares a byte with the set, is empty, or ends beyond 2^63; the set is then unchanged.
    pub fn insert(&mut self, extent: Extent) -> Result<(), Overlap> {
        let end = extent.offset.checked_add(extent.size).filter(|&end| end <= MAX_END && extent.size != 0);
        let Some(end) = end else {
            return Err(Overlap { inserted: extent, existing: extent });
        };
        if let Some(existing) = self.find_overlap(extent) {
            return Err(Overlap { inserted: extent, existing });
        }
        let mut merged = extent;
        if let Some((&offset, &size)) = self.by_offset.range(..extent.offset).next_back()
            && offset.saturating_add(size) == extent.offset
        {
            self.unlink(Extent { offset, size });
            merged = Extent { offset, size: size.saturating_add(merged.size) };
        }
        if let Some(&size) = self.by_offset.get(&end) {
            self.unlink(Extent { offset: end, size });
            merged.size = merged.size.saturating_add(size);
        }
        self.link(merged);
        Ok(())
    }

    /// Adds every extent of `other`.
    ///
    /// # Errors
    /// [`Overlap`] as [`ExtentSet::insert`]; the extents before the offending one have then been added.
    pub fn absorb(&mut self, other: &Self) -> Result<(), Overlap> {
        other.iter().try_for_each(|extent| self.insert(extent))
    }

    /// Cuts `extent` out if one extent of the set covers all of it; tells whether it did.
    pub fn remove(&mut self, extent: Extent) -> bool {
        let Some(whole) = self.containing(extent) else { return false };
        self.unlink(whole);
        if whole.offset < extent.offset {
            self.link(Extent { offset: whole.offset, size: extent.offset.saturating_sub(whole.offset) });
        }
        if extent.end() < whole.end() {
            self.link(Extent { offset: extent.end(), size: whole.end().saturating_sub(extent.end()) });
        }
        true
    }

    /// Takes `size` bytes from the front of an extent chosen by `fit`, and gives their offset.
    pub fn take(&mut self, size: u64, fit: Fit) -> Option<u64> {
        if size == 0 || size > self.bytes {
            return None;
        }
        let found = match (&self.by_size, fit) {
            (Some(by_size), fit) => {
                let best = by_size.range((size, 0)..).next().map(|&(size, offset)| Extent { offset, size })?;
                if fit == Fit::Best { best } else { self.iter().find(|extent| extent.size >= size)? }
            }
            (None, Fit::Best) => self.iter().filter(|extent| extent.size >= size).min_by_key(|extent| extent.size)?,
            (None, Fit::First) => self.iter().find(|extent| extent.size >= size)?,
        };
        self.unlink(found);
        if found.size > size {
            self.link(Extent { offset: found.offset.saturating_add(size), size: found.size.saturating_sub(size) });
        }
        Some(found.offset)
    }

    /// The byte ranges that are in both sets, by ascending offset.
    pub fn intersection(&self, other: &Self) -> Vec<Extent> {
        let mut common = Vec::new();
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(&a), Some(&b)) = (ours.peek(), theirs.peek()) {
            let (start, end) = (a.offset.max(b.offset), a.end().min(b.end()));
            if start < end {
                common.push(Extent { offset: start, size: end.saturating_sub(start) });
            }
            if a.end() <= b.end() {
                ours.next();
            } else {
                theirs.next();
            }
        }
        common
    }

    /// Removes all extents.
    pub fn clear(&mut self) {
        self.by_offset.clear();
        self.by_size.iter_mut().for_each(BTreeSet::clear);
        self.bytes = 0;
    }

    /// The extents, leaving the set empty; the by-size index stays in place.
    pub fn drain(&mut self) -> Vec<Extent> {
        let all = self.iter().collect();
        self.clear();
        all
    }

    fn containing(&self, extent: Extent) -> Option<Extent> {
        let (&offset, &size) = self.by_offset.range(..=extent.offset).next_back()?;
        let candidate = Extent { offset, size };
        (extent.size != 0 && candidate.end() >= extent.end()).then_some(candidate)
    }

    fn link(&mut self, extent: Extent) {
        self.by_offset.insert(extent.offset, extent.size);
        if let Some(by_size) = &mut self.by_size {
            by_size.insert((extent.size, extent.offset));
        }
        self.bytes = self.bytes.saturating_add(extent.size);
    }

    fn unlink(&mut self, extent: Extent) {
        self.by_offset.remove(&extent.offset);
        if let Some(by_size) = &mut self.by_size {
            by_size.remove(&(extent.size, extent.offset));
        }
        self.bytes = self.bytes.saturating_sub(extent.size);
    }
}

impl PartialEq for ExtentSet {
    fn eq(&self, other: &Self) -> bool {
        self.by_offset == other.by_offset
    }
}

impl Eq for ExtentSet {}

/// File offsets are signed 64-bit numbers.
const MAX_END: u64 = i64::MAX.unsigned_abs();

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(extents: &[(u64, u64)]) -> ExtentSet {
        let mut set = ExtentSet::with_size_index();
        for &(offset, size) in extents {
            set.insert(Extent::new(offset, size)).unwrap();
        }
        set
    }

    fn pairs(set: &ExtentSet) -> Vec<(u64, u64)> {
        set.iter().map(|extent| (extent.offset, extent.size)).collect()
    }

    #[test]
    fn neighbours_merge_on_both_sides() {
        assert_eq!(pairs(&set(&[(10, 5), (20, 5), (15, 5)])), [(10, 15)]);
    }

    #[test]
    fn overlaps_and_nonsense_are_refused() {
        let mut set = set(&[(10, 10)]);
        for (offset, size) in [(10, 1), (0, 11), (19, 5), (0, 100), (5, 0), (u64::MAX, 2), (1 << 63, 1)] {
            assert!(set.insert(Extent::new(offset, size)).is_err(), "{offset} {size}");
        }
        assert_eq!(pairs(&set), [(10, 10)]);
    }

    #[test]
    fn best_fit_takes_the_smallest_and_lowest_first_fit_the_lowest() {
        let free = set(&[(0, 100), (200, 30), (300, 20), (400, 20)]);
        assert_eq!(free.clone().take(20, Fit::Best), Some(300));
        assert_eq!(free.clone().take(20, Fit::First), Some(0));
        assert_eq!(free.clone().take(25, Fit::Best), Some(200));
        assert_eq!(free.clone().take(101, Fit::Best), None);
        let mut rest = free;
        rest.take(25, Fit::Best);
        assert_eq!(pairs(&rest), [(0, 100), (225, 5), (300, 20), (400, 20)]);
    }

    proptest! {
        /// The set agrees with one flag per byte, and keeps its invariants.
        #[test]
        fn agrees_with_a_bitmap(operations in prop::collection::vec((0u8..5, 0u64..64, 1u64..16), 0..60)) {
            let mut set = ExtentSet::with_size_index();
            let mut bits = [false; 96];
            for (kind, offset, size) in operations {
                let extent = Extent::new(offset, size);
                let range = offset as usize..(offset + size) as usize;
                match kind {
                    0 | 1 => {
                        let fits = !bits[range.clone()].contains(&true);
                        prop_assert_eq!(set.insert(extent).is_ok(), fits);
                        if fits { bits[range].fill(true); }
                    }
                    2 => {
                        let inside = !bits[range.clone()].contains(&false);
                        prop_assert_eq!(set.remove(extent), inside);
                        if inside { bits[range].fill(false); }
                    }
                    _ => {
                        let fit = if kind == 3 { Fit::Best } else { Fit::First };
                        if let Some(start) = set.take(size, fit) {
                            let taken = &mut bits[start as usize..(start + size) as usize];
                            prop_assert!(!taken.contains(&false));
                            taken.fill(false);
                        } else {
                            prop_assert!(!bits.split(|bit| !bit).any(|run| run.len() as u64 >= size));
                        }
                    }
                }
                let mut rebuilt = [false; 96];
                let mut previous_end = None;
                for extent in set.iter() {
                    prop_assert!(Some(extent.offset) != previous_end, "touching extents");
                    previous_end = Some(extent.end());
                    rebuilt[extent.offset as usize..extent.end() as usize].fill(true);
                }
                prop_assert_eq!(rebuilt, bits);
                prop_assert_eq!(set.bytes(), bits.iter().filter(|bit| **bit).count() as u64);
                prop_assert_eq!(set.by_size.as_ref().unwrap().len(), set.len());
            }
        }

        #[test]
        fn intersection_is_bytewise(a in prop::collection::vec((0u64..64, 1u64..9), 0..9),
                                    b in prop::collection::vec((0u64..64, 1u64..9), 0..9)) {
            let build = |extents: Vec<(u64, u64)>| {
                let mut set = ExtentSet::new();
                for (offset, size) in extents { let _ = set.insert(Extent::new(offset, size)); }
                set
            };
            let (a, b) = (build(a), build(b));
            let common = a.intersection(&b);
            for byte in 0..80 {
                let byte = Extent::new(byte, 1);
                let listed = common.iter().any(|extent| extent.offset <= byte.offset && byte.end() <= extent.end());
                prop_assert_eq!(listed, a.contains(byte) && b.contains(byte));
            }
        }
    }
}

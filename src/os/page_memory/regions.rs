//! Where the pool's chunks come from: regions of [`REGION_BYTES`], mapped and unmapped as a whole.
//!
//! Chunks come and go with the pages of a size; to map each of them anew costs two system calls and a fault for each of the
//! system's small pages. So free ones stay for a while, and go when there are many.
//!
//! Invariants:
//! 1. A region's address is a multiple of its size, a chunk's of the chunk's, so that an address tells both.
//! 2. A chunk of a region is in use, or *warm* (free, probably with memory behind it), or *cold* (free, given back).
//! 3. Warm chunks are at most [`WARM_CHUNKS_MIN`] or a [`WARM_PART`]th of those in use; a region without a chunk in use goes
//!    back to the system whole, unless it is the only one with free chunks.
//!
//! Chunks are handed out from the lowest region on, so that the highest ones empty first.

use std::collections::{BTreeMap, BTreeSet};
use std::ptr::NonNull;

pub(super) const CHUNK_BYTES: usize = 256 << 10;
const REGION_BYTES: usize = 2 << 20;
const REGION_CHUNKS: usize = REGION_BYTES / CHUNK_BYTES;
/// Warm chunks that are kept in any case: those of two regions.
const WARM_CHUNKS_MIN: usize = 2 * REGION_CHUNKS;
/// Beyond that, one for so many in use.
const WARM_PART: usize = 32;

/// See the module.
#[derive(Default)]
pub(super) struct Regions {
    regions: BTreeMap<usize, Region>,
    /// Regions with warm, and with cold chunks.
    with_warm: BTreeSet<usize>,
    with_cold: BTreeSet<usize>,
    chunks_used: usize,
    chunks_warm: usize,
}

/// One bit a chunk.
struct Region {
    base: NonNull<u8>,
    warm: u8,
    cold: u8,
}

// SAFETY: the address is that of a mapping which the set owns.
unsafe impl Send for Region {}

const ALL: u8 = u8::MAX;
const _: () = assert!(REGION_CHUNKS == 8);

impl Regions {
    /// A chunk of uninitialised memory.
    pub(super) fn take(&mut self) -> NonNull<u8> {
        let address = match self.with_warm.first().or(self.with_cold.first()) {
            Some(address) => *address,
            None => self.add(),
        };
        let Some(region) = self.regions.get_mut(&address) else { unreachable!("listed regions exist") };
        let index = if region.warm != 0 {
            let index = region.warm.trailing_zeros();
            region.warm &= !(1 << index);
            self.chunks_warm -= 1;
            index
        } else {
            let index = region.cold.trailing_zeros();
            region.cold &= !(1 << index);
            index
        };
        let base = region.base;
        self.chunks_used += 1;
        self.list(address);
        // SAFETY: the index is below the region's number of chunks.
        unsafe { base.add(index as usize * CHUNK_BYTES) }
    }

    fn add(&mut self) -> usize {
        let base = super::system::map(REGION_BYTES);
        let address = base.as_ptr().addr();
        self.regions.insert(address, Region { base, warm: ALL, cold: 0 });
        self.chunks_warm += REGION_CHUNKS;
        self.list(address);
        address
    }

    /// # Safety
    /// The chunk came from [`Regions::take`], and nothing of it is in use.
    pub(super) unsafe fn give_back(&mut self, chunk: usize) {
        let address = chunk & !(REGION_BYTES - 1);
        let Some(region) = self.regions.get_mut(&address) else { unreachable!("a chunk belongs to a region") };
        region.warm |= 1 << ((chunk - address) / CHUNK_BYTES);
        self.chunks_used -= 1;
        self.chunks_warm += 1;
        self.list(address);
        if self.is_unused(address) && self.with_warm.len() + self.with_cold.len() > 1 {
            self.remove(address);
        }
        while self.chunks_warm > WARM_CHUNKS_MIN.max(self.chunks_used / WARM_PART) {
            self.cool();
        }
    }

    fn is_unused(&self, address: usize) -> bool {
        self.regions.get(&address).is_some_and(|region| region.warm | region.cold == ALL)
    }

    fn remove(&mut self, address: usize) {
        let Some(region) = self.regions.remove(&address) else { return };
        self.chunks_warm -= region.warm.count_ones() as usize;
        self.with_warm.remove(&address);
        self.with_cold.remove(&address);
        // SAFETY: mapped by `add`; no chunk of it is in use, and it is forgotten here.
        unsafe { super::system::unmap(region.base, REGION_BYTES) };
    }

    /// Gives the memory of a warm chunk of the highest region back.
    fn cool(&mut self) {
        let Some(&address) = self.with_warm.last() else { unreachable!("there are warm chunks") };
        let Some(region) = self.regions.get_mut(&address) else { unreachable!("listed regions exist") };
        let index = region.warm.trailing_zeros();
        region.warm &= !(1 << index);
        region.cold |= 1 << index;
        self.chunks_warm -= 1;
        // SAFETY: the chunk lies in the region and isn't in use.
        unsafe { super::system::forget(region.base.add(index as usize * CHUNK_BYTES), CHUNK_BYTES) };
        self.list(address);
    }

    /// Puts the region into the lists it belongs to.
    fn list(&mut self, address: usize) {
        let Some(region) = self.regions.get(&address) else { return };
        for (set, mask) in [(&mut self.with_warm, region.warm), (&mut self.with_cold, region.cold)] {
            if mask == 0 {
                set.remove(&address);
            } else {
                set.insert(address);
            }
        }
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        for address in self.regions.keys().copied().collect::<Vec<_>>() {
            // What is in use stays: its owner doesn't know of the set.
            if self.is_unused(address) {
                self.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(regions: &Regions) {
        let warm: u32 = regions.regions.values().map(|region| region.warm.count_ones()).sum();
        assert_eq!(warm as usize, regions.chunks_warm);
        for (address, region) in &regions.regions {
            assert_eq!(region.warm & region.cold, 0);
            assert_eq!(regions.with_warm.contains(address), region.warm != 0);
            assert_eq!(regions.with_cold.contains(address), region.cold != 0);
        }
    }

    /// Takes many chunks, gives them back in another order: each is whole and nobody else's, and the memory goes.
    #[test]
    fn chunks_are_disjoint_and_go_back() {
        let mut regions = Regions::default();
        let mut taken: Vec<NonNull<u8>> = Vec::new();
        let count = if cfg!(miri) { 40 } else { 100_usize };
        for round in 0..count {
            let chunk = regions.take();
            assert_eq!(chunk.as_ptr().addr() % CHUNK_BYTES, 0);
            // SAFETY: the chunk is ours, and as long as that.
            unsafe {
                chunk.as_ptr().write(round as u8);
                chunk.as_ptr().add(CHUNK_BYTES - 1).write(round as u8);
            }
            taken.push(chunk);
            check(&regions);
        }
        assert_eq!(regions.chunks_used, count);
        for round in 0..count {
            let index = (round * 37) % taken.len();
            let chunk = taken.swap_remove(index);
            // SAFETY: it is still ours.
            let (first, last) = unsafe { (*chunk.as_ptr(), *chunk.as_ptr().add(CHUNK_BYTES - 1)) };
            assert_eq!(first, last, "somebody else wrote to it");
            // SAFETY: taken above, not used any more.
            unsafe { regions.give_back(chunk.as_ptr().addr()) };
            check(&regions);
            assert!(regions.chunks_warm <= WARM_CHUNKS_MIN);
        }
        assert_eq!(regions.chunks_used, 0);
        assert!(regions.regions.len() <= 2, "{} regions", regions.regions.len());
    }
}

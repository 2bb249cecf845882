//! Memory for pages, apart from the general allocator.
//!
//! Pages come and go by the ten-thousand, are made by one thread and freed by another, and differ in size by a few
//! kilobytes. A general allocator with an arena per thread keeps what was freed in each of them, so that a process needs a
//! multiple of the configured cache. Here, chunks of [`CHUNK_BYTES`] (see `regions`) are cut into equal slots of one size
//! class, shared by all threads, and given back when they are empty.
//!
//! Invariants:
//! 1. A chunk's address is a multiple of its size, so that a slot's address tells its chunk.
//! 2. A slot is either handed out (owned by whoever called [`allocate`]) or in its chunk's free list.
//! 3. What is larger than the largest class, or smaller than [`SMALL_BYTES`], comes from the general allocator.
#![allow(unsafe_code, reason = "an allocator; the invariants are above")]

mod regions;

use parking_lot::Mutex;
use regions::{CHUNK_BYTES, Regions};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::HashMap;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;

/// Less than this is not a page's main part.
const SMALL_BYTES: usize = 512;
/// Sizes of slots: steps of one, two and four kilobytes up to these limits.
const STEPS: [(usize, usize); 3] = [(1 << 10, 8 << 10), (2 << 10, 32 << 10), (4 << 10, 64 << 10)];
const CLASSES: usize = 28;

/// An immutable run of bytes.
pub(crate) struct PageBuffer {
    bytes: NonNull<u8>,
    len: usize,
}

// SAFETY: a buffer owns its bytes, which don't change after it was made.
unsafe impl Send for PageBuffer {}
// SAFETY: as above.
unsafe impl Sync for PageBuffer {}

struct Chunk {
    class: usize,
    free: Vec<NonNull<u8>>,
    slots: usize,
    /// Its index in the class's list of chunks with free slots, if it has any.
    listed: Option<usize>,
}

// SAFETY: the addresses in the free list belong to the chunk, which the pool owns.
unsafe impl Send for Chunk {}

/// Chunks by address, and for each class the chunks that have free slots.
struct Pool {
    regions: Regions,
    chunks: HashMap<usize, Chunk>,
    with_free: [Vec<usize>; CLASSES],
}

static POOL: Mutex<Option<Pool>> = Mutex::new(None);

impl PageBuffer {
    /// A copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self { bytes: NonNull::dangling(), len: 0 };
        }
        let target = allocate(bytes.len());
        // SAFETY: the allocation is this buffer's alone and as long as `bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_ptr(), bytes.len()) };
        Self { bytes: target, len: bytes.len() }
    }
}

/// Bytes of memory that `len` bytes from [`allocate`] take.
pub(crate) fn footprint(len: usize) -> usize {
    class_of(len).map_or(len, slot_bytes)
}

impl Deref for PageBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer owns `len` initialised bytes (or none, at a dangling address).
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.len) }
    }
}

impl Drop for PageBuffer {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated with that length, freed once.
            unsafe { free(self.bytes, self.len) };
        }
    }
}

/// `len` uninitialised bytes (not 0), aligned to eight.
pub(crate) fn allocate(len: usize) -> NonNull<u8> {
    match pooled(len) {
        Some(class) => POOL.lock().get_or_insert_with(Pool::new).take(class),
        // SAFETY: the layout isn't empty.
        None => NonNull::new(unsafe { alloc(layout(len)) }).unwrap_or_else(|| handle_alloc_error(layout(len))),
    }
}

/// # Safety
/// `bytes` came from [`allocate`] with the same `len`, and nothing uses them any more.
pub(crate) unsafe fn free(bytes: NonNull<u8>, len: usize) {
    match pooled(len) {
        Some(_) => {
            if let Some(pool) = &mut *POOL.lock() {
                pool.give_back(bytes);
            }
        }
        // SAFETY: by contract, allocated with that layout.
        None => unsafe { dealloc(bytes.as_ptr(), layout(len)) },
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, 8).unwrap_or_else(|_| handle_alloc_error(Layout::new::<u64>()))
}

/// The size class that [`allocate`] takes a buffer from. Under Miri each buffer is an allocation of its own: a use after
/// free must not hide in a recycled slot.
fn pooled(len: usize) -> Option<usize> {
    if cfg!(miri) { None } else { class_of(len) }
}

/// The size class of a buffer; `None`: the general allocator.
fn class_of(len: usize) -> Option<usize> {
    if len < SMALL_BYTES {
        return None;
    }
    let (mut from, mut classes) = (0, 0);
    for (step, to) in STEPS {
        if len <= to {
            return Some(classes + (len - from).div_ceil(step) - 1);
        }
        classes += (to - from) / step;
        from = to;
    }
    None
}

/// The size of a class's slots.
fn slot_bytes(class: usize) -> usize {
    let (mut from, mut classes) = (0, 0);
    for (step, to) in STEPS {
        let here = (to - from) / step;
        if class < classes + here {
            return from + (class - classes + 1) * step;
        }
        classes += here;
        from = to;
    }
    unreachable!("there are {CLASSES} classes")
}

impl Pool {
    fn new() -> Self {
        Self { regions: Regions::default(), chunks: HashMap::new(), with_free: std::array::from_fn(|_| Vec::new()) }
    }

    fn take(&mut self, class: usize) -> NonNull<u8> {
        let address = match self.with_free[class].last() {
            Some(address) => *address,
            None => self.add_chunk(class),
        };
        let Some(chunk) = self.chunks.get_mut(&address) else { unreachable!("listed chunks exist") };
        let Some(slot) = chunk.free.pop() else { unreachable!("listed chunks have free slots") };
        if chunk.free.is_empty() {
            chunk.listed = None;
            self.with_free[class].pop();
        }
        slot
    }

    fn add_chunk(&mut self, class: usize) -> usize {
        let base = self.regions.take();
        let slot_bytes = slot_bytes(class);
        let slots = CHUNK_BYTES / slot_bytes;
        // SAFETY: the offsets lie within the chunk.
        let free = (0..slots).rev().map(|slot| unsafe { base.add(slot * slot_bytes) }).collect();
        let listed = Some(self.with_free[class].len());
        let address = base.as_ptr().addr();
        self.with_free[class].push(address);
        self.chunks.insert(address, Chunk { class, free, slots, listed });
        address
    }

    fn give_back(&mut self, slot: NonNull<u8>) {
        let address = slot.as_ptr().addr() & !(CHUNK_BYTES - 1);
        let Some(chunk) = self.chunks.get_mut(&address) else { unreachable!("a slot belongs to a chunk") };
        let class = chunk.class;
        chunk.free.push(slot);
        let listed = match chunk.listed {
            Some(listed) => listed,
            None => {
                let listed = self.with_free[class].len();
                chunk.listed = Some(listed);
                self.with_free[class].push(address);
                listed
            }
        };
        // One empty chunk of a class stays, so that a page that comes and goes doesn't cut it anew each time.
        if chunk.free.len() == chunk.slots && self.with_free[class].len() > 1 {
            self.chunks.remove(&address);
            self.with_free[class].swap_remove(listed);
            if let Some(moved) = self.with_free[class].get(listed)
                && let Some(moved) = self.chunks.get_mut(moved)
            {
                moved.listed = Some(listed);
            }
            // SAFETY: taken by `add_chunk`; all of its slots are free, and it is forgotten here.
            unsafe { self.regions.give_back(address) };
        }
    }
}

#[cfg(all(unix, not(miri)))]
mod system {
    //! Memory as anonymous mappings: what is given back is gone at once.
    use super::{NonNull, ptr};

    /// `bytes` (a power of two) of memory at a multiple of that size.
    pub(super) fn map(bytes: usize) -> NonNull<u8> {
        // Twice the size, of which the part at a multiple of the size is kept.
        // SAFETY: a new anonymous mapping; nothing is overlaid.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                2 * bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; super::CHUNK_BYTES]>());
        }
        let before = start.addr().next_multiple_of(bytes) - start.addr();
        let after = bytes - before;
        // SAFETY: all parts lie in the mapping just made; what is unmapped lies outside of the kept one.
        unsafe {
            let kept = start.cast::<u8>().add(before);
            if before > 0 {
                libc::munmap(start, before);
            }
            if after > 0 {
                libc::munmap(kept.add(bytes).cast(), after);
            }
            NonNull::new_unchecked(kept)
        }
    }

    /// # Safety
    /// The memory came from [`map`] as a whole, and nothing of it is in use.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: by contract.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    /// Gives memory back but keeps its addresses; its contents are lost.
    ///
    /// # Safety
    /// The memory is a part of what [`map`] gave, whole pages, and nothing of it is in use.
    pub(super) unsafe fn forget(start: NonNull<u8>, bytes: usize) {
        // SAFETY: by contract.
        unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) };
    }
}

#[cfg(not(all(unix, not(miri))))]
mod system {
    //! Memory from the general allocator.
    use super::NonNull;
    use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, bytes).unwrap_or_else(|_| handle_alloc_error(Layout::new::<u8>()))
    }

    pub(super) fn map(bytes: usize) -> NonNull<u8> {
        // SAFETY: the layout isn't empty.
        NonNull::new(unsafe { alloc(layout(bytes)) }).unwrap_or_else(|| handle_alloc_error(layout(bytes)))
    }

    /// # Safety
    /// The memory came from [`map`] as a whole, and nothing of it is in use.
    pub(super) unsafe fn unmap(start: NonNull<u8>, bytes: usize) {
        // SAFETY: by contract.
        unsafe { dealloc(start.as_ptr(), layout(bytes)) };
    }

    /// # Safety
    /// As [`unmap`], but for a part.
    pub(super) unsafe fn forget(_start: NonNull<u8>, _bytes: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_keep_their_bytes_while_others_come_and_go() {
        // Miri compares bytes slowly.
        let (rounds, longest) = if cfg!(miri) { (60, 5_000) } else { (3_000, 80_000) };
        let mut live: Vec<(PageBuffer, u8)> = Vec::new();
        for round in 0..rounds {
            let len = (round * 7919) % longest;
            live.push((PageBuffer::copy_of(&vec![round as u8; len]), round as u8));
            if live.len() > 50 {
                let (gone, byte) = live.swap_remove((round * 31) % 50);
                assert!(gone.iter().all(|found| *found == byte));
            }
        }
        for (buffer, byte) in &live {
            assert!(buffer.iter().all(|found| found == byte));
        }
    }

    /// Under Miri, buffers don't come from a pool; this test keeps one of its own.
    #[test]
    fn slots_are_disjoint_reused_and_given_back_with_their_chunk() {
        let mut pool = Pool::new();
        for class in [0, 4, CLASSES - 1] {
            let slot_bytes = slot_bytes(class);
            let in_chunk = CHUNK_BYTES / slot_bytes;
            let mut slots: Vec<_> = (0..2 * in_chunk + 1).map(|_| pool.take(class)).collect();
            assert_eq!(pool.chunks.len(), 3);
            for (number, slot) in slots.iter().enumerate() {
                // SAFETY: the slot is this test's, and as long as that.
                unsafe { slot.as_ptr().write_bytes(number as u8, if cfg!(miri) { 16 } else { slot_bytes }) };
            }
            for (number, slot) in slots.iter().enumerate() {
                // SAFETY: as above, and written.
                assert_eq!(unsafe { (slot.read(), slot.add(15).read()) }, (number as u8, number as u8));
            }
            let (again, kept) = (slots.remove(1), slots.remove(1));
            pool.give_back(again);
            assert_eq!(pool.take(class), again, "the only free slot of a full chunk is the next");
            slots.extend([again, kept]);
            slots.into_iter().for_each(|slot| pool.give_back(slot));
            assert_eq!(pool.chunks.len(), 1, "one empty chunk of a class stays");
            let Some((address, _)) = pool.chunks.drain().next() else { unreachable!() };
            pool.with_free[class].clear();
            // SAFETY: all of its slots are free, and the pool has forgotten it.
            unsafe { pool.regions.give_back(address) };
        }
    }

    #[test]
    fn a_footprint_is_the_slot() {
        for (len, expected) in [
            (100, 100),
            (511, 511),
            (512, 1024),
            (1025, 2048),
            (8192, 8192),
            (8193, 10_240),
            (28_672, 28_672),
            (32_769, 36_864),
            (65_536, 65_536),
            (65_537, 65_537),
        ] {
            assert_eq!(footprint(len), expected, "{len}");
        }
        let sizes: Vec<usize> = (0..CLASSES).map(slot_bytes).collect();
        assert!(sizes.is_sorted_by(|left, right| left < right));
        for (class, size) in sizes.into_iter().enumerate() {
            assert_eq!(class_of(size), Some(class));
        }
    }
}

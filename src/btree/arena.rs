//! The memory of one page: rows, versions and keys are bump-allocated and freed together with the page.
//!
//! Invariants:
//! 1. An allocation's address is stable and valid until the arena is dropped.
//! 2. Only the holder of the page's latch allocates; readers reach allocations through pointers published with release.
//! 3. Nothing in an arena needs a destructor.

use crate::os::page_memory;
use std::ptr::NonNull;

pub(super) const ALIGNMENT: usize = 8;
const FIRST_CHUNK_BYTES: usize = 1 << 10;
const MAX_CHUNK_BYTES: usize = 16 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<(NonNull<u8>, usize)>,
    next: *mut u8,
    left: usize,
    bytes: usize,
}

// SAFETY: an arena owns its chunks; what they hold is plain data and atomics.
unsafe impl Send for Arena {}

impl Arena {
    /// Bytes taken from the system allocator.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes the next `bytes` come from one chunk of just that size, so that a page built in one go wastes nothing.
    pub(super) fn reserve(&mut self, bytes: usize) {
        if bytes > self.left {
            self.grow(bytes.next_multiple_of(ALIGNMENT));
        }
    }

    /// `bytes` uninitialised bytes, aligned to [`ALIGNMENT`].
    #[inline]
    pub(super) fn alloc(&mut self, bytes: usize) -> NonNull<u8> {
        let bytes = bytes.max(1).next_multiple_of(ALIGNMENT);
        if bytes > self.left {
            let chunk = (self.bytes / 2).clamp(FIRST_CHUNK_BYTES, MAX_CHUNK_BYTES);
            self.grow(bytes.max(chunk));
        }
        let start = self.next;
        // SAFETY: `bytes <= left`, the bytes left in the chunk that `next` points into.
        self.next = unsafe { self.next.add(bytes) };
        self.left -= bytes;
        // SAFETY: `next` points into a chunk, so it isn't null.
        unsafe { NonNull::new_unchecked(start) }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        // Chunks of the page pool come in its sizes: what is left over serves later allocations.
        let bytes = page_memory::footprint(bytes.max(ALIGNMENT));
        let chunk = page_memory::allocate(bytes);
        self.chunks.push((chunk, bytes));
        self.next = chunk.as_ptr();
        self.left = bytes;
        self.bytes += bytes;
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for (chunk, bytes) in self.chunks.drain(..) {
            // SAFETY: allocated in `grow` with that length; the page is gone, so nothing refers to it.
            unsafe { page_memory::free(chunk, bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of `bytes` with a stable address.
    fn copy(arena: &mut Arena, bytes: &[u8]) -> NonNull<u8> {
        let target = arena.alloc(bytes.len());
        // SAFETY: `target` is a fresh allocation of at least that many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.as_ptr(), bytes.len()) };
        target
    }

    #[test]
    fn addresses_are_stable_aligned_and_disjoint() {
        let mut arena = Arena::default();
        let count = if cfg!(miri) { 100 } else { 500_usize };
        let copies: Vec<_> = (0..count).map(|n| (copy(&mut arena, &vec![n as u8; n % 97]), n)).collect();
        for (address, n) in copies {
            assert_eq!(address.as_ptr() as usize % ALIGNMENT, 0);
            // SAFETY: the arena lives, and the copy had that length.
            let bytes = unsafe { std::slice::from_raw_parts(address.as_ptr(), n % 97) };
            assert!(bytes.iter().all(|byte| *byte == n as u8));
        }
        let before = arena.bytes();
        let large = arena.alloc(100_000);
        // SAFETY: a fresh allocation of that length.
        unsafe { large.write_bytes(7, 100_000) };
        assert!(arena.bytes() >= before + 100_000);
    }
}

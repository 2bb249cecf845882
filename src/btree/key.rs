//! Keys in a page's arena: separators of internal pages and upper bounds of leaves.
//!
//! [`Key`] is a reference to memory of an arena, valid as long as its page; it keeps the allocation's provenance.

use super::arena::Arena;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// A key with its length before it.
#[derive(Clone, Copy)]
pub(super) struct Key<'a>(NonNull<u32>, PhantomData<&'a ()>);

impl<'a> Key<'a> {
    pub(super) fn new_in(arena: &mut Arena, key: &[u8]) -> Self {
        let start = arena.alloc(size_of::<u32>() + key.len()).cast::<u32>();
        // SAFETY: a fresh, aligned allocation of the length and the key.
        unsafe {
            start.write(key.len() as u32);
            ptr::copy_nonoverlapping(key.as_ptr(), start.add(1).cast().as_ptr(), key.len());
        }
        Self(start, PhantomData)
    }

    /// The word that leads to this key; never 0.
    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// # Safety
    /// `word` came from [`Key::word`] of a key in the arena of a page that lives for `'a`.
    #[inline]
    pub(super) unsafe fn from_word(word: u64) -> Self {
        // SAFETY: by contract the address of a key, hence not null.
        Self(unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(word as usize)) }, PhantomData)
    }

    #[inline]
    pub(super) fn bytes(self) -> &'a [u8] {
        // SAFETY: the length stands first, that many bytes follow, and neither changes.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(1).cast(), self.0.read() as usize) }
    }
}

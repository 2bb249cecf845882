//! Rows and their version chains, as they lie in a page's arena.
//!
//! Invariants:
//! 1. A row's key and a version's data never change after publication; only a row's head (under the page's latch) and a
//!    version's transaction id, timestamps and prepare state (by the transaction that made it) do.
//! 2. From head to tail a chain is in commit order of the key; at most one unresolved transaction has versions on it, and
//!    they are at the head.
//! 3. The chain's implicit last element is the row's image on the page ([`Row::base`]), visible to everybody, if there is
//!    one.
//!
//! [`Row`] and [`Version`] are references to memory of an arena: `'a` is the life of the page. They keep the allocation's
//! provenance, because a key or value follows its header in memory.

use super::arena::Arena;
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::txn::{TS_NONE, TXN_ABORTED, Txn, TxnId};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// What a version is (transactions specification, section 10.1; the codes are those of the history store).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A placeholder that blocks other writers; never visible.
    Reserve = 2,
    /// A complete value.
    Standard = 3,
    /// A deletion.
    Tombstone = 4,
    /// A complete value that lies in an overflow block; the data is the block's address cookie.
    Overflow = 5,
}

#[repr(C)]
struct VersionHeader {
    txn: AtomicU64,
    next: AtomicPtr<VersionHeader>,
    start_ts: AtomicU64,
    durable_ts: AtomicU64,
    len: u32,
    kind: Kind,
}

#[repr(C)]
struct RowHeader {
    head: AtomicPtr<VersionHeader>,
    base: u64,
    key_len: u32,
}

/// One version of a row.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a>(NonNull<VersionHeader>, PhantomData<&'a ()>);

/// A row that isn't (only) on the page image: a new key, or an image's row that was changed.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a>(NonNull<RowHeader>, PhantomData<&'a ()>);

/// What a reader finds in a chain.
pub(crate) enum Visible<'a> {
    /// This version's value.
    Version(Version<'a>),
    /// The page image's value: no version hides it.
    Base,
    /// Deleted, or made by nobody the reader sees.
    Nothing,
}

impl<'a> Row<'a> {
    /// A row with an empty chain. `base` is the slot word of the row on the page image, 0 if the row is new.
    pub(super) fn new_in(arena: &mut Arena, key: &[u8], base: u64) -> Self {
        let row = arena.alloc(size_of::<RowHeader>() + key.len()).cast::<RowHeader>();
        // SAFETY: a fresh, aligned allocation of the header and the key.
        unsafe {
            row.write(RowHeader { head: AtomicPtr::new(ptr::null_mut()), base, key_len: key.len() as u32 });
            ptr::copy_nonoverlapping(key.as_ptr(), row.add(1).cast().as_ptr(), key.len());
        }
        Self(row, PhantomData)
    }

    /// The slot word that leads to this row.
    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.0.as_ptr().expose_provenance() as u64
    }

    /// The row that a slot word leads to.
    ///
    /// # Safety
    /// `word` came from [`Row::word`] of a row in the arena of a page that lives for `'a`.
    #[inline]
    pub(crate) unsafe fn from_word(word: u64) -> Self {
        // SAFETY: by contract the word is the address of a row, hence not null.
        Self(unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(word as usize)) }, PhantomData)
    }

    #[inline]
    fn header(self) -> &'a RowHeader {
        // SAFETY: rows live in an arena that lives for `'a`; their fields are immutable or atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        // SAFETY: `key_len` bytes were written behind the header.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(1).cast(), self.header().key_len as usize) }
    }

    #[inline]
    pub(crate) fn base(self) -> u64 {
        self.header().base
    }

    /// Makes `version` the newest. Under the page's latch.
    #[inline]
    pub(crate) fn push(self, version: Version<'a>) {
        let head = self.header().head.load(Ordering::Relaxed);
        version.header().next.store(head, Ordering::Relaxed);
        self.header().head.store(version.0.as_ptr(), Ordering::Release);
    }

    /// Puts `new` in the place of `old`. Under the page's latch. A reader that has met `old` goes on from it as before.
    pub(crate) fn replace(self, old: Version<'a>, new: Version<'a>) {
        new.header().next.store(old.header().next.load(Ordering::Relaxed), Ordering::Relaxed);
        let mut link = &self.header().head;
        loop {
            let at = link.load(Ordering::Relaxed);
            if at == old.0.as_ptr() {
                return link.store(new.0.as_ptr(), Ordering::Release);
            }
            let Some(version) = NonNull::new(at) else { return };
            link = &Version(version, PhantomData).header().next;
        }
    }

    /// The chain, newest first.
    #[inline]
    pub(crate) fn versions(self) -> impl Iterator<Item = Version<'a>> {
        let mut next = self.header().head.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            let version = Version(NonNull::new(next)?, PhantomData);
            next = version.header().next.load(Ordering::Acquire);
            Some(version)
        })
    }

    /// What `txn` sees of the row (transactions specification, section 9.3).
    #[inline]
    pub(crate) fn visible(self, txn: &Txn) -> Visible<'a> {
        for version in self.versions() {
            if version.kind() != Kind::Reserve && version.is_visible(txn) {
                return if version.kind() == Kind::Tombstone { Visible::Nothing } else { Visible::Version(version) };
            }
        }
        if self.base() == 0 { Visible::Nothing } else { Visible::Base }
    }

    /// The newest version that was not rolled back; `None`: the page image decides.
    #[inline]
    pub(crate) fn newest(self) -> Option<Version<'a>> {
        self.versions().find(|version| version.txn() != TXN_ABORTED)
    }
}

impl<'a> Version<'a> {
    /// A version with its data, not in any chain yet.
    #[inline]
    pub(super) fn new_in(arena: &mut Arena, txn: TxnId, kind: Kind, data: &[u8]) -> Self {
        let version = arena.alloc(size_of::<VersionHeader>() + data.len()).cast::<VersionHeader>();
        // SAFETY: a fresh, aligned allocation of the header and the data.
        unsafe {
            version.write(VersionHeader {
                txn: AtomicU64::new(txn),
                next: AtomicPtr::new(ptr::null_mut()),
                start_ts: AtomicU64::new(0),
                durable_ts: AtomicU64::new(0),
                len: data.len() as u32,
                kind,
            });
            ptr::copy_nonoverlapping(data.as_ptr(), version.add(1).cast().as_ptr(), data.len());
        }
        Self(version, PhantomData)
    }

    #[inline]
    fn header(self) -> &'a VersionHeader {
        // SAFETY: versions live in an arena that lives for `'a`; their fields are immutable or atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn data(self) -> &'a [u8] {
        // SAFETY: `len` bytes were written behind the header.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(1).cast(), self.header().len as usize) }
    }

    #[inline]
    pub(crate) fn txn(self) -> TxnId {
        self.header().txn.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn kind(self) -> Kind {
        self.header().kind
    }

    /// Whether `txn` sees the version.
    #[inline]
    pub(crate) fn is_visible(self, txn: &Txn) -> bool {
        // Who reads without a timestamp doesn't touch the version's.
        let start_ts = if txn.read_timestamp() == TS_NONE { TS_NONE } else { self.start_ts() };
        txn.sees(self.txn(), start_ts)
    }

    pub(crate) fn start_ts(self) -> u64 {
        self.header().start_ts.load(Ordering::Acquire)
    }

    pub(crate) fn durable_ts(self) -> u64 {
        self.header().durable_ts.load(Ordering::Acquire)
    }

    pub(crate) fn set_timestamps(self, start: u64, durable: u64) {
        self.header().start_ts.store(start, Ordering::Release);
        self.header().durable_ts.store(durable, Ordering::Release);
    }

    /// Takes the version back: nobody sees it any more.
    pub(crate) fn abort(self) {
        self.header().txn.store(TXN_ABORTED, Ordering::Release);
    }

    /// A copy in another page's arena, not in any chain yet.
    pub(super) fn copy_to<'b>(self, arena: &mut Arena) -> Version<'b> {
        self.copy_with(arena, self.kind(), self.data())
    }

    /// A version of the same transaction and time with other data, not in any chain yet.
    pub(super) fn copy_with<'b>(self, arena: &mut Arena, kind: Kind, data: &[u8]) -> Version<'b> {
        let copy = Version::new_in(arena, self.txn(), kind, data);
        copy.set_timestamps(self.start_ts(), self.durable_ts());
        copy
    }
}

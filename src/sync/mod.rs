//! Synchronisation that the trees and the log stand on: epoch-based reclamation with hazard slots, optimistic
//! (sequence-checked) reads of slot arrays, and buffers that many threads fill at once.
//!
//! Everything here is independent of what a page is; the protocols are small enough to be model-checked (`--cfg loom`).
#![allow(unsafe_code, reason = "memory is freed by address and written by parts; each module states its invariants")]

pub(crate) mod join_buffer;
pub(crate) mod reclaim;
pub(crate) mod slots;

/// Waits a moment for another thread to finish a few instructions; `rounds` counts the moments of one wait. That thread may
/// have lost its processor: a long wait gives up this one.
#[inline]
pub(crate) fn spin(rounds: &mut u32) {
    *rounds = rounds.wrapping_add(1);
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    if rounds.is_multiple_of(64) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(not(loom))]
pub(crate) use parking_lot::{Mutex, MutexGuard, RwLock};

#[cfg(loom)]
pub(crate) use model::{Mutex, MutexGuard, RwLock};

#[cfg(not(loom))]
pub(crate) mod atomic {
    //! The atomics in use: the standard ones, or loom's while model-checking.
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
}

#[cfg(loom)]
pub(crate) mod atomic {
    //! The atomics in use: loom's while model-checking.
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
}

#[cfg(loom)]
pub(crate) mod model;

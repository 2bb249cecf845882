//! Synchronisation that the trees stand on: epoch-based reclamation with hazard slots, and optimistic (sequence-checked)
//! reads of slot arrays.
//!
//! Everything here is independent of what a page is; the protocols are small enough to be model-checked (`--cfg loom`).
#![allow(unsafe_code, reason = "reclamation frees memory by address; see the invariants in `reclaim`")]

pub(crate) mod reclaim;
pub(crate) mod slots;

#[cfg(not(loom))]
pub(crate) mod atomic {
    //! The atomics in use: the standard ones, or loom's while model-checking.
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
}

#[cfg(loom)]
pub(crate) mod atomic {
    //! The atomics in use: loom's while model-checking.
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
}

//! How much memory pages use, against the limits of `cache_size` and the eviction settings.
//!
//! The counters are approximate while operations run (a page reports growth when it takes memory from the allocator, not
//! per record) and exact when nothing runs. Eviction itself lives with the trees; this module says when it is needed.
//!
//! Source: cache specification, sections 11 and 12.1.

mod server;

pub use server::EvictionServer;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::page::row_leaf_write::{LeafConfig, RowLeafWriter};
use parking_lot::{Condvar, Mutex};

/// Sizes in bytes and limits in percent of `cache_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// `cache_size` in bytes.
    pub size: u64,
    /// `eviction_target`: background eviction works above this many bytes.
    pub target: u64,
    /// `eviction_trigger`: application threads help above this many bytes.
    pub trigger: u64,
    /// `eviction_dirty_target`: background eviction writes dirty pages above this many bytes.
    pub dirty_target: u64,
    /// `eviction_dirty_trigger`: application threads help above this many dirty bytes.
    pub dirty_trigger: u64,
}

impl CacheLimits {
    /// The default percentages (80, 95, 5, 20) of `size` bytes.
    pub fn of_size(size: u64) -> Self {
        let percent = |percent: u64| (u128::from(size) * u128::from(percent) / 100) as u64;
        Self { size, target: percent(80), trigger: percent(95), dirty_target: percent(5), dirty_trigger: percent(20) }
    }

    /// The limits for what pages ask the allocator for, which takes so many percent more than it gives
    /// (`cache_overhead`).
    pub fn with_overhead(self, percent: u64) -> Self {
        let net = |bytes: u64| (u128::from(bytes) * 100 / (100 + u128::from(percent))) as u64;
        Self {
            size: net(self.size),
            target: net(self.target),
            trigger: net(self.trigger),
            dirty_target: net(self.dirty_target),
            dirty_trigger: net(self.dirty_trigger),
        }
    }
}

/// Writers of leaf pages that are kept at most, and how large their buffers may be.
const LEAF_WRITERS: usize = 4;
const LEAF_WRITER_BYTES: usize = 1 << 20;

/// What a tree offers to eviction.
pub(crate) trait Evict: Send + Sync {
    /// Visits some pages and evicts what is wanted; returns the bytes released or made clean (0: nothing could be done).
    fn evict_some(&self, want: Want) -> u64;
}

/// What eviction is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// Pages should leave memory.
    pub(crate) space: bool,
    /// Dirty pages should be written.
    pub(crate) clean: bool,
    /// Take pages that were used lately, too.
    pub(crate) aggressive: bool,
}

/// The page memory of a connection.
pub struct Cache {
    limits: Mutex<CacheLimits>,
    target: AtomicU64,
    trigger: AtomicU64,
    dirty_target: AtomicU64,
    dirty_trigger: AtomicU64,
    bytes: AtomicU64,
    dirty_bytes: AtomicU64,
    /// Advances with every pass of eviction; pages note the value when they are used.
    generation: AtomicU32,
    trees: Mutex<Vec<Weak<dyn Evict>>>,
    next_tree: AtomicU64,
    /// Writers of leaf pages that nobody uses now: their buffers are worth keeping.
    leaf_writers: Mutex<Vec<RowLeafWriter>>,
    wake: Mutex<bool>,
    wake_signal: Condvar,
    stopping: AtomicBool,
}

impl Cache {
    /// An empty cache.
    pub fn new(limits: CacheLimits) -> Arc<Self> {
        let cache = Self {
            limits: Mutex::new(limits),
            target: AtomicU64::new(0),
            trigger: AtomicU64::new(0),
            dirty_target: AtomicU64::new(0),
            dirty_trigger: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dirty_bytes: AtomicU64::new(0),
            generation: AtomicU32::new(1),
            trees: Mutex::new(Vec::new()),
            next_tree: AtomicU64::new(0),
            leaf_writers: Mutex::new(Vec::new()),
            wake: Mutex::new(false),
            wake_signal: Condvar::new(),
            stopping: AtomicBool::new(false),
        };
        cache.set_limits(limits);
        Arc::new(cache)
    }

    pub(crate) fn set_limits(&self, limits: CacheLimits) {
        *self.limits.lock() = limits;
        self.target.store(limits.target, Ordering::Relaxed);
        self.trigger.store(limits.trigger, Ordering::Relaxed);
        self.dirty_target.store(limits.dirty_target, Ordering::Relaxed);
        self.dirty_trigger.store(limits.dirty_trigger, Ordering::Relaxed);
    }

    pub(crate) fn limits(&self) -> CacheLimits {
        *self.limits.lock()
    }

    pub(crate) fn register(&self, tree: Weak<dyn Evict>) {
        let mut trees = self.trees.lock();
        trees.retain(|tree| tree.strong_count() > 0);
        trees.push(tree);
    }

    #[inline]
    pub(crate) fn add(&self, bytes: usize) {
        let now = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if now > self.target.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[inline]
    pub(crate) fn sub(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn add_dirty(&self, bytes: usize) {
        let now = self.dirty_bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if now > self.dirty_target.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[inline]
    pub(crate) fn sub_dirty(&self, bytes: usize) {
        self.dirty_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes that pages use.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that dirty pages use.
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    pub(crate) fn advance_generation(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether application threads have to help (or wait) before they make more pages or versions.
    #[inline]
    pub(crate) fn over_trigger(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.trigger.load(Ordering::Relaxed)
            || self.dirty_bytes.load(Ordering::Relaxed) > self.dirty_trigger.load(Ordering::Relaxed)
    }

    /// Whether a thread that brings a page into memory should evict others first.
    #[inline]
    pub(crate) fn over_space_trigger(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.trigger.load(Ordering::Relaxed)
    }

    /// What eviction should do now; `None`: nothing. Once at work it goes on (`draining`) until a little below its targets,
    /// so that it isn't woken for every page.
    pub(crate) fn want(&self, draining: bool) -> Option<Want> {
        let bytes = self.bytes();
        let (target, dirty_target) = (self.target.load(Ordering::Relaxed), self.dirty_target.load(Ordering::Relaxed));
        let below = |target: u64| if draining { target - target / 32 } else { target };
        let space = bytes > below(target);
        let clean = self.dirty_bytes() > below(dirty_target);
        let aggressive = bytes > self.trigger.load(Ordering::Relaxed);
        (space || clean).then_some(Want { space, clean, aggressive })
    }

    /// One round over some trees; returns what [`Evict::evict_some`] did.
    pub(crate) fn evict_round(&self, want: Want) -> u64 {
        let trees: Vec<Arc<dyn Evict>> = self.trees.lock().iter().filter_map(Weak::upgrade).collect();
        if trees.is_empty() {
            return 0;
        }
        let start = self.next_tree.fetch_add(1, Ordering::Relaxed) as usize;
        let mut done = 0;
        for step in 0..trees.len() {
            if let Some(tree) = trees.get((start + step) % trees.len()) {
                done += tree.evict_some(want);
            }
            if done > 1 << 20 {
                break;
            }
        }
        done
    }

    /// A writer of leaf pages for a file of these settings.
    pub(crate) fn take_leaf_writer(&self, config: LeafConfig) -> RowLeafWriter {
        match self.leaf_writers.lock().pop() {
            Some(writer) => writer.with_config(config),
            None => RowLeafWriter::new(config),
        }
    }

    /// Keeps a writer for the next page that is written.
    pub(crate) fn give_back_leaf_writer(&self, writer: RowLeafWriter) {
        let mut writers = self.leaf_writers.lock();
        if writers.len() < LEAF_WRITERS && writer.buffer_bytes() <= LEAF_WRITER_BYTES {
            writers.push(writer);
        }
    }

    /// Wakes the eviction threads.
    pub(crate) fn wake(&self) {
        if let Some(mut wake) = self.wake.try_lock()
            && !*wake
        {
            *wake = true;
            self.wake_signal.notify_one();
        }
    }

    /// Sleeps until there may be work, at most `timeout`. False: the cache is closing.
    pub(crate) fn wait_for_work(&self, timeout: Duration) -> bool {
        let mut wake = self.wake.lock();
        if !*wake && !self.stopping.load(Ordering::Acquire) {
            self.wake_signal.wait_for(&mut wake, timeout);
        }
        *wake = false;
        !self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        *self.wake.lock() = true;
        self.wake_signal.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overhead_leaves_less_of_the_cache_to_pages() {
        let limits = CacheLimits::of_size(108 << 20);
        assert_eq!(limits.with_overhead(0), limits);
        assert_eq!(limits.with_overhead(8).size, 100 << 20);
        let most = CacheLimits { size: u64::MAX, ..limits }.with_overhead(30);
        assert!(most.size < u64::MAX && most.trigger < limits.trigger && most.dirty_target < limits.dirty_target);
    }
}

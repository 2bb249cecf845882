//! Deferred freeing of memory that readers may still see.
//!
//! Two kinds of readers exist. A thread **inside an operation** is *pinned*: it published the epoch at which it began. A
//! cursor that **rests on a page between calls** is not pinned (it would stop reclamation for as long as the application
//! likes) but has a *hazard slot* that names the page.
//!
//! Invariants:
//! 1. An address is retired only after the last pointer to it in any shared structure was replaced.
//! 2. A retired address is tagged with the epoch `e` in force, and the epoch then advances: a participant that can have
//!    loaded the pointer was pinned before, at an epoch `<= e`.
//! 3. It is freed only when every pinned participant is at an epoch `> e` and no hazard slot names it.
//! 4. A hazard slot is set only by a pinned thread (or cleared), so once (3)'s first half holds no *new* hazard can appear:
//!    a hazard that was set during a pin is visible to the thread that sees that pin gone (release/acquire on the epoch).
//!
//! It does not bound how much waits: a pinned thread delays everything retired since. Operations pin for one page at most.

use super::Mutex;
use super::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

/// A thing that [`Reclaimer::retire`] takes: an owned allocation and how to free it.
struct Retired {
    address: *mut (),
    free: unsafe fn(*mut ()),
    epoch: u64,
    bytes: usize,
}

// SAFETY: a retired allocation is owned by the list alone; `retire` demands that its contents may be dropped on any thread.
unsafe impl Send for Retired {}

/// One domain of deferred freeing: a connection has one.
pub(crate) struct Reclaimer {
    epoch: AtomicU64,
    participants: Mutex<Vec<Arc<Participant>>>,
    hazards: Mutex<Vec<Arc<HazardSlot>>>,
    retired: Mutex<VecDeque<Retired>>,
    retired_bytes: AtomicU64,
}

/// A thread's (session's) place in the domain. `UNPINNED` or the epoch at which the running operation began.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Participant {
    epoch: AtomicU64,
}

/// Names one allocation that must not be freed although nobody is pinned.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct HazardSlot {
    address: AtomicPtr<()>,
}

const UNPINNED: u64 = u64::MAX;

impl Reclaimer {
    pub(crate) fn new() -> Self {
        Self {
            epoch: AtomicU64::new(1),
            participants: Mutex::new(Vec::new()),
            hazards: Mutex::new(Vec::new()),
            retired: Mutex::new(VecDeque::new()),
            retired_bytes: AtomicU64::new(0),
        }
    }

    /// Registers a participant; [`Reclaimer::leave`] ends it.
    pub(crate) fn join(&self) -> Arc<Participant> {
        let participant = Arc::new(Participant { epoch: AtomicU64::new(UNPINNED) });
        self.participants.lock().push(Arc::clone(&participant));
        participant
    }

    pub(crate) fn leave(&self, participant: &Arc<Participant>) {
        self.participants.lock().retain(|other| !Arc::ptr_eq(other, participant));
    }

    /// Registers a hazard slot; [`Reclaimer::drop_hazard`] ends it.
    pub(crate) fn new_hazard(&self) -> Arc<HazardSlot> {
        let slot = Arc::new(HazardSlot { address: AtomicPtr::new(ptr::null_mut()) });
        self.hazards.lock().push(Arc::clone(&slot));
        slot
    }

    pub(crate) fn drop_hazard(&self, slot: &Arc<HazardSlot>) {
        self.hazards.lock().retain(|other| !Arc::ptr_eq(other, slot));
    }

    /// Begins an operation: what is loaded from shared structures until [`Reclaimer::unpin`] stays allocated.
    #[inline]
    pub(crate) fn pin(&self, participant: &Participant) {
        // The epoch may advance between the load and the store: the published value is then merely older, which is safe.
        // Released, because whoever frees may read this value instead of the one that `unpin` left: what the operation
        // before this one read was read before it is freed.
        participant.epoch.store(self.epoch.load(Ordering::Relaxed), Ordering::Release);
        // Orders the publication before every load of the operation, against the fence in `collect`.
        fence(Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn unpin(&self, participant: &Participant) {
        participant.epoch.store(UNPINNED, Ordering::Release);
    }

    /// Bytes that wait to be freed.
    pub(crate) fn retired_bytes(&self) -> u64 {
        self.retired_bytes.load(Ordering::Relaxed)
    }

    /// Hands over an allocation to be dropped when nobody can see it any more.
    ///
    /// # Safety
    /// `address` came from `Box::into_raw`, is no longer reachable from any shared structure, is retired once, and its
    /// drop may run on any thread.
    pub(crate) unsafe fn retire<T>(&self, address: *mut T, bytes: usize) {
        unsafe fn free<T>(address: *mut ()) {
            // SAFETY: `retire`'s contract: a box, owned by the retired list alone.
            drop(unsafe { Box::from_raw(address.cast::<T>()) });
        }
        // Orders the unlinking before the reading of the epoch tag.
        fence(Ordering::SeqCst);
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst);
        let mut retired = self.retired.lock();
        retired.push_back(Retired { address: address.cast(), free: free::<T>, epoch, bytes });
        self.retired_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Frees what nobody can see any more; returns the bytes freed. Cheap when nothing waits.
    pub(crate) fn collect(&self) -> usize {
        if self.retired_bytes.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let mut batch = Vec::new();
        {
            let mut retired = self.retired.lock();
            if retired.is_empty() {
                return 0;
            }
            fence(Ordering::SeqCst);
            let oldest_pin = self
                .participants
                .lock()
                .iter()
                .map(|participant| participant.epoch.load(Ordering::Acquire))
                .min()
                .unwrap_or(UNPINNED);
            let mut hazards: Vec<*mut ()> =
                self.hazards.lock().iter().map(|slot| slot.address.load(Ordering::Acquire)).collect();
            hazards.sort_unstable();
            let mut kept = VecDeque::new();
            while let Some(entry) = retired.pop_front() {
                if entry.epoch < oldest_pin && hazards.binary_search(&entry.address).is_err() {
                    batch.push(entry);
                } else {
                    kept.push_back(entry);
                }
            }
            *retired = kept;
        }
        let mut bytes = 0;
        for entry in batch {
            bytes += entry.bytes;
            // SAFETY: invariant 3 holds for the entry, and it left the list, so this is the only drop.
            unsafe { (entry.free)(entry.address) };
        }
        self.retired_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        bytes
    }
}

impl Drop for Reclaimer {
    fn drop(&mut self) {
        for entry in self.retired.get_mut().drain(..) {
            // SAFETY: the domain ends, so no participant or hazard of it is in use any more.
            unsafe { (entry.free)(entry.address) };
        }
    }
}

impl HazardSlot {
    /// Protects `address` (a null pointer: nothing). The caller is pinned, or `address` is what the slot holds already.
    #[inline]
    pub(crate) fn set<T>(&self, address: *const T) {
        self.address.store(address.cast_mut().cast(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn clear(&self) {
        self.address.store(ptr::null_mut(), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn retire(reclaimer: &Reclaimer, freed: &Arc<AtomicUsize>) -> *mut Counted {
        let address = Box::into_raw(Box::new(Counted(Arc::clone(freed))));
        // SAFETY: a fresh box that nothing else points to.
        unsafe { reclaimer.retire(address, 8) };
        address
    }

    #[test]
    fn a_pin_delays_what_is_retired_after_it() {
        let reclaimer = Reclaimer::new();
        let freed = Arc::new(AtomicUsize::new(0));
        let reader = reclaimer.join();
        retire(&reclaimer, &freed);
        reclaimer.pin(&reader);
        retire(&reclaimer, &freed);
        reclaimer.collect();
        assert_eq!(freed.load(Ordering::SeqCst), 1, "only what was retired before the pin");
        reclaimer.unpin(&reader);
        reclaimer.collect();
        assert_eq!(freed.load(Ordering::SeqCst), 2);
        assert_eq!(reclaimer.retired_bytes(), 0);
    }

    #[test]
    fn a_hazard_outlives_the_pin() {
        let reclaimer = Reclaimer::new();
        let freed = Arc::new(AtomicUsize::new(0));
        let reader = reclaimer.join();
        let hazard = reclaimer.new_hazard();
        reclaimer.pin(&reader);
        let address = Box::into_raw(Box::new(Counted(Arc::clone(&freed))));
        hazard.set(address);
        reclaimer.unpin(&reader);
        // SAFETY: a fresh box that only the hazard slot names.
        unsafe { reclaimer.retire(address, 8) };
        reclaimer.collect();
        assert_eq!(freed.load(Ordering::SeqCst), 0);
        hazard.clear();
        reclaimer.collect();
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn readers_never_see_freed_memory() {
        let rounds = if cfg!(miri) { 50 } else { 20_000 };
        let reclaimer = Arc::new(Reclaimer::new());
        let shared = Arc::new(AtomicPtr::new(Box::into_raw(Box::new(1_u64))));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (reclaimer, shared) = (Arc::clone(&reclaimer), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let me = reclaimer.join();
                    for _ in 0..rounds {
                        reclaimer.pin(&me);
                        // SAFETY: pinned, and the writer retires only what it unlinked.
                        let value = unsafe { *shared.load(Ordering::Acquire) };
                        reclaimer.unpin(&me);
                        assert_ne!(value, 0);
                    }
                })
            })
            .collect();
        for value in 2..rounds {
            let old = shared.swap(Box::into_raw(Box::new(value)), Ordering::AcqRel);
            // SAFETY: `old` was unlinked by the swap.
            unsafe { reclaimer.retire(old, 8) };
            reclaimer.collect();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        // SAFETY: the readers are gone.
        drop(unsafe { Box::from_raw(shared.load(Ordering::Relaxed)) });
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc as LoomArc;

    /// What stands for memory: reading it while it is freed, or after, is a race that loom reports.
    type Memory = LoomArc<[UnsafeCell<bool>; 2]>;

    /// What is retired in its place: freeing it is a write.
    struct Page(Memory, usize);

    impl Drop for Page {
        fn drop(&mut self) {
            // SAFETY: loom checks that nobody reads it at the same time; the memory itself lives on.
            self.0[self.1].with_mut(|freed| unsafe { *freed = true });
        }
    }

    struct Shared {
        reclaimer: Reclaimer,
        current: AtomicPtr<Page>,
        pages: [*mut Page; 2],
        memory: Memory,
    }

    // SAFETY: the pages are boxes that only the reclaimer frees.
    unsafe impl Send for Shared {}
    // SAFETY: as above.
    unsafe impl Sync for Shared {}

    impl Shared {
        fn new() -> LoomArc<Self> {
            let memory: Memory = LoomArc::new([UnsafeCell::new(false), UnsafeCell::new(false)]);
            let pages = [0, 1].map(|index| Box::into_raw(Box::new(Page(memory.clone(), index))));
            LoomArc::new(Self { reclaimer: Reclaimer::new(), current: AtomicPtr::new(pages[0]), pages, memory })
        }

        /// Uses what an address leads to.
        fn read(&self, address: *mut Page) {
            let index = usize::from(address == self.pages[1]);
            // SAFETY: loom checks that nobody writes at the same time.
            self.memory[index].with(|freed| assert!(!unsafe { *freed }, "use after free"));
        }

        /// Unlinks the first page, and frees what may be freed.
        fn replace(&self) {
            let old = self.current.swap(self.pages[1], Ordering::AcqRel);
            // SAFETY: unlinked by the swap, once.
            unsafe { self.reclaimer.retire(old, 8) };
            self.reclaimer.collect();
        }
    }

    impl Drop for Shared {
        fn drop(&mut self) {
            // SAFETY: `replace` leaves this page linked, and no thread is left.
            drop(unsafe { Box::from_raw(self.pages[1]) });
        }
    }

    #[test]
    fn a_pinned_reader_is_waited_for() {
        loom::model(|| {
            let shared = Shared::new();
            let reader = {
                let (shared, me) = (shared.clone(), shared.reclaimer.join());
                loom::thread::spawn(move || {
                    // Twice: a collector may take the second pin for the end of the first.
                    for _ in 0..2 {
                        shared.reclaimer.pin(&me);
                        shared.read(shared.current.load(Ordering::Acquire));
                        shared.reclaimer.unpin(&me);
                    }
                })
            };
            shared.replace();
            reader.join().unwrap();
            shared.reclaimer.collect();
        });
    }

    #[test]
    fn what_a_hazard_slot_names_outlives_the_pin() {
        loom::model(|| {
            let shared = Shared::new();
            let reader = {
                let (shared, me, hazard) = (shared.clone(), shared.reclaimer.join(), shared.reclaimer.new_hazard());
                loom::thread::spawn(move || {
                    shared.reclaimer.pin(&me);
                    let page = shared.current.load(Ordering::Acquire);
                    hazard.set(page);
                    shared.reclaimer.unpin(&me);
                    shared.read(page);
                    hazard.clear();
                })
            };
            shared.replace();
            shared.reclaimer.collect();
            reader.join().unwrap();
            shared.reclaimer.collect();
        });
    }
}

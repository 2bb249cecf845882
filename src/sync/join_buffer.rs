//! A buffer that many threads fill at once: each reserves a part, copies into it without any lock, and says that it is done.
//! Whoever makes it complete, the last to be done or the one who closed it, is told so, and writes it out.
//!
//! Invariants
//! 1. One word holds the whole state: bytes reserved, bytes copied, and whether the buffer is closed. Reserving fails once it
//!    is closed, so a closed buffer's length is final.
//! 2. Reserved parts don't overlap: each is the difference of one successful change of the word. Only its owner writes it.
//! 3. Copying is published with the count (release), and whoever sees a closed buffer with all bytes copied (acquire) sees
//!    all of them. Of all threads exactly one is told so: the word reaches that state with one change.
//! 4. A complete buffer is read by the one who was told, and by nobody else, until that one opens it again.

#[cfg(loom)]
use loom::cell::UnsafeCell;
#[cfg(not(loom))]
use std::cell::UnsafeCell;

use super::atomic::{AtomicU64, Ordering};

/// See the module.
pub(crate) struct JoinBuffer {
    state: AtomicU64,
    bytes: Box<[UnsafeCell<u8>]>,
}

const CLOSED: u64 = 1 << 63;
const COPIED_SHIFT: u32 = 32;
const COUNT: u64 = (1 << 31) - 1;

fn reserved(state: u64) -> u64 {
    state & COUNT
}

fn is_complete(state: u64) -> bool {
    state & CLOSED != 0 && (state >> COPIED_SHIFT) & COUNT == reserved(state)
}

// SAFETY: parts of `bytes` are written by their one owner and read after all were published (invariants 2 to 4).
unsafe impl Sync for JoinBuffer {}
// SAFETY: bytes and a number; nothing is bound to a thread.
unsafe impl Send for JoinBuffer {}

/// A reserved part. Dropping it without [`Part::fill`] would leave the buffer incomplete for ever, so there is no way to.
#[must_use]
pub(crate) struct Part<'a> {
    buffer: &'a JoinBuffer,
    /// Where it begins.
    pub(crate) offset: usize,
    len: usize,
}

impl JoinBuffer {
    /// A closed, complete, empty buffer of so many bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity as u64 <= COUNT, "a join buffer's counts have 31 bits");
        let bytes = (0..capacity).map(|_| UnsafeCell::new(0)).collect();
        Self { state: AtomicU64::new(CLOSED), bytes }
    }

    /// Opens a complete buffer, empty. Only the one who was told that it is complete (or made it) may do so.
    pub(crate) fn open(&self) {
        debug_assert!(is_complete(self.state.load(Ordering::Relaxed)));
        self.state.store(0, Ordering::Release);
    }

    /// Reserves `len` bytes; `None`: it is closed, or they don't fit.
    #[inline]
    pub(crate) fn join(&self, len: usize) -> Option<Part<'_>> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let offset = reserved(state) as usize;
            if state & CLOSED != 0 || len > self.bytes.len() - offset {
                return None;
            }
            match self.state.compare_exchange_weak(state, state + len as u64, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Part { buffer: self, offset, len }),
                Err(now) => state = now,
            }
        }
    }

    /// Closes the buffer: its length, and whether it is complete. `None`: it was closed already.
    pub(crate) fn close(&self) -> Option<(usize, bool)> {
        let before = self.state.fetch_or(CLOSED, Ordering::AcqRel);
        (before & CLOSED == 0).then(|| (reserved(before) as usize, is_complete(before | CLOSED)))
    }

    /// Bytes reserved so far.
    pub(crate) fn len(&self) -> usize {
        reserved(self.state.load(Ordering::Acquire)) as usize
    }

    /// Gives `read` the contents of a complete buffer. Only the one who was told may call it.
    #[cfg(not(loom))]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        let state = self.state.load(Ordering::Acquire);
        assert!(is_complete(state), "a join buffer is read once it is complete");
        // SAFETY: `UnsafeCell<u8>` has the layout of `u8`; the buffer has more bytes than were reserved, all of them
        // initialized. It is complete: nobody writes it before the caller opens it again (invariants 1 and 4).
        read(unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().cast::<u8>(), reserved(state) as usize) })
    }

    /// The same through loom's cells, which notice a race on any byte.
    #[cfg(loom)]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        let state = self.state.load(Ordering::Acquire);
        assert!(is_complete(state), "a join buffer is read once it is complete");
        let cells = &self.bytes[..reserved(state) as usize];
        // SAFETY: as above.
        let bytes: Vec<u8> = cells.iter().map(|cell| cell.with(|byte| unsafe { *byte })).collect();
        read(&bytes)
    }
}

impl Part<'_> {
    /// Copies `bytes`, which must be as many as were reserved. `true`: the buffer is complete now, and it is up to the caller
    /// to write it.
    #[inline]
    pub(crate) fn fill(self, bytes: &[u8]) -> bool {
        assert_eq!(bytes.len(), self.len, "a part is filled as it was reserved");
        self.copy(bytes);
        let copied = (self.len as u64) << COPIED_SHIFT;
        let after = self.buffer.state.fetch_add(copied, Ordering::AcqRel) + copied;
        is_complete(after)
    }

    #[cfg(not(loom))]
    fn copy(&self, bytes: &[u8]) {
        let part = &self.buffer.bytes[self.offset..self.offset + self.len];
        // SAFETY: the cells of this part are ours alone until they are published (invariant 2); `UnsafeCell<u8>` has the
        // layout of `u8`, and a cell's contents may be written through a shared reference to it.
        unsafe { UnsafeCell::raw_get(part.as_ptr()).copy_from_nonoverlapping(bytes.as_ptr(), self.len) };
    }

    #[cfg(loom)]
    fn copy(&self, bytes: &[u8]) {
        for (cell, byte) in self.buffer.bytes[self.offset..self.offset + self.len].iter().zip(bytes) {
            // SAFETY: as above.
            cell.with_mut(|cell| unsafe { *cell = *byte });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn parts_follow_each_other_and_the_last_one_done_is_told() {
        let buffer = JoinBuffer::new(8);
        assert!(buffer.join(1).is_none(), "it begins closed");
        buffer.open();
        let (first, second) = (buffer.join(3).unwrap(), buffer.join(4).unwrap());
        assert!(buffer.join(2).is_none(), "full");
        assert_eq!((first.offset, second.offset, buffer.len()), (0, 3, 7));
        assert!(!second.fill(b"4567"));
        assert_eq!(buffer.close(), Some((7, false)));
        assert_eq!(buffer.close(), None);
        assert!(first.fill(b"123"));
        buffer.read(|bytes| assert_eq!(bytes, b"1234567"));
        buffer.open();
        assert_eq!(buffer.close(), Some((0, true)), "empty and complete");
    }

    #[test]
    fn many_threads_fill_many_buffers() {
        const THREADS: u8 = 4;
        let rounds = if cfg!(miri) { 20 } else { 2000 };
        let buffer = JoinBuffer::new(64);
        let written = AtomicUsize::new(0);
        let write = |buffer: &JoinBuffer| {
            buffer.read(|bytes| {
                for part in bytes.chunks(4) {
                    assert_eq!(part, [part[0]; 4]);
                }
                written.fetch_add(bytes.len(), Ordering::Relaxed);
            });
            buffer.open();
        };
        buffer.open();
        std::thread::scope(|scope| {
            for thread in 1..=THREADS {
                let (buffer, write) = (&buffer, &write);
                scope.spawn(move || {
                    for _ in 0..rounds {
                        loop {
                            if let Some(part) = buffer.join(4) {
                                if part.fill(&[thread; 4]) {
                                    write(buffer);
                                }
                                break;
                            }
                            if let Some((_, true)) = buffer.close() {
                                write(buffer);
                            }
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        if let Some((_, true)) = buffer.close() {
            write(&buffer);
        }
        assert_eq!(written.into_inner(), usize::from(THREADS) * rounds * 4);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicUsize;

    /// Two threads join, a third closes: exactly one is told, and reads what was joined, whole.
    #[test]
    fn exactly_one_writes_all_that_joined() {
        loom::model(|| {
            let buffer = Arc::new(JoinBuffer::new(2));
            let (joined, written) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            buffer.open();
            let write = |buffer: &JoinBuffer, written: &AtomicUsize| {
                buffer.read(|bytes| {
                    assert!(bytes.iter().all(|byte| *byte != 0));
                    assert_eq!(written.fetch_add(bytes.len() + 100, Ordering::SeqCst), 0, "written once");
                });
            };
            let threads: Vec<_> = [1, 2]
                .into_iter()
                .map(|byte| {
                    let (buffer, joined, written) = (Arc::clone(&buffer), Arc::clone(&joined), Arc::clone(&written));
                    loom::thread::spawn(move || {
                        if let Some(part) = buffer.join(1) {
                            joined.fetch_add(1, Ordering::SeqCst);
                            if part.fill(&[byte]) {
                                write(&buffer, &written);
                            }
                        }
                    })
                })
                .collect();
            if let Some((_, true)) = buffer.close() {
                write(&buffer, &written);
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(written.load(Ordering::SeqCst), joined.load(Ordering::SeqCst) + 100);
        });
    }
}

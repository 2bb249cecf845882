//! What a session knows of its open cursors: enough to reset them from outside.
//!
//! Invariants:
//! 1. The list has every open cursor on a file or on an object of a data source, in the order in which they were opened.
//! 2. `positioned_cursors` counts those that are positioned.
//! 3. A cursor is reset by a mark; it follows when it is next used.

use super::Session;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One open cursor. Session and cursor are used by one thread at a time; atomics let both go to another thread.
#[derive(Debug, Default)]
pub(crate) struct OpenCursor {
    positioned: AtomicBool,
    reset: AtomicBool,
    /// The engine doesn't know its position, which needs no snapshot: it isn't counted, and each reset of all reaches it.
    is_foreign: bool,
}

impl OpenCursor {
    /// Whether the session has reset the cursor since its last use.
    #[inline]
    pub(crate) fn is_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }

    /// The cursor has done what the mark asks for.
    #[inline]
    pub(crate) fn followed(&self) {
        self.reset.store(false, Ordering::Relaxed);
    }
}

impl Session {
    pub(crate) fn cursor_opened(&self) -> Arc<OpenCursor> {
        let cursor = Arc::new(OpenCursor::default());
        self.open_cursors.borrow_mut().push(Arc::clone(&cursor));
        cursor
    }

    /// A cursor on an object of a data source.
    pub(crate) fn foreign_cursor_opened(&self) -> Arc<OpenCursor> {
        let cursor = Arc::new(OpenCursor { is_foreign: true, ..OpenCursor::default() });
        self.open_cursors.borrow_mut().push(Arc::clone(&cursor));
        cursor
    }

    /// The cursor is not positioned any more.
    pub(crate) fn cursor_closed(&self, cursor: &Arc<OpenCursor>) {
        let mut open = self.open_cursors.borrow_mut();
        if let Some(index) = open.iter().rposition(|other| Arc::ptr_eq(other, cursor)) {
            open.remove(index);
        }
    }

    #[inline]
    pub(crate) fn positioned(&self, cursor: &OpenCursor) {
        cursor.positioned.store(true, Ordering::Relaxed);
        self.positioned_cursors.set(self.positioned_cursors.get() + 1);
    }

    #[inline]
    pub(crate) fn unpositioned(&self, cursor: &OpenCursor) {
        cursor.positioned.store(false, Ordering::Relaxed);
        self.positioned_cursors.set(self.positioned_cursors.get().saturating_sub(1));
        self.settle();
    }

    /// Lets the snapshot go if nothing needs it any more: no transaction at snapshot isolation, no positioned cursor.
    #[inline]
    pub(crate) fn settle(&self) {
        if self.positioned_cursors.get() == 0 && !self.holds_snapshot() {
            self.txn.borrow_mut().release_snapshot();
        }
    }

    /// Resets all positioned cursors: their positions, keys and values, not their bounds.
    pub(crate) fn reset_cursors(&self) {
        for cursor in &*self.open_cursors.borrow() {
            if cursor.positioned.swap(false, Ordering::Relaxed) || cursor.is_foreign {
                cursor.reset.store(true, Ordering::Relaxed);
            }
        }
        self.positioned_cursors.set(0);
        self.settle();
    }

    /// What the failure of an autocommit write does to the session's cursors: from the most recently opened one on, each
    /// is reset, positioned or not, until none is positioned (API specification, section 3.5).
    #[cold]
    pub(crate) fn reset_cursors_after_failure(&self) {
        for cursor in self.open_cursors.borrow().iter().rev() {
            if self.positioned_cursors.get() == 0 {
                break;
            }
            cursor.reset.store(true, Ordering::Relaxed);
            if cursor.positioned.swap(false, Ordering::Relaxed) {
                self.positioned_cursors.set(self.positioned_cursors.get() - 1);
            }
        }
        self.settle();
    }
}

//! The order of a tree's keys: byte-wise, or a collator's.
//!
//! 1. Without a collator nothing here is called in a search: pages compare bytes themselves (`sync::slots`).
//! 2. The empty key is below all others, whatever the collator says: it isn't shown one. Applications can't store it, and
//!    trees use it for "the lowest".
//! 3. A comparison can't fail where it is made, in the middle of a search. If the collator fails, bytes decide and the
//!    error is kept for this thread; whoever relies on the outcome asks [`KeyOrder::check`] before anything comes of it.

use crate::sync::slots::CompareKeys;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::{Error, Result};
use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

thread_local! {
    /// The first failure of a comparison since the last [`KeyOrder::check`].
    static FAILURE: Cell<Option<Error>> = const { Cell::new(None) };
}

/// See the module.
#[derive(Clone, Default)]
pub struct KeyOrder(Option<Arc<dyn CompareKeys>>);

struct Collated(Arc<dyn Collator>);

impl CompareKeys for Collated {
    fn compare(&self, left: &[u8], right: &[u8]) -> Ordering {
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        self.0.compare(left, right).unwrap_or_else(|error| {
            let first = FAILURE.take();
            FAILURE.set(first.or(Some(error)));
            left.cmp(right)
        })
    }
}

impl KeyOrder {
    /// Without a collator.
    pub const BYTE_WISE: Self = Self(None);

    /// The order of a collator; byte-wise without one.
    pub fn of(collator: Option<Arc<dyn Collator>>) -> Self {
        Self(collator.map(|collator| Arc::new(Collated(collator)) as Arc<dyn CompareKeys>))
    }

    /// Whether a collator decides.
    #[inline]
    pub fn is_collated(&self) -> bool {
        self.0.is_some()
    }

    /// Compares two keys; see rule 3.
    #[inline]
    pub fn compare(&self, left: &[u8], right: &[u8]) -> Ordering {
        match &self.0 {
            None => left.cmp(right),
            Some(order) => order.compare(left, right),
        }
    }

    /// What comparisons of this thread have failed with since the last call.
    ///
    /// # Errors
    /// The collator's error.
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.0.is_none() { Ok(()) } else { take_failure() }
    }

    /// For the slots of a page.
    pub(super) fn for_slots(&self) -> Option<Arc<dyn CompareKeys>> {
        self.0.clone()
    }
}

#[cold]
fn take_failure() -> Result<()> {
    FAILURE.take().map_or(Ok(()), Err)
}

impl fmt::Debug for KeyOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_collated() { "KeyOrder(a collator's)" } else { "KeyOrder(byte-wise)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Odd;

    impl Collator for Odd {
        fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
            if left == b"bad" { Err(Error::invalid("bad")) } else { Ok(right.cmp(left)) }
        }
    }

    #[test]
    fn failures_are_kept_until_somebody_asks() {
        let order = KeyOrder::of(Some(Arc::new(Odd)));
        assert_eq!(order.compare(b"a", b"b"), Ordering::Greater);
        assert_eq!((order.compare(b"", b"b"), order.compare(b"bad", b"")), (Ordering::Less, Ordering::Greater));
        order.check().unwrap();
        assert_eq!(order.compare(b"bad", b"c"), Ordering::Less);
        assert_eq!(order.check().unwrap_err().to_string(), "bad");
        order.check().unwrap();
    }
}

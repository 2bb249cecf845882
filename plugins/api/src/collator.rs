//! The collator extension point: the order of the keys of a table, a file or an index.
//!
//! What the engine promises:
//! 1. Keys are given in their packed form.
//! 2. [`Collator::compare`] may be called from any number of threads at once.
//! 3. [`Collator::customize`] runs each time an object with this collator is opened; the instance it makes belongs to that
//!    object, and is terminated when the object is closed.
//!
//! What a collator promises: a total order that never changes. Rows that were written in another order can't be found again.
//!
//! Source: extensions specification, section 9.

use crate::Result;
use crate::config::Item;
use std::cmp::Ordering;
use std::sync::Arc;

/// An order of keys.
pub trait Collator: Send + Sync {
    /// Compares two packed keys.
    ///
    /// An error fails the call that needed the comparison.
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering>;

    /// An instance for the object `uri` that is being opened; `None` means: this one serves it.
    ///
    /// `app_metadata` is the value of that key in the object's configuration.
    fn customize(&self, uri: &str, app_metadata: Option<Item<'_>>) -> Result<Option<Arc<dyn Collator>>> {
        let _ = (uri, app_metadata);
        Ok(None)
    }

    /// Called once: for a customized instance when its object is closed, for a registered one when the connection is.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

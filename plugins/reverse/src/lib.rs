//! The collator `reverse`: byte-wise order, turned around. `b` comes before `a`, and a key before its own prefixes.
//!
//! Source: extensions specification, section 9.1.
#![forbid(unsafe_code)]

use hardwired_plugin::Result;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::extension::Extension;
use std::cmp::Ordering;
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The collator.
    pub static EXTENSION: Extension =
        Extension::collator("reverse", hardwired_plugin::origin!(), |context| {
            context.no_options()?;
            Ok(Arc::new(Reverse))
        })
        .with_library_names(&["reverse_collator"]);
}

/// The collator.
#[derive(Debug)]
pub struct Reverse;

impl Collator for Reverse {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        Ok(right.cmp(left))
    }
}

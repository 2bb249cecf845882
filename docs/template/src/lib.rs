//! The collator `acme-caseless`: ASCII letters in alphabetical order whatever their case. Keys that differ in case only are
//! different keys, the one in capitals first.
//!
//! Options, in the entry's `config=`:
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `reverse` | false | the last key first |
#![forbid(unsafe_code)]

use hardwired_plugin::Result;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::config::ConfigParser;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use std::cmp::Ordering;
use std::sync::Arc;

hardwired_plugin::register_extension! {
    /// The collator's descriptor.
    pub static EXTENSION: Extension = Extension::collator("acme-caseless", hardwired_plugin::origin!(), open);
}

/// The collator.
#[derive(Debug, Default)]
pub struct Caseless {
    /// The last key first.
    pub reverse: bool,
}

/// Reads the options; one that isn't known is an error.
fn open(context: &ExtensionContext<'_>) -> Result<Arc<dyn Collator>> {
    let mut collator = Caseless::default();
    for item in ConfigParser::new(context.config()) {
        let (key, value) = item?;
        match key.text() {
            "reverse" => collator.reverse = value.as_bool()?,
            _ => return Err(context.unexpected(key.text(), value.text())),
        }
    }
    Ok(Arc::new(collator))
}

impl Collator for Caseless {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        let letters = |key: &[u8]| key.to_ascii_lowercase();
        let order = letters(left).cmp(&letters(right)).then_with(|| left.cmp(right));
        Ok(if self.reverse { order.reverse() } else { order })
    }
}

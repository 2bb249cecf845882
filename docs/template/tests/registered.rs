//! The registration: a program that names the crate finds the extension by its name, and gets what its options ask for.

use acme_caseless as _;

use hardwired_plugin::Result;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::extension::{Constructor, ExtensionContext, ExtensionKind, MessageLevel, Messages};
use hardwired_plugin::registry::Registry;
use hardwired_plugin::services::OfflineServices;
use std::cmp::Ordering;
use std::sync::Arc;

struct Quiet;

impl Messages for Quiet {
    fn message(&self, _: MessageLevel, _: &str) {}
}

/// What `extensions=[acme-caseless=(config=...)]` makes.
fn make(config: &str) -> Result<Arc<dyn Collator>> {
    let registry = Registry::collect(&[], &[])?;
    let extension = registry.get(ExtensionKind::Collator, "acme-caseless").expect("it is linked");
    let Constructor::Collator(construct) = extension.constructor() else { panic!("{extension} is a collator") };
    construct(&ExtensionContext::new(config, OfflineServices::new(Arc::new(Quiet))))
}

#[test]
fn it_is_linked_under_its_name_and_alone() {
    let registry = Registry::collect(&[], &[]).unwrap();
    let names: Vec<String> = registry.iter().map(ToString::to_string).collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(names, [format!("acme-caseless (collator, from acme-caseless {version})")]);
}

#[test]
fn its_options_are_those_it_documents() {
    assert_eq!(make("").unwrap().compare(b"a", b"B").unwrap(), Ordering::Less);
    assert_eq!(make("reverse=true").unwrap().compare(b"a", b"B").unwrap(), Ordering::Greater);
    for wrong in ["revers=true", "reverse=maybe"] {
        assert!(make(wrong).is_err(), "{wrong}");
    }
}

//! The link-time registry: which extensions this program contains.
//!
//! 1. [`register_extension!`](crate::register_extension) puts a descriptor into a slice that the linker assembles
//!    (`linkme`); on wasm32 and under Miri, where that can't work, into an `inventory`. Users of the macro see no difference
//!    and need neither crate.
//! 2. The identifier of the slice contains the generation of the interface ([`API_GENERATION`]).
//! 3. A crate that no code names is not linked, and its registrations silently aren't there. So the engine names its
//!    built-in extensions in a const list, an application names a third party's crate once (`use their_crate as _;`), and
//!    [`Registry::collect`] merges list and slice.
//! 4. Link order means nothing: a registry is sorted by kind and name.
//! 5. Two different extensions of one kind and name are refused; what the application gives explicitly wins.
//!
//! A registry belongs to a connection. There is no process-wide state beyond what the linker has put together.

use crate::extension::{API_GENERATION, Extension, ExtensionKind};
use crate::{Error, Result};

/// The extensions a connection can load: merged, free of duplicates, sorted by kind and name.
#[derive(Debug, Clone)]
pub struct Registry {
    extensions: Vec<&'static Extension>,
}

impl Registry {
    /// Merges the engine's `built_in` list, the link-time slice and what the application has `given`.
    ///
    /// A given extension replaces a linked one of the same kind and name. `EINVAL`: two different extensions of one kind
    /// and name among the linked ones, or among the given ones; the message names both origins.
    pub fn collect(built_in: &[&'static Extension], given: &[&'static Extension]) -> Result<Self> {
        let linked: Vec<_> = built_in.iter().copied().chain(slice()).collect();
        Self::merge(&linked, given)
    }

    /// [`collect`](Self::collect) without the link-time slice: `linked` takes its place.
    pub fn merge(linked: &[&'static Extension], given: &[&'static Extension]) -> Result<Self> {
        let mut extensions = unique(given)?;
        for extension in unique(linked)? {
            if !extensions.iter().any(|chosen| slot(chosen) == slot(extension)) {
                extensions.push(extension);
            }
        }
        extensions.sort_by_key(|extension| slot(extension));
        Ok(Self { extensions })
    }

    /// All extensions, by kind and name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'static Extension> + '_ {
        self.extensions.iter().copied()
    }

    /// The extension of that kind and exact name.
    pub fn get(&self, kind: ExtensionKind, name: &str) -> Option<&'static Extension> {
        self.iter().find(|extension| extension.kind() == kind && extension.name() == name)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.extensions.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.extensions.len()
    }
}

fn slot(extension: &Extension) -> (ExtensionKind, &'static str) {
    (extension.kind(), extension.name())
}

/// Drops repeated descriptors; refuses different ones that claim one kind and name.
fn unique(extensions: &[&'static Extension]) -> Result<Vec<&'static Extension>> {
    let mut unique = extensions.to_vec();
    // Sorting by the whole identity makes the message independent of link order.
    unique.sort_by_key(|extension| extension.identity());
    unique.dedup_by(|left, right| left.is_same(right));
    for pair in unique.windows(2) {
        if let [first, second] = pair
            && slot(first) == slot(second)
        {
            return Err(Error::invalid(format!(
                "two different extensions are linked as {} '{}': one from {}, one from {}; remove one of the crates, or \
                 give the wanted extension to the connection explicitly",
                first.kind(),
                first.name(),
                first.origin(),
                second.origin(),
            )));
        }
    }
    Ok(unique)
}

/// Defines an extension's descriptor and announces it to every program that links the crate.
///
/// ```
/// # use hardwired_plugin::extension::{Extension, ExtensionContext};
/// # use hardwired_plugin::key_provider::KeyProvider;
/// # fn open(_: &ExtensionContext<'_>) -> hardwired_plugin::Result<std::sync::Arc<dyn KeyProvider>> {
/// #     Err(hardwired_plugin::Error::unsupported("an example"))
/// # }
/// hardwired_plugin::register_extension! {
///     /// Keys from the cellar.
///     pub static CELLAR: Extension = Extension::key_provider("cellar", hardwired_plugin::origin!(), open);
/// }
/// # fn main() {
/// let registry = hardwired_plugin::registry::Registry::collect(&[], &[]).unwrap();
/// assert!(registry.iter().any(|extension| extension.is_same(&CELLAR)));
/// # }
/// ```
///
/// The application (or another crate that it uses) has to name the crate once, else the linker never sees it:
/// `use their_crate as _;`.
#[macro_export]
macro_rules! register_extension {
    ($(#[$attribute:meta])* $visibility:vis static $name:ident: $type:ty = $value:expr;) => {
        $(#[$attribute])*
        $visibility static $name: $type = $value;
        const _: () = {
            $crate::__submit_extension!($name);
        };
    };
}

#[cfg(not(any(target_family = "wasm", miri)))]
mod link {
    use super::Extension;

    /// What the linker has put together. The name ends in the interface's generation.
    #[doc(hidden)]
    #[linkme::distributed_slice]
    pub static HARDWIRED_EXTENSIONS_1: [&'static Extension];

    pub(super) fn slice() -> impl Iterator<Item = &'static Extension> {
        HARDWIRED_EXTENSIONS_1.iter().copied()
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __submit_extension {
        ($name:ident) => {
            #[$crate::registry::__private::linkme::distributed_slice(
                $crate::registry::__private::HARDWIRED_EXTENSIONS_1
            )]
            #[linkme(crate = $crate::registry::__private::linkme)]
            static REGISTRATION: &$crate::extension::Extension = &$name;
        };
    }
}

#[cfg(any(target_family = "wasm", miri))]
mod link {
    use super::Extension;

    /// A registration. The name ends in the interface's generation.
    #[doc(hidden)]
    pub struct Registration1(pub &'static Extension);

    inventory::collect!(Registration1);

    pub(super) fn slice() -> impl Iterator<Item = &'static Extension> {
        inventory::iter::<Registration1>.into_iter().map(|registration| registration.0)
    }

    #[doc(hidden)]
    #[macro_export]
    macro_rules! __submit_extension {
        ($name:ident) => {
            $crate::registry::__private::inventory::submit! {
                $crate::registry::__private::Registration1(&$name)
            }
        };
    }
}

use link::slice;

/// What the macros expand to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(not(any(target_family = "wasm", miri)))]
    pub use super::link::HARDWIRED_EXTENSIONS_1;
    #[cfg(any(target_family = "wasm", miri))]
    pub use super::link::Registration1;
    #[cfg(any(target_family = "wasm", miri))]
    pub use inventory;
    #[cfg(not(any(target_family = "wasm", miri)))]
    pub use linkme;
}

// The generation in the identifiers above, and the crate's version: two releases that cargo would link side by side
// must not share a slice.
const _: () = assert!(API_GENERATION == 1);

#[cfg(test)]
#[allow(unsafe_code, reason = "a registration is a link section; the lint sees it only in the macro's own crate")]
mod tests {
    use super::*;
    use crate::extension::{ExtensionContext, Origin};
    use crate::file_system::FileSystem;
    use crate::key_provider::KeyProvider;
    use std::sync::Arc;

    fn no_keys(_: &ExtensionContext<'_>) -> Result<Arc<dyn KeyProvider>> {
        Err(Error::unsupported("test"))
    }

    fn no_files(_: &ExtensionContext<'_>) -> Result<Arc<dyn FileSystem>> {
        Err(Error::unsupported("test"))
    }

    const HERE: Origin = Origin { crate_name: "here", version: "1.0.0" };
    const THERE: Origin = Origin { crate_name: "there", version: "2.0.0" };
    static A: Extension = Extension::key_provider("a", HERE, no_keys);
    static A_AGAIN: Extension = Extension::key_provider("a", HERE, no_keys);
    static A_OTHER: Extension = Extension::key_provider("a", THERE, no_keys);
    static A_FILES: Extension = Extension::file_system("a", THERE, no_files);
    static B: Extension = Extension::key_provider("b", HERE, no_keys);

    crate::register_extension! {
        static REGISTERED: Extension = Extension::key_provider("registered", crate::origin!(), no_keys);
    }

    fn names(registry: &Registry) -> Vec<String> {
        registry.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_registered_extension_is_found_once_even_when_it_is_also_built_in() {
        let registry = Registry::collect(&[&REGISTERED], &[&REGISTERED]).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(names(&registry), [format!("registered (key provider, from hardwired-plugin {version})")]);
    }

    #[test]
    fn the_order_of_linking_does_not_matter_and_copies_are_dropped() {
        let expected = [
            "a (file system, from there 2.0.0)",
            "a (key provider, from here 1.0.0)",
            "b (key provider, from here 1.0.0)",
        ];
        for linked in [[&B, &A, &A_FILES, &A_AGAIN], [&A_AGAIN, &A_FILES, &A, &B]] {
            assert_eq!(names(&Registry::merge(&linked, &[]).unwrap()), expected);
        }
    }

    #[test]
    fn two_extensions_of_one_name_are_refused_with_both_origins() {
        for linked in [[&A, &B, &A_OTHER], [&A_OTHER, &B, &A]] {
            let error = Registry::merge(&linked, &[]).unwrap_err();
            assert_eq!(error.code(), crate::ErrorCode::EINVAL);
            let text = error.to_string();
            assert!(text.contains("key provider 'a': one from here 1.0.0, one from there 2.0.0"), "{text}");
        }
        assert!(Registry::merge(&[], &[&A, &A_OTHER]).is_err());
    }

    #[test]
    fn what_the_application_gives_wins() {
        let registry = Registry::merge(&[&A, &B], &[&A_OTHER]).unwrap();
        assert_eq!(names(&registry), ["a (key provider, from there 2.0.0)", "b (key provider, from here 1.0.0)"]);
        assert!(registry.get(ExtensionKind::KeyProvider, "b").is_some());
        assert!(registry.get(ExtensionKind::FileSystem, "b").is_none());
    }

    #[test]
    fn the_generation_follows_the_crates_version() {
        // Cargo links 0.1 and 0.2 side by side: each such step needs a generation of its own.
        assert_eq!((env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR")), ("0", "1"));
        assert_eq!(API_GENERATION, 1);
    }
}

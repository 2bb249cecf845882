//! Extensions of a connection: what is linked, what `extensions=[...]` names, and their life from load to terminate.
//!
//! There is no loading of libraries: every extension is linked in. A connection's [`Registry`] holds what can be named;
//! [`LoadedExtensions`] holds what was.
//!
//! 1. An entry is found by name, or by the path of the library that other programs would load.
//! 2. Extensions with `early_load=true` run before any file of the home is touched. A bad list of the application fails
//!    there too, with nothing changed.
//! 3. Whatever was loaded is terminated, once, in the order of the specification, also when opening fails half-way.
//! 4. A panic inside an extension is an error that names the extension (where the program unwinds).
//!
//! Deliberately absent: process-wide state; registration behind the application's back by environment or files.
//!
//! Source: extensions specification, sections 2 to 6.

mod builtin;
mod encryptors;
mod given;
mod guard;
mod known;
mod load;
mod request;
mod resolve;
mod table;
#[cfg(test)]
mod tests;

pub use builtin::BUILT_IN;
pub use given::{Given, Instance};
pub(crate) use guard::fence;
pub use load::LoadedExtensions;
pub use request::{ExtensionRequest, parse_extensions};
pub use resolve::resolve;
pub use table::ExtensionTable;

use hardwired_plugin::Result;
use hardwired_plugin::extension::Extension;
use hardwired_plugin::registry::Registry;

/// Everything that a connection of this program can load by name: the built-in extensions of the enabled features, those
/// of other crates that the program names, and those `given` by the application, which win over a linked one of their name.
///
/// # Errors
/// `EINVAL` if two different extensions claim one kind and name; the message names both origins.
pub fn linked(given: &[&'static Extension]) -> Result<Registry> {
    Registry::collect(BUILT_IN, given)
}

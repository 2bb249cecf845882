//! The built-in extensions, by Cargo feature.
//!
//! Naming each one here is what makes the linker keep it: a crate that only `Cargo.toml` lists is not linked at all.

use hardwired_plugin::extension::Extension;

/// The extensions that the enabled features bring.
pub const BUILT_IN: &[&Extension] = &[
    #[cfg(feature = "dir-store")]
    &hardwired_dir_store::EXTENSION,
    #[cfg(feature = "kek-mock")]
    &hardwired_kek_mock::EXTENSION,
];

//! The built-in extensions, by Cargo feature.
//!
//! Naming each one here is what makes the linker keep it: a crate that only `Cargo.toml` lists is not linked at all.

use hardwired_plugin::extension::Extension;

/// The extensions that the enabled features bring, by kind and name.
pub const BUILT_IN: &[&Extension] = &[
    #[cfg(feature = "reverse")]
    &hardwired_reverse::EXTENSION,
    #[cfg(feature = "revint")]
    &hardwired_revint::EXTENSION,
    #[cfg(feature = "lz4")]
    &hardwired_lz4::EXTENSION,
    #[cfg(feature = "nop")]
    &hardwired_nop::COMPRESSOR,
    #[cfg(feature = "snappy")]
    &hardwired_snappy::EXTENSION,
    #[cfg(feature = "zlib")]
    &hardwired_zlib::EXTENSION,
    #[cfg(feature = "zstd")]
    &hardwired_zstd::EXTENSION,
    #[cfg(feature = "kvs-sample")]
    &hardwired_kvs_sample::EXTENSION,
    #[cfg(feature = "nop")]
    &hardwired_nop::ENCRYPTOR,
    #[cfg(feature = "rotn")]
    &hardwired_rotn::EXTENSION,
    #[cfg(feature = "sodium")]
    &hardwired_sodium::EXTENSION,
    #[cfg(feature = "kek-mock")]
    &hardwired_kek_mock::EXTENSION,
];

//! The exact set of linked extensions, for whatever features this test was compiled with.
//!
//! Continuous integration runs it with no features, with each one, and with all. A name that is missing means that the
//! linker dropped a crate; a name too much, that an extension came in without its feature.

use hardwired::extensions::{BUILT_IN, linked};

fn names<'a>(extensions: impl Iterator<Item = &'a hardwired::plugin::extension::Extension>) -> Vec<String> {
    extensions.map(|extension| format!("{} {}", extension.kind(), extension.name())).collect()
}

#[test]
fn exactly_the_extensions_of_the_enabled_features_are_linked() {
    let expected: &[&str] = &[
        #[cfg(feature = "reverse")]
        "collator reverse",
        #[cfg(feature = "revint")]
        "collator revint",
        #[cfg(feature = "lz4")]
        "compressor lz4",
        #[cfg(feature = "nop")]
        "compressor nop",
        #[cfg(feature = "snappy")]
        "compressor snappy",
        #[cfg(feature = "zlib")]
        "compressor zlib",
        #[cfg(feature = "zstd")]
        "compressor zstd",
        #[cfg(feature = "kvs-sample")]
        "data source kvs-sample",
        #[cfg(feature = "nop")]
        "encryptor nop",
        #[cfg(feature = "rotn")]
        "encryptor rotn",
        #[cfg(feature = "sodium")]
        "encryptor sodium",
        #[cfg(feature = "kek-mock")]
        "key provider kek-mock",
    ];
    assert_eq!(names(linked(&[]).unwrap().iter()), expected);
    assert_eq!(names(BUILT_IN.iter().copied()), expected);
}

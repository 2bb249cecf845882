//! Names that a program may ask for without having them linked: what to tell it.

use hardwired_plugin::extension::ExtensionKind;

/// How to get an extension of a known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A feature of this crate, of the same name, adds it.
    Feature,
    /// No release contains it yet.
    NotYet,
}

/// One known name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// Base names of the libraries in which WiredTiger keeps it, where they differ from the name.
    pub(super) library_names: &'static [&'static str],
    pub(super) kinds: &'static [ExtensionKind],
    pub(super) source: Source,
}

const fn not_yet(name: &'static str, library_names: &'static [&'static str], kinds: &'static [ExtensionKind]) -> Known {
    Known { name, library_names, kinds, source: Source::NotYet }
}

const fn feature(name: &'static str, library_names: &'static [&'static str], kinds: &'static [ExtensionKind]) -> Known {
    Known { name, library_names, kinds, source: Source::Feature }
}

/// Sorted by name.
pub(super) const KNOWN: &[Known] = &[
    not_yet("dir-store", &[], &[ExtensionKind::StorageSource]),
    not_yet("fail-fs", &[], &[ExtensionKind::FileSystem]),
    feature("kek-mock", &["key_provider"], &[ExtensionKind::KeyProvider]),
    feature("kvs-sample", &["kvs_bdb"], &[ExtensionKind::DataSource]),
    feature("lz4", &["lz4_compress"], &[ExtensionKind::Compressor]),
    feature("nop", &["nop_compress", "nop_encrypt"], &[ExtensionKind::Compressor, ExtensionKind::Encryptor]),
    feature("reverse", &["reverse_collator"], &[ExtensionKind::Collator]),
    feature("revint", &["revint_collator"], &[ExtensionKind::Collator]),
    feature("rotn", &["rotn_encrypt"], &[ExtensionKind::Encryptor]),
    feature("snappy", &["snappy_compress"], &[ExtensionKind::Compressor]),
    feature("sodium", &["sodium_encrypt"], &[ExtensionKind::Encryptor]),
    feature("zlib", &["zlib_compress"], &[ExtensionKind::Compressor]),
    feature("zstd", &["zstd_compress"], &[ExtensionKind::Compressor]),
];

impl Known {
    /// The known extension of that base name; `-` and `_` count as equal.
    pub(super) fn find(base: &str) -> Option<&'static Self> {
        let unified = |name: &str| name.replace('_', "-");
        let base = unified(base);
        KNOWN.iter().find(|known| {
            unified(known.name) == base || known.library_names.iter().any(|library| unified(library) == base)
        })
    }

    /// What the user can do to get it.
    pub(super) fn advice(&self) -> String {
        match self.source {
            Source::Feature => format!("the feature '{}' of the hardwired crate adds it", self.name),
            Source::NotYet => {
                let kinds: Vec<_> = self.kinds.iter().map(ToString::to_string).collect();
                format!("'{}' ({}) is not part of this release of hardwired", self.name, kinds.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advised_feature_exists_and_every_feature_is_known() {
        let manifest = include_str!("../../Cargo.toml");
        let (_, features) = manifest.split_once("\n[features]\n").unwrap();
        let (features, _) = features.split_once("\n[").unwrap();
        let mut declared: Vec<_> = features
            .lines()
            .filter(|line| line.contains("\"dep:hardwired-"))
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name.trim())
            .collect();
        declared.sort_unstable();
        let advised: Vec<_> =
            KNOWN.iter().filter(|known| known.source == Source::Feature).map(|known| known.name).collect();
        assert_eq!(declared, advised);
        assert!(KNOWN.is_sorted_by_key(|known| known.name));
    }

    #[test]
    fn library_names_of_other_programs_are_known() {
        for (base, name) in [("snappy", "snappy"), ("dir_store", "dir-store"), ("revint_collator", "revint")] {
            assert_eq!(Known::find(base).map(|known| known.name), Some(name));
        }
        assert!(Known::find("snapp").is_none());
    }
}

//! What the metadata value of a file says, and whether this engine can serve it.
//!
//! Source: block specification, section 11.3.

use super::transform::ObjectExtensions;
use crate::block::{BlockSettings, ChecksumMode};
use crate::btree::TreeSettings;
use crate::plugin::config::Config;
use crate::{Error, ErrorCode, Result};

/// The settings of a B-tree file.
pub(crate) struct FileSettings {
    pub(crate) key_format: String,
    pub(crate) value_format: String,
    pub(crate) block: BlockSettings,
    pub(crate) tree: TreeSettings,
}

impl FileSettings {
    /// Reads a metadata value.
    ///
    /// # Errors
    /// `WT_ERROR` for a value without the keys that must be there; `EACCES` for an unknown version of the file format;
    /// `ENOTSUP` for a file that needs what isn't built; `EINVAL` for one that needs an extension that isn't loaded.
    pub(crate) fn parse(uri: &str, value: &str, extensions: ObjectExtensions<'_>) -> Result<Self> {
        let config = Config::single(value);
        check_version(uri, &config)?;
        check_supported(uri, &config)?;
        let number = |key: &str, default: i64| -> Result<u32> {
            let value = config.i64_or(key, default)?;
            u32::try_from(value).map_err(|_| Error::invalid(format!("{uri}: {key}={value} is out of range")))
        };
        let allocation_size = number("allocation_size", 4096)?;
        let checksum = match config.text_or("checksum", "on")? {
            "off" => ChecksumMode::Off,
            "uncompressed" => ChecksumMode::Uncompressed,
            "unencrypted" => ChecksumMode::Unencrypted,
            _ => ChecksumMode::On,
        };
        let block = BlockSettings {
            allocation_size,
            first_fit: config.text_or("block_allocation", "best")? == "first",
            checksum,
        };
        let tree = TreeSettings {
            allocation_size,
            leaf_page_max: number("leaf_page_max", 32 << 10)?,
            internal_page_max: number("internal_page_max", 4 << 10)?,
            split_pct: number("split_pct", 90)?,
            leaf_key_max: number("leaf_key_max", 0)?,
            leaf_value_max: number("leaf_value_max", 0)?,
            prefix_compression: config.bool_or("prefix_compression", false)?,
            prefix_compression_min: number("prefix_compression_min", 4)?,
            dictionary: number("dictionary", 0)?,
            internal_key_truncate: config.bool_or("internal_key_truncate", true)?,
            memory_page_image_max: number("memory_page_image_max", 0)?,
            transform: extensions.transform(config)?,
            order: extensions.key_order(uri, config)?,
        };
        if !allocation_size.is_power_of_two() {
            return Err(Error::invalid(format!("{uri}: the allocation size must be a power of two")));
        }
        for size in [tree.leaf_page_max, tree.internal_page_max] {
            if size < allocation_size || !size.is_multiple_of(allocation_size) {
                return Err(Error::invalid(format!(
                    "{uri}: page sizes must be a multiple of the page allocation size ({allocation_size}B)"
                )));
            }
        }
        let (image_max, page_max) = (tree.memory_page_image_max, tree.leaf_page_max.max(tree.internal_page_max));
        if image_max != 0 && image_max < page_max {
            return Err(Error::invalid(format!(
                "{uri}: in-memory page image size must be larger than the maximum page size ({image_max}B < {page_max}B)"
            )));
        }
        file_id(uri, value)?;
        Ok(Self {
            key_format: config.text_or("key_format", "u")?.to_owned(),
            value_format: config.text_or("value_format", "u")?.to_owned(),
            block,
            tree,
        })
    }
}

/// `id=` of a file's metadata value.
pub(crate) fn file_id(uri: &str, value: &str) -> Result<u32> {
    let id = Config::single(value).get("id")?.and_then(|item| item.as_u64().ok());
    id.and_then(|id| u32::try_from(id).ok()).ok_or_else(|| Error::corrupt(uri, 0, "the metadata entry has no valid id"))
}

/// Whether a `file:` row is that of an object of a tiered tree.
pub(crate) fn is_tiered_object(value: &str) -> bool {
    Config::single(value).bool_or("tiered_object", false).unwrap_or(false)
}

/// Refuses a `file:` row of an object: its blocks are those of the tree's other objects too.
pub(crate) fn refuse_tiered_object(uri: &str, value: &str) -> Result<()> {
    if is_tiered_object(value) {
        return Err(Error::unsupported(format!("{uri}: an object of a tiered table can't be used by itself")));
    }
    Ok(())
}

fn check_version(uri: &str, config: &Config<'_>) -> Result<()> {
    let major = config.i64_or("version.major", 0)?;
    let minor = config.i64_or("version.minor", 0)?;
    if !((1, 1)..=(2, 1)).contains(&(major, minor)) {
        return Err(Error::new(
            ErrorCode::EACCES,
            format!(
                "{uri} is an unsupported WiredTiger source file version {major}.{minor}; this WiredTiger build only \
                 supports versions from 1.1 to 2.1"
            ),
        ));
    }
    Ok(())
}

fn check_supported(uri: &str, config: &Config<'_>) -> Result<()> {
    if config.text_or("key_format", "u")? == "r" {
        return Err(Error::unsupported(format!("{uri}: column stores (key_format=r) are not supported yet")));
    }
    for key in ["huffman_key", "huffman_value"] {
        if let Some(name) = config.name(key)? {
            return Err(Error::invalid(format!("{uri}: unknown Huffman coding '{name}'")));
        }
    }
    if config.i64_or("live_restore.nbits", 0)? > 0 {
        return Err(Error::unsupported(format!("{uri}: live restore is not supported")));
    }
    if config.bool_or("tiered_object", false)? {
        return Err(Error::unsupported(format!("{uri}: an object of a tiered table can't be used by itself")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extensions::ExtensionTable;

    const MINIMAL: &str = "key_format=S,value_format=S,id=7,version=(major=1,minor=1),checkpoint=,checkpoint_lsn=";

    fn parse(value: &str) -> Result<FileSettings> {
        FileSettings::parse("file:t.wt", value, ObjectExtensions { table: &ExtensionTable::default(), encryptor: None })
    }

    #[test]
    fn a_minimal_entry_is_enough() {
        let file = parse(MINIMAL).unwrap();
        assert_eq!((file.tree.leaf_page_max, file.block.allocation_size), (32 << 10, 4096));
        assert_eq!(file_id("file:t.wt", MINIMAL).unwrap(), 7);
    }

    #[test]
    fn what_is_not_built_is_named() {
        for (extra, code, word) in [
            ("block_compressor=snappy", ErrorCode::EINVAL, "unknown compressor 'snappy'"),
            ("collator=reverse", ErrorCode::EINVAL, "unknown collator 'reverse'"),
            ("encryption=(name=rotn)", ErrorCode::EINVAL, "table encryption requires connection encryption to be set"),
            ("memory_page_image_max=4096", ErrorCode::EINVAL, "(4096B < 32768B)"),
            ("key_format=r", ErrorCode::ENOTSUP, "column stores"),
            ("version=(major=3,minor=0)", ErrorCode::EACCES, "unsupported WiredTiger source file version 3.0"),
            ("leaf_page_max=6000", ErrorCode::EINVAL, "multiple of the page allocation size"),
        ] {
            let error = parse(&format!("{MINIMAL},{extra}")).err().unwrap();
            assert_eq!(error.code(), code, "{extra}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn an_entry_without_id_is_corrupt() {
        assert!(matches!(file_id("file:t.wt", "key_format=S"), Err(Error::Corrupt(_))));
    }
}

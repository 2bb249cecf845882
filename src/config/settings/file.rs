//! The settings of an object: what `WT_SESSION.create` was asked for, and what the metadata says of a file.

use hardwired_plugin::config::Config;

use super::{checked, count, count_u32, flag};
use crate::config::{built, schema};
use crate::packing::Format;
use crate::{Error, Result};

/// What `WT_SESSION.create` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSettings {
    /// `exclusive`: an existing object is an error.
    pub exclusive: bool,
    /// `columns`: the names of the columns; empty if none are given.
    pub columns: Vec<String>,
    /// The settings of the file beneath.
    pub file: FileSettings,
}

/// How a file is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// `key_format`.
    pub key_format: Format,
    /// `value_format`.
    pub value_format: Format,
    /// `allocation_size`: bytes that every block is a multiple of; a power of two.
    pub allocation_size: u32,
    /// `block_allocation=first`: the first free extent that is large enough, instead of the smallest.
    pub first_fit: bool,
    /// `checksum`.
    pub checksum: Checksum,
    /// `internal_page_max`, in bytes of the image.
    pub internal_page_max: u32,
    /// `leaf_page_max`, in bytes of the image.
    pub leaf_page_max: u32,
    /// `internal_key_truncate`: internal pages hold the shortest key that tells two children apart.
    pub internal_key_truncate: bool,
    /// The longest key that stays on a leaf page, in bytes.
    pub leaf_key_max: u32,
    /// The longest value that stays on a leaf page, in bytes.
    pub leaf_value_max: u32,
    /// `split_pct`: how full, in percent, the pages are that splitting makes.
    pub split_percent: u32,
    /// `memory_page_max`: a page that grows beyond this is split in memory.
    pub memory_page_max: u64,
    /// `memory_page_image_max`: the largest image of a page whose blocks are compressed.
    pub memory_page_image_max: u64,
    /// `prefix_compression`: keys on a leaf page omit the bytes they share with the key before.
    pub prefix_compression: bool,
    /// `prefix_compression_min`: the least gain for which they do, in bytes.
    pub prefix_compression_min: u32,
    /// `cache_resident`: pages are never evicted.
    pub cache_resident: bool,
    /// `app_metadata`, as it is written.
    pub app_metadata: String,
}

/// `checksum`: which blocks carry a checksum of all their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Every block.
    On,
    /// None: only the header is covered.
    Off,
    /// Those that are not compressed.
    Uncompressed,
    /// Those that are not encrypted.
    Unencrypted,
}

impl CreateSettings {
    /// The settings of a `WT_SESSION.create` call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration or sizes that contradict each other; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        let config = checked(&schema::WT_SESSION_CREATE, config)?;
        let mut columns = Vec::new();
        for item in config.require("columns")?.items() {
            columns.push(item?.0.text().to_owned());
        }
        Ok(Self { exclusive: flag(config, "exclusive")?, columns, file: FileSettings::from_config(config)? })
    }
}

impl FileSettings {
    /// The settings in a `file:` entry of the metadata. Keys that it doesn't have get their defaults, keys that nobody
    /// knows are passed over.
    ///
    /// # Errors
    /// `EINVAL` for an entry that can't be right; `ENOTSUP` for a file that needs what is not built. A file opened for
    /// reading only may be one that can't be written.
    pub fn from_metadata(entry: &str, readonly: bool) -> Result<Self> {
        built::refuse_file(Config::single(entry), readonly)?;
        Self::from_config(Config::with(std::slice::from_ref(&schema::FILE_META.base), entry))
    }

    /// The settings in a stack with the defaults of a file at its bottom.
    ///
    /// # Errors
    /// `EINVAL` for sizes out of their limits, or that contradict each other.
    pub fn from_config(config: Config<'_>) -> Result<Self> {
        let key_format = Format::parse(config.require("key_format")?.text())?;
        let value_format = Format::parse(config.require("value_format")?.text())?;
        let allocation_size = limited(config, "allocation_size")?;
        if !allocation_size.is_power_of_two() {
            return Err(Error::invalid("the allocation size must be a power of two"));
        }
        let internal_page_max = limited(config, "internal_page_max")?;
        let leaf_page_max = limited(config, "leaf_page_max")?;
        if !internal_page_max.is_multiple_of(allocation_size) || !leaf_page_max.is_multiple_of(allocation_size) {
            return Err(Error::invalid(format!(
                "page sizes must be a multiple of the page allocation size ({allocation_size}B)"
            )));
        }
        let split_percent = limited(config, "split_pct")?;
        let leaf_split_size = split_size(leaf_page_max, split_percent, allocation_size);
        let or_part = |key: &str, part: u32| -> Result<u32> {
            Ok(match count_u32(config, key)? {
                0 => leaf_split_size.checked_div(part).unwrap_or(leaf_split_size),
                given => given,
            })
        };
        Ok(Self {
            key_format,
            value_format,
            allocation_size,
            first_fit: config.require("block_allocation")?.text() == "first",
            checksum: Checksum::from_text(config.require("checksum")?.text())?,
            internal_page_max,
            leaf_page_max,
            internal_key_truncate: flag(config, "internal_key_truncate")?,
            leaf_key_max: or_part("leaf_key_max", 10)?,
            leaf_value_max: or_part("leaf_value_max", 2)?,
            split_percent,
            memory_page_max: count(config, "memory_page_max")?,
            memory_page_image_max: memory_page_image_max(config, internal_page_max.max(leaf_page_max))?,
            prefix_compression: flag(config, "prefix_compression")?,
            prefix_compression_min: count_u32(config, "prefix_compression_min")?,
            cache_resident: flag(config, "cache_resident")?,
            app_metadata: config.require("app_metadata")?.source().to_owned(),
        })
    }

    /// The size of the pages that splitting a full leaf image makes, in bytes.
    pub fn leaf_split_size(&self) -> u32 {
        split_size(self.leaf_page_max, self.split_percent, self.allocation_size)
    }

    /// The size of the pages that splitting a full internal image makes, in bytes.
    pub fn internal_split_size(&self) -> u32 {
        split_size(self.internal_page_max, self.split_percent, self.allocation_size)
    }
}

/// `percent` of a page's maximum, rounded to the nearest unit of allocation unless that makes nothing or a full page.
pub fn split_size(page_max: u32, percent: u32, allocation_size: u32) -> u32 {
    let exact = u64::from(page_max).saturating_mul(u64::from(percent)).wrapping_div(100);
    let unit = u64::from(allocation_size.max(1));
    let rounded = exact.saturating_add(unit >> 1).checked_div(unit).unwrap_or(0).saturating_mul(unit);
    let size = if rounded == 0 || rounded >= u64::from(page_max) { exact } else { rounded };
    u32::try_from(size).unwrap_or(page_max)
}

fn memory_page_image_max(config: Config<'_>, page_max: u32) -> Result<u64> {
    let page_max = u64::from(page_max);
    match count(config, "memory_page_image_max")? {
        0 => Ok(page_max.saturating_mul(4)),
        given if given < page_max => Err(Error::invalid(format!(
            "in-memory page image size must be larger than the maximum page size ({given}B < {page_max}B)"
        ))),
        given => Ok(given),
    }
}

/// A number within the limits of its key: what comes from metadata was not checked by the schema.
fn limited(config: Config<'_>, key: &str) -> Result<u32> {
    let item = config.require(key)?;
    let messages = crate::config::check::general_messages(&schema::FILE_META, &format!("{key}={}", item.source()));
    match messages.into_iter().next() {
        Some(message) => Err(Error::invalid(message)),
        None => count_u32(config, key),
    }
}

impl Checksum {
    fn from_text(text: &str) -> Result<Self> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            "uncompressed" => Ok(Self::Uncompressed),
            "unencrypted" => Ok(Self::Unencrypted),
            _ => Err(Error::invalid(format!("Value '{text}' not a permitted choice for key 'checksum'"))),
        }
    }
}

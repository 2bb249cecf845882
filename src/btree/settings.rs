//! What a tree takes from its object's configuration.

use super::order::KeyOrder;
use crate::block::BlockTransform;

/// The settings of a row store (cache specification, sections 7 to 9).
#[derive(Debug, Clone)]
pub struct TreeSettings {
    /// The id under which changes are recorded in the log; `None`: they aren't.
    pub log_file: Option<u32>,
    /// `allocation_size` in bytes.
    pub allocation_size: u32,
    /// `leaf_page_max` in bytes.
    pub leaf_page_max: u32,
    /// `internal_page_max` in bytes.
    pub internal_page_max: u32,
    /// `split_pct`: 50 to 100.
    pub split_pct: u32,
    /// `leaf_key_max` in bytes, 0: the default.
    pub leaf_key_max: u32,
    /// `leaf_value_max` in bytes, 0: the default.
    pub leaf_value_max: u32,
    /// `prefix_compression`.
    pub prefix_compression: bool,
    /// `prefix_compression_min`.
    pub prefix_compression_min: u32,
    /// `dictionary`: how many distinct values of a page are remembered, 0: none.
    pub dictionary: u32,
    /// `internal_key_truncate`. Has no effect with a collator: what is cut off might decide.
    pub internal_key_truncate: bool,
    /// `memory_page_image_max` in bytes: how large an image may be whose compressed form fits `leaf_page_max`. 0: the
    /// default, four times the largest page.
    pub memory_page_image_max: u32,
    /// `block_compressor`, `encryption`.
    pub transform: BlockTransform,
    /// `collator`.
    pub order: KeyOrder,
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self {
            log_file: None,
            allocation_size: 4 << 10,
            leaf_page_max: 32 << 10,
            internal_page_max: 4 << 10,
            split_pct: 90,
            leaf_key_max: 0,
            leaf_value_max: 0,
            prefix_compression: false,
            prefix_compression_min: 4,
            dictionary: 0,
            internal_key_truncate: true,
            memory_page_image_max: 0,
            transform: BlockTransform::default(),
            order: KeyOrder::default(),
        }
    }
}

//! The objects of an open tiered tree, and what its metadata row says of them.

use super::Bucket;
use super::name::object_name;
use crate::block::ObjectSource;
use crate::plugin::config::Config;
use crate::plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use crate::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The part of a tree's row that flushes change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeState {
    /// The time of the checkpoint that closed the last object; 0: none was closed yet.
    pub(crate) flush_time: u64,
    /// As it is written.
    pub(crate) flush_timestamp: String,
    /// The number of the newest object.
    pub(crate) last: u32,
    /// The number of the oldest object.
    pub(crate) oldest: u32,
    /// Whether there is a `tier:` row.
    pub(crate) has_tier: bool,
}

impl TreeState {
    /// Reads the row of `uri`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for numbers that can't be.
    pub(crate) fn parse(uri: &str, row: &str) -> Result<Self> {
        let config = Config::single(row);
        let bad = |key: &str| Error::corrupt(uri, 0, format!("no valid {key} in the metadata entry"));
        let number = |key: &str| -> Result<u64> {
            let item = config.get(key)?.ok_or_else(|| bad(key))?;
            item.as_u64().map_err(|_| bad(key))
        };
        let object = |key: &str| u32::try_from(number(key)?).map_err(|_| bad(key));
        let (last, oldest) = (object("last")?, object("oldest")?);
        if last == 0 || oldest == 0 || oldest > last {
            return Err(bad("last"));
        }
        let mut has_tier = false;
        if let Some(tiers) = config.get("tiers")? {
            for item in tiers.items() {
                has_tier |= item?.0.text().starts_with("tier:");
            }
        }
        Ok(Self {
            flush_time: number("flush_time")?,
            flush_timestamp: config.text_or("flush_timestamp", "0")?.to_owned(),
            last,
            oldest,
            has_tier,
        })
    }

    /// What the row of the tree `base` has behind its checkpoints.
    pub(crate) fn format(&self, base: &str) -> String {
        let Self { flush_time, flush_timestamp, last, oldest, has_tier } = self;
        format!(
            "flush_time={flush_time},flush_timestamp=\"{flush_timestamp}\",last={last},oldest={oldest},tiers={}",
            tiers(base, *last, *has_tier)
        )
    }
}

/// The list of places.
pub(crate) fn tiers(base: &str, last: u32, has_tier: bool) -> String {
    let tier = if has_tier { format!(",\"tier:{base}\"") } else { String::new() };
    format!("(\"file:{}\"{tier})", object_name(base, last))
}

/// A tiered tree that is open.
pub(crate) struct TieredTree {
    /// The name without `tiered:`.
    pub(crate) base: String,
    pub(crate) bucket: Arc<Bucket>,
    home: PathBuf,
    fs: Arc<dyn FileSystem>,
    state: Mutex<TreeState>,
}

impl TieredTree {
    pub(crate) fn new(
        uri: &str,
        row: &str,
        bucket: Arc<Bucket>,
        home: &Path,
        fs: &Arc<dyn FileSystem>,
    ) -> Result<Arc<Self>> {
        let base = uri.strip_prefix(super::name::TREE_PREFIX).unwrap_or(uri).to_owned();
        let state = Mutex::new(TreeState::parse(uri, row)?);
        Ok(Arc::new(Self { base, bucket, home: home.to_owned(), fs: Arc::clone(fs), state }))
    }

    pub(crate) fn state(&self) -> TreeState {
        self.state.lock().clone()
    }

    /// The metadata has the new state.
    pub(crate) fn set_state(&self, state: TreeState) {
        *self.state.lock() = state;
    }

    /// The local path of an object.
    pub(crate) fn path(&self, number: u32) -> PathBuf {
        self.home.join(object_name(&self.base, number))
    }
}

impl ObjectSource for TieredTree {
    fn object_name(&self, number: u32) -> String {
        object_name(&self.base, number)
    }

    /// The local copy is preferred as long as it exists.
    fn open_object(&self, number: u32) -> Result<Arc<dyn FileHandle>> {
        let options = OpenOptions { readonly: true, ..OpenOptions::default() };
        match self.fs.open(&self.path(number), FileType::Checkpoint, options) {
            Err(error) if error.code() == ErrorCode::ENOENT => {}
            opened => return opened,
        }
        self.bucket.open(&self.object_name(number)).map_err(|error| match error.code() {
            ErrorCode::ENOENT => Error::new(
                ErrorCode::ENOENT,
                format!("the object is not in the home directory, nor in its bucket: {error}"),
            ),
            _ => error,
        })
    }
}

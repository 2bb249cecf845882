//! The configuration strings that the metadata table holds for a new object.
//!
//! Each kind has its own table of keys ([`super::schema`]: `file.meta` and so on); an entry lists all of them, in
//! order, with the defaults written out. New entries have the form that WiredTiger 11.3 and 12.0 both read: without
//! `live_restore`.
//!
//! Source: configuration specification, section 9.

use super::schema::{COLGROUP_META, FILE_META, INDEX_META, Method, OBJECT_META, TABLE_META, TIER_META, TIERED_META};
use super::{collapse, merge};
use crate::Result;

/// What is not written into new entries: `live_restore` since 11.3 doesn't know it, and the flag of shared tiered
/// storage as WiredTiger does.
const FILE_STRIP: &str = "live_restore=(bitmap=,nbits=),tiered_storage=(shared=)";

/// What each checkpoint of a file replaces.
const CHECKPOINT_STRIP: &str = "checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,live_restore=";

/// The value of a new `file:` entry.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn file(create: &str, id: u32) -> Result<String> {
    let computed = format!("id={id},version=(major=2,minor=1),checkpoint_lsn=");
    let collapsed = collapse(&[FILE_META.base, create, &computed])?;
    merge(&[&collapsed], Some(FILE_STRIP))
}

/// The value of a new `table:` entry.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn table(create: &str) -> Result<String> {
    collapse(&[TABLE_META.base, create])
}

/// The value of a new `colgroup:` entry of a table without column groups of its own. `source` is the URI of its file.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn colgroup(create: &str, source: &str) -> Result<String> {
    collapse(&[COLGROUP_META.base, create, &format!("source=\"{source}\"")])
}

/// The value of a new `index:` entry. `create` has its formats, `source` is the URI of its file, `public_columns` the number
/// of its own columns. WiredTiger 11.3 doesn't open an index without `extractor` and `index_key_columns`, which 12.0 keeps
/// as it finds them.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn index(create: &str, source: &str, public_columns: usize) -> Result<String> {
    let fixed = format!("source=\"{source}\"");
    let collapsed = collapse(&[INDEX_META.base, create, &fixed])?;
    merge(&[&collapsed, &format!("extractor=,index_key_columns={public_columns}")], None)
}

/// The part of a `file:` entry that checkpoints don't change; they append `checkpoint=`, `checkpoint_backup_info=` and
/// `checkpoint_lsn=` to it.
///
/// # Errors
/// `EINVAL` if the entry doesn't parse.
pub fn file_without_checkpoint(entry: &str) -> Result<String> {
    let collapsed = collapse(&[entry, "checkpoint=(),checkpoint_backup_info=(),live_restore="])?;
    merge(&[&collapsed], Some(CHECKPOINT_STRIP))
}

/// What each checkpoint of a tiered tree replaces beside that.
const TIERED_CHECKPOINT_STRIP: &str = "checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,flush_time=,flush_timestamp=,\
    last=,live_restore=,tiers=";

/// The value of a new `tiered:` entry. `storage` is the structure of `tiered_storage`, `tiers` the list of places.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn tiered(create: &str, id: u32, storage: &str, tiers: &str) -> Result<String> {
    let computed = format!(
        "id={id},version=(major=2,minor=1),checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,flush_time=0,\
         flush_timestamp=\"0\",last=1,oldest=1,readonly=false,tiered_object=false,tiered_storage={storage},tiers={tiers}"
    );
    with_all_keys(&TIERED_META, &[create, &computed])
}

/// The value of the `file:` entry of a tiered tree's object that is in the home directory. `tree` is the tree's entry,
/// or the configuration that it was created with.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn tiered_file(tree: &str, id: u32, storage: &str) -> Result<String> {
    let id = format!("id={id},tiered_storage={storage}");
    with_all_keys(&FILE_META, &[tree, OBJECT_COMPUTED, &id])
}

/// The value of the `object:` entry of a tiered tree's object that is closed. `tree` is the tree's entry.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn object(tree: &str, flush_time: u64) -> Result<String> {
    with_all_keys(&OBJECT_META, &[tree, OBJECT_COMPUTED, &flushed(flush_time)])
}

/// What an `object:` entry says of the flush.
pub fn flushed(flush_time: u64) -> String {
    format!("flush_time={flush_time},flush_timestamp=\"0\"")
}

/// The value of the `tier:` entry: the bucket of a tiered tree.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn tier(storage: &str) -> Result<String> {
    with_all_keys(&TIER_META, &[&format!("readonly=true,tiered_object=true,tiered_storage={storage}")])
}

/// The part of a `tiered:` entry that checkpoints don't change.
///
/// # Errors
/// `EINVAL` if the entry doesn't parse.
pub fn tiered_without_checkpoint(entry: &str) -> Result<String> {
    let collapsed = collapse(&[entry, "checkpoint=(),checkpoint_backup_info=(),live_restore=,tiers=()"])?;
    merge(&[&collapsed], Some(TIERED_CHECKPOINT_STRIP))
}

const OBJECT_COMPUTED: &str = "version=(major=2,minor=1),checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,\
    readonly=true,tiered_object=true";

fn with_all_keys(method: &Method, strings: &[&str]) -> Result<String> {
    let stack: Vec<&str> = std::iter::once(method.base).chain(strings.iter().copied()).collect();
    let collapsed = collapse(&stack)?;
    merge(&[method.base, &collapsed], Some(FILE_STRIP))
}

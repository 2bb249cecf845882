//! The value strings of `file:`, `table:` and `colgroup:` entries.
//!
//! A `file:` value that was never checkpointed has all keys sorted. From the first checkpoint on it is the part that
//! doesn't change (the *base*: sorted, without the checkpoint keys) followed by `checkpoint=`, `checkpoint_backup_info=`
//! and `checkpoint_lsn=`. Values are written in the form that both WiredTiger 11.3 and 12.0 read: without `live_restore`.
//!
//! Source: block specification, sections 11 and 23; configuration specification, section 8.

use super::checkpoint::{Checkpoint, checkpoint_lsn_of, checkpoints_of, format_checkpoints, format_lsn};
use super::turtle::METADATA_URI;
use crate::block::{BlockSettings, ChecksumMode, KeyedEncryptor, Trailer, check_allocation_size};
use crate::config::schema::{COLGROUP_META, FILE_META, TABLE_META};
use crate::config::{Config, collapse, lookup, merge};
use crate::log::Lsn;
use crate::{Error, ErrorCode, Result};
use std::fmt::Write;

/// The id of the metadata table's file.
pub const METADATA_FILE_ID: u32 = 0;
/// What a new history store is created with.
pub const HISTORY_CONFIG: &str = "key_format=IuQQ,value_format=QQQu,block_compressor=none,log=(enabled=false),\
                                  internal_page_max=16KB,leaf_value_max=64MB,prefix_compression=false";

/// Not written: keys of later releases, and one that belongs to tables.
const NOT_STORED: &str = "live_restore=(bitmap=,nbits=),tiered_storage=(shared=)";
const VERSION: &str = "version=(major=2,minor=1)";
const SUPPORTED_VERSIONS: [(u64, u64); 2] = [(1, 1), (2, 1)];

/// The `file:` value of a new file. `config` is what the application configured, checked before.
///
/// # Errors
/// `EINVAL` if `config` isn't a configuration string.
pub fn new_file_value(config: &str, id: u32) -> Result<String> {
    let fixed = format!("id={id},{VERSION},checkpoint_lsn=");
    let collapsed = collapse(&[FILE_META.base, config, &fixed])?;
    merge(&[FILE_META.base, &collapsed], Some(NOT_STORED))
}

/// The value of the metadata table's own file in a new database.
///
/// # Errors
/// None in practice: the strings are constants.
pub fn new_metadata_value() -> Result<String> {
    let fixed = format!("key_format=S,value_format=S,id={METADATA_FILE_ID},{VERSION}");
    merge(&[FILE_META.base, &fixed], Some(NOT_STORED))
}

/// The `table:` value of a new table.
///
/// # Errors
/// `EINVAL` if `config` isn't a configuration string.
pub fn new_table_value(config: &str) -> Result<String> {
    collapse(&[TABLE_META.base, config])
}

/// The `colgroup:` value of a table's column group whose rows are in `source` (`file:NAME.wt`). `columns` is the value of
/// `columns=`, empty for a simple table.
///
/// # Errors
/// `EINVAL` if `config` isn't a configuration string.
pub fn new_column_group_value(config: &str, columns: &str, source: &str) -> Result<String> {
    collapse(&[COLGROUP_META.base, config, &format!("columns={columns},source=\"{source}\"")])
}

/// The part of a `file:` value that checkpoints don't change.
///
/// # Errors
/// `EINVAL` if the value isn't a configuration string.
pub fn base_of(value: &str) -> Result<String> {
    // Emptied first: stripping a key doesn't strip what is nested below it.
    let emptied = collapse(&[value, "checkpoint=(),checkpoint_backup_info=(),live_restore="])?;
    merge(&[&emptied], Some("checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,live_restore="))
}

/// A `file:` value with checkpoints. `backup_info` is passed on as it was read; `lsn` is `None` without a log.
pub fn with_checkpoints(base: &str, checkpoints: &[Checkpoint], backup_info: &str, lsn: Option<Lsn>) -> String {
    let (checkpoints, lsn) = (format_checkpoints(checkpoints), format_lsn(lsn));
    format!("{base},checkpoint={checkpoints},checkpoint_backup_info={backup_info},checkpoint_lsn={lsn}")
}

/// What the engine needs of a `file:` value to open the file; the tree's own settings are read by the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileValue {
    /// The file's id.
    pub id: u32,
    /// The settings of its blocks.
    pub block: BlockSettings,
    /// Its checkpoints by ascending order.
    pub checkpoints: Vec<Checkpoint>,
    /// The value of `checkpoint_backup_info=`, not looked into.
    pub backup_info: String,
    /// From where the log must be replayed; `None`: nothing to replay.
    pub lsn: Option<Lsn>,
    /// See [`base_of`].
    pub base: String,
}

impl FileValue {
    /// Reads a `file:` value; `uri` stands in messages. The order of keys doesn't matter; all but the few that recovery
    /// rests on have defaults.
    ///
    /// # Errors
    /// `WT_ERROR` naming the key that is missing or malformed; `EACCES` for a file version that isn't supported; `ENOTSUP`
    /// for a file in the middle of a live restore.
    pub fn parse(value: &str, uri: &str) -> Result<Self> {
        let stack = [FILE_META.base, value];
        let config = Config::new(&stack);
        let bad = |key: &str| Error::new(ErrorCode::ERROR, format!("{uri}: no valid {key} in metadata: '{value}'"));
        let own = |key: &str| lookup(value, key)?.ok_or_else(|| bad(key));
        let id = own("id")?.as_u64().ok().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| bad("id"))?;
        check_version(value, uri)?;
        let restored = config.get("live_restore.nbits")?.is_none_or(|bits| matches!(bits.number(), -1 | 0));
        if !restored {
            return Err(Error::unsupported(format!("{uri}: live restore of this file is not complete")));
        }
        let unchecked = config.require("allocation_size")?.as_u64().ok().and_then(|size| u32::try_from(size).ok());
        let allocation_size = unchecked.ok_or_else(|| bad("allocation_size"))?;
        check_allocation_size(allocation_size).map_err(|_| bad("allocation_size"))?;
        let block = BlockSettings {
            allocation_size,
            first_fit: config.require("block_allocation")?.text() == "first",
            checksum: match config.require("checksum")?.text() {
                "on" => ChecksumMode::On,
                "off" => ChecksumMode::Off,
                "uncompressed" => ChecksumMode::Uncompressed,
                "unencrypted" => ChecksumMode::Unencrypted,
                _ => return Err(bad("checksum")),
            },
        };
        Ok(Self {
            id,
            block,
            checkpoints: checkpoints_of(value, uri)?,
            backup_info: config.text_or("checkpoint_backup_info", "")?.to_owned(),
            // The turtle of a database that was never checkpointed lacks the key.
            lsn: if uri == METADATA_URI && lookup(value, "checkpoint_lsn")?.is_none() {
                None
            } else {
                checkpoint_lsn_of(value, uri)?
            },
            base: base_of(value)?,
        })
    }

    /// The value with these checkpoints.
    pub fn format(&self) -> String {
        with_checkpoints(&self.base, &self.checkpoints, &self.backup_info, self.lsn)
    }
}

/// The text about a file that goes behind the avail list of its new checkpoint, so that the file can be opened without
/// this metadata, by `import=(repair=true)`. `value` is the file's value before the checkpoint; in an encrypted file it is
/// encrypted too, and stands there in hexadecimal digits.
///
/// # Errors
/// `EINVAL` if the value isn't a configuration string; those of the encryptor.
pub fn trailer_metadata(value: &str, encryptor: Option<&KeyedEncryptor>) -> Result<String> {
    let encryption = lookup(value, "encryption")?.map_or("(keyid=,name=)", |item| item.source());
    let Some(encryptor) = encryptor else {
        return Ok(format!("encryption={encryption},block_metadata_encrypted=false,block_metadata=[{value}]"));
    };
    let mut text = format!("encryption={encryption},block_metadata_encrypted=true,block_metadata=[");
    for byte in encryptor.seal(0, value.as_bytes())? {
        let _ = write!(text, "{byte:02x}");
    }
    text.push(']');
    Ok(text)
}

/// The trailer of a new avail list: `metadata` is from [`trailer_metadata`], `checkpoints` is the list that will be stored,
/// with `incomplete_cookie` in its last entry, and `write_gen` the tree's next write generation.
pub fn new_trailer(metadata: &str, checkpoints: &[Checkpoint], incomplete_cookie: &[u8], write_gen: u64) -> Trailer {
    Trailer {
        write_gen,
        metadata: metadata.as_bytes().to_vec(),
        checkpoint_list: format!("checkpoint={}", format_checkpoints(checkpoints)).into_bytes(),
        cookie: incomplete_cookie.to_vec(),
    }
}

fn check_version(value: &str, uri: &str) -> Result<()> {
    let number = |key: &str| -> Result<u64> {
        let missing = || Error::new(ErrorCode::ERROR, format!("{uri}: no valid {key} in metadata"));
        lookup(value, key)?.and_then(|item| item.as_u64().ok()).ok_or_else(missing)
    };
    let version = (number("version.major")?, number("version.minor")?);
    let [oldest, newest] = SUPPORTED_VERSIONS;
    if (oldest..=newest).contains(&version) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::EACCES,
        format!(
            "{uri} is an unsupported WiredTiger source file version {}.{}; this WiredTiger build only supports versions \
             from {}.{} to {}.{}",
            version.0, version.1, oldest.0, oldest.1, newest.0, newest.1
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::{hex, vectors};
    use crate::metadata::parse_checkpoints;
    use rstest::rstest;
    use serde_json::Value;

    fn entries<'a>(vectors: &'a Value, version: &str, when: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let snapshots = vectors["snapshots"].as_array().unwrap();
        let found = snapshots
            .iter()
            .find(|snapshot| snapshot["version"] == version && snapshot["when"].as_str().unwrap().contains(when));
        let entries = found.unwrap()["entries"].as_object().unwrap();
        entries.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
    }

    fn entry<'a>(vectors: &'a Value, key: &str) -> &'a str {
        entries(vectors, "11.3.1", "never checkpointed").find(|(other, _)| *other == key).unwrap().1
    }

    /// Configurations that the recorded objects were created with.
    #[rstest]
    #[case("file:WiredTigerHS.wt", 1, HISTORY_CONFIG)]
    #[case(
        "file:a512.wt",
        2,
        "key_format=S,value_format=S,allocation_size=512,leaf_page_max=128KB,internal_page_max=128KB"
    )]
    #[case(
        "file:a1m.wt",
        7,
        "allocation_size=1MB,internal_page_max=1MB,leaf_page_max=1MB,value_format=S,key_format=S,type=file"
    )]
    #[case("file:cols_extra.wt", 10, "columns=(age),key_format=i,value_format=i,colgroups=(x)")]
    fn new_files_have_the_values_of_the_real_engine(#[case] uri: &str, #[case] id: u32, #[case] config: &str) {
        let vectors = vectors("metadata-strings.json");
        assert_eq!(new_file_value(config, id).unwrap(), entry(&vectors, uri));
    }

    #[test]
    fn tables_and_column_groups_have_the_values_of_the_real_engine() {
        let vectors = vectors("metadata-strings.json");
        let config =
            "app_metadata=(a=1,b=\"x y\"),verbose=[write_timestamp],write_timestamp_usage=ordered,dictionary=10";
        assert_eq!(new_table_value(config).unwrap(), entry(&vectors, "table:opts"));
        let group = new_column_group_value(config, "", "file:opts.wt").unwrap();
        assert_eq!(group, entry(&vectors, "colgroup:opts"));
        let group = new_column_group_value("", "(age)", "file:cols_extra.wt").unwrap();
        assert_eq!(group, entry(&vectors, "colgroup:cols:extra"));
        let table = "key_format=i,value_format=SSi,columns=(id,first,last,age),colgroups=(main,extra)";
        assert_eq!(new_table_value(table).unwrap(), entry(&vectors, "table:cols"));
    }

    #[test]
    fn the_metadata_tables_first_value_is_that_of_the_real_engine() {
        let turtles = vectors("metadata-turtle.json");
        let text = turtles["turtles"][0]["text"].as_str().unwrap();
        let value = text.lines().last().unwrap();
        assert_eq!(base_of(&new_metadata_value().unwrap()).unwrap(), base_of(value).unwrap());
        FileValue::parse(&new_metadata_value().unwrap(), METADATA_URI).unwrap();
    }

    /// Values with checkpoints are taken apart and put together again character by character.
    #[test]
    fn values_with_checkpoints_are_rebuilt() {
        let vectors = vectors("metadata-strings.json");
        let mut seen = 0;
        for version in ["11.3.1", "12.0.0"] {
            for (key, value) in entries(&vectors, version, "after checkpoints") {
                if key.starts_with("file:") || key == "metadata:" {
                    assert_eq!(FileValue::parse(value, key).unwrap().format(), value);
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn the_first_checkpoint_moves_the_checkpoint_keys_to_the_end() {
        let value = new_file_value("key_format=S", 5).unwrap();
        let file = FileValue::parse(&value, "file:t.wt").unwrap();
        assert_eq!((file.id, file.lsn, file.checkpoints.len()), (5, Some(Lsn::INITIAL), 0));
        let rebuilt = with_checkpoints(&file.base, &[], "", None);
        assert!(rebuilt.ends_with(",checkpoint=(),checkpoint_backup_info=,checkpoint_lsn=(4294967295,2147483647)"));
        assert!(!rebuilt.contains("live_restore") && !value.contains("live_restore"));
        assert_eq!(base_of(&rebuilt).unwrap(), file.base);
        assert_eq!(FileValue::parse(&rebuilt, "file:t.wt").unwrap().lsn, None);
    }

    /// The texts behind real avail lists are made again from the value and the checkpoints in them.
    #[test]
    fn trailers_are_those_of_the_real_engine() {
        let vectors = vectors("block-extent-lists.json");
        let stored = vectors["lists"].as_array().unwrap().iter().filter(|list| !list["trailer"].is_null());
        let mut seen = 0;
        for trailer in stored.map(|list| &list["trailer"]) {
            let text = |key: &str| trailer[key].as_str().unwrap();
            let value = text("metadata").split_once("block_metadata=[").unwrap().1.strip_suffix(']').unwrap();
            let checkpoints =
                parse_checkpoints(lookup(text("ckptlist"), "checkpoint").unwrap().unwrap().text(), "f").unwrap();
            let last = checkpoints.last().unwrap();
            let metadata = trailer_metadata(value, None).unwrap();
            let made = new_trailer(&metadata, &checkpoints, &last.cookie, last.write_gen + 1);
            assert_eq!(String::from_utf8(made.metadata).unwrap(), text("metadata"));
            assert_eq!(String::from_utf8(made.checkpoint_list).unwrap(), text("ckptlist"));
            assert_eq!((made.cookie, made.write_gen), (hex(text("cookie")), trailer["write_gen"].as_u64().unwrap()));
            seen += 1;
        }
        assert_eq!(seen, 20);
        assert!(trailer_metadata("encryption=(name=", None).is_err());
    }

    #[test]
    fn a_minimal_foreign_value_is_enough_and_unknown_keys_are_kept() {
        let value = "key_format=S,id=7,new_key=(a=1),version=(major=1,minor=1),checkpoint=,checkpoint_lsn=";
        let file = FileValue::parse(value, "file:t.wt").unwrap();
        assert_eq!((file.id, file.block), (7, BlockSettings::default()));
        assert_eq!(file.base, "id=7,key_format=S,new_key=(a=1),version=(major=1,minor=1)");
        let value = "id=7,version=(major=2,minor=1),checkpoint=,checkpoint_lsn=,allocation_size=64K,block_allocation=first,\
                     checksum=unencrypted,live_restore=(bitmap=,nbits=-1)";
        let expected = BlockSettings { allocation_size: 65536, first_fit: true, checksum: ChecksumMode::Unencrypted };
        assert_eq!(FileValue::parse(value, "file:t.wt").unwrap().block, expected);
    }

    #[rstest]
    #[case("version=(major=1,minor=1),checkpoint=,checkpoint_lsn=", -31802, "no valid id")]
    #[case("id=-1,version=(major=1,minor=1),checkpoint=,checkpoint_lsn=", -31802, "no valid id")]
    #[case("id=1,version=(major=1,minor=1),checkpoint_lsn=", -31802, "no checkpoint information")]
    #[case("id=1,version=(major=1,minor=1),checkpoint=", -31802, "no valid checkpoint_lsn")]
    #[case("id=1,version=(major=1,minor=1),checkpoint=,checkpoint_lsn=(1)", -31802, "no valid checkpoint_lsn")]
    #[case("id=1,version=(major=2,minor=2),checkpoint=,checkpoint_lsn=", 13, "source file version 2.2; ")]
    #[case("id=1,version=(major=1,minor=0),checkpoint=,checkpoint_lsn=", 13, "from 1.1 to 2.1")]
    #[case("id=1,checkpoint=,checkpoint_lsn=", -31802, "no valid version.major")]
    #[case("id=1,version=(major=1,minor=1),checkpoint=,checkpoint_lsn=,allocation_size=1000", -31802, "allocation_size")]
    #[case("id=1,version=(major=1,minor=1),checkpoint=,checkpoint_lsn=,live_restore=(nbits=64)", 95, "live restore")]
    fn damaged_values_are_named(#[case] value: &str, #[case] code: i32, #[case] text: &str) {
        let error = FileValue::parse(value, "file:t.wt").unwrap_err();
        assert_eq!(error.code().0, code, "{error}");
        assert!(error.to_string().starts_with("file:t.wt") && error.to_string().contains(text), "{error}");
    }
}

//! The `system:` entries of the metadata table: what a database checkpoint says of itself.
//!
//! Source: block specification, section 13.

use crate::{Error, ErrorCode, Result};
use hardwired_plugin::config::{Item, lookup};
use std::fmt::Write;

/// The stable timestamp of the last checkpoint.
pub const CHECKPOINT_KEY: &str = "system:checkpoint";
/// The oldest timestamp of the last checkpoint.
pub const OLDEST_KEY: &str = "system:oldest";
/// The snapshot of the last checkpoint.
pub const SNAPSHOT_KEY: &str = "system:checkpoint_snapshot";
/// The connection's base write generation.
pub const BASE_WRITE_GEN_KEY: &str = "system:checkpoint_base_write_gen";
/// More ids than sessions can run at once are no snapshot.
const MAX_SNAPSHOT: u64 = 1 << 20;

/// The key of an entry for a named checkpoint.
pub fn named_key(key: &str, checkpoint_name: &str) -> String {
    format!("{key}.{checkpoint_name}")
}

/// A timestamp entry. `None`: timestamp 0, for which the entry is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// The timestamp.
    pub timestamp: u64,
    /// The checkpoint's time in seconds.
    pub checkpoint_time: u64,
    /// The connection's base write generation.
    pub write_gen: u64,
}

impl Timestamp {
    /// The value of [`CHECKPOINT_KEY`]; `None` if the entry is to be removed.
    pub fn format_checkpoint(&self) -> Option<String> {
        self.format("checkpoint_timestamp")
    }

    /// The value of [`OLDEST_KEY`]; `None` if the entry is to be removed.
    pub fn format_oldest(&self) -> Option<String> {
        self.format("oldest_timestamp")
    }

    /// Reads the value of [`CHECKPOINT_KEY`] or [`OLDEST_KEY`].
    ///
    /// # Errors
    /// `WT_ERROR` naming the entry.
    pub fn parse(text: &str, entry: &str) -> Result<Self> {
        let item = match lookup(text, "checkpoint_timestamp")? {
            Some(item) => item,
            None => lookup(text, "oldest_timestamp")?.ok_or_else(|| bad(entry, text))?,
        };
        let timestamp = if item.is_empty() { Ok(0) } else { u64::from_str_radix(item.text(), 16) };
        Ok(Self {
            timestamp: timestamp.map_err(|_| bad(entry, text))?,
            checkpoint_time: number(text, "checkpoint_time", entry)?.unwrap_or(0),
            write_gen: number(text, "write_gen", entry)?.unwrap_or(0),
        })
    }

    fn format(&self, key: &str) -> Option<String> {
        let Self { timestamp, checkpoint_time, write_gen } = self;
        (*timestamp != 0)
            .then(|| format!("{key}=\"{timestamp:x}\",checkpoint_time={checkpoint_time},write_gen={write_gen}"))
    }
}

/// The snapshot of a checkpoint: which transactions it doesn't see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Ids below this one are visible.
    pub min: u64,
    /// Ids from this one on are not.
    pub max: u64,
    /// Ids in between that are not visible, ascending.
    pub ids: Vec<u64>,
    /// The checkpoint's time in seconds.
    pub checkpoint_time: u64,
    /// The connection's base write generation.
    pub write_gen: u64,
}

impl Snapshot {
    /// The value of [`SNAPSHOT_KEY`].
    pub fn format(&self) -> String {
        let mut out = format!("snapshot_min={},snapshot_max={},snapshot_count={}", self.min, self.max, self.ids.len());
        for (index, id) in self.ids.iter().enumerate() {
            let _ = write!(out, "{}{id}", if index == 0 { ",snapshots=[" } else { "," });
        }
        if !self.ids.is_empty() {
            out.push(']');
        }
        let _ = write!(out, ",checkpoint_time={},write_gen={}", self.checkpoint_time, self.write_gen);
        out
    }

    /// Reads the value of [`SNAPSHOT_KEY`].
    ///
    /// # Errors
    /// `WT_ERROR` naming the entry, for malformed numbers, a wrong count, or ids out of order or range.
    pub fn parse(text: &str, entry: &str) -> Result<Self> {
        let required = |key| number(text, key, entry)?.ok_or_else(|| bad(entry, text));
        let count = number(text, "snapshot_count", entry)?.unwrap_or(0);
        let mut ids = Vec::new();
        if count > MAX_SNAPSHOT {
            return Err(bad(entry, text));
        }
        if let Some(list) = lookup(text, "snapshots")? {
            for item in list.items() {
                ids.push(item?.0.text().parse::<u64>().map_err(|_| bad(entry, text))?);
            }
        }
        let snapshot = Self {
            min: required("snapshot_min")?,
            max: required("snapshot_max")?,
            ids,
            checkpoint_time: number(text, "checkpoint_time", entry)?.unwrap_or(0),
            write_gen: number(text, "write_gen", entry)?.unwrap_or(0),
        };
        let ordered = snapshot.ids.is_sorted_by(|a, b| a < b)
            && snapshot.ids.first().is_none_or(|&first| first == snapshot.min)
            && snapshot.ids.last().is_none_or(|&last| last < snapshot.max);
        let counted = u64::try_from(snapshot.ids.len()) == Ok(count);
        if ordered && counted && snapshot.min <= snapshot.max { Ok(snapshot) } else { Err(bad(entry, text)) }
    }
}

/// The value of [`BASE_WRITE_GEN_KEY`].
pub fn format_base_write_gen(base_write_gen: u64) -> String {
    format!("base_write_gen={base_write_gen}")
}

/// Reads the value of [`BASE_WRITE_GEN_KEY`].
///
/// # Errors
/// `WT_ERROR` naming the entry.
pub fn parse_base_write_gen(text: &str) -> Result<u64> {
    number(text, "base_write_gen", BASE_WRITE_GEN_KEY)?.ok_or_else(|| bad(BASE_WRITE_GEN_KEY, text))
}

fn number(text: &str, key: &str, entry: &str) -> Result<Option<u64>> {
    let parse = |item: Item<'_>| item.as_u64().map_err(|_| bad(entry, text));
    lookup(text, key)?.map(parse).transpose()
}

fn bad(entry: &str, text: &str) -> Error {
    Error::new(ErrorCode::ERROR, format!("{entry}: corrupted metadata entry: '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::vectors;
    use rstest::rstest;

    /// All `system:` entries that the real engine wrote are written again character by character.
    #[test]
    fn real_entries_are_read_and_written_again() {
        let strings = vectors("metadata-strings.json");
        let generations = vectors("metadata-write-generations.json");
        let mut entries: Vec<(String, String)> = Vec::new();
        for snapshot in strings["snapshots"].as_array().unwrap() {
            let system = snapshot["entries"].as_object().unwrap().iter().filter(|(key, _)| key.starts_with("system:"));
            entries.extend(system.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())));
        }
        for step in generations["steps"].as_array().unwrap() {
            let lines = step["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
            let system = lines.filter(|line| line.starts_with("system:")).map(|line| line.split_once(' ').unwrap());
            entries.extend(system.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        assert!(entries.len() > 30, "{}", entries.len());
        for (key, value) in entries {
            let again = match key.split('.').next().unwrap() {
                CHECKPOINT_KEY => Timestamp::parse(&value, &key).unwrap().format_checkpoint().unwrap(),
                OLDEST_KEY => Timestamp::parse(&value, &key).unwrap().format_oldest().unwrap(),
                SNAPSHOT_KEY => Snapshot::parse(&value, &key).unwrap().format(),
                BASE_WRITE_GEN_KEY => format_base_write_gen(parse_base_write_gen(&value).unwrap()),
                other => panic!("unknown entry {other}"),
            };
            assert_eq!(again, value, "{key}");
        }
    }

    #[test]
    fn a_zero_timestamp_has_no_entry() {
        let none = Timestamp { timestamp: 0, checkpoint_time: 5, write_gen: 1 };
        assert_eq!((none.format_checkpoint(), none.format_oldest()), (None, None));
        assert_eq!(named_key(OLDEST_KEY, "n1"), "system:oldest.n1");
    }

    #[rstest]
    #[case("snapshot_min=1,snapshot_count=0")]
    #[case("snapshot_min=5,snapshot_max=4,snapshot_count=0")]
    #[case("snapshot_min=5,snapshot_max=9,snapshot_count=2,snapshots=[5]")]
    #[case("snapshot_min=5,snapshot_max=9,snapshot_count=1,snapshots=[6]")]
    #[case("snapshot_min=5,snapshot_max=9,snapshot_count=2,snapshots=[5,9]")]
    #[case("snapshot_min=5,snapshot_max=9,snapshot_count=3,snapshots=[5,7,6]")]
    #[case("snapshot_min=x,snapshot_max=9,snapshot_count=0")]
    #[case("snapshot_min=1,snapshot_max=9,snapshot_count=99999999999")]
    fn damaged_snapshots_are_named(#[case] text: &str) {
        let error = Snapshot::parse(text, SNAPSHOT_KEY).unwrap_err();
        assert!(error.to_string().starts_with("system:checkpoint_snapshot: corrupted"), "{error}");
    }
}

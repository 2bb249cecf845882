//! Checkpoint entries of a file's metadata: `checkpoint=(NAME=(addr="...",order=1,...),...)`, and `checkpoint_lsn=`.
//!
//! Source: block specification, sections 7.4, 12.1 and 12.2.

use crate::log::Lsn;
use crate::page::time_aggregate::TimeAggregate;
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::config::{ConfigParser, Item, lookup};
use std::fmt::Write;

/// Internal checkpoints are called `WiredTigerCheckpoint.N`, where N is their order.
pub const CHECKPOINT_PREFIX: &str = "WiredTigerCheckpoint";

/// One entry of a checkpoint list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name.
    pub name: String,
    /// The block manager's cookie; empty for a fake checkpoint.
    pub cookie: Vec<u8>,
    /// 1, 2, ...: the greatest is the current checkpoint.
    pub order: u64,
    /// Seconds, shared by all files of one database checkpoint.
    pub time: u64,
    /// Bytes of the tree, root included.
    pub size: u64,
    /// Timestamps and transaction ids of the tree.
    pub aggregate: TimeAggregate,
    /// The tree's write generation when its root had been written.
    pub write_gen: u64,
    /// The tree's write generation when it was first opened in the run that wrote the checkpoint.
    pub run_write_gen: u64,
}

impl Checkpoint {
    /// Whether the engine named it, not the application.
    pub fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Whether nothing of it is in the file: the tree had never held data.
    pub fn is_fake(&self) -> bool {
        self.cookie.is_empty()
    }

    fn format(&self, out: &mut String) {
        let TimeAggregate {
            newest_start_durable_ts,
            oldest_start_ts,
            newest_txn,
            newest_stop_durable_ts,
            newest_stop_ts,
            newest_stop_txn,
            prepare,
        } = self.aggregate;
        let _ = write!(out, "{}=(addr=\"", self.name);
        self.cookie.iter().for_each(|byte| {
            let _ = write!(out, "{byte:02x}");
        });
        let _ = write!(
            out,
            "\",order={},time={},size={},newest_start_durable_ts={},oldest_start_ts={},newest_txn={},\
             newest_stop_durable_ts={},newest_stop_ts={},newest_stop_txn={},prepare={},write_gen={},run_write_gen={})",
            self.order.cast_signed(),
            self.time,
            self.size,
            newest_start_durable_ts.cast_signed(),
            oldest_start_ts.cast_signed(),
            newest_txn.cast_signed(),
            newest_stop_durable_ts.cast_signed(),
            newest_stop_ts.cast_signed(),
            newest_stop_txn.cast_signed(),
            u8::from(prepare),
            self.write_gen.cast_signed(),
            self.run_write_gen.cast_signed(),
        );
    }

    fn parse(name: &str, text: &str, object: &str) -> Result<Self> {
        let corrupted = |what: &str| {
            Error::new(
                ErrorCode::ERROR,
                format!("{object}: corrupted {what} value in checkpoint config of checkpoint {name}: '{text}'"),
            )
        };
        let mut fields = Fields::default();
        for item in ConfigParser::new(text) {
            let (key, value) = item?;
            fields.set(key.text(), value);
        }
        let required = |item: Option<Item<'_>>, what: &str| {
            let item = item.filter(|item| !item.is_empty()).ok_or_else(|| corrupted(what))?;
            item.as_i64().map(i64::cast_unsigned).map_err(|_| corrupted(what))
        };
        let optional = |item: Option<Item<'_>>, default: u64| {
            item.filter(|item| !item.is_empty()).map_or(Ok(default), |item| required(Some(item), "time aggregate"))
        };
        let address = fields.address.ok_or_else(|| corrupted("address"))?.text();
        Ok(Self {
            name: name.to_owned(),
            cookie: from_hex(address).ok_or_else(|| corrupted("address"))?,
            order: required(fields.order, "order")?,
            time: required(fields.time, "time")?,
            size: required(fields.size, "size")?,
            aggregate: TimeAggregate {
                newest_start_durable_ts: optional(fields.newest_start_durable_ts.or(fields.start_durable_ts), 0)?,
                oldest_start_ts: optional(fields.oldest_start_ts, 0)?,
                newest_txn: optional(fields.newest_txn, 0)?,
                newest_stop_durable_ts: optional(fields.newest_stop_durable_ts.or(fields.stop_durable_ts), 0)?,
                newest_stop_ts: optional(fields.newest_stop_ts, TimeAggregate::DEFAULT.newest_stop_ts)?,
                newest_stop_txn: optional(fields.newest_stop_txn, TimeAggregate::DEFAULT.newest_stop_txn)?,
                prepare: optional(fields.prepare, 0)? != 0,
            },
            write_gen: required(fields.write_gen, "write generation")?,
            run_write_gen: optional(fields.run_write_gen, 0)?,
        })
    }
}

/// The items of one entry, the last of each key.
#[derive(Default)]
struct Fields<'a> {
    address: Option<Item<'a>>,
    order: Option<Item<'a>>,
    time: Option<Item<'a>>,
    size: Option<Item<'a>>,
    newest_start_durable_ts: Option<Item<'a>>,
    start_durable_ts: Option<Item<'a>>,
    oldest_start_ts: Option<Item<'a>>,
    newest_txn: Option<Item<'a>>,
    newest_stop_durable_ts: Option<Item<'a>>,
    stop_durable_ts: Option<Item<'a>>,
    newest_stop_ts: Option<Item<'a>>,
    newest_stop_txn: Option<Item<'a>>,
    prepare: Option<Item<'a>>,
    write_gen: Option<Item<'a>>,
    run_write_gen: Option<Item<'a>>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, key: &str, value: Item<'a>) {
        let field = match key {
            "addr" => &mut self.address,
            "order" => &mut self.order,
            "time" => &mut self.time,
            "size" => &mut self.size,
            "newest_start_durable_ts" => &mut self.newest_start_durable_ts,
            "start_durable_ts" => &mut self.start_durable_ts,
            "oldest_start_ts" => &mut self.oldest_start_ts,
            "newest_txn" => &mut self.newest_txn,
            "newest_stop_durable_ts" => &mut self.newest_stop_durable_ts,
            "stop_durable_ts" => &mut self.stop_durable_ts,
            "newest_stop_ts" => &mut self.newest_stop_ts,
            "newest_stop_txn" => &mut self.newest_stop_txn,
            "prepare" => &mut self.prepare,
            "write_gen" => &mut self.write_gen,
            "run_write_gen" => &mut self.run_write_gen,
            // Later releases add keys.
            _ => return,
        };
        *field = Some(value);
    }
}

/// Reads the value of a `checkpoint=` key. The entries come back by ascending order; `object` stands in messages.
///
/// # Errors
/// `WT_ERROR` for an entry whose `addr`, `order`, `time`, `size` or `write_gen` is missing or malformed, and for two entries
/// of one order; `EINVAL` for text that isn't a configuration string.
pub fn parse_checkpoints(text: &str, object: &str) -> Result<Vec<Checkpoint>> {
    let mut checkpoints = Vec::new();
    for item in ConfigParser::new(text) {
        let (key, value) = item?;
        checkpoints.push(Checkpoint::parse(key.text(), value.text(), object)?);
    }
    checkpoints.sort_by_key(|checkpoint| checkpoint.order);
    if let Some([_, second]) = checkpoints.array_windows().find(|[first, second]| first.order == second.order) {
        return Err(Error::new(
            ErrorCode::ERROR,
            format!("{object}: corrupted order value in checkpoint config: order {} is used twice", second.order),
        ));
    }
    Ok(checkpoints)
}

/// Reads the checkpoints of a whole metadata value, by ascending order.
///
/// # Errors
/// As [`parse_checkpoints`], and `WT_ERROR` for a value without `checkpoint` key.
pub fn checkpoints_of(value: &str, object: &str) -> Result<Vec<Checkpoint>> {
    let item = lookup(value, "checkpoint")?.ok_or_else(|| {
        Error::new(ErrorCode::ERROR, format!("{object}: metadata has no checkpoint information: '{value}'"))
    })?;
    parse_checkpoints(item.text(), object)
}

/// The current checkpoint: the one of the greatest order.
pub fn current(checkpoints: &[Checkpoint]) -> Option<&Checkpoint> {
    checkpoints.iter().max_by_key(|checkpoint| checkpoint.order)
}

/// The checkpoint an application opens by name; `WiredTigerCheckpoint` means the current one.
pub fn find_named<'a>(checkpoints: &'a [Checkpoint], name: &str) -> Option<&'a Checkpoint> {
    if name == CHECKPOINT_PREFIX {
        return current(checkpoints);
    }
    checkpoints.iter().find(|checkpoint| checkpoint.name == name)
}

/// The value of a `checkpoint=` key.
pub fn format_checkpoints(checkpoints: &[Checkpoint]) -> String {
    let mut out = String::from("(");
    for (index, checkpoint) in checkpoints.iter().enumerate() {
        if index != 0 {
            out.push(',');
        }
        checkpoint.format(&mut out);
    }
    out.push(')');
    out
}

/// The name of an internal checkpoint.
pub fn internal_name(order: u64) -> String {
    format!("{CHECKPOINT_PREFIX}.{order}")
}

/// Whether the engine made up this name.
pub(super) fn is_internal(name: &str) -> bool {
    name.starts_with(CHECKPOINT_PREFIX)
}

/// Checks a checkpoint name given by an application. `all` is reserved too, except where a name to drop is meant.
///
/// Beyond WiredTiger's rules, names that can't be read back from the metadata (with a blank or `=`) are refused: WiredTiger
/// accepts them, and panics at the next checkpoint.
///
/// # Errors
/// `EINVAL`.
pub fn check_name(name: &str, to_drop: bool) -> Result<()> {
    if is_internal(name) || (!to_drop && name == "all") {
        return Err(Error::invalid(format!("the checkpoint name \"{name}\" is reserved")));
    }
    if name.contains(|character| "{},:[]\\\"'".contains(character)) {
        return Err(Error::invalid(format!(
            "{name}: WiredTiger objects should not include grouping characters in their names"
        )));
    }
    let entry = format!("{name}=(order=1)");
    let mut items = ConfigParser::new(&entry);
    let readable = matches!(items.next(), Some(Ok((key, value))) if key.text() == name && value.text() == "(order=1)")
        && items.next().is_none();
    if readable { Ok(()) } else { Err(Error::invalid(format!("the checkpoint name \"{name}\" cannot be stored"))) }
}

/// The value of a `checkpoint_lsn=` key; `None` stands for a database without log.
pub fn format_lsn(lsn: Option<Lsn>) -> String {
    let Lsn { file, offset } = lsn.unwrap_or(Lsn::MAX);
    format!("({file},{offset})")
}

/// Reads `checkpoint_lsn=` of a metadata value. An empty one is the initial position; `None` is the maximum position:
/// nothing needs replay.
///
/// # Errors
/// `WT_ERROR` if the key is missing or malformed.
pub fn checkpoint_lsn_of(value: &str, object: &str) -> Result<Option<Lsn>> {
    let bad = || Error::new(ErrorCode::ERROR, format!("{object}: no valid checkpoint_lsn in metadata: '{value}'"));
    let item = lookup(value, "checkpoint_lsn")?.ok_or_else(bad)?;
    if item.is_empty() {
        return Ok(Some(Lsn::INITIAL));
    }
    let mut numbers = item.items().map(|item| item.ok()?.0.text().parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten(), numbers.next()) {
        (Some(file), Some(offset), None) => Ok(Some(Lsn::new(file, offset)).filter(|lsn| !lsn.is_max())),
        _ => Err(bad()),
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect::<Option<Vec<u8>>>();
    bytes.filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::vectors;
    use rstest::rstest;

    /// Every checkpoint list the real engine wrote is written again character by character.
    #[test]
    fn real_lists_are_read_and_written_again() {
        let vectors = vectors("metadata-strings.json");
        let mut entries = 0;
        for snapshot in vectors["snapshots"].as_array().unwrap() {
            for (key, value) in snapshot["entries"].as_object().unwrap() {
                let value = value.as_str().unwrap();
                if !key.starts_with("file:") && key != "metadata:" {
                    continue;
                }
                let text = lookup(value, "checkpoint").unwrap().unwrap().text();
                let checkpoints = checkpoints_of(value, key).unwrap();
                assert!(
                    text.is_empty() && checkpoints.is_empty() || format_checkpoints(&checkpoints) == text,
                    "{text}"
                );
                let lsn = lookup(value, "checkpoint_lsn").unwrap().unwrap().text();
                match checkpoint_lsn_of(value, key).unwrap() {
                    Some(Lsn::INITIAL) => assert!(lsn.is_empty() || lsn == "(1,0)", "{lsn}"),
                    other => assert_eq!(format_lsn(other), lsn),
                }
                entries += checkpoints.len();
            }
        }
        assert!(entries > 50, "{entries}");
    }

    #[test]
    fn the_current_checkpoint_is_that_of_the_greatest_order_whatever_the_text() {
        let text =
            "(b=(addr=\"\",order=7,time=1,size=0,write_gen=1),a=(addr=\"0a\",order=3,time=1,size=9,write_gen=4))";
        let checkpoints = parse_checkpoints(text, "file:t.wt").unwrap();
        assert_eq!(checkpoints.iter().map(|checkpoint| checkpoint.order).collect::<Vec<_>>(), [3, 7]);
        assert_eq!(current(&checkpoints).unwrap().name, "b");
        assert_eq!(find_named(&checkpoints, CHECKPOINT_PREFIX).unwrap().name, "b");
        assert_eq!(find_named(&checkpoints, "a").unwrap().cookie, [10]);
        assert!(find_named(&checkpoints, "c").is_none());
    }

    #[test]
    fn missing_fields_take_their_older_names_or_defaults() {
        let text =
            "n=(addr=\"01\",order=1,time=1,size=2,write_gen=5,start_durable_ts=7,stop_durable_ts=8,next_page_id=4)";
        let checkpoint = parse_checkpoints(text, "f").unwrap().remove(0);
        let expected =
            TimeAggregate { newest_start_durable_ts: 7, newest_stop_durable_ts: 8, ..TimeAggregate::DEFAULT };
        assert_eq!(checkpoint.aggregate, expected);
        assert_eq!(checkpoint.run_write_gen, 0);
        assert!(parse_checkpoints("", "f").unwrap().is_empty() && parse_checkpoints("()", "f").unwrap().is_empty());
    }

    #[rstest]
    #[case("n=(addr=\"01\",time=1,size=2,write_gen=5)", "corrupted order value")]
    #[case("n=(addr=\"01\",order=,time=1,size=2,write_gen=5)", "corrupted order value")]
    #[case("n=(addr=\"01\",order=x,time=1,size=2,write_gen=5)", "corrupted order value")]
    #[case("n=(addr=\"01\",order=1,size=2,write_gen=5)", "corrupted time value")]
    #[case("n=(addr=\"01\",order=1,time=1,write_gen=5)", "corrupted size value")]
    #[case("n=(addr=\"01\",order=1,time=1,size=2)", "corrupted write generation value")]
    #[case("n=(order=1,time=1,size=2,write_gen=5)", "corrupted address value")]
    #[case("n=(addr=\"0\",order=1,time=1,size=2,write_gen=5)", "corrupted address value")]
    #[case("n=(addr=\"0g\",order=1,time=1,size=2,write_gen=5)", "corrupted address value")]
    #[case("n=(addr=\"é\",order=1,time=1,size=2,write_gen=5)", "corrupted address value")]
    #[case(
        "n=(addr=\"\",order=1,time=1,size=2,write_gen=5),m=(addr=\"\",order=1,time=1,size=2,write_gen=5)",
        "used twice"
    )]
    fn damaged_entries_are_named(#[case] text: &str, #[case] message: &str) {
        let error = parse_checkpoints(text, "file:t.wt").unwrap_err();
        assert_eq!(error.code(), ErrorCode::ERROR);
        assert!(error.to_string().starts_with("file:t.wt: ") && error.to_string().contains(message), "{error}");
    }

    #[rstest]
    #[case("a", false, true)]
    #[case("all", true, true)]
    #[case("all", false, false)]
    #[case("WiredTigerCheckpoint", false, false)]
    #[case("WiredTigerCheckpoint.3", true, false)]
    #[case("a,b", true, false)]
    #[case("a'b", false, false)]
    #[case("a b", false, false)]
    #[case("a=b", false, false)]
    #[case("a)", false, false)]
    #[case("", false, false)]
    #[case("2026-01-01.x", false, true)]
    fn names_are_checked(#[case] name: &str, #[case] to_drop: bool, #[case] good: bool) {
        assert_eq!(check_name(name, to_drop).is_ok(), good);
    }
}

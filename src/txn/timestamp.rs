//! Timestamps: their text, and those of the connection.
//!
//! Invariant: the oldest timestamp is not later than the stable one, if both are set, and neither goes back, unless an
//! application forces them.
//!
//! Source: transactions specification, sections 5 and 6.

use super::{TS_NONE, TxnGlobal};
use hardwired_plugin::config::{Config, Item};
use hardwired_plugin::{Error, Result};
use std::fmt;

/// The most digits of a timestamp.
const MAX_DIGITS: usize = 16;

/// The connection's timestamps; 0: not set.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GlobalTimestamps {
    /// Nobody reads as of an earlier time any more.
    pub(crate) oldest: u64,
    /// What a checkpoint contains.
    pub(crate) stable: u64,
    /// The greatest timestamp that was made durable.
    pub(crate) durable: u64,
    /// The timestamp of the last complete checkpoint.
    pub(crate) last_checkpoint: u64,
    /// The timestamp of the checkpoint that was found at open.
    pub(crate) recovery: u64,
}

/// What a call of `set_timestamp` asks for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    oldest: Option<u64>,
    stable: Option<u64>,
    durable: Option<u64>,
    force: bool,
}

/// A timestamp as messages show it: its halves in decimal.
pub(crate) struct Shown(pub(crate) u64);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// Reads a timestamp. `name` is what messages call it, as `read`.
///
/// # Errors
/// `EINVAL` for what isn't 1 to 16 hexadecimal digits, and for zero.
pub(crate) fn parse(name: &str, text: &str) -> Result<u64> {
    if text.len() > MAX_DIGITS {
        return Err(Error::invalid(format!("{name} timestamp too long '{text}'")));
    }
    // The parser would take a sign.
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(TS_NONE) => Err(Error::invalid(format!("illegal {name} timestamp '{text}': zero not permitted"))),
        Some(timestamp) => Ok(timestamp),
        None => Err(Error::invalid(format!("Failed to parse {name} timestamp '{text}'"))),
    }
}

/// The timestamp `NAME_timestamp` of a configuration; `None`: it isn't given, or empty.
///
/// # Errors
/// As [`parse`].
pub(crate) fn given(config: &Config<'_>, name: &str) -> Result<Option<u64>> {
    let item: Option<Item<'_>> = config.get(&format!("{name}_timestamp"))?.filter(|item| !item.is_empty());
    item.map(|item| parse(name, item.text())).transpose()
}

impl Change {
    /// Reads the configuration of the call.
    ///
    /// # Errors
    /// As [`parse`].
    pub(crate) fn parse(config: &str) -> Result<Self> {
        let config = Config::single(config);
        let durable = given(&config, "durable")?;
        let (oldest, stable) = (given(&config, "oldest")?, given(&config, "stable")?);
        Ok(Self { oldest, stable, durable, force: config.bool_or("force", false)? })
    }
}

impl GlobalTimestamps {
    /// The timestamps after `change`.
    ///
    /// # Errors
    /// `EINVAL` for going back and for an oldest timestamp behind the stable one, unless it is forced.
    pub(super) fn changed(mut self, change: &Change) -> Result<Self> {
        let invalid = |text: String| Err(Error::invalid(format!("set_timestamp: {text}")));
        if !change.force {
            for (name, new, current) in [("oldest", change.oldest, self.oldest), ("stable", change.stable, self.stable)]
            {
                if let Some(new) = new.filter(|new| *new < current) {
                    let (new, current) = (Shown(new), Shown(current));
                    return invalid(format!(
                        "{name} timestamp {new} must not be older than current {name} timestamp {current}"
                    ));
                }
            }
        }
        let moves = change.oldest.is_some() || change.stable.is_some();
        self.oldest = change.oldest.unwrap_or(self.oldest);
        self.stable = change.stable.unwrap_or(self.stable);
        self.durable = change.durable.unwrap_or(self.durable);
        if moves && !change.force && self.stable != TS_NONE && self.oldest > self.stable {
            let (oldest, stable) = (Shown(self.oldest), Shown(self.stable));
            return invalid(format!("oldest timestamp {oldest} must not be later than stable timestamp {stable}"));
        }
        Ok(self)
    }
}

impl TxnGlobal {
    /// What `query_timestamp` gives for `get`; 0: not set.
    pub(crate) fn query_timestamp(&self, get: &str) -> u64 {
        let timestamps = self.timestamps();
        match get {
            "oldest" | "oldest_timestamp" => timestamps.oldest,
            "stable" | "stable_timestamp" => timestamps.stable,
            "last_checkpoint" => timestamps.last_checkpoint,
            "recovery" => timestamps.recovery,
            "oldest_reader" => self.oldest_reader(),
            "pinned" => match self.oldest_reader() {
                TS_NONE => timestamps.oldest,
                reader => timestamps.oldest.min(reader),
            },
            // There are no backups yet.
            "backup_checkpoint" => TS_NONE,
            // `all_durable`: no running transaction has a timestamp that it will be durable at.
            _ => timestamps.durable,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_up_to_sixteen_hexadecimal_digits_but_not_zero() {
        assert_eq!(parse("read", "000000000000000a").unwrap(), 10);
        assert_eq!(parse("read", "DeadBEEF").unwrap(), 0xdead_beef);
        assert_eq!(parse("read", "ffffffffffffffff").unwrap(), u64::MAX);
        for (text, message) in [
            ("00", "illegal read timestamp '00': zero not permitted"),
            ("0x10", "Failed to parse read timestamp '0x10'"),
            ("+1", "Failed to parse read timestamp '+1'"),
            ("-1", "Failed to parse read timestamp '-1'"),
            ("", "Failed to parse read timestamp ''"),
            ("00000000000000001", "read timestamp too long '00000000000000001'"),
        ] {
            assert_eq!(parse("read", text).unwrap_err().to_string(), message);
        }
        assert_eq!(Shown(0x1_0000_0014).to_string(), "(1, 20)");
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let global = TxnGlobal::new(1);
        let set = |config: &str| global.set_timestamps(&Change::parse(config)?);
        set("oldest_timestamp=a,stable_timestamp=14,durable_timestamp=1").unwrap();
        let before = global.timestamps();
        assert!(set("durable_timestamp=7,stable_timestamp=13").is_err());
        assert!(set("stable_timestamp=20,oldest_timestamp=21").is_err());
        assert_eq!(global.timestamps(), before);
        set("oldest_timestamp=21,force=true").unwrap();
        assert_eq!((global.query_timestamp("oldest"), global.pinned_timestamp()), (0x21, 0x21));
        // Only a call that moves one of the two compares them.
        set("durable_timestamp=7").unwrap();
        assert_eq!(global.query_timestamp("all_durable"), 7);
    }
}

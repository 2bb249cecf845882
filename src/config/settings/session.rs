//! The settings of a session and of its calls.

use hardwired_plugin::config::{Config, ConfigParser};

use super::{checked, flag};
use crate::config::check::{check, compiled_value};
use crate::config::{built, schema};
use crate::{Error, Result};

/// What a transaction sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Everything, committed or not.
    ReadUncommitted,
    /// What is committed when an operation begins.
    ReadCommitted,
    /// What was committed when the transaction took its snapshot.
    #[default]
    Snapshot,
}

impl Isolation {
    /// The level with this name.
    ///
    /// # Errors
    /// `EINVAL` for any other name (or a list of names, which the schema lets pass).
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "read-uncommitted" => Ok(Self::ReadUncommitted),
            "read-committed" => Ok(Self::ReadCommitted),
            "snapshot" => Ok(Self::Snapshot),
            _ => Err(Error::invalid(format!("Value '{text}' not a permitted choice for key 'isolation'"))),
        }
    }
}

/// `WT_CONNECTION.open_session` and `WT_SESSION.reconfigure`: `None` where the call says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionSettings {
    /// `isolation`: the level of transactions that name none.
    pub isolation: Option<Isolation>,
    /// `cache_max_wait_ms`: how long an operation waits for room in the cache; 0: as the connection says.
    pub cache_max_wait_ms: Option<u64>,
}

impl SessionSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        // Both methods take the same keys with the same defaults.
        checked(&schema::WT_SESSION_RECONFIGURE, config)?;
        let given = Config::single(config);
        let isolation = given.get("isolation")?.map(|item| Isolation::parse(item.text())).transpose()?;
        let cache_max_wait_ms = given.get("cache_max_wait_ms")?.map(|item| item.as_u64()).transpose()?;
        Ok(Self { isolation, cache_max_wait_ms })
    }
}

/// `WT_SESSION.begin_transaction`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TransactionSettings {
    /// `isolation`; `None`: the session's.
    pub isolation: Option<Isolation>,
    /// `name`: for messages; empty for none.
    pub name: String,
}

impl TransactionSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        if config.is_empty() {
            return Ok(Self::default());
        }
        let method = &schema::WT_SESSION_BEGIN_TRANSACTION;
        check(method, config)?;
        built::refuse(method, Config::single(config))?;
        let isolation = compiled_value(method, config, "isolation")?.map(|item| Isolation::parse(item.text()));
        let name = compiled_value(method, config, "name")?.map(|item| item.text().to_owned());
        Ok(Self { isolation: isolation.transpose()?, name: name.unwrap_or_default() })
    }
}

/// `WT_SESSION.open_cursor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorSettings {
    /// `append`: inserts choose the key themselves (record numbers only).
    pub append: bool,
    /// `overwrite`: whether the record exists doesn't matter to insert, update and remove.
    pub overwrite: bool,
    /// `raw`: keys and values are packed bytes.
    pub raw: bool,
    /// `readonly`: changes are refused.
    pub readonly: bool,
}

impl CursorSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        let config = checked(&schema::WT_SESSION_OPEN_CURSOR, config)?;
        Ok(Self {
            append: flag(config, "append")?,
            overwrite: flag(config, "overwrite")?,
            raw: flag(config, "raw")?,
            readonly: flag(config, "readonly")?,
        })
    }
}

/// `WT_CURSOR.bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundAction {
    /// Both bounds, or the one named, are cleared.
    Clear {
        /// `bound=lower`: only this one.
        is_lower: Option<bool>,
    },
    /// The cursor's key becomes a bound.
    Set {
        /// `bound=lower`, not `upper`.
        is_lower: bool,
        /// `inclusive`: the key itself is inside.
        inclusive: bool,
    },
}

/// `WT_CURSOR.bound`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundSettings {
    /// What to do.
    pub action: BoundAction,
}

impl BoundSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration, or for setting a bound without saying which.
    pub fn parse(config: &str) -> Result<Self> {
        let method = &schema::WT_CURSOR_BOUND;
        check(method, config)?;
        let text = |key| compiled_value(method, config, key).map(|item| item.map(|item| item.text()));
        let is_lower = text("bound")?.map(|bound| bound == "lower");
        if text("action")? == Some("clear") {
            return Ok(Self { action: BoundAction::Clear { is_lower } });
        }
        let Some(is_lower) = is_lower else {
            let message = "a bound must be specified when setting bounds, either \"lower\" or \"upper\"";
            return Err(Error::invalid(message));
        };
        let inclusive = compiled_value(method, config, "inclusive")?.is_none_or(|item| item.truth());
        Ok(Self { action: BoundAction::Set { is_lower, inclusive } })
    }
}

/// `WT_SESSION.checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointSettings {
    /// `name`; `None` for an unnamed checkpoint.
    pub name: Option<String>,
    /// `drop`: the checkpoints to drop on the way.
    pub drop: Vec<CheckpointDrop>,
    /// `force`: also of files that didn't change.
    pub force: bool,
}

/// One item of `drop`. "Later" is in order of creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointDrop {
    /// The checkpoint of this name, if there is one.
    Name(String),
    /// `from=name`: it and all later ones; `from=all`: every checkpoint.
    From(String),
    /// `to=name`: it and all earlier ones.
    To(String),
}

impl CheckpointSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration or name; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        let config = checked(&schema::WT_SESSION_CHECKPOINT, config)?;
        let name = config.require("name")?.text();
        if !name.is_empty() {
            check_checkpoint_name(name)?;
        }
        let mut drop = Vec::new();
        for item in config.require("drop")?.items() {
            let (key, value) = item?;
            let value = value.text();
            let (text, make): (&str, fn(String) -> CheckpointDrop) = match key.text() {
                "from" if !value.is_empty() => (value, CheckpointDrop::From),
                "to" if !value.is_empty() => (value, CheckpointDrop::To),
                name if value.is_empty() => (name, CheckpointDrop::Name),
                other => {
                    return Err(Error::invalid(format!("unexpected value for checkpoint key: {other}")));
                }
            };
            check_grouping(text)?;
            drop.push(make(text.to_owned()));
        }
        let name = Some(name).filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self { name, drop, force: flag(config, "force")? })
    }
}

/// Refuses the names that a new checkpoint can't have.
fn check_checkpoint_name(name: &str) -> Result<()> {
    if name == "all" {
        return Err(Error::invalid("the checkpoint name \"all\" is reserved"));
    }
    check_grouping(name)?;
    // WiredTiger takes any other name, and fails to read its own metadata afterwards. Ours must be the key that the
    // checkpoint list of a file will be searched for.
    let list = format!("({name}=1)");
    let mut items = ConfigParser::new(&list);
    match (items.next(), items.next()) {
        (Some(Ok((key, value))), None) if key.text() == name && value.text() == "1" => Ok(()),
        _ => Err(Error::invalid(format!("{name}: a checkpoint's name must be a plain word without spaces or '='"))),
    }
}

/// Refuses the names that no checkpoint of an application has.
fn check_grouping(name: &str) -> Result<()> {
    if name.starts_with("WiredTigerCheckpoint") {
        return Err(Error::invalid("the checkpoint name \"WiredTigerCheckpoint\" is reserved"));
    }
    if name.contains(['{', '}', ',', ':', '[', ']', '\\', '"', '\'']) {
        return Err(Error::invalid(format!(
            "{name}: WiredTiger objects should not include grouping characters in their names"
        )));
    }
    Ok(())
}

/// `WT_SESSION.drop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropSettings {
    /// `force`: a missing object is no error.
    pub force: bool,
    /// `remove_files`: remove the files too.
    pub remove_files: bool,
    /// `checkpoint_wait`: wait for a running checkpoint instead of failing with `EBUSY`.
    pub checkpoint_wait: bool,
    /// `lock_wait`: wait for locks instead of failing with `EBUSY`.
    pub lock_wait: bool,
}

impl DropSettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        let config = checked(&schema::WT_SESSION_DROP, config)?;
        Ok(Self {
            force: flag(config, "force")?,
            remove_files: flag(config, "remove_files")?,
            checkpoint_wait: flag(config, "checkpoint_wait")?,
            lock_wait: flag(config, "lock_wait")?,
        })
    }
}

/// `WT_SESSION.verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifySettings {
    /// `read_corrupt`: go on after a damaged page, and report the damage at the end.
    pub read_corrupt: bool,
    /// `strict`: a lost or unused block is an error.
    pub strict: bool,
}

impl VerifySettings {
    /// The settings of a call.
    ///
    /// # Errors
    /// `EINVAL` for a refused configuration; `ENOTSUP` for what is not built.
    pub fn parse(config: &str) -> Result<Self> {
        let config = checked(&schema::WT_SESSION_VERIFY, config)?;
        Ok(Self { read_corrupt: flag(config, "read_corrupt")?, strict: flag(config, "strict")? })
    }
}

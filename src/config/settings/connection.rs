//! The settings of a connection.

use hardwired_plugin::config::Config;

use super::{LogSettings, count, count_u32, flag};
use crate::config::built;
use crate::config::sources::Release;
use crate::{Error, Result};

/// What `wiredtiger_open` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// `create`: make the database if it doesn't exist.
    pub create: bool,
    /// `exclusive`: fail if the database exists.
    pub exclusive: bool,
    /// `readonly`: nothing is written.
    pub readonly: bool,
    /// `in_memory`: no files.
    pub in_memory: bool,
    /// `config_base`: write and read `WiredTiger.basecfg`.
    pub config_base: bool,
    /// `error_prefix`: begins every message; empty for none.
    pub error_prefix: String,
    /// `compatibility=(release=...)`: who must be able to open a new database.
    pub release: Release,
    /// `session_max`: sessions that may be open at once, without the internal ones.
    pub session_max: u32,
    /// `cache_size`, in bytes.
    pub cache_size: u64,
    /// `cache_overhead`: percent of the cache assumed lost to the allocator.
    pub cache_overhead_percent: u64,
    /// `cache_max_wait_ms`: how long an operation waits for room in the cache; 0: for ever.
    pub cache_max_wait_ms: u64,
    /// `cache_stuck_timeout_ms`: how long eviction may fail to make progress before that is reported.
    pub cache_stuck_timeout_ms: u64,
    /// `eviction_*`, in bytes.
    pub eviction: EvictionLevels,
    /// `eviction.threads_min`.
    pub eviction_threads_min: u32,
    /// `eviction.threads_max`.
    pub eviction_threads_max: u32,
    /// `checkpoint.wait`: seconds between checkpoints; 0: none are taken by themselves.
    pub checkpoint_wait_s: u32,
    /// `checkpoint.log_size`: bytes of log after which a checkpoint is taken; 0: none are taken by themselves.
    pub checkpoint_log_bytes: u64,
    /// `log`, `transaction_sync`.
    pub log: LogSettings,
    /// `verbose`, in the order given.
    pub verbose: Vec<VerboseLevel>,
}

/// How full the cache may get, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvictionLevels {
    /// `eviction_target`: eviction threads work above this.
    pub target: u64,
    /// `eviction_trigger`: operations help above this.
    pub trigger: u64,
    /// `eviction_dirty_target`: eviction threads work above so many dirty bytes.
    pub dirty_target: u64,
    /// `eviction_dirty_trigger`: operations help above so many dirty bytes.
    pub dirty_trigger: u64,
    /// `eviction_updates_target`: eviction threads work above so many bytes of updates.
    pub updates_target: u64,
    /// `eviction_updates_trigger`: operations help above so many bytes of updates.
    pub updates_trigger: u64,
    /// `eviction_checkpoint_target`: the dirty bytes a checkpoint tries to get down to first; 0: it doesn't try.
    pub checkpoint_target: u64,
}

/// One category of `verbose`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerboseLevel {
    /// The word for the category; `all` means those not named themselves.
    pub category: String,
    /// Messages up to this level are written: 0 to 5, 1 if none is given.
    pub level: u8,
}

impl ConnectionSettings {
    /// The settings that a whole stack says, defaults included
    /// ([`Sources::stack`](crate::config::sources::Sources::stack), checked). `base_file` is the part of it that an
    /// earlier open has written, so that a refusal can say where the option comes from.
    ///
    /// # Errors
    /// `EINVAL` for levels that contradict each other, `ENOTSUP` for what is not built, naming the key.
    pub fn from_stack(stack: &[&str], base_file: &str) -> Result<Self> {
        let config = Config::new(stack);
        let given = stack.get(1..).unwrap_or_default();
        built::refuse_open(Config::new(given), base_file)?;
        let cache_size = count(config, "cache_size")?;
        Ok(Self {
            create: flag(config, "create")?,
            exclusive: flag(config, "exclusive")?,
            readonly: flag(config, "readonly")?,
            in_memory: flag(config, "in_memory")?,
            config_base: flag(config, "config_base")?,
            error_prefix: config.require("error_prefix")?.text().to_owned(),
            release: Release::from_config(config)?,
            session_max: count_u32(config, "session_max")?,
            cache_size,
            cache_overhead_percent: count(config, "cache_overhead")?,
            cache_max_wait_ms: count(config, "cache_max_wait_ms")?,
            cache_stuck_timeout_ms: count(config, "cache_stuck_timeout_ms")?,
            eviction: EvictionLevels::from_config(config, cache_size)?,
            eviction_threads_min: count_u32(config, "eviction.threads_min")?,
            eviction_threads_max: eviction_threads_max(config)?,
            checkpoint_wait_s: count_u32(config, "checkpoint.wait")?,
            checkpoint_log_bytes: count(config, "checkpoint.log_size")?,
            log: LogSettings::from_config(config, Config::new(given))?,
            verbose: VerboseLevel::from_config(config)?,
        })
    }
}

fn eviction_threads_max(config: Config<'_>) -> Result<u32> {
    let (min, max) = (count_u32(config, "eviction.threads_min")?, count_u32(config, "eviction.threads_max")?);
    if min > max {
        return Err(Error::invalid("eviction=(threads_min) cannot be greater than eviction=(threads_max)"));
    }
    Ok(max)
}

impl EvictionLevels {
    /// The levels for a cache of so many bytes.
    ///
    /// # Errors
    /// `EINVAL` if a level is above the cache's size, or a target is not below its trigger.
    pub fn from_config(config: Config<'_>, cache_size: u64) -> Result<Self> {
        let level = |key: &str| -> Result<u64> {
            let value = count(config, key)?;
            // Up to 100 is percent, above is bytes.
            let percent = u128::from(cache_size).saturating_mul(u128::from(value)).wrapping_div(100);
            match value {
                0..=100 => Ok(u64::try_from(percent).unwrap_or(u64::MAX)),
                bytes if bytes <= cache_size => Ok(bytes),
                _ => Err(Error::invalid(format!("{} should not exceed cache size", key.replace('_', " ")))),
            }
        };
        let or_half_of = |value: u64, other: u64| if value == 0 { other >> 1 } else { value };
        let target = level("eviction_target")?;
        let trigger = level("eviction_trigger")?;
        let dirty_target = level("eviction_dirty_target")?.min(target);
        let dirty_trigger = level("eviction_dirty_trigger")?.min(trigger);
        let checkpoint_target = match level("eviction_checkpoint_target")? {
            0 => 0,
            given => given.max(dirty_target),
        };
        let updates_target = or_half_of(level("eviction_updates_target")?, dirty_target);
        let updates_trigger = or_half_of(level("eviction_updates_trigger")?, dirty_trigger).min(trigger);
        for (name, target, trigger) in [
            ("eviction", target, trigger),
            ("eviction dirty", dirty_target, dirty_trigger),
            ("eviction updates", updates_target, updates_trigger),
        ] {
            if target >= trigger {
                return Err(Error::invalid(format!("{name} target must be lower than the {name} trigger")));
            }
        }
        Ok(Self { target, trigger, dirty_target, dirty_trigger, updates_target, updates_trigger, checkpoint_target })
    }
}

impl VerboseLevel {
    /// The categories of `verbose`.
    ///
    /// # Errors
    /// `EINVAL` for a level other than 0 to 5.
    pub fn from_config(config: Config<'_>) -> Result<Vec<Self>> {
        let mut levels = Vec::new();
        for item in config.require("verbose")?.items() {
            let (category, value) = item?;
            let number = if value.is_empty() { Some(1) } else { value.as_i64().ok() };
            let Some(level) = number.and_then(|number| u8::try_from(number).ok()).filter(|level| *level <= 5) else {
                let (category, value) = (category.text(), value.text());
                return Err(Error::invalid(format!(
                    "Failed to parse verbose option '{category}' with value '{value}'"
                )));
            };
            levels.push(Self { category: category.text().to_owned(), level });
        }
        Ok(levels)
    }
}

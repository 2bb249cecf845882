//! Typed settings: what the engine works with, made from checked configuration.
//!
//! Each structure is made from a stack of strings with the method's defaults at the bottom, after the caller's string
//! was checked ([`mod@super::check`]) and options that are not built were refused ([`super::built`]). What only the
//! combination of several values decides (page sizes against each other, eviction levels against the cache) is checked
//! here, with WiredTiger's messages.

mod connection;
mod file;
mod log;
mod session;

pub use connection::{ConnectionSettings, EvictionLevels, VerboseLevel};
pub use file::{Checksum, CreateSettings, FileSettings, split_size};
pub use log::{LogSettings, SyncMethod};
pub use session::{
    BoundAction, BoundSettings, CheckpointDrop, CheckpointSettings, CursorSettings, DropSettings, Isolation,
    SessionSettings, TransactionSettings, VerifySettings,
};

use hardwired_plugin::config::Config;

use super::built;
use super::check::{check, with_defaults};
use super::schema::Method;
use crate::{Error, Result};

/// Checks a call's configuration, refuses what is not built, and puts it over the method's defaults.
fn checked<'a>(method: &'static Method, config: &'a str) -> Result<Config<'a>> {
    check(method, config)?;
    built::refuse(method, Config::single(config))?;
    Ok(with_defaults(method, config))
}

/// A boolean that a default says. Consumers read what the checker let through: all but `false` and 0 is true.
fn flag(config: Config<'_>, key: &str) -> Result<bool> {
    Ok(config.require(key)?.truth())
}

/// A count or size that is not negative.
fn count(config: Config<'_>, key: &str) -> Result<u64> {
    config.require(key)?.as_u64().map_err(|_| Error::invalid(format!("Invalid value for key '{key}': expected a int")))
}

/// A count or size of 32 bits.
fn count_u32(config: Config<'_>, key: &str) -> Result<u32> {
    let value = count(config, key)?;
    u32::try_from(value)
        .map_err(|_| Error::invalid(format!("Value too large for key '{key}' the maximum is {}", u32::MAX)))
}

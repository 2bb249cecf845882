//! The options of the extension's entry.

use crate::failure;
use hardwired_plugin::config::{ConfigParser, Item};
use hardwired_plugin::{ErrorCode, Result};

/// The options; see the crate's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `cache`
    pub cache: bool,
    /// `delay_ms`
    pub delay_ms: u64,
    /// `error_ms`
    pub error_ms: u64,
    /// `force_delay`
    pub force_delay: u64,
    /// `force_error`
    pub force_error: u64,
    /// `verbose`
    pub verbose: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: true, delay_ms: 0, error_ms: 0, force_delay: 0, force_error: 0, verbose: 0 }
    }
}

impl Options {
    /// Reads a configuration string. Keys of others are ignored.
    ///
    /// # Errors
    /// `EINVAL` for a value that isn't an integer, or a negative one where that has no meaning.
    pub fn parse(config: &str) -> Result<Self> {
        let mut options = Self::default();
        for item in ConfigParser::new(config) {
            let (key, value) = item?;
            match key.text() {
                "cache" => options.cache = integer(value)? != 0,
                "delay_ms" => options.delay_ms = count(value)?,
                "error_ms" => options.error_ms = count(value)?,
                "force_delay" => options.force_delay = count(value)?,
                "force_error" => options.force_error = count(value)?,
                "verbose" => options.verbose = integer(value)?,
                _ => {}
            }
        }
        Ok(options)
    }
}

fn integer(value: Item<'_>) -> Result<i64> {
    // WiredTiger's sample names this key whichever it was.
    value.as_i64().map_err(|_| failure(ErrorCode::EINVAL, "force_error config arg: integer required"))
}

fn count(value: Item<'_>) -> Result<u64> {
    u64::try_from(integer(value)?).map_err(|_| failure(ErrorCode::EINVAL, "config arg: negative number"))
}

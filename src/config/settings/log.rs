//! The settings of the write-ahead log.

use hardwired_plugin::config::Config;

use super::{count, count_u32, flag};
use crate::{Error, Result};

/// `log`, `transaction_sync`, and what of `file_extend` is about the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// `log.enabled`.
    pub enabled: bool,
    /// `log.path`: the directory of the files, relative to the home.
    pub path: String,
    /// `log.compressor`: what compresses records, by name.
    pub compressor: String,
    /// `log.file_max`, in bytes.
    pub file_max: u64,
    /// The length a new file is extended to, in bytes; 0: it isn't.
    pub extend_to: u64,
    /// `log.prealloc`: files are prepared ahead.
    pub prealloc: bool,
    /// `log.prealloc_init_count`.
    pub prealloc_init_count: u32,
    /// `log.recover=error`: a database that needs recovery is refused.
    pub recover_error: bool,
    /// `log.remove`: files that aren't needed go.
    pub remove: bool,
    /// `log.zero_fill`: zeros are written into new files.
    pub zero_fill: bool,
    /// `transaction_sync.enabled`: commits wait for the log.
    pub sync: bool,
    /// `transaction_sync.method`: what for.
    pub sync_method: SyncMethod,
}

/// What a synced commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMethod {
    /// Its record is on stable storage. `dsync` means the same to a program.
    Fsync,
    /// Its record was given to the operating system.
    Write,
}

impl LogSettings {
    /// The settings that a stack says, defaults included; `given` is the stack without the defaults.
    ///
    /// # Errors
    /// `EINVAL` for values out of range and settings that contradict each other.
    pub fn from_config(config: Config<'_>, given: Config<'_>) -> Result<Self> {
        let file_max = count(config, "log.file_max")?;
        let readonly = flag(config, "readonly")?;
        let zero_fill = flag(config, "log.zero_fill")?;
        let enabled = flag(config, "log.enabled")?;
        if readonly && zero_fill {
            return Err(Error::invalid("Read-only configuration incompatible with zero-filling log files"));
        }
        if enabled && flag(config, "in_memory")? {
            return Err(Error::invalid("In-memory configuration incompatible with log=(enabled=true)"));
        }
        // `archive` is the old name of `remove` and counts where that isn't given.
        let remove = if given.get("log.remove")?.is_some() { "log.remove" } else { "log.archive" };
        Ok(Self {
            enabled,
            path: config.require("log.path")?.text().to_owned(),
            compressor: config.require("log.compressor")?.text().to_owned(),
            file_max,
            extend_to: extend_to(config, file_max)?,
            prealloc: flag(config, "log.prealloc")? && !readonly,
            prealloc_init_count: count_u32(config, "log.prealloc_init_count")?,
            recover_error: config.require("log.recover")?.text() == "error",
            remove: flag(config, remove)? && !readonly,
            zero_fill,
            sync: flag(config, "transaction_sync.enabled")?,
            sync_method: match config.require("transaction_sync.method")?.text() {
                "none" => SyncMethod::Write,
                _ => SyncMethod::Fsync,
            },
        })
    }
}

/// The `log` element of `file_extend`.
fn extend_to(config: Config<'_>, file_max: u64) -> Result<u64> {
    let mut length = file_max;
    for item in config.require("file_extend")?.items() {
        let (key, value) = item?;
        if key.text() == "log" && !value.is_empty() {
            length = match value.as_u64()? {
                0 => 0,
                bytes @ 102_400..=2_147_483_648 => bytes.min(file_max),
                bytes => return Err(Error::invalid(format!("invalid log extend length: {bytes}"))),
            };
        }
    }
    Ok(length)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;
    use crate::config::schema::WIREDTIGER_OPEN;

    fn settings(text: &str) -> Result<LogSettings> {
        let stack = [WIREDTIGER_OPEN.base, text];
        LogSettings::from_config(Config::new(&stack), Config::single(text))
    }

    #[test]
    fn defaults() {
        let expected = LogSettings {
            enabled: false,
            path: ".".to_owned(),
            compressor: String::new(),
            file_max: 100 << 20,
            extend_to: 100 << 20,
            prealloc: true,
            prealloc_init_count: 1,
            recover_error: false,
            remove: true,
            zero_fill: false,
            sync: false,
            sync_method: SyncMethod::Fsync,
        };
        assert_eq!(settings("").unwrap(), expected);
    }

    #[rstest::rstest]
    #[case("log=(archive=false)", false)]
    #[case("log=(archive=false,remove=true)", true)]
    #[case("log=(archive=true,remove=false)", false)]
    #[case("readonly", false)]
    fn the_old_name_of_remove_counts_where_the_new_one_is_not_given(#[case] text: &str, #[case] remove: bool) {
        assert_eq!(settings(text).unwrap().remove, remove);
    }

    #[test]
    fn extension_of_files() {
        assert_eq!(settings("file_extend=(log=0)").unwrap().extend_to, 0);
        assert_eq!(settings("log=(file_max=1MB),file_extend=(data=4MB,log=2MB)").unwrap().extend_to, 1 << 20);
        let error = settings("file_extend=(log=10)").unwrap_err();
        assert_eq!(error.to_string(), "invalid log extend length: 10");
    }

    #[rstest::rstest]
    #[case("readonly,log=(zero_fill)", "Read-only configuration incompatible with zero-filling log files")]
    #[case("in_memory,log=(enabled)", "In-memory configuration incompatible with log=(enabled=true)")]
    fn contradictions_are_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(settings(text).unwrap_err().to_string(), message);
    }
}

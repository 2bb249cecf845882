//! What sessions do with the log beside committing.
//!
//! Source: log specification, sections 5 and 9.

use super::Session;
use crate::log::LogDirectory;
use crate::plugin::config::Config;
use crate::{Error, Result};

impl Session {
    /// The files of the connection's log, to be read with [`Scanner`](crate::log::Scanner). There need not be any.
    pub fn log_directory(&self) -> LogDirectory {
        self.connection.log_directory.clone()
    }

    /// Hands everything in the log's buffers to the operating system. Keys: `sync` (default `on`: makes it durable as well).
    ///
    /// # Errors
    /// `EINVAL` without a log, `ENOTSUP` on a read-only connection; `WT_PANIC` if a write fails.
    pub fn log_flush(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.log_flush";
        self.call(METHOD, "", config, || {
            self.writable()?;
            let log = self.connection.txns.log().ok_or_else(|| Error::invalid("logging not enabled"))?;
            let config = self.connection.effective_config(METHOD, "", config);
            match Config::single(&config).text_or("sync", "on")? {
                "off" | "false" => log.flush(),
                _ => log.sync(),
            }
        })
    }

    /// Writes a message into the log; without one it is forgotten.
    ///
    /// # Errors
    /// `ENOTSUP` on a read-only connection, `EINVAL` for a text with a NUL, `EFBIG` for one that is too long; `WT_PANIC` if a
    /// write fails.
    pub fn log_printf(&self, message: &str) -> Result<()> {
        self.call("WT_SESSION.log_printf", "", "", || {
            self.writable()?;
            if message.contains('\0') {
                return Err(Error::invalid("a message of the log has no NUL"));
            }
            self.connection.txns.log().map_or(Ok(()), |log| log.append_message(message).map(|_| ()))
        })
    }
}

//! Closing a connection.
//!
//! Source: API specification, section 5 (close); block specification, section 15.

use super::ConnectionInner;
use crate::checkpoint::{self, Request};
use crate::event::{GeneralEvent, Origin};
use crate::plugin::config::Config;
use crate::tiered;
use crate::{Error, ErrorCode, Result};
use std::time::Duration;

/// How long `final_flush` waits for the copies.
const FINAL_FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

impl ConnectionInner {
    /// Closes the connection. The home is released in any case.
    pub(super) fn close(&self, config: &str) -> Result<()> {
        self.check_config("WT_CONNECTION.close", "", config)?;
        let Some(resources) = self.resources.lock().take() else {
            return Err(Error::invalid("the connection is closed"));
        };
        self.messenger.general(GeneralEvent::ConnectionClose);
        let panicked = self.db.is_panicked();
        // From here on sessions can't begin anything; what they have not committed is in nobody's snapshot.
        self.db.set_closed();
        let options = Config::single(config);
        let final_flush = options.bool_or("final_flush", false)?;
        let use_timestamp = options.bool_or("use_timestamp", true)?;
        let mut outcome =
            if panicked || self.db.readonly { Ok(()) } else { self.final_checkpoint(final_flush, use_timestamp) };
        resources.servers.stop();
        if !panicked {
            tiered::drain_removals(&self.db);
        }
        if outcome.is_ok() && !panicked {
            outcome = self.db.close_files();
        }
        self.db.forget_all();
        let mut extensions = resources.extensions;
        outcome = outcome.and(self.db.tiered.terminate());
        outcome = outcome.and(extensions.terminate_services());
        drop(resources.lock);
        outcome = outcome.and(extensions.terminate());
        match outcome {
            Ok(()) if panicked => Err(Error::panic("the connection has panicked")),
            Ok(()) => Ok(()),
            Err(error) if error.code() == ErrorCode::PANIC => {
                let text = "failure during close, disabling further writes";
                self.messenger.error(Origin::call("WT_CONNECTION.close"), ErrorCode::PANIC.0, text);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes what was committed durable. There is nothing to do for a database that nobody changed and that neither a
    /// key provider nor a data source may want to add to.
    fn final_checkpoint(&self, flush: bool, use_timestamp: bool) -> Result<()> {
        let flush = flush && !self.db.in_memory && self.db.tiered.is_on();
        if let Some(log) = self.txns.log() {
            // Nothing is committed behind the last checkpoint, which must also say so: the next open finds nothing to do.
            log.close_gate();
        } else {
            // The timestamps of the last checkpoint are those of the next open.
            let timestamps = self.txns.timestamps();
            let has_timestamps = use_timestamp && timestamps.stable != 0 || timestamps.last_checkpoint != 0;
            let is_due = has_timestamps || flush || self.has_provider || self.db.has_sources() || !self.db.is_clean();
            if self.db.in_memory || !is_due {
                return Ok(());
            }
        }
        if flush {
            return checkpoint::checkpoint(
                &self.db,
                &self.keys,
                &Request::final_flush(FINAL_FLUSH_TIMEOUT, use_timestamp),
            );
        }
        let request = Request::last(&format!("use_timestamp={use_timestamp}"), use_timestamp);
        checkpoint::checkpoint(&self.db, &self.keys, &request)
    }
}

impl Drop for ConnectionInner {
    fn drop(&mut self) {
        if self.resources.lock().is_some()
            && let Err(error) = self.close("")
        {
            self.messenger.report(Origin::call("WT_CONNECTION.close"), &error);
        }
    }
}

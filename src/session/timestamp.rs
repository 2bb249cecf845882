//! Timestamps of a session's transaction: when it reads. Those of its changes aren't built yet.
//!
//! Source: API specification, section 6.4; transactions specification, sections 7.4 to 7.6.

use super::Session;
use super::transaction::{not_built, too_old, with_reason};
use crate::plugin::config::Config;
use crate::txn::{Isolation, TS_NONE, timestamp};
use crate::{Error, Result};

/// Which timestamp [`Session::timestamp_transaction_uint`] sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampType {
    /// When the changes take effect.
    Commit,
    /// When the changes of a prepared transaction are durable.
    Durable,
    /// When the transaction was prepared.
    Prepare,
    /// As of when the transaction reads.
    Read,
}

impl TimestampType {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Durable => "durable",
            Self::Prepare => "prepare",
            Self::Read => "read",
        }
    }
}

impl Session {
    /// Gives the running transaction a `read_timestamp` (hexadecimal): it takes a new snapshot and reads as of that time. Its
    /// own changes it sees in any case.
    ///
    /// # Errors
    /// `EINVAL` outside a transaction, for bad configuration, at weaker isolation than snapshot, for a second read timestamp,
    /// and for one older than the oldest timestamp (unless the transaction rounds up); `ENOTSUP` for the other timestamps.
    pub fn timestamp_transaction(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.timestamp_transaction";
        let set = self.call(METHOD, "", config, || {
            self.need_transaction()?;
            let config = self.connection.effective_config(METHOD, "", config);
            let config = Config::single(&config);
            for which in [TimestampType::Commit, TimestampType::Durable, TimestampType::Prepare] {
                if timestamp::given(&config, which.name())?.is_some() {
                    return Err(self.refusal(which));
                }
            }
            match timestamp::given(&config, "read")? {
                Some(timestamp) => self.set_read_timestamp(timestamp),
                None => Ok(()),
            }
        });
        set.map_err(with_reason)
    }

    /// As [`Session::timestamp_transaction`], with a number.
    ///
    /// # Errors
    /// As there; `EINVAL` for zero.
    pub fn timestamp_transaction_uint(&self, which: TimestampType, timestamp: u64) -> Result<()> {
        let set = self.call("WT_SESSION.timestamp_transaction_uint", "", "", || {
            self.need_transaction()?;
            let name = which.name();
            if timestamp == TS_NONE {
                return Err(Error::invalid(format!("illegal {name} timestamp: zero not permitted")));
            }
            match which {
                TimestampType::Read => self.set_read_timestamp(timestamp),
                which => Err(self.refusal(which)),
            }
        });
        set.map_err(with_reason)
    }

    /// A timestamp of the session's transaction in hexadecimal, `0` if it isn't set. `get`: `read` (if it isn't given),
    /// `commit`, `first_commit`, `prepare`; only the first can be set yet.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration.
    pub fn query_timestamp(&self, config: &str) -> Result<String> {
        const METHOD: &str = "WT_SESSION.query_timestamp";
        self.call(METHOD, "", config, || {
            let config = self.connection.effective_config(METHOD, "", config);
            let timestamp = match Config::single(&config).text_or("get", "read")? {
                "read" | "" => self.txn.borrow().read_timestamp(),
                _ => TS_NONE,
            };
            Ok(format!("{timestamp:x}"))
        })
    }

    fn set_read_timestamp(&self, timestamp: u64) -> Result<()> {
        let mut txn = self.txn.borrow_mut();
        if txn.isolation() != Isolation::Snapshot {
            let text = "setting a read_timestamp requires a transaction running at snapshot isolation";
            return Err(Error::invalid(text));
        }
        if txn.read_timestamp() != TS_NONE {
            return Err(Error::invalid("a read_timestamp may only be set once per transaction"));
        }
        if txn.set_read_timestamp(timestamp, self.rounds_up_reads.get()) { Ok(()) } else { Err(too_old()) }
    }

    /// Why a transaction can't have one of the other timestamps.
    fn refusal(&self, which: TimestampType) -> Error {
        if which == TimestampType::Commit && self.txn.borrow().isolation() != Isolation::Snapshot {
            let text = "setting a commit_timestamp requires a transaction running at snapshot isolation";
            return Error::invalid(text);
        }
        not_built(&format!("{}_timestamp", which.name()))
    }
}

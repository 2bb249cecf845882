//! Transactions of a session.
//!
//! Source: API specification, section 6.4; transactions specification, sections 2 and 3.

use super::{Failure, Session};
use crate::config::check::compiled_value;
use crate::config::schema::WT_SESSION_BEGIN_TRANSACTION;
use crate::event::Origin;
use crate::plugin::config::Config;
use crate::txn::{Isolation, timestamp};
use crate::{Error, ErrorCode, Result};

impl Session {
    /// Begins a transaction. Keys: `isolation`, `ignore_prepare`, `name`, `priority`, `operation_timeout_ms`,
    /// `no_timestamp`, `read_timestamp`, `roundup_timestamps=(read)`, `sync`.
    ///
    /// # Errors
    /// `EINVAL` inside a transaction, for bad configuration, and for a read timestamp older than the oldest timestamp (unless
    /// it is to be rounded up); `ENOTSUP` for what isn't built. No transaction is running then.
    pub fn begin_transaction(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.begin_transaction";
        self.enter()?;
        let begun = self.begin_from(METHOD, config);
        begun.map_err(|error| with_reason(self.method_failed(METHOD, "", error, Failure::Full)))
    }

    fn begin_from(&self, method: &'static str, config: &str) -> Result<()> {
        self.connection.check_config(method, "", config)?;
        let config = &*self.connection.effective_config(method, "", config);
        let Begin { isolation, ignore_prepare, read_timestamp, rounds_up } =
            if config.is_empty() { Begin::new(self.default_isolation.get()) } else { self.begin_settings(config)? };
        let sync = if config.is_empty() { None } else { given_sync(Config::single(config))? };
        if self.in_transaction.get() {
            return Err(Error::invalid("not permitted in a running transaction"));
        }
        {
            let mut txn = self.txn.borrow_mut();
            txn.begin(isolation);
            txn.set_sync(sync);
            txn.set_ignore_prepare(matches!(ignore_prepare, "true" | "force"));
            if let Some(timestamp) = read_timestamp
                && !txn.set_read_timestamp(timestamp, rounds_up)
            {
                txn.rollback()?;
                return Err(too_old());
            }
        }
        self.isolation.set(isolation);
        self.rounds_up_reads.set(rounds_up);
        self.ignores_prepare.set(ignore_prepare == "true");
        self.in_transaction.set(true);
        Ok(())
    }

    fn begin_settings<'a>(&self, config: &'a str) -> Result<Begin<'a>> {
        let value = |key| compiled_value(&WT_SESSION_BEGIN_TRANSACTION, config, key);
        if value("roundup_timestamps.prepared")?.is_some_and(|item| item.truth()) {
            return Err(not_built("roundup_timestamps.prepared"));
        }
        let rounds_up = value("roundup_timestamps.read")?.is_some_and(|item| item.truth());
        let read_timestamp = value("read_timestamp")?.filter(|item| !item.is_empty());
        let read_timestamp = read_timestamp.map(|item| timestamp::parse("read", item.text())).transpose()?;
        let config = Config::single(config);
        let isolation = match config.text_or("isolation", "")? {
            "" => self.default_isolation.get(),
            word => parse_isolation(word)?,
        };
        let ignore_prepare = config.text_or("ignore_prepare", "false")?;
        // Who reads as of a timestamp has a snapshot, whatever was asked for.
        let isolation = if read_timestamp.is_some() { Isolation::Snapshot } else { isolation };
        Ok(Begin { isolation, ignore_prepare, read_timestamp, rounds_up })
    }

    /// Commits the transaction. Cursors keep their positions. After an error there is no transaction any more.
    ///
    /// # Errors
    /// `EINVAL` outside a transaction, for bad configuration, and for a transaction that changed something and in which
    /// a call failed; `ENOTSUP` for timestamps.
    pub fn commit_transaction(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.commit_transaction";
        self.enter()?;
        let committed = self.commit_from(METHOD, config);
        committed.map_err(|error| {
            if self.in_transaction.get() {
                // The commit's own error is what the caller must see; a failing rollback panics the connection.
                if let Err(error) = self.roll_back() {
                    self.failed(Origin::call(METHOD), error, Failure::SparesTransaction);
                }
            }
            self.method_failed(METHOD, "", error, Failure::SparesTransaction)
        })
    }

    fn commit_from(&self, method: &'static str, config: &str) -> Result<()> {
        if !config.is_empty() {
            self.connection.check_config(method, "", config)?;
        }
        if !self.in_transaction.get() {
            return Err(Error::invalid("only permitted in a running transaction"));
        }
        if !config.is_empty() {
            let config = Config::single(config);
            for key in ["commit_timestamp", "durable_timestamp"] {
                if config.get(key)?.is_some_and(|item| !item.is_empty()) {
                    return Err(not_built(key));
                }
            }
            if let Some(sync) = given_sync(config)? {
                let mut txn = self.txn.borrow_mut();
                if txn.sync().is_some() {
                    return Err(Error::invalid("sync already set during begin_transaction"));
                }
                txn.set_sync(Some(sync));
            }
        }
        {
            let txn = self.txn.borrow();
            if txn.is_failed() && txn.has_modifications() {
                return Err(Error::invalid("failed  transaction requires rollback"));
            }
        }
        self.ask_notified()?;
        let committed = self.txn.borrow_mut().commit();
        self.forget_notified();
        committed?;
        self.ended();
        Ok(())
    }

    /// Rolls the transaction back. Positioned cursors are reset.
    ///
    /// # Errors
    /// `EINVAL` outside a transaction and for bad configuration.
    pub fn rollback_transaction(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.rollback_transaction";
        self.call(METHOD, "", config, || {
            if !self.in_transaction.get() {
                return Err(Error::invalid("only permitted in a running transaction"));
            }
            self.roll_back()
        })
    }

    /// Takes a new snapshot in a transaction that hasn't changed anything.
    ///
    /// # Errors
    /// `ENOTSUP` at weaker isolation than snapshot and after a modification.
    pub fn reset_snapshot(&self) -> Result<()> {
        self.enter()?;
        self.renew_snapshot().map_err(|error| {
            let origin = Origin::call("connection-open-session");
            self.failed(origin, error, Failure::SparesTransaction)
        })
    }

    fn renew_snapshot(&self) -> Result<()> {
        if self.isolation() != Isolation::Snapshot {
            return Err(Error::unsupported("not supported in read-committed or read-uncommitted transactions"));
        }
        let mut txn = self.txn.borrow_mut();
        if txn.has_modifications() {
            return Err(Error::unsupported("only supported before a transaction makes modifications"));
        }
        if self.in_transaction.get() {
            txn.renew_snapshot();
        } else {
            txn.release_snapshot();
        }
        Ok(())
    }

    /// Prepares the transaction: not built yet.
    ///
    /// # Errors
    /// `EINVAL` outside a transaction, else `ENOTSUP`.
    pub fn prepare_transaction(&self, config: &str) -> Result<()> {
        self.call("WT_SESSION.prepare_transaction", "", config, || {
            if self.connection.is_readonly() {
                return Err(Error::unsupported("Unsupported session method"));
            }
            self.need_transaction()?;
            Err(not_built("prepare_timestamp"))
        })
    }

    /// Runs `body` in a transaction and commits it. If the body or the commit fails with `WT_ROLLBACK`, all of it is
    /// run again in a new transaction, without limit; any other error rolls back and is returned.
    ///
    /// # Errors
    /// Those of `body`, of beginning and of committing; `EINVAL` inside a transaction.
    pub fn transaction<T>(&self, mut body: impl FnMut(&Self) -> Result<T>) -> Result<T> {
        loop {
            self.begin_transaction("")?;
            let rollback = Rollback { session: self };
            let result = body(self);
            let result = match result {
                Ok(value) => self.commit_transaction("").map(|()| value),
                Err(error) => Err(error),
            };
            // Rolls back what is still running, also when the body panicked.
            drop(rollback);
            match result {
                Err(Error::Rollback(_)) => std::thread::yield_now(),
                result => return result,
            }
        }
    }

    pub(super) fn roll_back(&self) -> Result<()> {
        let id = self.notified_id();
        let result = self.txn.borrow_mut().rollback();
        self.ended();
        self.reset_cursors();
        self.tell_rolled_back(id);
        result
    }

    fn ended(&self) {
        self.in_transaction.set(false);
        self.ignores_prepare.set(false);
    }

    pub(super) fn need_transaction(&self) -> Result<()> {
        if self.in_transaction.get() { Ok(()) } else { Err(Error::invalid("only permitted in a running transaction")) }
    }
}

/// What the configuration of a begin asks for.
struct Begin<'a> {
    isolation: Isolation,
    ignore_prepare: &'a str,
    read_timestamp: Option<u64>,
    /// A read timestamp older than the oldest becomes that.
    rounds_up: bool,
}

impl Begin<'_> {
    fn new(isolation: Isolation) -> Self {
        Self { isolation, ignore_prepare: "", read_timestamp: None, rounds_up: false }
    }
}

/// Rolls the session's transaction back when it goes out of scope with one running.
struct Rollback<'a> {
    session: &'a Session,
}

impl Drop for Rollback<'_> {
    fn drop(&mut self) {
        if self.session.in_transaction.get() {
            // The body's error is what the caller must see; a failing rollback panics the connection.
            let _ = self.session.roll_back();
        }
    }
}

/// The isolation a configuration word names.
pub(super) fn parse_isolation(word: &str) -> Result<Isolation> {
    match word {
        "read-uncommitted" => Ok(Isolation::ReadUncommitted),
        "read-committed" => Ok(Isolation::ReadCommitted),
        "snapshot" => Ok(Isolation::Snapshot),
        word => Err(Error::invalid(format!("Value '{word}' is not a valid choice"))),
    }
}

/// `sync` of a transaction, if it is given.
fn given_sync(config: Config<'_>) -> Result<Option<bool>> {
    let given = config.get("sync")?.filter(|item| !item.is_empty());
    Ok(given.map(|item| item.truth() || item.text() == "on"))
}

/// WiredTiger has no text for this one: see [`with_reason`].
pub(super) fn too_old() -> Error {
    Error::invalid("")
}

/// The caller of a Rust function deserves a text.
pub(super) fn with_reason(error: Error) -> Error {
    let is_too_old = error.code() == ErrorCode::EINVAL && error.to_string().is_empty();
    if is_too_old { Error::invalid("the read timestamp is older than the oldest timestamp") } else { error }
}

/// Timestamps of changes have an issue of their own.
pub(super) fn not_built(key: &str) -> Error {
    Error::unsupported(format!("{key}: timestamps are not supported yet"))
}

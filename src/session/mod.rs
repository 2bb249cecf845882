//! Sessions: the context of one thread at a time, with its transaction, isolation default and last error.
//!
//! Invariants:
//! 1. Every call goes through the frame: `Session::enter` refuses calls on a connection that is closed or has
//!    panicked and clears the last error; `Session::finish` records a failure, reports it to the event handler and
//!    marks a running transaction as failed (API specification, section 3).
//! 2. A session belongs to one thread at a time ([`Send`], not [`Sync`]). Its cursors borrow it, so it can't be handed
//!    over or dropped while one is open.
//! 3. The session counts its positioned cursors. Outside a transaction the snapshot lives as long as one of them.
//! 4. A cursor that the session resets follows when it is next used.
//!
//! Source: API specification, sections 3 and 6.

mod calls;
mod cursors;
mod last_error;
mod log;
mod services;
#[cfg(test)]
mod services_tests;
mod timestamp;
mod transaction;

pub use last_error::LastError;
pub use timestamp::TimestampType;

use crate::config::Method;
use crate::connection::ConnectionInner;
use crate::event::Origin;
use crate::plugin::services::TransactionNotify;
use crate::txn::{Isolation, Txn};
use crate::{Error, ErrorCode, Result};
pub(crate) use cursors::OpenCursor;
use last_error::LastErrorSlot;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// A session of a connection. Dropping it rolls its transaction back.
pub struct Session {
    connection: Arc<ConnectionInner>,
    txn: RefCell<Txn>,
    in_transaction: Cell<bool>,
    /// The isolation of operations outside transactions, and of transactions that don't say.
    default_isolation: Cell<Isolation>,
    /// The isolation of the running transaction.
    isolation: Cell<Isolation>,
    /// The running transaction may not write (`ignore_prepare=true`).
    ignores_prepare: Cell<bool>,
    /// A read timestamp of the running transaction is rounded up to the oldest.
    rounds_up_reads: Cell<bool>,
    open_cursors: RefCell<Vec<Arc<OpenCursor>>>,
    positioned_cursors: Cell<usize>,
    last_error: LastErrorSlot,
    /// Who is to be told of the running transaction's end.
    notified: RefCell<Vec<Arc<dyn TransactionNotify>>>,
    implicit: Cell<services::Implicit>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("in_transaction", &self.in_transaction.get()).finish_non_exhaustive()
    }
}

/// What a failing call does beside returning its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The error is reported and poisons a running transaction.
    Full,
    /// The error is reported and leaves the transaction as it is.
    SparesTransaction,
    /// The error isn't reported and leaves the transaction as it is; `get_last_error` has it.
    Silent,
}

impl Session {
    pub(crate) fn new(connection: Arc<ConnectionInner>) -> Result<Self> {
        let txn = Txn::new(&connection.txns)?;
        Ok(Self {
            connection,
            txn: RefCell::new(txn),
            in_transaction: Cell::new(false),
            default_isolation: Cell::new(Isolation::Snapshot),
            isolation: Cell::new(Isolation::Snapshot),
            ignores_prepare: Cell::new(false),
            rounds_up_reads: Cell::new(false),
            open_cursors: RefCell::default(),
            positioned_cursors: Cell::new(0),
            last_error: LastErrorSlot::default(),
            notified: RefCell::default(),
            implicit: Cell::default(),
        })
    }

    /// The outcome of the session's previous call.
    pub fn get_last_error(&self) -> LastError {
        self.last_error.get()
    }

    /// The text for one of WiredTiger's numbers.
    pub fn strerror(&self, code: i32) -> String {
        crate::plugin::error::strerror(code)
    }

    /// Closes the session: rolls its transaction back.
    ///
    /// # Errors
    /// `WT_PANIC` if the connection has panicked.
    pub fn close(self) -> Result<()> {
        self.enter()?;
        if self.in_transaction.get() {
            self.roll_back()?;
        }
        Ok(())
    }

    pub(crate) fn connection(&self) -> &Arc<ConnectionInner> {
        &self.connection
    }

    // ---- the frame of a call

    /// The start of every call.
    #[inline]
    pub(crate) fn enter(&self) -> Result<()> {
        self.last_error.clear();
        self.connection.check_usable()
    }

    /// The end of a cursor's call.
    #[inline]
    pub(crate) fn finish<T>(&self, origin: Origin<'_>, result: Result<T>) -> Result<T> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(origin, error, Failure::Full)),
        }
    }

    /// Records a failure. `error` comes back.
    #[cold]
    pub(crate) fn failed(&self, origin: Origin<'_>, error: Error, failure: Failure) -> Error {
        self.last_error.set(&error, error.code());
        if failure != Failure::Silent {
            self.connection.messenger.report(origin, &error);
        }
        if error.code() == ErrorCode::PANIC {
            self.connection.set_panicked();
        }
        let spares = matches!(error, Error::NotFound | Error::DuplicateKey | Error::PrepareConflict);
        if failure == Failure::Full && !spares && self.in_transaction.get() {
            self.txn.borrow_mut().set_failed();
        }
        error
    }

    /// A session method: its frame, its configuration check, and `WT_NOTFOUND` turned into `ENOENT` of `object`.
    pub(crate) fn call<T>(
        &self,
        method: &'static str,
        object: &str,
        config: &str,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.enter()?;
        let result = self.connection.check_config(method, object, config).and_then(|()| body());
        result.map_err(|error| self.method_failed(method, object, error, Failure::Full))
    }

    #[cold]
    pub(crate) fn method_failed(&self, method: &'static str, object: &str, error: Error, failure: Failure) -> Error {
        let error = if error.is_not_found() { Error::new(ErrorCode::ENOENT, String::new()) } else { error };
        let error = self.failed(Origin::call(method), error, failure);
        // WiredTiger has no text for a missing object; the caller of a Rust function deserves one.
        if error.code() == ErrorCode::ENOENT && error.to_string().is_empty() {
            return Error::new(ErrorCode::ENOENT, format!("{object}: No such file or directory"));
        }
        error
    }

    // ---- transactions

    fn holds_snapshot(&self) -> bool {
        self.in_transaction.get() && self.isolation.get() == Isolation::Snapshot
    }

    #[inline]
    pub(crate) fn in_transaction(&self) -> bool {
        self.in_transaction.get()
    }

    /// The isolation the next operation runs at.
    #[inline]
    pub(crate) fn isolation(&self) -> Isolation {
        if self.in_transaction.get() { self.isolation.get() } else { self.default_isolation.get() }
    }

    /// Runs a read with the snapshot that the isolation asks for. Outside a transaction a read that must be rolled back
    /// is repeated.
    #[inline]
    pub(crate) fn read<T>(&self, mut operation: impl FnMut(&mut Txn) -> Result<T>) -> Result<T> {
        let mut txn = self.txn.borrow_mut();
        loop {
            txn.prepare_read(self.default_isolation.get());
            match operation(&mut txn) {
                Err(Error::Rollback(_)) if !self.in_transaction.get() => {
                    txn.release_snapshot();
                    std::thread::yield_now();
                }
                result => return result,
            }
        }
    }

    /// Runs a write in the running transaction or in one of its own, which is repeated while it must be rolled back.
    #[inline]
    pub(crate) fn write<T>(&self, mut operation: impl FnMut(&mut Txn) -> Result<T>) -> Result<T> {
        if self.isolation() != Isolation::Snapshot {
            return Err(Error::unsupported(
                "write operations are not supported in read-committed or read-uncommitted transactions.",
            ));
        }
        let mut txn = self.txn.borrow_mut();
        if self.in_transaction.get() {
            if self.ignores_prepare.get() {
                return Err(Error::unsupported("Transactions with ignore_prepare=true cannot perform updates"));
            }
            return operation(&mut txn);
        }
        loop {
            txn.begin_implicit();
            match operation(&mut txn) {
                Ok(value) => {
                    txn.commit()?;
                    return Ok(value);
                }
                Err(error) => {
                    txn.rollback()?;
                    if !matches!(error, Error::Rollback(_)) {
                        return Err(error);
                    }
                    std::thread::yield_now();
                }
            }
        }
    }
}

/// Checks the configuration of a call of `method` where there is no connection yet.
pub(crate) fn check(method: &str, config: &str) -> Result<()> {
    if config.is_empty() {
        return Ok(());
    }
    crate::config::check(self::method(method)?, config)
}

/// The table of a method that the engine has.
pub(crate) fn method(name: &str) -> Result<&'static Method> {
    Method::find(name).ok_or_else(|| Error::panic(format!("no configuration schema for {name}")))
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.in_transaction.get() {
            // A rollback that fails has made the connection panic, and dropping has nobody to tell.
            let _ = self.roll_back();
        }
    }
}

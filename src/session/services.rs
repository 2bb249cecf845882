//! What a callback of an extension learns of the session that it is called for, and who is told of a transaction's end.
//!
//! 1. At a commit every registered object is asked before anything becomes visible, in the order of registration. The first
//!    error turns the commit into a rollback and is what the caller gets.
//! 2. After a rollback every object hears of it, but for the one whose error caused it. So an object hears the end once;
//!    one that had agreed to a commit which another refused hears of the rollback as well.
//! 3. Registering an object a second time changes nothing.
//!
//! Source: extensions specification, section 7.2.

use super::Session;
use crate::Result;
use crate::extensions::fence;
use crate::plugin::services::{self, TransactionNotify};
use crate::schema::{CallServices, CallingSession, Database, MetadataOperation, no_transaction};
use crate::txn::{Isolation, TS_NONE, TXN_NONE};
use std::sync::Arc;

/// The transaction of a data source's call outside of the application's transactions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Implicit {
    /// No such call is running.
    #[default]
    No,
    /// A call is running and may have one.
    Allowed,
    /// The call has one.
    Begun,
}

impl CallingSession for Session {
    fn transaction_id(&self) -> Result<u64> {
        self.need_transaction_of_call()?;
        Ok(self.txn.borrow_mut().ensure_id())
    }

    fn isolation(&self) -> services::Isolation {
        match self.isolation() {
            Isolation::ReadUncommitted => services::Isolation::ReadUncommitted,
            Isolation::ReadCommitted => services::Isolation::ReadCommitted,
            Isolation::Snapshot => services::Isolation::Snapshot,
        }
    }

    fn notify(&self, notify: Arc<dyn TransactionNotify>) -> Result<()> {
        self.need_transaction_of_call()?;
        let mut notified = self.notified.borrow_mut();
        if !notified.iter().any(|known| is_same(known, &notify)) {
            notified.push(notify);
        }
        Ok(())
    }

    fn is_visible(&self, id: u64) -> bool {
        let visible = {
            let mut txn = self.txn.borrow_mut();
            txn.prepare_read(self.default_isolation.get());
            txn.sees(id, TS_NONE)
        };
        self.settle();
        visible
    }
}

impl Session {
    /// The services of a callback that is made for this session, inside the schema operation if there is one.
    pub(crate) fn services<'a>(
        &'a self,
        db: &'a Database,
        operation: Option<&'a MetadataOperation<'a>>,
    ) -> CallServices<'a> {
        CallServices::new(db, self, operation)
    }

    /// Runs a call of a data source that changes something. Outside a transaction it has one of its own, which begins when
    /// the source asks for its id or takes part in it, and ends with the call.
    #[inline]
    pub(crate) fn in_implicit_transaction<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.in_transaction.get() {
            return call();
        }
        self.implicit.set(Implicit::Allowed);
        let result = call();
        match self.implicit.replace(Implicit::No) {
            Implicit::Begun => self.end_implicit(result),
            Implicit::No | Implicit::Allowed => result,
        }
    }

    #[cold]
    fn end_implicit<T>(&self, result: Result<T>) -> Result<T> {
        let asked = result.and_then(|value| self.ask_notified().map(|()| value));
        match asked {
            Ok(value) => {
                let committed = self.txn.borrow_mut().commit();
                self.forget_notified();
                self.in_transaction.set(false);
                committed.map(|()| value)
            }
            Err(error) => {
                let id = self.notified_id();
                let undone = self.txn.borrow_mut().rollback();
                self.in_transaction.set(false);
                self.tell_rolled_back(id);
                undone.and(Err(error))
            }
        }
    }

    /// Makes sure that a transaction is running: the application's, or that of the call.
    fn need_transaction_of_call(&self) -> Result<()> {
        if self.in_transaction.get() {
            return Ok(());
        }
        if self.implicit.get() != Implicit::Allowed {
            return Err(no_transaction());
        }
        self.txn.borrow_mut().begin_implicit();
        self.in_transaction.set(true);
        self.implicit.set(Implicit::Begun);
        Ok(())
    }

    /// Asks everybody who takes part in the running transaction whether it may commit.
    pub(super) fn ask_notified(&self) -> Result<()> {
        if self.notified.borrow().is_empty() {
            return Ok(());
        }
        let id = self.txn.borrow_mut().ensure_id();
        let asked: Vec<_> = self.notified.borrow().clone();
        for object in asked {
            if let Err(error) = told(&object, id, true) {
                self.notified.borrow_mut().retain(|other| !is_same(other, &object));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Forgets them: the transaction has committed.
    pub(super) fn forget_notified(&self) {
        self.notified.borrow_mut().clear();
    }

    /// Tells everybody that the transaction `id` has been rolled back. Their errors are reported; nothing else can be done.
    pub(super) fn tell_rolled_back(&self, id: u64) {
        for object in self.notified.take() {
            if let Err(error) = told(&object, id, false) {
                self.connection.messenger.report(crate::event::Origin::call("WT_SESSION.rollback_transaction"), &error);
            }
        }
    }

    /// The id that the objects are told of; only who registered one needs it.
    pub(super) fn notified_id(&self) -> u64 {
        if self.notified.borrow().is_empty() { TXN_NONE } else { self.txn.borrow_mut().ensure_id() }
    }
}

/// One call, behind a fence: the object belongs to an extension.
fn told(object: &Arc<dyn TransactionNotify>, id: u64, committed: bool) -> Result<()> {
    fence("that takes part in a transaction", "notify", || object.notify(id, committed))
}

fn is_same(left: &Arc<dyn TransactionNotify>, right: &Arc<dyn TransactionNotify>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(left), Arc::as_ptr(right))
}

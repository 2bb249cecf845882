//! Who uses an open object: any number of sharers, or one alone.
//!
//! Nobody waits: whoever comes second gets `EBUSY` at once.

use crate::{Error, ErrorCode, Result};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// An object that counts its users.
pub(crate) trait Usable {
    /// The count.
    fn users(&self) -> &Users;
    /// The object's URI, for messages.
    fn uri(&self) -> &str;
}

/// The number of users, or [`EXCLUSIVE`].
#[derive(Debug, Default)]
pub(crate) struct Users(AtomicI64);

const EXCLUSIVE: i64 = -1;

impl Users {
    /// Whether anybody uses the object.
    pub(crate) fn are_some(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// Counts one more user.
///
/// # Errors
/// `EBUSY` while somebody uses the object exclusively.
pub(crate) fn use_shared<T: Usable>(object: &Arc<T>) -> Result<InUse<T>> {
    let users = &object.users().0;
    let mut count = users.load(Ordering::Relaxed);
    loop {
        if count == EXCLUSIVE {
            return Err(busy(object.uri()));
        }
        match users.compare_exchange_weak(count, count + 1, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Ok(InUse(Arc::clone(object))),
            Err(now) => count = now,
        }
    }
}

/// Takes the object for oneself.
///
/// # Errors
/// `EBUSY` while anybody uses it.
pub(crate) fn use_exclusively<T: Usable>(object: &Arc<T>) -> Result<Exclusive<T>> {
    match object.users().0.compare_exchange(0, EXCLUSIVE, Ordering::Acquire, Ordering::Relaxed) {
        Ok(_) => Ok(Exclusive { object: Arc::clone(object), forever: false }),
        Err(_) => Err(busy(object.uri())),
    }
}

/// An object in use; dropping it ends the use.
pub(crate) struct InUse<T: Usable>(Arc<T>);

impl<T: Usable> Deref for InUse<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Usable> InUse<T> {
    /// Whether both are uses of the same object.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// One more use of the same object: it can't be in exclusive use.
    pub(crate) fn again(&self) -> Result<Self> {
        use_shared(&self.0)
    }

    /// The object, to be kept beside the use.
    pub(crate) fn object(&self) -> &Arc<T> {
        &self.0
    }
}

impl<T: Usable> Drop for InUse<T> {
    fn drop(&mut self) {
        self.0.users().0.fetch_sub(1, Ordering::Release);
    }
}

/// An object in exclusive use; dropping it ends the use.
pub(crate) struct Exclusive<T: Usable> {
    object: Arc<T>,
    forever: bool,
}

impl<T: Usable> Exclusive<T> {
    /// Never gives the object free again: it was dropped, and whoever still finds the handle must not use it.
    pub(crate) fn forever(mut self) {
        self.forever = true;
    }
}

impl<T: Usable> Deref for Exclusive<T> {
    type Target = Arc<T>;
    fn deref(&self) -> &Arc<T> {
        &self.object
    }
}

impl<T: Usable> Drop for Exclusive<T> {
    fn drop(&mut self) {
        if !self.forever {
            self.object.users().0.store(0, Ordering::Release);
        }
    }
}

fn busy(uri: &str) -> Error {
    Error::new(ErrorCode::EBUSY, format!("{uri}: the object is in use"))
}

//! The outcome of a session's previous call.
//!
//! Source: API specification, section 6.9.

use crate::plugin::error::SubLevel;
use crate::{Error, ErrorCode};
use std::cell::{Cell, RefCell};

/// The outcome of a session's previous call, as `get_last_error` gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// WiredTiger's number; 0 after success.
    pub error: ErrorCode,
    /// The sub-level number.
    pub sub_level: SubLevel,
    /// The text without prefix and without the number's own text; empty if the failing place had none.
    pub message: String,
}

impl LastError {
    /// The outcome of a call that succeeded.
    pub fn success() -> Self {
        Self { error: ErrorCode(0), sub_level: SubLevel::NONE, message: "last API call was successful".to_owned() }
    }
}

/// Where a session keeps it. A call that follows a success touches one flag.
#[derive(Debug, Default)]
pub(crate) struct LastErrorSlot {
    is_set: Cell<bool>,
    error: RefCell<Option<LastError>>,
}

impl LastErrorSlot {
    /// At the start of a call.
    #[inline]
    pub(crate) fn clear(&self) {
        if self.is_set.get() {
            self.is_set.set(false);
        }
    }

    /// At the end of a failing call. The results of a program's normal course have no text.
    pub(crate) fn set(&self, error: &Error, code: ErrorCode) {
        let message = match error {
            Error::NotFound | Error::DuplicateKey | Error::PrepareConflict => String::new(),
            Error::Rollback(reason) => reason.to_string(),
            error => error.to_string(),
        };
        self.is_set.set(true);
        *self.error.borrow_mut() = Some(LastError { error: code, sub_level: error.sub_level(), message });
    }

    /// What `get_last_error` gives.
    pub(crate) fn get(&self) -> LastError {
        match &*self.error.borrow() {
            Some(error) if self.is_set.get() => error.clone(),
            _ => LastError::success(),
        }
    }
}

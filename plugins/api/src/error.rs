//! The one error type of the engine and its extensions.
//!
//! Every error has WiredTiger's number ([`Error::code`]), a sub-level number ([`Error::sub_level`]) and a message that
//! names the object and the reason. The results that a program meets in its normal course ([`Error::NotFound`],
//! [`Error::DuplicateKey`]) carry no allocation, so that returning them costs nothing.
//!
//! Source: API specification, sections 1.1 to 1.4.

use std::fmt;

/// The result of an engine or extension call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what the caller can do about it.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `WT_NOTFOUND`: no such record (for a session method: no such object, reported as `ENOENT`).
    #[error("WT_NOTFOUND: item not found")]
    NotFound,
    /// `WT_DUPLICATE_KEY`: an insert with `overwrite=false` met an existing record.
    #[error("WT_DUPLICATE_KEY: attempt to insert an existing key")]
    DuplicateKey,
    /// `WT_ROLLBACK`: the transaction must be rolled back and may be retried. The reason tells why.
    #[error("WT_ROLLBACK: conflict between concurrent operations ({0})")]
    Rollback(RollbackReason),
    /// `WT_PREPARE_CONFLICT`: the record belongs to a prepared transaction of another session.
    #[error("WT_PREPARE_CONFLICT: conflict with a prepared update")]
    PrepareConflict,
    /// `WT_CACHE_FULL`: an in-memory database has no room left.
    #[error("WT_CACHE_FULL: operation would overflow cache")]
    CacheFull,
    /// Bytes on disk that can't be what the engine wrote.
    #[error("{0}")]
    Corrupt(Box<Corruption>),
    /// Any other failure: number and message.
    #[error("{0}")]
    Other(Box<Failure>),
}

/// Why a transaction must be rolled back. The texts are WiredTiger's.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackReason {
    /// Another transaction changed the record first.
    WriteConflict,
    /// The cache stayed over its limits for longer than `cache_max_wait_ms`.
    CacheOverflow,
    /// The transaction pins the oldest id while eviction can't make progress.
    OldestForEviction,
}

impl fmt::Display for RollbackReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WriteConflict => "Write conflict between concurrent operations",
            Self::CacheOverflow => "Cache capacity has overflown",
            Self::OldestForEviction => "Transaction has the oldest pinned transaction ID",
        })
    }
}

/// Where and why bytes were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: corrupted at offset {offset}: {reason}")]
pub struct Corruption {
    /// The file or object the bytes come from; empty while a pure decoder has no name for it.
    pub object: String,
    /// Byte offset in the object (or, from a pure decoder, in the buffer it was given).
    pub offset: u64,
    /// What was expected and what was found.
    pub reason: String,
}

/// A failure with WiredTiger's number and a message.
#[derive(Debug)]
pub struct Failure {
    /// The number [`Error::code`] gives.
    pub code: ErrorCode,
    /// The number [`Error::sub_level`] gives.
    pub sub_level: SubLevel,
    /// The message: names the object and the reason.
    pub message: String,
    /// The error beneath, if any.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

/// WiredTiger's return code: a positive errno value, or one of the engine's negative codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i32);

/// A sub-level code, as `get_last_error` reports it (API specification, section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubLevel(pub i32);

impl ErrorCode {
    /// `WT_ROLLBACK`
    pub const ROLLBACK: Self = Self(-31800);
    /// `WT_DUPLICATE_KEY`
    pub const DUPLICATE_KEY: Self = Self(-31801);
    /// `WT_ERROR`
    pub const ERROR: Self = Self(-31802);
    /// `WT_NOTFOUND`
    pub const NOTFOUND: Self = Self(-31803);
    /// `WT_PANIC`
    pub const PANIC: Self = Self(-31804);
    /// `WT_RUN_RECOVERY`
    pub const RUN_RECOVERY: Self = Self(-31806);
    /// `WT_CACHE_FULL`
    pub const CACHE_FULL: Self = Self(-31807);
    /// `WT_PREPARE_CONFLICT`
    pub const PREPARE_CONFLICT: Self = Self(-31808);
    /// `WT_TRY_SALVAGE`
    pub const TRY_SALVAGE: Self = Self(-31809);
    /// `EPERM`
    pub const EPERM: Self = Self(1);
    /// `ENOENT`
    pub const ENOENT: Self = Self(2);
    /// `EIO`
    pub const EIO: Self = Self(5);
    /// Not enough memory: also a buffer that is too small.
    pub const ENOMEM: Self = Self(12);
    /// `EACCES`
    pub const EACCES: Self = Self(13);
    /// `EBUSY`
    pub const EBUSY: Self = Self(16);
    /// `EEXIST`
    pub const EEXIST: Self = Self(17);
    /// `EINVAL`
    pub const EINVAL: Self = Self(22);
    /// `EFBIG`
    pub const EFBIG: Self = Self(27);
    /// `ERANGE`
    pub const ERANGE: Self = Self(34);
    /// `ENOTSUP`
    pub const ENOTSUP: Self = Self(95);
    /// `ETIMEDOUT`
    pub const ETIMEDOUT: Self = Self(110);
}

impl SubLevel {
    /// `WT_NONE`
    pub const NONE: Self = Self(-32000);
    /// `WT_CACHE_OVERFLOW`
    pub const CACHE_OVERFLOW: Self = Self(-32002);
    /// `WT_WRITE_CONFLICT`
    pub const WRITE_CONFLICT: Self = Self(-32003);
    /// `WT_OLDEST_FOR_EVICTION`
    pub const OLDEST_FOR_EVICTION: Self = Self(-32004);
    /// `WT_CONFLICT_BACKUP`
    pub const CONFLICT_BACKUP: Self = Self(-32005);
    /// `WT_CONFLICT_DHANDLE`
    pub const CONFLICT_DHANDLE: Self = Self(-32006);
    /// `WT_CONFLICT_SCHEMA_LOCK`
    pub const CONFLICT_SCHEMA_LOCK: Self = Self(-32007);
    /// `WT_UNCOMMITTED_DATA`
    pub const UNCOMMITTED_DATA: Self = Self(-32008);
    /// `WT_DIRTY_DATA`
    pub const DIRTY_DATA: Self = Self(-32009);
    /// `WT_CONFLICT_TABLE_LOCK`
    pub const CONFLICT_TABLE_LOCK: Self = Self(-32010);
    /// `WT_CONFLICT_CHECKPOINT_LOCK`
    pub const CONFLICT_CHECKPOINT_LOCK: Self = Self(-32011);
    /// `WT_MODIFY_READ_UNCOMMITTED`
    pub const MODIFY_READ_UNCOMMITTED: Self = Self(-32012);
}

impl Error {
    /// WiredTiger's return code for this error.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::NOTFOUND,
            Self::DuplicateKey => ErrorCode::DUPLICATE_KEY,
            Self::Rollback(_) => ErrorCode::ROLLBACK,
            Self::PrepareConflict => ErrorCode::PREPARE_CONFLICT,
            Self::CacheFull => ErrorCode::CACHE_FULL,
            Self::Corrupt(_) => ErrorCode::ERROR,
            Self::Other(failure) => failure.code,
        }
    }

    /// WiredTiger's sub-level code, [`SubLevel::NONE`] where there is nothing to add.
    pub fn sub_level(&self) -> SubLevel {
        match self {
            Self::Rollback(RollbackReason::WriteConflict) => SubLevel::WRITE_CONFLICT,
            Self::Rollback(RollbackReason::CacheOverflow) => SubLevel::CACHE_OVERFLOW,
            Self::Rollback(RollbackReason::OldestForEviction) => SubLevel::OLDEST_FOR_EVICTION,
            Self::Other(failure) => failure.sub_level,
            _ => SubLevel::NONE,
        }
    }

    /// An error with a code and a message.
    #[cold]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Other(Box::new(Failure { code, sub_level: SubLevel::NONE, message: message.into(), source: None }))
    }

    /// An error with a code, a sub-level code and a message.
    #[cold]
    pub fn with_sub_level(code: ErrorCode, sub_level: SubLevel, message: impl Into<String>) -> Self {
        Self::Other(Box::new(Failure { code, sub_level, message: message.into(), source: None }))
    }

    /// `EINVAL`: a call that can't be meant so.
    #[cold]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::EINVAL, message)
    }

    /// `ENOTSUP`: something that WiredTiger knows and this engine (or this object) doesn't do.
    #[cold]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ENOTSUP, message)
    }

    /// `WT_PANIC`: the connection is no longer usable.
    #[cold]
    pub fn panic(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::PANIC, message)
    }

    /// Bytes that were refused. `object` may be empty in a pure decoder; see [`Error::in_object`].
    #[cold]
    pub fn corrupt(object: impl Into<String>, offset: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt(Box::new(Corruption { object: object.into(), offset, reason: reason.into() }))
    }

    /// An operating-system error, with what was being done to what.
    #[cold]
    pub fn io(what: impl fmt::Display, error: std::io::Error) -> Self {
        let code = ErrorCode(error.raw_os_error().unwrap_or(match error.kind() {
            std::io::ErrorKind::NotFound => ErrorCode::ENOENT.0,
            std::io::ErrorKind::AlreadyExists => ErrorCode::EEXIST.0,
            std::io::ErrorKind::UnexpectedEof => ErrorCode::ERROR.0,
            _ => ErrorCode::EIO.0,
        }));
        Self::Other(Box::new(Failure {
            code,
            sub_level: SubLevel::NONE,
            message: format!("{what}: {error}"),
            source: Some(Box::new(error)),
        }))
    }

    /// Names the object (and shifts the offset) of a corruption that a pure decoder reported; other errors pass.
    #[must_use]
    pub fn in_object(mut self, object: &str, base_offset: u64) -> Self {
        if let Self::Corrupt(corruption) = &mut self
            && corruption.object.is_empty()
        {
            corruption.object = object.to_owned();
            corruption.offset = corruption.offset.saturating_add(base_offset);
        }
        self
    }

    /// Whether this is [`Error::NotFound`].
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound)
    }
}

/// The text `wiredtiger_strerror` gives for a code (API specification, sections 1.1 to 1.3).
pub fn strerror(code: i32) -> String {
    let text = match code {
        0 => "Successful return: 0",
        -31800 => "WT_ROLLBACK: conflict between concurrent operations",
        -31801 => "WT_DUPLICATE_KEY: attempt to insert an existing key",
        -31802 => "WT_ERROR: non-specific WiredTiger error",
        -31803 => "WT_NOTFOUND: item not found",
        -31804 => "WT_PANIC: WiredTiger library panic",
        -31805 => "WT_RESTART: restart the operation (internal)",
        -31806 => "WT_RUN_RECOVERY: recovery must be run to continue",
        -31807 => "WT_CACHE_FULL: operation would overflow cache",
        -31808 => "WT_PREPARE_CONFLICT: conflict with a prepared update",
        -31809 => "WT_TRY_SALVAGE: database corruption detected",
        -32000 => "WT_NONE: No additional context",
        -32001 => "WT_BACKGROUND_COMPACT_ALREADY_RUNNING: Background compaction is already running",
        -32002 => "WT_CACHE_OVERFLOW: Cache capacity has overflown",
        -32003 => "WT_WRITE_CONFLICT: Write conflict between concurrent operations",
        -32004 => "WT_OLDEST_FOR_EVICTION: Transaction has the oldest pinned transaction ID",
        -32005 => "WT_CONFLICT_BACKUP: Conflict performing operation due to running backup",
        -32006 => "WT_CONFLICT_DHANDLE: Another thread currently holds the data handle of the table",
        -32007 => "WT_CONFLICT_SCHEMA_LOCK: Conflict performing schema operation",
        -32008 => "WT_UNCOMMITTED_DATA: Table has uncommitted data",
        -32009 => "WT_DIRTY_DATA: Table has dirty data",
        -32010 => "WT_CONFLICT_TABLE_LOCK: Another thread currently holds the table lock",
        -32011 => "WT_CONFLICT_CHECKPOINT_LOCK: Another thread currently holds the checkpoint lock",
        -32012 => {
            "WT_MODIFY_READ_UNCOMMITTED: Read-uncommitted readers do not support reconstructing a record with modifies"
        }
        -32013 => "WT_CONFLICT_LIVE_RESTORE: Conflict performing operation due to an in-progress live restore",
        95 => "Operation not supported",
        code if code > 0 => {
            let text = std::io::Error::from_raw_os_error(code).to_string();
            return text.strip_suffix(&format!(" (os error {code})")).unwrap_or(&text).to_owned();
        }
        code => return format!("error return: {code}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_two_words() {
        assert!(size_of::<Error>() <= 16);
    }

    #[test]
    fn codes_have_wiredtigers_texts() {
        assert_eq!(strerror(0), "Successful return: 0");
        assert_eq!(strerror(22), "Invalid argument");
        assert_eq!(strerror(95), "Operation not supported");
        assert_eq!(strerror(-1), "error return: -1");
        assert_eq!(strerror(Error::NotFound.code().0), Error::NotFound.to_string());
    }

    #[test]
    fn a_decoders_error_takes_the_name_of_its_object() {
        let error = Error::corrupt("", 7, "bad cell").in_object("file:a.wt", 4096);
        assert_eq!(error.to_string(), "file:a.wt: corrupted at offset 4103: bad cell");
    }
}

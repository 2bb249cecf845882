//! What an extension gets from the engine: messages, configuration, metadata, packing, collation, transactions, files.
//!
//! [`Services`] belong to a connection, may be kept, and may be called from any thread. [`SessionServices`] belong to
//! the call that an extension is handling: they speak for the session that the application uses, see its transaction, and
//! end with the call.
//!
//! Configuration strings need no service: [`crate::config`] parses them.
//!
//! Source: extensions specification, section 7.

use crate::collator::Collator;
use crate::config::Config;
use crate::extension::{MessageLevel, Messages};
use crate::file_system::FileSystem;
use crate::{Error, ErrorCode, Result};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Services of a connection. Without a session they act for the connection's own internal one.
pub trait Services: Messages {
    /// The text for a system or engine error, such as `WT_NOTFOUND: item not found`.
    fn error_text(&self, code: ErrorCode) -> String {
        crate::error::strerror(code.0)
    }

    /// The home directory of the database.
    fn home(&self) -> &Path;

    /// The file system through which the engine reaches the home; `WT_NOTFOUND` before one is configured (while an
    /// early extension is being made) and after the connection has closed.
    fn file_system(&self) -> Result<Arc<dyn FileSystem>>;

    /// Inserts a row into the metadata table, or replaces it. In the early phase, and on a connection that is closing,
    /// `EINVAL`: there is no metadata.
    ///
    /// # Errors
    /// `EINVAL` for the keys that live in the turtle file: `KEY: insert not supported on the turtle file`.
    fn metadata_insert(&self, key: &str, value: &str) -> Result<()>;

    /// Updates a row of the metadata table, or inserts it. Errors as [`metadata_insert`](Self::metadata_insert).
    fn metadata_update(&self, key: &str, value: &str) -> Result<()>;

    /// Removes a row of the metadata table. `WT_NOTFOUND` if there is none.
    fn metadata_remove(&self, key: &str) -> Result<()>;

    /// The value of a row of the metadata table. `WT_NOTFOUND` if there is none.
    fn metadata_search(&self, key: &str) -> Result<String>;

    /// The collator that the key `collator` of `config` names, customized for `uri` (which sees the key `app_metadata`);
    /// `None` where it names none. A customized instance is terminated when the last handle on it goes.
    ///
    /// # Errors
    /// `EINVAL` for a name that isn't registered; those of the collator.
    fn collator(&self, uri: &str, config: Config<'_>) -> Result<Option<Arc<dyn Collator>>>;

    /// Compares two packed keys: by the collator, else byte by byte with the shorter first.
    fn collate(&self, collator: Option<&dyn Collator>, left: &[u8], right: &[u8]) -> Result<Ordering> {
        collator.map_or_else(|| Ok(left.cmp(right)), |collator| collator.compare(left, right))
    }

    /// Packs values by a format such as `SiU`; the numbers of values and of items in the format must agree.
    fn pack(&self, format: &str, values: &[PackValue<'_>]) -> Result<Vec<u8>>;

    /// Unpacks what [`pack`](Self::pack) has packed.
    fn unpack<'b>(&self, format: &str, packed: &'b [u8]) -> Result<Vec<PackValue<'b>>>;

    /// The oldest transaction id that isn't yet visible to every running transaction.
    fn oldest_transaction_id(&self) -> u64;

    /// The release of WiredTiger whose interface and files the engine has: major, minor, patch.
    fn version(&self) -> (u32, u32, u32);
}

/// One packed item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackValue<'b> {
    /// Formats `b h i l q`.
    Int(i64),
    /// Formats `B H I L Q r t`.
    Uint(u64),
    /// Formats `s S`, without the terminating NUL.
    Str(&'b str),
    /// Formats `u U`.
    Bytes(&'b [u8]),
}

/// Services of the session that a call is made for.
pub trait SessionServices {
    /// The connection's services; metadata calls made there are not part of this session's schema operation.
    fn connection(&self) -> &Arc<dyn Services>;

    /// Reports a message as the session's own.
    fn message(&self, level: MessageLevel, text: &str);

    /// As [`Services::metadata_insert`], in the operation that the call belongs to: undone with it when it fails.
    fn metadata_insert(&self, key: &str, value: &str) -> Result<()>;

    /// As [`Services::metadata_update`], in the operation that the call belongs to.
    fn metadata_update(&self, key: &str, value: &str) -> Result<()>;

    /// As [`Services::metadata_remove`], in the operation that the call belongs to.
    fn metadata_remove(&self, key: &str) -> Result<()>;

    /// As [`Services::metadata_search`]; sees what the operation has changed.
    fn metadata_search(&self, key: &str) -> Result<String>;

    /// The id of the session's running transaction; allocates one. `EINVAL` if none is running.
    fn transaction_id(&self) -> Result<u64>;

    /// The isolation level of the session's running transaction, or of the session.
    fn isolation(&self) -> Isolation;

    /// Registers an object to be told of the end of the session's running transaction. `EINVAL` if none is running.
    fn notify(&self, notify: Arc<dyn TransactionNotify>) -> Result<()>;

    /// Whether what the transaction `id` has done is visible to the session's running transaction.
    fn is_visible(&self, id: u64) -> bool;
}

/// Isolation levels of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Sees what is committed when it looks.
    ReadCommitted,
    /// Sees everything.
    ReadUncommitted,
    /// Sees what was committed when it began.
    Snapshot,
}

/// Hears of the end of a transaction that a data source takes part in.
pub trait TransactionNotify: Send + Sync {
    /// Called once, before the transaction's changes become visible (`committed`) or after they are undone. An error at
    /// a commit turns it into a rollback.
    ///
    /// Of several objects the first one that refuses a commit isn't called again; those that had agreed hear of the
    /// rollback. From here the session must not be used. After a commit was agreed to it takes place, unless another
    /// object refuses or the connection panics.
    fn notify(&self, transaction_id: u64, committed: bool) -> Result<()>;
}

/// Services without an engine: messages arrive, everything else is `EINVAL` or empty. For an extension's own tests.
pub struct OfflineServices {
    messages: Arc<dyn Messages>,
    home: PathBuf,
}

impl OfflineServices {
    /// Services that only pass messages on.
    pub fn new(messages: Arc<dyn Messages>) -> Arc<Self> {
        Self::at(messages, Path::new(""))
    }

    /// The same with a home directory.
    pub fn at(messages: Arc<dyn Messages>, home: &Path) -> Arc<Self> {
        Arc::new(Self { messages, home: home.to_owned() })
    }

    fn none<T>() -> Result<T> {
        Err(Error::invalid("this service needs an open database"))
    }
}

impl Messages for OfflineServices {
    fn message(&self, level: MessageLevel, text: &str) {
        self.messages.message(level, text);
    }
}

impl Services for OfflineServices {
    fn home(&self) -> &Path {
        &self.home
    }
    fn file_system(&self) -> Result<Arc<dyn FileSystem>> {
        Err(Error::NotFound)
    }
    fn metadata_insert(&self, _: &str, _: &str) -> Result<()> {
        Self::none()
    }
    fn metadata_update(&self, _: &str, _: &str) -> Result<()> {
        Self::none()
    }
    fn metadata_remove(&self, _: &str) -> Result<()> {
        Self::none()
    }
    fn metadata_search(&self, _: &str) -> Result<String> {
        Self::none()
    }
    fn collator(&self, _: &str, _: Config<'_>) -> Result<Option<Arc<dyn Collator>>> {
        Self::none()
    }
    fn pack(&self, _: &str, _: &[PackValue<'_>]) -> Result<Vec<u8>> {
        Self::none()
    }
    fn unpack<'b>(&self, _: &str, _: &'b [u8]) -> Result<Vec<PackValue<'b>>> {
        Self::none()
    }
    fn oldest_transaction_id(&self) -> u64 {
        0
    }
    fn version(&self) -> (u32, u32, u32) {
        (11, 3, 1)
    }
}

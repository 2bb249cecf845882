//! The key-provider extension point: key material kept inside the database, versioned with its checkpoints.
//!
//! The engine treats the material as an opaque *blob*. It never encrypts anything with it.
//!
//! What the engine promises:
//! 1. [`KeyProvider::load_key_blob`] runs when a checkpoint is loaded: during start-up, before anything of the database
//!    is used, and exactly once there. A database that holds no blob gives `None`.
//! 2. [`KeyProvider::get_key_blob`] runs when a checkpoint is written. [`KeyBlob::Unchanged`] means that nothing is
//!    written and that no completion follows; the stored blob goes on belonging to every later checkpoint.
//! 3. After [`KeyBlob::Changed`] exactly one of [`KeyProvider::get_key_complete`] (the blob is durable, and so is the
//!    checkpoint it belongs to) and [`KeyProvider::get_key_failed`] (it is not stored) follows.
//! 4. The calls of one connection never overlap, but may come from different threads.
//!
//! A provider must not use the connection from its callbacks: they run under the checkpoint lock.
//!
//! Deliberately absent: push mode (keys given by the application with a timestamp).
//!
//! Source: key-provider specification, sections 2, 3 and 9.

use crate::{Error, Result};
use std::fmt;

/// The number under which a blob is stored: 1 for the first one of a database, then always greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyLsn(pub u64);

impl fmt::Display for KeyLsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A blob as it lies in the database, borrowed from the engine: copy what is to be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoredKey<'a> {
    /// The bytes the provider once gave, without the engine's header.
    pub blob: &'a [u8],
    /// Where they are stored.
    pub lsn: KeyLsn,
}

/// Shows the length alone: a blob is key material and doesn't belong in a log.
impl fmt::Debug for StoredKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey").field("bytes", &self.blob.len()).field("lsn", &self.lsn).finish()
    }
}

/// A provider's answer to [`KeyProvider::get_key_blob`].
#[derive(Clone, PartialEq, Eq)]
pub enum KeyBlob {
    /// No changes since the last call: the engine writes nothing.
    Unchanged,
    /// The blob to store with the checkpoint being written: at least one byte, at most [`MAX_KEY_BLOB_BYTES`].
    Changed(Vec<u8>),
}

impl KeyBlob {
    /// Whether the blob has changed since the last call.
    pub fn has_changes(&self) -> bool {
        matches!(self, Self::Changed(_))
    }
}

/// Shows the length alone: a blob is key material and doesn't belong in a log.
impl fmt::Debug for KeyBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Changed(blob) => write!(f, "Changed({} bytes)", blob.len()),
        }
    }
}

/// The greatest length of a blob in bytes (64 MiB).
pub const MAX_KEY_BLOB_BYTES: usize = 64 << 20;

/// Keeps key material for an application. See the module's description for when each method runs.
///
/// It has to be loaded with `early_load=true`, because its first callback belongs to start-up.
pub trait KeyProvider: Send + Sync {
    /// A checkpoint was loaded; `stored` is the blob that belongs to it, `None` if it has none.
    ///
    /// An error ends the opening of the database with that error; nothing has been changed by then.
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()>;

    /// A checkpoint is being written: says whether there is a new blob to store with it.
    ///
    /// An error fails the checkpoint; the next checkpoint asks again.
    fn get_key_blob(&self) -> Result<KeyBlob>;

    /// The blob last given by [`get_key_blob`](Self::get_key_blob) is durable together with its checkpoint.
    fn get_key_complete(&self, stored: StoredKey<'_>);

    /// The blob last given by [`get_key_blob`](Self::get_key_blob) was not stored, because its checkpoint failed.
    ///
    /// The next checkpoint asks again; a provider that still wants the blob stored gives it again then.
    fn get_key_failed(&self, error: &Error) {
        let _ = error;
    }

    /// Called once when the connection closes, or when opening it fails after this provider was loaded.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

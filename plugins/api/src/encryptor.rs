//! The encryptor extension point: blocks of files, and records of the log.
//!
//! What the engine promises:
//! 1. [`Encryptor::customize`] runs once for each key id of a connection, before anything is encrypted under it; its
//!    configuration holds `keyid` and, for the connection's own key, `secretkey`. The instance serves every object
//!    with that key id until the connection closes.
//! 2. [`Encryptor::encrypt`] and [`Encryptor::decrypt`] may be called from any number of threads at once.
//! 3. The engine keeps no copy of a secret key: it is removed from the configuration before that is stored, never put
//!    into a message, and its memory is wiped.
//!
//! Source: extensions specification, section 11.

use crate::Result;
use crate::config::Config;
use std::sync::Arc;

/// An encryption scheme, with its key once it is customized.
pub trait Encryptor: Send + Sync {
    /// By how many bytes, at most, encryption makes data longer. Asked once for each instance.
    fn sizing(&self) -> Result<usize>;

    /// Encrypts `source` into `destination` (the source's length plus [`sizing`](Self::sizing)), and says how many bytes
    /// that took. An error fails the write.
    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize>;

    /// Decrypts exactly what [`encrypt`](Self::encrypt) has made, into a destination of the same length, and says how
    /// many bytes the plain text has.
    ///
    /// # Errors
    /// `WT_ERROR` where the key is wrong or the bytes were changed, if the scheme can tell.
    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize>;

    /// An instance for a key; `None` means: this one serves it. The configuration has the keys `name`, `keyid`,
    /// `secretkey`.
    fn customize(&self, config: Config<'_>) -> Result<Option<Arc<dyn Encryptor>>> {
        let _ = config;
        Ok(None)
    }

    /// Called once when the connection closes, for registered and customized instances.
    fn terminate(&self) -> Result<()> {
        Ok(())
    }
}

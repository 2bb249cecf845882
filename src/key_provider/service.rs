//! The key service of a connection, and the blob that a checkpoint is about to store.

use super::row::OBJECT;
use super::{KeyRow, METADATA_KEY, Place, decode_key, encode_key, files};
use hardwired_plugin::extension::{MessageLevel, Messages};
use hardwired_plugin::file_system::FileSystem;
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, MAX_KEY_BLOB_BYTES, StoredKey};
use hardwired_plugin::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The longest blob that is kept in the metadata row; a longer one gets a file.
pub const INLINE_BLOB_BYTES: usize = 64 << 10;

/// What may be done to the files of the home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A normal database.
    Writable,
    /// The provider is given its blob, and never asked for one.
    ReadOnly,
    /// There are no files: a blob lives as long as its provider.
    InMemory,
}

/// The database that blobs are kept in.
#[derive(Clone)]
pub struct KeyHome {
    /// Where its files are reached.
    pub file_system: Arc<dyn FileSystem>,
    /// Its directory.
    pub directory: PathBuf,
    /// What may be done to it.
    pub mode: Mode,
    /// `salvage=true`: a damaged blob is a warning, and the provider starts without one.
    pub salvage: bool,
}

/// A row to put into the metadata table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRow {
    /// Its key, [`METADATA_KEY`].
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// Keeps the blob of a connection's key provider, if it has one. See the module's description for when to call what.
pub struct KeyService {
    provider: Option<Arc<dyn KeyProvider>>,
    home: KeyHome,
    messages: Arc<dyn Messages>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The greatest LSN in use or tried.
    last_lsn: u64,
    /// The file that the durable row names.
    file: Option<String>,
    /// A blob was taken from the provider, and its fate is open.
    is_pending: bool,
    /// Backups that read `file`.
    holds: usize,
}

impl KeyService {
    /// Takes the database's blob to the provider. `row` is the value of [`METADATA_KEY`] in the metadata's checkpoint.
    ///
    /// Without a provider only the row is read, leniently, to know what a backup must contain. With one, files that the
    /// row doesn't name are removed afterwards (after `salvage` only by the next checkpoint that stores a blob).
    ///
    /// # Errors
    /// `EIO` if row, file or blob are damaged (unless `salvage`), `ENOTSUP` if a later version wrote them, and the
    /// provider's own error. Nothing has been changed then.
    pub fn open(
        provider: Option<Arc<dyn KeyProvider>>,
        home: KeyHome,
        row: Option<&str>,
        messages: Arc<dyn Messages>,
    ) -> Result<Self> {
        let state = Mutex::new(State { last_lsn: 0, file: None, is_pending: false, holds: 0 });
        let service = Self { provider, home, messages, state };
        let row = if service.home.mode == Mode::InMemory { None } else { row };
        match &service.provider {
            Some(provider) => service.load(provider.as_ref(), row)?,
            None => service.note(row),
        }
        Ok(service)
    }

    fn load(&self, provider: &dyn KeyProvider, row: Option<&str>) -> Result<()> {
        let read = row.map(|value| self.read(value)).transpose();
        let stored = match read {
            Ok(stored) => stored,
            Err(error) if self.home.salvage && error.code() == ErrorCode::EIO => {
                self.warn(&format!("salvage: the key provider starts without its key blob: {error}"));
                self.skip_used_lsns(row)?;
                None
            }
            Err(error) => return Err(error),
        };
        if row.is_none() && self.home.salvage {
            self.warn("salvage: the metadata has no key blob; the key provider starts without one");
            self.skip_used_lsns(row)?;
        }
        let Some((row, page)) = stored else {
            provider.load_key_blob(None)?;
            if !self.home.salvage {
                self.tidy();
            }
            return Ok(());
        };
        let decoded = decode_key(&page, object(&row))?;
        provider.load_key_blob(Some(StoredKey { blob: decoded.blob, lsn: row.lsn }))?;
        {
            let mut state = self.state.lock();
            state.last_lsn = row.lsn.0;
            state.file = file_of(&row);
        }
        self.tidy();
        Ok(())
    }

    /// Row and page, checked.
    fn read(&self, value: &str) -> Result<(KeyRow, Vec<u8>)> {
        let row = KeyRow::parse(value)?;
        let page = match &row.place {
            Place::Inline(bytes) => bytes.clone(),
            Place::File(name) => files::read(&*self.home.file_system, &self.home.directory, name, row.size)?,
        };
        decode_key(&page, object(&row))?;
        Ok((row, page))
    }

    /// Without a provider.
    fn note(&self, row: Option<&str>) {
        let Some(value) = row else { return };
        let text = "the database holds a key blob, and no key provider is loaded: the blob stays as it is";
        self.messages.message(MessageLevel::Notice, text);
        match KeyRow::parse(value) {
            Ok(row) => self.state.lock().file = file_of(&row),
            Err(error) => self.warn(&error.to_string()),
        }
    }

    /// After damage: no LSN may be given out twice, and the row that is still there keeps its file.
    fn skip_used_lsns(&self, row: Option<&str>) -> Result<()> {
        let row = row.and_then(|value| KeyRow::parse(value).ok());
        let files = files::list(&*self.home.file_system, &self.home.directory)?;
        let used = files.iter().map(|(lsn, _)| lsn.0).chain(row.as_ref().map(|row| row.lsn.0)).max();
        let mut state = self.state.lock();
        state.last_lsn = used.unwrap_or(0);
        state.file = row.as_ref().and_then(file_of);
        Ok(())
    }

    /// Removes the files that the durable row doesn't name. What can't be removed is tried again at the next occasion.
    fn tidy(&self) {
        let state = self.state.lock();
        if self.home.mode != Mode::Writable || state.holds > 0 {
            return;
        }
        let (file_system, directory) = (&*self.home.file_system, &self.home.directory);
        if let Err(error) = files::remove_all_but(file_system, directory, state.file.as_deref()) {
            self.warn(&format!("a key blob that is no longer in use can't be removed: {error}"));
        }
    }

    fn warn(&self, text: &str) {
        self.messages.message(MessageLevel::Warning, text);
    }

    /// Asks the provider for the blob of the checkpoint that is being written. `None`: there is nothing to store and
    /// nothing more to call.
    ///
    /// # Errors
    /// The provider's own error, `EINVAL` for an empty blob and `EFBIG` for one over [`MAX_KEY_BLOB_BYTES`]: the checkpoint
    /// must fail.
    pub fn before_checkpoint(&self) -> Result<Option<PendingKey<'_>>> {
        let Some(provider) = self.provider.as_deref().filter(|_| self.home.mode != Mode::ReadOnly) else {
            return Ok(None);
        };
        if self.state.lock().is_pending {
            return Err(Error::new(ErrorCode::EBUSY, "key provider: another checkpoint is storing its key blob"));
        }
        let KeyBlob::Changed(blob) = provider.get_key_blob()? else { return Ok(None) };
        let lsn = {
            let mut state = self.state.lock();
            state.is_pending = true;
            state.last_lsn = state.last_lsn.saturating_add(1);
            KeyLsn(state.last_lsn)
        };
        let pending = PendingKey { service: self, provider, blob, lsn, file: None, failure: None, is_settled: false };
        let refusal = match pending.blob.len() {
            0 => Error::invalid("key provider: the changed key blob is empty"),
            1..=MAX_KEY_BLOB_BYTES => return Ok(Some(pending)),
            length => Error::new(
                ErrorCode::EFBIG,
                format!("key provider: key blob of {length} bytes is over the limit of {MAX_KEY_BLOB_BYTES}"),
            ),
        };
        pending.abandon(&refusal);
        Err(refusal)
    }

    /// For a backup: the file that belongs to the copied metadata, which stays until the result is dropped.
    pub fn hold_for_backup(&self) -> BackupHold<'_> {
        let mut state = self.state.lock();
        state.holds = state.holds.saturating_add(1);
        BackupHold { service: self, file: state.file.clone() }
    }
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").field("state", &*self.state.lock()).finish_non_exhaustive()
    }
}

fn file_of(row: &KeyRow) -> Option<String> {
    match &row.place {
        Place::Inline(_) => None,
        Place::File(name) => Some(name.clone()),
    }
}

fn object(row: &KeyRow) -> &str {
    match &row.place {
        Place::Inline(_) => OBJECT,
        Place::File(name) => name,
    }
}

/// A blob that belongs to the checkpoint being written. Dropping it abandons it.
#[must_use = "the provider has to be told what became of its blob"]
pub struct PendingKey<'a> {
    service: &'a KeyService,
    provider: &'a dyn KeyProvider,
    blob: Vec<u8>,
    lsn: KeyLsn,
    file: Option<String>,
    failure: Option<String>,
    is_settled: bool,
}

impl PendingKey<'_> {
    /// The LSN it will have.
    pub fn lsn(&self) -> KeyLsn {
        self.lsn
    }

    /// Prepares the blob and returns the row that makes it part of the checkpoint: put it into the metadata, unlogged.
    /// A large blob has been written to its file and synced by then. `None` in memory, where there is nothing to put.
    ///
    /// # Errors
    /// Those of the file system: the checkpoint must fail. Nothing of the attempt is left where that can be helped.
    pub fn persist(&mut self) -> Result<Option<MetadataRow>> {
        let home = &self.service.home;
        if home.mode == Mode::InMemory {
            return Ok(None);
        }
        let page = encode_key(&self.blob)?;
        let size = u64::try_from(page.len()).unwrap_or(u64::MAX);
        let place = if self.blob.len() <= INLINE_BLOB_BYTES {
            Place::Inline(page)
        } else {
            let name = files::file_name(self.lsn);
            if let Err(error) = files::write(&*home.file_system, &home.directory, &name, &page) {
                // The error at hand says more than one of this attempt; the next open or checkpoint tries again.
                let _ = home.file_system.remove(&home.directory.join(&name), false);
                self.failure = Some(error.to_string());
                return Err(error);
            }
            self.file = Some(name.clone());
            Place::File(name)
        };
        let value = KeyRow { lsn: self.lsn, size, place }.to_value();
        Ok(Some(MetadataRow { key: METADATA_KEY, value }))
    }

    /// The checkpoint is durable: tells the provider, and removes the file of the blob before.
    pub fn completed(mut self) {
        self.is_settled = true;
        {
            let mut state = self.service.state.lock();
            state.is_pending = false;
            state.file = self.file.take();
        }
        self.provider.get_key_complete(StoredKey { blob: &self.blob, lsn: self.lsn });
        self.service.tidy();
    }

    /// The checkpoint has failed: tells the provider. Its file stays for the time being, because an error at the commit
    /// point leaves open whether the row that names it is durable.
    pub fn abandon(mut self, error: &Error) {
        self.settle_failed(error);
    }

    fn settle_failed(&mut self, error: &Error) {
        self.is_settled = true;
        self.service.state.lock().is_pending = false;
        self.provider.get_key_failed(error);
    }
}

impl Drop for PendingKey<'_> {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let reason = self.failure.take().unwrap_or_else(|| "the checkpoint did not complete".to_owned());
        self.settle_failed(&Error::new(ErrorCode::ERROR, format!("key blob not stored: {reason}")));
    }
}

impl fmt::Debug for PendingKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingKey").field("lsn", &self.lsn).field("bytes", &self.blob.len()).finish_non_exhaustive()
    }
}

/// Keeps a blob's file for a backup.
#[derive(Debug)]
pub struct BackupHold<'a> {
    service: &'a KeyService,
    file: Option<String>,
}

impl BackupHold<'_> {
    /// The name of the file to copy, if there is one.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

impl Drop for BackupHold<'_> {
    fn drop(&mut self) {
        let mut state = self.service.state.lock();
        state.holds = state.holds.saturating_sub(1);
    }
}

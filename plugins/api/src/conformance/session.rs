//! The services of a session, without an engine: metadata in memory, messages kept.

use crate::collator::Collator;
use crate::config::Config;
use crate::extension::{MessageLevel, Messages};
use crate::file_system::FileSystem;
use crate::services::{Isolation, PackValue, Services, SessionServices, TransactionNotify};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A session for an extension's own tests. Clones share the metadata and the messages.
#[derive(Clone)]
pub struct KitSession {
    services: Arc<dyn Services>,
    shared: Arc<Shared>,
}

struct Shared {
    home: PathBuf,
    metadata: Mutex<BTreeMap<String, String>>,
    messages: Mutex<Vec<String>>,
}

impl KitSession {
    /// A session of a database in `home`, which the extension may use.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let shared = Arc::new(Shared { home: home.into(), metadata: Mutex::default(), messages: Mutex::default() });
        Self { services: Arc::new(KitServices(Arc::clone(&shared))), shared }
    }

    /// The connection's services, as an extension's constructor gets them.
    pub fn services(&self) -> &Arc<dyn Services> {
        &self.services
    }

    /// The messages so far.
    pub fn messages(&self) -> Vec<String> {
        lock(&self.shared.messages).clone()
    }
}

impl SessionServices for KitSession {
    fn connection(&self) -> &Arc<dyn Services> {
        &self.services
    }
    fn message(&self, level: MessageLevel, text: &str) {
        self.services.message(level, text);
    }
    fn metadata_insert(&self, key: &str, value: &str) -> Result<()> {
        self.services.metadata_insert(key, value)
    }
    fn metadata_update(&self, key: &str, value: &str) -> Result<()> {
        self.services.metadata_update(key, value)
    }
    fn metadata_remove(&self, key: &str) -> Result<()> {
        self.services.metadata_remove(key)
    }
    fn metadata_search(&self, key: &str) -> Result<String> {
        self.services.metadata_search(key)
    }
    fn transaction_id(&self) -> Result<u64> {
        Err(Error::invalid("only permitted in a running transaction"))
    }
    fn isolation(&self) -> Isolation {
        Isolation::Snapshot
    }
    fn notify(&self, _: Arc<dyn TransactionNotify>) -> Result<()> {
        Err(Error::invalid("only permitted in a running transaction"))
    }
    fn is_visible(&self, _: u64) -> bool {
        true
    }
}

struct KitServices(Arc<Shared>);

impl Messages for KitServices {
    fn message(&self, _: MessageLevel, text: &str) {
        lock(&self.0.messages).push(text.to_owned());
    }
}

impl Services for KitServices {
    fn home(&self) -> &Path {
        &self.0.home
    }
    fn file_system(&self) -> Result<Arc<dyn FileSystem>> {
        Err(Error::NotFound)
    }
    fn metadata_insert(&self, key: &str, value: &str) -> Result<()> {
        lock(&self.0.metadata).insert(key.to_owned(), value.to_owned());
        Ok(())
    }
    fn metadata_update(&self, key: &str, value: &str) -> Result<()> {
        self.metadata_insert(key, value)
    }
    fn metadata_remove(&self, key: &str) -> Result<()> {
        lock(&self.0.metadata).remove(key).map(|_| ()).ok_or(Error::NotFound)
    }
    fn metadata_search(&self, key: &str) -> Result<String> {
        lock(&self.0.metadata).get(key).cloned().ok_or(Error::NotFound)
    }
    fn collator(&self, _: &str, _: Config<'_>) -> Result<Option<Arc<dyn Collator>>> {
        Ok(None)
    }
    fn pack(&self, _: &str, _: &[PackValue<'_>]) -> Result<Vec<u8>> {
        Err(Error::invalid("this service needs an engine"))
    }
    fn unpack<'b>(&self, _: &str, _: &'b [u8]) -> Result<Vec<PackValue<'b>>> {
        Err(Error::invalid("this service needs an engine"))
    }
    fn oldest_transaction_id(&self) -> u64 {
        0
    }
    fn version(&self) -> (u32, u32, u32) {
        (11, 3, 1)
    }
}

/// What a panicking check has left behind is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The typed way to open a database.

use super::{Connection, open};
use crate::Result;
use crate::event::EventHandler;
use crate::extensions::{Given, Instance};
use crate::plugin::collator::Collator;
use crate::plugin::compressor::Compressor;
use crate::plugin::data_source::DataSource;
use crate::plugin::encryptor::Encryptor;
use crate::plugin::extension::Extension;
use crate::plugin::file_system::FileSystem;
use crate::plugin::key_provider::KeyProvider;
use crate::plugin::storage_source::StorageSource;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings of a database to be opened; [`Connection::builder`] makes one.
pub struct Builder {
    home: PathBuf,
    handler: Option<Arc<dyn EventHandler>>,
    config: String,
    known: Vec<&'static Extension>,
    given: Vec<Given>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration may hold a secret key.
        f.debug_struct("Builder").field("home", &self.home).finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), handler: None, config: String::new(), known: Vec::new(), given: Vec::new() }
    }

    /// Creates the database if it doesn't exist.
    #[must_use]
    pub fn create(self, create: bool) -> Self {
        self.setting("create", create)
    }

    /// Fails if the database exists.
    #[must_use]
    pub fn exclusive(self, exclusive: bool) -> Self {
        self.setting("exclusive", exclusive)
    }

    /// Opens for reading alone.
    #[must_use]
    pub fn readonly(self, readonly: bool) -> Self {
        self.setting("readonly", readonly)
    }

    /// The memory for pages, in bytes (1 MB to 10 TB, default 100 MB).
    #[must_use]
    pub fn cache_size(self, bytes: u64) -> Self {
        self.setting("cache_size", bytes)
    }

    /// The number of sessions that may be open at once (default 100).
    #[must_use]
    pub fn session_max(self, sessions: u32) -> Self {
        self.setting("session_max", sessions)
    }

    /// Takes a checkpoint every so many seconds (default 0: only when asked).
    #[must_use]
    pub fn checkpoint_every(self, seconds: u32) -> Self {
        self.config(&format!("checkpoint=(wait={seconds})"))
    }

    /// Adds a configuration string. Of two settings of one key the later one counts.
    #[must_use]
    pub fn config(mut self, config: &str) -> Self {
        if !self.config.is_empty() {
            self.config.push(',');
        }
        self.config.push_str(config);
        self
    }

    /// Where messages go (default: errors to stderr, the rest to stdout).
    #[must_use]
    pub fn event_handler(mut self, handler: Arc<dyn EventHandler>) -> Self {
        self.handler = Some(handler);
        self
    }

    /// Loads an extension, whether or not it is registered at link time. It wins over one of its name that the
    /// configuration names, and isn't written into the database: give it again at the next open.
    #[must_use]
    pub fn with(self, extension: &'static Extension) -> Self {
        self.with_config(extension, "")
    }

    /// As [`with`](Self::with), with a configuration string of the extension's own.
    #[must_use]
    pub fn with_config(self, extension: &'static Extension, config: &str) -> Self {
        self.link(extension).give(Given::Extension(extension, config.to_owned()))
    }

    /// Makes an extension known by its name, as if it were registered at link time: `extensions=[...]` and
    /// [`Connection::load_extension`] find it.
    #[must_use]
    pub fn link(mut self, extension: &'static Extension) -> Self {
        self.known.push(extension);
        self
    }

    /// Registers a collator: `collator=NAME` means it. So it is there when tables are opened for the first time, which
    /// [`Connection::add_collator`] may be too late for.
    #[must_use]
    pub fn collator(self, name: &str, collator: Arc<dyn Collator>) -> Self {
        self.instance(Instance::Collator(name.to_owned(), collator))
    }

    /// Registers a compressor: `block_compressor=NAME` and `log=(compressor=NAME)` mean it.
    #[must_use]
    pub fn compressor(self, name: &str, compressor: Arc<dyn Compressor>) -> Self {
        self.instance(Instance::Compressor(name.to_owned(), compressor))
    }

    /// Registers a data source for the URIs that begin with `prefix`, colon included.
    #[must_use]
    pub fn data_source(self, prefix: &str, source: Arc<dyn DataSource>) -> Self {
        self.instance(Instance::DataSource(prefix.to_owned(), source))
    }

    /// Registers an encryptor: `encryption=(name=NAME)` means it.
    #[must_use]
    pub fn encryptor(self, name: &str, encryptor: Arc<dyn Encryptor>) -> Self {
        self.instance(Instance::Encryptor(name.to_owned(), encryptor))
    }

    /// Registers a storage source: `tiered_storage=(name=NAME)` means it.
    #[must_use]
    pub fn storage_source(self, name: &str, source: Arc<dyn StorageSource>) -> Self {
        self.instance(Instance::StorageSource(name.to_owned(), source))
    }

    /// The key provider of the database.
    #[must_use]
    pub fn key_provider(self, provider: Arc<dyn KeyProvider>) -> Self {
        self.instance(Instance::KeyProvider(provider))
    }

    /// The file system to use in place of the operating system's.
    #[must_use]
    pub fn file_system(self, file_system: Arc<dyn FileSystem>) -> Self {
        self.instance(Instance::FileSystem(file_system))
    }

    /// Opens the database.
    ///
    /// # Errors
    /// As [`wiredtiger_open`](super::wiredtiger_open).
    pub fn open(self) -> Result<Connection> {
        open::open(open::OpenCall {
            home: &self.home,
            handler: self.handler,
            config: &self.config,
            known: &self.known,
            given: &self.given,
        })
    }

    fn instance(self, instance: Instance) -> Self {
        self.give(Given::Instance(instance))
    }

    fn give(mut self, given: Given) -> Self {
        self.given.push(given);
        self
    }

    fn setting(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.config(&format!("{key}={value}"))
    }
}

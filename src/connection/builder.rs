//! The typed way to open a database.

use super::{Connection, open};
use crate::Result;
use crate::event::EventHandler;
use crate::plugin::extension::Extension;
use crate::plugin::file_system::FileSystem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Settings of a database to be opened; [`Connection::builder`] makes one.
pub struct Builder {
    home: PathBuf,
    handler: Option<Arc<dyn EventHandler>>,
    config: String,
    extensions: Vec<&'static Extension>,
    entries: Vec<String>,
    file_system: Option<Arc<dyn FileSystem>>,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("home", &self.home).field("config", &self.config).finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(home: &Path) -> Self {
        Self {
            home: home.to_owned(),
            handler: None,
            config: String::new(),
            extensions: Vec::new(),
            entries: Vec::new(),
            file_system: None,
        }
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

    /// Loads an extension, whether or not it is registered at link time.
    #[must_use]
    pub fn with(self, extension: &'static Extension) -> Self {
        self.with_config(extension, "")
    }

    /// Loads an extension with a configuration string of its own.
    #[must_use]
    pub fn with_config(mut self, extension: &'static Extension, config: &str) -> Self {
        let early = extension.requires_early_load();
        self.entries.push(format!("\"{}\"=(early_load={early},config=({config}))", extension.name()));
        self.extensions.push(extension);
        self
    }

    /// The file system to use in place of the operating system's.
    #[must_use]
    pub fn file_system(mut self, file_system: Arc<dyn FileSystem>) -> Self {
        self.file_system = Some(file_system);
        self
    }

    /// Opens the database.
    ///
    /// # Errors
    /// As [`wiredtiger_open`](super::wiredtiger_open).
    pub fn open(self) -> Result<Connection> {
        let mut config = self.config;
        if !self.entries.is_empty() {
            config.push_str(&format!(",extensions=[{}]", self.entries.join(",")));
        }
        open::open(open::OpenCall {
            home: &self.home,
            handler: self.handler,
            config: &config,
            extensions: &self.extensions,
            file_system: self.file_system,
        })
    }

    fn setting(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.config(&format!("{key}={value}"))
    }
}

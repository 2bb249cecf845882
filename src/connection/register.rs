//! The registration calls of an open connection: extensions by name, extensions that the application has made itself, keys
//! of configuration.
//!
//! The calls are serialized against each other and against closing by the lock on the connection's resources: what is
//! registered is terminated. An extension must not register others from its constructor.
//!
//! Source: extensions specification, sections 2.2, 3 and 8.

use super::{Connection, ConnectionInner};
use crate::config::built;
use crate::extensions::{Instance, LoadedExtensions};
use crate::plugin::collator::Collator;
use crate::plugin::compressor::Compressor;
use crate::plugin::data_source::DataSource;
use crate::plugin::encryptor::Encryptor;
use crate::plugin::file_system::FileSystem;
use crate::plugin::services::Services;
use crate::plugin::storage_source::StorageSource;
use crate::schema::is_built_in;
use crate::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::sync::Arc;

impl Connection {
    /// Loads a linked extension by its name, or by the path of the library that other programs would load. Keys: `config`,
    /// `early_load` (has no effect on an open connection), `entry`, `terminate`.
    ///
    /// # Errors
    /// `WT_ERROR` for an extension that isn't linked, `ENOENT` for an entry function that it doesn't have, `EINVAL` for
    /// an unknown key, `EPERM` for a file system; the extension's own error, unchanged.
    pub fn load_extension(&self, path: &str, config: &str) -> Result<()> {
        self.register("WT_CONNECTION.load_extension", |extensions| extensions.load_extension(path, config))
    }

    /// Registers a collator: `collator=NAME` means it from now on. Of two of one name the first one counts; every one is
    /// terminated when the connection closes. `config` is not looked at.
    ///
    /// # Errors
    /// `EINVAL` for the name `none`, and on a closed connection.
    pub fn add_collator(&self, name: &str, collator: Arc<dyn Collator>, config: &str) -> Result<()> {
        self.add("WT_CONNECTION.add_collator", config, Instance::Collator(name.to_owned(), collator))
    }

    /// Registers a compressor: `block_compressor=NAME` means it from now on. As [`Connection::add_collator`].
    ///
    /// # Errors
    /// As [`Connection::add_collator`].
    pub fn add_compressor(&self, name: &str, compressor: Arc<dyn Compressor>, config: &str) -> Result<()> {
        self.add("WT_CONNECTION.add_compressor", config, Instance::Compressor(name.to_owned(), compressor))
    }

    /// Registers an encryptor: `encryption=(name=NAME)` means it from now on. As [`Connection::add_collator`].
    ///
    /// # Errors
    /// As [`Connection::add_collator`].
    pub fn add_encryptor(&self, name: &str, encryptor: Arc<dyn Encryptor>, config: &str) -> Result<()> {
        self.add("WT_CONNECTION.add_encryptor", config, Instance::Encryptor(name.to_owned(), encryptor))
    }

    /// Registers a data source for the URIs that begin with `prefix` (colon included). The engine's own prefixes keep
    /// their meaning. As [`Connection::add_collator`].
    ///
    /// # Errors
    /// As [`Connection::add_collator`].
    pub fn add_data_source(&self, prefix: &str, source: Arc<dyn DataSource>, config: &str) -> Result<()> {
        self.add("WT_CONNECTION.add_data_source", config, Instance::DataSource(prefix.to_owned(), source))
    }

    /// Registers a storage source: `tiered_storage=(name=NAME)` means it from now on. As [`Connection::add_collator`].
    ///
    /// # Errors
    /// As [`Connection::add_collator`].
    pub fn add_storage_source(&self, name: &str, source: Arc<dyn StorageSource>, config: &str) -> Result<()> {
        self.add("WT_CONNECTION.add_storage_source", config, Instance::StorageSource(name.to_owned(), source))
    }

    /// The storage source of a name.
    ///
    /// # Errors
    /// `EINVAL`, `unknown storage_source 'NAME'`, if there is none.
    pub fn get_storage_source(&self, name: &str) -> Result<Arc<dyn StorageSource>> {
        const METHOD: &str = "WT_CONNECTION.get_storage_source";
        let found = self.inner.check_usable().and_then(|()| {
            let found = self.inner.db.extensions.storage_source(name).ok().flatten();
            found.ok_or_else(|| Error::invalid(format!("unknown storage_source '{name}'")))
        });
        self.inner.reported(METHOD, found)
    }

    /// Always refused: an open connection has its file system. Give it to [`Builder::file_system`](super::Builder), or load
    /// one as an extension with `early_load=true`.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn set_file_system(&self, file_system: Arc<dyn FileSystem>, config: &str) -> Result<()> {
        let _ = (file_system, config);
        let text = "filesystem already configured; custom filesystems should enable \"early_load\" configuration";
        let refused = self.inner.check_usable().and_then(|()| Err(Error::new(ErrorCode::EPERM, text)));
        self.inner.reported("WT_CONNECTION.set_file_system", refused)
    }

    /// What extensions of this connection get from the engine (`WT_CONNECTION::get_extension_api`). May be kept; it keeps
    /// the connection neither open nor alive.
    pub fn extension_services(&self) -> Arc<dyn Services> {
        Arc::clone(&self.inner.services) as _
    }

    /// Adds a key to the configuration of a method (`WT_SESSION.open_cursor`), until the connection closes.
    ///
    /// `uri` is a prefix: calls on other URIs don't know the key; `None` means all. `config` is `key` or `key=default`,
    /// `kind` one of `boolean`, `int`, `list`, `string`; `check` is `min=N`, `max=N` or both for an int, `choices=[...]` for
    /// a list or string. A key that the method has already is replaced, together with its default.
    ///
    /// # Errors
    /// `ENOENT` for an unknown method; `EINVAL` for anything else that is wrong, a default outside the limits included.
    pub fn configure_method(
        &self,
        method: &str,
        uri: Option<&str>,
        config: &str,
        kind: &str,
        check: Option<&str>,
    ) -> Result<()> {
        let added = self.inner.check_usable().and_then(|()| {
            self.inner.db.added_keys.add(method, uri.unwrap_or_default(), config, kind, check.unwrap_or_default())
        });
        self.inner.reported("WT_CONNECTION.configure_method", added)
    }

    fn register(&self, method: &'static str, body: impl FnOnce(&mut LoadedExtensions) -> Result<()>) -> Result<()> {
        let registered = self.inner.check_usable().and_then(|()| {
            let mut resources = self.inner.resources.lock();
            let resources = resources.as_mut().ok_or_else(|| Error::invalid("the connection is closed"))?;
            body(&mut resources.extensions)
        });
        self.inner.reported(method, registered)
    }

    fn add(&self, method: &'static str, config: &str, instance: Instance) -> Result<()> {
        // WiredTiger knows no keys here and doesn't look.
        let _ = config;
        self.register(method, |extensions| extensions.add(instance))
    }
}

impl ConnectionInner {
    /// Checks the configuration of a call on `uri` (empty for a call that has none), with the keys that were added, and
    /// refuses what isn't built. What a data source does with its configuration is the source's to say.
    pub(crate) fn check_config(&self, method: &str, uri: &str, config: &str) -> Result<()> {
        if config.is_empty() {
            return Ok(());
        }
        let method = crate::session::method(method)?;
        self.db.added_keys.check(method, uri, config)?;
        if uri.is_empty() || is_built_in(uri) { built::refuse_call(method, config) } else { Ok(()) }
    }

    /// A call's configuration over the defaults that the application has changed.
    pub(crate) fn effective_config<'c>(&self, method: &str, uri: &str, config: &'c str) -> Cow<'c, str> {
        self.db.added_keys.effective(method, uri, config)
    }
}

//! What a connection's extensions have registered under a name: the tables in which `collator=`, `block_compressor=`,
//! `encryption=(name=)`, `tiered_storage=(name=)` and URI prefixes are looked up.
//!
//! 1. A table keeps the order of registration, and a look-up gives the first match: of two registrations of one name, the
//!    second is never reached, but terminated all the same.
//! 2. Every instance is behind the fence: a panic inside is an error.
//! 3. Terminated instances are gone from the table; the order among kinds is that of [`ExtensionTable::terminate`].
//!
//! Source: extensions specification, sections 3 and 5.

use super::encryptors::Encryptors;
use super::guard::{GuardedCollator, GuardedCompressor, GuardedDataSource, GuardedStorageSource, Label};
use crate::block::KeyedEncryptor;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::Config;
use hardwired_plugin::data_source::DataSource;
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::storage_source::StorageSource;
use hardwired_plugin::{Error, Result};
use parking_lot::RwLock;
use std::cmp::Ordering;
use std::sync::Arc;

/// The name that stands for no extension.
const NONE: &str = "none";

/// The named extensions of one connection.
#[derive(Default)]
pub struct ExtensionTable {
    collators: Named<dyn Collator>,
    compressors: Named<dyn Compressor>,
    /// By URI prefix.
    data_sources: Named<dyn DataSource>,
    encryptors: Encryptors,
    storage_sources: Named<dyn StorageSource>,
}

/// Instances of one kind, in the order of registration.
struct Named<T: ?Sized>(RwLock<Vec<Entry<T>>>);

struct Entry<T: ?Sized> {
    names: Vec<String>,
    instance: Arc<T>,
}

impl<T: ?Sized> Default for Named<T> {
    fn default() -> Self {
        Self(RwLock::new(Vec::new()))
    }
}

impl<T: ?Sized> Named<T> {
    fn add(&self, names: &[&str], instance: Arc<T>) {
        let names = names.iter().map(ToString::to_string).collect();
        self.0.write().push(Entry { names, instance });
    }

    fn find(&self, matches: impl Fn(&str) -> bool) -> Option<Arc<T>> {
        let entries = self.0.read();
        let found = entries.iter().find(|entry| entry.names.iter().any(|name| matches(name)));
        found.map(|entry| Arc::clone(&entry.instance))
    }

    fn all(&self) -> Vec<Arc<T>> {
        self.0.read().iter().map(|entry| Arc::clone(&entry.instance)).collect()
    }

    fn take(&self) -> Vec<Arc<T>> {
        std::mem::take(&mut *self.0.write()).into_iter().map(|entry| entry.instance).collect()
    }

    /// The instance of a name that a user gave; `None` for the empty name and `none`.
    fn wanted(&self, kind: &str, name: &str) -> Result<Option<Arc<T>>> {
        if is_none(name) {
            return Ok(None);
        }
        match self.find(|known| known == name) {
            Some(instance) => Ok(Some(instance)),
            None => Err(Error::invalid(format!("unknown {kind} '{name}'"))),
        }
    }
}

/// Whether a name asks for no extension.
pub(super) fn is_none(name: &str) -> bool {
    name.is_empty() || name == NONE
}

fn usable(kind: &str, names: &[&str]) -> Result<()> {
    if names.contains(&NONE) {
        return Err(Error::invalid(format!("invalid name for {kind}: {NONE}")));
    }
    Ok(())
}

impl ExtensionTable {
    /// Registers a collator. `EINVAL` for the name `none`.
    pub fn add_collator(&self, label: &str, names: &[&str], inner: Arc<dyn Collator>) -> Result<()> {
        usable("a collator", names)?;
        self.collators.add(names, Arc::new(GuardedCollator { label: Label::from(label), inner }));
        Ok(())
    }

    /// Registers a compressor. `EINVAL` for the name `none`.
    pub fn add_compressor(&self, label: &str, names: &[&str], inner: Arc<dyn Compressor>) -> Result<()> {
        usable("a compressor", names)?;
        self.compressors.add(names, Arc::new(GuardedCompressor { label: Label::from(label), inner }));
        Ok(())
    }

    /// Registers an encryptor. `EINVAL` for the name `none`.
    pub fn add_encryptor(&self, label: &str, names: &[&str], inner: Arc<dyn Encryptor>) -> Result<()> {
        usable("an encryptor", names)?;
        self.encryptors.add(label, names, inner);
        Ok(())
    }

    /// Registers a data source for the URIs that begin with `prefix`.
    pub fn add_data_source(&self, label: &str, prefix: &str, inner: Arc<dyn DataSource>) -> Result<()> {
        self.data_sources.add(&[prefix], Arc::new(GuardedDataSource { label: Label::from(label), inner }));
        Ok(())
    }

    /// Registers a storage source. `EINVAL` for the name `none`.
    pub fn add_storage_source(&self, label: &str, names: &[&str], inner: Arc<dyn StorageSource>) -> Result<()> {
        usable("a storage source", names)?;
        self.storage_sources.add(names, Arc::new(GuardedStorageSource { label: Label::from(label), inner }));
        Ok(())
    }

    /// The collator that `collator=` names; `None` for the empty name and `none`.
    ///
    /// # Errors
    /// `EINVAL`, `unknown collator 'NAME'`.
    pub fn collator(&self, name: &str) -> Result<Option<Arc<dyn Collator>>> {
        self.collators.wanted("collator", name)
    }

    /// The collator that the key `collator` of `config` names, customized for the object `uri` with the key
    /// `app_metadata`; `None` where it names none. A customized instance is terminated when the last handle on it goes.
    ///
    /// # Errors
    /// `EINVAL`, `unknown collator 'NAME'`; those of the collator.
    pub fn customized_collator(&self, uri: &str, config: Config<'_>) -> Result<Option<Arc<dyn Collator>>> {
        let Some(collator) = self.collator(config.text_or("collator", "")?)? else { return Ok(None) };
        let app_metadata = config.get("app_metadata")?.filter(|item| !item.is_empty());
        Ok(Some(match collator.customize(uri, app_metadata)? {
            Some(customized) => Arc::new(CustomizedCollator(customized)),
            None => collator,
        }))
    }

    /// The compressor that `block_compressor=` or `log=(compressor=)` names; `None` for the empty name and `none`.
    ///
    /// # Errors
    /// `EINVAL`, `unknown compressor 'NAME'`.
    pub fn compressor(&self, name: &str) -> Result<Option<Arc<dyn Compressor>>> {
        self.compressors.wanted("compressor", name)
    }

    /// The encryptor that `encryption=(name=)` names, with the key of that id; `None` for the empty name and `none`.
    /// Only the first call for a key id customizes, with `config`, the value of the key `encryption`.
    ///
    /// # Errors
    /// `EINVAL`, `unknown encryptor 'NAME'`; those of the encryptor.
    pub fn encryptor(&self, name: &str, keyid: &str, config: Config<'_>) -> Result<Option<Arc<KeyedEncryptor>>> {
        self.encryptors.keyed(name, keyid, config)
    }

    /// Whether a compressor of that name is registered.
    pub(super) fn has_compressor(&self, name: &str) -> bool {
        self.compressors.find(|known| known == name).is_some()
    }

    /// The storage source that `tiered_storage=(name=)` names; `None` for the empty name and `none`.
    ///
    /// # Errors
    /// `EINVAL`, `unknown storage source 'NAME'`.
    pub fn storage_source(&self, name: &str) -> Result<Option<Arc<dyn StorageSource>>> {
        self.storage_sources.wanted("storage source", name)
    }

    /// All storage sources so far, with their names.
    pub fn storage_sources(&self) -> Vec<(Vec<String>, Arc<dyn StorageSource>)> {
        let entries = self.storage_sources.0.read();
        entries.iter().map(|entry| (entry.names.clone(), Arc::clone(&entry.instance))).collect()
    }

    /// The data source whose prefix the URI begins with. The caller has tried the engine's own prefixes before.
    pub fn data_source(&self, uri: &str) -> Option<Arc<dyn DataSource>> {
        self.data_sources.find(|prefix| uri.starts_with(prefix))
    }

    /// All registered data sources, in the order of registration: each hears of every checkpoint.
    pub fn data_sources(&self) -> Vec<Arc<dyn DataSource>> {
        self.data_sources.all()
    }

    /// Terminates all: collators, compressors, data sources, encryptors, storage sources; in the order of registration
    /// within a kind. Gives every error.
    pub(super) fn terminate(&self) -> Vec<Error> {
        let mut outcomes = Vec::new();
        outcomes.extend(self.collators.take().iter().map(|it| it.terminate()));
        outcomes.extend(self.compressors.take().iter().map(|it| it.terminate()));
        outcomes.extend(self.data_sources.take().iter().map(|it| it.terminate()));
        outcomes.extend(self.encryptors.terminate());
        outcomes.extend(self.storage_sources.take().iter().map(|it| it.terminate()));
        outcomes.into_iter().filter_map(Result::err).collect()
    }
}

/// A customized instance: nobody else has it, so the end of the last handle is the end of the instance.
struct CustomizedCollator(Arc<dyn Collator>);

impl Collator for CustomizedCollator {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        self.0.compare(left, right)
    }
}

impl Drop for CustomizedCollator {
    fn drop(&mut self) {
        // There is nobody to tell: the object that used it has been closed.
        let _ = self.0.terminate();
    }
}

impl std::fmt::Debug for ExtensionTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtensionTable").finish_non_exhaustive()
    }
}

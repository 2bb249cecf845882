//! What an application hands to a connection beside the configuration string: linked extensions, and instances that it has
//! made itself.
//!
//! Nothing of it is written into the database: a later open has to be given the same again.

use hardwired_plugin::collator::Collator;
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::data_source::DataSource;
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::extension::{Extension, ExtensionKind};
use hardwired_plugin::file_system::FileSystem;
use hardwired_plugin::key_provider::KeyProvider;
use hardwired_plugin::storage_source::StorageSource;
use std::fmt;
use std::sync::Arc;

/// One thing that a connection is given.
#[derive(Clone)]
pub enum Given {
    /// An extension to load, with its own configuration string.
    Extension(&'static Extension, String),
    /// An instance to register.
    Instance(Instance),
}

/// An instance that the application has made, with the name (or URI prefix) that it is to be found by.
#[derive(Clone)]
pub enum Instance {
    /// For `collator=`.
    Collator(String, Arc<dyn Collator>),
    /// For `block_compressor=` and `log=(compressor=)`.
    Compressor(String, Arc<dyn Compressor>),
    /// For the URIs that begin with the prefix, colon included.
    DataSource(String, Arc<dyn DataSource>),
    /// For `encryption=(name=)`.
    Encryptor(String, Arc<dyn Encryptor>),
    /// In place of the operating system's files.
    FileSystem(Arc<dyn FileSystem>),
    /// For the database's keys.
    KeyProvider(Arc<dyn KeyProvider>),
    /// For `tiered_storage=(name=)`.
    StorageSource(String, Arc<dyn StorageSource>),
}

impl Given {
    /// Whether it comes before any file of the home is touched.
    pub(super) fn is_early(&self) -> bool {
        match self {
            Self::Extension(extension, _) => extension.requires_early_load(),
            Self::Instance(instance) => {
                matches!(instance.kind(), ExtensionKind::FileSystem | ExtensionKind::KeyProvider)
            }
        }
    }
}

impl Instance {
    /// What it extends.
    pub fn kind(&self) -> ExtensionKind {
        match self {
            Self::Collator(..) => ExtensionKind::Collator,
            Self::Compressor(..) => ExtensionKind::Compressor,
            Self::DataSource(..) => ExtensionKind::DataSource,
            Self::Encryptor(..) => ExtensionKind::Encryptor,
            Self::FileSystem(_) => ExtensionKind::FileSystem,
            Self::KeyProvider(_) => ExtensionKind::KeyProvider,
            Self::StorageSource(..) => ExtensionKind::StorageSource,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Collator(name, _)
            | Self::Compressor(name, _)
            | Self::DataSource(name, _)
            | Self::Encryptor(name, _)
            | Self::StorageSource(name, _) => Some(name),
            Self::FileSystem(_) | Self::KeyProvider(_) => None,
        }
    }
}

/// `x (compressor, added by the application)`
impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}, added by the application)", self.kind()),
            None => write!(f, "{} added by the application", self.kind()),
        }
    }
}

//! An extension of every kind that writes down what is done to it, and does what its configuration says.
//!
//! Events belong to the thread, so that tests don't see each other's.

use hardwired::os::LocalFileSystem;
use hardwired::plugin::collator::Collator;
use hardwired::plugin::compressor::Compressor;
use hardwired::plugin::config::{Config, Item};
use hardwired::plugin::data_source::DataSource;
use hardwired::plugin::encryptor::Encryptor;
use hardwired::plugin::extension::{Extension, ExtensionContext, Origin};
use hardwired::plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired::plugin::key_provider::{KeyBlob, KeyProvider, StoredKey};
use hardwired::plugin::services::Services;
use hardwired::plugin::storage_source::{BucketFileSystem, StorageSource};
use hardwired::{Error, EventHandler, Result};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::{Arc, Mutex};

thread_local! {
    static EVENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static SERVICES: RefCell<Option<Arc<dyn Services>>> = const { RefCell::new(None) };
}

pub(crate) fn event(text: impl Into<String>) {
    EVENTS.with_borrow_mut(|events| events.push(text.into()));
}

/// What has happened since the last call.
pub(crate) fn events() -> Vec<String> {
    EVENTS.take()
}

/// The services that the last probe got.
pub(crate) fn kept_services() -> Arc<dyn Services> {
    SERVICES.with_borrow(|services| Arc::clone(services.as_ref().expect("a probe was made")))
}

/// Keeps what the engine says.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub(crate) fn contain(&self, text: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line.contains(text))
    }
}

impl EventHandler for Lines {
    fn handle_error(&self, _: i32, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
    fn handle_message(&self, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }
}

/// An extension of any kind. Its configuration is a list of words: `panic-METHOD`, `fail-METHOD`.
pub(crate) struct Probe {
    kind: &'static str,
    config: String,
    /// Kept to the end: the engine must be able to close all the same.
    _services: Arc<dyn Services>,
    local: LocalFileSystem,
}

impl Probe {
    fn open(kind: &'static str, context: &ExtensionContext<'_>) -> Result<Arc<Self>> {
        event(format!("open {kind}"));
        SERVICES.set(Some(Arc::clone(context.services())));
        let probe = Self {
            kind,
            config: context.config().to_owned(),
            _services: Arc::clone(context.services()),
            local: LocalFileSystem::new(),
        };
        probe.act("open")?;
        Ok(Arc::new(probe))
    }

    pub(crate) fn plain(kind: &'static str, config: &str, services: Arc<dyn Services>) -> Arc<Self> {
        Arc::new(Self { kind, config: config.to_owned(), _services: services, local: LocalFileSystem::new() })
    }

    fn act(&self, method: &str) -> Result<()> {
        let told = |word: &str| self.config.split(',').any(|item| item == format!("{word}-{method}"));
        if told("panic") {
            panic!("{method} of {}", self.kind);
        }
        if told("fail") { Err(Error::unsupported(format!("{method} of {} fails", self.kind))) } else { Ok(()) }
    }

    fn end(&self) -> Result<()> {
        event(format!("terminate {}", self.kind));
        self.act("terminate")
    }
}

impl Collator for Probe {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        self.act("compare")?;
        Ok(right.cmp(left))
    }
    fn customize(&self, uri: &str, app_metadata: Option<Item<'_>>) -> Result<Option<Arc<dyn Collator>>> {
        self.act("customize")?;
        let Some(app_metadata) = app_metadata else { return Ok(None) };
        event(format!("customize {uri} {}", app_metadata.text()));
        Ok(Some(Self::plain("customized collator", &self.config, Arc::clone(&self._services))))
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl Compressor for Probe {
    fn compress(&self, _: &[u8], _: &mut [u8]) -> Result<Option<usize>> {
        Ok(None)
    }
    fn decompress(&self, _: &[u8], _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl DataSource for Probe {
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl Encryptor for Probe {
    fn sizing(&self) -> Result<usize> {
        Ok(0)
    }
    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        destination.copy_from_slice(source);
        Ok(source.len())
    }
    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        destination.copy_from_slice(source);
        Ok(source.len())
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl StorageSource for Probe {
    fn customize_file_system(&self, bucket: &str, _: &str, _: Config<'_>) -> Result<Arc<dyn BucketFileSystem>> {
        self.act("customize_file_system")?;
        Err(Error::new(hardwired::ErrorCode::ENOENT, format!("no bucket {bucket}")))
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl KeyProvider for Probe {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        event(format!("load {:?}", stored.map(|stored| stored.lsn.0)));
        self.act("load_key_blob")
    }
    fn get_key_blob(&self) -> Result<KeyBlob> {
        self.act("get_key_blob")?;
        Ok(if self.config.contains("rotate") { KeyBlob::Changed(b"key".to_vec()) } else { KeyBlob::Unchanged })
    }
    fn get_key_complete(&self, stored: StoredKey<'_>) {
        event(format!("complete {}", stored.lsn));
        self.act("get_key_complete").unwrap();
    }
    fn get_key_failed(&self, error: &Error) {
        event(format!("failed {error}"));
        self.act("get_key_failed").unwrap();
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

impl FileSystem for Probe {
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        self.local.directory_list(directory, prefix)
    }
    fn exists(&self, path: &Path) -> Result<bool> {
        self.local.exists(path)
    }
    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        self.local.open(path, file_type, options)
    }
    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        self.local.remove(path, durable)
    }
    fn rename(&self, from: &Path, to: &Path, durable: bool) -> Result<()> {
        self.act("rename")?;
        self.local.rename(from, to, durable)
    }
    fn size(&self, path: &Path) -> Result<u64> {
        self.local.size(path)
    }
    fn terminate(&self) -> Result<()> {
        self.end()
    }
}

const HERE: Origin = Origin { crate_name: "probes", version: "1.0.0" };
const TERMINATE: &str = hardwired::plugin::extension::DEFAULT_TERMINATE;

pub(crate) static COLLATOR: Extension =
    Extension::collator("probe-collator", HERE, |context| Ok(Probe::open("collator", context)?))
        .with_terminator(TERMINATE, || terminator("collator"));
pub(crate) static COMPRESSOR: Extension =
    Extension::compressor("probe-compressor", HERE, |context| Ok(Probe::open("compressor", context)?));
pub(crate) static DATA_SOURCE: Extension =
    Extension::data_source("probe-data", HERE, "probe:", |context| Ok(Probe::open("data source", context)?));
pub(crate) static ENCRYPTOR: Extension =
    Extension::encryptor("probe-encryptor", HERE, |context| Ok(Probe::open("encryptor", context)?));
pub(crate) static STORAGE_SOURCE: Extension =
    Extension::storage_source("probe-storage", HERE, |context| Ok(Probe::open("storage source", context)?))
        .with_terminator(TERMINATE, || terminator("storage source"));
pub(crate) static KEY_PROVIDER: Extension =
    Extension::key_provider("probe-keys", HERE, |context| Ok(Probe::open("key provider", context)?))
        .with_terminator(TERMINATE, || terminator("key provider"));
pub(crate) static FILE_SYSTEM: Extension =
    Extension::file_system("probe-files", HERE, |context| Ok(Probe::open("file system", context)?));

/// Every kind, against the order of termination.
pub(crate) static ALL: [&Extension; 7] =
    [&FILE_SYSTEM, &STORAGE_SOURCE, &KEY_PROVIDER, &ENCRYPTOR, &DATA_SOURCE, &COMPRESSOR, &COLLATOR];

fn terminator(kind: &str) -> Result<()> {
    event(format!("terminator {kind}"));
    Ok(())
}

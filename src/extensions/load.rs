//! The extensions that one connection has loaded, from load to terminate.

use super::guard::{GuardedFileSystem, GuardedKeyProvider, Label, call};
use super::{BUILT_IN, ExtensionRequest, ExtensionTable, Given, Instance, parse_extensions, resolve};
use hardwired_plugin::config::Item;
use hardwired_plugin::extension::{
    Construct, Constructor, Extension, ExtensionContext, ExtensionKind, MessageLevel, Messages,
};
use hardwired_plugin::file_system::FileSystem;
use hardwired_plugin::key_provider::KeyProvider;
use hardwired_plugin::registry::Registry;
use hardwired_plugin::services::Services;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fmt;
use std::sync::Arc;

/// What a connection has loaded.
///
/// The order of calls over a connection's life:
/// 1. [`load_early`](Self::load_early) with the application's list, before any file of the home is touched; then
///    [`file_system`](Self::file_system) says whether the default one is to be used;
/// 2. [`load_late`](Self::load_late) with the list of the final configuration, before the metadata is opened;
/// 3. at close, after the data handles are gone, [`terminate_services`](Self::terminate_services);
/// 4. after the last file is closed, [`terminate`](Self::terminate).
///
/// In both phases what the application has given comes before what lists name: of two of one name the first one counts.
///
/// Dropping the object does 3 and 4 where they haven't been done: so a failed open needs only to return.
pub struct LoadedExtensions {
    registry: Registry,
    services: Arc<dyn Services>,
    table: Arc<ExtensionTable>,
    /// In load order. Instances leave as they are terminated.
    loaded: Vec<Loaded>,
    file_system: Option<Arc<dyn FileSystem>>,
    key_provider: Option<Arc<dyn KeyProvider>>,
}

/// What a full build of WiredTiger has built in, in its order.
const BUILT_IN_COMPRESSORS: &[&str] = &["lz4", "snappy", "zlib", "zstd"];

struct Loaded {
    label: Label,
    kind: ExtensionKind,
    /// `None` for an instance that the application has made.
    extension: Option<&'static Extension>,
    /// What isn't in the table of named extensions.
    single: Option<Single>,
    terminator: Option<fn() -> Result<()>>,
}

/// An instance of which a connection has one.
enum Single {
    KeyProvider(Arc<dyn KeyProvider>),
    FileSystem(Arc<dyn FileSystem>),
}

impl Single {
    fn terminate(&self) -> Result<()> {
        match self {
            Self::KeyProvider(provider) => provider.terminate(),
            Self::FileSystem(file_system) => file_system.terminate(),
        }
    }
}

impl LoadedExtensions {
    /// Nothing loaded yet.
    pub fn new(registry: Registry, services: Arc<dyn Services>) -> Self {
        let table = Arc::default();
        Self { registry, services, table, loaded: Vec::new(), file_system: None, key_provider: None }
    }

    /// The named extensions: collators, compressors, data sources, encryptors, storage sources.
    pub fn table(&self) -> &Arc<ExtensionTable> {
        &self.table
    }

    /// What can be loaded.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The file system that an early extension has brought.
    pub fn file_system(&self) -> Option<&Arc<dyn FileSystem>> {
        self.file_system.as_ref()
    }

    /// The key provider that an early extension has brought.
    pub fn key_provider(&self) -> Option<&Arc<dyn KeyProvider>> {
        self.key_provider.as_ref()
    }

    /// Loads what is early of the `given`, then the list's entries with `early_load=true`, each in its order.
    ///
    /// The whole list is resolved first, so that a bad entry fails before anything has run. `extensions` is the key's
    /// value in the stack of defaults, application and environment: no file of the home has been read.
    ///
    /// # Errors
    /// Those of [`parse_extensions`] and [`resolve`]; `EINVAL` for a key provider and `EPERM` for a file system without
    /// `early_load=true`, or for a second one; an extension's own error, unchanged.
    pub fn load_early(&mut self, given: &[Given], extensions: Option<Item<'_>>) -> Result<()> {
        let requests = parse_extensions(extensions, &*self.services)?;
        let resolved = requests.iter().map(|request| self.resolve(request)).collect::<Result<Vec<_>>>()?;
        self.load_given(given.iter().filter(|given| given.is_early()))?;
        for (request, extension) in requests.iter().zip(resolved) {
            if request.early_load {
                self.load(request, extension)?;
            }
        }
        Ok(())
    }

    /// Loads the rest of the `given`, then the list's entries without `early_load=true`, each in its order. `extensions` is
    /// the key's value in the final stack.
    ///
    /// An entry with `early_load=true` that only a file of the home holds was not loaded, and isn't now: that is
    /// reported as a notice.
    ///
    /// # Errors
    /// As [`load_early`](Self::load_early).
    pub fn load_late(&mut self, given: &[Given], extensions: Option<Item<'_>>) -> Result<()> {
        self.load_given(given.iter().filter(|given| !given.is_early()))?;
        for request in parse_extensions(extensions, &*self.services)? {
            if !request.early_load {
                let extension = self.resolve(&request)?;
                self.load(&request, extension)?;
            } else if !self.is_loaded(&request) {
                let text = format!(
                    "extension '{}' is not loaded: early_load=true takes effect only in the application's own configuration",
                    request.path
                );
                self.services.message(MessageLevel::Notice, &text);
            }
        }
        Ok(())
    }

    /// Registers the linked compressors that WiredTiger has built in, but for those whose name an entry has brought: so a
    /// database opens without a list, and a level given in an entry counts. `config` is the value of
    /// `builtin_extension_config`: for each name its configuration.
    ///
    /// # Errors
    /// `EINVAL` for a name that isn't one of theirs, or isn't linked; an extension's own error, unchanged.
    pub fn load_built_in(&mut self, config: Option<Item<'_>>) -> Result<()> {
        let mut configs = Vec::new();
        for item in config.iter().flat_map(|config| config.items()) {
            let (name, value) = item?;
            if !BUILT_IN_COMPRESSORS.contains(&name.text()) || self.built_in(name.text()).is_none() {
                return Err(Error::invalid(format!(
                    "builtin_extension_config: '{}' is no built-in extension of this program",
                    name.text()
                )));
            }
            configs.push((name.text(), value.text()));
        }
        for name in BUILT_IN_COMPRESSORS {
            if let Some(extension) = self.built_in(name)
                && !self.table.has_compressor(name)
            {
                let mut request = ExtensionRequest::new(*name);
                let config = configs.iter().rev().find(|(configured, _)| configured == name);
                request.config = config.map_or_else(String::new, |(_, config)| (*config).to_owned());
                self.load(&request, extension)?;
            }
        }
        Ok(())
    }

    /// The program's own compressor of that name: one that the application gives in its place loads when it is asked for.
    fn built_in(&self, name: &str) -> Option<&'static Extension> {
        let extension = self.registry.get(ExtensionKind::Compressor, name)?;
        BUILT_IN.iter().any(|own| own.is_same(extension)).then_some(extension)
    }

    fn load_given<'g>(&mut self, given: impl Iterator<Item = &'g Given>) -> Result<()> {
        for given in given {
            match given {
                Given::Extension(extension, config) => {
                    let config = config.clone();
                    let request = ExtensionRequest { config, ..ExtensionRequest::new(extension.name()) };
                    self.load(&request, extension)?;
                }
                Given::Instance(instance) => self.add(instance.clone())?,
            }
        }
        Ok(())
    }

    /// Registers an instance that the application has made.
    ///
    /// # Errors
    /// `EINVAL` for the name `none`; `EPERM` for a second file system or key provider.
    pub fn add(&mut self, instance: Instance) -> Result<()> {
        let label = Label::from(instance.to_string());
        let kind = instance.kind();
        let table = &self.table;
        let single = match instance {
            Instance::Collator(name, collator) => {
                table.add_collator(&label, &[&name], collator)?;
                None
            }
            Instance::Compressor(name, compressor) => {
                table.add_compressor(&label, &[&name], compressor)?;
                None
            }
            Instance::DataSource(prefix, source) => {
                table.add_data_source(&label, &prefix, source)?;
                None
            }
            Instance::Encryptor(name, encryptor) => {
                table.add_encryptor(&label, &[&name], encryptor)?;
                None
            }
            Instance::StorageSource(name, source) => {
                table.add_storage_source(&label, &[&name], source)?;
                None
            }
            Instance::FileSystem(file_system) => {
                self.refuse_second(kind, &label)?;
                Some(self.set_file_system(&label, file_system))
            }
            Instance::KeyProvider(provider) => {
                self.refuse_second(kind, &label)?;
                Some(self.set_key_provider(&label, provider))
            }
        };
        self.loaded.push(Loaded { label, kind, extension: None, single, terminator: None });
        Ok(())
    }

    /// `WT_CONNECTION::load_extension`: loads one more on an open connection.
    ///
    /// With `early_load=true` nothing happens but a notice, because that phase is over.
    ///
    /// # Errors
    /// `EINVAL` for an unknown key in `config`; else as [`load_early`](Self::load_early).
    pub fn load_extension(&mut self, path: &str, config: &str) -> Result<()> {
        let mut request = ExtensionRequest::new(path);
        if let Some(key) = request.configure(config)?.first() {
            return Err(Error::invalid(format!("unknown configuration key '{key}'")));
        }
        if request.early_load {
            let text = format!("extension '{path}' is not loaded: early_load=true has no effect on an open connection");
            self.services.message(MessageLevel::Notice, &text);
            return Ok(());
        }
        let extension = self.resolve(&request)?;
        self.load(&request, extension)
    }

    /// Terminates everything but file systems: by kind, and in load order within a kind. To be called while sessions can
    /// still be made.
    ///
    /// # Errors
    /// The first one; every one is reported, and none stops the sequence.
    pub fn terminate_services(&mut self) -> Result<()> {
        let mut outcome = Ok(());
        for error in self.table.terminate() {
            outcome = outcome.and(self.reported(Err(error)));
        }
        outcome = outcome.and(self.terminate_kind(ExtensionKind::KeyProvider));
        self.key_provider = None;
        outcome
    }

    /// Terminates what is left: services, then file systems, then each extension's terminator in load order. To be
    /// called after the last file is closed.
    ///
    /// # Errors
    /// The first one; every one is reported, and none stops the sequence.
    pub fn terminate(mut self) -> Result<()> {
        self.terminate_all()
    }

    fn terminate_all(&mut self) -> Result<()> {
        let services = self.terminate_services();
        let mut outcome = services.and(self.terminate_kind(ExtensionKind::FileSystem));
        self.file_system = None;
        for loaded in std::mem::take(&mut self.loaded) {
            if let Some(terminator) = loaded.terminator {
                outcome = outcome.and(self.reported(call(&loaded.label, "terminator", terminator)));
            }
        }
        outcome
    }

    fn terminate_kind(&mut self, kind: ExtensionKind) -> Result<()> {
        let of_kind = self.loaded.iter_mut().filter(|loaded| loaded.kind == kind);
        let instances: Vec<_> = of_kind.filter_map(|loaded| loaded.single.take()).collect();
        let mut outcome = Ok(());
        for instance in instances {
            outcome = outcome.and(self.reported(instance.terminate()));
        }
        outcome
    }

    fn reported(&self, result: Result<()>) -> Result<()> {
        if let Err(error) = &result {
            self.services.message(MessageLevel::Error, &format!("terminating extensions: {error}"));
        }
        result
    }

    fn is_loaded(&self, request: &ExtensionRequest) -> bool {
        let loaded = |extension: &Extension| {
            self.loaded.iter().filter_map(|loaded| loaded.extension).any(|loaded| loaded.is_same(extension))
        };
        resolve(&self.registry, request).is_ok_and(loaded)
    }

    /// Finds the extension, and refuses one that would come too late.
    fn resolve(&self, request: &ExtensionRequest) -> Result<&'static Extension> {
        let extension = resolve(&self.registry, request)?;
        if request.early_load || !extension.requires_early_load() {
            return Ok(extension);
        }
        Err(match extension.kind() {
            ExtensionKind::FileSystem => Error::new(
                ErrorCode::EPERM,
                format!(
                    "extension '{}': filesystem already configured; custom filesystems should enable \"early_load\" \
                     configuration",
                    request.path
                ),
            ),
            kind => Error::invalid(format!(
                "extension '{}': a {kind} works only with early_load=true, because its first callback belongs to start-up",
                request.path
            )),
        })
    }

    fn load(&mut self, request: &ExtensionRequest, extension: &'static Extension) -> Result<()> {
        let label = Label::from(extension.to_string());
        let maker = Maker { extension, label: &label, config: &request.config, services: &self.services };
        let single = match extension.constructor() {
            Constructor::Collator(construct) => {
                self.table.add_collator(&label, &maker.names(), maker.make(construct)?)?;
                None
            }
            Constructor::Compressor(construct) => {
                self.table.add_compressor(&label, &maker.names(), maker.make(construct)?)?;
                None
            }
            Constructor::DataSource(prefix, construct) => {
                self.table.add_data_source(&label, prefix, maker.make(construct)?)?;
                None
            }
            Constructor::Encryptor(construct) => {
                self.table.add_encryptor(&label, &maker.names(), maker.make(construct)?)?;
                None
            }
            Constructor::StorageSource(construct) => {
                self.table.add_storage_source(&label, &maker.names(), maker.make(construct)?)?;
                None
            }
            Constructor::KeyProvider(construct) => {
                self.refuse_second(extension.kind(), &request.path)?;
                let provider = maker.make(construct)?;
                Some(self.set_key_provider(&label, provider))
            }
            Constructor::FileSystem(construct) => {
                self.refuse_second(extension.kind(), &request.path)?;
                let file_system = maker.make(construct)?;
                Some(self.set_file_system(&label, file_system))
            }
            _ => {
                return Err(Error::unsupported(format!(
                    "extension '{}': this release can't use a {}",
                    request.path,
                    extension.kind()
                )));
            }
        };
        let terminator = extension.terminator(&request.terminate);
        let kind = extension.kind();
        self.loaded.push(Loaded { label, kind, extension: Some(extension), single, terminator });
        Ok(())
    }

    /// A connection has one file system and one key provider.
    fn refuse_second(&self, kind: ExtensionKind, wanted: &str) -> Result<()> {
        let Some(present) = self.loaded.iter().find(|loaded| loaded.kind == kind) else { return Ok(()) };
        let present = &present.label;
        let text = format!("extension '{wanted}': a connection has one {kind}, and {present} is loaded already");
        Err(Error::new(ErrorCode::EPERM, text))
    }

    fn set_key_provider(&mut self, label: &Label, inner: Arc<dyn KeyProvider>) -> Single {
        let messages = Arc::clone(&self.services) as Arc<dyn Messages>;
        let provider: Arc<dyn KeyProvider> = Arc::new(GuardedKeyProvider { label: label.clone(), messages, inner });
        self.key_provider = Some(Arc::clone(&provider));
        Single::KeyProvider(provider)
    }

    fn set_file_system(&mut self, label: &Label, inner: Arc<dyn FileSystem>) -> Single {
        let file_system: Arc<dyn FileSystem> = Arc::new(GuardedFileSystem { label: label.clone(), inner });
        self.file_system = Some(Arc::clone(&file_system));
        Single::FileSystem(file_system)
    }
}

/// Makes one instance.
struct Maker<'a> {
    extension: &'static Extension,
    label: &'a Label,
    config: &'a str,
    services: &'a Arc<dyn Services>,
}

impl Maker<'_> {
    fn make<T: ?Sized>(&self, construct: Construct<T>) -> Result<Arc<T>> {
        let context = ExtensionContext::new(self.config, Arc::clone(self.services));
        call(self.label, "constructor", || construct(&context))
    }

    fn names(&self) -> Vec<&'static str> {
        let aliases = self.extension.aliases().iter().copied();
        std::iter::once(self.extension.name()).chain(aliases).collect()
    }
}

impl Drop for LoadedExtensions {
    fn drop(&mut self) {
        // Errors have been reported; there is no one left to return them to.
        let _ = self.terminate_all();
    }
}

impl fmt::Debug for LoadedExtensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.loaded.iter().map(|loaded| &loaded.label)).finish()
    }
}

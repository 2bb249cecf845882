//! The descriptor by which an extension announces itself, and what its constructor is given.
//!
//! 1. A descriptor is `static` and made by `const fn`s alone: it exists without any code having run.
//! 2. Its identity is (origin crate, version, name, kind), never its address: one crate may be linked twice.
//! 3. What has to load early follows from the kind: a file system or a key provider that arrives late can't work.
//!
//! Source: extensions specification, sections 2 and 6.

use crate::collator::Collator;
use crate::compressor::Compressor;
use crate::config::ConfigParser;
use crate::data_source::DataSource;
use crate::encryptor::Encryptor;
use crate::file_system::FileSystem;
use crate::key_provider::KeyProvider;
use crate::services::Services;
use crate::storage_source::StorageSource;
use crate::{Error, ErrorCode, Result};
use std::fmt;
use std::sync::Arc;

/// The generation of this crate's extension interface. Extensions and engine have to agree on it; the identifier of the
/// link-time slice carries it, so that two generations in one program stay apart.
pub const API_GENERATION: u32 = 1;

/// The entry symbol that `extensions=[...]` means when it names none.
pub const DEFAULT_ENTRY: &str = "wiredtiger_extension_init";

/// The terminator symbol that `extensions=[...]` means when it names none.
pub const DEFAULT_TERMINATE: &str = "wiredtiger_extension_terminate";

/// What an extension extends.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtensionKind {
    /// Orders keys.
    Collator,
    /// Compresses blocks and log records.
    Compressor,
    /// Answers for a URI prefix of its own.
    DataSource,
    /// Encrypts blocks and log records.
    Encryptor,
    /// Reaches every file of a database.
    FileSystem,
    /// Keeps key material with the checkpoints.
    KeyProvider,
    /// Keeps objects of tiered tables.
    StorageSource,
}

impl ExtensionKind {
    /// The folder name under which WiredTiger's sources keep such extensions: a library path that contains it as a
    /// component means this kind.
    pub fn path_component(self) -> &'static str {
        match self {
            Self::Collator => "collators",
            Self::Compressor => "compressors",
            Self::DataSource => "datasources",
            Self::Encryptor => "encryptors",
            Self::FileSystem => "file_systems",
            Self::KeyProvider => "key_providers",
            Self::StorageSource => "storage_sources",
        }
    }
}

impl fmt::Display for ExtensionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collator => "collator",
            Self::Compressor => "compressor",
            Self::DataSource => "data source",
            Self::Encryptor => "encryptor",
            Self::FileSystem => "file system",
            Self::KeyProvider => "key provider",
            Self::StorageSource => "storage source",
        })
    }
}

/// Makes an extension of the kind `T` from its context.
pub type Construct<T> = fn(&ExtensionContext<'_>) -> Result<Arc<T>>;

/// How an extension of each kind is made.
#[non_exhaustive]
#[derive(Clone, Copy)]
pub enum Constructor {
    /// Makes a collator.
    Collator(Construct<dyn Collator>),
    /// Makes a compressor.
    Compressor(Construct<dyn Compressor>),
    /// Makes a data source for the URIs that begin with the prefix, colon included.
    DataSource(&'static str, Construct<dyn DataSource>),
    /// Makes an encryptor.
    Encryptor(Construct<dyn Encryptor>),
    /// Makes a file system.
    FileSystem(Construct<dyn FileSystem>),
    /// Makes a key provider.
    KeyProvider(Construct<dyn KeyProvider>),
    /// Makes a storage source.
    StorageSource(Construct<dyn StorageSource>),
}

impl Constructor {
    /// The kind of what it makes.
    pub const fn kind(&self) -> ExtensionKind {
        match self {
            Self::Collator(_) => ExtensionKind::Collator,
            Self::Compressor(_) => ExtensionKind::Compressor,
            Self::DataSource(..) => ExtensionKind::DataSource,
            Self::Encryptor(_) => ExtensionKind::Encryptor,
            Self::FileSystem(_) => ExtensionKind::FileSystem,
            Self::KeyProvider(_) => ExtensionKind::KeyProvider,
            Self::StorageSource(_) => ExtensionKind::StorageSource,
        }
    }
}

/// The crate an extension comes from; made by [`origin!`](crate::origin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The package's name.
    pub crate_name: &'static str,
    /// The package's version.
    pub version: &'static str,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.crate_name, self.version)
    }
}

/// The [`Origin`] of the crate that this macro is used in.
#[macro_export]
macro_rules! origin {
    () => {
        $crate::extension::Origin { crate_name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }
    };
}

/// The static description of one extension. Announce it with [`register_extension!`](crate::register_extension).
#[derive(Clone, Copy)]
pub struct Extension {
    name: &'static str,
    origin: Origin,
    constructor: Constructor,
    library_names: &'static [&'static str],
    aliases: &'static [&'static str],
    entries: &'static [&'static str],
    terminator: Option<Terminator>,
}

#[derive(Clone, Copy)]
struct Terminator {
    symbol: &'static str,
    function: fn() -> Result<()>,
}

impl Extension {
    /// Describes an extension. `name` is its canonical name: lower-case words joined by `-`.
    pub const fn new(name: &'static str, origin: Origin, constructor: Constructor) -> Self {
        Self { name, origin, constructor, library_names: &[], aliases: &[], entries: &[], terminator: None }
    }

    /// Describes a collator: `collator=` names it by `name`.
    pub const fn collator(name: &'static str, origin: Origin, construct: Construct<dyn Collator>) -> Self {
        Self::new(name, origin, Constructor::Collator(construct))
    }

    /// Describes a compressor: `block_compressor=` names it by `name`.
    pub const fn compressor(name: &'static str, origin: Origin, construct: Construct<dyn Compressor>) -> Self {
        Self::new(name, origin, Constructor::Compressor(construct))
    }

    /// Describes a data source for the URIs that begin with `prefix`, colon included.
    pub const fn data_source(
        name: &'static str,
        origin: Origin,
        prefix: &'static str,
        construct: Construct<dyn DataSource>,
    ) -> Self {
        Self::new(name, origin, Constructor::DataSource(prefix, construct))
    }

    /// Describes an encryptor: `encryption=(name=)` names it by `name`.
    pub const fn encryptor(name: &'static str, origin: Origin, construct: Construct<dyn Encryptor>) -> Self {
        Self::new(name, origin, Constructor::Encryptor(construct))
    }

    /// Describes a file system.
    pub const fn file_system(name: &'static str, origin: Origin, construct: Construct<dyn FileSystem>) -> Self {
        Self::new(name, origin, Constructor::FileSystem(construct))
    }

    /// Describes a key provider.
    pub const fn key_provider(name: &'static str, origin: Origin, construct: Construct<dyn KeyProvider>) -> Self {
        Self::new(name, origin, Constructor::KeyProvider(construct))
    }

    /// Describes a storage source: `tiered_storage=(name=)` names it by `name` or by one of its
    /// [aliases](Self::with_aliases).
    pub const fn storage_source(name: &'static str, origin: Origin, construct: Construct<dyn StorageSource>) -> Self {
        Self::new(name, origin, Constructor::StorageSource(construct))
    }

    /// Adds the names under which it registers besides its own (as `lz4-noraw` beside `lz4`): the names that tables and
    /// `tiered_storage=(name=)` use.
    #[must_use]
    pub const fn with_aliases(mut self, names: &'static [&'static str]) -> Self {
        self.aliases = names;
        self
    }

    /// Adds library base names it answers for besides its own name, without `lib`, `wiredtiger_` and `.so`: a sample
    /// that other programs load as `libwiredtiger_key_provider.so` lists `key_provider`.
    #[must_use]
    pub const fn with_library_names(mut self, names: &'static [&'static str]) -> Self {
        self.library_names = names;
        self
    }

    /// Adds entry symbols it answers for besides [`DEFAULT_ENTRY`] and `<name>_extension_init`.
    #[must_use]
    pub const fn with_entries(mut self, entries: &'static [&'static str]) -> Self {
        self.entries = entries;
        self
    }

    /// Adds a function that runs when the connection has closed, once for each time the extension was loaded.
    ///
    /// It is found under `symbol`; use [`DEFAULT_TERMINATE`] unless programs name another one by `terminate=`.
    #[must_use]
    pub const fn with_terminator(mut self, symbol: &'static str, function: fn() -> Result<()>) -> Self {
        self.terminator = Some(Terminator { symbol, function });
        self
    }

    /// The canonical name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The names under which it registers besides [`name`](Self::name).
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// What it extends.
    pub const fn kind(&self) -> ExtensionKind {
        self.constructor.kind()
    }

    /// The generation of the interface it was built against.
    pub const fn api_generation(&self) -> u32 {
        API_GENERATION
    }

    /// The crate it comes from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// How it is made.
    pub const fn constructor(&self) -> Constructor {
        self.constructor
    }

    /// Whether it works only when loaded with `early_load=true`.
    pub const fn requires_early_load(&self) -> bool {
        matches!(self.kind(), ExtensionKind::FileSystem | ExtensionKind::KeyProvider)
    }

    /// The function to run after close for the `terminate=` symbol, `None` where there is no such symbol.
    pub fn terminator(&self, symbol: &str) -> Option<fn() -> Result<()>> {
        self.terminator.filter(|terminator| terminator.symbol == symbol).map(|terminator| terminator.function)
    }

    /// Whether it has an entry function of that name.
    pub fn has_entry(&self, symbol: &str) -> bool {
        symbol == DEFAULT_ENTRY || self.has_own_entry(symbol)
    }

    /// Whether `symbol` is an entry function of this extension and of no other by convention.
    pub fn has_own_entry(&self, symbol: &str) -> bool {
        self.entries.contains(&symbol)
            || symbol.strip_suffix("_extension_init").is_some_and(|name| same_name(name, self.name))
    }

    /// Whether a library whose base name (`snappy` of `libwiredtiger_snappy.so`) is `base` means this extension.
    /// `-` and `_` count as equal.
    pub fn answers_to(&self, base: &str) -> bool {
        same_name(base, self.name) || self.library_names.iter().any(|name| same_name(base, name))
    }

    /// Whether both describe the same extension, whatever their addresses.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    pub(crate) fn identity(&self) -> (ExtensionKind, &'static str, Origin) {
        (self.kind(), self.name, self.origin)
    }
}

fn same_name(left: &str, right: &str) -> bool {
    let unify = |byte: u8| if byte == b'_' { b'-' } else { byte };
    left.len() == right.len() && left.bytes().map(unify).eq(right.bytes().map(unify))
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("name", &self.name)
            .field("kind", &self.kind())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// `kek-mock (key provider, from hardwired-kek-mock 0.1.0)`
impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, from {})", self.name, self.kind(), self.origin)
    }
}

/// Where an extension's messages go: the connection's event handler.
pub trait Messages: Send + Sync {
    /// Reports one message, without a line end.
    fn message(&self, level: MessageLevel, text: &str);
}

/// How important a message is; the numbers are WiredTiger's verbose levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum MessageLevel {
    /// An error.
    Error = -3,
    /// Something that may need the user's attention.
    Warning = -2,
    /// A rare event worth knowing.
    Notice = -1,
    /// Normal information: delivered whatever `verbose` says, as what WiredTiger's extensions say with `msg_printf`. An
    /// extension with more to say than an application may want filters it with an option of its own.
    Info = 0,
    /// Details, first level: delivered if `verbose` asks for the category `extension` at this level, as the next ones.
    Debug1 = 1,
    /// Details, second level.
    Debug2 = 2,
    /// Details, third level.
    Debug3 = 3,
    /// Details, fourth level.
    Debug4 = 4,
    /// Details, fifth level.
    Debug5 = 5,
}

/// What a constructor is given.
#[derive(Clone)]
pub struct ExtensionContext<'a> {
    config: &'a str,
    services: Arc<dyn Services>,
}

impl<'a> ExtensionContext<'a> {
    /// Used by the engine, and by an extension's own tests.
    pub fn new(config: &'a str, services: Arc<dyn Services>) -> Self {
        Self { config, services }
    }

    /// The extension's own configuration string (`config=` of its entry), empty if there is none.
    pub fn config(&self) -> &'a str {
        self.config
    }

    /// What the engine offers; may be kept. In the early phase no file is open: there are no metadata.
    pub fn services(&self) -> &Arc<dyn Services> {
        &self.services
    }

    /// Where to send messages; may be kept.
    pub fn messages(&self) -> Arc<dyn Messages> {
        Arc::clone(&self.services) as Arc<dyn Messages>
    }

    /// For an extension without options: `EINVAL` if it is given any.
    pub fn no_options(&self) -> Result<()> {
        match ConfigParser::new(self.config).next().transpose()? {
            Some((key, value)) => Err(self.unexpected(key.text(), value.text())),
            None => Ok(()),
        }
    }

    /// The error for an item of [`config`](Self::config) that the extension doesn't know: `EINVAL`.
    pub fn unexpected(&self, key: &str, value: &str) -> Error {
        Error::new(
            ErrorCode::EINVAL,
            format!("WT_CONFIG_PARSER.next: unexpected configuration: {key}={value}: Invalid argument"),
        )
    }
}

impl fmt::Debug for ExtensionContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtensionContext").field("config", &self.config).finish_non_exhaustive()
    }
}

//! Opening a database: the sequence of block specification, section 16.1.
//!
//! 1. The application's string is checked, early extensions run, the file system is chosen: no file has been touched.
//! 2. The home is locked and looked at; configuration files are read; the rest of the configuration is settled. The
//!    encryptor gets its key.
//! 3. An existing database is inspected through a read-only handle on its metadata: whatever can't be served is refused
//!    here, before anything is changed. If there is a log, the metadata is recovered in memory first. The key provider gets
//!    its blob.
//! 4. A new database gets its files, the turtle last; the metadata is opened for use.
//! 5. The rest of the log is replayed, a new log begins, and a checkpoint makes the outcome durable: from then on nothing of
//!    the former log is needed.
//! 6. The history store's file is made, threads start.

use super::encryption::{self, Encryption};
use super::servers::Servers;
use super::services::ConnectionServices;
use super::{Connection, ConnectionInner, Resources, inspect};
use crate::block::{BlockManager, KeyedEncryptor};
use crate::cache::{Cache, CacheLimits};
use crate::checkpoint::{self, Request};
use crate::config::settings::ConnectionSettings;
use crate::config::sources::{READONLY_OVERLAY, Sources, file_text};
use crate::config::{merge, metadata};
use crate::event::{Category, DefaultHandler, EventHandler, GeneralEvent, Level, Messenger, Origin, SystemClock};
use crate::extensions::{ExtensionTable, Given, LoadedExtensions, linked};
use crate::key_provider::{KeyHome, KeyService, METADATA_KEY, Mode};
use crate::log::{LogDirectory, RecordTransform};
use crate::metadata::Turtle;
use crate::metadata::home::{self, BASE_CONFIG_FILE, Home, METADATA_FILE, OpenRequest, USER_CONFIG_FILE};
use crate::os::LocalFileSystem;
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::plugin::extension::Extension;
use crate::plugin::file_system::FileSystem;
use crate::recovery::Recovery;
use crate::schema::{Database, DatabaseParts, Learned};
use crate::tiered::{self, Tiered};
use crate::txn::TxnGlobal;
use crate::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What an open is called with.
pub(super) struct OpenCall<'a> {
    pub(super) home: &'a Path,
    pub(super) handler: Option<Arc<dyn EventHandler>>,
    pub(super) config: &'a str,
    /// Extensions that are found by name, beyond the linked ones.
    pub(super) known: &'a [&'static Extension],
    /// What to load and to register beside the extensions that the configuration names.
    pub(super) given: &'a [Given],
}

const CALL: &str = "wiredtiger_open";
/// The metadata file's allocation size in bytes.
const METADATA_ALLOCATION: u32 = 4096;

/// Opens a connection. A failure is reported to the event handler; damage comes back as `WT_TRY_SALVAGE`.
pub(super) fn open(call: OpenCall<'_>) -> Result<Connection> {
    let handler = call.handler.clone().unwrap_or_else(|| Arc::new(DefaultHandler));
    let messenger = Arc::new(Messenger::new(handler, Arc::new(SystemClock)));
    open_with(&call, &messenger).map_err(|error| {
        let error = match error {
            Error::NotFound => Error::new(ErrorCode::ENOENT, "not found"),
            Error::Corrupt(corruption) => Error::new(ErrorCode::TRY_SALVAGE, corruption.to_string()),
            error => encryption::redacted(error),
        };
        for line in error.to_string().lines() {
            messenger.error(Origin::call(CALL), error.code().0, line);
        }
        error
    })
}

fn open_with(call: &OpenCall<'_>, messenger: &Arc<Messenger>) -> Result<Connection> {
    crate::session::check(CALL, call.config)?;
    let environment = environment(call.config)?;
    let sources = Sources { application: call.config, environment: &environment, ..Sources::default() };
    let preliminary = sources.preliminary();
    let early = Config::new(&preliminary);
    messenger.set_prefix(early.text_or("error_prefix", "")?);
    let readonly = early.bool_or("readonly", false)?;
    if early.bool_or("in_memory", false)? {
        if early.name("tiered_storage.name")?.is_some() {
            return Err(tiered::in_memory_error());
        }
        return Err(Error::unsupported("in_memory: in-memory databases are not supported yet"));
    }
    if early.bool_or("salvage", false)? {
        return Err(Error::unsupported("salvage: salvaging a database is not supported yet"));
    }
    let services = ConnectionServices::new(call.home, messenger);
    let mut extensions = LoadedExtensions::new(linked(call.known)?, Arc::clone(&services) as _);
    services.set_table(extensions.table());
    extensions.load_early(call.given, early.get("extensions")?)?;
    let fs = match extensions.file_system() {
        Some(loaded) => Arc::clone(loaded),
        None => Arc::new(LocalFileSystem::new()) as Arc<dyn FileSystem>,
    };
    services.set_file_system(&fs);
    let request = OpenRequest {
        create: early.bool_or("create", false)?,
        exclusive: early.bool_or("exclusive", false)?,
        readonly,
        salvage: false,
    };
    let home = home::enter(&*fs, call.home, request)?;
    for notice in &home.notices {
        messenger.message(Origin::call(CALL), Category::Default, Level::Notice, || notice.clone());
    }
    let Settled { settings, merged, encryption, tiered } = settle(call, &sources, &*fs, readonly)?;
    let merged = Config::single(&merged);
    configure_messages(messenger, &merged)?;
    extensions.load_late(call.given, merged.get("extensions")?)?;
    extensions.load_built_in(merged.get("builtin_extension_config")?)?;
    let table = Arc::clone(extensions.table());
    let encryptor = encryption.encryptor(&table)?;
    if tiered.is_some() && settings.log.enabled {
        return Err(Error::unsupported("tiered_storage: a log beside tiered storage is not supported yet"));
    }
    // Without logging, too: the log of an earlier run may be looked at.
    let log_transform = RecordTransform::new(table.compressor(&settings.log.compressor)?, encryptor.clone());
    let tiered = Tiered::open(tiered, table.storage_sources(), false)?;
    let opening =
        Opening { call, messenger, fs, home, settings, readonly, services, table, tiered, encryptor, log_transform };
    opening.finish(extensions, &sources)
}

/// The environment's configuration, if it may be used.
fn environment(config: &str) -> Result<Zeroizing<String>> {
    if !Config::single(config).bool_or("use_environment", true)? {
        return Ok(Zeroizing::default());
    }
    Ok(Zeroizing::new(std::env::var("WIREDTIGER_CONFIG").unwrap_or_default()))
}

/// What the configuration comes to.
struct Settled {
    settings: ConnectionSettings,
    /// All of it as one string, without the secret key.
    merged: String,
    tiered: Option<tiered::Settings>,
    encryption: Encryption,
}

/// Reads the configuration files and settles everything.
fn settle(call: &OpenCall<'_>, sources: &Sources<'_>, fs: &dyn FileSystem, readonly: bool) -> Result<Settled> {
    let read = |name: &str| -> Result<Zeroizing<String>> {
        match home::read_config_file(fs, call.home, name)?.map(Zeroizing::new) {
            Some(bytes) => file_text(name, &bytes).map(Zeroizing::new),
            None => Ok(Zeroizing::default()),
        }
    };
    let preliminary = sources.preliminary();
    let uses_base = Config::new(&preliminary).bool_or("config_base", true)?;
    let base_file = if uses_base { read(BASE_CONFIG_FILE)? } else { Zeroizing::default() };
    let user_file = read(USER_CONFIG_FILE)?;
    let sources = Sources { base_file: &base_file, user_file: &user_file, ..*sources };
    sources.check()?;
    let version = crate::config::sources::Release::DEFAULT.to_config();
    let [defaults, version, base, application, user, environment] = sources.stack(&version);
    let overlay = if readonly { READONLY_OVERLAY } else { "" };
    let stack = [defaults, version, base, application, user, environment, overlay];
    let settings = ConnectionSettings::from_stack(&stack, &base_file)?;
    let mut merged = merge(&stack, Some(encryption::STRIP))?;
    let given = [application, user, environment];
    let tiered = tiered::Settings::parse(Config::new(&given), &base_file, Config::single(&merged))?;
    // Merging sorts a list; extensions are loaded in the order in which they are named.
    if let Some(extensions) = Config::new(&stack).get("extensions")? {
        merged.extend([",extensions=", extensions.source()]);
    }
    Ok(Settled { settings, merged, tiered, encryption: Encryption::parse(&stack)? })
}

/// Applies `error_prefix`, `verbose` and `json_output`, where they are given.
pub(super) fn configure_messages(messenger: &Messenger, config: &Config<'_>) -> Result<()> {
    if let Some(prefix) = config.get("error_prefix")? {
        messenger.set_prefix(prefix.text());
    }
    if let Some(verbose) = config.get("verbose")? {
        let items = verbose.items().collect::<Result<Vec<_>>>()?;
        messenger.set_verbose(
            items.iter().map(|(key, value)| {
                (key.text(), Some(value.text()).filter(|text| !text.is_empty() && *text != "true"))
            }),
        )?;
    }
    if let Some(json) = config.get("json_output")? {
        let items = json.items().collect::<Result<Vec<_>>>()?;
        let has = |word| items.iter().any(|(key, _)| key.text() == word);
        messenger.set_json(has("error"), has("message"));
    }
    Ok(())
}

/// A database that was there before.
struct Existing {
    turtle: Turtle,
    learned: Learned,
    /// The key provider's row.
    key_row: Option<String>,
    /// The row with cluster and member, if it has tiered tables.
    tiered_identity: Option<String>,
    /// The database, if it had to be opened to be looked at.
    db: Option<Database>,
}

impl Existing {
    fn new(turtle: Turtle, found: inspect::Found, db: Option<Database>) -> Self {
        let inspect::Found { learned, key_row, tiered_identity } = found;
        Self { turtle, learned, key_row, tiered_identity, db }
    }
}

/// An open past its configuration.
struct Opening<'a> {
    call: &'a OpenCall<'a>,
    messenger: &'a Arc<Messenger>,
    fs: Arc<dyn FileSystem>,
    home: Home,
    settings: ConnectionSettings,
    readonly: bool,
    services: Arc<ConnectionServices>,
    table: Arc<ExtensionTable>,
    tiered: Arc<Tiered>,
    encryptor: Option<Arc<KeyedEncryptor>>,
    log_transform: RecordTransform,
}

impl Opening<'_> {
    fn finish(self, extensions: LoadedExtensions, sources: &Sources<'_>) -> Result<Connection> {
        let path = self.call.home;
        let txns = TxnGlobal::new(usize::try_from(self.settings.session_max).unwrap_or(usize::MAX));
        let cache = Arc::new(Cache::new(self.cache_limits()));
        let turtle = Turtle::read(&*self.fs, path)?;
        inspect::refuse_foreign_files(&*self.fs, path)?;
        let mut recovery = self.recovery(turtle.as_ref())?;
        let existing = turtle.map(|turtle| self.existing(&txns, &cache, turtle, recovery.as_mut())).transpose()?;
        let identity = existing.as_ref().and_then(|existing| existing.tiered_identity.clone());
        tiered::Settings::check_identity(self.tiered.settings(), identity.as_deref())?;
        let key_row = existing.as_ref().and_then(|existing| existing.key_row.as_deref());
        let key_home = KeyHome {
            file_system: Arc::clone(&self.fs),
            directory: path.to_owned(),
            mode: if self.readonly { Mode::ReadOnly } else { Mode::Writable },
            salvage: false,
        };
        let provider = extensions.key_provider().map(Arc::clone);
        let has_provider = provider.is_some();
        let keys = KeyService::open(provider, key_home, key_row, Arc::clone(&self.services) as _)?;
        let db = match existing {
            Some(Existing { db: Some(db), .. }) => db,
            Some(Existing { turtle, learned, .. }) => {
                if !self.readonly {
                    home::remove_leftovers(&*self.fs, path)?;
                }
                Database::open(self.parts(&txns, &cache), turtle, learned)?
            }
            None => Database::open(self.parts(&txns, &cache), self.create_files(sources)?, Learned::default())?,
        };
        inspect::recover_timestamps(&db)?;
        let mut servers = Servers::start(&cache, &txns)?;
        if let Some(recovery) = &mut recovery {
            self.recover(recovery, &db, &keys)?;
        }
        if !self.readonly {
            db.create_history_store()?;
            if identity.is_none()
                && let Some(identity) = self.tiered.settings().and_then(|settings| settings.identity.as_ref())
            {
                db.change_metadata(&[(tiered::IDENTITY_KEY, Some(&identity.to_string()))])?;
            }
        }
        if let Some(log) = db.txns.log() {
            let now = self.messenger.clock().now().as_secs();
            log.append_message(&format!("SYSTEM: Log manager threads started post-recovery at {now}"))?;
        }
        let has_history = self.readonly && inspect::may_hold_history(&db);
        let inner = Arc::new(ConnectionInner {
            db,
            has_history,
            messenger: Arc::clone(self.messenger),
            txns,
            keys,
            has_provider,
            is_new: self.home.is_new,
            text_format: Arc::new(Format::parse("S")?),
            bytes_format: Arc::new(Format::parse("u")?),
            resources: Mutex::new(None),
            services: Arc::clone(&self.services),
            log_directory: self.log_directory(),
        });
        self.services.set_connection(&inner);
        if self.settings.checkpoint_wait_s > 0 && !self.readonly {
            servers.start_checkpoints(Arc::downgrade(&inner), self.settings.checkpoint_wait_s)?;
        }
        if let Some(log) = inner.txns.log() {
            servers.start_log(Arc::downgrade(&inner), Arc::clone(log), self.settings.checkpoint_log_bytes)?;
        }
        if inner.db.tiered.is_on() && !self.readonly {
            servers.start_tiered(&inner)?;
        }
        *inner.resources.lock() = Some(Resources { servers, extensions, lock: self.home.lock });
        self.messenger.general(GeneralEvent::ConnectionReady);
        Ok(Connection { inner })
    }

    fn log_directory(&self) -> LogDirectory {
        let directory = LogDirectory::new(Arc::clone(&self.fs), self.call.home, &self.settings.log.path);
        directory.with_transform(self.log_transform.clone())
    }

    /// The log of the database, if this connection has one.
    fn recovery(&self, turtle: Option<&Turtle>) -> Result<Option<Recovery>> {
        let (settings, directory) = (&self.settings.log, self.log_directory());
        if !settings.enabled {
            if let Some(turtle) = turtle
                && !self.readonly
            {
                Recovery::warn_of_discarded(directory, settings.clone(), self.messenger, turtle);
            }
            return Ok(None);
        }
        let recovery = Recovery::look(directory, settings.clone(), self.messenger)?;
        match turtle {
            Some(turtle) if self.readonly => recovery.refuse_work(turtle).map(|()| None),
            _ => Ok((!self.readonly).then_some(recovery)),
        }
    }

    /// Looks at an existing database.
    fn existing(
        &self,
        txns: &Arc<TxnGlobal>,
        cache: &Arc<Cache>,
        turtle: Turtle,
        recovery: Option<&mut Recovery>,
    ) -> Result<Existing> {
        turtle.check_version()?;
        let found = self.look_at(txns, cache, turtle, recovery);
        found.map_err(|error| encryption::explain(error, self.encryptor.is_some()))
    }

    fn look_at(
        &self,
        txns: &Arc<TxnGlobal>,
        cache: &Arc<Cache>,
        turtle: Turtle,
        recovery: Option<&mut Recovery>,
    ) -> Result<Existing> {
        let logs = self.settings.log.enabled;
        if let Some(recovery) = recovery
            && recovery.begin(&turtle)?
        {
            inspect::require_metadata(&*self.fs, self.call.home)?;
            let mut db = Database::open(self.parts(txns, cache), turtle.clone(), Learned::default())?;
            // With another key the last checkpoint's metadata looks damaged: that is told before the log is read.
            db.learn()?;
            recovery.replay_metadata(&db)?;
            let found = inspect::look(&db, false, logs)?;
            db.set_learned(found.learned);
            recovery.look_for_work()?;
            home::remove_leftovers(&*self.fs, self.call.home)?;
            return Ok(Existing::new(turtle, found, Some(db)));
        }
        let found = inspect::inspect(self.parts(txns, cache), &turtle, logs)?;
        Ok(Existing::new(turtle, found, None))
    }

    /// Replays what isn't in a checkpoint, begins the new log, and makes the outcome durable.
    fn recover(&self, recovery: &mut Recovery, db: &Database, keys: &KeyService) -> Result<()> {
        recovery.replay_files(db)?;
        let (log, wants_checkpoint) = recovery.start_log(db)?;
        db.txns.set_log(Arc::new(log));
        if wants_checkpoint {
            checkpoint::checkpoint(db, keys, &Request::after_recovery(recovery.has_work()))?;
        }
        Ok(())
    }

    fn parts(&self, txns: &Arc<TxnGlobal>, cache: &Arc<Cache>) -> DatabaseParts {
        DatabaseParts {
            home: self.call.home.to_owned(),
            fs: Arc::clone(&self.fs),
            messenger: Arc::clone(self.messenger),
            txns: Arc::clone(txns),
            cache: Arc::clone(cache),
            extensions: Arc::clone(&self.table),
            tiered: Arc::clone(&self.tiered),
            encryptor: self.encryptor.clone(),
            services: Arc::clone(&self.services) as _,
            readonly: self.readonly,
            in_memory: false,
        }
    }

    fn cache_limits(&self) -> CacheLimits {
        let eviction = &self.settings.eviction;
        CacheLimits {
            size: self.settings.cache_size,
            target: eviction.target,
            trigger: eviction.trigger,
            dirty_target: eviction.dirty_target,
            dirty_trigger: eviction.dirty_trigger,
        }
    }

    /// The files of a new database; the turtle, which makes it one, comes last.
    fn create_files(&self, sources: &Sources<'_>) -> Result<Turtle> {
        let path = self.call.home;
        if self.settings.config_base {
            let version = self.settings.release.to_config();
            let derived = self.tiered.settings().map(tiered::Settings::derived_config).unwrap_or_default();
            let text = sources.new_base_file_with(&version, &derived)?;
            let settings = file_text(BASE_CONFIG_FILE, text.as_bytes())?;
            home::write_base_config(&*self.fs, path, &settings)?;
        }
        home::remove_leftovers(&*self.fs, path)?;
        let renamed = BlockManager::create(&*self.fs, &path.join(METADATA_FILE), METADATA_ALLOCATION)?;
        if let Some(aside) = renamed {
            self.messenger.message(Origin::call(CALL), Category::Default, Level::Notice, || {
                format!("unexpected file {METADATA_FILE} found, renamed to {}", aside.display())
            });
        }
        let turtle = Turtle::new(metadata::file("key_format=S,value_format=S", 0)?);
        turtle.write(&*self.fs, path)?;
        Ok(turtle)
    }
}

/// The key under which the key provider's row lies; named here so that the inspection needn't know key providers.
pub(super) const KEY_ROW: &str = METADATA_KEY;

//! Connections: an open database.
//!
//! [`wiredtiger_open`] is the canonical door, with WiredTiger's configuration strings; [`Builder`] is the typed one.
//!
//! Invariants:
//! 1. One connection a home: a lock file excludes other processes and other connections of this one.
//! 2. After a failed write or fsync the connection has panicked: every later call returns `WT_PANIC`, and nothing more is
//!    written. The process goes on.
//! 3. Closing (also by dropping the last handle) takes a checkpoint. What was committed before is there after the next
//!    open.
//!
//! Source: API specification, section 5; block specification, sections 15 and 16.

mod builder;
mod close;
mod encryption;
mod inspect;
mod objects;
mod open;
mod register;
mod servers;
mod services;

pub use builder::Builder;

use crate::checkpoint::{self, Request};
use crate::event::{EventHandler, Messenger};
use crate::extensions::LoadedExtensions;
use crate::key_provider::KeyService;
use crate::log::LogDirectory;
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::plugin::file_system::FileHandle;
use crate::schema::{At, Catalog, Change, Database, InUse, OpenIndex, OpenIndices, OpenTable, TableInUse};
use crate::session::Session;
use crate::txn::TxnGlobal;
use crate::txn::timestamp::Change as TimestampChange;
use crate::{Error, Result};
use parking_lot::Mutex;
use servers::Servers;
use services::ConnectionServices;
use std::path::Path;
use std::sync::Arc;

/// Opens (or, with `create`, creates) the database in the directory `home`, which must exist.
///
/// `config` is a configuration string as WiredTiger's `wiredtiger_open` takes it; `handler` gets all messages
/// (`None`: errors to stderr, the rest to stdout). Settings also come from `WiredTiger.basecfg` and `WiredTiger.config` in
/// the home and from the environment variable `WIREDTIGER_CONFIG`.
///
/// # Errors
/// `EINVAL` for a bad configuration; `ENOTSUP` for settings and databases that need what isn't built, by name; `EBUSY` if
/// the database is open elsewhere; `EEXIST` with `exclusive`; `WT_TRY_SALVAGE` for a directory without database and for a
/// damaged one; `WT_RUN_RECOVERY` for one whose log must be replayed; errors of the operating system. Data of an
/// existing database is not changed then.
pub fn wiredtiger_open(
    home: impl AsRef<Path>,
    handler: Option<Arc<dyn EventHandler>>,
    config: &str,
) -> Result<Connection> {
    let request = open::OpenCall { home: home.as_ref(), handler, config, known: &[], given: &[] };
    open::open(request)
}

/// An open database. Clones are handles on the same connection; dropping the last handle (sessions included) closes it.
#[derive(Clone)]
pub struct Connection {
    inner: Arc<ConnectionInner>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("home", &self.inner.db.home).finish_non_exhaustive()
    }
}

impl Connection {
    /// A typed way to open a database.
    ///
    /// ```no_run
    /// # fn main() -> hardwired::Result<()> {
    /// let connection = hardwired::Connection::builder("home").create(true).cache_size(100 << 20).open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(home: impl AsRef<Path>) -> Builder {
        Builder::new(home.as_ref())
    }

    /// Opens a session. Keys: those of `session.reconfigure`.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration, `WT_ERROR` if `session_max` sessions are open.
    pub fn open_session(&self, config: &str) -> Result<Session> {
        const METHOD: &str = "WT_CONNECTION.open_session";
        let opened = self.inner.check_usable().and_then(|()| {
            let session = Session::new(Arc::clone(&self.inner))?;
            session.configure(METHOD, config)?;
            Ok(session)
        });
        self.inner.reported(METHOD, opened)
    }

    /// Closes the connection: rolls all transactions back, takes a checkpoint and releases the home. Other handles, and
    /// sessions that are still there, give an error from now on.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration and for a connection that is closed; `WT_PANIC` if the checkpoint fails. The
    /// home is released in any case.
    pub fn close(&self, config: &str) -> Result<()> {
        let closed = self.inner.close(config);
        self.inner.reported("WT_CONNECTION.close", closed)
    }

    /// Changes settings of the open connection: `verbose`, `error_prefix`, `json_output`,
    /// `tiered_storage=(local_retention)`.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration, `ENOTSUP` for settings that can't be changed yet.
    pub fn reconfigure(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_CONNECTION.reconfigure";
        let done = self.inner.check_usable().and_then(|()| self.inner.reconfigure(METHOD, config));
        self.inner.reported(METHOD, done)
    }

    /// Sets timestamps of the connection: `oldest_timestamp`, `stable_timestamp`, `durable_timestamp` (hexadecimal), and
    /// `force` against the rules that they don't go back and that the oldest isn't later than the stable one.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration and for what the rules forbid: then nothing is changed.
    pub fn set_timestamp(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_CONNECTION.set_timestamp";
        let set = self.inner.check_usable().and_then(|()| {
            self.inner.check_config(METHOD, "", config)?;
            self.inner.txns.set_timestamps(&TimestampChange::parse(&self.inner.effective_config(METHOD, "", config))?)
        });
        self.inner.reported(METHOD, set)
    }

    /// A timestamp of the connection in hexadecimal, `0` if it isn't set. `get`: `all_durable` (if it isn't given),
    /// `backup_checkpoint`, `last_checkpoint`, `oldest`, `oldest_reader`, `pinned`, `recovery`, `stable`.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration.
    pub fn query_timestamp(&self, config: &str) -> Result<String> {
        const METHOD: &str = "WT_CONNECTION.query_timestamp";
        let queried = self.inner.check_usable().and_then(|()| {
            self.inner.check_config(METHOD, "", config)?;
            let config = self.inner.effective_config(METHOD, "", config);
            Ok(format!("{:x}", self.inner.txns.query_timestamp(Config::single(&config).text_or("get", "")?)))
        });
        self.inner.reported(METHOD, queried)
    }

    /// The home directory as it was given.
    pub fn get_home(&self) -> &Path {
        &self.inner.db.home
    }

    /// Whether this open created the database.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }
}

/// What a connection's handles and sessions share.
pub(crate) struct ConnectionInner {
    pub(crate) db: Database,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) txns: Arc<TxnGlobal>,
    keys: KeyService,
    has_provider: bool,
    is_new: bool,
    text_format: Arc<Format>,
    bytes_format: Arc<Format>,
    /// Taken when the connection closes.
    resources: Mutex<Option<Resources>>,
    /// What extensions get of this connection.
    services: Arc<ConnectionServices>,
    /// Where the log is, whether this connection writes it or not.
    pub(crate) log_directory: LogDirectory,
}

/// What is released at close, in this order.
struct Resources {
    servers: Servers,
    extensions: LoadedExtensions,
    lock: Option<Arc<dyn FileHandle>>,
}

impl ConnectionInner {
    /// Refuses calls on a connection that is closed or has panicked.
    #[inline]
    pub(crate) fn check_usable(&self) -> Result<()> {
        self.db.check_usable()
    }

    pub(crate) fn set_panicked(&self) {
        self.db.set_panicked();
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.db.readonly
    }

    pub(crate) fn text_format(&self) -> &Arc<Format> {
        &self.text_format
    }

    pub(crate) fn bytes_format(&self) -> &Arc<Format> {
        &self.bytes_format
    }

    // ---- what sessions and cursors call

    #[inline]
    pub(crate) fn open_table(&self, uri: &str, at: At<'_>) -> Result<OpenTable> {
        self.db.open_table(uri, at)
    }

    pub(crate) fn open_index(&self, uri: &str, at: At<'_>) -> Result<OpenIndex> {
        self.db.open_index(uri, at)
    }

    pub(crate) fn open_indices(&self, table: &TableInUse) -> Result<OpenIndices> {
        self.db.open_indices(table)
    }

    pub(crate) fn open_column_group(&self, uri: &str, at: At<'_>) -> Result<InUse> {
        self.db.open_column_group(uri, at)
    }

    pub(crate) fn open_file(&self, uri: &str, at: At<'_>) -> Result<InUse> {
        match at {
            At::Live => self.db.open_file(uri),
            At::Checkpoint(at) => self.db.open_checkpoint(uri, at),
        }
    }

    pub(crate) fn metadata(&self) -> &Catalog {
        &self.db.catalog
    }

    /// The value of the metadata table's own entry.
    pub(crate) fn metadata_file_value(&self) -> Result<String> {
        Ok(self.db.turtle.lock().metadata.clone())
    }

    pub(crate) fn change_metadata(&self, changes: &[Change<'_>]) -> Result<()> {
        let _schema = self.db.schema_lock.lock();
        self.db.change_metadata(changes)
    }

    pub(crate) fn create_form(&self, key: &str, value: &str) -> Result<String> {
        self.db.create_form(key, value)
    }

    pub(crate) fn checkpoint(&self, config: &str) -> Result<()> {
        let request = Request::parse(config)?;
        checkpoint::checkpoint(&self.db, &self.keys, &request)
    }

    /// Reports a connection method's failure.
    fn reported<T>(&self, method: &'static str, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let error = if error.is_not_found() { Error::new(crate::ErrorCode::ENOENT, "not found") } else { error };
            self.messenger.report(crate::event::Origin::call(method), &error);
            error
        })
    }

    fn reconfigure(&self, method: &str, config: &str) -> Result<()> {
        use crate::plugin::config::ConfigParser;
        self.check_config(method, "", config)?;
        for item in ConfigParser::new(config) {
            let (key, _) = item?;
            if !matches!(key.text(), "verbose" | "error_prefix" | "json_output" | "tiered_storage") {
                let key = key.text();
                return Err(Error::unsupported(format!(
                    "{key}: this setting can't be changed on an open connection yet"
                )));
            }
        }
        let config = Config::single(config);
        if let Some(seconds) = config.get("tiered_storage.local_retention")? {
            self.db.tiered.set_local_retention(seconds.as_u64()?);
        }
        open::configure_messages(&self.messenger, &config)
    }
}

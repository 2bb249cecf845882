//! What a connection's extensions get from the engine.
//!
//! 1. The object exists before the connection: an early extension's constructor has it. What isn't there yet, and what
//!    isn't there any more, is an error: `EINVAL` for the metadata, `WT_NOTFOUND` for the file system.
//! 2. It holds the connection, the table of extensions and the file system weakly. An extension that keeps it keeps
//!    nothing of the engine alive, although the engine keeps the extension.
//! 3. It takes no lock that a callback may run under: metadata calls work inside every callback, also in those of schema
//!    calls and checkpoints. They are no part of a schema call that is running.
//!
//! Source: extensions specification, section 7.

use super::ConnectionInner;
use crate::event::{Category, Level, Messenger, Origin};
use crate::extensions::ExtensionTable;
use crate::metadata::Version;
use crate::packing::{self, Format, Value};
use crate::plugin::collator::Collator;
use crate::plugin::config::Config;
use crate::plugin::extension::{MessageLevel, Messages};
use crate::plugin::file_system::FileSystem;
use crate::plugin::services::{PackValue, Services};
use crate::{Error, Result};
use parking_lot::RwLock;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// The services of one connection.
pub(super) struct ConnectionServices {
    home: PathBuf,
    messenger: Arc<Messenger>,
    engine: RwLock<Engine>,
}

/// What comes into being while the connection opens.
#[derive(Default)]
struct Engine {
    table: Weak<ExtensionTable>,
    file_system: Option<Weak<dyn FileSystem>>,
    connection: Weak<ConnectionInner>,
}

impl ConnectionServices {
    /// Services that can only speak.
    pub(super) fn new(home: &Path, messenger: &Arc<Messenger>) -> Arc<Self> {
        Arc::new(Self { home: home.to_owned(), messenger: Arc::clone(messenger), engine: RwLock::default() })
    }

    /// From here on collators are found.
    pub(super) fn set_table(&self, table: &Arc<ExtensionTable>) {
        self.engine.write().table = Arc::downgrade(table);
    }

    /// From here on there is a file system.
    pub(super) fn set_file_system(&self, file_system: &Arc<dyn FileSystem>) {
        self.engine.write().file_system = Some(Arc::downgrade(file_system));
    }

    /// From here on there are metadata.
    pub(super) fn set_connection(&self, connection: &Arc<ConnectionInner>) {
        self.engine.write().connection = Arc::downgrade(connection);
    }

    /// The connection, if it is open.
    fn connection(&self) -> Result<Arc<ConnectionInner>> {
        let connection = self.engine.read().connection.upgrade();
        let connection = connection.ok_or_else(|| Error::invalid("this service needs an open database"))?;
        connection.check_usable()?;
        Ok(connection)
    }
}

impl Messages for ConnectionServices {
    fn message(&self, level: MessageLevel, text: &str) {
        let level = match level {
            MessageLevel::Error => return self.messenger.category_error(Category::Extension, text),
            MessageLevel::Warning => Level::Warning,
            MessageLevel::Notice => Level::Notice,
            // Extensions filter these themselves, as WiredTiger's `msg_printf` leaves it to them.
            MessageLevel::Info => return self.messenger.category_message(Category::Extension, Level::Info, text),
            other => Level::Debug(u8::try_from(other as i8).unwrap_or(1)),
        };
        self.messenger.message(Origin::default(), Category::Extension, level, || text.to_owned());
    }
}

impl Services for ConnectionServices {
    fn home(&self) -> &Path {
        &self.home
    }

    fn file_system(&self) -> Result<Arc<dyn FileSystem>> {
        let file_system = self.engine.read().file_system.as_ref().and_then(Weak::upgrade);
        file_system.ok_or(Error::NotFound)
    }

    fn metadata_insert(&self, key: &str, value: &str) -> Result<()> {
        self.connection()?.db.metadata_set("insert", key, value)
    }

    fn metadata_update(&self, key: &str, value: &str) -> Result<()> {
        self.connection()?.db.metadata_set("update", key, value)
    }

    fn metadata_remove(&self, key: &str) -> Result<()> {
        self.connection()?.db.metadata_remove(key)
    }

    fn metadata_search(&self, key: &str) -> Result<String> {
        self.connection()?.db.metadata_search(key)
    }

    fn collator(&self, uri: &str, config: Config<'_>) -> Result<Option<Arc<dyn Collator>>> {
        let table = self.engine.read().table.upgrade();
        table.ok_or_else(|| Error::invalid("this service needs an open database"))?.customized_collator(uri, config)
    }

    fn pack(&self, format: &str, values: &[PackValue<'_>]) -> Result<Vec<u8>> {
        let values: Vec<_> = values
            .iter()
            .map(|value| match *value {
                PackValue::Int(value) => Value::Int(value),
                PackValue::Uint(value) => Value::Uint(value),
                PackValue::Str(text) => Value::Text(text.as_bytes()),
                PackValue::Bytes(bytes) => Value::Bytes(bytes),
            })
            .collect();
        packing::pack(&Format::parse(format)?, &values)
    }

    fn unpack<'b>(&self, format: &str, packed: &'b [u8]) -> Result<Vec<PackValue<'b>>> {
        let values = packing::unpack(&Format::parse(format)?, packed)?;
        let string = |bytes: &'b [u8]| {
            std::str::from_utf8(bytes).map(PackValue::Str).map_err(|error| {
                Error::invalid(format!("a string column of format '{format}' holds other bytes: {error}"))
            })
        };
        values
            .into_iter()
            .map(|value| match value {
                Value::Int(value) => Ok(PackValue::Int(value)),
                Value::Uint(value) => Ok(PackValue::Uint(value)),
                Value::Text(bytes) => string(bytes),
                Value::Bytes(bytes) => Ok(PackValue::Bytes(bytes)),
            })
            .collect()
    }

    fn oldest_transaction_id(&self) -> u64 {
        // The lock is given back before the connection, which may be the last handle on it.
        let connection = self.engine.read().connection.upgrade();
        connection.map_or(0, |connection| connection.txns.update_oldest())
    }

    fn version(&self) -> (u32, u32, u32) {
        Version::WRITTEN.numbers()
    }
}

//! Objects of data sources: what the session's calls do with a URI whose prefix an extension has registered.
//!
//! 1. The engine's own prefixes win; then the first registered prefix that the URI begins with decides.
//! 2. Every call gets a stack: the method's defaults, then the application's string.
//! 3. The source changes the metadata through the services of the call. In a schema call these changes are one operation:
//!    written when the source has succeeded, gone when it has failed.
//! 4. Schema calls hold the schema lock, and `drop` and `truncate` the checkpoint lock too. Nothing else is serialized.
//!
//! What it does not do: watch over open cursors, remove rows, or enforce `exclusive`. All of it is the source's.
//!
//! Source: data-source specification, sections 1 to 3, 9 and 11.

use super::Database;
use super::name;
use super::operation::{CallServices, CallingSession, MetadataOperation, NoTransaction};
use super::source_records::{SourceObject, or_reset, remove_records};
use crate::config::Method;
use crate::config::schema::{
    WT_SESSION_ALTER, WT_SESSION_CHECKPOINT, WT_SESSION_COMPACT, WT_SESSION_CREATE, WT_SESSION_DROP,
    WT_SESSION_OPEN_CURSOR, WT_SESSION_SALVAGE, WT_SESSION_VERIFY,
};
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::plugin::data_source::{self, DataSource, DataSourceCursor, Record, Truncated};
use crate::plugin::services::SessionServices;
use crate::{Error, ErrorCode, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// The prefixes that no extension can take over.
const BUILT_IN: &[&str] = &[
    "backup",
    "colgroup",
    "config",
    "file",
    "index",
    "layered",
    "log",
    "metadata",
    "object",
    "statistics",
    "system",
    "table",
    "tier",
    "tiered",
];

/// The prefixes of rows that belong to objects with checkpoints of the engine's own, or to no object.
const OWN_ROWS: &[&str] =
    &["colgroup", "file", "index", "key_provider", "layered", "object", "system", "table", "tier", "tiered"];

/// Whether the engine itself answers for a URI, if only with a refusal.
pub(crate) fn is_built_in(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(prefix, _)| BUILT_IN.contains(&prefix))
}

impl Database {
    /// The data source of a URI.
    ///
    /// # Errors
    /// `ENOTSUP` if there is none.
    pub(crate) fn source(&self, uri: &str) -> Result<Arc<dyn DataSource>> {
        let found = if is_built_in(uri) { None } else { self.extensions.data_source(uri) };
        found.ok_or_else(|| match uri.split_once(':') {
            Some(("lsm", _)) => Error::unsupported(format!("lsm object type no longer supported: {uri}")),
            _ => Error::unsupported(format!("unknown object type: {uri}")),
        })
    }

    /// `create`: the source makes the object and its row. One that exists is the source's to judge.
    pub(crate) fn create_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        name::check(uri)?;
        let settings = Config::single(config);
        for key in ["key_format", "value_format"] {
            Format::check(settings.text_or(key, "u")?)?;
        }
        if settings.name("collator")?.is_some() {
            return Err(Error::invalid("WT_DATA_SOURCE objects do not support WT_COLLATOR ordering"));
        }
        let _schema = self.schema_lock.lock();
        let defaults = self.defaults_of(&WT_SESSION_CREATE, uri);
        let stack = [&*defaults];
        self.in_operation(session, |services| source.create(services, uri, Config::with(&stack, config)))
    }

    /// `drop`: the source removes the object and its row. Only what says that there is nothing is subject to `force`.
    pub(crate) fn drop_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        name::check(uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let defaults = self.defaults_of(&WT_SESSION_DROP, uri);
        let stack = [&*defaults];
        let stack = Config::with(&stack, config);
        let force = stack.bool_or("force", false)?;
        let dropped = self.in_operation(session, |services| source.drop_object(services, uri, stack));
        match dropped {
            Err(error) if matches!(error.code(), ErrorCode::NOTFOUND | ErrorCode::ENOENT) => {
                if force {
                    Ok(())
                } else {
                    Err(Error::NotFound)
                }
            }
            dropped => dropped,
        }
    }

    /// `alter`.
    pub(crate) fn alter_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        name::check(uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let defaults = self.defaults_of(&WT_SESSION_ALTER, uri);
        let stack = [&*defaults];
        self.in_operation(session, |services| source.alter(services, uri, Config::with(&stack, config)))
    }

    /// `rename`: the source moves the object and its row.
    pub(crate) fn rename_in_source(
        &self,
        session: &dyn CallingSession,
        uri: &str,
        new_uri: &str,
        config: &str,
    ) -> Result<()> {
        let source = self.source(uri)?;
        let prefix = |uri: &str| uri.split_once(':').map_or(String::new(), |(prefix, _)| prefix.to_owned());
        if prefix(uri) != prefix(new_uri) {
            return Err(Error::invalid(format!("rename target type must match URI: {uri} to {new_uri}")));
        }
        name::check(uri)?;
        name::check(new_uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        self.in_operation(session, |services| source.rename(services, uri, new_uri, Config::single(config)))
    }

    /// `salvage`. The result is the source's.
    pub(crate) fn salvage_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let defaults = self.defaults_of(&WT_SESSION_SALVAGE, uri);
        let stack = [&*defaults];
        self.in_operation(session, |services| source.salvage(services, uri, Config::with(&stack, config)))
    }

    /// `compact`, without any lock.
    pub(crate) fn compact_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        let defaults = self.defaults_of(&WT_SESSION_COMPACT, uri);
        let stack = [&*defaults];
        source.compact(&CallServices::new(self, session, None), uri, Config::with(&stack, config))
    }

    /// `verify`.
    pub(crate) fn verify_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let defaults = self.defaults_of(&WT_SESSION_VERIFY, uri);
        let stack = [&*defaults];
        self.in_operation(session, |services| source.verify(services, uri, Config::with(&stack, config)))
    }

    /// `truncate` of a whole object: by the source, else record by record through a cursor.
    pub(crate) fn truncate_in_source(&self, session: &dyn CallingSession, uri: &str, config: &str) -> Result<()> {
        let source = self.source(uri)?;
        name::check(uri)?;
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let truncated =
            self.in_operation(session, |services| source.truncate(services, uri, Config::with(&[""], config)))?;
        if truncated == Truncated::Done {
            return Ok(());
        }
        let (object, mut cursor) = self.open_source_cursor(session, uri, "")?;
        let services = CallServices::new(self, session, None);
        let mut record = Record::default();
        let first = cursor.next(&services, &mut record);
        match or_reset(&mut *cursor, &services, first) {
            Ok(()) => remove_records(&mut *cursor, &services, &object, &mut record, None),
            Err(Error::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `truncate` of a range. Both ends are records of the object. `RecordByRecord` is the caller's to do.
    pub(crate) fn truncate_range_in_source(
        &self,
        session: &dyn CallingSession,
        uri: &str,
        start: &Record,
        stop: Option<&Record>,
    ) -> Result<Truncated> {
        let source = self.source(uri)?;
        source.range_truncate(&CallServices::new(self, session, None), uri, start, stop)
    }

    /// The size of an object in bytes.
    pub(crate) fn size_in_source(&self, session: &dyn CallingSession, uri: &str) -> Result<u64> {
        self.source(uri)?.size(&CallServices::new(self, session, None), uri)
    }

    /// Opens a cursor of the source on an object that has a row.
    ///
    /// # Errors
    /// `ENOTSUP` for an unknown type and for a source without cursors; [`Error::NotFound`] without a row; the source's.
    pub(crate) fn open_source_cursor(
        &self,
        session: &dyn CallingSession,
        uri: &str,
        config: &str,
    ) -> Result<(SourceObject, Box<dyn DataSourceCursor>)> {
        let source = self.source(uri)?;
        if !source.has_cursors() {
            return Err(data_source::unsupported(uri));
        }
        let row = self.catalog.require(uri)?;
        let row = Config::single(&row);
        let (key_format, value_format) = (row.text_or("key_format", "u")?, row.text_or("value_format", "u")?);
        let object = SourceObject {
            uri: uri.into(),
            key_format: Arc::new(Format::parse(key_format)?),
            value_format: Arc::new(Format::parse(value_format)?),
            collator: match row.name("collator")? {
                Some(_) => self.services.collator(uri, row)?,
                None => None,
            },
        };
        // Below all others, so that a key of this name in another string wins.
        let formats = format!("key_format=\"{key_format}\",value_format=\"{value_format}\"");
        let defaults = self.defaults_of(&WT_SESSION_OPEN_CURSOR, uri);
        let stack = [formats.as_str(), &*defaults];
        let services = CallServices::new(self, session, None);
        let cursor = source.open_cursor(&services, uri, Config::with(&stack, config))?;
        Ok((object, cursor))
    }

    /// Tells every source of a checkpoint that begins, in the order of registration.
    ///
    /// # Errors
    /// The first one of a source: the checkpoint must not be taken.
    pub(crate) fn checkpoint_sources(&self, config: &str) -> Result<()> {
        let session = NoTransaction(self);
        let services = CallServices::new(self, &session, None);
        for source in self.extensions.data_sources() {
            let defaults = self.defaults_of(&WT_SESSION_CHECKPOINT, "");
            source.checkpoint(&services, Config::with(&[&defaults], config))?;
        }
        Ok(())
    }

    /// Whether any source wants to hear of checkpoints.
    pub(crate) fn has_sources(&self) -> bool {
        !self.extensions.data_sources().is_empty()
    }

    /// Refuses a named checkpoint while the metadata has a row of a kind that can't be part of it.
    pub(crate) fn refuse_named_checkpoint(&self) -> Result<()> {
        match self.first_foreign_row()? {
            Some(uri) => Err(Error::invalid(format!("{uri} object does not support named checkpoints"))),
            None => Ok(()),
        }
    }

    /// The first row that belongs to none of the engine's own kinds.
    fn first_foreign_row(&self) -> Result<Option<String>> {
        let mut row = self.catalog.first()?;
        while let Some((key, _)) = row {
            if !key.split_once(':').is_some_and(|(prefix, _)| OWN_ROWS.contains(&prefix)) {
                return Ok(Some(key));
            }
            row = self.catalog.after(&key)?;
        }
        Ok(None)
    }

    /// A method's defaults, with what `configure_method` has added for the URI's type.
    fn defaults_of(&self, method: &'static Method, uri: &str) -> Cow<'static, str> {
        self.added_keys.defaults(method, uri)
    }

    /// Runs a callback whose metadata changes are written if it succeeds. The schema lock is held.
    fn in_operation<T>(
        &self,
        session: &dyn CallingSession,
        callback: impl FnOnce(&dyn SessionServices) -> Result<T>,
    ) -> Result<T> {
        let operation = MetadataOperation::new(self);
        let value = callback(&CallServices::new(self, session, Some(&operation)))?;
        operation.commit()?;
        Ok(value)
    }
}

//! The methods of a session that aren't about transactions.
//!
//! Source: API specification, sections 6.1 to 6.5.

use super::transaction::parse_isolation;
use super::{Failure, Session};
use crate::cursor::Cursor;
use crate::event::Origin;
use crate::plugin::config::Config;
use crate::schema::Refused;
use crate::txn::Isolation;
use crate::{Error, ErrorCode, Result};

impl Session {
    /// Opens a cursor on `table:NAME`, `index:TABLE:NAME`, `colgroup:TABLE:NAME`, `file:NAME` or `metadata:`. The columns
    /// wanted of a table or index can follow its name: `table:NAME(COLUMN,...)`. Keys: `overwrite` (default true), `raw`,
    /// `readonly`, `append`, `dump` (`print` or `hex`), `checkpoint`.
    ///
    /// # Errors
    /// `ENOENT` for a missing object; `EINVAL` for a bad configuration; `ENOTSUP` for kinds that don't exist or aren't
    /// built; `EBUSY` while the object is in exclusive use. A transaction is not harmed.
    pub fn open_cursor(&self, uri: &str, config: &str) -> Result<Cursor<'_>> {
        const METHOD: &str = "WT_SESSION.open_cursor";
        self.enter()?;
        let opened = self.open_cursor_from(METHOD, uri, config);
        opened.map_err(|error| {
            let busy = error.code() == ErrorCode::EBUSY;
            let failure = if busy { Failure::Silent } else { Failure::SparesTransaction };
            self.method_failed(METHOD, uri, error, failure)
        })
    }

    /// Opens a cursor on the object of another one, positioned on its key.
    ///
    /// # Errors
    /// `EINVAL` if `cursor` has no key, `ENOENT` if there is no record with it; else as [`Session::open_cursor`].
    pub fn duplicate_cursor<'session>(
        &'session self,
        cursor: &Cursor<'session>,
        config: &str,
    ) -> Result<Cursor<'session>> {
        const METHOD: &str = "WT_SESSION.open_cursor";
        self.enter()?;
        // WiredTiger asks the cursor for its key, and the failure is that of the accessor.
        cursor.get_key_raw()?;
        let opened = self.connection.check_config(METHOD, cursor.uri(), config).and_then(|()| {
            let config = self.connection.effective_config(METHOD, cursor.uri(), config);
            crate::cursor::duplicate_cursor(self, cursor, &config)
        });
        opened.map_err(|error| self.method_failed(METHOD, cursor.uri(), error, Failure::SparesTransaction))
    }

    /// Creates `table:NAME`, `colgroup:TABLE:NAME`, `index:TABLE:NAME` or `file:NAME`. An object that exists is left as it
    /// is, unless `exclusive` asks for an error. An index on a table with records gets their entries. Not part of a
    /// transaction.
    ///
    /// # Errors
    /// `EINVAL` for a bad name or configuration; `ENOENT` for a column group or index of a missing table; `EBUSY` for an
    /// index of a table on which a cursor is open or that has uncommitted changes; `EEXIST` with `exclusive`; `ENOTSUP` for
    /// kinds of objects and settings that aren't built. Nothing has been created then.
    pub fn create(&self, uri: &str, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.create";
        self.enter()?;
        let checked = self.writable().and_then(|()| self.connection.check_config(METHOD, uri, config));
        let created = checked
            .map_err(Refused::from)
            .and_then(|()| self.connection.create(self, uri, &self.connection.effective_config(METHOD, uri, config)));
        created.map_err(|Refused { error, object, consequence, is_silent }| {
            let failure = if is_silent { Failure::Silent } else { Failure::Full };
            let code = error.code();
            let error = if object.is_empty() {
                self.method_failed(METHOD, uri, error, failure)
            } else {
                self.failed(Origin { object: &object, call: METHOD }, error, failure)
            };
            if let Some(text) = consequence {
                self.connection.messenger.error(Origin::call(METHOD), code.0, &text);
            }
            error
        })
    }

    /// Drops an object and removes its files. Keys: `force` (no error for a missing object; changes since the last checkpoint are discarded), `remove_files`,
    /// `remove_shared`, `lock_wait`, `checkpoint_wait`. Not part of a transaction.
    ///
    /// # Errors
    /// `ENOENT`; `EBUSY` while a cursor is open on the object, and for one that was changed since the last checkpoint.
    pub fn drop(&self, uri: &str, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.drop";
        self.enter()?;
        let dropped = self.writable().and_then(|()| self.connection.check_config(METHOD, uri, config)).and_then(|()| {
            self.connection.drop_object(self, uri, &self.connection.effective_config(METHOD, uri, config))
        });
        dropped.map_err(|error| self.refused_or_failed(METHOD, uri, error))
    }

    /// Changes settings of an object that need no rewriting of its data: `app_metadata`, `cache_resident`, ...
    ///
    /// # Errors
    /// `ENOENT`; `EBUSY` while a cursor is open on the object; `EINVAL` for a bad configuration.
    pub fn alter(&self, uri: &str, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.alter";
        self.enter()?;
        let altered = self
            .writable()
            .and_then(|()| self.connection.check_config(METHOD, uri, config))
            .and_then(|()| self.connection.alter(self, uri, &self.connection.effective_config(METHOD, uri, config)));
        altered.map_err(|error| self.refused_or_failed(METHOD, uri, error))
    }

    /// The error of a call that needs an object for itself: that others use it is no message.
    fn refused_or_failed(&self, method: &'static str, uri: &str, error: Error) -> Error {
        let failure = if error.code() == ErrorCode::EBUSY { Failure::Silent } else { Failure::Full };
        self.method_failed(method, uri, error, failure)
    }

    /// Checks every page, every block and their accounting of an object; what is wrong is reported to the event handler.
    /// Keys: `strict`, `read_corrupt`.
    ///
    /// # Errors
    /// `ENOENT`; `EBUSY` while a cursor is open on the object and for one that was changed since the last checkpoint;
    /// `WT_ERROR` for a damaged object.
    pub fn verify(&self, uri: &str, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.verify";
        self.call(METHOD, uri, config, || {
            self.connection.verify(self, uri, &self.connection.effective_config(METHOD, uri, config))
        })
    }

    /// Removes all records of an object. Built for the objects of data sources.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTSUP` for other kinds of objects; those of the source.
    pub fn truncate(&self, uri: &str, config: &str) -> Result<()> {
        self.schema_call("WT_SESSION.truncate", uri, config, |config| self.connection.truncate(self, uri, config))
    }

    /// Removes the records between two cursors on one object, both ends included; a missing end means the first or the
    /// last record. Neither end need exist. Both cursors end reset. Built for the objects of data sources.
    ///
    /// # Errors
    /// `EINVAL` without any cursor, for a cursor of another session or without key, and for a start behind the stop;
    /// `ENOTSUP` for other kinds of objects; those of the source.
    pub fn truncate_range(
        &self,
        start: Option<&mut Cursor<'_>>,
        stop: Option<&mut Cursor<'_>>,
        config: &str,
    ) -> Result<()> {
        let uri = |cursor: &Cursor<'_>| cursor.uri().to_owned();
        let object = start.as_deref().map(uri).or(stop.as_deref().map(uri)).unwrap_or_default();
        self.schema_call("WT_SESSION.truncate", &object, config, |_| crate::cursor::truncate_range(self, start, stop))
    }

    /// Saves what can be saved of a damaged object. Built for the objects of data sources.
    ///
    /// # Errors
    /// `ENOTSUP` for other kinds of objects; those of the source.
    pub fn salvage(&self, uri: &str, config: &str) -> Result<()> {
        self.schema_call("WT_SESSION.salvage", uri, config, |config| self.connection.salvage(self, uri, config))
    }

    /// Gives space back to the file system. Built for the objects of data sources.
    ///
    /// # Errors
    /// `EINVAL` inside a transaction; `ENOTSUP` for other kinds of objects; those of the source.
    pub fn compact(&self, uri: &str, config: &str) -> Result<()> {
        self.schema_call("WT_SESSION.compact", uri, config, |config| {
            if self.in_transaction() {
                return Err(Error::invalid("not permitted in a running transaction"));
            }
            self.connection.compact(self, uri, config)
        })
    }

    /// Renames an object. Built for the objects of data sources.
    ///
    /// # Errors
    /// `ENOENT`; `EINVAL` for a new name of another kind; `ENOTSUP` for other kinds of objects; those of the source.
    pub fn rename(&self, uri: &str, new_uri: &str, config: &str) -> Result<()> {
        self.enter()?;
        let renamed = self.writable().and_then(|()| self.connection.rename(self, uri, new_uri, config));
        renamed.map_err(|error| self.method_failed("WT_SESSION.rename", uri, error, Failure::Full))
    }

    /// The size in bytes of an object of a data source.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTSUP` for other kinds of objects and for sources that don't know.
    pub fn source_size(&self, uri: &str) -> Result<u64> {
        self.call("WT_SESSION.source_size", uri, "", || self.connection.db.size_in_source(self, uri))
    }

    /// Makes everything committed so far durable. Keys: `name`, `drop`, `force`, `use_timestamp`.
    ///
    /// # Errors
    /// `EINVAL` inside a transaction and for a bad configuration; errors of the file system. The former checkpoint is
    /// valid then.
    pub fn checkpoint(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.checkpoint";
        self.call(METHOD, "", config, || {
            self.writable()?;
            if self.in_transaction() {
                return Err(Error::invalid("not permitted in a running transaction"));
            }
            self.reset_cursors();
            self.connection.checkpoint(&self.connection.effective_config(METHOD, "", config))
        })
    }

    /// Resets all cursors of the session, except for their bounds.
    ///
    /// # Errors
    /// `EINVAL` inside a transaction.
    pub fn reset(&self) -> Result<()> {
        self.call("WT_SESSION.reset", "", "", || {
            if self.in_transaction() {
                return Err(Error::invalid("not permitted in a running transaction"));
            }
            self.reset_cursors();
            Ok(())
        })
    }

    /// Changes the session's settings: `isolation`, and others that have no effect yet. Resets all cursors.
    ///
    /// # Errors
    /// `EINVAL` for a bad configuration, and for `isolation` inside a transaction.
    pub fn reconfigure(&self, config: &str) -> Result<()> {
        const METHOD: &str = "WT_SESSION.reconfigure";
        self.enter()?;
        self.configure(METHOD, config).map_err(|error| {
            let spares = error.to_string() == "not permitted in a running transaction";
            let failure = if spares { Failure::SparesTransaction } else { Failure::Full };
            self.method_failed(METHOD, "", error, failure)
        })
    }

    pub(crate) fn configure(&self, method: &'static str, config: &str) -> Result<()> {
        self.connection.check_config(method, "", config)?;
        let config = &*self.connection.effective_config(method, "", config);
        self.reset_cursors();
        let word = Config::single(config).text_or("isolation", "")?;
        if !word.is_empty() {
            if self.in_transaction() {
                return Err(Error::invalid("not permitted in a running transaction"));
            }
            let isolation: Isolation = parse_isolation(word)?;
            self.default_isolation.set(isolation);
        }
        Ok(())
    }

    fn schema_call(
        &self,
        method: &'static str,
        uri: &str,
        config: &str,
        body: impl FnOnce(&str) -> Result<()>,
    ) -> Result<()> {
        self.call(method, uri, config, || {
            self.writable()?;
            body(&self.connection.effective_config(method, uri, config))
        })
    }

    fn open_cursor_from(&self, method: &'static str, uri: &str, config: &str) -> Result<Cursor<'_>> {
        self.connection.check_config(method, uri, config)?;
        crate::cursor::open_cursor(self, uri, &self.connection.effective_config(method, uri, config))
    }

    /// Refuses what a read-only connection doesn't do.
    pub(super) fn writable(&self) -> Result<()> {
        if self.connection.is_readonly() {
            return Err(Error::unsupported("Unsupported session method"));
        }
        Ok(())
    }
}

//! Changing the settings of objects, and dropping them.
//!
//! A table is changed with its column groups, its indices and all of their files; each of these can be changed alone.
//!
//! Source: schema specification, sections 8 and 10.

use super::database::{Database, HISTORY_URI};
use super::name;
use super::parts::held;
use super::table::table_and_part;
use crate::config::collapse;
use crate::event::Origin;
use crate::metadata::METADATA_URI;
use crate::plugin::config::{Config, ConfigParser};
use crate::plugin::error::SubLevel;
use crate::tiered::{self, TREE_PREFIX};
use crate::{Error, ErrorCode, Result};
use parking_lot::{Mutex, MutexGuard};

impl Database {
    /// Merges settings into the rows of an object.
    pub(crate) fn alter(&self, uri: &str, config: &str) -> Result<()> {
        check_kind(uri)?;
        name::check(uri)?;
        let is_exclusive = Config::single(config).bool_or("exclusive_refreshed", true)?;
        if !is_exclusive && !uri.starts_with("table:") {
            return Err(Error::invalid("option \"exclusive_refreshed\" is applicable only on simple tables"));
        }
        if self.in_memory || ConfigParser::new(config).next().is_none() {
            return Ok(());
        }
        if uri == METADATA_URI {
            return Err(held());
        }
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let parts = self.parts_of(uri)?;
        if !is_exclusive {
            return self.merge_into(&[uri.to_owned()], config);
        }
        let table = parts.is_named_table.then(|| self.known_table(uri)).flatten();
        let _table = table.as_ref().map(|table| self.use_table_exclusively(table)).transpose().map_err(|_| held())?;
        let _files = self.use_exclusively(&parts.files)?;
        self.merge_into(&parts.rows, config)
    }

    fn merge_into(&self, rows: &[String], config: &str) -> Result<()> {
        let mut changed = Vec::new();
        for uri in rows {
            let old = self.catalog.require(uri)?;
            let new = collapse(&[&old, config])?;
            self.refuse_change_of_logging(uri, &old, &new)?;
            if new != old {
                changed.push((uri.as_str(), new));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = changed.iter().map(|(uri, value)| (*uri, Some(value.as_str()))).collect();
        self.change_metadata(&changes)?;
        for (uri, value) in &changed {
            if let Some(handle) = self.open_handle(uri) {
                *handle.base.lock() = handle.base_of(value)?;
            }
        }
        Ok(())
    }

    /// Whether its changes are logged is settled for a file when it is opened.
    fn refuse_change_of_logging(&self, uri: &str, old: &str, new: &str) -> Result<()> {
        let logged = |row| Config::single(row).bool_or("log.enabled", true);
        if self.txns.log().is_none() || self.open_handle(uri).is_none() || logged(old)? == logged(new)? {
            return Ok(());
        }
        Err(Error::unsupported(format!("{uri}: log=(enabled) of a file that is open can't be changed yet")))
    }

    /// Drops an object with its files.
    pub(crate) fn drop_object(&self, uri: &str, config: &str) -> Result<()> {
        check_kind(uri)?;
        name::check(uri)?;
        let config = Config::single(config);
        let force = config.bool_or("force", false)?;
        let remove_files = config.bool_or("remove_files", true)?;
        let remove_shared = config.bool_or("remove_shared", false)?;
        if remove_shared && !remove_files {
            return Err(Error::invalid(
                "drop for tiered storage object must configure removal of underlying files if forced removal of shared \
                 objects is enabled",
            ));
        }
        let waits = config.bool_or("lock_wait", true)?;
        let waits_for_checkpoint = waits && config.bool_or("checkpoint_wait", true)?;
        let _checkpoint = lock(&self.checkpoint_lock, waits_for_checkpoint, CHECKPOINT_LOCK)?;
        let _schema = lock(&self.schema_lock, waits, SCHEMA_LOCK)?;
        let parts = match self.parts_of(uri) {
            Err(Error::NotFound) if force => return Ok(()),
            parts => parts?,
        };
        if parts.files.iter().any(|file| file == HISTORY_URI) {
            return Err(Error::new(ErrorCode::EBUSY, format!("{uri}: the history store can't be dropped")));
        }
        let table = parts.is_named_table.then(|| self.known_table(uri)).flatten();
        let table = table.as_ref().map(|table| self.use_table_exclusively(table)).transpose().map_err(|_| held())?;
        let files = self.use_exclusively(&parts.files)?;
        if force && parts.is_named_table {
            return Err(Error::unsupported(format!(
                "drop table with force=true is not supported for complex tables. uri={uri}"
            )));
        }
        if !force && files.iter().any(|file| file.awaits_checkpoint()) {
            return Err(self.dirty_error());
        }
        let trees = parts.files.iter().filter(|file| file.starts_with(TREE_PREFIX));
        let objects = trees.map(|tree| tiered::objects_of(self, tree, &self.catalog.require(tree)?, remove_shared));
        let objects = objects.collect::<Result<Vec<_>>>()?;
        let rows = parts.rows.iter().chain(objects.iter().flat_map(|objects| &objects.rows));
        let changes: Vec<_> = rows.map(|row| (row.as_str(), None)).collect();
        self.change_metadata(&changes)?;
        parts.files.iter().for_each(|file| self.forget(file));
        files.into_iter().for_each(super::users::Exclusive::forever);
        if let Some(table) = table {
            table.forever();
        }
        self.forget_definition(uri);
        objects.into_iter().for_each(|objects| tiered::remove_objects(self, objects, remove_files));
        if remove_files {
            let plain = parts.files.iter().filter(|file| !file.starts_with(TREE_PREFIX));
            plain.for_each(|file| self.remove_file(file));
        }
        Ok(())
    }

    /// Forgets what is known of the table that an object is or belongs to.
    fn forget_definition(&self, uri: &str) {
        let (table, _) = table_and_part(uri);
        let table = format!("table:{table}");
        if uri.starts_with("index:") {
            if let Some(table) = self.known_table(&table) {
                table.forget_indices();
            }
        } else if !uri.starts_with("file:") {
            self.forget_table(&table);
        }
    }

    /// Removes a dropped object's file. The object is gone already, so a failure is no more than litter.
    fn remove_file(&self, source: &str) {
        let removed = name::file_path(&self.home, source).and_then(|path| self.fs.remove(&path, true));
        if let Err(error) = removed
            && error.code() != ErrorCode::ENOENT
        {
            let origin = Origin { object: source, call: "WT_SESSION.drop" };
            self.notice(origin, || format!("{source}: the file of a dropped object can't be removed: {error}"));
        }
    }

    fn dirty_error(&self) -> Error {
        if self.txns.update_oldest() < self.txns.current_id() {
            Error::with_sub_level(
                ErrorCode::EBUSY,
                SubLevel::UNCOMMITTED_DATA,
                "the table has uncommitted data and cannot be dropped yet",
            )
        } else {
            Error::with_sub_level(
                ErrorCode::EBUSY,
                SubLevel::DIRTY_DATA,
                "the table has dirty data and can not be dropped yet",
            )
        }
    }
}

/// What a lock that is taken is called, and the sub-level of the error that says so.
type LockName = (&'static str, SubLevel);
const CHECKPOINT_LOCK: LockName =
    ("another thread is currently holding the checkpoint lock", SubLevel::CONFLICT_CHECKPOINT_LOCK);
const SCHEMA_LOCK: LockName = ("another thread is currently holding the schema lock", SubLevel::CONFLICT_SCHEMA_LOCK);

/// Takes a lock; `EBUSY` if the call may not wait for it.
fn lock<'a>(lock: &'a Mutex<()>, waits: bool, (text, sub_level): LockName) -> Result<MutexGuard<'a, ()>> {
    if waits {
        return Ok(lock.lock());
    }
    lock.try_lock().ok_or_else(|| Error::with_sub_level(ErrorCode::EBUSY, sub_level, text))
}

/// Refuses URIs that have no rows to change.
fn check_kind(uri: &str) -> Result<()> {
    let kind = uri.split_once(':').map_or("", |(kind, _)| kind);
    match kind {
        "table" | "file" | "colgroup" | "index" => Ok(()),
        "tiered" => Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet"))),
        "backup" | "config" | "log" | "statistics" => {
            Err(Error::unsupported(format!("unsupported object operation: {uri}")))
        }
        _ => Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    #[test]
    fn a_drop_that_may_not_wait_says_which_lock_is_taken() {
        let taken = Mutex::new(());
        let _guard = taken.lock();
        for (name, sub_level) in
            [(CHECKPOINT_LOCK, SubLevel::CONFLICT_CHECKPOINT_LOCK), (SCHEMA_LOCK, SubLevel::CONFLICT_SCHEMA_LOCK)]
        {
            let error = lock(&taken, false, name).unwrap_err();
            assert_eq!((error.code(), error.sub_level()), (ErrorCode::EBUSY, sub_level));
        }
        assert!(lock(&Mutex::new(()), false, SCHEMA_LOCK).is_ok() && lock(&Mutex::new(()), true, SCHEMA_LOCK).is_ok());
    }
}

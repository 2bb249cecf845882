//! Changing the settings of objects, and dropping them.
//!
//! Source: schema specification, sections 8 and 10.

use super::database::{Database, HISTORY_URI};
use super::handle::{Exclusive, FileHandle};
use super::{name, settings};
use crate::config::collapse;
use crate::event::Origin;
use crate::plugin::config::{Config, ConfigParser};
use crate::plugin::error::SubLevel;
use crate::tiered;
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;

impl Database {
    /// Merges settings into the rows of an object.
    pub(crate) fn alter(&self, uri: &str, config: &str) -> Result<()> {
        check_kind(uri)?;
        name::check(uri)?;
        if self.in_memory || ConfigParser::new(config).next().is_none() {
            return Ok(());
        }
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let rows = self.rows_of(uri)?;
        let file = self.open_object_locked(uri)?;
        let _exclusive = exclusive(&file)?;
        let mut changed = Vec::new();
        for uri in rows {
            let old = self.catalog.require(&uri)?;
            let new = collapse(&[&old, config])?;
            if new != old {
                changed.push((uri, new));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = changed.iter().map(|(uri, value)| (uri.as_str(), Some(value.as_str()))).collect();
        self.change_metadata(&changes)?;
        if let Some((_, value)) = changed.iter().find(|(uri, _)| *uri == file.uri) {
            *file.base.lock() = file.base_of(value)?;
        }
        Ok(())
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
        let _checkpoint = self.checkpoint_lock.lock();
        let _schema = self.schema_lock.lock();
        let mut rows = match self.rows_of(uri) {
            Err(Error::NotFound) if force => return Ok(()),
            rows => rows?,
        };
        let source = rows.iter().find(|row| row.starts_with("file:") || row.starts_with("tiered:")).cloned();
        if source.as_deref() == Some(HISTORY_URI) {
            return Err(Error::new(ErrorCode::EBUSY, format!("{uri}: the history store can't be dropped")));
        }
        let handle = source.as_ref().and_then(|source| self.open_handle(source));
        let exclusive = handle.as_ref().map(exclusive).transpose()?;
        if let Some(handle) = &handle
            && handle.tree.is_dirty()
            && !force
        {
            return Err(self.dirty_error());
        }
        let mut objects = None;
        if let Some(tree) = source.as_ref().filter(|source| source.starts_with("tiered:")) {
            let found = tiered::objects_of(self, tree, &self.catalog.require(tree)?, remove_shared)?;
            rows.extend(found.rows.iter().cloned());
            objects = Some(found);
        }
        let changes: Vec<_> = rows.iter().map(|row| (row.as_str(), None)).collect();
        self.change_metadata(&changes)?;
        if let Some(source) = &source {
            self.forget(source);
            if let Some(exclusive) = exclusive {
                exclusive.forever();
            }
            match objects {
                Some(objects) => tiered::remove_objects(self, objects, remove_files),
                None if remove_files => self.remove_file(source),
                None => {}
            }
        }
        Ok(())
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

    /// The metadata rows that make an object: its own, its column group's, its file's.
    fn rows_of(&self, uri: &str) -> Result<Vec<String>> {
        let value = self.catalog.require(uri)?;
        let mut rows = vec![uri.to_owned()];
        if uri.starts_with("file:") {
            if settings::is_tiered_object(&value) {
                return Err(Error::unsupported(format!("{uri}: an object of a tiered table can't be used by itself")));
            }
            return Ok(rows);
        }
        if let Some(table) = uri.strip_prefix("table:") {
            settings::require_simple(uri, &value)?;
            let group = format!("colgroup:{table}");
            if self.catalog.get(&group)?.is_none() {
                return Ok(rows);
            }
            rows.push(group);
        }
        let source = self.source_of(rows.last().map_or(uri, String::as_str))?;
        if self.catalog.get(&source)?.is_some() {
            rows.push(source);
        }
        Ok(rows)
    }
}

/// Refuses URIs that have no rows to change.
fn check_kind(uri: &str) -> Result<()> {
    let kind = uri.split_once(':').map_or("", |(kind, _)| kind);
    match kind {
        "table" | "file" | "colgroup" => Ok(()),
        "index" | "tiered" => Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet"))),
        "backup" | "config" | "log" | "statistics" => {
            Err(Error::unsupported(format!("unsupported object operation: {uri}")))
        }
        _ => Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
}

/// The exclusive use of a file, or WiredTiger's error.
pub(super) fn exclusive(file: &Arc<FileHandle>) -> Result<Exclusive> {
    file.use_exclusively().map_err(|_| {
        Error::with_sub_level(
            ErrorCode::EBUSY,
            SubLevel::CONFLICT_DHANDLE,
            "another thread is currently holding the data handle of the table",
        )
    })
}

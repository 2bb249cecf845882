//! What an object consists of: metadata rows, and the files behind them.
//!
//! Source: schema specification, sections 8, 10 and 11.

use super::database::Database;
use super::handle::FileHandle;
use super::open::source_in;
use super::settings;
use super::table;
use super::users::Exclusive;
use crate::plugin::error::SubLevel;
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;

/// The parts of an object, in the order in which they are dropped.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The metadata rows: column groups, indices, then the object itself, each with its file behind it.
    pub(crate) rows: Vec<String>,
    /// The URIs of the files.
    pub(crate) files: Vec<String>,
    /// Whether it is a table with named columns.
    pub(crate) is_named_table: bool,
    /// Whether it is a table that lacks column groups.
    pub(crate) is_incomplete: bool,
}

impl Database {
    /// The parts of an object.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a missing one.
    pub(crate) fn parts_of(&self, uri: &str) -> Result<Parts> {
        let value = self.catalog.require(uri)?;
        let mut parts = Parts::default();
        if let Some(name) = uri.strip_prefix("table:") {
            parts.is_named_table = table::has_columns(&value)?;
            for group in table::group_uris(name, &value)? {
                match self.catalog.get(&group)? {
                    Some(value) => self.add_with_file(&mut parts, &group, &value)?,
                    None => parts.is_incomplete = true,
                }
            }
            if parts.is_named_table {
                for (index, value) in self.catalog.with_prefix(&format!("index:{name}:"))? {
                    self.add_with_file(&mut parts, &index, &value)?;
                }
            }
            parts.rows.push(uri.to_owned());
        } else if uri.starts_with("file:") {
            settings::refuse_tiered_object(uri, &value)?;
            parts.rows.push(uri.to_owned());
            parts.files.push(uri.to_owned());
        } else {
            self.add_with_file(&mut parts, uri, &value)?;
        }
        Ok(parts)
    }

    fn add_with_file(&self, parts: &mut Parts, uri: &str, value: &str) -> Result<()> {
        let source = source_in(uri, value)?;
        // Two names can share a file.
        if !parts.files.contains(&source) && self.catalog.get(&source)?.is_some() {
            parts.rows.push(source.clone());
            parts.files.push(source);
        }
        parts.rows.push(uri.to_owned());
        Ok(())
    }

    /// The open handles of these files, for oneself.
    ///
    /// # Errors
    /// `EBUSY` while a cursor is open on one of them.
    pub(crate) fn use_exclusively(&self, files: &[String]) -> Result<Vec<Exclusive<FileHandle>>> {
        files.iter().filter_map(|file| self.open_handle(file)).map(|handle| exclusive(&handle)).collect()
    }
}

/// The exclusive use of a file, or WiredTiger's error.
fn exclusive(file: &Arc<FileHandle>) -> Result<Exclusive<FileHandle>> {
    file.use_exclusively().map_err(|_| held())
}

/// An object that others use.
pub(super) fn held() -> Error {
    Error::with_sub_level(
        ErrorCode::EBUSY,
        SubLevel::CONFLICT_DHANDLE,
        "another thread is currently holding the data handle of the table",
    )
}

//! The cursor on a table with named columns: all column groups as one record, and the indices kept in step.
//!
//! Beneath is the same state machine as for files ([`TableCursor`]), over the table's whole values. A projection is only
//! how values go in and out: `get_value` gives the columns it names, `set_value` makes a whole value of them.
//!
//! The indices are opened at the first change: until then the cursor doesn't need them, and one can be dropped.
//!
//! Source: API specification, section 10.1; schema specification, sections 5 and 7.

use super::table::TableCursor;
use crate::packing::Format;
use crate::schema::{InUse, NamedTable, Projection, TableInUse, TableRows};
use crate::session::Session;
use crate::{Error, Result};
use std::cell::OnceCell;
use std::sync::Arc;

/// The state of a cursor on a table with named columns.
pub(crate) struct NamedCursor {
    pub(super) rows: TableCursor<TableRows, TableInUse>,
    projection: Option<Projection>,
    /// The projected value, once it was asked for.
    projected: OnceCell<Vec<u8>>,
    /// The files of the column groups and, after the first change, of the indices.
    files: Vec<InUse>,
}

impl NamedCursor {
    /// A cursor on an open table. `list`: a projection in its parentheses.
    ///
    /// # Errors
    /// `EINVAL` for an unknown column in the projection.
    pub(super) fn new(session: &Session, open: NamedTable, list: Option<&str>, overwrite: bool) -> Result<Self> {
        let projection = list.map(|list| Projection::parse(open.table.object(), list)).transpose()?;
        let rows = open.rows();
        let NamedTable { table, files } = open;
        let rows = TableCursor::with_records(session, table, rows, overwrite);
        Ok(Self { rows, projection, projected: OnceCell::new(), files })
    }

    /// The formats of keys and values as the application sees them.
    pub(super) fn formats(&self) -> (Arc<Format>, Arc<Format>) {
        let columns = &self.rows.file.columns;
        let value = self.projection.as_ref().map_or(&columns.value_format, |projection| &projection.format);
        (Arc::clone(&columns.key_format), Arc::clone(value))
    }

    /// The file of the first column group: what messages name.
    pub(super) fn file_uri(&self) -> &str {
        self.files.first().map_or("", |file| file.uri.as_str())
    }

    /// The cursor is about to move or to be given another value.
    pub(super) fn clear(&mut self) {
        self.projected.take();
    }

    /// The packed value that the application sees.
    pub(super) fn value(&self) -> Result<&[u8]> {
        let value = self.rows.value()?;
        let Some(projection) = &self.projection else { return Ok(value) };
        if let Some(projected) = self.projected.get() {
            return Ok(projected);
        }
        let key = if projection.needs_key() { self.rows.key()? } else { &[] };
        let projected = projection.project(key, value)?;
        Ok(self.projected.get_or_init(|| projected))
    }

    /// Puts the application's packed value into the value slot.
    pub(super) fn set_value(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        self.clear();
        let Self { rows, projection, .. } = self;
        match projection {
            None => rows.set_value(fill),
            Some(projection) => rows.set_value(|value| {
                let mut row = Vec::new();
                fill(&mut row)?;
                projection.expand(&row, value)
            }),
        }
    }

    /// Opens the indices, before the first change.
    ///
    /// # Errors
    /// `ENOENT` for an index whose file is missing.
    pub(super) fn prepare_change(&mut self, session: &Session) -> Result<()> {
        if self.rows.records().has_indices_open() {
            return Ok(());
        }
        let open = session.connection().open_indices(&self.rows.file).map_err(|error| match error {
            Error::NotFound => {
                Error::new(crate::ErrorCode::ENOENT, format!("{}: an index is missing", self.rows.file.uri))
            }
            error => error,
        })?;
        self.files.extend(open.files);
        self.rows.records_mut().open_indices(open.entries);
        Ok(())
    }
}

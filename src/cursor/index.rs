//! The cursor on an index: the table's records in the order of the index, read-only.
//!
//! The key slot holds a packed index key. What the application sets is the index's own columns; what the engine puts there
//! has the rest of the table's key behind them. Typed access sees the index's own columns either way; raw access, and the
//! text of dump cursors, all of it.
//!
//! Source: schema specification, section 6.3.

use super::table::TableCursor;
use crate::packing::Format;
use crate::schema::{InUse, IndexRows, OpenIndex, TableInUse};
use crate::session::Session;
use crate::{Error, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// The state of a cursor on an index.
pub(crate) struct IndexCursor {
    pub(super) rows: TableCursor<IndexRows, TableInUse>,
    formats: (Arc<Format>, Arc<Format>),
    /// In use for as long as the cursor is open.
    _files: Vec<InUse>,
}

impl IndexCursor {
    pub(super) fn new(session: &Session, open: OpenIndex) -> Self {
        let OpenIndex { table, rows, key_format, value_format, files } = open;
        let rows = TableCursor::with_records(session, table, rows, false);
        Self { rows, formats: (Arc::new(key_format), Arc::new(value_format)), _files: files }
    }

    /// The formats of keys and values as the application sees them.
    pub(super) fn formats(&self) -> (Arc<Format>, Arc<Format>) {
        (Arc::clone(&self.formats.0), Arc::clone(&self.formats.1))
    }

    /// How the index's own columns in the key slots of two cursors on one index compare.
    pub(super) fn compare(&self, other: &Self) -> Result<Ordering> {
        let records = self.rows.records();
        let mine = records.public_part(self.rows.key()?);
        Ok(mine.cmp(records.public_part(other.rows.key()?)))
    }
}

/// `set_value` on an index.
#[cold]
pub(super) fn no_set_value() -> Error {
    Error::unsupported("WT_CURSOR.set_value not supported for index cursors")
}

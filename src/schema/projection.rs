//! Projections: some columns of a table in place of its value, as `table:NAME(COLUMN,...)` asks for.
//!
//! What is written through a projection is a whole value: columns that it doesn't name become zero values.
//!
//! Source: schema specification, section 5; API specification, section 10.1.

use super::columns::Layout;
use super::open::projected;
use super::table::TableHandle;
use crate::packing::Format;
use crate::{Error, Result};
use std::sync::Arc;

/// A projection of a table.
#[derive(Debug)]
pub(crate) struct Projection {
    table: Arc<TableHandle>,
    key_layout: Layout,
    value_layout: Layout,
    layout: Layout,
    pub(crate) format: Arc<Format>,
}

impl Projection {
    /// The projection to the columns in `list`, which is in parentheses.
    ///
    /// # Errors
    /// `EINVAL` for an unknown column and for a list that isn't one.
    pub(crate) fn parse(table: &Arc<TableHandle>, list: &str) -> Result<Self> {
        let layout = projected(table, list)?;
        let format = Arc::new(Format::parse(&layout.format())?);
        let (key_layout, value_layout) = table.columns.key_and_value();
        Ok(Self { table: Arc::clone(table), key_layout, value_layout, layout, format })
    }

    /// The columns of a record.
    ///
    /// # Errors
    /// `EINVAL` for a damaged record.
    pub(crate) fn project(&self, key: &[u8], value: &[u8]) -> Result<Vec<u8>> {
        let mut payloads = self.table.columns.payloads();
        if self.needs_key() {
            self.key_layout.read(key, &mut payloads)?;
        }
        self.value_layout.read(value, &mut payloads)?;
        let mut row = Vec::new();
        self.layout.write(&payloads, &mut row);
        Ok(row)
    }

    /// Appends the table's value with these columns to `value`.
    ///
    /// # Errors
    /// `EINVAL` for a projection with key columns, and for a damaged row.
    pub(crate) fn expand(&self, row: &[u8], value: &mut Vec<u8>) -> Result<()> {
        if self.needs_key() {
            return Err(Error::invalid(format!("{}: a projection with key columns can't be written", self.table.uri)));
        }
        let zeroes = self.table.columns.zeroes();
        let mut payloads: Vec<&[u8]> = zeroes.iter().map(Vec::as_slice).collect();
        self.layout.read(row, &mut payloads)?;
        self.value_layout.write(&payloads, value);
        Ok(())
    }

    /// Whether it names columns of the key.
    pub(crate) fn needs_key(&self) -> bool {
        self.layout.numbers().any(|column| self.table.columns.is_key(column))
    }
}

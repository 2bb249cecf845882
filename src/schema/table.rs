//! Tables with named columns: what the metadata says of their column groups and indices.
//!
//! A handle is made when a table is first used and all of its column groups exist; it counts its users as files do. The
//! indices are read when they are first asked for, and anew after one was created or dropped.
//!
//! Source: schema specification, sections 4 to 6.

use super::columns::{Columns, Layout};
use super::database::Database;
use super::name;
use super::users::{self, Exclusive, InUse, Usable, Users};
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

/// A table with named columns, all of whose column groups exist.
#[derive(Debug)]
pub(crate) struct TableHandle {
    /// `table:NAME`
    pub(crate) uri: String,
    pub(crate) columns: Columns,
    /// At least one.
    pub(crate) groups: Vec<Group>,
    indices: Mutex<Option<Arc<[Index]>>>,
    users: Users,
}

/// A table in use by a cursor.
pub(crate) type TableInUse = InUse<TableHandle>;

/// A column group.
#[derive(Debug)]
pub(crate) struct Group {
    /// `colgroup:TABLE` or `colgroup:TABLE:GROUP`
    pub(crate) uri: String,
    /// The URI of what holds its records.
    pub(crate) source: String,
    /// Its value.
    pub(crate) layout: Layout,
}

/// An index.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// `index:TABLE:INDEX`
    pub(crate) uri: String,
    /// The URI of what holds its records.
    pub(crate) source: String,
    /// Its key: the columns of the index, then what is needed of the table's key.
    pub(crate) layout: Layout,
    /// How many columns of the key are the index's own.
    pub(crate) public_count: usize,
    /// Whether updates leave it alone.
    pub(crate) immutable: bool,
}

impl TableHandle {
    /// The name without `table:`.
    pub(crate) fn name(&self) -> &str {
        self.uri.strip_prefix("table:").unwrap_or(&self.uri)
    }

    /// Forgets what is known of the indices.
    pub(super) fn forget_indices(&self) {
        *self.indices.lock() = None;
    }
}

impl Usable for TableHandle {
    fn users(&self) -> &Users {
        &self.users
    }

    fn uri(&self) -> &str {
        &self.uri
    }
}

impl Index {
    /// An index with this metadata value.
    pub(super) fn parse(columns: &Columns, uri: &str, value: &str) -> Result<Self> {
        let config = Config::single(value);
        if let Some(extractor) = config.name("extractor")? {
            return Err(Error::unsupported(format!("{uri}: extractors ('{extractor}') are not supported")));
        }
        let list = config.get("columns")?.filter(|item| item.items().next().is_some());
        let list = list.ok_or_else(|| Error::invalid(format!("{uri}: requires 'columns' configuration")))?;
        let public = columns.find_all(list.items())?;
        Ok(Self {
            uri: uri.to_owned(),
            source: config.text_or("source", "")?.to_owned(),
            layout: index_layout(columns, &public),
            public_count: public.len(),
            immutable: config.bool_or("immutable", false)?,
        })
    }
}

/// The key of an index on `public` columns: these, then the columns of the table's key that aren't among them.
pub(super) fn index_layout(columns: &Columns, public: &[usize]) -> Layout {
    let rest = columns.of_key().filter(|column| !public.contains(column));
    columns.layout(public.iter().copied().chain(rest))
}

/// Whether a table's metadata value is that of one with named columns.
pub(super) fn has_columns(value: &str) -> Result<bool> {
    let config = Config::single(value);
    for key in ["columns", "colgroups"] {
        if config.get(key)?.is_some_and(|item| item.items().next().is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The URIs of a table's column groups, whether or not they exist.
pub(super) fn group_uris(table: &str, value: &str) -> Result<Vec<String>> {
    let mut uris = Vec::new();
    if let Some(list) = Config::single(value).get("colgroups")? {
        for item in list.items() {
            uris.push(format!("colgroup:{table}:{}", item?.0.text()));
        }
    }
    if uris.is_empty() {
        uris.push(format!("colgroup:{table}"));
    }
    Ok(uris)
}

/// A table that can't be used.
pub(super) fn incomplete(uri: &str) -> Error {
    Error::invalid(format!("'{uri}' cannot be used until all column groups are created"))
}

impl Database {
    /// The handle of a table with named columns. The schema lock is held.
    ///
    /// # Errors
    /// [`Error::NotFound`]; `EINVAL` while column groups are missing; `WT_ERROR` for metadata that contradicts itself.
    pub(crate) fn table_locked(&self, uri: &str) -> Result<Arc<TableHandle>> {
        if let Some(table) = self.known_table(uri) {
            return Ok(table);
        }
        let value = self.catalog.require(uri)?;
        let table = uri.strip_prefix("table:").unwrap_or(uri);
        let columns = Columns::parse(uri, &value)?;
        if columns.key_format.text() == "r" {
            return Err(Error::unsupported(format!("{uri}: column stores (key_format=r) are not supported yet")));
        }
        let mut groups = Vec::new();
        for group in group_uris(table, &value)? {
            let Some(value) = self.catalog.get(&group)? else { return Err(incomplete(uri)) };
            groups.push(parse_group(&columns, group, &value)?);
        }
        let handle =
            TableHandle { uri: uri.to_owned(), columns, groups, indices: Mutex::default(), users: Users::default() };
        if let Some(column) = handle.uncovered() {
            return Err(Error::invalid(format!("Column '{column}' in '{uri}' does not appear in a column group")));
        }
        let handle = Arc::new(handle);
        self.remember_table(&handle);
        Ok(handle)
    }

    /// The exclusive use of a table, so that nobody has a cursor on it or its indices.
    pub(super) fn use_table_exclusively(&self, table: &Arc<TableHandle>) -> Result<Exclusive<TableHandle>> {
        users::use_exclusively(table)
    }

    /// The indices of a table in the order in which they are maintained: that of their names.
    pub(crate) fn indices_of(&self, table: &TableHandle) -> Result<Arc<[Index]>> {
        let mut known = table.indices.lock();
        if let Some(indices) = &*known {
            return Ok(Arc::clone(indices));
        }
        let rows = self.catalog.with_prefix(&format!("index:{}:", table.name()))?;
        let indices = rows.iter().map(|(uri, value)| Index::parse(&table.columns, uri, value));
        let indices: Arc<[Index]> = indices.collect::<Result<Vec<_>>>()?.into();
        *known = Some(Arc::clone(&indices));
        Ok(indices)
    }
}

impl TableHandle {
    /// The name of a value column that no group stores.
    fn uncovered(&self) -> Option<&str> {
        let mut values = self.columns.of_value();
        let missing = values
            .find(|column| !self.groups.iter().any(|group| group.layout.numbers().any(|number| number == *column)));
        missing.map(|column| self.columns.name(column))
    }
}

fn parse_group(columns: &Columns, uri: String, value: &str) -> Result<Group> {
    let config = Config::single(value);
    let is_whole = uri.matches(':').count() == 1;
    let numbers: Vec<usize> = if is_whole {
        columns.of_value().collect()
    } else {
        let list = config.get("columns")?;
        list.map_or(Ok(Vec::new()), |list| columns.find_all(list.items()))?
    };
    let source = config.text_or("source", "")?.to_owned();
    let layout = if is_whole { columns.key_and_value().1 } else { columns.layout(numbers) };
    Ok(Group { uri, source, layout })
}

/// Fails unless a file's format is that of the rows which `object`, a column group or index, keeps in it.
pub(super) fn check_format(object: &str, uri: &str, what: &str, layout: &Layout, format: &Format) -> Result<()> {
    if layout.is_like(format) {
        return Ok(());
    }
    let (expected, found) = (layout.format(), format.text());
    Err(Error::corrupt(uri, 0, format!("the {what} format is '{found}', but {object} needs '{expected}'")))
}

/// The parts of `index:TABLE:INDEX` and `colgroup:TABLE:GROUP` after the kind: table and, unless it is missing, the rest.
pub(super) fn table_and_part(uri: &str) -> (&str, Option<&str>) {
    let name = uri.split_once(':').map_or(uri, |(_, name)| name);
    match name.split_once(':') {
        Some((table, part)) => (table, Some(part)),
        None => (name, None),
    }
}

/// The default source of an index.
pub(super) fn index_source(table: &str, index: &str) -> String {
    format!("file:{table}_{index}.wti")
}

/// The default source of a column group.
pub(super) fn group_source(table: &str, group: Option<&str>) -> String {
    match group {
        Some(group) => format!("file:{table}_{group}.wt"),
        None => name::default_source(table),
    }
}

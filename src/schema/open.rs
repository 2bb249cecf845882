//! Opening tables and indices for cursors: the files behind them, each counted as in use.
//!
//! Source: schema specification, sections 5, 6 and 15.

use super::at_checkpoint::AtCheckpoint;
use super::columns::Layout;
use super::database::{Database, is_tree};
use super::handle::InUse;
use super::index_rows::{IndexRows, groups_needed};
use super::records::{Records, open_records};
use super::rows::{IndexEntries, TableRows};
use super::table::{self, Index, TableHandle, TableInUse, check_format, incomplete, table_and_part};
use super::users::use_shared;
use crate::packing::Format;
use crate::plugin::config::{Config, ConfigParser};
use crate::{Error, Result};

/// A table that a cursor is to be opened on.
pub(crate) enum OpenTable {
    /// Without named columns: its only file.
    Simple(InUse),
    Named(NamedTable),
}

/// A table with named columns, in use.
pub(crate) struct NamedTable {
    pub(crate) table: TableInUse,
    /// The files of its column groups, in order.
    pub(crate) files: Vec<InUse>,
}

/// An index, in use with its table and all files that its cursor reads.
pub(crate) struct OpenIndex {
    pub(crate) table: TableInUse,
    pub(crate) rows: IndexRows,
    /// The format of the index's own columns.
    pub(crate) key_format: Format,
    pub(crate) value_format: Format,
    /// Kept for as long as the cursor is open.
    pub(crate) files: Vec<InUse>,
}

/// Indices opened for changes, with their files.
pub(crate) struct OpenIndices {
    pub(crate) entries: Vec<IndexEntries>,
    pub(crate) files: Vec<InUse>,
}

/// Which state of the database a cursor is to see.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    Live,
    /// As of this checkpoint.
    Checkpoint(AtCheckpoint<'a>),
}

impl NamedTable {
    /// A cursor over its records.
    pub(crate) fn rows(&self) -> TableRows {
        TableRows::new(self.table.object(), self.files.iter().map(|file| open_records(file)).collect())
    }
}

impl Database {
    /// A table, for a cursor. `uri` may end in a projection, which is not looked at.
    ///
    /// # Errors
    /// [`Error::NotFound`]; `EINVAL` while column groups are missing; `EBUSY` for one in exclusive use.
    pub(crate) fn open_table(&self, uri: &str, at: At<'_>) -> Result<OpenTable> {
        let (uri, _) = object_and_projection(uri);
        if let (Some(file), At::Live) = (self.known(uri), at) {
            return file.use_shared().map(OpenTable::Simple);
        }
        let is_named = self.known_table(uri).is_some() || table::has_columns(&self.catalog.require(uri)?)?;
        // A database checkpoint must not come between the files of one table.
        let _checkpoint = (is_named && matches!(at, At::Checkpoint(_))).then(|| self.checkpoint_lock.lock());
        let _schema = self.schema_lock.lock();
        if !is_named {
            return self.open_source_locked(&self.source_of(uri)?, at).map(OpenTable::Simple).inspect(|_| {
                if let At::Live = at {
                    self.remember_object(uri);
                }
            });
        }
        let handle = self.table_locked(uri)?;
        let files = handle.groups.iter().map(|group| self.open_source_locked(&group.source, at));
        let files = files.collect::<Result<Vec<_>>>()?;
        check_groups(&handle, &files)?;
        Ok(OpenTable::Named(NamedTable { table: use_shared(&handle)?, files }))
    }

    /// An index, for a cursor. `uri` may end in a projection: the columns wanted, instead of all of the table's value.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a missing index or table; `EINVAL` for a name without an index, an unknown column and a
    /// table whose column groups are missing; `EBUSY` for one in exclusive use.
    pub(crate) fn open_index(&self, uri: &str, at: At<'_>) -> Result<OpenIndex> {
        let (object, projection) = object_and_projection(uri);
        let (table, Some(_)) = table_and_part(object) else {
            return Err(Error::invalid(format!("Invalid cursor URI: '{uri}'")));
        };
        let _checkpoint = matches!(at, At::Checkpoint(_)).then(|| self.checkpoint_lock.lock());
        let _schema = self.schema_lock.lock();
        let table_uri = format!("table:{table}");
        if !table::has_columns(&self.catalog.require(&table_uri)?)? {
            return Err(Error::NotFound);
        }
        let handle = self.table_locked(&table_uri)?;
        let index = Index::parse(&handle.columns, object, &self.catalog.require(object)?)?;
        let value_layout = match projection {
            None => handle.columns.key_and_value().1,
            Some(list) => projected(&handle, list)?,
        };
        let value_format =
            if projection.is_none() { handle.columns.value_format.text().to_owned() } else { value_layout.format() };
        let key_format = Format::parse(&index.layout.first(index.public_count).format())?;
        let entries = self.open_source_locked(&index.source, at)?;
        check_format(&index.uri, &entries.uri, "key", &index.layout, &entries.key_format)?;
        let numbers = groups_needed(&handle, &value_layout);
        let mut files = Vec::new();
        let mut groups: Vec<(usize, Box<dyn Records>)> = Vec::new();
        for number in numbers {
            let Some(group) = handle.groups.get(number) else { continue };
            let file = self.open_source_locked(&group.source, at)?;
            check_format(&group.uri, &file.uri, "value", &group.layout, &file.value_format)?;
            groups.push((number, open_records(&file)));
            files.push(file);
        }
        let rows = IndexRows::new(&handle, index, open_records(&entries), groups, value_layout);
        files.push(entries);
        Ok(OpenIndex {
            table: use_shared(&handle)?,
            rows,
            key_format,
            value_format: Format::parse(&value_format)?,
            files,
        })
    }

    /// The indices of a table, for changes.
    ///
    /// # Errors
    /// `ENOENT` for an index whose file is missing; `EBUSY` for one in exclusive use.
    pub(crate) fn open_indices(&self, table: &TableHandle) -> Result<OpenIndices> {
        let _schema = self.schema_lock.lock();
        let mut open = OpenIndices { entries: Vec::new(), files: Vec::new() };
        for index in &*self.indices_of(table)? {
            let file = self.open_source_locked(&index.source, At::Live)?;
            check_format(&index.uri, &file.uri, "key", &index.layout, &file.key_format)?;
            open.entries.push(IndexEntries { index: index.clone(), records: open_records(&file) });
            open.files.push(file);
        }
        Ok(open)
    }

    /// The file behind `colgroup:TABLE` or `colgroup:TABLE:GROUP`, for a cursor.
    ///
    /// # Errors
    /// [`Error::NotFound`]; `EINVAL` while other column groups of the table are missing.
    pub(crate) fn open_column_group(&self, uri: &str, at: At<'_>) -> Result<InUse> {
        if let (Some(file), At::Live) = (self.known(uri), at) {
            return file.use_shared();
        }
        let _schema = self.schema_lock.lock();
        let (table, _) = table_and_part(uri);
        let table_uri = format!("table:{table}");
        let value = self.catalog.require(&table_uri)?;
        for group in table::group_uris(table, &value)? {
            if self.catalog.get(&group)?.is_none() {
                return Err(incomplete(&table_uri));
            }
        }
        if self.catalog.get(uri)?.is_none() && uri.matches(':').count() > 1 {
            return Err(Error::new(crate::ErrorCode::ENOENT, format!("{uri} not found in table")));
        }
        let file = self.open_source_locked(&self.source_of(uri)?, at)?;
        if let At::Live = at {
            self.remember_object(uri);
        }
        Ok(file)
    }

    /// A use of a source: a file or a tiered tree. The schema lock is held.
    fn open_source_locked(&self, source: &str, at: At<'_>) -> Result<InUse> {
        match at {
            At::Live => self.open_file_locked(source)?.use_shared(),
            At::Checkpoint(at) => self.open_checkpoint_locked(source, at),
        }
    }

    /// Remembers which open file is behind an object, for the next cursor. The schema lock is held.
    fn remember_object(&self, uri: &str) {
        if let Ok(file) = self.source_of(uri).and_then(|source| self.open_file_locked(&source)) {
            self.remember(uri, &file);
        }
    }
}

/// The layout of the columns that a projection names.
///
/// # Errors
/// `EINVAL` for an unknown column and for a list that isn't one.
pub(crate) fn projected(table: &TableHandle, list: &str) -> Result<Layout> {
    Ok(table.columns.layout(table.columns.find_all(ConfigParser::new(list))?))
}

/// The URI of an object, and the projection behind it with its parenthesis.
pub(crate) fn object_and_projection(uri: &str) -> (&str, Option<&str>) {
    match uri.find('(') {
        Some(at) => (uri.get(..at).unwrap_or(uri), uri.get(at..)),
        None => (uri, None),
    }
}

/// Fails unless the column groups' files hold what the table keeps in them.
fn check_groups(table: &TableHandle, files: &[InUse]) -> Result<()> {
    let key = table.columns.layout(table.columns.of_key());
    for (group, file) in table.groups.iter().zip(files) {
        check_format(&group.uri, &file.uri, "key", &key, &file.key_format)?;
        check_format(&group.uri, &file.uri, "value", &group.layout, &file.value_format)?;
    }
    Ok(())
}

/// The source that a column group's or index's metadata value names.
pub(super) fn source_in(uri: &str, value: &str) -> Result<String> {
    let source = Config::single(value).text_or("source", "")?;
    if !is_tree(source) {
        return Err(Error::unsupported(format!("{uri}: source \"{source}\" is not supported yet")));
    }
    Ok(source.to_owned())
}

//! Creating objects.
//!
//! All rows of a call become durable with one metadata checkpoint. A failure before that removes what was made.
//!
//! Source: schema specification, sections 3, 4 and 6.1.

use super::columns::Columns;
use super::database::{Database, HISTORY_URI};
use super::name;
use super::settings::FileSettings;
use super::table::{self, group_source, group_uris, has_columns, index_layout, index_source, table_and_part};
use crate::block::{BlockManager, check_allocation_size};
use crate::config::metadata;
use crate::event::Origin;
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::tiered::{TREE_PREFIX, TableStorage, object_name, tiers};
use crate::{Error, ErrorCode, Result};

/// A refusal to create an object, and what the event handler is told of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    /// The object that the error is about.
    pub(crate) object: String,
    /// A second line, in WiredTiger's words.
    pub(crate) consequence: Option<String>,
    /// There is no line at all.
    pub(crate) is_silent: bool,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, object: String::new(), consequence: None, is_silent: false }
    }
}

impl Refused {
    fn about(object: &str) -> impl Fn(Error) -> Self + '_ {
        move |error| Self { object: object.to_owned(), ..error.into() }
    }
}

/// What makes everything committed durable, while checkpoint and schema lock are held: a database checkpoint.
pub(crate) type Checkpoint<'a> = &'a dyn Fn(&Database) -> Result<()>;

/// A `file:` row about to be made, with its file.
struct NewFile {
    uri: String,
    value: String,
    allocation_size: u32,
}

/// A tree about to be made: an ordinary file or a tiered tree.
struct NewTree {
    file: NewFile,
    /// The row of a tiered tree.
    tree: Option<(String, String)>,
}

impl NewTree {
    fn rows(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let tree = self.tree.iter().map(|(uri, value)| (uri.as_str(), Some(value.as_str())));
        tree.chain(std::iter::once((self.file.uri.as_str(), Some(self.file.value.as_str()))))
    }
}

impl Database {
    /// Creates an object. One that exists is left as it is.
    pub(crate) fn create(&self, uri: &str, config: &str, checkpoint: Checkpoint<'_>) -> Result<(), Refused> {
        name::check(uri)?;
        if uri.starts_with("table:") && self.tiered.is_on() {
            // Its message about other types comes before that of a connection without tiered storage.
            check_tiered_type(config)?;
        }
        check_kind(uri, config)?;
        // Filling an index ends with a checkpoint.
        let _checkpoint = uri.starts_with("index:").then(|| self.checkpoint_lock.lock());
        let _schema = self.schema_lock.lock();
        if self.catalog.get(uri)?.is_some() {
            return if Config::single(config).bool_or("exclusive", false)? {
                let error = Error::new(ErrorCode::EEXIST, format!("{uri}: the object exists"));
                Err(Refused { is_silent: true, ..error.into() })
            } else {
                Ok(())
            };
        }
        match uri.split_once(':') {
            Some(("table", table)) => self.create_table(uri, table, config),
            Some(("colgroup", _)) => self.create_column_group(uri, config),
            Some(("index", _)) => self.create_index(uri, config, checkpoint),
            _ => {
                refuse_tiered(uri, config)?;
                let file = self.new_file(uri, config)?;
                Ok(self.make_durable(Some(&file), &[(uri, Some(&file.value))])?)
            }
        }
    }

    fn create_table(&self, uri: &str, table: &str, config: &str) -> Result<(), Refused> {
        let group_uri = format!("colgroup:{table}");
        if let Some((other, _)) = table.split_once(':') {
            // The name of its column group would be that of another table's.
            return Err(no_table(&group_uri, other).into());
        }
        let value = metadata::table(config)?;
        let has_groups = Config::single(&value).get("colgroups")?.is_some_and(|list| list.items().next().is_some());
        if has_columns(&value)? {
            let checked = Columns::parse(uri, &value);
            let columns = checked.map_err(|error| Refused {
                consequence: (!has_groups).then(|| no_table(&group_uri, table).to_string()),
                ..Refused::about(uri)(error)
            })?;
            refuse_column_store(uri, &columns)?;
        }
        if has_groups {
            return Ok(self.make_durable(None, &[(uri, Some(value.as_str()))])?);
        }
        let storage = self.tiered.placement(config)?;
        let source = source_of(uri, config, || group_source_in(storage.as_ref(), table, None), table)?;
        let group = metadata::colgroup(config, &source)?;
        let tree = self.new_source(&source, config, storage)?;
        let mut rows = vec![(uri, Some(value.as_str())), (group_uri.as_str(), Some(group.as_str()))];
        rows.extend(tree.iter().flat_map(NewTree::rows));
        Ok(self.make_durable(tree.as_ref().map(|tree| &tree.file), &rows)?)
    }

    fn create_column_group(&self, uri: &str, config: &str) -> Result<(), Refused> {
        let (table, group) = table_and_part(uri);
        let table_uri = format!("table:{table}");
        let Some(table_value) = self.catalog.get(&table_uri)? else { return Err(no_table(uri, table).into()) };
        let uris = group_uris(table, &table_value)?;
        let config = match group {
            None => whole_group_config(&table_value, config)?,
            Some(group) => {
                if !uris.iter().any(|other| other == uri) {
                    return Err(Error::invalid(format!("Column group '{group}' not found in table '{table}'")).into());
                }
                self.named_group_config(uri, &table_uri, &table_value, config)?
            }
        };
        let name = group.map_or(table.to_owned(), |group| format!("{table}_{group}"));
        let storage = self.tiered.placement(&config)?;
        let source = source_of(uri, &config, || group_source_in(storage.as_ref(), table, group), &name)?;
        let value = metadata::colgroup(&config, &source)?;
        self.check_covered(&table_uri, &table_value, &uris, (uri, &value))?;
        let tree = self.new_source(&source, &config, storage)?;
        let mut rows = vec![(uri, Some(value.as_str()))];
        rows.extend(tree.iter().flat_map(NewTree::rows));
        self.make_durable(tree.as_ref().map(|tree| &tree.file), &rows)?;
        self.forget_table(&table_uri);
        Ok(())
    }

    /// The configuration of a column group with the formats that follow from its table's.
    fn named_group_config(&self, uri: &str, table_uri: &str, table_value: &str, config: &str) -> Result<String> {
        let columns = Columns::parse(table_uri, table_value)?;
        let list = Config::single(config).get("columns")?.filter(|list| list.items().next().is_some());
        let list = list.ok_or_else(|| Error::invalid(format!("No 'columns' configuration for '{uri}'")))?;
        let numbers = columns.find_all(list.items())?;
        if let Some(key) = numbers.iter().find(|number| columns.is_key(**number)) {
            let name = columns.name(*key);
            return Err(Error::invalid(format!("A column group cannot store key column '{name}' in its value")));
        }
        let (key_format, value_format) = (columns.key_format.text(), columns.layout(numbers).format());
        Ok(format!("{config},key_format={key_format},value_format={value_format}"))
    }

    /// Fails if the new column group is the last one and a value column is in none of them.
    fn check_covered(&self, table_uri: &str, table_value: &str, uris: &[String], new: (&str, &str)) -> Result<()> {
        let is_named = |uri: &str| uri.matches(':').count() > 1;
        if !is_named(new.0) {
            return Ok(());
        }
        let columns = Columns::parse(table_uri, table_value)?;
        let mut covered = vec![false; columns.count()];
        for uri in uris {
            let value = if uri == new.0 { Some(new.1.to_owned()) } else { self.catalog.get(uri)? };
            let Some(value) = value else { return Ok(()) };
            let Some(list) = Config::single(&value).get("columns")? else { continue };
            for number in columns.find_all(list.items())? {
                if let Some(place) = covered.get_mut(number) {
                    *place = true;
                }
            }
        }
        match columns.of_value().find(|number| covered.get(*number) == Some(&false)) {
            None => Ok(()),
            Some(number) => {
                let name = columns.name(number);
                Err(Error::invalid(format!("Column '{name}' in '{table_uri}' does not appear in a column group")))
            }
        }
    }

    fn create_index(&self, uri: &str, config: &str, checkpoint: Checkpoint<'_>) -> Result<(), Refused> {
        refuse_tiered(uri, config)?;
        let (table, Some(name)) = table_and_part(uri) else {
            let text = format!("Invalid index name, should be <table name>:<index name>: {uri}");
            return Err(Error::invalid(text).into());
        };
        let cannot = |code| Error::new(code, format!("Can't create an index for table: {table}"));
        let table_uri = format!("table:{table}");
        let Some(table_value) = self.catalog.get(&table_uri)? else { return Err(cannot(ErrorCode::ENOENT).into()) };
        if !has_columns(&table_value)? {
            return Err(Error::invalid(format!("{uri} requires a table with named columns")).into());
        }
        let columns = Columns::parse(&table_uri, &table_value)?;
        refuse_column_store(&table_uri, &columns)?;
        let is_complete = !self.parts_of(&table_uri)?.is_incomplete;
        let handle = if is_complete { Some(self.table_locked(&table_uri)?) } else { None };
        let in_use = handle.as_ref().map(|handle| self.use_table_exclusively(handle)).transpose();
        let _exclusive = in_use.map_err(|_| cannot(ErrorCode::EBUSY))?;
        let list = Config::single(config).get("columns")?.filter(|list| list.items().next().is_some());
        let list = list.ok_or_else(|| Error::invalid(format!("{uri}: requires 'columns' configuration")))?;
        let public = columns.find_all(list.items())?;
        let key_format = index_layout(&columns, &public).format();
        let config = format!("{config},key_format={key_format},value_format=");
        let source = source_of(uri, &config, || index_source(table, name), &format!("{table}_{name}_idx"))?;
        let value = metadata::index(&config, &source, public.len())?;
        let file = self.new_source(&source, &config, None)?.map(|tree| tree.file);
        let mut rows = vec![(uri, Some(value.as_str()))];
        rows.extend(file.as_ref().map(|file| (file.uri.as_str(), Some(file.value.as_str()))));
        let index = table::Index::parse(&columns, uri, &value)?;
        match &handle {
            Some(handle) if self.has_rows(handle)? => {
                self.make_filled(handle, &index, file.as_ref(), &rows, checkpoint)?;
            }
            _ => self.make_durable(file.as_ref(), &rows)?,
        }
        if let Some(handle) = handle {
            handle.forget_indices();
        }
        Ok(())
    }

    /// Makes an index on a table that has records: rows, file and entries become durable with one database checkpoint, so
    /// that a crash never leaves an index that lacks entries.
    fn make_filled(
        &self,
        handle: &std::sync::Arc<table::TableHandle>,
        index: &table::Index,
        file: Option<&NewFile>,
        rows: &[super::catalog::Change<'_>],
        checkpoint: Checkpoint<'_>,
    ) -> Result<()> {
        self.make_on_disk(file)?;
        let made = self.catalog.change(rows).and_then(|()| {
            let entries = self.open_file_locked(&index.source)?;
            table::check_format(&index.uri, &entries.uri, "key", &index.layout, &entries.key_format)?;
            self.fill_index(handle, index, &entries)?;
            if !self.in_memory {
                checkpoint(self)?;
                entries.set_just_filled(true);
            }
            Ok(())
        });
        made.or_else(|error| {
            if error.code() != ErrorCode::PANIC {
                let removed: Vec<_> = rows.iter().map(|(key, _)| (*key, None)).collect();
                self.catalog.change(&removed)?;
                if let Some(file) = file {
                    self.forget(&file.uri);
                }
                self.unmake_on_disk(file);
            }
            Err(error)
        })
    }

    /// The tree of a column group or index: `None` if it exists.
    fn new_source(
        &self,
        source: &str,
        config: &str,
        storage: Option<TableStorage>,
    ) -> Result<Option<NewTree>, Refused> {
        match self.catalog.get(source)? {
            Some(_) => Ok(None),
            None => self.new_tree(source, config, storage).map(Some).map_err(|error| Refused {
                is_silent: error.code() == ErrorCode::EBUSY,
                ..Refused::about(source)(error)
            }),
        }
    }

    /// Builds and checks the rows of the tree `source`: `tiered:NAME` in `storage`, or `file:NAME`.
    fn new_tree(&self, source: &str, config: &str, storage: Option<TableStorage>) -> Result<NewTree> {
        let (Some(base), Some(TableStorage { bucket, row })) = (source.strip_prefix(TREE_PREFIX), storage) else {
            return Ok(NewTree { file: self.new_file(source, config)?, tree: None });
        };
        let number = 1;
        let object = object_name(base, number);
        name::file_path(&self.home, &object)?;
        // Names are never used twice: a dropped table's objects stay in the bucket, unless they are removed too.
        if let Some(&number) = bucket.objects_of(base)?.first() {
            return Err(Error::new(
                ErrorCode::EEXIST,
                format!(
                    "{source}: the bucket '{}' has objects of a table of this name already, such as '{}'",
                    bucket.bucket,
                    bucket.key(&object_name(base, number))
                ),
            ));
        }
        let tree = metadata::tiered(config, self.new_file_id()?, &row, &tiers(base, number, false))?;
        let value = metadata::tiered_file(config, self.new_file_id()?, &row)?;
        let file = self.checked_file(&format!("file:{object}"), value, &tree)?;
        Ok(NewTree { file, tree: Some((source.to_owned(), tree)) })
    }

    /// Builds and checks the row of a new file.
    fn new_file(&self, uri: &str, config: &str) -> Result<NewFile> {
        name::file_path(&self.home, uri)?;
        let value = metadata::file(config, self.new_file_id()?)?;
        self.checked_file(uri, value.clone(), &value)
    }

    /// A new file, if the row `tree` of what it stores can be served.
    fn checked_file(&self, uri: &str, value: String, tree: &str) -> Result<NewFile> {
        let settings = FileSettings::parse(uri, tree, self.object_extensions())?;
        check_allocation_size(settings.block.allocation_size)?;
        Format::parse(&settings.key_format)?;
        Format::parse(&settings.value_format)?;
        Ok(NewFile { uri: uri.to_owned(), value, allocation_size: settings.block.allocation_size })
    }

    fn new_file_id(&self) -> Result<u32> {
        u32::try_from(self.next_file_id()).map_err(|_| Error::panic("out of file ids"))
    }

    fn make_durable(&self, file: Option<&NewFile>, rows: &[super::catalog::Change<'_>]) -> Result<()> {
        self.make_on_disk(file)?;
        let done = self.change_metadata(rows);
        if done.as_ref().is_err_and(|error| error.code() != ErrorCode::PANIC) {
            self.unmake_on_disk(file);
        }
        done
    }

    fn make_on_disk(&self, file: Option<&NewFile>) -> Result<()> {
        let Some(file) = file else { return Ok(()) };
        let path = name::file_path(&self.home, &file.uri)?;
        if let Some(aside) = BlockManager::create(&*self.fs, &path, file.allocation_size)? {
            self.notice(Origin::call("WT_SESSION.create"), || {
                format!("unexpected file {} found, renamed to {}", path.display(), aside.display())
            });
        }
        Ok(())
    }

    /// Removes a file that the metadata doesn't know: it is of no use. The first error is what the caller must see.
    fn unmake_on_disk(&self, file: Option<&NewFile>) {
        if let Some(path) = file.and_then(|file| name::file_path(&self.home, &file.uri).ok()) {
            let _ = self.fs.remove(&path, false);
        }
    }
}

/// What holds the records of a column group or index: `source=`, or what follows from `type=` and the names. `name` is
/// what an object of another type would be called.
fn source_of(uri: &str, config: &str, default: impl FnOnce() -> String, name: &str) -> Result<String> {
    let config = Config::single(config);
    match config.text_or("type", "file")? {
        "" | "file" => {}
        "lsm" => return Err(Error::unsupported(format!("lsm object type no longer supported: lsm:{name}"))),
        other => return Err(Error::unsupported(format!("unknown object type: {other}:{name}"))),
    }
    match config.text_or("source", "")? {
        "" => Ok(default()),
        source if source.starts_with("file:") => Ok(source.to_owned()),
        source => Err(Error::unsupported(format!("{uri}: source \"{source}\" is not supported yet"))),
    }
}

/// The configuration of a table's only column group: formats and columns are the table's.
fn whole_group_config(table_value: &str, config: &str) -> Result<String> {
    let table = Config::single(table_value);
    let own = |key: &str, default| table.get(key).map(|item| item.map_or(default, |item| item.source()));
    let (key, value, columns) = (own("key_format", "u")?, own("value_format", "u")?, own("columns", "")?);
    Ok(format!("{config},key_format={key},value_format={value},columns={columns}"))
}

fn no_table(uri: &str, table: &str) -> Error {
    Error::new(ErrorCode::ENOENT, format!("Can't create '{uri}' for non-existent table '{table}'"))
}

fn refuse_column_store(uri: &str, columns: &Columns) -> Result<()> {
    if columns.key_format.is_record_number() {
        return Err(Error::unsupported(format!("{uri}: column stores (key_format=r) are not supported yet")));
    }
    Ok(())
}

/// Refuses a `type` that can't be tiered.
fn check_tiered_type(config: &str) -> Result<()> {
    let settings = Config::single(config);
    match settings.text_or("type", "")? {
        "" | "file" => Ok(()),
        _ if settings.text_or("tiered_storage.name", "")? == "none" => Ok(()),
        kind => Err(Error::unsupported(format!(
            "unsupported type configuration: {kind}: type must be file for tiered storage"
        ))),
    }
}

/// Files and indices are local, whatever the connection's default. One that asks for a storage source by name would wait for
/// its objects in vain.
fn refuse_tiered(uri: &str, config: &str) -> Result<()> {
    match Config::single(config).name("tiered_storage.name")? {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!(
            "{uri}: tiered_storage=(name={name}): tables and column groups can be tiered, files and indices can't"
        ))),
    }
}

/// The default source of a column group whose records go to `storage`.
fn group_source_in(storage: Option<&TableStorage>, table: &str, group: Option<&str>) -> String {
    match (storage, group) {
        (None, group) => group_source(table, group),
        (Some(_), None) => format!("{TREE_PREFIX}{table}"),
        (Some(_), Some(group)) => format!("{TREE_PREFIX}{table}_{group}"),
    }
}

/// Refuses URIs that can't be created, and those that aren't built.
fn check_kind(uri: &str, config: &str) -> Result<()> {
    let Some((kind, _)) = uri.split_once(':') else {
        return Err(Error::unsupported(format!("unknown object type: {uri}")));
    };
    match kind {
        "table" | "file" | "colgroup" | "index" => {}
        "tiered" | "tier" | "object" => {
            return Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet")));
        }
        "lsm" => return Err(Error::unsupported(format!("lsm object type no longer supported: {uri}"))),
        "backup" | "config" | "log" | "statistics" => {
            return Err(Error::unsupported(format!("unsupported object operation: {uri}")));
        }
        _ => return Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
    let config = Config::single(config);
    let other = config.text_or("type", "file")?;
    if kind == "file" && !matches!(other, "" | "file") {
        return Err(Error::invalid(format!("{uri}: unsupported type configuration")));
    }
    if config.bool_or("import.enabled", false)? {
        return Err(Error::unsupported(format!("{uri}: import is not supported yet")));
    }
    Ok(())
}

impl Database {
    /// Makes the history store's file and row if the metadata has none: other engines expect them.
    pub(crate) fn create_history_store(&self) -> Result<()> {
        let _schema = self.schema_lock.lock();
        if self.catalog.get(HISTORY_URI)?.is_some() {
            return Ok(());
        }
        let file = self.new_file(HISTORY_URI, HISTORY_CONFIG)?;
        self.make_durable(Some(&file), &[(HISTORY_URI, Some(&file.value))])
    }
}

/// How the history store is created.
const HISTORY_CONFIG: &str = "key_format=IuQQ,value_format=QQQu,block_compressor=none,log=(enabled=false),\
    internal_page_max=16KB,leaf_value_max=64MB,prefix_compression=false";

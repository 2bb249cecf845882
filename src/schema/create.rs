//! Creating objects.
//!
//! All rows of a call become durable with one metadata checkpoint. A failure before that removes what was made.
//!
//! Source: schema specification, sections 3 and 4.

use super::database::{Database, HISTORY_URI};
use super::name;
use super::settings::{FileSettings, require_simple};
use crate::block::{BlockManager, check_allocation_size};
use crate::config::metadata;
use crate::event::Origin;
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::tiered::{TableStorage, object_name, tiers};
use crate::{Error, ErrorCode, Result};

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
    pub(crate) fn create(&self, uri: &str, config: &str) -> Result<()> {
        name::check(uri)?;
        if uri.starts_with("table:") && self.tiered.is_on() {
            // Its message about other types comes before that of a connection without tiered storage.
            check_tiered_type(config)?;
        }
        check_kind(uri, config)?;
        let _schema = self.schema_lock.lock();
        if self.catalog.get(uri)?.is_some() {
            return if Config::single(config).bool_or("exclusive", false)? {
                Err(Error::new(ErrorCode::EEXIST, format!("{uri}: the object exists")))
            } else {
                Ok(())
            };
        }
        match uri.strip_prefix("table:") {
            Some(table) => self.create_table(uri, table, config),
            None => {
                refuse_tiered_file(uri, config)?;
                let file = self.new_file(uri, config)?;
                self.make_durable(Some(&file), &[(uri, Some(&file.value))])
            }
        }
    }

    fn create_table(&self, uri: &str, table: &str, config: &str) -> Result<()> {
        if table.contains(':') {
            return Err(Error::invalid(format!("{uri}: a table's name has no colon")));
        }
        require_simple(uri, config)?;
        let value = metadata::table(config)?;
        let settings = Config::single(config);
        let storage = self.tiered.placement(config)?;
        let source = match settings.text_or("source", "")? {
            "" if storage.is_some() => format!("tiered:{table}"),
            "" => name::default_source(table),
            source if source.starts_with("file:") => source.to_owned(),
            source => return Err(Error::unsupported(format!("{uri}: source \"{source}\" is not supported yet"))),
        };
        let group_uri = format!("colgroup:{table}");
        let group = metadata::colgroup(config, &source)?;
        let tree = match self.catalog.get(&source)? {
            Some(_) => None,
            None => Some(self.new_tree(&source, config, storage)?),
        };
        let mut rows = vec![(uri, Some(value.as_str())), (group_uri.as_str(), Some(group.as_str()))];
        rows.extend(tree.iter().flat_map(NewTree::rows));
        self.make_durable(tree.as_ref().map(|tree| &tree.file), &rows)
    }

    /// Builds and checks the rows of the tree `source`: `tiered:NAME` in `storage`, or `file:NAME`.
    fn new_tree(&self, source: &str, config: &str, storage: Option<TableStorage>) -> Result<NewTree> {
        let (Some(base), Some(TableStorage { bucket, row })) = (source.strip_prefix("tiered:"), storage) else {
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
        let file = checked_file(&format!("file:{object}"), value, &tree)?;
        Ok(NewTree { file, tree: Some((source.to_owned(), tree)) })
    }

    /// Builds and checks the row of a new file.
    fn new_file(&self, uri: &str, config: &str) -> Result<NewFile> {
        name::file_path(&self.home, uri)?;
        let value = metadata::file(config, self.new_file_id()?)?;
        checked_file(uri, value.clone(), &value)
    }

    fn new_file_id(&self) -> Result<u32> {
        u32::try_from(self.next_file_id()).map_err(|_| Error::panic("out of file ids"))
    }

    fn make_durable(&self, file: Option<&NewFile>, rows: &[super::catalog::Change<'_>]) -> Result<()> {
        let path = file.map(|file| name::file_path(&self.home, &file.uri)).transpose()?;
        if let (Some(file), Some(path)) = (file, &path) {
            let renamed = BlockManager::create(&*self.fs, path, file.allocation_size)?;
            if let Some(aside) = renamed {
                self.notice(Origin::call("WT_SESSION.create"), || {
                    format!("unexpected file {} found, renamed to {}", path.display(), aside.display())
                });
            }
        }
        let done = self.change_metadata(rows);
        if let (Err(error), Some(path)) = (&done, &path)
            && error.code() != ErrorCode::PANIC
        {
            // The metadata doesn't know the file: it is of no use. The first error is what the caller must see.
            let _ = self.fs.remove(path, false);
        }
        done
    }
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

/// A new file, if the row `tree` of what it stores can be served.
fn checked_file(uri: &str, value: String, tree: &str) -> Result<NewFile> {
    let settings = FileSettings::parse(uri, tree)?;
    check_allocation_size(settings.block.allocation_size)?;
    Format::parse(&settings.key_format)?;
    Format::parse(&settings.value_format)?;
    Ok(NewFile { uri: uri.to_owned(), value, allocation_size: settings.block.allocation_size })
}

/// `file:` objects are local, whatever the connection's default. One that asks for a storage source by name would wait for
/// its objects in vain.
fn refuse_tiered_file(uri: &str, config: &str) -> Result<()> {
    match Config::single(config).name("tiered_storage.name")? {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!(
            "{uri}: tiered_storage=(name={name}): tables can be tiered, 'file:' objects can't"
        ))),
    }
}

/// Refuses URIs that can't be created, and those that aren't built.
fn check_kind(uri: &str, config: &str) -> Result<()> {
    let Some((kind, _)) = uri.split_once(':') else {
        return Err(Error::unsupported(format!("unknown object type: {uri}")));
    };
    match kind {
        "table" | "file" => {}
        "colgroup" | "index" | "tiered" | "tier" | "object" => {
            return Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet")));
        }
        "lsm" => return Err(Error::unsupported(format!("lsm object type no longer supported: {uri}"))),
        "backup" | "config" | "log" | "statistics" => {
            return Err(Error::unsupported(format!("unsupported object operation: {uri}")));
        }
        _ => return Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
    let config = Config::single(config);
    match (kind, config.text_or("type", "file")?) {
        (_, "" | "file") => {}
        ("table", "lsm") => {
            let name = uri.trim_start_matches("table:");
            return Err(Error::unsupported(format!("lsm object type no longer supported: lsm:{name}")));
        }
        ("table", other) => {
            let name = uri.trim_start_matches("table:");
            return Err(Error::unsupported(format!("unknown object type: {other}:{name}")));
        }
        (kind, other) if kind == other => {}
        _ => return Err(Error::invalid(format!("{uri}: unsupported type configuration"))),
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

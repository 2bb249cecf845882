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
use crate::{Error, ErrorCode, Result};

/// A `file:` row about to be made.
struct NewFile {
    uri: String,
    value: String,
    allocation_size: u32,
}

impl Database {
    /// Creates an object. One that exists is left as it is.
    pub(crate) fn create(&self, uri: &str, config: &str) -> Result<()> {
        name::check(uri)?;
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
        let source = match settings.text_or("source", "")? {
            "" => name::default_source(table),
            source if source.starts_with("file:") => source.to_owned(),
            source => return Err(Error::unsupported(format!("{uri}: source \"{source}\" is not supported yet"))),
        };
        let group_uri = format!("colgroup:{table}");
        let group = metadata::colgroup(config, &source)?;
        let file = match self.catalog.get(&source)? {
            Some(_) => None,
            None => Some(self.new_file(&source, config)?),
        };
        let mut rows = vec![(uri, Some(value.as_str())), (group_uri.as_str(), Some(group.as_str()))];
        rows.extend(file.as_ref().map(|file| (file.uri.as_str(), Some(file.value.as_str()))));
        self.make_durable(file.as_ref(), &rows)
    }

    /// Builds and checks the row of a new file.
    fn new_file(&self, uri: &str, config: &str) -> Result<NewFile> {
        name::file_path(&self.home, uri)?;
        let id = u32::try_from(self.next_file_id()).map_err(|_| Error::panic("out of file ids"))?;
        let value = metadata::file(config, id)?;
        let settings = FileSettings::parse(uri, &value, self.object_extensions())?;
        check_allocation_size(settings.block.allocation_size)?;
        Format::parse(&settings.key_format)?;
        Format::parse(&settings.value_format)?;
        Ok(NewFile { uri: uri.to_owned(), value, allocation_size: settings.block.allocation_size })
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

//! Opening cursors: which kind a URI means, and what the configuration asks for.
//!
//! Source: API specification, sections 6.2 and 11.

use super::bounds::BoundSide;
use super::dump::DumpFormat;
use super::index::IndexCursor;
use super::log::LogCursor;
use super::metadata::MetadataCursor;
use super::named::NamedCursor;
use super::source::SourceCursor;
use super::table::TableCursor;
use super::text::Texts;
use super::{Cursor, Kind, unsupported};
use crate::packing::Format;
use crate::plugin::config::Config;
use crate::schema::{At, AtCheckpoint, InUse, OpenTable, Records, object_and_projection};
use crate::session::Session;
use crate::{Error, Result};
use std::sync::Arc;

/// What the configuration of a cursor asks for.
#[derive(Debug, Clone)]
struct Options {
    overwrite: bool,
    raw: bool,
    readonly: bool,
    dump: Option<DumpFormat>,
    checkpoint: Option<String>,
    /// 0: no filter by time.
    checkpoint_read_timestamp: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            overwrite: true,
            raw: false,
            readonly: false,
            dump: None,
            checkpoint: None,
            checkpoint_read_timestamp: None,
        }
    }
}

/// What `bound` is to do.
pub(super) enum BoundAction {
    /// `side` is `None` where it isn't given.
    Set {
        side: Option<BoundSide>,
        inclusive: bool,
    },
    Clear,
}

/// Opens a cursor.
pub(crate) fn open<'session>(session: &'session Session, uri: &str, config: &str) -> Result<Cursor<'session>> {
    if !crate::schema::is_built_in(uri) {
        return open_source(session, uri, config);
    }
    let options = if config.is_empty() { Options::default() } else { parse(config)? };
    let prefix = uri.split_once(':').map_or("", |(prefix, _)| prefix);
    match prefix {
        "table" => open_table(session, uri, &options),
        "file" | "tiered" => Ok(on_file(session, uri, session.connection().open_file(uri, options.at())?, &options)),
        "colgroup" => Ok(on_file(session, uri, session.connection().open_column_group(uri, options.at())?, &options)),
        "index" => {
            let open = session.connection().open_index(uri, options.at())?;
            let index = IndexCursor::new(session, open);
            let formats = index.formats();
            Ok(new_cursor(session, uri, Kind::Index(Box::new(index)), formats, true, &options))
        }
        "metadata" => {
            let create_form = uri == "metadata:create";
            let readonly = options.readonly_unless_told(config)?;
            let cursor = MetadataCursor::new(create_form);
            let formats = session.connection().text_format();
            let exchange = (Arc::clone(formats), Arc::clone(formats));
            Ok(new_cursor(session, uri, Kind::Metadata(cursor), exchange, readonly, &options))
        }
        "config" => {
            let formats = session.connection().text_format();
            let exchange = (Arc::clone(formats), Arc::clone(formats));
            Ok(new_cursor(session, uri, Kind::Placeholder, exchange, true, &options))
        }
        "log" => {
            let cursor = LogCursor::new(session)?;
            Ok(new_cursor(session, uri, Kind::Log(cursor), LogCursor::formats()?, true, &options))
        }
        "lsm" => Err(Error::unsupported(format!("lsm object type no longer supported: {uri}"))),
        "backup" | "statistics" => {
            Err(Error::unsupported(format!("{uri}: cursors of this kind are not supported yet")))
        }
        _ => Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
}

/// Opens a cursor on the object of `from`, positioned on the same key.
pub(crate) fn duplicate<'session>(
    session: &'session Session,
    from: &Cursor<'session>,
    config: &str,
) -> Result<Cursor<'session>> {
    let options = if config.is_empty() { Options::default() } else { parse(config)? };
    let key = from.key_bytes()?.to_vec();
    let mut copy = match &from.kind {
        Kind::Table(table) => on_file(session, &from.uri, table.file.again()?, &options),
        Kind::Named(_) | Kind::Index(_) | Kind::Metadata(_) | Kind::Source(_) => open(session, &from.uri, config)?,
        Kind::Log(_) | Kind::Placeholder => return Err(unsupported()),
    };
    let fill = |out: &mut Vec<u8>| {
        out.extend_from_slice(&key);
        Ok(())
    };
    match &mut copy.kind {
        Kind::Table(table) => table.set_key(fill).and_then(|()| table.search(session))?,
        Kind::Named(named) => named.rows.set_key(fill).and_then(|()| named.rows.search(session))?,
        Kind::Index(index) => index.rows.set_key(fill).and_then(|()| index.rows.search(session))?,
        Kind::Metadata(metadata) => metadata.set_key(fill).and_then(|()| metadata.search(session))?,
        Kind::Source(source) => source.set_key(session, fill).and_then(|()| source.search(session))?,
        Kind::Log(_) | Kind::Placeholder => {}
    }
    Ok(copy)
}

/// Opens a cursor on an object of a data source. What the engine has no part in (`bulk`, `checkpoint`, `next_random`) goes
/// to the source as it is.
fn open_source<'session>(session: &'session Session, uri: &str, config: &str) -> Result<Cursor<'session>> {
    let connection = session.connection();
    let (object, inner) = connection.db.open_source_cursor(session, uri, config)?;
    let settings = Config::single(config);
    let options = Options {
        overwrite: settings.bool_or("overwrite", true)?,
        raw: settings.bool_or("raw", false)?,
        readonly: settings.bool_or("readonly", false)?,
        dump: parse_dump(&settings)?,
        checkpoint: None,
        checkpoint_read_timestamp: None,
    };
    let formats = (Arc::clone(&object.key_format), Arc::clone(&object.value_format));
    let readonly = options.readonly || connection.is_readonly();
    let cursor = SourceCursor::new(session, object, inner, settings.bool_or("append", false)?);
    Ok(new_cursor(session, uri, Kind::Source(Box::new(cursor)), formats, readonly, &options))
}

fn open_table<'session>(session: &'session Session, uri: &str, options: &Options) -> Result<Cursor<'session>> {
    let named = match session.connection().open_table(uri, options.at())? {
        OpenTable::Simple(file) => return Ok(on_file(session, uri, file, options)),
        OpenTable::Named(named) => named,
    };
    let named = NamedCursor::new(session, named, object_and_projection(uri).1, options.overwrite)?;
    let formats = named.formats();
    let readonly = options.is_readonly(session);
    Ok(new_cursor(session, uri, Kind::Named(Box::new(named)), formats, readonly, options))
}

fn on_file<'session>(session: &'session Session, uri: &str, file: InUse, options: &Options) -> Cursor<'session> {
    let formats = (Arc::clone(&file.key_format), Arc::clone(&file.value_format));
    let readonly = options.is_readonly(session);
    let table = TableCursor::new(session, file, options.overwrite);
    new_cursor(session, uri, Kind::Table(table), formats, readonly, options)
}

fn new_cursor<'session>(
    session: &'session Session,
    uri: &str,
    kind: Kind,
    formats: (Arc<Format>, Arc<Format>),
    readonly: bool,
    options: &Options,
) -> Cursor<'session> {
    let (key_format, value_format) = formats;
    let (key_exchange, value_exchange) = if options.dump.is_some() {
        let text = session.connection().text_format();
        (Arc::clone(text), Arc::clone(text))
    } else if options.raw {
        let bytes = session.connection().bytes_format();
        (Arc::clone(bytes), Arc::clone(bytes))
    } else {
        (Arc::clone(&key_format), Arc::clone(&value_format))
    };
    let numbered = matches!(&kind, Kind::Source(source) if source.has_record_numbers());
    Cursor {
        session,
        uri: uri.into(),
        kind,
        key_format,
        value_format,
        key_exchange,
        value_exchange,
        readonly,
        texts: Texts::new(options.dump, numbered),
    }
}

impl Options {
    /// The state of the database that the cursor is to see.
    fn at(&self) -> At<'_> {
        let read_timestamp = self.checkpoint_read_timestamp;
        match &self.checkpoint {
            Some(name) => At::Checkpoint(AtCheckpoint { name, read_timestamp }),
            None => At::Live,
        }
    }

    fn is_readonly(&self, session: &Session) -> bool {
        self.readonly || self.checkpoint.is_some() || session.connection().is_readonly()
    }

    /// Metadata cursors are read-only unless `readonly=false` is written out.
    fn readonly_unless_told(&self, config: &str) -> Result<bool> {
        Ok(self.readonly || Config::single(config).get("readonly")?.is_none())
    }
}

fn parse(config: &str) -> Result<Options> {
    let config = Config::single(config);
    for key in ["next_random", "debug.dump_version", "debug.release_evict"] {
        if config.bool_or(key, false)? {
            return Err(not_built(key));
        }
    }
    match config.text_or("bulk", "false")? {
        "false" | "0" => {}
        "true" | "1" | "" | "bitmap" => return Err(not_built("bulk")),
        _ => return Err(Error::invalid("Value for 'bulk' must be a boolean or 'bitmap'")),
    }
    let dump = parse_dump(&config)?;
    let checkpoint = config.text_or("checkpoint", "")?;
    let read_timestamp = config.text_or("debug.checkpoint_read_timestamp", "")?;
    let checkpoint_read_timestamp = match read_timestamp {
        "" => None,
        hex => Some(parse_timestamp("checkpoint_read_timestamp", hex)?),
    };
    Ok(Options {
        overwrite: config.bool_or("overwrite", true)?,
        raw: config.bool_or("raw", false)?,
        readonly: config.bool_or("readonly", false)?,
        dump,
        checkpoint: Some(checkpoint).filter(|name| !name.is_empty()).map(str::to_owned),
        checkpoint_read_timestamp,
    })
}

fn parse_dump(config: &Config<'_>) -> Result<Option<DumpFormat>> {
    match config.text_or("dump", "")? {
        "" => Ok(None),
        "print" => Ok(Some(DumpFormat::Print)),
        "hex" => Ok(Some(DumpFormat::Hex)),
        form => Err(Error::unsupported(format!("dump={form}: this form is not supported yet"))),
    }
}

/// A timestamp in hexadecimal; unlike a transaction's it may be 0.
fn parse_timestamp(key: &str, hex: &str) -> Result<u64> {
    let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = u64::from_str_radix(hex, 16).ok().filter(|_| digits);
    parsed.ok_or_else(|| Error::invalid(format!("Failed to parse {key} timestamp '{hex}'")))
}

fn not_built(key: &str) -> Error {
    Error::unsupported(format!("{key}: cursors of this kind are not supported yet"))
}

/// What the configuration of `bound` asks for.
pub(super) fn parse_bound(session: &Session, uri: &str, config: &str) -> Result<BoundAction> {
    const METHOD: &str = "WT_CURSOR.bound";
    session.connection().check_config(METHOD, uri, config)?;
    let config = session.connection().effective_config(METHOD, uri, config);
    let config = Config::single(&config);
    if config.text_or("action", "set")? == "clear" {
        return Ok(BoundAction::Clear);
    }
    let side = match config.text_or("bound", "")? {
        "lower" => Some(BoundSide::Lower),
        "upper" => Some(BoundSide::Upper),
        _ => None,
    };
    Ok(BoundAction::Set { side, inclusive: config.bool_or("inclusive", true)? })
}

/// `bound` without a side.
pub(super) fn no_side() -> Error {
    Error::invalid("a bound must be specified when setting bounds, either \"lower\" or \"upper\"")
}

/// Applies `reconfigure`.
pub(super) fn reconfigure(kind: &mut Kind, session: &Session, uri: &str, config: &str) -> Result<()> {
    match kind {
        Kind::Table(table) => reconfigure_rows(table, session, uri, config),
        Kind::Named(named) => reconfigure_rows(&mut named.rows, session, uri, config),
        Kind::Index(_) | Kind::Metadata(_) | Kind::Log(_) | Kind::Source(_) | Kind::Placeholder => Err(unsupported()),
    }
}

fn reconfigure_rows<R: Records, O>(
    rows: &mut TableCursor<R, O>,
    session: &Session,
    uri: &str,
    config: &str,
) -> Result<()> {
    session.connection().check_config("WT_CURSOR.reconfigure", uri, config)?;
    rows.unposition(session);
    rows.overwrite = Config::single(config).bool_or("overwrite", rows.overwrite)?;
    Ok(())
}

//! Which options are built, and the refusal of those that are not.
//!
//! Every key of the schema is one of three:
//! - [`Built::Supported`]: the engine does what it says;
//! - [`Built::NoEffect`]: accepted and without effect, because it can't change what a program sees; the table gives the
//!   reason;
//! - [`Built::DefaultOnly`]: any other value than the default is an error (`ENOTSUP`) that names the key, the value and
//!   the method. All keys that the tables here don't list are of this kind, so a new key of the schema is refused
//!   until somebody decides.
//!
//! When a feature is built, its keys move here from one kind to another; nothing else needs to change.

use hardwired_plugin::config::{Config, ConfigParser, Item, ItemKind};

use super::check::find_compiled_key;
use super::schema::{Key, Method, Rule, find_key};
use super::sources::BASE_FILE;
use crate::{Error, Result};

pub(super) mod table;

/// Whether an option does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// The engine does what it says.
    Supported,
    /// Accepted without effect, for this reason.
    NoEffect(&'static str),
    /// Anything but the default is refused.
    DefaultOnly,
}

/// Whether a key (`cache_size`, `log.enabled`) of a method is built.
pub fn status(method: &Method, path: &str) -> Built {
    if method.name == "file.meta" && table::FILE_WHEN_READ.contains(&path) {
        return Built::NoEffect("refused when the file is opened for writing");
    }
    let entries = table::of(method.name);
    entries.iter().find(|(name, _)| *name == path).map_or(Built::DefaultOnly, |(_, built)| *built)
}

/// The refusal of a value, if the option is not built and the value is not its default. `key` is the key's rule, `path`
/// its whole name.
pub fn not_built(method: &Method, path: &str, key: &Key, value: Item<'_>) -> Option<Error> {
    let is_column_store = path == "key_format" && value.text() == "r";
    if !is_column_store && (status(method, path) != Built::DefaultOnly || is_default(key, value)) {
        return None;
    }
    // A boolean's name alone means that it is on.
    let value = if value.source().is_empty() && matches!(key.rule, Rule::Bool) { "true" } else { value.source() };
    let method = method.name;
    let what = if is_column_store { " (a column store)" } else { "" };
    Some(Error::unsupported(format!(
        "{method}: '{path}={value}'{what} is valid in WiredTiger but not built in hardwired"
    )))
}

/// Refuses what a call's configuration asks for and is not built. Only the value that wins counts.
///
/// # Errors
/// `ENOTSUP`, naming the key, the value and the method; `EINVAL` if a string doesn't parse.
pub fn refuse(method: &Method, config: Config<'_>) -> Result<()> {
    for text in config.strings() {
        for item in ConfigParser::new(text) {
            let (key_item, value) = item?;
            let Some(key) = find(method, method.keys, key_item.text()) else {
                continue;
            };
            match key.rule {
                Rule::Category(keys) => refuse_category(method, config, (key, keys), value)?,
                _ => refuse_value(method, config, key.name, key, value)?,
            }
        }
    }
    Ok(())
}

/// As [`refuse`], for a call of a session or connection. A method without a table is not built at all for the engine's own
/// objects, and says so itself, after the checks that come first.
///
/// # Errors
/// As [`refuse`].
pub fn refuse_call(method: &Method, config: &str) -> Result<()> {
    if table::of(method.name).is_empty() { Ok(()) } else { refuse(method, Config::single(config)) }
}

/// As [`refuse`], for the whole stack of `wiredtiger_open` without the defaults; the error says so if the option comes
/// from the file that an earlier open has written.
///
/// # Errors
/// As [`refuse`].
pub fn refuse_open(config: Config<'_>, base_file: &str) -> Result<()> {
    let method = &super::schema::WIREDTIGER_OPEN;
    refuse(method, config).map_err(|error| {
        if refuse(method, Config::single(base_file)).is_ok() {
            return error;
        }
        Error::new(error.code(), format!("{error} (it may come from {BASE_FILE})"))
    })
}

/// As [`refuse`], for the `file:` entry of the metadata. A file can be read though what would be needed to change it is
/// not built.
///
/// # Errors
/// As [`refuse`].
pub fn refuse_file(entry: Config<'_>, readonly: bool) -> Result<()> {
    let method = &super::schema::FILE_META;
    refuse(method, entry)?;
    if readonly {
        return Ok(());
    }
    for path in table::FILE_READ_ONLY {
        if let (Some(value), Some(key)) = (entry.get(path)?, method.key(path))
            && !is_default(key, value)
        {
            return Err(Error::unsupported(format!(
                "{}: writing a file with '{path}={}' is not built in hardwired; it can be opened for reading",
                method.name,
                value.source()
            )));
        }
    }
    Ok(())
}

fn refuse_category(method: &Method, config: Config<'_>, (key, keys): (&Key, &[Key]), value: Item<'_>) -> Result<()> {
    for item in value.items() {
        let (inner_item, value) = item?;
        if let Some(inner) = find(method, keys, inner_item.text()) {
            refuse_value(method, config, &format!("{}.{}", key.name, inner.name), inner, value)?;
        }
    }
    Ok(())
}

fn refuse_value(method: &Method, config: Config<'_>, path: &str, key: &Key, value: Item<'_>) -> Result<()> {
    let Some(error) = not_built(method, path, key, value) else {
        return Ok(());
    };
    // What a later occurrence takes back was not asked for.
    match config.get(path)? {
        Some(winner) if not_built(method, path, key, winner).is_none() => Ok(()),
        _ => Err(error),
    }
}

fn find<'a>(method: &Method, keys: &'a [Key], name: &str) -> Option<&'a Key> {
    if method.compilable { find_compiled_key(keys, name) } else { find_key(keys, name) }
}

/// Whether a value says what the default says.
fn is_default(key: &Key, value: Item<'_>) -> bool {
    let default = ConfigParser::new(key.default).next();
    match key.rule {
        Rule::Bool => value.truth() == (key.default == "true"),
        Rule::Int { .. } => {
            let number = |item: Item<'_>| (item.kind() == ItemKind::Number).then(|| item.number());
            let text = format!("default={}", key.default);
            let default = hardwired_plugin::config::lookup(&text, "default").ok().flatten();
            value.text() == key.default || number(value).is_some_and(|value| default.and_then(number) == Some(value))
        }
        Rule::List(_) => list(value.text()) == list(key.default),
        _ => {
            // The word `none` and nothing at all are the same for names.
            let default = default.and_then(Result::ok).map_or("", |(text, _)| text.text());
            let is_off = key.default == "false" && value.text() == "0";
            is_off
                || [key.default, default].contains(&value.text())
                || (value.name().is_none() && matches!(default, "" | "none"))
        }
    }
}

/// The items of a list, without the word `none`.
fn list(text: &str) -> Vec<&str> {
    let items = ConfigParser::new(text).map_while(Result::ok);
    items.map(|(key, _)| key.text()).filter(|text| *text != "none").collect()
}

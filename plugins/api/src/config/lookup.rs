//! What a (dotted) key means in a string and in a stack of strings.

use super::{ConfigParser, Item, ItemKind};
use crate::{Error, Result};

/// The deepest nested value a lookup descends into; deeper is `EINVAL`.
pub const MAX_NESTED_LOOKUPS: usize = 100;

/// Looks a key up in one string: the last item that has it.
///
/// An item answers `a.b` if its key is `a.b`, or if its key is `a` and its value, parsed as a string, answers `b`.
/// A nested value without the key doesn't hide an earlier hit: `a=(b=1),a=5` gives 1 for `a.b`.
///
/// # Errors
/// `EINVAL` if the string (or a nested value that was searched) doesn't parse.
pub fn lookup<'a>(text: &'a str, key: &str) -> Result<Option<Item<'a>>> {
    lookup_at(text, key, MAX_NESTED_LOOKUPS)
}

fn lookup_at<'a>(text: &'a str, key: &str, levels: usize) -> Result<Option<Item<'a>>> {
    let mut found = None;
    for item in ConfigParser::new(text) {
        let (item_key, value) = item?;
        if !matches!(item_key.kind(), ItemKind::String | ItemKind::Id) {
            continue;
        }
        match key.strip_prefix(item_key.text()) {
            Some("") => found = Some(value),
            Some(rest) => {
                if let Some(rest) = rest.strip_prefix('.') {
                    let Some(levels) = levels.checked_sub(1) else {
                        return Err(Error::invalid(format!("configuration key '{key}' is nested too deeply")));
                    };
                    found = lookup_at(value.text(), rest, levels)?.or(found);
                }
            }
            None => {}
        }
    }
    Ok(found)
}

/// A stack of configuration strings, from the least to the most preferred: defaults first, the caller's string last.
///
/// For nested keys the effect is a merge key by key: with `a=(b=1,c=2)` under `a=(b=3)`, `a.c` is 2.
#[derive(Debug, Clone, Copy, Default)]
pub struct Config<'a> {
    below: &'a [&'a str],
    last: &'a str,
}

impl<'a> Config<'a> {
    /// A stack; the last string wins.
    pub fn new(strings: &'a [&'a str]) -> Self {
        Self { below: strings, last: "" }
    }

    /// One string.
    pub fn single(text: &'a str) -> Self {
        Self { below: &[], last: text }
    }

    /// A stack, and one more string that wins over all of it.
    pub fn with(strings: &'a [&'a str], last: &'a str) -> Self {
        Self { below: strings, last }
    }

    /// The strings, from the least to the most preferred.
    pub fn strings(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        self.below.iter().copied().chain(std::iter::once(self.last))
    }

    /// Looks a (dotted) key up: the last match in the most preferred string that has one. `Ok(None)` is WiredTiger's
    /// `WT_NOTFOUND`.
    ///
    /// # Errors
    /// `EINVAL` if a string that had to be searched doesn't parse; those below the hit are not looked at.
    pub fn get(&self, key: &str) -> Result<Option<Item<'a>>> {
        for text in self.strings().rev() {
            if let Some(item) = lookup(text, key)? {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The value of a key that the defaults at the bottom of the stack must have.
    ///
    /// # Errors
    /// As [`Config::get`], and `EINVAL`, naming the key, if no string has it.
    pub fn require(&self, key: &str) -> Result<Item<'a>> {
        self.get(key)?.ok_or_else(|| Error::invalid(format!("no configuration value for key '{key}'")))
    }

    /// The value of a key as a boolean, `default` if no string has it; see [`Item::as_bool`].
    ///
    /// # Errors
    /// As [`Config::get`], and `EINVAL`, naming the key, if the value is not a boolean.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key)? {
            None => Ok(default),
            Some(item) => item.as_bool().map_err(|_| expected(key, "boolean")),
        }
    }

    /// The value of a key as an integer, `default` if no string has it.
    ///
    /// # Errors
    /// As [`Config::get`], and `EINVAL`, naming the key, if the value is not a number.
    pub fn i64_or(&self, key: &str, default: i64) -> Result<i64> {
        match self.get(key)? {
            None => Ok(default),
            Some(item) => item.as_i64().map_err(|_| expected(key, "int")),
        }
    }

    /// The text of a key's value, `default` if no string has it.
    ///
    /// # Errors
    /// As [`Config::get`].
    pub fn text_or(&self, key: &str, default: &'a str) -> Result<&'a str> {
        Ok(self.get(key)?.map_or(default, |item| item.text()))
    }

    /// The name in a key's value; `None` if there is no value, an empty one, or the word `none`.
    ///
    /// # Errors
    /// As [`Config::get`].
    pub fn name(&self, key: &str) -> Result<Option<&'a str>> {
        Ok(self.get(key)?.and_then(|item| item.name()))
    }
}

fn expected(key: &str, kind: &str) -> Error {
    Error::invalid(format!("Invalid value for key '{key}': expected a {kind}"))
}

//! Whether a string is one that a method accepts.
//!
//! There are two checkers, with different messages: the one of most methods, and the compiler's, which
//! `begin_transaction` and `WT_CURSOR.bound` always use. A failed check reports one or more messages, the cause first;
//! [`check`] joins them into one error, [`messages`] gives them one by one for an event handler.
//!
//! Source: configuration specification, sections 5, 6 and 11.

use hardwired_plugin::config::{Config, ConfigParser, Item, ItemKind};

use super::added::AddedKey;
use super::schema::{Key, Method, Rule, find_key};
use super::{offset_in, tail_from};
use crate::packing::Format;
use crate::{Error, Result};
use std::sync::Arc;

/// What a failed check reports, the cause first.
type Refusal = Vec<String>;

/// Checks the configuration of a call of `method`.
///
/// # Errors
/// `EINVAL`; the message names the key and what was expected.
pub fn check(method: &Method, config: &str) -> Result<()> {
    refuse(messages(method, config))
}

/// As [`check`], with keys that were added to the method; of several of one name the last one counts.
///
/// # Errors
/// As [`check`].
pub(super) fn check_with(method: &Method, added: &[Arc<AddedKey>], config: &str) -> Result<()> {
    if added.is_empty() {
        return check(method, config);
    }
    let checked = if method.compilable {
        Compiler { whole: config, method, added }.level(method.keys, config, config)
    } else {
        check_level(method.keys, added, config, config)
    };
    refuse(checked.err().unwrap_or_default())
}

/// The messages of a failed check of a call's configuration, in the order in which WiredTiger reports them; none if
/// the configuration is accepted.
pub fn messages(method: &Method, config: &str) -> Vec<String> {
    if method.compilable {
        Compiler { whole: config, method, added: &[] }.level(method.keys, config, config).err().unwrap_or_default()
    } else {
        general_messages(method, config)
    }
}

/// `wiredtiger_config_validate`: checks a configuration by the name of a method or metadata kind. The general rules
/// apply to every method, those that use the compiler's when called included.
///
/// # Errors
/// `EINVAL` for an unknown name or a refused configuration.
pub fn validate(method: &str, config: &str) -> Result<()> {
    let Some(found) = Method::find(method) else {
        return Err(Error::invalid(format!("unknown or unsupported configuration API: {method}")));
    };
    refuse(general_messages(found, config))
}

/// The messages of the general checker; none if the configuration is accepted.
pub fn general_messages(method: &Method, config: &str) -> Vec<String> {
    // A method without keys doesn't look at its configuration.
    if method.keys.is_empty() {
        return Vec::new();
    }
    check_level(method.keys, &[], config, config).err().unwrap_or_default()
}

fn refuse(messages: Refusal) -> Result<()> {
    if messages.is_empty() { Ok(()) } else { Err(Error::invalid(messages.join("; "))) }
}

fn one<T>(message: String) -> Result<T, Refusal> {
    Err(vec![message])
}

fn as_refusal(error: Error) -> Refusal {
    vec![error.to_string()]
}

/// Checks the items of `text`, which is a part of `whole`.
fn check_level(keys: &[Key], added: &[Arc<AddedKey>], whole: &str, text: &str) -> Result<(), Refusal> {
    for item in ConfigParser::new(text) {
        let (key, value) = item.map_err(as_refusal)?;
        if !matches!(key.kind(), ItemKind::String | ItemKind::Id) {
            return one(format!("Invalid configuration key found: '{}'", key.text()));
        }
        if let Some(found) = find_added(added, key.text()) {
            check_plain(found.name(), found.rule(), value)?;
            continue;
        }
        let Some(found) = find_key(keys, key.text()) else {
            return one(format!("unknown configuration key '{}'", key.text()));
        };
        check_value(found, whole, key, value)?;
    }
    Ok(())
}

fn check_value(key: &Key, whole: &str, key_item: Item<'_>, value: Item<'_>) -> Result<(), Refusal> {
    let plain = match key.rule {
        Rule::Format => return Format::check(value.text()).map_err(as_refusal),
        Rule::Category(keys) => {
            return check_level(keys, &[], whole, category_text(whole, key_item, value)).map_err(|mut messages| {
                messages.push(expected(key.name, key.rule.type_name()));
                messages
            });
        }
        Rule::Bool => Plain::Bool,
        Rule::Int { min, max } => Plain::Int { min, max },
        Rule::String(choices) => Plain::String(choices.to_vec()),
        Rule::List(choices) => Plain::List(choices.to_vec()),
    };
    check_plain(key.name, &plain, value)
}

/// The rule of a key without keys inside; `S` are its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plain<S> {
    Bool,
    Int { min: Option<i64>, max: Option<i64> },
    String(Vec<S>),
    List(Vec<S>),
}

/// Checks the value of a key by its rule.
pub(super) fn check_plain<S: AsRef<str>>(name: &str, rule: &Plain<S>, value: Item<'_>) -> Result<(), Refusal> {
    let (has_type, type_name) = match rule {
        Plain::Bool => (value.kind() == ItemKind::Bool || is_zero_or_one(value), "boolean"),
        Plain::Int { .. } => (value.kind() == ItemKind::Number, "int"),
        Plain::List(_) => (value.kind() == ItemKind::Struct || value.is_empty(), "list"),
        Plain::String(_) => (true, "string"),
    };
    if !has_type {
        return one(expected(name, type_name));
    }
    match rule {
        Plain::Int { min: Some(min), .. } if value.number() < *min => {
            one(format!("Value too small for key '{name}' the minimum is {min}"))
        }
        Plain::Int { max: Some(max), .. } if value.number() > *max => {
            one(format!("Value too large for key '{name}' the maximum is {max}"))
        }
        Plain::String(choices) | Plain::List(choices) if !choices.is_empty() => check_choices(name, choices, value),
        _ => Ok(()),
    }
}

/// The last one added of that name.
fn find_added<'a>(added: &'a [Arc<AddedKey>], name: &str) -> Option<&'a AddedKey> {
    added.iter().rfind(|key| key.name() == name).map(|key| &**key)
}

/// A list is tested item by item, whatever the declared type; the values of its items don't matter.
fn check_choices<S: AsRef<str>>(name: &str, choices: &[S], value: Item<'_>) -> Result<(), Refusal> {
    let test = |choice: &str| {
        if choices.iter().any(|known| known.as_ref() == choice) {
            Ok(())
        } else {
            one(format!("Value '{choice}' not a permitted choice for key '{name}'"))
        }
    };
    if value.is_empty() {
        return one(format!("Key '{name}' requires a value"));
    }
    if value.kind() != ItemKind::Struct {
        return test(value.text());
    }
    for item in value.items() {
        test(item.map_err(as_refusal)?.0.text())?;
    }
    Ok(())
}

/// The text to check for a category. WiredTiger finds it by position, right behind the key and one separator, with the
/// length of the value; an empty value means all that follows. So `log = (enabled)` and `log=,create` are refused; to
/// refuse exactly the same strings is worth more than to accept these.
fn category_text<'a>(whole: &'a str, key: Item<'_>, value: Item<'_>) -> &'a str {
    let start = offset_in(whole, key.text()).saturating_add(key.text().len()).saturating_add(1);
    let Some(tail) = whole.get(start..) else {
        return "";
    };
    if value.is_empty() { tail } else { tail.get(..value.text().len()).unwrap_or(tail) }
}

fn expected(name: &str, type_name: &str) -> String {
    format!("Invalid value for key '{name}': expected a {type_name}")
}

fn is_zero_or_one(value: Item<'_>) -> bool {
    value.kind() == ItemKind::Number && matches!(value.number(), 0 | 1)
}

/// The key that a key of a compilable method's configuration means: any prefix of a name will do, the last in order
/// of name if there are several.
pub(super) fn find_compiled_key<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    find_key(keys, name).or_else(|| keys.iter().rfind(|key| key.name.starts_with(name)))
}

/// The checker of compilable methods.
struct Compiler<'a> {
    whole: &'a str,
    method: &'a Method,
    /// Added keys of the method itself, none inside a category.
    added: &'a [Arc<AddedKey>],
}

impl<'a> Compiler<'a> {
    /// Checks the items of `text`; `shown` is what messages show of it.
    fn level(&self, keys: &[Key], text: &'a str, shown: &'a str) -> Result<(), Refusal> {
        for item in ConfigParser::new(text) {
            let (key, value) = item.map_err(as_refusal)?;
            if let Some(found) = find_added(self.added, key.text()) {
                check_plain(found.name(), found.rule(), value)?;
                continue;
            }
            let Some(found) = find_compiled_key(keys, key.text()) else {
                let (name, method) = (key.text(), self.method.name);
                return one(format!("Error compiling '{shown}', unknown key '{name}' for method '{method}'"));
            };
            self.value(found, value)?;
        }
        Ok(())
    }

    fn value(&self, key: &Key, value: Item<'a>) -> Result<(), Refusal> {
        let text = value.text();
        if text.starts_with('%') {
            return one(format!("Value '{text}' is not valid here"));
        }
        match key.rule {
            Rule::Bool if value.kind() == ItemKind::Bool || is_zero_or_one(value) => Ok(()),
            Rule::Bool => one(format!("Value '{text}' expected to be a boolean")),
            Rule::Int { min, max } => match (value.kind(), value.number()) {
                (ItemKind::Number, number) => match (min, max) {
                    (Some(min), _) if number < min => one(format!("Value '{text}' too small, the minimum is {min}")),
                    (_, Some(max)) if number > max => one(format!("Value '{text}' too large, the maximum is {max}")),
                    _ => Ok(()),
                },
                _ => one(format!("Value '{text}' expected to be an integer")),
            },
            Rule::Category(keys) => self.category(keys, value),
            Rule::String(choices) | Rule::List(choices) => {
                if choices.is_empty() || text.is_empty() || choices.contains(&text) {
                    Ok(())
                } else {
                    one(format!("Value '{text}' is not a valid choice"))
                }
            }
            Rule::Format => Format::check(text).map_err(as_refusal),
        }
    }

    fn category(&self, keys: &[Key], value: Item<'a>) -> Result<(), Refusal> {
        let text = value.text();
        let inner = match (value.kind(), text.as_bytes()) {
            (ItemKind::Id, _) => text,
            (ItemKind::Struct, [b'(', .., b')'] | [b'[', .., b']']) => {
                text.get(1..text.len().saturating_sub(1)).unwrap_or("")
            }
            (ItemKind::Struct, [b'(', ..]) => return one(format!("Value '{text}' non-matching ()")),
            (ItemKind::Struct, [b'[', ..]) => return one(format!("Value '{text}' non-matching []")),
            (ItemKind::Struct, _) => return one(format!("Value '{text}' expected () or []")),
            _ => return one(format!("Value '{text}' expected to be a category")),
        };
        Compiler { added: &[], ..*self }.level(keys, inner, tail_from(self.whole, inner))
    }
}

/// The value that a call of a compilable method gives for a key (or for `category.key`), found by its name or any
/// prefix of it. An empty value of a key with choices counts as not given.
///
/// # Errors
/// `EINVAL` if the configuration doesn't parse.
pub fn compiled_value<'a>(method: &Method, config: &'a str, path: &str) -> Result<Option<Item<'a>>> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let mut found = None;
    for item in ConfigParser::new(config) {
        let (key_item, value) = item?;
        let Some(key) = find_compiled_key(method.keys, key_item.text()).filter(|key| key.name == name) else {
            continue;
        };
        match (key.rule, rest) {
            (Rule::Category(keys), Some(rest)) => {
                for item in value.items() {
                    let (inner_item, value) = item?;
                    if find_compiled_key(keys, inner_item.text()).is_some_and(|inner| inner.name == rest) {
                        found = Some(value);
                    }
                }
            }
            (Rule::String(choices), None) if !choices.is_empty() && value.is_empty() => found = None,
            (_, None) => found = Some(value),
            _ => {}
        }
    }
    Ok(found)
}

/// The configuration of a call over the defaults of its method.
pub fn with_defaults<'a>(method: &'a Method, config: &'a str) -> Config<'a> {
    Config::with(std::slice::from_ref(&method.base), config)
}

//! Keys that an application adds to methods (`WT_CONNECTION.configure_method`), for data sources with options of their own.
//!
//! 1. Added keys belong to a connection, until it closes; there is no way to remove one.
//! 2. A key with a prefix is known to calls on URIs that begin with the prefix, and to no others. (WiredTiger's
//!    documentation says so; the real engine ignores the prefix.)
//! 3. Of several keys of one name that apply to a call, the last one added counts, also over a key of the method itself:
//!    its type, its limits and its default.
//! 4. The first string of a call's configuration stack is the method's own defaults, then each added `key=default`, in the
//!    order of adding.
//!
//! Source: extensions specification, section 8.

use hardwired_plugin::config::{Config, ConfigParser, Item, ItemKind};
use parking_lot::RwLock;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check::{Plain, check_plain, check_with};
use super::schema::Method;
use crate::{Error, ErrorCode, Result};

/// The keys that a connection's application has added.
#[derive(Debug, Default)]
pub struct AddedKeys {
    /// Whether there are any: calls of connections without them pay one load.
    any: AtomicBool,
    keys: RwLock<Vec<Arc<AddedKey>>>,
}

/// One added key.
#[derive(Debug)]
pub struct AddedKey {
    method: &'static str,
    /// Empty: all URIs.
    prefix: String,
    name: String,
    /// `key` or `key=default` as it was given.
    text: String,
    rule: Plain<String>,
}

impl AddedKey {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn rule(&self) -> &Plain<String> {
        &self.rule
    }
}

impl AddedKeys {
    /// Adds a key to a method. `config` is `key` or `key=default`; `kind` is `boolean`, `int`, `list` or `string`; `limits`
    /// is empty, `min=N`, `max=N`, both, or `choices=[...]`; an empty `prefix` means all URIs.
    ///
    /// # Errors
    /// `ENOENT` for a method that doesn't exist; `EINVAL` for everything else that is wrong, a default outside of the
    /// limits included.
    pub fn add(&self, method: &str, prefix: &str, config: &str, kind: &str, limits: &str) -> Result<()> {
        let found = Method::find(method).filter(|found| found.name.starts_with("WT_"));
        let Some(found) = found else {
            return Err(Error::new(ErrorCode::ENOENT, format!("no method matching {method} found")));
        };
        if config.is_empty() {
            return Err(Error::invalid("no configuration specified"));
        }
        if kind.is_empty() {
            return Err(Error::invalid("no configuration type specified"));
        }
        let rule = rule(kind, limits)?;
        let (key, default) = single_item(config)?;
        if let Err(messages) = check_plain(key.text(), &rule, default) {
            return Err(Error::invalid(messages.join("; ")));
        }
        let added = AddedKey {
            method: found.name,
            prefix: prefix.to_owned(),
            name: key.text().to_owned(),
            text: config.to_owned(),
            rule,
        };
        self.keys.write().push(Arc::new(added));
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Checks a call's configuration.
    ///
    /// # Errors
    /// As [`check`](super::check()), with the added keys as keys of the method.
    pub fn check(&self, method: &Method, uri: &str, config: &str) -> Result<()> {
        if config.is_empty() {
            return Ok(());
        }
        check_with(method, &self.applying(method.name, uri), config)
    }

    /// The first string of a call's configuration stack.
    pub fn defaults(&self, method: &Method, uri: &str) -> Cow<'static, str> {
        let added = self.applying(method.name, uri);
        if added.is_empty() {
            return Cow::Borrowed(method.base);
        }
        let texts = std::iter::once(method.base).filter(|base| !base.is_empty());
        let texts: Vec<_> = texts.chain(added.iter().map(|key| key.text.as_str())).collect();
        Cow::Owned(texts.join(","))
    }

    /// A call's configuration for the engine itself: below it the new defaults of the method's own keys.
    pub fn effective<'c>(&self, method: &str, uri: &str, config: &'c str) -> Cow<'c, str> {
        let added = self.applying(method, uri);
        if added.is_empty() {
            return Cow::Borrowed(config);
        }
        let own = Method::find(method).map_or(&[][..], |method| method.keys);
        let is_own = |added: &&Arc<AddedKey>| own.iter().any(|key| key.name == added.name);
        let mut texts: Vec<_> = added.iter().filter(is_own).map(|key| key.text.as_str()).collect();
        if texts.is_empty() {
            return Cow::Borrowed(config);
        }
        texts.push(config);
        Cow::Owned(texts.join(","))
    }

    /// The added keys that a call on `uri` knows, in the order of adding.
    fn applying(&self, method: &str, uri: &str) -> Vec<Arc<AddedKey>> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let keys = self.keys.read();
        let applies = |key: &&Arc<AddedKey>| key.method == method && uri.starts_with(&key.prefix);
        keys.iter().filter(applies).map(Arc::clone).collect()
    }
}

/// The one item of `config`.
fn single_item(config: &str) -> Result<(Item<'_>, Item<'_>)> {
    let mut items = ConfigParser::new(config);
    let (key, default) = items.next().transpose()?.ok_or_else(|| Error::invalid("no configuration specified"))?;
    if !matches!(key.kind(), ItemKind::String | ItemKind::Id) || key.text().is_empty() {
        return Err(Error::invalid(format!("Invalid configuration key found: '{}'", key.text())));
    }
    match items.next().transpose()? {
        None => Ok((key, default)),
        Some((second, _)) => {
            Err(Error::invalid(format!("one key is added at a time: '{}' after '{}'", second.text(), key.text())))
        }
    }
}

/// The rule of a type and its limits.
fn rule(kind: &str, limits: &str) -> Result<Plain<String>> {
    let config = Config::single(limits);
    for item in ConfigParser::new(limits) {
        let (key, _) = item?;
        let known = match kind {
            "int" => &["min", "max"][..],
            "list" | "string" => &["choices"],
            _ => &[],
        };
        if !known.contains(&key.text()) {
            return Err(Error::invalid(format!("'{}' is no check of a key of type '{kind}'", key.text())));
        }
    }
    let number = |key| match config.get(key)? {
        None => Ok(None),
        Some(item) => item.as_i64().map(Some),
    };
    let choices = || -> Result<Vec<String>> {
        let items = config.get("choices")?.into_iter().flat_map(|list| list.items());
        items.map(|item| item.map(|(choice, _)| choice.text().to_owned())).collect()
    };
    match kind {
        "boolean" => Ok(Plain::Bool),
        "int" => Ok(Plain::Int { min: number("min")?, max: number("max")? }),
        "list" => Ok(Plain::List(choices()?)),
        "string" => Ok(Plain::String(choices()?)),
        _ => Err(Error::invalid("type must be one of \"boolean\", \"int\", \"list\" or \"string\"")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't go on fails")]
mod tests {
    use super::*;
    use rstest::rstest;

    const OPEN: &str = "WT_SESSION.open_cursor";

    fn method() -> &'static Method {
        Method::find(OPEN).unwrap()
    }

    /// What the real engine answered, in its order. `NULL` is our empty string. (It ignores the prefix, so all its cursors
    /// could have been on an object with that prefix.)
    #[test]
    fn every_vector_of_configure_method_and_of_the_calls_after_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors/ext-configure-method.json");
        let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let added = AddedKeys::default();
        let (mut additions, mut calls) = (0, 0);
        for case in vectors["cases"].as_array().unwrap() {
            let Some(call) = case["call"].as_str() else { continue };
            let result = if let Some(arguments) = call.strip_prefix("configure_method(") {
                additions += 1;
                let [method, uri, config, kind, limits] = arguments_of(arguments);
                added.add(method, uri, config, kind, limits)
            } else if let Some(config) = call.strip_prefix("open_cursor(") {
                calls += 1;
                added.check(method(), "my_data:x", config.strip_suffix(')').unwrap())
            } else {
                continue;
            };
            let code = result.as_ref().err().map_or(0, |error| error.code().0);
            assert_eq!(case["ret"], code, "{call}");
            match (result, case["message"].as_str()) {
                (Ok(()), None) => {}
                (Err(error), Some(message)) => {
                    assert!(message.starts_with(&format!("{error}: ")), "{call}: {error}, not {message}");
                }
                (result, message) => panic!("{call}: {result:?}, not {message:?}"),
            }
        }
        assert_eq!((additions, calls), (18, 26));
    }

    /// `method,uri,config,type,check` where configuration and check have commas of their own.
    fn arguments_of(text: &str) -> [&str; 5] {
        let text = text.strip_suffix(')').unwrap();
        let (method, rest) = text.split_once(',').unwrap();
        let (uri, rest) = rest.split_once(',').unwrap();
        let kinds = [",boolean,", ",int,", ",list,", ",string,", ",float,", ",NULL,"];
        let split = |kind: &&'static str| rest.split_once(*kind).map(|(config, limits)| (config, *kind, limits));
        let (config, kind, limits) = kinds.iter().find_map(split).unwrap();
        let null = |text| if text == "NULL" { "" } else { text };
        [method, null(uri), null(config), null(kind.trim_matches(',')), null(limits)]
    }

    #[test]
    fn a_key_with_a_prefix_is_known_there_alone() {
        let added = AddedKeys::default();
        added.add(OPEN, "my_data:", "speed=5", "int", "").unwrap();
        assert!(added.check(method(), "my_data:x", "speed=7").is_ok());
        for uri in ["table:x", "my_dat:x", ""] {
            let error = added.check(method(), uri, "speed=7").unwrap_err();
            assert_eq!(error.to_string(), "unknown configuration key 'speed'");
        }
        assert!(added.defaults(method(), "my_data:x").ends_with(",speed=5"));
        assert_eq!(added.defaults(method(), "table:x"), method().base);
    }

    #[test]
    fn another_method_does_not_know_the_key() {
        let added = AddedKeys::default();
        added.add(OPEN, "", "speed", "string", "").unwrap();
        let create = Method::find("WT_SESSION.create").unwrap();
        assert!(added.check(create, "table:x", "speed=1").is_err());
        assert!(added.check(method(), "table:x", "speed=1").is_ok());
    }

    #[test]
    fn a_key_added_again_or_over_an_own_one_replaces_it() {
        let added = AddedKeys::default();
        added.add(OPEN, "", "speed=1", "int", "max=3").unwrap();
        added.add(OPEN, "", "speed=fast", "string", "").unwrap();
        assert!(added.check(method(), "table:x", "speed=slow").is_ok());
        assert_eq!(added.effective(OPEN, "table:x", "raw"), "raw");
        added.add(OPEN, "", "overwrite=false", "boolean", "").unwrap();
        assert_eq!(added.effective(OPEN, "table:x", "raw"), "overwrite=false,raw");
        let defaults = added.defaults(method(), "table:x");
        let config = Config::single(&defaults);
        assert!(!config.bool_or("overwrite", true).unwrap());
        assert_eq!(config.text_or("speed", "").unwrap(), "fast");
    }

    #[test]
    fn keys_of_methods_with_compiled_configurations_and_without_keys() {
        let added = AddedKeys::default();
        added.add("WT_SESSION.begin_transaction", "", "who=me", "string", "choices=[me,you]").unwrap();
        let begin = Method::find("WT_SESSION.begin_transaction").unwrap();
        assert!(added.check(begin, "", "who=you,isolation=snapshot").is_ok());
        assert!(added.check(begin, "", "who=them").is_err());
        assert!(added.check(begin, "", "whom=you").is_err());
        let close = Method::find("WT_SESSION.close").unwrap();
        assert!(added.check(close, "", "anything=1").is_ok());
        added.add("WT_SESSION.close", "", "quietly=true", "boolean", "").unwrap();
        assert!(added.check(close, "", "quietly=false").is_ok());
        assert!(added.check(close, "", "anything=1").is_err());
        assert_eq!(added.defaults(close, ""), "quietly=true");
    }

    #[rstest]
    #[case("WT_SESSION.open_cursor", "a=1,b=2", "int", "")]
    #[case("WT_SESSION.open_cursor", "=1", "int", "")]
    #[case("WT_SESSION.open_cursor", "a=(", "string", "")]
    #[case("WT_SESSION.open_cursor", "a", "int", "")]
    #[case("WT_SESSION.open_cursor", "a=1", "int", "choices=[1]")]
    #[case("WT_SESSION.open_cursor", "a=x", "string", "min=1")]
    #[case("WT_SESSION.open_cursor", "a=true", "boolean", "max=1")]
    #[case("WT_SESSION.open_cursor", "a=1", "int", "min=x")]
    #[case("WT_SESSION.open_cursor", "a=1", "int", "min=(")]
    #[case("wiredtiger_open", "a=1", "int", "")]
    #[case("file.meta", "a=1", "int", "")]
    #[case("", "a=1", "int", "")]
    fn refused(#[case] method: &str, #[case] config: &str, #[case] kind: &str, #[case] limits: &str) {
        let added = AddedKeys::default();
        assert!(added.add(method, "", config, kind, limits).is_err());
        assert!(!added.any.load(Ordering::Relaxed));
    }
}

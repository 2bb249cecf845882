//! New strings from a stack of strings, the least preferred first.
//!
//! Collapse keeps exactly the keys of the first string, in their order, each with its final value; structures are
//! replaced whole. Merge is the union of the keys, structures merged key by key, sorted; it can strip keys. Metadata is
//! made by collapse, the connection's configuration by merge.
//!
//! Source: configuration specification, section 8.

use std::collections::BTreeSet;
use std::ops::Bound;

use hardwired_plugin::config::{Config, ConfigParser, Item, ItemKind};

use super::tail_from;
use crate::{Error, Result};

/// Between the components of a path. Part of the format: it decides the order of the output.
const SEPARATOR: char = '[';

/// The deepest structure that is merged key by key.
const MAX_DEPTH: usize = 100;

/// Each item of the first string with its final value in the stack.
///
/// # Errors
/// `EINVAL` if a string doesn't parse or a key is not a name.
pub fn collapse(strings: &[&str]) -> Result<String> {
    let Some(first) = strings.first() else {
        return Ok(String::new());
    };
    let mut out = Output::default();
    for item in ConfigParser::new(first) {
        let (key, _) = item?;
        require_name(key, first)?;
        let value = Config::new(strings).require(key.text())?;
        out.item(key.source(), value.source());
    }
    Ok(out.finish())
}

/// All keys of all strings, each with its final value, without those that `strip` names.
///
/// A key that anywhere in the stack has nested values can't be replaced by a plain value. A structure without any `=`
/// is a plain value, unless an earlier string has nested values for its key.
///
/// # Errors
/// `EINVAL` if a string doesn't parse, a key is not a name or contains `[`, or structures are nested too deeply.
pub fn merge(strings: &[&str], strip: Option<&str>) -> Result<String> {
    let mut scan = Scan::default();
    for text in strings {
        scan.level(text, "", false, 0)?;
    }
    if let Some(text) = strip {
        scan.level(text, "", true, 0)?;
    }
    // A stable sort: among equal paths the last one scanned stays last.
    scan.leaves.sort_by(|a, b| a.path.cmp(&b.path));
    let mut out = Output::default();
    let mut leaves = scan.leaves.iter().peekable();
    while let Some(leaf) = leaves.next() {
        let is_replaced = leaves
            .peek()
            .and_then(|next| next.path.strip_prefix(leaf.path.as_str()))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR));
        if !is_replaced && !leaf.is_stripped {
            out.leaf(leaf);
        }
    }
    Ok(out.finish())
}

/// A plain value and where it is.
struct Leaf<'a> {
    path: String,
    value: &'a str,
    is_stripped: bool,
}

/// The leaves of the strings scanned so far.
#[derive(Default)]
struct Scan<'a> {
    leaves: Vec<Leaf<'a>>,
    paths: BTreeSet<String>,
}

impl<'a> Scan<'a> {
    fn level(&mut self, text: &'a str, parent: &str, is_stripped: bool, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("configuration is nested too deeply at '{parent}'")));
        }
        for item in ConfigParser::new(text) {
            let (key, value) = item?;
            require_name(key, text)?;
            let name = key.source();
            if name.contains(SEPARATOR) {
                return Err(Error::invalid(format!("key {name} contains a '[' separator character")));
            }
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}{SEPARATOR}{name}") };
            if value.kind() == ItemKind::Struct && (value.text().contains('=') || self.has_below(&path)) {
                self.level(value.text(), &path, is_stripped, depth.saturating_add(1))?;
            } else {
                self.paths.insert(path.clone());
                self.leaves.push(Leaf { path, value: value.source(), is_stripped });
            }
        }
        Ok(())
    }

    /// Whether a path seen before is below this one.
    fn has_below(&self, path: &str) -> bool {
        let below = format!("{path}{SEPARATOR}");
        let range = (Bound::Included(below.as_str()), Bound::Unbounded);
        self.paths.range::<str, _>(range).next().is_some_and(|next| next.starts_with(&below))
    }
}

/// The string being made, with the structures that are open at its end.
#[derive(Default)]
struct Output {
    text: String,
    open: Vec<String>,
    /// Whether an item stands before the end, in the innermost structure.
    has_item: bool,
}

impl Output {
    fn leaf(&mut self, leaf: &Leaf<'_>) {
        let (parents, name) = match leaf.path.rsplit_once(SEPARATOR) {
            Some((parents, name)) => (parents.split(SEPARATOR).collect(), name),
            None => (Vec::new(), leaf.path.as_str()),
        };
        let common = self.open.iter().zip(&parents).take_while(|(a, b)| a == *b).count();
        self.close(common);
        for parent in parents.into_iter().skip(common) {
            self.item(parent, "(");
            self.has_item = false;
            self.open.push(parent.to_owned());
        }
        self.item(name, leaf.value);
    }

    fn item(&mut self, key: &str, value: &str) {
        if self.has_item {
            self.text.push(',');
        }
        self.text.push_str(key);
        self.text.push('=');
        self.text.push_str(value);
        self.has_item = true;
    }

    fn close(&mut self, keep: usize) {
        while self.open.len() > keep {
            self.open.pop();
            self.text.push(')');
        }
    }

    fn finish(mut self) -> String {
        self.close(0);
        self.text
    }
}

fn require_name(key: Item<'_>, text: &str) -> Result<()> {
    if matches!(key.kind(), ItemKind::String | ItemKind::Id) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid configuration key found: '{}'", tail_from(text, key.source()))))
}

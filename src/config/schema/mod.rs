//! The tables of every method and metadata kind: which keys they take, of which type, within which limits.
//!
//! The tables are generated (`cargo xtask config-schema`) from `data/config-schema.json`. Keys are sorted by name, and
//! a method's default string is exactly its keys with their defaults, in that order.
//!
//! Source: configuration specification, section 5, and the schema itself.

#[rustfmt::skip]
mod generated;

pub use generated::*;

/// The table of a method (`WT_SESSION.create`), of `wiredtiger_open` or of a metadata kind (`file.meta`).
#[derive(Debug)]
pub struct Method {
    /// WiredTiger's name.
    pub name: &'static str,
    /// Whether its configurations are checked by the compiler's rules, with its messages.
    pub compilable: bool,
    /// The default string: every key with its default, in order.
    pub base: &'static str,
    /// The keys, sorted by name.
    pub keys: &'static [Key],
}

/// What may be said for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key itself.
    pub name: &'static str,
    /// What values it takes.
    pub rule: Rule,
    /// The text of its default, as in [`Method::base`].
    pub default: &'static str,
    /// Accepted, but absent from WiredTiger's documentation.
    pub undocumented: bool,
}

/// The type and limits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// `true`, `false`, `1`, `0`, or absent (true).
    Bool,
    /// A number within inclusive limits.
    Int {
        /// The least value, if there is one.
        min: Option<i64>,
        /// The greatest value, if there is one.
        max: Option<i64>,
    },
    /// Anything, or one of the choices if there are any.
    String(&'static [&'static str]),
    /// A bracketed list whose items are among the choices if there are any.
    List(&'static [&'static str]),
    /// A packing format.
    Format,
    /// A structure with keys of its own, sorted by name.
    Category(&'static [Key]),
}

impl Method {
    /// The table with this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        let at = METHODS.binary_search_by(|method| method.name.cmp(name)).ok()?;
        METHODS.get(at).copied()
    }

    /// Every table, sorted by name.
    pub fn all() -> &'static [&'static Self] {
        &METHODS
    }

    /// The key with this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        find_key(self.keys, name)
    }
}

impl Rule {
    /// The word for the type in messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int { .. } => "int",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Format => "format",
            Self::Category(_) => "category",
        }
    }
}

/// The key with this name in a sorted list.
pub fn find_key<'a>(keys: &'a [Key], name: &str) -> Option<&'a Key> {
    keys.binary_search_by(|key| key.name.cmp(name)).ok().and_then(|at| keys.get(at))
}

const fn method(name: &'static str, compilable: bool, base: &'static str, keys: &'static [Key]) -> Method {
    Method { name, compilable, base, keys }
}

const fn key(name: &'static str, default: &'static str, rule: Rule) -> Key {
    Key { name, rule, default, undocumented: false }
}

const fn bool(name: &'static str, default: &'static str) -> Key {
    key(name, default, Rule::Bool)
}

const fn int(name: &'static str, default: &'static str, min: Option<i64>, max: Option<i64>) -> Key {
    key(name, default, Rule::Int { min, max })
}

const fn string(name: &'static str, default: &'static str, choices: &'static [&'static str]) -> Key {
    key(name, default, Rule::String(choices))
}

const fn list(name: &'static str, default: &'static str, choices: &'static [&'static str]) -> Key {
    key(name, default, Rule::List(choices))
}

const fn format(name: &'static str, default: &'static str) -> Key {
    key(name, default, Rule::Format)
}

const fn category(name: &'static str, default: &'static str, keys: &'static [Key]) -> Key {
    key(name, default, Rule::Category(keys))
}

impl Key {
    const fn undocumented(mut self) -> Self {
        self.undocumented = true;
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on fails")]
mod tests {
    use super::*;

    fn render(keys: &[Key]) -> String {
        let items: Vec<String> = keys
            .iter()
            .map(|key| match key.rule {
                Rule::Category(keys) => format!("{}=({})", key.name, render(keys)),
                _ => format!("{}={}", key.name, key.default),
            })
            .collect();
        items.join(",")
    }

    #[test]
    fn each_default_string_is_its_keys_with_their_defaults() {
        assert_eq!(Method::all().len(), 53);
        for method in Method::all() {
            assert_eq!(render(method.keys), method.base, "{}", method.name);
        }
    }

    #[test]
    fn names_are_sorted_for_searching() {
        assert!(Method::all().is_sorted_by(|a, b| a.name < b.name));
        for method in Method::all() {
            assert!(method.keys.is_sorted_by(|a, b| a.name < b.name), "{}", method.name);
            for key in method.keys {
                if let Rule::Category(keys) = key.rule {
                    assert!(keys.is_sorted_by(|a, b| a.name < b.name), "{}.{}", method.name, key.name);
                }
            }
        }
    }

    #[test]
    fn a_table_has_types_limits_and_choices() {
        let open = Method::find("wiredtiger_open").unwrap();
        assert_eq!(open.key("cache_size").unwrap().rule, Rule::Int { min: Some(1 << 20), max: Some(10 << 40) });
        let create = Method::find("WT_SESSION.create").unwrap();
        assert_eq!(create.key("key_format").unwrap().rule, Rule::Format);
        assert!(matches!(create.key("checksum").unwrap().rule, Rule::String(choices) if choices.contains(&"on")));
        assert!(create.key("huffman_key").is_some());
        assert!(create.key("lsm").is_none());
    }
}

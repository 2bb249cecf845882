//! The layers of `src/`: a module uses the modules of its own layer or of those below it, and modules of one layer don't
//! use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Token, blank_out, tokens};
use super::{Finding, Tree};

/// Top-level modules by layer, the lowest first. A new module must be put here before it is used.
const LAYERS: &[(&str, &[&str])] = &[
    ("ground", &["error", "event", "os", "sync"]),
    ("formats", &["config", "packing", "page"]),
    ("durable", &["block", "log", "metadata"]),
    ("data", &["btree", "cache", "history", "reconcile", "txn"]),
    (
        "services",
        &[
            "backup",
            "checkpoint",
            "compact",
            "extensions",
            "key_provider",
            "recovery",
            "rollback_to_stable",
            "salvage",
            "schema",
            "statistics",
            "tiered",
            "verify",
        ],
    ),
    ("handles", &["connection", "cursor", "session"]),
    ("face", &["bin", "builder", "cli", "open", "lib"]),
];

/// Pairs of one layer that may use each other, and why.
const CIRCLES_ALLOWED: &[(&str, &str, &str)] = &[
    ("connection", "session", "a session is opened by its connection and belongs to it"),
    ("cursor", "session", "a cursor is opened by its session and belongs to it"),
    ("connection", "cursor", "through the session, as above"),
    (
        "checkpoint",
        "schema",
        "a schema change becomes durable by a checkpoint of the metadata; a checkpoint visits open files",
    ),
    (
        "schema",
        "tiered",
        "schema calls make and drop tiered trees; the background work on objects changes the metadata as a schema call does",
    ),
    ("checkpoint", "tiered", "a checkpoint closes objects; dropping and recording objects end in one of the metadata"),
    ("btree", "reconcile", "reconciliation reads pages in memory; eviction of a page ends in reconciliation"),
    ("btree", "cache", "the cache asks trees for pages to evict; trees tell the cache what they hold"),
];

/// Words that define the name behind them.
const DEFINING: &[&str] = &["const", "enum", "fn", "static", "struct", "trait", "type", "union"];

/// A use of one top-level module by another.
struct Use {
    path: String,
    line: usize,
    from: String,
    to: String,
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let reexports = tree.text("src/lib.rs").map(reexports).unwrap_or_default();
    let uses: Vec<Use> =
        tree.rust().filter(|(path, _)| path.starts_with("src/")).flat_map(|(path, text)| uses(path, text)).collect();
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in &uses {
        let to = match reexports.get(&found.to) {
            // A name of another crate is at the bottom of everything.
            Some(origin) if rank(origin).is_none() => continue,
            Some(origin) => origin.as_str(),
            None => found.to.as_str(),
        };
        if found.from == to {
            continue;
        }
        let (Some(from_rank), Some(to_rank)) = (rank(&found.from), rank(to)) else {
            let unknown = if rank(&found.from).is_none() { &found.from } else { to };
            let message = format!("module `{unknown}` is in no layer: put it into LAYERS of xtask/src/tidy/layers.rs");
            findings.push(Finding::new(&found.path, found.line, message));
            continue;
        };
        if to_rank > from_rank {
            let message = format!(
                "`{}` ({}) uses `{to}` ({}), which is above it",
                found.from, LAYERS[from_rank].0, LAYERS[to_rank].0
            );
            findings.push(Finding::new(&found.path, found.line, message));
        } else if to_rank == from_rank && from_rank + 1 < LAYERS.len() {
            edges.entry(&found.from).or_default().insert(to);
        }
    }
    findings.extend(circles(&edges));
    findings
}

/// No plugin depends on the engine.
pub(super) fn check_plugins(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("toml").filter(|(path, _)| path.starts_with("plugins/")) {
        let mut in_dependencies = false;
        for (at, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                in_dependencies = line.contains("dependencies");
            }
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if in_dependencies && name == "hardwired" {
                let message = "a plugin depends on hardwired-plugin alone; tests that need the engine live in tests/";
                findings.push(Finding::new(path, at + 1, message));
            }
        }
    }
    findings
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

/// Names that `lib.rs` re-exports or defines, each with the first segment of the path it comes from (`lib` for its own).
fn reexports(text: &str) -> BTreeMap<String, String> {
    let blanked = blank_out(text);
    let tokens = tokens(&blanked);
    let mut names = BTreeMap::new();
    let mut at = 0;
    while at + 1 < tokens.len() {
        if tokens[at].text != "use" {
            if DEFINING.contains(&tokens[at].text) {
                names.insert(tokens[at + 1].text.to_owned(), "lib".to_owned());
            }
            at += 1;
            continue;
        }
        let mut origin = tokens[at + 1].text;
        if matches!(origin, "crate" | "self") && at + 3 < tokens.len() {
            origin = tokens[at + 3].text;
        }
        let end = (at..tokens.len()).find(|&end| tokens[end].text == ";").unwrap_or(tokens.len());
        for pair in tokens[at..end].windows(2).chain([&tokens[end.saturating_sub(1)..end]]) {
            // A name that ends a path: not followed by `::`.
            if let [name, rest @ ..] = pair
                && rest.first().is_none_or(|next| next.text != "::" && next.text != "as")
                && name.text.starts_with(|c: char| c.is_alphanumeric())
                && name.text != origin
            {
                names.insert(name.text.to_owned(), origin.to_owned());
            }
        }
        at = end;
    }
    names
}

/// Every `crate::NAME` (groups included) and every chain of `super::` that reaches the crate's root.
fn uses(path: &str, text: &str) -> Vec<Use> {
    let module_path = module_path(path);
    let from = module_path.first().map_or("lib", String::as_str).to_owned();
    // `lib.rs` declares and re-exports; a binary uses the library by its name.
    if module_path.is_empty() || from == "bin" {
        return Vec::new();
    }
    let blanked = blank_out(text);
    let tokens = tokens(&blanked);
    let mut uses = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = at;
        at += 1;
        let reaches_root = match tokens[start].text {
            "crate" => true,
            "super" => {
                let mut count = 1;
                while matches!(&tokens[at..], [colons, next, ..] if colons.text == "::" && next.text == "super") {
                    count += 1;
                    at += 2;
                }
                count == module_path.len() + tokens[start].inline_depth
            }
            _ => false,
        };
        if !reaches_root || tokens.get(at).is_none_or(|token| token.text != "::") {
            continue;
        }
        for (name, line) in first_segments(&tokens[at + 1..]) {
            uses.push(Use { path: path.to_owned(), line, from: from.clone(), to: name.to_owned() });
        }
    }
    uses
}

/// The first path segments after `crate::`: one name, or those of a group.
fn first_segments<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    match tokens.first() {
        Some(first) if first.text == "{" => {
            let mut names = Vec::new();
            let mut depth = 0_usize;
            let mut begins = true;
            for token in tokens {
                match token.text {
                    "{" => depth += 1,
                    "}" => depth = depth.saturating_sub(1),
                    "," if depth == 1 => begins = true,
                    name if depth == 1 && begins => {
                        names.push((name, token.line));
                        begins = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            names
        }
        Some(first) => vec![(first.text, first.line)],
        None => Vec::new(),
    }
}

/// `src/btree/page/mod.rs` is `[btree, page]`; `src/lib.rs` is empty.
fn module_path(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut parts: Vec<String> = inner.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

fn circles(edges: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Finding> {
    let allowed =
        |a: &str, b: &str| CIRCLES_ALLOWED.iter().any(|(x, y, _)| (*x == a && *y == b) || (*x == b && *y == a));
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::new();
        let mut stack = vec![from];
        while let Some(module) = stack.pop() {
            for &next in edges.get(module).into_iter().flatten() {
                if !allowed(module, next) && seen.insert(next) {
                    stack.push(next);
                }
            }
        }
        seen.contains(to)
    };
    let mut findings = Vec::new();
    for (&from, targets) in edges {
        for &to in targets {
            if from < to && !allowed(from, to) && reaches(to, from) {
                let message = format!("modules `{from}` and `{to}` of one layer use each other");
                findings.push(Finding::new("src", 0, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn downward_uses_pass() {
        assert!(
            messages(&[
                ("src/btree/mod.rs", "use crate::{page::cell, sync};\nuse crate::Error;"),
                ("src/lib.rs", "pub use hardwired_plugin::{Error, Result};")
            ])
            .is_empty()
        );
    }

    #[test]
    fn upward_uses_are_found_in_every_form() {
        for text in [
            "use crate::btree::Tree;",
            "use crate::{\n sync, btree::Tree};",
            "fn f() { crate::btree::g() }",
            "use super::super::btree;",
            "mod tests { use super::super::super::btree; }",
        ] {
            let found = messages(&[("src/page/cell.rs", text)]);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("`page` (formats) uses `btree` (data), which is above it"), "{found:?}");
        }
    }

    #[test]
    fn the_origin_of_a_reexport_counts() {
        let lib = ("src/lib.rs", "pub use btree::Tree;");
        assert_eq!(messages(&[lib, ("src/page/mod.rs", "use crate::Tree;")]).len(), 1);
        assert!(messages(&[lib, ("src/cursor/mod.rs", "use crate::Tree;")]).is_empty());
    }

    #[test]
    fn what_the_library_defines_itself_is_at_the_top() {
        let lib = ("src/lib.rs", "pub fn version() -> u32 { 1 }");
        assert_eq!(messages(&[lib, ("src/page/mod.rs", "fn f() { crate::version(); }")]).len(), 1);
        assert!(messages(&[lib, ("src/cli/mod.rs", "use crate::version;")]).is_empty());
    }

    #[test]
    fn an_unknown_module_is_named() {
        assert!(messages(&[("src/page/mod.rs", "use crate::surprise;")])[0].contains("`surprise` is in no layer"));
    }

    #[test]
    fn comments_and_own_modules_do_not_count() {
        assert!(
            messages(&[("src/page/mod.rs", "// use crate::btree;\nuse crate::page::cell; use super::page;")])
                .is_empty()
        );
    }

    #[test]
    fn circles_within_a_layer_are_found() {
        let found =
            messages(&[("src/block/mod.rs", "use crate::metadata;"), ("src/metadata/mod.rs", "use crate::block;")]);
        assert_eq!(found, ["src: modules `block` and `metadata` of one layer use each other"]);
    }

    #[test]
    fn a_plugin_may_not_depend_on_the_engine() {
        let bad = ("plugins/a/Cargo.toml", "[dependencies]\nhardwired-plugin = \"1\"\nhardwired.workspace = true\n");
        assert_eq!(check_plugins(&Tree::of(&[bad])).len(), 1);
    }
}

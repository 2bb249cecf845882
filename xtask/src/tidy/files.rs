//! Checks of single files: their length, whether the compiler sees them at all, and what must not be written in them.

use std::collections::BTreeSet;

use super::source::{Token, blank_out, is_code, test_module_line, tokens};
use super::{Finding, Tree};

/// Lines of code (no comments, no blank lines, no unit tests) that a file may have.
const MAX_CODE_LINES: usize = 600;

/// Longer files, and why each is better whole.
const LONG_FILES: &[(&str, &str)] = &[];

/// A generated file says so in one of its first lines.
const GENERATED_MARK: &str = "@generated";
const GENERATED_MARK_WITHIN_LINES: usize = 5;

/// Text that has no place in the repository, in parts so that this file does not hold it, and what to do instead.
const FORBIDDEN: &[(&[&str], &str)] = &[
    (&["/wo", "rk/"], "a path of one machine"),
    (&["/ro", "ot/"], "a path of one machine"),
    (&["/ho", "me/"], "a path of one machine"),
    (&["FIX", "ME"], "mend it, or open an issue"),
    (&["TO", "DO"], "do it, or open an issue"),
    (&["<<<<", "<<<"], "an unfinished merge"),
    (&[">>>>", ">>>"], "an unfinished merge"),
];

/// Files whose content comes from elsewhere.
const FOREIGN: &[&str] = &["tests/data/", "data/", "fuzz/seeds/", "Cargo.lock", "LICENSE"];

pub(super) fn check_lengths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        if text.lines().take(GENERATED_MARK_WITHIN_LINES).any(|line| line.contains(GENERATED_MARK)) {
            continue;
        }
        let end = test_module_line(text).unwrap_or(usize::MAX);
        let count = blank_out(text).lines().take(end).filter(|line| is_code(line)).count();
        let allowed = LONG_FILES.iter().any(|(long, _)| *long == path);
        if count > MAX_CODE_LINES && !allowed {
            let message = format!("{count} lines of code, more than {MAX_CODE_LINES}: split it by concept");
            findings.push(Finding::new(path, 0, message));
        } else if count <= MAX_CODE_LINES && allowed {
            findings.push(Finding::new(path, 0, "no longer long: take it off LONG_FILES of xtask/src/tidy/files.rs"));
        }
    }
    findings
}

/// Every Rust file below a `src/` belongs to a module tree.
pub(super) fn check_module_tree(tree: &Tree) -> Vec<Finding> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> =
        tree.rust().map(|(path, _)| path).filter(|path| is_root(path)).map(str::to_owned).collect();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(text) = tree.text(&path) else { continue };
        open.extend(children(&path, text).into_iter().filter(|child| tree.text(child).is_some()));
    }
    tree.rust()
        .filter(|(path, _)| !path.starts_with("tests/third_party/") && !seen.contains(*path))
        .map(|(path, _)| Finding::new(path, 0, "no module declares this file: the compiler never sees it"))
        .collect()
}

pub(super) fn check_text(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let Some(text) = &file.text else { continue };
        if FOREIGN.iter().any(|prefix| file.path.starts_with(prefix)) {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            for (parts, advice) in FORBIDDEN {
                let needle = parts.concat();
                if line.contains(&needle) {
                    findings.push(Finding::new(&file.path, at + 1, format!("{needle:?} is {advice}")));
                }
            }
        }
    }
    findings
}

/// Files that Cargo finds by itself or by a path in a manifest.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let Some((name, folders)) = parts.split_last() else { return false };
    match folders {
        _ if *name == "build.rs" => true,
        [.., "src"] => matches!(*name, "lib.rs" | "main.rs"),
        [.., "src", "bin"] | [.., "examples" | "benches" | "tests" | "fuzz_targets"] => true,
        [.., "tests" | "examples" | "benches" | "bin", _] => *name == "main.rs",
        _ => false,
    }
}

/// The files that `mod name;` declarations, `#[path]` attributes and `include!` of a file may name.
fn children(path: &str, text: &str) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let owns_folder = is_root(path) || name == "mod.rs";
    let module_folder = if owns_folder { folder.to_owned() } else { path.trim_end_matches(".rs").to_owned() };
    let mut files = Vec::new();
    let blanked = blank_out(text);
    for window in tokens(&blanked).windows(3) {
        if let [Token { text: "mod", .. }, name, Token { text: ";", .. }] = window {
            files.push(format!("{module_folder}/{}.rs", name.text));
            files.push(format!("{module_folder}/{}/mod.rs", name.text));
        }
    }
    for line in text.lines() {
        for mark in ["path = \"", "include!(\""] {
            if let Some((_, after)) = line.split_once(mark)
                && let Some((relative, _)) = after.split_once('"')
            {
                files.push(normalise(&format!("{folder}/{relative}")));
            }
        }
    }
    files
}

/// Takes `..` and `.` out of a path.
fn normalise(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_but_not_for_its_comments_and_tests() {
        let long = "a();\n".repeat(MAX_CODE_LINES + 1);
        let commented = "// a\n\n".repeat(MAX_CODE_LINES);
        let tested = format!("a();\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        let generated = format!("//! {GENERATED_MARK}\n{long}");
        let tree = Tree::of(&[
            ("src/commented.rs", &commented),
            ("src/generated.rs", &generated),
            ("src/long.rs", &long),
            ("src/tested.rs", &tested),
        ]);
        let found: Vec<String> = check_lengths(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["src/long.rs"]);
    }

    #[test]
    fn a_file_that_no_module_declares_is_found() {
        let tree = Tree::of(&[
            ("src/lib.rs", "mod a;\nmod b;"),
            ("src/a.rs", "mod inner;"),
            ("src/a/inner.rs", ""),
            ("src/b/mod.rs", "#[path = \"../c.rs\"]\nmod c; // mod lost;"),
            ("src/c.rs", ""),
            ("src/lost.rs", ""),
            ("src/bin/tool.rs", ""),
            ("benches/peers/build.rs", ""),
            ("tests/one.rs", "mod helper;"),
            ("tests/helper/mod.rs", ""),
            ("xtask/src/main.rs", ""),
        ]);
        let found: Vec<String> = check_module_tree(&tree).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["src/lost.rs"]);
    }

    #[test]
    fn machine_paths_are_found() {
        let needle = FORBIDDEN[0].0.concat();
        let text = format!("fine\nsee {needle}x\n");
        let findings = check_text(&Tree::of(&[("docs/a.md", &text), ("tests/data/a.txt", &text)]));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 2);
    }
}

//! Checks of the Markdown documents: code fences, copies of code, links to files, and the commands that the README promises.

use std::path::Path;

use super::{Finding, Tree};

/// Documents copied from elsewhere.
const FOREIGN: &[&str] = &["tests/data/", "data/"];
const README: &str = "README.md";
const CI: &str = ".ci/run";
/// Stands above a fence that holds a file's code without its head: `<!-- copy of examples/a.rs -->`.
const COPY: &str = "<!-- copy of ";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_extension("md") {
        if FOREIGN.iter().any(|prefix| path.starts_with(prefix)) {
            continue;
        }
        findings.extend(check_document(tree, path, text));
        findings.extend(check_copies(tree, path, text));
    }
    findings.extend(check_readme(tree));
    findings
}

/// Fences close and say their language; links to files lead somewhere; examples named in commands exist.
fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut fence: Option<(usize, &str)> = None;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if fence.is_some() {
                fence = None;
            } else {
                fence = Some((number, language));
                if language.is_empty() {
                    findings.push(Finding::new(path, number, "a code fence names its language (`text` if none)"));
                }
            }
        } else if fence.is_some() {
            findings.extend(check_command(tree, path, number, line));
        } else {
            findings.extend(check_links(tree, path, number, line));
        }
    }
    if let Some((number, _)) = fence {
        findings.push(Finding::new(path, number, "a code fence that is not closed"));
    }
    findings
}

/// Code shown in a document is the code that the compiler sees.
fn check_copies(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let marks = lines.iter().enumerate().filter_map(|(at, line)| Some((at, line.strip_prefix(COPY)?)));
    marks
        .filter_map(|(at, rest)| {
            let original = rest.trim_end_matches("-->").trim();
            let shown = lines[at + 1..].iter().skip(1).take_while(|line| **line != "```").copied();
            let code = tree.text(original).unwrap_or_default();
            let code = code.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
            let differs = !shown.eq(code);
            differs.then(|| Finding::new(path, at + 1, format!("shows other code than {original} holds")))
        })
        .collect()
}

fn check_links(tree: &Tree, path: &str, number: usize, line: &str) -> Vec<Finding> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#', ' ']).next())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        // Paths of items, in documents that rustdoc includes and checks.
        .filter(|target| !target.starts_with("crate::") && !target.starts_with("super::"))
        .filter(|target| !tree.has(&folder.join(target).to_string_lossy()))
        .map(|target| Finding::new(path, number, format!("links to {target}, which does not exist")))
        .collect()
}

fn check_command(tree: &Tree, path: &str, number: usize, line: &str) -> Option<Finding> {
    let mut words = line.split_whitespace().skip_while(|word| *word != "--example");
    let name = words.nth(1).filter(|_| line.trim_start().starts_with("cargo "))?;
    let exists = tree.has(&format!("examples/{name}.rs")) || tree.has(&format!("examples/{name}/main.rs"));
    (!exists).then(|| Finding::new(path, number, format!("runs example {name}, which does not exist")))
}

/// The README's first two commands are the tour and the tests, and CI runs both as they stand there.
fn check_readme(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.text(README) else { return vec![Finding::new(README, 0, "is missing")] };
    let commands: Vec<&str> = commands(readme).take(2).collect();
    let ci = tree.text(CI).unwrap_or_default();
    let mut findings: Vec<Finding> = commands
        .iter()
        .filter(|command| !ci.lines().any(|line| line.trim() == **command))
        .map(|command| Finding::new(README, 0, format!("promises `{command}`, which {CI} does not run")))
        .collect();
    if commands.len() < 2 {
        findings.push(Finding::new(README, 0, "shows the tour's command and the tests' command in `sh` fences"));
    }
    findings
}

/// The lines of a document's `sh` fences that start with `cargo`.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    let mut in_shell = false;
    text.lines().map(str::trim).filter(move |line| {
        if let Some(language) = line.strip_prefix("```") {
            in_shell = language == "sh";
        }
        in_shell && line.starts_with("cargo ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check_document(&Tree::of(&[("docs/a.md", text)]), "docs/a.md", text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fences_are_checked() {
        assert!(messages("```rust\nlet a = [b](c);\n```\n").is_empty());
        assert_eq!(messages("```\nx\n```\n").len(), 1);
        assert_eq!(messages("```sh\nx\n").len(), 1);
        assert_eq!(messages("```sh\ncargo run --example lost\n```\n").len(), 1);
    }

    #[test]
    fn copies_are_compared() {
        let original = ("examples/a.rs", "//! Head.\n\nfn main() {}\n");
        let document = |code: &str| format!("words\n<!-- copy of examples/a.rs -->\n```rust\n{code}\n```\n");
        let count = |text: &str| check_copies(&Tree::of(&[original, ("docs/a.md", text)]), "docs/a.md", text).len();
        assert_eq!(count(&document("fn main() {}")), 0);
        assert_eq!(count(&document("fn main() { }")), 1);
    }

    #[test]
    fn dead_links_are_found() {
        assert_eq!(messages("see [a](lost.md#part) and [b](https://example.org)").len(), 1);
    }

    #[test]
    fn the_readmes_commands_are_those_of_ci() {
        let readme = (README, "```sh\ncargo run --example a\n```\n```sh\ncargo test\n```\n");
        assert!(check_readme(&Tree::of(&[readme, (CI, "    cargo run --example a\n    cargo test\n")])).is_empty());
        assert_eq!(check_readme(&Tree::of(&[readme, (CI, "cargo test --lib\ncargo run --example a\n")])).len(), 1);
        assert_eq!(check_readme(&Tree::of(&[(README, "words")])).len(), 1);
    }
}

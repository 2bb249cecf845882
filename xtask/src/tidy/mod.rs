//! `cargo xtask tidy`: checks of the repository itself.
//!
//! Each check is a function from the tree to findings; a finding names file and line and says what to do. The checks
//! read text, not the compiler's view: they must be quick and must not need a build. What clippy or rustc can check is
//! left to them.

mod changelog;
mod documents;
mod files;
mod layers;
mod source;
mod unsafe_code;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One thing to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Path below the repository root.
    path: String,
    /// Line, counted from 1; 0 for the file as a whole.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// The files that git tracks or would track, read into memory where they are text.
struct Tree {
    root: PathBuf,
    /// Sorted by path.
    files: Vec<TreeFile>,
}

struct TreeFile {
    /// Path below the root, with `/`.
    path: String,
    /// `None` for binary files.
    text: Option<String>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
            .current_dir(root)
            .output()
            .context("git ls-files")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let list = String::from_utf8(output.stdout).context("file names must be UTF-8")?;
        let mut paths: Vec<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            // A file that is deleted but still in the index.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            files.push(TreeFile { path: path.to_owned(), text: String::from_utf8(bytes).ok() });
        }
        Ok(Self { root: root.to_path_buf(), files })
    }

    fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).and_then(|file| file.text.as_deref())
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Path and text of every Rust file.
    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_extension("rs")
    }

    /// Path and text of every text file whose name ends in `.extension`.
    fn with_extension(&self, extension: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(move |file| Path::new(&file.path).extension().is_some_and(|found| found == extension))
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }
}

type Check = fn(&Tree) -> Vec<Finding>;

const CHECKS: &[(&str, Check)] = &[
    ("layers", layers::check),
    ("plugin dependencies", layers::check_plugins),
    ("file lengths", files::check_lengths),
    ("dead files", files::check_module_tree),
    ("foreign text", files::check_text),
    ("unsafe code", unsafe_code::check),
    ("change log", changelog::check),
    ("documents", documents::check),
];

/// Runs every check and prints what they find.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut count = 0;
    for (name, check) in CHECKS {
        let mut findings = check(&tree);
        findings.sort();
        count += findings.len();
        println!(
            "{name}: {}",
            if findings.is_empty() { "ok".to_owned() } else { format!("{} to mend", findings.len()) }
        );
        for finding in findings {
            println!("  {finding}");
        }
    }
    if count > 0 {
        bail!("{count} things to mend");
    }
    Ok(())
}

#[cfg(test)]
impl Tree {
    /// A tree held in memory alone.
    fn of(files: &[(&str, &str)]) -> Self {
        let mut files: Vec<TreeFile> = files
            .iter()
            .map(|(path, text)| TreeFile { path: (*path).to_owned(), text: Some((*text).to_owned()) })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root: PathBuf::from("/nonexistent"), files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_readable_and_holds_itself() {
        let tree = Tree::read(crate::root()).unwrap();
        assert!(tree.text("xtask/src/tidy/mod.rs").is_some_and(|text| text.contains("holds_itself")));
    }
}

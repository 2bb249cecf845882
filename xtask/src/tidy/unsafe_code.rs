//! Unsafe code stands only where the architecture allows it, and each use has its reason beside it.
//!
//! rustc and clippy check the same from the other side (`unsafe_code` and `undocumented_unsafe_blocks` are denied in the
//! workspace); this check is about which modules may lift the ban.

use super::source::{blank_out, tokens};
use super::{Finding, Tree};

/// Path prefixes of files that may hold unsafe code, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("src/sync/", "reclamation and latches"),
    ("src/sync.rs", "reclamation and latches"),
    ("tests/hot_path.rs", "a counting allocator"),
    ("src/btree/", "page structures shared by threads"),
    ("src/os/", "memory maps, direct I/O, file locks"),
    ("src/os.rs", "memory maps, direct I/O, file locks"),
    ("plugins/api/src/registry", "link-time slices"),
    ("tests/hot_path.rs", "an allocator that counts"),
    ("tests/third_party/names-c/", "a function that C calls"),
    ("python/", "foreign function interface"),
    ("benches/peers/", "foreign function interface"),
];

/// How far above an unsafe block its `SAFETY:` comment may end, counted in lines (attributes and `let` may stand between).
const COMMENT_REACH_LINES: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust() {
        let blanked = blank_out(text);
        let lines: Vec<&str> = text.lines().collect();
        for pair in tokens(&blanked).windows(2) {
            let [word, next] = pair else { continue };
            if word.text != "unsafe" {
                continue;
            }
            if !ALLOWED.iter().any(|(prefix, _)| path.starts_with(prefix)) {
                findings.push(Finding::new(path, word.line, "unsafe code outside the modules that may hold it"));
            }
            // `unsafe fn`, `unsafe trait`, `unsafe extern` state a contract (`# Safety`); blocks and impls fulfil one.
            if matches!(next.text, "{" | "impl") && !has_comment(&lines, word.line) {
                findings.push(Finding::new(path, word.line, "no SAFETY: comment beside this unsafe code"));
            }
        }
    }
    findings
}

/// Whether a `SAFETY:` comment stands on the line or ends just above it.
fn has_comment(lines: &[&str], line: usize) -> bool {
    let mut distance = 0;
    for text in lines[..line].iter().rev() {
        if text.contains("SAFETY:") {
            return true;
        }
        if !text.trim_start().starts_with("//") {
            distance += 1;
        }
        if distance > COMMENT_REACH_LINES {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_documented_block_in_its_place_passes() {
        assert_eq!(count("src/sync/epoch.rs", "// SAFETY: the pointer is pinned,\n// see above.\nunsafe { f() }"), 0);
        assert_eq!(count("src/sync/epoch.rs", "let a = // SAFETY: pinned.\n unsafe { f() };"), 0);
    }

    #[test]
    fn a_block_without_reason_is_found() {
        assert_eq!(count("src/sync/epoch.rs", "unsafe { f() }"), 1);
        assert_eq!(count("src/sync/epoch.rs", "// SAFETY: x\na\nb\nc\nd\nunsafe impl Send for X {}"), 1);
    }

    #[test]
    fn unsafe_code_elsewhere_is_found() {
        assert_eq!(count("src/page/cell.rs", "// SAFETY: fine\nunsafe { f() }"), 1);
        assert_eq!(count("src/page/cell.rs", "#![deny(unsafe_code)] // unsafe { }"), 0);
    }
}

//! The form of `CHANGELOG.md`: Keep a Changelog 1.1.

use super::{Finding, Tree};

const PATH: &str = "CHANGELOG.md";
const SECTIONS: &[&str] = &["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(PATH) else { return vec![Finding::new(PATH, 0, "is missing")] };
    let mut findings = Vec::new();
    let mut releases: Vec<(usize, &str)> = Vec::new();
    let mut section = None;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if at == 0 && line != "# Changelog" {
            findings.push(Finding::new(PATH, number, "the first line is `# Changelog`"));
        }
        if let Some(title) = line.strip_prefix("### ") {
            section = Some(title);
            if !SECTIONS.contains(&title) {
                findings.push(Finding::new(PATH, number, format!("a section is one of {}", SECTIONS.join(", "))));
            }
        } else if let Some(title) = line.strip_prefix("## ") {
            section = None;
            releases.push((number, title));
            if title != "[Unreleased]" && !is_release(title) {
                findings.push(Finding::new(PATH, number, "a release is `## [MAJOR.MINOR.PATCH] - YYYY-MM-DD`"));
            }
        } else if !releases.is_empty() && section.is_none() && !line.is_empty() && !line.starts_with('[') {
            findings.push(Finding::new(PATH, number, "a change stands in a section (`### Added`, ...)"));
        } else if section.is_some() && !line.is_empty() && !line.starts_with("- ") && !line.starts_with("  ") {
            findings.push(Finding::new(PATH, number, "a change is a list item (`- `)"));
        }
    }
    if releases.first().is_none_or(|(_, title)| *title != "[Unreleased]") {
        findings.push(Finding::new(PATH, 0, "the first release is `## [Unreleased]`"));
    }
    for pair in releases.windows(2) {
        if let (Some(newer), Some(older)) = (version(pair[0].1), version(pair[1].1))
            && newer <= older
        {
            findings.push(Finding::new(PATH, pair[1].0, "releases go from the newest to the oldest"));
        }
    }
    findings
}

fn is_release(title: &str) -> bool {
    let Some((_, date)) = title.split_once("] - ") else { return false };
    let parts: Vec<&str> = date.split('-').collect();
    version(title).is_some()
        && parts.iter().map(|part| part.len()).eq([4, 2, 2])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn version(title: &str) -> Option<[u64; 3]> {
    let inner = title.strip_prefix('[')?.split(']').next()?;
    let parts: Vec<u64> = inner.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        check(&Tree::of(&[(PATH, text)])).len()
    }

    #[test]
    fn good_form_passes() {
        assert_eq!(
            count(
                "# Changelog\n\nIntro.\n\n## [Unreleased]\n\n### Added\n\n- A\n  more\n\n## [0.2.0] - 2026-01-31\n\n\
                 ### Fixed\n- B\n\n## [0.1.0] - 2026-01-01\n"
            ),
            0
        );
    }

    #[test]
    fn each_fault_is_found() {
        assert_eq!(count("# Changes\n## [Unreleased]\n"), 1);
        assert_eq!(count("# Changelog\n"), 1);
        assert_eq!(count("# Changelog\n## [Unreleased]\n### New\n"), 1);
        assert_eq!(count("# Changelog\n## [Unreleased]\n- lonely\n"), 1);
        assert_eq!(count("# Changelog\n## [Unreleased]\n### Added\nprose\n"), 1);
        assert_eq!(count("# Changelog\n## [Unreleased]\n## [1.0] - 2026-01-01\n"), 1);
        assert_eq!(count("# Changelog\n## [Unreleased]\n## [1.0.0] - 2026-01-01\n## [1.1.0] - 2026-01-02\n"), 1);
    }
}

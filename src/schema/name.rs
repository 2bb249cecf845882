//! Names of objects and the files behind them.
//!
//! Source: schema specification, sections 1 and 2.

use crate::{Error, ErrorCode, Result};
use std::path::{Component, Path, PathBuf};

/// Characters that have a meaning in configuration strings.
const GROUPING: &[char] = &['{', '}', ',', ':', '[', ']', '\\', '"', '\''];

/// Checks the name of an object to be created, dropped or altered.
///
/// # Errors
/// `EINVAL` for characters that metadata can't hold and for names of the engine's own.
pub(crate) fn check(uri: &str) -> Result<()> {
    let mut name = uri;
    let mut prefixes = 0;
    while prefixes < 2 {
        let Some((_, rest)) = name.split_once(':') else { break };
        name = rest;
        prefixes += 1;
    }
    if prefixes == 2 && name.starts_with("WiredTiger") {
        return Err(Error::invalid(format!("{name}: the \"WiredTiger\" name space may not be used by applications")));
    }
    // A line end can't be represented in the turtle and backup files, nor a NUL in the metadata table.
    if name.contains(GROUPING) || name.contains(['\n', '\0']) {
        return Err(Error::invalid(format!(
            "{name}: WiredTiger objects should not include grouping characters in their names"
        )));
    }
    Ok(())
}

/// The path of a `file:` object's file in the home directory.
///
/// # Errors
/// `EINVAL` for a name that leads out of the home directory, `EBUSY` for the metadata's own file.
pub(crate) fn file_path(home: &Path, uri: &str) -> Result<PathBuf> {
    let name = uri.strip_prefix("file:").unwrap_or(uri);
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !inside {
        return Err(Error::invalid(format!("{uri}: the file of an object must be inside the home directory")));
    }
    if name == "WiredTiger.wt" || name == "WiredTiger" || name == "WiredTiger.lock" || name == "WiredTiger.turtle" {
        return Err(Error::new(ErrorCode::EBUSY, format!("{uri}: this file belongs to the engine")));
    }
    Ok(home.join(name))
}

/// The file of a simple table's only column group.
pub(crate) fn default_source(table: &str) -> String {
    format!("file:{table}.wt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("table:a{b", Some("a{b: WiredTiger objects should not include grouping characters in their names"))]
    #[case("file:a,b", Some("a,b: WiredTiger objects should not include grouping characters in their names"))]
    #[case("index:t:i", None)]
    #[case("table:", None)]
    #[case("table:WiredTigerX", None)]
    #[case("index:t:WiredTigerX", Some("WiredTigerX: the \"WiredTiger\" name space may not be used by applications"))]
    #[case("table:a\nb", Some("a\nb: WiredTiger objects should not include grouping characters in their names"))]
    fn names_are_checked_as_wiredtiger_does(#[case] uri: &str, #[case] message: Option<&str>) {
        assert_eq!(check(uri).err().map(|error| error.to_string()).as_deref(), message);
    }

    #[rstest]
    #[case("file:../x", ErrorCode::EINVAL)]
    #[case("file:/etc/x", ErrorCode::EINVAL)]
    #[case("file:", ErrorCode::EINVAL)]
    #[case("file:WiredTiger.wt", ErrorCode::EBUSY)]
    fn files_stay_in_the_home(#[case] uri: &str, #[case] code: ErrorCode) {
        assert_eq!(file_path(Path::new("home"), uri).unwrap_err().code(), code);
    }

    #[test]
    fn a_file_may_lie_in_a_folder_of_the_home() {
        assert_eq!(file_path(Path::new("home"), "file:a/b.wt").unwrap(), Path::new("home/a/b.wt"));
    }
}

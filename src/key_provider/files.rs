//! Files of blobs that are too large for the metadata table.

use super::damaged;
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use hardwired_plugin::key_provider::KeyLsn;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::path::Path;

/// What the names of all blob files begin with.
const PREFIX: &str = "WiredTigerKeyProvider.";

/// The name of a blob's file in the home directory: the LSN in ten digits or more.
pub(super) fn file_name(lsn: KeyLsn) -> String {
    format!("{PREFIX}{:010}", lsn.0)
}

/// Writes a blob's file and makes file and name durable. What a crashed or failed attempt left under the name is replaced:
/// no row names it.
pub(super) fn write(file_system: &dyn FileSystem, home: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let options = OpenOptions { create: true, durable: true, ..OpenOptions::default() };
    let file = file_system.open(&home.join(name), FileType::Regular, options)?;
    file.truncate(0)?;
    file.write(0, bytes)?;
    file.sync()
}

/// Reads a blob's file of exactly `size` bytes, a number within the limits.
///
/// # Errors
/// `EIO` if there is no such file, or one of another size.
pub(super) fn read(file_system: &dyn FileSystem, home: &Path, name: &str, size: u64) -> Result<Vec<u8>> {
    let options = OpenOptions { readonly: true, ..OpenOptions::default() };
    let file = file_system.open(&home.join(name), FileType::Regular, options).map_err(|error| match error.code() {
        ErrorCode::ENOENT => damaged(name, 0, "the metadata names this file, and it is missing"),
        _ => error,
    })?;
    let found = file.size()?;
    let length = usize::try_from(size).ok().filter(|_| found == size);
    let Some(length) = length else {
        return Err(damaged(name, 0, format!("{found} bytes where {size} were expected")));
    };
    let mut bytes = vec![0; length];
    file.read(0, &mut bytes)?;
    Ok(bytes)
}

/// The blob files of a home with their numbers. Other names that begin alike are none of ours.
pub(super) fn list(file_system: &dyn FileSystem, home: &Path) -> Result<Vec<(KeyLsn, String)>> {
    let names = file_system.directory_list(home, PREFIX)?;
    let numbered = |name: String| {
        let lsn = KeyLsn(name.strip_prefix(PREFIX)?.parse().ok()?);
        (file_name(lsn) == name).then_some((lsn, name))
    };
    Ok(names.into_iter().filter_map(numbered).collect())
}

/// Removes every blob file but `keep`. The first error is returned after all were tried.
pub(super) fn remove_all_but(file_system: &dyn FileSystem, home: &Path, keep: Option<&str>) -> Result<()> {
    let mut outcome: Result<(), Error> = Ok(());
    for (_, name) in list(file_system, home)? {
        if Some(name.as_str()) != keep {
            outcome = outcome.and(file_system.remove(&home.join(name), false));
        }
    }
    outcome
}

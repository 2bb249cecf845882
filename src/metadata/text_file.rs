//! Reading and atomically replacing the small text files of a home directory.

use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};
use std::path::Path;

/// Reads a whole file; `None` if there is none.
///
/// # Errors
/// `EFBIG` for one of more than `limit_bytes`; errors of the file system.
pub(super) fn read(fs: &dyn FileSystem, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>> {
    if !fs.exists(path)? {
        return Ok(None);
    }
    let file = fs.open(path, FileType::Regular, OpenOptions { readonly: true, ..OpenOptions::default() })?;
    let size = file.size()?;
    let length = usize::try_from(size).ok().filter(|_| size <= limit_bytes).ok_or_else(|| {
        let message = format!("{}: file too big: {size} bytes, at most {limit_bytes} are read", path.display());
        Error::new(ErrorCode::EFBIG, message)
    })?;
    let mut bytes = vec![0; length];
    file.read(0, &mut bytes)?;
    Ok(Some(bytes))
}

/// Replaces `name` in the directory `home` such that a crash leaves the old or the new contents, and the new ones are
/// durable on return: writes `name.set`, syncs it, renames it, syncs the directory.
pub(super) fn replace(fs: &dyn FileSystem, home: &Path, name: &str, contents: &[u8]) -> Result<()> {
    let temporary = home.join(format!("{name}.set"));
    let options = OpenOptions { create: true, exclusive: true, ..OpenOptions::default() };
    let file = match fs.open(&temporary, FileType::Regular, options) {
        // Left over by a crash, or by an earlier attempt that failed.
        Err(error) if error.code() == ErrorCode::EEXIST => {
            fs.remove(&temporary, false)?;
            fs.open(&temporary, FileType::Regular, options)?
        }
        opened => opened?,
    };
    file.write(0, contents)?;
    file.sync()?;
    drop(file);
    fs.rename(&temporary, &home.join(name), true)
}

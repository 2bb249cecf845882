//! Copies that appear under their name complete and durable, or not at all.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PIECE_BYTES: usize = 64 * 1024;
const READ_ONLY: u32 = 0o444;

/// Copies `source` to the new name `target`, through `target.TMP`.
///
/// The temporary file is locked while it is written: a leftover of a crash is nobody's and is used again, that of a copy in
/// progress is `WouldBlock`.
pub(crate) fn copy_new(source: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(source)?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let temporary = temporary_name(target);
    let mut to = open_locked(&temporary)?;
    let done = write_all(&mut from, &mut to).and_then(|()| publish(&temporary, target));
    // The name was taken, or the copy is of no use: in both cases the lock shows that it is ours.
    let removed = fs::remove_file(&temporary);
    done?;
    removed?;
    sync_parent(target)
}

/// Whether both files hold the same bytes.
pub(crate) fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    let (one_info, other_info) = (fs::metadata(one)?, fs::metadata(other)?);
    if (one_info.dev(), one_info.ino()) == (other_info.dev(), other_info.ino()) {
        return Ok(true);
    }
    if one_info.len() != other_info.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut one_piece, mut other_piece) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let length = read_piece(&mut one, &mut one_piece)?;
        if read_piece(&mut other, &mut other_piece)? != length || one_piece[..length] != other_piece[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Makes an object's bytes and name durable.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()?;
    sync_parent(path)
}

/// Links `source` to the new name `target` and makes both read-only.
pub(crate) fn link_new(source: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::hard_link(source, target)?;
    fs::set_permissions(target, Permissions::from_mode(READ_ONLY))
}

pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn temporary_name(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".TMP");
    PathBuf::from(name)
}

/// The temporary file, empty and ours.
fn open_locked(path: &Path) -> io::Result<File> {
    loop {
        let opened = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = match opened {
            // A leftover that was read-only already.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::remove_file(path)?;
                continue;
            }
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::from_raw_os_error(hardwired_plugin::ErrorCode::EBUSY.0));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Somebody may have finished, and removed the name, between opening and locking.
        let ours = file.metadata()?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => {
                file.set_len(0)?;
                return Ok(file);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

fn write_all(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = read_piece(from, &mut piece)?;
        if length == 0 {
            break;
        }
        to.write_all(&piece[..length])?;
    }
    to.set_permissions(Permissions::from_mode(READ_ONLY))?;
    to.sync_all()
}

/// Gives the complete file its name, unless that is taken.
fn publish(temporary: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(temporary, target) {
        // File systems without hard links: the check before the rename is all there is.
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            if target.try_exists()? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::copy(temporary, target)?;
            sync(target)
        }
        linked => linked,
    }
}

fn read_piece(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < piece.len() {
        match file.read(&mut piece[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

//! The exclusive lock on the first byte of a file: how two processes are kept from opening one database.
//!
//! WiredTiger takes a POSIX record lock of the process. Where the system has locks of the open file description
//! (Linux), this module takes one of those: the two kinds exclude each other, but ours isn't dropped when any other
//! descriptor of the file is closed, and it excludes a second opening by the same process too.
#![allow(unsafe_code, reason = "fcntl has no safe wrapper in the standard library")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

#[cfg(any(target_os = "linux", target_os = "android"))]
const SET_LOCK: libc::c_int = libc::F_OFD_SETLK;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SET_LOCK: libc::c_int = libc::F_SETLK;

/// Takes (`true`) or releases (`false`) the exclusive lock on byte 0. Doesn't wait: held elsewhere is `EAGAIN` or `EACCES`.
pub(super) fn set_first_byte_lock(file: &File, lock: bool) -> io::Result<()> {
    // SAFETY: `flock` is a plain C structure of integers, for which all zeros is a valid value (and `l_pid` must be 0 for
    // locks of the open file description).
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = if lock { libc::F_WRLCK as libc::c_short } else { libc::F_UNLCK as libc::c_short };
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = 0;
    request.l_len = 1;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `request` is an initialised structure that
    // lives across the call, which only reads it.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), SET_LOCK, &raw const request) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

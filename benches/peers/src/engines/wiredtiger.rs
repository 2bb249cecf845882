//! The real WiredTiger, through its public C API.
//!
//! All defaults but the cache's size: no log, no compression, so a commit need not survive a crash until the next
//! checkpoint. A transaction of one write or one read is left to autocommit, as an application would.
#![allow(unsafe_code, reason = "calls into a C library")]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    marker::PhantomData,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::{self, NonNull},
    slice,
};

use anyhow::{Result, bail};

use super::missing;
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

/// `WT_NOTFOUND`, part of the public API.
const NOT_FOUND: c_int = -31803;

#[repr(C)]
struct RawWorker {
    session: *mut c_void,
    cursor: *mut c_void,
}

unsafe extern "C" {
    fn peers_wt_strerror(code: c_int) -> *const c_char;
    fn peers_wt_version() -> *const c_char;
    fn peers_wt_open(home: *const c_char, config: *const c_char, connection: *mut *mut c_void) -> c_int;
    fn peers_wt_close(connection: *mut c_void) -> c_int;
    fn peers_wt_checkpoint(connection: *mut c_void) -> c_int;
    fn peers_wt_worker_open(connection: *mut c_void, worker: *mut RawWorker) -> c_int;
    fn peers_wt_worker_close(worker: *mut RawWorker) -> c_int;
    fn peers_wt_begin(worker: *mut RawWorker) -> c_int;
    fn peers_wt_commit(worker: *mut RawWorker) -> c_int;
    fn peers_wt_rollback(worker: *mut RawWorker) -> c_int;
    fn peers_wt_put(worker: *mut RawWorker, key: *const u8, key_size: usize, value: *const u8, size: usize) -> c_int;
    fn peers_wt_get(
        worker: *mut RawWorker,
        key: *const u8,
        key_size: usize,
        value: *mut *const u8,
        value_size: *mut usize,
    ) -> c_int;
    fn peers_wt_seek(worker: *mut RawWorker, key: *const u8, key_size: usize, at: *mut c_int) -> c_int;
    fn peers_wt_row(
        worker: *mut RawWorker,
        key: *mut *const u8,
        key_size: *mut usize,
        value: *mut *const u8,
        value_size: *mut usize,
    ) -> c_int;
    fn peers_wt_next(worker: *mut RawWorker) -> c_int;
    fn peers_wt_reset(worker: *mut RawWorker) -> c_int;
}

/// An open connection.
pub(crate) struct WiredTiger {
    connection: NonNull<c_void>,
}

// SAFETY: a WT_CONNECTION may be used by several threads at once (WiredTiger's documentation on threads).
unsafe impl Sync for WiredTiger {}

/// A session and its cursor, of one thread.
pub(crate) struct WiredTigerWorker<'e> {
    raw: RawWorker,
    _connection: PhantomData<&'e WiredTiger>,
}

impl Engine for WiredTiger {
    type Worker<'w> = WiredTigerWorker<'w>;

    fn version() -> String {
        // SAFETY: WiredTiger returns a static string that ends with a zero byte.
        let text = unsafe { CStr::from_ptr(peers_wt_version()) }.to_string_lossy();
        let number = text.split([' ', ':']).find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        number.unwrap_or(&text).to_owned()
    }

    fn open(home: &Path, options: &Options) -> Result<Self> {
        let home = CString::new(home.as_os_str().as_bytes())?;
        let config = CString::new(format!("create,cache_size={}", options.cache_bytes))?;
        let mut connection = ptr::null_mut();
        // SAFETY: both strings end with a zero byte and outlive the call, `connection` is a valid place for the result.
        check(unsafe { peers_wt_open(home.as_ptr(), config.as_ptr(), &mut connection) })?;
        match NonNull::new(connection) {
            Some(connection) => Ok(Self { connection }),
            None => bail!("WiredTiger gave no connection"),
        }
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        let mut raw = RawWorker { session: ptr::null_mut(), cursor: ptr::null_mut() };
        // SAFETY: the connection is open as long as `self` lives, `raw` is a valid place for the result.
        check(unsafe { peers_wt_worker_open(self.connection.as_ptr(), &mut raw) })?;
        work(&mut WiredTigerWorker { raw, _connection: PhantomData })
    }

    fn checkpoint(&self) -> Result<()> {
        // SAFETY: the connection is open as long as `self` lives.
        check(unsafe { peers_wt_checkpoint(self.connection.as_ptr()) })
    }

    fn close(self) -> Result<()> {
        // SAFETY: the connection is open, no worker borrows `self` any more, and it isn't used again.
        check(unsafe { peers_wt_close(self.connection.as_ptr()) })
    }
}

impl Worker for WiredTigerWorker<'_> {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let raw = &mut self.raw;
        let explicit = batch.len() > 1;
        if explicit {
            // SAFETY: `raw` is an open session and cursor (so in all methods).
            check(unsafe { peers_wt_begin(raw) })?;
        }
        for (key, value) in batch.rows() {
            // SAFETY: as above; key and value outlive the call, which copies them.
            check(unsafe { peers_wt_put(raw, key.as_ptr(), key.len(), value.as_ptr(), value.len()) })?;
        }
        if explicit {
            // SAFETY: as above.
            check(unsafe { peers_wt_commit(raw) })?;
        }
        Ok(())
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        let raw = &mut self.raw;
        let explicit = batch.len() > 1;
        if explicit {
            // SAFETY: `raw` is an open session and cursor.
            check(unsafe { peers_wt_begin(raw) })?;
        }
        let mut outcome = Ok(());
        for (position, key) in batch.keys().enumerate() {
            let (mut value, mut size) = (ptr::null(), 0);
            // SAFETY: as above; the key outlives the call.
            let code = unsafe { peers_wt_get(raw, key.as_ptr(), key.len(), &mut value, &mut size) };
            if code == NOT_FOUND {
                outcome = Err(missing(batch, position));
                break;
            }
            check(code)?;
            // SAFETY: on success the value is `size` bytes that stay until the cursor is used again.
            visit(position, unsafe { bytes(value, size) });
        }
        if explicit {
            // SAFETY: as above; nothing was written.
            check(unsafe { peers_wt_rollback(raw) })?;
        }
        outcome
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let raw = &mut self.raw;
        let mut at = 0;
        // SAFETY: `raw` is an open session and cursor, the key outlives the call.
        let mut code = unsafe { peers_wt_seek(raw, from.as_ptr(), from.len(), &mut at) };
        if code == 0 && at == 0 {
            // SAFETY: as above.
            code = unsafe { peers_wt_next(raw) };
        }
        let mut count = 0;
        while code == 0 && count < limit {
            let (mut key, mut key_size, mut value, mut value_size) = (ptr::null(), 0, ptr::null(), 0);
            // SAFETY: as above, and the cursor is positioned.
            check(unsafe { peers_wt_row(raw, &mut key, &mut key_size, &mut value, &mut value_size) })?;
            // SAFETY: on success both point to so many bytes that stay until the cursor is used again.
            unsafe { visit(bytes(key, key_size), bytes(value, value_size)) };
            count += 1;
            if count < limit {
                // SAFETY: as above.
                code = unsafe { peers_wt_next(raw) };
            }
        }
        if code != NOT_FOUND {
            check(code)?;
        }
        // SAFETY: as above.
        check(unsafe { peers_wt_reset(raw) })?;
        Ok(count)
    }
}

impl Drop for WiredTigerWorker<'_> {
    fn drop(&mut self) {
        // SAFETY: the session is open, and it isn't used again. The code is of no use here: closing the connection
        // closes what is left of it, and reports.
        let _ = unsafe { peers_wt_worker_close(&mut self.raw) };
    }
}

/// # Safety
/// `data` is null only if `size` is 0, and else points to `size` bytes that nobody changes during `'a`.
unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(data, size) }
}

fn check(code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: WiredTiger returns a string that ends with a zero byte for every code.
    let text = unsafe { CStr::from_ptr(peers_wt_strerror(code)) };
    bail!("WiredTiger: {} ({code})", text.to_string_lossy())
}

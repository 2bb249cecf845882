//! The block manager: one B-tree file as a store of checksummed blocks.
//!
//! Rules that callers rely on:
//! 1. [`BlockManager::read`] takes no lock and writes no shared memory: any number of readers run beside each other and
//!    beside writers.
//! 2. [`BlockManager::write`] holds a lock for the allocation alone; checksum and I/O are outside of it.
//! 3. A block that a durable checkpoint references is never handed out again before a later checkpoint that doesn't
//!    reference it has been resolved (see `checkpoint`).
//! 4. After a failed write, truncation or fsync nothing is known of the file's contents: that call and every later one that
//!    would change the file give `WT_PANIC`, and the caller must panic the connection. A failed read changes nothing: it
//!    is [`Error::Corrupt`] or an I/O error, and the caller decides (a live tree panics, verify and salvage go on).
//!
//! What is not here: page contents, compression and encryption; the order of durable effects across files; retries.
//!
//! Source: block specification, sections 2 to 4 and 8.

use super::cookie::CheckpointCookie;
use super::descriptor;
use super::extent_list::{self, ListContents, ListKind};
use super::extents::{Extent, Fit};
use super::live::{Live, overlap};
use super::objects::{Objects, ObjectsOpen};
use crate::page::address::Address;
use crate::page::header::{BlockHeader, PageFlags, PageHeader};
use crate::page::{HEADER_SIZE, checksum, widen};
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use parking_lot::{Mutex, MutexGuard};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which blocks get a checksum over all their bytes instead of the first 64 (`checksum=` of a file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// Blocks that aren't compressed.
    Uncompressed,
    /// Blocks that aren't encrypted.
    Unencrypted,
}

/// What the metadata says of a file's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSettings {
    /// `allocation_size=`: a power of two from 512 bytes to 128 MB.
    pub allocation_size: u32,
    /// `block_allocation=first`: allocate at the lowest offset instead of the tightest extent.
    pub first_fit: bool,
    /// `checksum=`.
    pub checksum: ChecksumMode,
}

impl Default for BlockSettings {
    fn default() -> Self {
        Self { allocation_size: 4096, first_fit: false, checksum: ChecksumMode::On }
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For writing, from its newest checkpoint; whatever lies beyond that checkpoint is cut off. One per file.
    Live,
    /// For reading one checkpoint; no list is read and nothing is changed. Any number per file.
    CheckpointReadOnly,
}

/// Figures of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockStatistics {
    /// The logical size of the file in bytes.
    pub size: u64,
    /// Bytes free for reuse, those that wait for the running checkpoint included.
    pub avail_bytes: u64,
    /// The number of extents free for allocation now.
    pub avail_extents: usize,
    /// The allocation size in bytes.
    pub allocation_size: u32,
}

/// One open B-tree file.
pub struct BlockManager {
    pub(super) name: String,
    /// The file; of a tiered tree, whatever object is active.
    pub(super) handle: Arc<dyn FileHandle>,
    /// The objects of a tiered tree; `None` for an ordinary file.
    pub(super) objects: Option<Objects>,
    pub(super) settings: BlockSettings,
    /// `None` for a handle that reads one checkpoint.
    pub(super) live: Option<Mutex<Live>>,
    /// No block ends beyond this offset: bounds what a hostile address can make a read allocate.
    pub(super) end: AtomicU64,
    /// Set by the first failed write; see rule 4.
    failed: AtomicBool,
    pub(super) truncation_allowed: AtomicBool,
}

impl std::fmt::Debug for BlockManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockManager").field("name", &self.name).field("live", &self.live).finish_non_exhaustive()
    }
}

impl BlockManager {
    /// Creates a file that holds its descriptor block alone, durably. An existing file of that name is renamed to
    /// `NAME.1` (or the first free number) and that name is returned, for the notice
    /// `unexpected file NAME found, renamed to NAME.1`.
    ///
    /// # Errors
    /// `EINVAL` for a bad allocation size; errors of the file system.
    pub fn create(fs: &dyn FileSystem, path: &Path, allocation_size: u32) -> Result<Option<PathBuf>> {
        let block = descriptor::encode(allocation_size)?;
        let mut renamed = None;
        let options = OpenOptions { create: true, exclusive: true, durable: true, readonly: false };
        let handle = match fs.open(path, FileType::Data, options) {
            Err(error) if error.code() == ErrorCode::EEXIST => {
                let aside = free_name(fs, path)?;
                fs.rename(path, &aside, false)?;
                renamed = Some(aside);
                fs.open(path, FileType::Data, options)?
            }
            opened => opened?,
        };
        handle.write(0, &block)?;
        handle.sync()?;
        Ok(renamed)
    }

    /// Opens a file at a checkpoint, and gives the address of its root page (`None`: the tree is empty).
    ///
    /// `name` stands in messages. `cookie` is the checkpoint's address as stored in the metadata, decoded from
    /// hexadecimal; `None` or empty for a file that was never checkpointed or whose checkpoint is a fake.
    /// [`OpenMode::Live`] must be given the newest checkpoint: the file is truncated to it.
    ///
    /// # Errors
    /// `ENOENT`; those of the descriptor check; [`Error::Corrupt`] for a cookie or an extent list that can't be right, and
    /// for a file that ends before blocks in use; errors of the file system. The file is unchanged then.
    pub fn open(
        fs: &dyn FileSystem,
        path: &Path,
        name: &str,
        settings: BlockSettings,
        cookie: Option<&[u8]>,
        mode: OpenMode,
    ) -> Result<(Arc<Self>, Option<Address>)> {
        let (file_type, readonly) = match mode {
            OpenMode::Live => (FileType::Data, false),
            OpenMode::CheckpointReadOnly => (FileType::Checkpoint, true),
        };
        let handle = fs.open(path, file_type, OpenOptions { readonly, ..OpenOptions::default() })?;
        descriptor::check(&*handle, name, settings.allocation_size)?;
        let cookie = decode_cookie(cookie, name, settings)?;
        if let Some(object) = cookie.map(|cookie| cookie.object_id).filter(|&object| object != 0) {
            let reason = format!("a checkpoint in object {object}, but the file has no objects");
            return Err(Error::corrupt(name, 0, reason));
        }
        Self::new(name, handle, None, settings)?.opened_at(cookie, mode)
    }

    /// Opens a tiered tree at a checkpoint; as [`BlockManager::open`], with the file of its newest object at `path`. A
    /// reader of a checkpoint opens only the objects that it reads.
    ///
    /// # Errors
    /// As [`BlockManager::open`]; [`Error::Corrupt`] for a checkpoint in an object that the tree doesn't have.
    pub fn open_objects(
        fs: &dyn FileSystem,
        path: &Path,
        name: &str,
        settings: BlockSettings,
        cookie: Option<&[u8]>,
        mode: OpenMode,
        open: ObjectsOpen,
    ) -> Result<(Arc<Self>, Option<Address>)> {
        let cookie = decode_cookie(cookie, name, settings)?;
        let of_checkpoint = cookie.map_or(open.active, |cookie| cookie.object_id);
        if of_checkpoint == 0 || of_checkpoint > open.active {
            let reason = format!("a checkpoint in object {of_checkpoint}, but the newest one is {}", open.active);
            return Err(Error::corrupt(name, 0, reason));
        }
        let number = if mode == OpenMode::Live { open.active } else { of_checkpoint };
        let handle = match mode {
            OpenMode::Live => fs.open(path, FileType::Data, OpenOptions::default())?,
            OpenMode::CheckpointReadOnly => open.source.open_object(number)?,
        };
        descriptor::check(&*handle, &open.source.object_name(number), settings.allocation_size)?;
        let objects = Objects::new(open.source, number, handle);
        let handle = objects.active_handle(path);
        Self::new(name, handle, Some(objects), settings)?.opened_at(cookie, mode)
    }

    fn new(name: &str, handle: Arc<dyn FileHandle>, objects: Option<Objects>, settings: BlockSettings) -> Result<Self> {
        let end = AtomicU64::new(handle.size()?);
        Ok(Self {
            name: name.to_owned(),
            handle,
            objects,
            settings,
            live: None,
            end,
            failed: AtomicBool::new(false),
            truncation_allowed: AtomicBool::new(true),
        })
    }

    fn opened_at(mut self, cookie: Option<CheckpointCookie>, mode: OpenMode) -> Result<(Arc<Self>, Option<Address>)> {
        if mode == OpenMode::Live {
            let physical_size = self.handle.size()?;
            // The lists of a checkpoint in a finished object say nothing about the active one, which is empty then.
            let of_active = cookie.as_ref().filter(|cookie| cookie.object_id == self.active_object());
            let live = self.load_live(of_active)?;
            self.check_present(&live, physical_size)?;
            if physical_size > live.size {
                self.handle.truncate(live.size)?;
            }
            self.end = AtomicU64::new(live.size);
            self.live = Some(Mutex::new(live));
        }
        Ok((Arc::new(self), cookie.and_then(|cookie| cookie.root)))
    }

    /// The name that stands in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The allocation size in bytes.
    pub fn allocation_size(&self) -> u32 {
        self.settings.allocation_size
    }

    /// Decodes an address cookie of this file (from a parent page); `None` is the null address.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that are no address.
    pub fn decode_address(&self, cookie: &[u8]) -> Result<Option<Address>> {
        let address = Address::unpack(cookie, self.settings.allocation_size);
        let address = address.map_err(|error| error.in_object(&self.name, 0))?;
        Ok((!address.is_none()).then_some(address))
    }

    /// The address cookie of `address` in this file.
    ///
    /// # Errors
    /// `EINVAL` for an address that can't be one of this file.
    pub fn encode_address(&self, address: &Address) -> Result<Vec<u8>> {
        address.to_cookie(self.settings.allocation_size)
    }

    /// Reads the whole block at `address`.
    ///
    /// # Errors
    /// As [`BlockManager::read_into`].
    pub fn read(&self, address: &Address) -> Result<Vec<u8>> {
        let mut block = Vec::new();
        self.read_into(address, &mut block)?;
        Ok(block)
    }

    /// Reads the whole block at `address` into `block`, whose former contents are lost and whose memory is reused.
    ///
    /// # Errors
    /// `EINVAL` for a size below the allocation size; [`Error::Corrupt`] naming file, offset, expected and found value for
    /// an address outside the file and for a checksum that doesn't fit; errors of the file system.
    pub fn read_into(&self, address: &Address, block: &mut Vec<u8>) -> Result<()> {
        if let Some(objects) = &self.objects {
            return self.read_object(objects, address, block);
        }
        self.check_address(address)?;
        let size = widen(address.size);
        // Growing zero-fills, so a buffer that is used again for a block of the same size costs nothing here.
        block.resize(size, 0);
        self.handle.read(address.offset, block)?;
        self.check_block(&self.name, address, block)
    }

    /// Writes a page image and gives its address. The image starts with 40 header bytes, of which the first 28 are
    /// filled in; it comes back padded to the allocation size and with its block header.
    ///
    /// # Errors
    /// `EINVAL` for an image that is too large or has no room for the headers, `WT_PANIC` for a failed write (rule 4).
    pub fn write(&self, image: &mut Vec<u8>) -> Result<Address> {
        self.write_fit(image, if self.settings.first_fit { Fit::First } else { Fit::Best })
    }

    /// Gives up the block at `address`. It isn't reused before every durable checkpoint that holds it is gone.
    ///
    /// # Errors
    /// `WT_PANIC` for a block that isn't in use: the tree is wrong.
    pub fn free(&self, address: &Address) -> Result<()> {
        let mut live = self.live_for_writing()?;
        if address.object_id != self.active_object() {
            // A finished object keeps its blocks.
            return Ok(());
        }
        let freed = live.free(Extent { offset: address.offset, size: u64::from(address.size) });
        drop(live);
        freed.map_err(|error| self.fail(&error))
    }

    /// Makes all written blocks durable.
    ///
    /// # Errors
    /// `WT_PANIC` if the file system can't (rule 4).
    pub fn sync(&self) -> Result<()> {
        self.check_usable()?;
        let closing = self.objects.as_ref().map_or(Ok(()), Objects::sync_closing);
        closing.and_then(|()| self.handle.sync()).map_err(|error| self.fail(&error))
    }

    /// Cuts the file to its logical size. Writes no checkpoint. Does nothing for a handle that reads a checkpoint.
    ///
    /// # Errors
    /// `WT_PANIC` if the file system can't (rule 4) or already failed.
    pub fn close(&self) -> Result<()> {
        if self.live.is_none() {
            return Ok(());
        }
        let live = self.live_for_writing()?;
        if self.handle.size()? > live.size {
            self.handle.truncate(live.size).map_err(|error| self.fail(&error))?;
        }
        Ok(())
    }

    /// Whether checkpoints may cut free space off the end of the file (default yes; no while a backup is copying it).
    pub fn set_truncation_allowed(&self, allowed: bool) {
        self.truncation_allowed.store(allowed, Ordering::Release);
    }

    /// Whether there is free space at the end of the file that a checkpoint would give back.
    pub fn has_free_tail(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.lock().free_tail().is_some())
    }

    /// Figures of the file as it is now.
    pub fn statistics(&self) -> BlockStatistics {
        let (size, avail_bytes, avail_extents) = match &self.live {
            None => (self.end.load(Ordering::Relaxed), 0, 0),
            Some(live) => {
                let live = live.lock();
                (live.size, live.avail.bytes().saturating_add(live.ckpt_avail.bytes()), live.avail.len())
            }
        };
        BlockStatistics { size, avail_bytes, avail_extents, allocation_size: self.settings.allocation_size }
    }

    pub(super) fn write_fit(&self, image: &mut Vec<u8>, fit: Fit) -> Result<Address> {
        if image.len() < HEADER_SIZE {
            return Err(Error::invalid(format!("{}: page image of {} bytes", self.name, image.len())));
        }
        extent_list::pad(image, self.settings.allocation_size)?;
        let flags = PageHeader::parse(image)?.flags;
        let checksum_whole = match self.settings.checksum {
            ChecksumMode::On => true,
            ChecksumMode::Off => false,
            ChecksumMode::Uncompressed => !flags.has(PageFlags::COMPRESSED),
            ChecksumMode::Unencrypted => !flags.has(PageFlags::ENCRYPTED),
        };
        // The offset isn't part of the checksum, so all of the work is done before space is taken.
        let checksum = checksum::seal(image, checksum_whole)?;
        let size = BlockHeader::parse(image)?.disk_size;
        let mut live = self.live_for_writing()?;
        let allocated = live.allocate(u64::from(size), fit);
        self.end.store(live.size, Ordering::Release);
        let target = self.objects.as_ref().map(Objects::target);
        drop(live);
        let offset = allocated.map_err(|error| self.fail(&error))?;
        let Some((object_id, handle)) = target else {
            self.write_at(offset, image)?;
            return Ok(Address { offset, size, checksum, object_id: 0 });
        };
        handle.write(offset, image).map_err(|error| self.fail(&error))?;
        Ok(Address { offset, size, checksum, object_id })
    }

    pub(super) fn write_at(&self, offset: u64, block: &[u8]) -> Result<()> {
        self.handle.write(offset, block).map_err(|error| self.fail(&error))
    }

    /// Reads and checks an extent list; `file_size` bounds its extents. The list's own block is cut out of it.
    pub(super) fn read_list(&self, address: &Address, kind: ListKind, file_size: u64) -> Result<ListContents> {
        let block = self.read(address)?;
        extent_list::decode(&block, kind, self.settings.allocation_size, file_size)
            .map_err(|error| error.in_object(&self.name, address.offset))
    }

    /// The live lists, if this handle may write.
    pub(super) fn live_for_writing(&self) -> Result<MutexGuard<'_, Live>> {
        self.check_usable()?;
        let live = self.live.as_ref().ok_or_else(|| {
            Error::new(ErrorCode::EPERM, format!("{}: opened for reading a checkpoint, can't be changed", self.name))
        })?;
        Ok(live.lock())
    }

    pub(super) fn check_usable(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(Error::panic(format!("{}: an earlier write failed, the system must restart", self.name)));
        }
        Ok(())
    }

    /// Marks the file as failed and turns `error` into a panic, unless the caller alone is to blame for it.
    #[cold]
    pub(super) fn fail(&self, error: &Error) -> Error {
        if error.code() == ErrorCode::EINVAL {
            return Error::invalid(format!("{}: {error}", self.name));
        }
        self.failed.store(true, Ordering::Release);
        Error::panic(format!("{}: {error}", self.name))
    }

    fn check_address(&self, address: &Address) -> Result<()> {
        if address.size < self.settings.allocation_size {
            return Err(Error::invalid(format!(
                "{}: impossibly small block size of {}B, less than allocation size of {}B",
                self.name, address.size, self.settings.allocation_size
            )));
        }
        let unit = u64::from(self.settings.allocation_size);
        let end = address.offset.saturating_add(u64::from(address.size));
        let file_end = self.end.load(Ordering::Acquire);
        let aligned = address.offset.checked_rem(unit) == Some(0) && end.checked_rem(unit) == Some(0);
        if address.offset < unit || !aligned || end > file_end || address.object_id != 0 {
            return Err(Error::corrupt(
                &self.name,
                address.offset,
                format!(
                    "address of {} bytes (object {}) is outside the file of {file_end} bytes",
                    address.size, address.object_id
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn check_block(&self, name: &str, address: &Address, block: &[u8]) -> Result<()> {
        let bad = |reason: String| Error::corrupt(name, address.offset, reason);
        checksum::check(block, address.checksum).map_err(|mismatch| {
            bad(format!(
                "potential hardware corruption, read checksum error for {}B block at offset {}: {mismatch}",
                address.size, address.offset
            ))
        })?;
        let header = BlockHeader::parse(block)?;
        if header.disk_size != address.size {
            return Err(bad(format!("block header has size {}, its address says {}", header.disk_size, address.size)));
        }
        Ok(())
    }

    fn load_live(&self, cookie: Option<&CheckpointCookie>) -> Result<Live> {
        let mut live = Live::new(self.settings.allocation_size);
        let Some(cookie) = cookie else { return Ok(live) };
        let unit = u64::from(self.settings.allocation_size);
        if cookie.file_size < unit || cookie.file_size.checked_rem(unit) != Some(0) {
            return Err(Error::corrupt(
                &self.name,
                0,
                format!("checkpoint's file size {} is not a multiple of the allocation size {unit}", cookie.file_size),
            ));
        }
        live.size = cookie.file_size;
        live.rolling_size = cookie.rolling_size;
        for address in [cookie.root, cookie.alloc, cookie.avail, cookie.discard].iter().flatten() {
            if address.offset.saturating_add(u64::from(address.size)) > cookie.file_size {
                let reason = format!("block is beyond the checkpoint's file size {}", cookie.file_size);
                return Err(Error::corrupt(&self.name, address.offset, reason));
            }
        }
        if let Some(address) = &cookie.avail {
            let list = self.read_list(address, ListKind::Avail, cookie.file_size)?;
            // The cookie comes from a text file without checksum, and the file will be cut to the size it gives.
            if let Some((_, file_size)) = list.trailer
                && file_size != cookie.file_size
            {
                let reason = format!(
                    "checkpoint's file size is {}, but {file_size} in its avail extent list: one of them is damaged",
                    cookie.file_size
                );
                return Err(Error::corrupt(&self.name, address.offset, reason));
            }
            for extent in list.extents {
                live.avail.insert(extent).map_err(|error| self.bad_list(address, overlap(error)))?;
            }
            // The list was written before its own place was taken out of it.
            live.avail.remove(Extent { offset: address.offset, size: u64::from(address.size) });
        }
        Ok(live)
    }

    /// A file may be shorter than its checkpoint says, if power failed after a later checkpoint had cut free space off
    /// the end. But nothing in use can be missing.
    fn check_present(&self, live: &Live, physical_size: u64) -> Result<()> {
        let unit = live.allocation_size;
        let start = physical_size.saturating_sub(physical_size.checked_rem(unit).unwrap_or(0));
        let missing = Extent { offset: start, size: live.size.saturating_sub(start) };
        if missing.size == 0 || live.avail.contains(missing) {
            return Ok(());
        }
        let reason = format!("the file ends here, but its checkpoint has {} bytes with blocks in use", live.size);
        Err(Error::corrupt(&self.name, physical_size, reason))
    }

    pub(super) fn bad_list(&self, address: &Address, error: Error) -> Error {
        Error::corrupt(&self.name, address.offset, error.to_string())
    }
}

/// The checkpoint's cookie; `None` for a file that was never checkpointed or whose checkpoint is a fake.
fn decode_cookie(cookie: Option<&[u8]>, name: &str, settings: BlockSettings) -> Result<Option<CheckpointCookie>> {
    cookie
        .filter(|bytes| !bytes.is_empty())
        .map(|bytes| CheckpointCookie::decode(bytes, settings.allocation_size))
        .transpose()
        .map_err(|error| error.in_object(name, 0))
}

/// The first of `path.1`, `path.2`, ... that isn't taken.
fn free_name(fs: &dyn FileSystem, path: &Path) -> Result<PathBuf> {
    for number in 1..=u32::MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        if !fs.exists(Path::new(&name))? {
            return Ok(PathBuf::from(name));
        }
    }
    Err(Error::new(ErrorCode::EEXIST, format!("{}: no free name to rename it to", path.display())))
}

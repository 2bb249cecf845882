//! Writing the log: sessions append records, and share writes and syncs.
//!
//! A record is built and sealed by its session. It is then copied once, into the *active slot*: a buffer that becomes one
//! write at one place. When the slot is full, or somebody needs it written, it is closed, the next one becomes active at the
//! place behind it, and whoever completes it writes it. A record larger than half a slot is written by itself, at a place of
//! its own between two slots.
//!
//! Invariants
//! 1. Places are given out without gaps in the order of closing: a slot begins where the one before it ends (or at the first
//!    record of a new file). Only the holder of the position lock closes the active slot and opens the next.
//! 2. At most one slot is open: the active one. A slot's place is set before it opens and stays until the log has advanced
//!    past it, so whoever joined it may read its place.
//! 3. A slot is in the queue of [`Progress`] before it can be complete for anybody else: no write is missed.
//! 4. A thread that was told that a slot is complete writes it before it waits for anything.
//! 5. Commits go through a gate: from the append of a commit record until its transaction has resolved, no checkpoint
//!    starts. So the record of a checkpoint's start lies behind exactly those commits that its snapshot contains.
//! 6. A failed write or sync fails the log for ever (`WT_PANIC`); what was acknowledged as durable is durable.

use super::directory::NewFile;
use super::progress::{Progress, Ticket, Turn};
use super::record;
use super::{LogDirectory, LogFile, Lsn, Operation};
use crate::config::settings::{LogSettings, SyncMethod};
use crate::sync::join_buffer::JoinBuffer;
use crate::{Error, Result};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const SLOTS: usize = 8;
const BUFFER_MAX: u64 = 256 << 10;
/// Where the first record of a new file is.
const FIRST_RECORD: u32 = 256;
const PREPARED_MAX: u32 = 500;

/// The log of an open database.
pub struct Log {
    directory: LogDirectory,
    settings: LogSettings,
    buffer_size: usize,
    slots: Box<[Slot]>,
    active: AtomicUsize,
    position: Mutex<Position>,
    progress: Progress,
    /// See invariant 5; `true`: no commits any more.
    gate: RwLock<bool>,
    /// The start of the last checkpoint that makes older files unneeded; 0: none.
    checkpoint: AtomicU64,
    /// Open log cursors: files stay while there are any.
    readers: AtomicUsize,
    /// How many files should be prepared, and how many were, by number.
    prepared_wanted: AtomicU32,
    prepared: AtomicU32,
    /// There is something for [`Log::maintain`] to do.
    wants_care: AtomicBool,
    /// Where this run's log begins.
    first: Lsn,
}

struct Slot {
    buffer: JoinBuffer,
    place: Mutex<Option<SlotPlace>>,
    /// The place, for those who joined.
    start: AtomicU64,
}

#[derive(Clone)]
struct SlotPlace {
    file: Arc<LogFile>,
    start: Lsn,
    ticket: Option<Ticket>,
}

struct Position {
    file: Arc<LogFile>,
    active: usize,
    /// Where the active slot begins.
    start: Lsn,
    /// The end of the last record before it.
    last_end: Lsn,
}

/// Where a record was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its place.
    pub lsn: Lsn,
    /// The place behind it.
    pub end: Lsn,
}

impl Log {
    /// Starts a log with the new file `number`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn start(directory: LogDirectory, settings: LogSettings, number: u32) -> Result<Self> {
        let (file, _) = directory.create(number, Lsn::INITIAL, new_file(&settings), false)?;
        let file = Arc::new(file);
        let start = Lsn::new(number, FIRST_RECORD);
        let buffer_size = settings.file_max.wrapping_div(10).min(BUFFER_MAX);
        let buffer_size = usize::try_from(buffer_size).unwrap_or(usize::MAX);
        let slots: Box<[Slot]> = (0..SLOTS).map(|_| Slot::new(buffer_size)).collect();
        let progress = Progress::new(start, Arc::clone(&file), SLOTS);
        let active = progress.take_slot()?;
        let position = Position { file, active, start, last_end: start };
        let log = Self {
            buffer_size,
            active: AtomicUsize::new(active),
            progress,
            gate: RwLock::new(false),
            checkpoint: AtomicU64::new(0),
            readers: AtomicUsize::new(0),
            prepared_wanted: AtomicU32::new(settings.prealloc_init_count),
            prepared: AtomicU32::new(0),
            wants_care: AtomicBool::new(true),
            first: start,
            directory,
            settings,
            slots,
            position: Mutex::new(position),
        };
        let mut position = log.position.lock();
        log.open_slot(&mut position, active);
        drop(position);
        Ok(log)
    }

    // ---- appending

    /// Completes a record that was started, as this log's records are.
    ///
    /// # Errors
    /// `EFBIG` for a record whose length doesn't fit; those of compressor and encryptor.
    pub(crate) fn seal(&self, record: &mut Vec<u8>) -> Result<()> {
        self.directory.transform().seal(record)
    }

    fn append_started(&self, mut record: Vec<u8>) -> Result<Appended> {
        self.seal(&mut record)?;
        self.append(&record)
    }

    /// Appends a sealed record.
    ///
    /// # Errors
    /// `WT_PANIC` after a failure.
    pub fn append(&self, record: &[u8]) -> Result<Appended> {
        let len = u32::try_from(record.len()).map_err(|_| Error::invalid("log record too long"))?;
        if record.len() > self.buffer_size.wrapping_div(2) {
            return self.append_alone(record, len);
        }
        loop {
            self.progress.check()?;
            let index = self.active.load(Ordering::Acquire);
            let slot = self.slot(index);
            let Some(part) = slot.buffer.join(record.len()) else {
                self.switch(|position| position.active == index)?;
                continue;
            };
            let lsn = plus(unpack(slot.start.load(Ordering::Acquire)), part.offset);
            if part.fill(record) {
                self.write_slot(index)?;
            }
            return Ok(Appended { lsn, end: plus(lsn, record.len()) });
        }
    }

    /// Appends a message.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_message(&self, text: &str) -> Result<Appended> {
        let mut buffer = Vec::new();
        record::start_message(&mut buffer, text);
        self.append_started(buffer)
    }

    /// Appends a record about the writing of one file.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_file_sync(&self, file: u32, start: bool) -> Result<Appended> {
        let mut buffer = Vec::new();
        record::start_file_sync(&mut buffer, file, start);
        self.append_started(buffer)
    }

    /// Appends the record of a checkpoint that began at `lsn`.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append_checkpoint(&self, lsn: Lsn) -> Result<Appended> {
        let mut buffer = Vec::new();
        record::start_checkpoint(&mut buffer, lsn);
        self.append_started(buffer)
    }

    /// Appends the record of a checkpoint's start while no commit is on its way, and runs `then` before the next one is.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn start_checkpoint<T>(&self, then: impl FnOnce() -> T) -> Result<(Lsn, T)> {
        let mut buffer = Vec::new();
        record::start_system(&mut buffer);
        Operation::CheckpointStart.push(&mut buffer);
        self.seal(&mut buffer)?;
        let _gate = self.gate.write();
        let appended = self.append(&buffer)?;
        Ok((appended.lsn, then()))
    }

    /// Enters the gate of commits: to be kept until the transaction has resolved. The engine's own transactions
    /// (`internal`) pass it to the end.
    ///
    /// # Errors
    /// `EINVAL` once the log takes no commits any more; `WT_PANIC` after a failure.
    pub fn enter_commit(&self, internal: bool) -> Result<RwLockReadGuard<'_, bool>> {
        self.progress.check()?;
        let gate = self.gate.read();
        if *gate && !internal { Err(Error::invalid("the connection is closed")) } else { Ok(gate) }
    }

    /// Lets no commit of a session in any more, after those that are on their way.
    pub fn close_gate(&self) {
        *self.gate.write() = true;
    }

    /// Appends a commit record and waits as `sync` (`None`: the connection's default) and the connection's method say.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn commit(&self, record: &[u8], sync: Option<bool>) -> Result<()> {
        let appended = self.append(record)?;
        if !sync.unwrap_or(self.settings.sync) {
            return Ok(());
        }
        match self.settings.sync_method {
            SyncMethod::Write => self.flush_to(appended.end),
            SyncMethod::Fsync => self.sync_to(appended.end),
        }
    }

    // ---- writing and syncing

    /// Hands everything appended so far to the operating system.
    ///
    /// # Errors
    /// `WT_PANIC` after a failure.
    pub fn flush(&self) -> Result<()> {
        self.flush_to(self.end())
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    /// `WT_PANIC` after a failure.
    pub fn sync(&self) -> Result<()> {
        self.sync_to(self.end())
    }

    /// The end of the last record.
    pub fn end(&self) -> Lsn {
        let position = self.position.lock();
        match self.slot(position.active).buffer.len() {
            0 => position.last_end,
            len => plus(position.start, len),
        }
    }

    fn flush_to(&self, lsn: Lsn) -> Result<()> {
        if self.progress.write_lsn() >= lsn {
            return Ok(());
        }
        self.switch(|position| position.start < lsn)?;
        self.progress.wait_written(lsn)
    }

    fn sync_to(&self, lsn: Lsn) -> Result<()> {
        match self.progress.wait_turn(lsn)? {
            Turn::Durable => Ok(()),
            // Whatever has joined meanwhile becomes durable with it.
            Turn::Sync => self.progress.sync(|| self.flush()),
        }
    }

    // ---- slots

    #[allow(clippy::indexing_slicing, reason = "indices of slots come from `take_slot` alone")]
    fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    /// Makes the next slot active, if that is still wanted.
    fn switch(&self, wanted: impl Fn(&Position) -> bool) -> Result<()> {
        self.progress.check()?;
        let mut position = self.position.lock();
        if !wanted(&position) || self.slot(position.active).buffer.len() == 0 {
            return Ok(());
        }
        let complete = self.close_slot(&mut position);
        let next = self.next_slot(&mut position);
        drop(position);
        if let Some(index) = complete {
            self.write_slot(index)?;
        }
        next
    }

    /// Closes the active slot; the slot, if it is complete and up to the caller to write.
    fn close_slot(&self, position: &mut Position) -> Option<usize> {
        let index = position.active;
        let slot = self.slot(index);
        let mut place = slot.place.lock();
        // Who holds the position lock is the only one to close: the buffer is open, unless an earlier switch failed.
        let (len, complete) = slot.buffer.close()?;
        if len == 0 {
            self.progress.give_back(index);
            return None;
        }
        position.last_end = plus(position.start, len);
        if let Some(place) = place.as_mut() {
            place.ticket = Some(self.progress.queue(position.last_end, Some(index)));
        }
        position.start = position.last_end;
        complete.then_some(index)
    }

    /// Opens the next slot at the end of what was given out. A failure fails the log.
    fn next_slot(&self, position: &mut Position) -> Result<()> {
        let slot = self.progress.take_slot()?;
        if self.is_full(position, 0) {
            self.switch_file(position)?;
        }
        self.open_slot(position, slot);
        Ok(())
    }

    fn open_slot(&self, position: &mut Position, index: usize) {
        let slot = self.slot(index);
        let place = SlotPlace { file: Arc::clone(&position.file), start: position.start, ticket: None };
        *slot.place.lock() = Some(place);
        slot.start.store(pack(position.start), Ordering::Release);
        slot.buffer.open();
        position.active = index;
        self.active.store(index, Ordering::Release);
    }

    fn write_slot(&self, index: usize) -> Result<()> {
        self.progress.check()?;
        let slot = self.slot(index);
        let place = slot.place.lock().clone();
        let Some(SlotPlace { file, start, ticket: Some(ticket) }) = place else {
            return Err(Error::panic("a log slot is complete and has no place"));
        };
        let written = slot.buffer.read(|bytes| file.handle.write(u64::from(start.offset), bytes));
        written.map_err(|error| self.progress.fail(&file.name, &error))?;
        self.progress.made(ticket);
        Ok(())
    }

    fn append_alone(&self, record: &[u8], len: u32) -> Result<Appended> {
        self.progress.check()?;
        let mut position = self.position.lock();
        let complete = self.close_slot(&mut position);
        let reserved = self.reserve_alone(&mut position, len);
        let next = match &reserved {
            Ok(_) => self.next_slot(&mut position),
            Err(_) => Ok(()),
        };
        drop(position);
        if let Some(index) = complete {
            self.write_slot(index)?;
        }
        let (file, appended, ticket) = reserved?;
        next?;
        let written = file.handle.write(u64::from(appended.lsn.offset), record);
        written.map_err(|error| self.progress.fail(&file.name, &error))?;
        self.progress.made(ticket);
        Ok(appended)
    }

    /// A place for a record by itself, queued.
    fn reserve_alone(&self, position: &mut Position, len: u32) -> Result<(Arc<LogFile>, Appended, Ticket)> {
        if self.is_full(position, len) {
            self.switch_file(position)?;
        }
        let lsn = position.start;
        let Some(end) = lsn.offset.checked_add(len) else {
            // The active slot is closed: open it again, so that others go on.
            self.next_slot(position)?;
            let max = u32::MAX.saturating_sub(FIRST_RECORD);
            let message = format!("Log record size of {len} exceeds the maximum supported size of {max}");
            return Err(Error::new(crate::ErrorCode::EFBIG, message));
        };
        let end = Lsn::new(lsn.file, end);
        position.start = end;
        position.last_end = end;
        Ok((Arc::clone(&position.file), Appended { lsn, end }, self.progress.queue(end, None)))
    }

    // ---- files

    /// Whether the next slot (or a record of `len` bytes) goes into a new file.
    fn is_full(&self, position: &Position, len: u32) -> bool {
        let offset = u64::from(position.start.offset);
        let end = offset.saturating_add(super::operation::to_u64(self.buffer_size));
        position.start.offset != FIRST_RECORD
            && (end >= self.settings.file_max || position.start.offset.checked_add(len).is_none())
    }

    fn switch_file(&self, position: &mut Position) -> Result<()> {
        let failed = |error: Error| self.progress.fail(&position.file.name, &error);
        let number = position.file.number.checked_add(1).ok_or_else(|| Error::panic("out of log file numbers"));
        let number = number.map_err(&failed)?;
        let end = position.start;
        let created = self.directory.create(number, end, new_file(&self.settings), self.settings.prealloc);
        let (file, was_prepared) = created.map_err(failed)?;
        if !was_prepared && self.settings.prealloc {
            let wanted = self.prepared_wanted.load(Ordering::Relaxed).saturating_add(1);
            self.prepared_wanted.store(wanted.min(PREPARED_MAX), Ordering::Relaxed);
        }
        position.file = Arc::new(file);
        position.start = Lsn::new(number, FIRST_RECORD);
        self.progress.next_file(Arc::clone(&position.file), end.offset);
        self.wants_care.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The place up to which the files have been written without a gap.
    pub fn written(&self) -> Lsn {
        self.progress.write_lsn()
    }

    /// Whether files have become full or unneeded since the last [`Log::maintain`].
    pub fn wants_care(&self) -> bool {
        self.wants_care.load(Ordering::Relaxed)
    }

    /// About how much was logged since the last checkpoint, in bytes.
    pub fn bytes_since_checkpoint(&self) -> u64 {
        let (end, from) = (self.written(), unpack(self.checkpoint.load(Ordering::Acquire)));
        let from = if from.file == 0 { self.first } else { from };
        let files = u64::from(end.file.saturating_sub(from.file)).saturating_mul(self.settings.file_max);
        files.saturating_add(u64::from(end.offset)).saturating_sub(u64::from(from.offset))
    }

    /// What a server does from time to time: syncs and trims full files, prepares new ones, removes those that aren't needed.
    ///
    /// # Errors
    /// `WT_PANIC` after a failure of what must not fail; else those of the file system, which do no harm.
    pub fn maintain(&self) -> Result<()> {
        self.wants_care.store(false, Ordering::Relaxed);
        if self.progress.has_full_files() {
            self.sync()?;
        }
        if !self.is_read() {
            for (file, end) in self.progress.take_closed() {
                if file.handle.size()? > u64::from(end) {
                    file.handle.truncate(u64::from(end))?;
                }
            }
        }
        if self.settings.prealloc {
            let wanted = usize::try_from(self.prepared_wanted.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
            for _ in self.directory.prepared()?..wanted {
                let number = self.prepared.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                self.directory.prepare(number, new_file(&self.settings))?;
            }
        }
        if self.settings.remove { self.remove_old(None) } else { Ok(()) }
    }

    /// Notes that nothing before `lsn` is needed for recovery any more.
    pub fn set_checkpoint(&self, lsn: Lsn) {
        self.checkpoint.store(pack(lsn), Ordering::Release);
        self.wants_care.store(true, Ordering::Relaxed);
    }

    /// Removes the files before the last checkpoint (and, if given, before file `below`).
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_old(&self, below: Option<u32>) -> Result<()> {
        let checkpoint = unpack(self.checkpoint.load(Ordering::Acquire));
        let limit = checkpoint.file.min(self.progress.sync_lsn().file).min(below.unwrap_or(u32::MAX));
        if limit == 0 || self.is_read() {
            return Ok(());
        }
        for number in self.directory.numbers()? {
            if number < limit {
                self.directory.remove(number)?;
            }
        }
        Ok(())
    }

    /// Whether files are removed by themselves.
    pub fn removes(&self) -> bool {
        self.settings.remove
    }

    /// Where the files are.
    pub fn directory(&self) -> &LogDirectory {
        &self.directory
    }

    /// Notes a reader of the files: while there is one, none is removed or trimmed.
    pub fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::AcqRel);
    }

    /// The end of [`Log::add_reader`].
    pub fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::AcqRel);
    }

    fn is_read(&self) -> bool {
        self.readers.load(Ordering::Acquire) > 0
    }
}

impl Slot {
    fn new(size: usize) -> Self {
        Self { buffer: JoinBuffer::new(size), place: Mutex::new(None), start: AtomicU64::new(0) }
    }
}

fn new_file(settings: &LogSettings) -> NewFile {
    NewFile { file_max: settings.file_max, extend_to: settings.extend_to, zero_fill: settings.zero_fill }
}

/// The place `bytes` further in the file. Positions are kept below 2^32 by [`Log::is_full`] and `reserve_alone`.
fn plus(lsn: Lsn, bytes: usize) -> Lsn {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Lsn::new(lsn.file, lsn.offset.saturating_add(bytes))
}

fn pack(lsn: Lsn) -> u64 {
    (u64::from(lsn.file) << 32) | u64::from(lsn.offset)
}

fn unpack(word: u64) -> Lsn {
    let low = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    Lsn::new(low(word >> 32), low(word))
}

#[cfg(test)]
mod tests;

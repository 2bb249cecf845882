//! The numbered objects of a tiered tree: one file that is written, and finished ones that are only read.
//!
//! 1. Every block of the tree names its object; numbers start at 1. Space is allocated in the active object alone, and
//!    nothing is ever freed in a finished one: its bytes don't change any more.
//! 2. The active object changes under the file's live lock, in the same step in which the checkpoint that closes the old
//!    one has settled its lists: what is allocated later lies in the new object.
//! 3. Readers take a read lock to find an object's handle, none while they read. A handle may be exchanged for another of
//!    the same bytes (the local copy for the bucket's).
//!
//! Where objects are kept, and under which names, is the business of the [`ObjectSource`].

use super::manager::BlockManager;
use super::{Address, live::Live};
use crate::page::widen;
use crate::{Error, Result};
use hardwired_plugin::file_system::FileHandle;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Opens the objects of one tree.
pub trait ObjectSource: Send + Sync {
    /// The name of an object, for messages.
    fn object_name(&self, number: u32) -> String;

    /// Opens a finished object for reading, wherever it is.
    ///
    /// # Errors
    /// `ENOENT` naming the object; errors of the file systems.
    fn open_object(&self, number: u32) -> Result<Arc<dyn FileHandle>>;
}

/// The object that a checkpoint switches to.
pub struct NextObject {
    /// Its number.
    pub number: u32,
    /// Its file, which holds the descriptor block alone, durably.
    pub handle: Arc<dyn FileHandle>,
}

/// What a tiered tree is opened with beside its checkpoint.
pub struct ObjectsOpen {
    /// Opens the others.
    pub source: Arc<dyn ObjectSource>,
    /// The number of the newest object.
    pub active: u32,
}

/// The objects of an open tree.
pub(super) struct Objects {
    source: Arc<dyn ObjectSource>,
    state: Arc<RwLock<State>>,
    /// A finished object whose last blocks may not be durable yet.
    closing: Mutex<Option<Arc<dyn FileHandle>>>,
}

struct State {
    active: u32,
    handle: Arc<dyn FileHandle>,
    finished: HashMap<u32, Finished>,
}

/// An object that is read alone.
#[derive(Clone)]
struct Finished {
    handle: Arc<dyn FileHandle>,
    /// No block ends beyond this offset.
    end: u64,
}

impl Objects {
    pub(super) fn new(source: Arc<dyn ObjectSource>, active: u32, handle: Arc<dyn FileHandle>) -> Self {
        let state = State { active, handle, finished: HashMap::new() };
        Self { source, state: Arc::new(RwLock::new(state)), closing: Mutex::new(None) }
    }

    /// A handle that always means the active object.
    pub(super) fn active_handle(&self, path: &Path) -> Arc<dyn FileHandle> {
        Arc::new(ActiveHandle { path: path.to_owned(), state: Arc::clone(&self.state) })
    }

    /// The active object's number. Stable while the live lock is held.
    pub(super) fn active(&self) -> u32 {
        self.state.read().active
    }

    /// Number and file of the active object, where an allocation just made belongs. The live lock is held.
    pub(super) fn target(&self) -> (u32, Arc<dyn FileHandle>) {
        let state = self.state.read();
        (state.active, Arc::clone(&state.handle))
    }

    pub(super) fn name(&self, number: u32) -> String {
        self.source.object_name(number)
    }

    /// Makes `next` the active object; the live lock is held. `end` bounds what is read of the active object.
    fn switch(&self, next: NextObject, end: &AtomicU64, live: &Live) {
        let mut state = self.state.write();
        let finished = Finished { handle: Arc::clone(&state.handle), end: end.load(Ordering::Acquire) };
        *self.closing.lock() = Some(Arc::clone(&state.handle));
        let number = state.active;
        state.finished.insert(number, finished);
        state.active = next.number;
        state.handle = next.handle;
        end.store(live.size, Ordering::Release);
    }

    /// Makes the last blocks of a finished object durable.
    pub(super) fn sync_closing(&self) -> Result<()> {
        // Taken only after success: a caller that tries again must not find nothing to do.
        let mut closing = self.closing.lock();
        if let Some(handle) = &*closing {
            handle.sync()?;
        }
        *closing = None;
        Ok(())
    }

    /// The file of an object and the end of what may be read of it.
    fn find(&self, number: u32, end: &AtomicU64) -> Result<Finished> {
        {
            let state = self.state.read();
            if state.active == number {
                return Ok(Finished { handle: Arc::clone(&state.handle), end: end.load(Ordering::Acquire) });
            }
            if let Some(finished) = state.finished.get(&number) {
                return Ok(finished.clone());
            }
        }
        if number == 0 || number > self.active() {
            let reason = format!("a block in object {number}, which the table doesn't have");
            return Err(Error::corrupt(self.name(number), 0, reason));
        }
        let handle = self.source.open_object(number)?;
        let finished = Finished { end: handle.size()?, handle };
        // Of two threads that opened it, the first one's handle stays.
        Ok(self.state.write().finished.entry(number).or_insert(finished).clone())
    }
}

impl BlockManager {
    /// The number of the object that is written; 0 in an ordinary file.
    pub fn active_object(&self) -> u32 {
        self.objects.as_ref().map_or(0, Objects::active)
    }

    /// Exchanges the handle of a finished object, if the tree has it open, for another one of the same bytes.
    pub fn replace_object(&self, number: u32, handle: &Arc<dyn FileHandle>) {
        if let Some(objects) = &self.objects
            && let Some(finished) = objects.state.write().finished.get_mut(&number)
        {
            finished.handle = Arc::clone(handle);
        }
    }

    /// The read of a block of a tiered tree.
    pub(super) fn read_object(&self, objects: &Objects, address: &Address, block: &mut Vec<u8>) -> Result<()> {
        let object = objects.find(address.object_id, &self.end)?;
        let unit = u64::from(self.settings.allocation_size);
        let end = address.offset.saturating_add(u64::from(address.size));
        let aligned = address.offset.checked_rem(unit) == Some(0) && end.checked_rem(unit) == Some(0);
        if address.offset < unit || !aligned || end > object.end || u64::from(address.size) < unit {
            let reason = format!("address of {} bytes is outside the object of {} bytes", address.size, object.end);
            return Err(Error::corrupt(objects.name(address.object_id), address.offset, reason));
        }
        block.resize(widen(address.size), 0);
        object.handle.read(address.offset, block)?;
        self.check_block(&objects.name(address.object_id), address, block)
    }

    /// The end of a checkpoint that closes the active object: all that is allocated from now on lies in the next one.
    pub(super) fn switch_object(&self, live: &mut Live, next: NextObject) -> Result<()> {
        let Some(objects) = &self.objects else {
            return Err(Error::panic(format!("{}: not a tiered tree, it has no next object", self.name)));
        };
        let state = live.state;
        *live = Live::new(self.settings.allocation_size);
        live.state = state;
        objects.switch(next, &self.end, live);
        Ok(())
    }
}

/// Stands for whatever object is active.
struct ActiveHandle {
    path: PathBuf,
    state: Arc<RwLock<State>>,
}

impl ActiveHandle {
    fn handle(&self) -> Arc<dyn FileHandle> {
        Arc::clone(&self.state.read().handle)
    }
}

impl FileHandle for ActiveHandle {
    fn path(&self) -> &Path {
        &self.path
    }
    fn lock(&self, lock: bool) -> Result<()> {
        self.handle().lock(lock)
    }
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.handle().read(offset, buffer)
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.handle().write(offset, data)
    }
    fn size(&self) -> Result<u64> {
        self.handle().size()
    }
    fn sync(&self) -> Result<()> {
        self.handle().sync()
    }
    fn truncate(&self, length: u64) -> Result<()> {
        self.handle().truncate(length)
    }
}

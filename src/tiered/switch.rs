//! What a checkpoint with `flush_tier` does: which trees start a new object, and the rows for it.
//!
//! WiredTiger's rules: a tree is switched if it had a checkpoint before this call, which is newer than its last flush
//! (`force`: in any case), and if it was ever written. So what was written after the last checkpoint is no reason to
//! switch: the first flush after such writes only takes their checkpoint, the next one switches.

use super::name::object_name;
use super::queue::{Unit, UnitKind};
use super::tree::{TieredTree, TreeState};
use crate::block::{BlockManager, NextObject};
use crate::config::metadata;
use crate::event::Origin;
use crate::metadata::{checkpoints_of, current};
use crate::plugin::config::Config;
use crate::plugin::file_system::{FileType, OpenOptions};
use crate::schema::{Database, FileHandle};
use crate::{Error, Result};
use parking_lot::MutexGuard;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `flush_tier=(enabled)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlushRequest {
    pub(crate) force: bool,
    pub(crate) sync: bool,
    /// `None`: for as long as it takes.
    pub(crate) timeout: Option<Duration>,
}

impl FlushRequest {
    /// Reads the configuration of a checkpoint; `None`: no flush.
    pub(crate) fn parse(config: Config<'_>) -> Result<Option<Self>> {
        if !config.bool_or("flush_tier.enabled", false)? {
            return Ok(None);
        }
        let timeout = u64::try_from(config.i64_or("flush_tier.timeout", 0)?)
            .map_err(|_| Error::invalid("flush_tier.timeout is negative"))?;
        Ok(Some(Self {
            force: config.bool_or("flush_tier.force", false)?,
            sync: config.bool_or("flush_tier.sync", true)?,
            timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
        }))
    }
}

/// A tree that the checkpoint switches to a new object.
pub(crate) struct Switch {
    pub(crate) handle: Arc<FileHandle>,
    tree: Arc<TieredTree>,
    /// Taken when the block manager gets it.
    pub(crate) next: Option<NextObject>,
    /// The state that the checkpoint's metadata has.
    pub(crate) state: TreeState,
    /// Rows that the checkpoint adds.
    pub(crate) rows: Vec<(String, String)>,
    path: PathBuf,
}

/// Refuses a named checkpoint where objects can't have one.
pub(crate) fn refuse_named(db: &Database, name: Option<&str>) -> Result<()> {
    if name.is_none() {
        return Ok(());
    }
    for prefix in ["object:", "tier:"] {
        if let Some((uri, _)) = db.catalog.with_prefix(prefix)?.first() {
            return Err(Error::invalid(format!("{uri} object does not support named checkpoints")));
        }
    }
    Ok(())
}

/// What a flush holds from its beginning to its end.
pub(crate) struct FlushGuard<'a> {
    _in_progress: Option<MutexGuard<'a, ()>>,
    request: FlushRequest,
    failures: u64,
}

/// Begins a flush: with `sync` it waits for one that is in progress.
///
/// # Errors
/// `EBUSY` after the timeout.
pub(crate) fn begin_flush<'a>(db: &'a Database, request: &FlushRequest) -> Result<FlushGuard<'a>> {
    let tiered = &db.tiered;
    let in_progress = match (request.sync, request.timeout) {
        (false, _) => None,
        (true, None) => Some(tiered.flush_lock.lock()),
        (true, Some(timeout)) => Some(tiered.flush_lock.try_lock_for(timeout).ok_or_else(|| {
            Error::new(
                crate::ErrorCode::EBUSY,
                "flush_tier: another flush is in progress, and not complete within the timeout",
            )
        })?),
    };
    super::work::resume(db)?;
    Ok(FlushGuard { _in_progress: in_progress, request: *request, failures: tiered.queue.failures() })
}

/// The end of a flush whose checkpoint is complete: with `sync` it waits for the copies. No lock is held.
///
/// # Errors
/// `EBUSY` after the timeout; the failure of a copy. The checkpoint is complete then, and the copies go on.
pub(crate) fn finish_flush(db: &Database, guard: &FlushGuard<'_>) -> Result<()> {
    db.tiered.queue.signal();
    if !guard.request.sync {
        return Ok(());
    }
    db.tiered.queue.wait_flushed(guard.failures, guard.request.timeout)
}

/// Decides which trees are switched by the checkpoint of that time, and makes the files of their next objects. The
/// checkpoint lock and the schema lock are held.
pub(crate) fn plan_switches(db: &Database, request: &FlushRequest, time: u64) -> Result<Vec<Switch>> {
    let mut switches = Vec::new();
    for (uri, row) in db.catalog.with_prefix(super::name::TREE_PREFIX)? {
        match plan(db, &uri, &row, request, time) {
            Ok(Some(switch)) => switches.push(switch),
            Ok(None) => {}
            Err(error) => {
                Switch::undo(db, &switches);
                return Err(error);
            }
        }
    }
    Ok(switches)
}

fn plan(db: &Database, uri: &str, row: &str, request: &FlushRequest, time: u64) -> Result<Option<Switch>> {
    let checkpoints = checkpoints_of(row, uri)?;
    let Some(newest) = current(&checkpoints) else { return Ok(None) };
    let state = TreeState::parse(uri, row)?;
    if !request.force && newest.time <= state.flush_time {
        return Ok(None);
    }
    let handle = match db.open_file_locked(uri) {
        Ok(handle) => handle,
        Err(error) => {
            // As a checkpoint does: what can't be served is left as it is.
            let origin = Origin { object: uri, call: "WT_SESSION.checkpoint" };
            db.notice(origin, || format!("{uri}: not part of the flush: {error}"));
            return Ok(None);
        }
    };
    let Some(tree) = handle.tiered.clone().filter(|_| handle.tree.ever_written()) else { return Ok(None) };
    let number = state.last.checked_add(1).ok_or_else(|| Error::invalid(format!("{uri}: out of object numbers")))?;
    let path = tree.path(number);
    let renamed = BlockManager::create(&*db.fs, &path, handle.block.allocation_size())?;
    if let Some(aside) = renamed {
        db.notice(Origin { object: uri, call: "WT_SESSION.checkpoint" }, || {
            format!("unexpected file {} found, renamed to {}", path.display(), aside.display())
        });
    }
    let file = db.fs.open(&path, FileType::Data, OpenOptions::default())?;
    let base = tree.base.clone();
    let storage = Config::single(row).get("tiered_storage")?.map_or("()", |item| item.source());
    let id = u32::try_from(db.next_file_id()).map_err(|_| Error::panic("out of file ids"))?;
    let mut rows = Vec::new();
    if !state.has_tier {
        rows.push((format!("tier:{base}"), metadata::tier(storage)?));
    }
    rows.push((format!("object:{}", object_name(&base, state.last)), metadata::object(row, 0)?));
    rows.push((format!("file:{}", object_name(&base, number)), metadata::tiered_file(row, id, storage)?));
    let state = TreeState { flush_time: time, last: number, has_tier: true, ..state };
    Ok(Some(Switch { handle, tree, next: Some(NextObject { number, handle: file }), state, rows, path }))
}

impl Switch {
    /// The metadata with the new objects is durable: the closed ones are to be copied.
    pub(crate) fn commit(db: &Database, switches: &[Self]) {
        for switch in switches {
            switch.tree.set_state(switch.state.clone());
        }
        db.tiered.queue.push(switches.iter().map(|switch| Unit {
            kind: UnitKind::Flush,
            base: switch.tree.base.clone(),
            number: switch.state.last - 1,
            bucket: Arc::clone(&switch.tree.bucket),
            due_s: 0,
            failure: None,
        }));
    }

    /// The checkpoint was not made: the files of the next objects are of no use.
    pub(crate) fn undo(db: &Database, switches: &[Self]) {
        for switch in switches {
            // Litter at worst: the next flush puts it aside.
            let _ = db.fs.remove(&switch.path, false);
        }
    }
}

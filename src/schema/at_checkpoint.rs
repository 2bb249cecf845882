//! Opening files as their checkpoints hold them: what readers of a checkpoint see, and the history store behind a file that
//! is only read.
//!
//! Invariants:
//! 1. The file, the history store and the checkpoint's snapshot and timestamps are taken from the metadata as one checkpoint
//!    left it: their rows are read in one step.
//! 2. A handle at a checkpoint shows one view. Another timestamp to read the same checkpoint at is another handle.
//! 3. Who looks into an image of the history store has it in use.
//!
//! Source: transactions specification, sections 13.4 and 14.

use super::database::{Database, HISTORY_URI};
use super::handle::InUse;
use super::settings::file_id;
use crate::block::OpenMode;
use crate::btree::{History, Windows};
use crate::history::TableHistory;
use crate::metadata::system::{self, CHECKPOINT_KEY, OLDEST_KEY, SNAPSHOT_KEY};
use crate::metadata::write_gen::OpenReason;
use crate::metadata::{CHECKPOINT_PREFIX, Checkpoint, checkpoints_of, current, find_named};
use crate::page::modify::ModifyFormat;
use crate::plugin::config::Config;
use crate::txn::{CheckpointView, Snapshot};
use crate::{Error, Result};
use std::sync::Arc;

/// A checkpoint, and what it is to be read at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtCheckpoint<'a> {
    /// Its name, or [`CHECKPOINT_PREFIX`] for the newest.
    pub(crate) name: &'a str,
    /// `None`: at its own timestamp; 0: without a filter by time.
    pub(crate) read_timestamp: Option<u64>,
}

/// How a file is opened.
pub(super) struct Opening {
    pub(super) mode: OpenMode,
    pub(super) reason: OpenReason,
    pub(super) windows: Windows,
    pub(super) history: Option<InUse>,
}

impl Opening {
    /// For use.
    pub(super) fn live() -> Self {
        Self { mode: OpenMode::Live, reason: OpenReason::Normal, windows: Windows::Versions, history: None }
    }
}

/// The history store behind a file, and its use; nothing if there is no history.
type HistoryInUse = (Option<Arc<dyn History>>, Option<InUse>);

/// Which read-only handle of a file it is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckpointKey {
    uri: Box<str>,
    /// The name of an internal checkpoint is never given twice, that of an application's may be: with another order.
    checkpoint: Box<str>,
    order: u64,
    shows: Shows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shows {
    /// The checkpoint's view, at another timestamp than its own if there is one.
    View(Option<u64>),
    /// The history store as it is searched; transaction ids are those of the run that wrote it, or forgotten.
    History { with_ids: bool },
}

impl Database {
    /// A use of a file as of a checkpoint.
    ///
    /// # Errors
    /// [`Error::NotFound`] without such a checkpoint; `EINVAL` for a timestamp that it can't be read at.
    pub(crate) fn open_checkpoint(&self, uri: &str, at: AtCheckpoint<'_>) -> Result<InUse> {
        let _schema = self.schema_lock.lock();
        self.open_checkpoint_locked(uri, at)
    }

    /// The same under the schema lock.
    pub(super) fn open_checkpoint_locked(&self, source: &str, at: AtCheckpoint<'_>) -> Result<InUse> {
        let of_checkpoint = |key: &str| match at.name {
            CHECKPOINT_PREFIX => key.to_owned(),
            name => system::named_key(key, name),
        };
        let keys = [SNAPSHOT_KEY, CHECKPOINT_KEY, OLDEST_KEY].map(of_checkpoint);
        let [snapshot_key, timestamp_key, oldest_key] = &keys;
        let [value, store, snapshot, timestamp, oldest] =
            self.catalog.get_all([source, HISTORY_URI, snapshot_key, timestamp_key, oldest_key])?;
        let value = value.ok_or(Error::NotFound)?;
        let checkpoints = checkpoints_of(&value, source)?;
        let found = find_named(&checkpoints, at.name).ok_or(Error::NotFound)?;
        let timestamp_in = |row: Option<String>, key: &str| -> Result<u64> {
            row.map_or(Ok(0), |row| system::Timestamp::parse(&row, key).map(|row| row.timestamp))
        };
        let view = view(
            at.read_timestamp,
            snapshot.map(|row| system::Snapshot::parse(&row, snapshot_key)).transpose()?,
            timestamp_in(timestamp, timestamp_key)?,
            timestamp_in(oldest, oldest_key)?,
        )?;
        self.use_at(source, &value, found, Shows::View(at.read_timestamp), || {
            let (tree, used) = self.history_of(source, &value, store.as_deref(), Some(at.name))?;
            Ok(Opening { windows: Windows::At(view, tree), history: used, ..Opening::at_checkpoint() })
        })
    }

    /// How a file is opened that is only read, in its newest state. Under the schema lock.
    pub(super) fn read_only(&self, uri: &str, value: &str) -> Result<Opening> {
        let store = self.catalog.get(HISTORY_URI)?;
        let (tree, used) = self.history_of(uri, value, store.as_deref(), None)?;
        let windows = if uri == HISTORY_URI { Windows::Versions } else { Windows::ReadOnly(tree) };
        Ok(Opening { mode: OpenMode::CheckpointReadOnly, windows, history: used, ..Opening::live() })
    }

    /// The names of a file's checkpoints that cursors have open.
    pub(crate) fn open_checkpoint_names(&self, file_uri: &str) -> Vec<String> {
        let mut open = self.checkpoints.lock();
        open.retain(|_, file| file.is_used());
        open.keys().filter(|key| &*key.uri == file_uri).map(|key| key.checkpoint.to_string()).collect()
    }

    /// A use of the handle that shows this of a file's checkpoint; `opening` tells how it is opened if need be.
    fn use_at(
        &self,
        uri: &str,
        value: &str,
        checkpoint: &Checkpoint,
        shows: Shows,
        opening: impl FnOnce() -> Result<Opening>,
    ) -> Result<InUse> {
        let name = Box::from(checkpoint.name.as_str());
        let key = CheckpointKey { uri: Box::from(uri), checkpoint: name, order: checkpoint.order, shows };
        {
            let mut open = self.checkpoints.lock();
            // Handles that nobody uses any more pin nothing.
            open.retain(|_, file| file.is_used());
            if let Some(file) = open.get(&key) {
                return file.use_shared();
            }
        }
        // The schema lock keeps others from opening the same meanwhile.
        let file = self.open_at(uri, value, Some(checkpoint), opening()?)?;
        let used = file.use_shared();
        self.checkpoints.lock().insert(key, file);
        used
    }

    /// The history store behind a file, at a checkpoint (`None`: in its newest state), if there is any history.
    fn history_of(
        &self,
        uri: &str,
        value: &str,
        store: Option<&str>,
        checkpoint: Option<&str>,
    ) -> Result<HistoryInUse> {
        let Some(store) = store.filter(|_| uri != HISTORY_URI) else { return Ok((None, None)) };
        let checkpoints = checkpoints_of(store, HISTORY_URI)?;
        let found = match checkpoint {
            Some(name) => find_named(&checkpoints, name),
            None => current(&checkpoints),
        };
        let Some(found) = found.filter(|found| !found.is_fake()) else { return Ok((None, None)) };
        let with_ids = checkpoint.is_some();
        let used = self.use_at(HISTORY_URI, store, found, Shows::History { with_ids }, || {
            let reason = if with_ids { OpenReason::Checkpoint } else { OpenReason::Normal };
            Ok(Opening { reason, windows: Windows::Kept, ..Opening::at_checkpoint() })
        })?;
        let history = TableHistory {
            tree: Arc::clone(&used.tree),
            txns: Arc::clone(&self.txns),
            file_id: file_id(uri, value)?,
            format: modify_format(value)?,
        };
        Ok((Some(Arc::new(history)), Some(used)))
    }
}

impl Opening {
    fn at_checkpoint() -> Self {
        Self { mode: OpenMode::CheckpointReadOnly, reason: OpenReason::Checkpoint, ..Self::live() }
    }
}

/// What readers of a checkpoint see, by what the metadata says of it: its snapshot, its timestamp and the oldest it can be
/// read at.
fn view(
    read_timestamp: Option<u64>,
    snapshot: Option<system::Snapshot>,
    own_ts: u64,
    oldest_ts: u64,
) -> Result<CheckpointView> {
    let read_ts = read_timestamp.unwrap_or(own_ts);
    if read_ts != 0 && read_ts < oldest_ts {
        return Err(Error::invalid("checkpoint_read_timestamp must not be before the checkpoint oldest timestamp"));
    }
    let snapshot = snapshot.map(|row| Snapshot { min: row.min, max: row.max, running: row.ids });
    Ok(CheckpointView { snapshot, read_ts, stable_ts: if own_ts == 0 { 0 } else { own_ts.max(read_ts) } })
}

/// How values of a file are modified.
fn modify_format(value: &str) -> Result<Option<ModifyFormat>> {
    Ok(match Config::single(value).text_or("value_format", "u")? {
        "u" => Some(ModifyFormat::Raw),
        "S" => Some(ModifyFormat::String),
        _ => None,
    })
}

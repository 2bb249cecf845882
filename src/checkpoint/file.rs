//! The checkpoint of one file: which of its checkpoints go, its pages and lists, its new metadata value.

use crate::block::{CheckpointAction, CheckpointEntry, TrailerRequest};
use crate::metadata::{
    Checkpoint, CheckpointRequest, DropRule, Protection, checkpoints_of, choose_deletions, format_checkpoints,
    format_lsn, internal_name, is_skipped, new_trailer, trailer_metadata,
};
use crate::schema::{Database, FileHandle};
use crate::tiered::Switch;
use crate::txn::Snapshot;
use crate::{Error, Result};
use std::sync::Arc;

/// What is asked of each file.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRequest<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) drops: &'a [DropRule],
    pub(super) force: bool,
    /// The time all files of the checkpoint share.
    pub(super) time: u64,
}

/// What is going to happen to a file.
pub(super) struct Plan {
    existing: Vec<Checkpoint>,
    deletions: Vec<bool>,
    /// What the avail list's trailer says about the file.
    trailer: String,
}

/// A file whose checkpoint is written, though not durable.
pub(super) struct Written {
    pub(super) handle: Arc<FileHandle>,
    /// The new metadata value.
    pub(super) value: String,
}

/// Decides what the checkpoint does to a file; `None`: nothing.
pub(super) fn plan(db: &Database, handle: &Arc<FileHandle>, request: &FileRequest<'_>) -> Result<Option<Plan>> {
    handle.set_just_filled(false);
    match db.catalog.get(&handle.uri)? {
        Some(value) => plan_value(db, handle, &value, request),
        // Dropped since the files were collected.
        None => Ok(None),
    }
}

/// The same for a file whose metadata value isn't a row.
pub(super) fn plan_value(
    db: &Database,
    handle: &Arc<FileHandle>,
    value: &str,
    request: &FileRequest<'_>,
) -> Result<Option<Plan>> {
    let existing = checkpoints_of(value, &handle.uri)?;
    let wanted = CheckpointRequest { name: request.name, drops: request.drops, force: request.force };
    let open_names = db.open_checkpoint_names(&handle.uri);
    let protection = Protection { open_names: &open_names, ..Protection::default() };
    let deletions = choose_deletions(&existing, &wanted, &protection, &handle.uri)?;
    let clean = !handle.tree.is_dirty();
    if clean && is_skipped(&existing, &wanted, &deletions, handle.block.has_free_tail()) {
        return Ok(None);
    }
    let trailer = trailer_metadata(value, handle.tree.settings().transform.encryptor())?;
    Ok(Some(Plan { existing, deletions, trailer }))
}

/// Writes the pages, the root and the extent lists.
pub(super) fn write(
    db: &Database,
    handle: &Arc<FileHandle>,
    plan: Plan,
    request: &FileRequest<'_>,
    snapshot: &Snapshot,
    mut switch: Option<&mut Switch>,
) -> Result<Written> {
    handle.block.checkpoint_start()?;
    let mut tree = match handle.tree.checkpoint(snapshot) {
        Ok(tree) => tree,
        Err(error) => {
            // Pages were marked clean whose contents are not durable: the tree can't be trusted any more.
            db.set_panicked();
            return Err(error);
        }
    };
    let Plan { existing, deletions, trailer } = plan;
    let mut entries: Vec<CheckpointEntry> = existing
        .iter()
        .zip(&deletions)
        .map(|(checkpoint, delete)| CheckpointEntry {
            cookie: checkpoint.cookie.clone(),
            action: if *delete { CheckpointAction::Delete } else { CheckpointAction::Keep },
        })
        .collect();
    let order = existing.last().map_or(0, |checkpoint| checkpoint.order) + 1;
    let new = Checkpoint {
        name: request.name.map_or_else(|| internal_name(order), str::to_owned),
        cookie: Vec::new(),
        order,
        time: request.time,
        size: 0,
        aggregate: tree.aggregate,
        write_gen: tree.write_gen,
        run_write_gen: handle.run_write_gen,
    };
    let list = |entries: &[CheckpointEntry], cookie: &[u8], size: u64| -> Vec<Checkpoint> {
        let kept = existing.iter().zip(entries).filter(|(_, entry)| entry.action == CheckpointAction::Keep);
        kept.map(|(checkpoint, entry)| Checkpoint { cookie: entry.cookie.clone(), ..checkpoint.clone() })
            .chain([Checkpoint { cookie: cookie.to_vec(), size, ..new.clone() }])
            .collect()
    };
    let trailer_write_gen = handle.tree.next_write_gen();
    let trailer = |made: &TrailerRequest<'_>| {
        let checkpoints = list(made.entries, made.incomplete_cookie, made.size);
        Ok(Some(new_trailer(&trailer, &checkpoints, made.incomplete_cookie, trailer_write_gen)))
    };
    let next = switch.as_mut().and_then(|switch| switch.next.take());
    let written = match handle.block.checkpoint_and_switch(&mut entries, tree.root.as_mut(), Some(&trailer), next) {
        Ok(written) => written,
        Err(error) => {
            if !matches!(error, Error::Corrupt(_)) {
                db.set_panicked();
                return Err(error);
            }
            // Nothing has been changed: an old list can't be read.
            handle.block.checkpoint_resolve(false)?;
            return Err(error);
        }
    };
    let checkpoints = list(&entries, &written.cookie, written.size);
    let mut value = format!(
        "{},checkpoint={},checkpoint_backup_info=,checkpoint_lsn={}",
        handle.base.lock(),
        format_checkpoints(&checkpoints),
        format_lsn(None)
    );
    if let Some(tiered) = &handle.tiered {
        let state = switch.map_or_else(|| tiered.state(), |switch| switch.state.clone());
        value.push(',');
        value.push_str(&state.format(&tiered.base));
    }
    Ok(Written { handle: Arc::clone(handle), value })
}

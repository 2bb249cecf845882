//! Dropping a tiered tree.

use super::Bucket;
use super::name::{TREE_PREFIX, object_name, object_number};
use super::queue::{Unit, UnitKind};
use super::tree::TreeState;
use crate::event::Origin;
use crate::schema::Database;
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;

/// What a tree leaves behind when its own row goes.
pub(crate) struct Objects {
    base: String,
    /// The `tier:`, `object:` and `file:` rows.
    pub(crate) rows: Vec<String>,
    numbers: Vec<u32>,
    /// Where the objects are to be removed too.
    shared: Option<Arc<Bucket>>,
}

/// The rows and objects of the tree `uri`, whose row is `row`. The schema lock is held.
///
/// # Errors
/// `EBUSY` while an object of the tree is being copied; with `remove_shared`, whatever keeps the bucket from being opened.
pub(crate) fn objects_of(db: &Database, uri: &str, row: &str, remove_shared: bool) -> Result<Objects> {
    let base = uri.strip_prefix(TREE_PREFIX).unwrap_or(uri).to_owned();
    if db.tiered.queue.is_busy(&base) {
        return Err(Error::new(ErrorCode::EBUSY, format!("{uri}: an object of the table is being flushed")));
    }
    let shared = if remove_shared { Some(db.tiered.bucket_of_row(row)?) } else { None };
    let mut rows = Vec::new();
    let mut numbers = Vec::new();
    let tier = format!("tier:{base}");
    if db.catalog.get(&tier)?.is_some() {
        rows.push(tier);
    }
    for kind in ["object:", "file:"] {
        for (uri, _) in db.catalog.with_prefix(&format!("{kind}{base}-"))? {
            if let Some(number) = object_number(&base, uri.strip_prefix(kind).unwrap_or(&uri)) {
                numbers.push(number);
                rows.push(uri);
            }
        }
    }
    // Never empty of the newest one, whatever the rows say.
    numbers.push(TreeState::parse(uri, row)?.last);
    numbers.sort_unstable();
    numbers.dedup();
    Ok(Objects { base, rows, numbers, shared })
}

/// Removes the files of a tree whose rows are gone. A failure is no more than litter.
pub(crate) fn remove_objects(db: &Database, objects: Objects, remove_files: bool) {
    let Objects { base, numbers, shared, .. } = objects;
    db.tiered.queue.forget(&base);
    for &number in &numbers {
        let name = object_name(&base, number);
        let path = db.home.join(&name);
        if let Err(error) = if remove_files { db.fs.remove(&path, true) } else { Ok(()) }
            && error.code() != ErrorCode::ENOENT
        {
            let origin = Origin { object: &name, call: "WT_SESSION.drop" };
            db.notice(origin, || format!("{name}: the object of a dropped table can't be removed: {error}"));
        }
    }
    if let Some(bucket) = shared {
        db.tiered.queue.push(numbers.into_iter().map(|number| Unit {
            kind: UnitKind::RemoveShared,
            base: base.clone(),
            number,
            bucket: Arc::clone(&bucket),
            due_s: 0,
            failure: None,
        }));
        db.tiered.queue.signal();
    }
}

//! The background work: copying closed objects, recording that, and removing what is kept elsewhere.
//!
//! A unit looks at the metadata again before it does anything, since its table may have been dropped meanwhile. A unit that
//! fails is reported (once for each text) and comes again.

use super::name::{TREE_PREFIX, object_name};
use super::queue::{Unit, UnitKind};
use crate::config::{collapse, metadata};
use crate::event::Origin;
use crate::plugin::config::Config;
use crate::schema::Database;
use crate::{Error, ErrorCode, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const CALL: &str = "tiered-server";

/// Does what is due.
pub(crate) fn pass(db: &Database) {
    if let Err(error) = resume(db) {
        db.messenger.report(Origin::call(CALL), &error);
    }
    for unit in db.tiered.queue.take_due(now_s(db)) {
        if db.is_panicked() {
            return;
        }
        run(db, unit);
    }
}

/// Makes the removals from buckets that are queued: the end of a connection, after which nobody would know of them.
pub(crate) fn drain_removals(db: &Database) {
    for unit in db.tiered.queue.take_removals() {
        if let Err(error) = remove_shared(db, &unit) {
            let object = object_name(&unit.base, unit.number);
            let text = format!("{object}: stays in its bucket, though its table was dropped: {error}");
            db.messenger.error(Origin::call(CALL), error.code().0, &text);
        }
    }
}

/// Queues what earlier connections left undone. Does nothing but once in a connection.
pub(crate) fn resume(db: &Database) -> Result<()> {
    if db.tiered.resumed.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let mut units = Vec::new();
    for (uri, row) in db.catalog.with_prefix("object:")? {
        let name = uri.strip_prefix("object:").unwrap_or(&uri);
        // Ten digits, a dash before them, the suffix behind them.
        let base = name.len().checked_sub(object_name("", 0).len()).and_then(|length| name.get(..length));
        let Some((base, number)) = base.and_then(|base| Some((base, super::name::object_number(base, name)?))) else {
            continue;
        };
        let Some(tree) = db.catalog.get(&format!("{TREE_PREFIX}{base}"))? else { continue };
        if !db.fs.exists(&db.home.join(name))? {
            continue;
        }
        let flush_time = flush_time(&uri, &row)?;
        let (kind, due_s) = match flush_time {
            0 => (UnitKind::Flush, 0),
            time => (UnitKind::RemoveLocal, time.saturating_add(db.tiered.local_retention_s())),
        };
        match db.tiered.bucket_of_row(&tree) {
            Ok(bucket) => units.push(Unit { kind, base: base.to_owned(), number, bucket, due_s, failure: None }),
            Err(error) => db.messenger.report(Origin { object: &uri, call: CALL }, &error),
        }
    }
    db.tiered.queue.push(units);
    Ok(())
}

fn run(db: &Database, mut unit: Unit) {
    let done = match unit.kind {
        UnitKind::Flush => {
            let done = flush(db, &unit);
            db.tiered.queue.end();
            done.map(|after| db.tiered.queue.flushed(after))
        }
        UnitKind::Finish => finish(db, &unit),
        UnitKind::RemoveLocal => remove_local(db, &unit),
        UnitKind::RemoveShared => remove_shared(db, &unit),
    };
    let Err(error) = done else { return };
    let text = error.to_string();
    let reported = unit.failure.as_ref() == Some(&text);
    if !reported {
        let object = object_name(&unit.base, unit.number);
        db.messenger.error(Origin { object: &object, call: CALL }, error.code().0, &text);
    }
    unit.failure = Some(text);
    // A cache that the source can't fill costs time only.
    if unit.kind != UnitKind::Finish {
        db.tiered.queue.failed(unit, &error);
    }
}

/// Copies a closed object and records it; gives what follows.
fn flush(db: &Database, unit: &Unit) -> Result<Vec<Unit>> {
    {
        let _schema = db.schema_lock.lock();
        if recorded_time(db, unit)? != Some(0) {
            return Ok(Vec::new());
        }
        // From here to `end` the table can't be dropped.
        db.tiered.queue.begin(&unit.base);
    }
    let name = object_name(&unit.base, unit.number);
    let path = db.home.join(&name);
    unit.bucket.flush(&path, db.fs.size(&path)?, &name)?;
    let now = now_s(db);
    let _schema = db.schema_lock.lock();
    let (file, object) = (format!("file:{name}"), format!("object:{name}"));
    let Some(row) = db.catalog.get(&object)? else { return Ok(Vec::new()) };
    let row = collapse(&[&row, &metadata::flushed(now)])?;
    db.change_metadata(&[(&file, None), (&object, Some(&row))])?;
    let after = |kind, due_s| Unit { kind, due_s, failure: None, ..unit.clone() };
    Ok(vec![
        after(UnitKind::Finish, 0),
        after(UnitKind::RemoveLocal, now.saturating_add(db.tiered.local_retention_s())),
    ])
}

fn finish(db: &Database, unit: &Unit) -> Result<()> {
    let _schema = db.schema_lock.lock();
    let name = object_name(&unit.base, unit.number);
    let path = db.home.join(&name);
    if recorded_time(db, unit)?.unwrap_or(0) == 0 || !db.fs.exists(&path)? {
        return Ok(());
    }
    unit.bucket.flush_finish(&path, &name)
}

fn remove_local(db: &Database, unit: &Unit) -> Result<()> {
    if recorded_time(db, unit)?.unwrap_or(0) == 0 {
        return Ok(());
    }
    let name = object_name(&unit.base, unit.number);
    let path = db.home.join(&name);
    let local_bytes = match db.fs.size(&path) {
        Err(error) if error.code() == ErrorCode::ENOENT => return Ok(()),
        size => size?,
    };
    let shared = unit.bucket.open(&name)?;
    let shared_bytes = shared.size()?;
    if shared_bytes != local_bytes {
        return Err(Error::new(
            ErrorCode::EIO,
            format!("{name}: the bucket's copy has {shared_bytes} of {local_bytes} bytes: the local copy is kept"),
        ));
    }
    if let Some(handle) = db.open_handle(&format!("{TREE_PREFIX}{}", unit.base)) {
        handle.block.replace_object(unit.number, &shared);
    }
    match db.fs.remove(&path, false) {
        Err(error) if error.code() == ErrorCode::ENOENT => Ok(()),
        removed => removed,
    }
}

fn remove_shared(db: &Database, unit: &Unit) -> Result<()> {
    // Held to the end: a new table of the name must not lose its objects.
    let _schema = db.schema_lock.lock();
    if let Some(row) = db.catalog.get(&format!("{TREE_PREFIX}{}", unit.base))?
        && Arc::ptr_eq(&db.tiered.bucket_of_row(&row)?, &unit.bucket)
    {
        return Ok(());
    }
    unit.bucket.remove(&object_name(&unit.base, unit.number))
}

/// `flush_time` of the unit's `object:` row; `None`: there is none.
fn recorded_time(db: &Database, unit: &Unit) -> Result<Option<u64>> {
    let uri = format!("object:{}", object_name(&unit.base, unit.number));
    db.catalog.get(&uri)?.map(|row| flush_time(&uri, &row)).transpose()
}

fn flush_time(uri: &str, row: &str) -> Result<u64> {
    let time = Config::single(row).get("flush_time")?.and_then(|item| item.as_u64().ok());
    time.ok_or_else(|| Error::corrupt(uri, 0, "no valid flush_time in the metadata entry"))
}

/// Seconds since 1970; never 0, which means "not flushed".
fn now_s(db: &Database) -> u64 {
    db.messenger.clock().now().as_secs().max(1)
}

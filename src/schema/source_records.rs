//! The records of a data source's object as the engine handles them: their order, and removing a range of them one by one.
//!
//! Removing never trusts a cursor to move: one that has lost its place is put back behind the record just removed, and one
//! that still doesn't get past it is an error, not an endless loop. (A store of bit fields "removes" by writing zero.)
//!
//! Source: data-source specification, sections 3.7, 3.8 and 4.

use crate::packing::Format;
use crate::plugin::collator::Collator;
use crate::plugin::data_source::{DataSourceCursor, Record};
use crate::plugin::extension::MessageLevel;
use crate::plugin::services::SessionServices;
use crate::{Error, ErrorCode, Result};
use std::cmp::Ordering;
use std::sync::Arc;

/// What the metadata row of a source's object says.
pub(crate) struct SourceObject {
    pub(crate) uri: Box<str>,
    pub(crate) key_format: Arc<Format>,
    pub(crate) value_format: Arc<Format>,
    /// The order of its keys where it isn't that of their bytes. Only the source itself can have asked for one.
    pub(crate) collator: Option<Arc<dyn Collator>>,
}

impl SourceObject {
    /// How the keys of two records compare.
    pub(crate) fn compare(&self, left: &Record, right: &Record) -> Result<Ordering> {
        if self.key_format.is_record_number() {
            return Ok(left.recno.cmp(&right.recno));
        }
        match &self.collator {
            Some(collator) => collator.compare(&left.key, &right.key),
            None => Ok(left.key.cmp(&right.key)),
        }
    }
}

/// Removes the record that the cursor stands on, which `record` holds, and those behind it: up to `stop`, else all.
///
/// # Errors
/// The source's; `WT_ERROR` for a cursor that doesn't move on. What was removed before stays removed.
pub(crate) fn remove_records(
    cursor: &mut dyn DataSourceCursor,
    services: &dyn SessionServices,
    object: &SourceObject,
    record: &mut Record,
    stop: Option<&Record>,
) -> Result<()> {
    let mut last = Record::default();
    loop {
        last.recno = record.recno;
        last.set_key(&record.key);
        let removed = cursor.remove(services, record);
        match or_reset(cursor, services, removed) {
            // Somebody else was faster.
            Ok(()) | Err(Error::NotFound) => {}
            Err(error) => return Err(error),
        }
        if let Some(stop) = stop
            && object.compare(&last, stop)?.is_ge()
        {
            return Ok(());
        }
        let stepped = step_behind(cursor, services, object, record, &last);
        match or_reset(cursor, services, stepped) {
            Ok(()) => {}
            Err(Error::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(stop) = stop
            && object.compare(record, stop)?.is_gt()
        {
            return Ok(());
        }
    }
}

/// Resets the cursor if its call has failed. The failure is what the caller must see.
pub(crate) fn or_reset<T>(
    cursor: &mut dyn DataSourceCursor,
    services: &dyn SessionServices,
    result: Result<T>,
) -> Result<T> {
    if result.is_err()
        && let Err(error) = cursor.reset(services)
    {
        services.message(MessageLevel::Error, &format!("data source: reset after a failure: {error}"));
    }
    result
}

/// Moves to the first record behind `last`.
fn step_behind(
    cursor: &mut dyn DataSourceCursor,
    services: &dyn SessionServices,
    object: &SourceObject,
    record: &mut Record,
    last: &Record,
) -> Result<()> {
    cursor.next(services, record)?;
    if object.compare(record, last)?.is_gt() {
        return Ok(());
    }
    record.recno = last.recno;
    record.set_key(&last.key);
    if cursor.search_near(services, record)?.is_gt() && object.compare(record, last)?.is_gt() {
        return Ok(());
    }
    cursor.next(services, record)?;
    if object.compare(record, last)?.is_gt() {
        return Ok(());
    }
    let uri = &object.uri;
    Err(Error::new(ErrorCode::ERROR, format!("{uri}: the data source's cursor doesn't move past a removed record")))
}

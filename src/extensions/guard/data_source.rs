//! Fences around data sources and their cursors.

use super::{Label, call};
use hardwired_plugin::Result;
use hardwired_plugin::config::Config;
use hardwired_plugin::data_source::{DataSource, DataSourceCursor, Record, Truncated};
use hardwired_plugin::services::SessionServices;
use std::cmp::Ordering;
use std::sync::Arc;

/// A data source behind the fence; its cursors are behind it too.
pub(in crate::extensions) struct GuardedDataSource {
    pub(in crate::extensions) label: Label,
    pub(in crate::extensions) inner: Arc<dyn DataSource>,
}

type Session<'s> = &'s dyn SessionServices;

impl DataSource for GuardedDataSource {
    fn create(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "create", || self.inner.create(session, uri, config))
    }
    fn has_cursors(&self) -> bool {
        // A panic in there shows in the call that follows.
        call(&self.label, "has_cursors", || Ok(self.inner.has_cursors())).unwrap_or(true)
    }
    fn open_cursor(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<Box<dyn DataSourceCursor>> {
        let inner = call(&self.label, "open_cursor", || self.inner.open_cursor(session, uri, config))?;
        Ok(Box::new(GuardedCursor { label: self.label.clone(), inner }))
    }
    fn drop_object(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "drop_object", || self.inner.drop_object(session, uri, config))
    }
    fn alter(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "alter", || self.inner.alter(session, uri, config))
    }
    fn compact(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "compact", || self.inner.compact(session, uri, config))
    }
    fn rename(&self, session: Session<'_>, uri: &str, new_uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "rename", || self.inner.rename(session, uri, new_uri, config))
    }
    fn salvage(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "salvage", || self.inner.salvage(session, uri, config))
    }
    fn size(&self, session: Session<'_>, uri: &str) -> Result<u64> {
        call(&self.label, "size", || self.inner.size(session, uri))
    }
    fn truncate(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<Truncated> {
        call(&self.label, "truncate", || self.inner.truncate(session, uri, config))
    }
    fn range_truncate(
        &self,
        session: Session<'_>,
        uri: &str,
        start: &Record,
        stop: Option<&Record>,
    ) -> Result<Truncated> {
        call(&self.label, "range_truncate", || self.inner.range_truncate(session, uri, start, stop))
    }
    fn verify(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        call(&self.label, "verify", || self.inner.verify(session, uri, config))
    }
    fn checkpoint(&self, session: Session<'_>, config: Config<'_>) -> Result<()> {
        call(&self.label, "checkpoint", || self.inner.checkpoint(session, config))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

struct GuardedCursor {
    label: Label,
    inner: Box<dyn DataSourceCursor>,
}

impl DataSourceCursor for GuardedCursor {
    fn next(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.next", || self.inner.next(session, record))
    }
    fn prev(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.prev", || self.inner.prev(session, record))
    }
    fn reset(&mut self, session: Session<'_>) -> Result<()> {
        call(&self.label, "cursor.reset", || self.inner.reset(session))
    }
    fn search(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.search", || self.inner.search(session, record))
    }
    fn search_near(&mut self, session: Session<'_>, record: &mut Record) -> Result<Ordering> {
        call(&self.label, "cursor.search_near", || self.inner.search_near(session, record))
    }
    fn insert(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.insert", || self.inner.insert(session, record))
    }
    fn update(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.update", || self.inner.update(session, record))
    }
    fn remove(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.remove", || self.inner.remove(session, record))
    }
    fn reserve(&mut self, session: Session<'_>, record: &mut Record) -> Result<()> {
        call(&self.label, "cursor.reserve", || self.inner.reserve(session, record))
    }
    fn bound(&mut self, session: Session<'_>, record: &Record, config: Config<'_>) -> Result<()> {
        call(&self.label, "cursor.bound", || self.inner.bound(session, record, config))
    }
}

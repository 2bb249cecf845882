//! hardwired, through its public Rust API.
//!
//! All defaults but the cache's size, as for WiredTiger: no log, no compression. A transaction of one write or one read is
//! left to autocommit, as an application would.

use std::{cmp::Ordering, path::Path};

use anyhow::Result;
use hardwired::{Connection, Cursor, Session, wiredtiger_open};

use super::{locked_version, missing};
use crate::{
    engine::{Engine, Options, Worker},
    rows::Batch,
};

const TABLE: &str = "table:bench";

/// An open connection.
pub(crate) struct Hardwired {
    connection: Connection,
}

/// A session and its cursor, of one thread.
pub(crate) struct HardwiredWorker<'w> {
    session: &'w Session,
    cursor: Cursor<'w>,
}

impl Engine for Hardwired {
    type Worker<'w> = HardwiredWorker<'w>;

    fn version() -> String {
        locked_version("hardwired")
    }

    fn open(home: &Path, options: &Options) -> Result<Self> {
        let connection = wiredtiger_open(home, None, &format!("create,cache_size={}", options.cache_bytes))?;
        let session = connection.open_session("")?;
        session.create(TABLE, "key_format=u,value_format=u")?;
        session.close()?;
        Ok(Self { connection })
    }

    fn with_worker<R>(&self, work: impl FnOnce(&mut Self::Worker<'_>) -> Result<R>) -> Result<R> {
        let session = self.connection.open_session("")?;
        let cursor = session.open_cursor(TABLE, "")?;
        work(&mut HardwiredWorker { session: &session, cursor })
    }

    fn checkpoint(&self) -> Result<()> {
        let session = self.connection.open_session("")?;
        session.checkpoint("")?;
        Ok(session.close()?)
    }

    fn close(self) -> Result<()> {
        Ok(self.connection.close("")?)
    }
}

impl Worker for HardwiredWorker<'_> {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let Self { session, cursor } = self;
        let explicit = batch.len() > 1;
        if explicit {
            session.begin_transaction("")?;
        }
        for (key, value) in batch.rows() {
            cursor.set_key_raw(key)?;
            cursor.set_value_raw(value)?;
            cursor.insert()?;
        }
        if explicit {
            session.commit_transaction("")?;
        }
        Ok(())
    }

    fn read(&mut self, batch: &Batch, mut visit: impl FnMut(usize, &[u8])) -> Result<()> {
        let Self { session, cursor } = self;
        let explicit = batch.len() > 1;
        if explicit {
            session.begin_transaction("")?;
        }
        let mut outcome = Ok(());
        for (position, key) in batch.keys().enumerate() {
            cursor.set_key_raw(key)?;
            if !cursor.search()? {
                outcome = Err(missing(batch, position));
                break;
            }
            visit(position, cursor.get_value_raw()?);
        }
        if explicit {
            session.rollback_transaction("")?;
        }
        outcome
    }

    fn scan(&mut self, from: &[u8], limit: usize, mut visit: impl FnMut(&[u8], &[u8])) -> Result<usize> {
        let cursor = &mut self.cursor;
        cursor.set_key_raw(from)?;
        let mut found = match cursor.search_near()? {
            None => false,
            Some(Ordering::Less) => cursor.next()?,
            Some(_) => true,
        };
        let mut count = 0;
        while found && count < limit {
            let (key, value) = cursor.get_raw_key_value()?;
            visit(key, value);
            count += 1;
            if count < limit {
                found = cursor.next()?;
            }
        }
        cursor.reset()?;
        Ok(count)
    }
}

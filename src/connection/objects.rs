//! The session's calls on objects: the engine's own kinds, and those of data sources.
//!
//! Source: API specification, section 6.3; data-source specification, section 3.

use super::ConnectionInner;
use crate::checkpoint;
use crate::schema::{CallingSession, NoTransaction, Refused, is_built_in};
use crate::session::Session;
use crate::{Error, Result};

impl ConnectionInner {
    pub(crate) fn create(&self, session: &Session, uri: &str, config: &str) -> Result<(), Refused> {
        if is_built_in(uri) {
            return self.db.create(uri, config, &|db| checkpoint::checkpoint_locked(db, &self.keys));
        }
        // Creating is no part of a transaction.
        let internal = NoTransaction(&self.db);
        let caller: &dyn CallingSession = if session.in_transaction() { &internal } else { session };
        self.db.create_in_source(caller, uri, config).map_err(Refused::from)
    }

    pub(crate) fn drop_object(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        if is_built_in(uri) { self.db.drop_object(uri, config) } else { self.db.drop_in_source(session, uri, config) }
    }

    pub(crate) fn alter(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        if is_built_in(uri) { self.db.alter(uri, config) } else { self.db.alter_in_source(session, uri, config) }
    }

    pub(crate) fn verify(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        if is_built_in(uri) {
            crate::verify::verify(&self.db, uri, config)
        } else {
            self.db.verify_in_source(session, uri, config)
        }
    }

    pub(crate) fn truncate(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        refuse_built_in(uri, "truncate")?;
        self.db.truncate_in_source(session, uri, config)
    }

    pub(crate) fn salvage(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        refuse_built_in(uri, "salvage")?;
        self.db.salvage_in_source(session, uri, config)
    }

    pub(crate) fn compact(&self, session: &Session, uri: &str, config: &str) -> Result<()> {
        refuse_built_in(uri, "compact")?;
        self.db.compact_in_source(session, uri, config)
    }

    pub(crate) fn rename(&self, session: &Session, uri: &str, new_uri: &str, config: &str) -> Result<()> {
        refuse_built_in(uri, "rename")?;
        self.db.rename_in_source(session, uri, new_uri, config)
    }
}

/// What isn't built for the engine's own objects.
fn refuse_built_in(uri: &str, call: &str) -> Result<()> {
    if is_built_in(uri) { Err(Error::unsupported(format!("{uri}: {call} is not supported yet"))) } else { Ok(()) }
}

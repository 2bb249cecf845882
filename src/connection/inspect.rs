//! Looking at an existing database before anything is done to it: what an open must know, and what it must refuse.
//!
//! What isn't built yet must not cost anybody data. So a database is refused, before any change, if
//! - a backup must be restored;
//! - (for writing) it holds timestamps, prepared transactions or history, or what a rollback to stable would remove.
//!
//! Reading such a database without changing it is safe: versions of every time are shown. What a rollback to stable would
//! remove is among them, so the reader is told; a cursor on the checkpoint leaves it out.
//!
//! A log that must be replayed is recovery's business; the metadata is looked at as it is after that.
//!
//! Source: block specification, section 16; transactions specification, section 15.2.

use super::open::KEY_ROW;
use crate::btree::TreeCursor;
use crate::event::{Category, Level, Origin};
use crate::metadata::home::{BACKUP_FILE, HISTORY_FILE};
use crate::metadata::system::{self, BASE_WRITE_GEN_KEY, CHECKPOINT_KEY, OLDEST_KEY, SNAPSHOT_KEY};
use crate::metadata::{Checkpoint, METADATA_URI, Turtle, checkpoints_of, current};
use crate::plugin::config::Config;
use crate::plugin::file_system::FileSystem;
use crate::schema::{Database, DatabaseParts, HISTORY_URI, Learned};
use crate::txn::{Isolation, Txn};
use crate::{Error, Result};
use std::path::Path;

/// What an inspection finds.
pub(super) struct Found {
    pub(super) learned: Learned,
    /// The key provider's row.
    pub(super) key_row: Option<String>,
    /// The row that remembers cluster and member.
    pub(super) tiered_identity: Option<String>,
}

/// Refuses a home whose files say that something must be restored first.
pub(super) fn refuse_foreign_files(fs: &dyn FileSystem, home: &Path) -> Result<()> {
    if fs.exists(&home.join(BACKUP_FILE))? {
        return Err(Error::unsupported(format!(
            "{}: holds {BACKUP_FILE}: restoring a backup is not supported yet",
            home.display()
        )));
    }
    Ok(())
}

/// Reads the metadata through a read-only handle, and decides whether the database can be served.
pub(super) fn inspect(parts: DatabaseParts, turtle: &Turtle, logs: bool) -> Result<Found> {
    require_metadata(&*parts.fs, &parts.home)?;
    let readonly = parts.readonly;
    let parts = DatabaseParts { readonly: true, ..parts };
    look(&Database::open(parts, turtle.clone(), Learned::default())?, readonly, logs)
}

/// A turtle file without the metadata file it names.
pub(super) fn require_metadata(fs: &dyn FileSystem, home: &Path) -> Result<()> {
    match fs.exists(&home.join(crate::metadata::home::METADATA_FILE))? {
        true => Ok(()),
        false => Err(Error::corrupt(METADATA_URI, 0, "the metadata file is missing")),
    }
}

/// The same for a database whose metadata is open. `logs`: the connection has a log.
pub(super) fn look(db: &Database, readonly: bool, logs: bool) -> Result<Found> {
    let learned = db.learn()?;
    let rows = db.catalog.trees()?;
    check_history_file(db, &*db.fs, &db.home)?;
    for (uri, value) in &rows {
        if let Some(checkpoint) = current(&checkpoints_of(value, uri)?) {
            let is_logged = logs && uri != HISTORY_URI && Config::single(value).bool_or("log.enabled", true)?;
            if !readonly {
                refuse_timestamps(uri, is_logged, checkpoint, db)?;
            } else if let Some(what) = unstable(uri, is_logged, checkpoint, db)? {
                let origin = Origin { object: uri, call: "wiredtiger_open" };
                db.messenger.message(origin, Category::Recovery, Level::Warning, || {
                    format!("{uri}: holds {what}: readers see what a rollback to stable would remove")
                });
            }
        }
    }
    if !readonly {
        refuse_history(db)?;
    }
    Ok(Found {
        learned,
        key_row: db.catalog.get(KEY_ROW)?,
        tiered_identity: db.catalog.get(crate::tiered::IDENTITY_KEY)?,
    })
}

/// The timestamps of the last checkpoint become the connection's.
pub(super) fn recover_timestamps(db: &Database) -> Result<()> {
    let timestamp = |key: &str| -> Result<u64> {
        let text = db.catalog.get(key)?;
        text.map_or(Ok(0), |text| system::Timestamp::parse(&text, key).map(|found| found.timestamp))
    };
    db.txns.recover_timestamps(timestamp(CHECKPOINT_KEY)?, timestamp(OLDEST_KEY)?);
    Ok(())
}

/// The history store's file must be there if the metadata says so.
fn check_history_file(db: &Database, fs: &dyn FileSystem, home: &Path) -> Result<()> {
    if db.catalog.get(HISTORY_URI)?.is_none() {
        return Ok(());
    }
    let path = home.join(HISTORY_FILE);
    if !fs.exists(&path)? {
        return Err(Error::panic(format!("{}: {HISTORY_FILE} file is corrupted or missing", home.display())));
    }
    if fs.size(&path)? == 0 {
        return Err(Error::corrupt(HISTORY_URI, 0, "the file is empty"));
    }
    Ok(())
}

fn refuse_timestamps(uri: &str, is_logged: bool, checkpoint: &Checkpoint, db: &Database) -> Result<()> {
    let aggregate = &checkpoint.aggregate;
    if aggregate.prepare {
        return Err(not_writable(uri, "prepared transactions"));
    }
    let newest = aggregate.newest_start_durable_ts.max(aggregate.newest_stop_durable_ts);
    if newest != 0 || (aggregate.oldest_start_ts != 0 && aggregate.oldest_start_ts != u64::MAX) {
        return Err(not_writable(uri, "timestamps"));
    }
    if has_running(is_logged, checkpoint, db)? {
        return Err(not_writable(uri, "changes of transactions that were running at its last checkpoint"));
    }
    Ok(())
}

/// What of a file's last checkpoint isn't stable, if anything (transactions specification, section 15.2).
fn unstable(uri: &str, is_logged: bool, checkpoint: &Checkpoint, db: &Database) -> Result<Option<&'static str>> {
    let aggregate = &checkpoint.aggregate;
    let stable = match db.catalog.get(CHECKPOINT_KEY)? {
        Some(text) => system::Timestamp::parse(&text, CHECKPOINT_KEY)?.timestamp,
        None => u64::MAX,
    };
    Ok(if uri == HISTORY_URI {
        None
    } else if aggregate.prepare {
        Some("changes that were prepared at its last checkpoint")
    } else if !is_logged && aggregate.newest_start_durable_ts.max(aggregate.newest_stop_durable_ts) > stable {
        Some("changes later than the stable timestamp of its last checkpoint")
    } else if has_running(is_logged, checkpoint, db)? {
        Some("changes of transactions that were running at its last checkpoint")
    } else {
        None
    })
}

/// Whether a file's last checkpoint holds changes of transactions that aren't part of it.
fn has_running(is_logged: bool, checkpoint: &Checkpoint, db: &Database) -> Result<bool> {
    // What was committed after the checkpoint's snapshot is in the log: nothing of a logged file must be taken back.
    if is_logged {
        return Ok(false);
    }
    let Some(snapshot) = db.catalog.get(SNAPSHOT_KEY)? else { return Ok(false) };
    let snapshot = system::Snapshot::parse(&snapshot, SNAPSHOT_KEY)?;
    let base = match db.catalog.get(BASE_WRITE_GEN_KEY)? {
        Some(text) => system::parse_base_write_gen(&text)?,
        None => 0,
    };
    Ok(snapshot.min != 0 && checkpoint.aggregate.newest_txn >= snapshot.min && checkpoint.write_gen >= base)
}

/// Older versions in the history store: writing beside them without keeping them up isn't safe.
fn refuse_history(db: &Database) -> Result<()> {
    let Some(value) = db.catalog.get(HISTORY_URI)? else { return Ok(()) };
    let checkpoints = checkpoints_of(&value, HISTORY_URI)?;
    if current(&checkpoints).is_none_or(Checkpoint::is_fake) {
        return Ok(());
    }
    let file = db.open_file(HISTORY_URI)?;
    let mut txn = Txn::new(&db.txns)?;
    txn.prepare_read(Isolation::ReadUncommitted);
    let mut cursor = TreeCursor::new(&file.tree);
    let found = cursor.next(&txn);
    cursor.reset();
    txn.release_snapshot();
    if found? { Err(not_writable(HISTORY_URI, "older versions of records")) } else { Ok(()) }
}

fn not_writable(uri: &str, what: &str) -> Error {
    Error::unsupported(format!(
        "{uri}: the database holds {what}, which can't be kept up yet; open it with readonly=true to read it"
    ))
}

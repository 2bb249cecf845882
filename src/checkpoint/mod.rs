//! Database checkpoints: everything committed becomes durable at once.
//!
//! Order of durable effects (block specification, section 15):
//! 0. data sources make their own data durable: a refusal leaves everything as it was;
//! 1. the key provider is asked for its blob: its refusal does so too;
//! 2. every dirty file's pages and extent lists are written, and its metadata row prepared;
//! 3. every file written is synced;
//! 4. the rows (files, `system:`, key) go into the metadata table as one transaction;
//! 5. the metadata table is written and synced, and the turtle file replaced: **the commit point**;
//! 6. the space of deleted checkpoints is given back, and the key provider is told.
//!
//! With a log, the record of the checkpoint's start is written while no commit is on its way, and the snapshot is taken
//! before the next one: what lies behind that record is exactly what the checkpoint doesn't contain. The commit of the rows
//! (4) is logged, a checkpoint record follows it, and the log is durable before (5): what a durable table contains can always
//! be replayed from the log, so replay never goes back behind it.
//!
//! A crash before 5 leaves the former checkpoint of all files: no block that it references was reused. A failure after a
//! file's lists were rolled can't be undone in memory: the connection panics, the files hold the former checkpoint.
//!
//! What it does not do: timestamps and history, which come with issues of their own.

mod file;

use crate::event::{Category, Level, Origin};
use crate::key_provider::KeyService;
use crate::log::Lsn;
use crate::metadata::system::{self, BASE_WRITE_GEN_KEY, CHECKPOINT_KEY, OLDEST_KEY, SNAPSHOT_KEY, named_key};
use crate::metadata::{
    DropRule, METADATA_FILE_ID, METADATA_URI, check_name, checkpoint_lsn_of, format_lsn, parse_drops,
};
use crate::plugin::config::Config;
use crate::schema::{Database, FileHandle, HISTORY_URI};
use crate::tiered::{self, FlushRequest, Switch};
use crate::txn::timestamp::GlobalTimestamps;
use crate::txn::{Isolation, Snapshot, Txn};
use crate::{Error, Result};
use file::{FileRequest, Written};
use std::sync::Arc;
use std::time::Duration;

/// What the configuration of `checkpoint` asks for.
#[derive(Debug, Default)]
pub(crate) struct Request {
    name: Option<String>,
    drops: Vec<DropRule>,
    force: bool,
    /// It is the connection's last.
    last: bool,
    /// Files of the log stay, though it is complete.
    keeps_log: bool,
    /// The string of the call, for data sources.
    config: String,
    flush: Option<FlushRequest>,
    /// It is of the time of its call, whatever the stable timestamp.
    ignores_stable: bool,
}

impl Request {
    /// A checkpoint without name that nobody has asked for.
    pub(crate) fn internal(config: &str) -> Self {
        Self { config: config.to_owned(), ..Self::default() }
    }

    /// The checkpoint at the end of a connection.
    pub(crate) fn last(config: &str, use_timestamp: bool) -> Self {
        Self { last: true, ignores_stable: !use_timestamp, ..Self::internal(config) }
    }

    /// The checkpoint at the start of a connection with a log. After a recovery that found work the log's files stay until
    /// the next one.
    pub(crate) fn after_recovery(had_work: bool) -> Self {
        Self { keeps_log: had_work, ..Self::default() }
    }

    /// Reads the configuration of a call.
    ///
    /// # Errors
    /// `EINVAL` for reserved and malformed names; `ENOTSUP` for what isn't built.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let config = Config::single(text);
        let name = config.text_or("name", "")?;
        if !name.is_empty() {
            check_name(name, false)?;
        }
        let drops = config.get("drop")?.map_or(Ok(Vec::new()), |item| parse_drops(item.text()))?;
        Ok(Self {
            name: Some(name).filter(|name| !name.is_empty()).map(str::to_owned),
            drops,
            force: config.bool_or("force", false)?,
            last: false,
            keeps_log: false,
            config: text.to_owned(),
            flush: FlushRequest::parse(config)?,
            ignores_stable: !config.bool_or("use_timestamp", true)?,
        })
    }

    /// The last checkpoint of a connection that closes with `final_flush`.
    pub(crate) fn final_flush(timeout: Duration, use_timestamp: bool) -> Self {
        let flush = FlushRequest { force: false, sync: true, timeout: Some(timeout) };
        Self { flush: Some(flush), ignores_stable: !use_timestamp, ..Self::default() }
    }

    /// Whether clean and closed files take part.
    fn wants_all_files(&self) -> bool {
        self.name.is_some() || !self.drops.is_empty() || self.force
    }
}

/// What a checkpoint contains.
struct Start {
    time: u64,
    /// Where the log was.
    lsn: Option<Lsn>,
    snapshot: Snapshot,
    /// The stable timestamp, and the oldest, which isn't later; 0: none.
    stable: u64,
    oldest: u64,
}

/// Takes a checkpoint of the database.
///
/// # Errors
/// Those of data sources, of the key provider and of reading what must be read: the former checkpoint is the current one then, and the
/// next call tries again. Everything that fails once files are being written is `WT_PANIC`.
pub(crate) fn checkpoint(db: &Database, keys: &KeyService, request: &Request) -> Result<()> {
    if db.in_memory {
        return Err(Error::unsupported("not supported for in-memory configurations"));
    }
    tiered::refuse_named(db, request.name.as_deref())?;
    // Without tiered storage a flush is no more than its checkpoint.
    let flush = request.flush.filter(|_| db.tiered.is_on());
    let guard = flush.map(|flush| tiered::begin_flush(db, &flush)).transpose()?;
    {
        let _checkpoint = db.checkpoint_lock.lock();
        if request.name.is_some() {
            db.refuse_named_checkpoint()?;
        }
        db.checkpoint_sources(&request.config)?;
        let begun = {
            let _schema = db.schema_lock.lock();
            begin(db, request, flush.as_ref())?
        };
        run(db, keys, request, begun)?;
    }
    guard.map_or(Ok(()), |guard| tiered::finish_flush(db, &guard))
}

/// The same for a caller who holds the checkpoint lock and the schema lock, as the end of a schema call.
///
/// # Errors
/// As [`checkpoint`].
pub(crate) fn checkpoint_locked(db: &Database, keys: &KeyService) -> Result<()> {
    let request = Request::default();
    let begun = begin(db, &request, None)?;
    run(db, keys, &request, begun)
}

/// A checkpoint whose content is decided.
struct Begun {
    start: Start,
    /// Holds the snapshot.
    txn: Txn,
    /// The tiered trees that go on to a new object.
    switches: Vec<Switch>,
    files: Vec<Arc<FileHandle>>,
}

/// Takes the snapshot of a checkpoint, makes the next objects of a flush, and collects the files.
fn begin(db: &Database, request: &Request, flush: Option<&FlushRequest>) -> Result<Begun> {
    let time = db.next_checkpoint_time();
    let mut txn = Txn::new(&db.txns)?;
    let lsn = match db.txns.log() {
        Some(log) => Some(log.start_checkpoint(|| txn.begin(Isolation::Snapshot))?.0),
        None => {
            txn.begin(Isolation::Snapshot);
            None
        }
    };
    let timestamps = if request.ignores_stable { GlobalTimestamps::default() } else { txn.pin_stable() };
    let (stable, oldest) = (timestamps.stable, timestamps.oldest.min(timestamps.stable));
    let start = Start { time, lsn, snapshot: txn.snapshot().clone(), stable, oldest };
    let switches = flush.map_or(Ok(Vec::new()), |flush| tiered::plan_switches(db, flush, time))?;
    Ok(Begun { start, txn, switches, files: files_to_write(db, request)? })
}

fn run(db: &Database, keys: &KeyService, request: &Request, begun: Begun) -> Result<()> {
    // The transaction holds the snapshot to the end.
    let Begun { start, txn: _txn, mut switches, files } = begun;
    let time = start.time;
    let done = keys.before_checkpoint().map_or_else(
        |error| (Err(error), None),
        |mut key| (write_all(db, request, &start, &files, &mut switches, &mut key), key),
    );
    match &done.0 {
        Ok(()) => {
            db.txns.set_last_checkpoint(start.stable);
            Switch::commit(db, &switches);
        }
        // After a panic nobody knows which metadata the next open finds.
        Err(_) if !db.is_panicked() => Switch::undo(db, &switches),
        Err(_) => {}
    }
    match done {
        (Ok(()), Some(key)) => key.completed(),
        (Ok(()), None) => {}
        (Err(error), key) => {
            if let Some(key) = key {
                key.abandon(&error);
            }
            return Err(error);
        }
    }
    db.messenger.message(Origin::default(), Category::Checkpoint, Level::Debug(1), || {
        format!("checkpoint at {time}: {} files considered", files.len())
    });
    Ok(())
}

/// The files of a checkpoint: open ones, and all of them if it is named, forced or drops others.
fn files_to_write(db: &Database, request: &Request) -> Result<Vec<Arc<FileHandle>>> {
    if request.wants_all_files() {
        for (uri, _) in db.catalog.trees()? {
            if uri == HISTORY_URI {
                continue;
            }
            match db.open_file_locked(&uri) {
                Ok(_) => {}
                // An object that can't be served is left as it is: its former checkpoints stay valid.
                Err(error) => db.notice(Origin { object: &uri, call: "WT_SESSION.checkpoint" }, || {
                    format!("{uri}: not part of the checkpoint: {error}")
                }),
            }
        }
    }
    Ok(db.open_files())
}

fn write_all(
    db: &Database,
    request: &Request,
    start: &Start,
    files: &[Arc<FileHandle>],
    switches: &mut [Switch],
    key: &mut Option<crate::key_provider::PendingKey<'_>>,
) -> Result<()> {
    let &Start { time, lsn, ref snapshot, .. } = start;
    let file_request =
        FileRequest { name: request.name.as_deref(), drops: &request.drops, force: request.force, time, lsn };
    let key_row = key.as_mut().map(|key| key.persist()).transpose()?.flatten();
    // Deletions that must be refused are found before anything is written.
    let plan = |file: &Arc<FileHandle>| {
        let switched = switches.iter().any(|switch| Arc::ptr_eq(&switch.handle, file));
        file::plan(db, file, &FileRequest { force: file_request.force || switched, ..file_request })
    };
    let plans = files.iter().map(plan).collect::<Result<Vec<_>>>()?;
    let mut written: Vec<Written> = Vec::new();
    let result = (|| {
        for (file, plan) in files.iter().zip(plans) {
            if let Some(plan) = plan {
                let switch = switches.iter_mut().find(|switch| Arc::ptr_eq(&switch.handle, file));
                written.push(file::write(db, file, plan, &file_request, snapshot, switch)?);
            }
        }
        for file in &written {
            file.handle.block.sync()?;
        }
        let mut rows = system_rows(db, request, start);
        rows.extend(written.iter().map(|file| (file.handle.uri.clone(), Some(file.value.clone()))));
        rows.extend(lsn.map_or(Ok(Vec::new()), |lsn| rows_ahead_of(db, lsn, &written))?);
        for switch in switches.iter() {
            rows.extend(switch.rows.iter().map(|(uri, value)| (uri.clone(), Some(value.clone()))));
        }
        rows.extend(key_row.map(|row| (row.key.to_owned(), Some(row.value))));
        let changes: Vec<_> = rows.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
        db.catalog.change(&changes)?;
        make_current(db, start, request)
    })();
    match result {
        Ok(()) => written.iter().try_for_each(|file| file.handle.block.checkpoint_resolve(true)),
        Err(error) if written.is_empty() => Err(error),
        Err(error) => {
            db.set_panicked();
            Err(Error::panic(format!("checkpoint failed after files were written: {error}")))
        }
    }
}

/// The `system:` rows.
fn system_rows(db: &Database, request: &Request, start: &Start) -> Vec<(String, Option<String>)> {
    let &Start { time, ref snapshot, stable, oldest, .. } = start;
    let write_gen = db.base_write_gen.get();
    let at = |timestamp| system::Timestamp { timestamp, checkpoint_time: time, write_gen };
    let (stable, oldest) = (at(stable).format_checkpoint(), at(oldest).format_oldest());
    let snapshot = system::Snapshot {
        min: snapshot.min,
        max: snapshot.max,
        ids: snapshot.running.clone(),
        checkpoint_time: time,
        write_gen,
    };
    let mut rows = vec![
        (BASE_WRITE_GEN_KEY.to_owned(), Some(system::format_base_write_gen(write_gen))),
        (SNAPSHOT_KEY.to_owned(), Some(snapshot.format())),
        (CHECKPOINT_KEY.to_owned(), stable.clone()),
        (OLDEST_KEY.to_owned(), oldest.clone()),
    ];
    for rule in &request.drops {
        if let DropRule::Name(name) = rule {
            rows.extend([CHECKPOINT_KEY, OLDEST_KEY, SNAPSHOT_KEY].map(|key| (named_key(key, name), None)));
        }
    }
    if let Some(name) = &request.name {
        rows.push((named_key(SNAPSHOT_KEY, name), Some(snapshot.format())));
        rows.push((named_key(CHECKPOINT_KEY, name), stable));
        rows.push((named_key(OLDEST_KEY, name), oldest));
    }
    rows
}

/// Rows of files that aren't written and whose place in the log lies ahead of `lsn`, or that were written without a log:
/// what is logged for them from now on must be replayed.
fn rows_ahead_of(db: &Database, lsn: Lsn, written: &[Written]) -> Result<Vec<(String, Option<String>)>> {
    let mut rows = Vec::new();
    for (uri, value) in db.catalog.with_prefix("file:")? {
        let is_written = written.iter().any(|file| file.handle.uri == uri);
        if !is_written && checkpoint_lsn_of(&value, &uri)?.is_none_or(|found| found > lsn) {
            let lsn = format!("checkpoint_lsn={}", format_lsn(Some(lsn)));
            rows.push((uri, Some(crate::config::collapse(&[&value, &lsn])?)));
        }
    }
    Ok(rows)
}

/// Makes a checkpoint whose rows are in the metadata table the current one.
fn make_current(db: &Database, start: &Start, request: &Request) -> Result<()> {
    let (Some(log), Some(lsn)) = (db.txns.log(), start.lsn) else { return write_metadata(db, start.time, None) };
    log.append_checkpoint(lsn)?;
    if !request.last {
        log.sync()?;
        write_metadata(db, start.time, Some(lsn))?;
        if !request.keeps_log {
            log.set_checkpoint(lsn);
        }
        return Ok(());
    }
    // Nothing is committed any more: the metadata's place may lie behind everything else, so that the next open finds
    // nothing to do.
    let metadata_lsn = log.append_file_sync(METADATA_FILE_ID, true)?.lsn;
    log.sync()?;
    write_metadata(db, start.time, Some(metadata_lsn))?;
    let end = log.append_file_sync(METADATA_FILE_ID, false)?.lsn;
    log.append_checkpoint(end)?;
    log.sync()
}

/// Makes the metadata table durable: the end of a schema call. With a log, the log is.
///
/// # Errors
/// Those of reading; everything that fails once the file is being written is `WT_PANIC`.
pub(crate) fn sync_metadata(db: &Database) -> Result<()> {
    match db.txns.log() {
        Some(log) => {
            log.append_file_sync(METADATA_FILE_ID, false)?;
            log.sync()
        }
        None => write_metadata(db, db.next_checkpoint_time(), None),
    }
}

fn write_metadata(db: &Database, time: u64, lsn: Option<Lsn>) -> Result<()> {
    let _metadata = db.metadata_lock.lock();
    let mut txn = Txn::new(&db.txns)?;
    txn.begin(Isolation::Snapshot);
    let handle = &db.catalog.file;
    let request = FileRequest { name: None, drops: &[], force: true, time, lsn };
    let value = db.turtle.lock().metadata.clone();
    let plan = file::plan_value(db, handle, &value, &request)?
        .ok_or_else(|| Error::panic(format!("{METADATA_URI}: a forced checkpoint was left out")))?;
    let written = file::write(db, handle, plan, &request, txn.snapshot(), None)?;
    // Rows of schema calls that came in between are in the table: they must be in the log too.
    let logged = db.txns.log().map_or(Ok(()), |log| log.sync());
    let durable = logged.and_then(|()| handle.block.sync()).and_then(|()| db.write_turtle(written.value));
    match durable {
        Ok(()) => handle.block.checkpoint_resolve(true),
        Err(error) => {
            db.set_panicked();
            Err(error)
        }
    }
}

//! Recovery: bringing a database that wasn't closed to the state that its log says it had.
//!
//! The log is read three times, always from a place that a checkpoint has left behind:
//! 1. the metadata, from the place that the turtle file names ([`Recovery::replay_metadata`]): afterwards the metadata knows
//!    the newest checkpoints of all files, and the places from which they are to be replayed;
//! 2. a look whether any commit lies behind the last checkpoint: only then there is something to do;
//! 3. all other files ([`Recovery::replay_files`]).
//!
//! Invariants
//! 1. Nothing on disk is changed before the metadata has been replayed in memory and found to be servable. The log is cut
//!    where it ends only after everything in it has been replayed, and no file of it is removed.
//! 2. Replay is idempotent: an operation sets a value whatever was there before. A crash in the middle of recovery is
//!    recovered from like any other, until the checkpoint that follows is the current one.
//! 3. An operation is applied if its place isn't before the file's own place. A file without a place (it was last written
//!    without a log) is left alone, and so is a file that the metadata doesn't know any more.
//! 4. A failure is `WT_TRY_SALVAGE` where bytes are damaged or missing, `WT_PANIC` otherwise: the database isn't opened.
//!
//! What it does not do: take the checkpoint that makes the outcome durable, which is the opener's; timestamps and rollback
//! to stable; incremental backups, whose ids in the log are passed over.
//!
//! Source: log specification, sections 13 to 16.

mod apply;

use crate::config::settings::LogSettings;
use crate::event::{Category, Level, Messenger, Origin};
use crate::log::{Ending, Log, LogDirectory, Lsn, Record, Scanner};
use crate::metadata::{METADATA_FILE_ID, METADATA_URI, Turtle, checkpoint_lsn_of};
use crate::schema::Database;
use crate::{Error, ErrorCode, Result};
use apply::Applier;
use std::sync::Arc;

const CALL: &str = "txn-recover";

/// The log of a database that is being opened.
pub(crate) struct Recovery {
    directory: LogDirectory,
    settings: LogSettings,
    messenger: Arc<Messenger>,
    /// The numbers of the existing files.
    numbers: Vec<u32>,
    /// From where the metadata is replayed; `None`: there is nothing to replay.
    metadata_start: Option<Lsn>,
    /// From where other files are.
    start: Lsn,
    /// A commit lies behind the last checkpoint.
    has_work: bool,
}

impl Recovery {
    /// Looks at the files of a log. Nothing is changed.
    ///
    /// # Errors
    /// `WT_ERROR` for a file whose name is no number; those of opening the last file.
    pub(crate) fn look(directory: LogDirectory, settings: LogSettings, messenger: &Arc<Messenger>) -> Result<Self> {
        let numbers = directory.numbers()?;
        if let Some(last) = numbers.last() {
            directory.open(*last, true)?;
        }
        Ok(Self {
            directory,
            settings,
            messenger: Arc::clone(messenger),
            numbers,
            metadata_start: None,
            start: Lsn::INITIAL,
            has_work: false,
        })
    }

    /// Takes from the turtle file where replay begins. `true`: the metadata must be replayed before it is read.
    ///
    /// # Errors
    /// `WT_PANIC` for a place that doesn't parse.
    pub(crate) fn begin(&mut self, turtle: &Turtle) -> Result<bool> {
        let start = checkpoint_lsn_of(&turtle.metadata, METADATA_URI).map_err(|error| self.failed(error))?;
        self.metadata_start = start.filter(|_| !self.numbers.is_empty());
        self.start = self.metadata_start.unwrap_or(Lsn::INITIAL);
        Ok(self.metadata_start.is_some())
    }

    /// Refuses a database that must be replayed, for those who may not write.
    ///
    /// # Errors
    /// `WT_PANIC` (the reason, `WT_RUN_RECOVERY`, is reported); those of reading the log.
    pub(crate) fn refuse_work(&self, turtle: &Turtle) -> Result<()> {
        let read = |start| self.has_commit_behind(start);
        let start = checkpoint_lsn_of(&turtle.metadata, METADATA_URI)?.filter(|_| !self.numbers.is_empty());
        match start.map_or(Ok(false), read).map_err(|error| self.failed(error))? {
            true => Err(self.needed("Read-only database needs recovery")),
            false => Ok(()),
        }
    }

    /// Tells the user of commits in a log that isn't going to be replayed, because logging is off.
    pub(crate) fn warn_of_discarded(
        directory: LogDirectory,
        settings: LogSettings,
        messenger: &Arc<Messenger>,
        turtle: &Turtle,
    ) {
        let found = Self::look(directory, settings, messenger).and_then(|log| {
            let start = checkpoint_lsn_of(&turtle.metadata, METADATA_URI)?.filter(|_| !log.numbers.is_empty());
            start.map_or(Ok(false), |start| log.has_commit_behind(start))
        });
        // A log that can't be read isn't needed either: what is opened is the last checkpoint.
        if !matches!(found, Ok(false)) {
            messenger.message(Origin::call(CALL), Category::Recovery, Level::Warning, || {
                "logging is off: changes since the last checkpoint that are in the log are not recovered".to_owned()
            });
        }
    }

    /// Replays the metadata in memory.
    ///
    /// # Errors
    /// `WT_TRY_SALVAGE`, `WT_PANIC`.
    pub(crate) fn replay_metadata(&mut self, db: &Database) -> Result<()> {
        let Some(start) = self.metadata_start else { return Ok(()) };
        let replayed = self.replay_metadata_from(db, start);
        replayed.map_err(|error| self.failed(error))
    }

    fn replay_metadata_from(&mut self, db: &Database, start: Lsn) -> Result<()> {
        let mut applier = Applier::metadata(db)?;
        let mut scanner = Scanner::new(&self.directory, start, self.last(), false)?;
        while let Some(entry) = scanner.next()? {
            match Record::parse(&entry.body()?)? {
                Record::Commit { operations, .. } => {
                    for operation in operations {
                        let (operation, _) = operation?;
                        if operation.file() == Some(METADATA_FILE_ID) {
                            applier.apply(METADATA_FILE_ID, &operation, entry.lsn)?;
                        }
                    }
                }
                Record::Checkpoint { lsn, .. } => self.start = lsn,
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks for commits behind the last checkpoint. With `recover=error` a database that has any is refused.
    ///
    /// # Errors
    /// `WT_PANIC` for such a database; `WT_TRY_SALVAGE`.
    pub(crate) fn look_for_work(&mut self) -> Result<()> {
        self.has_work = self.has_commit_behind(self.start).map_err(|error| self.failed(error))?;
        if self.has_work && self.settings.recover_error {
            return Err(self.needed("Database needs recovery"));
        }
        Ok(())
    }

    /// Replays all files but the metadata, and cuts the log where it ends.
    ///
    /// # Errors
    /// `WT_TRY_SALVAGE`, `WT_PANIC`.
    pub(crate) fn replay_files(&self, db: &Database) -> Result<()> {
        if self.metadata_start.is_none() {
            return Ok(());
        }
        self.replay_files_of(db).map_err(|error| self.failed(error))
    }

    fn replay_files_of(&self, db: &Database) -> Result<()> {
        let mut applier = Applier::files(db)?;
        let mut scanner = Scanner::new(&self.directory, self.start, self.last(), true)?;
        let mut records = 0_u64;
        while let Some(entry) = scanner.next()? {
            let body = entry.body()?;
            let Record::Commit { operations, .. } = Record::parse(&body)? else { continue };
            records += 1;
            for operation in operations {
                let (operation, _) = operation?;
                match operation.file() {
                    Some(METADATA_FILE_ID) | None => {}
                    Some(file) => applier.apply(file, &operation, entry.lsn)?,
                }
            }
        }
        db.messenger.message(Origin::call(CALL), Category::Recovery, Level::Debug(1), || {
            format!("replayed the log from {} to {}: {records} commit records", self.start, scanner.end())
        });
        self.cut(&scanner)
    }

    /// Cuts what lies behind the log's end, so that nothing that was taken for garbage is ever taken for a record.
    fn cut(&self, scanner: &Scanner) -> Result<()> {
        if let (Some(Ending::Damaged), Some(at)) = (scanner.ending(), scanner.stopped_at()) {
            let name = self.directory.shown(at.file);
            let notices = [
                format!("log file {name} corrupted, bad checksum at position {}, truncated.", at.offset),
                format!("salvage: log file {} truncated", at.file),
            ];
            for notice in notices {
                self.messenger.message(Origin::call(CALL), Category::Log, Level::Notice, || notice.clone());
            }
        }
        scanner.cuts().iter().try_for_each(|(number, length)| self.directory.truncate(*number, *length))
    }

    /// Starts the log of this run. `true` with it: a checkpoint must follow before anything else is done.
    ///
    /// The files of an earlier log stay, unless they are of no use because the metadata was written without a log since.
    /// Then the new ones are numbered after all that the place of an older checkpoint can name.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn start_log(&self, db: &Database) -> Result<(Log, bool)> {
        self.directory.remove_leftovers()?;
        let places = apply::places(db)?;
        let turtle_lsn = checkpoint_lsn_of(&db.turtle.lock().metadata, METADATA_URI)?;
        let greatest =
            places.iter().filter_map(|place| place.lsn).filter(|lsn| lsn.is_real()).map(|lsn| lsn.file).max();
        let last = match greatest {
            Some(greatest) if turtle_lsn.is_none() => {
                self.numbers.iter().try_for_each(|number| self.directory.remove(*number))?;
                greatest
            }
            _ => self.last(),
        };
        let number = last.checked_add(1).ok_or_else(|| Error::panic("out of log file numbers"))?;
        let log = Log::start(self.directory.clone(), self.settings.clone(), number)?;
        let now = self.messenger.clock().now().as_secs();
        log.append_message(&format!("SYSTEM: Log manager created at {now}"))?;
        // A file that was written without a log isn't replayed: it needs a place before anything is logged for it.
        let unlogged = turtle_lsn.is_none() || places.iter().any(|place| place.lsn.is_none());
        Ok((log, unlogged || !self.numbers.is_empty()))
    }

    /// Whether anything was replayed that no checkpoint contains.
    pub(crate) fn has_work(&self) -> bool {
        self.has_work
    }

    fn last(&self) -> u32 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// Whether a commit record lies behind `start`.
    fn has_commit_behind(&self, start: Lsn) -> Result<bool> {
        let mut scanner = Scanner::new(&self.directory, start, self.last(), false)?;
        while let Some(entry) = scanner.next()? {
            let is_commit = matches!(Record::parse(&entry.body()?)?, Record::Commit { .. });
            if is_commit && entry.lsn > start {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reports that recovery is needed and not wanted.
    fn needed(&self, what: &str) -> Error {
        self.failed(Error::new(ErrorCode::RUN_RECOVERY, what))
    }

    /// Reports the cause of a failure; what the opener returns.
    fn failed(&self, error: Error) -> Error {
        self.messenger.report(Origin::call(CALL), &error);
        match error {
            corrupt @ Error::Corrupt(_) => corrupt,
            error => Error::panic(format!("Recovery failed: {error}")),
        }
    }
}

//! Verification of objects: every page, the relations between pages, and what each block of the file is used for.
//!
//! What is checked is the file as its checkpoints describe it, through a read-only handle of its own: neither the cache
//! nor an open tree is asked. All checkpoints of the file are walked.
//!
//! 1. A page by itself: header, cells, order of keys, time windows (`page::verify`).
//! 2. A page and its parent: write generations, kinds, separators, aggregates (`page::verify_tree`).
//! 3. The file: no byte is used twice, checkpoints list exactly their blocks (`block::Verifier`).
//!
//! Nothing is changed. The walk keeps its own stack, whose depth is bounded.
//!
//! Source: format specification, section 14; block specification, section 8.5; schema specification, section 11.

mod walk;

use crate::block::{BlockManager, OpenMode, Verifier};
use crate::config::settings::VerifySettings;
use crate::event::Origin;
use crate::metadata::{Checkpoint, checkpoints_of};
use crate::schema::{Database, FileSettings, file_path};
use crate::{Error, ErrorCode, Result};
use walk::Walk;

const CALL: &str = "WT_SESSION.verify";

/// Verifies an object.
///
/// # Errors
/// [`Error::NotFound`]; `EBUSY` for an object in use or with changes since its last checkpoint; `WT_ERROR` or `EINVAL` for
/// damage: the first find, all of them being reported; `ENOTSUP` for kinds of objects that aren't built.
pub(crate) fn verify(db: &Database, uri: &str, config: &str) -> Result<()> {
    let settings = VerifySettings::parse(config)?;
    if db.in_memory {
        return Err(Error::unsupported("not supported for in-memory configurations"));
    }
    match uri.split_once(':').map_or("", |(kind, _)| kind) {
        "table" | "file" | "colgroup" => {}
        "index" | "tiered" => {
            return Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet")));
        }
        _ => return Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
    // A checkpoint would change what is being looked at; so would a drop.
    let _checkpoint = db.checkpoint_lock.lock();
    let _schema = db.schema_lock.lock();
    let source = db.source_of(uri)?;
    let value = db.catalog.require(&source)?;
    let handle = db.open_handle(&source);
    let _exclusive = handle.as_ref().map(|handle| handle.use_exclusively()).transpose()?;
    if handle.is_some_and(|handle| handle.tree.is_dirty()) {
        let text = format!("{source}: the object has changes since its last checkpoint");
        return Err(Error::new(ErrorCode::EBUSY, text));
    }
    verify_file(db, &source, &value, settings)
}

fn verify_file(db: &Database, uri: &str, value: &str, settings: VerifySettings) -> Result<()> {
    let file = FileSettings::parse(uri, value)?;
    let path = file_path(&db.home, uri)?;
    let name = uri.strip_prefix("file:").unwrap_or(uri);
    let all = checkpoints_of(value, uri)?;
    let checkpoints: Vec<&Checkpoint> = all.iter().filter(|checkpoint| !checkpoint.is_fake()).collect();
    let newest = checkpoints.last().map(|checkpoint| checkpoint.cookie.as_slice());
    let (block, _) = BlockManager::open(&*db.fs, &path, name, file.block, newest, OpenMode::CheckpointReadOnly)?;
    let cookies: Vec<Vec<u8>> = checkpoints.iter().map(|checkpoint| checkpoint.cookie.clone()).collect();
    let mut verifier = Verifier::new(&block, &cookies, settings.strict)?;
    let mut found = None;
    for checkpoint in checkpoints {
        let Some(root) = verifier.begin_checkpoint()? else {
            verifier.end_checkpoint()?;
            continue;
        };
        let mut walk = Walk::new(&block, name, checkpoint, db.base_write_gen.get());
        loop {
            match walk.run(root, &mut verifier) {
                Ok(()) => break,
                Err(error) => {
                    let error = error.in_object(name, 0);
                    if !settings.read_corrupt {
                        return Err(error);
                    }
                    // Go on behind the damage; the first find is the call's result, the others are only reported.
                    if found.is_some() {
                        db.messenger.report(Origin { object: uri, call: CALL }, &error);
                    }
                    found.get_or_insert(error);
                }
            }
        }
        if found.is_none() {
            verifier.end_checkpoint()?;
        }
    }
    match found {
        Some(error) => Err(error),
        None => verifier.finish().map(|_| ()),
    }
}

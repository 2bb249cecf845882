//! `WT_SESSION.verify`: from an object's name to its file.

use super::{TreeKind, VerifyInput, VerifyOptions, verify_file};
use crate::config::settings::VerifySettings;
use crate::event::Origin;
use crate::metadata::checkpoints_of;
use crate::schema::{Database, FileSettings, file_path};
use crate::tiered::TREE_PREFIX;
use crate::{Error, ErrorCode, Result};

const CALL: &str = "WT_SESSION.verify";
/// Pages between two reports of progress.
const PROGRESS_PAGES: u64 = 100;

/// Verifies an object.
///
/// # Errors
/// [`Error::NotFound`]; `EBUSY` for an object in use or with changes since its last checkpoint; `WT_ERROR` or `EINVAL` for
/// damage: the first find; `ENOTSUP` for kinds of objects that aren't built.
pub(crate) fn verify(db: &Database, uri: &str, config: &str) -> Result<()> {
    let settings = VerifySettings::parse(config)?;
    if db.in_memory {
        return Err(Error::unsupported("not supported for in-memory configurations"));
    }
    match uri.split_once(':').map_or("", |(kind, _)| kind) {
        "table" | "file" | "colgroup" | "index" => {}
        "tiered" => {
            return Err(Error::unsupported(format!("{uri}: objects of this kind are not supported yet")));
        }
        _ => return Err(Error::unsupported(format!("unknown object type: {uri}"))),
    }
    // A checkpoint would change what is being looked at; so would a drop.
    let _checkpoint = db.checkpoint_lock.lock();
    let _schema = db.schema_lock.lock();
    let parts = db.parts_of(uri)?;
    if parts.is_incomplete {
        return Err(Error::invalid(format!("'{uri}' cannot be used until all column groups are created")));
    }
    if parts.files.iter().any(|file| file.starts_with(TREE_PREFIX)) {
        return Err(Error::unsupported(format!("{uri}: tiered tables can't be verified")));
    }
    let handles = db.use_exclusively(&parts.files)?;
    if let Some(dirty) = handles.iter().find(|handle| handle.tree.is_dirty()) {
        let text = format!("{}: the object has changes since its last checkpoint", dirty.uri);
        return Err(Error::new(ErrorCode::EBUSY, text));
    }
    parts.files.iter().try_for_each(|file| verify_source(db, file, &db.catalog.require(file)?, settings))
}

fn verify_source(db: &Database, uri: &str, value: &str, settings: VerifySettings) -> Result<()> {
    let file = FileSettings::parse(uri, value, db.object_extensions())?;
    let order = file.tree.order.clone();
    let compare: &super::Compare<'_> = &|one, other| order.compare(one, other);
    let input = VerifyInput {
        fs: &*db.fs,
        path: &file_path(&db.home, uri)?,
        uri,
        block: file.block,
        kind: TreeKind::of(&file.key_format, &file.value_format),
        transform: file.tree.transform,
        compare: order.is_collated().then_some(compare),
        checkpoints: &checkpoints_of(value, uri)?,
        base_write_gen: db.base_write_gen,
        options: VerifyOptions {
            strict: settings.strict,
            read_corrupt: settings.read_corrupt,
            ..VerifyOptions::default()
        },
    };
    let mut report = |text: &str| db.messenger.error(Origin { object: uri, call: CALL }, ErrorCode::ERROR.0, text);
    let mut progress = |done: super::Progress| {
        if done.pages.is_multiple_of(PROGRESS_PAGES) {
            db.messenger.progress(CALL, done.pages);
        }
    };
    let verified = verify_file(&input, &mut report, &mut progress);
    // Where the collator failed, what follows from its order means nothing.
    order.check().and(verified.map(|_| ()))
}

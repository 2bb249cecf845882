//! Files that the real engine wrote: what it verifies verifies here, what it refuses is refused.

use super::*;
use crate::btree::{Tree, TreeCursor, TreeOpen, TreeSettings};
use crate::cache::{Cache, CacheLimits};
use crate::metadata::{Turtle, checkpoints_of};
use crate::os::LocalFileSystem;
use crate::txn::{Isolation, Txn, TxnGlobal};
use rstest::rstest;
use std::path::PathBuf;
use std::sync::Arc;

/// The rows of a database's metadata table, and the entry of the table itself.
fn metadata(home: &Path) -> Vec<(String, String)> {
    let fs = LocalFileSystem::new();
    let Some(turtle) = Turtle::read(&fs, home).unwrap() else { return Vec::new() };
    let mut rows = vec![(METADATA_URI.to_owned(), turtle.metadata.clone())];
    let checkpoints = checkpoints_of(&turtle.metadata, METADATA_URI).unwrap();
    let newest = checkpoints.last().unwrap();
    let path = home.join("WiredTiger.wt");
    let mode = OpenMode::CheckpointReadOnly;
    let opened =
        BlockManager::open(&fs, &path, METADATA_URI, block_settings(&turtle.metadata), Some(&newest.cookie), mode);
    let Ok((block, root)) = opened else { return rows };
    let txns = TxnGlobal::new(10);
    let tree = Tree::open(TreeOpen {
        name: METADATA_URI.to_owned(),
        settings: TreeSettings::default(),
        block,
        cache: Cache::new(CacheLimits::of_size(10 << 20)),
        txns: Arc::clone(&txns),
        root,
        write_gen: newest.write_gen,
        base_write_gen: newest.write_gen,
    });
    let Ok(tree) = tree else { return rows };
    let (mut txn, mut cursor) = (Txn::new(&txns).unwrap(), TreeCursor::new(&tree));
    txn.prepare_read(Isolation::Snapshot);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.strip_suffix(b"\0").unwrap_or(bytes)).into_owned();
    // A damaged table ends early.
    while cursor.next(&txn).unwrap_or(false) {
        rows.push((text(cursor.key()), text(cursor.value())));
    }
    txn.release_snapshot();
    rows
}

/// Whether a file's blocks or order need an extension: those are linked to the program, which `tests/corpus` runs.
fn is_transformed(value: &str) -> bool {
    let config = Config::single(value);
    config.name("block_compressor").unwrap().is_some()
        || config.name("encryption.name").unwrap().is_some()
        || config.name("collator").unwrap().is_some()
        || config.bool_or("tiered_object", false).unwrap()
}

/// Verifies each file of a database strictly.
fn verify_home(home: &Path) -> Vec<(String, Result<VerifyReport>)> {
    let rows = metadata(home);
    let checkpoints: Vec<_> = rows
        .iter()
        .filter(|(uri, value)| uri.starts_with("file:") && !is_transformed(value))
        .map(|(uri, value)| (uri, value, checkpoints_of(value, uri).unwrap()))
        .collect();
    let mut base = ConnectionBase::NEW;
    checkpoints.iter().for_each(|(_, _, checkpoints)| base.observe(checkpoints.last()));
    checkpoints
        .iter()
        .map(|(uri, value, checkpoints)| {
            let config = Config::single(value);
            let formats = [config.text_or("key_format", "u").unwrap(), config.text_or("value_format", "u").unwrap()];
            let input = VerifyInput {
                fs: &LocalFileSystem::new(),
                path: &home.join(uri.strip_prefix("file:").unwrap()),
                uri,
                block: block_settings(value),
                kind: TreeKind::of(formats[0], formats[1]),
                transform: crate::block::BlockTransform::default(),
                compare: None,
                checkpoints,
                base_write_gen: base,
                options: STRICT,
            };
            ((*uri).clone(), run(&input).0)
        })
        .collect()
}

/// Of an encrypted database not even the metadata can be read here; `tests/corpus` verifies those.
#[rstest]
fn undamaged_files_verify_strictly(
    #[files("tests/data/corpus/read/*/case.json")]
    #[exclude("/encrypt-")]
    case: PathBuf,
) {
    let files = verify_home(&case.with_file_name("db"));
    assert!(files.len() >= 2, "{files:?}");
    for (uri, result) in files {
        result.unwrap_or_else(|error| panic!("{uri}: {error}"));
    }
}

#[rstest]
fn damage_is_found_where_it_is(#[files("tests/data/corpus/damaged/*/case.json")] path: PathBuf) {
    let case: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let damaged = case["damaged_file"].as_str().unwrap();
    let mut found = false;
    for (uri, result) in verify_home(&path.with_file_name("db")) {
        // The turtle file holds the address of the metadata table's root.
        let by_turtle = damaged == "WiredTiger.turtle" && uri == METADATA_URI;
        if uri.strip_prefix("file:") != Some(damaged) && !by_turtle {
            result.unwrap_or_else(|error| panic!("{uri} is not damaged: {error}"));
            continue;
        }
        found = true;
        let error = result.expect_err(&uri);
        let missing = case["damage"].as_str().unwrap().ends_with("removed");
        let code = if missing { crate::ErrorCode::ENOENT } else { crate::ErrorCode::ERROR };
        let internal = damaged.starts_with("WiredTiger");
        assert!(error.code() == code || internal && error.code() == crate::ErrorCode::TRY_SALVAGE, "{error:?}");
        assert!(error.to_string().contains(if by_turtle { "WiredTiger.wt" } else { damaged }), "{error}");
    }
    // Without a turtle file there is nothing to verify, and the version file isn't looked at.
    let elsewhere = case["damage"] == "WiredTiger.turtle: removed" || damaged == "WiredTiger";
    assert!(found != elsewhere, "{damaged}");
}

#[test]
fn a_damaged_root_is_named_as_such() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/corpus/damaged/damaged-internal-bit-12/db");
    let files = verify_home(&home);
    let (_, result) = files.iter().find(|(uri, _)| uri == "file:birch.wt").unwrap();
    let error = result.as_ref().unwrap_err().to_string();
    assert!(error.starts_with("unable to read root page from file:birch.wt"), "{error}");
    assert!(error.contains("read checksum error for 512B block at offset 34304"), "{error}");
}

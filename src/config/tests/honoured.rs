//! Every option that the tables call supported is honoured: the place that does so is named here, and looked at.
//!
//! A table of [`PLACES`] says for each supported key which file acts on it and by which words. The test fails for a
//! supported key without a place, for a place whose file doesn't hold the words (somebody has stopped looking the key up),
//! and for a place of a key that is no longer supported. A place is where the value is used, not where it is parsed.

use std::collections::BTreeSet;

use crate::config::built::{Built, table};

/// Keys, the file below `src/` that acts on them, and the words to be found there; `{}` is the key's last part.
type Place = (&'static [&'static str], &'static str, &'static str);

/// By the first method of each table of [`table::METHODS`].
const PLACES: &[(&str, &[Place])] = &[
    (
        "wiredtiger_open_all",
        &[
            (&["builtin_extension_config"], "connection/open.rs", "load_built_in(merged.get(\"{}\")"),
            (&["cache_overhead"], "connection/open.rs", "with_overhead(overhead)"),
            (&["cache_size"], "connection/open.rs", "size: self.settings.{}"),
            (&["checkpoint.log_size"], "connection/open.rs", "self.settings.checkpoint_log_bytes"),
            (&["checkpoint.wait"], "connection/open.rs", "self.settings.checkpoint_wait_s)"),
            (&["compatibility.release"], "connection/open.rs", "self.settings.release.to_config()"),
            (
                &["compatibility.require_max", "compatibility.require_min"],
                "config/sources.rs",
                "named(\"compatibility.{}\")",
            ),
            (&["config_base"], "connection/open.rs", "if self.settings.{}"),
            (&["create", "exclusive"], "connection/open.rs", "{}: early.bool_or(\"{}\""),
            (
                &["encryption.keyid", "encryption.name", "encryption.secretkey"],
                "connection/encryption.rs",
                "\"encryption.{}\"",
            ),
            (&["error_prefix"], "connection/open.rs", "messenger.set_prefix("),
            (&["eviction_dirty_target"], "connection/open.rs", "dirty_target: eviction.dirty_target"),
            (&["eviction_dirty_trigger"], "connection/open.rs", "dirty_trigger: eviction.dirty_trigger"),
            (&["eviction_target"], "connection/open.rs", "target: eviction.target"),
            (&["eviction_trigger"], "connection/open.rs", "trigger: eviction.trigger"),
            (&["extensions"], "connection/open.rs", "load_late(call.given, merged.get(\"{}\")"),
            (&["json_output"], "connection/open.rs", "messenger.set_json("),
            (&["log.archive", "log.remove"], "log/writer.rs", "settings.remove"),
            (&["log.compressor"], "connection/open.rs", "table.compressor(&settings.log.{})"),
            (&["log.enabled"], "connection/open.rs", "if !settings.{}"),
            (
                &["log.file_max", "log.prealloc", "log.prealloc_init_count", "log.zero_fill"],
                "log/writer.rs",
                "settings.{}",
            ),
            (&["log.path"], "connection/open.rs", "self.settings.log.{}"),
            (&["log.recover"], "recovery/mod.rs", "settings.recover_error"),
            (&["readonly"], "connection/open.rs", "if !self.{}"),
            (&["session_max"], "connection/open.rs", "TxnGlobal::new(usize::try_from(self.settings.{})"),
            (
                &["tiered_storage.auth_token", "tiered_storage.bucket", "tiered_storage.cache_directory"],
                "tiered/service.rs",
                "{}, ",
            ),
            (&["tiered_storage.bucket_prefix"], "tiered/service.rs", "settings.prefix"),
            (&["tiered_storage.cluster", "tiered_storage.member"], "tiered/settings.rs", "text(\"{}\")?"),
            (&["tiered_storage.interval"], "tiered/service.rs", "settings.interval_s"),
            (&["tiered_storage.local_retention"], "connection/mod.rs", "tiered.set_local_retention("),
            (&["tiered_storage.name"], "tiered/service.rs", "settings.source"),
            (&["transaction_sync.enabled"], "log/writer.rs", "settings.sync"),
            (&["transaction_sync.method"], "log/writer.rs", "SyncMethod::Fsync"),
            (&["use_environment", "use_environment_priv"], "connection/open.rs", ".bool_or(\"{}\""),
            (&["verbose"], "connection/open.rs", "messenger.set_verbose("),
            (&["version"], "config/sources.rs", "number(\"{}.major\")"),
        ],
    ),
    (
        "WT_CONNECTION.load_extension",
        &[
            (&["config"], "extensions/load.rs", "request.{}"),
            (&["early_load"], "extensions/load.rs", "request.{}"),
            (&["entry"], "extensions/resolve.rs", "request.{}"),
            (&["terminate"], "extensions/load.rs", "request.{}"),
        ],
    ),
    ("WT_CONNECTION.close", &[(&["final_flush", "use_timestamp"], "connection/close.rs", ".bool_or(\"{}\"")]),
    (
        "WT_CONNECTION.set_timestamp",
        &[
            (&["durable_timestamp"], "txn/timestamp.rs", "given(&config, \"durable\")"),
            (&["force"], "txn/timestamp.rs", "bool_or(\"{}\""),
            (&["oldest_timestamp"], "txn/timestamp.rs", "given(&config, \"oldest\")"),
            (&["stable_timestamp"], "txn/timestamp.rs", "given(&config, \"stable\")"),
        ],
    ),
    ("WT_CONNECTION.query_timestamp", &[(&["get"], "connection/mod.rs", "text_or(\"{}\"")]),
    ("WT_SESSION.timestamp_transaction", &[(&["read_timestamp"], "session/timestamp.rs", "given(&config, \"read\")")]),
    ("WT_CONNECTION.open_session", &[(&["isolation"], "session/calls.rs", "text_or(\"{}\"")]),
    (
        "WT_SESSION.create",
        &[
            (
                &[
                    "allocation_size",
                    "dictionary",
                    "internal_page_max",
                    "leaf_key_max",
                    "leaf_page_max",
                    "leaf_value_max",
                ],
                "schema/settings.rs",
                "number(\"{}\"",
            ),
            (&["memory_page_image_max", "prefix_compression_min", "split_pct"], "schema/settings.rs", "number(\"{}\""),
            (&["app_metadata", "collator"], "extensions/table.rs", "(\"{}\""),
            (&["block_allocation", "checksum"], "schema/settings.rs", "text_or(\"{}\""),
            (&["block_compressor", "encryption.keyid", "encryption.name"], "schema/transform.rs", "text_or(\"{}\""),
            (&["checkpoint", "checkpoint_lsn"], "metadata/checkpoint.rs", "lookup(value, \"{}\")"),
            (&["checkpoint_backup_info"], "metadata/value.rs", "text_or(\"{}\""),
            (&["colgroups"], "schema/create.rs", ".get(\"{}\")"),
            (&["columns"], "schema/columns.rs", "get(\"{}\")"),
            (&["exclusive"], "schema/create.rs", ".bool_or(\"{}\""),
            (&["id"], "schema/settings.rs", ".get(\"{}\")"),
            (&["immutable"], "schema/table.rs", "\"{}\""),
            (&["internal_key_truncate", "log.enabled", "prefix_compression"], "schema/settings.rs", ".bool_or(\"{}\""),
            (&["key_format", "value_format"], "schema/columns.rs", "\"{}\""),
            (&["source", "type"], "schema/create.rs", "text_or(\"{}\""),
            (
                &["tiered_storage.auth_token", "tiered_storage.bucket", "tiered_storage.bucket_prefix"],
                "tiered/service.rs",
                "text(\"{}\"",
            ),
            (&["tiered_storage.cache_directory", "tiered_storage.name"], "tiered/service.rs", "text(\"{}\""),
            (&["tiered_storage.shared"], "tiered/service.rs", "bool_or(\"{}\""),
            (&["version"], "schema/settings.rs", "\"{}.major\""),
        ],
    ),
    (
        "colgroup.meta",
        &[
            (&["app_metadata", "collator"], "extensions/table.rs", "(\"{}\""),
            (&["columns"], "schema/table.rs", "\"{}\""),
            (&["source"], "schema/table.rs", "\"{}\""),
        ],
    ),
    (
        "WT_SESSION.alter",
        &[
            (&["app_metadata"], "schema/alter.rs", "collapse(&[&old, config])"),
            (&["exclusive_refreshed"], "schema/alter.rs", "bool_or(\"{}\""),
            (&["log.enabled"], "schema/alter.rs", "bool_or(\"{}\""),
        ],
    ),
    (
        "WT_SESSION.begin_transaction",
        &[
            (&["ignore_prepare", "isolation"], "session/transaction.rs", "text_or(\"{}\""),
            (&["read_timestamp", "roundup_timestamps.read"], "session/transaction.rs", "value(\"{}\")"),
            (&["sync"], "session/transaction.rs", "get(\"{}\")"),
        ],
    ),
    ("WT_SESSION.commit_transaction", &[(&["sync"], "session/transaction.rs", "get(\"{}\")")]),
    (
        "WT_SESSION.checkpoint",
        &[
            (&["drop"], "checkpoint/mod.rs", "get(\"{}\")"),
            (&["force", "use_timestamp"], "checkpoint/mod.rs", "bool_or(\"{}\""),
            (&["name"], "checkpoint/mod.rs", "text_or(\"{}\""),
            (
                &["flush_tier.enabled", "flush_tier.force", "flush_tier.sync", "flush_tier.timeout"],
                "tiered/switch.rs",
                "\"{}\"",
            ),
        ],
    ),
    ("WT_SESSION.log_flush", &[(&["sync"], "session/log.rs", "text_or(\"{}\"")]),
    (
        "WT_SESSION.drop",
        &[(
            &["checkpoint_wait", "force", "lock_wait", "remove_files", "remove_shared"],
            "schema/alter.rs",
            "config.bool_or(\"{}\"",
        )],
    ),
    (
        "WT_SESSION.open_cursor",
        &[
            (
                &["bulk", "checkpoint", "debug.checkpoint_read_timestamp", "dump"],
                "cursor/open.rs",
                "config.text_or(\"{}\"",
            ),
            (&["overwrite", "raw", "readonly"], "cursor/open.rs", "config.bool_or(\"{}\""),
        ],
    ),
    ("WT_CURSOR.reconfigure", &[(&["overwrite"], "cursor/open.rs", "bool_or(\"{}\", rows.overwrite)")]),
    (
        "WT_CURSOR.bound",
        &[
            (&["action", "bound"], "cursor/open.rs", "config.text_or(\"{}\""),
            (&["inclusive"], "cursor/open.rs", "config.bool_or(\"{}\""),
        ],
    ),
    ("WT_SESSION.verify", &[(&["read_corrupt", "strict"], "verify/object.rs", "settings.{}")]),
    ("WT_SESSION.rollback_transaction", &[]),
];

#[test]
fn each_supported_key_is_acted_upon() {
    for methods in table::METHODS {
        let first = methods[0];
        let places =
            PLACES.iter().find(|(method, _)| *method == first).unwrap_or_else(|| panic!("{first}: no places")).1;
        let supported: BTreeSet<&str> =
            table::of(first).iter().filter(|(_, built)| *built == Built::Supported).map(|(name, _)| *name).collect();
        let mut placed = BTreeSet::new();
        for (keys, file, words) in places {
            let path = format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            for key in *keys {
                // A nested key is looked up by its path or, in a structure, by its last part.
                let last = key.rsplit('.').next().unwrap_or(key);
                let is_there = [*key, last].iter().any(|key| text.contains(&words.replace("{}", key)));
                assert!(is_there, "{first}: nobody acts on '{key}': no {words:?} in {file}");
                assert!(placed.insert(*key), "{first}: '{key}' has two places");
            }
        }
        let unplaced: Vec<_> = supported.difference(&placed).collect();
        assert!(unplaced.is_empty(), "{first}: called supported, and nobody is known to act on them: {unplaced:?}");
        let stale: Vec<_> = placed.difference(&supported).collect();
        assert!(stale.is_empty(), "{first}: not supported, and yet there is a place: {stale:?}");
    }
}

#[test]
fn no_place_is_for_a_table_that_is_gone() {
    for (method, _) in PLACES {
        assert!(table::METHODS.iter().any(|methods| methods[0] == *method), "{method}");
    }
}

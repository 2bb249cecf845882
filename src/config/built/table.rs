//! What is built, method by method. Keys that are not listed are not built.

use super::Built::{self, NoEffect, Supported};

type Entry = (&'static str, Built);

// The reasons for accepting an option that has no effect.
const OFF: Built = NoEffect("only matters together with an option that is not built, and that is refused");
const PACE: Built = NoEffect("changes how fast something is done, not what");
const LIMIT: Built = NoEffect("sizes a table that has no fixed size here");
const LABEL: Built = NoEffect("a name or note that nothing depends on");
const NO_TIMESTAMPS: Built =
    NoEffect("only matters with timestamps of changes or prepared transactions, and those are refused");
const STRICTER: Built = NoEffect("allows less than is always done here");
const THREADS: Built = NoEffect("one thread evicts, and those that fill the cache help it");
const UPDATES: Built = NoEffect("updates count among the dirty bytes, and the levels of those hold");
const NO_WAITS: Built =
    NoEffect("operations help with eviction for a bounded time and never wait for room in the cache");
const NO_RECORDS: Built = NoEffect("only matters for record numbers, and column stores are refused");

/// The table of a method or metadata kind.
pub(in crate::config) fn of(method: &str) -> &'static [Entry] {
    match method {
        "wiredtiger_open"
        | "wiredtiger_open_all"
        | "wiredtiger_open_basecfg"
        | "wiredtiger_open_usercfg"
        | "WT_CONNECTION.reconfigure" => OPEN,
        "WT_CONNECTION.load_extension" => LOAD_EXTENSION,
        "WT_CONNECTION.close" => CLOSE,
        "WT_CONNECTION.set_timestamp" => SET_TIMESTAMP,
        "WT_CONNECTION.query_timestamp" | "WT_SESSION.query_timestamp" => QUERY_TIMESTAMP,
        "WT_CONNECTION.open_session" | "WT_SESSION.reconfigure" => SESSION,
        "WT_SESSION.create" | "file.config" | "file.meta" | "table.meta" => OBJECT,
        "colgroup.meta" => COLGROUP,
        "WT_SESSION.alter" => ALTER,
        "WT_SESSION.begin_transaction" => BEGIN,
        "WT_SESSION.commit_transaction" => COMMIT,
        "WT_SESSION.rollback_transaction" => ROLLBACK,
        "WT_SESSION.timestamp_transaction" => TIMESTAMP,
        "WT_SESSION.checkpoint" => CHECKPOINT,
        "WT_SESSION.log_flush" => LOG_FLUSH,
        "WT_SESSION.drop" => DROP,
        "WT_SESSION.open_cursor" => OPEN_CURSOR,
        "WT_CURSOR.reconfigure" => CURSOR_RECONFIGURE,
        "WT_CURSOR.bound" => BOUND,
        "WT_SESSION.verify" => VERIFY,
        _ => &[],
    }
}

/// What a file may have that is opened for reading, but not one that is written.
pub(super) const FILE_READ_ONLY: &[&str] = &["assert", "checkpoint_backup_info", "write_timestamp_usage"];

/// What matters only to those who write a file, and is refused to them by [`FILE_READ_ONLY`].
pub(super) const FILE_WHEN_READ: &[&str] = &[
    "assert.commit_timestamp",
    "assert.durable_timestamp",
    "assert.read_timestamp",
    "assert.write_timestamp",
    "write_timestamp_usage",
];

const OPEN: &[Entry] = &[
    ("block_cache.blkcache_eviction_aggression", OFF),
    ("block_cache.cache_on_checkpoint", OFF),
    ("block_cache.cache_on_writes", OFF),
    ("block_cache.full_target", OFF),
    ("block_cache.hashsize", OFF),
    ("block_cache.max_percent_overhead", OFF),
    ("block_cache.nvram_path", OFF),
    ("block_cache.percent_file_in_dram", OFF),
    ("block_cache.size", OFF),
    ("block_cache.system_ram", OFF),
    ("block_cache.type", OFF),
    ("builtin_extension_config", Supported),
    ("cache_cursors", PACE),
    ("cache_max_wait_ms", NO_WAITS),
    ("cache_overhead", Supported),
    ("cache_size", Supported),
    ("cache_stuck_timeout_ms", NoEffect("only decides when a lack of progress is reported, and nothing waits for it")),
    ("checkpoint.log_size", Supported),
    ("checkpoint.wait", Supported),
    ("checkpoint_cleanup.wait", OFF),
    ("checkpoint_sync", STRICTER),
    ("chunk_cache.capacity", OFF),
    ("chunk_cache.chunk_cache_evict_trigger", OFF),
    ("chunk_cache.chunk_size", OFF),
    ("chunk_cache.flushed_data_cache_insertion", OFF),
    ("chunk_cache.hashsize", OFF),
    ("chunk_cache.storage_path", OFF),
    ("chunk_cache.type", OFF),
    ("compatibility.release", Supported),
    ("compatibility.require_max", Supported),
    ("compatibility.require_min", Supported),
    ("compile_configuration_count", LIMIT),
    ("config_base", Supported),
    ("create", Supported),
    ("debug_mode.corruption_abort", NoEffect("damage never aborts the process here")),
    ("debug_mode.tiered_flush_error_continue", NoEffect("errors of a flush never panic the connection here")),
    ("encryption.keyid", Supported),
    ("encryption.name", Supported),
    ("encryption.secretkey", Supported),
    ("error_prefix", Supported),
    ("eviction.evict_sample_inmem", PACE),
    ("eviction.evict_use_softptr", PACE),
    ("eviction.legacy_page_visit_strategy", PACE),
    ("eviction.threads_max", THREADS),
    ("eviction.threads_min", THREADS),
    ("eviction_checkpoint_target", PACE),
    ("eviction_dirty_target", Supported),
    ("eviction_dirty_trigger", Supported),
    ("eviction_target", Supported),
    ("eviction_trigger", Supported),
    ("eviction_updates_target", UPDATES),
    ("eviction_updates_trigger", UPDATES),
    ("exclusive", Supported),
    ("extensions", Supported),
    ("file_extend", PACE),
    ("file_manager.close_handle_minimum", PACE),
    ("file_manager.close_idle_time", PACE),
    ("file_manager.close_scan_interval", PACE),
    ("generation_drain_timeout_ms", NoEffect("only decides when a defect of the engine is reported")),
    ("hash.buckets", LIMIT),
    ("hash.dhandle_buckets", LIMIT),
    ("hazard_max", LIMIT),
    ("heuristic_controls.checkpoint_cleanup_obsolete_tw_pages_dirty_max", PACE),
    ("heuristic_controls.eviction_obsolete_tw_pages_dirty_max", PACE),
    ("heuristic_controls.obsolete_tw_btree_max", PACE),
    ("json_output", Supported),
    ("live_restore.read_size", OFF),
    ("live_restore.threads_max", OFF),
    ("log.archive", Supported),
    ("log.compressor", Supported),
    ("log.enabled", Supported),
    ("log.file_max", Supported),
    ("log.force_write_wait", PACE),
    ("log.os_cache_dirty_pct", PACE),
    ("log.path", Supported),
    ("log.prealloc", Supported),
    ("log.prealloc_init_count", Supported),
    ("log.recover", Supported),
    ("log.remove", Supported),
    ("log.zero_fill", Supported),
    ("mmap", PACE),
    ("mmap_all", PACE),
    ("operation_tracking.path", OFF),
    ("prefetch.available", PACE),
    ("prefetch.default", PACE),
    ("readonly", Supported),
    ("rollback_to_stable.threads", PACE),
    ("session_max", Supported),
    ("session_scratch_max", LIMIT),
    ("session_table_cache", PACE),
    ("shared_cache.chunk", OFF),
    ("shared_cache.quota", OFF),
    ("shared_cache.reserve", OFF),
    ("shared_cache.size", OFF),
    ("statistics_log.json", OFF),
    ("statistics_log.path", OFF),
    ("statistics_log.sources", OFF),
    ("statistics_log.timestamp", OFF),
    ("tiered_storage.auth_token", Supported),
    ("tiered_storage.bucket", Supported),
    ("tiered_storage.bucket_prefix", Supported),
    ("tiered_storage.cache_directory", Supported),
    ("tiered_storage.cluster", Supported),
    ("tiered_storage.interval", Supported),
    ("tiered_storage.local_retention", Supported),
    ("tiered_storage.member", Supported),
    ("tiered_storage.name", Supported),
    ("transaction_sync.enabled", Supported),
    ("transaction_sync.method", Supported),
    ("use_environment", Supported),
    ("use_environment_priv", Supported),
    ("verbose", Supported),
    ("version", Supported),
];

const LOAD_EXTENSION: &[Entry] =
    &[("config", Supported), ("early_load", Supported), ("entry", Supported), ("terminate", Supported)];

const CLOSE: &[Entry] = &[("final_flush", Supported), ("leak_memory", PACE), ("use_timestamp", Supported)];

const SET_TIMESTAMP: &[Entry] = &[
    ("durable_timestamp", Supported),
    ("force", Supported),
    ("oldest_timestamp", Supported),
    ("stable_timestamp", Supported),
];

const QUERY_TIMESTAMP: &[Entry] = &[("get", Supported)];

const SESSION: &[Entry] =
    &[("cache_cursors", PACE), ("cache_max_wait_ms", NO_WAITS), ("isolation", Supported), ("prefetch.enabled", PACE)];

/// Creating objects, and opening those that the metadata has.
const OBJECT: &[Entry] = &[
    ("access_pattern_hint", PACE),
    ("allocation_size", Supported),
    ("app_metadata", Supported),
    ("block_allocation", Supported),
    ("block_compressor", Supported),
    ("cache_resident", PACE),
    ("checkpoint", Supported),
    ("checkpoint_backup_info", Supported),
    ("checkpoint_lsn", Supported),
    ("checksum", Supported),
    ("colgroups", Supported),
    ("collator", Supported),
    ("columns", Supported),
    ("dictionary", Supported),
    ("encryption.keyid", Supported),
    ("encryption.name", Supported),
    ("exclusive", Supported),
    ("format", NoEffect("there is one choice")),
    ("id", Supported),
    ("ignore_in_memory_cache_size", NoEffect("only matters for a database in memory, and that is refused")),
    ("immutable", Supported),
    ("import.compare_timestamp", OFF),
    ("import.file_metadata", OFF),
    ("import.metadata_file", OFF),
    ("import.panic_corrupt", OFF),
    ("import.repair", OFF),
    ("internal_item_max", NoEffect("obsolete: without effect in WiredTiger")),
    ("internal_key_max", NoEffect("internal pages never have overflow keys")),
    ("internal_key_truncate", Supported),
    ("internal_page_max", Supported),
    ("key_format", Supported),
    ("key_gap", PACE),
    ("leaf_item_max", NoEffect("obsolete: without effect in WiredTiger")),
    ("leaf_key_max", Supported),
    ("leaf_page_max", Supported),
    ("leaf_value_max", Supported),
    ("log.enabled", Supported),
    ("memory_page_image_max", Supported),
    ("memory_page_max", PACE),
    ("os_cache_dirty_max", PACE),
    ("os_cache_max", PACE),
    ("prefix_compression", Supported),
    ("prefix_compression_min", Supported),
    ("split_deepen_min_child", PACE),
    ("split_deepen_per_child", PACE),
    ("source", Supported),
    ("split_pct", Supported),
    ("tiered_storage.auth_token", Supported),
    ("tiered_storage.bucket", Supported),
    ("tiered_storage.bucket_prefix", Supported),
    ("tiered_storage.cache_directory", Supported),
    ("tiered_storage.local_retention", NoEffect("what is in effect is the connection's, as in WiredTiger")),
    ("tiered_storage.name", Supported),
    ("tiered_storage.object_target_size", NoEffect("obsolete: without effect in WiredTiger")),
    ("tiered_storage.shared", Supported),
    ("type", Supported),
    ("value_format", Supported),
    ("verbose", NO_TIMESTAMPS),
    ("version", Supported),
];

/// The one column group of a simple table.
const COLGROUP: &[Entry] =
    &[("app_metadata", Supported), ("collator", Supported), ("columns", Supported), ("source", Supported)];

const ALTER: &[Entry] = &[
    ("access_pattern_hint", PACE),
    ("app_metadata", Supported),
    ("cache_resident", PACE),
    ("exclusive_refreshed", Supported),
    ("log.enabled", Supported),
    ("os_cache_dirty_max", PACE),
    ("os_cache_max", PACE),
];

const BEGIN: &[Entry] = &[
    ("ignore_prepare", Supported),
    ("isolation", Supported),
    ("name", LABEL),
    ("no_timestamp", NO_TIMESTAMPS),
    ("priority", PACE),
    ("read_timestamp", Supported),
    ("roundup_timestamps.prepared", NO_TIMESTAMPS),
    ("roundup_timestamps.read", Supported),
    ("sync", Supported),
];

const LOG_FLUSH: &[Entry] = &[("sync", Supported)];

const COMMIT: &[Entry] = &[("sync", Supported)];

const ROLLBACK: &[Entry] = &[("operation_timeout_ms", NoEffect("a rollback waits for nothing"))];
const TIMESTAMP: &[Entry] = &[("read_timestamp", Supported)];

const CHECKPOINT: &[Entry] = &[
    ("drop", Supported),
    ("flush_tier.enabled", Supported),
    ("flush_tier.force", Supported),
    ("flush_tier.sync", Supported),
    ("flush_tier.timeout", Supported),
    ("force", Supported),
    ("name", Supported),
    ("use_timestamp", Supported),
];

const DROP: &[Entry] = &[
    ("checkpoint_wait", Supported),
    ("force", Supported),
    ("lock_wait", Supported),
    ("remove_files", Supported),
    ("remove_shared", Supported),
];

const OPEN_CURSOR: &[Entry] = &[
    ("append", NO_RECORDS),
    // Refused where the cursor is opened: first comes whether the value is one at all.
    ("bulk", Supported),
    ("checkpoint", Supported),
    ("checkpoint_wait", OFF),
    ("debug.checkpoint_read_timestamp", Supported),
    ("dump", Supported),
    ("incremental.consolidate", OFF),
    ("incremental.granularity", OFF),
    ("next_random_sample_size", OFF),
    ("next_random_seed", OFF),
    ("overwrite", Supported),
    ("raw", Supported),
    ("read_once", PACE),
    ("readonly", Supported),
    ("skip_sort_check", OFF),
];

const CURSOR_RECONFIGURE: &[Entry] = &[("append", NO_RECORDS), ("overwrite", Supported)];

const BOUND: &[Entry] = &[("action", Supported), ("bound", Supported), ("inclusive", Supported)];

const VERIFY: &[Entry] = &[
    ("do_not_clear_txn_id", NoEffect("verification changes no transaction ids here")),
    ("read_corrupt", Supported),
    ("strict", Supported),
];

/// Every table, for the tests.
#[cfg(test)]
pub(in crate::config) const METHODS: &[&[&str]] = &[
    &["wiredtiger_open_all", "WT_CONNECTION.reconfigure"],
    &["WT_CONNECTION.load_extension"],
    &["WT_CONNECTION.close"],
    &["WT_CONNECTION.set_timestamp"],
    &["WT_CONNECTION.query_timestamp", "WT_SESSION.query_timestamp"],
    &["WT_CONNECTION.open_session", "WT_SESSION.reconfigure"],
    &["WT_SESSION.create", "file.config", "file.meta", "table.meta"],
    &["colgroup.meta"],
    &["WT_SESSION.alter"],
    &["WT_SESSION.begin_transaction"],
    &["WT_SESSION.commit_transaction"],
    &["WT_SESSION.rollback_transaction"],
    &["WT_SESSION.log_flush"],
    &["WT_SESSION.timestamp_transaction"],
    &["WT_SESSION.checkpoint"],
    &["WT_SESSION.drop"],
    &["WT_SESSION.open_cursor"],
    &["WT_CURSOR.reconfigure"],
    &["WT_CURSOR.bound"],
    &["WT_SESSION.verify"],
];

//! Verbose categories and message levels: WiredTiger 12's names and numbers.
//!
//! Source: API specification, section 2.4.

macro_rules! categories {
    ($($variant:ident $id:literal $name:literal $word:literal,)*) => {
        /// What a message is about. The numbers shift between releases of WiredTiger; the names are stable.
        #[non_exhaustive]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is its own name")]
        pub enum Category { $($variant = $id,)* }

        impl Category {
            /// Every category, in numeric order.
            pub const ALL: &'static [Category] = &[$(Category::$variant,)*];

            /// The name that message lines carry, as `WT_VERB_CHECKPOINT`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("WT_VERB_", $name),)* }
            }

            /// The word of the `verbose` setting; empty for the categories that can't be configured.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The category's number.
            pub fn id(self) -> usize {
                match self { $(Self::$variant => $id,)* }
            }
        }
    };
}

categories! {
    All 0 "ALL" "all",
    Api 1 "API" "api",
    Backup 2 "BACKUP" "backup",
    BlockCache 3 "BLKCACHE" "block_cache",
    Block 4 "BLOCK" "block",
    Checkpoint 5 "CHECKPOINT" "checkpoint",
    CheckpointCleanup 6 "CHECKPOINT_CLEANUP" "checkpoint_cleanup",
    CheckpointProgress 7 "CHECKPOINT_PROGRESS" "checkpoint_progress",
    ChunkCache 8 "CHUNKCACHE" "chunkcache",
    Compact 9 "COMPACT" "compact",
    CompactProgress 10 "COMPACT_PROGRESS" "compact_progress",
    Configuration 11 "CONFIGURATION" "configuration",
    Default 12 "DEFAULT" "",
    DisaggregatedStorage 13 "DISAGGREGATED_STORAGE" "disaggregated_storage",
    ErrorReturns 14 "ERROR_RETURNS" "error_returns",
    Eviction 15 "EVICTION" "eviction",
    Extension 16 "EXTENSION" "",
    FileOps 17 "FILEOPS" "fileops",
    Generation 18 "GENERATION" "generation",
    HandleOps 19 "HANDLEOPS" "handleops",
    HistoryStore 20 "HS" "history_store",
    HistoryStoreActivity 21 "HS_ACTIVITY" "history_store_activity",
    LiveRestore 22 "LIVE_RESTORE" "live_restore",
    LiveRestoreProgress 23 "LIVE_RESTORE_PROGRESS" "live_restore_progress",
    Log 24 "LOG" "log",
    Mutex 25 "MUTEX" "mutex",
    Metadata 26 "METADATA" "metadata",
    OutOfOrder 27 "OUT_OF_ORDER" "out_of_order",
    Overflow 28 "OVERFLOW" "overflow",
    Prefetch 29 "PREFETCH" "prefetch",
    Read 30 "READ" "read",
    Reconcile 31 "RECONCILE" "reconcile",
    Recovery 32 "RECOVERY" "recovery",
    RecoveryProgress 33 "RECOVERY_PROGRESS" "recovery_progress",
    RollbackToStable 34 "RTS" "rts",
    Salvage 35 "SALVAGE" "salvage",
    SharedCache 36 "SHARED_CACHE" "shared_cache",
    Split 37 "SPLIT" "split",
    Temporary 38 "TEMPORARY" "temporary",
    ThreadGroup 39 "THREAD_GROUP" "thread_group",
    Tiered 40 "TIERED" "tiered",
    Timestamp 41 "TIMESTAMP" "timestamp",
    Transaction 42 "TRANSACTION" "transaction",
    Verify 43 "VERIFY" "verify",
    Version 44 "VERSION" "version",
    Write 45 "WRITE" "write",
}

/// How loud a message is; a category prints everything up to its own level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is suspicious.
    Warning,
    /// Something an operator wants to know. The level of a category that is not configured.
    Notice,
    /// Information.
    Info,
    /// Debugging, 1 to 5.
    Debug(u8),
}

impl Level {
    /// WiredTiger's number: -3 for errors to 5 for the loudest debugging.
    pub fn number(self) -> i8 {
        match self {
            Self::Error => -3,
            Self::Warning => -2,
            Self::Notice => -1,
            Self::Info => 0,
            Self::Debug(depth) => i8::try_from(depth.min(5)).unwrap_or(5),
        }
    }

    /// The word in message lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug(0 | 1) => "DEBUG_1",
            Self::Debug(2) => "DEBUG_2",
            Self::Debug(3) => "DEBUG_3",
            Self::Debug(4) => "DEBUG_4",
            Self::Debug(_) => "DEBUG_5",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_numbered_as_in_the_vectors() {
        let text = include_str!("../../tests/data/vectors/api-constants.json");
        let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
        let expected = vectors["verbose_categories"].as_array().unwrap();
        for entry in expected {
            let name = entry["name"].as_str().unwrap();
            let Some(category) = Category::ALL.iter().find(|category| category.name() == name) else {
                // The vectors end with the count of categories, which is no category.
                assert_eq!(name, "WT_VERB_NUM_CATEGORIES", "a category is missing");
                continue;
            };
            assert_eq!(category.id() as u64, entry["id"].as_u64().unwrap(), "{name}");
        }
        assert!(expected.len() >= Category::ALL.len());
    }

    #[test]
    fn levels_order_from_errors_to_debugging() {
        assert!(Level::Error < Level::Warning && Level::Info < Level::Debug(1) && Level::Debug(1) < Level::Debug(5));
        assert_eq!(Level::Error.number(), -3);
        assert_eq!(Level::Debug(5).number(), 5);
    }
}

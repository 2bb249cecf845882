use proptest::prelude::*;
use rstest::rstest;

use super::soup;
use crate::ErrorCode;
use crate::config::schema::{FILE_META, WIREDTIGER_OPEN_ALL};
use crate::config::settings::*;

fn open(config: &str) -> crate::Result<ConnectionSettings> {
    ConnectionSettings::from_stack(&[WIREDTIGER_OPEN_ALL.base, config], "")
}

#[test]
fn the_defaults_of_a_connection() {
    let settings = open("create").unwrap();
    assert!(settings.create && settings.config_base && !settings.readonly && !settings.exclusive);
    assert_eq!(settings.cache_size, 100 << 20);
    assert_eq!((settings.session_max, settings.eviction_threads_min, settings.eviction_threads_max), (100, 1, 8));
    let percent = (100 << 20) / 100;
    let levels = EvictionLevels {
        target: 80 * percent,
        trigger: 95 * percent,
        dirty_target: 5 * percent,
        dirty_trigger: 20 * percent,
        updates_target: 5 * percent / 2,
        updates_trigger: 10 * percent,
        checkpoint_target: 5 * percent,
    };
    assert_eq!(settings.eviction, levels);
    assert_eq!(settings.verbose, []);
}

#[test]
fn eviction_levels_are_percent_or_bytes_and_capped() {
    let levels = open("cache_size=1GB,eviction_target=100MB,eviction_trigger=20,eviction_dirty_target=90,eviction_checkpoint_target=0")
        .unwrap()
        .eviction;
    assert_eq!(levels.target, 100 << 20);
    assert_eq!(levels.trigger, (1 << 30) / 5);
    assert_eq!((levels.dirty_target, levels.checkpoint_target), (levels.target, 0));
    assert_eq!(levels.dirty_trigger, levels.trigger);
}

/// Observed from WiredTiger 11.3.1.
#[rstest]
#[case("eviction_target=95", "eviction target must be lower than the eviction trigger")]
#[case(
    "eviction_dirty_target=20,eviction_dirty_trigger=20",
    "eviction dirty target must be lower than the eviction dirty trigger"
)]
#[case(
    "eviction_updates_target=10,eviction_updates_trigger=5",
    "eviction updates target must be lower than the eviction updates trigger"
)]
#[case("eviction_dirty_trigger=200MB", "eviction dirty trigger should not exceed cache size")]
#[case(
    "eviction=(threads_min=5,threads_max=4)",
    "eviction=(threads_min) cannot be greater than eviction=(threads_max)"
)]
#[case("verbose=[api:6]", "Failed to parse verbose option 'api' with value '6'")]
#[case("verbose=[api:-1]", "Failed to parse verbose option 'api' with value '-1'")]
fn contradictions_of_a_connection_are_refused(#[case] config: &str, #[case] message: &str) {
    let error = open(config).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::EINVAL, message));
}

#[test]
fn verbose_keeps_its_order() {
    let stack = [WIREDTIGER_OPEN_ALL.base, "verbose=[api,read:3]"];
    let settings = ConnectionSettings::from_stack(&stack, "").unwrap();
    let verbose: Vec<(&str, u8)> = settings.verbose.iter().map(|v| (v.category.as_str(), v.level)).collect();
    assert_eq!(verbose, [("api", 1), ("read", 3)]);
}

#[test]
fn what_is_not_built_is_refused_when_opening() {
    for config in ["in_memory", "debug_mode=(table_logging)", "salvage", "statistics=(all)"] {
        let error = open(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ENOTSUP, "{config}");
    }
}

#[test]
fn the_defaults_of_a_file() {
    let create = CreateSettings::parse("").unwrap();
    assert!(!create.exclusive && create.columns.is_empty());
    let file = create.file;
    assert_eq!((file.key_format.text(), file.value_format.text()), ("u", "u"));
    assert_eq!((file.allocation_size, file.internal_page_max, file.leaf_page_max), (4096, 4096, 32768));
    assert_eq!((file.split_percent, file.memory_page_max, file.memory_page_image_max), (90, 5 << 20, 4 * 32768));
    assert_eq!((file.leaf_split_size(), file.internal_split_size()), (28672, 3686));
    assert_eq!((file.leaf_key_max, file.leaf_value_max), (2867, 14336));
    assert_eq!(file.checksum, Checksum::On);
    assert!(file.internal_key_truncate && !file.prefix_compression && !file.first_fit && !file.cache_resident);
    assert_eq!(FileSettings::from_metadata(FILE_META.base, false).unwrap(), file);
    assert_eq!(FileSettings::from_metadata("id=4", false).unwrap(), file);
}

#[rstest]
#[case("allocation_size=513", "the allocation size must be a power of two")]
#[case("allocation_size=8KB", "page sizes must be a multiple of the page allocation size (8192B)")]
#[case("leaf_page_max=33KB", "page sizes must be a multiple of the page allocation size (4096B)")]
#[case(
    "memory_page_image_max=4KB",
    "in-memory page image size must be larger than the maximum page size (4096B < 32768B)"
)]
#[case("allocation_size=511", "Value too small for key 'allocation_size' the minimum is 512")]
#[case("checksum=bad", "Value 'bad' not a permitted choice for key 'checksum'")]
#[case("checksum=(on)", "Value '(on)' not a permitted choice for key 'checksum'")]
#[case("key_format=z", "Invalid type 'z' found in format 'z'")]
fn contradictions_of_a_file_are_refused(#[case] config: &str, #[case] message: &str) {
    assert_eq!(CreateSettings::parse(config).unwrap_err().to_string(), message);
}

#[rstest]
#[case("split_pct=0", "Value too small for key 'split_pct' the minimum is 50")]
#[case("allocation_size=0", "Value too small for key 'allocation_size' the minimum is 512")]
#[case("leaf_page_max=4GB", "Value too large for key 'leaf_page_max' the maximum is 536870912")]
#[case("prefix_compression_min=-1", "Invalid value for key 'prefix_compression_min': expected a int")]
#[case("memory_page_max=x", "Invalid value for key 'memory_page_max': expected a int")]
fn damaged_metadata_is_refused(#[case] entry: &str, #[case] message: &str) {
    assert_eq!(FileSettings::from_metadata(entry, false).unwrap_err().to_string(), message);
}

#[test]
fn a_create_call_in_full() {
    let config = "exclusive,columns=(id,name),key_format=q,value_format=S,block_allocation=first,checksum=off,\
        leaf_value_max=64KB,prefix_compression,prefix_compression_min=0,app_metadata=\"x=1\",cache_resident";
    let create = CreateSettings::parse(config).unwrap();
    assert!(create.exclusive && create.file.first_fit && create.file.prefix_compression && create.file.cache_resident);
    assert_eq!(create.columns, ["id", "name"]);
    assert_eq!((create.file.checksum, create.file.leaf_value_max), (Checksum::Off, 65536));
    assert_eq!((create.file.app_metadata.as_str(), create.file.prefix_compression_min), ("\"x=1\"", 0));
}

#[test]
fn session_and_transaction_levels() {
    assert_eq!(SessionSettings::parse("").unwrap(), SessionSettings::default());
    let session = SessionSettings::parse("isolation=read-committed,cache_max_wait_ms=5").unwrap();
    assert_eq!(session, SessionSettings { isolation: Some(Isolation::ReadCommitted), cache_max_wait_ms: Some(5) });
    assert!(SessionSettings::parse("isolation=(snapshot)").is_err());
    assert_eq!(TransactionSettings::parse("").unwrap(), TransactionSettings::default());
    let transaction = TransactionSettings::parse("isol=read-uncommitted,name=t,sync=true").unwrap();
    assert_eq!((transaction.isolation, transaction.name.as_str()), (Some(Isolation::ReadUncommitted), "t"));
    assert_eq!(TransactionSettings::parse("isolation=").unwrap().isolation, None);
    assert_eq!(TransactionSettings::parse("operation_timeout_ms=5").unwrap_err().code(), ErrorCode::ENOTSUP);
    assert_eq!(TransactionSettings::parse("operation_t=5").unwrap_err().code(), ErrorCode::ENOTSUP);
    assert_eq!(
        TransactionSettings::parse("isolation=bad").unwrap_err().to_string(),
        "Value 'bad' is not a valid choice"
    );
}

#[test]
fn cursor_drop_and_verify_calls() {
    let cursor = CursorSettings::parse("overwrite=false,raw,readonly=true").unwrap();
    assert_eq!(cursor, CursorSettings { append: false, overwrite: false, raw: true, readonly: true });
    let drop = DropSettings::parse("force,lock_wait=false").unwrap();
    assert_eq!(drop, DropSettings { force: true, remove_files: true, checkpoint_wait: true, lock_wait: false });
    let verify = VerifySettings::parse("strict").unwrap();
    assert_eq!(verify, VerifySettings { read_corrupt: false, strict: true });
    assert_eq!(VerifySettings::parse("dump_pages").unwrap_err().code(), ErrorCode::ENOTSUP);
}

#[test]
fn bounds_are_set_or_cleared() {
    let action = |config| BoundSettings::parse(config).map(|settings| settings.action);
    assert_eq!(action("bound=lower").unwrap(), BoundAction::Set { is_lower: true, inclusive: true });
    assert_eq!(action("bound=upper,inclusive=false").unwrap(), BoundAction::Set { is_lower: false, inclusive: false });
    assert_eq!(action("action=clear").unwrap(), BoundAction::Clear { is_lower: None });
    assert_eq!(action("action=clear,bound=upper").unwrap(), BoundAction::Clear { is_lower: Some(false) });
    for config in ["", "bound=", "action=set"] {
        let message = "a bound must be specified when setting bounds, either \"lower\" or \"upper\"";
        assert_eq!(action(config).unwrap_err().to_string(), message);
    }
}

#[test]
fn checkpoints_are_named_and_dropped() {
    assert_eq!(CheckpointSettings::parse("").unwrap(), CheckpointSettings::default());
    let settings = CheckpointSettings::parse("name=\"c9.x-1\",force,drop=(c2,to=c3,from=all,from=,all)").unwrap();
    assert_eq!((settings.name.as_deref(), settings.force), (Some("c9.x-1"), true));
    let name = |name: &str| CheckpointDrop::Name(name.to_owned());
    let expected =
        [name("c2"), CheckpointDrop::To("c3".into()), CheckpointDrop::From("all".into()), name("from"), name("all")];
    assert_eq!(settings.drop, expected);
    assert_eq!(CheckpointSettings::parse("name=5").unwrap().name.as_deref(), Some("5"));
    assert_eq!(CheckpointSettings::parse("name").unwrap().name, None);
}

#[rstest]
#[case("name=WiredTigerCheckpointX", "the checkpoint name \"WiredTigerCheckpoint\" is reserved")]
#[case("name=all", "the checkpoint name \"all\" is reserved")]
#[case("name=\"a[b\"", "a[b: WiredTiger objects should not include grouping characters in their names")]
#[case("drop=(bogus=c4)", "unexpected value for checkpoint key: bogus")]
#[case("drop=(to=WiredTigerCheckpoint.1)", "the checkpoint name \"WiredTigerCheckpoint\" is reserved")]
#[case("name=\"a b\"", "a b: a checkpoint's name must be a plain word without spaces or '='")]
#[case("name=\"a(b)\"", "a(b): a checkpoint's name must be a plain word without spaces or '='")]
#[case("name=\"a=1\"", "a=1: a checkpoint's name must be a plain word without spaces or '='")]
fn bad_checkpoint_names_are_refused(#[case] config: &str, #[case] message: &str) {
    assert_eq!(CheckpointSettings::parse(config).unwrap_err().to_string(), message);
}

proptest! {
    #[test]
    fn settings_of_anything_are_answered(config in soup()) {
        let _ = open(&config);
        let _ = CreateSettings::parse(&config);
        let _ = FileSettings::from_metadata(&config, true);
        let _ = TransactionSettings::parse(&config);
        let _ = CheckpointSettings::parse(&config);
        let _ = BoundSettings::parse(&config);
    }

    #[test]
    fn split_sizes_stay_within_the_page(unit in 9_u32..16, pages in 1_u32..64, percent in 50_u32..=100) {
        let (unit, max) = (1 << unit, (1 << unit) * pages);
        let size = crate::config::settings::split_size(max, percent, unit);
        prop_assert!(size >= max / 2 && size <= max);
    }
}

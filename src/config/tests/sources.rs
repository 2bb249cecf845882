use rstest::rstest;

use crate::ErrorCode;
use crate::config::sources::{Release, Sources, file_text, refuse_privileged};
use crate::config::{Config, metadata};

/// What an 11.3.1 database writes for a new file, which both releases read.
const NEW_FILE: &str = "access_pattern_hint=none,allocation_size=4KB,app_metadata=(x=1),assert=(commit_timestamp=none,\
    durable_timestamp=none,read_timestamp=none,write_timestamp=off),block_allocation=best,block_compressor=none,\
    cache_resident=false,checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,checksum=on,collator=none,columns=,\
    dictionary=0,encryption=(keyid=,name=),format=btree,huffman_key=,huffman_value=,id=4,\
    ignore_in_memory_cache_size=false,internal_item_max=0,internal_key_max=0,internal_key_truncate=true,\
    internal_page_max=4KB,key_format=S,key_gap=10,leaf_item_max=0,leaf_key_max=0,leaf_page_max=32KB,leaf_value_max=0,\
    log=(enabled=true),memory_page_image_max=0,memory_page_max=5MB,os_cache_dirty_max=0,os_cache_max=0,\
    prefix_compression=false,prefix_compression_min=4,readonly=false,split_deepen_min_child=0,\
    split_deepen_per_child=0,split_pct=90,tiered_object=false,tiered_storage=(auth_token=,bucket=,bucket_prefix=,\
    cache_directory=,local_retention=300,name=,object_target_size=0),value_format=8t,verbose=[],\
    version=(major=2,minor=1),write_timestamp_usage=none";

#[test]
fn a_new_file_entry_is_what_wiredtiger_writes() {
    let create = "exclusive,key_format=S,value_format=8t,block_compressor=none,collator=none,app_metadata=(x=1)";
    assert_eq!(metadata::file(create, 4).unwrap(), NEW_FILE);
}

#[test]
fn a_file_entry_without_its_checkpoint_keeps_all_else() {
    let checkpoint = "checkpoint=(a[b=(addr=\"01\",order=1)),checkpoint_backup_info=,checkpoint_lsn=(1,128)";
    let expected = NEW_FILE.replace("checkpoint=,checkpoint_backup_info=,checkpoint_lsn=,", "");
    for entry in
        [NEW_FILE.to_owned(), format!("{expected},{checkpoint}"), format!("{NEW_FILE},live_restore=(bitmap=,nbits=0)")]
    {
        assert_eq!(metadata::file_without_checkpoint(&entry).unwrap(), expected);
    }
}

#[test]
fn new_table_and_column_group_entries_are_what_wiredtiger_writes() {
    let create = "key_format=S,value_format=SS,columns=(k,v1,v2),app_metadata=(x=1)";
    assert_eq!(
        metadata::table(create).unwrap(),
        "app_metadata=(x=1),assert=(commit_timestamp=none,durable_timestamp=none,read_timestamp=none,\
         write_timestamp=off),colgroups=,collator=,columns=(k,v1,v2),key_format=S,value_format=SS,verbose=[],\
         write_timestamp_usage=none"
    );
    assert_eq!(
        metadata::colgroup(create, "file:a.wt").unwrap(),
        "app_metadata=(x=1),assert=(commit_timestamp=none,durable_timestamp=none,read_timestamp=none,\
         write_timestamp=off),collator=,columns=(k,v1,v2),source=\"file:a.wt\",type=file,verbose=[],\
         write_timestamp_usage=none"
    );
}

/// Observed from WiredTiger 11.3.1, which begins each string with a comma more.
#[rstest]
#[case("# c\n  # d\ncache_size=20MB\n\n\n x\n", ",,cache_size=20MB,x,")]
#[case("a=\"x\\\ny\"\n(\n", "a=\"xy\",(,")]
#[case("a=\"x\ny\"\n", "a=\"x\ny\",")]
#[case("a\\\n#b\n", "a#b,")]
#[case("\\\n# c\n", "# c,")]
#[case("a=1 # c\n#x\n", "a=1 # c,,")]
#[case("a=\\\"#\n#\"\n", "a=\\\"#,,")]
#[case("\r\n#c\r\na\r\n", ",a\r,")]
#[case("a=(b=1\n#c\nd=2)\n", "a=(b=1,,d=2),")]
#[case("session_max=10", "session_max=10")]
#[case("a\\", "a\\")]
#[case("", "")]
fn a_configuration_file_becomes_a_string(#[case] file: &str, #[case] expected: &str) {
    assert_eq!(file_text("WiredTiger.config", file.as_bytes()).unwrap(), expected);
}

#[test]
fn a_file_that_is_too_big_or_not_text_is_refused() {
    let error = file_text("WiredTiger.config", &vec![b' '; 102_401]).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (ErrorCode::EFBIG, "Configuration file too big: WiredTiger.config")
    );
    file_text("WiredTiger.config", &vec![b' '; 102_400]).unwrap();
    assert_eq!(file_text("WiredTiger.config", b"a=\"\xff\"").unwrap_err().code(), ErrorCode::EINVAL);
}

#[rstest]
#[case(
    "create,cache_size=60MB,log=(enabled,recover=on,path=\".\"),verbose=[recovery:0],statistics=(fast)",
    "cache_size=60MB\nlog=(enabled=,path=\".\")\nstatistics=(fast)\nversion=(major=12,minor=0)\n"
)]
#[case("create,log=(enabled)", "version=(major=12,minor=0)\n")]
#[case("create,log=(enabled=true)", "log=(enabled=true)\nversion=(major=12,minor=0)\n")]
#[case("encryption=(name=none,secretkey=x)", "encryption=(name=none)\nversion=(major=12,minor=0)\n")]
#[case("verbose=(recovery=0)", "verbose=(recovery=0)\nversion=(major=12,minor=0)\n")]
fn the_base_file_remembers_what_was_set(#[case] application: &str, #[case] lines: &str) {
    let sources = Sources { application, ..Sources::default() };
    let text = sources.new_base_file("version=(major=12,minor=0)").unwrap();
    let (header, found) = text.split_once("\n\n").unwrap();
    assert!(header.starts_with("# Do not modify this file.\n#\n# WiredTiger created") && header.lines().count() == 6);
    assert_eq!(found, lines);
    let again = file_text("WiredTiger.basecfg", text.as_bytes()).unwrap();
    Sources { base_file: &again, application, ..Sources::default() }.check().unwrap();
}

#[test]
fn files_and_environment_override_the_application_and_readonly_overlays_all() {
    let sources = Sources {
        base_file: "cache_size=1GB,session_max=1,error_prefix=base",
        application: "cache_size=2GB,session_max=2,create,checkpoint=(wait=5)",
        user_file: "cache_size=3GB",
        environment: "cache_size=4GB",
    };
    sources.check().unwrap();
    let version = Release::DEFAULT.to_config();
    let stack = sources.stack(&version);
    let config = Config::new(&stack);
    assert_eq!(config.text_or("cache_size", "").unwrap(), "4GB");
    assert_eq!(config.text_or("session_max", "").unwrap(), "2");
    assert_eq!(config.text_or("error_prefix", "").unwrap(), "base");
    assert_eq!(config.text_or("version.minor", "").unwrap(), "3");
    let preliminary = sources.preliminary();
    assert_eq!(Config::new(&preliminary).text_or("error_prefix", "x").unwrap(), "");
    let merged = sources.merged(&version, true).unwrap();
    let merged = Config::single(&merged);
    assert_eq!(merged.text_or("checkpoint.wait", "").unwrap(), "0");
    assert_eq!(merged.text_or("create", "").unwrap(), "false");
    assert_eq!(merged.text_or("cache_size", "").unwrap(), "4GB");
}

#[rstest]
#[case(Sources { application: "bogus", ..Sources::default() }, ErrorCode::EINVAL, "unknown configuration key 'bogus'")]
#[case(Sources { application: "version=(major=11)", ..Sources::default() }, ErrorCode::EINVAL, "unknown configuration key 'version'")]
#[case(Sources { base_file: "create", ..Sources::default() }, ErrorCode::TRY_SALVAGE, "WiredTiger.basecfg: unknown configuration key 'create'")]
#[case(Sources { user_file: "config_base", ..Sources::default() }, ErrorCode::EINVAL, "WiredTiger.config: unknown configuration key 'config_base'")]
#[case(Sources { environment: "a b", ..Sources::default() }, ErrorCode::EINVAL, "WIREDTIGER_CONFIG: Error parsing 'a b' at offset 2")]
#[case(Sources { base_file: "version=(major=13,minor=0)", ..Sources::default() }, ErrorCode::ENOTSUP, "configuration major, minor of (13, 0), with build (12, 0)")]
fn each_source_is_checked_against_its_own_table(
    #[case] sources: Sources<'_>,
    #[case] code: ErrorCode,
    #[case] message: &str,
) {
    let error = sources.check().unwrap_err();
    assert_eq!(error.code(), code);
    assert!(error.to_string().contains(message), "{error}");
}

/// Observed from WiredTiger 11.3.1.
#[rstest]
#[case(
    "compatibility=(release=10.0,require_max=9.0)",
    "Version incompatibility detected: required max of 9.0cannot be smaller than compatibility release 10.0"
)]
#[case(
    "compatibility=(release=10.0,require_min=11.0)",
    "Version incompatibility detected: required min of 11.0cannot be larger than compatibility release 10.0"
)]
#[case("compatibility=(release=99.0)", "Version incompatibility detected: unsupported major version")]
#[case("compatibility=(release=12.1)", "Version incompatibility detected: unsupported minor version")]
#[case("compatibility=(require_min=99.0)", "Version incompatibility detected: unsupported major version")]
#[case("compatibility=(release=11)", "illegal compatibility release")]
#[case("compatibility=(release=x)", "illegal compatibility release")]
fn impossible_releases_are_refused(#[case] config: &str, #[case] message: &str) {
    assert_eq!(Release::from_config(Config::single(config)).unwrap_err().to_string(), message);
}

#[test]
fn a_release_is_chosen_or_the_default() {
    assert_eq!(Release::from_config(Config::single("")).unwrap().to_config(), "version=(major=11,minor=3)");
    let config = "compatibility=(release=\"12.0.1\",require_max=\"12.0\",require_min=\"3.2\")";
    assert_eq!(Release::from_config(Config::single(config)).unwrap(), Release { major: 12, minor: 0 });
    assert!(refuse_privileged("WIREDTIGER_HOME").to_string().contains("WIREDTIGER_HOME environment variable set"));
}

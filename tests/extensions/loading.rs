//! The list `extensions=[...]` as the real engine takes it, and what an application gives through the builder.

use crate::probes::{
    ALL, COLLATOR, COMPRESSOR, DATA_SOURCE, FILE_SYSTEM, KEY_PROVIDER, Lines, Probe, event, events, kept_services,
};
use hardwired::os::LocalFileSystem;
use hardwired::plugin::extension::{Extension, ExtensionContext, Origin};
use hardwired::{Builder, Connection, ErrorCode};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const ORIGIN: Origin = Origin { crate_name: "vectors", version: "1.0.0" };

fn opened(kind: &'static str, context: &ExtensionContext<'_>) -> hardwired::Result<Arc<Probe>> {
    event(format!("{kind} [{}]", context.config()));
    if let Some(code) = context.config().strip_prefix("init_err=") {
        return Err(hardwired::Error::new(ErrorCode(code.parse().unwrap()), "init_err"));
    }
    Ok(Probe::plain(kind, "", Arc::clone(context.services())))
}

// The libraries of the vectors.
static SNAPPY: Extension = Extension::compressor("snappy", ORIGIN, |context| Ok(opened("snappy", context)?));
static ZSTD: Extension = Extension::compressor("zstd", ORIGIN, |context| Ok(opened("zstd", context)?));
static REVERSE: Extension = Extension::collator("reverse", ORIGIN, |context| Ok(opened("reverse", context)?))
    .with_library_names(&["reverse_collator"]);
static SOURCE: Extension =
    Extension::data_source("probe_data_source", ORIGIN, "memkv:", |context| Ok(opened("source", context)?));
static FAIL_FS: Extension = Extension::file_system("fail-fs", ORIGIN, |context| Ok(opened("fail-fs", context)?));

fn builder(home: &Path, lines: &Arc<Lines>) -> Builder {
    let builder = Connection::builder(home).event_handler(Arc::clone(lines) as _);
    [&SNAPPY, &ZSTD, &REVERSE, &SOURCE, &FAIL_FS].into_iter().fold(builder, Builder::link)
}

fn files(home: &Path) -> Vec<String> {
    let names = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

/// What each case of `ext-loading.json` about the list does here; the others are about single extensions.
#[test]
fn the_vectors_of_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/ext-loading.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases: BTreeMap<&str, &serde_json::Value> =
        vectors["cases"].as_array().unwrap().iter().map(|case| (case["case"].as_str().unwrap(), case)).collect();
    // The code here, what was constructed, and a part of the message.
    let snappy: &[&str] = &["snappy []"];
    let expected: [(&str, i32, &[&str], &str); 12] = [
        ("list brackets", 0, &["snappy []", "reverse []"], ""),
        ("list parens", 0, &["snappy []", "reverse []"], ""),
        ("quoted path", 0, snappy, ""),
        ("braces sub config", 0, snappy, ""),
        ("same twice", 0, &["snappy []", "snappy []"], ""),
        ("missing file", -31802, &[], "extension 'such' (named by '/no/such.so') is not linked into this program"),
        ("bad sub key", 0, snappy, ""),
        ("single not list", 22, &[], "Invalid value for key 'extensions': expected a list"),
        ("early_load compressor", 0, snappy, ""),
        ("init error 95", 95, &["source [init_err=95]"], "init_err"),
        ("early init error", 95, &["source [init_err=95]"], "init_err"),
        ("fail_fs late", 1, &[], "filesystem already configured; custom filesystems should enable \"early_load\""),
    ];
    for (name, code, made, message) in expected {
        let case = cases[name];
        let theirs = match case["result"].as_str().unwrap() {
            "0" => 0,
            result if result.contains("WT_ERROR") => -31802,
            result if result.contains("not supported") => 95,
            result if result.contains("not permitted") => 1,
            result if result.contains("Invalid argument") => 22,
            result => panic!("{name}: {result}"),
        };
        assert_eq!(code, theirs, "{name}: what the real engine returns");
        let home = tempfile::tempdir().unwrap();
        let lines = Arc::new(Lines::default());
        let opened = builder(home.path(), &lines).config(case["config"].as_str().unwrap()).open();
        assert_eq!(opened.as_ref().err().map_or(0, |error| error.code().0), code, "{name}: {opened:?}");
        if let Err(error) = opened {
            assert!(error.to_string().contains(message), "{name}: {error}");
        }
        let happened = events();
        assert_eq!(happened.iter().filter(|event| event.ends_with(']')).collect::<Vec<_>>(), made, "{name}");
        let left = files(home.path());
        match name {
            "init error 95" => assert_eq!(left, ["WiredTiger", "WiredTiger.lock"], "as the real engine leaves them"),
            _ if code != 0 => assert!(left.is_empty(), "{name}: {left:?}"),
            _ => {}
        }
    }
}

/// `create db with snappy ext`, `reopen no ext given`: the list comes back from the file, an early entry doesn't.
#[test]
fn the_database_remembers_its_list() {
    let home = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::default());
    let list = "extensions=[libwiredtiger_zstd.so=(config=[level=3]),libwiredtiger_snappy.so=(early_load=true)]";
    builder(home.path(), &lines).create(true).config(list).open().unwrap().close("").unwrap();
    let base = std::fs::read_to_string(home.path().join("WiredTiger.basecfg")).unwrap();
    for entry in ["libwiredtiger_snappy.so=(early_load=true)", "libwiredtiger_zstd.so=(config=(level=3))"] {
        assert!(base.lines().any(|line| line.starts_with("extensions=") && line.contains(entry)), "{base}");
    }
    events();
    builder(home.path(), &lines).open().unwrap().close("").unwrap();
    assert_eq!(events(), ["zstd [level=3]", "terminate zstd"]);
    assert!(lines.contain("extension 'libwiredtiger_snappy.so' is not loaded: early_load=true takes effect only"));
    // A list of the application takes the place of the file's.
    builder(home.path(), &lines).config("extensions=[reverse]").open().unwrap().close("").unwrap();
    assert_eq!(events(), ["reverse []", "terminate reverse"]);
}

#[test]
fn what_the_builder_gives_comes_first_and_leaves_no_trace() {
    let home = tempfile::tempdir().unwrap();
    let lines = Arc::new(Lines::default());
    let opened = builder(home.path(), &lines)
        .create(true)
        .config("extensions=[zstd,snappy]")
        .with(&COLLATOR)
        .with(&COMPRESSOR)
        .open()
        .unwrap();
    assert_eq!(events(), ["open collator", "open compressor", "zstd []", "snappy []"], "in the order they were named");
    opened.close("").unwrap();
    drop(opened);
    let base = std::fs::read_to_string(home.path().join("WiredTiger.basecfg")).unwrap();
    assert!(base.contains("zstd") && !base.contains("probe"), "{base}");
    events();
    builder(home.path(), &lines).open().unwrap().close("").unwrap();
    assert!(events().iter().all(|event| !event.contains("collator")));
}

#[test]
fn instances_of_every_kind_are_registered_and_terminated() {
    let home = tempfile::tempdir().unwrap();
    // Only to have services for the probes.
    Connection::builder(home.path()).create(true).with(&COLLATOR).open().unwrap().close("").unwrap();
    let probe = |kind| Probe::plain(kind, "", kept_services());
    events();
    let connection = Connection::builder(home.path())
        .storage_source("s", probe("storage source"))
        .encryptor("e", probe("encryptor"))
        .data_source("d:", probe("data source"))
        .compressor("c", probe("compressor"))
        .collator("o", probe("collator"))
        .key_provider(probe("key provider"))
        .file_system(probe("file system"))
        .open()
        .unwrap();
    assert_eq!(events(), ["load None"]);
    assert!(connection.get_storage_source("s").is_ok());
    let collator = connection.extension_services();
    let config = hardwired::plugin::config::Config::single("collator=o");
    assert!(collator.collator("x:", config).unwrap().is_some());
    connection.close("").unwrap();
    let ends = [
        "terminate collator",
        "terminate compressor",
        "terminate data source",
        "terminate encryptor",
        "terminate storage source",
        "terminate key provider",
        "terminate file system",
    ];
    assert_eq!(events(), ends);
}

#[test]
fn a_refused_instance_ends_the_open_with_everything_terminated() {
    let home = tempfile::tempdir().unwrap();
    Connection::builder(home.path()).create(true).with(&COLLATOR).open().unwrap().close("").unwrap();
    let probe = |kind| Probe::plain(kind, "", kept_services());
    events();
    let error = Connection::builder(home.path())
        .key_provider(probe("key provider"))
        .compressor("good", probe("compressor"))
        .encryptor("none", probe("encryptor"))
        .open()
        .unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::EINVAL, "invalid name for an encryptor: none"));
    assert_eq!(events(), ["terminate compressor", "terminate key provider"]);
}

#[test]
fn a_second_file_system_or_key_provider_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let build = || Connection::builder(home.path()).create(true);
    let twice = [
        build().with(&FILE_SYSTEM).file_system(Arc::new(LocalFileSystem::new())).open(),
        build().file_system(Arc::new(LocalFileSystem::new())).with(&FILE_SYSTEM).open(),
        build().with(&FILE_SYSTEM).config("extensions=[probe-files=(early_load=true)]").open(),
        build().with(&KEY_PROVIDER).config("extensions=[probe-keys=(early_load=true)]").open(),
    ];
    for result in twice {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::EPERM);
        assert!(error.to_string().contains("a connection has one "), "{error}");
    }
    assert!(files(home.path()).is_empty());
    events();
}

#[test]
fn a_linked_extension_is_known_and_not_loaded() {
    let home = tempfile::tempdir().unwrap();
    let connection = ALL.into_iter().fold(Connection::builder(home.path()).create(true), Builder::link).open().unwrap();
    assert!(events().is_empty());
    connection.load_extension("probe-data", "").unwrap();
    assert_eq!(events(), ["open data source"]);
    assert_eq!(DATA_SOURCE.name(), "probe-data");
    connection.close("").unwrap();
    assert_eq!(events(), ["terminate data source"]);
}

//! Lists, names, phases, termination and panics of extensions.

use super::*;
use hardwired_plugin::config::lookup;
use hardwired_plugin::extension::{ExtensionContext, MessageLevel, Messages, Origin};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, StoredKey};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::{Error, ErrorCode};
use rstest::rstest;
use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, Mutex};

thread_local! {
    /// What extensions did, on this test's thread.
    static EVENTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn event(text: impl Into<String>) {
    EVENTS.with_borrow_mut(|events| events.push(text.into()));
}

fn events() -> Vec<String> {
    EVENTS.take()
}

#[derive(Default)]
struct Collected(Mutex<Vec<(MessageLevel, String)>>);

impl Messages for Collected {
    fn message(&self, level: MessageLevel, text: &str) {
        self.0.lock().unwrap().push((level, text.to_owned()));
    }
}

/// A provider and file system whose calls are events; `config` is its name, `bad` makes terminate fail.
struct Probe(String);

impl Probe {
    fn open(kind: &str, context: &ExtensionContext<'_>) -> Result<Arc<Self>> {
        event(format!("open {kind} [{}]", context.config()));
        match context.config() {
            "fail=95" => Err(Error::unsupported("init failed")),
            "panic" => panic!("no {kind} today"),
            config => Ok(Arc::new(Self(config.to_owned()))),
        }
    }

    fn end(&self, kind: &str) -> Result<()> {
        event(format!("terminate {kind}"));
        if self.0 == "bad" { Err(Error::invalid(format!("{kind} is bad"))) } else { Ok(()) }
    }
}

impl KeyProvider for Probe {
    fn load_key_blob(&self, _: Option<StoredKey<'_>>) -> Result<()> {
        panic!("load {}", self.0)
    }
    fn get_key_blob(&self) -> Result<KeyBlob> {
        Ok(KeyBlob::Unchanged)
    }
    fn get_key_complete(&self, _: StoredKey<'_>) {
        panic!("complete")
    }
    fn terminate(&self) -> Result<()> {
        self.end("keys")
    }
}

impl FileSystem for Probe {
    fn directory_list(&self, _: &Path, _: &str) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn exists(&self, _: &Path) -> Result<bool> {
        panic!("exists")
    }
    fn open(&self, path: &Path, _: FileType, _: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        Err(Error::io(path.display(), std::io::ErrorKind::NotFound.into()))
    }
    fn remove(&self, _: &Path, _: bool) -> Result<()> {
        Ok(())
    }
    fn rename(&self, _: &Path, _: &Path, _: bool) -> Result<()> {
        Ok(())
    }
    fn size(&self, _: &Path) -> Result<u64> {
        Ok(0)
    }
    fn terminate(&self) -> Result<()> {
        self.end("files")
    }
}

const HERE: Origin = Origin { crate_name: "probe", version: "1.0.0" };

static KEYS: Extension = Extension::key_provider("keys", HERE, |context| Ok(Probe::open("keys", context)?))
    .with_library_names(&["keys_sample"])
    .with_terminator("wiredtiger_extension_terminate", || {
        event("terminator keys");
        Ok(())
    });
static FILES: Extension = Extension::file_system("some-files", HERE, |context| Ok(Probe::open("files", context)?))
    .with_entries(&["files_start"])
    .with_terminator("files_end", || {
        event("terminator files");
        Err(Error::invalid("terminator is bad"))
    });
static BOTH_KEYS: Extension = Extension::key_provider("both", HERE, |context| Ok(Probe::open("keys", context)?));
static BOTH_FILES: Extension = Extension::file_system("both", HERE, |context| Ok(Probe::open("files", context)?));

fn registry() -> Registry {
    Registry::merge(&[&KEYS, &FILES, &BOTH_KEYS, &BOTH_FILES], &[]).unwrap()
}

fn fresh() -> (LoadedExtensions, Arc<Collected>) {
    let messages = Arc::new(Collected::default());
    (LoadedExtensions::new(registry(), OfflineServices::new(Arc::clone(&messages) as _)), messages)
}

/// Loads `config` early, then late, as opening a database does.
fn open(config: &str) -> (Result<LoadedExtensions>, Arc<Collected>) {
    let (mut loaded, messages) = fresh();
    let list = || lookup(config, "extensions");
    let outcome = list().and_then(|list| loaded.load_early(&[], list)).and_then(|()| loaded.load_late(&[], list()?));
    (outcome.map(|()| loaded), messages)
}

fn parse(config: &str) -> Result<Vec<ExtensionRequest>> {
    parse_extensions(lookup(config, "extensions")?, &Collected::default())
}

#[rstest]
#[case::absent("create", &[])]
#[case::empty("extensions=", &[])]
#[case::empty_list("extensions=[]", &[])]
#[case::brackets("extensions=[a.so,b.so]", &["a.so", "b.so"])]
#[case::parentheses("extensions=(a.so,b.so)", &["a.so", "b.so"])]
#[case::quoted("extensions=[\"/x y/a.so\"]", &["/x y/a.so"])]
#[case::twice("extensions=[a,a]", &["a", "a"])]
fn lists_are_read(#[case] config: &str, #[case] expected: &[&str]) {
    let paths: Vec<_> = parse(config).unwrap().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, expected);
}

#[rstest]
#[case("(config=[level=3])", "level=3")]
#[case("{config={level=3,b=(1)}}", "level=3,b=(1)")]
#[case("[config=(level=3)]", "level=3")]
#[case("(config=\"level=3\")", "level=3")]
#[case("(config=level)", "level")]
#[case("(early_load=true)", "")]
fn an_extensions_own_configuration_loses_its_delimiters(#[case] sub: &str, #[case] expected: &str) {
    assert_eq!(parse(&format!("extensions=[a={sub}]")).unwrap()[0].config, expected);
}

#[test]
fn sub_configurations_are_read_and_have_defaults() {
    let requests = parse("extensions=[a=(early_load=true,entry=go,terminate=stop,config=(x=1)),b]").unwrap();
    let expected = ExtensionRequest {
        path: "a".to_owned(),
        early_load: true,
        config: "x=1".to_owned(),
        entry: "go".to_owned(),
        terminate: "stop".to_owned(),
    };
    assert_eq!(requests, [expected, ExtensionRequest::new("b")]);
    assert_eq!(requests[1].entry, "wiredtiger_extension_init");
}

#[rstest]
#[case("extensions=a.so", "Invalid value for key 'extensions': expected a list")]
#[case("extensions=\"a.so\"", "Invalid value for key 'extensions': expected a list")]
#[case("extensions=[a=(early_load=7)]", "extension 'a': Invalid value for key 'early_load': expected a boolean")]
fn bad_lists_are_refused(#[case] config: &str, #[case] message: &str) {
    let error = parse(config).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::EINVAL, message));
}

#[test]
fn a_meaningless_key_is_a_warning_in_the_list_and_an_error_in_load_extension() {
    let messages = Collected::default();
    assert!(parse_extensions(lookup("extensions=[a=(foo=1)]", "extensions").unwrap(), &messages).is_ok());
    let text = "extension 'a': unknown configuration key 'foo' has no effect".to_owned();
    assert_eq!(*messages.0.lock().unwrap(), [(MessageLevel::Warning, text)]);
    let error = fresh().0.load_extension("keys", "foo=1").unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::EINVAL, "unknown configuration key 'foo'"));
}

fn resolved(path: &str, entry: Option<&str>) -> Result<String> {
    let mut request = ExtensionRequest::new(path);
    if let Some(entry) = entry {
        entry.clone_into(&mut request.entry);
    }
    resolve(&registry(), &request).map(|extension| format!("{} {}", extension.kind(), extension.name()))
}

#[rstest]
#[case("keys", "key provider keys")]
#[case("/usr/lib/libwiredtiger_keys.so", "key provider keys")]
#[case("libwiredtiger_keys.so.1.2", "key provider keys")]
#[case("./ext/.libs/libwiredtiger_keys.dylib", "key provider keys")]
#[case("C:\\lib\\wiredtiger_keys.dll", "key provider keys")]
#[case("libkeys.so", "key provider keys")]
#[case("libwiredtiger_keys_sample.so", "key provider keys")]
#[case("some-files", "file system some-files")]
#[case("libwiredtiger_some_files.so", "file system some-files")]
#[case("key_providers/both", "key provider both")]
#[case("/x/file_systems/y/libwiredtiger_both.so", "file system both")]
fn names_and_paths_resolve(#[case] path: &str, #[case] expected: &str) {
    assert_eq!(resolved(path, None).unwrap(), expected);
}

#[rstest]
#[case("local", Some("keys_extension_init"), "key provider keys")]
#[case("local", Some("some_files_extension_init"), "file system some-files")]
#[case("local", Some("files_start"), "file system some-files")]
#[case("keys", Some("keys_extension_init"), "key provider keys")]
#[case("some-files", Some("files_start"), "file system some-files")]
fn entry_functions_resolve(#[case] path: &str, #[case] entry: Option<&str>, #[case] expected: &str) {
    assert_eq!(resolved(path, entry).unwrap(), expected);
}

const LINKED: &str = "linked: both (file system), some-files (file system), both (key provider), keys (key provider)";

#[rstest]
#[case(
    "nope",
    ErrorCode::ERROR,
    "extension 'nope' is not linked into this program; LINKED; a crate that provides it has to be named once in the program, as in 'use that_crate as _;'"
)]
#[case(
    "/no/libwiredtiger_snappy.so",
    ErrorCode::ERROR,
    "extension 'snappy' (named by '/no/libwiredtiger_snappy.so') is not linked into this program; LINKED; the feature 'snappy' of the hardwired crate adds it"
)]
#[case(
    "kvs_sample",
    ErrorCode::ERROR,
    "extension 'kvs_sample' is not linked into this program; LINKED; the feature 'kvs-sample' of the hardwired crate adds it"
)]
#[case(
    "libwiredtiger_key_provider.so",
    ErrorCode::ERROR,
    "extension 'key_provider' (named by 'libwiredtiger_key_provider.so') is not linked into this program; LINKED; the feature 'kek-mock' of the hardwired crate adds it"
)]
#[case(
    "",
    ErrorCode::ERROR,
    "extension '' is not linked into this program; LINKED; a crate that provides it has to be named once in the program, as in 'use that_crate as _;'"
)]
#[case(
    "both",
    ErrorCode::EINVAL,
    "extension 'both' is ambiguous: both (file system, from probe 1.0.0), both (key provider, from probe 1.0.0); name the kind by a folder, as in 'file_systems/both'"
)]
#[case("local", ErrorCode::ENOENT, "extension 'local' has no entry function 'wiredtiger_extension_init'; LINKED")]
fn unknown_names_say_what_is_linked_and_what_to_do(#[case] path: &str, #[case] code: ErrorCode, #[case] message: &str) {
    let error = resolved(path, None).unwrap_err();
    assert_eq!((error.code(), error.to_string()), (code, message.replace("LINKED", LINKED)));
}

#[test]
fn a_missing_entry_function_is_not_found() {
    let error = resolved("keys", Some("start")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ENOENT);
    assert!(error.to_string().starts_with("extension 'keys' has no entry function 'start'"));
    let error = resolve(&Registry::merge(&[], &[]).unwrap(), &ExtensionRequest::new("x")).unwrap_err();
    assert!(error.to_string().contains("no extension is linked"));
}

#[test]
fn early_extensions_load_in_the_lists_order_and_end_in_the_specified_one() {
    let config =
        "extensions=[some-files=(early_load=true,config=(f),terminate=files_end),keys=(early_load=true,config=k)]";
    let (loaded, messages) = open(config);
    let loaded = loaded.unwrap();
    assert_eq!(events(), ["open files [f]", "open keys [k]"]);
    assert!(loaded.file_system().is_some());
    assert!(loaded.key_provider().is_some());
    let error = loaded.terminate().unwrap_err();
    assert_eq!(error.to_string(), "terminator is bad");
    assert_eq!(events(), ["terminate keys", "terminate files", "terminator files", "terminator keys"]);
    let text = "terminating extensions: terminator is bad".to_owned();
    assert_eq!(*messages.0.lock().unwrap(), [(MessageLevel::Error, text)]);
}

#[test]
fn services_end_before_the_file_system_and_everything_only_once() {
    let (loaded, _) = open("extensions=[some-files=(early_load=true),keys=(early_load=true,config=bad)]");
    let mut loaded = loaded.unwrap();
    events();
    assert_eq!(loaded.terminate_services().unwrap_err().to_string(), "keys is bad");
    assert_eq!(events(), ["terminate keys"]);
    assert!(loaded.file_system().is_some() && loaded.key_provider().is_none());
    loaded.terminate().unwrap();
    assert_eq!(events(), ["terminate files", "terminator keys"]);
}

#[test]
fn a_failed_open_terminates_what_was_loaded() {
    let (outcome, _) = open("extensions=[keys=(early_load=true),some-files=(early_load=true,config=\"fail=95\")]");
    assert_eq!(outcome.unwrap_err().code(), ErrorCode::ENOTSUP);
    assert_eq!(events(), ["open keys []", "open files [fail=95]", "terminate keys", "terminator keys"]);
}

#[rstest]
#[case::unknown("keys=(early_load=true),nope", ErrorCode::ERROR, "extension 'nope' is not linked")]
#[case::late_keys(
    "some-files=(early_load=true),keys",
    ErrorCode::EINVAL,
    "extension 'keys': a key provider works only with early_load=true"
)]
#[case::late_files(
    "keys=(early_load=true),some-files",
    ErrorCode::EPERM,
    "filesystem already configured; custom filesystems should enable \"early_load\" configuration"
)]
fn a_bad_list_fails_before_anything_runs(#[case] list: &str, #[case] code: ErrorCode, #[case] message: &str) {
    let (outcome, _) = open(&format!("extensions=[{list}]"));
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), code);
    assert!(error.to_string().contains(message), "{error}");
    assert_eq!(events(), [""; 0]);
}

#[rstest]
#[case(
    "keys=(early_load=true),key_providers/both=(early_load=true)",
    "a connection has one key provider, and keys (key provider, from probe 1.0.0) is loaded already"
)]
#[case(
    "some-files=(early_load=true),some-files=(early_load=true)",
    "a connection has one file system, and some-files (file system, from probe 1.0.0) is loaded already"
)]
fn a_second_one_of_a_single_kind_is_refused(#[case] list: &str, #[case] message: &str) {
    let error = open(&format!("extensions=[{list}]")).0.unwrap_err();
    assert_eq!(error.code(), ErrorCode::EPERM);
    assert!(error.to_string().ends_with(message), "{error}");
}

#[test]
fn an_early_entry_of_a_file_is_not_loaded_and_reported() {
    let (mut loaded, messages) = fresh();
    loaded.load_late(&[], lookup("extensions=[keys=(early_load=true)]", "extensions").unwrap()).unwrap();
    assert!(loaded.key_provider().is_none());
    let messages = messages.0.lock().unwrap();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].1.starts_with("extension 'keys' is not loaded: early_load=true takes effect only"));
    drop(loaded);
    assert_eq!(events(), [""; 0]);
}

#[test]
fn load_extension_on_an_open_connection_is_too_late_for_early_ones() {
    let (mut loaded, messages) = fresh();
    loaded.load_extension("keys", "early_load=true").unwrap();
    assert!(loaded.key_provider().is_none());
    assert_eq!(messages.0.lock().unwrap()[0].0, MessageLevel::Notice);
    assert_eq!(loaded.load_extension("keys", "").unwrap_err().code(), ErrorCode::EINVAL);
    assert_eq!(loaded.load_extension("nope", "").unwrap_err().code(), ErrorCode::ERROR);
}

#[test]
fn a_panic_inside_an_extension_is_an_error_that_names_it() {
    let (outcome, _) = open("extensions=[some-files=(early_load=true),keys=(early_load=true,config=panic)]");
    let text = "extension keys (key provider, from probe 1.0.0): constructor panicked: no keys today";
    assert_eq!(outcome.unwrap_err().to_string(), text);

    let (loaded, messages) = open("extensions=[some-files=(early_load=true),keys=(early_load=true,config=x)]");
    let loaded = loaded.unwrap();
    let provider = loaded.key_provider().unwrap();
    let error = provider.load_key_blob(None).unwrap_err();
    assert!(error.to_string().ends_with("(key provider, from probe 1.0.0): load_key_blob panicked: load x"), "{error}");
    provider.get_key_complete(StoredKey { blob: b"k", lsn: KeyLsn(1) });
    assert!(messages.0.lock().unwrap()[0].1.ends_with("get_key_complete panicked: complete"));
    let error = loaded.file_system().unwrap().exists(Path::new("x")).unwrap_err();
    assert!(error.to_string().ends_with("exists panicked: exists"), "{error}");
}

//! Bad input: damaged homes, foreign locks, malformed calls. What must hold: a clear error that names the object, nothing
//! changed, nothing lost; never a panic, a hang or a wrong answer.

use hardwired::plugin::error::strerror;
use hardwired::{Connection, Error, ErrorCode, EventHandler, Result, wiredtiger_open};
use rstest::rstest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

struct Quiet;
impl EventHandler for Quiet {
    fn handle_error(&self, _error: i32, _message: &str) -> Result<()> {
        Ok(())
    }
    fn handle_message(&self, _message: &str) -> Result<()> {
        Ok(())
    }
}

fn open(home: &Path, config: &str) -> Result<Connection> {
    wiredtiger_open(home, Some(Arc::new(Quiet)), config)
}

/// A closed database with `table:t` of 100 rows.
fn database() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let connection = open(home.path(), "create").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=S,leaf_page_max=4KB").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for number in 0..100 {
        cursor.put(format!("key{number:03}"), format!("value {number} {}", "y".repeat(number))).unwrap();
    }
    drop(cursor);
    drop(session);
    connection.close("").unwrap();
    home
}

/// What an attempt to read all rows gives, in the words of the vectors.
fn outcome(home: &Path, config: &str) -> std::result::Result<String, String> {
    let connection = open(home, config).map_err(|error| strerror(error.code().0))?;
    let session = connection.open_session("").unwrap();
    let rows = session.open_cursor("table:t", "").and_then(|mut cursor| {
        let mut rows = 0;
        while cursor.next()? {
            rows += 1;
        }
        Ok(rows)
    });
    Ok(match rows {
        Ok(rows) => format!("rows={rows}"),
        Err(error) => format!("cursor: {}", strerror(error.code().0)),
    })
}

fn files(home: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let contents = std::fs::read(&path).unwrap();
        (path, contents)
    };
    std::fs::read_dir(home).unwrap().map(read).collect()
}

fn edit_turtle(home: &Path, edit: impl Fn(&str) -> String) {
    let path = home.join("WiredTiger.turtle");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, edit(&text)).unwrap();
}

fn overwrite(home: &Path, file: &str, offset: usize, bytes: &[u8]) {
    let path = home.join(file);
    let mut contents = std::fs::read(&path).unwrap();
    contents[offset..offset + bytes.len()].copy_from_slice(bytes);
    std::fs::write(&path, contents).unwrap();
}

/// Does to a home what a vector's words say. `false`: words this runner doesn't know.
fn damage(home: &Path, words: &str) -> bool {
    let path = |name: &str| home.join(name);
    match *words.split(' ').collect::<Vec<_>>() {
        ["plain"] | ["exclusive"] => {}
        ["rm", name] => std::fs::remove_file(path(name)).unwrap(),
        ["trunc0", name] => std::fs::write(path(name), b"").unwrap(),
        ["bad", "desc", "csum", "meta"] => overwrite(home, "WiredTiger.wt", 8, b"\xff\xff"),
        ["bad", "desc", "csum", "t"] => overwrite(home, "t.wt", 8, b"\xff\xff"),
        ["bad", "magic", "t"] => overwrite(home, "t.wt", 0, b"\xff"),
        ["only", "turtle.set"] => std::fs::rename(path("WiredTiger.turtle"), path("WiredTiger.turtle.set")).unwrap(),
        ["both", "turtle+set"] => std::fs::write(path("WiredTiger.turtle.set"), "junk").unwrap(),
        ["turtle", "version", version @ ("99" | "3.1.0" | "3.2.0" | "garbage")] => edit_turtle(home, |text| {
            let new = match version {
                "99" => "major=99,minor=0,patch=0",
                "3.1.0" => "major=3,minor=1,patch=0",
                "3.2.0" => "major=3,minor=2,patch=0",
                _ => "what is this",
            };
            text.replace("major=11,minor=3,patch=1", new)
        }),
        ["turtle", "no", "version", "key"] => edit_turtle(home, |text| text.replace("WiredTiger version\n", "X\n")),
        ["turtle", "no", "meta", "key"] => edit_turtle(home, |text| text.replace("file:WiredTiger.wt\n", "X\n")),
        ["btree", "ver", version] => edit_turtle(home, |text| {
            let (major, minor) = version.split_once('.').unwrap();
            let at = text.rfind("version=(major=").unwrap();
            let end = at + text[at..].find(')').unwrap();
            format!("{}version=(major={major},minor={minor}{}", &text[..at], &text[end..])
        }),
        ["basecfg", "version", "9x"] => std::fs::write(path("WiredTiger.basecfg"), "version=(major=99)\n").unwrap(),
        ["basecfg", "unknown", "key"] => std::fs::write(path("WiredTiger.basecfg"), "nosuchkey=1\n").unwrap(),
        ["config", "unknown", "key"] => std::fs::write(path("WiredTiger.config"), "nosuchkey=1\n").unwrap(),
        ["WiredTiger", "content", "junk"] => std::fs::write(path("WiredTiger"), "junk").unwrap(),
        ["empty", "dir", ..] => {
            for entry in std::fs::read_dir(home).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        _ => return false,
    }
    true
}

/// Where this engine differs on purpose, and what isn't built.
fn deviation(words: &str, config: &str) -> Option<std::result::Result<&'static str, &'static str>> {
    const DAMAGED: &str = "WT_TRY_SALVAGE: database corruption detected";
    match words {
        _ if config.contains("salvage") => Some(Err("Operation not supported")),
        // WiredTiger starts an empty database over the old one.
        "rm WiredTiger.turtle" => Some(Err(DAMAGED)),
        // An unknown file format isn't read, whatever release is asked for.
        "btree ver 2.2" => Some(Err("Permission denied")),
        _ => None,
    }
}

#[test]
fn damaged_homes_give_the_recorded_results() {
    let text = include_str!("data/vectors/metadata-open-errors.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let mut ran = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["scenario_and_config"].as_str().unwrap();
        let (words, config) = name.rsplit_once(' ').unwrap();
        let words = if words.starts_with("empty dir") { "empty dir" } else { words };
        let home = database();
        if !damage(home.path(), words) {
            println!(
                "skipped: {name}: release settings, descriptor versions and missing directories are tested elsewhere"
            );
            continue;
        }
        let result = outcome(home.path(), config);
        let recorded = case["result"].as_str().unwrap();
        let expected = match (deviation(words, config), case["open"].as_str().unwrap()) {
            (Some(deviation), _) => deviation.map(str::to_owned).map_err(str::to_owned),
            (None, "OK") => Ok(recorded.to_owned()),
            (None, _) => Err(recorded.to_owned()),
        };
        assert_eq!(result, expected, "{name}");
        ran += 1;
    }
    assert!(ran >= 50, "only {ran} cases ran");
}

#[rstest]
#[case::turtle_cut("WiredTiger.turtle")]
#[case::metadata_cut("WiredTiger.wt")]
#[case::history_cut("WiredTigerHS.wt")]
fn a_refused_open_changes_nothing(#[case] file: &str) {
    let home = database();
    std::fs::write(home.path().join(file), b"").unwrap();
    let before = files(home.path());
    for config in ["", "create", "readonly=true"] {
        let error = open(home.path(), config).err().unwrap_or_else(|| panic!("{file} {config} opened"));
        assert_eq!(error.code(), ErrorCode::TRY_SALVAGE, "{file} {config}: {error}");
        assert_eq!(files(home.path()), before, "{file} {config}");
    }
}

#[test]
fn flipped_bits_never_give_wrong_rows() {
    let original = database();
    let right = rows(original.path(), "table:t").unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut refused = 0;
    let mut tried = 0;
    for (path, contents) in files(original.path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "WiredTiger.lock" {
            continue;
        }
        for offset in (0..contents.len()).step_by((contents.len() / 40).max(1)) {
            for (path, contents) in files(original.path()) {
                std::fs::write(home.path().join(path.file_name().unwrap()), contents).unwrap();
            }
            overwrite(home.path(), name, offset, &[contents[offset] ^ 0x40]);
            tried += 1;
            match rows(home.path(), "table:t") {
                Ok(rows) => assert_eq!(rows, right, "{name} at {offset}"),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
            for entry in std::fs::read_dir(home.path()).unwrap() {
                std::fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
    assert!(refused > 20 && tried > 100, "{refused} of {tried} refused");
}

fn rows(home: &Path, uri: &str) -> Result<Vec<(String, String)>> {
    let connection = open(home, "")?;
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor(uri, "")?;
    let rows = cursor.range::<String, String>(..)?.collect::<Result<_>>()?;
    drop(cursor);
    // Verification may find more than a scan does; it must not panic either.
    let _ = session.verify(uri, "");
    Ok(rows)
}

#[test]
fn a_damaged_table_is_found_by_verify_and_leaves_the_others_alone() {
    let home = database();
    {
        let connection = open(home.path(), "").unwrap();
        let session = connection.open_session("").unwrap();
        session.create("table:other", "key_format=S,value_format=S").unwrap();
        session.open_cursor("table:other", "").unwrap().put("a", "b").unwrap();
    }
    // Which blocks are in use depends on how the pages were split, so every one behind the descriptor is hit.
    let blocks = std::fs::metadata(home.path().join("t.wt")).unwrap().len() / 4096;
    for block in 1..usize::try_from(blocks).unwrap() {
        overwrite(home.path(), "t.wt", block * 4096 + 200, b"\xff\xfe\xfd");
    }
    let connection = open(home.path(), "").unwrap();
    let session = connection.open_session("").unwrap();
    let error = session.verify("table:t", "").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ERROR);
    assert!(error.to_string().contains("t.wt") && error.to_string().contains("checksum"), "{error}");
    session.verify("table:other", "").unwrap();
    assert_eq!(session.open_cursor("table:other", "").unwrap().get::<String>("a").unwrap().unwrap(), "b");
}

#[test]
fn a_home_has_one_owner() {
    let home = database();
    let connection = open(home.path(), "").unwrap();
    assert_eq!(open(home.path(), "").unwrap_err().code(), ErrorCode::EBUSY);
    assert_eq!(open(home.path(), "readonly=true").unwrap_err().code(), ErrorCode::EBUSY);
    let other = Command::new(env!("CARGO_BIN_EXE_hardwired")).arg("-h").arg(home.path()).arg("list").output().unwrap();
    assert!(!other.status.success());
    assert!(String::from_utf8_lossy(&other.stderr).contains("Device or resource busy"), "{other:?}");
    connection.close("").unwrap();
    let other = Command::new(env!("CARGO_BIN_EXE_hardwired")).arg("-h").arg(home.path()).arg("list").output().unwrap();
    assert!(other.status.success(), "{other:?}");
    drop(connection);
}

#[test]
fn a_home_that_is_no_directory_is_named() {
    let place = tempfile::NamedTempFile::new().unwrap();
    let error = open(place.path(), "create").unwrap_err();
    assert!(error.to_string().contains(place.path().to_str().unwrap()), "{error}");
}

/// The program with the rights of a user who may only read: the tests' own user may be the one that may everything.
#[cfg(unix)]
fn as_a_reader(home: &Path, arguments: &[&str]) -> std::process::Output {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;
    let tools = tempfile::tempdir().unwrap();
    let program = tools.path().join("hardwired");
    std::fs::copy(env!("CARGO_BIN_EXE_hardwired"), &program).unwrap();
    std::fs::set_permissions(tools.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    if std::fs::metadata(home).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.arg("-h").arg(home).args(arguments).output().unwrap()
}

#[cfg(unix)]
#[rstest]
#[case::of_a_database(true, &["create", "-c", "key_format=S", "table:x"])]
#[case::of_a_database_that_is_only_listed(true, &["list"])]
#[case::of_a_database_opened_for_reading(true, &["-R", "list"])]
#[case::without_a_database(false, &["create", "table:x"])]
fn a_home_that_is_not_writable_is_named_and_left_alone(#[case] has_database: bool, #[case] arguments: &[&str]) {
    use std::os::unix::fs::PermissionsExt;

    let home = if has_database { database() } else { tempfile::tempdir().unwrap() };
    let before = files(home.path());
    for path in before.keys() {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o444)).unwrap();
    }
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o555)).unwrap();
    let output = as_a_reader(home.path(), arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{output:?}");
    let file = home.path().join("WiredTiger.lock");
    assert!(errors.contains(file.to_str().unwrap()) && errors.contains("Permission denied"), "{errors}");
    assert_eq!(files(home.path()), before);
    // Given the rights, nothing of the attempt is in the way.
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    for path in before.keys() {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    let connection = open(home.path(), "create").unwrap();
    if has_database {
        assert_eq!(rows_of(&connection), 100);
    }
}

#[rstest]
#[case("create,nosuch=1", "unknown configuration key 'nosuch'")]
#[case("create,cache_size=1", "Value too small for key 'cache_size' the minimum is 1048576")]
#[case("create,in_memory=true", "in_memory")]
#[case("create,extensions=[nosuch]", "nosuch")]
#[case("create,(", "")]
fn a_malformed_open_touches_no_file(#[case] config: &str, #[case] text: &str) {
    let home = tempfile::tempdir().unwrap();
    let error = open(home.path(), config).unwrap_err();
    assert!(error.to_string().contains(text), "{error}");
    let made: Vec<_> = files(home.path()).into_keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert!(!made.iter().any(|name| name == "WiredTiger.turtle"), "{made:?}");
}

#[rstest]
#[case("table:t2", "key_format=zz,value_format=S", ErrorCode::EINVAL)]
#[case("table:t2", "key_format=S,bogus=1", ErrorCode::EINVAL)]
#[case("table:t2", "key_format=S,value_format=S,allocation_size=3000", ErrorCode::EINVAL)]
#[case("table:t2", "key_format=S,value_format=S,block_compressor=nope", ErrorCode::EINVAL)]
#[case("table:t2", "key_format=r,value_format=S", ErrorCode::ENOTSUP)]
#[case("table:t2", "key_format=S,value_format=S,columns=(k)", ErrorCode::EINVAL)]
#[case("table:a{b", "key_format=S", ErrorCode::EINVAL)]
#[case("file:../escape.wt", "key_format=S", ErrorCode::EINVAL)]
#[case("file:WiredTiger.wt", "key_format=S", ErrorCode::EBUSY)]
#[case("table:t", "exclusive", ErrorCode::EEXIST)]
#[case("nosuch:t", "", ErrorCode::ENOTSUP)]
#[case("noscheme", "", ErrorCode::ENOTSUP)]
fn a_refused_create_leaves_nothing(#[case] uri: &str, #[case] config: &str, #[case] code: ErrorCode) {
    let home = database();
    let connection = open(home.path(), "").unwrap();
    let session = connection.open_session("").unwrap();
    let before = files(home.path());
    let error = session.create(uri, config).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.to_string().is_empty());
    assert_eq!(files(home.path()).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    let other = session.open_cursor("table:t2", "").unwrap_err();
    assert_eq!(other.code(), ErrorCode::ENOENT);
    session.create("table:t2", "key_format=S,value_format=S").unwrap();
}

/// What a call asks for and isn't built is an error that names it, in every method.
#[test]
fn an_option_that_is_not_built_is_refused_by_name_in_every_call() {
    let home = database();
    let connection = open(home.path(), "").unwrap();
    let session = connection.open_session("").unwrap();
    let refused = |option: &str, result: Result<()>| {
        let error = result.err().unwrap_or_else(|| panic!("{option} was accepted"));
        assert_eq!(error.code(), ErrorCode::ENOTSUP, "{option}: {error}");
        assert!(error.to_string().contains(option), "{option}: {error}");
    };
    refused("ignore_cache_size", connection.open_session("ignore_cache_size=true").map(drop));
    refused("ignore_cache_size", session.reconfigure("ignore_cache_size=true"));
    refused("write_timestamp_usage", session.create("table:n", "key_format=S,write_timestamp_usage=ordered"));
    refused("assert.read_timestamp", session.create("table:n", "key_format=S,assert=(read_timestamp=always)"));
    refused("import.enabled", session.create("file:n.wt", "import=(enabled)"));
    refused("assert.write_timestamp", session.alter("table:t", "assert=(write_timestamp=on)"));
    refused("prefix_search", session.open_cursor("table:t", "prefix_search=true").map(drop));
    refused("next_random", session.open_cursor("table:t", "next_random=true").map(drop));
    refused("debug.checkpoint_cleanup", session.checkpoint("debug=(checkpoint_cleanup=true)"));
    refused("dump_tree_shape", session.verify("table:t", "dump_tree_shape=true"));
    refused("operation_timeout_ms", session.begin_transaction("operation_timeout_ms=5"));
    session.begin_transaction("").unwrap();
    refused("operation_timeout_ms", session.commit_transaction("operation_timeout_ms=5"));
    refused("debug_mode", connection.reconfigure("debug_mode=(cursor_copy=true)"));
    // Saying the default is no wish.
    session.create("table:n", "key_format=S,value_format=S,write_timestamp_usage=none,import=(enabled=false)").unwrap();
    session.open_cursor("table:t", "prefix_search=false,next_random=false,bulk=0").unwrap();
    assert_eq!(rows_of(&connection), 100);
}

#[test]
fn keys_and_values_of_the_wrong_format_change_nothing() {
    let home = database();
    let connection = open(home.path(), "").unwrap();
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    for set in [cursor.set_key(7), cursor.set_key(("a", "b")), cursor.set_key("nul\0inside"), cursor.set_key_raw(b"")] {
        assert_eq!(set.unwrap_err().code(), ErrorCode::EINVAL);
    }
    assert_eq!(cursor.insert().unwrap_err().to_string(), "requires key be set");
    cursor.set_key("new").unwrap();
    assert!(cursor.set_value(9).is_err());
    assert_eq!(cursor.insert().unwrap_err().to_string(), "requires value be set");
    cursor.set_key("key001").unwrap();
    assert!(cursor.search().unwrap());
    assert!(cursor.get_value::<u64>().is_err());
    assert!(cursor.get_value::<String>().is_ok(), "a wrong type costs nothing");
    drop(cursor);
    assert_eq!(rows_of(&connection), 100);
}

#[test]
fn keys_and_values_that_are_too_large_change_nothing() {
    /// The largest item, and a little more (API specification, section 8).
    const MOST: usize = 4_294_966_271;
    let home = database();
    let connection = open(home.path(), "").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:raw", "key_format=u,value_format=u").unwrap();
    let text = format!("item size of {} exceeds the maximum supported WiredTiger size of {MOST}", MOST + 1);
    // Memory that nobody touches: the system gives it when it is written, and nothing of it is copied.
    let large = vec![0; MOST + 1];
    let mut cursor = session.open_cursor("table:raw", "").unwrap();
    let key = cursor.set_key_raw(&large).unwrap_err();
    assert_eq!((key.code(), key.to_string()), (ErrorCode::EINVAL, text.clone()));
    assert_eq!(cursor.search().unwrap_err().to_string(), "requires key be set");
    cursor.set_key_raw(b"k").unwrap();
    let value = cursor.set_value_raw(&large).unwrap_err();
    assert_eq!((value.code(), value.to_string()), (ErrorCode::EINVAL, text));
    assert_eq!(cursor.insert().unwrap_err().to_string(), "requires value be set");
    // The same cursor goes on, outside and inside a transaction.
    session.begin_transaction("").unwrap();
    cursor.set_key_raw(b"k").unwrap();
    cursor.set_value_raw(b"v").unwrap();
    cursor.insert().unwrap();
    session.commit_transaction("").unwrap();
    drop(cursor);
    session.checkpoint("").unwrap();
    session.verify("table:raw", "").unwrap();
    assert_eq!(rows_of(&connection), 100);
}

fn rows_of(connection: &Connection) -> usize {
    let session = connection.open_session("").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    cursor.range::<String, String>(..).unwrap().inspect(|row| assert!(row.is_ok())).count()
}

#[test]
fn a_read_only_connection_writes_nothing() {
    let home = database();
    let before = files(home.path());
    {
        let connection = open(home.path(), "readonly=true").unwrap();
        let session = connection.open_session("").unwrap();
        let refused = |result: Result<()>| assert_eq!(result.unwrap_err().to_string(), "Unsupported session method");
        refused(session.create("table:x", ""));
        refused(session.drop("table:t", ""));
        refused(session.alter("table:t", "app_metadata=x"));
        refused(session.checkpoint(""));
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        let write = cursor.put("a", "b").unwrap_err();
        assert_eq!(write.to_string(), "Unsupported cursor operation");
        if let Err(error) = session.verify("table:t", "") {
            assert_eq!(error.code(), ErrorCode::EBUSY);
        }
        drop(cursor);
        session.verify("table:t", "").unwrap();
        assert_eq!(rows_of(&connection), 100);
    }
    assert_eq!(files(home.path()), before);
}

#[test]
fn errors_say_what_to_do_about_databases_that_need_more() {
    let home = database();
    std::fs::write(home.path().join("WiredTiger.backup"), "").unwrap();
    let error: Error = open(home.path(), "").unwrap_err();
    assert!(error.to_string().contains("restoring a backup is not supported yet"), "{error}");
    std::fs::remove_file(home.path().join("WiredTiger.backup")).unwrap();
    open(home.path(), "").unwrap();
}

#[test]
fn a_builder_does_not_show_its_secrets() {
    let builder = Connection::builder("home").config("encryption=(name=rotn,secretkey=abcdefgh)");
    assert!(!format!("{builder:?}").contains("abcdefgh"));
}

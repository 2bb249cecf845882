//! The small files of a home directory, and what an opening makes of the directory it finds.
//!
//! The order of an opening: [`enter`] (lock, turtle, version file), then the caller reads configurations, then for a new
//! database [`write_base_config`]; the turtle file is written last of all.
//!
//! Two cases in which WiredTiger loses data are refused here: a directory whose turtle file is missing although
//! `WiredTiger.wt` holds a metadata table (WiredTiger starts an empty database), and a read-only opening of a
//! directory that holds only the turtle's temporary file.
//!
//! Source: block specification, sections 9, 16 and 23.

use super::text_file;
use super::turtle::{TURTLE_FILE, Turtle, Version};
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::config::ConfigParser;
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use std::path::Path;
use std::sync::Arc;

/// Locked while a database is open.
pub const LOCK_FILE: &str = "WiredTiger.lock";
/// Says that this is a database, and which release made it.
pub const VERSION_FILE: &str = "WiredTiger";
/// The configuration the database was created with.
pub const BASE_CONFIG_FILE: &str = "WiredTiger.basecfg";
/// The user's configuration.
pub const USER_CONFIG_FILE: &str = "WiredTiger.config";
/// The metadata table.
pub const METADATA_FILE: &str = "WiredTiger.wt";
/// The history store.
pub const HISTORY_FILE: &str = "WiredTigerHS.wt";
/// The metadata of a backup that is to be restored.
pub const BACKUP_FILE: &str = "WiredTiger.backup";

const LOCK_TEXT: &str = "WiredTiger lock file\n";
const TURTLE_TEMPORARY: &str = "WiredTiger.turtle.set";
const MAX_CONFIG_SIZE: u64 = 100 << 10;
/// A metadata file of this size or less holds nothing but its descriptor block.
const EMPTY_METADATA_SIZE: u64 = 4096;
const BASE_CONFIG_HEAD: &str = "# Do not modify this file.
#
# WiredTiger created this file when the database was created,
# to store persistent database settings.  Instead of changing
# these settings, set a WIREDTIGER_CONFIG environment variable
# or create a WiredTiger.config file to override them.

";

/// How a database is to be opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenRequest {
    /// Create it if it doesn't exist.
    pub create: bool,
    /// It must not exist.
    pub exclusive: bool,
    /// Nothing may be written.
    pub readonly: bool,
    /// Salvage it.
    pub salvage: bool,
}

/// A home directory, entered.
pub struct Home {
    /// The locked lock file, to be kept open as long as the database is; `None` for a read-only opening of a directory
    /// without lock file or where it can't be written.
    pub lock: Option<Arc<dyn FileHandle>>,
    /// Whether the database is to be made.
    pub is_new: bool,
    /// What the event handler should be told.
    pub notices: Vec<String>,
}

/// Locks a home directory and finds out what is in it (steps 3 to 5 of an opening).
///
/// # Errors
/// `EBUSY` if another connection holds the lock; `WT_TRY_SALVAGE` without `create` if there is no database, if the version
/// file is missing, or if the turtle file is missing but the metadata table isn't; `EEXIST` with `exclusive` if
/// there is one; `EINVAL` for read-only if there is none. All name the directory.
pub fn enter(fs: &dyn FileSystem, home: &Path, request: OpenRequest) -> Result<Home> {
    let mut notices = Vec::new();
    let lock = take_lock(fs, home, request)?;
    let is_new = !find_turtle(fs, home, request, &mut notices)?;
    let version_exists = fs.exists(&home.join(VERSION_FILE))?;
    if request.readonly {
        if is_new {
            return Err(Error::invalid(format!(
                "{}: The database directory is empty or needs recovery, cannot continue with a read only connection",
                home.display()
            )));
        }
        if !version_exists {
            return Err(no_version_file(home));
        }
        return Ok(Home { lock, is_new, notices });
    }
    if !is_new && !version_exists && !request.salvage {
        return Err(no_version_file(home));
    }
    let options = OpenOptions { create: request.create || request.salvage, ..OpenOptions::default() };
    let version_file = fs.open(&home.join(VERSION_FILE), FileType::Regular, options).map_err(|error| {
        let message = format!("{}: no database here, and 'create' was not configured: {error}", home.display());
        Error::new(ErrorCode::TRY_SALVAGE, message)
    })?;
    let empty = version_file.size()? == 0;
    if is_new || (empty && request.salvage) {
        let text = version_file_text();
        version_file.truncate(0)?;
        version_file.write(0, text.as_bytes())?;
        version_file.sync()?;
    } else if request.exclusive {
        let message = format!("{}: WiredTiger database already exists and exclusive option configured", home.display());
        return Err(Error::new(ErrorCode::EEXIST, message));
    } else if empty {
        notices.push(format!("{}: version file {VERSION_FILE} is empty", home.display()));
    }
    Ok(Home { lock, is_new, notices })
}

/// The contents of [`VERSION_FILE`].
pub fn version_file_text() -> String {
    format!("WiredTiger\n{}\n", Version::WRITTEN_TEXT)
}

/// Removes what an interrupted replacement of the turtle file or the base configuration left behind.
///
/// # Errors
/// Those of the file system.
pub fn remove_leftovers(fs: &dyn FileSystem, home: &Path) -> Result<()> {
    for name in [TURTLE_TEMPORARY.to_owned(), format!("{BASE_CONFIG_FILE}.set")] {
        let path = home.join(name);
        if fs.exists(&path)? {
            fs.remove(&path, false)?;
        }
    }
    Ok(())
}

/// Writes [`BASE_CONFIG_FILE`] if there is none. `settings` is what the application configured, merged and stripped of
/// what must not be kept; the release is added.
///
/// # Errors
/// `EINVAL` for settings that aren't a configuration string; errors of the file system.
pub fn write_base_config(fs: &dyn FileSystem, home: &Path, settings: &str) -> Result<()> {
    if fs.exists(&home.join(BASE_CONFIG_FILE))? {
        return Ok(());
    }
    text_file::replace(fs, home, BASE_CONFIG_FILE, base_config_text(settings)?.as_bytes())
}

/// The contents of [`BASE_CONFIG_FILE`]: one line for each item of `settings` and one for the release, sorted by key.
///
/// # Errors
/// `EINVAL` for settings that aren't a configuration string.
pub fn base_config_text(settings: &str) -> Result<String> {
    let Version { major, minor, .. } = Version::WRITTEN;
    let mut lines = vec![("version".to_owned(), format!("version=(major={major},minor={minor})\n"))];
    for item in ConfigParser::new(settings) {
        let (key, value) = item?;
        if key.text() != "version" {
            lines.push((key.text().to_owned(), format!("{}={}\n", key.source(), value.source())));
        }
    }
    lines.sort();
    Ok(lines.into_iter().fold(BASE_CONFIG_HEAD.to_owned(), |text, (_, line)| text + &line))
}

/// Reads [`BASE_CONFIG_FILE`] or [`USER_CONFIG_FILE`] as it is; `None` if there is none.
///
/// # Errors
/// `EFBIG` above 100 KB; errors of the file system.
pub fn read_config_file(fs: &dyn FileSystem, home: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    text_file::read(fs, &home.join(name), MAX_CONFIG_SIZE)
}

fn no_version_file(home: &Path) -> Error {
    let message = format!("{}: WiredTiger version file cannot be found", home.display());
    Error::new(ErrorCode::TRY_SALVAGE, message)
}

fn take_lock(fs: &dyn FileSystem, home: &Path, request: OpenRequest) -> Result<Option<Arc<dyn FileHandle>>> {
    let path = home.join(LOCK_FILE);
    let version_exists = fs.exists(&home.join(VERSION_FILE))?;
    let may_create = version_exists || (request.create && !request.readonly);
    let options = OpenOptions { create: may_create, ..OpenOptions::default() };
    let file = match fs.open(&path, FileType::Regular, options) {
        Ok(file) => file,
        // Readers of a directory they can't write, or without a lock file, do without.
        Err(error) if request.readonly => {
            let unlockable = [ErrorCode::ENOENT, ErrorCode::EACCES, ErrorCode::EPERM, EROFS].contains(&error.code());
            return if unlockable { Ok(None) } else { Err(error) };
        }
        Err(error) if error.code() == ErrorCode::ENOENT => {
            let advice = if request.create {
                "the directory does not exist"
            } else {
                "no database here, and 'create' was not configured"
            };
            let message = format!("{}: {advice}: {error}", home.display());
            return Err(Error::new(ErrorCode::TRY_SALVAGE, message));
        }
        Err(error) => return Err(error),
    };
    file.lock(true).map_err(|error| {
        let message = format!(
            "{}: WiredTiger database is already being managed by another process or connection: {error}",
            home.display()
        );
        Error::new(ErrorCode::EBUSY, message)
    })?;
    let expected = u64::try_from(LOCK_TEXT.len()).unwrap_or(0);
    if !request.readonly && file.size()? != expected {
        file.truncate(0)?;
        file.write(0, LOCK_TEXT.as_bytes())?;
    }
    Ok(Some(file))
}

/// Whether there is a turtle file, after putting one in place that a crash left under its temporary name.
fn find_turtle(fs: &dyn FileSystem, home: &Path, request: OpenRequest, notices: &mut Vec<String>) -> Result<bool> {
    let turtle = home.join(TURTLE_FILE);
    if fs.exists(&turtle)? {
        return Ok(true);
    }
    let temporary = home.join(TURTLE_TEMPORARY);
    if Turtle::is_complete(fs, &temporary)? {
        if request.readonly {
            return Ok(false);
        }
        fs.rename(&temporary, &turtle, true)?;
        notices.push(format!("{TURTLE_FILE} not found, {TURTLE_TEMPORARY} renamed to {TURTLE_FILE}"));
        return Ok(true);
    }
    let metadata = home.join(METADATA_FILE);
    let restoring = fs.exists(&home.join(BACKUP_FILE))?;
    if !restoring && fs.exists(&metadata)? && fs.size(&metadata)? > EMPTY_METADATA_SIZE {
        let message = format!(
            "{}: {TURTLE_FILE} is missing although {METADATA_FILE} holds a metadata table: opening would lose all data. \
             Put the turtle file back from a copy, or remove {METADATA_FILE} to start an empty database",
            home.display()
        );
        return Err(Error::new(ErrorCode::TRY_SALVAGE, message));
    }
    Ok(false)
}

/// A read-only file system.
const EROFS: ErrorCode = ErrorCode(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::vectors;
    use crate::metadata::Turtle;
    use crate::os::{LocalFileSystem, MemoryFileSystem};
    use rstest::rstest;

    const HOME: &str = "home";
    const CREATE: OpenRequest = OpenRequest { create: true, exclusive: false, readonly: false, salvage: false };
    const PLAIN: OpenRequest = OpenRequest { create: false, ..CREATE };
    const SALVAGE: OpenRequest = OpenRequest { salvage: true, ..PLAIN };
    const READONLY: OpenRequest = OpenRequest { readonly: true, ..PLAIN };
    const EXCLUSIVE: OpenRequest = OpenRequest { exclusive: true, ..CREATE };

    fn put(fs: &dyn FileSystem, name: &str, contents: &[u8]) {
        let options = OpenOptions { create: true, ..OpenOptions::default() };
        let file = fs.open(&Path::new(HOME).join(name), FileType::Regular, options).unwrap();
        file.truncate(0).unwrap();
        file.write(0, contents).unwrap();
    }

    fn get(fs: &dyn FileSystem, name: &str) -> String {
        let bytes = text_file::read(fs, &Path::new(HOME).join(name), 1 << 20).unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn database() -> MemoryFileSystem {
        let fs = MemoryFileSystem::new();
        assert!(enter(&fs, Path::new(HOME), CREATE).unwrap().is_new);
        put(&fs, METADATA_FILE, &[0; 8192]);
        Turtle::new("id=0".to_owned()).write(&fs, Path::new(HOME)).unwrap();
        fs
    }

    #[test]
    fn small_files_are_as_the_real_engine_writes_them() {
        let vectors = vectors("metadata-turtle.json");
        let files =
            &vectors["small_files"].as_array().unwrap().iter().find(|set| set["version"] == "11.3.1").unwrap()["files"];
        let fs = MemoryFileSystem::new();
        let home = Path::new(HOME);
        drop(enter(&fs, home, CREATE).unwrap());
        write_base_config(&fs, home, "statistics=(fast)").unwrap();
        write_base_config(&fs, home, "cache_size=1GB").unwrap();
        for name in [VERSION_FILE, LOCK_FILE, BASE_CONFIG_FILE] {
            assert_eq!(get(&fs, name), files[name].as_str().unwrap(), "{name}");
        }
        assert!(
            base_config_text("verbose=[a,b],cache_size=1GB")
                .unwrap()
                .ends_with("\n\ncache_size=1GB\nverbose=[a,b]\nversion=(major=11,minor=3)\n")
        );
    }

    #[rstest]
    #[case::plain("", PLAIN, None)]
    #[case::version_missing("rm WiredTiger", PLAIN, Some(-31809))]
    #[case::version_missing_create("rm WiredTiger", CREATE, Some(-31809))]
    #[case::version_missing_salvage("rm WiredTiger", SALVAGE, None)]
    #[case::version_empty("trunc0 WiredTiger", PLAIN, None)]
    #[case::version_empty_salvage("trunc0 WiredTiger", SALVAGE, None)]
    #[case::lock_missing("rm WiredTiger.lock", PLAIN, None)]
    #[case::lock_missing_readonly("rm WiredTiger.lock", READONLY, None)]
    #[case::exclusive("", EXCLUSIVE, Some(17))]
    #[case::only_temporary_turtle("mv WiredTiger.turtle WiredTiger.turtle.set", PLAIN, None)]
    #[case::only_temporary_turtle_readonly("mv WiredTiger.turtle WiredTiger.turtle.set", READONLY, Some(22))]
    #[case::turtle_missing("rm WiredTiger.turtle", PLAIN, Some(-31809))]
    #[case::turtle_missing_create("rm WiredTiger.turtle", CREATE, Some(-31809))]
    fn a_damaged_directory_is(#[case] damage: &str, #[case] request: OpenRequest, #[case] code: Option<i32>) {
        let fs = database();
        let path = |name: &str| Path::new(HOME).join(name);
        match *damage.split(' ').collect::<Vec<_>>() {
            ["rm", name] => fs.remove(&path(name), false).unwrap(),
            ["trunc0", name] => put(&fs, name, b""),
            ["mv", from, to] => fs.rename(&path(from), &path(to), false).unwrap(),
            _ => {}
        }
        let entered = enter(&fs, Path::new(HOME), request);
        assert_eq!(entered.as_ref().err().map(|error| error.code().0), code, "{:?}", entered.as_ref().err());
        match entered {
            Ok(home) => {
                assert!(!home.is_new);
                assert!(home.lock.is_some());
                if request == SALVAGE {
                    assert_eq!(get(&fs, VERSION_FILE), version_file_text());
                }
            }
            Err(error) => assert!(error.to_string().starts_with(HOME), "{error}"),
        }
    }

    #[rstest]
    #[case(PLAIN, -31809)]
    #[case(READONLY, 22)]
    #[case(OpenRequest { create: true, ..READONLY }, 22)]
    fn an_empty_directory_is_refused(#[case] request: OpenRequest, #[case] code: i32) {
        let fs = MemoryFileSystem::new();
        let error = enter(&fs, Path::new(HOME), request).err().unwrap();
        assert_eq!(error.code().0, code);
        assert!(fs.directory_list(Path::new(HOME), "").unwrap().is_empty(), "nothing may have been made");
    }

    #[test]
    fn a_missing_directory_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("none");
        for request in [PLAIN, CREATE] {
            let error = enter(&LocalFileSystem::new(), &home, request).err().unwrap();
            assert_eq!(error.code(), ErrorCode::TRY_SALVAGE);
            assert!(error.to_string().contains("none: "), "{error}");
        }
        assert!(!home.exists());
    }

    #[test]
    fn an_interrupted_creation_starts_over() {
        let fs = MemoryFileSystem::new();
        drop(enter(&fs, Path::new(HOME), CREATE).unwrap());
        put(&fs, METADATA_FILE, &[0; 4096]);
        assert!(enter(&fs, Path::new(HOME), PLAIN).unwrap().is_new);
        put(&fs, METADATA_FILE, &[0; 8192]);
        put(&fs, BACKUP_FILE, b"");
        assert!(enter(&fs, Path::new(HOME), PLAIN).unwrap().is_new, "a backup is being restored");
    }

    #[test]
    fn two_connections_exclude_each_other() {
        let home = tempfile::tempdir().unwrap();
        let fs = LocalFileSystem::new();
        let first = enter(&fs, home.path(), CREATE).unwrap();
        let second = enter(&fs, home.path(), PLAIN).err().unwrap();
        assert_eq!(second.code(), ErrorCode::EBUSY);
        drop(first);
        enter(&fs, home.path(), PLAIN).unwrap();
    }

    #[test]
    fn leftovers_go_and_large_files_are_refused() {
        let fs = database();
        put(&fs, TURTLE_TEMPORARY, b"x");
        put(&fs, "WiredTiger.basecfg.set", b"x");
        remove_leftovers(&fs, Path::new(HOME)).unwrap();
        assert!(fs.directory_list(Path::new(HOME), "").unwrap().iter().all(|name| !name.ends_with(".set")));
        put(&fs, USER_CONFIG_FILE, &vec![b'#'; 102_401]);
        let read = |name| read_config_file(&fs, Path::new(HOME), name);
        assert_eq!(read(USER_CONFIG_FILE).unwrap_err().code(), ErrorCode::EFBIG);
        assert_eq!(read(BASE_CONFIG_FILE).unwrap(), None);
    }
}

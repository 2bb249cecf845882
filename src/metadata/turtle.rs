//! The turtle file: what everything else rests on. It holds the release that wrote the database and the metadata value of
//! `file:WiredTiger.wt`, whose newest checkpoint is thereby the root of all data.
//!
//! Plain text, a key line followed by a value line:
//!
//! ```text
//! Compatibility version                 only if a compatibility release was configured
//! major=10,minor=0
//! WiredTiger version string
//! WiredTiger 11.3.1: (November 13, 2024)
//! WiredTiger version
//! major=11,minor=3,patch=1
//! file:WiredTiger.wt
//! <one line of metadata>
//! ```
//!
//! Source: block specification, sections 10 and 14.

use super::text_file;
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::config::lookup;
use hardwired_plugin::file_system::FileSystem;
use std::path::Path;

/// The name of the turtle file.
pub const TURTLE_FILE: &str = "WiredTiger.turtle";
/// The key of the metadata table's own value.
pub const METADATA_URI: &str = "file:WiredTiger.wt";

const COMPATIBILITY_KEY: &str = "Compatibility version";
const LIVE_RESTORE_KEY: &str = "Live Restore";
const VERSION_STRING_KEY: &str = "WiredTiger version string";
const VERSION_KEY: &str = "WiredTiger version";
/// Room for hundreds of thousands of named checkpoints.
const MAX_SIZE: u64 = 256 << 20;
/// Databases of earlier releases are refused.
const OLDEST_VERSION: Version = Version { major: 3, minor: 2, patch: 0 };

/// A release number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Major number.
    pub major: u16,
    /// Minor number.
    pub minor: u16,
    /// Patch number.
    pub patch: u16,
}

impl Version {
    /// The release whose files are written: the oldest one of those that must open them.
    pub const WRITTEN: Self = Self { major: 11, minor: 3, patch: 1 };
    /// The text that goes with [`Version::WRITTEN`].
    pub const WRITTEN_TEXT: &str = "WiredTiger 11.3.1: (November 13, 2024)";

    /// The three numbers: major, minor, patch.
    pub fn numbers(self) -> (u32, u32, u32) {
        (u32::from(self.major), u32::from(self.minor), u32::from(self.patch))
    }

    /// Reads `major=..,minor=..[,patch=..]`; `None` if it can't be read.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |key| -> Option<u16> { lookup(text, key).ok()??.as_u64().ok()?.try_into().ok() };
        Some(Self { major: number("major")?, minor: number("minor")?, patch: number("patch").unwrap_or(0) })
    }
}

/// The contents of the turtle file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turtle {
    /// The compatibility release, where one was configured.
    pub compatibility: Option<Version>,
    /// The release that wrote the file, for people.
    pub version_text: String,
    /// The release that wrote the file; `None` if the text can't be read, which isn't an error.
    pub version: Option<Version>,
    /// The metadata value of [`METADATA_URI`].
    pub metadata: String,
}

impl Turtle {
    /// A turtle as this engine writes it.
    pub fn new(metadata: String) -> Self {
        Self {
            compatibility: None,
            version_text: Version::WRITTEN_TEXT.to_owned(),
            version: Some(Version::WRITTEN),
            metadata,
        }
    }

    /// Whether a key of the metadata lives in the turtle file, not in the metadata table.
    pub fn is_key(key: &str) -> bool {
        [COMPATIBILITY_KEY, LIVE_RESTORE_KEY, VERSION_STRING_KEY, VERSION_KEY, METADATA_URI].contains(&key)
    }

    /// The value of such a key; `None` if the turtle doesn't have it.
    pub fn value(&self, key: &str) -> Option<String> {
        match key {
            COMPATIBILITY_KEY => {
                self.compatibility.map(|Version { major, minor, .. }| format!("major={major},minor={minor}"))
            }
            VERSION_STRING_KEY => Some(self.version_text.clone()),
            VERSION_KEY => {
                self.version.map(|Version { major, minor, patch }| format!("major={major},minor={minor},patch={patch}"))
            }
            METADATA_URI => Some(self.metadata.clone()),
            _ => None,
        }
    }

    /// Reads the turtle file of a home directory; `None` if there is none.
    ///
    /// # Errors
    /// `WT_TRY_SALVAGE` for a file that can't be read or lacks a key or value; `EINVAL` for a database in the middle of a live
    /// restore.
    pub fn read(fs: &dyn FileSystem, home: &Path) -> Result<Option<Self>> {
        let bytes =
            text_file::read(fs, &home.join(TURTLE_FILE), MAX_SIZE).map_err(|error| damaged(error.to_string()))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let text = str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
        Self::from_text(text).map(Some)
    }

    /// Whether `path` is a turtle file that was written to its end: a crash may leave the beginning of one, or holes in it, under
    /// the name from which it is renamed.
    ///
    /// # Errors
    /// Those of reading it: a file that can't be read is not taken for one that isn't there.
    pub(super) fn is_complete(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
        let Some(bytes) = text_file::read(fs, path, MAX_SIZE)? else { return Ok(false) };
        let text = str::from_utf8(&bytes).unwrap_or("");
        Ok(text.ends_with('\n') && !text.contains('\0') && Self::parse(text).is_ok())
    }

    /// Reads the text of a turtle file.
    ///
    /// # Errors
    /// As [`Turtle::read`].
    pub fn from_text(text: &str) -> Result<Self> {
        let turtle = Self::parse(text).map_err(|key| damaged(format!("no value for '{key}'")))?;
        let state = value_of(text, LIVE_RESTORE_KEY).and_then(|value| lookup(value, "state").ok().flatten());
        if let Some(state) = state.map(|state| state.text())
            && !state.ends_with("_NONE")
            && !state.ends_with("_COMPLETE")
        {
            return Err(Error::invalid(format!(
                "{TURTLE_FILE}: Cannot start in non-live restore mode while a live restore is in progress! (state {state})"
            )));
        }
        Ok(turtle)
    }

    /// Replaces the turtle file of a home directory atomically and durably.
    ///
    /// # Errors
    /// `WT_PANIC`: nobody knows then which of the two states is on disk.
    pub fn write(&self, fs: &dyn FileSystem, home: &Path) -> Result<()> {
        text_file::replace(fs, home, TURTLE_FILE, self.format().as_bytes())
            .map_err(|error| Error::panic(format!("{TURTLE_FILE}: fatal turtle file update error: {error}")))
    }

    /// Checks the release that wrote the database.
    ///
    /// # Errors
    /// `WT_ERROR` for one that is too old. Later ones and unreadable ones are accepted.
    pub fn check_version(&self) -> Result<()> {
        match self.version {
            Some(version) if version < OLDEST_VERSION => Err(Error::new(
                ErrorCode::ERROR,
                format!(
                    "WiredTiger version incompatible with current binary: the database was written by release \
                     {}.{}.{}, the oldest that can be opened is {}.{}.{}",
                    version.major,
                    version.minor,
                    version.patch,
                    OLDEST_VERSION.major,
                    OLDEST_VERSION.minor,
                    OLDEST_VERSION.patch
                ),
            )),
            _ => Ok(()),
        }
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let required = |key| value_of(text, key).ok_or(key);
        Ok(Self {
            compatibility: value_of(text, COMPATIBILITY_KEY).and_then(Version::parse),
            version_text: required(VERSION_STRING_KEY)?.to_owned(),
            version: Version::parse(required(VERSION_KEY)?),
            metadata: required(METADATA_URI)?.to_owned(),
        })
    }

    fn format(&self) -> String {
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        if let Some(Version { major, minor, .. }) = self.compatibility {
            line(COMPATIBILITY_KEY);
            line(&format!("major={major},minor={minor}"));
        }
        line(VERSION_STRING_KEY);
        line(&self.version_text);
        let Version { major, minor, patch } = self.version.unwrap_or(Version::WRITTEN);
        line(VERSION_KEY);
        line(&format!("major={major},minor={minor},patch={patch}"));
        line(METADATA_URI);
        line(&self.metadata);
        out
    }
}

fn damaged(reason: String) -> Error {
    Error::new(ErrorCode::TRY_SALVAGE, format!("{TURTLE_FILE}: fatal turtle file read error: {reason}"))
}

/// The non-empty line after the first line that equals `key`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split('\n').filter(|line| !line.is_empty()).skip_while(|line| *line != key).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::vectors;
    use crate::os::{CrashPolicy, MemoryFileSystem, SimulatedFileSystem};
    use hardwired_plugin::file_system::{FileType, OpenOptions};
    use rstest::rstest;

    const HOME: &str = "home";

    fn read(contents: &[u8]) -> Result<Option<Turtle>> {
        let fs = MemoryFileSystem::new();
        let path = Path::new(HOME).join(TURTLE_FILE);
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        fs.open(&path, FileType::Regular, create).unwrap().write(0, contents).unwrap();
        Turtle::read(&fs, Path::new(HOME))
    }

    #[test]
    fn real_turtles_are_read_and_written_again() {
        let vectors = vectors("metadata-turtle.json");
        let turtles = vectors["turtles"].as_array().unwrap();
        assert!(turtles.len() >= 10);
        for vector in turtles {
            let text = vector["text"].as_str().unwrap();
            let turtle = read(text.as_bytes()).unwrap().unwrap();
            assert_eq!(turtle.format(), text);
            turtle.check_version().unwrap();
            let fs = MemoryFileSystem::new();
            turtle.write(&fs, Path::new(HOME)).unwrap();
            assert_eq!(Turtle::read(&fs, Path::new(HOME)).unwrap(), Some(turtle));
        }
    }

    #[test]
    fn without_a_file_there_is_no_turtle() {
        assert_eq!(Turtle::read(&MemoryFileSystem::new(), Path::new(HOME)).unwrap(), None);
    }

    #[rstest]
    #[case::empty("", "WiredTiger version string")]
    #[case::no_version("WiredTiger version string\nx\nfile:WiredTiger.wt\nm\n", "WiredTiger version")]
    #[case::no_metadata("WiredTiger version string\nx\nWiredTiger version\nmajor=11,minor=3\n", "file:WiredTiger.wt")]
    #[case::no_value(
        "WiredTiger version string\nx\nWiredTiger version\ny\nfile:WiredTiger.wt\n\n",
        "file:WiredTiger.wt"
    )]
    fn damage_asks_for_salvage_and_names_the_key(#[case] text: &str, #[case] key: &str) {
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TRY_SALVAGE);
        assert!(error.to_string().contains(&format!("no value for '{key}'")), "{error}");
    }

    #[test]
    fn bytes_that_are_no_text_ask_for_salvage() {
        assert_eq!(read(b"WiredTiger version string\n\xff\n").unwrap_err().code(), ErrorCode::TRY_SALVAGE);
    }

    #[rstest]
    #[case("major=99,minor=0,patch=0", true)]
    #[case("major=3,minor=2,patch=0", true)]
    #[case("major=3,minor=1,patch=0", false)]
    #[case("garbage", true)]
    fn too_old_releases_are_refused(#[case] version: &str, #[case] good: bool) {
        let text = format!("WiredTiger version string\nx\n\nWiredTiger version\n{version}\nfile:WiredTiger.wt\nid=0\n");
        let turtle = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(turtle.check_version().is_ok(), good);
        assert_eq!(turtle.metadata, "id=0");
    }

    #[rstest]
    #[case("BACKGROUND_MIGRATION", false)]
    #[case("COMPLETE", true)]
    #[case("NONE", true)]
    fn an_unfinished_live_restore_is_refused(#[case] state: &str, #[case] good: bool) {
        let text = format!(
            "Live Restore\nstate=WTI_LIVE_RESTORE_STATE_{state}\nWiredTiger version string\nx\nWiredTiger version\n\
             major=12,minor=0\nfile:WiredTiger.wt\nid=0\n"
        );
        assert_eq!(read(text.as_bytes()).is_ok(), good);
    }

    #[test]
    fn a_crash_leaves_the_old_or_the_new_turtle() {
        let home = Path::new(HOME);
        let (old, new) = (Turtle::new("id=0,a=1".to_owned()), Turtle::new("id=0,a=2".to_owned()));
        let base = SimulatedFileSystem::new();
        old.write(&base, home).unwrap();
        let start = base.crash(CrashPolicy::LoseUnsynced);
        let mut seen_new = 0;
        for failing in 0..6 {
            for seed in 0..20 {
                let fs = start.crash(CrashPolicy::KeepAll);
                fs.fail_from(failing);
                let written = new.write(&fs, home);
                assert!(written.is_ok() || written.unwrap_err().code() == ErrorCode::PANIC);
                let found = Turtle::read(&fs.crash(CrashPolicy::Random(seed)), home).unwrap().unwrap();
                assert!(found == old || found == new);
                seen_new += usize::from(found == new);
            }
        }
        assert!(seen_new > 20, "{seen_new}");
        let fs = start.crash(CrashPolicy::KeepAll);
        new.write(&fs, home).unwrap();
        assert_eq!(Turtle::read(&fs.crash(CrashPolicy::LoseUnsynced), home).unwrap(), Some(new));
    }
}

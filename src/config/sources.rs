//! Where the configuration of `wiredtiger_open` comes from, in which order, and what is remembered of it.
//!
//! From the least to the most preferred: the built-in defaults; the version of the release in force;
//! `WiredTiger.basecfg`; the application's string; `WiredTiger.config`; the environment. Files and environment thus
//! override the application. A read-only connection overlays the result with [`READONLY_OVERLAY`].
//!
//! This module reads no file and no environment variable: it is given their contents.
//!
//! Source: configuration specification, sections 10.1 to 10.3 and 10.5.

use std::fmt;

use hardwired_plugin::config::{Config, ConfigParser};

use super::schema::{Method, WIREDTIGER_OPEN, WIREDTIGER_OPEN_ALL, WIREDTIGER_OPEN_BASECFG, WIREDTIGER_OPEN_USERCFG};
use super::{check, merge};
use crate::{Error, ErrorCode, Result};

/// The name of the file with the settings of the database's creation.
pub const BASE_FILE: &str = "WiredTiger.basecfg";

/// The name of the file with which a user overrides settings.
pub const USER_FILE: &str = "WiredTiger.config";

/// What a read-only connection changes, whatever else is said.
pub const READONLY_OVERLAY: &str =
    "checkpoint=(wait=0),config_base=false,create=false,log=(prealloc=false,remove=false)";

/// The largest configuration file, in bytes.
pub const MAX_FILE_LEN: usize = 100 * 1024;

/// What [`BASE_FILE`] doesn't remember.
const BASE_FILE_STRIP: &str = "compatibility=(release=),config_base=,create=,encryption=(secretkey=),error_prefix=,\
    exclusive=,in_memory=,log=(recover=),readonly=,tiered_storage=(cluster=,member=),timing_stress_for_test=,\
    use_environment_priv=,verbose=,verify_metadata=";

/// The first lines of [`BASE_FILE`].
const BASE_FILE_HEADER: &str = "# Do not modify this file.\n\
    #\n\
    # WiredTiger created this file when the database was created,\n\
    # to store persistent database settings.  Instead of changing\n\
    # these settings, set a WIREDTIGER_CONFIG environment variable\n\
    # or create a WiredTiger.config file to override them.\n\
    \n";

/// A release of WiredTiger, which decides who can open a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The major number.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

impl Release {
    /// The newest release whose configuration is understood.
    pub const NEWEST: Self = Self { major: 12, minor: 0 };

    /// The release whose form new databases get unless `compatibility=(release=...)` says otherwise. Newer releases
    /// open them too, whereas 11.3 refuses what 12.0 creates.
    pub const DEFAULT: Self = Self { major: 11, minor: 3 };

    /// The release of `compatibility=(release=...)`, [`Release::DEFAULT`] if there is none; the other keys of
    /// `compatibility` are compared with it.
    ///
    /// # Errors
    /// `EINVAL` for a malformed release, `ENOTSUP` for one that is newer than this build or outside what
    /// `require_min` and `require_max` allow.
    pub fn from_config(config: Config<'_>) -> Result<Self> {
        let named = |key: &str| match config.name(key)? {
            None => Ok(None),
            Some(text) => Self::parse(text).map(Some),
        };
        let release = named("compatibility.release")?.unwrap_or(Self::DEFAULT);
        if let Some(max) = named("compatibility.require_max")?
            && max < release
        {
            return Err(Error::unsupported(format!(
                "Version incompatibility detected: required max of {max}cannot be smaller than compatibility release {release}"
            )));
        }
        if let Some(min) = named("compatibility.require_min")?
            && min > release
        {
            return Err(Error::unsupported(format!(
                "Version incompatibility detected: required min of {min}cannot be larger than compatibility release {release}"
            )));
        }
        Ok(release)
    }

    /// `major.minor` or `major.minor.patch`; the patch number doesn't matter.
    fn parse(text: &str) -> Result<Self> {
        let numbers: Result<Vec<u16>, _> = text.split('.').map(str::parse).collect();
        let release = match numbers.as_deref() {
            Ok([major, minor] | [major, minor, _]) => Self { major: *major, minor: *minor },
            _ => return Err(Error::invalid("illegal compatibility release")),
        };
        let which = if release.major > Self::NEWEST.major { "major" } else { "minor" };
        if release > Self::NEWEST {
            return Err(Error::unsupported(format!("Version incompatibility detected: unsupported {which} version")));
        }
        Ok(release)
    }

    /// The release as the stack's second string.
    pub fn to_config(self) -> String {
        format!("version=(major={},minor={})", self.major, self.minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The contents of every source; empty where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// `WiredTiger.basecfg`, through [`file_text`]; empty also if `config_base=false`.
    pub base_file: &'a str,
    /// The string given to `wiredtiger_open`.
    pub application: &'a str,
    /// `WiredTiger.config`, through [`file_text`].
    pub user_file: &'a str,
    /// The environment variable `WIREDTIGER_CONFIG`, if it may be used.
    pub environment: &'a str,
}

impl<'a> Sources<'a> {
    /// The stack that decides, before any file is read: `in_memory`, `readonly`, `error_prefix`, early-loaded
    /// extensions, `compatibility`, `config_base`, `use_environment`.
    pub fn preliminary(&self) -> [&'a str; 3] {
        [WIREDTIGER_OPEN_ALL.base, self.application, self.environment]
    }

    /// The stack that decides everything else. `version` is [`Release::to_config`].
    pub fn stack(&self, version: &'a str) -> [&'a str; 6] {
        let [base, user] = [self.base_file, self.user_file];
        [WIREDTIGER_OPEN_ALL.base, version, base, self.application, user, self.environment]
    }

    /// Checks each source against its table.
    ///
    /// # Errors
    /// `EINVAL`; `WT_TRY_SALVAGE` if the base file is at fault; `ENOTSUP` if a file or the environment comes from a
    /// newer release.
    pub fn check(&self) -> Result<()> {
        check(&WIREDTIGER_OPEN, self.application)?;
        for (name, method, text) in [
            (BASE_FILE, &WIREDTIGER_OPEN_BASECFG, self.base_file),
            (USER_FILE, &WIREDTIGER_OPEN_USERCFG, self.user_file),
            ("WIREDTIGER_CONFIG", &WIREDTIGER_OPEN, self.environment),
        ] {
            check_source(name, method, text)?;
        }
        Ok(())
    }

    /// The whole stack as one string: the connection's current configuration.
    ///
    /// # Errors
    /// As [`merge`].
    pub fn merged(&self, version: &str, readonly: bool) -> Result<String> {
        let [defaults, version, base, application, user, environment] = Sources::stack(self, version);
        let overlay = if readonly { READONLY_OVERLAY } else { "" };
        merge(&[defaults, version, base, application, user, environment, overlay], None)
    }

    /// The contents of [`BASE_FILE`] for a new database: what is set, without the defaults, one item a line.
    ///
    /// # Errors
    /// As [`merge`].
    pub fn new_base_file(&self, version: &str) -> Result<String> {
        self.new_base_file_with(version, "")
    }

    /// The same with settings that follow from others, and replace them in the file.
    ///
    /// # Errors
    /// As [`merge`].
    pub fn new_base_file_with(&self, version: &str, derived: &str) -> Result<String> {
        let strings = [version, self.base_file, self.application, self.user_file, self.environment, derived];
        let merged = merge(&strings, Some(BASE_FILE_STRIP))?;
        let mut text = BASE_FILE_HEADER.to_owned();
        for item in ConfigParser::new(&merged) {
            let (key, value) = item?;
            text.extend([key.source(), "=", value.source(), "\n"]);
        }
        Ok(text)
    }
}

fn check_source(name: &str, method: &Method, text: &str) -> Result<()> {
    check_version(name, text)?;
    check(method, text).map_err(|error| {
        // The base file is ours: what is wrong in it was damaged.
        let code = if name == BASE_FILE { ErrorCode::TRY_SALVAGE } else { error.code() };
        Error::new(code, format!("{name}: {error}"))
    })
}

/// Refuses settings from a newer release. A source that doesn't parse is left to the checker.
fn check_version(name: &str, text: &str) -> Result<()> {
    let number = |key| Config::single(text).get(key).ok().flatten().map(|item| item.number());
    let (Some(major), minor) = (number("version.major"), number("version.minor").unwrap_or(0)) else {
        return Ok(());
    };
    let newest = Release::NEWEST;
    if (major, minor) > (i64::from(newest.major), i64::from(newest.minor)) {
        return Err(Error::unsupported(format!(
            "{name}: WiredTiger configuration is from an incompatible release of the WiredTiger engine, configuration \
             major, minor of ({major}, {minor}), with build ({}, {})",
            newest.major, newest.minor
        )));
    }
    Ok(())
}

/// The refusal of an environment variable in a process whose effective user or group is not the real one, unless
/// `use_environment_priv=true`.
pub fn refuse_privileged(variable: &str) -> Error {
    Error::new(
        ErrorCode::ERROR,
        format!(
            "privileged process has {variable} environment variable set, without having \"use_environment_priv\" configured"
        ),
    )
}

/// The string in a configuration file. Outside quotes a newline is a comma; a line that begins with `#` is a comment; a
/// backslash at the end of a line joins it with the next.
///
/// Unlike WiredTiger, which drops it, the last byte of a file that doesn't end with a newline counts.
///
/// # Errors
/// `EFBIG` above [`MAX_FILE_LEN`]; `EINVAL` if the file is not UTF-8.
pub fn file_text(name: &str, bytes: &[u8]) -> Result<String> {
    if bytes.len() > MAX_FILE_LEN {
        return Err(Error::new(ErrorCode::EFBIG, format!("Configuration file too big: {name}")));
    }
    let text = ConfigParser::text_of(bytes).map_err(|error| Error::invalid(format!("{name}: {error}")))?;
    let mut out = String::with_capacity(text.len());
    let mut rest = skip_comments(text);
    let mut is_quoted = false;
    let mut chars = rest.chars();
    while let Some(char) = chars.next() {
        rest = chars.as_str();
        match char {
            '\\' => match chars.next() {
                Some('\n') => {}
                next => out.extend(std::iter::once(char).chain(next)),
            },
            '\n' if !is_quoted => {
                out.push(',');
                chars = skip_comments(rest).chars();
            }
            _ => {
                is_quoted ^= char == '"';
                out.push(char);
            }
        }
    }
    Ok(out)
}

/// What follows the blank and comment lines at the start of `text`; the newline of a comment stays.
fn skip_comments(text: &str) -> &str {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    if text.starts_with('#') { text.find('\n').and_then(|end| text.get(end..)).unwrap_or("") } else { text }
}

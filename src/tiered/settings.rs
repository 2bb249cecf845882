//! The connection's `tiered_storage` group, and the identity of a database in a shared bucket.
//!
//! `cluster` and `member` are another way to say `bucket_prefix`: the prefix is `CLUSTER-MEMBER-`, which
//! `WiredTiger.basecfg` remembers, so that WiredTiger opens the database too. That they have to be given again is remembered
//! by a row of the metadata. A `-` inside an identifier is written `~` in names: so no two pairs have one prefix.

use crate::config::lookup;
use crate::plugin::config::Config;
use crate::{Error, Result};
use std::fmt;

/// The metadata row that remembers cluster and member.
pub(crate) const IDENTITY_KEY: &str = "system:tiered_storage_identity";

/// The settings of a connection with tiered storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) source: String,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) auth_token: String,
    pub(crate) cache_directory: String,
    pub(crate) interval_s: u64,
    pub(crate) local_retention_s: u64,
    pub(crate) identity: Option<Identity>,
}

/// Who writes the objects of this database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    cluster: String,
    member: String,
}

impl Settings {
    /// Reads the group. `given` is what the caller, the environment and `WiredTiger.config` say now, `base_file` what the
    /// database remembers, `whole` all of it with the defaults. `None`: no tiered storage.
    ///
    /// # Errors
    /// `EINVAL` for settings that contradict each other or are incomplete.
    pub(crate) fn parse(given: Config<'_>, base_file: &str, whole: Config<'_>) -> Result<Option<Self>> {
        let text = |key: &str| -> Result<String> {
            Ok(whole.get(&format!("tiered_storage.{key}"))?.map_or_else(String::new, |item| item.text().to_owned()))
        };
        let number = |key: &str, default: i64| -> Result<u64> {
            let value = whole.i64_or(&format!("tiered_storage.{key}"), default)?;
            u64::try_from(value).map_err(|_| Error::invalid(format!("tiered_storage.{key}={value} is out of range")))
        };
        let Some(source) = whole.name("tiered_storage.name")? else {
            for key in ["bucket", "cluster", "member"] {
                if given.get(&format!("tiered_storage.{key}"))?.is_some_and(|item| !item.text().is_empty()) {
                    let message = format!("tiered_storage.{key} requires tiered_storage.name to be set");
                    return Err(Error::invalid(message));
                }
            }
            return Ok(None);
        };
        let identity = Identity::parse(&text("cluster")?, &text("member")?)?;
        let bucket = text("bucket")?;
        if bucket.is_empty() {
            return Err(Error::invalid("table tiered storage requires bucket to be set"));
        }
        let prefix = match &identity {
            None => text("bucket_prefix")?,
            Some(identity) => identity.checked_prefix(given, base_file)?,
        };
        if prefix.is_empty() {
            return Err(Error::invalid("table tiered storage requires bucket_prefix to be set"));
        }
        Ok(Some(Self {
            source: source.to_owned(),
            bucket,
            prefix,
            auth_token: text("auth_token")?,
            cache_directory: text("cache_directory")?,
            interval_s: number("interval", 60)?.max(1),
            local_retention_s: number("local_retention", 300)?,
            identity,
        }))
    }

    /// What `WiredTiger.basecfg` of a new database gets beyond what was configured.
    pub(crate) fn derived_config(&self) -> String {
        match &self.identity {
            None => String::new(),
            Some(_) => format!("tiered_storage=(bucket_prefix=\"{}\")", self.prefix),
        }
    }

    /// Compares cluster and member with those that the database remembers; `stored` is the row's value.
    ///
    /// # Errors
    /// `EINVAL` if they are missing, or others.
    pub(crate) fn check_identity(settings: Option<&Self>, stored: Option<&str>) -> Result<()> {
        let given = settings.and_then(|settings| settings.identity.as_ref());
        let stored = stored.map(Identity::from_row).transpose()?;
        match (given, &stored) {
            (None, Some(stored)) => Err(Error::invalid(format!(
                "tiered_storage: cluster and member must be given at every open of this database: it was created with \
                 {stored}"
            ))),
            (Some(given), Some(stored)) if given != stored => {
                let key = if given.cluster == stored.cluster { "member" } else { "cluster" };
                let message = format!("tiered_storage.{key} can't change: given are {given}, created with {stored}");
                Err(Error::invalid(message))
            }
            _ => Ok(()),
        }
    }
}

impl Identity {
    fn parse(cluster: &str, member: &str) -> Result<Option<Self>> {
        if cluster.is_empty() && member.is_empty() {
            return Ok(None);
        }
        for (key, value, other) in [("cluster", cluster, "member"), ("member", member, "cluster")] {
            if value.is_empty() {
                return Err(Error::invalid(format!("tiered_storage.{other} requires tiered_storage.{key} to be set")));
            }
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
                return Err(Error::invalid(format!(
                    "tiered_storage.{key}={value}: an identifier has letters, digits, '_', '.' and '-' alone"
                )));
            }
        }
        Ok(Some(Self { cluster: cluster.to_owned(), member: member.to_owned() }))
    }

    fn from_row(row: &str) -> Result<Self> {
        let text = |key| Ok::<_, Error>(lookup(row, key)?.map_or("", |item| item.text()));
        Self::parse(text("cluster")?, text("member")?)?
            .ok_or_else(|| Error::corrupt(IDENTITY_KEY, 0, format!("neither cluster nor member: '{row}'")))
    }

    fn prefix(&self) -> String {
        let part = |identifier: &str| identifier.replace('-', "~");
        format!("{}-{}-", part(&self.cluster), part(&self.member))
    }

    fn checked_prefix(&self, given: Config<'_>, base_file: &str) -> Result<String> {
        let prefix = self.prefix();
        let key = "tiered_storage.bucket_prefix";
        if given.get(key)?.is_some_and(|item| !item.text().is_empty()) {
            return Err(Error::invalid(format!(
                "{key} can't be given together with cluster and member, which make it"
            )));
        }
        match lookup(base_file, key)?.map(|item| item.text()).filter(|stored| !stored.is_empty()) {
            Some(stored) if stored != prefix => Err(Error::invalid(format!(
                "tiered_storage: {self} make the prefix '{prefix}', but the objects of this database have '{stored}'"
            ))),
            _ => Ok(prefix),
        }
    }
}

/// As the row has it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cluster=\"{}\",member=\"{}\"", self.cluster, self.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parse(given: &str, base: &str) -> Result<Option<Settings>> {
        Settings::parse(Config::single(given), base, Config::new(&[base, given]))
    }

    #[rstest]
    #[case("tiered_storage=(bucket=b)", "tiered_storage.bucket requires tiered_storage.name to be set")]
    #[case("tiered_storage=(cluster=b)", "tiered_storage.cluster requires tiered_storage.name to be set")]
    #[case("tiered_storage=(name=d)", "table tiered storage requires bucket to be set")]
    #[case("tiered_storage=(name=d,bucket=b)", "table tiered storage requires bucket_prefix to be set")]
    #[case("tiered_storage=(name=d,bucket=b,cluster=c)", "tiered_storage.cluster requires tiered_storage.member")]
    #[case("tiered_storage=(name=d,bucket=b,member=c)", "tiered_storage.member requires tiered_storage.cluster")]
    #[case("tiered_storage=(name=d,bucket=b,cluster=\"a/b\",member=m)", "cluster=a/b: an identifier has letters")]
    #[case("tiered_storage=(name=d,bucket=b,bucket_prefix=p,cluster=c,member=m)", "can't be given together with")]
    fn contradictions_are_named(#[case] given: &str, #[case] message: &str) {
        let error = parse(given, "").unwrap_err();
        assert_eq!(error.code(), crate::ErrorCode::EINVAL);
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn none_turns_it_off() {
        assert_eq!(parse("", "").unwrap(), None);
        let base = "tiered_storage=(name=d,bucket=b,bucket_prefix=p)";
        assert_eq!(parse("tiered_storage=(name=none)", base).unwrap(), None);
        assert_eq!(parse("", base).unwrap().unwrap().prefix, "p");
    }

    #[test]
    fn different_identities_have_different_prefixes() {
        let prefix = |cluster: &str, member: &str| {
            let given = format!("tiered_storage=(name=d,bucket=b,cluster=\"{cluster}\",member=\"{member}\")");
            parse(&given, "").unwrap().unwrap().prefix
        };
        assert_eq!(prefix("c1", "m2"), "c1-m2-");
        assert_ne!(prefix("a-b", "c"), prefix("a", "b-c"));
    }

    #[test]
    fn cluster_and_member_must_be_given_again() {
        let given = "tiered_storage=(name=d,bucket=b,cluster=c,member=m-1)";
        let settings = parse(given, "").unwrap().unwrap();
        assert_eq!(settings.derived_config(), "tiered_storage=(bucket_prefix=\"c-m~1-\")");
        let row = settings.identity.as_ref().unwrap().to_string();
        Settings::check_identity(Some(&settings), Some(&row)).unwrap();
        Settings::check_identity(Some(&settings), None).unwrap();
        let base = format!("tiered_storage=(name=d,bucket=b,{})", "bucket_prefix=\"c-m~1-\"");
        let without = parse("", &base).unwrap().unwrap();
        let missing = Settings::check_identity(Some(&without), Some(&row)).unwrap_err();
        assert!(missing.to_string().contains("must be given at every open"), "{missing}");
        assert!(Settings::check_identity(None, Some(&row)).is_err());
        let other = Settings::check_identity(Some(&settings), Some("cluster=c,member=x")).unwrap_err();
        assert!(other.to_string().starts_with("tiered_storage.member can't change"), "{other}");
        assert!(parse(given, "tiered_storage=(bucket_prefix=q)").unwrap_err().to_string().contains("have 'q'"));
        assert!(matches!(Settings::check_identity(None, Some("x=1")), Err(Error::Corrupt(_))));
    }
}

//! A connection's tiered storage: what was configured, the buckets in use, and where a new table goes.

use super::Bucket;
use super::queue::Queue;
use super::settings::Settings;
use crate::plugin::config::Config;
use crate::plugin::storage_source::StorageSource;
use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A storage source with the names under which it is known.
pub(crate) type NamedSource = (Vec<String>, Arc<dyn StorageSource>);

/// The tiered storage of a connection; off, unless it was configured.
#[derive(Default)]
pub(crate) struct Tiered {
    system: Option<System>,
    /// Those that `wiredtiger_open` loaded: one that is loaded later comes too late.
    sources: Vec<NamedSource>,
    buckets: Mutex<Vec<Arc<Bucket>>>,
    local_retention_s: AtomicU64,
    /// Whether what earlier connections left undone has been looked for.
    pub(super) resumed: AtomicBool,
    /// Held by a flush that waits for its copies.
    pub(super) flush_lock: Mutex<()>,
    pub(crate) queue: Queue,
}

/// The system storage source.
struct System {
    settings: Settings,
    bucket: Arc<Bucket>,
}

/// Where the objects of a new tree go.
pub(crate) struct TableStorage {
    pub(crate) bucket: Arc<Bucket>,
    /// The structure of `tiered_storage` in the metadata.
    pub(crate) row: String,
}

impl Tiered {
    /// Opens the system bucket.
    ///
    /// # Errors
    /// `EINVAL` for an unknown storage source, and for a database in memory; the source's own error, such as `ENOENT` for
    /// a missing bucket.
    pub(crate) fn open(settings: Option<Settings>, sources: Vec<NamedSource>, in_memory: bool) -> Result<Arc<Self>> {
        let Some(settings) = settings else { return Ok(Arc::new(Self { sources, ..Self::default() })) };
        let mut tiered = Self { sources, ..Self::default() };
        let Settings { source, bucket, prefix, auth_token, cache_directory, .. } = &settings;
        let bucket = tiered.bucket(source, bucket, prefix, auth_token, cache_directory)?;
        if in_memory {
            return Err(in_memory_error());
        }
        tiered.local_retention_s = AtomicU64::new(settings.local_retention_s);
        tiered.system = Some(System { settings, bucket });
        Ok(Arc::new(tiered))
    }

    /// Whether the connection has tiered storage.
    pub(crate) fn is_on(&self) -> bool {
        self.system.is_some()
    }

    pub(crate) fn settings(&self) -> Option<&Settings> {
        self.system.as_ref().map(|system| &system.settings)
    }

    /// How often the worker looks for work.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs(self.settings().map_or(60, |settings| settings.interval_s))
    }

    pub(crate) fn local_retention_s(&self) -> u64 {
        self.local_retention_s.load(Ordering::Relaxed)
    }

    /// `WT_CONNECTION.reconfigure`: `local_retention` of objects that are flushed from now on.
    pub(crate) fn set_local_retention(&self, seconds: u64) {
        self.local_retention_s.store(seconds, Ordering::Relaxed);
    }

    /// Where a table, column group or index created with `config` goes; `None`: into an ordinary file.
    ///
    /// # Errors
    /// `EINVAL` for an unknown storage source, one without bucket, any on a connection without tiered storage, and for
    /// `shared`; the source's own error.
    pub(crate) fn placement(&self, config: &str) -> Result<Option<TableStorage>> {
        let config = Config::single(config);
        let text = |key: &str| -> Result<&str> { config.text_or(key, "") };
        let name = text("tiered_storage.name")?;
        let (bucket, prefix) = (text("tiered_storage.bucket")?, text("tiered_storage.bucket_prefix")?);
        if config.bool_or("tiered_storage.shared", false)? {
            let message = "table tiered storage shared requires connection tiered storage shared to be set";
            return Err(Error::invalid(message));
        }
        if name == "none" {
            return Ok(None);
        }
        let Some(System { settings, bucket: system }) = &self.system else {
            return if [name, bucket, prefix].iter().all(|text| text.is_empty()) { Ok(None) } else { Err(not_on()) };
        };
        if !name.is_empty() && bucket.is_empty() {
            return Err(Error::invalid("table tiered storage requires bucket to be set"));
        }
        let or = |own: &'_ str, system: &str| if own.is_empty() { system.to_owned() } else { own.to_owned() };
        let (own_bucket, own_prefix) = (or(bucket, &settings.bucket), or(prefix, &settings.prefix));
        let is_system = name.is_empty() && (&own_bucket, &own_prefix) == (&settings.bucket, &settings.prefix);
        // WiredTiger heeds a bucket of a row only beside a name.
        let name = if is_system { String::new() } else { or(name, &settings.source) };
        let (token, cache) = (text("tiered_storage.auth_token")?, text("tiered_storage.cache_directory")?);
        let bucket = if is_system {
            Arc::clone(system)
        } else {
            self.bucket(&name, &own_bucket, &own_prefix, &or(token, &settings.auth_token), cache)?
        };
        let row = format!(
            "(auth_token={},bucket={},bucket_prefix={},cache_directory={},local_retention={},name={},\
             object_target_size={})",
            value(token)?,
            value(&own_bucket)?,
            value(&own_prefix)?,
            value(cache)?,
            config.i64_or("tiered_storage.local_retention", 300)?,
            value(&name)?,
            config.i64_or("tiered_storage.object_target_size", 0)?,
        );
        Ok(Some(TableStorage { bucket, row }))
    }

    /// The bucket of an existing tree, by its metadata row.
    ///
    /// # Errors
    /// `EINVAL` on a connection without tiered storage; else as [`Tiered::placement`].
    pub(crate) fn bucket_of_row(&self, row: &str) -> Result<Arc<Bucket>> {
        let Some(System { settings, bucket: system }) = &self.system else { return Err(not_on()) };
        let config = Config::single(row);
        let Some(name) = config.name("tiered_storage.name")? else { return Ok(Arc::clone(system)) };
        let text = |key: &str, default: &str| -> Result<String> {
            let own = config.text_or(key, "")?;
            Ok(if own.is_empty() { default.to_owned() } else { own.to_owned() })
        };
        self.bucket(
            name,
            &text("tiered_storage.bucket", &settings.bucket)?,
            &text("tiered_storage.bucket_prefix", &settings.prefix)?,
            &text("tiered_storage.auth_token", &settings.auth_token)?,
            &text("tiered_storage.cache_directory", "")?,
        )
    }

    /// A bucket, opened at its first use.
    fn bucket(&self, source: &str, bucket: &str, prefix: &str, token: &str, cache: &str) -> Result<Arc<Bucket>> {
        let known = |(names, _): &&NamedSource| names.iter().any(|name| name == source);
        let Some((_, instance)) = self.sources.iter().find(known) else {
            return Err(Error::invalid(format!("unknown storage source '{source}'")));
        };
        let mut buckets = self.buckets.lock();
        let wanted = |it: &&Arc<Bucket>| (&*it.source, &*it.bucket, &*it.prefix) == (source, bucket, prefix);
        if let Some(open) = buckets.iter().find(wanted) {
            return Ok(Arc::clone(open));
        }
        let config = format!("cache_directory={}", value(cache)?);
        let fs = instance.customize_file_system(bucket, token, Config::single(&config))?;
        let opened =
            Arc::new(Bucket { source: source.to_owned(), bucket: bucket.to_owned(), prefix: prefix.to_owned(), fs });
        buckets.push(Arc::clone(&opened));
        Ok(opened)
    }

    /// Terminates the file systems of all buckets: the last thing before the sources.
    ///
    /// # Errors
    /// The first one; none stops the others.
    pub(crate) fn terminate(&self) -> Result<()> {
        let buckets = std::mem::take(&mut *self.buckets.lock());
        let failures: Vec<Error> = buckets.iter().filter_map(|bucket| bucket.fs.terminate().err()).collect();
        failures.into_iter().next().map_or(Ok(()), Err)
    }
}

/// A value as a configuration string has it.
fn value(text: &str) -> Result<String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte)) {
        return Ok(text.to_owned());
    }
    if text.contains(['"', '\\', '\n', '\0']) {
        return Err(Error::invalid(format!(
            "tiered_storage: '{text}': quotes, backslashes and line ends can't be kept"
        )));
    }
    Ok(format!("\"{text}\""))
}

fn not_on() -> Error {
    Error::invalid("table tiered storage requires connection tiered storage to be set")
}

/// The refusal of tiered storage in memory.
pub(crate) fn in_memory_error() -> Error {
    Error::invalid("the \"in_memory\" connection configuration is not compatible with tiered storage")
}

//! The file system over one bucket.

use crate::fault::Faults;
use crate::{Options, copy, failure, io};
use hardwired_plugin::config::Config;
use hardwired_plugin::extension::{MessageLevel, Messages};
use hardwired_plugin::file_system::{FileHandle, FileSystem, FileType, OpenOptions};
use hardwired_plugin::storage_source::BucketFileSystem;
use hardwired_plugin::{Error, ErrorCode, Result};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What the buckets of a source share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    faults: Faults,
    messages: Arc<dyn Messages>,
}

impl Shared {
    pub(crate) fn new(options: Options, messages: Arc<dyn Messages>) -> Self {
        Self { options, faults: Faults::new(), messages }
    }

    fn say(&self, text: impl FnOnce() -> String) {
        if self.options.verbose > 0 {
            self.messages.message(MessageLevel::Info, &format!("dir_store: {}", text()));
        }
    }
}

/// A bucket.
pub(crate) struct Bucket {
    directory: PathBuf,
    cache: Option<PathBuf>,
    shared: Arc<Shared>,
}

impl Bucket {
    pub(crate) fn new(directory: PathBuf, cache: Option<PathBuf>, shared: Arc<Shared>) -> Self {
        Self { directory, cache, shared }
    }

    /// The file of an object in the bucket, and in the cache.
    fn paths(&self, object: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
        let inside = object.components().all(|part| matches!(part, Component::Normal(_)));
        if object.as_os_str().is_empty() || !inside {
            return Err(failure(ErrorCode::EINVAL, &format!("{}: not the name of an object", object.display())));
        }
        Ok((self.directory.join(object), self.cache.as_ref().map(|cache| cache.join(object))))
    }

    /// The cached file of an object, which is fetched if need be; `None`: read the bucket's.
    fn fetch(&self, bucket: &Path, cache: Option<PathBuf>, object: &Path) -> Result<Option<PathBuf>> {
        let Some(cache) = cache else { return Ok(None) };
        if cache.exists() {
            return Ok(Some(cache));
        }
        self.shared.faults.check(&self.shared.options, &object.display().to_string())?;
        if !bucket.exists() {
            return Err(failure(ErrorCode::ENOENT, &format!("{}: object not in the bucket", object.display())));
        }
        match copy::copy_new(bucket, &cache) {
            Ok(()) => Ok(Some(cache)),
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && cache.exists() => Ok(Some(cache)),
            Err(error) => {
                let error = io(format_args!("{}: not cached, it is read from the bucket", object.display()), &error);
                self.shared.messages.message(MessageLevel::Warning, &error.to_string());
                Ok(None)
            }
        }
    }
}

impl BucketFileSystem for Bucket {
    fn flush(&self, source: &Path, object: &str, _: Config<'_>) -> Result<()> {
        let (target, cache) = self.paths(Path::new(object))?;
        self.shared.faults.check(&self.shared.options, object)?;
        self.shared.faults.count();
        self.shared.say(|| format!("flush {} to {object}", source.display()));
        let wrap = |error: std::io::Error| io(format_args!("{} to {object}: flush", source.display()), &error);
        match copy::copy_new(source, &target) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Complete, because it has its name: by an earlier flush of this file, or by somebody else.
                if !copy::is_same(source, &target).map_err(wrap)? {
                    return Err(failure(ErrorCode::EEXIST, &format!("{object}: already exists")));
                }
                copy::sync(&target).map_err(wrap)?;
            }
            Err(error) => return Err(wrap(error)),
        }
        // An entry of an earlier object of the name, which somebody removed from the bucket alone.
        if let Some(cache) = cache
            && cache.exists()
            && !copy::is_same(&target, &cache).map_err(wrap)?
        {
            fs::remove_file(cache).map_err(wrap)?;
        }
        Ok(())
    }

    fn flush_finish(&self, source: &Path, object: &str, _: Config<'_>) -> Result<()> {
        let (_, cache) = self.paths(Path::new(object))?;
        let Some(cache) = cache else { return Ok(()) };
        self.shared.say(|| format!("link {} to the cache as {object}", source.display()));
        let wrap = |error: std::io::Error| io(format_args!("{} to {object}: flush finish", source.display()), &error);
        match copy::link_new(source, &cache) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if copy::is_same(source, &cache).map_err(wrap)? {
                    return Ok(());
                }
                Err(failure(ErrorCode::EEXIST, &format!("{object}: already exists in the cache")))
            }
            linked => linked.map_err(wrap),
        }
    }
}

impl FileSystem for Bucket {
    /// `directory` is the beginning of the names that are asked for, which the answer leaves out.
    fn directory_list(&self, directory: &Path, prefix: &str) -> Result<Vec<String>> {
        let beginning = directory.to_str().unwrap_or_default();
        let wrap = |error: std::io::Error| io(format_args!("{}: list", self.directory.display()), &error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(wrap)? {
            // A name that isn't UTF-8 is no object.
            let Ok(name) = entry.map_err(wrap)?.file_name().into_string() else { continue };
            if let Some(rest) = name.strip_prefix(beginning)
                && rest.starts_with(prefix)
            {
                names.push(rest.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> Result<bool> {
        let (bucket, cache) = self.paths(path)?;
        Ok(cache.is_some_and(|cache| cache.exists()) || bucket.exists())
    }

    fn open(&self, path: &Path, file_type: FileType, options: OpenOptions) -> Result<Arc<dyn FileHandle>> {
        let name = path.display();
        if !options.readonly || options.create {
            return Err(failure(ErrorCode::EINVAL, &format!("{name}: open: objects are read alone, and not created")));
        }
        if !matches!(file_type, FileType::Data | FileType::Checkpoint | FileType::Regular) {
            return Err(failure(ErrorCode::EINVAL, &format!("{name}: open: not a type of file that a bucket has")));
        }
        let (bucket, cache) = self.paths(path)?;
        let file = self.fetch(&bucket, cache, path)?.unwrap_or(bucket);
        let opened = File::open(&file).map_err(|error| io(format_args!("{name}: open"), &error))?;
        self.shared.faults.count();
        self.shared.say(|| format!("open {}", file.display()));
        Ok(Arc::new(Object { path: path.to_owned(), file: opened }))
    }

    fn remove(&self, path: &Path, durable: bool) -> Result<()> {
        let (bucket, cache) = self.paths(path)?;
        let wrap = |error: std::io::Error| io(format_args!("{}: remove", path.display()), &error);
        for file in [cache.as_ref(), Some(&bucket)].into_iter().flatten() {
            match fs::remove_file(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed.map_err(wrap)?,
            }
        }
        if durable { copy::sync_parent(&bucket).map_err(wrap) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, _: &Path, _: bool) -> Result<()> {
        Err(failure(ErrorCode::ENOTSUP, &format!("{}: rename: objects keep their names", from.display())))
    }

    fn size(&self, path: &Path) -> Result<u64> {
        let (bucket, cache) = self.paths(path)?;
        let file = cache.filter(|cache| cache.exists()).unwrap_or(bucket);
        let info = fs::metadata(file).map_err(|error| io(format_args!("{}: size", path.display()), &error))?;
        Ok(info.len())
    }
}

/// An object that is open.
struct Object {
    path: PathBuf,
    file: File,
}

impl Object {
    fn unsupported<T>(&self, what: &str) -> Result<T> {
        Err(failure(ErrorCode::ENOTSUP, &format!("{}: {what}: objects don't change", self.path.display())))
    }
}

impl FileHandle for Object {
    fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self, _: bool) -> Result<()> {
        Ok(())
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| {
            let what = format!("{}: read of {} bytes at offset {offset}", self.path.display(), buffer.len());
            match error.kind() {
                // A truncated object is damage.
                ErrorKind::UnexpectedEof => {
                    Error::corrupt(self.path.display().to_string(), offset, "the object ends here")
                }
                _ => io(what, &error),
            }
        })
    }

    fn write(&self, _: u64, _: &[u8]) -> Result<()> {
        self.unsupported("write")
    }

    fn size(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|error| io(format_args!("{}: size", self.path.display()), &error))?.len())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn truncate(&self, _: u64) -> Result<()> {
        self.unsupported("truncate")
    }
}

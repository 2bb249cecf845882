//! The core that connections, schema calls, checkpoints and verification share: open trees, the metadata, the clock of
//! checkpoints, and whether anything may still be written.
//!
//! Lock order: checkpoint lock, schema lock, metadata lock, then the maps of open trees. A cursor on a known object takes the maps' read
//! lock alone.
//!
//! Source: block specification, sections 11 to 17; schema specification, section 15.

use super::at_checkpoint::{CheckpointKey, Opening};
use super::catalog::{Catalog, Change};
use super::handle::{FileHandle, FileParts, InUse};
use super::open::source_in;
use super::table::{TableHandle, incomplete};
use super::transform::ObjectExtensions;
use super::{name, settings};
use crate::block::{BlockManager, KeyedEncryptor, ObjectsOpen, OpenMode};
use crate::btree::{Tree, TreeOpen};
use crate::cache::Cache;
use crate::config::added::AddedKeys;
use crate::event::{Category, Level, Messenger, Origin};
use crate::extensions::ExtensionTable;
use crate::metadata::write_gen::{ConnectionBase, TreeGenerations};
use crate::metadata::{Checkpoint, METADATA_URI, Turtle, checkpoints_of, current};
use crate::packing::Format;
use crate::plugin::file_system::FileSystem;
use crate::plugin::services::Services;
use crate::tiered::{TREE_PREFIX, Tiered, TieredTree};
use crate::txn::TxnGlobal;
use crate::{Error, ErrorCode, Result};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The history store's object.
pub(crate) const HISTORY_URI: &str = "file:WiredTigerHS.wt";

/// What a database is opened with.
pub(crate) struct DatabaseParts {
    pub(crate) home: PathBuf,
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) txns: Arc<TxnGlobal>,
    pub(crate) cache: Arc<Cache>,
    /// The named extensions that objects can ask for.
    pub(crate) extensions: Arc<ExtensionTable>,
    pub(crate) tiered: Arc<Tiered>,
    /// The connection's encryptor with its key.
    pub(crate) encryptor: Option<Arc<KeyedEncryptor>>,
    /// What extensions get from the connection.
    pub(crate) services: Arc<dyn Services>,
    pub(crate) readonly: bool,
    pub(crate) in_memory: bool,
}

/// What a look at the metadata's rows teaches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Learned {
    pub(crate) base_write_gen: ConnectionBase,
    /// The greatest file id.
    pub(crate) last_file_id: u64,
    /// The time of the last checkpoint of any file.
    pub(crate) last_time: u64,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const PANICKED: u8 = 2;

/// An open database.
pub(crate) struct Database {
    pub(crate) home: PathBuf,
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) txns: Arc<TxnGlobal>,
    pub(crate) cache: Arc<Cache>,
    /// The named extensions that objects can ask for.
    pub(crate) extensions: Arc<ExtensionTable>,
    /// The buckets of tiered tables, and the work on their objects.
    pub(crate) tiered: Arc<Tiered>,
    /// The connection's encryptor with its key.
    pub(crate) encryptor: Option<Arc<KeyedEncryptor>>,
    /// What extensions get from the connection; it knows the connection only weakly.
    pub(crate) services: Arc<dyn Services>,
    /// Keys that the application has added to methods.
    pub(crate) added_keys: AddedKeys,
    pub(crate) readonly: bool,
    pub(crate) in_memory: bool,
    pub(crate) catalog: Catalog,
    /// The value of the metadata table's own entry, as the turtle file on disk has it.
    pub(crate) turtle: Mutex<Turtle>,
    pub(crate) base_write_gen: ConnectionBase,
    /// Held by a checkpoint from beginning to end.
    pub(crate) checkpoint_lock: Mutex<()>,
    /// Held while the metadata table is written: by schema calls and by database checkpoints.
    pub(crate) metadata_lock: Mutex<()>,
    /// Held by schema calls, and by a checkpoint while it collects files.
    pub(crate) schema_lock: Mutex<()>,
    /// Open files by `file:` URI.
    files: RwLock<HashMap<Box<str>, Arc<FileHandle>>>,
    /// Open files by the URI of what they store: `table:` and `colgroup:`.
    objects: RwLock<HashMap<Box<str>, Arc<FileHandle>>>,
    /// Tables with named columns that were used.
    tables: RwLock<HashMap<Box<str>, Arc<TableHandle>>>,
    /// Read-only handles on checkpoints by file URI and checkpoint name.
    pub(super) checkpoints: Mutex<HashMap<CheckpointKey, Arc<FileHandle>>>,
    last_file_id: AtomicU64,
    /// The time of the last checkpoint: times strictly increase.
    last_checkpoint_time: AtomicU64,
    state: AtomicU8,
}

impl Database {
    /// Opens the metadata table that a turtle file names, with what an earlier look at it has taught.
    pub(crate) fn open(parts: DatabaseParts, turtle: Turtle, learned: Learned) -> Result<Self> {
        let checkpoints = checkpoints_of(&turtle.metadata, METADATA_URI)?;
        let mut base = learned.base_write_gen;
        base.observe(current(&checkpoints));
        let metadata_file = open_metadata_file(&parts, &turtle.metadata, current(&checkpoints), base)?;
        let catalog = Catalog::new(metadata_file, &parts.txns)?;
        Ok(Self {
            home: parts.home,
            fs: parts.fs,
            messenger: parts.messenger,
            txns: parts.txns,
            cache: parts.cache,
            extensions: parts.extensions,
            tiered: parts.tiered,
            encryptor: parts.encryptor,
            services: parts.services,
            added_keys: AddedKeys::default(),
            readonly: parts.readonly,
            in_memory: parts.in_memory,
            catalog,
            turtle: Mutex::new(turtle),
            base_write_gen: base,
            checkpoint_lock: Mutex::new(()),
            metadata_lock: Mutex::new(()),
            schema_lock: Mutex::new(()),
            files: RwLock::new(HashMap::new()),
            objects: RwLock::new(HashMap::new()),
            tables: RwLock::new(HashMap::new()),
            checkpoints: Mutex::new(HashMap::new()),
            last_file_id: AtomicU64::new(learned.last_file_id),
            last_checkpoint_time: AtomicU64::new(learned.last_time),
            state: AtomicU8::new(OPEN),
        })
    }

    /// Reads all rows of files: ids, write generations, times.
    pub(crate) fn learn(&self) -> Result<Learned> {
        let checkpoints = checkpoints_of(&self.turtle.lock().metadata, METADATA_URI)?;
        let mut learned = Learned { base_write_gen: self.base_write_gen, ..Learned::default() };
        learned.last_time = checkpoints.iter().map(|checkpoint| checkpoint.time).max().unwrap_or(0);
        let mut ids = HashMap::new();
        for (uri, value) in self.catalog.with_prefix("file:")? {
            if settings::is_tiered_object(&value) {
                let id = settings::file_id(&uri, &value)?;
                learned.last_file_id = learned.last_file_id.max(u64::from(id));
            }
        }
        for (uri, value) in self.catalog.trees()? {
            let id = settings::file_id(&uri, &value)?;
            if let Some(other) = ids.insert(id, uri.clone()) {
                let reason = format!("metadata corruption: files {other} and {uri} have the same file ID {id}");
                return Err(Error::corrupt(METADATA_URI, 0, reason));
            }
            learned.last_file_id = learned.last_file_id.max(u64::from(id));
            let checkpoints = checkpoints_of(&value, &uri)?;
            learned.base_write_gen.observe(current(&checkpoints));
            learned.last_time = checkpoints.iter().map(|checkpoint| checkpoint.time).fold(learned.last_time, u64::max);
        }
        Ok(learned)
    }

    /// Takes over what the metadata's rows have taught, after they were recovered.
    pub(crate) fn set_learned(&mut self, learned: Learned) {
        self.base_write_gen = learned.base_write_gen;
        *self.last_file_id.get_mut() = learned.last_file_id;
        *self.last_checkpoint_time.get_mut() = learned.last_time;
    }

    // ---- state

    /// Refuses calls on a connection that is closed or has panicked.
    #[inline]
    pub(crate) fn check_usable(&self) -> Result<()> {
        match self.state.load(Ordering::Relaxed) {
            OPEN => Ok(()),
            state => Err(unusable(state)),
        }
    }

    /// Whether the connection has panicked: nothing more is written.
    pub(crate) fn is_panicked(&self) -> bool {
        self.state.load(Ordering::Relaxed) == PANICKED
    }

    /// Panics the connection (not the process).
    pub(crate) fn set_panicked(&self) {
        if self.state.swap(PANICKED, Ordering::Relaxed) != PANICKED {
            self.messenger.error(Origin::default(), ErrorCode::PANIC.0, "the process must exit and restart");
        }
    }

    /// Closes the connection for calls. One that has panicked stays so.
    pub(crate) fn set_closed(&self) {
        let _ = self.state.compare_exchange(OPEN, CLOSED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether everything committed is durable.
    pub(crate) fn is_clean(&self) -> bool {
        !self.catalog.file.tree.is_dirty() && self.files.read().values().all(|file| !file.tree.is_dirty())
    }

    /// Cuts all files to their logical sizes.
    pub(crate) fn close_files(&self) -> Result<()> {
        let mut outcome = Ok(());
        for file in self.open_files() {
            outcome = outcome.and(file.block.close());
        }
        outcome.and(self.catalog.file.block.close())
    }

    /// Forgets all open files.
    pub(crate) fn forget_all(&self) {
        self.objects.write().clear();
        self.tables.write().clear();
        self.files.write().clear();
        self.checkpoints.lock().clear();
    }

    /// The time of a new checkpoint: the clock's seconds, later than any before.
    pub(crate) fn next_checkpoint_time(&self) -> u64 {
        let now = self.messenger.clock().now().as_secs();
        let last = self.last_checkpoint_time.load(Ordering::Relaxed);
        let time = now.max(last.saturating_add(1));
        self.last_checkpoint_time.store(time, Ordering::Relaxed);
        time
    }

    /// The id of a new file.
    pub(crate) fn next_file_id(&self) -> u64 {
        self.last_file_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    // ---- open files

    /// A use of a file; opens it if need be.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a missing file, `EBUSY` for one in exclusive use.
    pub(crate) fn open_file(&self, uri: &str) -> Result<InUse> {
        if let Some(file) = self.known(uri) {
            return file.use_shared();
        }
        // Two threads that want the same unknown file must not open it twice.
        let _schema = self.schema_lock.lock();
        self.open_file_locked(uri)?.use_shared()
    }

    /// The `file:` or `tiered:` URI behind one of these, `colgroup:`, `index:` or a table without named columns.
    pub(crate) fn source_of(&self, uri: &str) -> Result<String> {
        if is_tree(uri) {
            return Ok(uri.to_owned());
        }
        if let Some(table) = uri.strip_prefix("table:") {
            self.catalog.require(uri)?;
            return match self.source_of(&format!("colgroup:{table}")) {
                Err(Error::NotFound) => Err(incomplete(uri)),
                source => source,
            };
        }
        source_in(uri, &self.catalog.require(uri)?)
    }

    pub(super) fn known(&self, uri: &str) -> Option<Arc<FileHandle>> {
        let map = if is_tree(uri) { &self.files } else { &self.objects };
        map.read().get(uri).map(Arc::clone)
    }

    /// The handle of a table with named columns that was used before.
    pub(super) fn known_table(&self, uri: &str) -> Option<Arc<TableHandle>> {
        self.tables.read().get(uri).map(Arc::clone)
    }

    pub(super) fn remember(&self, uri: &str, file: &Arc<FileHandle>) {
        self.objects.write().insert(uri.into(), Arc::clone(file));
    }

    pub(super) fn remember_table(&self, table: &Arc<TableHandle>) {
        self.tables.write().insert(table.uri.as_str().into(), Arc::clone(table));
    }

    /// Forgets the handle of a table with named columns.
    pub(super) fn forget_table(&self, uri: &str) {
        self.tables.write().remove(uri);
    }

    /// The open handle of a file, if there is one.
    pub(crate) fn open_handle(&self, file_uri: &str) -> Option<Arc<FileHandle>> {
        self.files.read().get(file_uri).map(Arc::clone)
    }

    /// All open files.
    pub(crate) fn open_files(&self) -> Vec<Arc<FileHandle>> {
        let mut files: Vec<_> = self.files.read().values().map(Arc::clone).collect();
        files.sort_by(|one, other| one.uri.cmp(&other.uri));
        files
    }

    /// Opens a file of the metadata. The schema lock is held.
    pub(crate) fn open_file_locked(&self, uri: &str) -> Result<Arc<FileHandle>> {
        if let Some(file) = self.open_handle(uri) {
            return Ok(file);
        }
        let value = self.catalog.require(uri)?;
        let checkpoints = checkpoints_of(&value, uri)?;
        let opening = if self.readonly { self.read_only(uri, &value)? } else { Opening::live() };
        let file = self.open_at(uri, &value, current(&checkpoints), opening)?;
        self.files.write().insert(uri.into(), Arc::clone(&file));
        Ok(file)
    }

    pub(super) fn open_at(
        &self,
        uri: &str,
        value: &str,
        checkpoint: Option<&Checkpoint>,
        opening: Opening,
    ) -> Result<Arc<FileHandle>> {
        let (fs, txns, cache, base) = (&*self.fs, &self.txns, &self.cache, self.base_write_gen);
        let parts = OpenParts { fs, txns, cache, base, extensions: self.object_extensions() };
        let Some(name) = uri.strip_prefix(TREE_PREFIX) else {
            settings::refuse_tiered_object(uri, value)?;
            let path = name::file_path(&self.home, uri)?;
            return open_file(&parts, &path, uri, value, checkpoint, opening, None);
        };
        name::file_path(&self.home, name)?;
        let bucket = self.tiered.bucket_of_row(value)?;
        let tree = TieredTree::new(uri, value, bucket, &self.home, &self.fs)?;
        let path = tree.path(tree.state().last);
        open_file(&parts, &path, uri, value, checkpoint, opening, Some(tree))
    }

    /// What objects' configurations are resolved with.
    pub(crate) fn object_extensions(&self) -> ObjectExtensions<'_> {
        ObjectExtensions { table: &self.extensions, encryptor: self.encryptor.as_ref() }
    }

    /// Forgets a file and whatever led to it. Handles in use stay usable.
    pub(crate) fn forget(&self, file_uri: &str) {
        self.objects.write().retain(|_, file| file.uri != file_uri);
        self.files.write().remove(file_uri);
    }

    // ---- metadata

    /// Changes metadata rows and makes them durable: the end of a schema call.
    pub(crate) fn change_metadata(&self, changes: &[Change<'_>]) -> Result<()> {
        self.catalog.change(changes)?;
        if self.in_memory {
            return Ok(());
        }
        let durable = crate::checkpoint::sync_metadata(self);
        // The rows are committed in memory: what is on disk and what is shown would differ.
        durable.inspect_err(|_| self.set_panicked())
    }

    /// Writes the turtle file: the commit point of whatever the metadata table holds.
    pub(crate) fn write_turtle(&self, metadata: String) -> Result<()> {
        let mut turtle = self.turtle.lock();
        turtle.metadata = metadata;
        let written = Turtle::new(turtle.metadata.clone());
        written.write(&*self.fs, &self.home)
    }

    /// Reports a notice of the engine.
    pub(crate) fn notice(&self, origin: Origin<'_>, text: impl FnOnce() -> String) {
        self.messenger.message(origin, Category::Default, Level::Notice, text);
    }
}

/// Whether a URI names a tree by itself.
pub(super) fn is_tree(uri: &str) -> bool {
    uri.starts_with("file:") || uri.starts_with("tiered:")
}

#[cold]
fn unusable(state: u8) -> Error {
    if state == PANICKED {
        Error::panic("the connection has panicked")
    } else {
        Error::invalid("the connection is closed")
    }
}

/// What opening a file takes from the database.
struct OpenParts<'a> {
    fs: &'a dyn FileSystem,
    txns: &'a Arc<TxnGlobal>,
    cache: &'a Arc<Cache>,
    base: ConnectionBase,
    extensions: ObjectExtensions<'a>,
}

fn open_metadata_file(
    parts: &DatabaseParts,
    value: &str,
    checkpoint: Option<&Checkpoint>,
    base: ConnectionBase,
) -> Result<Arc<FileHandle>> {
    let path = parts.home.join("WiredTiger.wt");
    let mode = if parts.readonly { OpenMode::CheckpointReadOnly } else { OpenMode::Live };
    let opening = Opening { mode, ..Opening::live() };
    let extensions = ObjectExtensions { table: &parts.extensions, encryptor: parts.encryptor.as_ref() };
    let open = OpenParts { fs: &*parts.fs, txns: &parts.txns, cache: &parts.cache, base, extensions };
    open_file(&open, &path, METADATA_URI, value, checkpoint, opening, None)
}

/// Opens a B-tree file at a checkpoint (`None`: it has none).
fn open_file(
    parts: &OpenParts<'_>,
    path: &Path,
    uri: &str,
    value: &str,
    checkpoint: Option<&Checkpoint>,
    opening: Opening,
    tiered: Option<Arc<TieredTree>>,
) -> Result<Arc<FileHandle>> {
    let file = settings::FileSettings::parse(uri, value, parts.extensions)?;
    let Opening { mode, reason, windows, history } = opening;
    let generations = TreeGenerations::open(checkpoint, parts.base, reason);
    let name = uri.strip_prefix("file:").unwrap_or(uri);
    let cookie = checkpoint.map(|checkpoint| checkpoint.cookie.as_slice());
    let (block, root) = match &tiered {
        None => BlockManager::open(parts.fs, path, name, file.block, cookie, mode)?,
        Some(tree) => {
            let open = ObjectsOpen { source: Arc::clone(tree) as _, active: tree.state().last };
            BlockManager::open_objects(parts.fs, path, name, file.block, cookie, mode, open)?
        }
    };
    let base = match &tiered {
        None => crate::config::metadata::file_without_checkpoint(value)?,
        Some(_) => crate::config::metadata::tiered_without_checkpoint(value)?,
    };
    let tree = Tree::open(TreeOpen {
        name: uri.to_owned(),
        block: Arc::clone(&block),
        settings: file.tree,
        cache: Arc::clone(parts.cache),
        txns: Arc::clone(parts.txns),
        root,
        write_gen: generations.write_gen,
        base_write_gen: generations.base,
        windows,
    })?;
    Ok(FileHandle::new(FileParts {
        uri: uri.to_owned(),
        tree,
        block,
        tiered,
        key_format: Format::parse(&file.key_format)?,
        value_format: Format::parse(&file.value_format)?,
        base,
        run_write_gen: generations.run_write_gen,
        history,
    }))
}

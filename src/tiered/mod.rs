//! Tiered tables: trees whose finished parts are kept in the buckets of storage sources.
//!
//! A tiered tree is a growing sequence of numbered *objects* (see `block::objects`). The newest is written; a checkpoint
//! with `flush_tier` closes it and starts the next. The closed one is copied to a bucket in the background, and its local
//! copy is removed when `local_retention` has passed.
//!
//! The metadata has a row for the tree (`tiered:T`), one for the newest object and for each that waits to be copied
//! (`file:T-n.wtobj`), one for each closed object (`object:T-n.wtobj`), and one for the bucket (`tier:T`).
//!
//! Invariants, whatever fails or crashes:
//! 1. **An object is closed by the metadata commit that names the next one.** The closed object is synced before, so every
//!    block that any checkpoint references is durable locally, in one of the objects 1 to `last`.
//! 2. **An object is recorded as flushed (`flush_time` in its row, its `file:` row gone) only when its copy in the bucket is
//!    complete and durable**: the source's `flush` has returned and the copy's size is that of the local file.
//! 3. **A local copy is removed only after the commit of 2**, and after the bucket's copy has been opened.
//! 4. Each step may be repeated: a flush of an object that the bucket has already is a success; finishing it twice, or
//!    removing what is gone, changes nothing. What was under way when the connection closed or crashed is found in the rows
//!    by the first flush of the next connection.
//! 5. Numbers and names are never used twice, so an object in a bucket never changes.
//! 6. **A failure of a storage source never panics the connection**: it is reported, and tried again.
//!
//! What it does not do: put the log or the metadata files into a bucket (neither does WiredTiger); `shared` tables.
//!
//! - [`Tiered`]: a connection's storage: its settings, buckets, and queue of work.
//! - [`TieredTree`]: the objects of an open tree.
//! - `switch`: what a checkpoint with `flush_tier` does; `work`: what happens in the background; `remove`: dropping.
//!
//! Source: storage-source specification.

mod bucket;
mod name;
mod queue;
mod remove;
mod service;
mod settings;
mod switch;
mod tree;
mod work;

pub(crate) use bucket::Bucket;
pub(crate) use name::{TREE_PREFIX, object_name};
pub(crate) use remove::{objects_of, remove_objects};
pub(crate) use service::{TableStorage, Tiered, in_memory_error};
pub(crate) use settings::{IDENTITY_KEY, Settings};
pub(crate) use switch::{FlushRequest, Switch, begin_flush, finish_flush, plan_switches, refuse_named};
pub(crate) use tree::{TieredTree, tiers};
pub(crate) use work::{drain_removals, pass};

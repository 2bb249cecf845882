//! A sample data source: objects `kvs:NAME` in an embedded key/value store (redb), to be read as a model for one's own.
//!
//! Load it as `extensions=[kvs-sample]`. The store is the file `kvs.redb` in the subdirectory `KVS` of the database's home.
//! It is opened when the extension is loaded and closed when the connection closes.
//!
//! 1. What is written is seen by everybody at once and is durable with the next checkpoint of the database. Creating,
//!    dropping and renaming objects is durable at once. There are no transactions: a rollback undoes nothing.
//! 2. Keys are ordered as bytes, record numbers as numbers. Record numbers have 32 bits; larger ones are `ERANGE`.
//! 3. A bit field is one byte; a value that has more bits is `ERANGE`. Removing one sets it to 0, and the record stays.
//!    Inserting beyond the largest record doesn't create those between.
//! 4. Cursors are counted. While one is open on an object, `drop`, `rename`, `salvage`, `truncate` and `verify` of it are
//!    `EBUSY`, and while these run, opening a cursor is. Removing a range through cursors is not among them.
//! 5. A lock that a panic has left poisoned is `WT_PANIC`. What the store refuses is `WT_ERROR`, with its text.
//!
//! Options, in the entry's `config=`:
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `cache_size` | 16MB | memory for pages of the store |
//!
//! Keys of its own, for programs that add them with `configure_method` as [`METHOD_KEYS`] lists them:
//!
//! | method | key | default | meaning |
//! | --- | --- | --- | --- |
//! | `WT_SESSION.create` | `kvs_comment` | empty | a text that the object's metadata row keeps |
//! | `WT_SESSION.alter` | `kvs_comment` | | another text |
//! | `WT_SESSION.open_cursor` | `kvs_sync` | false | each change is durable by itself |
//!
//! Source: data-source specification, section 14.
#![forbid(unsafe_code)]

mod cursor;
mod object;
mod source;
mod store;

pub use object::MAX_RECORD_NUMBER;
pub use source::Kvs;

use hardwired_plugin::extension::Extension;
use std::sync::Arc;

/// The prefix of its objects.
pub const PREFIX: &str = "kvs:";

/// The subdirectory of the home that holds the store.
pub const DIRECTORY: &str = "KVS";

/// The arguments with which `configure_method` makes the source's own keys known: method, configuration, type, check.
pub const METHOD_KEYS: &[(&str, &str, &str, &str)] = &[
    ("WT_SESSION.create", "kvs_comment=", "string", ""),
    ("WT_SESSION.alter", "kvs_comment=", "string", ""),
    ("WT_SESSION.open_cursor", "kvs_sync=false", "boolean", ""),
];

hardwired_plugin::register_extension! {
    /// The sample; `kvs_bdb` is the name of the library that WiredTiger once had for the purpose.
    pub static EXTENSION: Extension =
        Extension::data_source("kvs-sample", hardwired_plugin::origin!(), PREFIX, |context| Ok(Arc::new(Kvs::new(context)?)))
            .with_library_names(&["kvs_bdb"]);
}

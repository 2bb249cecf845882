//! Named objects: the metadata that describes them, the files behind them, and the calls that create, alter and drop them.
//!
//! - [`Database`]: the open database that connections, checkpoints and verification share.
//! - [`Catalog`]: the metadata table.
//! - [`MetadataOperation`], [`CallServices`]: what an extension's callback inside a call may do.
//! - [`FileHandle`]: an open B-tree file and who uses it.
//!
//! Built are `file:` objects and simple tables (without named columns), as row stores. Everything else is refused with an
//! error that names it, and left as it is.
//!
//! Source: schema specification; block specification, sections 11 to 17.

mod alter;
mod catalog;
mod create;
mod database;
mod handle;
mod name;
mod operation;
mod settings;
mod view;

pub(crate) use catalog::{Catalog, Change};
pub(crate) use database::{Database, DatabaseParts, HISTORY_URI, Learned};
pub(crate) use handle::{FileHandle, InUse};
pub(crate) use name::file_path;
#[allow(unused_imports, reason = "the calls of data sources use all of them")]
pub(crate) use operation::{CallServices, CallingSession, MetadataOperation, NoTransaction, no_transaction};
pub(crate) use settings::FileSettings;

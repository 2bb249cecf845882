//! Named objects: the metadata that describes them, the files behind them, and the calls that create, alter and drop them.
//!
//! - [`Database`]: the open database that connections, checkpoints and verification share.
//! - [`Catalog`]: the metadata table.
//! - [`MetadataOperation`], [`CallServices`]: what an extension's callback inside a call may do.
//! - [`FileHandle`]: an open B-tree file and who uses it.
//!
//! - [`TableHandle`]: a table with named columns, its column groups and indices.
//! - [`Records`]: what column groups, indices and whole tables are read and changed through.
//!
//! Built are `file:` objects and tables, with and without named columns, as row stores. Everything else is refused with an
//! error that names it, and left as it is.
//!
//! Source: schema specification; block specification, sections 11 to 17.

mod alter;
mod at_checkpoint;
mod catalog;
mod columns;
mod create;
mod database;
mod fill;
mod handle;
mod index_rows;
mod name;
mod open;
mod operation;
mod parts;
mod projection;
mod records;
mod rows;
mod settings;
mod source;
mod source_records;
mod table;
mod transform;
mod users;
mod view;

pub(crate) use at_checkpoint::AtCheckpoint;
pub(crate) use catalog::{Catalog, Change};
pub(crate) use create::Refused;
pub(crate) use database::{Database, DatabaseParts, HISTORY_URI, Learned};
pub(crate) use handle::{FileHandle, InUse};
pub(crate) use index_rows::IndexRows;
pub(crate) use name::file_path;
pub(crate) use open::{At, NamedTable, OpenIndex, OpenIndices, OpenTable, object_and_projection};
pub(crate) use operation::{CallServices, CallingSession, MetadataOperation, NoTransaction, no_transaction};
pub(crate) use projection::Projection;
pub(crate) use records::Records;
pub(crate) use rows::TableRows;
pub(crate) use settings::{FileSettings, file_id};
pub(crate) use source::is_built_in;
pub(crate) use source_records::{SourceObject, or_reset, remove_records};
pub(crate) use table::TableInUse;

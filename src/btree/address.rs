//! What a parent page knows of a child on disk.

use crate::block::Address;
use crate::page::cell_write::AddressKind;
use crate::page::time_aggregate::{PageDelete, TimeAggregate};

/// A written child page: where it is, what kind its address cell has, and the time aggregate of what is below it.
#[derive(Debug, Clone)]
pub(crate) struct ChildAddress {
    /// A key not greater than any key below; empty for the leftmost.
    pub(crate) separator: Box<[u8]>,
    pub(crate) address: Address,
    pub(crate) kind: AddressKind,
    pub(crate) aggregate: TimeAggregate,
    /// The truncate that deleted the whole page, if one did.
    pub(crate) page_delete: Option<PageDelete>,
}

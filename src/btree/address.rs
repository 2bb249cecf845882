//! What a parent page knows of a child on disk.

use crate::page::address::Address;
use crate::page::cell::CellKind;
use crate::page::time_window::TimeAggregate;

/// A written child page: where it is, what kind its address cell has, and the time aggregate of what is below it.
#[derive(Debug, Clone)]
pub(crate) struct ChildAddress {
    /// A key not greater than any key below; empty for the leftmost.
    pub(crate) separator: Box<[u8]>,
    pub(crate) address: Address,
    pub(crate) kind: CellKind,
    pub(crate) aggregate: TimeAggregate,
}

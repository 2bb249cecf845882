//! The order of keys or record numbers over all pages of a tree.
//!
//! The walk meets separators and leaves in tree order; each is checked against the last one before it.

use super::{Compare, TreeKind};
use crate::page::verify_tree::{check_first_key, check_recno, check_separator};
use crate::{Error, Result};

/// How far the walk has come.
pub(super) struct Order<'a> {
    compare: &'a Compare<'a>,
    place: Place,
}

enum Place {
    Keys {
        /// The largest key or separator so far.
        last: Option<Vec<u8>>,
        is_separator: bool,
    },
    Records {
        /// The number after the last record; `None` behind a page that couldn't be read.
        next: Option<u64>,
        is_fixed: bool,
    },
}

impl<'a> Order<'a> {
    pub(super) fn new(kind: TreeKind, compare: &'a Compare<'a>) -> Self {
        let place = match kind {
            TreeKind::Row => Place::Keys { last: None, is_separator: false },
            TreeKind::ColumnVariable => Place::Records { next: Some(1), is_fixed: false },
            TreeKind::ColumnFixed { .. } => Place::Records { next: Some(1), is_fixed: true },
        };
        Self { compare, place }
    }

    /// The walk comes to a child behind a separator. Takes note of it even if it is out of order.
    pub(super) fn separator(&mut self, key: Vec<u8>) -> Result<()> {
        let Place::Keys { last, is_separator } = &mut self.place else { return Ok(()) };
        let before = last.replace(key);
        *is_separator = true;
        match (before, last) {
            (Some(before), Some(key)) => check_separator(key, &before, |a, b| (self.compare)(a, b)),
            _ => Ok(()),
        }
    }

    /// The walk comes to a row leaf.
    pub(super) fn leaf(&mut self, first_key: &[u8], last_key: Vec<u8>) -> Result<()> {
        let Place::Keys { last, is_separator } = &mut self.place else { return Ok(()) };
        let before = last.replace(last_key);
        let after_separator = std::mem::replace(is_separator, false);
        match before {
            Some(before) => check_first_key(first_key, &before, after_separator, |a, b| (self.compare)(a, b)),
            None => Ok(()),
        }
    }

    /// The walk comes to a child of a column store that begins with record `recno`.
    pub(super) fn child_at(&mut self, recno: u64) -> Result<()> {
        let Place::Records { next, is_fixed } = &mut self.place else { return Ok(()) };
        next.replace(recno).map_or(Ok(()), |expected| check_recno(recno, expected, *is_fixed))
    }

    /// The walk has passed `count` records of a column leaf.
    pub(super) fn records(&mut self, count: u64) -> Result<()> {
        let Place::Records { next: Some(next), .. } = &mut self.place else { return Ok(()) };
        let end = next.checked_add(count);
        *next = end.ok_or_else(|| Error::corrupt("", 0, format!("{count} records from record {next} on")))?;
        Ok(())
    }

    /// The walk leaves out the rest of a subtree.
    pub(super) fn skipped(&mut self) {
        if let Place::Records { next, .. } = &mut self.place {
            *next = None;
        }
    }
}

//! Pages of column stores: reading all of them, and packing what one page holds (format specification, sections 9.2 and
//! 10).
//!
//! [`internal`] pages hold addresses with record numbers, [`variable`] leaves runs of equal or deleted records, [`fixed`]
//! leaves a bitmap of small numbers and, where needed, an area of time windows.
//!
//! Invariants
//! 1. Record numbers start at 1; 0 is none.
//! 2. A record's number follows from the page's first one and the counts before it; a sum that overflows is corrupt.
//!
//! Not here: where pages are cut. Pages are written from the cells of one page.

pub mod fixed;
pub mod internal;
pub mod variable;

use hardwired_plugin::{Error, Result};

use super::header::{PageHeader, PageType};
use super::split::PAGE_SIZE_MAX;
use super::{HEADER_SIZE, corrupt, widen_u64};

/// Reads and checks the header of a page that must have this type; returns it with the page image.
fn open(block: &[u8], wanted: PageType) -> Result<(PageHeader, &[u8])> {
    let header = PageHeader::parse(block)?;
    if header.page_type != wanted {
        let reason = format!("a {} page where a {} page is wanted", header.page_type.name(), wanted.name());
        return Err(corrupt(24, reason));
    }
    Ok((header, header.image(block)?))
}

/// Makes an image for a page's content to be appended to.
pub fn start_page(image: &mut Vec<u8>) {
    image.clear();
    image.resize(HEADER_SIZE, 0);
}

/// Completes an image to which the content of a column-store page has been appended. Write generation and block header
/// are left 0.
///
/// # Errors
/// `EINVAL` if the page is too large.
pub fn finish_page(image: &mut [u8], page_type: PageType, recno: u64, entries: u32) -> Result<()> {
    let mem_size = u32::try_from(image.len()).ok().filter(|size| *size <= PAGE_SIZE_MAX);
    let mem_size = mem_size.ok_or_else(|| Error::invalid("requested block size is too large"))?;
    let flags = internal::flags_of(page_type);
    PageHeader { recno, flags, ..PageHeader::new(page_type, mem_size, entries) }.write(image)
}

/// The record number after `count` records from `recno` on.
fn advance_recno(recno: u64, count: u64, offset: usize) -> Result<u64> {
    recno.checked_add(count).ok_or_else(|| corrupt(offset, "record numbers that overflow"))
}

/// The number of cells missing at a page's end, as an error.
#[cold]
fn too_few_cells(end: usize, left: u32) -> Error {
    corrupt(end, format!("the page ends {left} cells before its header's count"))
}

/// One cell less to come.
fn count_cell(left: &mut u32, offset: usize) -> Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| corrupt(offset, "unexpected bytes of data after the last cell"))?;
    Ok(())
}

/// The number of bytes that `entries` values of `bits` bits take.
fn bitmap_len(entries: u32, bits: u8) -> u64 {
    u64::from(entries).saturating_mul(u64::from(bits)).div_ceil(8)
}

/// The length of a slice as the number a cell holds.
fn len_u64(bytes: &[u8]) -> u64 {
    widen_u64(bytes.len())
}

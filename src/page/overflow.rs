//! Overflow pages: one key or value too long for its leaf (format specification, section 8).
//!
//! Invariant: the page holds exactly `entries` raw bytes after its headers, and its version is 0.

use hardwired_plugin::{Error, Result};

use super::header::{PageHeader, PageType};
use super::split::PAGE_SIZE_MAX;
use super::{HEADER_SIZE, corrupt, widen};

/// The item on an overflow page.
///
/// # Errors
/// `Corrupt` if `block` holds another type of page, or the item's length and the page's size don't agree.
pub fn item(block: &[u8]) -> Result<&[u8]> {
    let header = PageHeader::parse(block)?;
    if header.page_type != PageType::Overflow {
        let reason = format!("a {} page where an overflow page is wanted", header.page_type.name());
        return Err(corrupt(24, reason));
    }
    let item = header.image(block)?.get(HEADER_SIZE..).unwrap_or_default();
    if item.len() != widen(header.entries) {
        let reason = format!("an overflow item of {} bytes on a page of {}", header.entries, header.mem_size);
        return Err(corrupt(20, reason));
    }
    Ok(item)
}

/// Replaces `image` by the page of an item; write generation and block header are left 0.
///
/// # Errors
/// `EINVAL` if the item is too large for a page.
pub fn write(item: &[u8], image: &mut Vec<u8>) -> Result<()> {
    let mem_size = item.len().checked_add(HEADER_SIZE).and_then(|size| u32::try_from(size).ok());
    let too_large = || Error::invalid(format!("requested block size is too large: an item of {} bytes", item.len()));
    let mem_size = mem_size.filter(|size| *size <= PAGE_SIZE_MAX).ok_or_else(too_large)?;
    let entries = u32::try_from(item.len()).map_err(|_| too_large())?;
    image.clear();
    image.resize(HEADER_SIZE, 0);
    image.extend_from_slice(item);
    PageHeader::new(PageType::Overflow, mem_size, entries).write(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::header::set_write_gen;
    use crate::page::test_data::{hex, number, vectors};

    #[test]
    fn the_vector_reads_and_is_written_byte_for_byte() {
        let file = vectors("btree-pages.json");
        let page = file["pages"].as_array().unwrap().iter().find(|page| page["header"]["type"] == "OVFL").unwrap();
        let expected = hex(&page["image"]);
        let item = item(&expected).unwrap();
        assert_eq!(item.len() as u64, number(&page["data_len"]));
        let mut image = vec![9; 3];
        write(item, &mut image).unwrap();
        set_write_gen(&mut image, number(&page["header"]["write_gen"])).unwrap();
        assert_eq!(image[..28], expected[..28]);
        assert_eq!(image[40..], expected[40..]);
    }

    #[test]
    fn lengths_must_agree() {
        let mut image = Vec::new();
        write(b"abc", &mut image).unwrap();
        assert_eq!(item(&image).unwrap(), b"abc");
        image[20] = 2;
        assert!(item(&image).is_err());
        image[20] = 4;
        assert!(item(&image).is_err());
        image[24] = 7;
        assert!(item(&image).is_err());
        assert!(item(&image[..30]).is_err());
    }
}

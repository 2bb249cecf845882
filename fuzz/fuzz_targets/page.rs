//! Pages: the input is a block. Whatever it holds, each reader gives something that lies within it, or an error; what a cell
//! holds survives being written again; and a page that verifies can be read to its end.
#![no_main]

use hardwired::page::address::Address;
use hardwired::page::cell::{Cell, CellTime, Cells};
use hardwired::page::column::{fixed::ColumnFixed, internal::ColumnInternal, variable::ColumnVariable};
use hardwired::page::header::{BlockHeader, PageFlags, PageHeader, PageType};
use hardwired::page::row_internal::RowInternal;
use hardwired::page::row_leaf::{RowLeaf, RowValue};
use hardwired::page::time_aggregate::TimeAggregate;
use hardwired::page::time_window::TimeWindow;
use hardwired::page::verify::{PageContext, verify_page};
use hardwired::page::{HEADER_SIZE, overflow, transform, verify_tree};

const ALLOCATION_SIZE: u32 = 512;
const FILE_SIZE: u64 = 1 << 20;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drop(BlockHeader::parse(data));
    drop(transform::plain_image(data));
    drop(transform::ciphertext(data));
    drop(transform::compressed_part(data));
    drop(verify_tree::has_overflow(data));
    let Ok(header) = PageHeader::parse(data) else { return };
    assert_eq!(&header.to_bytes()[..], &data[..header.to_bytes().len()], "a header is its bytes");
    drop(transform::decompressed_len(&header));
    cells(data, &header);
    let bits = header.unused % 8 + 1;
    let readable = read(data, &header, bits);
    for addresses in [None, Some((ALLOCATION_SIZE, FILE_SIZE))] {
        let verified = verify_page(data, &PageContext { addresses, bits, ..PageContext::default() });
        assert!(verified.is_err() || readable, "a page that verifies can be read to its end");
    }
});

fn cells(data: &[u8], header: &PageHeader) {
    let Ok(image) = header.image(data) else { return };
    let mut end = HEADER_SIZE;
    for cell in Cells::new(image, header.flags.has(PageFlags::FAST_TRUNCATE)) {
        let Ok(cell) = cell else { break };
        assert_eq!(cell.offset, end, "cells follow each other");
        assert!(cell.len > 0 && cell.end() <= image.len(), "a cell lies within its page");
        end = cell.end();
        look_into(&cell, image);
    }
}

fn look_into(cell: &Cell<'_>, image: &[u8]) {
    assert_eq!(cell.span().of(image).expect("data lies within the page"), cell.data);
    let mut packed = Vec::new();
    match cell.time {
        CellTime::Absent => {}
        CellTime::Window(window) => {
            drop(window.check());
            window.pack(&mut packed);
            assert_eq!(TimeWindow::unpack(&mut packed.as_slice()), Some(window));
        }
        CellTime::Aggregate(aggregate) => {
            drop(aggregate.check());
            aggregate.pack(&mut packed);
            assert_eq!(TimeAggregate::unpack(&mut packed.as_slice()), Some(aggregate));
        }
    }
    if let Ok(resolved) = cell.resolve_copy(image) {
        assert!(resolved.offset <= cell.offset, "a copy cell refers back");
    }
    if (cell.kind.is_address() || cell.kind.is_overflow())
        && let Ok(address) = Address::unpack(cell.data, ALLOCATION_SIZE)
        && let Ok(cookie) = address.to_cookie(ALLOCATION_SIZE)
    {
        assert_eq!(Address::unpack(&cookie, ALLOCATION_SIZE).expect("what was packed unpacks"), address);
    }
}

/// Whether the reader of the page's type reads it to its end.
fn read(data: &[u8], header: &PageHeader, bits: u8) -> bool {
    match header.page_type {
        PageType::RowLeaf => RowLeaf::open(data).is_ok_and(|page| rows(&page)),
        PageType::RowInternal => RowInternal::open(data).is_ok_and(|page| {
            let children = page.children().take_while(Result::is_ok).count();
            assert!(children <= page.children_max(), "no more children than were announced");
            RowInternal::parse(data).is_ok()
        }),
        PageType::ColumnFixed => ColumnFixed::open(data, bits).is_ok_and(|page| {
            let values = page.values().count();
            assert!(values as u64 <= u64::from(header.entries), "no more values than the header counts");
            page.windows().all(|window| window.is_ok())
        }),
        PageType::ColumnInternal => {
            ColumnInternal::open(data).is_ok_and(|page| page.children().all(|child| child.is_ok()))
        }
        PageType::ColumnVariable => ColumnVariable::open(data).is_ok_and(|page| {
            let runs = page.runs().take_while(Result::is_ok).count();
            assert!(runs <= page.runs_max(), "no more runs than were announced");
            page.runs().all(|run| run.is_ok())
        }),
        PageType::Overflow => overflow::item(data).is_ok(),
        PageType::BlockManager => true,
    }
}

/// Builds every key and looks at every value.
fn rows(page: &RowLeaf<'_>) -> bool {
    let mut key = Vec::new();
    let mut count = 0;
    for row in page.rows() {
        let Ok(row) = row else { return false };
        row.key.build(page.image(), &mut key).expect("a row that was read has a key that can be built");
        if let RowValue::Plain(span) | RowValue::Overflow(span) = row.value {
            span.of(page.image()).expect("a value lies within its page");
        }
        count += 1;
    }
    assert!(count <= page.rows_max(), "no more rows than were announced");
    true
}

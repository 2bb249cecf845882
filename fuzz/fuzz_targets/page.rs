//! Pages: the input is a block. Its headers and every cell decode to something within it or to an error; what a cell holds
//! (windows, aggregates, addresses) survives being written again.
#![no_main]

use hardwired::page::HEADER_SIZE;
use hardwired::page::address::Address;
use hardwired::page::cell::{Cell, CellTime, Cells};
use hardwired::page::header::{BlockHeader, PageFlags, PageHeader};
use hardwired::page::time_aggregate::TimeAggregate;
use hardwired::page::time_window::TimeWindow;

const ALLOCATION_SIZE: u32 = 512;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    drop(BlockHeader::parse(data));
    let Ok(header) = PageHeader::parse(data) else { return };
    assert_eq!(&header.to_bytes()[..], &data[..header.to_bytes().len()], "a header is its bytes");
    let Ok(image) = header.image(data) else { return };
    let mut end = HEADER_SIZE;
    for cell in Cells::new(image, header.flags.has(PageFlags::FAST_TRUNCATE)) {
        let Ok(cell) = cell else { break };
        assert_eq!(cell.offset, end, "cells follow each other");
        assert!(cell.len > 0 && cell.end() <= image.len(), "a cell lies within its page");
        end = cell.end();
        look_into(&cell, image);
    }
});

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

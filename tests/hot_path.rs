//! What every read goes through stays thin: once a cursor is warm, searching and stepping allocate nothing.
#![allow(unsafe_code, reason = "a counting allocator has to implement an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn warm_reads_allocate_nothing() {
    let home = tempfile::tempdir().unwrap();
    let connection = hardwired::wiredtiger_open(home.path(), None, "create").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:t", "key_format=S,value_format=u").unwrap();
    let mut cursor = session.open_cursor("table:t", "").unwrap();
    let keys: Vec<Vec<u8>> = (0..2_000).map(|number| format!("key{number:05}\0").into_bytes()).collect();
    for key in &keys {
        cursor.set_key_raw(key).unwrap();
        cursor.set_value_raw(&[7; 40]).unwrap();
        cursor.insert().unwrap();
    }
    let mut search_all = || {
        for key in &keys {
            cursor.set_key_raw(key).unwrap();
            assert!(cursor.search().unwrap());
            assert_eq!(cursor.get_value_raw().unwrap().len(), 40);
        }
    };
    search_all();
    assert_eq!(allocations(search_all), 0, "search outside a transaction");
    let mut scan = || {
        cursor.reset().unwrap();
        let mut count = 0;
        while cursor.next().unwrap() {
            count += cursor.get_key_raw().unwrap().len() / 9;
        }
        assert_eq!(count, keys.len());
    };
    scan();
    assert_eq!(allocations(scan), 0, "scan outside a transaction");
    session.begin_transaction("").unwrap();
    assert_eq!(
        allocations(|| {
            cursor.set_key("key00007").unwrap();
            assert!(cursor.search().unwrap());
        }),
        0,
        "typed key"
    );
    let mut missing = || {
        cursor.set_key_raw(b"nothing\0").unwrap();
        assert!(!cursor.search().unwrap());
    };
    missing();
    assert_eq!(allocations(missing), 0, "a missing record");
    session.rollback_transaction("").unwrap();
}

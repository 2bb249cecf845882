//! Memory stays within `cache_size`: a database many times as large as its cache is loaded, read and changed, and the
//! process's peak resident memory is looked at. The only test of its process, so that nothing else counts.
#![cfg(target_os = "linux")]

use hardwired::wiredtiger_open;

/// Peak resident memory of this process in megabytes.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_gigabyte_fits_through_a_cache_of_64_megabytes() {
    const ROWS: u64 = 1 << 20;
    let home = tempfile::tempdir().unwrap();
    let connection = wiredtiger_open(home.path(), None, "create,cache_size=64MB").unwrap();
    let session = connection.open_session("").unwrap();
    session.create("table:large", "key_format=Q,value_format=u").unwrap();
    let mut cursor = session.open_cursor("table:large", "").unwrap();
    let value = |row: u64, version: u8| {
        let mut value = vec![version; 1000];
        value[..8].copy_from_slice(&row.to_le_bytes());
        value
    };
    for row in 0..ROWS {
        cursor.put((row,), (value(row, 1),)).unwrap();
    }
    let loaded = peak_mb();
    // Spread over the whole table.
    for step in 0..20_000 {
        let row = step * 2_654_435_761 % ROWS;
        if step % 4 == 0 {
            cursor.put((row,), (value(row, 2),)).unwrap();
        }
        let (found,): (Vec<u8>,) = cursor.get((row,)).unwrap().unwrap();
        assert_eq!(found[..8], row.to_le_bytes());
    }
    drop(cursor);
    session.checkpoint("").unwrap();
    let mut cursor = session.open_cursor("table:large", "").unwrap();
    let mut rows = 0;
    while cursor.next().unwrap() {
        rows += 1;
    }
    assert_eq!(rows, ROWS);
    drop(cursor);
    drop(session);
    connection.close("").unwrap();
    let size = std::fs::metadata(home.path().join("large.wt")).unwrap().len() >> 20;
    let peak = peak_mb();
    println!("cache 64 MB, file {size} MB, peak resident memory {peak} MB ({loaded} MB after the load)");
    assert!(size > 1000, "{size}");
    assert!(peak < 64 + 40, "{peak} MB");
}

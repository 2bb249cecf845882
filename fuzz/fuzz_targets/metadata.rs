//! Metadata: the input is a turtle file, and each of its lines a metadata value. What parses is written in a form that stays
//! as it is.
#![no_main]

use std::path::Path;

use hardwired::metadata::{
    FileValue, TURTLE_FILE, Turtle, find_named, format_checkpoints, parse_checkpoints, parse_drops, system,
};
use hardwired::os::MemoryFileSystem;
use hardwired_plugin::file_system::{FileSystem, FileType, OpenOptions};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    turtle(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    for line in text.lines() {
        value(line);
    }
});

fn turtle(data: &[u8]) {
    let fs = MemoryFileSystem::new();
    let home = Path::new("home");
    let create = OpenOptions { create: true, ..OpenOptions::default() };
    let handle = fs.open(&home.join(TURTLE_FILE), FileType::Regular, create).expect("a file can be made in memory");
    handle.write(0, data).expect("memory can be written");
    drop(handle);
    let Ok(turtle) = Turtle::read(&fs, home) else { return };
    let turtle = turtle.expect("the file is there");
    drop(turtle.check_version());
    turtle.write(&fs, home).expect("memory can be written");
    let again = Turtle::read(&fs, home).expect("what was written can be read").expect("the file is there");
    assert_eq!(again.metadata, turtle.metadata);
}

fn value(line: &str) {
    if let Ok(value) = FileValue::parse(line, "file:f.wt") {
        // A text that names a key twice may lose a nested one when it is brought into form, so it may be refused then.
        let formatted = value.format();
        if let Ok(again) = FileValue::parse(&formatted, "file:f.wt") {
            assert_eq!(again.checkpoints, value.checkpoints, "{formatted}");
            assert_eq!(again.format(), formatted, "what was brought into form stays as it is");
        }
    }
    if let Ok(checkpoints) = parse_checkpoints(line, "file:f.wt") {
        let _ = find_named(&checkpoints, "WiredTigerCheckpoint");
        drop(parse_checkpoints(&format_checkpoints(&checkpoints), "file:f.wt"));
    }
    drop(parse_drops(line));
    drop(system::Timestamp::parse(line, "system:checkpoint"));
    drop(system::Snapshot::parse(line, "system:checkpoint_snapshot"));
    drop(system::parse_base_write_gen(line));
}

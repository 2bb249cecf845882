//! Compressors, encryptors and collators: hardwired's are linked in, the real engine loads its own.

use std::path::{Path, PathBuf};

use rstest::rstest;

use crate::oracle::{Database, Oracle};
use crate::program;

const SECRET: &str = "561c7e6a5691ac80ee07001b046607aedccaebc40f2d23a852a358582a3130ae";

/// An `extensions=[...]` that means the same to both engines: one takes the paths, the other the names in them.
fn extensions(names: &[&str]) -> String {
    let folder = std::env::var_os("HARDWIRED_ORACLE_EXTENSIONS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracle-extensions"), PathBuf::from);
    let paths = names.iter().map(|name| {
        let path = folder.join(format!("libwiredtiger_{name}.so"));
        assert!(path.exists(), "{} is missing: .ci/run interop builds it", path.display());
        path.display().to_string()
    });
    format!("extensions=[{}]", paths.collect::<Vec<_>>().join(","))
}

/// What a shape of `oracle.py` is opened with.
fn open(shape: &str) -> String {
    match shape {
        "compressed" => extensions(&["snappy", "lz4", "zlib", "zstd", "nop_compress"]),
        "collated" => extensions(&["reverse_collator", "revint_collator"]),
        "rotated" => extensions(&["rotn", "snappy"]) + ",encryption=(name=rotn,keyid=13)",
        "sealed" => format!("{},encryption=(name=sodium,secretkey={SECRET})", extensions(&["sodium", "zlib"])),
        _ => panic!("no shape {shape}"),
    }
}

/// Whether some file of the database holds the text, which all values of a kind repeat.
fn holds(home: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(home).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    entries.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[rstest]
fn what_the_real_engine_writes_hardwired_reads_and_changes(
    #[values("compressed", "collated", "rotated", "sealed")] shape: &str,
    #[values(0, 1)] seed: u64,
) {
    let home = tempfile::tempdir().unwrap();
    let open = open(shape);
    let database = Database { home: home.path(), open: &open };
    let expected = Oracle::write(database, shape, seed);
    program::assert_content(database, &expected, shape);
    program::verify(database, &expected);
    let changed = program::modify(database, expected, seed);
    Oracle::check(database).assert_equal(&changed, shape);
}

#[rstest]
fn what_hardwired_writes_the_real_engine_reads_and_changes(
    #[values("compressed", "collated", "rotated", "sealed")] shape: &str,
) {
    let open = open(shape);
    let source = tempfile::tempdir().unwrap();
    let expected = Oracle::write(Database { home: source.path(), open: &open }, shape, 0);
    let home = tempfile::tempdir().unwrap();
    let database = Database { home: home.path(), open: &open };
    program::load(database, &expected, &Oracle::configs(shape));
    program::assert_content(database, &expected, shape);
    Oracle::check(database).assert_equal(&expected, shape);
    for seed in 1..=2 {
        let changed = Oracle::modify(database, seed);
        program::assert_content(database, &changed, shape);
        program::verify(database, &changed);
        let changed = program::modify(database, changed, seed);
        Oracle::check(database).assert_equal(&changed, shape);
    }
}

/// Both engines transform: the same compressible values take much less room, and encrypted ones can't be found.
#[test]
fn both_engines_transform_what_they_write() {
    let sizes = |home: &Path, tables: [&str; 5]| {
        tables.map(|table| std::fs::metadata(home.join(format!("{table}.wt"))).unwrap().len())
    };
    let compressors = ["nop", "snappy", "lz4", "zlib", "zstd"];
    let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open_compressed = open("compressed");
    let content = Oracle::write(Database { home: theirs.path(), open: &open_compressed }, "compressed", 0);
    program::load(Database { home: ours.path(), open: &open_compressed }, &content, &Oracle::configs("compressed"));
    for home in [&theirs, &ours] {
        let [nop, compressed @ ..] = sizes(home.path(), compressors);
        for (name, size) in compressors[1..].iter().zip(compressed) {
            assert!(size * 3 < nop * 2, "{name}: {size} of {nop} bytes");
        }
    }
    assert!(holds(theirs.path(), "long long long long"), "tables of the compressor nop");
    for shape in ["rotated", "sealed"] {
        let (theirs, ours) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let open = open(shape);
        let content = Oracle::write(Database { home: theirs.path(), open: &open }, shape, 0);
        program::load(Database { home: ours.path(), open: &open }, &content, &Oracle::configs(shape));
        for home in [theirs, ours] {
            std::fs::remove_file(home.path().join("clear.wt")).unwrap();
            assert!(!holds(home.path(), "long long long long"), "{shape}");
        }
    }
}

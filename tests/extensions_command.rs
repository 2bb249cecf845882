//! `hardwired extensions`: a line for each extension of the program, in columns kind, name, origin, version, early-load.

use hardwired::extensions::linked;
use std::process::Command;

/// Where each column begins.
const COLUMNS: [usize; 5] = [0, 17, 34, 59, 70];

fn columns(line: &str) -> [&str; 5] {
    std::array::from_fn(|at| {
        let end = COLUMNS.get(at + 1).copied().unwrap_or(line.len());
        line[COLUMNS[at]..end].trim_end()
    })
}

#[test]
fn each_extension_is_a_line_of_five_columns() {
    let output = Command::new(env!("CARGO_BIN_EXE_hardwired")).arg("extensions").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<[&str; 5]> = text.lines().map(columns).collect();
    let version = env!("CARGO_PKG_VERSION");
    let expected: &[[&str; 5]] = &[
        ["kind", "name", "origin", "version", "early-load"],
        #[cfg(feature = "reverse")]
        ["collator", "reverse", "hardwired-reverse", version, "no"],
        #[cfg(feature = "revint")]
        ["collator", "revint", "hardwired-revint", version, "no"],
        #[cfg(feature = "lz4")]
        ["compressor", "lz4", "hardwired-lz4", version, "no"],
        #[cfg(feature = "nop")]
        ["compressor", "nop", "hardwired-nop", version, "no"],
        #[cfg(feature = "snappy")]
        ["compressor", "snappy", "hardwired-snappy", version, "no"],
        #[cfg(feature = "zlib")]
        ["compressor", "zlib", "hardwired-zlib", version, "no"],
        #[cfg(feature = "zstd")]
        ["compressor", "zstd", "hardwired-zstd", version, "no"],
        #[cfg(feature = "kvs-sample")]
        ["data source", "kvs-sample", "hardwired-kvs-sample", version, "no"],
        #[cfg(feature = "nop")]
        ["encryptor", "nop", "hardwired-nop", version, "no"],
        #[cfg(feature = "rotn")]
        ["encryptor", "rotn", "hardwired-rotn", version, "no"],
        #[cfg(feature = "sodium")]
        ["encryptor", "sodium", "hardwired-sodium", version, "no"],
        #[cfg(feature = "kek-mock")]
        ["key provider", "kek-mock", "hardwired-kek-mock", version, "yes"],
        #[cfg(feature = "dir-store")]
        ["storage source", "dir-store", "hardwired-dir-store", version, "no"],
    ];
    assert_eq!(rows, expected);
    // The program holds what this test holds: both are of one build.
    assert_eq!(rows.len(), linked(&[]).unwrap().len() + 1);
}

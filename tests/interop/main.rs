//! hardwired and the real engine on the same directories: what one writes, the other opens, verifies, reads and changes.
//!
//! The real engine runs in child processes (`oracle.py`), because it is a diagnostic build that aborts on some errors.
//! `HARDWIRED_ORACLE` names the Python interpreter that has it (default `python3`); without the engine these tests fail.
//! That is why `cargo test` leaves this target out (`test = false` in `Cargo.toml`) and `.ci/run interop` asks for it:
//!
//! `HARDWIRED_ORACLE_EXTENSIONS` names the directory of the real engine's extensions (default `target/oracle-extensions`): the
//! package has none of them built in, so they are built from its sources. Without them the tests in `transforms` fail.
//!
//! ```sh
//! apt-get install swig && pip install wiredtiger==11.3.1
//! cargo test --all-features --test interop
//! ```

#[path = "../corpus/support.rs"]
#[expect(dead_code, reason = "the parts about the corpus are for the other user of this module")]
mod support;

mod indices;
mod oracle;
mod program;
mod transforms;

use rstest::rstest;

use oracle::Oracle;

/// Shapes of `oracle.py`. A test checks that none is forgotten.
const SHAPES: &[&str] = &[
    "empty",
    "small",
    "binary-keys",
    "text",
    "integers",
    "large-values",
    "overflow",
    "prefix",
    "dictionary",
    "several-tables",
    "pages",
    "file-objects",
];

#[test]
fn every_shape_is_tested() {
    assert_eq!(Oracle::shapes(), SHAPES);
}

#[test]
fn the_real_engine_is_the_release_that_the_tests_are_about() {
    assert!(Oracle::version().starts_with("WiredTiger 11.3.1"), "{}", Oracle::version());
}

/// The seeds: 0 is written at one go; 1 is changed over several checkpoints, with updates, removes and inserts.
#[rstest]
fn what_the_real_engine_writes_hardwired_reads(#[values(0, 1)] seed: u64) {
    for shape in SHAPES {
        let home = tempfile::tempdir().unwrap();
        let expected = Oracle::write(home.path(), shape, seed);
        program::assert_content(home.path(), &expected, shape);
        program::verify(home.path(), &expected);
        // Closing has written metadata, so the real engine must still agree.
        Oracle::check(home.path()).assert_equal(&expected, shape);
    }
}

#[test]
fn what_hardwired_writes_the_real_engine_reads_and_changes() {
    for shape in SHAPES {
        let source = tempfile::tempdir().unwrap();
        let expected = Oracle::write(source.path(), shape, 0);
        let home = tempfile::tempdir().unwrap();
        program::load(home.path(), &expected, &Oracle::configs(shape));
        program::assert_content(home.path(), &expected, shape);
        Oracle::check(home.path()).assert_equal(&expected, shape);
        // To and fro: each finds what the other left.
        for seed in 1..=2 {
            let changed = Oracle::modify(home.path(), seed);
            program::assert_content(home.path(), &changed, shape);
            program::verify(home.path(), &changed);
            let changed = program::modify(home.path(), changed, seed);
            program::assert_content(home.path(), &changed, shape);
            Oracle::check(home.path()).assert_equal(&changed, shape);
        }
    }
}

/// A directory that the real engine made, changed by hardwired over several checkpoints.
#[rstest]
fn what_hardwired_changes_the_real_engine_reads(#[values(0, 1)] seed: u64) {
    for shape in SHAPES {
        let home = tempfile::tempdir().unwrap();
        let before = Oracle::write(home.path(), shape, seed);
        let after = program::modify(home.path(), before, seed);
        Oracle::check(home.path()).assert_equal(&after, shape);
    }
}

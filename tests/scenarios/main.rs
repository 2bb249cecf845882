//! Replays the scenarios that were recorded with the real library: every call's result, its error lines and the last error.
//!
//! A scenario that uses what isn't built is skipped as a whole, by name and with the reason; one call of that kind inside
//! a scenario must fail as not supported. An operation that the runner doesn't know fails the test. Text of errors is
//! compared word for word, save for the function names of the C code, which the vectors leave out anyway.

mod api;
mod txn;
mod world;

/// What a vector file's scenarios need that isn't built.
type Skips = &'static [(&'static str, &'static str)];

fn vectors(name: &str) -> serde_json::Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs all scenarios of a file, `run` being the runner of its format.
fn replay(file: &str, skips: Skips, run: impl Fn(&serde_json::Value)) {
    let vectors = vectors(file);
    let scenarios = vectors["scenarios"].as_array().unwrap();
    let mut unused: Vec<&str> = skips.iter().map(|(name, _)| *name).collect();
    let mut ran = 0;
    for scenario in scenarios {
        let name = scenario["name"].as_str().unwrap();
        if let Some((_, reason)) = skips.iter().find(|(skipped, _)| *skipped == name) {
            unused.retain(|skipped| *skipped != name);
            println!("{file}: {name}: skipped: {reason}");
            continue;
        }
        println!("{file}: {name}");
        run(scenario);
        ran += 1;
    }
    assert!(unused.is_empty(), "{file}: skips without a scenario: {unused:?}");
    assert!(ran > 0, "{file}: nothing ran");
}

#[test]
fn row_store_cursors() {
    replay(
        "api-cursor-row.json",
        &[("empty-key-panics", "a fault of the reference: a key that can't be set need not panic the connection")],
        api::run,
    );
}

#[test]
fn cursor_bounds() {
    replay("api-bounds.json", &[("column", "column stores"), ("truncate-bounds", "truncate")], api::run);
}

#[test]
fn schema() {
    replay(
        "api-schema.json",
        &[
            ("index-recno", "column stores"),
            ("truncate", "truncate"),
            ("verify-salvage-compact", "salvage and compact"),
        ],
        api::run,
    );
}

#[test]
fn more_schema() {
    replay("api-schema-extra.json", &[("fixed-width-truncation", "column stores")], api::run);
}

#[test]
fn sessions_and_transactions() {
    replay(
        "api-session-transaction.json",
        &[
            ("txn-misuse", "timestamps and prepared transactions"),
            ("txn-timestamps", "timestamps"),
            ("prepare-set-key", "prepared transactions"),
            ("prepare", "prepared transactions"),
            ("prepare-commit", "prepared transactions"),
            ("logged-table-prepare", "prepared transactions"),
            ("session-config", "reconfiguring the connection, and a fault of the reference: a close that panics"),
            ("rts-busy", "rollback to stable"),
            ("session-max", "the count of internal sessions differs"),
            ("checkpoint-api", "checkpoint(target) and internal checkpoints in cursors are release-specific"),
            ("in-memory", "in-memory databases"),
            ("readonly", "it opens a database made by other steps"),
        ],
        api::run,
    );
}

#[test]
fn isolation() {
    replay(
        "txn-isolation.json",
        &[
            ("isolation-read-uncommitted-modify", "modifications are stored as full values, so nothing conflicts"),
            ("illegal-calls", "timestamps and prepared transactions"),
            ("rollback-restores", "truncate"),
            ("ignore-prepare-readonly", "prepared transactions"),
        ],
        txn::run,
    );
}

#[test]
fn durability() {
    replay(
        "txn-durability.json",
        &[("logged-table-ignores-timestamps", "timestamps"), ("read-only", "timestamps and prepared transactions")],
        txn::run,
    );
}

/// Reasons why scenarios of timestamps are skipped.
const COMMIT: &str = "commit timestamps";
const PREPARED: &str = "prepared transactions";

#[test]
fn timestamps_of_the_connection() {
    replay(
        "txn-timestamps-global.json",
        &[("all-durable", COMMIT), ("last-checkpoint", "it compares write generations; see tests/timestamps.rs")],
        txn::run,
    );
}

#[test]
fn timestamps_of_transactions() {
    replay(
        "txn-timestamps-txn.json",
        &[
            ("commit-timestamp-rules", COMMIT),
            ("commit-timestamp-oldest-only", COMMIT),
            ("multiple-commit-timestamps", COMMIT),
            ("stable-passes-running-commit", COMMIT),
            ("durable-timestamp-rules", PREPARED),
            ("prepare-timestamp-rules", PREPARED),
            ("prepare-roundup", PREPARED),
            ("read-timestamp-refreshes-snapshot", COMMIT),
            ("timestamp-uint", COMMIT),
            ("write-conflict-with-read-timestamp", COMMIT),
            ("write-timestamp-usage-ordered", COMMIT),
            ("write-timestamp-usage-never", COMMIT),
            ("write-timestamp-usage-always", COMMIT),
            ("write-timestamp-usage-key_consistent", COMMIT),
            ("write-timestamp-usage-mixed_mode", COMMIT),
            ("write-timestamp-usage-none", COMMIT),
            ("assert-read-timestamp", COMMIT),
            ("durable-timestamp-happy", PREPARED),
            ("prepared-commit-needs-both", PREPARED),
            ("timestamp-uint-happy", COMMIT),
        ],
        txn::run,
    );
}

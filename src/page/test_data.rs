//! Reading the vectors of `tests/data/vectors` in unit tests.

use serde_json::Value;

use super::time_aggregate::TimeAggregate;
use super::time_window::TimeWindow;

pub(crate) fn vectors(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Decodes a JSON string of hexadecimal digits.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A number that JSON holds as a number or, above 53 bits, as a string.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

pub(crate) fn number_u32(value: &Value) -> u32 {
    number(value).try_into().unwrap()
}

pub(crate) fn window(value: &Value) -> TimeWindow {
    TimeWindow {
        durable_start_ts: number(&value["durable_start_ts"]),
        start_ts: number(&value["start_ts"]),
        start_txn: number(&value["start_txn"]),
        durable_stop_ts: number(&value["durable_stop_ts"]),
        stop_ts: number(&value["stop_ts"]),
        stop_txn: number(&value["stop_txn"]),
        prepare: number(&value["prepare"]) != 0,
    }
}

pub(crate) fn aggregate(value: &Value) -> TimeAggregate {
    TimeAggregate {
        newest_start_durable_ts: number(&value["newest_start_durable_ts"]),
        newest_stop_durable_ts: number(&value["newest_stop_durable_ts"]),
        oldest_start_ts: number(&value["oldest_start_ts"]),
        newest_txn: number(&value["newest_txn"]),
        newest_stop_ts: number(&value["newest_stop_ts"]),
        newest_stop_txn: number(&value["newest_stop_txn"]),
        prepare: number(&value["prepare"]) != 0,
    }
}

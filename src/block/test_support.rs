//! What the tests of this module share.

use super::Address;
use serde_json::Value;

/// The parsed test-vector file of that name.
pub(crate) fn vectors(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Bytes from hexadecimal.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// An address as the vectors write it; null for none.
pub(crate) fn address_of(value: &Value) -> Option<Address> {
    (!value.is_null()).then(|| Address {
        offset: value["offset"].as_u64().unwrap(),
        size: value["size"].as_u64().unwrap() as u32,
        checksum: value["checksum"].as_u64().unwrap() as u32,
        object_id: 0,
    })
}

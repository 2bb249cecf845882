//! Conformance kits: what every extension of a kind must do, to be run by its author's tests.
//!
//! A kit panics at the first thing that is not as it must be, and says what: it belongs into a `#[test]`.

pub mod storage_source;

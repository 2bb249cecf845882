//! What the engine relies on in a collator.

use acme_caseless::Caseless;
use hardwired_plugin::conformance::check_collator;

#[test]
fn it_keeps_the_promises_of_a_collator() {
    let keys: [&[u8]; 8] = [b"", b"a", b"A", b"aB", b"Ab", b"b", b"B\0", b"\xff"];
    check_collator(&Caseless::default(), &keys);
    check_collator(&Caseless { reverse: true }, &keys);
}

//! The conformance kit, and the order of any keys.

use hardwired_plugin::collator::Collator;
use hardwired_plugin::conformance::check_collator;
use hardwired_reverse::Reverse;
use proptest::prelude::*;

#[test]
fn it_keeps_the_promises_of_a_collator() {
    check_collator(&Reverse, &[b"", b"\0", b"a", b"a\0", b"aa", b"ab", b"b", b"\xff", b"\xff\0"]);
}

proptest! {
    #[test]
    fn the_order_is_that_of_bytes_turned_around(left: Vec<u8>, right: Vec<u8>) {
        prop_assert_eq!(Reverse.compare(&left, &right).unwrap(), left.cmp(&right).reverse());
    }
}

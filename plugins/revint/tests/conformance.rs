//! The conformance kit, and the order of any keys.

use hardwired_plugin::ErrorCode;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::conformance::check_collator;
use hardwired_revint::Revint;
use proptest::prelude::*;
use std::cmp::Ordering;

/// Keys that begin with each form of packed integers, alone and with a second one.
fn keys() -> Vec<Vec<u8>> {
    let numbers: [&[u8]; 8] =
        [&[0x10, 0x80, 0, 0, 0, 0, 0, 0, 0], &[0x20, 5], &[0x40], &[0x7f], &[0x80], &[0x81], &[0xc0, 0], &[0xe2, 1, 0]];
    let pairs = numbers.iter().flat_map(|first| numbers.iter().map(|second| [*first, *second].concat()));
    numbers.iter().map(|number| number.to_vec()).chain(pairs).collect()
}

#[test]
fn it_keeps_the_promises_of_a_collator() {
    let keys = keys();
    // A key whose second integer is the smallest one equals the key without it; leave those out.
    let smallest = [0x10, 0x80, 0, 0, 0, 0, 0, 0, 0];
    let keys: Vec<&[u8]> =
        keys.iter().filter(|key| key.len() == 9 || !key.ends_with(&smallest)).map(Vec::as_slice).collect();
    check_collator(&Revint, &keys);
}

#[test]
fn greater_values_first_then_ascending_keys_and_partial_keys_before_all() {
    let (seven, seven_two, seven_five, minus) = (&[0x87][..], &[0x87, 0x82][..], &[0x87, 0x85][..], &[0x7d, 0x80][..]);
    for pair in [seven, seven_two, seven_five, minus].windows(2) {
        assert_eq!(Revint.compare(pair[0], pair[1]).unwrap(), Ordering::Less, "{pair:?}");
    }
}

#[test]
fn a_key_without_an_integer_is_an_error() {
    for (left, right) in [(&b""[..], &[0x80][..]), (&[0x80], b"\0"), (&[0xe8, 1], &[0x80])] {
        assert_eq!(Revint.compare(left, right).unwrap_err().code(), ErrorCode::EINVAL);
    }
}

proptest! {
    #[test]
    fn any_keys_are_safe(left: Vec<u8>, right: Vec<u8>) {
        let _ = Revint.compare(&left, &right);
    }
}

//! What the engine relies on in a collator.

use super::THREADS;
use crate::collator::Collator;
use std::cmp::Ordering;

/// Checks that a collator is a total order on these keys (packed, as the engine gives them; a few dozen of all sorts, with
/// some that are each other's prefix): each equals itself, no two contradict each other, no three do; and that several
/// threads at once get the same answers.
///
/// # Panics
/// If that doesn't hold, or a comparison fails.
///
/// ```
/// # use hardwired_plugin::collator::Collator;
/// # use hardwired_plugin::Result;
/// # use std::cmp::Ordering;
/// /// Shorter keys first.
/// struct ByLength;
///
/// impl Collator for ByLength {
///     fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
///         Ok(left.len().cmp(&right.len()).then_with(|| left.cmp(right)))
///     }
/// }
///
/// hardwired_plugin::conformance::check_collator(&ByLength, &[b"a", b"b", b"ab", b"zz", b"\xff\0", b"abc"]);
/// ```
pub fn check_collator(collator: &dyn Collator, keys: &[&[u8]]) {
    assert!(keys.len() > 2, "an order can't be seen in {} keys", keys.len());
    let compare = |left: &[u8], right: &[u8]| match collator.compare(left, right) {
        Ok(order) => order,
        Err(error) => panic!("{left:?} and {right:?} can't be compared: {error}"),
    };
    let table: Vec<Vec<Ordering>> =
        keys.iter().map(|left| keys.iter().map(|right| compare(left, right)).collect()).collect();
    for (i, left) in keys.iter().enumerate() {
        assert_eq!(table[i][i], Ordering::Equal, "{left:?} doesn't equal itself");
        for (j, right) in keys.iter().enumerate() {
            assert_eq!(table[i][j], table[j][i].reverse(), "{left:?} and {right:?} contradict each other");
            for (k, third) in keys.iter().enumerate() {
                if table[i][j] != Ordering::Greater && table[j][k] != Ordering::Greater {
                    let holds = table[i][k] != Ordering::Greater
                        && (table[i][k] != Ordering::Equal || table[i][j] == Ordering::Equal);
                    assert!(holds, "{left:?}, {right:?}, {third:?} have no order");
                }
            }
        }
    }
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for (left, orders) in keys.iter().zip(&table) {
                    for (right, order) in keys.iter().zip(orders) {
                        assert_eq!(compare(left, right), *order, "another thread gets another answer");
                    }
                }
            });
        }
    });
}

use super::*;
use crate::sync::model::check;
use loom::sync::Arc;
use loom::thread;

const KEYS: [&[u8]; 5] = [b"a1", b"a2", b"a3", b"a4", b"b"];

/// Word `n` stands for `KEYS[n - 1]`.
fn key_of(word: u64) -> &'static [u8] {
    KEYS[word as usize - 1]
}

fn filled(capacity: usize, links: bool, words: &[u64]) -> Arc<Slots> {
    let slots = Slots::with_capacity(capacity, links);
    for (index, word) in words.iter().enumerate() {
        let link = links.then_some(100 + word);
        assert!(slots.insert(index, key_of(*word), *word, link).is_none());
    }
    Arc::new(slots)
}

/// Whatever `write` does, a reader that looks for each of `words` finds it.
fn always_found(capacity: usize, words: &'static [u64], stay: &'static [u64], write: fn(&Slots) -> Option<OldArray>) {
    loom::model(move || {
        let slots = filled(capacity, false, words);
        let reader = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                for word in stay {
                    assert_eq!(slots.search(key_of(*word), 0, key_of).word, *word);
                }
            })
        };
        let old = write(&slots);
        reader.join().unwrap();
        drop(old);
    });
}

#[test]
fn an_insert_before_a_key_never_hides_it() {
    always_found(2, &[2], &[2], |slots| slots.insert(0, KEYS[0], 1, None));
}

#[test]
fn an_insert_into_a_larger_array_never_hides_a_key() {
    always_found(1, &[2], &[2], |slots| slots.insert(0, KEYS[0], 1, None));
}

#[test]
fn a_removal_before_a_key_never_hides_it() {
    always_found(2, &[1, 2], &[2], |slots| {
        slots.remove(0);
        None
    });
}

#[test]
fn another_shared_prefix_never_hides_a_key() {
    always_found(2, &[1, 2], &[2], |slots| {
        slots.set_prefix(b"a", 0, key_of);
        None
    });
}

/// A position is good for as long as the sequence number stays: what is read at it is the key that was found there.
#[test]
fn a_validated_position_is_that_of_the_key() {
    loom::model(|| {
        let slots = filled(3, false, &[1, 3]);
        let reader = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                let found = slots.search(KEYS[2], 0, key_of);
                let word = slots.word(found.index);
                if slots.validate(found.sequence) {
                    assert_eq!(word, 3);
                }
            })
        };
        assert!(slots.insert(1, KEYS[1], 2, None).is_none());
        reader.join().unwrap();
    });
}

/// A child is replaced by two: a descent gets the old link, or the one of the two that covers its key; and the new
/// right one can't be found by somebody who then finds the old link for a key of the left one.
#[test]
fn a_child_is_replaced_by_two_in_one_step() {
    check(2, || {
        let slots = filled(4, true, &[1, 4]);
        let reader = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                let right = slots.descend(KEYS[2], false, key_of);
                let left = slots.descend(KEYS[0], false, key_of);
                match right.link {
                    101 => assert!([101, 201].contains(&left.link), "{left:?}"),
                    202 => assert_eq!((right.word, left.link, left.next), (2, 201, 2)),
                    link => panic!("link {link}"),
                }
                assert_eq!(slots.descend(KEYS[3], false, key_of).link, 104);
            })
        };
        assert!(slots.replace(0, 201, &[(KEYS[1], 2, 202)]).is_none());
        reader.join().unwrap();
    });
}

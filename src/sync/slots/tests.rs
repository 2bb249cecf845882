use super::*;

/// Keys by word: word `n` stands for `KEYS[n - 1]`.
const KEYS: [&[u8]; 7] =
    [b"app", b"apple", b"applesauce", b"apples\0\0", b"application-form", b"application-format", b"apply"];

fn key_of(word: u64) -> &'static [u8] {
    KEYS[word as usize - 1]
}

fn filled(order: &[usize], prefix: &[u8]) -> (Slots, Vec<OldArray>) {
    let slots = Slots::with_capacity(2, false);
    slots.set_prefix(prefix, 0, key_of);
    let mut old = Vec::new();
    for index in order {
        let found = slots.search(KEYS[*index], 0, key_of);
        assert_eq!(found.word, 0);
        old.extend(slots.insert(found.index, KEYS[*index], *index as u64 + 1, None));
    }
    (slots, old)
}

#[rstest::rstest]
#[case::no_prefix(b"")]
#[case::shared(b"ap")]
#[case::shared_whole_key(b"app")]
fn every_key_is_found_where_it_sorts(#[case] prefix: &[u8]) {
    let mut sorted: Vec<&[u8]> = KEYS.to_vec();
    sorted.sort();
    let (slots, _old) = filled(&[3, 0, 6, 2, 5, 1, 4], prefix);
    assert_eq!(slots.len(), 7);
    for (index, key) in sorted.iter().enumerate() {
        let found = slots.search(key, 0, key_of);
        assert_eq!((found.index, key_of(found.word)), (index, *key));
    }
    for (key, index) in [(&b"a"[..], 0), (b"", 0), (b"apple\0", 2), (b"b", 7), (b"applf", 4), (b"apq", 7)] {
        let found = slots.search(key, 0, key_of);
        assert_eq!((found.index, found.word), (index, 0), "{key:?}");
    }
    slots.set_prefix(b"", 0, key_of);
    assert_eq!(slots.search(b"apply", 0, key_of).index, 6);
    slots.remove(0);
    assert_eq!(slots.search(b"apply", 0, key_of).index, 5);
    assert_eq!(slots.search(b"app", 0, key_of), Found { index: 0, word: 0, sequence: slots.sequence() });
}

/// Heads that are spread evenly, crowded at one end, crowded at both, and all equal: every key is found, and every gap.
#[rstest::rstest]
#[case::even(|n| (n as u64 * 1_000).to_be_bytes().to_vec())]
#[case::growing(|n| 1_u64.unbounded_shl(n as u32 / 4).wrapping_add(n as u64).to_be_bytes().to_vec())]
#[case::shrinking(|n: usize| (u64::MAX - 1_000 - (1_u64 << 60 >> (n / 4)) + n as u64).to_be_bytes().to_vec())]
#[case::one_far_away(|n| (if n == 199 { u64::MAX } else { n as u64 }).to_be_bytes().to_vec())]
#[case::equal_heads(|n| format!("{:a>40}{n:04}", "").into_bytes())]
#[case::unequal_lengths(|n| vec![b'a' + (n / 40) as u8; 1 + n % 40])]
fn searches_end_at_the_key_on_any_distribution(#[case] key: fn(usize) -> Vec<u8>) {
    // Under Miri fewer: it takes seconds for each hundred searches.
    let tried = if cfg!(miri) { 24 } else { 200 };
    let mut keys: Vec<Vec<u8>> = (200 - tried..200).map(key).collect();
    keys.sort();
    keys.dedup();
    assert!(keys.len() > tried * 3 / 4, "{}", keys.len());
    let keys: Vec<Vec<u8>> = keys.into_iter().flat_map(|key| [key.clone(), [&key[..], &[0]].concat()]).collect();
    let mut present: Vec<&[u8]> = keys.iter().step_by(2).map(|key| &key[..]).collect();
    present.sort_unstable();
    let key_of = |word: u64| present[word as usize - 1];
    let words: Vec<u64> = (1..=present.len() as u64).collect();
    let filled = Slots::with_capacity(present.len(), false);
    filled.fill(&words, key_of);
    let grown = Slots::with_capacity(1, false);
    let mut old = Vec::new();
    for step in 0..present.len() {
        let index = step * 83 % present.len();
        let found = grown.search(present[index], 0, key_of);
        if found.word == 0 {
            old.extend(grown.insert(found.index, present[index], index as u64 + 1, None));
        }
    }
    for slots in [&filled, &grown] {
        assert_eq!(slots.len(), present.len());
        for key in &keys {
            let found = slots.search(key, 0, key_of);
            match present.binary_search(&&key[..]) {
                Ok(index) => assert_eq!((found.index, found.word), (index, index as u64 + 1)),
                Err(index) => assert_eq!((found.index, found.word), (index, 0)),
            }
        }
    }
}

#[test]
fn descending_takes_the_last_key_not_greater() {
    let slots = Slots::with_capacity(2, true);
    let mut old = Vec::new();
    for (index, key) in [b"".as_slice(), b"f", b"m"].iter().enumerate() {
        old.extend(slots.insert(index, key, index as u64 + 10, Some(index as u64 + 100)));
    }
    let key_of = |word| [b"".as_slice(), b"f", b"m"][word as usize - 10];
    assert_eq!(slots.descend(b"", false, key_of), Descent { index: 0, link: 100, word: 10, next: 11 });
    assert_eq!(slots.descend(b"f", false, key_of), Descent { index: 1, link: 101, word: 11, next: 12 });
    assert_eq!(slots.descend(b"f", true, key_of), Descent { index: 0, link: 100, word: 10, next: 11 });
    assert_eq!(slots.descend(b"z", false, key_of), Descent { index: 2, link: 102, word: 12, next: 0 });
}

#[test]
fn a_reader_beside_a_writer_always_finds_what_stays() {
    let rounds = if cfg!(miri) { 5 } else { 3_000 };
    let (slots, old) = filled(&[3], b"");
    let old = std::sync::Mutex::new(old);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..rounds {
                for index in [0, 1, 2, 4, 5, 6] {
                    let at = slots.search(KEYS[index], 0, key_of).index;
                    old.lock().unwrap().extend(slots.insert(at, KEYS[index], index as u64 + 1, None));
                }
                if round % 7 == 0 {
                    slots.set_prefix(if round % 2 == 0 { b"app" } else { b"" }, 0, key_of);
                }
                for index in [0, 1, 2, 4, 5, 6] {
                    slots.remove(slots.search(KEYS[index], 0, key_of).index);
                }
            }
        });
        scope.spawn(|| {
            for _ in 0..rounds * 10 {
                assert_eq!(slots.search(KEYS[3], 0, key_of).word, 4);
            }
        });
    });
}

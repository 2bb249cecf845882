//! Configuration strings: whatever the text, iteration ends, every item lies in the text, and look-ups agree with it.
#![no_main]

use hardwired_plugin::config::{ConfigParser, Item, ItemKind, lookup};

/// Deeper nesting is legal; the parser is iterative, so the walk of this target is the limit.
const MAX_DEPTH: usize = 64;
/// Look-ups per nesting level: each reads the whole text.
const MAX_LOOKUPS: usize = 8;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = ConfigParser::text_of(data) else { return };
    let mut open = vec![(ConfigParser::new(text), 0)];
    while let Some((parser, depth)) = open.pop() {
        let inner = parser.text();
        for (number, item) in parser.enumerate() {
            let Ok((key, value)) = item else { break };
            for part in [&key, &value] {
                assert!(part.source().len() <= inner.len(), "an item lies in its text");
            }
            typed(&value);
            // A look-up finds identifiers and strings only, and takes a name that holds dots for a path.
            if number < MAX_LOOKUPS
                && matches!(key.kind(), ItemKind::Id | ItemKind::String)
                && !key.text().contains('.')
            {
                // An error later in the text fails the look-up too.
                if let Ok(found) = lookup(inner, key.text()) {
                    assert!(found.is_some(), "{:?} is in {inner:?}", key.text());
                }
            }
            if depth < MAX_DEPTH {
                open.push((value.items(), depth + 1));
            }
        }
    }
});

fn typed(item: &Item<'_>) {
    let _ = (item.as_bool(), item.as_i64(), item.as_u64(), item.truth(), item.number(), item.name(), item.kind());
}

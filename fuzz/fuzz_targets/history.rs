//! History-store records and packed modifications: what unpacks packs to a record that unpacks to the same, and applying
//! modifications never makes a value larger than allowed.
#![no_main]

use hardwired::page::history::{HistoryKey, HistoryValue};
use hardwired::page::modify::{Modification, Modifications, ModifyFormat, pack};

const VALUE_MAX: usize = 1 << 16;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut packed = Vec::new();
    if let Ok(key) = HistoryKey::unpack(data) {
        key.pack(&mut packed);
        assert_eq!(HistoryKey::unpack(&packed).expect("what was packed unpacks"), key);
    }
    if let Ok(value) = HistoryValue::unpack(data) {
        packed.clear();
        value.pack(&mut packed);
        assert_eq!(HistoryValue::unpack(&packed).expect("what was packed unpacks"), value);
    }
    let Ok(modifications) = Modifications::parse(data) else { return };
    let entries: Vec<Modification<'_>> = modifications.collect();
    assert_eq!(entries.len() as u64, modifications.len());
    packed.clear();
    pack(&entries, &mut packed);
    assert_eq!(packed, data, "a list of modifications is its bytes");
    for format in [ModifyFormat::Raw, ModifyFormat::String] {
        let mut value = b"0123456789abcdef\0".to_vec();
        if modifications.apply(&mut value, format, VALUE_MAX).is_ok() {
            assert!(value.len() <= VALUE_MAX + 1, "a value stays within its limit");
        }
    }
});

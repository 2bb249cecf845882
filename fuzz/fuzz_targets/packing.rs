//! Packing: the input is a format, a NUL, and bytes of a row. What unpacks packs again, to bytes that unpack to the same.
#![no_main]

use hardwired::packing::{Format, int, pack, unpack};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    integers(data);
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let (Some(format), Some(row)) = (parts.next(), parts.next()) else { return };
    let Ok(format) = std::str::from_utf8(format) else { return };
    let Ok(format) = Format::parse(format) else { return };
    let Ok(values) = unpack(&format, row) else { return };
    // Rows of a foreign file may hold what no packer writes (a counted string with bytes behind its NUL): packing may
    // refuse those, but what it makes is stable.
    let Ok(packed) = pack(&format, &values) else { return };
    let again = unpack(&format, &packed).expect("what was packed unpacks");
    assert_eq!(again, values, "{:?}", format.text());
    assert_eq!(pack(&format, &again).expect("what was packed packs"), packed);
});

fn integers(data: &[u8]) {
    if let Some((value, length)) = int::decode_u64(data) {
        assert!((1..=data.len()).contains(&length));
        assert_eq!(int::decode_u64(int::encode_u64(value).as_bytes()).map(|(value, _)| value), Some(value));
    }
    if let Some((value, length)) = int::decode_i64(data) {
        assert!((1..=data.len()).contains(&length));
        assert_eq!(int::decode_i64(int::encode_i64(value).as_bytes()).map(|(value, _)| value), Some(value));
    }
}

//! Header and row: vectors, damage, round trips.

use super::super::header::HEADER_BYTES;
use super::*;
use hardwired_plugin::ErrorCode;
use proptest::prelude::*;
use rstest::rstest;

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_header_vectors_pass() {
    let text = include_str!("../../../tests/data/vectors/ext-crypt-header.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 19);
    for case in cases {
        let (name, result) = (case["name"].as_str().unwrap(), case["result"].as_str().unwrap());
        let page = unhex(case["page_hex"].as_str().unwrap());
        let decoded = decode_key(&page, "page");
        match result {
            "ok" => {
                let decoded = decoded.unwrap();
                assert_eq!(decoded.blob, unhex(case["payload_hex"].as_str().unwrap()), "{name}");
                if let Some(timestamp) = case["timestamp"].as_u64() {
                    assert_eq!(decoded.timestamp, timestamp, "{name}");
                }
                if page[4] == 1 {
                    assert_eq!(encode_key(decoded.blob).unwrap(), page, "{name}");
                }
            }
            "ENOTSUP" => assert_eq!(decoded.unwrap_err().code(), ErrorCode::ENOTSUP, "{name}"),
            _ => assert_eq!(decoded.unwrap_err().code(), ErrorCode::EIO, "{name}"),
        }
    }
}

#[test]
fn errors_name_object_offset_and_reason() {
    let error = decode_key(b"short", "WiredTigerKeyProvider.0000000001").unwrap_err();
    let text = "WiredTigerKeyProvider.0000000001: damaged at offset 0: Encryption key data too small: expected at least 16, got 5";
    assert_eq!(error.to_string(), text);
    let mut page = encode_key(b"key").unwrap();
    page[0] ^= 1;
    let text = decode_key(&page, "x").unwrap_err().to_string();
    assert!(text.starts_with("x: damaged at offset 12: Encryption key data checksum mismatch"), "{text}");
}

#[test]
fn any_single_flipped_bit_is_noticed() {
    let page = encode_key(b"abcdefghijklmnopqrstuvwxyz").unwrap();
    for bit in 0..page.len() * 8 {
        let mut page = page.clone();
        page[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_key(&page, "page").is_err(), "bit {bit}");
    }
}

#[test]
fn rows_have_the_specified_text() {
    let row = KeyRow { lsn: KeyLsn(7), size: 3, place: Place::Inline(vec![0, 0xab, 0xff]) };
    assert_eq!(row.to_value(), "version=1,page.1=(page_id=1,lsn=7,size=3),data=\"00abff\"");
    assert_eq!(KeyRow::parse(&row.to_value()).unwrap(), row);
    let row = KeyRow { lsn: KeyLsn(7), size: 99, place: Place::File("WiredTigerKeyProvider.0000000007".into()) };
    let value = "version=1,page.1=(page_id=1,lsn=7,size=99),file=\"WiredTigerKeyProvider.0000000007\"";
    assert_eq!(row.to_value(), value);
    assert_eq!(KeyRow::parse(value).unwrap(), row);
}

#[rstest]
#[case::empty("", "Incomplete key_provider metadata: version=0, page_id=0, lsn=0, size=None")]
#[case::no_lsn("version=1,page.1=(page_id=1,size=1),data=\"00\"", "Incomplete key_provider metadata")]
#[case::no_size("version=1,page.1=(page_id=1,lsn=1),data=\"00\"", "Incomplete key_provider metadata")]
#[case::page("version=1,page.1=(page_id=2,lsn=1,size=1),data=\"00\"", "Key provider page ID 2 out of range")]
#[case::entry("version=1,colour=red", "unknown entry 'colour'")]
#[case::page_entry("version=1,page.1=(colour=red)", "unknown entry 'colour'")]
#[case::word("version=1,page.1=(page_id=1,lsn=red,size=1)", "lsn: Value 'red'")]
#[case::negative("version=1,page.1=(page_id=1,lsn=-1,size=1)", "lsn: Value '-1'")]
#[case::no_place("version=1,page.1=(page_id=1,lsn=1,size=1)", "one of data and file")]
#[case::odd("version=1,page.1=(page_id=1,lsn=1,size=1),data=\"000\"", "data of 3 hexadecimal digits")]
#[case::short("version=1,page.1=(page_id=1,lsn=1,size=2),data=\"00\"", "data of 2 hexadecimal digits where 2 bytes")]
#[case::hex("version=1,page.1=(page_id=1,lsn=1,size=1),data=\"0g\"", "not hexadecimal")]
#[case::huge("version=1,page.1=(page_id=1,lsn=1,size=9999999999),data=\"00\"", "over the limit")]
#[case::escape(
    "version=1,page.1=(page_id=1,lsn=1,size=1),file=\"../etc/passwd\"",
    "'WiredTigerKeyProvider.0000000001' was expected"
)]
#[case::grammar("version=(1", "damaged")]
fn damaged_rows_are_refused(#[case] value: &str, #[case] reason: &str) {
    let error = KeyRow::parse(value).unwrap_err();
    assert_eq!(error.code(), ErrorCode::EIO);
    let text = error.to_string();
    assert!(text.starts_with("WiredTiger.wt, row system:key_provider: ") && text.contains(reason), "{text}");
}

#[test]
fn a_later_rows_version_is_not_supported() {
    let error = KeyRow::parse("version=2,page.1=(page_id=1,lsn=1,size=1)").unwrap_err();
    assert_eq!(error.code(), ErrorCode::ENOTSUP);
    assert!(error.to_string().ends_with("Unsupported key_provider metadata version: 2"));
}

proptest! {
    #[test]
    fn any_blob_comes_back(blob in proptest::collection::vec(any::<u8>(), 1..200), lsn in 1..i64::MAX as u64) {
        let page = encode_key(&blob).unwrap();
        let row = KeyRow { lsn: KeyLsn(lsn), size: page.len() as u64, place: Place::Inline(page) };
        let parsed = KeyRow::parse(&row.to_value()).unwrap();
        prop_assert_eq!(&parsed, &row);
        let Place::Inline(page) = parsed.place else { unreachable!() };
        prop_assert_eq!(decode_key(&page, "page").unwrap().blob, &blob[..]);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in ".{0,80}") {
        let _ = decode_key(&bytes, "page");
        let _ = KeyRow::parse(&text);
    }

    #[test]
    fn any_header_with_a_right_checksum_is_answered(mut bytes in proptest::collection::vec(any::<u8>(), 16..64)) {
        let before = crc32c::crc32c(&bytes[..12]);
        let sum = crc32c::crc32c_append(crc32c::crc32c_append(before, &[0; 4]), &bytes[HEADER_BYTES..]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        prop_assert!(!decode_key(&bytes, "page").is_err_and(|error| error.to_string().contains("checksum")));
    }
}

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value as Json;

use super::*;
use crate::{ErrorCode, Result};

fn vectors(name: &str) -> Json {
    let path = format!("{}/tests/data/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Json, field: &str, at_least: usize) -> &'a [Json] {
    let list = value[field].as_array().unwrap();
    assert!(list.len() >= at_least, "{field}: {}", list.len());
    list
}

fn text<'a>(value: &'a Json, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value of a vector, kept so that a [`Value`] can borrow it.
enum Held {
    Int(i64),
    Uint(u64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
}

impl Held {
    fn new(value: &Json, kind: Option<&str>) -> Self {
        match (value, kind) {
            (Json::Number(n), _) => n.as_i64().map_or_else(|| Self::Uint(n.as_u64().unwrap()), Self::Int),
            (Json::String(s), Some("hex")) => Self::Bytes(unhex(s)),
            (Json::String(s), _) => Self::Text(s.clone().into_bytes()),
            other => panic!("{other:?}"),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(n) => Value::Int(*n),
            Self::Uint(n) => Value::Uint(*n),
            Self::Text(b) => Value::Text(b),
            Self::Bytes(b) => Value::Bytes(b),
        }
    }
}

#[test]
fn every_integer_vector_encodes_and_decodes() {
    for case in list(&vectors("packing-struct.json"), "ints", 50) {
        let expected = case[1].as_str().unwrap();
        let bytes = unhex(expected);
        let number = case[0].as_str().unwrap();
        if let Ok(value) = number.parse::<i64>() {
            assert_eq!(hex(int::encode_i64(value).as_bytes()), expected, "{value}");
            assert_eq!(int::decode_i64(&bytes), Some((value, bytes.len())), "{value}");
        }
        if let Ok(value) = number.parse::<u64>() {
            assert_eq!(hex(int::encode_u64(value).as_bytes()), expected, "{value}");
            assert_eq!(int::decode_u64(&bytes), Some((value, bytes.len())), "{value}");
        }
    }
    for case in list(&vectors("btree-intpack.json"), "vectors", 30) {
        let value: u64 = text(case, "value").parse().unwrap();
        assert_eq!(hex(int::encode_u64(value).as_bytes()), text(case, "hex"));
        assert_eq!(int::decode_u64(&unhex(text(case, "hex"))).unwrap().0, value);
    }
}

#[test]
fn every_format_vector_packs_to_the_same_bytes_and_back() {
    for case in list(&vectors("packing-struct.json"), "formats", 60) {
        let format = Format::parse(text(case, "format")).unwrap();
        let held: Vec<Held> = list(case, "values", 0)
            .iter()
            .zip(list(case, "value_kinds", 0))
            .map(|(value, kind)| Held::new(value, kind.as_str()))
            .collect();
        let values: Vec<Value<'_>> = held.iter().map(Held::value).collect();
        let packed = pack(&format, &values).unwrap();
        assert_eq!(hex(&packed), text(case, "packed"), "{case}");
        assert_eq!(packed_size(&format, &values).unwrap(), case["size"].as_u64().unwrap() as usize, "{case}");
        assert_eq!(format.value_count(), values.len() as u64, "{case}");
        let unpacked = unpack(&format, &packed).unwrap();
        assert_eq!(pack(&format, &unpacked).unwrap(), packed, "{case}");
    }
}

#[test]
fn every_error_vector_gives_the_same_code_and_message() {
    for case in list(&vectors("packing-struct.json"), "errors", 10) {
        let result = pack_vector(case);
        match result {
            Ok(packed) => assert_eq!((&case["ret"], text(case, "packed")), (&Json::from(0), &*hex(&packed)), "{case}"),
            Err(error) => {
                assert_eq!(case["ret"], error.code().0, "{case}");
                if let Some(message) = case["messages"].get(0) {
                    assert_eq!(*message, error.to_string(), "{case}");
                }
            }
        }
    }
}

fn pack_vector(case: &Json) -> Result<Vec<u8>> {
    let format = Format::parse(text(case, "format"))?;
    let is_bytes = text(case, "format") == "u";
    // The cases about a format's text give no values: any will do.
    let held: Vec<Held> = match case["values"].as_array() {
        Some(values) => values.iter().map(|value| Held::new(value, is_bytes.then_some("hex"))).collect(),
        None => (0..format.value_count()).map(|_| Held::Text(Vec::new())).collect(),
    };
    let limit = case["buffer"].as_u64().map_or(usize::MAX, |buffer| buffer as usize);
    let mut out = Vec::new();
    let mut packer = Packer::with_limit(&format, &mut out, limit);
    for value in &held {
        packer.push(value.value())?;
    }
    packer.finish()?;
    Ok(out)
}

#[test]
fn every_unpack_vector_gives_the_same_values_or_einval() {
    for case in list(&vectors("packing-struct.json"), "unpack", 50) {
        let format = Format::parse(text(case, "format")).unwrap();
        let data = unhex(text(case, "data"));
        match unpack(&format, &data) {
            Ok(values) => {
                let shown: Vec<Json> = values
                    .iter()
                    .map(|value| match value {
                        Value::Int(n) => Json::from(*n),
                        Value::Uint(n) => Json::from(*n),
                        Value::Text(b) | Value::Bytes(b) => Json::from(hex(b)),
                    })
                    .collect();
                assert_eq!(Json::Array(shown), case["values"], "{case}");
            }
            Err(error) => {
                assert_eq!(case["ret"], error.code().0, "{case}");
            }
        }
    }
}

#[rstest]
#[case("3")]
#[case("i33")]
#[case("3.")]
#[case("99999999999i")]
#[case("4294967297x")]
#[case("é")]
#[case("ié")]
fn broken_formats_are_refused(#[case] text: &str) {
    let error = Format::parse(text).unwrap_err();
    assert_eq!(error.code(), ErrorCode::EINVAL);
    assert!(error.to_string().contains(text), "{error}");
}

#[rstest]
#[case("B", Value::Uint(256))]
#[case("b", Value::Int(-129))]
#[case("h", Value::Int(70_000))]
#[case("I", Value::Int(-1))]
#[case("I", Value::Uint(1 << 32))]
#[case("q", Value::Uint(1 << 63))]
#[case("t", Value::Uint(256))]
#[case("S", Value::Int(1))]
#[case("i", Value::Text(b"1"))]
#[case("S", Value::Text(b"a\0b"))]
#[case("5S", Value::Text(b"a\0b"))]
#[case("SS", Value::Text(b"a"))]
#[case("x", Value::Int(0))]
fn values_that_a_column_cannot_hold_are_refused(#[case] format: &str, #[case] value: Value<'_>) {
    let format = Format::parse(format).unwrap();
    let mut out = vec![7];
    assert_eq!(pack_into(&format, &[value], &mut out).unwrap_err().code(), ErrorCode::EINVAL);
    assert_eq!(out, [7]);
}

#[test]
fn tuples_pack_and_unpack_as_typed_rows() {
    let format = Format::parse("qSBu").unwrap();
    let row = (-5_i64, "key", 7_u8, b"raw".as_slice());
    let packed = format.pack(&row).unwrap();
    assert_eq!(hex(&packed), "7b6b65790007726177");
    assert_eq!(format.unpack::<(i64, &str, u8, &[u8])>(&packed).unwrap(), row);
    let owned: (i64, String, u32, Vec<u8>) = format.unpack(&packed).unwrap();
    assert_eq!(owned, (-5, "key".to_owned(), 7, b"raw".to_vec()));

    assert!(format.unpack::<(i64, &str, u8)>(&packed).unwrap_err().to_string().contains("fewer values"));
    assert!(format.unpack::<(u64, &str, u8, &[u8])>(&packed).unwrap_err().to_string().contains("u64"));
    assert!(format.pack(&(1_i64, "key")).unwrap_err().to_string().contains("too few values"));
    assert!(format.unpack::<(i64, &str, u8, &[u8])>(&packed[..3]).is_err());

    let string = Format::parse("S").unwrap();
    assert_eq!(string.pack("abc").unwrap(), b"abc\0");
    assert_eq!(string.unpack::<&str>(b"abc\0").unwrap(), "abc");
    let empty = Format::parse("").unwrap();
    assert_eq!(empty.pack(&()).unwrap(), b"");
    empty.unpack::<()>(b"").unwrap();
    let eight = Format::parse("8i").unwrap();
    let row = (1, 2, 3, 4, 5, 6, 7, 8);
    assert_eq!(eight.unpack::<(i32, i32, i32, i32, i32, i32, i32, i32)>(&eight.pack(&row).unwrap()).unwrap(), row);
}

#[test]
fn a_huge_count_costs_nothing_until_values_come() {
    let format = Format::parse("2000000000i").unwrap();
    assert_eq!(format.value_count(), 2_000_000_000);
    assert!(unpack(&format, &[0x81; 10]).is_err());
    let padded = Format::parse("2000000000xi").unwrap();
    assert!(unpack(&padded, &[0; 10]).is_err());
    let mut out = Vec::new();
    let error = Packer::with_limit(&padded, &mut out, 100).push(Value::Int(1)).unwrap_err();
    assert_eq!(error.code().0, 12);
}

#[test]
fn special_formats_are_told_apart() {
    assert!(Format::parse("r").unwrap().is_record_number());
    assert!(!Format::parse("ri").unwrap().is_record_number());
    assert_eq!(Format::parse("8t").unwrap().fixed_bits(), Some(8));
    assert_eq!(Format::parse("t").unwrap().fixed_bits(), Some(1));
    assert_eq!(Format::parse("8ti").unwrap().fixed_bits(), None);
    assert_eq!(Format::parse("2i3xS").unwrap().name_count(), 4);
    assert_eq!(Format::parse("2i3xS").unwrap().value_count(), 3);
    assert!(Format::parse("S5s").unwrap().is_text());
}

proptest! {
    #[test]
    fn integers_round_trip_and_keep_their_order(a in integer(), b in integer()) {
        let (ea, eb) = (int::encode_i64(a), int::encode_i64(b));
        prop_assert_eq!(int::decode_i64(ea.as_bytes()), Some((a, ea.as_bytes().len())));
        prop_assert_eq!(ea.as_bytes().cmp(eb.as_bytes()), a.cmp(&b));
        let (a, b) = (a as u64, b as u64);
        let (ea, eb) = (int::encode_u64(a), int::encode_u64(b));
        prop_assert_eq!(int::decode_u64(ea.as_bytes()), Some((a, ea.as_bytes().len())));
        prop_assert_eq!(ea.as_bytes().cmp(eb.as_bytes()), a.cmp(&b));
    }

    #[test]
    fn any_bytes_are_answered(format in "[.@]?([0-9]{0,3}[xbBhHiIlLqQrRsStuUz]){0,5}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(format) = Format::parse(&format)
            && let Ok(values) = unpack(&format, &bytes)
        {
            prop_assert!(values.len() <= bytes.len() + 5);
            if let Ok(packed) = pack(&format, &values) {
                let again = unpack(&format, &packed).unwrap();
                prop_assert_eq!(pack(&format, &again).unwrap(), packed);
            }
        }
    }

    #[test]
    fn any_format_text_is_answered(text in any::<String>()) {
        prop_assert_eq!(Format::parse(&text).is_ok(), Format::check(&text).is_ok());
    }

    #[test]
    fn rows_round_trip_and_sort_by_their_columns(a in row(), b in row()) {
        let format = Format::parse("qSHu").unwrap();
        let pack = |row: &(i64, String, u16, Vec<u8>)| format.pack(row).unwrap();
        prop_assert_eq!(&format.unpack::<(i64, String, u16, Vec<u8>)>(&pack(&a)).unwrap(), &a);
        prop_assert_eq!(pack(&a).cmp(&pack(&b)), a.cmp(&b));
    }
}

/// Integers around every change of length.
fn integer() -> impl Strategy<Value = i64> {
    let near = (0_u32..64, -70_i64..70, any::<bool>()).prop_map(|(bits, offset, wide)| {
        let base = if wide { 8256_i64 } else { 0 };
        (1_i64 << bits).wrapping_add(offset).wrapping_add(base)
    });
    prop_oneof![any::<i64>(), near.clone(), near.prop_map(i64::wrapping_neg), -9000_i64..9000]
}

fn row() -> impl Strategy<Value = (i64, String, u16, Vec<u8>)> {
    (-3_i64..3, "[a-c]{0,3}", 0_u16..3, proptest::collection::vec(any::<u8>(), 0..4))
}

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::ErrorCode;

fn vectors(name: &str) -> Value {
    let path = format!("{}/../../tests/data/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn kind_name(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::String => "string",
        ItemKind::Bool => "bool",
        ItemKind::Id => "id",
        ItemKind::Number => "num",
        ItemKind::Struct => "struct",
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The vectors show text as latin-1 code points.
fn latin1(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

#[test]
fn every_parse_vector_gives_the_same_items_and_the_same_end() {
    let vectors = vectors("config-parse.json");
    let cases = vectors["parse"].as_array().unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let bytes = unhex(case["config_hex"].as_str().unwrap());
        let mut items = Vec::new();
        let mut error = None;
        match ConfigParser::text_of(&bytes) {
            Err(e) => error = Some(e),
            Ok(text) => {
                for item in ConfigParser::new(text) {
                    match item {
                        Ok((key, value)) => items.push(serde_json::json!([
                            latin1(key.text()),
                            kind_name(key.kind()),
                            latin1(value.text()),
                            kind_name(value.kind()),
                            value.number()
                        ])),
                        Err(e) => error = Some(e),
                    }
                }
            }
        }
        assert_eq!(Value::Array(items), case["items"], "{case}");
        assert_eq!(case["end"] == 22, error.is_some(), "{case}");
        if let (Some(expected), Some(error)) = (case.get("error"), error) {
            assert_eq!(error.code(), ErrorCode::EINVAL);
            let tail = format!("at offset {}: {}", expected["offset"], expected["reason"].as_str().unwrap());
            assert!(error.to_string().ends_with(&tail), "{error} / {case}");
        }
    }
}

#[test]
fn every_lookup_vector_gives_the_same_value_or_the_same_message() {
    let vectors = vectors("config-parse.json");
    let cases = vectors["lookups"].as_array().unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let config = case["config"].as_str().unwrap();
        match lookup(config, case["key"].as_str().unwrap()) {
            Ok(Some(item)) => {
                assert_eq!(case["ret"], 0, "{case}");
                assert_eq!(case["value"]["str"], item.text(), "{case}");
                assert_eq!(case["value"]["type"], kind_name(item.kind()), "{case}");
                assert_eq!(case["value"]["val"], item.number(), "{case}");
            }
            Ok(None) => assert!(case["ret"] == -31803 || case["ret"] == "WT_NOTFOUND", "{case}"),
            Err(error) => {
                assert_eq!(case["ret"], 22, "{case}");
                assert_eq!(case["error"], format!("{error}: Invalid argument"), "{case}");
            }
        }
    }
}

#[test]
fn every_stack_vector_finds_the_same_value() {
    let vectors = vectors("config-merge.json");
    let cases = vectors["stack_get"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let strings: Vec<&str> = case["configs"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
        let found = Config::new(&strings).get(case["key"].as_str().unwrap());
        match (case.get("value").filter(|v| !v.is_null()), found) {
            (Some(value), Ok(Some(item))) => assert_eq!(stack_text(value), item.text(), "{case}"),
            (None, Ok(None)) => {}
            (None, Err(_)) => assert_eq!(case["ret"], 22, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
    }
}

fn stack_text(value: &Value) -> &str {
    value.as_str().or_else(|| value["str"].as_str()).unwrap()
}

#[rstest]
#[case("a=8192P", ItemKind::Id, i64::MIN)]
#[case("a=16384P", ItemKind::Number, 0)]
#[case("a=32769P", ItemKind::Number, 1 << 50)]
#[case("a=1PP", ItemKind::Number, 0)]
#[case("a=10Mx", ItemKind::Id, 10 << 20)]
#[case("a=-", ItemKind::Id, 0)]
#[case("a=-9223372036854775808", ItemKind::Number, i64::MIN)]
#[case("a=-9223372036854775809", ItemKind::Id, i64::MIN)]
#[case("a=-9223372036854775809123", ItemKind::Id, i64::MIN)]
fn numbers_overflow_as_in_wiredtiger(#[case] config: &str, #[case] kind: ItemKind, #[case] number: i64) {
    let item = lookup(config, "a").unwrap().unwrap();
    assert_eq!((item.kind(), item.number()), (kind, number));
}

#[rstest]
#[case("a=\"b", &[("a", "")], None)]
#[case("\"a", &[], None)]
#[case("a=\"\"b", &[("a", "b")], None)]
#[case("\"\",a", &[("a", "")], None)]
#[case("\"\"=x,a=b", &[], Some((5, "New value starts without a separator")))]
#[case("{a=1},b=2", &[("a", "1")], None)]
#[case("((a))", &[("(a)", "")], None)]
#[case(")", &[], Some((0, "Unbalanced brackets")))]
#[case("a=(b)c", &[], Some((5, "New value starts without a separator")))]
fn corners_of_the_grammar(
    #[case] config: &str,
    #[case] expected: &[(&str, &str)],
    #[case] error: Option<(usize, &str)>,
) {
    let mut parser = ConfigParser::new(config);
    for pair in expected {
        let (key, value) = parser.next().unwrap().unwrap();
        assert_eq!((key.text(), value.text()), *pair);
    }
    match (error, parser.next()) {
        (None, None) => {}
        (Some((offset, reason)), Some(Err(e))) => {
            assert_eq!(e.to_string(), format!("Error parsing '{config}' at offset {offset}: {reason}"));
        }
        (expected, found) => panic!("{expected:?}, {found:?}"),
    }
    assert!(parser.next().is_none());
}

#[test]
fn typed_access_reads_the_stack_and_names_the_key_it_refuses() {
    let stack = ["size=1MB,on=false,name=none,log=(enabled=false,path=.)", "on,log=(enabled)"];
    let config = Config::with(&stack, "size=2MB");
    assert_eq!(config.i64_or("size", 0).unwrap(), 2 << 20);
    assert!(config.bool_or("on", false).unwrap());
    assert!(config.bool_or("log.enabled", false).unwrap());
    assert_eq!(config.text_or("log.path", "").unwrap(), ".");
    assert_eq!(config.name("name").unwrap(), None);
    assert_eq!(config.i64_or("absent", 7).unwrap(), 7);
    let error = config.i64_or("log.path", 0).unwrap_err();
    assert_eq!(error.to_string(), "Invalid value for key 'log.path': expected a int");
    assert!(config.require("absent").unwrap_err().to_string().contains("'absent'"));
}

#[test]
fn a_hostile_nesting_is_refused_without_deep_recursion() {
    let levels = 20_000;
    let text = format!("{}b{}", "a=(".repeat(levels), ")".repeat(levels));
    let key = vec!["a"; levels].join(".");
    assert!(lookup(&text, &key).unwrap_err().to_string().contains("nested too deeply"));
    assert!(lookup(&text, "a.a.a").unwrap().is_some());
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>(), key in "[a-c.]{0,6}") {
        for (key, value) in ConfigParser::new(&text).map_while(|item| item.ok()) {
            prop_assert!(!key.is_empty());
            prop_assert!(text.contains(value.source()));
        }
        let _ = lookup(&text, &key);
    }

    #[test]
    fn grammar_soup_is_answered(text in "[ab\"\\\\(){}\\[\\]:=, 01K.\u{e9}-]{0,24}", key in "[ab](\\.[ab]){0,3}") {
        let steps = ConfigParser::new(&text).count();
        prop_assert!(steps <= text.len() + 1);
        let _ = lookup(&text, &key);
    }

    #[test]
    fn bytes_of_any_kind_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(text) = ConfigParser::text_of(&bytes) {
            prop_assert_eq!(text.as_bytes(), &bytes[..]);
        }
    }
}

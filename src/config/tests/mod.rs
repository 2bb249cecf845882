use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::ErrorCode;

mod built;
mod honoured;
mod settings;
mod sources;

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/data/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, field: &str, at_least: usize) -> &'a [Value] {
    let list = value[field].as_array().unwrap();
    assert!(list.len() >= at_least, "{field}: {}", list.len());
    list
}

fn strings<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    value[field].as_array().map_or(Vec::new(), |list| list.iter().map(|text| text.as_str().unwrap()).collect())
}

#[test]
fn every_check_vector_gives_the_same_messages() {
    for case in list(&vectors("config-check.json"), "cases", 200) {
        let (name, config) = (case["method"].as_str().unwrap(), case["config"].as_str().unwrap());
        let expected = strings(case, "messages");
        let found = match Method::find(name) {
            Some(method) => check::general_messages(method, config),
            None => vec![validate(name, config).unwrap_err().to_string()],
        };
        assert_eq!(found, expected, "{case}");
        match validate(name, config) {
            Ok(()) => assert_eq!(case["ret"], 0, "{case}"),
            Err(error) => {
                assert_eq!(case["ret"], error.code().0, "{case}");
                assert_eq!(error.to_string(), expected.join("; "));
            }
        }
    }
}

#[test]
fn every_begin_transaction_vector_gives_the_compilers_messages() {
    for case in list(&vectors("config-begin-transaction.json"), "cases", 40) {
        let expected = strings(case, "messages");
        let found = check::messages(&schema::WT_SESSION_BEGIN_TRANSACTION, case["config"].as_str().unwrap());
        // What a timestamp may be is judged by its consumer, after this check.
        if expected.iter().any(|message| message.contains("read timestamp")) {
            assert!(found.is_empty(), "{case}: {found:?}");
        } else {
            assert_eq!(found, expected, "{case}");
        }
    }
}

/// Observed from WiredTiger 11.3.1.
#[rstest]
#[case(
    "isolation=snapshot,bogus=1,name=x",
    "Error compiling 'isolation=snapshot,bogus=1,name=x', unknown key 'bogus' for method 'WT_SESSION.begin_transaction'"
)]
#[case(
    "roundup_timestamps=(read,bad,prepared)",
    "Error compiling 'read,bad,prepared)', unknown key 'bad' for method 'WT_SESSION.begin_transaction'"
)]
#[case(
    "name=x,roundup_timestamps=bad,sync",
    "Error compiling 'bad,sync', unknown key 'bad' for method 'WT_SESSION.begin_transaction'"
)]
#[case(
    " roundup_timestamps = ( read = true , bad = 1 ) ",
    "Error compiling ' read = true , bad = 1 ) ', unknown key 'bad' for method 'WT_SESSION.begin_transaction'"
)]
#[case("roundup_timestamps=(read=(a))", "Value '(a)' expected to be a boolean")]
#[case("roundup_timestamps=[read)", "Value '[read)' non-matching []")]
#[case("priority=1K", "Value '1K' too large, the maximum is 100")]
#[case("name=\"%s\"", "Value '%s' is not valid here")]
#[case("(bogus)", "Error compiling '(bogus)', unknown key 'bogus' for method 'WT_SESSION.begin_transaction'")]
fn the_compilers_messages_show_the_level_of_the_item(#[case] config: &str, #[case] message: &str) {
    assert_eq!(check::messages(&schema::WT_SESSION_BEGIN_TRANSACTION, config), [message]);
}

#[test]
fn compiled_values_are_found_by_any_prefix_of_their_key() {
    let method = &schema::WT_SESSION_BEGIN_TRANSACTION;
    let value = |config, path| check::compiled_value(method, config, path).unwrap().map(|item| item.text());
    assert_eq!(value("isol=snapshot", "isolation"), Some("snapshot"));
    assert_eq!(value("isolation=snapshot,isolation=", "isolation"), None);
    assert_eq!(value("round=(re=true)", "roundup_timestamps.read"), Some("true"));
    assert_eq!(value("round=(re=true)", "roundup_timestamps.prepared"), None);
    assert_eq!(value("", "isolation"), None);
    let bound = check::messages(&schema::WT_CURSOR_BOUND, "bound=left");
    assert_eq!(bound, ["Value 'left' is not a valid choice"]);
}

#[test]
fn every_merge_and_collapse_vector_gives_the_same_string() {
    let vectors = vectors("config-merge.json");
    let merges =
        list(&vectors, "merge", 50).iter().map(|case| (case, merge(&strings(case, "configs"), case["strip"].as_str())));
    let collapses = list(&vectors, "collapse", 20).iter().map(|case| (case, collapse(&strings(case, "configs"))));
    for (case, result) in merges.chain(collapses) {
        match result {
            Ok(text) => assert_eq!(case["result"], text, "{case}"),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::EINVAL);
                assert_eq!(strings(case, "messages"), [error.to_string()], "{case}");
            }
        }
    }
}

/// Observed from WiredTiger 11.3.1.
#[rstest]
#[case(&["a=(1=2,x=3),c=4"], Err("Invalid configuration key found: '1=2,x=3)'"))]
#[case(&["a=(b[c=1,d),c=4"], Err("key b[c contains a '[' separator character"))]
#[case(&["\"a[b\"=1"], Err("key \"a[b\" contains a '[' separator character"))]
#[case(&["\"a\"=1,a=2"], Ok("\"a\"=1,a=2"))]
#[case(&["a=\" x\",b=(x=\" y\"),b=\"z\""], Ok("a=\" x\",b=(x=\" y\")"))]
#[case(&["(a=1,b=2)", "c=3"], Ok("a=1,b=2,c=3"))]
#[case(&["a=(\"=\"),b=(\"=\",c)"], Ok("a=(\"=\"=),b=(\"=\"=,c=)"))]
#[case(&["a=b(", "c=1"], Ok("a=b(,c=1"))]
fn merge_keeps_its_corners(#[case] configs: &[&str], #[case] expected: Result<&str, &str>) {
    let found = merge(configs, None).map_err(|error| error.to_string());
    assert_eq!(found.as_deref().map_err(|error| error.as_str()), expected);
}

#[test]
fn a_hostile_nesting_is_refused() {
    let levels = 20_000;
    let text = format!("{}b=1{}", "a=(".repeat(levels), ")".repeat(levels));
    assert!(merge(&[&text], None).unwrap_err().to_string().starts_with("configuration is nested too deeply"));
    assert_eq!(collapse(&[&text]).unwrap(), text);
}

/// Strings that are nearly configurations.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "a-b",
        "=",
        "=",
        ",",
        ",",
        "(",
        ")",
        "[",
        "]",
        "\"a\"",
        "1",
        "12K",
        "true",
        " ",
        ":",
        "none",
        "isolation",
        "snapshot",
        "sync",
        "roundup_timestamps",
        "log",
        "create",
        "cache_size",
        "enabled",
    ]);
    proptest::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn checking_answers_anything(config in soup(), at in 0_usize..53) {
        let method = Method::all()[at];
        let messages = check::messages(method, &config);
        prop_assert_eq!(messages.is_empty(), check(method, &config).is_ok());
        let _ = validate(method.name, &config);
        let _ = check::compiled_value(method, &config, "isolation");
    }

    #[test]
    fn merging_again_changes_nothing(a in soup(), b in soup(), strip in proptest::option::of(soup())) {
        if let Ok(merged) = merge(&[&a, &b], strip.as_deref()) {
            prop_assert_eq!(&merge(&[&merged], None).unwrap(), &merged);
        }
    }

    #[test]
    fn collapsing_keeps_the_keys_of_the_first_string(a in soup(), b in soup()) {
        if let Ok(collapsed) = collapse(&[&a, &b]) {
            let keys = |text: &str| -> Vec<String> {
                ConfigParser::new(text).map(|item| item.unwrap().0.text().to_owned()).collect()
            };
            prop_assert_eq!(keys(&collapsed), keys(&a));
        }
    }
}

use rstest::rstest;

use crate::ErrorCode;
use crate::config::built::{Built, refuse, refuse_file, refuse_open, status};
use crate::config::schema::{FILE_META, Key, Method, Rule, WIREDTIGER_OPEN, WT_SESSION_CREATE};
use crate::config::{Config, check, validate};

/// Every key of a method that holds a value, with its whole name.
fn leaves(method: &'static Method) -> Vec<(String, &'static Key)> {
    let mut leaves = Vec::new();
    for key in method.keys {
        match key.rule {
            Rule::Category(keys) => {
                leaves.extend(keys.iter().map(|inner| (format!("{}.{}", key.name, inner.name), inner)))
            }
            _ => leaves.push((key.name.to_owned(), key)),
        }
    }
    leaves
}

/// A permitted value other than the default, if there is one.
fn another_value(key: &Key) -> Option<String> {
    let other = |choices: &[&'static str]| match choices {
        [] => Some("x1"),
        _ => choices.iter().find(|choice| **choice != key.default && **choice != "none").copied(),
    };
    match key.rule {
        Rule::Bool => Some((key.default != "true").to_string()),
        Rule::Int { min, max } => {
            let least = min.unwrap_or(0);
            [least, least + 1]
                .into_iter()
                .find(|value| value.to_string() != key.default && max.is_none_or(|max| *value <= max))
                .map(|value| value.to_string())
        }
        Rule::String(choices) => other(choices).map(str::to_owned),
        Rule::List(choices) => other(choices).map(|choice| format!("({choice})")),
        Rule::Format => Some("S".to_owned()),
        Rule::Category(_) => None,
    }
}

fn nested(path: &str, value: &str) -> String {
    match path.split_once('.') {
        Some((category, key)) => format!("{category}=({key}={value})"),
        None => format!("{path}={value}"),
    }
}

#[test]
fn all_defaults_are_accepted() {
    for method in Method::all() {
        // `background=` reads as `background`, which asks for it.
        if method.name == "WT_SESSION.compact" {
            continue;
        }
        refuse(method, Config::single(method.base)).unwrap_or_else(|error| panic!("{}: {error}", method.name));
    }
}

#[test]
fn each_key_is_supported_harmless_or_refused_by_name() {
    let mut refused = 0;
    for method in Method::all() {
        for (path, key) in leaves(method) {
            let Some(value) = another_value(key) else { continue };
            let config = nested(&path, &value);
            if let Err(error) = validate(method.name, &config) {
                panic!("{}: {config}: {error}", method.name);
            }
            let result = refuse(method, Config::single(&config));
            match status(method, &path) {
                Built::DefaultOnly => {
                    let error = result.expect_err(&config);
                    refused += 1;
                    assert_eq!(error.code(), ErrorCode::ENOTSUP);
                    let message = error.to_string();
                    assert!(message.contains(method.name) && message.contains(&path), "{message}");
                }
                Built::Supported => result.unwrap(),
                Built::NoEffect(reason) => {
                    result.unwrap();
                    assert!(reason.len() > 10, "{path}");
                }
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn the_tables_name_only_keys_of_the_schema_and_each_once() {
    for methods in crate::config::built::table::METHODS {
        let entries = crate::config::built::table::of(methods[0]);
        let mut names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        assert!(!names.is_empty());
        for name in &names {
            let is_known =
                methods.iter().any(|method| leaves(Method::find(method).unwrap()).iter().any(|(path, _)| path == name));
            assert!(is_known, "{methods:?}: {name}");
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{methods:?}");
    }
}

#[rstest]
#[case("tiered_storage=(name=none),source=\"\"")]
#[case("block_compressor=,log=(enabled=false),dictionary=100")]
#[case("import=(enabled=true),import=(enabled=false)")]
#[case("key_format=S,value_format=SiuQ,columns=(a,b,c,d,e),allocation_size=512B")]
#[case("type=\"file\"")]
fn values_that_mean_the_default_are_accepted(#[case] config: &str) {
    check(&WT_SESSION_CREATE, config).unwrap();
    refuse(&WT_SESSION_CREATE, Config::single(config)).unwrap();
}

#[rstest]
#[case(
    "key_format=r",
    "WT_SESSION.create: 'key_format=r' (a column store) is valid in WiredTiger but not built in hardwired"
)]
#[case(
    "import=(enabled)",
    "WT_SESSION.create: 'import.enabled=true' is valid in WiredTiger but not built in hardwired"
)]
#[case(
    "write_timestamp_usage=ordered",
    "WT_SESSION.create: 'write_timestamp_usage=ordered' is valid in WiredTiger but not built in hardwired"
)]
fn a_refusal_names_method_key_and_value(#[case] config: &str, #[case] message: &str) {
    let error = refuse(&WT_SESSION_CREATE, Config::single(config)).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::ENOTSUP, message));
}

#[test]
fn an_option_of_the_base_file_can_be_taken_back_by_the_open_string() {
    let base = "statistics=(fast)";
    let error = refuse_open(Config::new(&[base, "create"]), base).unwrap_err();
    assert!(error.to_string().contains("WiredTiger.basecfg"), "{error}");
    refuse_open(Config::new(&[base, "statistics=(none)"]), base).unwrap();
    let error = refuse_open(Config::new(&["", "in_memory"]), "").unwrap_err();
    assert!(!error.to_string().contains("WiredTiger.basecfg"), "{error}");
    assert!(refuse(&WIREDTIGER_OPEN, Config::single("statistics=(fast)")).is_err());
    refuse(&WIREDTIGER_OPEN, Config::single("statistics=(none)")).unwrap();
}

#[test]
fn files_of_other_engines_are_refused_when_opened_and_only_if_need_be() {
    let entry = |more: &str| format!("{},{more}", FILE_META.base);
    let refuse = |more: &str, readonly| refuse_file(Config::single(&entry(more)), readonly);
    refuse("checkpoint=(a=(addr=\"01\",order=1)),checkpoint_lsn=(1,128),unknown_key=5", false).unwrap();
    refuse("live_restore=(bitmap=,nbits=0)", false).unwrap();
    assert!(refuse("key_format=r,value_format=8t", true).is_err());
    assert!(refuse("live_restore=(bitmap=ff,nbits=8)", true).is_err());
    refuse("checkpoint_backup_info=(1=(id=0))", true).unwrap();
    refuse("write_timestamp_usage=ordered,assert=(read_timestamp=always),verbose=[write_timestamp]", true).unwrap();
    assert!(refuse("write_timestamp_usage=ordered", false).is_err());
    assert!(refuse("assert=(read_timestamp=always)", false).is_err());
    let error = refuse("checkpoint_backup_info=(1=(id=0))", false).unwrap_err();
    assert!(error.to_string().contains("opened for reading"), "{error}");
}

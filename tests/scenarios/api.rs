//! Scenarios in the form of the API specification, section 13.

use crate::world::{World, name_of, name_of_code, name_of_sub_level, pack_row, unpack_row};
use hardwired::{Error, Modify, Result};
use serde_json::{Value as Json, json};

/// Cursors that aren't built; opening one must fail as not supported (or as it failed in the real library).
const UNBUILT_CURSORS: &[&str] = &["statistics:", "log:", "backup:"];

/// Steps that end differently on purpose: scenario, step and reason.
const DIFFERENT: &[(&str, usize, &str)] = &[
    ("complex", 108, SLOTS_STAY),
    ("complex", 109, SLOTS_STAY),
    ("complex", 117, SLOTS_STAY),
    ("column-errors", 24, CUT_MESSAGE),
    ("drop", 19, STRAY_LINE),
    ("drop", 31, REFUSAL_IS_SAID),
    ("drop", 34, STAYS_IN_USE),
    ("drop", 51, NO_BACKUP),
    ("drop", 52, NO_BACKUP),
    ("drop", 54, NO_BACKUP),
];

const SLOTS_STAY: &str = "slots that the application set stay when a write on a table with column groups fails";

const CUT_MESSAGE: &str = "the reference's message holds the NUL at the format's end, which cuts it";

const STRAY_LINE: &str =
    "a success with an error line: the reference looks for a free name by trying to create the file";

const REFUSAL_IS_SAID: &str = "the reference says with a warning, not with an error line, what it refuses";

const STAYS_IN_USE: &str = "in the reference a table stays in use for ever once its column group was dropped";

const NO_BACKUP: &str = "without backup cursors no backup keeps an object from being dropped";

pub(crate) fn run(scenario: &Json) {
    let mut world = World::new();
    let mut raw_cursors: Vec<String> = Vec::new();
    let mut unbuilt_cursors: Vec<&str> = Vec::new();
    for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        let place = format!("{} step {number}: {step}", scenario["name"]);
        if let Some(refused) = run_unbuilt(&mut world, step) {
            assert_eq!(name_of(&refused), "ENOTSUP", "{place}");
            world.take_lines();
            unbuilt_cursors.extend(step["args"]["cursor"].as_str());
            continue;
        }
        if unbuilt_cursors.iter().any(|cursor| step["on"] == *cursor) {
            println!("{place}: not run: the cursor is of a kind that isn't built");
            continue;
        }
        if step["call"] == "open_cursor" {
            unbuilt_cursors.retain(|cursor| step["args"]["cursor"] != *cursor);
        }
        let outcome = run_step(&mut world, step, &mut raw_cursors);
        if let Some((.., reason)) = DIFFERENT.iter().find(|(name, at, _)| scenario["name"] == *name && *at == number) {
            println!("{place}: not compared: {reason}");
            world.take_lines();
            continue;
        }
        let expected = &step["ret"];
        match (&outcome, expected) {
            (Ok(_), Json::Null) => {}
            (Ok(_), expected) => assert_eq!(*expected, json!(0), "{place}"),
            // In C, setting a slot returns nothing: the error line tells.
            (Err(_), Json::Null) if step["call"] == "set_value" && step.get("messages").is_some() => {}
            (Err(error), Json::Null) => panic!("{place}\n{error}"),
            (Err(error), expected) => assert_eq!(name_of(error), *expected.as_str().unwrap_or("0"), "{place}\n{error}"),
        }
        if let Ok(shown) = outcome {
            for (key, value) in shown {
                let expected = step.get(key).unwrap_or_else(|| panic!("{place}\nno {key} there: {value}"));
                assert_eq!(value, *expected, "{place}\n{key}");
            }
        }
        check_lines(&world, step, &place);
    }
    if let Some(connection) = &world.connection {
        // A scenario that ends with its own close has closed it.
        let _ = connection.close("");
    }
}

/// Runs a step that asks for what isn't built: a kind of cursor, or the alteration of an option; `None` for other steps.
fn run_unbuilt(world: &mut World, step: &Json) -> Option<Error> {
    let uri = step["args"]["uri"].as_str().unwrap_or("");
    let config = step["args"]["config"].as_str().unwrap_or("");
    if step["call"] == "alter" && config.contains("write_timestamp_usage") {
        return Some(world.session(step["on"].as_str().unwrap()).alter(uri, config).unwrap_err());
    }
    if step["call"] != "open_cursor" {
        return None;
    }
    let unbuilt = UNBUILT_CURSORS.iter().any(|prefix| uri.starts_with(prefix)) || config.contains("next_random=true");
    unbuilt.then(|| world.session(step["on"].as_str().unwrap()).open_cursor(uri, config).unwrap_err())
}

fn check_lines(world: &World, step: &Json, place: &str) {
    let lines = world.take_lines();
    let expected = step.get("messages").and_then(Json::as_array).cloned().unwrap_or_default();
    assert_eq!(lines.len(), expected.len(), "{place}\nerror lines: {lines:?}");
    for ((context, line), expected) in lines.iter().zip(&expected) {
        assert_eq!(line, expected["message"].as_str().unwrap(), "{place}");
        assert_eq!(json!(context), expected["context"], "{place}");
    }
}

/// What a step shows beside its result, to be compared with the fields of those names.
type Shown = Vec<(&'static str, Json)>;

fn run_step(world: &mut World, step: &Json, raw_cursors: &mut Vec<String>) -> Result<Shown> {
    let on = step["on"].as_str().unwrap();
    let args = &step["args"];
    let config = args["config"].as_str().unwrap_or("");
    let uri = args["uri"].as_str().unwrap_or("");
    let nothing = |result: Result<()>| result.map(|()| Vec::new());
    match (on, step["call"].as_str().unwrap()) {
        ("lib", "open") => nothing(world.open(config)),
        ("conn", "open_session") => nothing(world.open_session(args["session"].as_str().unwrap(), config)),
        ("conn", "close") => nothing(world.close(config)),
        (session, "create") => nothing(world.session(session).create(uri, config)),
        (session, "alter") => nothing(world.session(session).alter(uri, config)),
        (session, "verify") => nothing(world.session(session).verify(uri, config)),
        (session, "drop") => nothing(world.session(session).drop(uri, config)),
        (session, "checkpoint") => nothing(world.session(session).checkpoint(config)),
        (session, "begin_transaction") => nothing(world.session(session).begin_transaction(config)),
        (session, "commit_transaction") => nothing(world.session(session).commit_transaction(config)),
        (session, "rollback_transaction") => nothing(world.session(session).rollback_transaction(config)),
        (session, "reset") if world.sessions.contains_key(session) => nothing(world.session(session).reset()),
        (session, "get_last_error") => {
            let last = world.session(session).get_last_error();
            let err = match last.error.0 {
                0 => json!(0),
                code => json!(name_of_code(code)),
            };
            Ok(vec![
                ("err", err),
                ("sub_level_err", json!(name_of_sub_level(last.sub_level.0))),
                ("err_msg", json!(last.message)),
            ])
        }
        (session, "open_cursor") => {
            let name = args["cursor"].as_str().unwrap();
            let session = world.session(session);
            let cursor = match args.get("to_dup").and_then(Json::as_str) {
                // A URI beside a cursor, or neither: Rust's types rule it out.
                Some(_) if !uri.is_empty() => return Err(both_or_neither(world)),
                Some(other) => session.duplicate_cursor(&world.cursors[other], config)?,
                None if uri.is_empty() => return Err(both_or_neither(world)),
                None => session.open_cursor(uri, config)?,
            };
            if config.contains("raw") {
                raw_cursors.push(name.to_owned());
            }
            let shown =
                vec![("key_format", json!(cursor.key_format())), ("value_format", json!(cursor.value_format()))];
            world.cursors.insert(name.to_owned(), cursor);
            Ok(shown)
        }
        (cursor, call) => cursor_step(world, cursor, call, step, raw_cursors.iter().any(|raw| raw == cursor)),
    }
}

/// The error of a call that can't be written in Rust, with the line it would cause.
fn both_or_neither(world: &World) -> Error {
    let text = "should be passed either a URI or a cursor to duplicate, but not both";
    world.say_error("WT_SESSION.open_cursor", &format!("{text}: Invalid argument"));
    Error::invalid(text)
}

fn cursor_step(world: &mut World, name: &str, call: &str, step: &Json, raw: bool) -> Result<Shown> {
    let args = &step["args"];
    let config = args["config"].as_str().unwrap_or("");
    let nothing = |result: Result<()>| result.map(|()| Vec::new());
    let found = |found: Result<bool>| if found? { Ok(Vec::new()) } else { Err(Error::NotFound) };
    match call {
        "close" => return nothing(world.cursors.remove(name).unwrap().close()),
        "compare" | "equals" => {
            let (cursor, other) = (&world.cursors[name], &world.cursors[args["other"].as_str().unwrap()]);
            let result = if call == "compare" {
                json!(cursor.compare(other)? as i8)
            } else {
                json!(i32::from(cursor.equals(other)?))
            };
            return Ok(vec![("result", result)]);
        }
        _ => {}
    }
    let cursor = world.cursor(name);
    let (key_format, value_format) = (cursor.key_format().to_owned(), cursor.value_format().to_owned());
    match call {
        "load" => {
            for record in args["records"].as_array().unwrap() {
                let row = |value: &Json| if value.is_array() { value.clone() } else { json!([value]) };
                cursor.set_key_raw(&pack_row(&key_format, raw, &row(&record[0])))?;
                cursor.set_value_raw(&pack_row(&value_format, raw, &row(&record[1])))?;
                match args["op"].as_str().unwrap() {
                    "insert" => cursor.insert()?,
                    "update" => cursor.update()?,
                    other => panic!("unknown load operation {other}"),
                }
            }
            cursor.reset()?;
            Ok(Vec::new())
        }
        "walk" => {
            let mut records = Vec::new();
            while if args["direction"] == "prev" { cursor.prev()? } else { cursor.next()? } {
                let key = unpack_row(&key_format, raw, cursor.get_key_raw()?);
                let value = unpack_row(&value_format, raw, cursor.get_value_raw()?);
                records.push(json!([key, value]));
            }
            let expected = step["records"].as_array().unwrap();
            assert_eq!(&records, expected, "{step}");
            Err(Error::NotFound)
        }
        "set_key" => nothing(cursor.set_key_raw(&pack_row(&key_format, raw, &args["value"]))),
        "set_value" => nothing(cursor.set_value_raw(&pack_row(&value_format, raw, &args["value"]))),
        "get_key" => Ok(vec![("value", unpack_row(&key_format, raw, cursor.get_key_raw()?))]),
        "get_value" => Ok(vec![("value", unpack_row(&value_format, raw, cursor.get_value_raw()?))]),
        "get_raw_key_value" => {
            let (key, value) = cursor.get_raw_key_value()?;
            let hex = |bytes| unpack_row("u", true, bytes)[0].clone();
            Ok(vec![("key", hex(key)), ("val", hex(value))])
        }
        "next" => found(cursor.next()),
        "prev" => found(cursor.prev()),
        "search" => found(cursor.search()),
        "search_near" => match cursor.search_near()? {
            Some(exact) => Ok(vec![("exact", json!(exact as i8))]),
            None => Err(Error::NotFound),
        },
        "insert" => nothing(cursor.insert()),
        "update" => nothing(cursor.update()),
        "remove" => nothing(cursor.remove()),
        "reserve" => nothing(cursor.reserve()),
        "reset" => nothing(cursor.reset()),
        "largest_key" => found(cursor.largest_key()),
        "reconfigure" => nothing(cursor.reconfigure(config)),
        "bound" => nothing(cursor.bound(config)),
        "modify" => {
            let entries = args["entries"].as_array().unwrap();
            let data: Vec<Vec<u8>> = entries.iter().map(|entry| pack_row("u", true, &json!([entry["data"]]))).collect();
            let size = |value: &Json| usize::try_from(value.as_u64().unwrap()).unwrap();
            let entries: Vec<Modify<'_>> = entries
                .iter()
                .zip(&data)
                .map(|(entry, data)| Modify { data, offset: size(&entry["offset"]), size: size(&entry["size"]) })
                .collect();
            nothing(cursor.modify(&entries))
        }
        other => panic!("unknown call {other}: {step}"),
    }
}

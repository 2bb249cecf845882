//! What `drop` answers, and what is left of the object, as recorded with WiredTiger (`tests/data/drops.json`): missing
//! objects, `force`, open cursors, running transactions, uncommitted and dirty data, tables with column groups and
//! indices and their parts, URIs of other kinds. Every case has a database of its own.

use hardwired::plugin::error::strerror;
use hardwired::{Cursor, ErrorCode, EventHandler, Result, Session, wiredtiger_open};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

struct Quiet;
impl EventHandler for Quiet {
    fn handle_error(&self, _: i32, _: &str) -> Result<()> {
        Ok(())
    }
    fn handle_message(&self, _: &str) -> Result<()> {
        Ok(())
    }
}

const SIMPLE: &str = "key_format=S,value_format=S";
const COLUMNS: &str = "key_format=S,value_format=SS,columns=(k,a,b)";

fn put(session: &Session, uri: &str, values: &[&str]) -> Result<()> {
    let mut cursor = session.open_cursor(uri, "")?;
    match values {
        [a, b] => cursor.put("k", (*a, *b)).map(drop),
        values => cursor.put("k", values[0]).map(drop),
    }
}

/// Makes the objects of a case.
fn make(session: &Session, object: &str) -> Result<()> {
    match object.split(' ').next().unwrap() {
        "nothing" => return Ok(()),
        "simple" => {
            session.create("table:t", SIMPLE)?;
            put(session, "table:t", &["v"])?;
        }
        "file" => {
            session.create("file:f.wt", SIMPLE)?;
            put(session, "file:f.wt", &["v"])?;
        }
        "index" => {
            session.create("table:t", COLUMNS)?;
            session.create("index:t:i", "columns=(a)")?;
            put(session, "table:t", &["1", "2"])?;
        }
        "groups" => {
            session.create("table:t", &format!("{COLUMNS},colgroups=(x,y)"))?;
            session.create("colgroup:t:x", "columns=(a)")?;
            if !object.contains("incomplete") {
                session.create("colgroup:t:y", "columns=(b)")?;
                put(session, "table:t", &["1", "2"])?;
            }
        }
        other => panic!("objects that this test doesn't know: {other}"),
    }
    if object.ends_with("dirty") { Ok(()) } else { session.checkpoint("") }
}

/// The rows of the application's objects, and their files.
fn left(home: &Path, session: &Session) -> (Vec<String>, Vec<String>) {
    let mut cursor = session.open_cursor("metadata:", "").unwrap();
    let mut keys = Vec::new();
    while cursor.next().unwrap() {
        keys.push(cursor.get_key::<String>().unwrap());
    }
    let engines = ["metadata:", "file:WiredTigerHS.wt"];
    let mut rows: Vec<_> =
        keys.into_iter().filter(|key| !key.starts_with("system:") && !engines.contains(&&**key)).collect();
    rows.sort();
    let names = std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_data = |name: &String| (name.ends_with(".wt") || name.ends_with(".wti")) && !name.starts_with("WiredTiger");
    let mut files: Vec<_> = names.filter(is_data).collect();
    files.sort();
    (rows, files)
}

/// What a case gives, in the recording's form.
fn replay(case: &Value) -> Result<Value> {
    let text = |field: &str| case[field].as_str().unwrap();
    let (object, state) = (text("object"), text("state"));
    let home = tempfile::tempdir().unwrap();
    let connection = wiredtiger_open(home.path(), Some(Arc::new(Quiet)), "create")?;
    let (session, other) = (connection.open_session("")?, connection.open_session("")?);
    make(&session, object)?;
    let target = if object.starts_with("file") { "file:f.wt" } else { "table:t" };
    let is_complex = object.starts_with("index") || object.starts_with("groups");
    let values: &[&str] = if is_complex { &["3", "4"] } else { &["w"] };
    let mut cursor: Option<Cursor<'_>> = None;
    match state {
        "" => {}
        "cursor" => cursor = Some(session.open_cursor(target, "")?),
        "positioned cursor" => {
            let mut positioned = session.open_cursor(target, "")?;
            positioned.next()?;
            cursor = Some(positioned);
        }
        "closed cursor" => drop(session.open_cursor(target, "")?),
        "other cursor" => cursor = Some(other.open_cursor(target, "")?),
        "index cursor" => cursor = Some(other.open_cursor("index:t:i", "")?),
        "transaction" => session.begin_transaction("")?,
        "other transaction" => {
            other.begin_transaction("")?;
            other.open_cursor("metadata:", "")?.next()?;
        }
        "own uncommitted" => {
            session.begin_transaction("")?;
            put(&session, target, values)?;
        }
        "other uncommitted" => {
            other.begin_transaction("")?;
            put(&other, target, values)?;
        }
        unknown => panic!("a state that this test doesn't know: {unknown}"),
    }
    let dropped = session.drop(text("uri"), text("config"));
    drop(cursor);
    for session in [&session, &other] {
        // Where no transaction is running this is refused.
        let _ = session.rollback_transaction("");
    }
    let result = dropped.map_or_else(|error| Value::from(strerror(error.code().0)), |()| Value::from(0));
    let (rows, files) = left(home.path(), &session);
    Ok(serde_json::json!({ "result": result, "rows": rows, "files": files }))
}

/// Why this engine answers a case differently; `None`: it doesn't.
fn deviation(case: &Value) -> Option<&'static str> {
    let text = |key: &str| case[key].as_str().unwrap();
    match (text("object"), text("uri"), text("config")) {
        (_, "lsm:t" | "tiered:t", _) => Some("objects of kinds that aren't built are refused by name"),
        (_, "file:WiredTiger.wt", _) => Some("the metadata file has no row, so there is no such object"),
        (_, _, "remove_files=false,remove_shared") => Some("shared objects without files are refused for every kind"),
        ("groups incomplete", "colgroup:t:x" | "colgroup:t:y" | "colgroup:t", _) => {
            Some("a group can be dropped before all of its table's groups are there")
        }
        _ if text("config") == "force"
            && case["result"] == strerror(ErrorCode::EBUSY.0)
            && (text("object").ends_with("dirty") || text("state").ends_with("uncommitted")) =>
        {
            Some("as in release 12, force discards what no checkpoint holds; 11.3.1 refuses")
        }
        _ => None,
    }
}

#[test]
fn drops_answer_as_recorded() {
    let recorded: Value = serde_json::from_str(include_str!("data/drops.json")).unwrap();
    let cases = recorded["cases"].as_array().unwrap();
    assert!(cases.len() > 200, "{}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let found = replay(case).unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected = serde_json::json!({
            "result": case["result"], "rows": case["rows"], "files": case["files"],
        });
        let differs = found != expected;
        if let Some(reason) = deviation(case) {
            assert!(differs, "{case}: answered as recorded, so this reason is out of date: {reason}");
        } else if differs {
            wrong.push(format!(
                "{} {} drop({}, {:?}):\n  recorded {expected}\n  found    {found}",
                case["object"],
                case["state"],
                case["uri"],
                case["config"].as_str().unwrap()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

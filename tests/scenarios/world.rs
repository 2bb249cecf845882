//! What a scenario works on: a home, a connection, sessions and cursors by name, and the error lines they cause.

use hardwired::packing::{Format, Value, pack, unpack};
use hardwired::{Connection, Cursor, Error, EventHandler, Result, Session};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Collects error lines.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl EventHandler for Lines {
    fn handle_error(&self, _error: i32, message: &str) -> Result<()> {
        self.0.lock().unwrap().push(message.to_owned());
        Ok(())
    }

    fn handle_message(&self, _message: &str) -> Result<()> {
        Ok(())
    }
}

/// The state of a scenario. Sessions are leaked: cursors borrow them, and a test's process ends soon.
pub(crate) struct World {
    home: tempfile::TempDir,
    lines: Arc<Lines>,
    pub(crate) connection: Option<Connection>,
    pub(crate) sessions: HashMap<String, &'static Session>,
    pub(crate) cursors: HashMap<String, Cursor<'static>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            lines: Arc::default(),
            connection: None,
            sessions: HashMap::new(),
            cursors: HashMap::new(),
        }
    }

    pub(crate) fn open(&mut self, config: &str) -> Result<()> {
        let handler = Arc::clone(&self.lines) as Arc<dyn EventHandler>;
        self.connection = Some(hardwired::wiredtiger_open(self.home.path(), Some(handler), config)?);
        Ok(())
    }

    pub(crate) fn open_session(&mut self, name: &str, config: &str) -> Result<()> {
        let session = self.connection.as_ref().unwrap().open_session(config)?;
        self.sessions.insert(name.to_owned(), Box::leak(Box::new(session)));
        Ok(())
    }

    pub(crate) fn close(&mut self, config: &str) -> Result<()> {
        self.cursors.clear();
        self.connection.as_ref().unwrap().close(config)
    }

    /// The process dies: what it had handed to the operating system is there, nothing of what comes after.
    pub(crate) fn crash(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.home.path()).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        self.close("").unwrap();
        self.sessions.clear();
        self.home = copy;
    }

    pub(crate) fn session(&self, name: &str) -> &'static Session {
        self.sessions.get(name).unwrap_or_else(|| panic!("no session {name}"))
    }

    pub(crate) fn cursor(&mut self, name: &str) -> &mut Cursor<'static> {
        self.cursors.get_mut(name).unwrap_or_else(|| panic!("no cursor {name}"))
    }

    /// Adds an error line, for a call that the types of Rust rule out.
    pub(crate) fn say_error(&self, call: &str, text: &str) {
        self.lines.0.lock().unwrap().push(format!("[0:0][0:0x0], {call}: [WT_VERB_DEFAULT][ERROR]: {text}"));
    }

    /// The error lines since the last call: what follows `[CATEGORY][LEVEL]: `, and the context before it.
    pub(crate) fn take_lines(&self) -> Vec<(Vec<String>, String)> {
        let lines = std::mem::take(&mut *self.lines.0.lock().unwrap());
        lines
            .iter()
            .map(|line| {
                let (head, text) = line.split_once(": [WT_VERB_DEFAULT][ERROR]: ").unwrap_or_else(|| panic!("{line}"));
                let context = head.split(", ").skip(1).map(str::to_owned).collect();
                (context, text.to_owned())
            })
            .collect()
    }
}

/// WiredTiger's name for the result of a call.
pub(crate) fn name_of(error: &Error) -> String {
    name_of_code(error.code().0)
}

pub(crate) fn name_of_code(code: i32) -> String {
    let name = match code {
        0 => return "0".to_owned(),
        -31800 => "WT_ROLLBACK",
        -31801 => "WT_DUPLICATE_KEY",
        -31802 => "WT_ERROR",
        -31803 => "WT_NOTFOUND",
        -31804 => "WT_PANIC",
        -31806 => "WT_RUN_RECOVERY",
        -31808 => "WT_PREPARE_CONFLICT",
        -31809 => "WT_TRY_SALVAGE",
        2 => "ENOENT",
        16 => "EBUSY",
        17 => "EEXIST",
        22 => "EINVAL",
        95 => "ENOTSUP",
        code => return format!("code {code}"),
    };
    name.to_owned()
}

/// WiredTiger's name for a sub-level number.
pub(crate) fn name_of_sub_level(code: i32) -> &'static str {
    match code {
        -32000 => "WT_NONE",
        -32002 => "WT_CACHE_OVERFLOW",
        -32003 => "WT_WRITE_CONFLICT",
        -32004 => "WT_OLDEST_FOR_EVICTION",
        -32006 => "WT_CONFLICT_DHANDLE",
        -32008 => "WT_UNCOMMITTED_DATA",
        -32009 => "WT_DIRTY_DATA",
        _ => panic!("sub-level {code}"),
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Packs a list of values of a vector. Byte strings are hexadecimal there.
pub(crate) fn pack_row(format: &str, raw: bool, row: &Json) -> Vec<u8> {
    let columns = row.as_array().unwrap_or_else(|| panic!("not a row: {row}"));
    if raw {
        return from_hex(columns[0].as_str().unwrap());
    }
    let format = Format::parse(format).unwrap();
    let bytes: Vec<Vec<u8>> = columns
        .iter()
        .zip(format.columns())
        .map(|(value, column)| match value.as_str() {
            Some(text) if matches!(column.letter, b'u' | b'U') => from_hex(text),
            Some(text) => text.as_bytes().to_vec(),
            None => Vec::new(),
        })
        .collect();
    let values: Vec<Value<'_>> = columns
        .iter()
        .zip(format.columns())
        .zip(&bytes)
        .map(|((value, column), bytes)| match value {
            Json::String(_) if matches!(column.letter, b'u' | b'U') => Value::Bytes(bytes),
            Json::String(_) => Value::Text(bytes),
            number if number.is_i64() => Value::Int(number.as_i64().unwrap()),
            number => Value::Uint(number.as_u64().unwrap()),
        })
        .collect();
    pack(&format, &values).unwrap()
}

/// The list of values that a vector shows for packed bytes.
pub(crate) fn unpack_row(format: &str, raw: bool, bytes: &[u8]) -> Json {
    if raw {
        return Json::Array(vec![Json::String(to_hex(bytes))]);
    }
    let format = Format::parse(format).unwrap();
    let values = unpack(&format, bytes).unwrap();
    let show = |value: &Value<'_>| match value {
        Value::Int(number) => Json::from(*number),
        Value::Uint(number) => Json::from(*number),
        Value::Text(bytes) => Json::String(String::from_utf8(bytes.to_vec()).unwrap()),
        Value::Bytes(bytes) => Json::String(to_hex(bytes)),
    };
    Json::Array(values.iter().map(show).collect())
}

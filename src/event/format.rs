//! The line of one message, as text or as JSON.
//!
//! Source: API specification, sections 2.2 and 2.3.

use super::verbose::{Category, Level};
use crate::plugin::error::strerror;
use std::fmt::Write;
use std::time::Duration;

/// Everything a line says.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Time since the Unix epoch.
    pub time: Duration,
    /// The process's number.
    pub process: u32,
    /// The thread's number.
    pub thread: u64,
    /// The `error_prefix` setting; empty: left out.
    pub prefix: &'a str,
    /// The object in use, as `file:t.wt`; empty: left out.
    pub object: &'a str,
    /// The call in progress, as `WT_SESSION.create`; empty: left out.
    pub call: &'a str,
    /// What it is about.
    pub category: Category,
    /// How loud it is.
    pub level: Level,
    /// WiredTiger's number of the error, or 0.
    pub error: i32,
    /// The text.
    pub text: &'a str,
}

/// The text form: `[SEC:USEC][PID:THREAD], PREFIX, OBJECT, CALL: [CATEGORY][LEVEL]: TEXT: STRERROR`.
pub fn render_text(line: &Line<'_>) -> String {
    let mut out =
        format!("[{}:{:06}][{}:{:#x}]", line.time.as_secs(), line.time.subsec_micros(), line.process, line.thread);
    for part in [line.prefix, line.object, line.call] {
        if !part.is_empty() {
            out.push_str(", ");
            out.push_str(part);
        }
    }
    push(&mut out, format_args!(": [{}][{}]: {}", line.category.name(), line.level.name(), line.text));
    if line.error != 0 {
        let strerror = strerror(line.error);
        if !line.text.ends_with(&strerror) {
            push(&mut out, format_args!(": {strerror}"));
        }
    }
    out
}

/// The JSON form: one object, keys in WiredTiger's order.
pub fn render_json(line: &Line<'_>) -> String {
    let mut out = JsonLine::new();
    out.number("ts_sec", line.time.as_secs());
    out.number("ts_usec", line.time.subsec_micros());
    out.string("thread", format_args!("{}:{:#x}", line.process, line.thread));
    for (key, part) in
        [("session_err_prefix", line.prefix), ("session_dhandle_name", line.object), ("session_name", line.call)]
    {
        if !part.is_empty() {
            out.string(key, part);
        }
    }
    out.string("category", line.category.name());
    out.number("category_id", line.category.id());
    out.string("verbose_level", line.level.name());
    out.number("verbose_level_id", line.level.number());
    out.escaped("msg", line.text);
    if line.error != 0 {
        out.string("error_str", strerror(line.error));
        out.number("error_code", line.error);
    }
    out.finish()
}

/// Builds one JSON object on one line.
#[derive(Debug)]
pub struct JsonLine {
    out: String,
}

impl JsonLine {
    fn new() -> Self {
        Self { out: String::from("{") }
    }

    fn key(&mut self, key: &str) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        push(&mut self.out, format_args!("\"{key}\":"));
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        push(&mut self.out, format_args!("{value}"));
    }

    fn string(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        push(&mut self.out, format_args!("\"{value}\""));
    }

    fn escaped(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.push('"');
        escape_json_into(&mut self.out, value.as_bytes());
        self.out.push('"');
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// Appends `bytes` as the inside of a JSON string: printable ASCII as it is, the usual escapes, `\u00xx` for the rest.
pub(crate) fn escape_json_into(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'"' => out.push_str("\\\""),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => push(out, format_args!("\\u{byte:04x}")),
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String can't fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        Line {
            time: Duration::new(1_795_241_698, 430_490_000),
            process: 12248,
            thread: 0x7fd0_6146_8c40,
            prefix: "pfx",
            object: "",
            call: "WT_SESSION.create",
            category: Category::Default,
            level: Level::Error,
            error: 22,
            text: "unknown configuration key 'bogus'",
        }
    }

    #[test]
    fn a_text_line_has_the_real_form() {
        assert_eq!(
            render_text(&line()),
            "[1795241698:430490][12248:0x7fd061468c40], pfx, WT_SESSION.create: [WT_VERB_DEFAULT][ERROR]: \
             unknown configuration key 'bogus': Invalid argument"
        );
    }

    #[test]
    fn absent_parts_leave_no_commas_and_strerror_is_not_repeated() {
        let line = Line {
            prefix: "",
            call: "",
            object: "file:t.wt",
            text: "open: Invalid argument",
            time: Duration::from_micros(1),
            ..line()
        };
        assert_eq!(
            render_text(&line),
            "[0:000001][12248:0x7fd061468c40], file:t.wt: [WT_VERB_DEFAULT][ERROR]: open: Invalid argument"
        );
    }

    #[test]
    fn a_json_line_escapes_its_message_alone() {
        let line = Line { text: "a\"b\\\n\u{1}", prefix: "", ..line() };
        assert_eq!(
            render_json(&line),
            "{\"ts_sec\":1795241698,\"ts_usec\":430490,\"thread\":\"12248:0x7fd061468c40\",\
             \"session_name\":\"WT_SESSION.create\",\"category\":\"WT_VERB_DEFAULT\",\"category_id\":12,\
             \"verbose_level\":\"ERROR\",\"verbose_level_id\":-3,\"msg\":\"a\\\"b\\\\\\n\\u0001\",\
             \"error_str\":\"Invalid argument\",\"error_code\":22}"
        );
    }
}

//! The small commands: alter, create, drop, extensions, read, write.
//!
//! Source: command-line specification, sections 4 and 5.

use super::options::Opt;
use super::{Action, Command, Context, Outcome, Stop, Streams};
use crate::Cursor;
use crate::plugin::error::strerror;

pub(super) const ALTER: Command = Command {
    name: "alter",
    summary: "alter an object",
    synopsis: "alter uri configuration ...",
    letters: "",
    help: &[],
    open: "",
    action: Action::OnDatabase(alter),
};

pub(super) const CREATE: Command = Command {
    name: "create",
    summary: "create an object",
    synopsis: "create [-c configuration] uri",
    letters: "c:",
    help: &[("-c config", "a configuration string to be passed to WT_SESSION.create")],
    open: "create",
    action: Action::OnDatabase(create),
};

pub(super) const DROP: Command = Command {
    name: "drop",
    summary: "drop an object",
    synopsis: "drop uri",
    letters: "",
    help: &[],
    open: "",
    action: Action::OnDatabase(drop_object),
};

pub(super) const EXTENSIONS: Command = Command {
    name: "extensions",
    summary: "list the extensions linked into the program",
    synopsis: "extensions",
    letters: "",
    help: &[],
    open: "",
    action: Action::Alone(extensions),
};

pub(super) const READ: Command = Command {
    name: "read",
    summary: "read values from an object",
    synopsis: "read uri key ...",
    letters: "",
    help: &[],
    open: "",
    action: Action::OnDatabase(read),
};

pub(super) const WRITE: Command = Command {
    name: "write",
    summary: "write values to an object",
    synopsis: "write [-aor] uri key value ...",
    letters: "aor",
    help: &[
        ("-a", "append each value as a new record in the data source"),
        ("-o", "allow overwrite of previously existing records"),
        ("-r", "remove an existing record"),
    ],
    open: "",
    action: Action::OnDatabase(write),
};

fn alter(context: &mut Context<'_>, _: &[Opt], operands: &[String]) -> Outcome {
    if operands.is_empty() || !operands.len().is_multiple_of(2) {
        return Err(Stop::Usage(None));
    }
    for pair in operands.chunks_exact(2) {
        let [uri, config] = pair else { continue };
        context
            .session
            .alter(uri, config)
            .map_err(|error| Stop::because(format_args!("session.alter: {uri}, {config}"), &error))?;
    }
    Ok(())
}

fn create(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let [uri] = operands else { return Err(Stop::Usage(None)) };
    let config = options.iter().rev().find(|option| option.letter == 'c').map_or("", |option| &option.argument);
    let uri = context.uri(uri)?;
    context.session.create(&uri, config).map_err(|error| Stop::because(format_args!("session.create: {uri}"), &error))
}

fn drop_object(context: &mut Context<'_>, _: &[Opt], operands: &[String]) -> Outcome {
    let [uri] = operands else { return Err(Stop::Usage(None)) };
    let uri = context.uri(uri)?;
    context.session.drop(&uri, "force").map_err(|error| Stop::because(format_args!("session.drop: {uri}"), &error))
}

fn extensions(streams: &Streams) -> Outcome {
    let mut output = streams.output.lock();
    writeln!(output, "{:<16} {:<16} {:<24} {:<10} early-load", "kind", "name", "origin", "version")?;
    let linked = crate::extensions::linked(&[]).map_err(|error| Stop::Message(error.to_string()))?;
    for extension in linked.iter() {
        let origin = extension.origin();
        writeln!(
            output,
            "{:<16} {:<16} {:<24} {:<10} {}",
            extension.kind().to_string(),
            extension.name(),
            origin.crate_name,
            origin.version,
            if extension.requires_early_load() { "yes" } else { "no" }
        )?;
    }
    Ok(())
}

fn read(context: &mut Context<'_>, _: &[Opt], operands: &[String]) -> Outcome {
    let [uri, keys @ ..] = operands else { return Err(Stop::Usage(None)) };
    if keys.is_empty() {
        return Err(Stop::Usage(None));
    }
    let uri = context.uri(uri)?;
    let mut cursor = open_text_cursor(context, &uri, "")?;
    let mut missing = false;
    for key in keys {
        set_text_key(&mut cursor, &uri, key)?;
        match cursor.search() {
            Ok(true) => {
                let value: &str = cursor
                    .get_value()
                    .map_err(|error| Stop::because(format_args!("{uri}: cursor.get_value"), &error))?;
                writeln!(context.streams.output.lock(), "{value}")?;
            }
            Ok(false) => {
                context.complain(&format!("{key}: not found"));
                missing = true;
            }
            Err(error) => return Err(Stop::because(format_args!("{uri}: cursor.search"), &error)),
        }
    }
    if missing { Err(Stop::Quiet) } else { Ok(()) }
}

fn write(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let has = |letter| options.iter().any(|option| option.letter == letter);
    let (append, overwrite, remove) = (has('a'), has('o'), has('r'));
    let [uri, rest @ ..] = operands else { return Err(Stop::Usage(None)) };
    let counts_fit = if append {
        !rest.is_empty()
    } else if remove {
        rest.len() == 1
    } else {
        !rest.is_empty() && rest.len().is_multiple_of(2)
    };
    if !counts_fit {
        return Err(Stop::Usage(None));
    }
    let uri = context.uri(uri)?;
    let config = format!("append={append},overwrite={overwrite}");
    let mut cursor = open_text_cursor(context, &uri, &config)?;
    if append && cursor.key_format() != "r" {
        return Err(Stop::Usage(None));
    }
    if let (true, [key]) = (remove, rest) {
        set_text_key(&mut cursor, &uri, key)?;
        return cursor.remove().map_err(|error| Stop::because(format_args!("{uri}: cursor.remove"), &error));
    }
    let mut insert = |key: Option<&str>, value: &str| {
        if let Some(key) = key {
            set_text_key(&mut cursor, &uri, key)?;
        }
        cursor
            .set_value(value)
            .and_then(|()| cursor.insert())
            .map_err(|error| Stop::because(format_args!("{uri}: cursor.insert"), &error))
    };
    if append {
        return rest.iter().try_for_each(|value| insert(None, value));
    }
    rest.chunks_exact(2).try_for_each(|pair| match pair {
        [key, value] => insert(Some(key), value),
        _ => Ok(()),
    })
}

/// Opens a cursor on an object with text values and text or record-number keys: all that `read` and `write` handle.
fn open_text_cursor<'a>(context: &Context<'a>, uri: &str, config: &str) -> std::result::Result<Cursor<'a>, Stop> {
    let cursor = context
        .session
        .open_cursor(uri, config)
        .map_err(|error| Stop::because(format_args!("{uri}: session.open_cursor"), &error))?;
    let command = context.command.name;
    if !matches!(cursor.key_format(), "S" | "r") {
        return Err(Stop::Message(format!(
            "{command} command only possible when the key format is a record number or string"
        )));
    }
    if cursor.value_format() != "S" {
        return Err(Stop::Message(format!("{command} command only possible when the value format is a string")));
    }
    Ok(cursor)
}

fn set_text_key(cursor: &mut Cursor<'_>, uri: &str, key: &str) -> std::result::Result<(), Stop> {
    let set = if cursor.key_format() == "r" {
        let number = parse_number(key)?;
        cursor.set_key(number)
    } else {
        cursor.set_key(key)
    };
    set.map_err(|error| Stop::because(format_args!("{uri}: cursor.set_key"), &error))
}

/// A number as C reads it: decimal, `0x` hexadecimal or leading-0 octal; it must start with a digit.
pub(super) fn parse_number(text: &str) -> std::result::Result<u64, Stop> {
    let bad = |code| Stop::Message(format!("{text}: invalid number: {}", strerror(code)));
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(bad(22));
    }
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => (hex, 16),
        (None, Some(octal)) if !octal.is_empty() => (octal, 8),
        _ => (lower.as_str(), 10),
    };
    u64::from_str_radix(digits, radix).map_err(|error| match error.kind() {
        std::num::IntErrorKind::PosOverflow => bad(34),
        _ => bad(22),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_does() {
        let read = |text| {
            parse_number(text).map_err(|stop| match stop {
                Stop::Message(text) => text,
                _ => panic!("no message"),
            })
        };
        assert_eq!(read("10"), Ok(10));
        assert_eq!(read("0x1F"), Ok(31));
        assert_eq!(read("010"), Ok(8));
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("abc"), Err("abc: invalid number: Invalid argument".to_owned()));
        assert_eq!(read("-1"), Err("-1: invalid number: Invalid argument".to_owned()));
        assert_eq!(
            read("18446744073709551616"),
            Err("18446744073709551616: invalid number: Numerical result out of range".to_owned())
        );
    }
}

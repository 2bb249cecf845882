//! The command `list`: the metadata, its keys or all of it, with or without checkpoints.
//!
//! Source: command-line specification, section 9.

use super::options::Opt;
use super::{Action, Command, Context, Outcome, Stop};
use crate::metadata::checkpoint_lines;
use std::io::Write;

pub(super) const LIST: Command = Command {
    name: "list",
    summary: "list database objects",
    synopsis: "list [-cv] [-f output-file] [uri]",
    letters: "cf:v",
    help: &[
        ("-c", "display checkpoints in human-readable format (by default checkpoints are not displayed)"),
        ("-f output", "redirect output to the specified file (the default is stdout)"),
        ("-v", "display the complete schema table (by default only a subset is displayed)"),
    ],
    open: "",
    action: Action::OnDatabase(list),
};

fn list(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let checkpoints = options.iter().any(|option| option.letter == 'c');
    let all = options.iter().any(|option| option.letter == 'v');
    let prefix = match operands {
        [] => None,
        [uri] => Some(context.uri(uri)?),
        _ => return Err(Stop::Usage(None)),
    };
    let mut text = Vec::new();
    let mut matched = prefix.is_none();
    let failed = |what: &str, error: &crate::Error| Stop::because(format_args!("metadata:: {what}"), error);
    let mut cursor =
        context.session.open_cursor("metadata:", "").map_err(|error| failed("session.open_cursor", &error))?;
    while cursor.next().map_err(|error| failed("cursor.next", &error))? {
        let key: &str = cursor.get_key().map_err(|error| failed("cursor.get_key", &error))?;
        let value: &str = cursor.get_value().map_err(|error| failed("cursor.get_value", &error))?;
        let internal = key == "metadata:" || key == "file:WiredTigerHS.wt";
        if internal && !checkpoints && !all || key.starts_with("system:") && !all {
            continue;
        }
        if prefix.as_ref().is_some_and(|prefix| !key.starts_with(prefix.as_str())) {
            continue;
        }
        matched = true;
        writeln!(text, "{key}")?;
        if checkpoints {
            let lines = checkpoint_lines(value)
                .map_err(|error| Stop::Message(format!("{key}: {error}")))?;
            text.extend_from_slice(lines.as_bytes());
        }
        if all {
            writeln!(text, "{value}")?;
        }
    }
    match options.iter().rev().find(|option| option.letter == 'f') {
        None => context.streams.output.lock().write_all(&text)?,
        Some(Opt { argument: file, .. }) => std::fs::write(file, &text).map_err(|error| {
            Stop::because(format_args!("{file}: open"), &crate::Error::io("open", error))
        })?,
    }
    match prefix {
        Some(prefix) if !matched => Err(Stop::Message(format!("{prefix}: not found"))),
        _ => Ok(()),
    }
}

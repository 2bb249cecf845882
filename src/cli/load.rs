//! The command `load`: creates objects from a dump and inserts its records.
//!
//! Source: command-line specification, section 8.

use super::options::Opt;
use super::progress::Progress;
use super::{Action, Command, Context, Outcome, Stop};
use crate::plugin::config::ConfigParser;
use crate::{Error, Session};
use std::io::BufRead;

pub(super) const LOAD: Command = Command {
    name: "load",
    summary: "load an object",
    synopsis: "load [-an] [-f input-file] [-r name] [object configuration ...]",
    letters: "af:jnr:",
    help: &[
        ("-a", "ignore record number keys in the input and assign new record number keys"),
        ("-f input", "read from the specified file (by default records are read from stdin)"),
        ("-n", "fail at any attempt to overwrite existing data"),
        ("-r name", "use the argument as the table name, ignoring any name in the source"),
    ],
    open: "create",
    action: Action::OnDatabase(load),
};

/// The keys of a dumped configuration that belong to the database it came from.
const NOT_CREATED: &[&str] =
    &["filename", "id", "checkpoint", "checkpoint_backup_info", "checkpoint_lsn", "version", "source"];

/// No line of a dump is longer: twice the largest item in the print form's widest escape.
const MAX_LINE: u64 = 1 << 34;

fn load(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let has = |letter| options.iter().any(|option| option.letter == letter);
    let last = |letter| options.iter().rev().find(|option| option.letter == letter).map(|option| &option.argument);
    if has('j') {
        return Err(Stop::Message("load: the option -j is not supported yet".to_owned()));
    }
    let (append, no_overwrite) = (has('a'), has('n'));
    if append && no_overwrite {
        return Err(Stop::Message(
            "the -a (append) and -n (no-overwrite) flags are mutually exclusive: Invalid argument".to_owned(),
        ));
    }
    if !operands.len().is_multiple_of(2) {
        return Err(Stop::Usage(None));
    }
    let bar = Progress::new(context.streams, context.verbose, "", "records");
    let mut file;
    let input: &mut dyn BufRead = match last('f') {
        None => &mut *context.streams.input,
        Some(name) => {
            let open = std::fs::File::open(name)
                .map_err(|error| Stop::because(format_args!("{name}: reopen"), &Error::io("open", error)))?;
            file = std::io::BufReader::with_capacity(1 << 16, open);
            &mut file
        }
    };
    let mut lines = Lines { input, line: Vec::new(), number: 0 };
    let mut dump = read_header(&mut lines)?;
    if let Some(name) = last('r') {
        dump.rename(name);
    }
    dump.apply_operands(operands)?;
    let uri = dump.create_objects(context.session)?;
    let mut progress = bar.labelled(&uri);
    let loaded = insert_records(context.session, &mut lines, &uri, dump.hex, append, no_overwrite, &mut progress);
    progress.finish();
    loaded?;
    context.session.checkpoint("").map_err(|error| {
        // The object is of no use half loaded; the checkpoint's error is what the user must see.
        let _ = context.session.drop(&uri, "");
        Stop::because(format_args!("{uri}: session.checkpoint"), &error)
    })
}

/// The lines of the input, each ended by a newline.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    line: Vec<u8>,
    number: u64,
}

impl Lines<'_> {
    /// The next line without its newline; `None` at the end of the input.
    fn next_or_end(&mut self) -> std::result::Result<Option<&[u8]>, Stop> {
        use std::io::Read;
        self.line.clear();
        self.number += 1;
        let read = (&mut *self.input).take(MAX_LINE).read_until(b'\n', &mut self.line);
        match read {
            Err(error) => Err(Stop::because(format_args!("line {}: read", self.number), &Error::io("read", error))),
            Ok(0) => Ok(None),
            Ok(_) => match self.line.pop() {
                Some(b'\n') => Ok(Some(&self.line)),
                _ => Err(Stop::Message(format!("line {}: no newline terminator", self.number))),
            },
        }
    }

    /// The next line without its newline.
    fn next(&mut self) -> std::result::Result<&[u8], Stop> {
        let number = self.number + 1;
        self.next_or_end()?.ok_or_else(|| Stop::Message(format!("line {number}: unexpected end-of-file")))
    }

    fn next_text(&mut self) -> std::result::Result<String, Stop> {
        let line = self.next()?;
        String::from_utf8(line.to_vec()).map_err(|_| bad_format())
    }
}

/// What the header of a dump says.
struct Dump {
    hex: bool,
    /// URIs and configurations.
    objects: Vec<(String, String)>,
}

fn read_header(lines: &mut Lines<'_>) -> std::result::Result<Dump, Stop> {
    if !lines.next()?.starts_with(b"WiredTiger Dump ") {
        return Err(bad_format());
    }
    let hex = match lines.next()? {
        b"Format=print" => false,
        b"Format=hex" => true,
        _ => return Err(bad_format()),
    };
    if lines.next()? != b"Header" {
        return Err(bad_format());
    }
    let mut objects = Vec::new();
    loop {
        let uri = lines.next_text()?;
        if uri == "Data" {
            break;
        }
        let config = lines.next_text()?;
        if config == "Data" {
            return Err(bad_format());
        }
        objects.push((uri, config));
    }
    // The table first; without one there is exactly one file.
    match objects.iter().position(|(uri, _)| uri.starts_with("table:")) {
        Some(at) => objects.swap(0, at),
        None => match objects.as_slice() {
            [(uri, _)] if uri.starts_with("file:") => {}
            _ => return Err(bad_format()),
        },
    }
    Ok(Dump { hex, objects })
}

fn bad_format() -> Stop {
    Stop::Message("input does not match WiredTiger dump format".to_owned())
}

impl Dump {
    /// Replaces what stands between the first and the second colon of every object's name.
    fn rename(&mut self, name: &str) {
        for (uri, _) in &mut self.objects {
            let mut parts = uri.splitn(3, ':');
            let kind = parts.next().unwrap_or_default();
            let rest = parts.nth(1).map(|rest| format!(":{rest}")).unwrap_or_default();
            *uri = format!("{kind}:{name}{rest}");
        }
    }

    /// Merges the configurations of the command line over those of the dump.
    fn apply_operands(&mut self, operands: &[String]) -> Outcome {
        for pair in operands.chunks_exact(2) {
            let [name, config] = pair else { continue };
            for item in ConfigParser::new(config) {
                let (key, _) = item.map_err(|error| Stop::because(config, &error))?;
                if matches!(key.text(), "key_format" | "value_format") {
                    return Err(Stop::Message("an object's key or value format may not be modified".to_owned()));
                }
            }
            let mut matches = self.objects.iter_mut().filter(|(uri, _)| uri.starts_with(name.as_str()));
            let Some((_, merged)) = matches.next() else {
                return Err(Stop::Message(format!(
                    "the command line object name {name} was not matched by any loaded object name"
                )));
            };
            if matches.next().is_some() {
                return Err(Stop::Message(format!(
                    "the command line object name {name} was not unique, matching more than a single loaded object name"
                )));
            }
            // Of two settings of one key the later one counts.
            merged.push(',');
            merged.push_str(config);
        }
        Ok(())
    }

    /// Creates the objects, without what belongs to the database they came from. Gives the first one's URI.
    fn create_objects(&self, session: &Session) -> std::result::Result<String, Stop> {
        for (uri, config) in &self.objects {
            let config = creatable(config).map_err(|error| Stop::because(uri, &error))?;
            session
                .create(uri, &config)
                .map_err(|error| Stop::because(format_args!("session.create: {uri}"), &error))?;
        }
        Ok(self.objects.first().map(|(uri, _)| uri.clone()).unwrap_or_default())
    }
}

/// The configuration without the keys that `create` must choose itself.
fn creatable(config: &str) -> crate::Result<String> {
    let mut kept = String::with_capacity(config.len());
    for item in ConfigParser::new(config) {
        let (key, value) = item?;
        if NOT_CREATED.contains(&key.text()) {
            continue;
        }
        if !kept.is_empty() {
            kept.push(',');
        }
        kept.push_str(key.source());
        kept.push('=');
        kept.push_str(value.source());
    }
    Ok(kept)
}

fn insert_records(
    session: &Session,
    lines: &mut Lines<'_>,
    uri: &str,
    hex: bool,
    append: bool,
    no_overwrite: bool,
    progress: &mut Progress,
) -> Outcome {
    let config = format!("dump={},append={append},overwrite={}", if hex { "hex" } else { "print" }, !no_overwrite);
    let mut cursor = session
        .open_cursor(uri, &config)
        .map_err(|error| Stop::because(format_args!("{uri}: session.open_cursor"), &error))?;
    if append && cursor.object_key_format() != "r" {
        return Err(Stop::Message(format!("{uri}: -a option illegal unless the primary key is a record number")));
    }
    let mut key = Vec::new();
    while let Some(line) = lines.next_or_end()? {
        key.clear();
        key.extend_from_slice(line);
        let value = lines.next()?;
        cursor
            .set_text(&key, value)
            .and_then(|()| cursor.insert())
            .map_err(|error| Stop::because(format_args!("{uri}: cursor.insert"), &error))?;
        progress.step();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(stop: Stop) -> String {
        match stop {
            Stop::Message(text) => text,
            _ => panic!("no message"),
        }
    }

    fn header(text: &str) -> std::result::Result<Dump, String> {
        let mut input = text.as_bytes();
        read_header(&mut Lines { input: &mut input, line: Vec::new(), number: 0 }).map_err(message)
    }

    #[test]
    fn a_header_is_read_and_its_table_comes_first() {
        let dump = header("WiredTiger Dump x\nFormat=hex\nHeader\ncolgroup:t\nc=1\ntable:t\nkey_format=S,id=2\nData\n")
            .unwrap_or_else(|text| panic!("{text}"));
        assert!(dump.hex);
        assert_eq!(dump.objects[0].0, "table:t");
    }

    #[test]
    fn a_bad_header_is_refused_with_the_real_text() {
        let mismatch = Err("input does not match WiredTiger dump format".to_owned());
        for text in [
            "hello\n",
            "WiredTiger Dump x\nFormat=print hex\nHeader\ntable:t\nkey_format=S\nData\n",
            "WiredTiger Dump x\nFormat=print\nHeader\ntable:t\nData\n",
            "WiredTiger Dump x\nFormat=print\nHeader\nindex:t:x\nkey_format=S\nData\n",
        ] {
            assert_eq!(header(text).map(|_| ()), mismatch, "{text:?}");
        }
        assert_eq!(header("").map(|_| ()), Err("line 1: unexpected end-of-file".to_owned()));
        assert_eq!(header("Wired").map(|_| ()), Err("line 1: no newline terminator".to_owned()));
    }

    #[test]
    fn renaming_replaces_the_middle_of_every_name() {
        let mut dump = Dump {
            hex: false,
            objects: ["table:a", "colgroup:a:g"].map(|uri| (uri.to_owned(), String::new())).to_vec(),
        };
        dump.rename("b");
        assert_eq!(dump.objects[0].0, "table:b");
        assert_eq!(dump.objects[1].0, "colgroup:b:g");
    }

    #[test]
    fn keys_of_the_old_database_are_dropped() {
        let kept = creatable("a=1,id=2,source=\"file:x\",version=(major=1),log=(enabled=false)").unwrap();
        assert_eq!(kept, "a=1,log=(enabled=false)");
    }
}

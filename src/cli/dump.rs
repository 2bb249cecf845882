//! The command `dump`: an object's records as text that `load` reads back.
//!
//! Source: command-line specification, sections 6 and 7.

use super::commands::parse_number;
use super::options::Opt;
use super::progress::Progress;
use super::{Action, Command, Context, Outcome, Stop};
use crate::{Cursor, Error, Session};
use std::io::Write;

pub(super) const DUMP: Command = Command {
    name: "dump",
    summary: "dump an object",
    synopsis: "dump [-nrx] [-c checkpoint] [-f output-file] [-k key] [-l lower bound] [-t timestamp] [-u upper bound] [-w window] uri",
    letters: "c:ef:jk:l:npu:rt:w:x",
    help: &[
        ("-c checkpoint", "dump as of the named checkpoint (the default is the most recent version of the data)"),
        ("-f output", "dump to the specified file (the default is stdout)"),
        ("-k", "specify a key to look for (if not found, then no error is displayed)"),
        ("-l lower bound", "lower bound of the key range to dump"),
        ("-n", "if the specified key to look for cannot be found, return the result from search_near"),
        ("-r", "dump in reverse order"),
        ("-t timestamp", "dump as of the specified timestamp, in decimal or as (seconds,increment)"),
        ("-u upper bound", "upper bound of the key range to dump"),
        ("-w n", "dump n records before and after the record sought"),
        ("-x", "dump all characters in a hexadecimal encoding (by default printable characters are not encoded)"),
    ],
    open: "",
    action: Action::OnDatabase(dump),
};

/// What to dump.
#[derive(Default)]
struct Request {
    hex: bool,
    reverse: bool,
    near: bool,
    key: Option<String>,
    lower: Option<String>,
    upper: Option<String>,
    window: u64,
    file: Option<String>,
    checkpoint: Option<String>,
    timestamp: Option<u64>,
}

fn dump(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let request = parse(options)?;
    let [uri] = operands else { return Err(Stop::Usage(None)) };
    let uri = context.uri(uri)?;
    let mut config = if request.hex { "dump=hex".to_owned() } else { "dump=print".to_owned() };
    if let Some(checkpoint) = &request.checkpoint {
        config.push_str(&format!(",checkpoint=\"{checkpoint}\""));
    }
    if let Some(timestamp) = request.timestamp {
        context
            .session
            .begin_transaction(&format!("isolation=snapshot,read_timestamp={timestamp:x}"))
            .map_err(|error| Stop::because("begin transaction failed", &error))?;
    }
    let mut cursor = context
        .session
        .open_cursor(&uri, &config)
        .map_err(|error| Stop::because(format_args!("cursor open({uri}) failed"), &error))?;
    let header = header(context.session, &uri, request.hex)?;
    let mut progress = Progress::new(context.streams, false, &uri, "records");
    let result = match &request.file {
        Some(file) => {
            let open = std::fs::File::create(file)
                .map_err(|error| Stop::because(format_args!("{file}: open"), &Error::io("open", error)))?;
            let mut output = std::io::BufWriter::with_capacity(1 << 16, open);
            let written = write_dump(&mut output, &header, &mut cursor, &uri, &request, &mut progress);
            // What was read before an error is shown.
            written.and(output.flush().map_err(Stop::from))
        }
        None => {
            let output = context.streams.output.clone();
            let mut output = BatchedOutput { shared: output, batch: Vec::with_capacity(1 << 16) };
            let written = write_dump(&mut output, &header, &mut cursor, &uri, &request, &mut progress);
            written.and(output.flush().map_err(Stop::from))
        }
    };
    progress.finish();
    result
}

fn parse(options: &[Opt]) -> std::result::Result<Request, Stop> {
    let mut request = Request::default();
    for Opt { letter, argument } in options {
        match letter {
            'x' => request.hex = true,
            'r' => request.reverse = true,
            'n' => request.near = true,
            'k' => request.key = Some(argument.clone()),
            'l' => request.lower = Some(argument.clone()),
            'u' => request.upper = Some(argument.clone()),
            'c' => request.checkpoint = Some(argument.clone()),
            't' => request.timestamp = Some(parse_timestamp(argument)?),
            'f' => request.file = Some(argument.clone()),
            'w' => {
                request.window = parse_number(argument).map_err(|stop| match stop {
                    Stop::Message(text) => Stop::Usage(Some(text)),
                    stop => stop,
                })?;
            }
            letter => return Err(Stop::Message(format!("dump: the option -{letter} is not supported yet"))),
        }
    }
    Ok(request)
}

/// A timestamp in decimal, or its halves: `(seconds,increment)`.
fn parse_timestamp(text: &str) -> std::result::Result<u64, Stop> {
    let halves = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).and_then(|text| text.split_once(','));
    let parsed = match halves {
        Some((seconds, increment)) => match (seconds.trim().parse::<u32>(), increment.trim().parse::<u32>()) {
            (Ok(seconds), Ok(increment)) => Some(u64::from(seconds) << 32 | u64::from(increment)),
            _ => None,
        },
        None => text.parse::<u64>().ok(),
    };
    parsed.ok_or_else(|| Stop::Usage(Some(format!("\"{text}\" is not a timestamp"))))
}

/// The lines before the records: the object's configuration, then its column groups' and indices'.
fn header(session: &Session, uri: &str, hex: bool) -> std::result::Result<String, Stop> {
    let failed = |error: &Error| Stop::because("metadata:create: cursor", error);
    let mut text = format!(
        "WiredTiger Dump (WiredTiger Version {})\nFormat={}\nHeader\n",
        crate::version().compatible_release(),
        if hex { "hex" } else { "print" }
    );
    let mut metadata = session.open_cursor("metadata:create", "").map_err(|error| failed(&error))?;
    metadata.set_key(uri).map_err(|error| failed(&error))?;
    if !metadata.search().map_err(|error| failed(&error))? {
        return Err(Stop::Message(format!("{uri}: No such object exists")));
    }
    let config: &str = metadata.get_value().map_err(|error| failed(&error))?;
    text.push_str(&format!("{uri}\n{config}\n"));
    if let Some(name) = uri.strip_prefix("table:") {
        let kinds = [format!("colgroup:{name}:"), format!("index:{name}:")];
        metadata.reset().map_err(|error| failed(&error))?;
        while metadata.next().map_err(|error| failed(&error))? {
            let part: &str = metadata.get_key().map_err(|error| failed(&error))?;
            if kinds.iter().any(|kind| part.starts_with(kind.as_str())) {
                let config: &str = metadata.get_value().map_err(|error| failed(&error))?;
                text.push_str(&format!("{part}\n{config}\n"));
            }
        }
    }
    text.push_str("Data\n");
    Ok(text)
}

fn write_dump(
    output: &mut impl Write,
    header: &str,
    cursor: &mut Cursor<'_>,
    uri: &str,
    request: &Request,
    progress: &mut Progress,
) -> Outcome {
    for (bound, side) in [(&request.lower, "lower"), (&request.upper, "upper")] {
        if let Some(key) = bound {
            cursor
                .set_key(key.as_str())
                .and_then(|()| cursor.bound(&format!("action=set,bound={side}")))
                .map_err(|error| Stop::because(format_args!("{uri}: cursor.bound"), &error))?;
        }
    }
    output.write_all(header.as_bytes())?;
    match &request.key {
        Some(key) => write_around(output, cursor, uri, key, request),
        None => {
            while step(cursor, uri, request.reverse)? {
                write_record(output, cursor, uri)?;
                progress.step();
            }
            Ok(())
        }
    }
}

/// The record with the key (or near it) and so many before and after.
fn write_around(output: &mut impl Write, cursor: &mut Cursor<'_>, uri: &str, key: &str, request: &Request) -> Outcome {
    let failed = |what: &str, error: &Error| Stop::because(format_args!("{uri}: cursor.{what}"), error);
    cursor.set_key(key).map_err(|error| failed("set_key", &error))?;
    let found = if request.near {
        cursor.search_near().map_err(|error| failed("search_near", &error))?.is_some()
    } else {
        cursor.search().map_err(|error| failed("search", &error))?
    };
    if !found {
        return Ok(());
    }
    let mut back = 0;
    let mut at_edge = false;
    while back < request.window {
        if !step(cursor, uri, !request.reverse)? {
            at_edge = true;
            break;
        }
        back += 1;
    }
    // Beyond the edge the cursor has no position: the next step starts at that edge.
    let mut left = back + 1 + request.window;
    if at_edge && !step(cursor, uri, request.reverse)? {
        return Ok(());
    }
    loop {
        write_record(output, cursor, uri)?;
        left -= 1;
        if left == 0 || !step(cursor, uri, request.reverse)? {
            return Ok(());
        }
    }
}

fn step(cursor: &mut Cursor<'_>, uri: &str, backward: bool) -> std::result::Result<bool, Stop> {
    let (stepped, what) = if backward { (cursor.prev(), "prev") } else { (cursor.next(), "next") };
    stepped.map_err(|error| Stop::because(format_args!("{uri}: cursor.{what}"), &error))
}

fn write_record(output: &mut impl Write, cursor: &Cursor<'_>, uri: &str) -> Outcome {
    let key: &str = cursor.get_key().map_err(|error| Stop::because(format_args!("{uri}: cursor.get_key"), &error))?;
    let value: &str =
        cursor.get_value().map_err(|error| Stop::because(format_args!("{uri}: cursor.get_value"), &error))?;
    output.write_all(key.as_bytes())?;
    output.write_all(b"\n")?;
    output.write_all(value.as_bytes())?;
    output.write_all(b"\n")?;
    Ok(())
}

/// Writes to the shared output in large pieces, so that its lock isn't taken for every line.
struct BatchedOutput {
    shared: super::SharedWriter,
    batch: Vec<u8>,
}

impl Write for BatchedOutput {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.batch.extend_from_slice(bytes);
        if self.batch.len() >= 1 << 16 {
            self.shared.lock().write_all(&self.batch)?;
            self.batch.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.shared.lock().write_all(&self.batch)?;
        self.batch.clear();
        Ok(())
    }
}

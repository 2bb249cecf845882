//! The command `printlog`: the records of the log as JSON.
//!
//! The log is read as it is: nothing is recovered or changed.
//!
//! Source: command-line specification, section 13; log specification, section 19.

use super::options::Opt;
use super::{Action, Command, Context, Outcome, Stop};
use crate::log::{Entry, Lsn, Operation, Operations, Record, Scanner};
use crate::metadata::METADATA_FILE_ID;
use crate::{Error, Result};
use std::fmt::Write as _;
use std::io::Write;

pub(super) const PRINTLOG: Command = Command {
    name: "printlog",
    summary: "display the database log",
    synopsis: "printlog [-mux] [-f output-file] [-l start-file,start-offset]|[-l \
               start-file,start-offset,end-file,end-offset]",
    letters: "f:l:mux",
    help: &[
        ("-f", "output to the specified file"),
        ("-l", "the start LSN from which the log will be printed, optionally the end LSN can also be specified"),
        ("-m", "output log message records only"),
        ("-u", "print user data, don't redact"),
        ("-x", "display key and value items in hexadecimal format"),
    ],
    open: "",
    action: Action::OnDatabase(printlog),
};

/// What is to be printed, and how.
#[derive(Debug, Clone, Copy, Default)]
struct Request {
    start: Option<Lsn>,
    end: Option<Lsn>,
    messages_only: bool,
    user_data: bool,
    hexadecimal: bool,
}

fn printlog(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    if !operands.is_empty() {
        return Err(Stop::Usage(None));
    }
    let mut request = Request::default();
    let mut file = None;
    for Opt { letter, argument } in options {
        match letter {
            'f' => file = Some(argument),
            'l' => (request.start, request.end) = parse_range(argument).ok_or(Stop::Usage(None))?,
            'm' => request.messages_only = true,
            'u' => request.user_data = true,
            _ => request.hexadecimal = true,
        }
    }
    match file {
        Some(file) => {
            let open = std::fs::File::create(file)
                .map_err(|error| Stop::because(format_args!("{file}: open"), &Error::io("open", error)))?;
            let mut output = std::io::BufWriter::with_capacity(1 << 16, open);
            let printed = print(context, request, &mut output);
            printed.and(output.flush().map_err(Stop::from))
        }
        None => {
            let output = context.streams.output.clone();
            print(context, request, &mut *output.lock())
        }
    }
}

/// `FILE,OFFSET` or `FILE,OFFSET,FILE,OFFSET`.
fn parse_range(text: &str) -> Option<(Option<Lsn>, Option<Lsn>)> {
    let numbers: Vec<u32> = text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    match *numbers {
        [file, offset] => Some((Some(Lsn::new(file, offset)), None)),
        [file, offset, end_file, end_offset] => {
            Some((Some(Lsn::new(file, offset)), Some(Lsn::new(end_file, end_offset))))
        }
        _ => None,
    }
}

fn print(context: &Context<'_>, request: Request, output: &mut (impl Write + ?Sized)) -> Outcome {
    let directory = context.session.log_directory();
    let failed = |error: &Error| match error {
        Error::Corrupt(_) => Stop::Message(format!("printlog: {error}")),
        error => Stop::because("printlog", error),
    };
    if !request.messages_only {
        output.write_all(b"[\n")?;
    }
    let numbers = directory.numbers().map_err(|error| failed(&error))?;
    let last = *numbers.last().ok_or_else(|| failed(&Error::unsupported("no log files found")))?;
    let start = request.start.unwrap_or(Lsn::INITIAL);
    if start != Lsn::INITIAL && !numbers.contains(&start.file) {
        return Err(failed(&Error::new(crate::ErrorCode::ENOENT, "no such log file")));
    }
    let mut scanner = Scanner::new(&directory, start, last, false).map_err(|error| failed(&error))?;
    let mut text = String::new();
    let mut first = true;
    while let Some(entry) = scanner.next().map_err(|error| failed(&error))? {
        if first && start != Lsn::INITIAL && entry.lsn != start {
            return Err(failed(&Error::NotFound));
        }
        text.clear();
        if request.messages_only {
            message(&mut text, &entry).map_err(|error| failed(&error))?;
        } else {
            text.push_str(if first { "" } else { ",\n" });
            record(&mut text, &entry, request).map_err(|error| failed(&error))?;
        }
        output.write_all(text.as_bytes())?;
        first = false;
        if request.end.is_some_and(|end| entry.next > end) {
            break;
        }
    }
    if first && start != Lsn::INITIAL {
        return Err(failed(&Error::NotFound));
    }
    if !request.messages_only {
        output.write_all(b"\n]\n")?;
    }
    Ok(())
}

/// The text of a message; nothing for other records.
fn message(out: &mut String, entry: &Entry<'_>) -> Result<()> {
    if let Record::Message(text) = Record::parse(&entry.body()?)? {
        out.push_str(&String::from_utf8_lossy(text));
        out.push('\n');
    }
    Ok(())
}

fn record(out: &mut String, entry: &Entry<'_>, request: Request) -> Result<()> {
    let (header, Lsn { file, offset }) = (entry.header, entry.lsn);
    let is_compressed = header.mem_len != 0;
    let (flags, mem_len) = if is_compressed { ("compressed", header.mem_len) } else { ("", header.len) };
    let body = entry.body()?;
    let record = Record::parse(&body)?;
    let name = ["checkpoint", "commit", "file_sync", "message", "system"];
    let name = usize::try_from(record.kind()).ok().and_then(|kind| name.get(kind)).unwrap_or(&"");
    // Writing into a String can't fail.
    let _ = write!(
        out,
        "  {{ \"lsn\" : [{file},{offset}],\n    \"hdr_flags\" : \"{flags}\",\n    \"rec_len\" : {},\n    \"mem_len\" : \
         {mem_len},\n    \"type\" : \"{name}\",\n",
        header.len
    );
    match record {
        Record::Checkpoint { lsn, .. } => {
            let _ = write!(out, "    \"ckpt_lsn\" : [{},{}]", lsn.file, lsn.offset);
        }
        Record::Commit { txn, operations: list } => {
            let _ = writeln!(out, "    \"txnid\" : {txn},");
            operations(out, list, request)?;
        }
        Record::FileSync { file, start } => {
            let _ = write!(out, "    \"fileid\" : {file},\n    \"start\" : {}", u8::from(start));
        }
        Record::Message(text) => {
            let _ = write!(out, "    \"message\" : \"{}\"", String::from_utf8_lossy(text));
        }
        Record::System(list) => operations(out, list, request)?,
    }
    out.push_str("\n  }");
    Ok(())
}

fn operations(out: &mut String, operations: Operations<'_>, request: Request) -> Result<()> {
    out.push_str("    \"ops\": [\n");
    let mut separator = "";
    for operation in operations {
        out.push_str(separator);
        separator = ",\n";
        let (operation, _) = operation?;
        if !request.user_data && operation.file().is_some_and(|file| file != METADATA_FILE_ID) {
            out.push_str("      { REDACTED");
        } else {
            fields(&mut Fields { out, hexadecimal: request.hexadecimal }, &operation);
        }
        out.push_str("\n      }");
    }
    out.push_str("\n    ]");
    Ok(())
}

/// Writes the fields of one operation.
struct Fields<'a> {
    out: &'a mut String,
    hexadecimal: bool,
}

impl Fields<'_> {
    fn number(&mut self, name: &str, number: impl std::fmt::Display) {
        let _ = write!(self.out, ",\n        \"{name}\": {number}");
    }

    fn file(&mut self, file: u32) {
        self.number("fileid", file);
        self.number("fileid-hex", format_args!("\"{file:#x}\""));
    }

    fn item(&mut self, name: &str, item: &[u8]) {
        let _ = write!(self.out, ",\n        \"{name}\": \"");
        escape(self.out, item);
        self.out.push('"');
        if self.hexadecimal {
            let _ = write!(self.out, ",\n        \"{name}-hex\": \"");
            item.iter().for_each(|byte| {
                let _ = write!(self.out, "{byte:02x}");
            });
            self.out.push('"');
        }
    }
}

fn fields(to: &mut Fields<'_>, operation: &Operation<'_>) {
    let name = operation.name();
    let _ = write!(to.out, "      {{ \"optype\": \"{}\"", name.strip_prefix("logop_").unwrap_or(name));
    if let Some(file) = operation.file() {
        to.file(file);
    }
    match *operation {
        Operation::RowPut { key, value, .. } | Operation::RowModify { key, modify: value, .. } => {
            to.item("key", key);
            to.item("value", value);
        }
        Operation::RowRemove { key, .. } => to.item("key", key),
        Operation::RowTruncate { start, stop, mode, .. } => {
            to.item("start", start);
            to.item("stop", stop);
            to.number("mode", mode.code());
        }
        Operation::ColPut { recno, value, .. } | Operation::ColModify { recno, modify: value, .. } => {
            to.number("recno", recno);
            to.item("value", value);
        }
        Operation::ColRemove { recno, .. } => to.number("recno", recno),
        Operation::ColTruncate { start, stop, .. } => {
            to.number("start", start);
            to.number("stop", stop);
        }
        // No fields: an empty line takes their place.
        Operation::CheckpointStart | Operation::Ignored { .. } => to.out.push('\n'),
        Operation::PrevLsn(lsn) => to.number("prev_lsn", format_args!("[{}, {}]", lsn.file, lsn.offset)),
        Operation::BackupId { index, granularity, id } => {
            to.number("index", index);
            to.number("granularity", granularity);
            to.item("id", id);
        }
        Operation::TxnTimestamp(stamps) => {
            to.number("time_sec", stamps.time_sec);
            to.number("time_nsec", stamps.time_nsec);
            to.number("commit_ts", stamps.commit);
            to.number("durable_ts", stamps.durable);
            to.number("first_commit_ts", stamps.first_commit);
            to.number("prepare_ts", stamps.prepare);
            to.number("read_ts", stamps.read);
        }
    }
}

/// Appends bytes as the contents of a JSON string.
fn escape(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x0c => out.push_str("\\f"),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogDirectory;
    use crate::os::MemoryFileSystem;
    use crate::page::test_data::{hex, number, vectors};
    use crate::plugin::file_system::{FileSystem, FileType, OpenOptions};
    use std::path::Path;
    use std::sync::Arc;

    /// The records of a real log, printed with and without user data: the same texts, to the byte.
    #[test]
    fn a_real_log_prints_as_recorded() {
        let vectors = vectors("log-files.json");
        let mut bytes = hex(&vectors["crash"]["nonzero_prefix_hex"]);
        bytes.resize(number(&vectors["crash"]["file_size"]) as usize, 0);
        let fs = MemoryFileSystem::new();
        let create = OpenOptions { create: true, ..OpenOptions::default() };
        let path = Path::new("home/WiredTigerLog.0000000001");
        fs.open(path, FileType::Log, create).unwrap().write(0, &bytes).unwrap();
        let directory = LogDirectory::new(Arc::new(fs), Path::new("home"), ".");
        for (request, expected) in [
            (Request { user_data: true, hexadecimal: true, ..Request::default() }, "printlog_ux"),
            (Request::default(), "printlog_default"),
        ] {
            let mut scanner = Scanner::new(&directory, Lsn::INITIAL, 1, false).unwrap();
            let mut text = String::from("[\n");
            while let Some(entry) = scanner.next().unwrap() {
                text.push_str(if text.len() > 2 { ",\n" } else { "" });
                record(&mut text, &entry, request).unwrap();
            }
            text.push_str("\n]\n");
            let expected = vectors[expected].as_str().unwrap();
            for (found, expected) in text.lines().zip(expected.lines()) {
                assert_eq!(found, expected);
            }
            assert_eq!(text.len(), expected.len());
        }
    }

    #[test]
    fn ranges_are_two_or_four_numbers() {
        let start = Some(Lsn::new(2, 640));
        assert_eq!(parse_range("2,640"), Some((start, None)));
        assert_eq!(parse_range("2,640,3,128"), Some((start, Some(Lsn::new(3, 128)))));
        for bad in ["", "zz", "2", "2,3,4", "2,-1", "1,2,3,4,5"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}

//! The command line `hardwired`: WiredTiger's `wt` in options, output formats and exit status.
//!
//! One table (`COMMANDS`) holds every command with its options and help. A command opens the database through the
//! public API, does one thing and closes it. The exit status is 0 or 1. Output goes to the first of two streams,
//! diagnostics (as `PROGRAM: TEXT: REASON`) and progress bars to the second.
//!
//! It does not use anything below the public API.
//!
//! Source: command-line specification.

mod commands;
mod dump;
mod list;
mod load;
mod options;
mod printlog;
mod progress;
mod usage;
mod verify;

use crate::connection::{Connection, wiredtiger_open};
use crate::event::EventHandler;
use crate::plugin::error::strerror;
use crate::session::Session;
use crate::{Error, Result};
use options::{Opt, take_options};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A stream that the command and the engine's event handler share.
pub type SharedWriter = Arc<Mutex<dyn Write + Send>>;

/// Where a command reads and writes.
pub struct Streams {
    /// Input of `load`.
    pub input: Box<dyn BufRead>,
    /// Output.
    pub output: SharedWriter,
    /// Diagnostics.
    pub errors: SharedWriter,
    /// Whether progress bars may be drawn: somebody looks at a terminal that the output doesn't go to.
    pub progress: bool,
}

impl Streams {
    /// The process's own streams.
    pub fn of_process() -> Self {
        use std::io::IsTerminal;
        Self {
            input: Box::new(std::io::BufReader::new(std::io::stdin())),
            output: Arc::new(Mutex::new(std::io::BufWriter::with_capacity(1 << 16, std::io::stdout()))),
            errors: Arc::new(Mutex::new(std::io::stderr())),
            progress: std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
        }
    }
}

/// Runs one command line, the program's name first, and gives the exit status.
pub fn run(arguments: Vec<String>, streams: Streams) -> u8 {
    let mut words: VecDeque<String> = arguments.into();
    let program = words.pop_front().unwrap_or_default();
    let program =
        Path::new(&program).file_name().map_or("hardwired".into(), |name| name.to_string_lossy()).into_owned();
    let mut tool = Tool { program, streams };
    let status = match tool.run(&mut words) {
        Ok(()) => 0,
        Err(()) => 1,
    };
    // A reader that went away (a closed pipe) is not worth a word.
    let _ = tool.streams.output.lock().flush();
    status
}

struct Tool {
    program: String,
    streams: Streams,
}

/// What a command works with.
struct Context<'a> {
    program: &'a str,
    command: &'static Command,
    streams: &'a mut Streams,
    session: &'a Session,
    verbose: bool,
}

/// Why a command stops with exit status 1.
enum Stop {
    /// The arguments are wrong: a line (or none), then the command's usage.
    Usage(Option<String>),
    /// A diagnostic line, without the program's name.
    Message(String),
    /// Everything is said.
    Quiet,
}

impl Stop {
    /// `WHAT: REASON`, the reason being the text of the error's number.
    fn because(what: impl std::fmt::Display, error: &Error) -> Self {
        Self::Message(format!("{what}: {}", strerror(error.code().0)))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Message(format!("write: {}", strerror(error.raw_os_error().unwrap_or(5))))
    }
}

type Outcome = std::result::Result<(), Stop>;

/// One command: everything that parser and help need.
struct Command {
    name: &'static str,
    summary: &'static str,
    synopsis: &'static str,
    letters: &'static str,
    help: &'static [(&'static str, &'static str)],
    /// What the command adds to the configuration of the open.
    open: &'static str,
    /// Whether it needs a database.
    action: Action,
}

enum Action {
    OnDatabase(fn(&mut Context<'_>, &[Opt], &[String]) -> Outcome),
    Alone(fn(&Streams) -> Outcome),
}

const COMMANDS: &[Command] = &[
    commands::ALTER,
    commands::CREATE,
    commands::DROP,
    dump::DUMP,
    commands::EXTENSIONS,
    list::LIST,
    load::LOAD,
    printlog::PRINTLOG,
    commands::READ,
    verify::VERIFY,
    commands::WRITE,
];

/// The options before the command.
#[derive(Default)]
struct Globals {
    config: String,
    secret_key: Option<Zeroizing<String>>,
    home: String,
    log: &'static str,
    read_only: bool,
    salvage: bool,
    verify_metadata: bool,
    verbose: bool,
}

impl Tool {
    fn run(&mut self, words: &mut VecDeque<String>) -> std::result::Result<(), ()> {
        let Some(globals) = self.globals(words)? else { return Ok(()) };
        let name = words.pop_front();
        let command = name.as_deref().and_then(|name| COMMANDS.iter().find(|command| command.name == name));
        match (command, name) {
            (Some(Command { action: Action::Alone(action), .. }), _) => {
                if words.is_empty() {
                    action(&self.streams).map_err(|stop| self.told(command, stop))
                } else {
                    self.told(command, Stop::Usage(None));
                    Err(())
                }
            }
            (Some(command), _) => self.on_database(&globals, command, words),
            (None, None) if globals.verify_metadata => self.verify_metadata(&globals),
            (None, _) => {
                self.say_usage();
                Err(())
            }
        }
    }

    fn globals(&self, words: &mut VecDeque<String>) -> std::result::Result<Option<Globals>, ()> {
        let options = match take_options(words, "BC:E:h:Ll:mpRrSVv?") {
            Ok(options) => options,
            Err(bad) => {
                self.complain(&bad.to_string());
                self.say_usage();
                return Err(());
            }
        };
        let mut globals = Globals { home: ".".to_owned(), log: "log=(recover=error)", ..Globals::default() };
        let mut log_options = 0;
        for Opt { letter, argument } in options {
            match letter {
                'C' => globals.config = argument,
                'E' => globals.secret_key = Some(Zeroizing::new(argument)),
                'h' => globals.home = argument,
                'L' => (globals.log, log_options) = ("log=(enabled=false)", log_options + 1),
                'R' => (globals.log, log_options) = ("log=(recover=on)", log_options + 1),
                'S' => (globals.salvage, log_options) = (true, log_options + 1),
                'm' => globals.verify_metadata = true,
                'r' => globals.read_only = true,
                'v' => globals.verbose = true,
                'p' => {}
                'V' => {
                    self.say(&format!("{}\n", crate::version().text));
                    return Ok(None);
                }
                '?' => {
                    self.say_usage();
                    return Ok(None);
                }
                letter => {
                    self.complain(&format!("the option -{letter} is not supported yet"));
                    return Err(());
                }
            }
        }
        if log_options > 1 {
            self.raw_error("Only one of -L, -R, and -S is allowed.\n");
            return Err(());
        }
        if globals.read_only && (globals.salvage || globals.log == "log=(recover=on)") {
            self.raw_error("-R and -S cannot be used with -r\n");
            return Err(());
        }
        Ok(Some(globals))
    }

    fn on_database(
        &mut self,
        globals: &Globals,
        command: &'static Command,
        words: &mut VecDeque<String>,
    ) -> std::result::Result<(), ()> {
        let log =
            if command.name == printlog::PRINTLOG.name { "log=(enabled=false),readonly=true" } else { globals.log };
        let connection = self.open(globals, command.open, log)?;
        let outcome = self.in_session(&connection, globals, command, words);
        let outcome = outcome.map_err(|stop| match stop {
            None => false,
            Some(stop) => {
                self.told(Some(command), stop);
                true
            }
        });
        let closed = connection.close("").map_err(|error| self.complain(&strerror(error.code().0)));
        match (outcome, closed) {
            // Help was asked for and given.
            (Ok(()) | Err(false), Ok(())) => Ok(()),
            _ => Err(()),
        }
    }

    /// Runs the command. `Err(None)`: its help was asked for and given.
    fn in_session(
        &mut self,
        connection: &Connection,
        globals: &Globals,
        command: &'static Command,
        words: &mut VecDeque<String>,
    ) -> std::result::Result<(), Option<Stop>> {
        let Action::OnDatabase(action) = command.action else { return Ok(()) };
        let session = connection.open_session("").map_err(|error| Some(Stop::because("open_session", &error)))?;
        let letters = format!("{}?", command.letters);
        let options = take_options(words, &letters).map_err(|bad| Some(Stop::Usage(Some(bad.to_string()))))?;
        if options.iter().any(|option| option.letter == '?') {
            self.raw_error(&usage::command(&self.program, command));
            return Err(None);
        }
        let operands: Vec<String> = words.drain(..).collect();
        let mut context = Context {
            program: &self.program,
            command,
            streams: &mut self.streams,
            session: &session,
            verbose: globals.verbose,
        };
        action(&mut context, &options, &operands).map_err(Some)
    }

    fn verify_metadata(&mut self, globals: &Globals) -> std::result::Result<(), ()> {
        let connection = self.open(globals, "", globals.log)?;
        connection.close("").map_err(|error| self.complain(&strerror(error.code().0)))
    }

    fn open(&self, globals: &Globals, command_default: &str, log: &str) -> std::result::Result<Connection, ()> {
        let mut config = format!("error_prefix={},{command_default},{}", self.program, globals.config);
        if globals.verify_metadata {
            config.push_str(",verify_metadata=true");
        }
        if globals.read_only {
            config.push_str(",readonly=true");
        }
        config.push(',');
        config.push_str(log);
        if globals.salvage {
            config.push_str(",salvage=true");
        }
        let config = with_secret_key(config, globals.secret_key.as_deref().map(String::as_str));
        let handler = Arc::new(StreamHandler {
            output: Arc::clone(&self.streams.output),
            errors: Arc::clone(&self.streams.errors),
        });
        wiredtiger_open(&globals.home, Some(handler), &config).map_err(|error| {
            self.complain(&strerror(error.code().0));
            self.raw_error(&format!(
                "Note: this issue typically arises from running {0} in an incorrect directory or not specifying one. \
                 Ensure you execute {0} within a WiredTiger directory, or use the -h flag to direct it to one.\n",
                self.program
            ));
        })
    }

    fn told(&self, command: Option<&Command>, stop: Stop) {
        match stop {
            Stop::Quiet => {}
            Stop::Message(text) => self.complain(&text),
            Stop::Usage(text) => {
                if let Some(text) = text {
                    self.complain(&text);
                }
                if let Some(command) = command {
                    self.raw_error(&usage::command(&self.program, command));
                }
            }
        }
    }

    fn say_usage(&self) {
        self.raw_error(&usage::global());
    }

    fn complain(&self, text: &str) {
        self.raw_error(&format!("{}: {text}\n", self.program));
    }

    fn say(&self, text: &str) {
        // Nobody is left to tell when the output can't be written.
        let _ = self.streams.output.lock().write_all(text.as_bytes());
    }

    fn raw_error(&self, text: &str) {
        // Output before this line must not appear after it.
        let _ = self.streams.output.lock().flush();
        let _ = self.streams.errors.lock().write_all(text.as_bytes());
    }
}

impl Context<'_> {
    /// Gives a URI its default type and refuses the ones that are no objects.
    fn uri(&self, text: &str) -> std::result::Result<String, Stop> {
        if ["backup:", "config:", "statistics:"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err(Stop::Message(format!("{}: unsupported object type: {text}", self.command.name)));
        }
        Ok(if text.contains(':') { text.to_owned() } else { format!("table:{text}") })
    }

    fn complain(&self, text: &str) {
        let _ = self.streams.output.lock().flush();
        let _ = writeln!(self.streams.errors.lock(), "{}: {text}", self.program);
    }
}

/// A configuration with the secret key of `-E`. It is wiped after use; what the system shows of the command line is not.
fn with_secret_key(config: String, key: Option<&str>) -> Zeroizing<String> {
    let config = Zeroizing::new(config);
    let Some(key) = key else { return config };
    let parts = [config.as_str(), ",encryption=(secretkey=", key, ")"];
    // At once: a string that grows leaves copies behind.
    let mut whole = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| whole.push_str(part));
    whole
}

/// Sends the engine's lines where the command's own go.
struct StreamHandler {
    output: SharedWriter,
    errors: SharedWriter,
}

impl EventHandler for StreamHandler {
    fn handle_error(&self, _error: i32, message: &str) -> Result<()> {
        let _ = self.output.lock().flush();
        writeln!(self.errors.lock(), "{message}").map_err(|error| Error::io("stderr", error))
    }

    fn handle_message(&self, message: &str) -> Result<()> {
        writeln!(self.output.lock(), "{message}").map_err(|error| Error::io("stdout", error))
    }
}

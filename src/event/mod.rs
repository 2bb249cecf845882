//! Messages to the application: event handlers, the text of a message line, verbose categories and levels.
//!
//! Every message of an engine call goes through one [`Messenger`] a connection, which decides by category and level
//! whether it is wanted, builds the line (text or JSON) and hands it to the [`EventHandler`]. A handler is called on the
//! thread that has something to say and may be called from several threads at once.
//!
//! Invariants:
//! 1. A message that is not wanted costs one atomic load: no formatting, no clock.
//! 2. A handler's failure never fails the call that reported; it is itself reported to the handler (or to stderr).
//!
//! What it does not do: decide what is an error. That is the caller's; it is told the code.
//!
//! Source: API specification, section 2.

mod clock;
mod format;
mod messenger;
mod verbose;

pub use clock::{Clock, SystemClock};
pub use format::{JsonLine, Line, render_json, render_text};
pub use messenger::{Messenger, Origin};
pub use verbose::{Category, Level};

use crate::Result;
use std::io::Write;

/// What an application may do with what the engine has to say. Every method has WiredTiger's default.
pub trait EventHandler: Send + Sync {
    /// An error line. `error` is WiredTiger's number, or 0. Default: the line on stderr.
    fn handle_error(&self, error: i32, message: &str) -> Result<()> {
        let _ = error;
        write_line(&mut std::io::stderr().lock(), message)
    }

    /// A line that is not an error: warnings, notices, verbose messages, dumps. Default: the line on stdout.
    fn handle_message(&self, message: &str) -> Result<()> {
        write_line(&mut std::io::stdout().lock(), message)
    }

    /// A long operation has come to `counter`. Default: nothing.
    fn handle_progress(&self, operation: &str, counter: u64) -> Result<()> {
        let _ = (operation, counter);
        Ok(())
    }

    /// Something happened to the connection. Default: nothing.
    fn handle_general(&self, event: GeneralEvent) -> Result<()> {
        let _ = event;
        Ok(())
    }
}

/// The events of [`EventHandler::handle_general`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneralEvent {
    /// The connection begins to close (`WT_EVENT_CONN_CLOSE`).
    ConnectionClose,
    /// The metadata of a connection that is being opened is readable (`WT_EVENT_CONN_READY`).
    ConnectionReady,
}

impl GeneralEvent {
    /// WiredTiger's number for the event.
    pub fn number(self) -> i32 {
        match self {
            Self::ConnectionClose => 1,
            Self::ConnectionReady => 2,
        }
    }
}

/// The handler of a connection that was opened without one: errors to stderr, messages to stdout.
#[derive(Debug, Default, Clone, Copy)]
pub struct DefaultHandler;

impl EventHandler for DefaultHandler {}

fn write_line(stream: &mut impl Write, message: &str) -> Result<()> {
    writeln!(stream, "{message}")
        .and_then(|()| stream.flush())
        .map_err(|error| crate::Error::io("event handler: write", error))
}

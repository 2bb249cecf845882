//! The command line: see `hardwired -?`.

use hardwired::cli;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Moved where it can be, because a word may be a secret key.
    let text = |word: OsString| word.into_string().unwrap_or_else(|word| word.to_string_lossy().into_owned());
    let arguments = std::env::args_os().map(text).collect();
    ExitCode::from(cli::run(arguments, cli::Streams::of_process()))
}

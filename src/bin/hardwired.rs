//! The command line: see `hardwired -?`.

use hardwired::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    ExitCode::from(cli::run(arguments, cli::Streams::of_process()))
}

//! The command `verify`.
//!
//! Source: command-line specification, section 11.

use super::options::Opt;
use super::progress::Progress;
use super::{Action, Command, Context, Outcome, Stop};
use crate::ErrorCode;

pub(super) const VERIFY: Command = Command {
    name: "verify",
    summary: "verify an object",
    synopsis: "verify [-acSst] [uri]",
    letters: "acd:kSstu",
    help: &[
        ("-a", "abort on error during verification of all tables"),
        ("-c", "continue to the next page after encountering error during verification"),
        ("-S", "treat any verification problem as an error"),
        ("-s", "verify against the specified timestamp"),
        ("-t", "do not clear txn ids during verification"),
    ],
    open: "",
    action: Action::OnDatabase(verify),
};

fn verify(context: &mut Context<'_>, options: &[Opt], operands: &[String]) -> Outcome {
    let mut abort = false;
    let mut config = Vec::new();
    for option in options {
        match option.letter {
            'a' => abort = true,
            'c' => config.push("read_corrupt"),
            'S' => config.push("strict"),
            's' => config.push("stable_timestamp"),
            't' => config.push("do_not_clear_txn_id"),
            letter => return Err(Stop::Message(format!("verify: the option -{letter} is not supported yet"))),
        }
    }
    let config = config.join(",");
    let uris = match operands {
        [] => all_tables(context)?,
        [uri] => vec![context.uri(uri)?],
        _ => return Err(Stop::Usage(None)),
    };
    let mut progress = Progress::new(context.streams, false, "verify", "objects");
    let mut failed = false;
    for uri in &uris {
        let verified = context.session.verify(uri, &config);
        progress.step();
        if let Err(error) = verified {
            let tolerated = abort && error.code() == ErrorCode::ENOTSUP;
            if !tolerated {
                let stop = Stop::because(format_args!("session.verify: {uri}"), &error);
                if abort || uris.len() == 1 {
                    progress.finish();
                    return Err(stop);
                }
                if let Stop::Message(text) = stop {
                    context.complain(&text);
                }
                failed = true;
            }
        }
        if context.verbose {
            writeln!(context.streams.output.lock())?;
        }
    }
    progress.finish();
    if failed { Err(Stop::Quiet) } else { Ok(()) }
}

fn all_tables(context: &Context<'_>) -> std::result::Result<Vec<String>, Stop> {
    let failed = |what: &str, error: &crate::Error| Stop::because(format_args!("metadata:: {what}"), error);
    let mut cursor =
        context.session.open_cursor("metadata:", "").map_err(|error| failed("session.open_cursor", &error))?;
    let mut uris = Vec::new();
    while cursor.next().map_err(|error| failed("cursor.next", &error))? {
        let key: &str = cursor.get_key().map_err(|error| failed("cursor.get_key", &error))?;
        if key.starts_with("table:") {
            uris.push(key.to_owned());
        }
    }
    Ok(uris)
}

//! The command `list`: the metadata, its keys or all of it, with or without checkpoints.
//!
//! Source: command-line specification, section 9.

use super::options::Opt;
use super::{Action, Command, Context, Outcome, Stop};
use crate::Result;
use crate::block::{Address, CheckpointCookie};
use crate::metadata::{Checkpoint, parse_checkpoints};
use crate::plugin::config::Config;
use std::fmt::Write as _;
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
            let lines = checkpoint_lines(key, value).map_err(|error| Stop::Message(format!("{key}: {error}")))?;
            text.extend_from_slice(lines.as_bytes());
        }
        if all {
            writeln!(text, "{value}")?;
        }
    }
    match options.iter().rev().find(|option| option.letter == 'f') {
        None => context.streams.output.lock().write_all(&text)?,
        Some(Opt { argument: file, .. }) => std::fs::write(file, &text)
            .map_err(|error| Stop::because(format_args!("{file}: open"), &crate::Error::io("open", error)))?,
    }
    match prefix {
        Some(prefix) if !matched => Err(Stop::Message(format!("{prefix}: not found"))),
        _ => Ok(()),
    }
}

/// The block below an entry that has checkpoints.
fn checkpoint_lines(key: &str, value: &str) -> Result<String> {
    let config = Config::single(value);
    let Some(item) = config.get("checkpoint")? else { return Ok(String::new()) };
    let checkpoints = parse_checkpoints(item.text(), key)?;
    let allocation_size = u32::try_from(config.i64_or("allocation_size", 4096)?).unwrap_or(4096);
    let width = checkpoints.iter().map(|checkpoint| checkpoint.name.len()).max().unwrap_or(0) + 1;
    let mut text = String::new();
    for (number, checkpoint) in checkpoints.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        push_checkpoint(&mut text, checkpoint, width, allocation_size);
    }
    Ok(text)
}

fn push_checkpoint(text: &mut String, checkpoint: &Checkpoint, width: usize, allocation_size: u32) {
    // Writing into a String can't fail.
    let _ = writeln!(
        text,
        "\t{:>width$}: {} (size {})",
        checkpoint.name,
        calendar_time(checkpoint.time),
        size_text(checkpoint.size)
    );
    let Ok(cookie) = CheckpointCookie::decode(&checkpoint.cookie, allocation_size) else { return };
    let _ = writeln!(
        text,
        "\t\tfile-size: {}, checkpoint-size: {}\n\n\t\t          offset, size, checksum",
        size_text(cookie.file_size),
        size_text(cookie.rolling_size)
    );
    let parts =
        [("root   ", cookie.root), ("alloc  ", cookie.alloc), ("discard", cookie.discard), ("avail  ", cookie.avail)];
    for (name, address) in parts {
        let none = Address { offset: 0, size: 0, checksum: 0, object_id: 0 };
        let Address { offset, size, checksum, .. } = address.unwrap_or(none);
        let hex = if checksum == 0 { "0".to_owned() } else { format!("{checksum:#x}") };
        let _ = writeln!(text, "\t\t{name} : {offset}, {size}, {checksum} ({hex})");
    }
}

/// A size in the largest unit that fits, as an integer.
fn size_text(bytes: u64) -> String {
    const UNITS: &[(u32, &str)] = &[(50, "PB"), (40, "TB"), (30, "GB"), (20, "MB"), (10, "KB")];
    match UNITS.iter().find(|(shift, _)| bytes >> shift > 0) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

/// Seconds since 1970 in the form of C's `ctime`, in UTC.
fn calendar_time(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year (400 years: 146,097 days).
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let name = |names: &[&'static str], index: u64| names.get(index as usize).copied().unwrap_or("?");
    format!(
        "{} {} {day_of_month:>2} {:02}:{:02}:{:02} {year}",
        name(&DAYS, day % 7),
        name(&MONTHS, month),
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From a run of the real utility (command-line specification, section 9).
    #[test]
    fn a_checkpoint_prints_as_the_real_utility_does() {
        let value = "allocation_size=4KB,checkpoint=(WiredTigerCheckpoint.1=(addr=\"018181e4705647738281e41546bd1683\
                     81e4c671601d808080e22fc0cfc0\",order=1,time=1795241745,size=8192,write_gen=174,run_write_gen=173))";
        assert_eq!(
            checkpoint_lines("file:t.wt", value).unwrap(),
            "\t WiredTigerCheckpoint.1: Sat Nov 21 06:15:45 2026 (size 8 KB)\n\t\tfile-size: 20 KB, checkpoint-size: 4 KB\n\n\
             \t\t          offset, size, checksum\n\t\troot    : 8192, 4096, 1884710835 (0x705667b3)\n\
             \t\talloc   : 12288, 4096, 356965718 (0x1546dd56)\n\t\tdiscard : 0, 0, 0 (0)\n\
             \t\tavail   : 16384, 4096, 3329327197 (0xc671805d)\n"
        );
    }

    #[test]
    fn dates_are_right_at_the_edges() {
        assert_eq!(calendar_time(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(calendar_time(951_782_399), "Mon Feb 28 23:59:59 2000");
        assert_eq!(calendar_time(951_782_400), "Tue Feb 29 00:00:00 2000");
        assert_eq!(calendar_time(4_107_542_400), "Mon Mar  1 00:00:00 2100");
    }
}

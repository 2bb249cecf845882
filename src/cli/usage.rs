//! Help texts, made from the command table.

use super::{COMMANDS, Command};
use std::fmt::Write;

const GLOBAL_OPTIONS: &[(&str, &str)] = &[
    ("-C config", "wiredtiger_open configuration"),
    ("-E key", "secret encryption key"),
    ("-h home", "database directory"),
    ("-L", "turn logging off for debug-mode"),
    ("-m", "run verify on metadata"),
    ("-p", "disable pre-fetching on the connection (use this option when dumping/verifying corrupted data)"),
    ("-R", "run recovery (if recovery configured)"),
    ("-r", "access the database via a readonly connection"),
    ("-S", "run salvage recovery (if recovery configured)"),
    ("-V", "display library version and exit"),
    ("-v", "verbose"),
    ("-?", "show this message"),
];

/// The help of the program.
pub(super) fn global() -> String {
    let mut text = format!("{}\n", crate::version().text);
    text.push_str("MongoDB wiredtiger_open configuration: \"log=(enabled=true,path=journal,compressor=snappy)\"\n");
    text.push_str("global_options:\n");
    list(&mut text, GLOBAL_OPTIONS.iter().copied());
    text.push_str("commands:\n");
    list(&mut text, COMMANDS.iter().map(|command| (command.name, command.summary)));
    text
}

/// The help of one command.
pub(super) fn command(program: &str, command: &Command) -> String {
    let mut text =
        format!("usage: {program} [-LmpRrSVv] [-C config] [-E secretkey] [-h home] {}\noptions:\n", command.synopsis);
    list(&mut text, command.help.iter().copied().chain([("-?", "show this message")]));
    text
}

fn list<'a>(text: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    for (name, meaning) in entries {
        let gap = if name.len() <= 2 { "  " } else { "\n        " };
        // Writing into a String can't fail.
        let _ = writeln!(text, "    {name}{gap}{meaning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_wiredtigers_layout() {
        let create = COMMANDS.iter().find(|command| command.name == "create").unwrap();
        assert_eq!(
            command("wt", create),
            "usage: wt [-LmpRrSVv] [-C config] [-E secretkey] [-h home] create [-c configuration] uri\noptions:\n    \
             -c config\n        a configuration string to be passed to WT_SESSION.create\n    -?  show this message\n"
        );
    }

    #[test]
    fn commands_are_in_order_and_in_the_help() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        for command in COMMANDS {
            assert!(global().contains(&format!("    {}\n        {}\n", command.name, command.summary)));
        }
    }
}

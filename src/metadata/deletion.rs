//! Which checkpoints of a file a new one deletes, and whether a new one is needed at all.
//!
//! Source: block specification, sections 7.4 and 7.5; the behaviour of `drop` for absent names was observed.

use super::checkpoint::{Checkpoint, check_name, is_internal};
use crate::{Error, ErrorCode, Result};
use hardwired_plugin::config::ConfigParser;

/// More internal checkpoints than this are not deleted at once: merging their lists takes time under the lock.
const MAX_INTERNAL_DELETED: usize = 3;

/// One element of `drop=(...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropRule {
    /// The checkpoint of that name.
    Name(String),
    /// That checkpoint and all later ones; nothing if there is none of that name.
    From(String),
    /// That checkpoint and all earlier ones; nothing if there is none of that name.
    To(String),
    /// All.
    All,
}

/// What keeps checkpoints from being deleted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Protection<'a> {
    /// The time of the checkpoint that an open backup copies: none of that time or before may go.
    pub backup_time: Option<u64>,
    /// Names of the file's checkpoints that are open in cursors.
    pub open_names: &'a [String],
    /// The database is recovering from a restored backup: nothing may go.
    pub recovering_backup: bool,
}

/// A checkpoint to be taken of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckpointRequest<'a> {
    /// The application's name; `None` for an internal checkpoint.
    pub name: Option<&'a str>,
    /// What else to drop.
    pub drops: &'a [DropRule],
    /// Whether a checkpoint is taken of a clean tree too.
    pub force: bool,
}

/// Reads the value of `drop=`.
///
/// # Errors
/// `EINVAL` for reserved and malformed names.
pub fn parse_drops(text: &str) -> Result<Vec<DropRule>> {
    let mut rules = Vec::new();
    for item in ConfigParser::new(text) {
        let (key, value) = item?;
        let name = if value.is_empty() { key.text() } else { value.text() };
        check_name(name, true)?;
        rules.push(match key.text() {
            _ if value.is_empty() => DropRule::Name(name.to_owned()),
            "from" if name == "all" => DropRule::All,
            "from" => DropRule::From(name.to_owned()),
            "to" => DropRule::To(name.to_owned()),
            other => return Err(Error::invalid(format!("unexpected value for checkpoint key: {other}"))),
        });
    }
    Ok(rules)
}

/// For every existing checkpoint (by ascending order), whether the new one deletes it.
///
/// # Errors
/// `EBUSY` if a named checkpoint must go but is open in a cursor or protected by a backup.
pub fn choose_deletions(
    existing: &[Checkpoint],
    request: &CheckpointRequest<'_>,
    protection: &Protection<'_>,
    object: &str,
) -> Result<Vec<bool>> {
    let position = |name: &str| existing.iter().position(|checkpoint| checkpoint.name == name);
    let mut flags: Vec<bool> = existing
        .iter()
        .map(|checkpoint| request.name.map_or(checkpoint.is_internal(), |name| checkpoint.name == name))
        .collect();
    for rule in request.drops {
        let range = match rule {
            DropRule::Name(name) => position(name).map(|at| at..at.saturating_add(1)),
            DropRule::From(name) => position(name).map(|at| at..existing.len()),
            DropRule::To(name) => position(name).map(|at| 0..at.saturating_add(1)),
            DropRule::All => Some(0..existing.len()),
        };
        range.and_then(|range| flags.get_mut(range)).unwrap_or_default().fill(true);
    }
    let mut internal_deleted = 0usize;
    for (checkpoint, flag) in existing.iter().zip(&mut flags).filter(|(_, flag)| **flag) {
        let in_backup = protection.backup_time.is_some_and(|time| checkpoint.time <= time);
        let open = protection.open_names.contains(&checkpoint.name);
        if protection.recovering_backup {
            *flag = false;
        } else if checkpoint.is_internal() {
            *flag = !in_backup && !open && internal_deleted < MAX_INTERNAL_DELETED;
            internal_deleted = internal_deleted.saturating_add(usize::from(*flag));
        } else if in_backup || open {
            let reason = if in_backup { "a backup is copying it" } else { "it is open in a cursor" };
            return Err(Error::new(
                ErrorCode::EBUSY,
                format!("{object}: checkpoint {} cannot be deleted: {reason}", checkpoint.name),
            ));
        }
    }
    Ok(flags)
}

/// Whether the checkpoint of a clean tree can be left out. `deletions` comes from [`choose_deletions`];
/// `has_free_tail` tells whether a checkpoint would shorten the file.
pub fn is_skipped(
    existing: &[Checkpoint],
    request: &CheckpointRequest<'_>,
    deletions: &[bool],
    has_free_tail: bool,
) -> bool {
    let wanted = request.force || request.name.is_some() || !request.drops.is_empty();
    if !wanted && !has_free_tail && !existing.is_empty() {
        return true;
    }
    let same_name = existing.last().is_some_and(|newest| match request.name {
        Some(name) => newest.name == name,
        None => is_internal(&newest.name),
    });
    !request.force && same_name && deletions.iter().filter(|&&delete| delete).count() < 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::internal_name;
    use crate::page::time_aggregate::TimeAggregate;
    use rstest::rstest;

    /// Checkpoints named after the words; `*` is an internal one.
    fn checkpoints(names: &str) -> Vec<Checkpoint> {
        let checkpoint = |(index, name): (usize, &str)| Checkpoint {
            name: if name == "*" { internal_name(index as u64 + 1) } else { name.to_owned() },
            cookie: vec![1],
            order: index as u64 + 1,
            time: 100 + index as u64,
            size: 0,
            aggregate: TimeAggregate::DEFAULT,
            write_gen: 1,
            run_write_gen: 1,
        };
        names.split_whitespace().enumerate().map(checkpoint).collect()
    }

    fn flags(deletions: &[bool]) -> String {
        deletions.iter().map(|&delete| if delete { 'd' } else { '-' }).collect()
    }

    /// Observed with the real engine.
    #[rstest]
    #[case("*", Some("b1"), "", "-")]
    #[case("* b1 c1", None, "", "d--")]
    #[case("b1 c1 *", None, "nosuch", "--d")]
    #[case("b1 c1 *", None, "from=nosuch", "--d")]
    #[case("b1 c1 *", None, "to=nosuch", "--d")]
    #[case("b1 c1 * d1", None, "to=b1", "d-d-")]
    #[case("c1 d1 * b2", None, "from=b2", "--dd")]
    #[case("c1 d1 *", Some("d1"), "d1", "-d-")]
    #[case("c1 d1 e1 f1 *", None, "c1,from=f1", "d--dd")]
    #[case("d1 e1 *", None, "from=all", "ddd")]
    #[case("* x1", Some("x1"), "", "-d")]
    #[case("* x1", None, "all", "d-")]
    #[case("* x1", None, "to=all", "d-")]
    #[case("* * * * *", None, "", "ddd--")]
    fn a_new_checkpoint_deletes_these(
        #[case] names: &str,
        #[case] name: Option<&str>,
        #[case] drops: &str,
        #[case] expected: &str,
    ) {
        let drops = parse_drops(drops).unwrap();
        let request = CheckpointRequest { name, drops: &drops, force: false };
        let deletions = choose_deletions(&checkpoints(names), &request, &Protection::default(), "file:t.wt").unwrap();
        assert_eq!(flags(&deletions), expected);
    }

    #[rstest]
    #[case("WiredTigerCheckpoint")]
    #[case("WiredTigerCheckpoint.14")]
    #[case("\"a,b\"")]
    #[case("before=b1")]
    fn bad_drops_are_refused(#[case] text: &str) {
        assert_eq!(parse_drops(text).unwrap_err().code(), ErrorCode::EINVAL);
    }

    #[test]
    fn backups_and_cursors_keep_checkpoints() {
        let existing = checkpoints("* n *");
        let internal = CheckpointRequest::default();
        let choose = |request: &CheckpointRequest<'_>, protection: Protection<'_>| {
            choose_deletions(&existing, request, &protection, "file:t.wt").map(|deletions| flags(&deletions))
        };
        let backup = Protection { backup_time: Some(101), ..Protection::default() };
        assert_eq!(choose(&internal, backup).unwrap(), "--d");
        let open = [internal_name(3)];
        assert_eq!(choose(&internal, Protection { open_names: &open, ..Protection::default() }).unwrap(), "d--");
        let drops = [DropRule::Name("n".to_owned())];
        let dropping = CheckpointRequest { drops: &drops, ..CheckpointRequest::default() };
        assert_eq!(choose(&dropping, backup).unwrap_err().code(), ErrorCode::EBUSY);
        let open = ["n".to_owned()];
        let busy = Protection { open_names: &open, ..Protection::default() };
        assert_eq!(choose(&dropping, busy).unwrap_err().code(), ErrorCode::EBUSY);
        let recovering = Protection { recovering_backup: true, ..Protection::default() };
        assert_eq!(choose(&dropping, recovering).unwrap(), "---");
    }

    #[rstest]
    #[case::nothing_to_do("*", None, false, false, true)]
    #[case::forced("*", None, true, false, false)]
    #[case::named("*", Some("n"), false, false, false)]
    #[case::same_name_again("* n", Some("n"), false, false, true)]
    #[case::free_tail_but_one_to_delete("*", None, false, true, true)]
    #[case::free_tail_and_two_to_delete("* *", None, false, true, false)]
    #[case::never_checkpointed("", None, false, false, false)]
    fn clean_trees_are_skipped(
        #[case] names: &str,
        #[case] name: Option<&str>,
        #[case] force: bool,
        #[case] has_free_tail: bool,
        #[case] expected: bool,
    ) {
        let existing = checkpoints(names);
        let request = CheckpointRequest { name, drops: &[], force };
        let deletions = choose_deletions(&existing, &request, &Protection::default(), "f").unwrap();
        assert_eq!(is_skipped(&existing, &request, &deletions, has_free_tail), expected);
    }
}

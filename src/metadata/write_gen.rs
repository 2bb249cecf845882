//! Write generations: which run of the engine wrote a page.
//!
//! Transaction ids start again at 1 in every run, but pages keep the ids of the run that wrote them. Each page header has
//! a number from a counter of its tree; pages whose number isn't above the tree's base were written by an earlier run,
//! and the ids on them mean nothing any more.
//!
//! Invariants: a tree's counter never falls; `base <= write_gen` and `run_write_gen <= write_gen` for every open tree; the
//! connection's base exceeds every number that an earlier run made durable.
//!
//! Source: block specification, section 17.

use crate::metadata::Checkpoint;

/// The connection's base, as it grows while a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionBase(u64);

impl ConnectionBase {
    /// That of a database without any checkpoint.
    pub const NEW: Self = Self(1);

    /// Takes note of the last checkpoint of a file; `None` if it has none.
    pub fn observe(&mut self, last: Option<&Checkpoint>) {
        if let Some(checkpoint) = last {
            self.0 = self.0.max(checkpoint.write_gen.saturating_add(1));
        }
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl Default for ConnectionBase {
    fn default() -> Self {
        Self::NEW
    }
}

/// Why a tree is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenReason {
    /// For use.
    Normal,
    /// To read one checkpoint.
    Checkpoint,
    /// For the first time after an import.
    Import,
    /// By recovery.
    Recovery {
        /// Whether changes of the tree are in the log.
        logged: bool,
        /// `base_write_gen` of the `system:checkpoint_base_write_gen` entry; 0 if there is none.
        stored_base: u64,
    },
}

/// The numbers of an open tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeGenerations {
    /// The last number given to a page.
    pub write_gen: u64,
    /// The counter when the tree was first opened in this run.
    pub run_write_gen: u64,
    /// Pages up to this number hold ids of earlier runs.
    pub base: u64,
}

impl TreeGenerations {
    /// The numbers of a tree opened at a checkpoint (`None`: it has none).
    pub fn open(checkpoint: Option<&Checkpoint>, connection: ConnectionBase, reason: OpenReason) -> Self {
        let (stored, stored_run) =
            checkpoint.map_or((0, 0), |checkpoint| (checkpoint.write_gen, checkpoint.run_write_gen));
        let write_gen = stored.saturating_add(1).max(connection.get());
        let first_in_run = stored_run < connection.get() || reason == OpenReason::Import;
        let run_write_gen = if first_in_run { write_gen } else { stored_run };
        let base = match reason {
            OpenReason::Checkpoint => stored_run,
            // Rollback to stable compares the ids of the run that just ended with the checkpoint's snapshot.
            OpenReason::Recovery { logged: false, stored_base } if stored_run >= stored_base => stored_run,
            _ => run_write_gen,
        };
        Self { write_gen, run_write_gen, base }
    }

    /// What recovery does to every tree it leaves open: from now on ids that recovery or earlier runs wrote mean nothing.
    pub fn after_recovery(&mut self, connection: ConnectionBase) {
        let number = self.write_gen.max(connection.get());
        *self = Self { write_gen: number, run_write_gen: number, base: number };
    }

    /// The number for the next page: children are written, and numbered, before their parents.
    pub fn next_page(&mut self) -> u64 {
        self.write_gen = self.write_gen.saturating_add(1);
        self.write_gen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::test_support::vectors;
    use crate::page::time_aggregate::TimeAggregate;
    use serde_json::Value;

    /// The last (write_gen, run_write_gen) of a file at a step.
    fn last(steps: &Value, step: usize, file: &str) -> Option<Checkpoint> {
        let lines = steps[step]["lines"].as_array().unwrap();
        let line = lines.iter().map(|line| line.as_str().unwrap()).find(|line| line.starts_with(file)).unwrap();
        let (_, tail) = line.rsplit_once("'write_gen=")?;
        let (write_gen, tail) = tail.split_once(",run_write_gen=").unwrap();
        let run_write_gen = tail.split_once('\'').unwrap().0;
        Some(Checkpoint {
            name: String::new(),
            cookie: Vec::new(),
            order: 1,
            time: 1,
            size: 0,
            aggregate: TimeAggregate::DEFAULT,
            write_gen: write_gen.parse().unwrap(),
            run_write_gen: run_write_gen.parse().unwrap(),
        })
    }

    fn numbers(checkpoint: Option<Checkpoint>) -> (u64, u64) {
        let checkpoint = checkpoint.unwrap();
        (checkpoint.write_gen, checkpoint.run_write_gen)
    }

    /// Writes `pages` pages, gives what the checkpoint stores, and counts the avail list's trailer.
    fn checkpoint(tree: &mut TreeGenerations, pages: usize) -> (u64, u64) {
        for _ in 0..pages {
            tree.next_page();
        }
        let stored = (tree.write_gen, tree.run_write_gen);
        if pages != 0 {
            tree.next_page();
        }
        stored
    }

    const TURTLE: &str = "TURTLE";
    const HISTORY: &str = "file:WiredTigerHS.wt";

    /// Opens the database that a recorded step left, as recovery does, up to and with its checkpoint. Gives metadata and
    /// history store as they go on.
    fn reopen(
        steps: &Value,
        from: usize,
        opened: usize,
        rows: &[&str],
        history_pages: usize,
        stored_base: u64,
    ) -> (ConnectionBase, TreeGenerations, TreeGenerations) {
        let mut base = ConnectionBase::NEW;
        base.observe(last(steps, from, TURTLE).as_ref());
        // A clean close leaves the rows of the checkpoint before; these are read from the step that shows them.
        let recovery = |logged| OpenReason::Recovery { logged, stored_base };
        let mut metadata = TreeGenerations::open(last(steps, from, TURTLE).as_ref(), base, recovery(true));
        let history_before = last(steps, from - 1, HISTORY);
        for row in rows {
            base.observe(last(steps, from - 1, row).as_ref());
        }
        let mut history = TreeGenerations::open(history_before.as_ref(), base, recovery(false));
        let history_stored = checkpoint(&mut history, history_pages);
        assert_eq!(history_stored, numbers(last(steps, opened, HISTORY)));
        base.observe(last(steps, opened, HISTORY).as_ref());
        assert_eq!(checkpoint(&mut metadata, 2), numbers(last(steps, opened, TURTLE)));
        let lines = steps[opened]["lines"].to_string();
        assert!(lines.contains(&format!("system:checkpoint_base_write_gen base_write_gen={}", base.get())));
        metadata.after_recovery(base);
        history.after_recovery(base);
        (base, metadata, history)
    }

    #[test]
    fn four_recorded_runs_have_these_numbers() {
        let vectors = vectors("metadata-write-generations.json");
        let steps = &vectors["steps"];
        let rows = [HISTORY, "file:t.wt", "file:u.wt"];

        // Run 1: a new database.
        let mut t = TreeGenerations::open(None, ConnectionBase::NEW, OpenReason::Normal);
        assert_eq!(t, TreeGenerations { write_gen: 1, run_write_gen: 1, base: 1 });
        assert_eq!(checkpoint(&mut t, 2), numbers(last(steps, 1, "file:t.wt")));
        assert_eq!(checkpoint(&mut t, 2), numbers(last(steps, 2, "file:t.wt")));

        // Run 2.
        let (base, mut metadata, _) = reopen(steps, 3, 4, &rows, 0, 1);
        assert_eq!(base.get(), 22);
        let mut t = TreeGenerations::open(last(steps, 4, "file:t.wt").as_ref(), base, OpenReason::Normal);
        assert_eq!(t.base, 22, "ids of run 1 mean nothing");
        assert_eq!(checkpoint(&mut t, 2), numbers(last(steps, 5, "file:t.wt")));
        assert_eq!(checkpoint(&mut metadata, 2), numbers(last(steps, 5, TURTLE)));
        // The same tree opened again in the run keeps its ids.
        let again = TreeGenerations::open(last(steps, 5, "file:t.wt").as_ref(), base, OpenReason::Normal);
        assert_eq!((again.run_write_gen, again.base), (22, 22));

        // Run 3. (Its HS row before opening is that of step 5.)
        let (base, mut metadata, mut history) = reopen(steps, 6, 7, &rows, 0, 22);
        assert_eq!(base.get(), 33);
        let mut t = TreeGenerations::open(last(steps, 7, "file:t.wt").as_ref(), base, OpenReason::Normal);
        assert_eq!(checkpoint(&mut t, 2), numbers(last(steps, 8, "file:t.wt")));
        assert_eq!(checkpoint(&mut metadata, 2), numbers(last(steps, 8, TURTLE)));
        assert_eq!(checkpoint(&mut history, 2), numbers(last(steps, 8, HISTORY)));
        assert_eq!(checkpoint(&mut history, 1), numbers(last(steps, 9, HISTORY)));
        assert_eq!(checkpoint(&mut t, 2), numbers(last(steps, 9, "file:t.wt")));

        // Run 4: the history store's checkpoint is of run 3, whose ids recovery still believes.
        let (base, ..) = reopen(steps, 10, 11, &rows, 1, 33);
        assert_eq!(base.get(), 48);
        let reason = OpenReason::Recovery { logged: false, stored_base: 33 };
        let before = TreeGenerations::open(last(steps, 9, HISTORY).as_ref(), base, reason);
        assert_eq!(before.base, 33);
    }

    #[test]
    fn checkpoint_handles_and_imports_compare_as_specified() {
        let stored = Checkpoint {
            name: String::new(),
            cookie: Vec::new(),
            order: 1,
            time: 1,
            size: 0,
            aggregate: TimeAggregate::DEFAULT,
            write_gen: 50,
            run_write_gen: 40,
        };
        let base = ConnectionBase(30);
        let open = |reason| TreeGenerations::open(Some(&stored), base, reason);
        assert_eq!(open(OpenReason::Normal), TreeGenerations { write_gen: 51, run_write_gen: 40, base: 40 });
        assert_eq!(open(OpenReason::Import), TreeGenerations { write_gen: 51, run_write_gen: 51, base: 51 });
        let later = TreeGenerations::open(Some(&stored), ConnectionBase(60), OpenReason::Checkpoint);
        assert_eq!(later, TreeGenerations { write_gen: 60, run_write_gen: 60, base: 40 });
        let logged = OpenReason::Recovery { logged: true, stored_base: 40 };
        assert_eq!(TreeGenerations::open(Some(&stored), ConnectionBase(60), logged).base, 60);
    }
}

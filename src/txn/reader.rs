//! Readers of what lies on disk: who decides whether a point of time there is visible.
//!
//! A point is the start or the stop of a value: a transaction id, a commit timestamp and a durable timestamp. An id or a
//! timestamp of 0 is visible to everybody.
//!
//! Source: transactions specification, sections 9.1 and 14.

use super::{Snapshot, TS_MAX, TS_NONE, TXN_NONE, Txn, TxnId};

/// Who reads.
pub trait Reader {
    /// Whether a point is visible.
    fn sees_point(&self, id: TxnId, ts: u64, durable_ts: u64) -> bool;

    /// What starts later is not visible; [`TS_MAX`]: there is no such limit.
    fn limit_ts(&self) -> u64;
}

impl Reader for Txn {
    /// The durable timestamp is not considered.
    fn sees_point(&self, id: TxnId, ts: u64, _durable_ts: u64) -> bool {
        self.sees(id, ts)
    }

    fn limit_ts(&self) -> u64 {
        if self.read_timestamp() == TS_NONE { TS_MAX } else { self.read_timestamp() }
    }
}

/// What a checkpoint shows, whoever reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckpointView {
    /// The transactions it contains; `None`: all.
    pub snapshot: Option<Snapshot>,
    /// What it is read at; 0: there is no filter by time.
    pub read_ts: u64,
    /// What is durable later is not part of it; 0: there is no such limit.
    pub stable_ts: u64,
}

impl Reader for CheckpointView {
    fn sees_point(&self, id: TxnId, ts: u64, durable_ts: u64) -> bool {
        let by_id = id == TXN_NONE || self.snapshot.as_ref().is_none_or(|snapshot| snapshot.contains(id));
        let at_any_time = self.read_ts == 0 || ts == 0;
        by_id && (at_any_time || ts <= self.read_ts && (self.stable_ts == 0 || durable_ts <= self.stable_ts))
    }

    fn limit_ts(&self) -> u64 {
        if self.read_ts == 0 { TS_MAX } else { self.read_ts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_shows_its_snapshot_up_to_its_timestamp() {
        let snapshot = Snapshot { min: 6, max: 8, running: vec![6] };
        let view = CheckpointView { snapshot: Some(snapshot), read_ts: 20, stable_ts: 25 };
        assert!(view.sees_point(0, 0, 0));
        assert!(view.sees_point(5, 20, 25));
        assert!(view.sees_point(7, 1, 1));
        assert!(!view.sees_point(6, 1, 1), "it was running");
        assert!(!view.sees_point(8, 1, 1), "it came later");
        assert!(!view.sees_point(5, 21, 21), "committed later");
        assert!(!view.sees_point(5, 20, 26), "durable later");
        assert!(view.sees_point(5, 0, 26), "without a timestamp");
        assert_eq!(view.limit_ts(), 20);
    }

    #[test]
    fn without_snapshot_and_timestamp_everything_is_shown() {
        let view = CheckpointView::default();
        assert!(view.sees_point(1 << 40, 1 << 50, 1 << 50));
        assert_eq!(view.limit_ts(), TS_MAX);
    }
}

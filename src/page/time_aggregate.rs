//! The time aggregate of an address cell: what bounds the windows of everything beneath it (format specification,
//! sections 6.2 and 6.3).
//!
//! Invariants
//! 1. An aggregate is computed from [`TimeAggregate::EMPTY`], not from the default a decoder starts from.
//! 2. Merging is associative and commutative.
//! 3. Unlike in a value's window, a durable timestamp whose bit is clear is 0, and the last field is relative to the
//!    newest stop timestamp even if there is none.

use hardwired_plugin::{Error, Result};

use super::time_window::{TS_MAX, TS_NONE, TXN_MAX, TXN_NONE, TimeWindow, bits};
use super::vuint;

/// The transaction and timestamps of a truncate that deleted a whole page without reading it (section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PageDelete {
    /// Transaction of the truncate.
    pub txn: u64,
    /// Commit timestamp, 0 if it had none.
    pub ts: u64,
    /// Durable timestamp, 0 if it had none.
    pub durable_ts: u64,
}

impl PageDelete {
    /// Forgets the transaction id of a page from an earlier run (section 15).
    pub fn forget_transactions(&mut self) {
        self.txn = TXN_NONE;
        if self.ts == TS_MAX {
            self.ts = TS_NONE;
        }
    }
}

/// Bounds of the time windows in a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeAggregate {
    /// Largest durable start timestamp.
    pub newest_start_durable_ts: u64,
    /// Largest durable stop timestamp.
    pub newest_stop_durable_ts: u64,
    /// Smallest start timestamp.
    pub oldest_start_ts: u64,
    /// Largest transaction id of a start or a real stop.
    pub newest_txn: u64,
    /// Largest stop timestamp; [`TS_MAX`] if something is not deleted.
    pub newest_stop_ts: u64,
    /// Largest stop transaction; [`TXN_MAX`] if something is not deleted.
    pub newest_stop_txn: u64,
    /// Whether anything is prepared.
    pub prepare: bool,
}

impl Default for TimeAggregate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TimeAggregate {
    /// What a cell without secondary descriptor means: nothing beneath has a time.
    pub const DEFAULT: Self = Self {
        newest_start_durable_ts: TS_NONE,
        newest_stop_durable_ts: TS_NONE,
        oldest_start_ts: TS_NONE,
        newest_txn: TXN_NONE,
        newest_stop_ts: TS_MAX,
        newest_stop_txn: TXN_MAX,
        prepare: false,
    };

    /// The aggregate of nothing: the neutral element of merging.
    pub const EMPTY: Self =
        Self { oldest_start_ts: TS_MAX, newest_stop_ts: TS_NONE, newest_stop_txn: TXN_NONE, ..Self::DEFAULT };

    /// Whether this is the decoder's default.
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }

    /// Takes in one value; a record without window counts with the default window.
    #[inline]
    pub fn add_window(&mut self, window: &TimeWindow) {
        self.newest_start_durable_ts = self.newest_start_durable_ts.max(window.durable_start_ts);
        self.newest_stop_durable_ts = self.newest_stop_durable_ts.max(window.durable_stop_ts);
        self.oldest_start_ts = self.oldest_start_ts.min(window.start_ts);
        self.newest_txn = self.newest_txn.max(window.start_txn);
        if window.stop_txn != TXN_MAX {
            self.newest_txn = self.newest_txn.max(window.stop_txn);
        }
        self.newest_stop_ts = self.newest_stop_ts.max(window.stop_ts);
        self.newest_stop_txn = self.newest_stop_txn.max(window.stop_txn);
        self.prepare |= window.prepare;
    }

    /// Takes in the aggregate of a child page.
    pub fn add(&mut self, child: &Self) {
        self.newest_start_durable_ts = self.newest_start_durable_ts.max(child.newest_start_durable_ts);
        self.newest_stop_durable_ts = self.newest_stop_durable_ts.max(child.newest_stop_durable_ts);
        self.oldest_start_ts = self.oldest_start_ts.min(child.oldest_start_ts);
        self.newest_txn = self.newest_txn.max(child.newest_txn);
        self.newest_stop_ts = self.newest_stop_ts.max(child.newest_stop_ts);
        self.newest_stop_txn = self.newest_stop_txn.max(child.newest_stop_txn);
        self.prepare |= child.prepare;
        self.raise_newest_txn();
    }

    /// Takes in a truncate of the child page, as if it were a stop of everything on it.
    pub fn add_delete(&mut self, delete: &PageDelete) {
        self.newest_stop_durable_ts = self.newest_stop_durable_ts.max(delete.durable_ts);
        self.newest_txn = self.newest_txn.max(delete.txn);
        self.newest_stop_ts = self.newest_stop_ts.max(delete.ts);
        self.newest_stop_txn = self.newest_stop_txn.max(delete.txn);
    }

    fn raise_newest_txn(&mut self) {
        if self.newest_stop_txn != TXN_MAX {
            self.newest_txn = self.newest_txn.max(self.newest_stop_txn);
        }
    }

    /// Appends the secondary descriptor byte and the fields that are not default.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let descriptor_at = out.len();
        out.push(0);
        let mut descriptor = if self.prepare { bits::PREPARE } else { 0 };
        let mut field = |present: bool, bit: u8, value: u64| {
            if present {
                descriptor |= bit;
                vuint::push(out, value);
            }
        };
        let oldest = self.oldest_start_ts;
        field(oldest != TS_NONE, bits::START_TS, oldest);
        field(self.newest_txn != TXN_NONE, bits::START_TXN, self.newest_txn);
        let start_durable = self.newest_start_durable_ts;
        field(start_durable != TS_NONE, bits::DURABLE_START_TS, start_durable.wrapping_sub(oldest));
        field(self.newest_stop_ts != TS_MAX, bits::STOP_TS, self.newest_stop_ts.wrapping_sub(oldest));
        let stop_txn = self.newest_stop_txn;
        field(stop_txn != TXN_MAX, bits::STOP_TXN, stop_txn.wrapping_sub(self.newest_txn));
        let stop_durable = self.newest_stop_durable_ts;
        field(stop_durable != TS_NONE, bits::DURABLE_STOP_TS, stop_durable.wrapping_sub(self.newest_stop_ts));
        if let Some(byte) = out.get_mut(descriptor_at) {
            *byte = descriptor;
        }
    }

    /// Reads the secondary descriptor byte and its fields from the front of `input` and moves `input` past them.
    ///
    /// `None` if they are cut off.
    pub fn unpack(input: &mut &[u8]) -> Option<Self> {
        let (&descriptor, rest) = input.split_first()?;
        *input = rest;
        let mut aggregate = Self { prepare: descriptor & bits::PREPARE != 0, ..Self::DEFAULT };
        let mut field = |bit: u8, default: u64, base: u64| match descriptor & bit {
            0 => Some(default),
            _ => Some(vuint::take(input)?.wrapping_add(base)),
        };
        aggregate.oldest_start_ts = field(bits::START_TS, TS_NONE, 0)?;
        aggregate.newest_txn = field(bits::START_TXN, TXN_NONE, 0)?;
        aggregate.newest_start_durable_ts = field(bits::DURABLE_START_TS, TS_NONE, aggregate.oldest_start_ts)?;
        aggregate.newest_stop_ts = field(bits::STOP_TS, TS_MAX, aggregate.oldest_start_ts)?;
        aggregate.newest_stop_txn = field(bits::STOP_TXN, TXN_MAX, aggregate.newest_txn)?;
        aggregate.newest_stop_durable_ts = field(bits::DURABLE_STOP_TS, TS_NONE, aggregate.newest_stop_ts)?;
        Some(aggregate)
    }

    /// Forgets transaction ids of a page whose write generation is from an earlier run (section 15).
    pub fn forget_transactions(&mut self) {
        self.newest_txn = TXN_NONE;
        if self.newest_stop_txn != TXN_MAX {
            self.newest_stop_txn = TXN_NONE;
            if self.newest_stop_ts == TS_MAX {
                self.newest_stop_ts = TS_NONE;
            }
        }
    }

    /// Checks that the aggregate is one that can be.
    ///
    /// # Errors
    /// `EINVAL` with the rule that is broken.
    pub fn check(&self) -> Result<()> {
        let a = self;
        let no_stop = a.newest_stop_ts == TS_MAX;
        let rules = [
            (a.oldest_start_ts > a.newest_stop_ts, "an oldest start time after its newest stop time"),
            (a.newest_txn > a.newest_stop_txn, "a newest transaction after its newest stop transaction"),
            (a.oldest_start_ts > a.newest_start_durable_ts, "an oldest start time after its newest durable start time"),
            (
                !no_stop && a.newest_stop_ts > a.newest_stop_durable_ts,
                "a newest stop time after its newest durable stop time",
            ),
            (
                !no_stop && a.newest_start_durable_ts > a.newest_stop_durable_ts,
                "a newest durable start time after its newest durable stop time",
            ),
            (
                a.newest_stop_durable_ts != TS_NONE && a.newest_stop_durable_ts < a.oldest_start_ts,
                "a newest durable stop time before its oldest start time",
            ),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(Error::invalid(format!("address time aggregate has {reason}: {self:?}"))),
            None => Ok(()),
        }
    }

    /// Checks a deleted page's cell: its aggregate against the truncate, and both together (section 9.3).
    ///
    /// # Errors
    /// `EINVAL` with the rule that is broken.
    pub fn check_delete(&self, delete: &PageDelete) -> Result<()> {
        let rules = [
            (delete.durable_ts < delete.ts, "a durable time before its commit time"),
            (self.newest_stop_durable_ts > delete.durable_ts, "a durable time before the page's newest durable stop"),
            (self.newest_txn > delete.txn, "a transaction before the page's newest transaction"),
            (self.newest_stop_ts != TS_MAX && self.newest_stop_ts > delete.ts, "a time before the page's newest stop"),
            (
                self.newest_stop_txn != TXN_MAX && self.newest_stop_txn > delete.txn,
                "a transaction before the page's newest stop",
            ),
        ];
        if let Some((_, reason)) = rules.iter().find(|(broken, _)| *broken) {
            return Err(Error::invalid(format!("page delete information has {reason}: {delete:?}, {self:?}")));
        }
        Self {
            newest_stop_durable_ts: delete.durable_ts,
            newest_txn: delete.txn,
            newest_stop_ts: delete.ts,
            newest_stop_txn: delete.txn,
            ..*self
        }
        .check()
    }

    /// Checks that a value's window lies within this aggregate, that of its page (section 6.3).
    ///
    /// `stable_ts` is the stable (or recovery) timestamp, 0 if there is none: below an aggregate without any time no
    /// timestamp may be newer.
    ///
    /// # Errors
    /// `EINVAL` with the rule that is broken.
    pub fn check_contains_window(&self, child: &TimeWindow, stable_ts: u64) -> Result<()> {
        if self.is_default() {
            let stop_ts = if child.stop_ts == TS_MAX { TS_NONE } else { child.stop_ts };
            let times = [child.durable_start_ts, child.start_ts, child.durable_stop_ts, stop_ts];
            return check_stable(&times, stable_ts);
        }
        let p = self;
        // Where 0 stands for "not known", it bounds nothing.
        let above = |value: u64, bound: u64| bound != 0 && value > bound;
        let rules = [
            (above(child.durable_start_ts, p.newest_start_durable_ts), "durable start time after its parent's"),
            (child.start_ts < p.oldest_start_ts, "start time before its parent's oldest"),
            (above(child.start_txn, p.newest_txn), "start transaction after its parent's newest"),
            (above(child.durable_stop_ts, p.newest_stop_durable_ts), "durable stop time after its parent's"),
            (child.stop_ts > p.newest_stop_ts, "stop time after its parent's newest"),
            (above(child.stop_txn, p.newest_stop_txn), "stop transaction after its parent's newest"),
            (child.prepare && !p.prepare, "prepared value that its parent doesn't know"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(Error::invalid(format!("value has a {reason}: {child:?}, parent {self:?}"))),
            None => Ok(()),
        }
    }

    /// Checks that a child's aggregate lies within this one, that of its parent (section 6.3).
    ///
    /// # Errors
    /// `EINVAL` with the rule that is broken.
    pub fn check_contains(&self, child: &Self, stable_ts: u64) -> Result<()> {
        if self.is_default() {
            let stop_ts = if child.newest_stop_ts == TS_MAX { TS_NONE } else { child.newest_stop_ts };
            let (start, stop) = (child.newest_start_durable_ts, child.newest_stop_durable_ts);
            return check_stable(&[start, child.oldest_start_ts, stop, stop_ts], stable_ts);
        }
        let p = self;
        let rules = [
            (child.newest_start_durable_ts > p.newest_start_durable_ts, "newest durable start time"),
            (child.newest_stop_durable_ts > p.newest_stop_durable_ts, "newest durable stop time"),
            (child.oldest_start_ts < p.oldest_start_ts, "oldest start time"),
            (child.newest_txn > p.newest_txn, "newest transaction"),
            (child.newest_stop_ts > p.newest_stop_ts, "newest stop time"),
            (child.newest_stop_txn > p.newest_stop_txn, "newest stop transaction"),
            (child.prepare && !p.prepare, "prepare state"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, field)) => {
                Err(Error::invalid(format!("address has a {field} outside its parent's: {child:?}, parent {self:?}")))
            }
            None => Ok(()),
        }
    }
}

fn check_stable(times: &[u64], stable_ts: u64) -> Result<()> {
    match times.iter().find(|time| **time > stable_ts) {
        Some(time) => Err(Error::invalid(format!(
            "timestamp {time} is newer than the stable timestamp {stable_ts}, below an address without timestamps"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::{aggregate, hex, unhex, vectors, window};
    use proptest::prelude::*;

    fn packed(aggregate: &TimeAggregate) -> Vec<u8> {
        let mut out = Vec::new();
        aggregate.pack(&mut out);
        out
    }

    #[test]
    fn every_vector_is_computed_packed_and_unpacked() {
        let file = vectors("btree-time-aggregates.json");
        let cases = file["vectors"].as_array().unwrap();
        assert!(cases.len() >= 15);
        for case in cases {
            let expected = aggregate(&case["aggregate"]);
            let mut computed = TimeAggregate::EMPTY;
            for value in case["windows"].as_array().unwrap() {
                let window = window(value);
                window.check().unwrap();
                expected.check_contains_window(&window, 0).unwrap();
                computed.add_window(&window);
            }
            assert_eq!(computed, expected);
            expected.check().unwrap();
            let bytes = hex(&case["address_cell_window_bytes"]);
            assert_eq!(packed(&expected), bytes);
            let mut input = &bytes[..];
            assert_eq!((TimeAggregate::unpack(&mut input), input.len()), (Some(expected), 0));
        }
    }

    #[test]
    fn a_stop_time_below_live_records_wraps() {
        let bytes = unhex("26 a4 e85fffffffffffdfc1 c018");
        let aggregate = TimeAggregate::unpack(&mut &bytes[..]).unwrap();
        assert_eq!((aggregate.newest_stop_ts, aggregate.newest_stop_durable_ts), (TS_MAX, 87));
    }

    #[test]
    fn a_default_parent_forbids_timestamps() {
        let parent = TimeAggregate::DEFAULT;
        let child = TimeWindow { start_ts: 5, durable_start_ts: 5, ..TimeWindow::DEFAULT };
        assert!(parent.check_contains_window(&child, 0).is_err());
        assert!(parent.check_contains_window(&child, 5).is_ok());
        assert!(parent.check_contains_window(&TimeWindow::DEFAULT, 0).is_ok());
        assert!(parent.check_contains(&TimeAggregate::DEFAULT, 0).is_ok());
    }

    #[test]
    fn a_truncate_must_follow_what_it_deletes() {
        // Section 16.3: oldest 5, start durable 5; truncate transaction 2, times 32.
        let page = TimeAggregate { oldest_start_ts: 5, newest_start_durable_ts: 5, ..TimeAggregate::DEFAULT };
        let delete = PageDelete { txn: 2, ts: 32, durable_ts: 32 };
        page.check_delete(&delete).unwrap();
        assert!(page.check_delete(&PageDelete { durable_ts: 31, ..delete }).is_err());
        assert!(page.check_delete(&PageDelete { ts: 3, durable_ts: 3, ..delete }).is_err());
        assert!(TimeAggregate { newest_txn: 3, ..page }.check_delete(&delete).is_err());
        let mut parent = TimeAggregate::EMPTY;
        parent.add(&page);
        parent.add_delete(&delete);
        assert_eq!((parent.newest_txn, parent.newest_stop_durable_ts), (2, 32));
    }

    prop_compose! {
        fn any_aggregate()(
            fields in prop::array::uniform6(prop_oneof![Just(0u64), Just(TS_MAX), Just(TXN_MAX), 0u64..100, any::<u64>()]),
            prepare: bool,
        ) -> TimeAggregate {
            let [newest_start_durable_ts, newest_stop_durable_ts, oldest_start_ts, newest_txn, newest_stop_ts,
                newest_stop_txn] = fields;
            TimeAggregate { newest_start_durable_ts, newest_stop_durable_ts, oldest_start_ts, newest_txn,
                newest_stop_ts, newest_stop_txn, prepare }
        }
    }

    proptest! {
        #[test]
        fn round_trip(aggregate in any_aggregate()) {
            let bytes = packed(&aggregate);
            let mut input = &bytes[..];
            prop_assert_eq!(TimeAggregate::unpack(&mut input), Some(aggregate));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            if let Some(aggregate) = TimeAggregate::unpack(&mut &bytes[..]) {
                let _ = aggregate.check();
            }
        }
    }
}

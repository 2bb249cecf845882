//! The time window of a value: when it began and ceased to be visible (format specification, section 6.1).
//!
//! Invariants
//! 1. The default window means "visible to everyone, not deleted" and is not stored.
//! 2. The order of the packed fields is not the order of their bits.
//! 3. All arithmetic on packed differences is modulo 2^64.

use hardwired_plugin::{Error, Result};

use super::vuint;

/// No timestamp.
pub const TS_NONE: u64 = 0;
/// The stop timestamp of a value that is not deleted.
pub const TS_MAX: u64 = u64::MAX;
/// No transaction.
pub const TXN_NONE: u64 = 0;
/// The stop transaction of a value that is not deleted: 2^64 - 11.
pub const TXN_MAX: u64 = u64::MAX - 10;
/// The id of an aborted update, never on disk.
pub const TXN_ABORTED: u64 = u64::MAX;

/// Bits of the secondary descriptor byte; [`super::time_aggregate`] reads the same bits as other fields.
pub(super) mod bits {
    pub(crate) const PREPARE: u8 = 0x01;
    pub(crate) const DURABLE_START_TS: u8 = 0x02;
    pub(crate) const DURABLE_STOP_TS: u8 = 0x04;
    pub(crate) const START_TS: u8 = 0x08;
    pub(crate) const STOP_TS: u8 = 0x10;
    pub(crate) const START_TXN: u8 = 0x20;
    pub(crate) const STOP_TXN: u8 = 0x40;
}

/// The lifetime of one version of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeWindow {
    /// When the start became durable; equal to `start_ts` except for prepared transactions.
    pub durable_start_ts: u64,
    /// Commit timestamp of the start, [`TS_NONE`] if it had none or is older than anyone could ask.
    pub start_ts: u64,
    /// Transaction of the start, [`TXN_NONE`] if visible to all.
    pub start_txn: u64,
    /// When the stop became durable; [`TS_NONE`] if there is no stop.
    pub durable_stop_ts: u64,
    /// Commit timestamp of the stop; [`TS_MAX`] if there is none, [`TS_NONE`] for a delete without timestamp.
    pub stop_ts: u64,
    /// Transaction of the stop; [`TXN_MAX`] if there is none.
    pub stop_txn: u64,
    /// Whether the newer one of start and stop belongs to a prepared, unresolved transaction.
    pub prepare: bool,
}

impl Default for TimeWindow {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TimeWindow {
    /// Visible to everyone, not deleted.
    pub const DEFAULT: Self = Self {
        durable_start_ts: TS_NONE,
        start_ts: TS_NONE,
        start_txn: TXN_NONE,
        durable_stop_ts: TS_NONE,
        stop_ts: TS_MAX,
        stop_txn: TXN_MAX,
        prepare: false,
    };

    /// Whether this is the default window, which is not stored.
    #[inline]
    pub fn is_default(&self) -> bool {
        *self == Self::DEFAULT
    }

    /// Whether the value has been deleted or replaced: its window has a stop.
    #[inline]
    pub fn has_stop(&self) -> bool {
        self.stop_txn != TXN_MAX || self.stop_ts != TS_MAX
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
        let durable_stop_default = if self.stop_ts == TS_MAX { TS_NONE } else { self.stop_ts };
        field(self.start_ts != TS_NONE, bits::START_TS, self.start_ts);
        field(self.start_txn != TXN_NONE, bits::START_TXN, self.start_txn);
        let durable_start = self.durable_start_ts.wrapping_sub(self.start_ts);
        field(durable_start != 0, bits::DURABLE_START_TS, durable_start);
        field(self.stop_ts != TS_MAX, bits::STOP_TS, self.stop_ts.wrapping_sub(self.start_ts));
        field(self.stop_txn != TXN_MAX, bits::STOP_TXN, self.stop_txn.wrapping_sub(self.start_txn));
        let durable_stop = self.durable_stop_ts.wrapping_sub(self.stop_ts);
        field(self.durable_stop_ts != durable_stop_default, bits::DURABLE_STOP_TS, durable_stop);
        if let Some(byte) = out.get_mut(descriptor_at) {
            *byte = descriptor;
        }
    }

    /// Reads the secondary descriptor byte and its fields from the front of `input` and moves `input` past them.
    ///
    /// `None` if they are cut off.
    #[inline]
    pub fn unpack(input: &mut &[u8]) -> Option<Self> {
        let (&descriptor, rest) = input.split_first()?;
        *input = rest;
        let mut window = Self::DEFAULT;
        window.prepare = descriptor & bits::PREPARE != 0;
        if descriptor & bits::START_TS != 0 {
            window.start_ts = vuint::take(input)?;
        }
        if descriptor & bits::START_TXN != 0 {
            window.start_txn = vuint::take(input)?;
        }
        window.durable_start_ts = window.start_ts;
        if descriptor & bits::DURABLE_START_TS != 0 {
            window.durable_start_ts = vuint::take(input)?.wrapping_add(window.start_ts);
        }
        if descriptor & bits::STOP_TS != 0 {
            window.stop_ts = vuint::take(input)?.wrapping_add(window.start_ts);
        }
        if descriptor & bits::STOP_TXN != 0 {
            window.stop_txn = vuint::take(input)?.wrapping_add(window.start_txn);
        }
        if descriptor & bits::DURABLE_STOP_TS != 0 {
            window.durable_stop_ts = vuint::take(input)?.wrapping_add(window.stop_ts);
        } else if window.stop_ts != TS_MAX {
            window.durable_stop_ts = window.stop_ts;
        }
        Some(window)
    }

    /// Forgets transaction ids of a page whose write generation is from an earlier run (section 15): ids restart with
    /// each open of a database, timestamps don't.
    #[inline]
    pub fn forget_transactions(&mut self) {
        self.start_txn = TXN_NONE;
        if self.stop_txn != TXN_MAX {
            self.stop_txn = TXN_NONE;
            if self.stop_ts == TS_MAX {
                self.stop_ts = TS_NONE;
            }
        }
    }

    /// Checks that the window is one that can be.
    ///
    /// # Errors
    /// `EINVAL` with the rule that is broken.
    pub fn check(&self) -> Result<()> {
        let w = self;
        let no_stop = w.stop_ts == TS_MAX;
        let rules = [
            (w.start_ts > w.stop_ts, "a start time after its stop time"),
            (w.start_txn > w.stop_txn, "a start transaction after its stop transaction"),
            (w.start_ts > w.durable_start_ts, "a start time after its durable start time"),
            (!no_stop && w.stop_ts > w.durable_stop_ts, "a stop time after its durable stop time"),
            (
                w.durable_start_ts != w.durable_stop_ts && w.durable_start_ts > w.stop_ts,
                "a durable start time after its stop time",
            ),
            (
                w.durable_stop_ts != TS_NONE && w.durable_start_ts > w.durable_stop_ts,
                "a durable start time after its durable stop time",
            ),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, reason)) => Err(Error::invalid(format!("value time window has {reason}: {self:?}"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::test_data::unhex;
    use proptest::prelude::*;

    pub(crate) fn packed(window: &TimeWindow) -> Vec<u8> {
        let mut out = Vec::new();
        window.pack(&mut out);
        out
    }

    /// Examples of sections 6.1 and 16.2.
    #[rstest::rstest]
    #[case("28 90 89", TimeWindow { start_ts: 16, durable_start_ts: 16, start_txn: 9, ..TimeWindow::DEFAULT })]
    #[case("78 a0 8a 90 81", TimeWindow {
        start_ts: 32, durable_start_ts: 32, start_txn: 10, stop_ts: 48, durable_stop_ts: 48, stop_txn: 11,
        prepare: false })]
    #[case("7e c001 8c 84 91 81 85", TimeWindow {
        start_ts: 65, start_txn: 12, durable_start_ts: 69, stop_ts: 82, stop_txn: 13, durable_stop_ts: 87,
        prepare: false })]
    #[case("50 80 a4", TimeWindow { stop_ts: 0, stop_txn: 36, ..TimeWindow::DEFAULT })]
    #[case("29 a0 84", TimeWindow {
        start_ts: 32, durable_start_ts: 32, start_txn: 4, prepare: true, ..TimeWindow::DEFAULT })]
    #[case("79 85 83 9b 81", TimeWindow {
        start_ts: 5, durable_start_ts: 5, start_txn: 3, stop_ts: 32, durable_stop_ts: 32, stop_txn: 4, prepare: true })]
    #[case("00", TimeWindow::DEFAULT)]
    fn examples(#[case] bytes: &str, #[case] window: TimeWindow) {
        let bytes = unhex(bytes);
        let mut input = &bytes[..];
        assert_eq!((TimeWindow::unpack(&mut input), input.len()), (Some(window), 0));
        assert_eq!(packed(&window), bytes);
        window.check().unwrap();
    }

    #[rstest::rstest]
    #[case(TimeWindow { start_ts: 5, durable_start_ts: 5, stop_ts: 4, durable_stop_ts: 4, ..TimeWindow::DEFAULT })]
    #[case(TimeWindow { start_txn: 5, stop_txn: 4, ..TimeWindow::DEFAULT })]
    #[case(TimeWindow { start_ts: 5, durable_start_ts: 4, ..TimeWindow::DEFAULT })]
    #[case(TimeWindow { stop_ts: 5, durable_stop_ts: 4, ..TimeWindow::DEFAULT })]
    #[case(TimeWindow { durable_start_ts: 6, stop_ts: 5, durable_stop_ts: 7, ..TimeWindow::DEFAULT })]
    #[case(TimeWindow { durable_start_ts: 6, durable_stop_ts: 5, ..TimeWindow::DEFAULT })]
    fn impossible_windows(#[case] window: TimeWindow) {
        assert_eq!(window.check().unwrap_err().code(), hardwired_plugin::ErrorCode::EINVAL);
    }

    #[test]
    fn ids_of_an_earlier_run_are_forgotten() {
        let mut window = TimeWindow { start_txn: 9, stop_txn: 12, start_ts: 3, ..TimeWindow::DEFAULT };
        window.forget_transactions();
        assert_eq!(window, TimeWindow { stop_txn: 0, stop_ts: 0, start_ts: 3, ..TimeWindow::DEFAULT });
        let mut live = TimeWindow { start_txn: 9, ..TimeWindow::DEFAULT };
        live.forget_transactions();
        assert!(live.is_default());
    }

    prop_compose! {
        pub(crate) fn any_window()(
            fields in prop::array::uniform6(prop_oneof![Just(0u64), Just(TS_MAX), Just(TXN_MAX), 0u64..100, any::<u64>()]),
            prepare: bool,
        ) -> TimeWindow {
            let [durable_start_ts, start_ts, start_txn, durable_stop_ts, stop_ts, stop_txn] = fields;
            TimeWindow { durable_start_ts, start_ts, start_txn, durable_stop_ts, stop_ts, stop_txn, prepare }
        }
    }

    proptest! {
        #[test]
        fn round_trip(window in any_window()) {
            let bytes = packed(&window);
            let mut input = &bytes[..];
            prop_assert_eq!(TimeWindow::unpack(&mut input), Some(window));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            if let Some(window) = TimeWindow::unpack(&mut &bytes[..]) {
                let _ = window.check();
            }
        }
    }
}

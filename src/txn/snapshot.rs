//! What a transaction may see, by transaction id.

use super::TxnId;

/// The ids that had not resolved when the snapshot was taken (transactions specification, section 2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The smallest id in `running`, or `max` if there is none: every id below is visible.
    pub min: TxnId,
    /// The next id when the snapshot was taken: no id from here on is visible.
    pub max: TxnId,
    /// The unresolved ids, ascending.
    pub running: Vec<TxnId>,
}

impl Snapshot {
    /// Whether the effects of `id` belong to the snapshot.
    #[inline]
    pub fn contains(&self, id: TxnId) -> bool {
        id < self.min || (id < self.max && self.running.binary_search(&id).is_err())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_and_future_ids_are_outside() {
        let snapshot = Snapshot { min: 5, max: 9, running: vec![5, 7] };
        let inside: Vec<u64> = (0..12).filter(|id| snapshot.contains(*id)).collect();
        assert_eq!(inside, [0, 1, 2, 3, 4, 6, 8]);
    }
}

//! The bounds of a cursor: a range of keys outside which the cursor sees and writes nothing.
//!
//! Source: API specification, section 9.

use crate::btree::KeyOrder;
use crate::{Error, Result};
use std::cmp::Ordering;

/// The range. Either side may be open.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bounds {
    lower: Option<Bound>,
    upper: Option<Bound>,
}

/// One end of the range.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) key: Vec<u8>,
    pub(crate) inclusive: bool,
}

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundSide {
    /// The range's smallest key.
    Lower,
    /// The range's largest key.
    Upper,
}

/// Where a key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Below,
    Inside,
    Above,
}

impl Bounds {
    /// The lower end.
    pub(crate) fn lower(&self) -> Option<&Bound> {
        self.lower.as_ref()
    }

    /// The upper end.
    pub(crate) fn upper(&self) -> Option<&Bound> {
        self.upper.as_ref()
    }

    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.lower.is_none() && self.upper.is_none()
    }

    /// Removes both.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Sets one end; the other must leave room. On an error nothing changes.
    pub(crate) fn set(&mut self, order: &KeyOrder, side: BoundSide, key: &[u8], inclusive: bool) -> Result<()> {
        let other = match side {
            BoundSide::Lower => &self.upper,
            BoundSide::Upper => &self.lower,
        };
        if let Some(other) = other {
            let compared = match side {
                BoundSide::Lower => order.compare(key, &other.key),
                BoundSide::Upper => order.compare(&other.key, key),
            };
            order.check()?;
            match compared {
                Ordering::Greater => return Err(Error::invalid("The provided cursor bounds are overlapping")),
                Ordering::Equal if !(inclusive && other.inclusive) => {
                    return Err(Error::invalid("The provided cursor bounds are equal but not inclusive"));
                }
                _ => {}
            }
        }
        let bound = Some(Bound { key: key.to_vec(), inclusive });
        match side {
            BoundSide::Lower => self.lower = bound,
            BoundSide::Upper => self.upper = bound,
        }
        Ok(())
    }

    /// Whether `key` lies inside.
    #[inline]
    pub(crate) fn admit(&self, order: &KeyOrder, key: &[u8]) -> Result<bool> {
        if self.is_empty() { Ok(true) } else { Ok(self.place(order, key)? == Place::Inside) }
    }

    /// Removes one end.
    pub(crate) fn remove(&mut self, side: BoundSide) {
        match side {
            BoundSide::Lower => self.lower = None,
            BoundSide::Upper => self.upper = None,
        }
    }

    /// Where `key` lies. An excluded end counts as outside.
    ///
    /// # Errors
    /// Those of the collator.
    pub(crate) fn place(&self, order: &KeyOrder, key: &[u8]) -> Result<Place> {
        let place = self.place_in_order(order, key);
        order.check().map(|()| place)
    }

    fn place_in_order(&self, order: &KeyOrder, key: &[u8]) -> Place {
        if let Some(lower) = &self.lower {
            match order.compare(key, &lower.key) {
                Ordering::Less => return Place::Below,
                Ordering::Equal if !lower.inclusive => return Place::Below,
                _ => {}
            }
        }
        if let Some(upper) = &self.upper {
            match order.compare(key, &upper.key) {
                Ordering::Greater => return Place::Above,
                Ordering::Equal if !upper.inclusive => return Place::Above,
                _ => {}
            }
        }
        Place::Inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn d_to_h(lower_inclusive: bool, upper_inclusive: bool) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.set(&KeyOrder::default(), BoundSide::Lower, b"d", lower_inclusive).unwrap();
        bounds.set(&KeyOrder::default(), BoundSide::Upper, b"h", upper_inclusive).unwrap();
        bounds
    }

    #[rstest]
    #[case(true, true, "c", Place::Below)]
    #[case(true, true, "d", Place::Inside)]
    #[case(false, true, "d", Place::Below)]
    #[case(false, true, "d0", Place::Inside)]
    #[case(true, true, "h", Place::Inside)]
    #[case(true, false, "h", Place::Above)]
    #[case(true, true, "h0", Place::Above)]
    fn a_key_has_its_place(#[case] lower: bool, #[case] upper: bool, #[case] key: &str, #[case] place: Place) {
        assert_eq!(d_to_h(lower, upper).place(&KeyOrder::default(), key.as_bytes()).unwrap(), place);
    }

    #[test]
    fn a_rejected_bound_changes_nothing() {
        let mut bounds = d_to_h(true, true);
        let error = bounds.set(&KeyOrder::default(), BoundSide::Upper, b"a", true).unwrap_err();
        assert_eq!(error.to_string(), "The provided cursor bounds are overlapping");
        let error = bounds.set(&KeyOrder::default(), BoundSide::Lower, b"h", false).unwrap_err();
        assert_eq!(error.to_string(), "The provided cursor bounds are equal but not inclusive");
        bounds.set(&KeyOrder::default(), BoundSide::Lower, b"h", true).unwrap();
        assert_eq!(bounds.place(&KeyOrder::default(), b"g").unwrap(), Place::Below);
        assert_eq!(bounds.place(&KeyOrder::default(), b"h").unwrap(), Place::Inside);
    }
}

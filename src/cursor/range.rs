//! Ranges of records as iterators.

use super::bounds::BoundSide;
use super::{Cursor, Kind, unsupported};
use crate::Result;
use crate::packing::{PackRow, UnpackRow};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

/// The records of a range as owned keys and values. Iterating backwards (`next_back`, `rev`) is possible, though not in
/// turns with iterating forwards: the first step decides. Dropping it resets the cursor.
pub struct Range<'c, 'session, K, V> {
    cursor: &'c mut Cursor<'session>,
    direction: Option<Way>,
    done: bool,
    records: PhantomData<fn() -> (K, V)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forwards,
    Backwards,
}

impl<'session> Cursor<'session> {
    /// The records with keys in `range`, read as owned values. Replaces the cursor's bounds and position.
    ///
    /// ```no_run
    /// # fn main() -> hardwired::Result<()> {
    /// # let connection = hardwired::wiredtiger_open("home", None, "")?;
    /// # let session = connection.open_session("")?;
    /// let mut cursor = session.open_cursor("table:planets", "")?;
    /// for record in cursor.range::<String, String>("earth".."mars")? {
    ///     let (planet, moons) = record?;
    ///     println!("{planet}: {moons}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for an end that doesn't fit the key format and for a range that ends before it starts.
    pub fn range<'c, 'end, K, V>(
        &'c mut self,
        range: impl RangeBounds<<K as RangeKey>::End<'end>>,
    ) -> Result<Range<'c, 'session, K, V>>
    where
        K: RangeKey + for<'a> UnpackRow<'a>,
        V: for<'a> UnpackRow<'a>,
    {
        if !matches!(self.kind, Kind::Table(_) | Kind::Named(_) | Kind::Index(_) | Kind::Source(_)) {
            return Err(unsupported());
        }
        self.reset()?;
        self.set_range_end(BoundSide::Lower, range.start_bound())?;
        self.set_range_end(BoundSide::Upper, range.end_bound())?;
        Ok(Range { cursor: self, direction: None, done: false, records: PhantomData })
    }

    fn set_range_end<K: PackRow>(&mut self, side: BoundSide, end: Bound<&K>) -> Result<()> {
        let (key, inclusive) = match end {
            Bound::Unbounded => return Ok(()),
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
        };
        self.fill_key(|format, out| key.pack_row(format, out))?;
        self.set_bound(side, inclusive)
    }
}

/// Keys that [`Cursor::range`] can give, and what the ends of a range are written as.
pub trait RangeKey {
    /// The type of the range's ends.
    type End<'end>: PackRow;
}

macro_rules! range_keys {
    ($($key:ty => $end:ty),* $(,)?) => {$(
        impl RangeKey for $key {
            type End<'end> = $end;
        }
    )*};
}

range_keys!(
    String => &'end str, Vec<u8> => &'end [u8], u8 => u8, u16 => u16, u32 => u32, u64 => u64, i8 => i8, i16 => i16,
    i32 => i32, i64 => i64,
);

impl<K, V> Range<'_, '_, K, V>
where
    K: for<'a> UnpackRow<'a>,
    V: for<'a> UnpackRow<'a>,
{
    fn step(&mut self, way: Way) -> Option<Result<(K, V)>> {
        if self.done {
            return None;
        }
        if *self.direction.get_or_insert(way) != way {
            // The two ends would have to meet, and one cursor stands at one place.
            self.done = true;
            return Some(Err(crate::Error::unsupported("a range can be iterated in one direction only")));
        }
        let stepped = match way {
            Way::Forwards => self.cursor.next(),
            Way::Backwards => self.cursor.prev(),
        };
        let record = match stepped {
            Ok(true) => self.record(),
            Ok(false) => {
                self.done = true;
                return None;
            }
            Err(error) => Err(error),
        };
        self.done = record.is_err();
        Some(record)
    }

    fn record(&self) -> Result<(K, V)> {
        Ok((self.cursor.get_key()?, self.cursor.get_value()?))
    }
}

impl<K, V> Iterator for Range<'_, '_, K, V>
where
    K: for<'a> UnpackRow<'a>,
    V: for<'a> UnpackRow<'a>,
{
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(Way::Forwards)
    }
}

impl<K, V> DoubleEndedIterator for Range<'_, '_, K, V>
where
    K: for<'a> UnpackRow<'a>,
    V: for<'a> UnpackRow<'a>,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(Way::Backwards)
    }
}

impl<K, V> Drop for Range<'_, '_, K, V> {
    fn drop(&mut self) {
        // A reset fails only on a connection that has panicked, which the next call will say.
        let _ = self.cursor.reset();
    }
}

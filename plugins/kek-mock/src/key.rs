//! What the mock's keys look like.

use std::time::Duration;

/// The key that a provider has before any other: 26 letters, with which every other key begins.
pub const DEFAULT_KEY: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

const MEAN_BYTES: i64 = 1024;
const SPREAD_PERCENT: i64 = 20;

/// A new key: the default key and the time, repeated, cut to 1024 bytes give or take a random whole percentage up to 20.
pub(crate) fn generate(wall: Duration, random: u64) -> Vec<u8> {
    let choices = (2 * SPREAD_PERCENT + 1).unsigned_abs();
    let percent = (random % choices) as i64 - SPREAD_PERCENT;
    let length = (MEAN_BYTES + MEAN_BYTES * percent / 100).unsigned_abs() as usize;
    let mut unit = DEFAULT_KEY.to_vec();
    unit.extend_from_slice(iso_8601(wall).as_bytes());
    unit.into_iter().cycle().take(length).collect()
}

/// `%Y-%m-%dT%H:%M:%S%z` in UTC.
fn iso_8601(wall: Duration) -> String {
    let seconds = wall.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01. Years are counted from March, so that the
/// leap day is a year's last.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097; // 400 years
    const DAYS_TO_1970: u64 = 719_468; // from 0000-03-01
    let days = days + DAYS_TO_1970;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        let text = |seconds| iso_8601(Duration::from_secs(seconds));
        assert_eq!(text(0), "1970-01-01T00:00:00+0000");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00+0000");
        assert_eq!(text(1_735_689_599), "2024-12-31T23:59:59+0000");
        assert_eq!(text(1_772_323_200), "2026-03-01T00:00:00+0000");
    }

    #[test]
    fn lengths_stay_within_a_fifth_and_reach_both_ends() {
        let lengths: Vec<_> = (0..41).map(|random| generate(Duration::ZERO, random).len()).collect();
        assert_eq!(lengths.iter().min(), Some(&820)); // 1024 - 204.8, truncated towards zero
        assert_eq!(lengths.iter().max(), Some(&1228));
        assert!(lengths.contains(&1024));
    }

    #[test]
    fn a_key_can_be_recognised() {
        let key = generate(Duration::from_secs(951_782_400), 20);
        assert!(key.starts_with(b"abcdefghijklmnopqrstuvwxyz2000-02-29T00:00:00+0000abcdefgh"));
        assert_eq!(key.len(), 1024);
    }
}

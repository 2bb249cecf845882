//! Time and chance for the mock, replaceable in tests.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the mock's time and randomness come from.
pub trait Clock: Send + Sync {
    /// A clock that never goes back, by which the age of keys is measured.
    fn age(&self) -> Duration;
    /// Time since 1970 in UTC.
    fn wall(&self) -> Duration;
    /// Any number.
    fn random(&self) -> u64;
}

/// The process's processor time on Linux, elapsed time elsewhere; the system's wall clock; randomness from the system.
#[derive(Debug)]
pub struct ProcessClock {
    start: Instant,
}

impl ProcessClock {
    /// Starts the clock.
    #[allow(clippy::disallowed_methods, reason = "this is the real clock behind the trait")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for ProcessClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ProcessClock {
    fn age(&self) -> Duration {
        processor_time().unwrap_or_else(|| self.start.elapsed())
    }

    #[allow(clippy::disallowed_methods, reason = "this is the real clock behind the trait")]
    fn wall(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// User and system time of this process, from the kernel's text file.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    parse_processor_time(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<Duration> {
    None
}

/// Fields 14 and 15, in the 1/100 s that Linux shows to programs whatever its own tick is. The second field, the program's
/// name in parentheses, may contain blanks and parentheses.
#[cfg(target_os = "linux")]
fn parse_processor_time(stat: &str) -> Option<Duration> {
    const TICK_MS: u64 = 10;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(user.checked_add(system)?.checked_mul(TICK_MS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn processor_time_is_read_behind_any_program_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 0";
        assert_eq!(parse_processor_time(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_processor_time("42 (a) S 1"), None);
        assert_eq!(parse_processor_time(""), None);
    }

    #[test]
    fn the_real_clock_never_goes_back() {
        let clock = ProcessClock::new();
        let first = clock.age();
        assert!(clock.age() >= first);
        assert!(clock.wall() > Duration::from_secs(1_600_000_000));
    }
}

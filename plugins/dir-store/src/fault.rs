//! Forced delays and errors.
//!
//! The check is made before an operation is counted, so the very first one is always hit, and a forced error repeats until
//! another operation has succeeded. The lengths of delays come from a generator with a fixed start: runs repeat themselves.

use crate::{Options, failure};
use hardwired_plugin::{ErrorCode, Result};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `ENETUNREACH` on this platform.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NETWORK_UNREACHABLE: ErrorCode = ErrorCode(101);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NETWORK_UNREACHABLE: ErrorCode = ErrorCode(51);

/// Counts operations and makes them slow or fail.
pub(crate) struct Faults {
    state: Mutex<State>,
}

struct State {
    /// Objects read and written.
    operations: u64,
    generator: Generator,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { operations: 0, generator: Generator::default() }) }
    }

    /// To be called before an operation that would go over the network.
    pub(crate) fn check(&self, options: &Options, what: &str) -> Result<()> {
        let hits = |every: u64, operations: u64| every != 0 && operations.is_multiple_of(every);
        let (delay, error) = {
            let mut state = self.lock();
            let operations = state.operations;
            let delay = hits(options.force_delay, operations).then(|| state.generator.delay(options.delay_ms));
            let error = hits(options.force_error, operations).then(|| state.generator.delay(options.error_ms));
            (delay, error)
        };
        // Others go on meanwhile.
        std::thread::sleep(delay.unwrap_or_default() + error.unwrap_or_default());
        match error {
            None => Ok(()),
            Some(_) => Err(failure(NETWORK_UNREACHABLE, &format!("{what}: forced error"))),
        }
    }

    /// An object was read or written.
    pub(crate) fn count(&self) {
        self.lock().operations += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's multiply-with-carry generator.
#[derive(Debug, Clone)]
pub struct Generator {
    w: u32,
    z: u32,
}

impl Default for Generator {
    fn default() -> Self {
        Self { w: 521_288_629, z: 362_436_069 }
    }
}

impl Generator {
    /// The next number.
    pub fn next_u32(&mut self) -> u32 {
        let Self { w, z } = *self;
        self.z = 36_969_u32.wrapping_mul(z & 0xffff).wrapping_add(z >> 16);
        self.w = 18_000_u32.wrapping_mul(w & 0xffff).wrapping_add(w >> 16);
        (z << 16).wrapping_add(w & 0xffff)
    }

    /// From half to one and a half of the average.
    fn delay(&mut self, average_ms: u64) -> Duration {
        let average_us = average_ms.saturating_mul(1_000);
        if average_us == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros((average_us / 2).saturating_add(u64::from(self.next_u32()) % average_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_that_of_the_specification() {
        let mut generator = Generator::default();
        // From the old w and z, by hand: (z << 16) + (w & 0xffff).
        assert_eq!(generator.next_u32(), (362_436_069_u32 << 16).wrapping_add(521_288_629 & 0xffff));
        let w = 18_000_u32.wrapping_mul(521_288_629 & 0xffff).wrapping_add(521_288_629 >> 16);
        let z = 36_969_u32.wrapping_mul(362_436_069 & 0xffff).wrapping_add(362_436_069 >> 16);
        assert_eq!(generator.next_u32(), (z << 16).wrapping_add(w & 0xffff));
        for _ in 0..1_000 {
            let delay = generator.delay(10);
            assert!((5_000..15_000).contains(&delay.as_micros()), "{delay:?}");
        }
        assert_eq!(generator.delay(0), Duration::ZERO);
    }

    #[test]
    fn a_forced_error_repeats_until_something_else_was_counted() {
        let faults = Faults::new();
        let options = Options { force_error: 2, ..Options::default() };
        for _ in 0..3 {
            let error = faults.check(&options, "a").unwrap_err();
            assert_eq!(error.code(), NETWORK_UNREACHABLE);
            assert_eq!(error.to_string(), "dir_store: Network is unreachable: a: forced error");
        }
        faults.count();
        faults.check(&options, "a").unwrap();
        faults.count();
        assert!(faults.check(&options, "a").is_err());
    }
}

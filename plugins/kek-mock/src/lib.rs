//! A mock key provider: the call protocol of key providers, checked at every call.
//!
//! Its keys are worthless by design: the alphabet at first, then text made of the alphabet and the time, so that they can
//! be recognised in a dump. Use it for tests and demonstrations, as `extensions=[kek-mock=(early_load=true)]`.
//!
//! 1. A blob that is loaded begins with the alphabet, else it wasn't stored by this provider: `EINVAL`.
//! 2. The built-in key was never stored, so the first checkpoint replaces it whatever its age (unless `key_expires=-1`);
//!    from then on a key is replaced once it is older than `key_expires`.
//! 3. A call in a wrong state is an error that names both states; the state stays.
//!
//! Options, in the entry's `config=`:
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `verbose` | 0 | greatest level of the messages it sends: -3 errors, 0 information, 1 details |
//! | `key_expires` | 43200 | age in seconds at which a key is replaced; 0: at every checkpoint; -1: after one second, and not at the first checkpoint |
//! | `retry` | true | give a key whose checkpoint failed again at the next one; `false`: refuse every later call, as WiredTiger's sample does |
//!
//! The age is processor time of the process where the platform tells it (Linux), as in WiredTiger's sample, else elapsed
//! time. The time inside a key is UTC.
//!
//! Source: key-provider specification, section 10.
#![forbid(unsafe_code)]

mod clock;
mod key;

pub use clock::{Clock, ProcessClock};
pub use key::DEFAULT_KEY;

use hardwired_plugin::config::ConfigParser;
use hardwired_plugin::extension::{Extension, ExtensionContext, MessageLevel, Messages};
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, StoredKey};
use hardwired_plugin::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

hardwired_plugin::register_extension! {
    /// The mock key provider; `key_provider` is the name of WiredTiger's sample library.
    pub static EXTENSION: Extension =
        Extension::key_provider("kek-mock", hardwired_plugin::origin!(), |context| Ok(Arc::new(KekMock::new(context)?)))
            .with_library_names(&["key_provider"]);
}

/// Where the provider stands between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The key is stored, or the built-in one; nothing is under way.
    Current,
    /// A new key exists, waiting to be asked for (again).
    Pending,
    /// The key was given to the engine, which has not yet said what became of it.
    Read,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "CURRENT",
            Self::Pending => "PENDING",
            Self::Read => "READ",
        })
    }
}

/// The options; see the crate's description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `verbose`
    pub verbose: i64,
    /// `key_expires`, in seconds
    pub key_expires: i64,
    /// `retry`
    pub retry: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { verbose: 0, key_expires: 12 * 60 * 60, retry: true }
    }
}

impl Options {
    /// Reads a configuration string. `EINVAL` for an unknown key or a value that isn't of its type.
    pub fn parse(context: &ExtensionContext<'_>) -> Result<Self> {
        let mut options = Self::default();
        for item in ConfigParser::new(context.config()) {
            let (key, value) = item?;
            let unexpected = |_| context.unexpected(key.text(), value.text());
            match key.text() {
                "verbose" => options.verbose = value.as_i64().map_err(unexpected)?,
                "key_expires" => options.key_expires = value.as_i64().map_err(unexpected)?,
                "retry" => options.retry = value.as_bool().map_err(unexpected)?,
                _ => return Err(context.unexpected(key.text(), value.text())),
            }
        }
        Ok(options)
    }
}

/// The provider.
pub struct KekMock {
    options: Options,
    clock: Box<dyn Clock>,
    messages: Arc<dyn Messages>,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    key: Vec<u8>,
    lsn: KeyLsn,
    key_time: Duration,
    /// Seconds; negative while the built-in key, which was never stored, is in use.
    expires: i64,
}

/// No LSN: the key was not stored.
const NOT_STORED: KeyLsn = KeyLsn(0);

impl KekMock {
    /// Makes a provider with the options of `context` and the real clock.
    pub fn new(context: &ExtensionContext<'_>) -> Result<Self> {
        Ok(Self::with_clock(Options::parse(context)?, context.messages(), Box::new(ProcessClock::new())))
    }

    /// Makes a provider whose time comes from `clock`.
    pub fn with_clock(options: Options, messages: Arc<dyn Messages>, clock: Box<dyn Clock>) -> Self {
        let inner = Mutex::new(Inner {
            state: State::Current,
            key: DEFAULT_KEY.to_vec(),
            lsn: NOT_STORED,
            key_time: clock.age(),
            expires: options.key_expires.saturating_neg(),
        });
        let provider = Self { options, clock, messages, inner };
        provider.say(MessageLevel::Info, "open", &format!("key_expires={}", provider.options.key_expires));
        provider
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.lock().state
    }

    /// The key in use and its LSN, 0 if it isn't stored.
    pub fn key(&self) -> (Vec<u8>, KeyLsn) {
        let inner = self.lock();
        (inner.key.clone(), inner.lsn)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock leaves the state half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, level: MessageLevel, function: &str, text: &str) {
        if self.options.verbose >= i64::from(level as i8) {
            self.messages.message(level, &format!("{self:p}, {function}: {text}"));
        }
    }

    fn refuse(&self, function: &str, reason: &str) -> Error {
        self.say(MessageLevel::Error, function, reason);
        Error::invalid(format!("kek-mock: {function}: {reason}"))
    }

    fn expect(&self, function: &str, state: State, allowed: &[State]) -> Result<()> {
        if allowed.contains(&state) {
            return Ok(());
        }
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        Err(self.refuse(function, &format!("called in state {state}, allowed in {}", allowed.join(" or "))))
    }

    /// Replaces the key if it is too old, or was never stored.
    fn rotate_if_expired(&self, inner: &mut Inner) {
        let now = self.clock.age();
        let never_stored = inner.expires < 0;
        let age = now.saturating_sub(inner.key_time).as_secs();
        if !never_stored && age < inner.expires.unsigned_abs() {
            return;
        }
        inner.expires = inner.expires.saturating_abs();
        inner.key = key::generate(self.clock.wall(), self.clock.random());
        inner.key_time = now;
        inner.lsn = NOT_STORED;
        inner.state = State::Pending;
    }
}

impl KeyProvider for KekMock {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        const FUNCTION: &str = "load_key_blob";
        let mut inner = self.lock();
        self.expect(FUNCTION, inner.state, &[State::Current])?;
        match stored {
            Some(stored) => {
                if !stored.blob.starts_with(DEFAULT_KEY) {
                    return Err(self.refuse(FUNCTION, "the stored key is not one of this provider"));
                }
                inner.key = stored.blob.to_vec();
                inner.lsn = stored.lsn;
                inner.expires = inner.expires.saturating_abs();
            }
            None => {
                inner.key = DEFAULT_KEY.to_vec();
                inner.lsn = NOT_STORED;
            }
        }
        inner.key_time = self.clock.age();
        let text = match stored {
            Some(stored) => format!("loaded key of {} bytes, lsn {}", stored.blob.len(), stored.lsn),
            None => "no stored key, using the default key".to_owned(),
        };
        self.say(MessageLevel::Info, FUNCTION, &text);
        Ok(())
    }

    fn get_key_blob(&self) -> Result<KeyBlob> {
        const FUNCTION: &str = "get_key_blob";
        let mut inner = self.lock();
        self.expect(FUNCTION, inner.state, &[State::Current, State::Pending])?;
        if inner.state == State::Current {
            self.rotate_if_expired(&mut inner);
        }
        if inner.state == State::Current {
            self.say(MessageLevel::Debug1, FUNCTION, "key unchanged");
            return Ok(KeyBlob::Unchanged);
        }
        inner.state = State::Read;
        self.say(MessageLevel::Info, FUNCTION, &format!("new key of {} bytes", inner.key.len()));
        Ok(KeyBlob::Changed(inner.key.clone()))
    }

    fn get_key_complete(&self, stored: StoredKey<'_>) {
        const FUNCTION: &str = "get_key_complete";
        let mut inner = self.lock();
        if self.expect(FUNCTION, inner.state, &[State::Read]).is_err() {
            return;
        }
        if stored.lsn == NOT_STORED || stored.blob != inner.key {
            self.refuse(FUNCTION, &format!("lsn {}: not the key that was given", stored.lsn));
            return;
        }
        inner.lsn = stored.lsn;
        inner.state = State::Current;
        self.say(
            MessageLevel::Info,
            FUNCTION,
            &format!("key of {} bytes stored, lsn {}", stored.blob.len(), stored.lsn),
        );
    }

    fn get_key_failed(&self, error: &Error) {
        const FUNCTION: &str = "get_key_failed";
        let mut inner = self.lock();
        if self.expect(FUNCTION, inner.state, &[State::Read]).is_err() {
            return;
        }
        inner.lsn = NOT_STORED;
        if self.options.retry {
            inner.state = State::Pending;
        }
        self.say(MessageLevel::Error, FUNCTION, &format!("key not stored: {error}"));
    }
}

impl fmt::Debug for KekMock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KekMock").field("options", &self.options).field("state", &self.state()).finish_non_exhaustive()
    }
}

//! The mock's protocol: options, rotation rules, states, messages.

use hardwired_kek_mock::{Clock, DEFAULT_KEY, EXTENSION, KekMock, Options, State};
use hardwired_plugin::extension::{ExtensionContext, ExtensionKind, MessageLevel, Messages};
use hardwired_plugin::key_provider::{KeyBlob, KeyLsn, KeyProvider, StoredKey};
use hardwired_plugin::services::OfflineServices;
use hardwired_plugin::{Error, ErrorCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Collected(Mutex<Vec<(MessageLevel, String)>>);

impl Messages for Collected {
    fn message(&self, level: MessageLevel, text: &str) {
        self.0.lock().unwrap().push((level, text.to_owned()));
    }
}

#[derive(Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl TestClock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn age(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
    fn wall(&self) -> Duration {
        self.age()
    }
    fn random(&self) -> u64 {
        20
    }
}

fn options(config: &str) -> Result<Options, Error> {
    Options::parse(&ExtensionContext::new(config, OfflineServices::new(Arc::new(Collected::default()))))
}

fn mock(config: &str) -> (KekMock, TestClock, Arc<Collected>) {
    let (clock, messages) = (TestClock::default(), Arc::new(Collected::default()));
    let options = options(config).unwrap();
    (KekMock::with_clock(options, Arc::clone(&messages) as _, Box::new(clock.clone())), clock, messages)
}

fn changed(mock: &KekMock) -> Option<Vec<u8>> {
    match mock.get_key_blob().unwrap() {
        KeyBlob::Unchanged => None,
        KeyBlob::Changed(blob) => Some(blob),
    }
}

/// One checkpoint that succeeds; whether the key was rotated.
fn checkpoint(mock: &KekMock, lsn: u64) -> bool {
    let Some(blob) = changed(mock) else { return false };
    assert_eq!(mock.state(), State::Read);
    mock.get_key_complete(StoredKey { blob: &blob, lsn: KeyLsn(lsn) });
    assert_eq!((mock.state(), mock.key()), (State::Current, (blob, KeyLsn(lsn))));
    true
}

#[test]
fn options_have_defaults_and_are_checked() {
    assert_eq!(options("").unwrap(), Options { verbose: 0, key_expires: 43_200, retry: true });
    let all = options("verbose=-1,key_expires=0,retry=false").unwrap();
    assert_eq!(all, Options { verbose: -1, key_expires: 0, retry: false });
    for (config, item) in
        [("colour=red", "colour=red"), ("verbose=loud", "verbose=loud"), ("key_expires=", "key_expires=")]
    {
        let error = options(config).unwrap_err();
        assert_eq!(error.code(), ErrorCode::EINVAL, "{config}");
        let text = error.to_string();
        assert!(text.contains(&format!("WT_CONFIG_PARSER.next: unexpected configuration: {item}")), "{text}");
    }
}

#[test]
fn the_descriptor_is_an_early_key_provider_with_the_samples_library_name() {
    assert_eq!((EXTENSION.name(), EXTENSION.kind()), ("kek-mock", ExtensionKind::KeyProvider));
    assert!(EXTENSION.requires_early_load());
    assert!(EXTENSION.answers_to("kek_mock") && EXTENSION.answers_to("key_provider") && !EXTENSION.answers_to("kek"));
}

#[test]
fn the_built_in_key_is_replaced_once_at_the_first_checkpoint() {
    let (mock, clock, _) = mock("key_expires=100");
    mock.load_key_blob(None).unwrap();
    assert!(checkpoint(&mock, 1));
    clock.advance(99);
    assert!(!checkpoint(&mock, 2));
    clock.advance(1);
    assert!(checkpoint(&mock, 2));
    assert!(!checkpoint(&mock, 3));
}

#[test]
fn a_loaded_key_is_kept_until_it_expires() {
    let (mock, clock, _) = mock("key_expires=100");
    let blob = [DEFAULT_KEY, b"and more"].concat();
    mock.load_key_blob(Some(StoredKey { blob: &blob, lsn: KeyLsn(7) })).unwrap();
    assert_eq!(mock.key(), (blob, KeyLsn(7)));
    assert!(!checkpoint(&mock, 8));
    clock.advance(100);
    assert!(checkpoint(&mock, 8));
}

#[test]
fn checkpoints_do_not_reset_the_age() {
    let (mock, clock, _) = mock("key_expires=10");
    assert!(checkpoint(&mock, 1));
    for _ in 0..9 {
        clock.advance(1);
        assert!(!checkpoint(&mock, 2));
    }
    clock.advance(1);
    assert!(checkpoint(&mock, 2));
}

#[test]
fn zero_rotates_always_and_minus_one_has_no_first_rotation() {
    let (mock, _, _) = mock("key_expires=0");
    assert!((1..5).all(|lsn| checkpoint(&mock, lsn)));
    let (mock, clock, _) = self::mock("key_expires=-1");
    assert!(!checkpoint(&mock, 1));
    clock.advance(1);
    assert!(checkpoint(&mock, 1));
}

#[test]
fn a_foreign_key_and_calls_in_a_wrong_state_are_refused() {
    let (mock, _, _) = mock("");
    let error = mock.load_key_blob(Some(StoredKey { blob: b"something else", lsn: KeyLsn(1) })).unwrap_err();
    assert_eq!(error.to_string(), "kek-mock: load_key_blob: the stored key is not one of this provider");
    assert_eq!(mock.key(), (DEFAULT_KEY.to_vec(), KeyLsn(0)));
    assert!(changed(&mock).is_some());
    for error in [mock.get_key_blob().unwrap_err(), mock.load_key_blob(None).unwrap_err()] {
        assert!(error.to_string().contains("called in state READ, allowed in CURRENT"), "{error}");
    }
}

#[test]
fn a_completion_with_another_key_or_no_lsn_is_refused() {
    let (mock, _, messages) = mock("");
    mock.get_key_complete(StoredKey { blob: DEFAULT_KEY, lsn: KeyLsn(1) });
    assert_eq!((mock.state(), mock.key().1), (State::Current, KeyLsn(0)));
    let blob = changed(&mock).unwrap();
    mock.get_key_complete(StoredKey { blob: DEFAULT_KEY, lsn: KeyLsn(1) });
    mock.get_key_complete(StoredKey { blob: &blob, lsn: KeyLsn(0) });
    assert_eq!(mock.state(), State::Read);
    let errors = messages.0.lock().unwrap().iter().filter(|message| message.0 == MessageLevel::Error).count();
    assert_eq!(errors, 3);
}

#[test]
fn after_a_failure_the_same_key_is_given_again() {
    let (mock, _, _) = mock("");
    let blob = changed(&mock).unwrap();
    mock.get_key_failed(&Error::unsupported("no space"));
    assert_eq!((mock.state(), mock.key()), (State::Pending, (blob.clone(), KeyLsn(0))));
    assert_eq!(changed(&mock), Some(blob));
}

#[test]
fn without_retry_a_failure_is_final() {
    let (mock, _, _) = mock("retry=false");
    changed(&mock).unwrap();
    mock.get_key_failed(&Error::unsupported("no space"));
    assert_eq!(mock.state(), State::Read);
    assert!(mock.get_key_blob().is_err());
}

#[test]
fn verbose_limits_the_messages() {
    for (verbose, expected) in [(-3, 0), (-1, 0), (0, 3), (1, 4)] {
        let (mock, _, messages) = mock(&format!("verbose={verbose}"));
        assert!(checkpoint(&mock, 1));
        assert!(!checkpoint(&mock, 2));
        let messages = messages.0.lock().unwrap();
        assert_eq!(messages.len(), expected, "verbose={verbose}: {messages:?}");
        assert!(messages.iter().all(|(_, text)| text.starts_with("0x")));
    }
}

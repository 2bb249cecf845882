//! The connection's voice: filters, renders and delivers messages.

use super::format::{Line, render_json, render_text};
use super::verbose::{Category, Level};
use super::{Clock, EventHandler, GeneralEvent};
use crate::plugin::error::strerror;
use crate::{Error, Result};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI8, AtomicU64, Ordering};

/// Where a message comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The object in use, as `file:t.wt`, or empty.
    pub object: &'a str,
    /// The call in progress, as `WT_SESSION.create`, or empty.
    pub call: &'a str,
}

impl<'a> Origin<'a> {
    /// The origin of a call that works on no particular object.
    pub fn call(call: &'a str) -> Self {
        Self { object: "", call }
    }
}

/// Filters, renders and delivers messages. Shared by all threads of a connection.
pub struct Messenger {
    handler: Arc<dyn EventHandler>,
    clock: Arc<dyn Clock>,
    prefix: RwLock<String>,
    levels: [AtomicI8; Category::ALL.len()],
    json_errors: AtomicBool,
    json_messages: AtomicBool,
}

impl std::fmt::Debug for Messenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messenger").field("prefix", &self.prefix.read()).finish_non_exhaustive()
    }
}

impl Messenger {
    /// A messenger with every category at [`Level::Notice`], text lines and no prefix.
    pub fn new(handler: Arc<dyn EventHandler>, clock: Arc<dyn Clock>) -> Self {
        Self {
            handler,
            clock,
            prefix: RwLock::new(String::new()),
            levels: std::array::from_fn(|_| AtomicI8::new(Level::Notice.number())),
            json_errors: AtomicBool::new(false),
            json_messages: AtomicBool::new(false),
        }
    }

    /// Sets `error_prefix`.
    pub fn set_prefix(&self, prefix: &str) {
        prefix.clone_into(&mut self.prefix.write());
    }

    /// Sets `json_output`: whether error lines, and whether the other lines, are JSON.
    pub fn set_json(&self, errors: bool, messages: bool) {
        self.json_errors.store(errors, Ordering::Relaxed);
        self.json_messages.store(messages, Ordering::Relaxed);
    }

    /// Replaces all `verbose` settings. Each item is the category's word and, after a colon, its level: `None` is
    /// `DEBUG_1`. `all` sets every category that is not named itself.
    ///
    /// # Errors
    /// `EINVAL` for a word or a level that doesn't exist; nothing is changed then.
    pub fn set_verbose<'a>(&self, items: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<()> {
        let mut levels = [None; Category::ALL.len()];
        for (word, value) in items {
            let level = match value {
                None | Some("") => 1,
                Some(value) => match value.parse::<i8>() {
                    Ok(level @ 0..=5) => level,
                    _ => return Err(unparsable_verbose(word, value)),
                },
            };
            let Some(category) = Category::ALL.iter().find(|category| !word.is_empty() && category.word() == word)
            else {
                return Err(unparsable_verbose(word, value.unwrap_or_default()));
            };
            if let Some(slot) = levels.get_mut(category.id()) {
                *slot = Some(level);
            }
        }
        let other = levels.first().copied().flatten().unwrap_or(Level::Notice.number());
        for (slot, level) in self.levels.iter().zip(levels) {
            slot.store(level.unwrap_or(other), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether messages of that category and level are wanted.
    pub fn wants(&self, category: Category, level: Level) -> bool {
        self.levels.get(category.id()).is_some_and(|wanted| level.number() <= wanted.load(Ordering::Relaxed))
    }

    /// Reports an error line.
    pub fn error(&self, origin: Origin<'_>, error: i32, text: &str) {
        self.deliver(origin, Category::Default, Level::Error, error, text);
    }

    /// Reports an error line without a number, of a category.
    pub fn category_error(&self, category: Category, text: &str) {
        self.deliver(Origin::default(), category, Level::Error, 0, text);
    }

    /// Reports a message of a category whether it wants it or not: somebody else has decided that.
    pub fn category_message(&self, category: Category, level: Level, text: &str) {
        self.deliver(Origin::default(), category, level, 0, text);
    }

    /// Reports an error value: its number and its text. The results of a program's normal course (`WT_NOTFOUND`,
    /// `WT_DUPLICATE_KEY`, `WT_ROLLBACK` and `WT_PREPARE_CONFLICT`) are no messages.
    pub fn report(&self, origin: Origin<'_>, error: &Error) {
        match error {
            Error::NotFound | Error::DuplicateKey | Error::Rollback(_) | Error::PrepareConflict => {}
            error => {
                let text = error.to_string();
                // The line begins with the object, so the text needn't.
                let rest = text.strip_prefix(origin.object).and_then(|rest| rest.strip_prefix(": "));
                let text = rest.filter(|_| !origin.object.is_empty()).unwrap_or(&text);
                if !text.is_empty() {
                    self.error(origin, error.code().0, text);
                }
            }
        }
    }

    /// Reports a message if its category wants it. The text is built only then.
    pub fn message(&self, origin: Origin<'_>, category: Category, level: Level, text: impl FnOnce() -> String) {
        if self.wants(category, level) {
            self.deliver(origin, category, level, 0, &text());
        }
    }

    /// A plain line without prefix: dumps and other output the application asked for.
    pub fn plain(&self, text: &str) {
        let result = self.handler.handle_message(text);
        self.handler_failed("message", result);
    }

    /// Progress of a long operation.
    pub fn progress(&self, operation: &str, counter: u64) {
        let result = self.handler.handle_progress(operation, counter);
        self.handler_failed("progress", result);
    }

    /// A general event.
    pub fn general(&self, event: GeneralEvent) {
        let result = self.handler.handle_general(event);
        self.handler_failed("general", result);
    }

    /// The clock of the connection.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn deliver(&self, origin: Origin<'_>, category: Category, level: Level, error: i32, text: &str) {
        let is_error = level == Level::Error;
        let rendered = {
            let prefix = self.prefix.read();
            let line = Line {
                time: self.clock.now(),
                process: std::process::id(),
                thread: thread_number(),
                prefix: &prefix,
                object: origin.object,
                call: origin.call,
                category,
                level,
                error,
                text,
            };
            let json = if is_error { &self.json_errors } else { &self.json_messages };
            if json.load(Ordering::Relaxed) { render_json(&line) } else { render_text(&line) }
        };
        if is_error {
            if let Err(failure) = self.handler.handle_error(error, &rendered) {
                eprintln!("application error event handler failed: {}", strerror(failure.code().0));
            }
        } else {
            let result = self.handler.handle_message(&rendered);
            self.handler_failed("message", result);
        }
    }

    fn handler_failed(&self, which: &str, result: Result<()>) {
        if let Err(failure) = result {
            let code = failure.code().0;
            self.error(Origin::default(), code, &format!("application {which} event handler failed"));
        }
    }
}

fn unparsable_verbose(word: &str, value: &str) -> Error {
    Error::invalid(format!("Failed to parse verbose option '{word}' with value '{value}'"))
}

/// A number for the calling thread, unique in the process.
fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::time::Duration;

    struct StoppedClock;
    impl Clock for StoppedClock {
        fn now(&self) -> Duration {
            Duration::from_secs(7)
        }
    }

    #[derive(Default)]
    struct Recorder {
        errors: Mutex<Vec<(i32, String)>>,
        messages: Mutex<Vec<String>>,
        fails: bool,
    }
    impl EventHandler for Recorder {
        fn handle_error(&self, error: i32, message: &str) -> Result<()> {
            self.errors.lock().push((error, message.to_owned()));
            Ok(())
        }
        fn handle_message(&self, message: &str) -> Result<()> {
            self.messages.lock().push(message.to_owned());
            if self.fails { Err(Error::invalid("no")) } else { Ok(()) }
        }
    }

    fn messenger(fails: bool) -> (Messenger, Arc<Recorder>) {
        let recorder = Arc::new(Recorder { fails, ..Recorder::default() });
        (Messenger::new(recorder.clone(), Arc::new(StoppedClock)), recorder)
    }

    #[test]
    fn an_unconfigured_category_prints_notices_and_not_information() {
        let (messenger, recorder) = messenger(false);
        messenger.message(Origin::default(), Category::Checkpoint, Level::Notice, || "a".to_owned());
        messenger.message(Origin::default(), Category::Checkpoint, Level::Info, || panic!("not wanted"));
        assert_eq!(recorder.messages.lock().len(), 1);
        messenger.set_verbose([("checkpoint", Some("2")), ("all", Some("0"))]).unwrap();
        assert!(messenger.wants(Category::Checkpoint, Level::Debug(2)));
        assert!(!messenger.wants(Category::Checkpoint, Level::Debug(3)));
        assert!(messenger.wants(Category::Api, Level::Info) && !messenger.wants(Category::Api, Level::Debug(1)));
        messenger.set_verbose([("api", None)]).unwrap();
        assert!(messenger.wants(Category::Api, Level::Debug(1)));
        assert!(!messenger.wants(Category::Checkpoint, Level::Info));
    }

    #[test]
    fn a_bad_verbose_setting_changes_nothing() {
        let (messenger, _) = messenger(false);
        for (word, value) in [("api", Some("6")), ("api", Some("x")), ("nosuch", None), ("", None)] {
            let error = messenger.set_verbose([("read", None), (word, value)]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Failed to parse verbose option '{word}' with value '{}'", value.unwrap_or_default())
            );
        }
        assert!(!messenger.wants(Category::Read, Level::Debug(1)));
    }

    #[test]
    fn errors_carry_their_number_and_the_normal_results_are_silent() {
        let (messenger, recorder) = messenger(false);
        messenger.set_prefix("wt");
        messenger.report(Origin::call("WT_CURSOR.search"), &Error::NotFound);
        messenger.report(Origin::call("WT_SESSION.create"), &Error::invalid("no such thing"));
        let errors = recorder.errors.lock();
        assert_eq!(errors.len(), 1);
        let (code, line) = &errors[0];
        assert_eq!(*code, 22);
        assert!(line.starts_with("[7:000000]["), "{line}");
        assert!(
            line.ends_with(", wt, WT_SESSION.create: [WT_VERB_DEFAULT][ERROR]: no such thing: Invalid argument"),
            "{line}"
        );
    }

    #[test]
    fn a_failing_handler_is_reported_as_an_error() {
        let (messenger, recorder) = messenger(true);
        messenger.plain("hello");
        let errors = recorder.errors.lock();
        assert!(errors[0].1.contains("application message event handler failed: Invalid argument"), "{errors:?}");
    }
}

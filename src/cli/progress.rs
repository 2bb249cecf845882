//! Progress of long commands: a bar on a terminal, counts in verbose mode, nothing otherwise.

use super::Streams;
use indicatif::{ProgressBar, ProgressStyle};

/// How often the count of verbose mode is printed.
const VERBOSE_EVERY: u64 = 100;

/// The progress of one object.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    verbose: Option<(super::SharedWriter, String)>,
    count: u64,
}

impl Progress {
    /// `unit` is what is counted. In verbose mode the count is printed instead of drawn.
    pub(super) fn new(streams: &Streams, verbose: bool, label: &str, unit: &str) -> Self {
        let bar = (streams.progress && !verbose).then(|| {
            let bar = ProgressBar::new_spinner();
            let template = format!("{{spinner}} {{msg}}: {{human_pos}} {unit} ({{per_sec}}, {{elapsed}})");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar.set_message(label.to_owned());
            bar
        });
        let verbose = verbose.then(|| (streams.output.clone(), label.to_owned()));
        Self { bar, verbose, count: 0 }
    }

    /// The same progress under another label.
    pub(super) fn labelled(mut self, label: &str) -> Self {
        if let Some(bar) = &self.bar {
            bar.set_message(label.to_owned());
        }
        if let Some((_, text)) = &mut self.verbose {
            label.clone_into(text);
        }
        self
    }

    /// One more.
    pub(super) fn step(&mut self) {
        self.count += 1;
        if let Some(bar) = &self.bar {
            // Redrawing is limited by the bar itself; a look at it every so often keeps counting cheap.
            if self.count.is_multiple_of(1024) {
                bar.set_position(self.count);
            }
        }
        if self.count.is_multiple_of(VERBOSE_EVERY) {
            self.print_count("");
        }
    }

    /// The end: the bar disappears, the last count stays.
    pub(super) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.print_count("\n");
    }

    fn print_count(&self, end: &str) {
        if let Some((output, label)) = &self.verbose {
            let mut output = output.lock();
            // A closed output will be noticed by the command itself.
            let _ = write!(output, "\r\t{label}: {}{end}", self.count);
            let _ = output.flush();
        }
    }
}

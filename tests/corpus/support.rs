//! Running the `hardwired` program on copies of database directories.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A run that takes longer hangs: each handles a database of a few megabytes, which takes a second on an idle machine.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// What a run of the program gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    /// The run, which must have succeeded without a word on standard error.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Vec<u8> {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "stdout: {}", String::from_utf8_lossy(&self.stdout));
        self.stdout
    }
}

/// Runs `hardwired`, without standard input.
pub(crate) fn hardwired<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(arguments: I) -> Run {
    hardwired_with_input(arguments, b"")
}

/// Runs `hardwired` with `input` as its standard input. Panics if it panics, is killed, or takes too long.
pub(crate) fn hardwired_with_input<I, S>(arguments: I, input: &[u8]) -> Run
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardwired"));
    command.args(arguments);
    run(command, input)
}

/// Runs a command to its end, with `input` as its standard input and within the time limit.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Run {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let input = input.to_vec();
    // The program may end without reading its input: a failure to write is none of the test's.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = read_all(child.stdout.take().expect("standard output is a pipe"));
    let stderr = read_all(child.stderr.take().expect("standard error is a pipe"));
    let code = wait(&mut child, &shown);
    writer.join().expect("the writer doesn't panic");
    let stdout = stdout.join().expect("the reader doesn't panic");
    let stderr = String::from_utf8_lossy(&stderr.join().expect("the reader doesn't panic")).into_owned();
    assert!(!stderr.contains("panicked at"), "{shown} panicked: {stderr}");
    let code = code.unwrap_or_else(|| panic!("{shown} was killed: {stderr}"));
    Run { code, stdout, stderr }
}

/// The exit code; `None` if a signal ended the process.
fn wait(child: &mut Child, shown: &str) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("the child can be waited for") {
            return status.code();
        }
        if start.elapsed() > TIME_LIMIT {
            drop(child.kill());
            panic!("{shown} takes longer than {TIME_LIMIT:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn read_all(mut source: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).expect("the pipe can be read");
        bytes
    })
}

/// The part of a dump that follows the line `Data`: keys and values in turn.
#[track_caller]
pub(crate) fn data(dump: &[u8]) -> &[u8] {
    let mark = b"\nData\n";
    let at = dump.windows(mark.len()).position(|window| window == mark).expect("a dump has a line `Data`");
    &dump[at + mark.len()..]
}

/// A dump's rows as text, for comparisons that are readable when they fail.
#[track_caller]
pub(crate) fn rows(dump: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(data(dump)).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len() % 2, 0, "a dump holds pairs of lines");
    lines.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

/// A case of the corpus.
pub(crate) struct Case {
    pub(crate) folder: PathBuf,
    pub(crate) json: Value,
}

/// An object of a case.
pub(crate) struct Object<'a> {
    pub(crate) uri: &'a str,
    pub(crate) json: &'a Value,
    folder: PathBuf,
}

impl Case {
    /// Reads the case whose `case.json` this is.
    pub(crate) fn read(case_json: &Path) -> Self {
        let text = std::fs::read_to_string(case_json).expect("case.json can be read");
        let folder = case_json.parent().expect("a case has a folder").to_path_buf();
        Self { folder, json: serde_json::from_str(&text).expect("case.json is JSON") }
    }

    /// A text field.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> &str {
        self.json[field].as_str().unwrap_or_else(|| panic!("case.json has no text {field}"))
    }

    pub(crate) fn objects(&self) -> Vec<Object<'_>> {
        let objects = self.json["objects"].as_array().expect("case.json lists objects");
        assert!(!objects.is_empty(), "a case without objects tests nothing");
        objects
            .iter()
            .map(|json| Object {
                uri: json["uri"].as_str().expect("an object has a URI"),
                json,
                folder: self.folder.join("expected"),
            })
            .collect()
    }

    /// A copy of the database directory.
    pub(crate) fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().expect("a temporary directory can be made");
        copy_directory(&self.folder.join("db"), copy.path());
        copy
    }
}

impl Object<'_> {
    /// The expected dump of the given kind (`hex` or `print`), if the case has it.
    pub(crate) fn expected(&self, kind: &str) -> Option<Vec<u8>> {
        let name = self.json[kind].as_str()?;
        Some(std::fs::read(self.folder.join(name)).expect("the expected dump can be read"))
    }
}

/// Copies the files of a flat directory.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("the directory can be read") {
        let entry = entry.expect("the directory can be read");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("the file can be copied");
    }
}

/// Every file of a flat directory, with its bytes.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("the directory can be read")
        .map(|entry| {
            let entry = entry.expect("the directory can be read");
            let name = entry.file_name().into_string().expect("file names are UTF-8");
            (name, std::fs::read(entry.path()).expect("the file can be read"))
        })
        .collect()
}

/// Fails with the names of the files that differ (their bytes would fill the screen).
#[track_caller]
pub(crate) fn assert_unchanged(before: &BTreeMap<String, Vec<u8>>, folder: &Path) {
    let after = snapshot(folder);
    let names = before.keys().chain(after.keys());
    let mut changed: Vec<&String> = names.filter(|name| before.get(*name) != after.get(*name)).collect();
    changed.dedup();
    assert!(changed.is_empty(), "changed, made or removed: {changed:?}");
}

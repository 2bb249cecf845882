//! The command line against the recorded runs of WiredTiger's `wt`: arguments, input, output, diagnostics, exit status.
//!
//! A group of runs shares a directory. Runs of commands, options or objects that aren't built are left out, each for a
//! reason in [`skip`]. The program calls itself `hardwired` and its release differs, so these two are put in place of the
//! recorded ones before comparing.

use hardwired::cli::{Streams, run};
use parking_lot::Mutex;
use serde_json::Value as Json;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// What one run gives.
struct Ran {
    exit: u8,
    output: String,
    errors: String,
}

fn run_tool(arguments: &[String], input: &str) -> Ran {
    let output = Arc::new(Mutex::new(Vec::new()));
    let errors = Arc::new(Mutex::new(Vec::new()));
    let streams = Streams {
        input: Box::new(Cursor::new(input.as_bytes().to_vec())),
        output: output.clone(),
        errors: errors.clone(),
        progress: false,
    };
    let exit = run(arguments.to_vec(), streams);
    let text = |bytes: &Mutex<Vec<u8>>| String::from_utf8(bytes.lock().clone()).unwrap();
    Ran { exit, output: text(&output), errors: text(&errors) }
}

/// Why a recorded run can't be repeated; `None` if it can.
fn skip(argv: &[&str], stdin: &str) -> Option<&'static str> {
    let unbuilt = ["truncate", "backup", "compact", "salvage", "stat", "loadtext", "downgrade", "copyright"];
    let has = |word: &str| argv.contains(&word);
    if argv.iter().any(|word| unbuilt.contains(word)) {
        return Some("a command that isn't built");
    }
    if ["-S", "-R", "-B", "-E", "-m"].iter().any(|option| has(option)) {
        return Some("salvage, recovery, encryption, compatibility and verify_metadata aren't built");
    }
    if has("dump") && ["-j", "-p", "-e", "-t", "-c"].iter().any(|option| has(option)) {
        return Some("a form of dump that isn't built");
    }
    if has("bk") {
        return Some("it looks at a backup that was skipped");
    }
    if has("-n") && has("-k") {
        return Some("search_near may give either neighbour");
    }
    if has("-l") && has("-u") {
        return Some("a fault of the reference: contradictory bounds are no error");
    }
    if has("load") && has("-j") {
        return Some("JSON input isn't built");
    }
    if has("verify") && ["-d", "-k", "-u", "-q", "-s"].iter().any(|option| has(option)) {
        return Some("verify's dumps are diagnostic texts, and its fault of a lost buffer isn't copied");
    }
    if argv.iter().any(|word| word.contains("key_format=r") || *word == "rec" || *word == "-a" || word.contains(":r"))
        || stdin.contains("key_format=r")
    {
        return Some("column stores");
    }
    None
}

/// Makes a recorded text comparable: the program's name, the release, the usage placeholders.
fn expected_text(text: &str) -> String {
    text.replace("wt: ", "hardwired: ")
        .replace(", wt, ", ", hardwired, ")
        .replace("WiredTiger Version 12.0.0", "WiredTiger Version 11.3.1")
        .replace("running wt util", "running hardwired")
        .replace("Ensure you execute wt within", "Ensure you execute hardwired within")
}

/// Replaces what differs from run to run, and the usage texts, by the placeholders of the recording.
fn shown_text(text: &str, home: &Path) -> String {
    let mut shown = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("usage: ") || line.starts_with("hardwired 0.") {
            shown.push_str(if line.starts_with("usage") { "<usage>\n" } else { "<global usage>" });
            while lines.peek().is_some_and(|next| !next.starts_with("hardwired: ") && !next.starts_with('[')) {
                lines.next();
            }
            continue;
        }
        match line.strip_prefix('[').and_then(|rest| rest.split_once("], ")) {
            Some((_, rest)) => shown.push_str(&format!("[<time>][<thread>], {rest}\n")),
            None => shown.push_str(&format!("{line}\n")),
        }
    }
    shown.replace(&format!("{}/", home.display()), "").replace(&home.display().to_string(), "")
}

/// Diagnostics compare by everything but the engine's own lines, whose objects and texts may say more than WiredTiger's.
fn tool_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with("[<time>]")).collect()
}

/// Lines with checkpoints hold times and checksums.
fn without_configurations(text: &str) -> String {
    let without_times = |line: &str| match (line.split_once(": "), line.split_once(" (size ")) {
        (Some((name, _)), Some((_, size))) if line.starts_with('\t') => format!("{name} {size}\n"),
        _ if line.starts_with("\t\troot") || line.starts_with("\t\tavail") => {
            format!("{}\n", line.rsplit_once(", ").unwrap().0)
        }
        _ => format!("{line}\n"),
    };
    text.lines().filter(|line| !line.contains("checkpoint=(")).map(without_times).collect()
}

#[test]
fn recorded_runs_are_repeated() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/cli-wt.json");
    let vectors: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let groups = ["create, write, read, drop", "dump and load formats", "load errors", "maintenance"];
    let mut ran = 0;
    let mut skipped = 0;
    for group in vectors["groups"].as_array().unwrap() {
        let name = group["group"].as_str().unwrap();
        if !groups.contains(&name) {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("db")).unwrap();
        for step in group["runs"].as_array().unwrap() {
            let argv: Vec<&str> = step["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let stdin = step.get("stdin").and_then(Json::as_str).unwrap_or("");
            if let Some(reason) = skip(&argv[1..], stdin) {
                println!("{name}: skipped {argv:?}: {reason}");
                skipped += 1;
                if reason.starts_with("a command") && argv.contains(&"truncate") {
                    break; // What follows works on the emptied object.
                }
                continue;
            }
            repeat(name, &argv, stdin, step, directory.path());
            ran += 1;
        }
    }
    println!("{ran} runs repeated, {skipped} skipped");
    assert!(ran >= 55, "only {ran} runs repeated");
}

fn repeat(group: &str, argv: &[&str], stdin: &str, step: &Json, directory: &Path) {
    let place = format!("{group}: {argv:?}");
    let home = directory.join("db");
    let path_of = |word: &str| directory.join(word).display().to_string();
    let mut arguments = vec!["hardwired".to_owned()];
    let mut previous = "";
    for word in &argv[1..] {
        // The recording ran in the directory that holds `db`.
        let is_path = previous == "-h" || (previous == "-f" && !word.contains('/'));
        arguments.push(if is_path { path_of(word) } else { (*word).to_owned() });
        previous = word;
    }
    let ran = run_tool(&arguments, stdin);
    let output = without_configurations(&shown_text(&ran.output, directory));
    let errors = shown_text(&ran.errors, directory);
    let expected = expected_text(step["stdout"].as_str().unwrap());
    assert_eq!(output, without_configurations(&expected), "{place}\n{errors}");
    let expected = expected_text(step["stderr"].as_str().unwrap());
    assert_eq!(tool_lines(&errors), tool_lines(&expected), "{place}\n{}", ran.errors);
    assert_eq!(u64::from(ran.exit), step["exit"].as_u64().unwrap(), "{place}\n{errors}");
    if let Some(files) = step.get("files").and_then(Json::as_object) {
        for (file, contents) in files {
            let written = std::fs::read_to_string(directory.join(file)).unwrap();
            let expected = expected_text(contents.as_str().unwrap());
            assert_eq!(without_configurations(&written), without_configurations(&expected), "{place}: {file}");
        }
    }
    assert!(home.exists());
}

/// The lines of a printed log, each form once: numbers and texts of the metadata differ from run to run.
fn line_forms(text: &str) -> std::collections::BTreeSet<String> {
    let form = |line: &str| {
        let line = match line.split_once("\": \"") {
            Some((name, value)) if value.len() > 10 && (name.contains("key") || name.contains("value")) => {
                format!("{name}\": <text>")
            }
            _ => line.trim_end_matches(',').to_owned(),
        };
        let mut form = String::new();
        for letter in line.chars() {
            match (letter.is_ascii_digit() && !line.contains("-hex") && !line.contains("key"), form.ends_with('#')) {
                (true, true) => {}
                (true, false) => form.push('#'),
                (false, _) => form.push(letter),
            }
        }
        form
    };
    text.lines().map(form).collect()
}

/// The log of a table with one row. Its places differ, because the real engine writes fewer records while a table is made and
/// had removed its first log file; the forms of all lines, and the record of the row, don't.
#[test]
fn recorded_logs_are_printed_in_the_same_form() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vectors/cli-wt.json");
    let vectors: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let group = vectors["groups"].as_array().unwrap().iter().find(|group| group["group"] == "printlog").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("db");
    std::fs::create_dir(&home).unwrap();
    let mut compared = 0;
    for step in group["runs"].as_array().unwrap() {
        let argv: Vec<&str> = step["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let prints = argv.contains(&"printlog") && step["exit"] == 0;
        if argv.contains(&"-R") {
            continue; // Recovery as an option isn't built.
        }
        if !prints {
            repeat("printlog", &argv, "", step, directory.path());
            continue;
        }
        // A range names places of the recorded log.
        let range = argv.iter().position(|word| *word == "-l");
        let words = &argv[1..range.unwrap_or(argv.len())];
        let file = directory.path().join("o.txt");
        let shown = |word: &&str| match *word {
            "db" => home.display().to_string(),
            "o.txt" => file.display().to_string(),
            word => word.to_owned(),
        };
        let arguments: Vec<String> = std::iter::once("hardwired".to_owned()).chain(words.iter().map(shown)).collect();
        let ran = run_tool(&arguments, "");
        assert_eq!((ran.exit, ran.errors.as_str()), (0, ""), "{argv:?}");
        let in_file = words.contains(&"-f");
        let printed = if in_file { std::fs::read_to_string(&file).unwrap() } else { ran.output };
        let recorded = if in_file { &step["files"]["o.txt"] } else { &step["stdout"] }.as_str().unwrap();
        let (found, expected) = (line_forms(&printed), line_forms(recorded));
        let is_whole = range.is_none() && !step.get("stdout_truncated").is_some_and(|cut| cut == true);
        let missing: Vec<_> = expected.difference(&found).collect();
        assert!(missing.len() <= usize::from(!is_whole), "{argv:?}: not printed: {missing:?}");
        if is_whole {
            assert_eq!(found, expected, "{argv:?}");
        }
        if words.contains(&"-u") {
            let row = |text: &str| {
                let from = text.find("\"fileid\": 2,").unwrap();
                text[from..].lines().take_while(|line| !line.contains('}')).map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(row(&printed), row(recorded), "{argv:?}");
            // With redactions it isn't JSON, there or here.
            serde_json::from_str::<Json>(&printed).unwrap_or_else(|error| panic!("{argv:?}: {error}\n{printed}"));
        }
        compared += 1;
    }
    assert_eq!(compared, 5);
}

#[test]
fn global_options_are_wiredtigers() {
    let tool = |line: &str| {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        run_tool(&arguments, "")
    };
    let version = tool("/usr/bin/hardwired -V");
    assert_eq!((version.exit, version.output.lines().count()), (0, 1));
    for (line, exit, first) in [
        ("hardwired -x", 1, "hardwired: illegal option -- x"),
        ("hardwired -C", 1, "hardwired: option requires an argument -- C"),
        ("hardwired -L -R list", 1, "Only one of -L, -R, and -S is allowed."),
        ("hardwired -r -R list", 1, "-R and -S cannot be used with -r"),
    ] {
        let ran = tool(line);
        assert_eq!(ran.exit, exit, "{line}");
        assert_eq!(ran.errors.lines().next(), Some(first), "{line}");
    }
    for line in ["hardwired", "hardwired bogus"] {
        let ran = tool(line);
        assert_eq!(ran.exit, 1);
        assert!(ran.errors.contains("global_options:\n") && ran.errors.contains("commands:\n"), "{}", ran.errors);
    }
    assert_eq!(tool("hardwired -?").exit, 0);
}

#[test]
fn a_directory_without_database_is_explained() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["hardwired", "-h", home.path().to_str().unwrap(), "list"].map(str::to_owned);
    let ran = run_tool(&arguments, "");
    assert_eq!(ran.exit, 1);
    assert!(ran.errors.contains("hardwired: WT_TRY_SALVAGE: database corruption detected\nNote: "), "{}", ran.errors);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing may have been made");
}

#[test]
fn a_dump_loads_into_an_equal_database() {
    let home = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let tool = |home: &Path, words: &[&str], input: &str| {
        let mut arguments = vec!["hardwired".to_owned(), "-h".to_owned(), home.display().to_string()];
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let ran = run_tool(&arguments, input);
        assert_eq!(ran.exit, 0, "{words:?}: {}", ran.errors);
        ran.output
    };
    tool(home.path(), &["create", "-c", "key_format=iS,value_format=uS,leaf_page_max=8KB", "t"], "");
    {
        let connection = hardwired::wiredtiger_open(home.path(), None, "").unwrap();
        let session = connection.open_session("").unwrap();
        let mut cursor = session.open_cursor("table:t", "").unwrap();
        for number in -50..50_i32 {
            let bytes = number.to_le_bytes().repeat(usize::try_from(number + 50).unwrap());
            cursor.put((number, "käse\\"), (bytes, "\n\u{1}")).unwrap();
        }
    }
    for form in [&["dump", "t"][..], &["dump", "-x", "t"]] {
        let dump = tool(home.path(), form, "");
        tool(copy.path(), &["load"], &dump);
        assert_eq!(tool(copy.path(), form, ""), dump);
        tool(copy.path(), &["verify"], "");
        tool(copy.path(), &["drop", "t"], "");
    }
}

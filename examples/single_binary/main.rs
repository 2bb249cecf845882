//! One file that holds the engine and every extension, and needs nothing else: no library, no folder, no variable.
//!
//! ```sh
//! rustup target add x86_64-unknown-linux-musl
//! cargo build --release --all-features --target x86_64-unknown-linux-musl --example single_binary
//! ```
//!
//! Works in the current directory. It creates a database in which each linked extension has something to do, closes it, opens
//! it again and compares. `.ci/run musl` runs the static build as the only file of a root directory.

use std::process::ExitCode;

use hardwired::extensions::linked;
use hardwired::plugin::extension::{Extension, ExtensionKind};
use hardwired::{Error, ErrorCode, Result, Session, wiredtiger_open};

const HOME: &str = "single-binary";

/// Rows of each object.
const ROWS: u64 = 2000;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("single_binary: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let bucket = format!("{HOME}/bucket");
    std::fs::create_dir_all(&bucket).map_err(|error| Error::new(ErrorCode::EIO, format!("{bucket}: {error}")))?;
    let objects = objects()?;

    let connection = wiredtiger_open(HOME, None, &format!("create,{}", config()?))?;
    let session = connection.open_session("")?;
    for (uri, config) in &objects {
        session.create(uri, config)?;
        fill(&session, uri)?;
    }
    session.checkpoint("")?;
    session.checkpoint("flush_tier=(enabled)")?;
    drop(session);
    connection.close("")?;

    let connection = wiredtiger_open(HOME, None, &config()?)?;
    let session = connection.open_session("")?;
    for (uri, config) in &objects {
        compare(&session, uri)?;
        println!("{ROWS} rows  {uri}  {config}");
    }
    drop(session);
    connection.close("")?;
    println!("{} extensions, {} objects: as written", linked(&[])?.len(), objects.len());
    Ok(())
}

/// Loads everything that is linked. Key providers and file systems have to come early.
fn config() -> Result<String> {
    let entry = |extension: &Extension| {
        let early = if extension.requires_early_load() { "=(early_load=true)" } else { "" };
        // Two kinds of extensions are called `nop`; a folder before the name tells which is meant.
        format!("{}/{}{early}", extension.kind().path_component(), extension.name())
    };
    let entries: Vec<String> = linked(&[])?.iter().map(entry).collect();
    let key = "0123456789abcdef".repeat(4);
    Ok(format!(
        "extensions=[{}],encryption=(name=sodium,secretkey={key}),\
         tiered_storage=(name=dir_store,bucket=bucket,bucket_prefix=one-)",
        entries.join(",")
    ))
}

/// An object for each extension that objects choose: its URI and configuration.
fn objects() -> Result<Vec<(String, String)>> {
    let table = |name: &str, extra: &str| {
        (format!("table:{name}"), format!("key_format=Q,value_format=S,tiered_storage=(name=none),{extra}"))
    };
    let mut objects = vec![
        ("table:tiered".to_owned(), "key_format=Q,value_format=S".to_owned()),
        ("kvs:object".to_owned(), "key_format=Q,value_format=S".to_owned()),
    ];
    for extension in linked(&[])?.iter() {
        let name = extension.name();
        match extension.kind() {
            ExtensionKind::Collator => objects.push(table(name, &format!("collator={name}"))),
            ExtensionKind::Compressor => objects.push(table(name, &format!("block_compressor={name}"))),
            // That of the connection, whose key it has.
            ExtensionKind::Encryptor if name == "sodium" => {}
            ExtensionKind::Encryptor => {
                objects.push(table(&format!("{name}-encrypted"), &format!("encryption=(name={name},keyid=3)")));
            }
            _ => {}
        }
    }
    Ok(objects)
}

fn row(number: u64) -> (u64, String) {
    (number, format!("row {number}, and something for a compressor: {}", "hardwired ".repeat(9)))
}

fn fill(session: &Session, uri: &str) -> Result<()> {
    let mut cursor = session.open_cursor(uri, "")?;
    (0..ROWS).try_for_each(|number| {
        let (key, value) = row(number);
        cursor.put(key, value)
    })
}

fn compare(session: &Session, uri: &str) -> Result<()> {
    let mut cursor = session.open_cursor(uri, "")?;
    for number in 0..ROWS {
        let (key, value) = row(number);
        if cursor.get::<String>(key)? != Some(value) {
            return Err(Error::new(ErrorCode::ERROR, format!("{uri}: row {number} is not what was written")));
        }
    }
    Ok(())
}

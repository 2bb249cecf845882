//! A tour of hardwired on real data: `cargo run --release --features kek-mock,dir-store,kvs-sample --example tour [HOME]`.
//!
//! Loads Unicode's character data (`data/unicode`) into a new database with three extensions: a key provider that was loaded
//! before any file was touched, a storage source that keeps one of the tables in a bucket, and a data source that keeps the
//! blocks in a store of its own. It runs transactions into a conflict, takes a checkpoint, flushes the tiered table, reopens,
//! reads the table back without its local file, joins both kinds of objects, and verifies. Each chapter prints what happened;
//! anything that isn't as it should be ends the tour with an error.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hardwired::packing::{PackRow, UnpackRow};
use hardwired::{Connection, Session, wiredtiger_open};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The key provider has to be there before the first page is read, hence `early_load`. `key_expires=0` makes it give a new key
/// at every checkpoint, so that there is something to see. `local_retention=0` lets go of a local copy once the
/// bucket has it, at the next look of the background, every second.
const CONFIG: &str = "create,cache_size=64MB,\
                      extensions=[kek-mock=(early_load=true,config=\"verbose=1,key_expires=0\"),dir_store,kvs-sample],\
                      tiered_storage=(name=dir_store,bucket=bucket,bucket_prefix=tour-,local_retention=0,interval=1)";

/// A table of the usual kind: it stays in the home.
const CHARACTERS: &str = "table:characters";
/// An object of the data source, in whose store it is kept.
const BLOCKS: &str = "kvs:blocks";
/// A tiered table: what a flush has closed is kept in the bucket.
const DEFINITIONS: &str = "table:definitions";

/// The tiered table's first object, in the home and in the bucket.
const OBJECT: &str = "definitions-0000000001.wtobj";
const OBJECT_IN_BUCKET: &str = "bucket/tour-definitions-0000000001.wtobj";

/// How long the tour waits for the background to give up a local copy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows that one transaction loads.
const BATCH: usize = 1000;

/// A character's name, category, combining class, and its other fields as they are in the file.
type Character = (String, String, u8, String);

fn main() -> std::process::ExitCode {
    match tour() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the tour ends here: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn tour() -> Result<()> {
    let home = std::env::args_os().nth(1).map_or_else(default_home, |home| Ok(PathBuf::from(home)))?;
    let data = Data::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/unicode"))?;

    chapter("A new database: a key provider at start-up, a storage source, a data source");
    println!("home        {}", home.display());
    println!("config      {CONFIG}");
    std::fs::create_dir(home.join("bucket"))?;
    let connection = wiredtiger_open(&home, None, CONFIG)?;
    let session = connection.open_session("")?;
    session.create(CHARACTERS, "key_format=I,value_format=SSBS,tiered_storage=(name=none)")?;
    session.create(BLOCKS, "key_format=I,value_format=IS")?;
    session.create(DEFINITIONS, "key_format=I,value_format=S")?;

    chapter("Unicode 15, one transaction per thousand rows");
    load(&session, CHARACTERS, &data.characters)?;
    load(&session, BLOCKS, &data.blocks)?;
    load(&session, DEFINITIONS, &data.definitions)?;

    chapter("Two transactions want the same row");
    conflict(&connection)?;

    chapter("A checkpoint makes it durable, and asks for the key");
    let start = Instant::now();
    session.checkpoint("")?;
    println!("checkpoint  {:.0?}", start.elapsed());
    show_key(&session)?;

    chapter("A flush moves the tiered table into its bucket");
    flush(&session, &home)?;

    chapter("A transaction that nobody will see");
    session.begin_transaction("")?;
    let mut characters = session.open_cursor(CHARACTERS, "")?;
    characters.set_key(0x41_u32)?;
    characters.remove()?;
    println!("removed     U+0041 in a transaction that is neither committed nor rolled back");
    drop(characters);
    drop(session);
    connection.close("")?;
    println!("closed      the connection rolled it back");

    chapter("Everything is there after reopening, the tiered table through its storage source");
    if home.join(OBJECT).exists() {
        return Err(format!("{OBJECT} is still in the home").into());
    }
    let connection = wiredtiger_open(&home, None, CONFIG)?;
    let session = connection.open_session("")?;
    show_key(&session)?;
    compare(&session, CHARACTERS, &data.characters)?;
    compare(&session, BLOCKS, &data.blocks)?;
    compare(&session, DEFINITIONS, &data.definitions)?;

    chapter("Ranges, over the data source's object, the normal table and the tiered one");
    ranges(&session)?;

    chapter("Verification");
    // Verifying a tiered table isn't there yet; its rows were compared above.
    for uri in [CHARACTERS, BLOCKS] {
        session.verify(uri, "")?;
        println!("verified    {uri}");
    }
    drop(session);
    connection.close("")?;

    println!("\nThe database stays where it is. Look at it with:");
    let program = "cargo run --release --features kek-mock,dir-store,kvs-sample --bin hardwired --";
    println!("  {program} -h {} -r list -c", home.display());
    println!("  {program} -h {} -r dump {DEFINITIONS}", home.display());
    Ok(())
}

fn chapter(title: &str) {
    println!("\n== {title}");
}

/// A folder below `target`, emptied of the tour before.
fn default_home() -> Result<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tour");
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    Ok(home)
}

/// The data set, as rows.
struct Data {
    characters: Vec<(u32, Character)>,
    blocks: Vec<(u32, (u32, String))>,
    definitions: Vec<(u32, String)>,
}

impl Data {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<String> {
            let path = folder.join(name);
            Ok(std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?)
        };
        let rows = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
        };
        let characters = rows(&read("UnicodeData.txt")?).iter().map(|line| character(line)).collect::<Result<_>>()?;
        let blocks = rows(&read("Blocks.txt")?).iter().map(|line| block(line)).collect::<Result<_>>()?;
        let definitions =
            rows(&read("UnihanDefinitions.txt")?).iter().map(|line| definition(line)).collect::<Result<_>>()?;
        Ok(Self { characters, blocks, definitions })
    }
}

/// `0041;LATIN CAPITAL LETTER A;Lu;0;L;...`
fn character(line: &str) -> Result<(u32, Character)> {
    let mut fields = line.splitn(5, ';');
    let mut next = || fields.next().ok_or_else(|| format!("too few fields: {line}"));
    let (code, name, category, class, rest) = (next()?, next()?, next()?, next()?, next()?);
    Ok((code_point(code)?, (name.to_owned(), category.to_owned(), class.parse()?, rest.to_owned())))
}

/// `0370..03FF; Greek and Coptic`
fn block(line: &str) -> Result<(u32, (u32, String))> {
    let (range, name) = line.split_once("; ").ok_or_else(|| format!("no name: {line}"))?;
    let (first, last) = range.split_once("..").ok_or_else(|| format!("no range: {line}"))?;
    Ok((code_point(first)?, (code_point(last)?, name.to_owned())))
}

/// `U+6C34 kDefinition water, liquid, lotion, juice`
fn definition(line: &str) -> Result<(u32, String)> {
    let mut fields = line.splitn(3, '\t');
    let (Some(code), Some(_), Some(text)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(format!("too few fields: {line}").into());
    };
    Ok((code_point(code.trim_start_matches("U+"))?, text.to_owned()))
}

fn code_point(hex: &str) -> Result<u32> {
    Ok(u32::from_str_radix(hex, 16)?)
}

fn load<V: PackRow + Clone>(session: &Session, uri: &str, rows: &[(u32, V)]) -> Result<()> {
    let start = Instant::now();
    for batch in rows.chunks(BATCH) {
        session.transaction(|session| {
            let mut cursor = session.open_cursor(uri, "")?;
            batch.iter().try_for_each(|(code, value)| cursor.put(*code, value.clone()))
        })?;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("loaded      {:>6} rows into {uri} ({:.0} rows/s)", rows.len(), rows.len() as f64 / seconds);
    Ok(())
}

/// The second writer of a row gets `WT_ROLLBACK` at once; it starts again and sees what the first one did.
fn conflict(connection: &Connection) -> Result<()> {
    let (first, second) = (connection.open_session("")?, connection.open_session("")?);
    let snowman = 0x2603_u32;
    first.begin_transaction("isolation=snapshot")?;
    second.begin_transaction("isolation=snapshot")?;
    rename(&first, snowman, |name| format!("{name}, BUILT"))?;
    let Err(error) = rename(&second, snowman, |name| format!("{name}, MELTED")) else {
        return Err("two transactions changed one row".into());
    };
    println!("conflict    {} ({error})", error.code().0);
    second.rollback_transaction("")?;
    first.commit_transaction("")?;
    // `transaction` does the same by itself: rolls back and runs again until no one was faster.
    second.transaction(|session| rename(session, snowman, |name| format!("{name}, MELTED")))?;
    let mut characters = second.open_cursor(CHARACTERS, "")?;
    let (name, ..) = characters.get::<Character>(snowman)?.ok_or("U+2603 is missing")?;
    println!("U+2603      {name}");
    // Back to what the Unicode Consortium calls it.
    rename(&first, snowman, |name| name.split(',').next().unwrap_or_default().to_owned())?;
    Ok(())
}

fn rename(session: &Session, code: u32, change: impl Fn(&str) -> String) -> hardwired::Result<()> {
    let mut characters = session.open_cursor(CHARACTERS, "")?;
    let (name, category, class, rest) = characters.get::<Character>(code)?.ok_or(hardwired::Error::NotFound)?;
    characters.put(code, (change(&name), category, class, rest))
}

/// The key provider is asked for its key at each checkpoint, and handed the newest one when the database opens.
fn show_key(session: &Session) -> Result<()> {
    let mut metadata = session.open_cursor("metadata:", "")?;
    let row = metadata.get::<String>("system:key_provider")?.ok_or("no key was stored with the checkpoint")?;
    let (description, _) = row.split_once(",data=").ok_or("the key's row has no data")?;
    println!("key         {description}");
    Ok(())
}

/// Closes the object of the tiered table that was written so far, has it copied to the bucket, and waits until its local
/// copy has been given up.
fn flush(session: &Session, home: &Path) -> Result<()> {
    let local = home.join(OBJECT);
    if !local.exists() {
        return Err(format!("{OBJECT} is not in the home before the flush").into());
    }
    let start = Instant::now();
    session.checkpoint("flush_tier=(enabled)")?;
    let bytes = std::fs::metadata(home.join(OBJECT_IN_BUCKET))?.len();
    println!("flushed     {OBJECT_IN_BUCKET}, {bytes} bytes ({:.0?})", start.elapsed());
    while local.exists() {
        if start.elapsed() > PATIENCE {
            return Err(format!("{OBJECT} is still in the home").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("given up    the local copy, {:.0?} after the flush had begun", start.elapsed());
    show_key(session)
}

/// Fails unless the object holds exactly these rows.
fn compare<V>(session: &Session, uri: &str, expected: &[(u32, V)]) -> Result<()>
where
    V: for<'a> UnpackRow<'a> + PartialEq,
{
    let start = Instant::now();
    let mut cursor = session.open_cursor(uri, "")?;
    let mut expected = expected.iter();
    let mut count = 0;
    while cursor.next()? {
        let (code, value) = (cursor.get_key::<u32>()?, cursor.get_value::<V>()?);
        if expected.next().is_none_or(|row| row.0 != code || row.1 != value) {
            return Err(format!("{uri}: U+{code:04X} is not what was loaded").into());
        }
        count += 1;
    }
    if expected.next().is_some() {
        return Err(format!("{uri}: rows are missing after the first {count}").into());
    }
    println!("compared    {count:>6} rows of {uri} with the data set: equal ({:.0?})", start.elapsed());
    Ok(())
}

fn ranges(session: &Session) -> Result<()> {
    let mut characters = session.open_cursor(CHARACTERS, "")?;
    let mut blocks = session.open_cursor(BLOCKS, "")?;
    let mut definitions = session.open_cursor(DEFINITIONS, "")?;

    // A data source's cursor has no bounds, hence no ranges; it searches and steps.
    blocks.set_key(0x370_u32)?;
    blocks.search_near()?.ok_or("no blocks")?;
    let (first, (last, name)) = (blocks.get_key::<u32>()?, blocks.get_value::<(u32, String)>()?);
    let count = characters.range::<u32, Character>(first..=last)?.count();
    println!("join        {BLOCKS}: {name} is U+{first:04X} to U+{last:04X}; {CHARACTERS}: {count} characters of it");

    let mut capitals = 0;
    for character in characters.range::<u32, Character>(0x391..0x3aa)? {
        capitals += usize::from(character?.1.1 == "Lu");
    }
    println!("range       {capitals} capital letters from ALPHA to OMEGA");

    let (code, text) = definitions.range::<u32, String>(..=0x6c34)?.next_back().ok_or("no definition")??;
    println!("backwards   the last definition up to U+6C34: U+{code:04X} is \"{text}\"");

    characters.set_key(0x378_u32)?;
    let side = characters.search_near()?.ok_or("the table is empty")?;
    let near = characters.get_key::<u32>()?;
    let side = if side.is_gt() { "after" } else { "before" };
    println!("near        U+0378 is not assigned; search_near stops at U+{near:04X}, the one {side} it");
    Ok(())
}

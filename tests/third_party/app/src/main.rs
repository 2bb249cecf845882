//! A third party's program: names each plugin crate once, and finds their extensions by name. The argument is a directory
//! for a database.

// Without these lines the linker never sees the crates.
use acme_caseless as _;
use cellar_keys as _;

use hardwired::extensions::linked;
use hardwired::{Connection, Result};
use std::path::Path;

/// The first as a program would have it that loads the extension from a shared library.
const EXTENSIONS: &str = "extensions=[/opt/lib/libcellar_keys.so=(early_load=true,config=(oak=1)),acme-caseless]";

fn open(home: &Path) -> Result<Connection> {
    Connection::builder(home).create(true).config(EXTENSIONS).open()
}

fn main() -> Result<()> {
    let registry = linked(&[])?;
    for extension in registry.iter() {
        println!("linked: {extension}");
    }
    let home = std::env::args_os().nth(1).expect("a directory");
    let home = Path::new(&home);

    println!("a new database");
    let connection = open(home)?;
    let session = connection.open_session("")?;
    session.create("table:wine", "key_format=S,value_format=S,collator=acme-caseless")?;
    session.open_cursor("table:wine", "")?.put("riesling", "dry")?;
    session.checkpoint("")?;
    println!("after the checkpoint");
    session.open_cursor("table:wine", "")?.put("Sauvignon", "dry, too")?;
    drop(session);
    connection.close("")?;
    drop(connection);

    println!("again");
    let connection = open(home)?;
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor("table:wine", "")?;
    while cursor.next()? {
        println!("{}: {}", cursor.get_key::<String>()?, cursor.get_value::<String>()?);
    }
    drop(cursor);
    drop(session);
    connection.close("")
}

//! A third party's program: names the plugin crate once, and finds its extension by name. The argument is a directory for
//! a database.

// Without this line the linker never sees the crate.
use cellar_keys as _;

use hardwired::extensions::linked;
use hardwired::{Connection, Result};
use std::path::Path;

/// As a program would have it that loads the extension from a shared library.
const EXTENSIONS: &str = "extensions=[/opt/lib/libcellar_keys.so=(early_load=true,config=(oak=1))]";

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
    session.create("table:wine", "key_format=S,value_format=S")?;
    session.open_cursor("table:wine", "")?.put("riesling", "dry")?;
    session.checkpoint("")?;
    println!("after the checkpoint");
    session.open_cursor("table:wine", "")?.put("merlot", "red")?;
    drop(session);
    connection.close("")?;
    drop(connection);

    println!("again");
    let connection = open(home)?;
    let session = connection.open_session("")?;
    let mut cursor = session.open_cursor("table:wine", "")?;
    for key in ["merlot", "riesling"] {
        let value: Option<String> = cursor.get(key)?;
        println!("{key}: {value:?}");
    }
    drop(cursor);
    drop(session);
    connection.close("")
}

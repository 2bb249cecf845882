//! A table with named columns, column groups and indices: finding records by something other than their key.

fn main() -> hardwired::Result<()> {
    let home = std::env::temp_dir().join(format!("hardwired-indices-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a temporary directory can be made");

    let connection = hardwired::wiredtiger_open(&home, None, "create")?;
    let session = connection.open_session("")?;

    // The columns have names: first those of the key, then those of the value. Each group has a file of its own:
    // a cursor on `colgroup:people:main` leaves the long notes alone.
    let columns = "key_format=S,value_format=SiS,columns=(name,city,born,note),colgroups=(main,notes)";
    session.create("table:people", columns)?;
    session.create("colgroup:people:main", "columns=(city,born)")?;
    session.create("colgroup:people:notes", "columns=(note)")?;
    session.create("index:people:place", "columns=(city,born)")?;

    let mut people = session.open_cursor("table:people", "")?;
    for (name, city, born, note) in [
        ("Ada", "London", 1815, "wrote about an engine that was never built"),
        ("Alan", "London", 1912, "wrote about a machine that can't be built"),
        ("Edsger", "Rotterdam", 1930, "found the shortest way"),
        ("Grace", "New York", 1906, "wrote the first linker"),
    ] {
        people.put(name, (city, born, note))?;
    }
    // The indices follow.
    people.put("Alan", ("Wilmslow", 1912, "moved"))?;
    drop(people);

    // By city and year; the value is that of the table.
    let mut places = session.open_cursor("index:people:place", "")?;
    while places.next()? {
        let (city, born): (String, i32) = places.get_key()?;
        let (_, _, note): (String, i32, String) = places.get_value()?;
        println!("{city}, {born}: {note}");
    }

    // Some columns only. These are all in the index, so the table isn't looked at.
    let mut names = session.open_cursor("index:people:place(name)", "")?;
    names.set_key(("Rotterdam", 1930))?;
    if names.search()? {
        println!("born in Rotterdam in 1930: {}", names.get_value::<String>()?);
    }
    drop((places, names));

    // An index can be made later: it is filled from the table. No cursor may be open on the table then.
    session.create("index:people:born", "columns=(born)")?;
    let mut years = session.open_cursor("index:people:born(born,name)", "")?;
    while years.next()? {
        let (born, name): (i32, String) = years.get_value()?;
        println!("{born}: {name}");
    }
    Ok(())
}

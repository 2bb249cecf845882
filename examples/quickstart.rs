//! The shortest complete program: the README shows it.

fn main() -> hardwired::Result<()> {
    let home = std::env::temp_dir().join(format!("hardwired-quickstart-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a temporary directory can be made");

    let connection = hardwired::wiredtiger_open(&home, None, "create,cache_size=100MB")?;
    let session = connection.open_session("")?;
    session.create("table:planets", "key_format=S,value_format=IS")?;

    // One transaction; run again by itself if another one was faster.
    session.transaction(|session| {
        let mut planets = session.open_cursor("table:planets", "")?;
        for (name, moons, finder) in [("mars", 2_u32, "Hall"), ("earth", 1, "-"), ("neptune", 16, "Lassell")] {
            planets.put(name, (moons, finder))?;
        }
        Ok(())
    })?;
    session.checkpoint("")?;

    let mut planets = session.open_cursor("table:planets", "")?;
    for planet in planets.range::<String, (u32, String)>(.."n")? {
        let (name, (moons, finder)) = planet?;
        println!("{name}: {moons} moons, the first found by {finder}");
    }
    Ok(())
}

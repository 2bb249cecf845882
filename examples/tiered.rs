//! A table whose finished parts are kept in a bucket, here a directory.

fn main() -> hardwired::Result<()> {
    let home = std::env::temp_dir().join(format!("hardwired-tiered-{}", std::process::id()));
    std::fs::create_dir_all(home.join("bucket")).expect("a temporary directory can be made");
    let config = "create,extensions=[dir_store],\
                  tiered_storage=(name=dir_store,bucket=bucket,bucket_prefix=demo_,local_retention=300)";

    let connection = hardwired::wiredtiger_open(&home, None, config)?;
    let session = connection.open_session("")?;
    session.create("table:readings", "key_format=S,value_format=I")?;
    let mut readings = session.open_cursor("table:readings", "")?;
    for (hour, value) in [("2026-01-01 00", 17_u32), ("2026-01-01 01", 19), ("2026-01-01 02", 16)] {
        readings.put(hour, value)?;
    }
    drop(readings);

    // The flush closes what the checkpoint has written, and returns when the bucket has it.
    session.checkpoint("")?;
    session.checkpoint("flush_tier=(enabled)")?;
    for object in std::fs::read_dir(home.join("bucket")).expect("the bucket can be read").flatten() {
        println!("in the bucket: {}", object.file_name().display());
    }

    // A finished object without its local file is read from the bucket.
    drop(session);
    connection.close("")?;
    std::fs::remove_file(home.join("readings-0000000001.wtobj")).expect("the local file can be removed");
    let connection = hardwired::wiredtiger_open(&home, None, "")?;
    let session = connection.open_session("")?;
    let mut readings = session.open_cursor("table:readings", "")?;
    for reading in readings.range::<String, u32>(..)? {
        let (hour, value) = reading?;
        println!("{hour}: {value}");
    }
    Ok(())
}

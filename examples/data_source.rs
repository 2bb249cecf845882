//! A data source in fifty lines: objects `shelf:NAME` that live in memory, under hardwired's sessions and cursors.

use hardwired::plugin::config::Config;
use hardwired::plugin::data_source::{DataSource, DataSourceCursor, Record};
use hardwired::plugin::extension::Extension;
use hardwired::plugin::services::SessionServices;
use hardwired::{Connection, Error, ErrorCode, Result};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex};

/// The descriptor: programs find the source as `extensions=[shelf]`.
pub static SHELF: Extension =
    Extension::data_source("shelf", hardwired::plugin::origin!(), "shelf:", |_| Ok(Arc::new(Shelf::default())));

type Rows = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;
type Session<'s> = &'s dyn SessionServices;

/// The source: all objects by URI.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<String, Rows>>);

impl DataSource for Shelf {
    fn create(&self, session: Session<'_>, uri: &str, config: Config<'_>) -> Result<()> {
        let (key, value) = (config.text_or("key_format", "u")?, config.text_or("value_format", "u")?);
        let mut objects = self.0.lock().unwrap();
        if key == "r" {
            return Err(Error::unsupported(format!("{uri}: a shelf has no record numbers")));
        }
        if objects.contains_key(uri) && config.bool_or("exclusive", false)? {
            return Err(Error::new(ErrorCode::EEXIST, format!("{uri}: the object exists")));
        }
        objects.entry(uri.to_owned()).or_default();
        session.metadata_insert(uri, &format!("key_format={key},value_format={value}"))
    }

    fn open_cursor(&self, _: Session<'_>, uri: &str, config: Config<'_>) -> Result<Box<dyn DataSourceCursor>> {
        let rows = self.0.lock().unwrap().get(uri).cloned().ok_or(Error::NotFound)?;
        Ok(Box::new(ShelfCursor { rows, overwrite: config.bool_or("overwrite", true)?, at: None }))
    }

    fn drop_object(&self, session: Session<'_>, uri: &str, _: Config<'_>) -> Result<()> {
        session.metadata_remove(uri)?;
        self.0.lock().unwrap().remove(uri).map(|_| ()).ok_or(Error::NotFound)
    }
}

/// A cursor: an object, and the key that it stands on.
struct ShelfCursor {
    rows: Rows,
    overwrite: bool,
    at: Option<Vec<u8>>,
}

impl ShelfCursor {
    fn stand(&mut self, record: &mut Record, row: Option<(Vec<u8>, Vec<u8>)>) -> Result<()> {
        let (key, value) = row.ok_or(Error::NotFound)?;
        (record.key, record.value, self.at) = (key.clone(), value, Some(key));
        Ok(())
    }

    fn put(&mut self, record: &Record, must_exist: bool, otherwise: Error) -> Result<()> {
        let mut rows = self.rows.lock().unwrap();
        if !self.overwrite && rows.contains_key(&record.key) != must_exist {
            return Err(otherwise);
        }
        rows.insert(record.key.clone(), record.value.clone());
        Ok(())
    }
}

fn owned(row: (&Vec<u8>, &Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    (row.0.clone(), row.1.clone())
}

impl DataSourceCursor for ShelfCursor {
    fn next(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let from = self.at.take().map_or(Unbounded, Excluded);
        let row = self.rows.lock().unwrap().range((from, Unbounded)).next().map(owned);
        self.stand(record, row)
    }

    fn prev(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let to = self.at.take().map_or(Unbounded, Excluded);
        let row = self.rows.lock().unwrap().range((Unbounded, to)).next_back().map(owned);
        self.stand(record, row)
    }

    fn reset(&mut self, _: Session<'_>) -> Result<()> {
        self.at = None;
        Ok(())
    }

    fn search(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let row = self.rows.lock().unwrap().get_key_value(&record.key).map(owned);
        self.stand(record, row)
    }

    fn search_near(&mut self, _: Session<'_>, record: &mut Record) -> Result<Ordering> {
        let sought = record.key.clone();
        let rows = self.rows.lock().unwrap();
        let row = rows.range(sought.clone()..).next().or_else(|| rows.iter().next_back()).map(owned);
        drop(rows);
        self.stand(record, row)?;
        Ok(record.key.cmp(&sought))
    }

    fn insert(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        self.put(record, false, Error::DuplicateKey)
    }

    fn update(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        self.put(record, true, Error::NotFound)
    }

    fn remove(&mut self, _: Session<'_>, record: &mut Record) -> Result<()> {
        let removed = self.rows.lock().unwrap().remove(&record.key);
        // `next` goes on from the removed key.
        self.at = Some(record.key.clone());
        if removed.is_some() || self.overwrite { Ok(()) } else { Err(Error::NotFound) }
    }
}

fn main() -> Result<()> {
    let home = std::env::temp_dir().join(format!("hardwired-data-source-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("a temporary directory can be made");
    let connection = Connection::builder(&home).create(true).with(&SHELF).open()?;
    let session = connection.open_session("")?;
    session.create("shelf:planets", "key_format=S,value_format=SI")?;
    let mut planets = session.open_cursor("shelf:planets", "")?;
    for (name, finder, moons) in [("mars", "-", 2_u32), ("neptune", "Galle", 16), ("earth", "-", 1)] {
        planets.put(name, (finder, moons))?;
    }
    planets.reset()?;
    while planets.next()? {
        let name: &str = planets.get_key()?;
        let (finder, moons): (&str, u32) = planets.get_value()?;
        println!("{name}: {moons} moons, found by {finder}");
    }
    Ok(())
}

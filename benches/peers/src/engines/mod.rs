//! The engines, one module each, and the table of those that this build contains.

use anyhow::Result;

use crate::{
    rows::Batch,
    workload::{self, Plan},
};

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "hardwired")]
mod hardwired;
#[cfg(feature = "core")]
mod hardwired_core;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "wiredtiger")]
mod wiredtiger;

/// An engine of this build.
pub(crate) struct Entry {
    /// The name on the command line and in the tables.
    pub(crate) name: &'static str,
    /// The library's version.
    pub(crate) version: fn() -> String,
    /// Runs all workloads of a plan in this process and prints their figures.
    pub(crate) run: fn(&Plan) -> Result<()>,
}

/// All engines of this build, in the order of the tables.
pub(crate) const ENGINES: &[Entry] = &[
    #[cfg(feature = "hardwired")]
    entry::<hardwired::Hardwired>("hardwired"),
    #[cfg(feature = "core")]
    entry::<hardwired_core::HardwiredCore>("hardwired-core"),
    #[cfg(feature = "wiredtiger")]
    entry::<wiredtiger::WiredTiger>("wiredtiger"),
    #[cfg(feature = "lmdb")]
    entry::<lmdb::Lmdb>("lmdb"),
    #[cfg(feature = "rocksdb")]
    entry::<rocksdb::RocksDb>("rocksdb"),
    #[cfg(feature = "redb")]
    entry::<redb::Redb>("redb"),
    #[cfg(feature = "fjall")]
    entry::<fjall::Fjall>("fjall"),
];

const fn entry<E: crate::engine::Engine>(name: &'static str) -> Entry {
    Entry { name, version: E::version, run: workload::run::<E> }
}

/// The version of `package` that this build was locked to.
fn locked_version(package: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&name).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("of unknown version").to_owned()
}

/// The error of a read that finds no row for the key at `position`.
fn missing(batch: &Batch, position: usize) -> anyhow::Error {
    anyhow::anyhow!("row {} is missing", batch.index(position))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        engine::{Engine, Options, Worker},
        rows::{KeyStyle, Rows, Shape},
    };

    #[test]
    fn names_are_unique_and_versions_are_known() {
        let names: HashSet<_> = ENGINES.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), ENGINES.len());
        for entry in ENGINES {
            assert!((entry.version)().contains('.'), "{}", entry.name);
        }
    }

    /// What a workload relies on: rows written are read and scanned in order, an overwrite wins, a missing key is an
    /// error, and all of it survives closing.
    fn keeps_rows<E: Engine>() {
        let shape = Shape { key_size: 16, value_size: 100, key_style: KeyStyle::Decimal };
        let rows = Rows::new(shape, 2000).unwrap();
        let home = tempfile::tempdir().unwrap();
        let options = Options { cache_bytes: 64 << 20 };
        let engine = E::open(home.path(), &options).unwrap();
        let write = |worker: &mut E::Worker<'_>| {
            let mut batch = Batch::new(&shape);
            (0..2000).step_by(2).for_each(|index| rows.push(index, &mut batch));
            worker.write(&batch)?;
            batch.clear();
            rows.push_next(500, &mut batch);
            worker.write(&batch)?;
            check(&rows, worker)
        };
        engine.with_worker(write).unwrap();
        engine.checkpoint().unwrap();
        engine.with_worker(|worker| check(&rows, worker)).unwrap();
        engine.close().unwrap();
        let engine = E::open(home.path(), &options).unwrap();
        engine.with_worker(|worker| check(&rows, worker)).unwrap();
        engine.close().unwrap();
    }

    fn check(rows: &Rows, worker: &mut impl Worker) -> Result<()> {
        for size in [1, 3] {
            let mut batch = Batch::new(&rows.shape);
            (0..size).for_each(|number| batch.push_key(&rows.shape, 500 + 2 * number));
            let mut seen = 0;
            let visit = |position, value: &[u8]| seen += u64::from(rows.value_is_right(batch.index(position), value));
            worker.read(&batch, visit)?;
            assert_eq!(seen, size);
            batch.push_key(&rows.shape, 501);
            assert!(worker.read(&batch, |_, _| {}).is_err());
        }
        for (from, limit, first, count) in
            [(0, 5000, 0, 1000), (501, 10, 502, 10), (502, 10, 502, 10), (1999, 10, 0, 0)]
        {
            let mut key = vec![0; 16];
            rows.shape.key(from, &mut key);
            let mut expected = (first..).step_by(2);
            let visit = |key: &[u8], value: &[u8]| assert!(rows.row_is_right(expected.next().unwrap(), key, value));
            assert_eq!(worker.scan(&key, limit, visit)?, count);
        }
        Ok(())
    }

    macro_rules! engines_keep_rows {
        ($($feature:literal $name:ident $engine:ty;)*) => {
            $(
                #[cfg(feature = $feature)]
                #[test]
                fn $name() {
                    keeps_rows::<$engine>();
                }
            )*
        };
    }

    engines_keep_rows! {
        "hardwired" hardwired_keeps_rows hardwired::Hardwired;
        "core" hardwired_core_keeps_rows hardwired_core::HardwiredCore;
        "wiredtiger" wiredtiger_keeps_rows wiredtiger::WiredTiger;
        "lmdb" lmdb_keeps_rows lmdb::Lmdb;
        "rocksdb" rocksdb_keeps_rows rocksdb::RocksDb;
        "redb" redb_keeps_rows redb::Redb;
        "fjall" fjall_keeps_rows fjall::Fjall;
    }
}

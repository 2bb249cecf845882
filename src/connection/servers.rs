//! Background threads of a connection: eviction, and checkpoints at intervals.
//!
//! Threads hold the connection weakly, so that it can close when its last handle goes; closing stops and joins them.

use super::ConnectionInner;
use crate::cache::{Cache, EvictionServer};
use crate::checkpoint::{self, Request};
use crate::event::Origin;
use crate::tiered::Tiered;
use crate::txn::TxnGlobal;
use crate::{Error, Result};
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The running threads.
pub(super) struct Servers {
    eviction: EvictionServer,
    stop: Arc<Stop>,
    tiered: Option<Arc<Tiered>>,
    threads: Vec<JoinHandle<()>>,
}

/// Wakes sleeping threads for the end.
#[derive(Default)]
struct Stop {
    stopping: Mutex<bool>,
    signal: Condvar,
}

impl Servers {
    /// Starts eviction.
    pub(super) fn start(cache: &Arc<Cache>, txns: &Arc<TxnGlobal>) -> Result<Self> {
        Ok(Self {
            eviction: EvictionServer::start(cache, txns)?,
            stop: Arc::default(),
            tiered: None,
            threads: Vec::new(),
        })
    }

    /// Starts the thread that takes a checkpoint every `seconds`.
    pub(super) fn start_checkpoints(&mut self, connection: Weak<ConnectionInner>, seconds: u32) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        self.spawn("checkpoint-server", move || {
            let wait = Duration::from_secs(u64::from(seconds));
            loop {
                {
                    let mut stopping = stop.stopping.lock();
                    if !*stopping {
                        stop.signal.wait_for(&mut stopping, wait);
                    }
                    if *stopping {
                        return;
                    }
                }
                let Some(connection) = connection.upgrade() else { return };
                if connection.check_usable().is_err() {
                    return;
                }
                if let Err(error) = checkpoint::checkpoint(&connection.db, &connection.keys, &Request::default()) {
                    connection.messenger.report(Origin::call("checkpoint-server"), &error);
                }
            }
        })
    }

    /// Starts the thread that works on the objects of tiered tables.
    pub(super) fn start_tiered(&mut self, connection: &Arc<ConnectionInner>) -> Result<()> {
        let tiered = Arc::clone(&connection.db.tiered);
        let connection = Arc::downgrade(connection);
        self.tiered = Some(Arc::clone(&tiered));
        self.spawn("tiered-server", move || {
            while tiered.queue.wait(tiered.interval()) {
                let Some(connection) = connection.upgrade() else { return };
                if connection.db.is_panicked() {
                    tiered.queue.stop();
                    return;
                }
                crate::tiered::pass(&connection.db);
            }
        })
    }

    /// Stops and joins all threads. Called from one of them (which then held the last handle), it leaves that one be.
    pub(super) fn stop(self) {
        *self.stop.stopping.lock() = true;
        self.stop.signal.notify_all();
        if let Some(tiered) = &self.tiered {
            tiered.queue.stop();
        }
        for thread in self.threads {
            if thread.thread().id() != std::thread::current().id() {
                // A panic of the thread has been reported by the runtime; closing goes on.
                let _ = thread.join();
            }
        }
        drop(self.eviction);
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(|error| Error::io(format_args!("thread {name}"), error))?;
        self.threads.push(thread);
        Ok(())
    }
}

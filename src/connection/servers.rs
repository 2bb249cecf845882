//! Background threads of a connection: eviction, checkpoints at intervals, the log's.
//!
//! Threads hold the connection weakly, so that it can close when its last handle goes; closing stops and joins them.

use super::ConnectionInner;
use crate::cache::{Cache, EvictionServer};
use crate::checkpoint::{self, Request};
use crate::event::Origin;
use crate::log::Log;
use crate::txn::TxnGlobal;
use crate::{Error, ErrorCode, Result};
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The running threads.
pub(super) struct Servers {
    eviction: EvictionServer,
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
}

/// How long the log's thread sleeps.
const LOG_WAIT_MIN: Duration = Duration::from_millis(50);
const LOG_WAIT_MAX: Duration = Duration::from_secs(1);

/// Wakes sleeping threads for the end.
#[derive(Default)]
struct Stop {
    stopping: Mutex<bool>,
    signal: Condvar,
}

impl Stop {
    /// Sleeps; `false`: it is the end.
    fn sleep(&self, time: Duration) -> bool {
        let mut stopping = self.stopping.lock();
        if !*stopping {
            self.signal.wait_for(&mut stopping, time);
        }
        !*stopping
    }
}

impl Servers {
    /// Starts eviction.
    pub(super) fn start(cache: &Arc<Cache>, txns: &Arc<TxnGlobal>) -> Result<Self> {
        Ok(Self { eviction: EvictionServer::start(cache, txns)?, stop: Arc::default(), threads: Vec::new() })
    }

    /// Starts the thread that takes a checkpoint every `seconds`.
    pub(super) fn start_checkpoints(&mut self, connection: Weak<ConnectionInner>, seconds: u32) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        self.spawn("checkpoint-server", move || {
            let wait = Duration::from_secs(u64::from(seconds));
            while stop.sleep(wait) {
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

    /// Starts the thread that hands what is in the log's buffers to the operating system, looks after the log's files, and
    /// takes a checkpoint when the log has grown by `checkpoint_bytes` (0: it doesn't).
    pub(super) fn start_log(
        &mut self,
        connection: Weak<ConnectionInner>,
        log: Arc<Log>,
        checkpoint_bytes: u64,
    ) -> Result<()> {
        let stop = Arc::clone(&self.stop);
        self.spawn("log-server", move || {
            let mut wait = LOG_WAIT_MIN;
            let mut since_files = Duration::ZERO;
            while stop.sleep(wait) {
                since_files += wait;
                let before = log.written();
                let mut done = log.flush();
                if done.is_ok() && since_files >= LOG_WAIT_MAX || log.wants_care() {
                    since_files = Duration::ZERO;
                    done = log.maintain();
                }
                let Some(connection) = connection.upgrade() else { return };
                if connection.check_usable().is_err() {
                    return;
                }
                if done.is_ok() && checkpoint_bytes > 0 && log.bytes_since_checkpoint() >= checkpoint_bytes {
                    done = checkpoint::checkpoint(&connection.db, &connection.keys, &Request::default());
                }
                if let Err(error) = done {
                    connection.messenger.report(Origin::call("log-server"), &error);
                    if error.code() == ErrorCode::PANIC {
                        connection.set_panicked();
                        return;
                    }
                }
                // A log that nobody writes isn't looked at so often.
                wait = if log.written() == before { (wait * 2).min(LOG_WAIT_MAX) } else { LOG_WAIT_MIN };
            }
        })
    }

    /// Stops and joins all threads. Called from one of them (which then held the last handle), it leaves that one be.
    pub(super) fn stop(self) {
        *self.stop.stopping.lock() = true;
        self.stop.signal.notify_all();
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

//! The background threads that keep page memory within its targets.

use super::Cache;
use crate::txn::TxnGlobal;
use hardwired_plugin::{Error, Result};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Without a wake-up the thread looks this often.
const IDLE: Duration = Duration::from_millis(100);
/// Rounds without success before the thread pauses: enough for the clock's hand to go round a large cache twice.
const IDLE_ROUNDS: u32 = 400;
/// Pause when nothing can be evicted because transactions pin everything.
const STUCK: Duration = Duration::from_millis(2);

/// The eviction thread of a connection; dropping it stops it.
pub struct EvictionServer {
    cache: Arc<Cache>,
    thread: Option<JoinHandle<()>>,
}

impl EvictionServer {
    /// Starts the thread.
    pub fn start(cache: &Arc<Cache>, txns: &Arc<TxnGlobal>) -> Result<Self> {
        let (own_cache, txns) = (Arc::clone(cache), Arc::clone(txns));
        let thread = std::thread::Builder::new()
            .name("hardwired-evict".to_owned())
            .spawn(move || run(&own_cache, &txns))
            .map_err(|error| Error::io("starting the eviction thread", error))?;
        Ok(Self { cache: Arc::clone(cache), thread: Some(thread) })
    }
}

fn run(cache: &Cache, txns: &TxnGlobal) {
    while cache.wait_for_work(IDLE) {
        if cache.want(false).is_none() {
            txns.update_oldest();
            txns.reclaimer().collect();
            continue;
        }
        let mut idle_rounds = 0;
        while let Some(want) = cache.want(true) {
            txns.update_oldest();
            let done = cache.evict_round(want);
            txns.reclaimer().collect();
            if cache.is_stopping() {
                return;
            }
            idle_rounds = if done == 0 { idle_rounds + 1 } else { 0 };
            if idle_rounds > IDLE_ROUNDS {
                std::thread::sleep(STUCK);
                break;
            }
        }
        txns.update_oldest();
        txns.reclaimer().collect();
    }
}

impl Drop for EvictionServer {
    fn drop(&mut self) {
        self.cache.stop();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported by the panic hook already.
            let _ = thread.join();
        }
    }
}

//! A third party's key provider: depends on `hardwired-plugin` and on nothing else.
#![forbid(unsafe_code)]

use hardwired_plugin::Result;
use hardwired_plugin::extension::{Extension, ExtensionContext};
use hardwired_plugin::key_provider::{KeyBlob, KeyProvider, StoredKey};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

hardwired_plugin::register_extension! {
    /// Keys from the cellar.
    pub static EXTENSION: Extension = Extension::key_provider("cellar-keys", hardwired_plugin::origin!(), open)
        .with_terminator(hardwired_plugin::extension::DEFAULT_TERMINATE, || {
            println!("cellar-keys: locked");
            Ok(())
        });
}

fn open(context: &ExtensionContext<'_>) -> Result<Arc<dyn KeyProvider>> {
    println!("cellar-keys: opened with '{}'", context.config());
    Ok(Arc::new(Cellar { key: Mutex::new(context.config().as_bytes().to_vec()), stored: AtomicBool::new(false) }))
}

/// Stores its configuration as the key, once.
struct Cellar {
    key: Mutex<Vec<u8>>,
    stored: AtomicBool,
}

impl KeyProvider for Cellar {
    fn load_key_blob(&self, stored: Option<StoredKey<'_>>) -> Result<()> {
        match stored {
            Some(stored) => {
                let text = String::from_utf8_lossy(stored.blob);
                println!("cellar-keys: loaded '{text}', lsn {}", stored.lsn);
                *self.key.lock().unwrap() = stored.blob.to_vec();
                self.stored.store(true, Ordering::Relaxed);
            }
            None => println!("cellar-keys: loaded nothing"),
        }
        Ok(())
    }

    fn get_key_blob(&self) -> Result<KeyBlob> {
        if self.stored.load(Ordering::Relaxed) {
            return Ok(KeyBlob::Unchanged);
        }
        Ok(KeyBlob::Changed(self.key.lock().unwrap().clone()))
    }

    fn get_key_complete(&self, stored: StoredKey<'_>) {
        println!("cellar-keys: stored, lsn {}", stored.lsn);
        self.stored.store(true, Ordering::Relaxed);
    }
}

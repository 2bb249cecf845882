//! The mock key provider through the registry and the engine's key service: loaded early by the name of WiredTiger's sample
//! library, rotated at a checkpoint, handed back when the database is opened again.
#![cfg(feature = "kek-mock")]

use hardwired::extensions::{LoadedExtensions, linked};
use hardwired::key_provider::{KeyHome, KeyService, Mode};
use hardwired::os::MemoryFileSystem;
use hardwired::plugin::config::lookup;
use hardwired::plugin::extension::{MessageLevel, Messages};
use hardwired::plugin::services::OfflineServices;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl Messages for Collected {
    fn message(&self, level: MessageLevel, text: &str) {
        // The mock's messages begin with its address.
        let text = text.split_once(", ").map_or(text, |(_, text)| text);
        self.0.lock().unwrap().push(format!("{level:?} {text}"));
    }
}

/// One life of a connection: open, two checkpoints, close. Returns the row of the metadata and the messages.
fn life(config: &str, row: Option<String>) -> (Option<String>, Vec<String>) {
    let messages = Arc::new(Collected::default());
    let mut extensions = LoadedExtensions::new(linked(&[]).unwrap(), OfflineServices::new(Arc::clone(&messages) as _));
    extensions.load_early(&[], lookup(config, "extensions").unwrap()).unwrap();
    let provider = extensions.key_provider().map(Arc::clone);
    let home = KeyHome {
        file_system: Arc::new(MemoryFileSystem::new()),
        directory: "home".into(),
        mode: Mode::Writable,
        salvage: false,
    };
    let service = KeyService::open(provider, home, row.as_deref(), Arc::clone(&messages) as _).unwrap();
    let mut row = row;
    for _ in 0..2 {
        if let Some(mut pending) = service.before_checkpoint().unwrap() {
            row = pending.persist().unwrap().map(|row| row.value);
            pending.completed();
        }
    }
    extensions.terminate().unwrap();
    let messages = std::mem::take(&mut *messages.0.lock().unwrap());
    (row, messages)
}

#[test]
fn the_key_is_rotated_once_and_handed_back() {
    let config = "create,extensions=[/usr/lib/libwiredtiger_key_provider.so=(early_load=true)]";
    let (row, messages) = life(config, None);
    let [opened, loaded, new, stored] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(opened, "Info open: key_expires=43200");
    assert_eq!(loaded, "Info load_key_blob: no stored key, using the default key");
    let bytes = new.strip_prefix("Info get_key_blob: new key of ").unwrap();
    assert_eq!(stored, &format!("Info get_key_complete: key of {bytes} stored, lsn 1"));

    let (again, messages) = life(config, row.clone());
    assert_eq!(messages[1..], [format!("Info load_key_blob: loaded key of {bytes}, lsn 1")]);
    assert_eq!(again, row);

    let (rotated, messages) = life("extensions=[kek-mock=(early_load=true,config=(key_expires=0))]", row);
    assert_eq!(messages.len(), 6, "{messages:?}");
    assert!(rotated.unwrap().starts_with("version=1,page.1=(page_id=1,lsn=3,size="));
}

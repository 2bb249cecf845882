//! The encryptors of a connection, and their instances with keys.
//!
//! 1. An encryptor makes one instance for each key id, whoever asks first; it lives until the connection closes.
//! 2. What it is asked with may hold the secret key: it isn't kept.
//! 3. At the end the instances of an encryptor go before it, the newest first.
//!
//! Source: extensions specification, sections 5 and 11.

use super::guard::{GuardedEncryptor, Label};
use super::table::is_none;
use crate::block::KeyedEncryptor;
use hardwired_plugin::config::Config;
use hardwired_plugin::encryptor::Encryptor;
use hardwired_plugin::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;

/// In the order of registration.
#[derive(Default)]
pub(super) struct Encryptors(Mutex<Vec<Registered>>);

struct Registered {
    names: Vec<String>,
    instance: Arc<dyn Encryptor>,
    /// In the order of creation.
    keyed: Vec<Keyed>,
}

struct Keyed {
    keyid: String,
    encryptor: Arc<KeyedEncryptor>,
    /// To be terminated; `None`: the registered instance serves the key.
    customized: Option<Arc<dyn Encryptor>>,
}

impl Encryptors {
    pub(super) fn add(&self, label: &str, names: &[&str], inner: Arc<dyn Encryptor>) {
        let names = names.iter().map(ToString::to_string).collect();
        let instance = Arc::new(GuardedEncryptor { label: Label::from(label), inner });
        self.0.lock().push(Registered { names, instance, keyed: Vec::new() });
    }

    /// See [`super::ExtensionTable::encryptor`].
    pub(super) fn keyed(&self, name: &str, keyid: &str, config: Config<'_>) -> Result<Option<Arc<KeyedEncryptor>>> {
        if is_none(name) {
            return Ok(None);
        }
        // The lock makes two tables that are opened at once share an instance.
        let mut all = self.0.lock();
        let found = all.iter_mut().find(|registered| registered.names.iter().any(|known| known == name));
        let Some(registered) = found else { return Err(Error::invalid(format!("unknown encryptor '{name}'"))) };
        if let Some(keyed) = registered.keyed.iter().find(|keyed| keyed.keyid == keyid) {
            return Ok(Some(Arc::clone(&keyed.encryptor)));
        }
        let customized = registered.instance.customize(config)?;
        let instance = customized.as_ref().unwrap_or(&registered.instance);
        let encryptor = match KeyedEncryptor::new(Arc::clone(instance)) {
            Ok(encryptor) => Arc::new(encryptor),
            Err(error) => {
                // The first error is the one that counts.
                let _ = customized.map(|customized| customized.terminate());
                return Err(error);
            }
        };
        registered.keyed.push(Keyed { keyid: keyid.to_owned(), encryptor: Arc::clone(&encryptor), customized });
        Ok(Some(encryptor))
    }

    pub(super) fn terminate(&self) -> Vec<Result<()>> {
        let mut outcomes = Vec::new();
        for registered in std::mem::take(&mut *self.0.lock()) {
            let customized = registered.keyed.iter().rev().filter_map(|keyed| keyed.customized.as_ref());
            outcomes.extend(customized.map(|customized| customized.terminate()));
            outcomes.push(registered.instance.terminate());
        }
        outcomes
    }
}

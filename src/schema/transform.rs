//! Which extensions an object uses: its compressor, its encryptor and key, its collator.
//!
//! Source: extensions specification, sections 9 to 11.

use crate::block::{BlockTransform, KeyedEncryptor};
use crate::btree::KeyOrder;
use crate::extensions::ExtensionTable;
use crate::plugin::config::Config;
use crate::{Error, Result};
use std::sync::Arc;

/// What an object's configuration is resolved with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ObjectExtensions<'a> {
    pub(crate) table: &'a ExtensionTable,
    /// The connection's encryptor with its key; `None`: the connection isn't encrypted.
    pub(crate) encryptor: Option<&'a Arc<KeyedEncryptor>>,
}

impl ObjectExtensions<'_> {
    /// What `block_compressor=` and `encryption=()` ask for.
    ///
    /// # Errors
    /// `EINVAL` for names that nothing is registered under, and for encryption of a table in a database without; those of
    /// the encryptor.
    pub(crate) fn transform(&self, config: Config<'_>) -> Result<BlockTransform> {
        let compressor = self.table.compressor(config.text_or("block_compressor", "")?)?;
        Ok(BlockTransform::new(compressor, self.encryptor(config)?))
    }

    fn encryptor(&self, config: Config<'_>) -> Result<Option<Arc<KeyedEncryptor>>> {
        let name = config.text_or("encryption.name", "")?;
        // Without a name a key id means nothing: it is the connection's key.
        if name.is_empty() {
            return Ok(self.encryptor.map(Arc::clone));
        }
        if name != "none" && self.encryptor.is_none() {
            return Err(Error::invalid("table encryption requires connection encryption to be set"));
        }
        let encryption = config.get("encryption")?.map_or("", |item| item.text());
        self.table.encryptor(name, config.text_or("encryption.keyid", "")?, Config::single(encryption))
    }

    /// What `collator=` asks for.
    ///
    /// # Errors
    /// `EINVAL` for a name that nothing is registered under; those of the collator.
    pub(crate) fn key_order(&self, uri: &str, config: Config<'_>) -> Result<KeyOrder> {
        self.table.customized_collator(uri, config).map(KeyOrder::of)
    }
}

//! Fences around collators, compressors and encryptors.

use super::{Label, call};
use hardwired_plugin::Result;
use hardwired_plugin::collator::Collator;
use hardwired_plugin::compressor::Compressor;
use hardwired_plugin::config::{Config, Item};
use hardwired_plugin::encryptor::Encryptor;
use std::cmp::Ordering;
use std::sync::Arc;

/// A collator behind the fence; what it customizes is behind it too.
pub(in crate::extensions) struct GuardedCollator {
    pub(in crate::extensions) label: Label,
    pub(in crate::extensions) inner: Arc<dyn Collator>,
}

impl Collator for GuardedCollator {
    fn compare(&self, left: &[u8], right: &[u8]) -> Result<Ordering> {
        call(&self.label, "compare", || self.inner.compare(left, right))
    }
    fn customize(&self, uri: &str, app_metadata: Option<Item<'_>>) -> Result<Option<Arc<dyn Collator>>> {
        let customized = call(&self.label, "customize", || self.inner.customize(uri, app_metadata))?;
        Ok(customized.map(|inner| Arc::new(Self { label: self.label.clone(), inner }) as Arc<dyn Collator>))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

/// A compressor behind the fence.
pub(in crate::extensions) struct GuardedCompressor {
    pub(in crate::extensions) label: Label,
    pub(in crate::extensions) inner: Arc<dyn Compressor>,
}

impl Compressor for GuardedCompressor {
    fn compress(&self, source: &[u8], destination: &mut [u8]) -> Result<Option<usize>> {
        call(&self.label, "compress", || self.inner.compress(source, destination))
    }
    fn decompress(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        call(&self.label, "decompress", || self.inner.decompress(source, destination))
    }
    fn pre_size(&self, source: &[u8]) -> Result<usize> {
        call(&self.label, "pre_size", || self.inner.pre_size(source))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

/// An encryptor behind the fence; what it customizes is behind it too.
pub(in crate::extensions) struct GuardedEncryptor {
    pub(in crate::extensions) label: Label,
    pub(in crate::extensions) inner: Arc<dyn Encryptor>,
}

impl Encryptor for GuardedEncryptor {
    fn sizing(&self) -> Result<usize> {
        call(&self.label, "sizing", || self.inner.sizing())
    }
    fn encrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        call(&self.label, "encrypt", || self.inner.encrypt(source, destination))
    }
    fn decrypt(&self, source: &[u8], destination: &mut [u8]) -> Result<usize> {
        call(&self.label, "decrypt", || self.inner.decrypt(source, destination))
    }
    fn customize(&self, config: Config<'_>) -> Result<Option<Arc<dyn Encryptor>>> {
        let customized = call(&self.label, "customize", || self.inner.customize(config))?;
        Ok(customized.map(|inner| Arc::new(Self { label: self.label.clone(), inner }) as Arc<dyn Encryptor>))
    }
    fn terminate(&self) -> Result<()> {
        call(&self.label, "terminate", || self.inner.terminate())
    }
}

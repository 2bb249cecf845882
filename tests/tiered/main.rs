//! Tiered tables through the public interface, on the storage source `dir_store`.
#![cfg(feature = "dir-store")]

mod flush;
mod support;

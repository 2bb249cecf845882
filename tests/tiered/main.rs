//! Tiered tables through the public interface, on the storage source `dir_store`.
#![cfg(feature = "dir-store")]

mod corpus;
mod errors;
mod flush;
mod groups;
mod support;

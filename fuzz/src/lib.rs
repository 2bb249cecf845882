//! What the fuzz targets share: a directory as one input, and mutations that keep block checksums right.
#![forbid(unsafe_code)]

pub mod container;
pub mod mutate;
pub mod sealed;

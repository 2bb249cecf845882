//! The write-ahead log and recovery from it, through the public interface.

mod commits;
mod cursors;
mod damage;
mod recovery;
mod support;
#[cfg(all(feature = "rotn", feature = "sodium", feature = "zlib"))]
mod transform;

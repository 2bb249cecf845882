//! The write-ahead log and recovery from it, through the public interface.

mod commits;
mod cursors;
mod recovery;
mod support;

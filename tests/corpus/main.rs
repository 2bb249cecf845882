//! Directories that the real engine wrote (`tests/data/corpus`), read through the command line.

mod damage;
mod read;
mod support;

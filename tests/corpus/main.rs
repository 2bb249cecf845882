//! Directories that the real engine wrote (`tests/data/corpus`), read through the command line.

mod damage;
mod flips;
mod read;
mod support;

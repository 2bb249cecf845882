//! Directories that the real engine wrote (`tests/data/corpus`), read through the command line.

mod damage;
mod flips;
mod history;
mod read;
mod support;

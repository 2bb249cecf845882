//! What a database knows of its files: the turtle file, the value strings of the metadata table, and the small files of
//! a home directory.
//!
//! - [`Turtle`]: the text file that says where the metadata table's own checkpoint lies. Its atomic replacement is the
//!   commit point of every checkpoint.
//! - [`Checkpoint`], [`checkpoints_of`], [`choose_deletions`]: the `checkpoint=(...)` list of a file, and which
//!   checkpoints a new one deletes.
//! - [`FileValue`], [`new_file_value`]: the value strings of files, tables and column groups.
//! - [`write_gen`]: the numbers that tell pages of this run from pages of earlier ones.
//! - [`system`]: the `system:` entries of a database checkpoint.
//! - [`home`]: lock file, version file, base configuration, and what to make of a damaged directory.
//!
//! The metadata table itself is an ordinary B-tree and lives above this module; so does the order in which a database
//! is opened.
//!
//! Everything read here is text from files. It is checked against limits, and a refusal names file and key.
//!
//! Source: block specification, sections 9 to 17.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

mod checkpoint;
mod deletion;
pub mod home;
pub mod system;
mod text_file;
mod turtle;
mod value;
pub mod write_gen;

pub use checkpoint::{
    CHECKPOINT_PREFIX, Checkpoint, check_name, checkpoint_lsn_of, checkpoints_of, current, find_named,
    format_checkpoints, format_lsn, internal_name, parse_checkpoints,
};
pub use deletion::{CheckpointRequest, DropRule, Protection, choose_deletions, is_skipped, parse_drops};
pub use turtle::{METADATA_URI, TURTLE_FILE, Turtle, Version};
pub use value::{
    FileValue, HISTORY_CONFIG, METADATA_FILE_ID, base_of, new_column_group_value, new_file_value, new_metadata_value,
    new_table_value, new_trailer, trailer_metadata, with_checkpoints,
};

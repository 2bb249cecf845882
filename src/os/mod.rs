//! The platform: implementations of the file-system extension point.
//!
//! - [`LocalFileSystem`]: the operating system's files, the default of every database on disk.
//! - [`MemoryFileSystem`]: files in memory, for in-memory databases and tests.
//! - [`SimulatedFileSystem`]: files in memory that can lose what wasn't synced, tear writes and fail at a chosen
//!   operation, repeatably from a seed: the crash tests of the whole engine run on it.
//!
//! Source: extensions specification, section 12.

mod local;
mod lock;
mod memory;
pub(crate) mod page_memory;
mod privilege;
mod simulated;

pub use local::LocalFileSystem;
pub use memory::MemoryFileSystem;
pub(crate) use privilege::is_privileged;
pub use simulated::{CrashPolicy, SimulatedFileSystem};

#[cfg(test)]
mod conformance;

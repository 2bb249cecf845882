//! `cargo xtask fuzz` and `cargo xtask fuzz-seeds`. The targets are listed once, in `fuzz/targets.txt`.

use std::path::Path;

use anyhow::{Result, bail};

/// Runs fuzz targets.
pub(crate) fn run(_root: &Path, _arguments: &[&str]) -> Result<()> {
    bail!("x")
}

/// Rebuilds the seeds.
pub(crate) fn seeds(_root: &Path) -> Result<()> {
    bail!("x")
}

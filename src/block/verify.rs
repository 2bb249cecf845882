//! Verification of a file's space: every byte is used at most once, and every checkpoint's lists name exactly the blocks of
//! its tree.
//!
//! The caller walks the trees: [`Verifier::new`]; then for each checkpoint in order [`Verifier::begin_checkpoint`],
//! [`Verifier::block`] for every block below the root, [`Verifier::end_checkpoint`]; then [`Verifier::finish`].
//!
//! What must hold: the alloc lists of the checkpoints up to one, without their discard lists and without the roots of
//! earlier checkpoints, are exactly the blocks of that checkpoint's tree. The free blocks of the newest checkpoint, all
//! list blocks, all roots and all trees share no byte.
//!
//! Source: block specification, sections 7.3 and 8.5.

use super::cookie::CheckpointCookie;
use super::extent_list::ListKind;
use super::extents::{Extent, ExtentSet};
use super::live::overlap;
use super::manager::BlockManager;
use crate::page::address::Address;
use crate::{Error, ErrorCode, Result};

/// Space that nothing refers to. That costs space but no data, so it is an error only on request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaks {
    /// Ranges of the file that no checkpoint accounts for.
    pub file_ranges: usize,
    /// Ranges that a checkpoint's lists hold but its tree doesn't, over all checkpoints.
    pub checkpoint_ranges: usize,
}

/// A verification under way.
#[derive(Debug)]
pub struct Verifier<'a> {
    manager: &'a BlockManager,
    strict: bool,
    cookies: Vec<CheckpointCookie>,
    next: usize,
    /// The end of the newest checkpoint.
    size: u64,
    /// Free blocks, list blocks and roots.
    single: ExtentSet,
    /// Blocks of trees below their roots; checkpoints share them.
    trees: ExtentSet,
    /// The blocks below the root of the current checkpoint.
    current: ExtentSet,
    /// Those of them that the walk hasn't met.
    unmet: ExtentSet,
    leaks: Leaks,
}

impl<'a> Verifier<'a> {
    /// Begins. `cookies` are those of the file's checkpoints by ascending order, without the fake ones. The manager should
    /// have been opened for reading. With `strict` space that nothing refers to is an error.
    ///
    /// # Errors
    /// `WT_ERROR` for lists that can't be right.
    pub fn new(manager: &'a BlockManager, cookies: &[Vec<u8>], strict: bool) -> Result<Self> {
        let unit = manager.settings.allocation_size;
        let decode = |bytes: &Vec<u8>| CheckpointCookie::decode(bytes, unit);
        let cookies = cookies.iter().map(decode).collect::<Result<Vec<_>>>();
        let cookies = cookies.map_err(|error| error.in_object(&manager.name, 0))?;
        let size = cookies.last().map_or(u64::from(unit), |cookie| cookie.file_size);
        let mut verifier = Self {
            manager,
            strict,
            cookies,
            next: 0,
            size,
            single: ExtentSet::new(),
            trees: ExtentSet::new(),
            current: ExtentSet::new(),
            unmet: ExtentSet::new(),
            leaks: Leaks::default(),
        };
        if size.checked_rem(u64::from(unit)) != Some(0) {
            return Err(verifier.error(format!("the file size {size} is not a multiple of the allocation size {unit}")));
        }
        if let Some(CheckpointCookie { avail: Some(avail), file_size, .. }) = verifier.cookies.last().copied() {
            let own = extent_of(&avail);
            let mut free = ExtentSet::new();
            for extent in manager.read_list(&avail, ListKind::Avail, file_size)?.extents {
                free.insert(extent).map_err(|error| manager.bad_list(&avail, overlap(error)))?;
            }
            free.remove(own);
            free.iter().try_for_each(|extent| verifier.mark_single(extent))?;
        }
        Ok(verifier)
    }

    /// Goes to the next checkpoint and gives its root; `Ok(None)` for an empty tree.
    ///
    /// # Errors
    /// `WT_ERROR` if its blocks or lists overlap others, or if there is no further checkpoint.
    pub fn begin_checkpoint(&mut self) -> Result<Option<Address>> {
        let cookie = *self.cookies.get(self.next).ok_or_else(|| self.error("no further checkpoint".to_owned()))?;
        self.next = self.next.saturating_add(1);
        for address in [cookie.root, cookie.alloc, cookie.avail, cookie.discard].iter().flatten() {
            self.mark_single(extent_of(address))?;
        }
        if let Some(alloc) = &cookie.alloc {
            for extent in self.manager.read_list(alloc, ListKind::Alloc, cookie.file_size)?.extents {
                self.current.insert(extent).map_err(|error| self.manager.bad_list(alloc, overlap(error)))?;
            }
        }
        if let Some(discard) = &cookie.discard {
            for extent in self.manager.read_list(discard, ListKind::Discard, cookie.file_size)?.extents {
                if !self.current.remove(extent) {
                    let reason = format!("range {extent} on the discard list was not allocated");
                    return Err(self.manager.bad_list(discard, self.error(reason)));
                }
            }
        }
        if let Some(root) = &cookie.root
            && !self.current.remove(extent_of(root))
        {
            return Err(self.not_listed(root));
        }
        self.unmet = self.current.clone();
        Ok(cookie.root)
    }

    /// A block of the current checkpoint's tree, other than the root.
    ///
    /// # Errors
    /// `WT_ERROR` if it is outside the file, met before in this checkpoint, not on its lists, or in use for something else.
    pub fn block(&mut self, address: &Address) -> Result<()> {
        let extent = extent_of(address);
        let checkpoint = self.next.checked_sub(1).and_then(|at| self.cookies.get(at));
        self.check_range(extent, checkpoint.map_or(self.size, |cookie| cookie.file_size))?;
        if !self.unmet.remove(extent) {
            return Err(self.not_listed(address));
        }
        if self.single.find_overlap(extent).is_some() {
            return Err(self.referenced_twice(extent));
        }
        if !self.trees.contains(extent) && self.trees.insert(extent).is_err() {
            return Err(self.referenced_twice(extent));
        }
        Ok(())
    }

    /// The walk of the current checkpoint is done.
    ///
    /// # Errors
    /// With `strict`: `WT_ERROR` if its lists hold more than its tree.
    pub fn end_checkpoint(&mut self) -> Result<()> {
        let leaked = self.unmet.len();
        self.leaks.checkpoint_ranges = self.leaks.checkpoint_ranges.saturating_add(leaked);
        if leaked != 0 && self.strict {
            return Err(self.error(format!("checkpoint ranges never verified: {leaked}{}", first_of(&self.unmet))));
        }
        Ok(())
    }

    /// All checkpoints are done.
    ///
    /// # Errors
    /// With `strict`: `WT_ERROR` if part of the file, other than its end, is used for nothing.
    pub fn finish(self) -> Result<Leaks> {
        let unit = u64::from(self.manager.settings.allocation_size);
        let mut used: Vec<Extent> = self.single.iter().chain(self.trees.iter()).collect();
        used.sort_unstable();
        let mut unused = ExtentSet::new();
        let mut end = unit;
        for extent in used {
            if extent.offset > end {
                let gap = Extent { offset: end, size: extent.offset.saturating_sub(end) };
                unused.insert(gap).map_err(overlap)?;
            }
            end = end.max(extent.end());
        }
        let leaks = Leaks { file_ranges: unused.len(), ..self.leaks };
        if self.strict && !unused.is_empty() {
            return Err(self.error(format!("file ranges never verified: {}{}", unused.len(), first_of(&unused))));
        }
        Ok(leaks)
    }

    fn mark_single(&mut self, extent: Extent) -> Result<()> {
        self.check_range(extent, self.size)?;
        if self.trees.find_overlap(extent).is_some() || self.single.insert(extent).is_err() {
            return Err(self.referenced_twice(extent));
        }
        Ok(())
    }

    fn check_range(&self, extent: Extent, end: u64) -> Result<()> {
        if extent.end() > end || extent.offset < u64::from(self.manager.settings.allocation_size) {
            return Err(self.error(format!("fragment {extent} references non-existent file blocks (file size {end})")));
        }
        Ok(())
    }

    fn referenced_twice(&self, extent: Extent) -> Error {
        self.error(format!("file fragment at {} referenced multiple times", extent.offset))
    }

    fn not_listed(&self, address: &Address) -> Error {
        self.error(format!(
            "fragment at {} referenced multiple times in a single checkpoint or found in the checkpoint but not listed in \
             the checkpoint's allocation list",
            address.offset
        ))
    }

    fn error(&self, message: String) -> Error {
        Error::new(ErrorCode::ERROR, format!("{}: {message}", self.manager.name))
    }
}

fn extent_of(address: &Address) -> Extent {
    Extent { offset: address.offset, size: u64::from(address.size) }
}

fn first_of(set: &ExtentSet) -> String {
    set.iter().next().map_or_else(String::new, |first| format!(", the first is {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BlockSettings, CheckpointAction, CheckpointEntry, OpenMode};
    use crate::os::MemoryFileSystem;
    use crate::page::header::{PageHeader, PageType};
    use rstest::rstest;
    use std::path::Path;
    use std::sync::Arc;

    fn image() -> Vec<u8> {
        let mut image = vec![7; 100];
        PageHeader::new(PageType::RowLeaf, 100, 1).write(&mut image).unwrap();
        image
    }

    /// Two checkpoints, of the blocks 0 to 3 and 1 to 4.
    fn two_checkpoints() -> (Arc<BlockManager>, Vec<Vec<u8>>, Vec<Address>) {
        let (fs, path) = (MemoryFileSystem::new(), Path::new("t.wt"));
        BlockManager::create(&fs, path, 4096).unwrap();
        let (manager, _) =
            BlockManager::open(&fs, path, "t.wt", BlockSettings::default(), None, OpenMode::Live).unwrap();
        let mut blocks: Vec<Address> = (0..4).map(|_| manager.write(&mut image()).unwrap()).collect();
        let mut cookies: Vec<Vec<u8>> = Vec::new();
        for step in 0..2 {
            if step == 1 {
                manager.free(&blocks[0]).unwrap();
                blocks.push(manager.write(&mut image()).unwrap());
            }
            let keep = |cookie: &Vec<u8>| CheckpointEntry { cookie: cookie.clone(), action: CheckpointAction::Keep };
            let mut entries: Vec<CheckpointEntry> = cookies.iter().map(keep).collect();
            manager.checkpoint_start().unwrap();
            cookies.push(manager.checkpoint(&mut entries, Some(&mut image()), None).unwrap().cookie);
            manager.checkpoint_resolve(true).unwrap();
        }
        (manager, cookies, blocks)
    }

    /// Verifies with these blocks of either checkpoint visited.
    fn visit(first: &[usize], second: &[usize], strict: bool) -> Result<Leaks> {
        let (manager, cookies, blocks) = two_checkpoints();
        let mut verifier = Verifier::new(&manager, &cookies, strict)?;
        for visited in [first, second] {
            verifier.begin_checkpoint()?;
            visited.iter().try_for_each(|&index| verifier.block(&blocks[index]))?;
            verifier.end_checkpoint()?;
        }
        verifier.finish()
    }

    #[test]
    fn a_whole_file_has_no_leaks() {
        assert_eq!(visit(&[0, 1, 2, 3], &[4, 3, 2, 1], true).unwrap(), Leaks::default());
    }

    #[test]
    fn leaks_are_counted_and_with_strict_refused() {
        let leaks = visit(&[0, 1, 2], &[1, 2], false).unwrap();
        assert_eq!(leaks, Leaks { file_ranges: 2, checkpoint_ranges: 3 });
        let error = visit(&[0, 1, 2], &[1, 2], true).unwrap_err().to_string();
        assert!(error.contains("t.wt: checkpoint ranges never verified: 1"), "{error}");
    }

    #[rstest]
    #[case::twice(&[0, 1, 2, 3, 3], &[])]
    #[case::of_a_later_checkpoint(&[4], &[])]
    #[case::freed(&[0, 1, 2, 3], &[0])]
    fn blocks_that_are_not_the_checkpoints_are_refused(#[case] first: &[usize], #[case] second: &[usize]) {
        let error = visit(first, second, false).unwrap_err();
        assert_eq!(error.code(), ErrorCode::ERROR);
        let text = error.to_string();
        assert!(text.contains("not listed in the checkpoint's") || text.contains("non-existent file blocks"), "{text}");
    }

    #[test]
    fn a_checkpoint_listed_twice_overlaps_itself() {
        let (manager, cookies, _) = two_checkpoints();
        let twice = [cookies[0].clone(), cookies[0].clone()];
        let mut verifier = Verifier::new(&manager, &twice, false).unwrap();
        verifier.begin_checkpoint().unwrap();
        let error = verifier.begin_checkpoint().unwrap_err().to_string();
        assert!(error.contains("referenced multiple times"), "{error}");
    }
}

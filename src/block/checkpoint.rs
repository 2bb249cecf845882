//! The checkpoint of one file: how space that older checkpoints no longer need comes back.
//!
//! The order of calls is [`BlockManager::checkpoint_start`], [`BlockManager::checkpoint`], [`BlockManager::sync`], then the
//! caller makes the metadata durable that holds the new cookies, then [`BlockManager::checkpoint_resolve`]. Only the last
//! step gives the space of deleted checkpoints back, so that until then the file holds everything that the metadata on
//! disk references.
//!
//! What the caller must see to: between the write of the last page below the root and the return of
//! [`BlockManager::checkpoint`] no other block of the tree is written or freed, unless the checkpoint contains it
//! (respectively doesn't). The block manager stays safe otherwise, but `verify` would report the difference.
//! The tree never frees a root block that a checkpoint has written; the deletion of that checkpoint does.
//!
//! Source: block specification, section 7.

use super::cookie::CheckpointCookie;
use super::extent_list::{ListImage, ListKind, Trailer};
use super::extents::{Extent, ExtentSet, Fit};
use super::live::{CheckpointState, Live, overlap};
use super::manager::BlockManager;
use super::objects::{NextObject, Objects};
use crate::page::address::Address;
use crate::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What becomes of an existing checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointAction {
    /// It stays. Its cookie may change.
    Keep,
    /// It goes.
    Delete,
}

/// An existing checkpoint of the file, as the metadata lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointEntry {
    /// The cookie, empty for a fake checkpoint (of a tree that never held data). Replaced when the lists of a kept
    /// checkpoint are rewritten; the caller then stores the new one.
    pub cookie: Vec<u8>,
    /// What becomes of it.
    pub action: CheckpointAction,
}

/// What the caller may put behind the new avail list, for readers without metadata.
pub struct TrailerRequest<'a> {
    /// The existing checkpoints, with the new cookies of those that were rewritten.
    pub entries: &'a [CheckpointEntry],
    /// The new checkpoint's cookie, without avail list and with the former file size.
    pub incomplete_cookie: &'a [u8],
    /// The new checkpoint's `size=`.
    pub size: u64,
}

/// A checkpoint written by [`BlockManager::checkpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenCheckpoint {
    /// The new checkpoint's cookie: `addr=` in hexadecimal.
    pub cookie: Vec<u8>,
    /// The new checkpoint's `size=`: bytes of the tree, root included.
    pub size: u64,
    /// Where the root page was written.
    pub root: Option<Address>,
}

/// Makes the trailer of an avail list; `Ok(None)` for none. It runs while the file's lists are locked, and an error is a
/// fatal checkpoint failure.
pub type TrailerBuilder<'a> = &'a dyn Fn(&TrailerRequest<'_>) -> Result<Option<Trailer>>;

/// An existing checkpoint with its lists, while it is worked on.
struct Item {
    cookie: CheckpointCookie,
    action: CheckpointAction,
    /// Read only for deleted checkpoints and their successors.
    lists: Option<(ExtentSet, ExtentSet)>,
    rewrite: bool,
}

/// Finished blocks and their places, to be written once the lists are unlocked.
type PendingWrites = Vec<(u64, Vec<u8>)>;

impl BlockManager {
    /// Begins a checkpoint.
    ///
    /// # Errors
    /// `WT_PANIC` if one is under way.
    pub fn checkpoint_start(&self) -> Result<()> {
        let mut live = self.live_for_writing()?;
        if live.state != CheckpointState::None {
            return Err(self.wrong_state(&live, "start"));
        }
        live.state = CheckpointState::InProgress;
        Ok(())
    }

    /// Writes a checkpoint: the root page (`None`: the tree is empty), the extent lists of the new checkpoint, and new
    /// lists for kept checkpoints before which others are deleted. `entries` are all checkpoints of the file by ascending
    /// `order`, without the new one. With `trailer` the new avail list can serve to open the file without metadata.
    ///
    /// Nothing is durable before [`BlockManager::sync`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] if an extent list of an older checkpoint can't be read: nothing has been changed then.
    /// Everything else is `WT_PANIC`.
    pub fn checkpoint(
        &self,
        entries: &mut [CheckpointEntry],
        root: Option<&mut Vec<u8>>,
        trailer: Option<TrailerBuilder<'_>>,
    ) -> Result<WrittenCheckpoint> {
        self.checkpoint_and_switch(entries, root, trailer, None)
    }

    /// As [`BlockManager::checkpoint`]; with `next`, the checkpoint is the last one of a tiered tree's active object, and
    /// whatever is allocated after it lies in the next object.
    ///
    /// # Errors
    /// As [`BlockManager::checkpoint`].
    pub fn checkpoint_and_switch(
        &self,
        entries: &mut [CheckpointEntry],
        root: Option<&mut Vec<u8>>,
        trailer: Option<TrailerBuilder<'_>>,
        next: Option<NextObject>,
    ) -> Result<WrittenCheckpoint> {
        {
            let live = self.live_for_writing()?;
            if live.state != CheckpointState::InProgress {
                return Err(self.wrong_state(&live, "write"));
            }
        }
        let mut items = self.load_items(entries)?;
        let root = root.map(|image| self.write_fit(image, Fit::First)).transpose()?;

        let mut live = self.live_for_writing()?;
        live.state = CheckpointState::PanicOnFailure;
        let mut writes = PendingWrites::new();
        let done = self.roll(&mut live, &mut items, entries, root, trailer, &mut writes);
        self.end.store(live.size, Ordering::Release);
        let target = self.objects.as_ref().map(Objects::target);
        let switched = match (&done, next) {
            (Ok(_), Some(next)) => self.switch_object(&mut live, next),
            _ => Ok(()),
        };
        drop(live);
        let written = done.and_then(|written| switched.map(|()| written)).map_err(|error| self.fatal(&error))?;
        let file = target.map_or_else(|| Arc::clone(&self.handle), |(_, file)| file);
        for (offset, block) in &writes {
            file.write(*offset, block).map_err(|error| self.fail(&error))?;
        }
        Ok(written)
    }

    /// Ends a checkpoint. `durable` tells whether the metadata with the new cookies is durable; only then is the space of
    /// deleted checkpoints free. If [`BlockManager::checkpoint`] was not reached or changed nothing, both are fine.
    ///
    /// # Errors
    /// `WT_PANIC` if a written checkpoint didn't become durable, or none was under way.
    pub fn checkpoint_resolve(&self, durable: bool) -> Result<()> {
        let mut live = self.live_for_writing()?;
        match live.state {
            CheckpointState::InProgress => {}
            CheckpointState::PanicOnFailure if durable => {
                let freed = live.ckpt_avail.drain();
                for extent in freed {
                    live.avail.insert(extent).map_err(|error| self.fatal(&overlap(error)))?;
                }
            }
            CheckpointState::PanicOnFailure => {
                drop(live);
                return Err(self.fail(&Error::panic("the checkpoint failed, the system must restart")));
            }
            CheckpointState::None => return Err(self.wrong_state(&live, "resolve")),
        }
        live.state = CheckpointState::None;
        Ok(())
    }

    /// Decodes the cookies, and reads the lists that will change. Changes nothing.
    fn load_items(&self, entries: &[CheckpointEntry]) -> Result<Vec<Option<Item>>> {
        let mut items = Vec::with_capacity(entries.len());
        let mut delete_before = false;
        for entry in entries {
            if entry.cookie.is_empty() {
                items.push(None);
                continue;
            }
            let cookie = CheckpointCookie::decode(&entry.cookie, self.settings.allocation_size)
                .map_err(|error| error.in_object(&self.name, 0))?;
            if cookie.object_id != self.active_object() {
                // A finished object keeps all of its blocks.
                items.push(None);
                continue;
            }
            let delete = entry.action == CheckpointAction::Delete;
            let lists = if delete || delete_before { Some(self.load_lists(&cookie)?) } else { None };
            items.push(Some(Item { cookie, action: entry.action, lists, rewrite: false }));
            delete_before = delete;
        }
        Ok(items)
    }

    fn load_lists(&self, cookie: &CheckpointCookie) -> Result<(ExtentSet, ExtentSet)> {
        let load = |address: &Option<Address>, kind| {
            let mut set = ExtentSet::new();
            if let Some(address) = address {
                for extent in self.read_list(address, kind, cookie.file_size)?.extents {
                    set.insert(extent).map_err(|error| self.bad_list(address, overlap(error)))?;
                }
            }
            Ok(set)
        };
        Ok((load(&cookie.alloc, ListKind::Alloc)?, load(&cookie.discard, ListKind::Discard)?))
    }

    /// Steps 2 to 8: no I/O but the truncation, which must not be overtaken by an allocation.
    fn roll(
        &self,
        live: &mut Live,
        items: &mut [Option<Item>],
        entries: &mut [CheckpointEntry],
        root: Option<Address>,
        trailer: Option<TrailerBuilder<'_>>,
        writes: &mut PendingWrites,
    ) -> Result<WrittenCheckpoint> {
        live.ckpt_avail.clear();
        let size = live.rolling_size.saturating_add(live.alloc.bytes()).saturating_sub(live.discard.bytes());
        merge_deleted(live, items)?;

        let allocation_size = self.settings.allocation_size;
        for (item, entry) in items.iter_mut().zip(entries.iter_mut()) {
            if let Some(Item { cookie, lists: Some((alloc, discard)), rewrite: true, .. }) = item {
                cookie.alloc = self.place_list(live, self.list_image(alloc)?, writes)?;
                cookie.discard = self.place_list(live, self.list_image(discard)?, writes)?;
                entry.cookie = cookie.encode(allocation_size)?;
            }
        }
        if let Some(length) = live.cut_free_tail()
            && self.truncation_allowed.load(Ordering::Acquire)
        {
            self.handle.truncate(length)?;
        }

        let root_size = root.map_or(0, |root| u64::from(root.size));
        live.rolling_size = size.saturating_sub(root_size).min(live.size);
        let alloc_image = self.list_image(&live.alloc)?;
        let alloc_list = self.place_list(live, alloc_image, writes)?;
        let discard_image = self.list_image(&live.discard)?;
        let discard_list = self.place_list(live, discard_image, writes)?;
        let mut cookie = CheckpointCookie {
            root,
            alloc: alloc_list,
            avail: None,
            discard: discard_list,
            // The trailer's cookie has the size that the file had at the checkpoint before.
            file_size: items.iter().rev().flatten().next().map_or(live.allocation_size, |item| item.cookie.file_size),
            rolling_size: live.rolling_size,
            object_id: self.active_object(),
        };
        let incomplete_cookie = cookie.encode(allocation_size)?;
        let request = TrailerRequest { entries, incomplete_cookie: &incomplete_cookie, size };
        let trailer = trailer.map(|build| build(&request)).transpose()?.flatten();
        let free = live.avail.iter().chain(live.ckpt_avail.iter());
        let image = ListImage::new(free, trailer.as_ref(), allocation_size)?;
        cookie.avail = Some(self.place(live, image, writes)?);
        cookie.file_size = live.size;
        live.alloc.clear();
        live.discard.clear();
        Ok(WrittenCheckpoint { cookie: cookie.encode(allocation_size)?, size, root })
    }

    /// An alloc or discard list; an empty one has no block.
    fn list_image(&self, set: &ExtentSet) -> Result<Option<ListImage>> {
        if set.is_empty() {
            return Ok(None);
        }
        ListImage::new(set.iter(), None, self.settings.allocation_size).map(Some)
    }

    fn place_list(
        &self,
        live: &mut Live,
        image: Option<ListImage>,
        writes: &mut PendingWrites,
    ) -> Result<Option<Address>> {
        image.map(|image| self.place(live, image, writes)).transpose()
    }

    fn place(&self, live: &mut Live, image: ListImage, writes: &mut PendingWrites) -> Result<Address> {
        let offset = live.allocate_unlisted(image.size(), Fit::First)?;
        let (block, address) = image.finish(offset, live.size)?;
        writes.push((offset, block));
        Ok(Address { object_id: self.active_object(), ..address })
    }

    fn wrong_state(&self, live: &Live, event: &str) -> Error {
        self.fatal(&Error::panic(format!("checkpoint {event} in state {:?}", live.state)))
    }

    /// Once the lists have been touched there is no way back.
    #[cold]
    pub(super) fn fatal(&self, error: &Error) -> Error {
        self.fail(&Error::panic(format!("fatal checkpoint failure: {error}")))
    }
}

/// Merges the lists of every deleted checkpoint into its successor's (step 4).
fn merge_deleted(live: &mut Live, items: &mut [Option<Item>]) -> Result<()> {
    let mut pending: Option<(ExtentSet, ExtentSet)> = None;
    for item in items.iter_mut().flatten() {
        if let Some((alloc, discard)) = pending.take() {
            let lists = item.lists.get_or_insert_with(Default::default);
            lists.0.absorb(&alloc).map_err(overlap)?;
            lists.1.absorb(&discard).map_err(overlap)?;
            if item.action == CheckpointAction::Keep {
                release_common(&mut lists.0, &mut lists.1, &mut live.ckpt_avail)?;
                release_blocks(live, &[item.cookie.alloc.take(), item.cookie.discard.take()])?;
                item.rewrite = true;
            }
        }
        if item.action == CheckpointAction::Delete {
            let (alloc, mut discard) = item.lists.take().unwrap_or_default();
            if let Some(root) = &item.cookie.root {
                discard.insert(extent_of(root)).map_err(overlap)?;
            }
            release_blocks(live, &[item.cookie.alloc, item.cookie.avail, item.cookie.discard])?;
            pending = Some((alloc, discard));
        }
    }
    if let Some((alloc, discard)) = pending {
        live.alloc.absorb(&alloc).map_err(overlap)?;
        live.discard.absorb(&discard).map_err(overlap)?;
        release_common(&mut live.alloc, &mut live.discard, &mut live.ckpt_avail)?;
    }
    Ok(())
}

/// What one checkpoint allocated and a later one, or itself, discarded is used by none (step 4e).
fn release_common(alloc: &mut ExtentSet, discard: &mut ExtentSet, freed: &mut ExtentSet) -> Result<()> {
    for extent in alloc.intersection(discard) {
        alloc.remove(extent);
        discard.remove(extent);
        freed.insert(extent).map_err(overlap)?;
    }
    Ok(())
}

fn release_blocks(live: &mut Live, addresses: &[Option<Address>]) -> Result<()> {
    addresses.iter().flatten().try_for_each(|address| live.release_after_checkpoint(extent_of(address)))
}

fn extent_of(address: &Address) -> Extent {
    Extent { offset: address.offset, size: u64::from(address.size) }
}

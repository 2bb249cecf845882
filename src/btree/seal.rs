//! From page images to blocks: compression and encryption, and how large the images of compressed leaves may grow.

use super::tree::Tree;
use hardwired_plugin::Result;
use std::sync::atomic::Ordering;

/// Where leaves are smaller than this, their images don't grow for being compressed (format specification, section 11).
const ADJUSTED_PAGE_MIN: u32 = 16 << 10;

impl Tree {
    /// The block to write for an image; `None`: the image itself.
    #[inline]
    pub(super) fn seal(&self, image: &[u8]) -> Result<Option<Vec<u8>>> {
        let transform = &self.settings.transform;
        if transform.is_none() { Ok(None) } else { transform.seal(image, self.settings.allocation_size) }
    }

    /// How large the images of leaves may be. `leaf_page_max` is meant for what is on disk, so where pages are compressed
    /// the images grow until their compressed forms come near it, up to `memory_page_image_max`.
    pub(super) fn leaf_image_max(&self) -> u32 {
        if self.settings.transform.compresses() {
            self.leaf_image_max.load(Ordering::Relaxed)
        } else {
            self.settings.leaf_page_max
        }
    }

    /// Takes note of what a leaf's image of `image_len` bytes needed on disk.
    pub(super) fn learn_ratio(&self, image_len: usize, disk_len: u32) {
        let settings = &self.settings;
        let page_max = settings.leaf_page_max;
        // Pages that are far from full say little.
        let is_small = image_len < page_max as usize / 2;
        if !settings.transform.compresses() || page_max < ADJUSTED_PAGE_MIN || is_small {
            return;
        }
        let most = match settings.memory_page_image_max {
            0 => page_max.max(settings.internal_page_max).saturating_mul(4),
            given => given.max(page_max),
        };
        let ideal = (image_len as u64).saturating_mul(u64::from(page_max)) / u64::from(disk_len.max(1));
        let ideal = u32::try_from(ideal).unwrap_or(u32::MAX).clamp(page_max, most);
        let now = self.leaf_image_max.load(Ordering::Relaxed);
        // A quarter of the way: one page doesn't speak for all. Threads that race lose nothing but a step.
        let next = now - now / 4 + ideal / 4;
        let unit = settings.allocation_size.max(1);
        self.leaf_image_max.store((next - next % unit).clamp(page_max, most), Ordering::Relaxed);
    }
}

//! Filling pages up to a size and cutting them where the real engine cuts them (format specification, section 11).
//!
//! How it works
//! 1. Cells are appended to the current chunk until the next item would exceed the split size.
//! 2. The position where the minimum split size was crossed is remembered in the chunk.
//! 3. At the split size the chunk becomes the previous one, and the one before it is finished: two chunks are held.
//! 4. At the end, if both chunks fit one page they become one; else, if the last is smaller than the minimum split size,
//!    it takes what the previous one has after its remembered position.
//!
//! Invariant: cells are position-independent within the parts that a chunk can be cut into. The callers see to it: no key
//! prefix and no copy cell refers across a possible cut.

use hardwired_plugin::{Error, Result};

use super::cell_write::AddressCell;
use super::header::{PageFlags, PageHeader, PageType};
use super::time_aggregate::TimeAggregate;
use super::time_window::TimeWindow;
use super::{HEADER_SIZE, widen};

/// The largest page that can be written, in bytes.
pub const PAGE_SIZE_MAX: u32 = u32::MAX - 1024;

/// Percentage of a page at which it could be cut at the earliest.
const MIN_SPLIT_PERCENT: u32 = 50;

/// Where finished pages go. Children come before anything that refers to them: a leaf's overflow items before the leaf.
pub trait PageSink {
    /// Writes an overflow item and appends the cookie of its page to `cookie`.
    ///
    /// # Errors
    /// Whatever keeps the page from being written; the writer passes it on and must not be used any further.
    fn write_overflow(&mut self, item: &[u8], cookie: &mut Vec<u8>) -> Result<()>;

    /// Takes a finished page.
    ///
    /// # Errors
    /// As for [`PageSink::write_overflow`].
    fn write_page(&mut self, page: FinishedPage<'_>) -> Result<()>;
}

/// A page that is complete but for its write generation and what the block layer adds.
#[derive(Debug)]
pub struct FinishedPage<'a> {
    /// The image: header (write generation 0), an empty block header, cells. It may be changed, padded or taken.
    pub image: &'a mut Vec<u8>,
    /// The key that separates this page from the one before it. On the first page of a writer: its first key in full
    /// (empty for a page of a column store).
    pub separator: &'a [u8],
    /// Aggregate of the page's time windows.
    pub aggregate: TimeAggregate,
    /// Whether a cell of the page refers to an overflow page.
    pub has_overflow: bool,
    /// Cells on the page, as in the header.
    pub entries: u32,
}

/// The sizes that decide where pages are cut, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitSizes {
    /// Largest size of a page that is not cut.
    pub page_max: u32,
    /// Size of the pages that a cut makes.
    pub split_size: u32,
    /// Smallest last page.
    pub min_split_size: u32,
}

impl SplitSizes {
    /// The sizes that follow from a file's configuration.
    pub fn new(page_max: u32, split_percent: u32, allocation_size: u32) -> Self {
        Self {
            page_max,
            split_size: split_size(page_max, split_percent, allocation_size),
            min_split_size: split_size(page_max, MIN_SPLIT_PERCENT, allocation_size),
        }
    }
}

/// The size of a page made by a cut: `percent` of the maximum, rounded to the nearest allocation unit unless that gives
/// nothing or the maximum.
pub fn split_size(page_max: u32, percent: u32, allocation_size: u32) -> u32 {
    let exact = u64::from(page_max).saturating_mul(u64::from(percent)).checked_div(100).unwrap_or(0);
    let unit = u64::from(allocation_size).max(1);
    let half = unit.checked_div(2).unwrap_or(0);
    let units = exact.saturating_add(half).checked_div(unit).unwrap_or(0);
    let rounded = units.saturating_mul(unit);
    let size = if rounded == 0 || rounded == u64::from(page_max) { exact } else { rounded };
    u32::try_from(size).unwrap_or(page_max)
}

/// What an item of a given size does to the current chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crossing {
    /// It fits.
    None,
    /// It crosses the minimum split size for the first time.
    Minimum,
    /// It exceeds the split size.
    Split,
}

/// Aggregate and overflow mark of a run of cells.
#[derive(Debug, Clone, Copy)]
struct Summary {
    aggregate: TimeAggregate,
    /// Whether a value without window was among them: cheaper to note than to merge each time.
    has_default: bool,
    has_overflow: bool,
}

impl Summary {
    const EMPTY: Self = Self { aggregate: TimeAggregate::EMPTY, has_default: false, has_overflow: false };

    fn add(&mut self, other: &Self) {
        self.aggregate.add(&other.aggregate);
        self.has_default |= other.has_default;
        self.has_overflow |= other.has_overflow;
    }

    fn total(&self) -> TimeAggregate {
        let mut aggregate = self.aggregate;
        if self.has_default {
            aggregate.add_window(&TimeWindow::DEFAULT);
        }
        aggregate
    }
}

/// A page under construction.
#[derive(Debug)]
struct Chunk {
    /// Header space and cells.
    image: Vec<u8>,
    entries: u32,
    separator: Vec<u8>,
    /// Summary of the cells since the remembered position, or of all if there is none.
    summary: Summary,
    /// The remembered position; 0 if there is none.
    min_offset: usize,
    min_entries: u32,
    min_separator: Vec<u8>,
    /// Summary of the cells before the remembered position.
    min_summary: Summary,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            image: vec![0; HEADER_SIZE],
            entries: 0,
            separator: Vec::new(),
            summary: Summary::EMPTY,
            min_offset: 0,
            min_entries: 0,
            min_separator: Vec::new(),
            min_summary: Summary::EMPTY,
        }
    }
}

impl Chunk {
    fn clear(&mut self) {
        self.image.clear();
        self.image.resize(HEADER_SIZE, 0);
        self.entries = 0;
        self.separator.clear();
        self.summary = Summary::EMPTY;
        self.min_offset = 0;
        self.min_entries = 0;
        self.min_separator.clear();
        self.min_summary = Summary::EMPTY;
    }

    fn total_summary(&self) -> Summary {
        let mut summary = self.min_summary;
        summary.add(&self.summary);
        summary
    }

    fn cells(&self) -> &[u8] {
        self.image.get(HEADER_SIZE..).unwrap_or_default()
    }

    fn remember(&mut self, separator: &[u8]) {
        self.min_offset = self.image.len();
        self.min_entries = self.entries;
        self.min_separator.clear();
        self.min_separator.extend_from_slice(separator);
        self.min_summary = self.summary;
        self.summary = Summary::EMPTY;
    }

    /// Appends everything of the chunk that follows this one.
    fn join(&mut self, next: &Self) {
        self.image.extend_from_slice(next.cells());
        self.entries = self.entries.saturating_add(next.entries);
        self.summary.add(&next.total_summary());
    }

    /// Moves what this chunk has after its remembered position to the front of the next chunk.
    fn give_to(&mut self, next: &mut Self) {
        let moved = self.image.get(self.min_offset..).unwrap_or_default();
        next.image.splice(HEADER_SIZE..HEADER_SIZE, moved.iter().copied());
        next.entries = next.entries.saturating_add(self.entries.saturating_sub(self.min_entries));
        next.summary.add(&self.summary);
        std::mem::swap(&mut next.separator, &mut self.min_separator);
        self.image.truncate(self.min_offset);
        self.entries = self.min_entries;
        self.summary = Summary::EMPTY;
    }
}

/// The cutting that leaf and internal pages of both stores share.
#[derive(Debug)]
pub(crate) struct Splitter {
    page_type: PageType,
    sizes: SplitSizes,
    /// Below so many cells a page is not cut.
    min_entries: u32,
    /// Bulk loads don't balance the last pages.
    bulk: bool,
    previous: Option<Chunk>,
    current: Chunk,
    /// A chunk to reuse.
    spare: Option<Chunk>,
    pages: usize,
}

impl Splitter {
    pub(crate) fn new(page_type: PageType, sizes: SplitSizes, min_entries: u32, bulk: bool) -> Self {
        let current = Chunk::default();
        Self { page_type, sizes, min_entries, bulk, previous: None, current, spare: None, pages: 0 }
    }

    /// Forgets everything, but keeps the buffers.
    pub(crate) fn reset(&mut self) {
        self.current.clear();
        if let Some(chunk) = self.previous.take() {
            self.spare = Some(chunk);
        }
        self.pages = 0;
    }

    /// Bytes of memory that images take.
    pub(crate) fn buffer_bytes(&self) -> usize {
        let chunks = [Some(&self.current), self.previous.as_ref(), self.spare.as_ref()];
        chunks.into_iter().flatten().map(|chunk| chunk.image.capacity()).fold(0, usize::saturating_add)
    }

    /// The image under construction, to append cells to.
    #[inline]
    pub(crate) fn image(&mut self) -> &mut Vec<u8> {
        &mut self.current.image
    }

    #[inline]
    pub(crate) fn current_image(&self) -> &[u8] {
        &self.current.image
    }

    /// Whether nothing has been appended to the current chunk.
    #[inline]
    pub(crate) fn is_at_page_start(&self) -> bool {
        self.current.entries == 0
    }

    /// Whether nothing has been appended at all.
    pub(crate) fn is_at_first_page(&self) -> bool {
        self.current.entries == 0 && self.previous.is_none() && self.pages == 0
    }

    /// What appending `len` bytes would cross.
    #[inline]
    pub(crate) fn crossing(&self, len: usize) -> Crossing {
        let end = self.current.image.len().saturating_add(len);
        if self.current.entries == 0 {
            Crossing::None
        } else if end > widen(self.sizes.split_size) && self.current.entries >= self.min_entries {
            Crossing::Split
        } else if self.current.min_offset == 0 && end > widen(self.sizes.min_split_size) {
            Crossing::Minimum
        } else {
            Crossing::None
        }
    }

    /// How many bytes can be appended to a page that has a cell without crossing anything; 0 for one that has none.
    pub(crate) fn room(&self) -> usize {
        let limit = if self.current.min_offset == 0 { self.sizes.min_split_size } else { self.sizes.split_size };
        if self.current.entries == 0 { 0 } else { widen(limit).saturating_sub(self.current.image.len()) }
    }

    /// Other sizes for the next run. Nothing has been appended.
    pub(crate) fn set_sizes(&mut self, sizes: SplitSizes, bulk: bool) {
        (self.sizes, self.bulk) = (sizes, bulk);
    }

    /// Sets the separator of a page that has no cell yet.
    pub(crate) fn start_page(&mut self, separator: &[u8]) {
        self.current.separator.clear();
        self.current.separator.extend_from_slice(separator);
    }

    /// Remembers the current position as one where the page could be cut.
    pub(crate) fn remember(&mut self, separator: &[u8]) {
        self.current.remember(separator);
    }

    /// Cuts here: what follows is a page with this separator.
    pub(crate) fn cut<S: PageSink + ?Sized>(&mut self, separator: &[u8], flags: PageFlags, sink: &mut S) -> Result<()> {
        if self.bulk {
            self.pages = self.pages.saturating_add(1);
            emit(&mut self.current, self.page_type, flags, sink)?;
        } else {
            let next = self.spare.take().unwrap_or_default();
            let full = std::mem::replace(&mut self.current, next);
            if let Some(mut finished) = self.previous.replace(full) {
                self.pages = self.pages.saturating_add(1);
                emit(&mut finished, self.page_type, flags, sink)?;
                self.spare = Some(finished);
            }
        }
        self.current.clear();
        self.start_page(separator);
        Ok(())
    }

    /// Counts cells appended since the last call, with the window of the value among them, if any.
    #[inline]
    pub(crate) fn count(&mut self, cells: u32, window: Option<&TimeWindow>, has_overflow: bool) {
        self.current.entries = self.current.entries.saturating_add(cells);
        match window {
            Some(window) => self.current.summary.aggregate.add_window(window),
            None => self.current.summary.has_default = true,
        }
        self.current.summary.has_overflow |= has_overflow;
    }

    /// Counts cells of a child, with its aggregate and, if it is deleted, the truncate.
    pub(crate) fn count_address(&mut self, cells: u32, child: &AddressCell<'_>) {
        let current = &mut self.current;
        current.entries = current.entries.saturating_add(cells);
        current.summary.aggregate.add(child.aggregate.unwrap_or(&TimeAggregate::DEFAULT));
        if let Some(delete) = child.page_delete {
            current.summary.aggregate.add_delete(delete);
        }
    }

    /// Finishes the last pages and makes ready for another run. Returns the number of pages of this run.
    pub(crate) fn finish<S: PageSink + ?Sized>(&mut self, flags: PageFlags, sink: &mut S) -> Result<usize> {
        if let Some(mut previous) = self.previous.take() {
            let current = &mut self.current;
            let together = previous.image.len().saturating_add(current.cells().len());
            if together <= widen(self.sizes.page_max) {
                previous.join(current);
                current.clear();
            } else if current.image.len() < widen(self.sizes.min_split_size) && previous.min_offset != 0 {
                previous.give_to(current);
            }
            self.pages = self.pages.saturating_add(1);
            emit(&mut previous, self.page_type, flags, sink)?;
            self.spare = Some(previous);
        }
        if self.current.entries != 0 {
            self.pages = self.pages.saturating_add(1);
            emit(&mut self.current, self.page_type, flags, sink)?;
        }
        let pages = self.pages;
        self.reset();
        Ok(pages)
    }
}

/// Completes a chunk's header and hands it over.
fn emit<S: PageSink + ?Sized>(chunk: &mut Chunk, page_type: PageType, flags: PageFlags, sink: &mut S) -> Result<()> {
    let mem_size = u32::try_from(chunk.image.len()).ok().filter(|size| *size <= PAGE_SIZE_MAX);
    let mem_size = mem_size.ok_or_else(|| Error::invalid("requested block size is too large"))?;
    PageHeader { flags, ..PageHeader::new(page_type, mem_size, chunk.entries) }.write(&mut chunk.image)?;
    let summary = chunk.total_summary();
    sink.write_page(FinishedPage {
        image: &mut chunk.image,
        separator: &chunk.separator,
        aggregate: summary.total(),
        has_overflow: summary.has_overflow,
        entries: chunk.entries,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(32768, 90, 4096, 28672)]
    #[case(32768, 50, 4096, 16384)]
    #[case::rounds_up_to_the_page(4096, 90, 4096, 3686)]
    #[case::half_a_unit(4096, 50, 4096, 2048)]
    #[case(512, 90, 512, 460)]
    #[case(8192, 75, 512, 6144)]
    #[case::nearest(8192, 90, 512, 7168)]
    #[case::whole_page(4096, 100, 512, 4096)]
    #[case::broken_configuration(4096, 90, 0, 3686)]
    fn split_sizes(#[case] page_max: u32, #[case] percent: u32, #[case] unit: u32, #[case] expected: u32) {
        assert_eq!(split_size(page_max, percent, unit), expected);
    }
}

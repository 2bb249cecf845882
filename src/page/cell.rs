//! Decoding one cell of a page (format specification, section 5).
//!
//! Invariants
//! 1. A decoded cell lies within the image; its length is at least 1, so that walking cells always advances.
//! 2. The content of a cell says nothing about whether it may stand where it stands: see [`CellKind::allowed_on`].
//! 3. A copy cell is followed only backwards, and at most [`COPY_DEPTH_MAX`] times.
//!
//! Not here: encoding ([`super::cell_write`]) and the fast paths of row leaves ([`super::row_leaf`]).

use hardwired_plugin::{Error, Result};

use super::header::PageType;
use super::input::Input;
use super::time_aggregate::{PageDelete, TimeAggregate};
use super::time_window::TimeWindow;
use super::{HEADER_SIZE, Span, corrupt};

/// How often a copy cell may refer to another copy cell. Writers never do it at all; readers accept it.
pub const COPY_DEPTH_MAX: usize = 16;

/// What a long length that is long only because of its size is reduced by.
pub const LONG_LENGTH_BASE: u64 = 64;

/// Bits of the descriptor byte.
pub(super) mod descriptor {
    pub(crate) const SHORT_MASK: u8 = 0x03;
    pub(crate) const KEY_SHORT: u8 = 0x01;
    pub(crate) const KEY_SHORT_PREFIX: u8 = 0x02;
    pub(crate) const VALUE_SHORT: u8 = 0x03;
    /// Bits below the length of a short cell.
    pub(crate) const SHORT_SHIFT: u32 = 2;
    /// A repeat count or record number is present.
    pub(crate) const NUMBER: u8 = 0x04;
    /// A secondary descriptor byte follows.
    pub(crate) const SECOND: u8 = 0x08;
    pub(crate) const TYPE_MASK: u8 = 0xf0;
    pub(crate) const ADDRESS_DELETED: u8 = 0x00;
    pub(crate) const ADDRESS_INTERNAL: u8 = 0x10;
    pub(crate) const ADDRESS_LEAF: u8 = 0x20;
    pub(crate) const ADDRESS_LEAF_NO_OVERFLOW: u8 = 0x30;
    pub(crate) const DELETED: u8 = 0x40;
    pub(crate) const KEY: u8 = 0x50;
    pub(crate) const KEY_OVERFLOW: u8 = 0x60;
    pub(crate) const KEY_PREFIX: u8 = 0x70;
    pub(crate) const VALUE: u8 = 0x80;
    pub(crate) const VALUE_COPY: u8 = 0x90;
    pub(crate) const VALUE_OVERFLOW: u8 = 0xa0;
    pub(crate) const VALUE_OVERFLOW_REMOVED: u8 = 0xb0;
    pub(crate) const KEY_OVERFLOW_REMOVED: u8 = 0xc0;
}

/// The kind of a cell, short forms apart from long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CellKind {
    /// A leaf page that a truncate deleted as a whole.
    AddressDeleted,
    /// An internal page.
    AddressInternal,
    /// A leaf page that may have overflow items.
    AddressLeaf,
    /// A leaf page without overflow items.
    AddressLeafNoOverflow,
    /// Deleted records of a variable-length column store.
    Deleted,
    /// A key of 64 bytes or more.
    Key,
    /// The cookie of a key's overflow page.
    KeyOverflow,
    /// A prefix length, and a suffix of 64 bytes or more.
    KeyPrefix,
    /// A key of up to 63 bytes.
    KeyShort,
    /// A prefix length, and a suffix of up to 63 bytes.
    KeyShortPrefix,
    /// A value, with window, repeat count or 64 bytes and more.
    Value,
    /// A reference to a value cell before it on the same page.
    ValueCopy,
    /// The cookie of a value's overflow page.
    ValueOverflow,
    /// A value of up to 63 bytes without window or count.
    ValueShort,
}

impl CellKind {
    /// Whether cells of this kind may stand on pages of this type (section 4).
    pub fn allowed_on(self, page_type: PageType) -> bool {
        use CellKind::*;
        match page_type {
            PageType::RowInternal => matches!(self, Key | KeyShort | KeyOverflow) || self.is_address(),
            PageType::RowLeaf => {
                matches!(self, Key | KeyPrefix | KeyShort | KeyShortPrefix | KeyOverflow) || self.is_value()
            }
            PageType::ColumnInternal => self.is_address(),
            PageType::ColumnVariable => self.is_value() || self == Deleted,
            PageType::ColumnFixed => matches!(self, KeyShort | Value),
            PageType::BlockManager | PageType::Overflow => false,
        }
    }

    /// Whether the cell holds the address of a tree page.
    #[inline]
    pub fn is_address(self) -> bool {
        use CellKind::*;
        matches!(self, AddressDeleted | AddressInternal | AddressLeaf | AddressLeafNoOverflow)
    }

    /// Whether the cell holds or refers to a value.
    #[inline]
    pub fn is_value(self) -> bool {
        use CellKind::*;
        matches!(self, Value | ValueCopy | ValueOverflow | ValueShort)
    }

    /// Whether the cell holds or refers to a key.
    #[inline]
    pub fn is_key(self) -> bool {
        use CellKind::*;
        matches!(self, Key | KeyOverflow | KeyPrefix | KeyShort | KeyShortPrefix)
    }

    /// Whether the cell's data is the cookie of an overflow page.
    #[inline]
    pub fn is_overflow(self) -> bool {
        matches!(self, Self::KeyOverflow | Self::ValueOverflow)
    }

    /// WiredTiger's name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::AddressDeleted => "addr/del",
            Self::AddressInternal => "addr/int",
            Self::AddressLeaf => "addr/leaf",
            Self::AddressLeafNoOverflow => "addr/leaf-no",
            Self::Deleted => "deleted",
            Self::Key => "key",
            Self::KeyOverflow => "key/ovfl",
            Self::KeyPrefix => "key/pfx",
            Self::KeyShort => "key/short",
            Self::KeyShortPrefix => "key/short,pfx",
            Self::Value => "value",
            Self::ValueCopy => "value/copy",
            Self::ValueOverflow => "value/ovfl",
            Self::ValueShort => "value/short",
        }
    }
}

/// What a cell's secondary descriptor holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellTime {
    /// There is no secondary descriptor: the default window or aggregate.
    #[default]
    Absent,
    /// Of a value or deleted-record cell.
    Window(TimeWindow),
    /// Of an address cell.
    Aggregate(TimeAggregate),
}

/// One decoded cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    /// What the cell is.
    pub kind: CellKind,
    /// Offset of the cell in the image.
    pub offset: usize,
    /// Bytes of the whole cell.
    pub len: usize,
    /// Bytes shared with the previous key; 0 in cells without prefix.
    pub prefix: u8,
    /// The secondary descriptor.
    pub time: CellTime,
    /// The repeat count of a value or deleted-record cell, or the record number of an address cell, if present.
    pub number: Option<u64>,
    /// The truncate of a deleted page, on pages that store it.
    pub page_delete: Option<PageDelete>,
    /// Key or value bytes, suffix, or cookie; empty in copy and deleted-record cells.
    pub data: &'a [u8],
    /// Offset of `data` in the image.
    pub data_offset: usize,
    /// Copy cells: bytes from the referenced cell to this one.
    pub copy_distance: Option<u64>,
}

impl<'a> Cell<'a> {
    /// Decodes the cell at `offset` of a page image.
    ///
    /// `delete_info` is the page's [`super::header::PageFlags::FAST_TRUNCATE`]: whether cells of deleted pages carry the
    /// truncate.
    ///
    /// # Errors
    /// `Corrupt` if the cell has no valid type or goes beyond the image.
    pub fn decode(image: &'a [u8], offset: usize, delete_info: bool) -> Result<Self> {
        let input = Input::at(image, offset).ok_or_else(|| corrupt(offset, "a cell beyond the end of the page"))?;
        let first = *input.rest().first().ok_or_else(|| corrupt(offset, "a cell beyond the end of the page"))?;
        let kind = kind_of(first).ok_or_else(|| bad_descriptor(offset, first))?;
        Self::decode_kind(input, kind, first, delete_info)
            .ok_or_else(|| corrupt(offset, format!("{} cell that is cut off or malformed", kind.name())))
    }

    /// The content of a cell; `None` if it is cut off.
    fn decode_kind(mut input: Input<'a>, kind: CellKind, first: u8, delete_info: bool) -> Option<Self> {
        let offset = input.offset();
        input.byte()?;
        let has_prefix = matches!(kind, CellKind::KeyPrefix | CellKind::KeyShortPrefix);
        let prefix = if has_prefix { input.byte()? } else { 0 };
        let mut cell = Cell {
            kind,
            offset,
            len: 0,
            prefix,
            time: CellTime::Absent,
            number: None,
            page_delete: None,
            data: &[],
            data_offset: 0,
            copy_distance: None,
        };
        let is_short = first & descriptor::SHORT_MASK != 0;
        if !is_short && first & descriptor::SECOND != 0 {
            cell.time = take_time(&mut input, kind.is_address())?;
        }
        if kind == CellKind::AddressDeleted && delete_info {
            let (txn, ts, durable_ts) = (input.vuint()?, input.vuint()?, input.vuint()?);
            cell.page_delete = Some(PageDelete { txn, ts, durable_ts });
        }
        if !is_short && first & descriptor::NUMBER != 0 {
            cell.number = Some(input.vuint()?);
        }
        let data_len = match kind {
            CellKind::KeyShort | CellKind::KeyShortPrefix | CellKind::ValueShort => {
                u64::from(first >> descriptor::SHORT_SHIFT)
            }
            CellKind::Deleted => 0,
            CellKind::ValueCopy => {
                cell.copy_distance = Some(input.vuint()?);
                0
            }
            CellKind::Key | CellKind::KeyPrefix => input.vuint()?.checked_add(LONG_LENGTH_BASE)?,
            CellKind::Value if cell.time == CellTime::Absent && cell.number.unwrap_or(0) == 0 => {
                input.vuint()?.checked_add(LONG_LENGTH_BASE)?
            }
            _ => input.vuint()?,
        };
        cell.data_offset = input.offset();
        cell.data = input.take(data_len)?;
        cell.len = input.offset().checked_sub(offset)?;
        Some(cell)
    }

    /// Offset of the next cell.
    #[inline]
    pub fn end(&self) -> usize {
        self.offset.saturating_add(self.len)
    }

    /// Where `data` is in the image.
    pub fn span(&self) -> Span {
        span(self.data_offset, self.data.len())
    }

    /// The window of a value or deleted-record cell.
    pub fn window(&self) -> TimeWindow {
        match self.time {
            CellTime::Window(window) => window,
            _ => TimeWindow::DEFAULT,
        }
    }

    /// The aggregate of an address cell.
    pub fn aggregate(&self) -> TimeAggregate {
        match self.time {
            CellTime::Aggregate(aggregate) => aggregate,
            _ => TimeAggregate::DEFAULT,
        }
    }

    /// How many records a value or deleted-record cell stands for: counts 0 and 1 both mean one.
    pub fn repeat_count(&self) -> u64 {
        self.number.unwrap_or(1).max(1)
    }

    /// The cell whose data a copy cell stands for; the cell itself if it is not a copy.
    ///
    /// # Errors
    /// `Corrupt` if the chain leaves the page, doesn't go back, is longer than [`COPY_DEPTH_MAX`] or ends at a cell that
    /// holds no value bytes.
    pub fn resolve_copy(&self, image: &'a [u8]) -> Result<Self> {
        let mut cell = *self;
        for _ in 0..=COPY_DEPTH_MAX {
            let Some(distance) = cell.copy_distance else {
                return match cell.kind {
                    CellKind::Value | CellKind::ValueShort => Ok(cell),
                    kind if self.kind != CellKind::ValueCopy => Err(corrupt(cell.offset, not_a_value(kind))),
                    kind => Err(corrupt(self.offset, format!("a copy cell that refers to a {} cell", kind.name()))),
                };
            };
            let target = usize::try_from(distance).ok().and_then(|distance| cell.offset.checked_sub(distance));
            match target {
                Some(target) if target >= HEADER_SIZE && target < cell.offset => {
                    cell = Cell::decode(image, target, false)?;
                }
                _ => return Err(corrupt(self.offset, "a copy cell that refers outside the cells before it")),
            }
        }
        Err(corrupt(self.offset, "a copy cell that refers to too long a chain of copies"))
    }
}

fn not_a_value(kind: CellKind) -> String {
    format!("{} cell where value bytes are wanted", kind.name())
}

/// A span within an image, whose size fits 32 bits.
#[inline]
pub(crate) fn span(offset: usize, len: usize) -> Span {
    // An image is at most 4 GB, as its size is a 32-bit field; a larger buffer is never passed as an image.
    Span { offset: u32::try_from(offset).unwrap_or(u32::MAX), len: u32::try_from(len).unwrap_or(u32::MAX) }
}

/// Walks the cells of a page from its first to its last.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    image: &'a [u8],
    offset: usize,
    delete_info: bool,
    failed: bool,
}

impl<'a> Cells<'a> {
    /// The cells of a page image, which ends where its last cell ends.
    pub fn new(image: &'a [u8], delete_info: bool) -> Self {
        Self::from(image, HEADER_SIZE, delete_info)
    }

    /// The cells from `offset` on.
    pub fn from(image: &'a [u8], offset: usize, delete_info: bool) -> Self {
        Self { image, offset, delete_info, failed: false }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cell<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.offset >= self.image.len() {
            return None;
        }
        let cell = Cell::decode(self.image, self.offset, self.delete_info);
        match &cell {
            Ok(cell) => self.offset = cell.end(),
            Err(_) => self.failed = true,
        }
        Some(cell)
    }
}

fn take_time(input: &mut Input<'_>, is_address: bool) -> Option<CellTime> {
    Some(match is_address {
        true => CellTime::Aggregate(input.unpack(TimeAggregate::unpack)?),
        false => CellTime::Window(input.unpack(TimeWindow::unpack)?),
    })
}

/// The kind a descriptor byte announces; `None` if none, or one that is never on disk.
#[inline]
fn kind_of(first: u8) -> Option<CellKind> {
    let kind = match first & descriptor::SHORT_MASK {
        descriptor::KEY_SHORT => return Some(CellKind::KeyShort),
        descriptor::KEY_SHORT_PREFIX => return Some(CellKind::KeyShortPrefix),
        descriptor::VALUE_SHORT => return Some(CellKind::ValueShort),
        _ => match first & descriptor::TYPE_MASK {
            descriptor::ADDRESS_DELETED => CellKind::AddressDeleted,
            descriptor::ADDRESS_INTERNAL => CellKind::AddressInternal,
            descriptor::ADDRESS_LEAF => CellKind::AddressLeaf,
            descriptor::ADDRESS_LEAF_NO_OVERFLOW => CellKind::AddressLeafNoOverflow,
            descriptor::DELETED => CellKind::Deleted,
            descriptor::KEY => CellKind::Key,
            descriptor::KEY_OVERFLOW => CellKind::KeyOverflow,
            descriptor::KEY_PREFIX => CellKind::KeyPrefix,
            descriptor::VALUE => CellKind::Value,
            descriptor::VALUE_COPY => CellKind::ValueCopy,
            descriptor::VALUE_OVERFLOW => CellKind::ValueOverflow,
            _ => return None,
        },
    };
    // Keys have neither window nor number: a flag there would be data that nobody wrote.
    let flags = first & (descriptor::SECOND | descriptor::NUMBER);
    if kind.is_key() && flags != 0 { None } else { Some(kind) }
}

#[cold]
fn bad_descriptor(offset: usize, first: u8) -> Error {
    let reason = match first & descriptor::TYPE_MASK {
        descriptor::VALUE_OVERFLOW_REMOVED | descriptor::KEY_OVERFLOW_REMOVED => {
            "a cell of a removed overflow item, which is never on disk"
        }
        descriptor::KEY | descriptor::KEY_OVERFLOW | descriptor::KEY_PREFIX => "a key cell with flags it can't have",
        _ => "a cell of unknown type",
    };
    corrupt(offset, format!("{reason} (descriptor {first:#04x})"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::page::address::Address;
    use crate::page::cell_write;
    use crate::page::test_data::{aggregate, hex, number, number_u32, unhex, vectors, window};
    use proptest::prelude::*;
    use serde_json::Value;

    fn kind_named(name: &str) -> CellKind {
        match name {
            "ADDR_DEL" => CellKind::AddressDeleted,
            "ADDR_INT" => CellKind::AddressInternal,
            "ADDR_LEAF" => CellKind::AddressLeaf,
            "ADDR_LEAF_NO" => CellKind::AddressLeafNoOverflow,
            "DEL" => CellKind::Deleted,
            "KEY" => CellKind::Key,
            "KEY_OVFL" => CellKind::KeyOverflow,
            "KEY_PFX" => CellKind::KeyPrefix,
            "KEY_SHORT" => CellKind::KeyShort,
            "KEY_SHORT_PFX" => CellKind::KeyShortPrefix,
            "VALUE" => CellKind::Value,
            "VALUE_COPY" => CellKind::ValueCopy,
            "VALUE_OVFL" => CellKind::ValueOverflow,
            "VALUE_SHORT" => CellKind::ValueShort,
            other => panic!("{other}"),
        }
    }

    /// An image of empty cells with `cell` at its end.
    fn image_with(cell: &[u8], before: usize) -> Vec<u8> {
        let mut image = vec![0; HEADER_SIZE + before];
        image.extend_from_slice(cell);
        image
    }

    fn check_fields(cell: &Cell<'_>, case: &Value) {
        assert_eq!(cell.kind, kind_named(case["type"].as_str().unwrap()));
        assert_eq!(cell.data.len() as u64, case.get("size").map_or(0, number));
        assert_eq!(cell.data, case.get("data").map_or(Vec::new(), hex));
        assert_eq!(cell.number, case.get("rle").or(case.get("recno")).map(number));
        assert_eq!(u64::from(cell.prefix), case.get("prefix").map_or(0, number));
        assert_eq!(cell.copy_distance, case.get("back").map(number));
        match cell.time {
            CellTime::Window(time) => assert_eq!(time, window(&case["tw"])),
            CellTime::Aggregate(time) => assert_eq!(time, aggregate(&case["ta"])),
            CellTime::Absent => assert!(case.get("desc2").is_none()),
        }
        if let Some(cookie) = case.get("cookie") {
            let address = Address::unpack(cell.data, number_u32(&case["alloc"])).unwrap();
            assert_eq!(address.offset, number(&cookie["offset"]));
            assert_eq!(address.checksum, number_u32(&cookie["checksum"]));
        }
    }

    /// Encodes a decoded cell anew. Only cells of the canonical form come back unchanged.
    pub(crate) fn encode(cell: &Cell<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let (window, count) = (cell.window(), cell.number);
        let in_row_store = count == Some(0);
        let count = if in_row_store { 0 } else { count.unwrap_or(1) };
        match cell.kind {
            CellKind::Key | CellKind::KeyPrefix | CellKind::KeyShort | CellKind::KeyShortPrefix => {
                cell_write::push_key(&mut out, cell.prefix, cell.data);
            }
            CellKind::KeyOverflow => cell_write::push_key_overflow(&mut out, cell.data),
            CellKind::Value | CellKind::ValueShort => cell_write::push_value(&mut out, &window, count, cell.data),
            CellKind::ValueCopy => {
                cell_write::push_value_copy(&mut out, &window, count, cell.copy_distance.unwrap());
            }
            CellKind::ValueOverflow => cell_write::push_value_overflow(&mut out, &window, count, cell.data),
            CellKind::Deleted => cell_write::push_deleted(&mut out, &window, count),
            _ => {
                let time = match &cell.time {
                    CellTime::Aggregate(aggregate) => Some(aggregate),
                    _ => None,
                };
                let address = cell_write::AddressCell {
                    kind: cell_write::AddressKind::from_cell(cell.kind).unwrap(),
                    aggregate: time,
                    page_delete: cell.page_delete.as_ref(),
                    recno: cell.number,
                    cookie: cell.data,
                };
                address.push(&mut out);
            }
        }
        out
    }

    #[test]
    fn every_vector_decodes_and_encodes() {
        let file = vectors("btree-cells.json");
        let cases = file["cells"].as_array().unwrap();
        assert!(cases.len() >= 80);
        for case in cases {
            let bytes = hex(&case["hex"]);
            let image = image_with(&bytes, 300);
            let offset = HEADER_SIZE + 300;
            let delete_info = number(&case["page_flags"]) & 0x20 != 0;
            let cell = Cell::decode(&image, offset, delete_info).unwrap();
            assert_eq!((cell.offset, cell.len, cell.end()), (offset, bytes.len(), image.len()));
            check_fields(&cell, case);
            assert_eq!(encode(&cell), bytes, "{case}");
            for shorter in offset..image.len() {
                assert!(Cell::decode(&image[..shorter], offset, delete_info).is_err(), "{case} cut at {shorter}");
            }
        }
    }

    #[rstest::rstest]
    #[case::window_without_number("88 28 90 89 84 61626364", 4)]
    #[case::long_form_with_number_zero("84 80 80", 64)]
    #[case::long_form_with_number_one("84 81 83 616263", 3)]
    #[case::empty_secondary_descriptor("88 00 81 61", 1)]
    #[case::unused_bit_of_the_secondary_descriptor("88 80 81 61", 1)]
    #[case::prefix_of_zero("06 00 61", 1)]
    #[case::length_not_minimal("84 81 e20001", 8257)]
    fn forms_that_only_readers_know(#[case] start: &str, #[case] data_len: usize) {
        let mut image = image_with(&unhex(start), 0);
        image.resize(image.len() + data_len, 0x61);
        assert_eq!(Cell::decode(&image, HEADER_SIZE, false).unwrap().data.len(), data_len);
    }

    #[rstest::rstest]
    #[case::removed_value("b0 87 8081e4e2137b7f")]
    #[case::removed_key("c0 87 8081e4e2137b7f")]
    #[case::type_13("d0 80")]
    #[case::type_15("f0 80")]
    #[case::key_with_window("58 00 80")]
    #[case::length_too_large("80 e8ffffffffffffffff")]
    #[case::huge("84 81 e7ffffffffffffff")]
    fn forms_that_nobody_may_write(#[case] bytes: &str) {
        let image = image_with(&unhex(bytes), 0);
        assert!(Cell::decode(&image, HEADER_SIZE, false).is_err());
    }

    #[test]
    fn copies_go_back_to_a_value() {
        // A value, a copy of it, a copy of the copy; then a copy of a key.
        let image = image_with(&unhex("0f 616263 90 84 90 82 05 6b 90 82"), 0);
        let cells: Vec<_> = Cells::new(&image, false).map(Result::unwrap).collect();
        assert_eq!(cells.len(), 5);
        for cell in &cells[..3] {
            assert_eq!(cell.resolve_copy(&image).unwrap().data, b"abc");
        }
        assert!(cells[4].resolve_copy(&image).is_err());
    }

    #[rstest::rstest]
    #[case::to_itself("0f 616263 90 80")]
    #[case::into_the_header("0f 616263 90 85")]
    #[case::before_the_page("0f 616263 90 c0ff")]
    fn copies_to_nowhere(#[case] bytes: &str) {
        let image = image_with(&unhex(bytes), 0);
        let copy = Cell::decode(&image, HEADER_SIZE + 4, false).unwrap();
        assert!(copy.resolve_copy(&image).is_err());
    }

    #[test]
    fn a_chain_of_copies_ends() {
        let mut cells = unhex("0f 616263 90 84");
        for _ in 0..COPY_DEPTH_MAX {
            cells.extend_from_slice(&unhex("90 82"));
        }
        let image = image_with(&cells, 0);
        let all: Vec<_> = Cells::new(&image, false).map(Result::unwrap).collect();
        let (last, rest) = all.split_last().unwrap();
        assert!(rest.iter().all(|cell| cell.resolve_copy(&image).is_ok()));
        assert!(last.resolve_copy(&image).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, delete_info: bool) {
            let image = image_with(&bytes, 0);
            let mut end = HEADER_SIZE;
            for cell in Cells::new(&image, delete_info) {
                let Ok(cell) = cell else { break };
                prop_assert_eq!(cell.offset, end);
                prop_assert!(cell.len > 0 && cell.end() <= image.len());
                prop_assert_eq!(cell.span().get(&image), Some(cell.data));
                let _ = cell.resolve_copy(&image);
                end = cell.end();
            }
        }
    }
}

//! Trees made by hand, whose pages are each valid: what must hold between them.

use super::*;
use crate::block::{Address, CheckpointAction, CheckpointEntry};
use crate::page::cell_write::{AddressCell, AddressKind, push_key, push_key_overflow, push_value, push_value_overflow};
use crate::page::header::{PageFlags, PageHeader, PageType};
use crate::page::time_aggregate::TimeAggregate;
use crate::page::time_window::TimeWindow;
use crate::page::{HEADER_SIZE, column, overflow};
use rstest::rstest;
use std::sync::Arc;

const UNIT: u32 = 512;
const PATH: &str = "t.wt";

/// A file whose pages a test writes one by one.
struct File {
    fs: MemoryFileSystem,
    manager: Arc<BlockManager>,
    kind: TreeKind,
    write_gen: u64,
    checkpoints: Vec<Checkpoint>,
}

/// What an internal page says of a child.
#[derive(Clone, Copy)]
struct To<'a> {
    key: &'a [u8],
    kind: AddressKind,
    address: Address,
    aggregate: TimeAggregate,
}

fn to(key: &str, address: Address) -> To<'_> {
    let kind = AddressKind::LeafNoOverflow;
    To { key: key.as_bytes(), kind, address, aggregate: TimeAggregate::DEFAULT }
}

fn internal(key: &str, address: Address) -> To<'_> {
    To { kind: AddressKind::Internal, ..to(key, address) }
}

const fn window(start_ts: u64, start_txn: u64) -> TimeWindow {
    TimeWindow { start_ts, durable_start_ts: start_ts, start_txn, ..TimeWindow::DEFAULT }
}

impl File {
    fn new() -> Self {
        let (fs, path) = (MemoryFileSystem::new(), Path::new(PATH));
        BlockManager::create(&fs, path, UNIT).unwrap();
        let settings = BlockSettings { allocation_size: UNIT, ..BlockSettings::default() };
        let (manager, _) = BlockManager::open(&fs, path, "t.wt", settings, None, OpenMode::Live).unwrap();
        Self { fs, manager, kind: TreeKind::Row, write_gen: 1, checkpoints: Vec::new() }
    }

    /// A page of these cells with the next write generation.
    fn image(&mut self, page_type: PageType, flags: PageFlags, cells: &[u8], entries: u32) -> Vec<u8> {
        let mut image = vec![0; HEADER_SIZE];
        image.extend_from_slice(cells);
        self.write_gen += 1;
        let header = PageHeader::new(page_type, image.len() as u32, entries);
        PageHeader { write_gen: self.write_gen, flags, ..header }.write(&mut image).unwrap();
        image
    }

    /// A leaf of these keys, each with a value of this window.
    fn leaf(&mut self, keys: &[&str], window: TimeWindow) -> Address {
        let mut cells = Vec::new();
        for key in keys {
            push_key(&mut cells, 0, key.as_bytes());
            push_value(&mut cells, &window, 0, b"value");
        }
        let mut image = self.image(PageType::RowLeaf, PageFlags::default(), &cells, keys.len() as u32 * 2);
        self.manager.write(&mut image).unwrap()
    }

    fn internal_image(&mut self, children: &[To<'_>]) -> Vec<u8> {
        let mut cells = Vec::new();
        for child in children {
            push_key(&mut cells, 0, child.key);
            let cookie = child.address.to_cookie(UNIT).unwrap();
            let aggregate = Some(&child.aggregate);
            AddressCell { kind: child.kind, aggregate, page_delete: None, recno: None, cookie: &cookie }
                .push(&mut cells);
        }
        self.image(PageType::RowInternal, PageFlags::FAST_TRUNCATE, &cells, children.len() as u32 * 2)
    }

    fn internal(&mut self, children: &[To<'_>]) -> Address {
        let mut image = self.internal_image(children);
        self.manager.write(&mut image).unwrap()
    }

    fn overflow(&mut self, item: &[u8]) -> Address {
        let mut image = Vec::new();
        overflow::write(item, &mut image).unwrap();
        self.manager.write(&mut image).unwrap()
    }

    fn checkpoint(&mut self, root: Option<&mut Vec<u8>>) {
        self.manager.checkpoint_start().unwrap();
        let keep = |old: &Checkpoint| CheckpointEntry { cookie: old.cookie.clone(), action: CheckpointAction::Keep };
        let mut entries: Vec<CheckpointEntry> = self.checkpoints.iter().map(keep).collect();
        let written = self.manager.checkpoint(&mut entries, root, None).unwrap();
        self.manager.checkpoint_resolve(true).unwrap();
        let order = self.checkpoints.len() as u64 + 1;
        self.checkpoints.push(Checkpoint {
            name: format!("c{order}"),
            cookie: written.cookie,
            order,
            time: order,
            size: written.size,
            aggregate: TimeAggregate::DEFAULT,
            write_gen: self.write_gen,
            run_write_gen: 1,
        });
    }

    /// A checkpoint whose root has these children.
    fn root(mut self, children: &[To<'_>]) -> Self {
        let mut image = self.internal_image(children);
        self.checkpoint(Some(&mut image));
        self
    }

    fn verify(&self, options: VerifyOptions) -> (Result<VerifyReport>, Said) {
        run(&VerifyInput {
            fs: &self.fs,
            path: Path::new(PATH),
            uri: "file:t.wt",
            block: BlockSettings { allocation_size: UNIT, ..BlockSettings::default() },
            kind: self.kind,
            transform: crate::block::BlockTransform::default(),
            compare: None,
            checkpoints: &self.checkpoints,
            base_write_gen: ConnectionBase::NEW,
            options,
        })
    }

    #[track_caller]
    fn accepts(&self) -> VerifyReport {
        self.verify(STRICT).0.unwrap()
    }

    #[track_caller]
    fn refuses(&self, code: crate::ErrorCode, text: &str) {
        let error = self.verify(STRICT).0.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains("t.wt"), "{error}");
        assert_eq!(error.code(), code, "{error}");
    }
}

const DAMAGE: crate::ErrorCode = crate::ErrorCode::ERROR;
const INVALID: crate::ErrorCode = crate::ErrorCode::EINVAL;

#[rstest]
#[case::separator_between("b", true)]
#[case::separator_equal_to_the_next("c", true)]
#[case::separator_equal_to_the_last("a", false)]
#[case::separator_below_the_last("Z", false)]
#[case::separator_above_the_next("d", false)]
fn separators_lie_between_their_leaves(#[case] separator: &str, #[case] accepted: bool) {
    let mut file = File::new();
    let (left, right) = (file.leaf(&["0", "a"], TimeWindow::DEFAULT), file.leaf(&["c", "e"], TimeWindow::DEFAULT));
    let file = file.root(&[to("zzz", left), to(separator, right)]);
    if accepted {
        assert_eq!(file.accepts().newest.rows, 4);
    } else {
        file.refuses(DAMAGE, "incorrectly sorted");
    }
}

#[test]
fn keys_ascend_over_all_levels() {
    for (upper, accepted) in [("d", true), ("c1", true), ("c", false)] {
        let mut file = File::new();
        let leaves: Vec<Address> = [["a", "b"], ["c", "c"], ["d", "e"], ["f", "g"]]
            .iter()
            .map(|keys| {
                let keys: &[&str] = if keys[0] == keys[1] { &keys[..1] } else { keys };
                file.leaf(keys, TimeWindow::DEFAULT)
            })
            .collect();
        let left = file.internal(&[to("", leaves[0]), to("c", leaves[1])]);
        let right = file.internal(&[to("~", leaves[2]), to("f", leaves[3])]);
        let file = file.root(&[internal("", left), internal(upper, right)]);
        match accepted {
            true => assert_eq!(file.accepts().newest.internal_pages, 3),
            false => file.refuses(DAMAGE, "incorrectly sorted"),
        }
    }
}

#[test]
fn children_are_older_than_their_parents() {
    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.write_gen -= 1;
    file.root(&[to("", leaf)]).refuses(INVALID, "child write generation 2 greater/equal to parent write generation 2");
}

#[test]
fn addresses_tell_what_they_lead_to() {
    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.root(&[internal("", leaf)]).refuses(DAMAGE, "leaf page referenced as an internal page");

    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    let below = file.internal(&[to("", leaf)]);
    file.root(&[to("", below)]).refuses(DAMAGE, "internal page referenced as a leaf page");

    let mut file = File::new();
    let mut image = Vec::new();
    push_key(&mut image, 0, b"a");
    let mut image = file.image(PageType::RowLeaf, PageFlags::EMPTY_VALUES_ALL, &image, 1);
    file.checkpoint(Some(&mut image));
    file.refuses(DAMAGE, "leaf page referenced as an internal page");

    let mut file = File::new();
    let item = file.overflow(b"item");
    file.root(&[to("", item)]).refuses(DAMAGE, "overflow page in a tree of another kind");
}

/// A leaf with an overflow key and an overflow value.
fn with_overflow(file: &mut File, key: Address, value: Address) -> Address {
    let mut cells = Vec::new();
    push_key(&mut cells, 0, b"a");
    push_key_overflow(&mut cells, &key.to_cookie(UNIT).unwrap());
    push_value_overflow(&mut cells, &TimeWindow::DEFAULT, 0, &value.to_cookie(UNIT).unwrap());
    let mut image = file.image(PageType::RowLeaf, PageFlags::default(), &cells, 3);
    file.manager.write(&mut image).unwrap()
}

#[test]
fn overflow_pages_are_checked_and_their_keys_ordered() {
    for (key, accepted) in [("b", true), ("A", false)] {
        let mut file = File::new();
        let (key, value) = (file.overflow(key.as_bytes()), file.overflow(b"value"));
        let leaf = with_overflow(&mut file, key, value);
        let last = file.leaf(&["c"], TimeWindow::DEFAULT);
        let file = file.root(&[To { kind: AddressKind::Leaf, ..to("", leaf) }, to("b1", last)]);
        match accepted {
            true => assert_eq!(file.accepts().newest.overflow_pages, 2),
            false => file.refuses(DAMAGE, "incorrectly sorted"),
        }
    }
    let mut file = File::new();
    let (key, value) = (file.overflow(b"b"), file.overflow(b"value"));
    let leaf = with_overflow(&mut file, key, value);
    file.root(&[to("", leaf)]).refuses(DAMAGE, "overflow items referenced as a leaf page without them");
    let mut file = File::new();
    let (key, value) = (file.overflow(b"b"), file.leaf(&["x"], TimeWindow::DEFAULT));
    let leaf = with_overflow(&mut file, key, value);
    file.root(&[To { kind: AddressKind::Leaf, ..to("", leaf) }]).refuses(DAMAGE, "where an overflow page is wanted");
    let mut file = File::new();
    let item = file.overflow(b"b");
    let leaf = with_overflow(&mut file, item, item);
    file.root(&[To { kind: AddressKind::Leaf, ..to("", leaf) }]).refuses(DAMAGE, "referenced multiple times");
}

#[test]
fn a_block_belongs_to_one_place() {
    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.root(&[to("", leaf), to("b", leaf)]).refuses(DAMAGE, "referenced multiple times");

    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.manager.free(&leaf).unwrap();
    // The root's own place was free, so the root is written over the leaf: the address is of another block.
    file.root(&[to("", leaf)]).refuses(DAMAGE, "not listed in the checkpoint's allocation list");

    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.root(&[to("", Address { offset: leaf.offset + 100 * 512, ..leaf })])
        .refuses(INVALID, "address is past the end of the file");
}

#[test]
fn times_lie_within_those_of_the_address() {
    let aggregate =
        TimeAggregate { newest_start_durable_ts: 9, oldest_start_ts: 5, newest_txn: 3, ..TimeAggregate::DEFAULT };
    let make = |window, aggregate, root_aggregate| {
        let mut file = File::new();
        let leaf = file.leaf(&["a"], window);
        let mut file = file.root(&[To { aggregate, ..to("", leaf) }]);
        file.checkpoints[0].aggregate = root_aggregate;
        file
    };
    make(window(7, 3), aggregate, aggregate).accepts();
    make(window(4, 3), aggregate, aggregate).refuses(INVALID, "start time before its parent's oldest");
    make(window(7, 4), aggregate, aggregate).refuses(INVALID, "start transaction after its parent's newest");
    let wider = TimeAggregate { newest_start_durable_ts: 10, ..aggregate };
    make(window(7, 3), wider, aggregate).refuses(INVALID, "newest durable start time outside its parent's");
    make(window(7, 0), TimeAggregate::DEFAULT, TimeAggregate::DEFAULT)
        .refuses(INVALID, "newer than the stable timestamp");
    let file = make(window(7, 0), TimeAggregate::DEFAULT, TimeAggregate::DEFAULT);
    file.verify(VerifyOptions { stable_timestamp: 7, ..STRICT }).0.unwrap();
    file.verify(VerifyOptions { stable_timestamp: 6, ..STRICT }).0.unwrap_err();
    // Transactions of an earlier run mean nothing, unless that is not wanted.
    let mut file = make(window(7, 4), aggregate, aggregate);
    file.checkpoints[0].run_write_gen = file.write_gen;
    file.accepts();
    file.verify(VerifyOptions { do_not_clear_txn_id: true, ..STRICT }).0.unwrap_err();
}

#[test]
fn a_chain_of_pages_has_a_bounded_depth() {
    let mut file = File::new();
    let mut address = file.leaf(&["a"], TimeWindow::DEFAULT);
    for depth in 0..62 {
        address = file.internal(&[if depth == 0 { to("", address) } else { internal("", address) }]);
    }
    let mut deeper = File::new();
    let file = file.root(&[internal("", address)]);
    assert_eq!(file.accepts().newest.internal_pages, 63);
    let mut address = deeper.leaf(&["a"], TimeWindow::DEFAULT);
    for depth in 0..70 {
        address = deeper.internal(&[if depth == 0 { to("", address) } else { internal("", address) }]);
    }
    deeper.root(&[internal("", address)]).refuses(DAMAGE, "deeper than 64 levels");
}

#[test]
fn leaks_are_told_and_with_strict_refused() {
    let mut file = File::new();
    let leaf = file.leaf(&["a"], TimeWindow::DEFAULT);
    file.leaf(&["nobody refers to this"], TimeWindow::DEFAULT);
    let file = file.root(&[to("", leaf)]);
    file.refuses(DAMAGE, "t.wt: checkpoint ranges never verified: 1");
    let (result, said) = file.verify(VerifyOptions::default());
    assert_eq!(result.unwrap().leaks.checkpoint_ranges, 1);
    assert_eq!(said.messages, ["t.wt: file ranges never verified: 1", "t.wt: checkpoint ranges never verified: 1"]);
}

#[test]
fn with_read_corrupt_the_walk_goes_on() {
    let mut file = File::new();
    let leaves: Vec<Address> =
        ["a", "b", "c", "d"].iter().map(|key| file.leaf(&[key, "zzz"][..1], TimeWindow::DEFAULT)).collect();
    let children: Vec<To<'_>> = ["", "b", "c", "d"].iter().zip(&leaves).map(|(key, leaf)| to(key, *leaf)).collect();
    let file = file.root(&children);
    let mut bytes = bytes_of(&file.fs, Path::new(PATH));
    for leaf in [&leaves[1], &leaves[3]] {
        bytes[leaf.offset as usize + 45] ^= 1;
    }
    let file = File { fs: with_bytes(Path::new(PATH), &bytes), ..file };
    let (result, said) = file.verify(STRICT);
    assert!(said.messages.is_empty());
    assert_eq!(said.progress.len(), 2, "the root and the first leaf");
    let first = result.unwrap_err().to_string();
    let (result, said) = file.verify(VerifyOptions { read_corrupt: true, ..VerifyOptions::default() });
    assert_eq!(result.unwrap_err().to_string(), first);
    assert_eq!((said.messages.len(), said.progress.len()), (2, 3));
    assert!(said.messages[1].contains(&format!("offset {}", leaves[3].offset)), "{:?}", said.messages);
}

#[test]
fn files_without_contents_verify() {
    let mut file = File::new();
    assert_eq!(file.accepts(), VerifyReport::default());
    let fake = Checkpoint { cookie: Vec::new(), ..checkpoint_of_nothing() };
    file.checkpoints.push(fake);
    assert_eq!(file.accepts().checkpoints, 0);
    file.checkpoints.clear();
    file.checkpoint(None);
    assert_eq!(file.accepts(), VerifyReport { checkpoints: 1, ..VerifyReport::default() });
}

fn checkpoint_of_nothing() -> Checkpoint {
    let mut file = File::new();
    file.checkpoint(None);
    file.checkpoints.remove(0)
}

/// A column store of two leaves that start at these records, the first with `count` records.
fn column(kind: TreeKind, first: u64, count: u32, second: u64) -> File {
    let mut file = File { kind, ..File::new() };
    let mut root = Vec::new();
    for (recno, count) in [(first, count), (second, 2)] {
        let mut image = Vec::new();
        column::start_page(&mut image);
        let page_type = match kind {
            TreeKind::ColumnFixed { bits } => {
                column::fixed::push_bitmap(&vec![1; count as usize], bits, &mut image);
                PageType::ColumnFixed
            }
            _ => {
                push_value(&mut image, &TimeWindow::DEFAULT, u64::from(count), b"v");
                PageType::ColumnVariable
            }
        };
        let entries = if page_type == PageType::ColumnFixed { count } else { 1 };
        column::finish_page(&mut image, page_type, recno, entries).unwrap();
        file.write_gen += 1;
        crate::page::header::set_write_gen(&mut image, file.write_gen).unwrap();
        let cookie = file.manager.write(&mut image).unwrap().to_cookie(UNIT).unwrap();
        let kind = AddressKind::LeafNoOverflow;
        AddressCell { kind, aggregate: None, page_delete: None, recno: Some(recno), cookie: &cookie }.push(&mut root);
    }
    let mut image = file.image(PageType::ColumnInternal, PageFlags::FAST_TRUNCATE, &root, 2);
    image[0] = 1;
    file.checkpoint(Some(&mut image));
    file
}

#[rstest]
#[case::contiguous(TreeKind::ColumnVariable, 1, 4, 5, true)]
#[case::gap(TreeKind::ColumnVariable, 3, 4, 9, true)]
#[case::overlap(TreeKind::ColumnVariable, 1, 4, 4, false)]
#[case::fixed(TreeKind::ColumnFixed { bits: 8 }, 1, 4, 5, true)]
#[case::fixed_gap(TreeKind::ColumnFixed { bits: 8 }, 1, 4, 6, false)]
#[case::fixed_late_start(TreeKind::ColumnFixed { bits: 8 }, 2, 4, 6, false)]
fn record_numbers_ascend(
    #[case] kind: TreeKind,
    #[case] first: u64,
    #[case] count: u32,
    #[case] second: u64,
    #[case] accepted: bool,
) {
    let file = column(kind, first, count, second);
    match accepted {
        true => assert_eq!(file.accepts().newest.rows, 6),
        false => file.refuses(DAMAGE, "when the expected starting record was"),
    }
}

#[test]
fn a_collator_decides_the_order() {
    let mut file = File::new();
    let (left, right) = (file.leaf(&["e", "c"], TimeWindow::DEFAULT), file.leaf(&["b", "a"], TimeWindow::DEFAULT));
    let file = file.root(&[to("", left), to("b", right)]);
    file.refuses(DAMAGE, "incorrectly sorted");
    let reverse = |a: &[u8], b: &[u8]| b.cmp(a);
    let input = VerifyInput {
        fs: &file.fs,
        path: Path::new(PATH),
        uri: "file:t.wt",
        block: BlockSettings { allocation_size: UNIT, ..BlockSettings::default() },
        kind: TreeKind::Row,
        transform: crate::block::BlockTransform::default(),
        compare: Some(&reverse),
        checkpoints: &file.checkpoints,
        base_write_gen: ConnectionBase::NEW,
        options: STRICT,
    };
    run(&input).0.unwrap();
}

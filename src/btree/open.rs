//! Opening and closing a tree.

use super::internal::{Child, Internal, internal_link, leaf_link};
use super::leaf::Leaf;
use super::order::KeyOrder;
use super::settings::TreeSettings;
use super::tree::Tree;
use super::windows::Windows;
use crate::block::{Address, BlockManager};
use crate::btree::arena::Arena;
use crate::cache::{Cache, Evict};
use crate::os::page_memory::PageBuffer;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, RwLock};
use crate::txn::TxnGlobal;
use hardwired_plugin::Result;
use std::sync::{Arc, Weak};

/// What a tree is opened with.
pub struct TreeOpen {
    /// The object's name, for messages.
    pub name: String,
    /// Its settings.
    pub settings: TreeSettings,
    /// Its file.
    pub block: Arc<BlockManager>,
    /// The connection's page memory.
    pub cache: Arc<Cache>,
    /// The connection's transactions.
    pub txns: Arc<TxnGlobal>,
    /// The checkpoint's root page; `None`: the tree is empty.
    pub root: Option<Address>,
    /// The last write generation in use: new pages get greater ones.
    pub write_gen: u64,
    /// Transaction ids on pages with a write generation up to this one belong to an earlier run.
    pub base_write_gen: u64,
    /// What is made of time windows on pages.
    pub windows: Windows,
}

impl Tree {
    /// Opens a tree: reads and checks its root page.
    ///
    /// # Errors
    /// [`hardwired_plugin::Error::Corrupt`] for a root page that can't be right.
    pub fn open(open: TreeOpen) -> Result<Arc<Self>> {
        let tree = Arc::new(Self {
            ever_written: AtomicBool::new(open.root.is_some()),
            leaf_image_max: AtomicU32::new(open.settings.leaf_page_max),
            name: open.name,
            settings: open.settings,
            block: open.block,
            cache: open.cache,
            txns: open.txns,
            root: AtomicU64::new(0),
            dirty: AtomicBool::new(false),
            structure: RwLock::new(()),
            write_gen: AtomicU64::new(open.write_gen),
            base_write_gen: open.base_write_gen,
            windows: open.windows,
            hand: Mutex::new(Vec::new()),
        });
        let root = match open.root {
            None => tree.empty_root(),
            Some(address) => tree.read_root(address)?,
        };
        tree.account_internal(&root, &mut root.latch.lock());
        tree.root.store(internal_link(root), Ordering::Release);
        let evictable: Weak<dyn Evict> = Arc::downgrade(&tree) as Weak<dyn Evict>;
        tree.cache.register(evictable);
        Ok(tree)
    }

    fn empty_root(&self) -> Internal {
        let leaf = Leaf::new(PageBuffer::copy_of(&[]), Arena::default(), 16, &self.settings.order, &[], None);
        {
            let mut inner = leaf.latch.lock();
            inner.split_bytes = self.split_bytes();
            self.account(&leaf, &mut inner);
        }
        Internal::new(&[(&[], leaf_link(leaf))], &self.settings.order)
    }

    /// Whether rows were ever written to it, in this run or before.
    pub fn ever_written(&self) -> bool {
        self.ever_written.load(Ordering::Acquire)
    }

    /// Its file.
    pub fn block(&self) -> &Arc<BlockManager> {
        &self.block
    }

    /// The order of its keys.
    #[inline]
    pub fn order(&self) -> &KeyOrder {
        &self.settings.order
    }

    /// Its settings.
    pub fn settings(&self) -> &TreeSettings {
        &self.settings
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Nobody holds a cursor (each owns an `Arc` of the tree) and eviction holds an `Arc` while it works, so the pages
        // are this thread's. Retired ones belong to the reclaimer.
        let root = self.root.load(Ordering::Acquire);
        if root != 0 {
            // SAFETY: the last owner of the tree; the links form a tree, so each page is freed once.
            unsafe { self.free_subtree(root) };
        }
    }
}

impl Tree {
    /// # Safety
    /// Called once per link, by the only owner of the tree.
    unsafe fn free_subtree(&self, root: u64) {
        let mut links = vec![root];
        while let Some(link) = links.pop() {
            // SAFETY: by contract the link is live and not freed yet.
            match unsafe { super::internal::child(link) } {
                Child::Internal(page) => {
                    links.extend(page.children().into_iter().map(|(_, link)| link));
                    self.cache.sub(page.latch.lock().accounted);
                    // SAFETY: boxed for its link, reached once.
                    drop(unsafe { Box::from_raw(super::internal::address::<Internal>(link)) });
                }
                Child::Leaf(leaf) => {
                    let mut inner = leaf.latch.lock();
                    self.account_clean(&mut inner);
                    self.cache.sub(inner.accounted);
                    drop(inner);
                    // SAFETY: as above.
                    drop(unsafe { Box::from_raw(super::internal::address::<Leaf>(link)) });
                }
                Child::OnDisk(_) => {
                    // SAFETY: as above.
                    drop(unsafe { Box::from_raw(super::internal::address::<super::internal::OnDisk>(link)) });
                }
            }
        }
    }
}

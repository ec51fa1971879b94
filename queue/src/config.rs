//! What a store is told when it is opened. Not here: what RocksDB is told, see `options.rs`.

use assent_protocol::ids::NodeId;
use std::path::PathBuf;

/// Where a store is, whose it is, and how much room it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder of the database; it is created if absent.
    pub dir: PathBuf,
    /// Whose database it is. A database of another node is refused.
    pub node: NodeId,
    /// That node's name; a database of another name is refused.
    pub name: String,
    /// Free disk space, in bytes, below which no new work is accepted; default 512 MiB. What is under way may still be
    /// ended. Raise it where other programs fill the same disk quickly; it should not be below `wal_bytes_max`.
    pub reserve_bytes: u64,
    /// About how much write-ahead log, in bytes, may wait for its memtables to be flushed; default 256 MiB. More
    /// means fewer flushes, a longer start after a crash (a second reads some 200 MiB), and more disk.
    pub wal_bytes_max: u64,
    /// When the memtable of the records' content is flushed, in bytes; default 64 MiB. All others
    /// are flushed at a quarter of it. More means fewer and larger files, slower writes to memtables that no
    /// longer fit into the processor's cache, and more memory: up to four of each.
    pub memtable_bytes: usize,
    /// Cache of database blocks, in bytes; default 128 MiB.
    pub block_cache_bytes: usize,
    /// Messages that are kept in memory because they were written lately and are about to be relayed or delivered, in
    /// bytes; default 32 MiB. What is not there is read from the database.
    pub cached_message_bytes: usize,
    /// Decoded versions and fields that are kept in memory, so that a busy course is not looked up again and again;
    /// default 131,072, some 300 bytes each.
    pub cached_entries_max: usize,
}

impl StoreConfig {
    /// The defaults, for a node's database in a folder.
    pub fn new(dir: impl Into<PathBuf>, node: NodeId, name: impl Into<String>) -> Self {
        StoreConfig {
            dir: dir.into(),
            node,
            name: name.into(),
            reserve_bytes: 512 << 20,
            wal_bytes_max: 256 << 20,
            memtable_bytes: 64 << 20,
            block_cache_bytes: 128 << 20,
            cached_message_bytes: 32 << 20,
            cached_entries_max: 131_072,
        }
    }
}

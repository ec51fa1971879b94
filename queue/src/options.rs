//! What RocksDB is told, and why.
//!
//! The write-ahead log is the commit log of the node: what is told here about it is decided in
//! `docs/decisions/0002-wal-recovery.md` and tested in `tests/wal.rs`.

use crate::{config::StoreConfig, keys::families};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode,
    DataBlockIndexType, LogLevel, MemtableFactory, Options,
};

/// Options of the whole database.
pub(crate) fn database(config: &StoreConfig) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    // Anything wrong in the log refuses to open. A torn last write was cut off by `wal.rs` before RocksDB looks.
    options.set_wal_recovery_mode(DBRecoveryMode::AbsoluteConsistency);
    // RocksDB would switch recycling off by itself, without a word: said here, so that nobody counts on it.
    options.set_recycle_log_file_num(0);
    // A log file that was synced and is missing or shorter now refuses to open.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    // Without it a column family that is hardly written would keep the log for ever.
    options.set_max_total_wal_size(config.wal_bytes_max);
    // One committer writes batches: the orders of RocksDB's own write group only cost.
    options.set_unordered_write(false);
    options.set_enable_pipelined_write(false);
    options.set_allow_concurrent_memtable_write(false);
    // Files are written in small steps, so that a flush does not hold up the sync of a vote.
    options.set_bytes_per_sync(1 << 20);
    options.set_max_background_jobs(2);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(8 << 20);
    options.set_keep_log_file_num(4);
    options
}

/// The column families with their options. Of a database that exists, only those that it has: see `store.rs`.
pub(crate) fn families(config: &StoreConfig, names: &[String]) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(config.block_cache_bytes);
    names.iter().map(|name| ColumnFamilyDescriptor::new(name, family(config, name, &cache))).collect()
}

/// A column family's options.
pub(crate) fn family(config: &StoreConfig, name: &str, cache: &Cache) -> Options {
    let mut options = Options::default();
    // Only content grows. A transaction's rows die young, and a small memtable stays in the processor's cache.
    let share = if name == families::CONTENT { 1 } else { 4 };
    options.set_write_buffer_size(config.memtable_bytes / share);
    options.set_max_write_buffer_number(4);
    options.set_compression_type(DBCompressionType::None);
    if name == families::CONTENT || name == families::RECORDS || name == families::MESSAGES {
        // Most lookups are of single keys, and many of what is not there (is this student enrolled already?).
        // Transactions and sessions are only read at the start, and the filter would cost each of their writes.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.05);
    }
    if name == families::TRANSACTIONS || name == families::SESSIONS || name == families::STREAMS {
        // Written all the time and read only at the start: a row is appended, and sorted when it is flushed.
        options.set_memtable_factory(MemtableFactory::Vector);
    }
    if name == families::MESSAGES || name == families::BODIES {
        // Nearly all messages are gone soon. A file that is half marks of what was deleted is compacted at once: they
        // would take room, and time at the next start.
        options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_WINDOW / 2, 0.5);
    }
    if name == families::BODIES {
        // Long values are written once, beside the files that are compacted again and again; a file of them goes when
        // the last one in it is gone, or few are left.
        options.set_enable_blob_files(true);
        options.set_blob_file_size(64 << 20);
        options.set_enable_blob_gc(true);
        options.set_blob_gc_age_cutoff(0.5);
    }
    options.set_block_based_table_factory(&table(cache));
    options
}

/// Of how many keys that follow each other half must be deleted, for their file to be compacted.
const DELETIONS_WINDOW: usize = 1024;

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_index_type(BlockBasedIndexType::BinarySearch);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table
}

//! What the store and the thread that syncs have in common: the database and how much of it is durable.
//!
//! The invariant: a batch is in the log whole and in order, or not at all; [`Syncer::sync`] makes durable all that was
//! committed before it was called; after a failure nothing more is written, since nobody knows what the log holds.

use crate::{
    batch::Batch,
    error::StoreError,
    identity,
    keys::{Key, families},
    wal,
};
use assent_protocol::codec;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions, WriteBatch};
use serde::de::DeserializeOwned;
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

/// Up to so many keys are deleted one by one; more are deleted as a range, which costs every later read a little until
/// it is compacted away.
const SINGLE_DELETES_MAX: usize = 1024;

/// Makes durable what was committed; for another thread than the one that commits, so that the network never waits for
/// the disk.
#[derive(Clone)]
pub struct Syncer {
    shared: Arc<Shared>,
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Syncer { shared }
    }

    /// Everything that was committed before this call is durable when it returns.
    ///
    /// # Errors
    /// Nobody knows what is on disk then: the process must end. Every later commit and sync fails too.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.shared.sync()
    }
}

/// The fields are dropped in order: the lock after the database.
pub(crate) struct Shared {
    db: DB,
    dir: PathBuf,
    boot: u64,
    /// The sequence number of the last write that was committed.
    committed: AtomicU64,
    /// The sequence number up to which everything is known to be durable.
    synced: AtomicU64,
    /// A write or sync has failed.
    failed: AtomicBool,
    /// Looked up once: a lookup costs more than what it finds.
    sync_seconds: metrics::Histogram,
    pub(crate) batch_bytes: metrics::Histogram,
    _lock: File,
}

impl Shared {
    /// Takes a database that was just opened: what was replayed from the log is in synced files by now.
    pub(crate) fn new(db: DB, dir: PathBuf, boot: u64, lock: File) -> Self {
        let sequence = db.latest_sequence_number();
        Shared {
            db,
            dir,
            boot,
            committed: AtomicU64::new(sequence),
            synced: AtomicU64::new(sequence),
            failed: AtomicBool::new(false),
            sync_seconds: metrics::histogram!("assent_store_sync_seconds"),
            batch_bytes: metrics::histogram!("assent_store_batch_bytes"),
            _lock: lock,
        }
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("all families are opened with the database")
    }

    /// Writes a batch to log and memtable. Only one thread may do so: the order of batches is its order of calls.
    pub(crate) fn write(&self, mut batch: WriteBatch) -> Result<usize, StoreError> {
        self.check()?;
        batch.put_log_data(wal::mark(self.synced.load(Ordering::Acquire)));
        let bytes = batch.size_in_bytes();
        self.db.write(batch).map_err(|cause| {
            self.failed.store(true, Ordering::Release);
            StoreError::Write { dir: self.dir.clone(), cause: cause.to_string() }
        })?;
        self.committed.store(self.db.latest_sequence_number(), Ordering::Release);
        Ok(bytes)
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.check()?;
        let started = Instant::now();
        let committed = self.committed.load(Ordering::Acquire);
        self.db.flush_wal(true).map_err(|cause| {
            // A later sync may well succeed, and yet not have written what this one lost.
            self.failed.store(true, Ordering::Release);
            StoreError::Sync { dir: self.dir.clone(), cause: cause.to_string() }
        })?;
        self.synced.fetch_max(committed, Ordering::AcqRel);
        self.sync_seconds.record(started.elapsed());
        Ok(())
    }

    /// The value of a key.
    pub(crate) fn lookup<T: DeserializeOwned>(&self, family: &str, key: &Key) -> Option<T> {
        let bytes = self.read_checked(self.db.get_pinned_cf(self.family(family), key));
        bytes.map(|bytes| self.read_checked(codec::decode(&bytes)))
    }

    /// Everything in a column family that starts with the key, in order.
    pub(crate) fn scan(&self, family: &str, prefix: &Key) -> DBRawIterator<'_> {
        self.scan_from(family, prefix.as_ref(), prefix)
    }

    /// The same, from a key on.
    pub(crate) fn scan_from(&self, family: &str, from: &[u8], prefix: &Key) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(prefix.end());
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family), options);
        rows.seek(from);
        rows
    }

    /// Deletes all content whose key starts with the prefix and that is committed.
    pub(crate) fn delete_all(&self, batch: &mut Batch, prefix: &Key) {
        let mut rows = self.scan(families::CONTENT, prefix);
        for _ in 0..SINGLE_DELETES_MAX {
            let Some(key) = rows.key() else {
                self.read_checked(rows.status());
                return;
            };
            batch.delete(families::CONTENT, key);
            rows.next();
        }
        batch.delete_range(families::CONTENT, prefix, &prefix.end());
    }

    /// What was read; stops the process if it could not be.
    pub(crate) fn read_checked<T, E: std::fmt::Display>(&self, read: Result<T, E>) -> T {
        read.unwrap_or_else(|cause| {
            panic!(
                "can't read the database in {}: {cause}; check the disk, then start again",
                self.dir.display()
            )
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped { dir: self.dir.clone() });
        }
        Ok(())
    }
}

impl Drop for Shared {
    /// A last mark says that all that was written is durable: damage to any of it will be noticed.
    fn drop(&mut self) {
        let mut batch = WriteBatch::default();
        identity::repeat(&self.db, self.boot, &mut batch);
        let closed = self.sync().and_then(|()| self.write(batch)).and_then(|_| self.sync());
        if let Err(error) = closed {
            tracing::warn!(%error, "the database was not closed cleanly; the next start recovers it");
        }
    }
}

//! The writes since the last commit, as bytes, on their way into RocksDB.
//!
//! A group of transactions writes the same few keys again and again: the roster size and the version of a hot course,
//! the vote and then the outcome of a transaction. Only the last write of a key matters, so only that one is logged; and
//! keys go into a memtable in their order, which it takes far faster than keys at random.
//!
//! The invariant: the effect is that of the writes in the order in which they came.

use crate::keys::families;
use rocksdb::{ColumnFamily, WriteBatch};

/// What RocksDB puts before the writes of a batch, in bytes.
const HEADER_BYTES: usize = 12;

#[derive(Default)]
pub(crate) struct Batch {
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    writes: Vec<Entry>,
    /// Ranges are deleted: the order of the writes must stay.
    ordered: bool,
}

struct Entry {
    /// Index in [`families::ALL`].
    family: u8,
    start: u32,
    key_end: u32,
    value_end: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Delete,
    /// From the key to the "value".
    DeleteRange,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn put(&mut self, family: &str, key: impl AsRef<[u8]>, value: &[u8]) {
        self.push(Kind::Put, family, key.as_ref(), value);
    }

    pub(crate) fn delete(&mut self, family: &str, key: impl AsRef<[u8]>) {
        self.push(Kind::Delete, family, key.as_ref(), &[]);
    }

    pub(crate) fn delete_range(&mut self, family: &str, from: impl AsRef<[u8]>, to: &[u8]) {
        self.ordered = true;
        self.push(Kind::DeleteRange, family, from.as_ref(), to);
    }

    fn push(&mut self, kind: Kind, family: &str, key: &[u8], value: &[u8]) {
        let family =
            families::ALL.iter().position(|name| *name == family).expect("a family of this database");
        let start = self.end();
        self.bytes.extend_from_slice(key);
        let key_end = self.end();
        self.bytes.extend_from_slice(value);
        self.writes.push(Entry { family: family as u8, start, key_end, value_end: self.end(), kind });
    }

    fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).expect("a batch is committed long before it holds 4 GiB")
    }

    /// Turns the writes into a batch of RocksDB, and starts anew.
    pub(crate) fn take<'db>(&mut self, family: impl Fn(&str) -> &'db ColumnFamily) -> WriteBatch {
        let Batch { bytes, writes, ordered } = self;
        let key = |entry: &Entry| &bytes[entry.start as usize..entry.key_end as usize];
        if !*ordered {
            // Positions in `bytes` rise as the writes came: the last write of a key sorts last.
            writes.sort_unstable_by(|a, b| (a.family, key(a), a.start).cmp(&(b.family, key(b), b.start)));
        }
        let handles = families::ALL.map(&family);
        let mut batch = WriteBatch::with_capacity_bytes(HEADER_BYTES + bytes.len() + 8 * writes.len());
        for (index, entry) in writes.iter().enumerate() {
            let next = writes.get(index + 1).filter(|_| !*ordered);
            if next.is_some_and(|next| next.family == entry.family && key(next) == key(entry)) {
                continue;
            }
            let value = &bytes[entry.key_end as usize..entry.value_end as usize];
            let family = handles[usize::from(entry.family)];
            match entry.kind {
                Kind::Put => batch.put_cf(family, key(entry), value),
                Kind::Delete => batch.delete_cf(family, key(entry)),
                Kind::DeleteRange => batch.delete_range_cf(family, key(entry), value),
            }
        }
        self.bytes.clear();
        self.writes.clear();
        self.ordered = false;
        batch
    }
}

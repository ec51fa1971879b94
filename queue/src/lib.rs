//! Remembers: the disk of a participant, over RocksDB, with group commit.
//!
//! [`RocksStore`] is the [`Store`](assent_protocol::storage::Store) that a participant's machine reads and writes. One
//! thread writes: it takes what waits, runs the machine, and commits one batch. Another one syncs, through a
//! [`Syncer`], so that one sync serves everything that was committed before it.
//!
//! The write-ahead log is the node's promise: damage in it refuses to open, and only a torn last write, which was never
//! synced, is dropped without a person (see `docs/decisions/0002-wal-recovery.md`).
//!
//! What this crate does not do: decide anything (that is `assent_protocol`), or speak with anyone.

mod batch;
mod config;
mod error;
mod folder;
mod identity;
mod keys;
mod mail;
mod mail_recovery;
mod options;
mod overlay;
mod reads;
mod recent;
mod recovery;
mod rows;
mod shared;
mod space;
mod store;
mod wal;

pub use config::StoreConfig;
pub use error::StoreError;
pub use identity::STORAGE_VERSION;
pub use shared::Syncer;
pub use store::RocksStore;

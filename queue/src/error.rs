//! What can go wrong with a store: each error names the folder, the cause and the remedy.

use assent_protocol::ids::NodeId;
use std::{io, path::PathBuf};

/// Why a store can't be opened, written or synced.
///
/// After [`StoreError::Write`], [`StoreError::Sync`] or [`StoreError::Stopped`] nobody knows what is on the disk: the process must end, and
/// recover from what is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder can't be made or written.
    #[error("can't write in {}: {cause}; make the folder writable for this user, or choose another", dir.display())]
    Unwritable {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Another process has the database open.
    #[error("{} is in use by process {holder}; stop that process first, or give this node a folder of its own", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// The process that holds it, as far as is known.
        holder: String,
    },
    /// A newer program wrote the database.
    #[error(
        "{} has storage version {found}, and this program knows versions up to {known}; start a newer program, or \
         restore a backup made with version {known}", dir.display()
    )]
    NewerVersion {
        /// The folder.
        dir: PathBuf,
        /// The version of the database.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The database belongs to another node.
    #[error(
        "{} belongs to node {found} ({found_name}), not to node {expected} ({expected_name}); give each node its own \
         folder", dir.display()
    )]
    OtherNode {
        /// The folder.
        dir: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// The name of whose it is.
        found_name: String,
        /// Who opened it.
        expected: NodeId,
        /// The name of who opened it.
        expected_name: String,
    },
    /// Something that was durable is damaged or gone.
    #[error(
        "{} is damaged: {what}; promises that this node gave may be lost with it, so it is not opened: restore this \
         node from a good copy, and check the disk", dir.display()
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What is damaged, and where.
        what: String,
    },
    /// The database can't be opened for another reason.
    #[error("can't open the database in {}: {cause}; the file LOG in the folder says more", dir.display())]
    Open {
        /// The folder.
        dir: PathBuf,
        /// What RocksDB or the system says.
        cause: String,
    },
    /// A batch could not be written.
    #[error("can't write to the database in {}: {cause}; check the disk and its free space, then start again", dir.display())]
    Write {
        /// The folder.
        dir: PathBuf,
        /// What RocksDB says.
        cause: String,
    },
    /// The log could not be synced.
    #[error("can't sync the database in {}: {cause}; check the disk and its free space, then start again", dir.display())]
    Sync {
        /// The folder.
        dir: PathBuf,
        /// What RocksDB says.
        cause: String,
    },
    /// A write or sync failed before, and nothing after it can be trusted.
    #[error("the database in {} has failed before; this process must end and start again", dir.display())]
    Stopped {
        /// The folder.
        dir: PathBuf,
    },
    /// How much room the disk has can't be told.
    #[error("can't tell the free space of {}: {cause}; check that the disk is mounted", dir.display())]
    Space {
        /// The folder.
        dir: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
}

//! The folder of a database: made, locked, and looked through before RocksDB opens it.

use crate::{config::StoreConfig, error::StoreError, identity::damaged, wal};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, Write},
};

/// Held for as long as the database is open.
const LOCK: &str = "assent.lock";

/// Makes the folder if it is absent, and locks it. The lock ends when the file is closed, or the process.
///
/// RocksDB has a lock of its own, but takes it only after the log must have been looked through.
pub(crate) fn lock(config: &StoreConfig) -> Result<File, StoreError> {
    let unwritable = |cause| StoreError::Unwritable { dir: config.dir.clone(), cause };
    fs::create_dir_all(&config.dir).map_err(unwritable)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(config.dir.join(LOCK))
        .map_err(unwritable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            // Only for the message: what can't be read is not named.
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "unknown".into() } else { holder.trim().into() };
            return Err(StoreError::Locked { dir: config.dir.clone(), holder });
        }
        Err(cause) => return Err(unwritable(cause.into())),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(unwritable)?;
    writeln!(file, "{}", std::process::id()).map_err(unwritable)?;
    Ok(file)
}

/// Looks through the write-ahead log and cuts off a torn last write. The folder must be locked.
pub(crate) fn mend_log(config: &StoreConfig) -> Result<(), StoreError> {
    let refuse = |error: wal::WalError| match error {
        wal::WalError::Io { .. } => StoreError::Open { dir: config.dir.clone(), cause: error.to_string() },
        wal::WalError::Damaged { .. } => damaged(config, error.to_string()),
    };
    let Some(cut) = wal::inspect(&config.dir).map_err(refuse)? else {
        return Ok(());
    };
    tracing::warn!(
        file = %cut.file.display(),
        offset = cut.offset,
        bytes = cut.bytes,
        "cut a torn write off the log; it was never synced, so nothing was promised on it"
    );
    metrics::counter!("assent_store_torn_writes_total").increment(1);
    wal::cut(&cut).map_err(refuse)
}

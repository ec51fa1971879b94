//! How long a disk takes to sync, and how often in a second: what every other figure of a durable system has to be seen
//! beside.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// What is written before each sync: about the size of one vote.
const BYTES: usize = 300;
/// How long it is measured.
const DURATION: Duration = Duration::from_secs(1);

/// A file that is appended to and synced. It is removed at the end.
pub(super) struct Synced {
    path: PathBuf,
    file: File,
}

impl Synced {
    /// A new file in this directory.
    pub(super) fn new(dir: &Path) -> io::Result<Synced> {
        let path = dir.join(format!("sync-rate-{}", std::process::id()));
        let file = File::create(&path)?;
        Ok(Synced { path, file })
    }

    /// Appends and calls fdatasync. Returns how long both took.
    pub(super) fn sync(&mut self) -> io::Result<Duration> {
        let began = Instant::now();
        self.file.write_all(&[0x5a; BYTES])?;
        self.file.sync_data()?;
        Ok(began.elapsed())
    }
}

impl Drop for Synced {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Appends to a file and calls fdatasync, one after the other, for a second. Returns how many per second.
pub(super) fn syncs_per_second(dir: &Path) -> io::Result<u64> {
    let mut file = Synced::new(dir)?;
    let started = Instant::now();
    let mut count = 0u64;
    while started.elapsed() < DURATION {
        file.sync()?;
        count += 1;
    }
    Ok((count as f64 / started.elapsed().as_secs_f64()) as u64)
}

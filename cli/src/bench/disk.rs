//! How often a disk syncs in a second: what every other figure of a durable system has to be seen beside.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

/// What is written before each sync: about the size of one vote.
const BYTES: usize = 300;
/// How long it is measured.
const DURATION: Duration = Duration::from_secs(1);

/// Appends to a file and calls fdatasync, one after the other, for a second. Returns how many per second.
pub(super) fn syncs_per_second(dir: &Path) -> io::Result<u64> {
    let path = dir.join(format!("sync-rate-{}", std::process::id()));
    let result = File::create(&path).and_then(|file| measure(&file));
    let removed = fs::remove_file(&path);
    let rate = result?;
    removed?;
    Ok(rate)
}

fn measure(mut file: &File) -> io::Result<u64> {
    let started = Instant::now();
    let mut count = 0u64;
    while started.elapsed() < DURATION {
        file.write_all(&[0x5a; BYTES])?;
        file.sync_data()?;
        count += 1;
    }
    Ok((count as f64 / started.elapsed().as_secs_f64()) as u64)
}

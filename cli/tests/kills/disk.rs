//! How long the disk itself takes, meanwhile: a machine that others use has moments in which every sync waits, and then
//! no node can be faster.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Between two syncs.
const EVERY: Duration = Duration::from_millis(10);

/// Syncs a small file of its own again and again, until it is dropped.
pub(crate) struct DiskProbe {
    stop: Arc<AtomicBool>,
    syncs: Arc<Mutex<Vec<(Instant, Instant)>>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskProbe {
    pub(crate) fn start() -> DiskProbe {
        let mut file = tempfile::tempfile().expect("a temporary file");
        let (stop, syncs) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&syncs));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                sync(&mut file).expect("the temporary file can be synced");
                noted.lock().unwrap_or_else(PoisonError::into_inner).push((began, Instant::now()));
                std::thread::sleep(EVERY);
            }
        });
        DiskProbe { stop, syncs, thread: Some(thread) }
    }

    /// The longest sync that was under way between two moments.
    pub(crate) fn longest(&self, from: Instant, to: Instant) -> Duration {
        let syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        let during = syncs.iter().filter(|(began, ended)| *ended > from && *began < to);
        during.map(|(began, ended)| *ended - *began).max().unwrap_or_default()
    }
}

fn sync(file: &mut File) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&[0; 512])?;
    file.sync_data()
}

impl Drop for DiskProbe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A probe that panicked has said so already.
            let _ = thread.join();
        }
    }
}

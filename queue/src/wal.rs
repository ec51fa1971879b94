//! Looks through the write-ahead log before RocksDB does, and tells a torn last write from damage.
//!
//! RocksDB can't: to it, a bad record at the end is a torn write or a damaged one as its recovery mode says, and zeroed
//! blocks in the middle are skipped in every mode. Here, each batch ends with a mark, the highest sequence number that
//! was known to be synced when the batch was written. Where a bad record is followed by a mark that covers it, what is
//! bad was synced, and so may have been promised: that is damage, and the database is not opened. Where no such mark
//! follows, nothing at or after the bad record was synced when the last surviving batch was written: the log is cut there.
//!
//! What can't be told apart: damage to the very last synced batches, when no batch was written after their sync. A
//! clean shutdown therefore writes a last mark.
//!
//! Not here: replaying the log, which RocksDB does, in its strictest mode.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::{Path, PathBuf},
};

const BLOCK: usize = 32 * 1024;
/// Checksum, length, type.
const HEADER: usize = 7;
/// Sequence number and count at the start of a batch.
const BATCH_HEADER: usize = 12;
/// Tag, length and 8 bytes of a mark at the end of a batch.
const MARK: usize = 10;
/// What RocksDB tags a blob in a batch with (`kTypeLogData`).
const MARK_TAG: u8 = 3;

/// Types of fragments that this configuration of RocksDB writes; a record is Full, or First, any Middles, Last.
const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// Where the log must be cut to drop a torn write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The file in which the first bad record is.
    pub(crate) file: PathBuf,
    /// Where it starts, in bytes.
    pub(crate) offset: u64,
    /// Bytes of log from there on, later files included.
    pub(crate) bytes: u64,
    /// Files after it; all they hold was written after the torn write and goes with it.
    pub(crate) later: Vec<PathBuf>,
}

/// Why the log can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalError {
    /// It can't be read or cut.
    #[error("{}: {cause}", file.display())]
    Io { file: PathBuf, cause: io::Error },
    /// Something that was synced is not there any more.
    #[error(
        "the log {} is bad at byte {offset}, and what follows shows that this was synced before (up to write {synced}{})",
        file.display(), lost.map_or(String::new(), |lost| format!("; the first that is lost is {lost}"))
    )]
    Damaged { file: PathBuf, offset: u64, lost: Option<u64>, synced: u64 },
}

/// The bytes of a mark; goes last into a batch, as a blob.
pub(crate) fn mark(synced: u64) -> [u8; 8] {
    synced.to_le_bytes()
}

/// Reads the whole log of a database. Changes nothing.
pub(crate) fn inspect(dir: &Path) -> Result<Option<Cut>, WalError> {
    let files = log_files(dir)?;
    let mut scan = Scan { expected: None, bad: None };
    for (index, file) in files.iter().enumerate() {
        scan.file(index, file)?;
    }
    let Some(bad) = scan.bad else {
        return Ok(None);
    };
    let later = files[bad.index + 1..].to_vec();
    let mut bytes = file_bytes(&files[bad.index])? - bad.offset;
    for file in &later {
        bytes += file_bytes(file)?;
    }
    Ok(Some(Cut { file: files[bad.index].clone(), offset: bad.offset, bytes, later }))
}

/// Cuts the log, durably.
pub(crate) fn cut(cut: &Cut) -> Result<(), WalError> {
    // The last file first: if this is interrupted, the torn write is still there to be found.
    for file in cut.later.iter().rev() {
        shorten(file, 0)?;
    }
    shorten(&cut.file, cut.offset)
}

fn shorten(file: &Path, bytes: u64) -> Result<(), WalError> {
    let cut = OpenOptions::new().write(true).open(file).and_then(|open| {
        open.set_len(bytes)?;
        open.sync_all()
    });
    cut.map_err(|cause| WalError::Io { file: file.to_owned(), cause })
}

fn file_bytes(file: &Path) -> Result<u64, WalError> {
    let meta = fs::metadata(file).map_err(|cause| WalError::Io { file: file.to_owned(), cause })?;
    Ok(meta.len())
}

/// The log's files, oldest first: they are numbered.
fn log_files(dir: &Path) -> Result<Vec<PathBuf>, WalError> {
    let io = |cause| WalError::Io { file: dir.to_owned(), cause };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let number =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if let (Some(number), Some("log")) =
            (number, path.extension().and_then(|extension| extension.to_str()))
        {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

struct Scan {
    /// The sequence number of the next batch, once one was seen.
    expected: Option<u64>,
    bad: Option<Bad>,
}

/// The first place where the log is not as it was written.
struct Bad {
    index: usize,
    file: PathBuf,
    offset: u64,
    /// The sequence number of the first write that is lost, where it is known.
    lost: Option<u64>,
}

/// A record, as far as its fragments were seen. Of its bytes only the ends matter.
struct Record {
    offset: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Scan {
    fn file(&mut self, index: usize, file: &Path) -> Result<(), WalError> {
        let io = |cause| WalError::Io { file: file.to_owned(), cause };
        let mut open = File::open(file).map_err(io)?;
        let mut block = Vec::with_capacity(BLOCK);
        let mut unfinished = None;
        let mut first = true;
        let mut start = 0;
        loop {
            block.clear();
            open.by_ref().take(BLOCK as u64).read_to_end(&mut block).map_err(io)?;
            let mut at = 0;
            while at < block.len() {
                let offset = start + at as u64;
                if block.len() - at < HEADER {
                    // The rest of a whole block is filler; the rest of the last one is a torn header.
                    if block.len() < BLOCK {
                        self.bad_at(index, file, offset, unfinished.take());
                    }
                    break;
                }
                let Some((kind, payload)) = fragment(&block[at..]) else {
                    // A bad length says nothing about where the next fragment is: it is looked for everywhere.
                    self.bad_at(index, file, offset, unfinished.take());
                    at += 1;
                    continue;
                };
                at += HEADER + payload.len();
                if self.bad.is_some() {
                    self.survivor(kind, payload)?;
                    continue;
                }
                match assemble(kind, payload, offset, unfinished.take()) {
                    Assembled::Whole(record) => {
                        self.record(index, file, &record, first)?;
                        first = false;
                    }
                    Assembled::Unfinished(record) => unfinished = Some(record),
                    Assembled::Misplaced(start) => {
                        self.bad_at(index, file, start, None);
                        self.survivor(kind, payload)?;
                    }
                }
            }
            if block.len() < BLOCK {
                break;
            }
            start += BLOCK as u64;
        }
        if let Some(record) = unfinished {
            self.bad_at(index, file, record.offset, None);
        }
        Ok(())
    }

    fn bad_at(&mut self, index: usize, file: &Path, offset: u64, unfinished: Option<Record>) {
        if self.bad.is_none() {
            let offset = unfinished.map_or(offset, |record| record.offset);
            self.bad = Some(Bad { index, file: file.to_owned(), offset, lost: self.expected });
        }
    }

    /// A whole record where one was expected.
    fn record(&mut self, index: usize, file: &Path, record: &Record, first: bool) -> Result<(), WalError> {
        let synced = trailing_mark(&record.tail);
        let Some((sequence, count)) = record.sequence_and_count() else {
            self.bad_at(index, file, record.offset, None);
            return Ok(());
        };
        if let Some(expected) = self.expected
            && sequence != expected
        {
            // Between files, a gap that was synced means that files in between were flushed and deleted; that none is
            // missing which is needed, RocksDB checks itself, from its manifest.
            let flushed = first && sequence > expected && synced.is_some_and(|synced| synced >= expected);
            if !flushed {
                self.bad_at(index, file, record.offset, None);
                return self.check(synced);
            }
        }
        self.expected = Some(sequence + u64::from(count));
        Ok(())
    }

    /// A fragment after a bad place.
    fn survivor(&self, kind: u8, payload: &[u8]) -> Result<(), WalError> {
        if kind == FULL || kind == LAST { self.check(trailing_mark(payload)) } else { Ok(()) }
    }

    /// Refuses the log if what is bad was synced when a surviving batch was written.
    fn check(&self, synced: Option<u64>) -> Result<(), WalError> {
        match (&self.bad, synced) {
            (Some(bad), Some(synced)) if bad.lost.is_none_or(|lost| lost <= synced) => {
                Err(WalError::Damaged { file: bad.file.clone(), offset: bad.offset, lost: bad.lost, synced })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

/// The fragment at the start of the bytes, if there is a whole and sound one.
fn fragment(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let kind = header[6];
    let payload = rest.get(..usize::from(u16::from_le_bytes([header[4], header[5]])))?;
    if !(FULL..=LAST).contains(&kind) {
        return None;
    }
    let written = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    // RocksDB stores checksums turned and shifted, since logs may hold logs.
    (crc.rotate_right(15).wrapping_add(0xa282_ead8) == written).then_some((kind, payload))
}

enum Assembled {
    Whole(Record),
    Unfinished(Record),
    /// A fragment that can't be here; where the record that it breaks started.
    Misplaced(u64),
}

fn assemble(kind: u8, payload: &[u8], offset: u64, unfinished: Option<Record>) -> Assembled {
    let new = || Record { offset, head: Vec::new(), tail: Vec::new() };
    match (kind, unfinished) {
        (FULL, None) => Assembled::Whole(new().and(payload)),
        (FIRST, None) => Assembled::Unfinished(new().and(payload)),
        (MIDDLE, Some(record)) => Assembled::Unfinished(record.and(payload)),
        (LAST, Some(record)) => Assembled::Whole(record.and(payload)),
        (_, Some(record)) => Assembled::Misplaced(record.offset),
        (_, None) => Assembled::Misplaced(offset),
    }
}

impl Record {
    fn and(mut self, payload: &[u8]) -> Self {
        let missing = BATCH_HEADER - self.head.len();
        self.head.extend_from_slice(&payload[..missing.min(payload.len())]);
        self.tail.extend_from_slice(&payload[payload.len().saturating_sub(MARK)..]);
        self.tail.drain(..self.tail.len().saturating_sub(MARK));
        self
    }

    /// The sequence number of the batch's first write, and how many writes it has.
    fn sequence_and_count(&self) -> Option<(u64, u32)> {
        let sequence = self.head.get(..8)?.try_into().ok()?;
        let count = self.head.get(8..BATCH_HEADER)?.try_into().ok()?;
        Some((u64::from_le_bytes(sequence), u32::from_le_bytes(count)))
    }
}

/// The mark at the end of a batch.
fn trailing_mark(bytes: &[u8]) -> Option<u64> {
    match bytes.last_chunk::<MARK>()? {
        [MARK_TAG, 8, synced @ ..] => Some(u64::from_le_bytes(*synced)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

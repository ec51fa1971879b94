//! The thread that writes the journal: takes what waits, writes one frame, syncs once, answers all.

use super::{
    Unfinished, WriteFailed,
    frames::{self, Entry, JOURNAL_VERSION},
};
use crate::session::Session;
use assent_protocol::ids::{ClientName, Sequence, SessionId};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};
use tokio::sync::oneshot;

/// A frame is closed once it holds this much.
const FRAME_BYTES: usize = 1024 * 1024;
/// The file is written anew once it is larger than this, and most of it is finished.
const COMPACT_BYTES: u64 = 4 * 1024 * 1024;

type Slot = (SessionId, Sequence);
type Told = oneshot::Sender<Result<(), WriteFailed>>;

/// What the writer is asked.
pub(super) enum Command {
    /// A request that is about to be sent.
    Begin { slot: Slot, entry: Vec<u8>, tell: Told },
    /// A request that needs no replay any more.
    Finish { slot: Slot, session: Option<Arc<Session>>, tell: Told },
}

/// The file and what is unfinished in it.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    /// Bytes of the file that are synced and good.
    bytes: u64,
    client: ClientName,
    /// Encoded entries, to be written again when the file is.
    live: BTreeMap<Slot, Vec<u8>>,
    live_bytes: u64,
    /// A write or sync has failed: what the file would hold after another one is anyone's guess.
    broken: Option<String>,
}

impl Writer {
    /// Over an open file with this many good bytes.
    pub(super) fn new(
        path: PathBuf,
        file: File,
        bytes: u64,
        client: ClientName,
        unfinished: &[Unfinished],
    ) -> io::Result<Writer> {
        let mut writer =
            Writer { path, file, bytes, client, live: BTreeMap::new(), live_bytes: 0, broken: None };
        for Unfinished { begin, note } in unfinished {
            let slot = (begin.subject.txn.session, begin.subject.txn.sequence);
            let entry = Entry::Begun { begin: begin.clone(), note: note.clone() };
            writer.remember(slot, frames::encode(&entry));
        }
        if writer.bytes == 0 {
            let owner = writer.owner();
            writer.append(&frames::frame([owner.as_slice()]))?;
            sync_directory(&writer.path)?;
        }
        Ok(writer)
    }

    /// Serves until everyone who could ask is gone.
    pub(super) fn run(&mut self, commands: &mpsc::Receiver<Command>) {
        while let Ok(first) = commands.recv() {
            let mut entries = Vec::new();
            let mut waiting = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(command) = next {
                let entry = match &command {
                    Command::Begin { entry, .. } => entry.clone(),
                    Command::Finish { slot, .. } => {
                        frames::encode(&Entry::Finished { session: slot.0, sequence: slot.1 })
                    }
                };
                bytes += entry.len();
                entries.push(entry);
                waiting.push(command);
                next = if bytes < FRAME_BYTES { commands.try_recv().ok() } else { None };
            }
            let result = self.write(&frames::frame(entries.iter().map(Vec::as_slice)));
            waiting.into_iter().for_each(|command| self.answer(command, &result));
            if result.is_ok() {
                self.compact_if_worthwhile();
            }
        }
    }

    fn answer(&mut self, command: Command, result: &Result<(), WriteFailed>) {
        let tell = match command {
            Command::Begin { slot, entry, tell } => {
                if result.is_ok() {
                    self.remember(slot, entry);
                }
                tell
            }
            Command::Finish { slot, session, tell } => {
                self.forget(slot);
                // Also after a failure: the answer is known, and a replay would at worst be told that it is too old.
                if let Some(session) = session {
                    session.settle(slot.1);
                }
                tell
            }
        };
        let _ = tell.send(result.clone());
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), WriteFailed> {
        if let Some(why) = &self.broken {
            return Err(WriteFailed { why: why.clone(), undone: true });
        }
        self.append(frame).map_err(|error| {
            let why = format!("{}: {error}", self.path.display());
            tracing::error!(%why, "the journal can't be written: no new request will be sent");
            self.broken = Some(why.clone());
            let undone = self.file.set_len(self.bytes).and_then(|()| self.file.sync_all()).is_ok();
            WriteFailed { why, undone }
        })
    }

    fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_all(frame)?;
        self.file.sync_data()?;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    fn remember(&mut self, slot: Slot, entry: Vec<u8>) {
        self.live_bytes += entry.len() as u64;
        if let Some(before) = self.live.insert(slot, entry) {
            self.live_bytes -= before.len() as u64;
        }
    }

    fn forget(&mut self, slot: Slot) {
        if let Some(entry) = self.live.remove(&slot) {
            self.live_bytes -= entry.len() as u64;
        }
    }

    fn owner(&self) -> Vec<u8> {
        frames::encode(&Entry::Owner { version: JOURNAL_VERSION, client: self.client.clone() })
    }

    fn compact_if_worthwhile(&mut self) {
        if self.bytes < COMPACT_BYTES || self.bytes / 4 < self.live_bytes {
            return;
        }
        // The old file is whole until the rename, and so is the new one from then on: a failure costs only room.
        match self.compacted() {
            Ok((file, bytes)) => {
                self.file = file;
                self.bytes = bytes;
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "can't make the journal smaller")
            }
        }
    }

    fn compacted(&self) -> io::Result<(File, u64)> {
        let new = super::beside(&self.path, ".new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
        let mut bytes = 0;
        let mut put = |frame: Vec<u8>| {
            bytes += frame.len() as u64;
            file.write_all(&frame)
        };
        put(frames::frame([self.owner().as_slice()]))?;
        for entry in self.live.values() {
            put(frames::frame([entry.as_slice()]))?;
        }
        file.sync_all()?;
        let file = OpenOptions::new().read(true).append(true).open(&new)?;
        fs::rename(&new, &self.path)?;
        sync_directory(&self.path)?;
        Ok((file, bytes))
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

//! The journal's bytes: frames of entries, one frame per sync.
//!
//! A frame is `"ASNJ"`, the length of its payload (u32, little endian), the first 8 bytes of the SHA-256 of length and
//! payload, and the payload: encoded entries. Since a frame is written and synced before the next one begins, a
//! bad frame with a good one behind it was damaged later: that is corruption. A bad one at the end was never
//! acknowledged to anyone: it is cut off.

use assent_protocol::{
    codec,
    ids::{ClientName, Sequence, SessionId},
    message::Begin,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const MAGIC: [u8; 4] = *b"ASNJ";
const HEADER_BYTES: usize = 16;

/// The version of what is written here; in the first entry of a file.
pub(crate) const JOURNAL_VERSION: u32 = 1;

/// What a journal tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// The first entry of a file: how to read it, and whose requests these are.
    Owner {
        /// See [`JOURNAL_VERSION`].
        version: u32,
        /// Whose.
        client: ClientName,
    },
    /// A request that may have been sent after this.
    Begun {
        /// All of it.
        begin: Box<Begin>,
        /// The application's note.
        note: String,
    },
    /// The request needs no replay any more.
    Finished {
        /// Its session.
        session: SessionId,
        /// Its sequence.
        sequence: Sequence,
    },
}

/// Damage in a file, ahead of good frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Corrupt {
    /// Where the damage begins, in bytes from the start of the file.
    pub(crate) offset: usize,
    /// Where the next good frame begins; none if the damage is in a frame whose check sum is right.
    pub(crate) next: Option<usize>,
}

/// One frame of already encoded entries.
pub(crate) fn frame<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    for entry in entries {
        bytes.extend_from_slice(&length(entry.len()));
        bytes.extend_from_slice(entry);
    }
    let payload = bytes.len() - HEADER_BYTES;
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..8].copy_from_slice(&length(payload));
    let sum = check_sum(&bytes[4..8], &bytes[HEADER_BYTES..]);
    bytes[8..16].copy_from_slice(&sum);
    bytes
}

/// The bytes of one entry, for [`frame`].
pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    codec::encode(entry)
}

/// All entries of a file, and how many of its bytes are good; what follows those is a torn last write.
pub(crate) fn read(file: &[u8]) -> Result<(Vec<Entry>, usize), Corrupt> {
    let mut entries = Vec::new();
    let mut offset = 0;
    while offset < file.len() {
        let Some(payload) = payload_at(file, offset) else {
            return match (offset + 1..file.len()).find(|next| payload_at(file, *next).is_some()) {
                Some(next) => Err(Corrupt { offset, next: Some(next) }),
                None => Ok((entries, offset)),
            };
        };
        decode(payload, &mut entries).ok_or(Corrupt { offset, next: None })?;
        offset += HEADER_BYTES + payload.len();
    }
    Ok((entries, offset))
}

/// Whether a file without one good frame may be a journal whose very first write was torn.
pub(crate) fn may_be_torn_start(file: &[u8]) -> bool {
    let head = &file[..file.len().min(MAGIC.len())];
    MAGIC.starts_with(head) || file.iter().all(|byte| *byte == 0)
}

fn payload_at(file: &[u8], offset: usize) -> Option<&[u8]> {
    let header = file.get(offset..)?.get(..HEADER_BYTES)?;
    if header[..4] != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(header[4..8].try_into().ok()?) as usize;
    let payload = file.get(offset + HEADER_BYTES..)?.get(..length)?;
    (header[8..16] == check_sum(&header[4..8], payload)).then_some(payload)
}

fn decode(mut payload: &[u8], entries: &mut Vec<Entry>) -> Option<()> {
    while !payload.is_empty() {
        let (head, rest) = payload.split_at_checked(4)?;
        let length = u32::from_le_bytes(head.try_into().ok()?) as usize;
        let (entry, rest) = rest.split_at_checked(length)?;
        entries.push(codec::decode(entry).ok()?);
        payload = rest;
    }
    Some(())
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).expect("frames and entries are far smaller than 4 GiB").to_le_bytes()
}

fn check_sum(length: &[u8], payload: &[u8]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(length);
    hash.update(payload);
    let all = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&all[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(sequence: u64) -> Entry {
        Entry::Finished { session: SessionId(1), sequence: Sequence(sequence) }
    }

    fn framed(entries: &[Entry]) -> Vec<u8> {
        let encoded: Vec<Vec<u8>> = entries.iter().map(encode).collect();
        frame(encoded.iter().map(Vec::as_slice))
    }

    #[test]
    fn what_was_written_is_read() {
        let file = [framed(&[finished(1), finished(2)]), framed(&[]), framed(&[finished(3)])].concat();
        assert_eq!(read(&file), Ok((vec![finished(1), finished(2), finished(3)], file.len())));
        assert_eq!(read(&[]), Ok((Vec::new(), 0)));
    }

    #[test]
    fn a_last_frame_torn_anywhere_is_cut_off() {
        let good = framed(&[finished(1)]);
        let last = framed(&[finished(2), finished(3)]);
        for kept in 0..last.len() {
            let file = [&good[..], &last[..kept]].concat();
            assert_eq!(read(&file), Ok((vec![finished(1)], good.len())), "{kept} bytes");
            // A file system may have made the file longer, and not have written all of it.
            let file = [&good[..], &last[..kept], &vec![0; last.len() - kept + 9]].concat();
            assert_eq!(read(&file), Ok((vec![finished(1)], good.len())), "{kept} bytes and zeros");
        }
    }

    #[test]
    fn damage_ahead_of_a_good_frame_is_corruption_wherever_it_is() {
        let first = framed(&[finished(1)]);
        let file = [first.clone(), framed(&[finished(2)]), framed(&[finished(3)])].concat();
        let last = file.len() - framed(&[finished(3)]).len();
        for damaged in first.len()..last {
            let mut bytes = file.clone();
            bytes[damaged] ^= 0x10;
            assert_eq!(
                read(&bytes),
                Err(Corrupt { offset: first.len(), next: Some(last) }),
                "byte {damaged}"
            );
        }
    }

    #[test]
    fn a_frame_with_the_right_sum_and_wrong_entries_is_not_ours() {
        assert_eq!(read(&frame([&b"nonsense"[..]])), Err(Corrupt { offset: 0, next: None }));
    }
}

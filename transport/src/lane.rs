//! What waits to be sent over one connection: a buffer per lane, filled by `send` and emptied by the writers.
//!
//! Frames that are sent while a writer is busy, or before it has had its turn, leave together in one write: that is
//! all the coalescing there is, and it costs no waiting.
//!
//! Kept: the bytes in both lanes never exceed the bound, and those in the bulk lane never half of it, so that
//! large frames alone can't make small ones `Overloaded`.

use crate::{
    endpoint::SendError,
    frames::{self, HEADER_BYTES, Lane},
};
use bytes::{Bytes, BytesMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// What one write hands to QUIC at most, in bytes: bounds how long the lock on the connection is held.
const WRITE_BYTES_MAX: usize = 256 * 1024;

/// The two lanes of one connection.
pub(crate) struct Outgoing {
    lanes: Mutex<Lanes>,
    urgent_waits: Notify,
    bulk_waits: Notify,
    /// Gets a permit from each lane that has been emptied for good and acknowledged.
    flushed: Semaphore,
    bytes_max: usize,
}

#[derive(Default)]
struct Lanes {
    urgent: Pending,
    bulk: Pending,
    /// Nothing more is taken; what waits is sent.
    draining: bool,
}

#[derive(Default)]
struct Pending {
    bytes: BytesMut,
    frames: u64,
    /// Bytes that a writer has taken and QUIC has not.
    writing: usize,
}

impl Pending {
    fn held(&self) -> usize {
        self.bytes.len() + self.writing
    }
}

impl Lanes {
    fn lane(&mut self, lane: Lane) -> &mut Pending {
        match lane {
            Lane::Urgent => &mut self.urgent,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

/// What one write sends.
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    /// Frames that have begun in a batch since the last one was taken: a figure, nothing depends on it.
    pub(crate) frames: u64,
}

impl Outgoing {
    pub(crate) fn new(bytes_max: usize) -> Outgoing {
        Outgoing {
            lanes: Mutex::default(),
            urgent_waits: Notify::new(),
            bulk_waits: Notify::new(),
            flushed: Semaphore::new(0),
            bytes_max,
        }
    }

    /// Takes one encoded message.
    pub(crate) fn push(&self, lane: Lane, content: &[u8]) -> Result<(), SendError> {
        let header = frames::header(content.len()).ok_or(SendError::TooLarge)?;
        let was_empty = {
            let mut lanes = self.lock();
            if lanes.draining {
                return Err(SendError::NotConnected);
            }
            let frame_bytes = HEADER_BYTES + content.len();
            let bulk_is_full = lane == Lane::Bulk && lanes.bulk.held() + frame_bytes > self.bytes_max / 2;
            if bulk_is_full || lanes.urgent.held() + lanes.bulk.held() + frame_bytes > self.bytes_max {
                return Err(SendError::Overloaded);
            }
            let pending = lanes.lane(lane);
            let was_empty = pending.bytes.is_empty();
            pending.bytes.extend_from_slice(&header);
            pending.bytes.extend_from_slice(content);
            pending.frames += 1;
            was_empty
        };
        if was_empty {
            self.waits(lane).notify_one();
        }
        Ok(())
    }

    /// What waits in a lane, as soon as anything does; none once the lane is drained.
    pub(crate) async fn take(&self, lane: Lane) -> Option<Batch> {
        loop {
            {
                let mut lanes = self.lock();
                let draining = lanes.draining;
                let pending = lanes.lane(lane);
                if !pending.bytes.is_empty() {
                    let count = pending.bytes.len().min(WRITE_BYTES_MAX);
                    pending.writing += count;
                    let bytes = pending.bytes.split_to(count).freeze();
                    return Some(Batch { bytes, frames: std::mem::take(&mut pending.frames) });
                }
                if draining {
                    return None;
                }
            }
            self.waits(lane).notified().await;
        }
    }

    /// QUIC has taken this many bytes of what `take` gave.
    pub(crate) fn written(&self, lane: Lane, bytes: usize) {
        let mut lanes = self.lock();
        let pending = lanes.lane(lane);
        assert!(pending.writing >= bytes, "more was written than taken");
        pending.writing -= bytes;
    }

    /// Takes nothing more, and lets the writers end when all is sent.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
        self.urgent_waits.notify_one();
        self.bulk_waits.notify_one();
    }

    /// The peer has acknowledged all of a drained lane.
    pub(crate) fn lane_flushed(&self) {
        self.flushed.add_permits(1);
    }

    /// The connection is over: nothing will be flushed any more.
    pub(crate) fn end(&self) {
        self.lock().draining = true;
        self.flushed.close();
    }

    /// Waits until both lanes are flushed or the connection is over.
    pub(crate) async fn wait_flushed(&self) {
        // An error means that the connection ended first; there is nothing left to wait for either way.
        let _ = self.flushed.acquire_many(2).await;
    }

    fn waits(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Urgent => &self.urgent_waits,
            Lane::Bulk => &self.bulk_waits,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Nothing here panics halfway through a change, so what a poisoned lock guards is still whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outgoing: &Outgoing, content: &[u8]) -> Result<(), SendError> {
        outgoing.push(Lane::for_frame(content.len()), content)
    }

    #[test]
    fn large_frames_alone_leave_room_for_small_ones() {
        let outgoing = Outgoing::new(200_000);
        let large = vec![0; 40_000];
        assert_eq!(push(&outgoing, &large), Ok(()));
        assert_eq!(push(&outgoing, &large), Ok(()));
        assert_eq!(push(&outgoing, &large), Err(SendError::Overloaded));
        let small = [0; 1_000];
        let taken = (0..1_000).take_while(|_| push(&outgoing, &small).is_ok()).count();
        assert_eq!(taken, (200_000 - 2 * 40_004) / 1_004);
    }

    #[test]
    fn a_frame_above_eight_mebibytes_is_too_large() {
        let outgoing = Outgoing::new(usize::MAX);
        assert_eq!(push(&outgoing, &vec![0; 8 * 1024 * 1024 + 1]), Err(SendError::TooLarge));
    }

    #[tokio::test]
    async fn what_waits_leaves_together_and_frees_its_room_when_written() {
        let outgoing = Outgoing::new(100);
        assert_eq!(push(&outgoing, &[1; 40]), Ok(()));
        assert_eq!(push(&outgoing, &[2; 40]), Ok(()));
        assert_eq!(push(&outgoing, &[3; 40]), Err(SendError::Overloaded));
        let batch = outgoing.take(Lane::Urgent).await.expect("two frames wait");
        assert_eq!((batch.bytes.len(), batch.frames), (88, 2));
        assert_eq!(push(&outgoing, &[3; 40]), Err(SendError::Overloaded), "taken is not yet written");
        outgoing.written(Lane::Urgent, 88);
        assert_eq!(push(&outgoing, &[3; 40]), Ok(()));
    }

    #[tokio::test]
    async fn a_drained_lane_sends_what_waits_and_takes_nothing_more() {
        let outgoing = Outgoing::new(100);
        assert_eq!(push(&outgoing, &[1; 40]), Ok(()));
        outgoing.drain();
        assert_eq!(push(&outgoing, &[2; 40]), Err(SendError::NotConnected));
        assert!(outgoing.take(Lane::Urgent).await.is_some());
        assert!(outgoing.take(Lane::Urgent).await.is_none());
        assert!(outgoing.take(Lane::Bulk).await.is_none());
    }
}

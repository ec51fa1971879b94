//! One session: numbers its requests, and knows how far all answers are known.

use crate::{link::stamp_now, window::Window};
use assent_protocol::ids::{Sequence, SessionId, Stamp};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// A session is kept alive at least this often, even where nothing moves.
const KEEP_INTERVAL: Duration = Duration::from_secs(30);
/// A session that was not kept alive for this long gets no new requests, in microseconds: the cluster may be about to end
/// it, and a request that meets this end could stay unknown.
const STALE_US: u64 = 24 * 3600 * 1_000_000;

/// A session of this client.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// Which coordinator to turn to first, counted in the cluster file.
    pub(crate) preference: usize,
    /// Of an earlier process: it only finishes what that one left.
    pub(crate) earlier: bool,
    window: Mutex<Window>,
    /// Told when a full window has room again.
    room: Notify,
    /// The cluster has ended it: nothing new can run in it.
    ended: AtomicBool,
    kept: Mutex<(Sequence, Instant)>,
    /// By the wall clock, which goes on while the machine sleeps.
    kept_us: AtomicU64,
}

impl Session {
    /// A new session.
    pub(crate) fn new(id: SessionId, preference: usize) -> Session {
        Session::with_window(id, preference, false, Window::new())
    }

    /// The session of an earlier process, with what it left unfinished.
    pub(crate) fn resume(
        id: SessionId,
        preference: usize,
        unfinished: impl IntoIterator<Item = Sequence>,
    ) -> Session {
        Session::with_window(id, preference, true, Window::resume(unfinished))
    }

    fn with_window(id: SessionId, preference: usize, earlier: bool, window: Window) -> Session {
        let kept = Mutex::new((window.watermark(), Instant::now()));
        Session {
            id,
            preference,
            earlier,
            window: Mutex::new(window),
            room: Notify::new(),
            ended: AtomicBool::new(false),
            kept,
            kept_us: AtomicU64::new(stamp_now().0),
        }
    }

    /// The next sequence number, waiting for room in the window until the deadline; none if there was no room.
    pub(crate) async fn next(&self, until: Instant) -> Option<Sequence> {
        loop {
            // Made before the window is looked at, so that room that comes in between is not missed.
            let room = self.room.notified();
            if let Some(sequence) = self.window(Window::next) {
                return Some(sequence);
            }
            tokio::time::timeout_at(until, room).await.ok()?;
        }
    }

    /// The answer is known, or let go of.
    pub(crate) fn settle(&self, sequence: Sequence) {
        if self.window(|window| window.settle(sequence)) {
            self.room.notify_waiters();
        }
    }

    /// Every answer below this is known.
    pub(crate) fn watermark(&self) -> Sequence {
        self.window(|window| window.watermark())
    }

    /// The sequence that comes next.
    pub(crate) fn end(&self) -> Sequence {
        self.window(|window| window.end())
    }

    /// How many requests are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.window(|window| window.outstanding())
    }

    /// Nothing new can run in it.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// It was not kept alive for so long that it should not be used any more.
    pub(crate) fn is_stale(&self, now: Stamp) -> bool {
        now.0.saturating_sub(self.kept_us.load(Ordering::Relaxed)) > STALE_US
    }

    /// The cluster says that it has ended.
    pub(crate) fn mark_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// The watermark, if the coordinators should hear of it now.
    pub(crate) fn to_keep(&self, now: Instant) -> Option<Sequence> {
        let watermark = self.watermark();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_ended() || (kept.0 == watermark && now.duration_since(kept.1) < KEEP_INTERVAL) {
            return None;
        }
        *kept = (watermark, now);
        self.kept_us.store(stamp_now().0, Ordering::Relaxed);
        Some(watermark)
    }

    fn window<T>(&self, with: impl FnOnce(&mut Window) -> T) -> T {
        with(&mut self.window.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn the_watermark_is_told_when_it_moves_and_every_thirty_seconds() {
        let session = Session::new(SessionId(1), 0);
        let now = Instant::now();
        assert_eq!(session.to_keep(now), None);
        let sequence = session.next(now).await.expect("there is room");
        session.settle(sequence);
        assert_eq!(session.to_keep(now), Some(Sequence(2)));
        assert_eq!(session.to_keep(now), None);
        assert_eq!(session.to_keep(now + KEEP_INTERVAL), Some(Sequence(2)));
        session.mark_ended();
        assert_eq!(session.to_keep(now + 2 * KEEP_INTERVAL), None);
        assert!(!session.is_stale(stamp_now()));
        assert!(session.is_stale(Stamp(stamp_now().0 + STALE_US + 1_000_000)));
    }

    #[tokio::test]
    async fn a_full_session_waits_for_room_until_the_deadline() {
        let session = Arc::new(Session::new(SessionId(1), 0));
        let until = Instant::now() + Duration::from_secs(60);
        while session.outstanding() < 4096 {
            session.next(until).await.expect("there is room");
        }
        assert_eq!(session.next(Instant::now() + Duration::from_millis(10)).await, None);
        let later = Arc::clone(&session);
        let waiting = tokio::spawn(async move { later.next(until).await });
        tokio::task::yield_now().await;
        session.settle(Sequence(1));
        assert_eq!(waiting.await.expect("no panic"), Some(Sequence(4097)));
    }
}

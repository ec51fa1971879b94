//! Durable before told (R7): what the machine says leaves only after everything written until then is synced.
//!
//! What a turn says waits for the sync that the turn begins. What arrives while a sync runs is taken in the turn after
//! it: group commit without a timer, and a lone transaction waits for one sync. Writes that nobody is told of
//! (outcomes) wait in memory for the next vote's batch, or are written and synced in the background a little later.

use crate::{NodeError, sync_thread::SyncThread};
use assent_protocol::{ids::Peer, message::Message};
use assent_transport::Endpoint;
use std::time::{Duration, Instant};

/// How long a write that nobody is told of may wait.
const BACKGROUND_SYNC: Duration = Duration::from_millis(20);
/// How long the loop waits for a sync without looking at the network, unless the sync before took longer. Longer than
/// most syncs take, and far shorter than the silence after which a peer takes this node for dead.
const SYNC_PATIENCE: Duration = Duration::from_millis(2);

pub(crate) struct Outgoing {
    endpoint: Endpoint,
    sync: SyncThread,
    /// When the last sync began, and how long the last one that is done took.
    began: Instant,
    took: Duration,
    /// Freed by the sync that runs now; none if none runs.
    syncing: Option<Vec<(Peer, Message)>>,
    /// Freed by the sync after it.
    gathered: Vec<(Peer, Message)>,
    /// Since when something waits in the store that no started sync covers.
    pending_since: Option<Instant>,
}

impl Outgoing {
    pub(crate) fn new(endpoint: Endpoint, sync: SyncThread) -> Self {
        Outgoing {
            endpoint,
            sync,
            began: Instant::now(),
            took: Duration::ZERO,
            syncing: None,
            gathered: Vec::new(),
            pending_since: None,
        }
    }

    /// Whether a sync runs.
    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// When the loop must take a turn at the latest, so that what waits gets synced.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        match (&self.syncing, self.pending_since) {
            (None, Some(since)) => Some(since + BACKGROUND_SYNC),
            (Some(_), _) | (None, None) => None,
        }
    }

    /// Takes what the machine said in a turn; `pending` says whether the store holds writes that are not committed. What rests
    /// on no write leaves at once. Returns whether the store must be committed now, and then [`Outgoing::begin_sync`] called.
    #[must_use]
    pub(crate) fn take_turn(&mut self, pending: bool, out: &mut Vec<(Peer, Message)>) -> bool {
        assert!(!self.is_syncing(), "no turn is taken while a sync runs");
        self.gathered.append(out);
        if !pending {
            let free = std::mem::take(&mut self.gathered);
            self.send(free);
            return false;
        }
        let since = *self.pending_since.get_or_insert_with(Instant::now);
        !self.gathered.is_empty() || since.elapsed() >= BACKGROUND_SYNC
    }

    /// Everything that was written is committed: begins the sync that frees what was said until now. Mostly it is done,
    /// and what waited for it has left, when this returns.
    pub(crate) fn begin_sync(&mut self) -> Result<(), NodeError> {
        self.pending_since = None;
        self.syncing = Some(std::mem::take(&mut self.gathered));
        self.began = Instant::now();
        self.sync.begin()?;
        if self.took < SYNC_PATIENCE
            && let Some(done) = self.sync.wait_briefly(SYNC_PATIENCE)
        {
            return self.on_synced(done);
        }
        Ok(())
    }

    /// Waits for the sync that runs, and lets leave what waited for it.
    pub(crate) async fn synced(&mut self) -> Result<(), NodeError> {
        let done = self.sync.done().await;
        self.on_synced(done)
    }

    fn on_synced(&mut self, done: Result<(), NodeError>) -> Result<(), NodeError> {
        // Whatever was said stays unsaid: after a restart the node recovers from what is on the disk.
        done?;
        self.took = self.began.elapsed();
        let freed = self.syncing.take().unwrap_or_default();
        self.send(freed);
        Ok(())
    }

    fn send(&self, messages: Vec<(Peer, Message)>) {
        for (peer, message) in messages {
            // Who is not connected asks again when it is.
            if let Err(error) = self.endpoint.send(peer, &message) {
                tracing::debug!(?peer, %error, "not sent");
            }
        }
    }
}

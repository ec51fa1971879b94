//! Durable before told (R7): what the machine says leaves only after everything written until then is synced.
//!
//! What a turn says waits for the sync that the turn begins. What arrives while a sync runs is taken in the turn after
//! it: group commit without a timer, and a lone transaction waits for one sync. Writes that nobody is told of
//! (outcomes) are synced in the background a little later.

use crate::{NodeError, sync_thread::SyncThread};
use assent_protocol::{ids::Peer, message::Message};
use assent_transport::Endpoint;
use std::time::{Duration, Instant};

/// How long a write that nobody is told of may stay unsynced.
const BACKGROUND_SYNC: Duration = Duration::from_millis(20);

pub(crate) struct Outgoing {
    endpoint: Endpoint,
    sync: SyncThread,
    /// Freed by the sync that runs now; none if none runs.
    syncing: Option<Vec<(Peer, Message)>>,
    /// Freed by the sync after it.
    gathered: Vec<(Peer, Message)>,
    /// Since when something is written that no started sync covers.
    unsynced_since: Option<Instant>,
}

impl Outgoing {
    pub(crate) fn new(endpoint: Endpoint, sync: SyncThread) -> Self {
        Outgoing { endpoint, sync, syncing: None, gathered: Vec::new(), unsynced_since: None }
    }

    /// Whether a sync runs.
    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// When the loop must take a turn at the latest, so that what is written gets synced.
    pub(crate) fn sync_due(&self) -> Option<Instant> {
        match (&self.syncing, self.unsynced_since) {
            (None, Some(since)) => Some(since + BACKGROUND_SYNC),
            (Some(_), _) | (None, None) => None,
        }
    }

    /// Takes what the machine said in a turn in which `written` says whether the store was written.
    pub(crate) fn take_turn(
        &mut self,
        written: bool,
        out: &mut Vec<(Peer, Message)>,
    ) -> Result<(), NodeError> {
        if written && self.unsynced_since.is_none() {
            self.unsynced_since = Some(Instant::now());
        }
        self.gathered.append(out);
        self.go_on()
    }

    /// The sync that was running is done: what waited for it leaves.
    pub(crate) fn on_synced(&mut self) -> Result<(), NodeError> {
        let freed = self.syncing.take().unwrap_or_default();
        self.send(freed);
        self.go_on()
    }

    fn go_on(&mut self) -> Result<(), NodeError> {
        if self.syncing.is_some() {
            // What was just said may rest on what is being synced: it waits at least for that.
            return Ok(());
        }
        let Some(since) = self.unsynced_since else {
            let free = std::mem::take(&mut self.gathered);
            self.send(free);
            return Ok(());
        };
        if !self.gathered.is_empty() || since.elapsed() >= BACKGROUND_SYNC {
            self.unsynced_since = None;
            self.syncing = Some(std::mem::take(&mut self.gathered));
            self.sync.begin()?;
        }
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

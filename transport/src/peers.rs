//! Who is connected: finds the connection of a peer, and sees to it that a node has one at a time.
//!
//! A node has one seat. Its connection holds the seat from before its Up until after its Down; a newer connection
//! of the same node ends the older one and waits for the seat. So Ups and Downs of a peer alternate.

use crate::{connection::Connection, refusal::CODE_REPLACED};
use assent_protocol::ids::{NodeId, Peer};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::OwnedMutexGuard;

#[derive(Default)]
pub(crate) struct Peers {
    connected: RwLock<BTreeMap<Peer, Arc<Connection>>>,
    seats: Mutex<HashMap<NodeId, Seat>>,
    clients: AtomicU64,
}

#[derive(Default)]
struct Seat {
    taken: Arc<tokio::sync::Mutex<()>>,
    /// The newest connection of the node, seated or waiting.
    newest: Option<quinn::Connection>,
}

impl Peers {
    /// A number that no client connection of this process has had.
    pub(crate) fn next_client(&self) -> Peer {
        Peer::Client(self.clients.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Ends the node's other connections and waits for the seat; none if an even newer one came meanwhile.
    pub(crate) async fn take_seat(
        &self,
        node: NodeId,
        connection: &quinn::Connection,
    ) -> Option<OwnedMutexGuard<()>> {
        let taken = {
            let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
            let seat = seats.entry(node).or_default();
            if let Some(older) = seat.newest.replace(connection.clone()) {
                older.close(CODE_REPLACED, b"replaced by a newer connection of the same node");
            }
            Arc::clone(&seat.taken)
        };
        let guard = taken.lock_owned().await;
        connection.close_reason().is_none().then_some(guard)
    }

    /// Lets go of all connections that are remembered to be replaced.
    pub(crate) fn forget_seats(&self) {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn insert(&self, connection: &Arc<Connection>) {
        let mut connected = self.connected.write().unwrap_or_else(PoisonError::into_inner);
        let before = connected.insert(connection.peer, Arc::clone(connection));
        assert!(before.is_none(), "a peer has one connection at a time");
    }

    pub(crate) fn remove(&self, peer: Peer) {
        self.connected.write().unwrap_or_else(PoisonError::into_inner).remove(&peer);
    }

    /// Runs `act` on the connection of a peer, if there is one.
    pub(crate) fn with<T>(&self, peer: Peer, act: impl FnOnce(&Connection) -> T) -> Option<T> {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.get(&peer).map(|connection| act(connection))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

//! Takes connections: who may come in, as whom, and how many at a time.
//!
//! Strangers cost little: a bounded number of handshakes with a bounded time each. Nothing is told upwards before
//! the certificate, the role, the name and both streams are as they must be.

use crate::{
    config::Dial,
    connection::{self, End, Streams},
    dial,
    endpoint::Shared,
    measure,
    principal::{InvalidPrincipal, Principal, Role},
    refusal::Refusal,
};
use assent_protocol::ids::Peer;
use quinn::{ConnectionError, Incoming};
use rustls::pki_types::CertificateDer;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Takes connections until the endpoint closes.
pub(crate) async fn run(shared: Arc<Shared>, quic: quinn::Endpoint) {
    let handshakes = Arc::new(Semaphore::new(shared.config.handshakes_max));
    let clients = Arc::new(Semaphore::new(shared.config.clients_max));
    while let Some(incoming) = quic.accept().await {
        let Ok(place) = Arc::clone(&handshakes).try_acquire_owned() else {
            measure::count_refused("too_many_handshakes");
            incoming.refuse();
            continue;
        };
        if shared.is_closing() {
            incoming.refuse();
            continue;
        }
        tokio::spawn(serve(Arc::clone(&shared), incoming, place, Arc::clone(&clients)));
    }
}

/// One connection from its first packet to its end.
async fn serve(
    shared: Arc<Shared>,
    incoming: Incoming,
    place: OwnedSemaphorePermit,
    clients: Arc<Semaphore>,
) {
    let address = incoming.remote_address();
    let connection = match timeout(shared.config.handshake_timeout, shake_hands(incoming)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return report_handshake(address, &error.to_string()),
        Err(_) => return report_handshake(address, "it was not done in time"),
    };
    let admitted = timeout(shared.config.handshake_timeout, admit(&shared, &connection, &clients)).await;
    drop(place);
    let end = match admitted {
        Ok(Ok(guest)) => {
            let end =
                connection::keep(&shared, &connection, guest.streams, guest.peer, &guest.principal).await;
            tracing::info!(peer = %guest.principal, %address, "down: {}", dial::explain(&end));
            end
        }
        Ok(Err(end)) => {
            connection::close(&connection, &end);
            end
        }
        Err(_) => {
            report_handshake(address, "its streams were not there in time");
            End::Lost(ConnectionError::TimedOut)
        }
    };
    if let End::Refused(refusal) = end {
        report_refusal(address, &refusal);
    }
}

/// Who came in, and all that it needs.
struct Guest {
    peer: Peer,
    principal: Principal,
    streams: Streams,
    /// The client's place among all clients.
    _place: Option<OwnedSemaphorePermit>,
}

async fn shake_hands(incoming: Incoming) -> Result<quinn::Connection, ConnectionError> {
    incoming.accept()?.await
}

async fn admit(
    shared: &Shared,
    connection: &quinn::Connection,
    clients: &Arc<Semaphore>,
) -> Result<Guest, End> {
    let principal = peer_principal(connection)?;
    let (peer, place) = match principal.role {
        Role::Client => {
            let full = |_| Refusal::TooManyClients(shared.config.clients_max);
            let place = Arc::clone(clients).try_acquire_owned().map_err(full)?;
            (shared.peers.next_client(), Some(place))
        }
        Role::Coordinator | Role::Participant => (admit_node(shared, &principal)?, None),
    };
    let streams = connection::accept_streams(connection).await?;
    Ok(Guest { peer, principal, streams, _place: place })
}

/// A node is welcome if the cluster file knows it and the mesh rule says that it dials this one.
fn admit_node(shared: &Shared, principal: &Principal) -> Result<Peer, Refusal> {
    let own = shared.config.identity.principal();
    let cluster = &shared.config.cluster;
    let node = cluster
        .node_named(principal.role, &principal.name)
        .ok_or_else(|| Refusal::NotInCluster(principal.clone()))?;
    let dials_this = cluster.node_named(own.role, &own.name).is_some_and(|own| dial::dials(node, own));
    match shared.config.dial {
        Dial::Mesh if dials_this => Ok(Peer::Node(node.id)),
        Dial::Mesh | Dial::Coordinators | Dial::Nodes(_) => Err(Refusal::WrongDirection(principal.clone())),
    }
}

/// Who the peer's certificate, which TLS has verified, speaks for.
pub(crate) fn peer_principal(connection: &quinn::Connection) -> Result<Principal, Refusal> {
    let chain =
        connection.peer_identity().and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let none = || InvalidPrincipal::Unreadable("none was shown".to_owned());
    let leaf = chain.as_ref().and_then(|chain| chain.first()).ok_or_else(none);
    leaf.and_then(Principal::of_certificate).map_err(Refusal::Nobody)
}

fn report_handshake(address: SocketAddr, why: &str) {
    measure::count_refused("handshake");
    tracing::warn!(%address, "a connection was not made: {why}");
}

pub(crate) fn report_refusal(address: SocketAddr, refusal: &Refusal) {
    measure::count_refused(refusal.label());
    tracing::warn!(%address, "a peer was refused: {refusal}");
}

//! The endpoint: one UDP socket, all connections, and the handle that the rest of a process holds.
//!
//! How to use it:
//! 1. [`Endpoint::start`], in the runtime in which everything will run,
//! 2. take [`Event`]s as they come; after a peer's Up, [`Endpoint::send`] to it,
//! 3. [`Endpoint::close`]. Dropping the receiver of events ends everything too, without a goodbye to what waits.
//!
//! Events are bounded: while nobody takes them, connections stop reading and peers are held back by QUIC. Pings go
//! on meanwhile, so a busy node does not look like a dead one.

use crate::{
    accept,
    config::EndpointConfig,
    dial::{self, DialError},
    frames::Lane,
    measure::Meters,
    peers::Peers,
    principal::{Principal, Role},
    refusal::CODE_CLOSING,
    roles, tls, udp,
};
use assent_protocol::{
    codec,
    ids::{NodeId, Peer},
    message::Message,
};
use quinn::{AsyncUdpSocket, Runtime};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// What happens on an endpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A peer is connected: messages to it will be taken from now on.
    Up {
        /// How to address it.
        peer: Peer,
        /// Its role, from its certificate.
        role: Role,
        /// Its name, from its certificate.
        name: String,
    },
    /// The connection is over. What was sent over it and not answered may have arrived or not.
    Down {
        /// Whose.
        peer: Peer,
    },
    /// Messages that have arrived, in order, checked one by one.
    Messages {
        /// From whom.
        peer: Peer,
        /// At least one.
        messages: Vec<Message>,
        /// When they had been read and decoded: from then on they wait for whoever takes events.
        arrived: Instant,
    },
}

/// Why an endpoint did not start.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address can't be listened on.
    #[error(
        "can't open UDP {address}: {source}; is another process using it, and is the address this machine's?"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate names a node that the cluster file does not list.
    #[error("{0} is not in the cluster file; add it there, or use the certificate of a node that is")]
    NotInCluster(Principal),
    /// The identity can't be used for TLS.
    #[error("the certificate or key can't be used: {0}")]
    Tls(String),
    /// A field of the configuration, or a relation between two, is wrong.
    #[error("configuration: {0}")]
    Config(String),
}

/// Why a message was not taken. Nothing of it was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendError {
    /// There is no connection to this peer now.
    #[error("there is no connection to the peer")]
    NotConnected,
    /// Too much waits for this connection already.
    #[error("too much is waiting for the connection to the peer")]
    Overloaded,
    /// The encoded message is larger than a frame may be.
    #[error("the message is larger than 8 MiB")]
    TooLarge,
    /// The role table does not allow this message from here to there; the peer would end the connection.
    #[error("the role table forbids this message to this peer")]
    Forbidden,
}

/// A QUIC endpoint with its connections. Clones are handles of the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

/// What the tasks of an endpoint share.
pub(crate) struct Shared {
    pub(crate) config: EndpointConfig,
    pub(crate) peers: Peers,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) meters: Meters,
    /// None once the endpoint is closed: the socket lives for as long as anyone holds this.
    quic: Mutex<Option<quinn::Endpoint>>,
    socket: Weak<dyn AsyncUdpSocket>,
    local_address: SocketAddr,
    dial_errors: Mutex<HashMap<NodeId, DialError>>,
    closing: watch::Sender<bool>,
}

/// How long an endpoint that doesn't listen lets its last packets leave.
const GOODBYE: Duration = Duration::from_millis(5);

impl Endpoint {
    /// Opens the socket and begins to dial. Must be called in a tokio runtime, in which everything then runs.
    pub async fn start(config: EndpointConfig) -> Result<(Endpoint, mpsc::Receiver<Event>), TransportError> {
        config.check()?;
        let Opened { quic, socket, local_address } = open(&config)?;
        let (events, receiver) = mpsc::channel(config.events_max);
        let targets = dial::targets(&config);
        let listens = config.listen.is_some();
        let shared = Arc::new(Shared {
            config,
            peers: Peers::default(),
            events,
            meters: Meters::new(),
            quic: Mutex::new(Some(quic.clone())),
            socket,
            local_address,
            dial_errors: Mutex::default(),
            closing: watch::Sender::new(false),
        });
        tokio::spawn(abandon_with_events(Arc::clone(&shared)));
        if listens {
            tokio::spawn(accept::run(Arc::clone(&shared), quic));
        }
        for node in targets {
            tokio::spawn(dial::run(Arc::clone(&shared), node));
        }
        Ok((Endpoint { shared }, receiver))
    }

    /// Takes a message for a peer. Never waits: the message leaves with the next write to its connection, together
    /// with all others that wait.
    pub fn send(&self, peer: Peer, message: &Message) -> Result<(), SendError> {
        let own = self.shared.config.identity.role();
        let sent = self.shared.peers.with(peer, |connection| {
            if roles::may_send(own, connection.role, message) {
                let content = codec::encode(message);
                connection.outgoing.push(Lane::for_message(message, content.len()), &content)
            } else {
                // A bug here, but possibly one that a peer's message brought about: no reason to end the process.
                tracing::error!(%own, to = %connection.role, ?message, "the role table forbids this message");
                Err(SendError::Forbidden)
            }
        });
        sent.unwrap_or(Err(SendError::NotConnected))
    }

    /// The UDP address of this endpoint.
    pub fn local_address(&self) -> SocketAddr {
        self.shared.local_address
    }

    /// Why there is no connection to a node that this endpoint dials; none if there is one, or none was tried yet.
    pub fn dial_error(&self, node: NodeId) -> Option<DialError> {
        self.shared.dial_errors.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    /// Takes nothing more, sends what waits, tells every peer, and gives the port back. Each of the three is given
    /// up after `close_timeout`.
    pub async fn close(&self) {
        let shared = &self.shared;
        shared.closing.send_replace(true);
        let Some(quic) = shared.quic() else {
            return;
        };
        let connections = shared.peers.all();
        connections.iter().for_each(|connection| connection.outgoing.drain());
        let flushed = async {
            for connection in &connections {
                connection.outgoing.wait_flushed().await;
            }
        };
        // What a peer has not acknowledged by then is lost, as it may be with any connection.
        let _ = timeout(shared.config.close_timeout, flushed).await;
        shared.abandon();
        // A node waits out QUIC's draining, so that its port is free for the next start. A client has no port to give
        // back: it waits until its goodbye has been sent, and people don't wait for it.
        let draining = if shared.config.listen.is_some() { shared.config.close_timeout } else { GOODBYE };
        let _ = timeout(draining, quic.wait_idle()).await;
        drop((quic, connections));
        let released = async {
            // Nothing tells when the last task lets go of the socket; it is a matter of a few polls.
            while shared.socket.strong_count() > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        if shared.config.listen.is_some() {
            let _ = timeout(shared.config.close_timeout, released).await;
        }
    }
}

impl Shared {
    /// Whether the endpoint makes and takes no more connections.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Waits until `is_closing`.
    pub(crate) async fn closing(&self) {
        let mut closing = self.closing.subscribe();
        // The sender lives in `self`, so it can't go away meanwhile.
        let _ = closing.wait_for(|closing| *closing).await;
    }

    /// The QUIC endpoint; none once it is closed.
    pub(crate) fn quic(&self) -> Option<quinn::Endpoint> {
        self.quic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends everything at once, whatever waits.
    pub(crate) fn abandon(&self) {
        self.closing.send_replace(true);
        if let Some(quic) = self.quic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            quic.close(CODE_CLOSING, b"closing");
        }
        self.peers.forget_seats();
    }

    pub(crate) fn set_dial_error(&self, node: NodeId, error: Option<DialError>) {
        let mut errors = self.dial_errors.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => errors.insert(node, error),
            None => errors.remove(&node),
        };
    }
}

/// Ends the endpoint when nobody can take its events any more.
async fn abandon_with_events(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.events.closed() => shared.abandon(),
        () = shared.closing() => {}
    }
}

struct Opened {
    quic: quinn::Endpoint,
    socket: Weak<dyn AsyncUdpSocket>,
    local_address: SocketAddr,
}

fn open(config: &EndpointConfig) -> Result<Opened, TransportError> {
    let address = config.listen.unwrap_or_else(|| any_address(config));
    let listen_error = |source| TransportError::Listen { address, source };
    let server = config.listen.map(|_| tls::server_config(config)).transpose()?;
    let runtime = Arc::new(udp::Tokio);
    let socket =
        UdpSocket::bind(address).and_then(|socket| runtime.wrap_udp_socket(socket)).map_err(listen_error)?;
    let weak = Arc::downgrade(&socket);
    let mut quic =
        quinn::Endpoint::new_with_abstract_socket(tls::endpoint_config(config)?, server, socket, runtime)
            .map_err(listen_error)?;
    quic.set_default_client_config(tls::client_config(config)?);
    let local_address = quic.local_addr().map_err(listen_error)?;
    Ok(Opened { quic, socket: weak, local_address })
}

/// An address to dial from. IPv6 reaches IPv4 too, but not every machine has it.
fn any_address(config: &EndpointConfig) -> SocketAddr {
    let all_v4 = config.cluster.nodes().iter().all(|node| node.address.is_ipv4());
    let ip: IpAddr = if all_v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

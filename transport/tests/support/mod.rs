//! A small cluster on loopback for tests: authority, cluster file, endpoints, and a peer that breaks the rules.
//!
//! Waiting is generous everywhere: a test may fail on a wrong outcome, never on a slow machine.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use assent_protocol::{
    codec,
    ids::{NodeId, Peer},
    message::{Message, Query, Reply},
};
use assent_transport::{Authority, Cluster, Dial, Endpoint, EndpointConfig, Event, Identity, Node, Role};
use quinn::{
    ConnectionError, RecvStream, SendStream,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::mpsc::Receiver, time::timeout};

/// Nothing here takes this long but a test that has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const C1: NodeId = NodeId(1);
pub(crate) const C2: NodeId = NodeId(2);
pub(crate) const P1: NodeId = NodeId(11);
pub(crate) const P2: NodeId = NodeId(12);

/// Coordinators c1 and c2, participants p1 and p2, and an authority for everyone.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    pub(crate) cluster: Arc<Cluster>,
}

impl World {
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().expect("a directory for tests");
        let authority = Authority::create(dir.path()).expect("a new authority");
        // All sockets at once, so that no two get the same port.
        let sockets: Vec<UdpSocket> =
            (0..4).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
        let plan = [
            (C1, Role::Coordinator, "c1"),
            (C2, Role::Coordinator, "c2"),
            (P1, Role::Participant, "p1"),
            (P2, Role::Participant, "p2"),
        ];
        let nodes: Vec<Node> = plan
            .iter()
            .zip(&sockets)
            .map(|((id, role, name), socket)| Node {
                id: *id,
                role: *role,
                name: (*name).to_owned(),
                address: socket.local_addr().expect("a bound socket has an address"),
                http: None,
            })
            .collect();
        let cluster = Cluster::new(&nodes, &BTreeMap::new()).expect("a valid cluster");
        World { dir, authority, cluster: Arc::new(cluster) }
    }

    pub(crate) fn address(&self, id: NodeId) -> SocketAddr {
        self.cluster.node(id).expect("a node of this world").address
    }

    /// Certificate and key files for a role and name, issued at the first use.
    pub(crate) fn files(&self, role: Role, name: &str) -> (PathBuf, PathBuf) {
        let file = |end: &str| self.dir.path().join(format!("{role}-{name}.{end}"));
        if !file("crt").exists() {
            self.authority.issue_into(self.dir.path(), role, name).expect("a certificate");
        }
        (file("crt"), file("key"))
    }

    pub(crate) fn identity(&self, role: Role, name: &str) -> Identity {
        let (certificate, key) = self.files(role, name);
        Identity::load(&certificate, &key, self.authority.certificate_path()).expect("a valid identity")
    }

    /// What this role and name would run with, but patient: the default idle timeout is short for a busy machine.
    pub(crate) fn config(&self, role: Role, name: &str) -> EndpointConfig {
        let listen = self.cluster.node_named(role, name).map(|node| node.address);
        let dial = if role.is_node() { Dial::Mesh } else { Dial::Coordinators };
        let mut config =
            EndpointConfig::new(self.identity(role, name), Arc::clone(&self.cluster), listen, dial);
        config.idle_timeout = Duration::from_secs(30);
        config.handshake_timeout = Duration::from_secs(20);
        config
    }

    pub(crate) async fn start(&self, role: Role, name: &str) -> Process {
        Process::start(self.config(role, name)).await
    }

    /// A client that talks only to c1.
    pub(crate) async fn client_of_c1(&self, name: &str) -> Process {
        let mut config = self.config(Role::Client, name);
        config.dial = Dial::Nodes(vec![C1]);
        Process::start(config).await
    }
}

/// An endpoint and its events, one message at a time.
pub(crate) struct Process {
    pub(crate) endpoint: Endpoint,
    pub(crate) events: Receiver<Event>,
    waiting: VecDeque<(Peer, Message)>,
}

impl Process {
    pub(crate) async fn start(config: EndpointConfig) -> Process {
        let (endpoint, events) = Endpoint::start(config).await.expect("the endpoint starts");
        Process { endpoint, events, waiting: VecDeque::new() }
    }

    pub(crate) async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the endpoint goes on")
    }

    /// The next peer that comes up; messages meanwhile are kept, a Down is skipped.
    pub(crate) async fn up(&mut self) -> Peer {
        loop {
            match self.event().await {
                Event::Up { peer, .. } => return peer,
                Event::Messages { peer, messages, .. } => self.keep(peer, messages),
                Event::Down { .. } => {}
            }
        }
    }

    /// The next peer that goes down; messages meanwhile are kept.
    pub(crate) async fn down(&mut self) -> Peer {
        loop {
            match self.event().await {
                Event::Down { peer } => return peer,
                Event::Messages { peer, messages, .. } => self.keep(peer, messages),
                Event::Up { peer, .. } => panic!("{peer:?} came up where a Down was expected"),
            }
        }
    }

    pub(crate) async fn message(&mut self) -> (Peer, Message) {
        while self.waiting.is_empty() {
            match self.event().await {
                Event::Messages { peer, messages, .. } => self.keep(peer, messages),
                Event::Up { .. } => {}
                Event::Down { peer } => panic!("{peer:?} went down where a message was expected"),
            }
        }
        self.waiting.pop_front().expect("not empty")
    }

    fn keep(&mut self, peer: Peer, messages: Vec<Message>) {
        assert!(!messages.is_empty(), "an event holds at least one message");
        self.waiting.extend(messages.into_iter().map(|message| (peer, message)));
    }

    /// Answers every query from now on.
    pub(crate) fn serve(mut self) -> Endpoint {
        let endpoint = self.endpoint.clone();
        tokio::spawn(async move {
            while let Some(event) = self.events.recv().await {
                let Event::Messages { peer, messages, .. } = event else { continue };
                for message in messages {
                    if let Message::Query { request, .. } = message {
                        let _ = self.endpoint.send(peer, &reply(request, "here"));
                    }
                }
            }
        });
        endpoint
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask(&mut self, peer: Peer, request: u64) {
        self.endpoint.send(peer, &query(request)).expect("the peer is connected");
        assert_eq!(self.message().await, (peer, reply(request, "here")));
    }
}

pub(crate) fn query(request: u64) -> Message {
    Message::Query { request, query: Query::Status }
}

pub(crate) fn reply(request: u64, text: &str) -> Message {
    Message::Reply { request, reply: Reply::Refused(text.to_owned()) }
}

/// A frame with its header.
pub(crate) fn frame(message: &Message) -> Vec<u8> {
    let content = codec::encode(message);
    let mut bytes = (content.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&content);
    bytes
}

/// Certificate, key and trusted authority of a peer that need not fit together.
pub(crate) struct Papers {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

impl Papers {
    pub(crate) fn of(world: &World, role: Role, name: &str) -> Papers {
        let (certificate, key) = world.files(role, name);
        Papers { certificate, key, authority: world.authority.certificate_path().to_owned() }
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let pem = fs::read(&self.certificate).expect("a certificate file");
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().expect("PEM")
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(&fs::read(&self.key).expect("a key file")).expect("PEM")
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let pem = fs::read(&self.authority).expect("an authority's file");
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).map(|c| c.expect("PEM")));
        Arc::new(roots)
    }

    /// Connects with QUIC, and none of the rules above it.
    pub(crate) async fn connect(&self, address: SocketAddr, alpn: &str) -> Result<Raw, ConnectionError> {
        let mut tls =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .expect("TLS 1.3")
                .with_root_certificates(self.roots())
                .with_client_auth_cert(self.chain(), self.key())
                .expect("certificate and key");
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let quic = QuicClientConfig::try_from(tls).expect("a QUIC configuration");
        let mut endpoint =
            quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(quic)));
        let connecting = endpoint.connect(address, "node.assent.internal").expect("a valid address");
        Ok(Raw { connection: timeout(PATIENCE, connecting).await.expect("a verdict in time")?, endpoint })
    }

    /// Listens with QUIC, and does nothing with what connects.
    pub(crate) fn listen(&self, address: SocketAddr, alpn: &str) -> quinn::Endpoint {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider)).build();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier.expect("a verifier"))
            .with_single_cert(self.chain(), self.key())
            .expect("certificate and key");
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let quic = QuicServerConfig::try_from(tls).expect("a QUIC configuration");
        let endpoint = quinn::Endpoint::server(quinn::ServerConfig::with_crypto(Arc::new(quic)), address);
        let endpoint = endpoint.expect("the port is free");
        let accepting = endpoint.clone();
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                tokio::spawn(async move {
                    if let Ok(connection) = incoming.await {
                        connection.closed().await;
                    }
                });
            }
        });
        endpoint
    }
}

/// A connection without rules.
pub(crate) struct Raw {
    pub(crate) connection: quinn::Connection,
    endpoint: quinn::Endpoint,
}

/// The two streams of a connection, urgent and bulk.
pub(crate) type RawStreams = [(SendStream, RecvStream); 2];

impl Raw {
    /// Opens both streams as a well-behaved peer does.
    pub(crate) async fn open(&self) -> RawStreams {
        let mut streams = self.open_with(&[1, 2]).await;
        for (index, stream) in streams.iter_mut().enumerate() {
            let mut byte = [0];
            timeout(PATIENCE, stream.1.read_exact(&mut byte)).await.expect("in time").expect("accepted");
            assert_eq!(byte[0] as usize, index + 1, "each stream is greeted with its own kind");
        }
        streams
    }

    /// Opens both streams with these first bytes.
    pub(crate) async fn open_with(&self, prefaces: &[u8; 2]) -> RawStreams {
        let mut streams = [
            self.connection.open_bi().await.expect("two streams are allowed"),
            self.connection.open_bi().await.expect("two streams are allowed"),
        ];
        for (stream, preface) in streams.iter_mut().zip(prefaces) {
            // The peer may have had enough after the first one.
            let _ = stream.0.write_all(&[*preface]).await;
        }
        streams
    }

    /// The peer's last words: its error code and text.
    pub(crate) async fn verdict(&self) -> (u64, String) {
        match timeout(PATIENCE, self.connection.closed()).await.expect("a verdict in time") {
            ConnectionError::ApplicationClosed(close) => {
                (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
            }
            other => panic!("closed without a word: {other}"),
        }
    }
}

/// An endpoint in a thread and runtime of its own, which can be killed without a goodbye.
pub(crate) struct Killable {
    kill: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Killable {
    /// Starts it; returns when it listens.
    pub(crate) async fn start(config: EndpointConfig) -> Killable {
        let (kill, killed) = tokio::sync::oneshot::channel();
        let (ready, started) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let process = Process::start(config).await;
                let _endpoint = process.serve();
                let _ = ready.send(());
                let _ = killed.await;
            });
            // Dropping the runtime drops its tasks where they stand: nothing more is sent.
        });
        started.await.expect("the endpoint starts");
        Killable { kill: Some(kill), thread: Some(thread) }
    }

    /// Ends it as a SIGKILL would, and waits until its port is free again.
    pub(crate) fn kill(mut self) {
        drop(self.kill.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the thread ends well");
        }
    }
}

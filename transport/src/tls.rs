//! How QUIC and TLS are set up: mutual TLS 1.3 with ring, nothing optional, nothing resumed.
//!
//! No 0-RTT and no session tickets: both could be replayed, and a resumed session would not look at certificates.

use crate::{
    config::EndpointConfig,
    endpoint::TransportError,
    identity::{Identity, provider},
    measure,
};
use assent_protocol::codec::PROTOCOL_VERSION;
use quinn::{
    AckFrequencyConfig, ConnectionId, ConnectionIdGenerator, EndpointConfig as QuicEndpointConfig,
    IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt,
    congestion::CubicConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use ring::{hkdf, hmac};
use rustls::{
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::TLS13,
};
use std::{sync::Arc, time::Duration};

/// What one stream may hold unread at the receiver, in bytes.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// Both streams' windows: a full bulk stream leaves the urgent one its own.
const CONNECTION_WINDOW_BYTES: u32 = 2 * STREAM_WINDOW_BYTES;
/// What may be sent and not acknowledged, in bytes: more than both windows, so that it never is what holds an
/// urgent frame up behind bulk ones.
const SEND_WINDOW_BYTES: u64 = 2 * CONNECTION_WINDOW_BYTES as u64;
/// A first packet that is lost, or sent before the peer is there, is repeated after about three times this.
const INITIAL_RTT: Duration = Duration::from_millis(50);
/// After so many packets a peer acknowledges at once, in a packet of its own if it has nothing else to send; after 25 ms it does so
/// for fewer. By default it is every second packet, and then nearly half of all packets are nothing but acknowledgements: a
/// participant acknowledges before it has voted.
const ACK_AFTER_PACKETS: u32 = 8;
/// What a new connection may send before anything is acknowledged, in packets (RFC 9002, 7.2). With less than
/// `ACK_AFTER_PACKETS`, each round of a first large frame would wait for the 25 ms.
const INITIAL_WINDOW_PACKETS: u64 = 10;
/// quinn's own default for what an endpoint takes as one UDP payload, in bytes.
const UDP_PAYLOAD_BYTES_DEFAULT: u16 = 1472;

/// The protocol and its version, as TLS negotiates it.
pub(crate) fn alpn() -> String {
    format!("assent/{PROTOCOL_VERSION}")
}

fn tls_error(error: &dyn std::fmt::Display) -> TransportError {
    TransportError::Tls(error.to_string())
}

pub(crate) fn server_config(config: &EndpointConfig) -> Result<quinn::ServerConfig, TransportError> {
    let identity = &config.identity;
    let verifier = WebPkiClientVerifier::builder_with_provider(identity.roots(), provider())
        .build()
        .map_err(|error| tls_error(&error))?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| tls_error(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(OwnCertificate::new(identity)?));
    tls.alpn_protocols = vec![alpn().into_bytes()];
    tls.send_tls13_tickets = 0;
    tls.max_early_data_size = 0;
    let quic = QuicServerConfig::try_from(tls).map_err(|error| tls_error(&error))?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(quic));
    server.transport_config(Arc::new(transport_config(config)?));
    server.max_incoming(config.handshakes_max);
    Ok(server)
}

pub(crate) fn client_config(config: &EndpointConfig) -> Result<quinn::ClientConfig, TransportError> {
    let identity = &config.identity;
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| tls_error(&error))?
        .with_root_certificates(identity.roots())
        .with_client_auth_cert(identity.chain(), identity.key())
        .map_err(|error| tls_error(&error))?;
    tls.alpn_protocols = vec![alpn().into_bytes()];
    tls.enable_early_data = false;
    tls.resumption = rustls::client::Resumption::disabled();
    let quic = QuicClientConfig::try_from(tls).map_err(|error| tls_error(&error))?;
    let mut client = quinn::ClientConfig::new(Arc::new(quic));
    client.transport_config(Arc::new(transport_config(config)?));
    Ok(client)
}

/// The parts that outlive a connection. Reset tokens derive from the node's key: after a restart, the node can tell
/// the owners of old connections that they are over, and nobody else can.
pub(crate) fn endpoint_config(config: &EndpointConfig) -> Result<QuicEndpointConfig, TransportError> {
    let key = config.identity.key();
    let reset_key: hmac::Key = hkdf::Salt::new(hkdf::HKDF_SHA256, b"assent transport")
        .extract(key.secret_der())
        .expand(&[b"stateless reset"], hmac::HMAC_SHA256)
        .map_err(|error| tls_error(&error))?
        .into();
    let mut quic = QuicEndpointConfig::new(Arc::new(reset_key));
    quic.cid_generator(|| Box::new(RandomIds));
    quic.max_udp_payload_size(config.mtu_bytes_max.max(UDP_PAYLOAD_BYTES_DEFAULT))
        .map_err(|error| tls_error(&error))?;
    Ok(quic)
}

fn transport_config(config: &EndpointConfig) -> Result<TransportConfig, TransportError> {
    let idle = IdleTimeout::try_from(config.idle_timeout)
        .map_err(|_| TransportError::Config("idle_timeout is longer than QUIC can say".to_owned()))?;
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(config.mtu_bytes_max);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_AFTER_PACKETS));
    let mut congestion = CubicConfig::default();
    congestion.initial_window(INITIAL_WINDOW_PACKETS * u64::from(config.mtu_bytes_max));
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(config.keep_alive))
        .max_idle_timeout(Some(idle))
        .max_concurrent_bidi_streams(VarInt::from_u32(2))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        .initial_rtt(INITIAL_RTT)
        .ack_frequency_config(Some(acks))
        .congestion_controller_factory(Arc::new(congestion))
        .mtu_discovery_config(Some(mtu));
    Ok(transport)
}

/// Random connection ids. quinn's default ids carry a tag that only the process that made them knows, and a packet
/// whose id has a wrong tag gets no stateless reset: a restarted node would never answer its old connections.
struct RandomIds;

const CONNECTION_ID_BYTES: usize = 8;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; CONNECTION_ID_BYTES];
        getrandom::fill(&mut bytes)
            .expect("the system has random bytes, or no key could have been made either");
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Shows the one certificate there is, and says in the log which protocols a peer offered in vain: TLS itself only
/// reports that there was none in common.
#[derive(Debug)]
struct OwnCertificate {
    key: Arc<CertifiedKey>,
}

impl OwnCertificate {
    fn new(identity: &Identity) -> Result<OwnCertificate, TransportError> {
        let signing =
            provider().key_provider.load_private_key(identity.key()).map_err(|error| tls_error(&error))?;
        Ok(OwnCertificate { key: Arc::new(CertifiedKey::new(identity.chain(), signing)) })
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let own = alpn();
        let offered: Vec<_> = hello
            .alpn()
            .into_iter()
            .flatten()
            .take(8)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        if !offered.contains(&own) {
            measure::count_refused("protocol");
            tracing::warn!(
                ?offered,
                own,
                "a peer speaks another protocol version and is refused; run one version everywhere"
            );
        }
        Some(Arc::clone(&self.key))
    }
}

//! Dials: keeps one connection to a node for as long as the endpoint lives, however often it breaks.
//!
//! Redials wait with jitter, so that a node that comes back is not met by everyone in the same millisecond.

use crate::{
    accept,
    cluster::{Cluster, Node},
    config::{Dial, EndpointConfig},
    connection::{self, End, Streams},
    endpoint::Shared,
    identity::SERVER_NAME,
    principal::{Principal, Role},
    refusal::{CODE_CLOSING, CODE_REPLACED, Refusal},
    tls,
};
use assent_protocol::ids::Peer;
use quinn::{ConnectionError, TransportErrorCode};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Why there is no connection to a node, as far as this side can tell.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DialError {
    /// No packet came back, or none any more.
    #[error("it does not answer; is it running, and do its address and this one reach each other over UDP?")]
    Silent,
    /// It does not speak this version.
    #[error("it does not speak {0}, the protocol version of this process; run one version everywhere")]
    Protocol(String),
    /// Its certificate is not acceptable here.
    #[error("its certificate is refused here: {0}; both sides need certificates of the same authority")]
    Untrusted(String),
    /// It does not accept this side's certificate.
    #[error("it refuses this side's certificate: {0}; both sides need certificates of the same authority")]
    Rejected(String),
    /// This side refused it.
    #[error("it was refused here: {0}")]
    Refused(Refusal),
    /// It refused this side, and says why.
    #[error("it refused this side: {reason}")]
    RefusedThere {
        /// The application error code.
        code: u64,
        /// Its own words.
        reason: String,
    },
    /// It takes no more connections now.
    #[error("it takes no more connections now")]
    Busy,
    /// It is another process than the one that was connected.
    #[error("it was restarted")]
    Restarted,
    /// It ended in good order.
    #[error("it was shut down")]
    Closed,
    /// Another process with the same certificate has connected.
    #[error(
        "another process has connected under the same name; does each node have a certificate of its own?"
    )]
    Replaced,
    /// This side closed the connection.
    #[error("this side closed the connection")]
    ClosedHere,
    /// Anything else that QUIC reports.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// Whether the mesh rule says that node `from` dials node `to`.
pub(crate) fn dials(from: &Node, to: &Node) -> bool {
    match (from.role, to.role) {
        (Role::Coordinator, Role::Participant) => true,
        (Role::Coordinator, Role::Coordinator) | (Role::Participant, Role::Participant) => from.id < to.id,
        (Role::Participant, Role::Coordinator) | (Role::Client, _) | (_, Role::Client) => false,
    }
}

/// The nodes that an endpoint dials.
pub(crate) fn targets(config: &EndpointConfig) -> Vec<Node> {
    let cluster: &Cluster = &config.cluster;
    let own = config.identity.principal();
    match &config.dial {
        Dial::Mesh => {
            let own = cluster.node_named(own.role, &own.name);
            let dialled = |node: &&Node| own.is_some_and(|own| dials(own, node));
            cluster.nodes().iter().filter(dialled).cloned().collect()
        }
        Dial::Coordinators => cluster.coordinators().cloned().collect(),
        Dial::Nodes(ids) => cluster.nodes().iter().filter(|node| ids.contains(&node.id)).cloned().collect(),
    }
}

/// Dials one node for ever.
pub(crate) async fn run(shared: Arc<Shared>, node: Node) {
    let expected = Principal { role: node.role, name: node.name.clone() };
    let mut delay = shared.config.redial_delay_min;
    let mut told = None;
    while !shared.is_closing() {
        let begun = Instant::now();
        let end = match attempt(&shared, &node, &expected).await {
            Ok((quic, streams)) => {
                told = None;
                shared.set_dial_error(node.id, None);
                let end = connection::keep(&shared, &quic, streams, Peer::Node(node.id), &expected).await;
                tracing::info!(peer = %expected, "down: {}", explain(&end));
                end
            }
            Err(end) => end,
        };
        if let End::Refused(refusal) = &end {
            accept::report_refusal(node.address, refusal);
        }
        let error = explain(&end);
        if told.as_ref() != Some(&error) {
            tracing::warn!(peer = %expected, address = %node.address, "not connected: {error}");
        }
        // A node that was up for a while is dialled again at once; one that ends every connection is not.
        if begun.elapsed() > shared.config.redial_delay_max && error != DialError::Silent {
            delay = shared.config.redial_delay_min;
        }
        if error == DialError::Replaced {
            delay = shared.config.redial_delay_max;
        }
        shared.set_dial_error(node.id, Some(error.clone()));
        told = Some(error);
        tokio::select! {
            () = sleep(jittered(delay)) => {}
            () = shared.closing() => {}
        }
        delay = (delay * 2).min(shared.config.redial_delay_max);
    }
}

async fn attempt(
    shared: &Shared,
    node: &Node,
    expected: &Principal,
) -> Result<(quinn::Connection, Streams), End> {
    let broken = |_| End::Lost(ConnectionError::TimedOut);
    let connecting =
        shared.quic().ok_or(End::Abandoned)?.connect(node.address, SERVER_NAME).map_err(|error| {
            tracing::debug!(%error, "can't dial");
            End::Lost(ConnectionError::LocallyClosed)
        })?;
    let quic = timeout(shared.config.handshake_timeout, connecting).await.map_err(broken)??;
    let checked = async {
        let found = accept::peer_principal(&quic)?;
        if found != *expected {
            return Err(End::Refused(Refusal::WrongNode { expected: expected.clone(), found }));
        }
        connection::open_streams(&quic).await
    };
    match timeout(shared.config.handshake_timeout, checked).await {
        Ok(Ok(streams)) => Ok((quic, streams)),
        Ok(Err(end)) => {
            connection::close(&quic, &end);
            Err(end)
        }
        Err(elapsed) => Err(broken(elapsed)),
    }
}

/// Between half of a delay and all of it.
fn jittered(delay: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    delay / 2 + (delay / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// What the end of a connection means, in words that name a remedy where there is one.
pub(crate) fn explain(end: &End) -> DialError {
    match end {
        End::Refused(refusal) => DialError::Refused(refusal.clone()),
        End::Abandoned => DialError::ClosedHere,
        End::Lost(error) => explain_loss(error),
    }
}

fn explain_loss(error: &ConnectionError) -> DialError {
    match error {
        ConnectionError::TimedOut => DialError::Silent,
        ConnectionError::Reset => DialError::Restarted,
        ConnectionError::LocallyClosed => DialError::ClosedHere,
        ConnectionError::VersionMismatch => DialError::Protocol(tls::alpn()),
        ConnectionError::CidsExhausted => DialError::Broken(error.to_string()),
        ConnectionError::ApplicationClosed(close) if close.error_code == CODE_CLOSING => DialError::Closed,
        ConnectionError::ApplicationClosed(close) if close.error_code == CODE_REPLACED => DialError::Replaced,
        ConnectionError::ApplicationClosed(close) => DialError::RefusedThere {
            code: close.error_code.into_inner(),
            reason: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        ConnectionError::TransportError(error) => match tls_alert(error.code) {
            Some(alert) if is_about_certificates(alert) => DialError::Untrusted(error.reason.clone()),
            Some(NO_APPLICATION_PROTOCOL) => DialError::Protocol(tls::alpn()),
            Some(_) | None => DialError::Broken(error.to_string()),
        },
        ConnectionError::ConnectionClosed(close) => match tls_alert(close.error_code) {
            Some(alert) if is_about_certificates(alert) => {
                DialError::Rejected(String::from_utf8_lossy(&close.reason).into_owned())
            }
            Some(NO_APPLICATION_PROTOCOL) => DialError::Protocol(tls::alpn()),
            None if close.error_code == TransportErrorCode::CONNECTION_REFUSED => DialError::Busy,
            Some(_) | None => DialError::Broken(close.to_string()),
        },
    }
}

/// TLS alert 120 (RFC 7301).
const NO_APPLICATION_PROTOCOL: u64 = 120;

/// The TLS alert in a QUIC error code (RFC 9001, 4.8: 0x100 and the alert).
fn tls_alert(code: TransportErrorCode) -> Option<u64> {
    u64::from(code).checked_sub(0x100).filter(|alert| *alert < 0x100)
}

/// TLS alerts 42 to 46 (certificate bad, unsupported, revoked, expired, unknown), 48 (unknown authority), 49 (access
/// denied), 51 (a signature is not the named authority's), 116 (certificate required).
fn is_about_certificates(alert: u64) -> bool {
    matches!(alert, 42..=46 | 48 | 49 | 51 | 116)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_between_half_and_all() {
        let delay = Duration::from_millis(100);
        for _ in 0..1000 {
            let waited = jittered(delay);
            assert!(waited >= delay / 2 && waited <= delay, "{waited:?}");
        }
    }
}

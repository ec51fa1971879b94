//! What an endpoint is told at its start: who it is, whom it connects to, and every bound it keeps.

use crate::{cluster::Cluster, endpoint::TransportError, identity::Identity, principal::Role};
use assent_protocol::{codec::FRAME_BYTES_MAX, ids::NodeId};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// The largest UDP payload that [`EndpointConfig::mtu_bytes_max`] may allow. Above it, ten segments that are
/// offloaded together exceed 64 KiB, and the kernel loses them without a word.
const MTU_BYTES_LIMIT: u16 = 6_500;

/// Whom an endpoint dials. Connections that come in are welcome by the same rule, seen from the other side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Dial {
    /// What a node does: one connection per pair of nodes. A coordinator dials every participant; of two nodes of
    /// one role, the lower id dials.
    Mesh,
    /// What a client does.
    Coordinators,
    /// What a tool does that questions nodes directly, with a client's certificate.
    Nodes(Vec<NodeId>),
}

/// The configuration of an endpoint. [`EndpointConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Who this process is.
    pub identity: Identity,
    /// Who is in the cluster, and where.
    pub cluster: Arc<Cluster>,
    /// Where to take connections (UDP); none: only dial, from a port that the system picks.
    pub listen: Option<SocketAddr>,
    /// Whom to dial.
    pub dial: Dial,

    /// A connection that has been silent for this long gets a ping. Default: 100 ms. Lower notices a dead peer no
    /// sooner, it only lets more pings be lost before `idle_timeout`; higher saves packets.
    pub keep_alive: Duration,
    /// A connection on which nothing has arrived for this long is over. Default: 500 ms. Lower notices dead peers
    /// sooner, and takes a starved process for a dead one sooner. Of two peers, the lower one counts.
    pub idle_timeout: Duration,
    /// A connection must be made, and the two sides have checked each other, within this time. Default: 3 s. Lower
    /// frees the places of silent strangers sooner, and refuses slow machines.
    pub handshake_timeout: Duration,
    /// Waiting time before the first redial. Default: 20 ms.
    pub redial_delay_min: Duration,
    /// Waiting time between redials at most. Default: 250 ms. Lower finds a node that comes back sooner, and costs
    /// packets while it is away.
    pub redial_delay_max: Duration,
    /// How long [`Endpoint::close`](crate::Endpoint::close) waits for what was sent to arrive. Default: 500 ms.
    pub close_timeout: Duration,

    /// Bytes of frames that wait for one connection; further ones are refused with
    /// [`Overloaded`](crate::SendError::Overloaded). Frames above 16 KiB may take half of it. Default: 32 MiB.
    /// Higher takes longer bursts and more memory.
    pub buffer_bytes_max: usize,
    /// Events that wait for the receiver before connections stop reading. Default: 1,024. One event holds the
    /// messages of at most 64 KiB of small frames, or of one large frame.
    pub events_max: usize,
    /// Connections of clients. Default: 4,096; further ones are refused. Each may hold 2 MiB that
    /// are not read yet, and `buffer_bytes_max` that are not sent yet.
    pub clients_max: usize,
    /// Connections that are being made at the same time; further ones are refused at once. Default: 256.
    pub handshakes_max: usize,
    /// The largest UDP payload to try on a path, in bytes. Default: 6,500, which is also the most. A path that carries less
    /// is found out by probes; one that carries it, as loopback does, costs less CPU.
    pub mtu_bytes_max: u16,
}

impl EndpointConfig {
    /// The defaults.
    pub fn new(
        identity: Identity,
        cluster: Arc<Cluster>,
        listen: Option<SocketAddr>,
        dial: Dial,
    ) -> EndpointConfig {
        EndpointConfig {
            identity,
            cluster,
            listen,
            dial,
            keep_alive: Duration::from_millis(100),
            idle_timeout: Duration::from_millis(500),
            handshake_timeout: Duration::from_secs(3),
            redial_delay_min: Duration::from_millis(20),
            redial_delay_max: Duration::from_millis(250),
            close_timeout: Duration::from_millis(500),
            buffer_bytes_max: 32 * 1024 * 1024,
            events_max: 1024,
            clients_max: 4096,
            handshakes_max: 256,
            mtu_bytes_max: MTU_BYTES_LIMIT,
        }
    }

    /// Checks what the fields must be to one another; from then on they are trusted.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let refuse = |why: &str| Err(TransportError::Config(why.to_owned()));
        if self.idle_timeout <= self.keep_alive.saturating_mul(2) {
            return refuse(
                "idle_timeout must be more than twice keep_alive, or one lost ping ends a connection",
            );
        }
        if self.keep_alive.is_zero() || self.handshake_timeout.is_zero() || self.redial_delay_min.is_zero() {
            return refuse("keep_alive, handshake_timeout and redial_delay_min must be more than zero");
        }
        if self.redial_delay_max < self.redial_delay_min {
            return refuse("redial_delay_max must be at least redial_delay_min");
        }
        if self.buffer_bytes_max / 2 < FRAME_BYTES_MAX + crate::frames::HEADER_BYTES {
            return refuse("buffer_bytes_max must be at least twice the largest frame (8 MiB) and 8 bytes");
        }
        if self.events_max == 0 || self.clients_max == 0 || self.handshakes_max == 0 {
            return refuse("events_max, clients_max and handshakes_max must be more than zero");
        }
        if !(1200..=MTU_BYTES_LIMIT).contains(&self.mtu_bytes_max) {
            return refuse(
                "mtu_bytes_max must be from 1,200 to 6,500: segmentation offload loses larger ones silently",
            );
        }
        self.check_identity()
    }

    fn check_identity(&self) -> Result<(), TransportError> {
        let own = self.identity.principal();
        let known = self.cluster.node_named(own.role, &own.name).is_some();
        if own.role.is_node() && !known {
            return Err(TransportError::NotInCluster(own.clone()));
        }
        match &self.dial {
            Dial::Mesh if !own.role.is_node() => {
                Err(TransportError::Config("a client can't dial as a node does".to_owned()))
            }
            Dial::Nodes(nodes) => match nodes.iter().find(|id| self.cluster.node(**id).is_none()) {
                Some(id) => Err(TransportError::Config(format!(
                    "node {id} is to be dialled, but it is not in the cluster file"
                ))),
                None => Ok(()),
            },
            Dial::Mesh | Dial::Coordinators => Ok(()),
        }?;
        match self.listen {
            Some(_) if own.role == Role::Client => {
                Err(TransportError::Config("a client takes no connections: listen must be none".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }
}

//! Carries: QUIC endpoints, TLS identities, framing, connection keeping.
//!
//! Not here: what messages mean. A message is checked by itself ([`Message::check`]) and by who may say
//! it to whom ([`roles::may_send`]); whatever passes goes up, whatever goes down is sent.
//!
//! What it promises to those above:
//! - a peer is who its certificate says, and the cluster file knows it; everyone else is refused,
//! - [`Event::Up`], then [`Event::Messages`], then [`Event::Down`]: one connection per peer at a time, so what
//!   arrives between an Up and its Down came over one connection,
//! - frames of at most 16 KiB keep their order on a connection, and so do larger ones among themselves; the two
//!   kinds overtake each other, for large ones must not hold up small ones; messages that are relayed keep their order
//!   whatever their size: they travel with the large ones,
//! - a frame may be lost, but only when its connection is.
//!
//! [`Message::check`]: assent_protocol::message::Message::check

mod accept;
mod alarm;
pub mod authority;
pub mod cluster;
mod cluster_file;
mod config;
mod connection;
mod dial;
mod endpoint;
mod frames;
pub mod identity;
mod lane;
mod measure;
pub mod node;
mod peers;
pub mod principal;
mod refusal;
pub mod roles;
mod tls;
mod udp;

pub use alarm::Alarm;
pub use authority::{Authority, AuthorityError, Issued};
pub use cluster::{Cluster, ClusterError, Node};
pub use config::{Dial, EndpointConfig};
pub use dial::DialError;
pub use endpoint::{Endpoint, Event, SendError, TransportError};
pub use frames::URGENT_FRAME_BYTES_MAX;
pub use identity::{Identity, IdentityError};
pub use principal::{Principal, Role};
pub use refusal::Refusal;

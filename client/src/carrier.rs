//! What a client needs of the transport, as a trait, so that tests can put a scripted cluster in its place.

use assent_protocol::{
    ids::{NodeId, Peer},
    message::Message,
};
use assent_transport::{Endpoint, SendError};
use std::{future::Future, pin::Pin};

/// A future that may move between threads.
pub(crate) type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Carries messages to nodes.
pub(crate) trait Carrier: Send + Sync {
    /// Takes a message for a node; on an error nothing of it was sent.
    fn send(&self, node: NodeId, message: &Message) -> Result<(), SendError>;
    /// Why the node can't be reached, in words.
    fn trouble(&self, node: NodeId) -> Option<String>;
    /// Sends what waits, and ends.
    fn close(&self) -> Boxed<'_>;
}

impl Carrier for Endpoint {
    fn send(&self, node: NodeId, message: &Message) -> Result<(), SendError> {
        Endpoint::send(self, Peer::Node(node), message)
    }

    fn trouble(&self, node: NodeId) -> Option<String> {
        self.dial_error(node).map(|error| error.to_string())
    }

    fn close(&self) -> Boxed<'_> {
        Box::pin(Endpoint::close(self))
    }
}

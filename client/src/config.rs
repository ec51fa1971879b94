//! What a client is told at its start, with every bound that it keeps.

use assent_transport::{Cluster, ClusterError, Identity, IdentityError};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The configuration of a client. [`ClientConfig::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the nodes are, and where tables live.
    pub cluster: Cluster,
    /// Who this client is: a certificate with the role of a client.
    pub identity: Identity,

    /// Where unfinished requests are written down, so that they can be replayed after a crash of this process. Default: none.
    /// With a journal every answer has to be confirmed ([`Outcome::confirm`](crate::Outcome::confirm)), and each
    /// request waits for one sync of this file.
    pub journal: Option<PathBuf>,
    /// How long a call takes at most. Default: 5 s. What is not known by then is
    /// [`Outcome::Unknown`](crate::Outcome::Unknown). Lower gives up sooner; at most 600 s.
    pub deadline: Duration,
    /// How long the cluster may take to decide one attempt. Default: 2 s; never more than 4/5 of what is left of the
    /// call. Lower finds a way round a slow participant sooner, and aborts more under contention.
    pub prepare_deadline: Duration,
    /// How long [`Client::connect`](crate::Client::connect) tries to reach a coordinator and get a session. Default: 10 s.
    pub connect_deadline: Duration,
    /// How long a question to a node ([`Client::status`](crate::Client::status) and its kin) waits. Default: 2 s.
    pub query_deadline: Duration,
    /// Requests of all sessions of this client that are under way at the same time; further ones wait. Default: 1,024.
    /// Higher gives more load, lower gives shorter queues in the coordinators.
    pub requests_in_flight_max: usize,
    /// The longest wait before something is tried again. Default: 100 ms. Lower retries harder.
    pub retry_delay_max: Duration,
}

impl ClientConfig {
    /// The defaults.
    pub fn new(cluster: Cluster, identity: Identity) -> ClientConfig {
        ClientConfig {
            cluster,
            identity,
            journal: None,
            deadline: Duration::from_secs(5),
            prepare_deadline: Duration::from_secs(2),
            connect_deadline: Duration::from_secs(10),
            query_deadline: Duration::from_secs(2),
            requests_in_flight_max: 1024,
            retry_delay_max: Duration::from_millis(100),
        }
    }

    /// The defaults, with the cluster file and the three PEM files of an identity read from disk.
    pub fn load(
        cluster: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
        authority: impl AsRef<Path>,
    ) -> Result<ClientConfig, ConfigError> {
        let cluster = Cluster::load(cluster.as_ref())?;
        let identity = Identity::load(certificate.as_ref(), key.as_ref(), authority.as_ref())?;
        Ok(ClientConfig::new(cluster, identity))
    }

    /// This configuration with a journal.
    pub fn with_journal(mut self, path: impl Into<PathBuf>) -> ClientConfig {
        self.journal = Some(path.into());
        self
    }
}

/// Why a configuration can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The cluster file.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The certificate, key or authority.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

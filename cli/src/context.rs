//! What every command shares: its global options, the cluster file, the connection, and a runtime to wait in.

use crate::{
    failure::{Failure, chain},
    output::Output,
    status::Status,
};
use assent_client::{Client, ClientConfig};
use assent_transport::{Cluster, Identity};
use clap::Args;
use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The cluster file [default: ./cluster.toml]
    #[arg(long, global = true, env = "ASSENT_CLUSTER", value_name = "FILE", help_heading = "Global options")]
    cluster: Option<PathBuf>,
    /// The client's certificate [default: keys/client-admin.crt beside the cluster file]
    #[arg(
        long,
        global = true,
        env = "ASSENT_CERTIFICATE",
        value_name = "FILE",
        help_heading = "Global options"
    )]
    certificate: Option<PathBuf>,
    /// The client's key [default: the certificate's path with .key]
    #[arg(long, global = true, env = "ASSENT_KEY", value_name = "FILE", help_heading = "Global options")]
    key: Option<PathBuf>,
    /// The certificate authority [default: ca.crt beside the certificate]
    #[arg(
        long,
        global = true,
        env = "ASSENT_AUTHORITY",
        value_name = "FILE",
        help_heading = "Global options"
    )]
    authority: Option<PathBuf>,
    /// How long a call may take, in milliseconds
    #[arg(long, global = true, default_value_t = 5_000, value_name = "MS", help_heading = "Global options",
        value_parser = clap::value_parser!(u64).range(1..=600_000))]
    deadline_ms: u64,
    /// Print JSON: one line per result; errors too, on standard error
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
}

impl Global {
    /// How results are printed.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// How long a call may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// Whether the cluster file was named.
    pub(crate) fn names_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// The cluster file.
    pub(crate) fn cluster_file(&self) -> PathBuf {
        self.cluster.clone().unwrap_or_else(|| PathBuf::from("cluster.toml"))
    }

    /// Where the cluster file is.
    pub(crate) fn cluster_dir(&self) -> PathBuf {
        match self.cluster_file().parent() {
            Some(dir) if dir != Path::new("") => dir.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    /// The same options for another cluster with the keys that lie beside its file.
    pub(crate) fn for_cluster(&self, file: PathBuf) -> Global {
        Global { cluster: Some(file), certificate: None, key: None, authority: None, ..self.clone() }
    }

    /// Reads the cluster file.
    pub(crate) fn load_cluster(&self) -> Result<Cluster, Failure> {
        load_cluster(&self.cluster_file())
    }

    /// Reads the client's certificate and key.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        let certificate =
            self.certificate.clone().unwrap_or_else(|| self.cluster_dir().join("keys/client-admin.crt"));
        let key = self.key.clone().unwrap_or_else(|| certificate.with_extension("key"));
        let authority = self.authority.clone().unwrap_or_else(|| certificate.with_file_name("ca.crt"));
        load_identity(&certificate, &key, &authority)
    }

    /// What a client is told: everything but its journal has the library's defaults.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, Failure> {
        let mut config = ClientConfig::new(self.load_cluster()?, self.identity()?);
        config.deadline = self.deadline();
        Ok(config)
    }

    /// Connects to the cluster.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        Client::connect(self.client_config()?).await.map_err(|error| {
            Failure::new(Status::Unreachable, "could not connect to the cluster")
                .cause(chain(&error))
                .remedy("see whether a coordinator and its participants run: assent cluster status")
        })
    }
}

/// Reads a cluster file.
pub(crate) fn load_cluster(path: &Path) -> Result<Cluster, Failure> {
    Cluster::load(path).map_err(|error| {
        Failure::new(Status::Config, format!("could not use the cluster file {}", path.display()))
            .cause(chain(&error))
            .remedy("name the cluster file with --cluster or ASSENT_CLUSTER, or start a local cluster: assent cluster up --dir DIR")
    })
}

/// Reads a certificate and its key.
pub(crate) fn load_identity(certificate: &Path, key: &Path, authority: &Path) -> Result<Identity, Failure> {
    Identity::load(certificate, key, authority).map_err(|error| {
        Failure::new(Status::Config, "could not use the certificate or its key").cause(chain(&error)).remedy(
            "issue one: assent keys issue --dir KEYS --role ROLE --name NAME, and name it with --certificate",
        )
    })
}

/// Waits for a command on this thread: a command's messages are too small to share out over threads.
pub(crate) fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(Status::Failed, "could not start waiting for the network").cause(error)
    })?;
    runtime.block_on(command)
}

/// Like [`block_on`], and Ctrl-C ends it in order: what the command has started is stopped by its guards.
pub(crate) fn block_on_until_interrupted<T>(
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    block_on(async {
        tokio::select! {
            result = command => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Status::Failed, "interrupted")),
        }
    })
}

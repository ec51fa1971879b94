//! Where the parts of a local cluster are, below its directory.
//!
//! ```text
//! DIR/cluster.toml            the cluster file
//! DIR/keys/                   its certificate authority and all certificates and keys
//! DIR/NODE/node.toml          the node's configuration
//! DIR/NODE/log                what it wrote to standard error
//! DIR/NODE/pid                which process it is
//! DIR/NODE/data/              the database of a participant
//! ```

use crate::{failure::Failure, status::Status};
use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// Bytes of a log's end that are looked at for its last lines.
const TAIL_BYTES: u64 = 16 * 1024;

/// The directory of a local cluster.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Of the cluster in `root`, which need not exist yet.
    pub(crate) fn new(root: &Path) -> Result<Layout, Failure> {
        let root = std::path::absolute(root).map_err(|error| {
            Failure::new(Status::Config, format!("{} is no directory path", root.display())).cause(error)
        })?;
        Ok(Layout { root })
    }

    /// Of a cluster that `cluster up` has laid out.
    pub(crate) fn existing(root: &Path) -> Result<Layout, Failure> {
        let layout = Layout::new(root)?;
        if layout.cluster_file().is_file() {
            return Ok(layout);
        }
        Err(Failure::new(Status::Config, format!("there is no local cluster in {}", layout.root.display()))
            .cause(format!("{} does not exist", layout.cluster_file().display()))
            .remedy("name its directory with --dir, or make one: assent cluster up --dir DIR"))
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The cluster file.
    pub(crate) fn cluster_file(&self) -> PathBuf {
        self.root.join("cluster.toml")
    }

    /// The authority and all keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Everything of one node.
    pub(crate) fn node(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The configuration of a node.
    pub(crate) fn node_file(&self, name: &str) -> PathBuf {
        self.node(name).join("node.toml")
    }

    /// The log of a node.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.node(name).join("log")
    }

    /// Which process a node is.
    pub(crate) fn pid_file(&self, name: &str) -> PathBuf {
        self.node(name).join("pid")
    }

    /// The last lines of a node's log, oldest first.
    pub(crate) fn log_tail(&self, name: &str, lines: usize) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(self.log(name))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let all: Vec<&str> = text.lines().collect();
                all[all.len().saturating_sub(lines)..].join("\n")
            }
            Err(error) => format!("(its log can't be read: {error})"),
        }
    }
}

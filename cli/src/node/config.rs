//! The configuration file of one node.
//!
//! Relative paths are meant from the directory of the file, so that a directory can be moved as a whole.

use super::logs::LogFormat;
use crate::{failure::Failure, status::Status};
use assent_transport::Role;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a node's file may hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// The cluster file: the same on every node and client.
    pub(crate) cluster: PathBuf,
    /// The node's name in the cluster file.
    pub(crate) name: String,
    /// The node's certificate chain, PEM.
    pub(crate) certificate: PathBuf,
    /// The key of the certificate, PEM. Keep it from other users.
    pub(crate) key: PathBuf,
    /// The certificate authority that every node and client is checked against, PEM.
    pub(crate) authority: PathBuf,
    /// The directory of the database. Participants need it; a coordinator keeps nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,assent_transport=debug`.
    /// More says more and costs speed.
    #[serde(default = "default_log")]
    pub(crate) log: String,
    /// `text` for people, `json` for collectors.
    #[serde(default)]
    pub(crate) log_format: LogFormat,
}

/// The keys of [`NodeFile`], for the remedy.
const KEYS: &str = "cluster, name, certificate, key, authority, data (participants only), log, log_format";

fn default_log() -> String {
    "info".to_owned()
}

impl NodeFile {
    /// Reads the file and finds its paths. `role` is what the node is started as.
    pub(crate) fn load(path: &Path, role: Role) -> Result<NodeFile, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Status::Config, format!("could not read the configuration {}", path.display()))
                .cause(error)
                .remedy(format!("write it, as docs/cli.md shows; its keys are: {KEYS}"))
        })?;
        let mut file: NodeFile = toml::from_str(&text).map_err(|error| {
            Failure::new(Status::Config, format!("the configuration {} is wrong", path.display()))
                .cause(error)
                .remedy(format!("its keys are: {KEYS}"))
        })?;
        file.check(path, role)?;
        let base = path.parent().unwrap_or(Path::new(""));
        for path in [&mut file.cluster, &mut file.certificate, &mut file.key, &mut file.authority] {
            *path = base.join(&*path);
        }
        file.data = file.data.map(|data| base.join(data));
        Ok(file)
    }

    fn check(&self, path: &Path, role: Role) -> Result<(), Failure> {
        let wrong = |cause: &str, remedy: &str| {
            Err(Failure::new(Status::Config, format!("the configuration {} is wrong", path.display()))
                .cause(cause)
                .remedy(remedy))
        };
        match (role, &self.data) {
            (Role::Participant, None) => {
                wrong("`data` is missing", "name the directory of the database, as: data = \"data\"")
            }
            (Role::Coordinator, Some(_)) => wrong(
                "`data` is given, but a coordinator keeps nothing on disk",
                "remove the line, or start the node with `assent participant`",
            ),
            (Role::Participant, Some(_)) | (Role::Coordinator, None) | (Role::Client, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, role: Role) -> Result<NodeFile, Failure> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).expect("it is writable");
        NodeFile::load(&path, role)
    }

    const COORDINATOR: &str =
        "cluster = \"../cluster.toml\"\nname = \"c\"\ncertificate = \"a\"\nkey = \"b\"\nauthority = \"/c\"\n";

    #[test]
    fn relative_paths_start_at_the_file() {
        let file = load(COORDINATOR, Role::Coordinator).expect("it is right");
        assert!(file.cluster.ends_with("../cluster.toml") && file.cluster.is_absolute());
        assert_eq!(file.authority, Path::new("/c"));
        assert_eq!(file.log, "info");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let failure =
            load(&format!("{COORDINATOR}colour = 1\n"), Role::Coordinator).expect_err("it is wrong");
        assert!(failure.to_string().contains("colour"));
        assert!(failure.to_string().contains("log_format"));
    }

    #[test]
    fn a_participant_needs_a_directory_and_a_coordinator_none() {
        assert!(load(COORDINATOR, Role::Participant).is_err());
        assert!(load(&format!("{COORDINATOR}data = \"d\"\n"), Role::Coordinator).is_err());
        assert!(load(&format!("{COORDINATOR}data = \"d\"\n"), Role::Participant).is_ok());
    }
}

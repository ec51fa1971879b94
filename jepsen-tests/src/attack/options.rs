//! What is chosen for an attack.

use super::{error::AttackError, nemesis::Kind};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// Nodes of a cluster at most: one machine runs them all.
pub const NODES_MAX: u16 = 32;
/// Logical clients at most.
pub const PROCESSES_MAX: u16 = 1_000;

/// How the nodes are kept apart.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// In namespaces where this machine allows it, else on loopback ports; the run says which.
    #[default]
    Automatic,
    /// A network namespace per node, behind a bridge; an error where that can't be.
    Namespaces,
    /// All on loopback, each with ports of its own; faults of the network by a relay in between.
    Loopback,
}

/// What is chosen for an attack. [`AttackOptions::new`] gives the defaults.
#[derive(Clone, PartialEq, Debug)]
pub struct AttackOptions {
    /// The folder that the run fills; made if absent.
    pub folder: PathBuf,
    /// What all chance comes from.
    pub seed: u64,
    /// The faults that may happen; none: the cluster is left alone.
    pub nemeses: Vec<Kind>,
    /// Coordinators; default 2.
    pub coordinators: u16,
    /// Participants; default 3. A third of them, at least one, hold courses, the others students.
    pub participants: u16,
    /// Logical clients with one operation at a time each; default 8.
    pub processes: u16,
    /// Connected clients that share the logical ones between them; default 2.
    pub clients: u16,
    /// How long the clients work under faults; default 30 s.
    pub duration: Duration,
    /// They end earlier when they have begun so many operations.
    pub operations: Option<u64>,
    /// After this a call is unknown; default 2 s. Less gives more unknown operations, which weakens the checkers.
    pub deadline: Duration,
    /// How long a logical client rests between two operations; default 10 ms. Less gives longer histories.
    pub pause: Duration,
    /// How the nodes are kept apart.
    pub network: Network,
    /// The `assent` program; default: `$ASSENT_BINARY`, or beside the running program.
    pub binary: Option<PathBuf>,
    /// The preloaded library, `libassent_lab_shim.so`; default: `$ASSENT_SHIM`, or beside the running program.
    pub shim: Option<PathBuf>,
    /// Leave the nodes' databases and keys in the folder even where all is well.
    pub keep: bool,
    /// What the nodes log, as in their configuration; default `info`.
    pub log: String,
}

impl AttackOptions {
    /// The defaults.
    pub fn new(folder: impl Into<PathBuf>, seed: u64) -> AttackOptions {
        AttackOptions {
            folder: folder.into(),
            seed,
            nemeses: Vec::new(),
            coordinators: 2,
            participants: 3,
            processes: 8,
            clients: 2,
            duration: Duration::from_secs(30),
            operations: None,
            deadline: Duration::from_secs(2),
            pause: Duration::from_millis(10),
            network: Network::Automatic,
            binary: None,
            shim: None,
            keep: false,
            log: "info".to_owned(),
        }
    }

    /// Refuses what can't be attacked.
    pub fn check(&self) -> Result<(), AttackError> {
        let range = |option, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let why = format!("it is at least {min} and at most {max}");
            Err(AttackError::Option { option, value: value.to_string(), why })
        };
        range("coordinators", self.coordinators.into(), 1, NODES_MAX.into())?;
        range("participants", self.participants.into(), 1, NODES_MAX.into())?;
        range("processes", self.processes.into(), 1, PROCESSES_MAX.into())?;
        range("clients", self.clients.into(), 1, self.processes.into())?;
        range("duration (seconds)", self.duration.as_secs(), 1, 7 * 24 * 3600)?;
        if self.operations == Some(0) {
            let why = "it is at least 1".to_owned();
            return Err(AttackError::Option { option: "operations", value: "0".to_owned(), why });
        }
        let deadline_ms = u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX);
        range("deadline (milliseconds)", deadline_ms, 100, 60_000)
    }

    /// In words, for the run's account.
    pub(crate) fn in_words(&self) -> BTreeMap<String, String> {
        let words = [
            ("coordinators", self.coordinators.to_string()),
            ("participants", self.participants.to_string()),
            ("processes", self.processes.to_string()),
            ("clients", self.clients.to_string()),
            ("duration", format!("{} s", self.duration.as_secs())),
            ("deadline", format!("{} ms", self.deadline.as_millis())),
            ("pause", format!("{} ms", self.pause.as_millis())),
        ];
        words.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

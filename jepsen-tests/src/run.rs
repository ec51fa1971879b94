//! What a run leaves behind: a folder with its account, its history, its schedule, and what the nodes said.
//!
//! ```text
//! FOLDER/run.json        this account
//! FOLDER/report.html     the same for people
//! FOLDER/history.ndjson  what clients saw, and history.edn for Jepsen's checkers
//! FOLDER/schedule.json   the faults as they were planned
//! FOLDER/nodes/NAME.log  what each node said, and NAME.metrics.txt: its figures at the end
//! ```

pub mod folder;

use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The account of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// `simulate` or `attack`.
    pub instrument: String,
    /// Which workload.
    pub workload: String,
    /// Which faults were allowed.
    pub nemeses: Vec<String>,
    /// What all chance came from.
    pub seed: u64,
    /// Everything else that was chosen, in words.
    pub options: BTreeMap<String, String>,
    /// When it began, as in RFC 3339; empty for a simulation, whose time is its own.
    pub started: String,
    /// How long it took, in seconds: of the wall clock, or of the simulated one.
    pub seconds: f64,
    /// The nodes, by name.
    pub nodes: Vec<String>,
    /// What was done to them, in order.
    pub faults: Vec<Fault>,
    /// What the checkers say.
    pub verdicts: Vec<Verdict>,
    /// The command that runs it again.
    pub replay: String,
    /// Anything else that a reader should know.
    pub notes: Vec<String>,
}

/// One fault, from its beginning to its end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Its kind, as `kill`.
    pub kind: String,
    /// The nodes or links that it hits, by name.
    pub targets: Vec<String>,
    /// When it began, on the history's clock, in nanoseconds.
    pub from_ns: u64,
    /// When it was over; none if it never was.
    pub to_ns: Option<u64>,
    /// Figures and directions, in words.
    pub detail: String,
}

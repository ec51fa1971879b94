//! What a checker says: whether it holds, in words, and which operations show that it doesn't.

use serde::{Deserialize, Serialize};

/// Whether a property holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// It holds.
    Holds,
    /// The history does not tell: too little happened, or the search was given up.
    Unknown,
    /// It is about time, as that everything gets decided, and it was not kept within its bound. Nothing is wrong.
    Undecided,
    /// It is violated.
    Violated,
}

/// What one checker says of one history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The checker.
    pub checker: String,
    /// What it found.
    pub finding: Finding,
    /// One line for people: how much was judged.
    pub summary: String,
    /// Each violation, the clearest first.
    pub anomalies: Vec<Anomaly>,
    /// Figures that belong to it.
    pub tables: Vec<Table>,
}

/// One violation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Anomaly {
    /// Its class, as `G1c` or `lost enrolment`.
    pub class: String,
    /// What is wrong, in sentences that name the operations.
    pub words: String,
    /// Indexes in the history of the lines that show it.
    pub events: Vec<u64>,
}

/// A table of figures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The heads, with units.
    pub columns: Vec<String>,
    /// The cells, as many in each row as there are heads.
    pub rows: Vec<Vec<String>>,
}

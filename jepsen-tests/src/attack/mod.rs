//! Real clusters under a nemesis: the shipped `assent` program as separate processes, each in a network namespace of its
//! own, the shipped client library as clients, and faults by a schedule that is drawn from a seed and recorded.
//!
//! The same seed plans the same faults and the same wishes; what happens in between is the machine's.
//!
//! Not here: what is asked and what must hold ([`crate::workload`]). Invariant: when [`attack`] returns, in whatever way,
//! no process, namespace or mount that it made is left.

pub mod campaign;
mod environment;
mod error;
mod files;
mod interrupt;
mod nemesis;
mod options;
mod recording;
mod runner;
mod schedule;

pub use error::AttackError;
pub use nemesis::{Drawn, Kind, Planned, Shape, UnknownKind};
pub use options::{AttackOptions, NODES_MAX, Network, PROCESSES_MAX};
pub use runner::{account, account_counting, attack, plan};
pub use schedule::Schedule;

//! Attacks and judges: the same workloads and the same checkers over a simulator, a model and real clusters.
//!
//! Where to find what:
//! - [`history`]: what clients saw, in the forms that outside judges read,
//! - [`workload`]: what clients ask for, and what must be true of the answers; [`workloads`] has those that come along,
//! - [`checkers`]: what must be true of a history,
//! - [`simulator`]: whole clusters in one thread, with every fault, from one seed,
//! - [`model`]: every behaviour of a small cluster, searched exhaustively,
//! - [`properties`]: what must be true of every state and message,
//! - [`attack`]: real clusters under a nemesis,
//! - [`verdict`]: what a checker says,
//! - [`run`]: what a run leaves behind,
//! - [`report`]: the same for people to look at.
//!
//! Not here: anything that a node needs to run.

pub mod attack;
#[cfg(feature = "canaries")]
pub mod canaries;
pub mod checkers;
pub mod history;
pub mod model;
pub mod properties;
pub mod random;
pub mod report;
pub mod run;
pub mod simulator;
pub mod verdict;
pub mod workload;
pub mod workloads;

//! Attacks and judges: the same workloads and the same checkers over a simulator, a model and real clusters.
//!
//! Where to find what:
//! - [`history`]: what clients saw, in the forms that outside judges read,
//! - [`workload`]: what clients ask for, and what must be true of the answers,
//! - [`simulator`]: whole clusters in one thread and in virtual time, from one seed,
//! - [`verdict`]: what a checker says,
//! - [`run`]: what a run leaves behind.
//!
//! Not here: anything that a node needs to run.

pub mod history;
pub mod random;
pub mod run;
pub mod simulator;
pub mod verdict;
pub mod workload;

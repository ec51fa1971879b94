//! Workloads by their names.

use super::{Failure, Status};
use assent_lab::{
    simulator::{Messages, Mixed},
    workload::Workload,
    workloads::{self, WorkloadOptions},
};

/// All names, as help and errors list them.
pub(crate) fn names() -> String {
    let mut names: Vec<&str> = workloads::NAMES.to_vec();
    names.extend(["messages", "mixed"]);
    names.sort_unstable();
    names.join(", ")
}

/// A new workload for a run on so many participants.
pub(crate) fn make(name: &str, participants: u16) -> Result<Box<dyn Workload>, Failure> {
    if name == "mixed" {
        return Ok(Box::<Mixed>::default());
    }
    if name == "messages" {
        return Ok(Box::<Messages>::default());
    }
    let options = WorkloadOptions { participants, ..WorkloadOptions::default() };
    workloads::by_name(name, &options).ok_or_else(|| {
        Failure::new(Status::Usage, format!("there is no workload {name:?}"))
            .cause("its name is none of those that come with the lab")
            .remedy(format!("take one of {}", names()))
    })
}

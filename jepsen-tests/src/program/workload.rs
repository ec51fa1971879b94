//! Workloads by their names.

use super::{Failure, Status};
use assent_lab::{
    workload::Workload,
    workloads::{self, WorkloadOptions},
};

/// A new workload for a run on so many participants.
pub(crate) fn make(name: &str, participants: u16) -> Result<Box<dyn Workload>, Failure> {
    let options = WorkloadOptions { participants, ..WorkloadOptions::default() };
    workloads::by_name(name, &options).ok_or_else(|| {
        Failure::new(Status::Usage, format!("there is no workload {name:?}"))
            .cause("its name is none of those that come with the lab")
            .remedy(format!("take one of {}", workloads::NAMES.join(", ")))
    })
}

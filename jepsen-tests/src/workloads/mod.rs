//! The workloads that come along, by name. Each file tells what its transactions look like and what must be true of them.
//!
//! Not here: who runs them, and the checkers, which read nothing but the history.

mod bank;
mod exactly_once;
mod judges;
mod keys;
mod linear;
mod list_append;
mod messages;
mod register;
mod registrar;
mod values;

use crate::{simulator::Mixed, workload::Workload};
pub use bank::Bank;
pub use exactly_once::ExactlyOnce;
pub use linear::Linear;
pub use list_append::ListAppend;
pub use messages::Messages;
pub use register::Register;
pub use registrar::Registrar;

/// The names that [`by_name`] knows.
pub const NAMES: &[&str] =
    &["bank", "exactly_once", "linear", "list_append", "messages", "mixed", "register", "registrar"];

/// The most keys that a workload takes: a transaction that reads all of them must fit into the protocol's bounds.
pub const KEYS_MAX: u64 = 1_000;
/// The most micro-operations that a workload puts into one transaction.
pub const MICRO_OPERATIONS_MAX: u64 = 256;

/// Figures of a workload. A figure outside its bounds counts as the nearest inside; all are at least 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkloadOptions {
    /// Participants of the cluster; default 3. Keys are chosen so that each of these holds as many of them: a wrong
    /// number makes that uneven, and nothing else.
    pub participants: u16,
    /// Records in use at a time (for the registrar: students, and half as many courses); default 8. Fewer make more
    /// conflicts, more make transactions of more participants.
    pub keys: u64,
    /// Operations on records in one transaction; default 4. More make more ways in which transactions can depend on
    /// each other, and more conflicts.
    pub micro_operations_max: u64,
    /// Writes to a key until another takes its place; default 32. Fewer keep lists short and the search for an order
    /// of reads and writes quick, more make more readers and writers meet on a key.
    pub writes_per_key_max: u64,
}

impl Default for WorkloadOptions {
    fn default() -> Self {
        WorkloadOptions { participants: 3, keys: 8, micro_operations_max: 4, writes_per_key_max: 32 }
    }
}

impl WorkloadOptions {
    fn within_bounds(&self) -> Self {
        WorkloadOptions {
            participants: self.participants.max(1),
            keys: self.keys.clamp(1, KEYS_MAX),
            micro_operations_max: self.micro_operations_max.clamp(1, MICRO_OPERATIONS_MAX),
            writes_per_key_max: self.writes_per_key_max.max(1),
        }
    }
}

/// A workload by its name; `-` counts as `_`.
pub fn by_name(name: &str, options: &WorkloadOptions) -> Option<Box<dyn Workload>> {
    Some(match name.replace('-', "_").as_str() {
        "bank" => Box::new(Bank::new(options)),
        "exactly_once" => Box::new(ExactlyOnce::new(options)),
        "linear" => Box::new(Linear::new(options)),
        "list_append" => Box::new(ListAppend::new(options)),
        // The records of these two are few and fixed: the options say nothing to them.
        "messages" => Box::<Messages>::default(),
        "mixed" => Box::<Mixed>::default(),
        "register" => Box::new(Register::new(options)),
        "registrar" => Box::new(Registrar::new(options)),
        _ => return None,
    })
}

//! What must be true of a history, one file per property. Checkers read histories and nothing else.

pub mod availability;
pub mod bank;
pub mod exactly_once;
pub mod registrar;

mod parts;
mod presence;
mod spans;
mod sums;

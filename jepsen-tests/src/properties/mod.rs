//! What must be true of every state and message, as pure functions: shared by whatever produces states. One file each.
//!
//! - [`outcomes`]: which outcome a message or a record says, and that there is one for each transaction (R1, R2),
//! - [`durable`]: that a message says nothing that its sender's disk could lose (R7).

pub mod durable;
pub mod outcomes;

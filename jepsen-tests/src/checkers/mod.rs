//! What must be true of a history, one file per property: `check(&History) -> Verdict`. Checkers read histories and
//! nothing else; a history that breaks the rules of [`History::check`](crate::history::History::check), or that is not of
//! the checker's shape, is not judged: the finding is then unknown, and the summary says why.
//!
//! - [`bank`], [`registrar`], [`exactly_once`]: what the records of these workloads mean is kept,
//! - [`messages`]: each message takes effect as often as its mailbox promises, and in the order of its key,
//! - [`availability`]: how long nothing succeeded, and how soon after each fault something did again,
//! - [`list_append`]: transactions that append to lists and read them are strictly serializable,
//! - [`register`]: the same for transactions that write and read registers, as far as registers can show it,
//! - [`linearizability`]: single reads, writes and compare-and-sets of a register are linearizable.
//!
//! Below the last three: `transactions` (what a history says of them), `graph` and `components` (who must come before
//! whom), `cycles` (where that is impossible), `paths` (the shortest way to see it), `words` (the same for people).

pub mod availability;
pub mod bank;
pub mod exactly_once;
pub mod linearizability;
pub mod list_append;
pub mod messages;
pub mod register;
pub mod registrar;

mod components;
mod cycles;
mod graph;
mod parts;
mod paths;
mod presence;
mod report;
mod spans;
mod sums;
mod transactions;
mod words;

//! What judges histories. Each file is one checker, `check(&History) -> Verdict`; a history that breaks the rules of
//! [`History::check`](crate::history::History::check), or that is not of the checker's shape, is not judged: the finding
//! is then unknown, and the summary says why.
//!
//! - [`bank`], [`registrar`], [`exactly_once`]: what the records of these workloads mean is kept,
//! - [`availability`]: how long nothing succeeded, and how soon after each fault something did again,
//! - [`list_append`]: transactions that append to lists and read them are strictly serializable,
//! - [`register`]: the same for transactions that write and read registers, as far as registers can show it,
//! - [`linearizability`]: single reads, writes and compare-and-sets of a register are linearizable.
//!
//! Below `list_append` and `register`: `transactions` (what a history says of them), `graph` and `components` (who must come before
//! whom), `cycles` (where that is impossible), `paths` (the shortest way to see it), `words` (the same for people).

pub mod availability;
pub mod bank;
mod components;
mod cycles;
pub mod exactly_once;
mod graph;
pub mod linearizability;
pub mod list_append;
mod parts;
mod paths;
mod presence;
pub mod register;
pub mod registrar;
mod report;
mod spans;
mod sums;
mod transactions;
mod words;

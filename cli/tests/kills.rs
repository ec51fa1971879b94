//! Nodes of real clusters are killed with SIGKILL at random moments, under load; what is left must keep every promise.
//!
//! `ASSENT_ROUNDS` is how often each test strikes (default 3; `make test-long` takes 50). `ASSENT_SEED` chooses the same
//! moments and the same wishes again, though never the same interleaving. With `--nocapture` each test prints its
//! figures; it fails on broken promises, and on times only where they are far out, for machines are noisy.
//!
//! An import that is killed together with nodes is in `imports.rs`.

#[path = "kills/all_coordinators_killed.rs"]
mod all_coordinators_killed;
#[path = "kills/campus.rs"]
mod campus;
mod common;
#[path = "kills/desk.rs"]
mod desk;
#[path = "kills/disk.rs"]
mod disk;
#[path = "kills/each_participant_killed_in_turn.rs"]
mod each_participant_killed_in_turn;
#[path = "kills/figures.rs"]
mod figures;
#[path = "kills/load.rs"]
mod load;
#[path = "kills/nodes.rs"]
mod nodes;
#[path = "kills/random.rs"]
mod random;

use std::future::Future;

/// How often a test strikes.
fn rounds() -> usize {
    number("ASSENT_ROUNDS").map_or(3, |rounds| rounds as usize)
}

/// What the moments and wishes are chosen from. Printed first, so that a failure can be tried again.
fn seed(test: &str) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("ASSENT_SEED").unwrap_or_else(|| now.map_or(1, |now| now.as_nanos() as u64));
    println!("{test}: ASSENT_SEED={seed} ASSENT_ROUNDS={}", rounds());
    seed
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Waits for a test. One thread is enough for its sessions; programs are run on threads beside it.
fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(test)
}

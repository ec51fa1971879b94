//! The `assent` program: takes the command line apart, runs one command, ends with its exit status.
//!
//! Each command is a module of its own. What they share is in `context`, `output`, `failure` and `status`.

mod args;
mod bench;
mod cluster;
mod completions;
mod context;
mod demo;
mod failure;
mod get;
mod import;
mod in_doubt;
mod keys;
mod latency;
mod mailbox;
mod node;
mod outcome;
mod output;
mod probe;
mod progress;
mod random;
mod registrar;
mod settle;
mod status;
mod tally;
mod transact;
mod verify;

use clap::Parser;
use std::process::ExitCode;

/// A node makes and drops many small values of all sizes for each transaction: measured in `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What ships keeps every rule.
const _: () = assert!(
    !assent_protocol::canary::AVAILABLE,
    "the feature `canaries` breaks rules on purpose: build `assent` without it"
);

fn main() -> ExitCode {
    let program = args::Program::parse();
    let json = program.global.output().is_json();
    match program.run() {
        Ok(status) => status.into(),
        Err(failure) => {
            failure.report(json);
            failure.status().into()
        }
    }
}

//! `assent completions`: what a shell needs to complete the command line.

use crate::{args::Program, failure::Failure, status::Status};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::Write;

/// Which shell.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Status, Failure> {
    // Into memory first: the generator panics where a pipe is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Program::command(), "assent", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| Failure::new(Status::Failed, "could not write to standard output").cause(error))?;
    Ok(Status::Done)
}

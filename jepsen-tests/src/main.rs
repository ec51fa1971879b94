//! The `assent-lab` program: takes the command line apart, runs one command, ends with its exit status.
//!
//! Each command is a module of its own and thin: the instruments are in the library.

mod program;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let program = program::Program::parse();
    let output = program.output();
    match program.run() {
        Ok(status) => status.into(),
        Err(failure) => {
            failure.report(output.is_json());
            failure.status().into()
        }
    }
}

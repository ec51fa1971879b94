//! `assent-lab replay`: runs the command again that made a run.

use super::{Failure, Output, Program, Status, folder};
use assent_lab::run::Run;
use clap::{Args, Parser};
use std::{ffi::OsString, path::PathBuf};

/// Which run, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The folder that the run left behind
    #[arg(value_name = "RUN_FOLDER")]
    folder: PathBuf,
    /// Leave the new run in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only print the command
    #[arg(long)]
    print: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ReplayArgs, output: Output) -> Result<Status, Failure> {
    let run = Run::load(&args.folder).map_err(folder::failure)?;
    let mut words = words(&run.replay)?;
    if let Some(out) = &args.out {
        words.extend(["--out".into(), out.clone().into_os_string()]);
    }
    if output.is_json() {
        words.push("--json".into());
    }
    let program = Program::try_parse_from(&words).map_err(|error| strange(&run.replay, error))?;
    if !program.is_run() {
        return Err(strange(&run.replay, "only runs are replayed"));
    }
    if args.print {
        println!("{}", run.replay);
        return Ok(Status::Holds);
    }
    eprintln!("{}", run.replay);
    program.run()
}

/// The words of a command of this very program. An account is a file like any other: nothing else is run for it.
fn words(command: &str) -> Result<Vec<OsString>, Failure> {
    let words = shlex::split(command).ok_or_else(|| strange(command, "a quotation mark has no other"))?;
    match words.first().map(String::as_str) {
        Some("assent-lab") => Ok(words.into_iter().map(OsString::from).collect()),
        Some(_) | None => Err(strange(command, "it does not begin with assent-lab")),
    }
}

fn strange(command: &str, cause: impl std::fmt::Display) -> Failure {
    Failure::new(Status::Usage, format!("the run's command can't be run again: {command:?}"))
        .cause(cause)
        .remedy("look at `replay` in its run.json; one of another version may need other options now")
}

//! `assent import`: real enrolment data into a cluster, and the result compared with the files.
//!
//! It can be killed at any moment and run again: what was done is recognised and not done twice.

mod carter;
mod carter_file;
mod compare;
mod input;
mod job;
mod oulad;
mod oulad_file;
mod report;
mod run;

use crate::{
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use clap::{Args, Subcommand};

/// Data sets.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    command: ImportCommand,
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    /// A Carter data set: each line of the .stu file is a student, and all its courses are one transaction
    #[command(after_help = "Example:\n  assent import carter --students sta-f-83.stu --courses sta-f-83.crs")]
    Carter(carter::CarterArgs),
    /// OULAD: registrations and unregistrations, replayed in the order of their dates
    #[command(after_help = "Example:\n  assent import oulad --registrations studentRegistration.csv")]
    Oulad(oulad::OuladArgs),
}

/// How an import is run, whatever it imports.
#[derive(Clone, Debug, Args)]
struct Pace {
    /// Sessions that work side by side
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    clients: u16,
    /// How long one transaction is tried again while nodes are away, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience_s: u64,
}

/// Runs the command.
pub(crate) fn run(args: ImportArgs, global: &Global) -> Result<Status, Failure> {
    context::block_on(async {
        let report = match args.command {
            ImportCommand::Carter(args) => carter::import(&args, global).await?,
            ImportCommand::Oulad(args) => oulad::import(&args, global).await?,
        };
        global.output().print(&report)?;
        Ok(report.status())
    })
}

//! `assent-lab report`: draws the report of a run anew.

use super::{Failure, Output, Status, folder};
use clap::Args;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The folder that the run left behind
    #[arg(value_name = "RUN_FOLDER")]
    folder: PathBuf,
}

/// What was drawn.
#[derive(Serialize)]
struct Drawn {
    report: PathBuf,
    bytes: u64,
    operations: usize,
    anomalies: usize,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.report.display())
    }
}

/// Runs the command.
pub(crate) fn run(args: &ReportArgs, output: Output) -> Result<Status, Failure> {
    let (run, history) = folder::load(&args.folder)?;
    let report = run.save_report(&args.folder, &history).map_err(folder::failure)?;
    let bytes = std::fs::metadata(&report).map_or(0, |metadata| metadata.len());
    let anomalies = run.verdicts.iter().map(|verdict| verdict.anomalies.len()).sum();
    output.print(&Drawn { report, bytes, operations: history.operations().len(), anomalies })?;
    Ok(Status::Holds)
}

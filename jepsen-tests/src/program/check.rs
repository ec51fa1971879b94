//! `assent-lab check`: judges a history that is on disk, of the lab or of anyone else who writes Jepsen's form.

use super::{Failure, Output, Status, folder, verdicts::Judged, workload};
use assent_lab::{
    checkers,
    history::{History, edn, ndjson},
    run::{Run, folder::HISTORY},
    verdict::Verdict,
};
use clap::{Args, builder::PossibleValuesParser};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

pub(crate) const HELP: &str = "\
A run's history is judged as its workload judges it. For any other one, every checker judges that finds something of its
kind in it; --workload or --checker say who does.

Examples:
  assent-lab check runs/bank-17
  assent-lab check history.edn --checker list-append
  assent-lab check history.ndjson --json | jq .verdicts";

/// Which history, and who judges it.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A history as NDJSON or EDN, or the folder of a run
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// Only these checkers
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = names())]
    checker: Vec<String>,
    /// As this workload judges its own histories
    #[arg(long, value_name = "NAME", conflicts_with = "checker")]
    workload: Option<String>,
}

/// A checker by its name.
type Checker = (&'static str, fn(&History) -> Verdict);

/// Every checker that needs nothing but a history.
const CHECKERS: &[Checker] = &[
    ("bank", checkers::bank::check),
    ("exactly_once", checkers::exactly_once::check),
    ("linearizability", checkers::linearizability::check),
    ("list-append", checkers::list_append::check),
    ("messages", checkers::messages::check),
    ("rw-register", checkers::register::check),
    ("registrar", checkers::registrar::check),
];

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(CHECKERS.iter().map(|(name, _)| *name))
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs, output: Output) -> Result<Status, Failure> {
    let history = load(&args.history)?;
    let judged = judge(args, &history)?;
    output.print(&judged)?;
    Ok(judged.status())
}

fn judge(args: &CheckArgs, history: &History) -> Result<Judged, Failure> {
    let (of, operations) = (args.history.clone(), history.operations().len());
    let by = |chosen: &dyn Fn(&str) -> bool| -> Vec<Verdict> {
        CHECKERS.iter().filter(|(name, _)| chosen(name)).map(|(_, check)| check(history)).collect()
    };
    if !args.checker.is_empty() {
        return Ok(Judged::new(of, operations, by(&|name| args.checker.iter().any(|chosen| chosen == name))));
    }
    let workload = match &args.workload {
        Some(name) => Some(name.clone()),
        None if args.history.is_dir() => Some(Run::load(&args.history).map_err(folder::failure)?.workload),
        None => None,
    };
    Ok(match workload {
        // Only what it asks for depends on the cluster, and not what must be true of the answers.
        Some(name) => Judged::new(of, operations, workload::make(&name, 1)?.check(history)),
        None => Judged::by_any(of, operations, by(&|_| true)),
    })
}

/// Reads a history in whichever form it is.
fn load(path: &Path) -> Result<History, Failure> {
    if path.is_dir() {
        return Run::load_history(path).map_err(folder::failure);
    }
    let failure = |error| folder::history(path, error);
    let mut file = BufReader::new(File::open(path).map_err(|error| failure(error.into()))?);
    // Both forms are maps; the names in JSON are strings, in EDN keywords. A comment is EDN's.
    let start = file.fill_buf().map_err(|error| failure(error.into()))?;
    let mut signs = start.iter().filter(|byte| !byte.is_ascii_whitespace());
    match (signs.next(), signs.next()) {
        (Some(b'{'), Some(b':' | b'}' | b',')) | (Some(b';' | b'#'), _) => edn::read(file).map_err(failure),
        (Some(_), _) => ndjson::read(file).map_err(failure),
        (None, _) => Err(Failure::new(Status::Usage, format!("{} is empty", path.display()))
            .cause("a history has at least one event")
            .remedy(format!("name a history, or the folder of a run, which has one in {HISTORY}"))),
    }
}

//! `assent-lab simulate`: whole clusters in one thread, seed by seed.

use super::{Failure, Output, Status, folder, progress::Progress, verdicts::Judged, workload};
use assent_lab::{
    history::History,
    run::Run,
    simulator::{self, Options, Sweep, Swept},
    workload::Workload,
};
use clap::Args;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroUsize,
    ops::Range,
    panic,
    path::{Path, PathBuf},
    thread,
};

pub(crate) const HELP: &str = "\
Each seed draws its own cluster, load and faults. The seed that fails is made smaller, and the command that replays it is
printed. The same seed and options give the same run, event by event.

Examples:
  assent-lab simulate --seeds 10000
  assent-lab simulate --workload bank --seeds 500..1000 --out runs/failure
  assent-lab simulate --seed 17 --out runs/17
  assent-lab simulate --seed 17 --options calm,crashes=2,clients=1 --trace";

/// Which runs.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// How many seeds, from 0 on; or the first and the one after the last, as 500..1000
    #[arg(long, value_name = "N|A..B", default_value = "1000", value_parser = parse_seeds, conflicts_with = "seed")]
    seeds: Range<u64>,
    /// One seed, told whole
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What clients ask for
    #[arg(long, value_name = "NAME", default_value = "mixed")]
    workload: String,
    /// How many seeds run at the same time [default: one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Instead of what the seed draws: `calm` or `drawn` to begin with, then key=value, as calm,crashes=2
    #[arg(long, value_name = "K=V,...", default_value = "")]
    options: String,
    /// Leave the run of --seed, or the smallest that fails, in this folder: report, history, account, trace
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print every message and fault of --seed
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Break this rule in the machines, as `assent-lab canaries` does
    #[cfg(feature = "canaries")]
    #[arg(long, value_name = "NAME")]
    canary: Option<String>,
    /// Leave a seed that fails as it was found
    #[arg(long)]
    no_shrink: bool,
}

impl SimulateArgs {
    /// What a command must have in addition to break the same rule.
    #[cfg(feature = "canaries")]
    fn breaking(&self) -> String {
        self.canary.as_ref().map_or_else(String::new, |name| format!(" --canary {name}"))
    }

    /// Nothing can be broken in this build.
    #[cfg(not(feature = "canaries"))]
    fn breaking(&self) -> String {
        String::new()
    }
}

/// A number of seeds, in words.
pub(crate) fn in_seeds(count: u64) -> String {
    if count == 1 { "1 seed".to_owned() } else { format!("{count} seeds") }
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        let digits = text.trim().replace('_', "");
        digits
            .parse::<u64>()
            .map_err(|_| format!("{text:?} is not a number of seeds; write 1000 or 500..1000"))
    };
    let range = match text.split_once("..") {
        Some((from, to)) => number(from)?..number(to)?,
        None => 0..number(text)?,
    };
    if range.is_empty() {
        Err("that is no seed at all; write 1000 or 500..1000".to_owned())
    } else {
        Ok(range)
    }
}

/// Runs the command.
pub(crate) fn run(args: &SimulateArgs, output: Output) -> Result<Status, Failure> {
    make(args, &options(args, 0)?)?;
    #[cfg(feature = "canaries")]
    super::canaries::choose(args.canary.as_deref())?;
    // A machine that stops itself is told as a finding, once it is as small as it gets.
    panic::set_hook(Box::new(|_| {}));
    match args.seed {
        Some(seed) => one(args, seed, output),
        None => many(args, output),
    }
}

fn options(args: &SimulateArgs, seed: u64) -> Result<Options, Failure> {
    Options::parse(seed, &args.options).map_err(|error| {
        Failure::new(Status::Usage, format!("--options {} can't be used", args.options)).cause(error).remedy(
            "write key=value,key=value; `calm` or `drawn` may come first, and tells what the others are",
        )
    })
}

fn make(args: &SimulateArgs, options: &Options) -> Result<Box<dyn Workload>, Failure> {
    workload::make(&args.workload, u16::try_from(options.participants).unwrap_or(u16::MAX))
}

/// One seed: all that can be said of it.
fn one(args: &SimulateArgs, seed: u64, output: Output) -> Result<Status, Failure> {
    let options = options(args, seed)?;
    if args.trace {
        let mut workload = make(args, &options)?;
        let trace = simulator::trace(&options, workload.as_mut());
        // With --json, standard output has nothing but JSON.
        if output.is_json() { eprint!("{trace}") } else { output.print_text(&trace)? }
    }
    let (run, history) = simulator::account(&options, make(args, &options)?);
    if let Some(folder) = &args.out {
        save(args, &options, run.clone(), &history, folder)?;
    }
    let of = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("seed {seed}")));
    let judged = Judged::new(of, history.operations().len(), run.verdicts);
    output.print(&judged)?;
    Ok(judged.status())
}

/// Leaves a run in a folder, with its trace.
fn save(
    args: &SimulateArgs,
    options: &Options,
    mut run: Run,
    history: &History,
    folder: &Path,
) -> Result<(), Failure> {
    run.replay.push_str(&args.breaking());
    run.save(folder, history).map_err(folder::failure)?;
    let mut workload = make(args, options)?;
    let path = folder.join("trace.txt");
    std::fs::write(&path, simulator::trace(options, workload.as_mut())).map_err(|error| {
        Failure::new(Status::Environment, format!("can't write {}", path.display()))
            .cause(error)
            .remedy("look at the rights of the folder, and at the room on its disk")
    })
}

/// What many seeds came to.
#[derive(Serialize)]
struct Told {
    status: &'static str,
    workload: String,
    seeds: u64,
    seconds: f64,
    threads: usize,
    seeds_per_core_second: f64,
    transactions_per_core_second: f64,
    committed: u64,
    aborted: u64,
    reads: u64,
    unknown: u64,
    messages: u64,
    virtual_seconds: f64,
    faults: BTreeMap<&'static str, u64>,
    machines: BTreeMap<&'static str, u64>,
    failure: Option<Broken>,
    #[serde(skip)]
    summary: String,
}

/// What was found wrong.
#[derive(Serialize)]
struct Broken {
    #[serde(skip)]
    word: String,
    seed: u64,
    property: String,
    words: String,
    virtual_seconds: f64,
    replay: String,
    /// Where the run was left.
    folder: Option<PathBuf>,
}

fn many(args: &SimulateArgs, output: Output) -> Result<Status, Failure> {
    let make_one = |seed| make(args, &options(args, seed).expect("they were tried")).expect("it was tried");
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let sweep = Sweep {
        seeds: args.seeds.clone(),
        threads,
        options: &|seed| options(args, seed).expect("they were tried"),
        workload: &make_one,
    };
    let total = args.seeds.end - args.seeds.start;
    let progress = Progress::new("seeds", total, output);
    let swept = sweep.run(&|at| {
        progress.at(at.seeds_done, || format!("{} transactions, {} faults", at.transactions, at.faults));
    });
    let failure = match &swept.failure {
        Some(failure) if !args.no_shrink => {
            progress.say(&format!("seed {} fails: {}; making it smaller", failure.seed, failure.property));
            Some(simulator::shrink(failure.clone(), &make_one))
        }
        other => other.clone(),
    };
    drop(progress);
    let status = failure.as_ref().map_or(Status::Holds, |failure| failure.finding.into());
    if let (Some(failure), Some(folder)) = (&failure, &args.out) {
        let (run, history) = simulator::account(&failure.options, make(args, &failure.options)?);
        save(args, &failure.options, run, &history, folder)?;
    }
    let broken = failure.map(|failure| Broken {
        word: status.label().to_uppercase(),
        seed: failure.seed,
        virtual_seconds: failure.at_us as f64 / 1e6,
        replay: failure.replay() + &args.breaking(),
        property: failure.property,
        words: failure.words,
        folder: args.out.clone(),
    });
    output.print(&Told::new(args, status, &swept, broken))?;
    Ok(status)
}

impl Told {
    fn new(args: &SimulateArgs, status: Status, swept: &Swept, failure: Option<Broken>) -> Told {
        let summary = &swept.summary;
        Told {
            status: status.label(),
            workload: args.workload.clone(),
            seeds: swept.seeds,
            seconds: swept.elapsed.as_secs_f64(),
            threads: swept.threads,
            seeds_per_core_second: swept.per_core_second(swept.seeds),
            transactions_per_core_second: swept.per_core_second(summary.transactions()),
            committed: summary.committed,
            aborted: summary.aborted,
            reads: summary.reads,
            unknown: summary.unknown,
            messages: summary.messages,
            virtual_seconds: summary.virtual_ms as f64 / 1000.0,
            faults: summary.faults.clone(),
            machines: summary.figures.clone(),
            failure,
            summary: summary.to_string(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of `{}` in {:.1} s on {} threads: {:.0} seeds and {:.0} transactions per second of a core",
            in_seeds(self.seeds),
            self.workload,
            self.seconds,
            self.threads,
            self.seeds_per_core_second,
            self.transactions_per_core_second,
        )?;
        // The last line is what machines count of themselves: in JSON, since it is long.
        for line in self.summary.lines().take(2) {
            writeln!(f, "  {line}")?;
        }
        let Some(failure) = &self.failure else {
            return writeln!(f, "holds: no property was violated, and everything was decided and forgotten");
        };
        writeln!(
            f,
            "{}: {} after {:.6} virtual s: {}",
            failure.word, failure.property, failure.virtual_seconds, failure.words
        )?;
        if let Some(folder) = &failure.folder {
            writeln!(f, "report: {}", folder.join("report.html").display())?;
        }
        writeln!(f, "replay: {}", failure.replay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_a_range() {
        assert_eq!(parse_seeds("1_000"), Ok(0..1000));
        assert_eq!(parse_seeds("5..9"), Ok(5..9));
        for wrong in ["", "x", "5..", "9..5", "0", "-1", "1..2..3"] {
            assert!(parse_seeds(wrong).is_err(), "{wrong:?}");
        }
    }
}

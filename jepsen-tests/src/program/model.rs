//! `assent-lab model`: every behaviour of small clusters of the shipped machines.

use super::{Failure, Output, Status, progress::Progress};
use assent_lab::model::{self, ModelConfig, Report, SearchedSoFar, configurations};
use clap::Args;
use serde::Serialize;
use std::{
    fmt,
    num::NonZeroUsize,
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

pub(crate) const HELP: &str = "\
Searches all states of each configuration, or as many as its bound allows, and prints a trace to the first that breaks a
property. docs/model.md says what is searched and what is left out.

Examples:
  assent-lab model
  assent-lab model --deep
  assent-lab model --list
  assent-lab model --only 'link is cut'";

/// The property that is about time, as the model's reports name it.
const LIVENESS: &str = "a fair continuation decides everything";

/// Which searches.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Also the configurations that take minutes each
    #[arg(long)]
    deep: bool,
    /// Only configurations whose name holds this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Only tell what would be searched
    #[arg(long)]
    list: bool,
    /// How many are searched at the same time, each in a thread and memory of its own
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

/// What one search came to.
#[derive(Serialize)]
struct Searched {
    name: &'static str,
    status: &'static str,
    states: usize,
    unique_states: usize,
    depth: usize,
    exhausted: bool,
    /// What all nodes together could become, if any message could arrive at any moment; 0 without that reduction.
    closure: usize,
    decided_ms_max: u64,
    seconds: f64,
    violated: Vec<Broken>,
}

/// A property that does not hold.
#[derive(Serialize)]
struct Broken {
    property: String,
    trace: String,
}

/// Runs the command.
pub(crate) fn run(args: &ModelArgs, output: Output) -> Result<Status, Failure> {
    let configurations = chosen(args)?;
    if args.list {
        for config in &configurations {
            output.print(&Named { name: config.name })?;
        }
        return Ok(Status::Holds);
    }
    let progress = Progress::new("searches", configurations.len() as u64, output);
    let next = AtomicUsize::new(0);
    let ended = Mutex::new((0, Status::Holds));
    let search = || -> Result<(), Failure> {
        while let Some(config) = configurations.get(next.fetch_add(1, Ordering::SeqCst)) {
            let began = Instant::now();
            let report = model::check_telling(config, |so_far| {
                let SearchedSoFar { depth, next, known } = so_far;
                let done = ended.lock().unwrap_or_else(PoisonError::into_inner).0;
                progress.at(done, || {
                    format!("{}: {known} states, {next} to search at depth {depth}", config.name)
                });
            });
            let (searched, status) = Searched::new(config.name, report, began.elapsed().as_secs_f64());
            let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.0 += 1;
            ended.1 = ended.1.or(status);
            progress.at(ended.0, || config.name.to_owned());
            progress.suspended(|| output.print(&searched))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads.get()).map(|_| scope.spawn(search)).collect();
        let done =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        done.collect::<Result<(), Failure>>()
    })?;
    let worst = ended.into_inner().unwrap_or_else(PoisonError::into_inner).1;
    Ok(worst)
}

fn chosen(args: &ModelArgs) -> Result<Vec<ModelConfig>, Failure> {
    let mut all = configurations::everyday();
    if args.deep {
        let deep = configurations::deep();
        // Those that are cut short every day are searched whole.
        all.retain(|config| deep.iter().all(|whole| whole.name != config.name));
        all.extend(deep);
    }
    let Some(words) = &args.only else { return Ok(all) };
    all.retain(|config| config.name.contains(words.as_str()));
    if all.is_empty() {
        return Err(Failure::new(Status::Usage, format!("no configuration has {words:?} in its name"))
            .cause("--only takes a part of a name as it is written")
            .remedy("`assent-lab model --deep --list` names them all"));
    }
    Ok(all)
}

impl Searched {
    fn new(name: &'static str, report: Report, seconds: f64) -> (Searched, Status) {
        let of_one = |property: &str| if property == LIVENESS { Status::Undecided } else { Status::Violated };
        let of_each = report.found.iter().map(|(property, _)| of_one(property));
        let status = of_each.fold(Status::Holds, Status::or);
        let searched = Searched {
            name,
            status: status.label(),
            states: report.states,
            unique_states: report.unique,
            depth: report.depth,
            exhausted: report.exhausted,
            closure: report.closure,
            decided_ms_max: report.decided_ms_max,
            seconds,
            violated: report.found.into_iter().map(|(property, trace)| Broken { property, trace }).collect(),
        };
        (searched, status)
    }
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.violated.is_empty() { "holds" } else { "VIOLATED" };
        let extent = if self.exhausted { "all" } else { "the first" };
        writeln!(
            f,
            "{word:<8}  {}: {extent} {} states ({} different), {} steps deep, {:.1} s",
            self.name, self.states, self.unique_states, self.depth, self.seconds,
        )?;
        for broken in &self.violated {
            writeln!(f, "          {}", broken.property)?;
            for line in broken.trace.lines() {
                writeln!(f, "            {line}")?;
            }
        }
        Ok(())
    }
}

/// A configuration by its name.
#[derive(Serialize)]
struct Named {
    name: &'static str,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

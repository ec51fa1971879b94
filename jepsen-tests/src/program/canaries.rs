//! `assent-lab canaries`: machines that are broken on purpose, to see that the simulator notices.
//!
//! Only in builds with the feature `canaries`, since what ships can't be broken.

use super::{Failure, Output, Status, progress::Progress, simulate::in_seeds, workload};
use assent_lab::{
    canaries,
    simulator::{self, Options},
};
use assent_protocol::canary::{self, Canary};
use clap::Args;
use serde::Serialize;
use std::{fmt, panic};

pub(crate) const HELP: &str = "\
Each canary is the shipped machines with one rule broken. The status is `unknown` if a hunt found nothing: docs/testing.md
says which canaries need another instrument.

Examples:
  assent-lab canaries --seeds 500
  assent-lab canaries --only no-not-kept --json";

/// Which canaries, and how long they are hunted.
#[derive(Debug, Args)]
pub(crate) struct CanariesArgs {
    /// Only this one
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// How many seeds are tried for each
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

/// What became of one hunt.
#[derive(Serialize)]
struct Hunted {
    canary: &'static str,
    rule: &'static str,
    noticed: bool,
    seeds: u64,
    words: String,
}

impl fmt::Display for Hunted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.noticed { "noticed" } else { "MISSED" };
        writeln!(f, "{word:<8}  {} ({}) after {}", self.canary, self.rule, in_seeds(self.seeds))?;
        for line in self.words.lines() {
            writeln!(f, "          {line}")?;
        }
        Ok(())
    }
}

/// Runs the command.
pub(crate) fn run(args: &CanariesArgs, output: Output) -> Result<Status, Failure> {
    let chosen = chosen(args)?;
    let progress = Progress::new("canaries", chosen.len() as u64, output);
    // Machines that stop themselves are what is hunted for, and their words are in the result.
    panic::set_hook(Box::new(|_| {}));
    let mut worst = Status::Holds;
    for (done, canary) in (0..).zip(chosen) {
        progress.at(done, || canary.name().to_owned());
        let workload = if canary.rule().starts_with('M') { "messages" } else { "mixed" };
        let found = canaries::hunt(canary, |seed| find(workload, seed), args.seeds);
        let hunted = Hunted {
            canary: canary.name(),
            rule: canary.rule(),
            noticed: found.is_some(),
            seeds: found.as_ref().map_or(args.seeds, |found| found.seeds),
            words: found.map_or_else(|| canary.words().to_owned(), |found| found.words),
        };
        progress.suspended(|| output.print(&hunted))?;
        worst = worst.or(if hunted.noticed { Status::Holds } else { Status::Unknown });
    }
    Ok(worst)
}

fn find(workload: &str, seed: u64) -> Option<String> {
    let options = Options::drawn(seed);
    let workload = workload::make(workload, options.participants as u16).ok()?;
    let failure = simulator::run(&options, workload).err()?;
    Some(format!("{}: {}", failure.property, failure.words))
}

fn chosen(args: &CanariesArgs) -> Result<Vec<Canary>, Failure> {
    args.only.as_deref().map_or_else(|| Ok(Canary::ALL.to_vec()), |only| Ok(vec![named(only)?]))
}

/// Breaks this rule from now on, in the whole program.
pub(crate) fn choose(name: Option<&str>) -> Result<(), Failure> {
    canary::choose(name.map(named).transpose()?);
    Ok(())
}

fn named(name: &str) -> Result<Canary, Failure> {
    Canary::ALL.iter().copied().find(|canary| canary.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Canary::ALL.iter().map(|canary| canary.name()).collect();
        Failure::new(Status::Usage, format!("there is no canary {name:?}"))
            .cause("its name is none of the catalogue")
            .remedy(format!("take one of {}", names.join(", ")))
    })
}

//! The command line: every command with its help, and where it is run.

mod attack;
mod campaign;
#[cfg(feature = "canaries")]
mod canaries;
mod check;
mod failure;
mod folder;
mod model;
mod output;
mod progress;
mod replay;
mod report;
mod simulate;
mod status;
mod verdicts;
mod workload;

pub(crate) use failure::Failure;
pub(crate) use output::Output;
pub(crate) use status::Status;

use clap::{Parser, Subcommand};

/// Attacks and judges Assent: a simulator, a model, real clusters under faults, and the checkers of what clients saw.
#[derive(Debug, Parser)]
#[command(name = "assent-lab", version, max_term_width = 110, arg_required_else_help = true,
    after_help = Status::table())]
pub(crate) struct Program {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Print JSON: one line per result; errors too, on standard error
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate whole clusters under every fault, seed by seed
    #[command(after_help = simulate::HELP)]
    Simulate(simulate::SimulateArgs),
    /// Search every behaviour of small clusters
    #[command(after_help = model::HELP)]
    Model(model::ModelArgs),
    /// Attack a cluster of real processes, and judge what its clients saw
    #[command(after_help = attack::HELP)]
    Attack(attack::AttackArgs),
    /// Attack with every kind of fault, one after the other, and tell all in one table
    #[command(after_help = campaign::HELP)]
    Campaign(campaign::CampaignArgs),
    /// Judge a history: of a run, or of anyone else who writes Jepsen's form
    #[command(after_help = check::HELP)]
    Check(check::CheckArgs),
    /// Break the machines on purpose, and see whether that is noticed
    #[cfg(feature = "canaries")]
    #[command(after_help = canaries::HELP)]
    Canaries(canaries::CanariesArgs),
    /// Run the command again that made a run
    #[command(after_help = "Example:\n  assent-lab replay runs/17 --out runs/17-again")]
    Replay(replay::ReplayArgs),
    /// Draw the report of a run anew
    #[command(after_help = "Example:\n  assent-lab report runs/bank-17")]
    Report(report::ReportArgs),
}

impl Program {
    /// How results are printed.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.json)
    }

    /// Whether the command makes a run.
    pub(crate) fn is_run(&self) -> bool {
        match self.command {
            Command::Simulate(_) | Command::Attack(_) => true,
            Command::Campaign(_)
            | Command::Model(_)
            | Command::Check(_)
            | Command::Replay(_)
            | Command::Report(_) => false,
            #[cfg(feature = "canaries")]
            Command::Canaries(_) => false,
        }
    }

    /// Runs the command.
    pub(crate) fn run(self) -> Result<Status, Failure> {
        let output = self.output();
        match self.command {
            Command::Simulate(args) => simulate::run(&args, output),
            Command::Model(args) => model::run(&args, output),
            Command::Attack(args) => attack::run(&args, output),
            Command::Campaign(args) => campaign::run(&args, output),
            Command::Check(args) => check::run(&args, output),
            #[cfg(feature = "canaries")]
            Command::Canaries(args) => canaries::run(&args, output),
            Command::Replay(args) => replay::run(&args, output),
            Command::Report(args) => report::run(&args, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Program::command().get_subcommands().filter(|command| command.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("assent-lab "), "{} shows no example", command.get_name());
        }
    }
}

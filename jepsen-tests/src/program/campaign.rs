//! `assent-lab campaign`: every kind of fault, on real clusters, one attack after the other.

use super::{
    Failure, Output, Status,
    attack::{Apart, failure},
    progress::Progress,
};
use assent_lab::{
    attack::{
        AttackError,
        campaign::{self, Campaign, End, Made, Planned, Settings, TABLE},
    },
    verdict::Finding,
};
use clap::{Args, value_parser};
use serde::Serialize;
use std::{fmt, path::PathBuf};

pub(crate) const HELP: &str = "\
Its parts: `alone` makes each kind of fault by itself, going through the workloads; `together` mixes all kinds, with each
workload; `long` mixes them for long; `messages` makes each kind by itself, and all mixed, with messages and their consumers.
An attack that finds something, or can't be made, keeps no other from being made.

The same command again goes on where one was interrupted: what has ended is not made again, but for what could not be made.
So does one with another --only. The folder has one folder for each attack, and table.md, anew after each.

Examples:
  assent-lab campaign --out runs/campaign
  assent-lab campaign --out runs/campaign --only alone,together
  assent-lab campaign --out runs/short --seconds 10 --only kill,disk-full --processes 4 --pause-ms 50
  assent-lab campaign --list";

/// Which attacks, and how.
#[derive(Debug, Args)]
pub(crate) struct CampaignArgs {
    /// The folder of the campaign
    #[arg(long, value_name = "DIR", default_value = "runs/campaign")]
    out: PathBuf,
    /// Only attacks of this name, part, nemesis or workload
    #[arg(long, value_name = "WORD,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Only tell which attacks there are
    #[arg(long)]
    list: bool,
    /// How long clients work in an attack
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// How long they work in the long one
    #[arg(long, value_name = "S", default_value_t = 1_800, value_parser = value_parser!(u64).range(1..=604_800))]
    long_seconds: u64,
    /// The seed of the first attack; each further one has the next
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = value_parser!(u64).range(..1 << 62))]
    seed: u64,
    /// Which workload meets which nemesis alone: another with each of rounds 0 to 5
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u64).range(..1 << 32))]
    round: u64,
    /// Logical clients, each with one operation at a time
    #[arg(long, value_name = "N", default_value_t = 6)]
    processes: u16,
    /// A client rests so long between two operations; more leaves more of the machine to others
    #[arg(long, value_name = "MS", default_value_t = 25)]
    pause_ms: u64,
    /// After so long an operation counts as unknown
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    deadline_ms: u64,
    /// Coordinators
    #[arg(long, value_name = "N", default_value_t = 2)]
    coordinators: u16,
    /// Participants
    #[arg(long, value_name = "N", default_value_t = 3)]
    participants: u16,
    /// How the nodes are kept apart
    #[arg(long, value_enum, default_value_t = Apart::Automatic)]
    network: Apart,
    /// The `assent` program [default: $ASSENT_BINARY, or beside this program]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl CampaignArgs {
    fn settings(&self) -> Settings {
        Settings {
            seconds: self.seconds,
            long_seconds: self.long_seconds,
            seed: self.seed,
            round: self.round,
            coordinators: self.coordinators,
            participants: self.participants,
            processes: self.processes,
            deadline_ms: self.deadline_ms,
            pause_ms: self.pause_ms,
            network: self.network.into(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &CampaignArgs, output: Output) -> Result<Status, Failure> {
    let settings = args.settings();
    let chosen = chosen(args, &settings)?;
    if args.list {
        for planned in chosen {
            output.print(&Named(planned))?;
        }
        return Ok(Status::Holds);
    }
    settings.check().map_err(failure)?;
    let campaign = Campaign::open(&args.out, settings, args.binary.clone()).map_err(failure)?;
    let progress = Progress::new("attacks", chosen.len() as u64, output);
    for (done, planned) in (0..).zip(&chosen) {
        progress.at(done, || planned.name.clone());
        if campaign.made(planned).map_err(failure)?.is_some() {
            progress.say(&format!("{}: has ended before", planned.name));
            continue;
        }
        progress.say(&format!("{}: {} s, seed {}", planned.name, planned.seconds, planned.seed));
        let made = campaign.make(planned).map_err(stopped)?;
        progress.suspended(|| output.print(&Told::of(&made)))?;
        campaign.write_table().map_err(failure)?;
    }
    drop(progress);
    let all = campaign.write_table().map_err(failure)?;
    let status = all.iter().map(status).reduce(Status::or).unwrap_or(Status::Unknown);
    output.print(&Campaigned { status: status.label(), attacks: all.len(), table: args.out.join(TABLE) })?;
    Ok(status)
}

/// The campaign can't go on now.
fn stopped(error: AttackError) -> Failure {
    match error {
        AttackError::Interrupted => Failure::new(Status::Interrupted, "the campaign was interrupted")
            .cause("Ctrl-C or SIGTERM")
            .remedy("the same command goes on with it, and begins this attack anew"),
        other => failure(other),
    }
}

fn chosen(args: &CampaignArgs, settings: &Settings) -> Result<Vec<Planned>, Failure> {
    let mut all = campaign::plan(settings);
    let strange = args.only.iter().find(|word| !all.iter().any(|planned| planned.is_called(word)));
    if let Some(word) = strange {
        return Err(Failure::new(Status::Usage, format!("--only {word}: no attack is called that"))
            .cause("it is neither a name, a part, a nemesis nor a workload of the campaign")
            .remedy("`assent-lab campaign --list` names all attacks"));
    }
    all.retain(|planned| args.only.is_empty() || args.only.iter().any(|word| planned.is_called(word)));
    Ok(all)
}

/// What the program says of an attack when it ends.
fn status(made: &Made) -> Status {
    made.finding().map_or(Status::Environment, Status::from)
}

/// An attack that there is.
#[derive(Serialize)]
struct Named(Planned);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// What an attack came to.
#[derive(Serialize)]
struct Told<'a> {
    status: &'static str,
    #[serde(flatten)]
    made: &'a Made,
}

impl Told<'_> {
    fn of(made: &Made) -> Told<'_> {
        Told { status: status(made).label(), made }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Made { planned, folder, end, .. } = self.made;
        match end {
            End::Judged { finding, by, figures, notes: _ } => {
                let operations = figures.ok + figures.failed + figures.unknown;
                let faults = figures.unblocked_ns.len();
                write!(f, "{}: {}, {operations} operations, {faults} faults", planned.name, self.status)?;
                if *finding != Finding::Holds {
                    write!(f, "; by {}; see {}", by.join(", "), folder.display())?;
                }
                Ok(())
            }
            End::Stuck { why } => write!(f, "{}: {}: {why}", planned.name, self.status),
            End::NotMade { why } => write!(f, "{}: not made: {why}", planned.name),
        }
    }
}

/// What all came to.
#[derive(Serialize)]
struct Campaigned {
    status: &'static str,
    attacks: usize,
    table: PathBuf,
}

impl fmt::Display for Campaigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} attacks, told in {}", self.status, self.attacks, self.table.display())
    }
}

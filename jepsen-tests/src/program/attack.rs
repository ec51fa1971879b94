//! `assent-lab attack`: real processes on this machine under faults, judged by what their clients saw.

use super::{Failure, Output, Status, progress::Progress, verdicts::Judged, workload};
use assent_lab::attack::{self, AttackError, AttackOptions, Kind, Network};
use clap::{Args, ValueEnum};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub(crate) const HELP: &str = "\
Nemeses: kill, kill-forever, stop, restart-storm, rolling-restart, certificates, clock-offset, clock-jumps, disk-full,
sync-fails, sync-slow, partition-halves, partition-node, partition-one-way, partition-coordinators, partition-ring, loss,
duplication, reordering, delay, rate; and the groups partitions, network, clock, disk, mixed (all),
passing (all but kill-forever), none.

Faults of the network and of disks need the rights to make network namespaces and mounts: root, in a container or virtual
machine. Everything that a run makes is removed at its end, and after Ctrl-C.

Examples:
  assent-lab attack --workload bank --nemesis kill,partitions --seconds 60 --out runs/bank
  assent-lab attack --workload list_append --nemesis mixed --seed 17
  assent-lab attack --nemesis passing --operations 100000 --seconds 7200 --processes 32 --clients 4 --pause-ms 0
  assent-lab attack --nemesis none --network loopback --seconds 5";

/// What is attacked, how, and for how long.
#[derive(Debug, Args)]
pub(crate) struct AttackArgs {
    /// What clients ask for
    #[arg(long, value_name = "NAME", default_value = "list_append")]
    workload: String,
    /// The faults that may happen; see below
    #[arg(long, value_name = "N,...", default_value = "kill")]
    nemesis: String,
    /// How long clients work under faults
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// End earlier when clients have begun so many operations
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    operations: Option<u64>,
    /// What all chance comes from [default: the time]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Logical clients, each with one operation at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    processes: u16,
    /// Connected clients, among which the logical ones are divided [default: 2]
    #[arg(long, value_name = "N")]
    clients: Option<u16>,
    /// Coordinators
    #[arg(long, value_name = "N", default_value_t = 2)]
    coordinators: u16,
    /// Participants
    #[arg(long, value_name = "N", default_value_t = 3)]
    participants: u16,
    /// After so long an operation counts as unknown
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    deadline_ms: u64,
    /// A client rests so long between two operations
    #[arg(long, value_name = "MS", default_value_t = 10)]
    pause_ms: u64,
    /// How the nodes are kept apart
    #[arg(long, value_enum, default_value_t = Apart::Automatic)]
    network: Apart,
    /// The folder that the run leaves behind [default: runs/WORKLOAD-SEED]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The `assent` program [default: $ASSENT_BINARY, or beside this program]
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Leave the nodes' databases and keys in the folder even if everything holds
    #[arg(long)]
    keep: bool,
}

/// How the nodes are kept apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Apart {
    /// In namespaces where this machine allows it, else on loopback
    Automatic,
    /// Each in a network namespace of its own
    Namespaces,
    /// All on loopback, with a relay in between
    Loopback,
}

impl From<Apart> for Network {
    fn from(apart: Apart) -> Network {
        match apart {
            Apart::Automatic => Network::Automatic,
            Apart::Namespaces => Network::Namespaces,
            Apart::Loopback => Network::Loopback,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &AttackArgs, output: Output) -> Result<Status, Failure> {
    let seed = args.seed.unwrap_or_else(time);
    let options = options(args, seed)?;
    let workload = workload::make(&args.workload, args.participants)?;
    options.check().map_err(failure)?;
    let out = options.folder.clone();
    if out.join("run.json").exists() {
        return Err(Failure::new(Status::Usage, format!("{} holds a run already", out.display()))
            .cause("a new run would be mixed with its files")
            .remedy("name another folder with --out, or remove that one"));
    }
    let (run, history) =
        watched(seed, args, output, |begun| attack::account_counting(&options, workload, begun))
            .map_err(failure)?;
    let judged = Judged::new(out, history.operations().len(), run.verdicts);
    output.print(&judged)?;
    Ok(judged.status())
}

fn time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn options(args: &AttackArgs, seed: u64) -> Result<AttackOptions, Failure> {
    let nemeses = Kind::list(&args.nemesis).map_err(|error| {
        Failure::new(Status::Usage, format!("--nemesis {} can't be used", args.nemesis))
            .cause(error)
            .remedy("`assent-lab attack --help` lists them")
    })?;
    let folder =
        args.out.clone().unwrap_or_else(|| Path::new("runs").join(format!("{}-{seed}", args.workload)));
    Ok(AttackOptions {
        nemeses,
        coordinators: args.coordinators,
        participants: args.participants,
        processes: args.processes,
        clients: args.clients.unwrap_or(args.processes.min(2)),
        duration: Duration::from_secs(args.seconds),
        operations: args.operations,
        deadline: Duration::from_millis(args.deadline_ms),
        pause: Duration::from_millis(args.pause_ms),
        network: args.network.into(),
        binary: args.binary.clone(),
        keep: args.keep,
        ..AttackOptions::new(folder, seed)
    })
}

/// Shows how far an attack is: the time, or the operations that clients have begun where their number ends it.
fn watched<T>(seed: u64, args: &AttackArgs, output: Output, attack: impl FnOnce(&Arc<AtomicU64>) -> T) -> T {
    let (label, total) = args.operations.map_or(("seconds", args.seconds), |total| ("operations", total));
    let progress = Progress::new(label, total, output);
    progress.say(&format!("seed {seed}: {} under {} for {}", args.workload, args.nemesis, bound(args)));
    let begun: Arc<AtomicU64> = Arc::default();
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let (progress, counted) = (&progress, Arc::clone(&begun));
        scope.spawn(move || {
            let since = Instant::now();
            // Ends when the sender is dropped.
            while is_done.recv_timeout(Duration::from_millis(250)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let (seconds, operations) = (since.elapsed().as_secs(), counted.load(Ordering::Relaxed));
                let enough = seconds > args.seconds || args.operations.is_some_and(|max| operations >= max);
                let doing = if enough { "healing and judging" } else { "under faults" };
                if args.operations.is_some() {
                    progress.at(operations, || format!("{seconds} s, {doing}"));
                } else {
                    progress.at(seconds.min(total), || format!("{operations} operations, {doing}"));
                }
            }
        });
        let result = attack(&begun);
        drop(done);
        result
    })
}

/// When the clients stop.
fn bound(args: &AttackArgs) -> String {
    let seconds = format!("{} s", args.seconds);
    args.operations
        .map_or(seconds.clone(), |operations| format!("{operations} operations, at most {seconds}"))
}

/// Whose fault it is and what to do about it.
pub(super) fn failure(error: AttackError) -> Failure {
    let what = "the attack could not be made";
    if let AttackError::Missing { what: missing, why, remedy } = error {
        return Failure::new(Status::Environment, format!("{what}: {missing} is missing"))
            .cause(why)
            .remedy(remedy);
    }
    let (status, remedy) = match &error {
        AttackError::Option { .. } => (Status::Usage, "`assent-lab attack --help` tells what can be chosen"),
        AttackError::Missing { .. } => (Status::Environment, "install it"),
        AttackError::File { .. } | AttackError::Folder(_) => {
            (Status::Environment, "look at the rights of the folder, and at the room on its disk")
        }
        AttackError::Command { .. } | AttackError::Network(_) => (
            Status::Environment,
            "without the rights to make namespaces, try `--network loopback` with faults of processes only, as `--nemesis kill`",
        ),
        AttackError::Layout(_) | AttackError::Client(_) => {
            (Status::Environment, "look at the nodes' logs in the folder of the run, and try again")
        }
        AttackError::Node { .. } => (Status::Environment, "read the log of the node"),
        AttackError::NotCommitted { .. } => (
            Status::Undecided,
            "no fault was left that could excuse it: read the nodes' logs in the folder of the run",
        ),
        AttackError::OtherCampaign { .. } => {
            (Status::Usage, "name another folder with --out, or choose what that one was begun with")
        }
        AttackError::Interrupted => (Status::Interrupted, "run it again to have it whole"),
    };
    Failure::new(status, what).cause(&error).remedy(remedy)
}

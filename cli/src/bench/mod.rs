//! `assent bench`: enrolments and drops, or messages, in a closed loop, measured.
//!
//! All clients live on one thread: so the measured cluster has the rest of the machine.

mod disk;
mod history;
mod idle;
mod load;
mod messages;
mod receiving;
mod report;

use crate::{
    cluster::{plan::Counts, temporary::TemporaryCluster},
    context::{self, Global},
    failure::Failure,
    status::Status,
};
use assent_client::mail::Mailbox;
use clap::Args;
use load::Plan;
use report::BenchReport;
use std::{path::Path, time::Duration};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Clients, each with one transaction at a time
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    clients: u16,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long to load before measuring, in seconds
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    warm_up: u64,
    /// Courses; 1 makes every client meet at the hot course
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    courses: u32,
    /// Students, shared out among the clients
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    students: u32,
    /// Where a temporary cluster is put [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<std::path::PathBuf>,
    /// Chooses the load: the same seed, the same choices
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Send, receive and finish messages, instead of enrolling
    #[arg(long)]
    messages: bool,
    /// Messages that are under way at the same time
    #[arg(long, default_value_t = 16, value_name = "N", requires = "messages", value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: u16,
    /// Bytes of each message
    #[arg(long, default_value_t = 256, value_name = "BYTES", requires = "messages", value_parser = clap::value_parser!(u32).range(16..=262_144))]
    payload: u32,
    /// How messages are finished
    #[arg(long, default_value = "transaction", value_enum, requires = "messages")]
    finish: messages::FinishBy,
    /// Have messages kept by another participant than the mailbox's, and relayed
    #[arg(long, requires = "messages")]
    relayed: bool,
    /// Messages that go through the mailbox before anything is measured, as quickly as possible
    #[arg(long, default_value_t = 0, value_name = "N", requires = "messages", value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    history: u64,
    /// Use this mailbox, which must be empty, with the history that it has [default: a new one]
    #[arg(long, value_name = "NAME", requires = "messages")]
    mailbox: Option<Mailbox>,
    /// Send one message at a time, with rests, to a consumer that waits for it
    #[arg(long, requires = "messages", conflicts_with = "in_flight")]
    idle: bool,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs, global: &Global) -> Result<Status, Failure> {
    if !args.messages && args.students < args.clients.into() {
        return Err(Failure::new(Status::Usage, "there must be a student for each client")
            .remedy(format!("give at least --students {}", args.clients)));
    }
    if global.names_cluster() {
        return measure_and_print(args, global, &global.cluster_dir());
    }
    eprintln!("no --cluster is given: starting a temporary one (2 coordinators, 3 participants)");
    let counts = Counts { coordinators: 2, students: 2, courses: 1 };
    let temporary = TemporaryCluster::start("bench", args.dir.clone(), counts)?;
    let layout = temporary.layout();
    measure_and_print(args, &global.for_cluster(layout.cluster_file()), layout.root())
}

fn measure_and_print(args: &BenchArgs, global: &Global, dir: &Path) -> Result<Status, Failure> {
    if args.messages {
        measure_messages(args, global, dir)?;
    } else {
        global.output().print(&measure(args, global, dir)?)?;
    }
    Ok(Status::Done)
}

fn measure_messages(args: &BenchArgs, global: &Global, dir: &Path) -> Result<(), Failure> {
    let plan = messages::Plan {
        prefix: prefix()?,
        mailbox: args.mailbox.clone(),
        in_flight: args.in_flight.into(),
        history: args.history,
        payload: args.payload as usize,
        finish: args.finish,
        relayed: args.relayed,
        warm_up: Duration::from_secs(args.warm_up),
        measured: Duration::from_secs(args.seconds),
    };
    let loading = || eprintln!("loading: {} s to warm up, {} s measured", args.warm_up, args.seconds);
    context::block_on_until_interrupted(async {
        let client = global.connect().await?;
        let (mailbox, from) = messages::set_up(&client, &plan).await?;
        if args.idle {
            loading();
            let report = idle::run(&client, &plan, &mailbox, &from, dir).await?;
            client.close().await;
            return global.output().print(&report);
        }
        let syncs = syncs(dir).await;
        loading();
        let mut report = messages::run(&client, &plan, &mailbox, &from).await?;
        report.fdatasync_per_second = syncs;
        client.close().await;
        global.output().print(&report)
    })
}

/// How often the disk syncs in a second. Measured just before the load, and not during: both would slow each other down.
async fn syncs(dir: &Path) -> Option<u64> {
    let dir = dir.to_owned();
    // On a thread of its own: connections must be kept meanwhile.
    tokio::task::spawn_blocking(move || disk::syncs_per_second(&dir)).await.ok()?.ok()
}

fn measure(args: &BenchArgs, global: &Global, dir: &Path) -> Result<BenchReport, Failure> {
    let plan = Plan {
        prefix: prefix()?,
        clients: args.clients.into(),
        students: args.students as usize,
        courses: args.courses as usize,
        warm_up: Duration::from_secs(args.warm_up),
        measured: Duration::from_secs(args.seconds),
        seed: args.seed,
    };
    context::block_on_until_interrupted(async {
        let client = global.connect().await?;
        eprintln!("creating {} students and {} courses", plan.students, plan.courses);
        load::set_up(&client, &plan).await?;
        let syncs = syncs(dir).await;
        eprintln!("loading: {} s to warm up, {} s measured", args.warm_up, args.seconds);
        let mut report = load::run(&client, &plan).await?;
        report.fdatasync_per_second = syncs;
        client.close().await;
        Ok(report)
    })
}

/// Tells the records of this run from those of any other.
fn prefix() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Status::Failed, "the operating system gives no random numbers").cause(error)
    })?;
    Ok(format!("bench{:08x}", u32::from_le_bytes(bytes)))
}

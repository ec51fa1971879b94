//! `assent demo`: a university registers on a cluster of separate processes, two of which are killed; then every
//! record is checked against what was acknowledged.

mod faults;
mod registration;
mod report;
mod university;

use crate::{
    cluster::{plan::Counts, temporary::TemporaryCluster},
    context::{self, Global},
    failure::{Failure, chain},
    output::thousands,
    progress::Progress,
    status::Status,
    verify,
};
use assent_client::{Client, registrar::Registrar};
use clap::Args;
use faults::{Fault, Faults, resolved_by_peers};
use registration::Registration;
use report::DemoReport;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use university::University;

/// How often the display moves.
const TICK: Duration = Duration::from_millis(100);

/// How large, and how long.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Students of the university
    #[arg(long, default_value_t = 3_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99_999))]
    students: u32,
    /// Courses of the university
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=999))]
    courses: u16,
    /// Sessions through which students register side by side
    #[arg(long, default_value_t = 32, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// How long registration is open, in seconds
    #[arg(long, default_value_t = 12, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(4..=86_400))]
    seconds: u64,
    /// Makes up the university: the same seed, the same wishes
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Where to put the cluster, which then stays [default: a temporary directory, removed if all is well]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &DemoArgs, global: &Global) -> Result<Status, Failure> {
    eprintln!("starting 2 coordinators, 2 participants for students, 1 for courses");
    let counts = Counts { coordinators: 2, students: 2, courses: 1 };
    let mut cluster = TemporaryCluster::start("demo", args.dir.clone(), counts)?;
    let global = global.for_cluster(cluster.layout().cluster_file());
    let result = context::block_on_until_interrupted(demonstrate(args, &global, &cluster));
    let status = match &result {
        Ok(report) => {
            global.output().print(report)?;
            report.status()
        }
        Err(failure) => failure.status(),
    };
    if status != Status::Done {
        cluster.keep();
        eprintln!("its logs and records are in {}", cluster.layout().root().display());
    }
    result.map(|_| status)
}

async fn demonstrate(
    args: &DemoArgs,
    global: &Global,
    cluster: &TemporaryCluster,
) -> Result<DemoReport, Failure> {
    let university = University::generate(args.students as usize, args.courses.into(), args.seed);
    let client = global.connect().await?;
    open_university(&client, &university, args.clients.into()).await?;

    let open_for = Duration::from_secs(args.seconds);
    let progress = Progress::clock("registering", open_for);
    let registration = Registration::open(university, progress);
    let began = Instant::now();
    let mut desks = registration.serve(&client, args.clients.into(), args.seed).await?;
    let faults = Faults {
        layout: cluster.layout().clone(),
        cluster: cluster.cluster().clone(),
        registration: Arc::clone(&registration),
        began,
    };
    let struck = tokio::select! {
        struck = strike(&faults, open_for) => struck?,
        failure = watch(&mut desks) => return Err(failure),
        () = show(&registration, began, open_for) => Vec::new(),
    };
    registration.close();
    while let Some(ended) = desks.join_next().await {
        ended.map_err(|error| Failure::new(Status::Failed, "a session stopped").cause(error))??;
    }
    let seconds = began.elapsed().as_secs_f64();
    registration.progress.finish();
    client.close().await;
    conclude(global, cluster, &registration, struck, seconds).await
}

/// Adds students and courses through several sessions.
async fn open_university(client: &Client, university: &University, clients: usize) -> Result<(), Failure> {
    let total = university.students.len() + university.courses.len();
    eprintln!("adding {} students and courses", thousands(total as u64));
    let mut tasks = JoinSet::new();
    for lane in 0..clients {
        let registrar = Registrar::new(client.clone());
        let students: Vec<_> = university.students.iter().skip(lane).step_by(clients).cloned().collect();
        let courses: Vec<_> = university.courses.iter().skip(lane).step_by(clients).cloned().collect();
        tasks.spawn(async move {
            for course in &courses {
                registrar.add_course(course).await?;
            }
            for student in &students {
                registrar.add_student(student).await?;
            }
            Ok::<(), assent_client::registrar::Failure>(())
        });
    }
    let unable =
        |cause: String| Failure::new(Status::Failed, "could not add the students and courses").cause(cause);
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| unable(error.to_string()))?.map_err(|failure| unable(chain(&failure)))?;
    }
    Ok(())
}

/// Kills a coordinator after a quarter of the time and a participant after half, and returns when the time is over.
async fn strike(faults: &Faults, open_for: Duration) -> Result<Vec<Fault>, Failure> {
    let at = |share: f64| tokio::time::sleep_until((faults.began + open_for.mul_f64(share)).into());
    at(0.25).await;
    let coordinator = faults.kill_coordinator().await?;
    at(0.5).await;
    let participant = faults.kill_participant().await?;
    at(1.0).await;
    Ok(vec![coordinator, participant])
}

/// Ends when a session fails: then the rest is in vain.
async fn watch(desks: &mut JoinSet<Result<(), Failure>>) -> Failure {
    loop {
        match desks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(failure))) => return failure,
            Some(Err(error)) => return Failure::new(Status::Failed, "a session stopped").cause(error),
            None => return Failure::new(Status::Failed, "all sessions stopped"),
        }
    }
}

/// Moves the display for ever.
async fn show(registration: &Registration, began: Instant, open_for: Duration) {
    let mut shown = 0;
    let (mut committed_before, mut rate) = (0, 0.0);
    loop {
        tokio::time::sleep(TICK).await;
        let elapsed = began.elapsed().min(open_for).as_millis() as u64;
        let (committed, refused) = {
            let tallies = registration.tallies();
            (tallies.committed, tallies.refused.total())
        };
        let now = (committed - committed_before) as f64 / TICK.as_secs_f64();
        rate = if rate == 0.0 { now } else { rate * 0.8 + now * 0.2 };
        committed_before = committed;
        registration.progress.message(format!(
            "{} committed, {} refused, {} per second",
            thousands(committed),
            thousands(refused),
            thousands(rate as u64)
        ));
        registration.progress.steps(elapsed - shown);
        shown = elapsed;
    }
}

/// Reads everything, and compares it with what was acknowledged.
async fn conclude(
    global: &Global,
    cluster: &TemporaryCluster,
    registration: &Registration,
    faults: Vec<Fault>,
    seconds: f64,
) -> Result<DemoReport, Failure> {
    let (verification, seen) = verify::verify(global, true).await?;
    let lost: u64 = faults.iter().map(|fault| fault.resolved_before).sum();
    let resolved = resolved_by_peers(cluster.cluster().participants()).await + lost;
    let differences = registration
        .acknowledged()
        .iter()
        .filter_map(|told| match seen.students.get(&told.student) {
            Some(student) if student.schedule == told.courses => None,
            Some(student) => Some(format!(
                "student {} was told {:?}, and the record says {:?}",
                told.student, told.courses, student.schedule
            )),
            None => Some(format!("student {} was added, and there is no such record", told.student)),
        })
        .collect();
    let full = |course: &verify::university::Course| {
        course.capacity.is_some_and(|capacity| course.roster.len() as i64 >= capacity)
    };
    let tallies = registration.tallies();
    let mut report = DemoReport {
        students: verification.students,
        courses: verification.courses,
        courses_full: seen.courses.values().filter(|course| full(course)).count() as u64,
        seconds,
        committed: tallies.committed,
        transactions_per_second: tallies.committed as f64 / seconds.max(0.001),
        latency: tallies.latency.percentiles(),
        refused: tallies.refused.clone(),
        retried: tallies.retried,
        unknown_at_first: tallies.unknown_at_first,
        resolved_by_peers: resolved,
        faults,
        verification,
        differences,
        result: "",
    };
    report.result = report.status().label();
    Ok(report)
}

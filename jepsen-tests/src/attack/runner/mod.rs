//! One run: the cluster is made, the workload runs on it under the schedule, everything is healed, and then it is judged.

mod clients;
mod consumers;
mod ending;
mod faults;
mod repeats;
mod settling;
mod stalls;

use super::{
    environment::{Environment, Needs, layout},
    error::AttackError,
    files,
    interrupt::Interrupt,
    nemesis::{Kind, Shape, Side},
    options::{AttackOptions, Network},
    recording::Recording,
    schedule::Schedule,
};
use crate::{
    checkers::availability,
    history::History,
    run::{Run, folder},
    verdict::{Finding, Verdict},
    workload::{Invocation, Taking, Workload},
};
use assent_client::Client;
use assent_transport::Role;
use clients::Shared;
use consumers::{Consumers, HANDS};
use faults::Faults;
pub(crate) use stalls::STOOD_STILL;
use stalls::Stalls;
use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant, SystemTime},
};
use tokio::task::{JoinError, JoinHandle, JoinSet, spawn_blocking};

/// How long nodes may take to be ready when the faults are over.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The faults that these options plan.
pub fn plan(options: &AttackOptions) -> Schedule {
    let of = |wanted: Role| -> Vec<String> {
        let roster = layout::roster(options).into_iter();
        roster.filter(|(role, _)| *role == wanted).map(|(_, name)| name).collect()
    };
    let shape = Shape { coordinators: of(Role::Coordinator), participants: of(Role::Participant) };
    Schedule::draw(options.seed, options.duration, &options.nemeses, &shape)
}

/// Makes a cluster, runs a workload on it under faults, and judges what was seen. Everything that a run leaves behind is in
/// the folder then, the report too.
///
/// # Errors
/// What the checkers find is in the account; an error says that there is no account.
pub fn attack(options: &AttackOptions, workload: Box<dyn Workload>) -> Result<Run, AttackError> {
    account(options, workload).map(|(run, _)| run)
}

/// The same, with what clients saw.
///
/// # Errors
/// As those of [`attack`].
pub fn account(options: &AttackOptions, workload: Box<dyn Workload>) -> Result<(Run, History), AttackError> {
    account_counting(options, workload, &Arc::default())
}

/// The same; while it runs, `begun` counts the operations that clients have begun.
///
/// # Errors
/// As those of [`attack`].
pub fn account_counting(
    options: &AttackOptions,
    mut workload: Box<dyn Workload>,
    begun: &Arc<AtomicU64>,
) -> Result<(Run, History), AttackError> {
    options.check()?;
    let interrupt = Interrupt::listen();
    let (started, clock) = (SystemTime::now(), Instant::now());
    let schedule = plan(options);
    let takings = consumers::takings(workload.as_mut(), options.seed);
    let names = (1..=options.clients).map(clients::name);
    let names: Vec<String> = names.chain((0..takings.len()).map(consumers::name)).collect();
    let cluster = Arc::new(Environment::make(options, &names, needs(options), interrupt.clone())?);
    files::schedule(&options.folder, &schedule)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AttackError::Client(error.to_string()))?;
    let attacked = runtime.block_on(run(options, &cluster, schedule, workload, takings, begun));
    // Nothing that holds the cluster may outlive it.
    drop(runtime);
    let seen = attacked?;
    files::metrics(&cluster)?;
    let keep = options.keep || seen.verdicts.iter().any(|verdict| verdict.finding >= Finding::Undecided);
    if keep {
        cluster.save()?;
    }
    let nodes = cluster.nodes.iter().map(|node| node.name().to_owned()).collect();
    let (files, notes) = (cluster.layout.cluster(), [cluster.notes.clone(), seen.notes].concat());
    drop(cluster);
    if !keep {
        std::fs::remove_dir_all(&files).map_err(super::error::file("remove", &files))?;
    }
    let run = Run {
        instrument: "attack".to_owned(),
        workload: seen.workload.clone(),
        nemeses: options.nemeses.iter().map(|kind| kind.name().to_owned()).collect(),
        seed: options.seed,
        options: options.in_words(),
        started: files::date(started),
        seconds: clock.elapsed().as_secs_f64(),
        nodes,
        faults: seen.faults,
        verdicts: seen.verdicts,
        replay: replay(options, &seen.workload),
        notes,
    };
    run.save(&options.folder, &seen.history)?;
    Ok((run, seen.history))
}

/// The command that plans and asks the same again. The folder is left to the one who runs it.
fn replay(options: &AttackOptions, workload: &str) -> String {
    let nemesis = Kind::in_one_word(&options.nemeses);
    let mut command = format!(
        "assent-lab attack --workload {workload} --nemesis {nemesis} --seed {} --seconds {} --coordinators {} \
         --participants {} --processes {} --clients {} --deadline-ms {} --pause-ms {}",
        options.seed,
        options.duration.as_secs(),
        options.coordinators,
        options.participants,
        options.processes,
        options.clients,
        options.deadline.as_millis(),
        options.pause.as_millis(),
    );
    if let Some(operations) = options.operations {
        command.push_str(&format!(" --operations {operations}"));
    }
    match options.network {
        Network::Automatic => {}
        Network::Namespaces => command.push_str(" --network namespaces"),
        Network::Loopback => command.push_str(" --network loopback"),
    }
    command
}

fn needs(options: &AttackOptions) -> Needs {
    options.nemeses.iter().fold(Needs::default(), |all, kind| {
        let one = kind.needs();
        Needs {
            links: all.links || one.links,
            relay: all.relay || one.relay,
            shim: all.shim || one.shim,
            disks: all.disks || one.disks,
        }
    })
}

/// What a run has seen.
struct Seen {
    workload: String,
    faults: Vec<crate::run::Fault>,
    verdicts: Vec<Verdict>,
    notes: Vec<String>,
    history: History,
}

/// Ends the nemesis when it is dropped, so that a panic does not leave it at work.
struct Ended(Interrupt);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn run(
    options: &AttackOptions,
    cluster: &Arc<Environment>,
    schedule: Schedule,
    mut workload: Box<dyn Workload>,
    takings: Vec<Taking>,
    begun: &Arc<AtomicU64>,
) -> Result<Seen, AttackError> {
    let _ended = Ended(cluster.interrupt.clone());
    let name = workload.name().to_owned();
    let first = workload.first();
    let processes = u64::from(options.processes) + takings.len() as u64 * HANDS;
    let recording = Arc::new(Recording::begin(processes));
    let sessions = clients::connect(options, cluster).await?;
    let shared = Arc::new(Shared {
        cluster: Arc::clone(cluster),
        recording: Arc::clone(&recording),
        settling: Arc::default(),
        differing: repeats::Differing::default(),
        workload: Mutex::new(workload),
        deadline: options.deadline,
        pause: options.pause,
        begun: Arc::clone(begun),
        begun_max: options.operations.unwrap_or(u64::MAX),
        waiting: Arc::default(),
    });
    let faults = Arc::new(Faults::new(Arc::clone(cluster), Arc::clone(&recording), schedule));
    let mut notes = Vec::new();
    let went = phases(options, &shared, &faults, &sessions, Script { first, takings }, &mut notes).await;
    let history = recording.history();
    if went.is_err() {
        // It may show why.
        folder::save_history(&options.folder, &history)?;
    }
    let (mut verdicts, faults) = (went?, faults.done());
    verdicts.extend(shared.workload().check(&history));
    verdicts.push(availability::check(&history, &faults, &availability::Bounds::default()));
    Ok(Seen { workload: name, faults, verdicts, notes, history })
}

/// What a workload asks for beside what its clients do.
struct Script {
    first: Vec<Invocation>,
    takings: Vec<Taking>,
}

/// Before the faults, under them, and after them. Gives what can be said without the history.
async fn phases(
    options: &AttackOptions,
    shared: &Arc<Shared>,
    faults: &Arc<Faults>,
    sessions: &[Client],
    script: Script,
    stalled: &mut Vec<String>,
) -> Result<Vec<Verdict>, AttackError> {
    for invocation in &script.first {
        shared.commit(&sessions[0], 0, invocation).await?;
    }
    let mut counting = JoinSet::new();
    if !script.takings.is_empty() {
        counting.spawn(consumers::watch(sessions[0].clone(), Arc::clone(&shared.waiting)));
    }
    let consumers = Consumers::start(options, shared, script.takings, options.processes.into());
    let stalls = Stalls::watch(Arc::clone(&shared.recording));
    let process = under_faults(options, shared, faults, sessions).await?;
    drop(counting);
    *stalled = stalls.notes();
    shared.cluster.interrupt.check()?;
    let ready = healed(&shared.cluster).await?;
    let mut verdicts = Vec::new();
    if ready.is_ok() {
        verdicts = afterwards(options, shared, consumers, &sessions[0], process).await?;
    }
    verdicts.insert(0, ending::nodes(&shared.cluster, &ready));
    Ok(verdicts)
}

/// All clients and both sides of the nemesis, until the time is over. Gives the number of a process that is idle then.
async fn under_faults(
    options: &AttackOptions,
    shared: &Arc<Shared>,
    faults: &Arc<Faults>,
    sessions: &[Client],
) -> Result<u64, AttackError> {
    let began = Instant::now();
    let sides = [Side::Nodes, Side::Network].map(|side| {
        let faults = Arc::clone(faults);
        spawn_blocking(move || faults.carry_out(side, began))
    });
    let workers: Vec<JoinHandle<u64>> = (0..)
        .zip(sessions)
        .map(|(place, client)| {
            let work = Arc::clone(shared).work(client.clone(), place, options.seed, began + options.duration);
            tokio::spawn(work)
        })
        .collect();
    let mut idle = 0;
    for worker in workers.into_iter().rev() {
        idle = worker.await.map_err(unwind)?;
    }
    shared.cluster.interrupt.end();
    for side in sides {
        side.await.map_err(unwind)??;
    }
    Ok(idle)
}

/// Ends all faults. The inner result is how the nodes took it.
async fn healed(cluster: &Arc<Environment>) -> Result<Result<(), AttackError>, AttackError> {
    let cluster = Arc::clone(cluster);
    let healed = spawn_blocking(move || {
        cluster.heal()?;
        let ready = cluster.await_ready(READY_WITHIN);
        cluster.interrupt.check()?;
        Ok(ready)
    });
    healed.await.map_err(unwind)?
}

/// What can only be seen when the cluster is whole again.
async fn afterwards(
    options: &AttackOptions,
    shared: &Arc<Shared>,
    consumers: Consumers,
    client: &Client,
    process: u64,
) -> Result<Vec<Verdict>, AttackError> {
    let settled = ending::settled(&shared.settling.finish().await);
    let mut verdicts = Vec::new();
    if !consumers.is_none() {
        consumers.heal();
        let drained = consumers.drained(client, &shared.cluster).await?;
        let is_drained = drained.finding == Finding::Holds;
        verdicts.push(drained);
        if !is_drained {
            // What is still on its way would look as if it were lost.
            return Ok([verdicts, vec![ending::in_doubt(client).await, settled]].concat());
        }
        consumers.stop().await;
    }
    let last = shared.workload().last();
    for invocation in &last {
        match shared.commit(client, process, invocation).await {
            Ok(()) => {}
            // The faults are over: that it does not work again is what the run has found.
            Err(error @ AttackError::NotCommitted { .. }) => {
                verdicts.push(ending::stuck(client, &error).await);
                return Ok(verdicts);
            }
            Err(error) => return Err(error),
        }
    }
    verdicts.extend([ending::in_doubt(client).await, settled]);
    let repeats = ending::repeats(&shared.differing);
    verdicts.extend((repeats.finding != Finding::Unknown).then_some(repeats));
    if shared.workload().name() == "registrar" {
        let (options, cluster) = (options.clone(), Arc::clone(&shared.cluster));
        let verified = spawn_blocking(move || ending::verify(&options, &cluster));
        verdicts.push(verified.await.map_err(unwind)??);
    }
    Ok(verdicts)
}

/// A panic of a task goes on here, where the cluster is removed on its way.
fn unwind(error: JoinError) -> AttackError {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(error) => AttackError::Client(error.to_string()),
    }
}

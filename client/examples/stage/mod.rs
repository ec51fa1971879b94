//! A stage for applications under fire: a temporary cluster, worker processes, and a fury that kills both.
//!
//! A program that plays here is its own worker: it is started again with `worker ROLE DIR`. A worker ends when its standard
//! input is closed, so none outlives the program; nodes and workers are stopped when the stage is dropped, whatever
//! happened. The program `assent` is named by the environment's `ASSENT`.
//!
//! Not an example itself. Not every example uses every helper.
#![allow(dead_code, unused_imports)]

mod fury;
mod helpers;
mod random;

pub(crate) use fury::Fury;
pub(crate) use helpers::{
    Progress, commit, connect, integer, list, number_from, quiet, read, set, sum, text,
};
pub(crate) use random::Random;

use assent_client::Client;
use std::{
    error::Error,
    future::Future,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// Anything that ends a play or a worker.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The lease that workers take: short, since their deaths are many.
pub(crate) const LEASE: Duration = Duration::from_millis(1500);

/// The nodes of a local cluster, as `assent cluster up` names them.
pub(crate) const NODES: [&str; 5] =
    ["coordinator-1", "coordinator-2", "students-1", "students-2", "courses-1"];

/// Runs the play, or one worker of it. A test runner passes arguments of its own, which mean nothing here.
pub(crate) fn run<S, P>(
    service: impl FnOnce(String, Client) -> S,
    play: impl FnOnce(Arc<Stage>) -> P,
) -> ExitCode
where
    S: Future<Output = Result<(), Failure>>,
    P: Future<Output = Result<(), Failure>>,
{
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["worker", role, dir] => work(role, Path::new(dir), service),
        _ if arguments.contains(&"--list") => Ok(()),
        _ => perform(play),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn work<S>(role: &str, dir: &Path, service: impl FnOnce(String, Client) -> S) -> Result<(), Failure>
where
    S: Future<Output = Result<(), Failure>>,
{
    std::thread::spawn(|| {
        // Whoever started this worker holds the other end for as long as it lives.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime()?.block_on(async { service(role.to_owned(), connect(dir).await?).await })
}

fn perform<P>(play: impl FnOnce(Arc<Stage>) -> P) -> Result<(), Failure>
where
    P: Future<Output = Result<(), Failure>>,
{
    let stage = Arc::new(Stage::up()?);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = play(Arc::clone(&stage)) => ended,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
            _ = terminated.recv() => Err("terminated".into()),
        }
    });
    // What the play has begun holds the stage too.
    drop(runtime);
    match ended {
        Ok(()) => Ok(()),
        Err(error) => Err(format!("{error}\nthe cluster's logs and data: {}", stage.keep().display()).into()),
    }
}

/// A cluster and the worker processes of one play.
pub(crate) struct Stage {
    dir: PathBuf,
    /// Deletes the directory; taken out to keep it.
    temporary: Mutex<Option<TempDir>>,
    assent: PathBuf,
    crew: Mutex<Vec<Worker>>,
    /// Chooses who is struck, and what an application draws.
    pub(crate) seed: u64,
}

struct Worker {
    role: String,
    process: Child,
}

impl Stage {
    fn up() -> Result<Stage, Failure> {
        let given = std::env::var_os("ASSENT").map(PathBuf::from);
        let assent = given.or_else(|| option_env!("CARGO_BIN_EXE_assent").map(PathBuf::from));
        let assent = assent.ok_or("name the program assent: ASSENT=/path/to/assent")?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros() as u64;
        let seed = number_from("SEED", now)?;
        println!("SEED={seed}");
        let temporary = tempfile::tempdir()?;
        let stage = Stage {
            dir: temporary.path().to_owned(),
            temporary: Mutex::new(Some(temporary)),
            assent,
            crew: Mutex::default(),
            seed,
        };
        stage.cluster(["up", "--dir"], None)?;
        Ok(stage)
    }

    /// Connects as the cluster's own client.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        connect(&self.dir).await
    }

    /// Starts workers of one role.
    pub(crate) fn hire(&self, role: &str, count: usize) -> Result<(), Failure> {
        for _ in 0..count {
            let worker = self.start(role)?;
            self.crew().push(worker);
        }
        Ok(())
    }

    fn start(&self, role: &str) -> Result<Worker, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["worker", role]).arg(&self.dir).stdin(Stdio::piped());
        Ok(Worker { role: role.to_owned(), process: command.spawn()? })
    }

    fn crew(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills all workers. What they held comes back when its leases run out.
    pub(crate) fn dismiss(&self) {
        for mut worker in self.crew().drain(..) {
            worker.kill();
        }
    }

    /// Runs `assent cluster`, with the directory as the last argument, or before it a node.
    fn cluster<const N: usize>(&self, arguments: [&str; N], node: Option<&str>) -> Result<(), Failure> {
        let mut command = Command::new(&self.assent);
        command.arg("cluster").args(arguments).arg(&self.dir).args(node).stdin(Stdio::null());
        let ran = command.output().map_err(|error| format!("{}: {error}", self.assent.display()))?;
        match ran.status.success() {
            true => Ok(()),
            false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&ran.stderr)).into()),
        }
    }

    /// Keeps the directory when everything has ended, and says where it is.
    fn keep(&self) -> PathBuf {
        let temporary = self.temporary.lock().unwrap_or_else(PoisonError::into_inner).take();
        temporary.map_or_else(|| self.dir.clone(), TempDir::keep)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.dismiss();
        if let Err(error) = self.cluster(["down", "--dir"], None) {
            eprintln!("the cluster could not be stopped: {error}");
        }
    }
}

impl Worker {
    /// As a crash would.
    fn kill(&mut self) {
        // It may have ended by itself, which the play then finds out.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

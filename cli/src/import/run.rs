//! Runs the jobs of an import over several sessions.
//!
//! Jobs of one chain run in order; a job that the cluster refuses is looked into: either an earlier run has done it,
//! or what the cluster holds does not go with it, and that is remarked upon.

use super::{
    Pace,
    input::Remark,
    job::{Chain, Job},
};
use crate::{
    context::Global,
    failure::Failure,
    progress::Progress,
    registrar::records,
    settle::{End, Settler},
    status::Status,
};
use assent_client::{Client, Transaction};
use assent_protocol::operation::{FieldContent, ReadResult, Value};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What a run has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Transactions committed by this run, courses not among them.
    pub(super) committed: u64,
    /// Transactions that an earlier run had committed.
    pub(super) already_done: u64,
    /// Courses created by this run.
    pub(super) courses_created: u64,
    /// Transactions tried again.
    pub(super) retried: u64,
    /// Transactions refused.
    pub(super) refused: Vec<Remark>,
    /// How long it took.
    pub(super) seconds: f64,
}

/// Sessions, and what they have done.
pub(super) struct Runner {
    client: Client,
    sessions: Vec<Settler>,
    done: Done,
    started: Instant,
}

/// What the sessions of one phase share.
struct Shared {
    file: String,
    waiting: Mutex<VecDeque<Chain>>,
    done: Mutex<Done>,
    progress: Progress,
}

impl Runner {
    /// Opens the sessions.
    pub(super) async fn connect(global: &Global, pace: &Pace) -> Result<Runner, Failure> {
        let client = global.connect().await?;
        let patience = Duration::from_secs(pace.patience_s);
        let sessions = Settler::open(&client, pace.clients.into(), patience).await?;
        Ok(Runner { client, sessions, done: Done::default(), started: Instant::now() })
    }

    /// Creates the courses that are not there (id and title), and returns the credits of all.
    pub(super) async fn create_courses(
        &mut self,
        courses: Vec<(String, String)>,
    ) -> Result<BTreeMap<String, i64>, Failure> {
        let jobs: Vec<Job> = courses.iter().map(|(id, title)| Job::course(id, title)).collect();
        let before = (self.done.committed, self.done.already_done);
        self.run("courses", "courses", jobs.into_iter().map(|job| vec![job]).collect()).await?;
        self.done.courses_created = self.done.committed - before.0;
        (self.done.committed, self.done.already_done) = before;

        // A course that was there before may have other credits than this import would give it.
        let mut credits = BTreeMap::new();
        for batch in courses.chunks(100) {
            let reads = batch.iter().fold(Transaction::new(), |reads, (id, _)| {
                reads.read_field(records::course(id), records::CREDITS)
            });
            for ((id, _), seen) in batch.iter().zip(self.read(reads).await?) {
                if let ReadResult::Field(Some(FieldContent::Value(Value::Int(value)))) = seen {
                    credits.insert(id.clone(), value);
                }
            }
        }
        match courses.iter().find(|(id, _)| !credits.contains_key(id)) {
            Some((id, _)) => {
                Err(Failure::new(Status::WrongResult, format!("course {id} has no {}", records::CREDITS))
                    .cause("a record of this id exists that is no course")
                    .remedy("import into another cluster, or delete that record"))
            }
            None => Ok(credits),
        }
    }

    /// Runs chains; `file` stands in remarks.
    pub(super) async fn run(&mut self, label: &str, file: &str, chains: Vec<Chain>) -> Result<(), Failure> {
        let total = chains.iter().map(Vec::len).sum::<usize>() as u64;
        let shared = Arc::new(Shared {
            file: file.to_owned(),
            waiting: Mutex::new(chains.into()),
            done: Mutex::new(std::mem::take(&mut self.done)),
            progress: Progress::new(label, total),
        });
        let mut tasks = JoinSet::new();
        for session in self.sessions.drain(..) {
            tasks.spawn(work(Arc::clone(&shared), session));
        }
        let mut failed = None;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Ok(session)) => self.sessions.push(session),
                Ok(Err(failure)) => failed = failed.or(Some(failure)),
                Err(error) => {
                    failed = failed.or(Some(Failure::new(Status::Failed, "a session ended").cause(error)))
                }
            }
            if failed.is_some() {
                // The others stop at the end of their chain.
                lock(&shared.waiting).clear();
            }
        }
        shared.progress.finish();
        self.done = std::mem::take(&mut lock(&shared.done));
        failed.map_or(Ok(()), Err)
    }

    /// Reads consistently.
    pub(super) async fn read(&mut self, reads: Transaction) -> Result<Vec<ReadResult>, Failure> {
        match self.sessions.first_mut() {
            Some(session) => session.read(reads).await,
            None => Err(Failure::new(Status::Failed, "there is no session to read with")),
        }
    }

    /// Ends the sessions.
    pub(super) async fn finish(mut self) -> Done {
        self.done.retried = self.sessions.iter().map(Settler::retried).sum();
        self.done.seconds = self.started.elapsed().as_secs_f64();
        self.done.refused.sort_by_key(|remark| remark.line);
        for session in self.sessions {
            session.close().await;
        }
        self.client.close().await;
        self.done
    }
}

async fn work(shared: Arc<Shared>, mut session: Settler) -> Result<Settler, Failure> {
    loop {
        let Some(chain) = lock(&shared.waiting).pop_front() else { return Ok(session) };
        for job in chain {
            run_job(&shared, &mut session, job).await?;
            shared.progress.step();
        }
    }
}

async fn run_job(shared: &Shared, session: &mut Settler, job: Job) -> Result<(), Failure> {
    loop {
        let refusal = match session.run(job.change.clone()).await? {
            End::Committed(_) => {
                lock(&shared.done).committed += 1;
                return Ok(());
            }
            End::Aborted(abort) => Some(abort),
            End::Forgotten(_) => None,
        };
        if session.read(job.trace.clone()).await?.iter().any(found) {
            lock(&shared.done).already_done += 1;
            return Ok(());
        }
        if let Some(abort) = refusal {
            let what = format!("refused by the cluster: {abort}");
            lock(&shared.done).refused.push(Remark { file: shared.file.clone(), line: job.line, what });
            return Ok(());
        }
        // A forgotten one that left no marker has not happened, and the marker makes another try safe.
    }
}

fn found(seen: &ReadResult) -> bool {
    match seen {
        ReadResult::Member(there) => *there,
        ReadResult::Field(content) => content.is_some(),
        ReadResult::Record(content) => content.is_some(),
        ReadResult::Count(count) => *count > 0,
    }
}

/// A panic of one session must not hide what the others have done.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

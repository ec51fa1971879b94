//! The load: each client in a loop of its own, one transaction at a time.
//!
//! A client has students of its own, so that clients meet at courses and nowhere else. A student whose schedule is
//! full, or who has every course, drops one: so the load can go on for ever.

use super::report::BenchReport;
use crate::{
    failure::Failure,
    latency::Latency,
    random::Random,
    registrar::records::{self, Enrolment, Place},
    settle::{End, Settler},
    status::Status,
    tally::Tally,
};
use assent_client::{Client, Outcome, Transaction};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Courses that a student has at most.
const SCHEDULE_MAX: usize = 6;
/// Credits of a course.
const CREDITS: i64 = 3;
/// Records that one transaction of the setup creates.
const SETUP_BATCH: usize = 50;
/// How long one transaction is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries of an aborted transaction.
const RETRY_DELAY_US_MAX: usize = 2_000;

/// What is loaded, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Begins the id of every student and course, so that runs on one cluster don't meet.
    pub(super) prefix: String,
    pub(super) clients: usize,
    pub(super) students: usize,
    pub(super) courses: usize,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    pub(super) seed: u64,
}

/// Where a run is; all clients look here.
struct Phase {
    now: AtomicU8,
    committed: AtomicU64,
}

const WARM_UP: u8 = 0;
const MEASURED: u8 = 1;
const OVER: u8 = 2;

/// What one client has done while it was measured.
struct Done {
    latency: Latency,
    enrolled: u64,
    dropped: u64,
    aborts: Tally,
    unknown: u64,
}

/// Creates students and courses.
pub(super) async fn set_up(client: &Client, plan: &Plan) -> Result<(), Failure> {
    let mut creations: Vec<Transaction> = Vec::new();
    let courses: Vec<usize> = (0..plan.courses).collect();
    for batch in courses.chunks(SETUP_BATCH) {
        creations.push(batch.iter().fold(Transaction::new(), |creation, &course| {
            let id = plan.course(course);
            records::create_course(creation, &id, &id, CREDITS, Some(plan.students as i64))
        }));
    }
    let students: Vec<usize> = (0..plan.students).collect();
    for batch in students.chunks(SETUP_BATCH) {
        creations.push(batch.iter().fold(Transaction::new(), |creation, &student| {
            let id = plan.student(student);
            records::create_student(creation, &id, &id, Some(CREDITS * SCHEDULE_MAX as i64))
        }));
    }
    let mut tasks = JoinSet::new();
    let lanes = 16.min(creations.len());
    for lane in 0..lanes {
        let own: Vec<Transaction> = creations.iter().skip(lane).step_by(lanes).cloned().collect();
        tasks.spawn(create(client.clone(), own));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Failure::new(Status::Failed, "the setup stopped").cause(error))??;
    }
    Ok(())
}

async fn create(client: Client, creations: Vec<Transaction>) -> Result<(), Failure> {
    let mut settler = Settler::new(client, PATIENCE);
    for creation in creations {
        match settler.run(creation).await? {
            End::Committed(_) => {}
            End::Aborted(abort) => {
                return Err(Failure::new(Status::Aborted, "could not create the students and courses")
                    .cause(abort)
                    .remedy("use another cluster, or none to have a temporary one"));
            }
            End::Forgotten(id) => {
                return Err(Failure::new(
                    Status::Unknown,
                    format!("the outcome of {id} can't be learnt any more"),
                )
                .remedy("run the benchmark again"));
            }
        }
    }
    Ok(())
}

/// Runs the load and measures.
pub(super) async fn run(client: &Client, plan: &Plan) -> Result<BenchReport, Failure> {
    let phase = Arc::new(Phase { now: AtomicU8::new(WARM_UP), committed: AtomicU64::new(0) });
    let mut tasks = JoinSet::new();
    for number in 0..plan.clients {
        let session = client.session().await.map_err(|error| {
            Failure::new(Status::Unreachable, "could not open a session").cause(crate::failure::chain(&error))
        })?;
        tasks.spawn(Loader::new(plan, number, session).run(Arc::clone(&phase)));
    }
    let clock = time(plan, &phase);
    tokio::pin!(clock);
    let mut all = Done::new();
    let mut seconds = None;
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(Ok(done)) => all.take(done?),
                Some(Err(error)) => return Err(Failure::new(Status::Failed, "a client stopped").cause(error)),
                None => break,
            },
            measured = &mut clock, if seconds.is_none() => seconds = Some(measured),
        }
    }
    Ok(all.report(plan, seconds.unwrap_or_default(), phase.committed.load(Ordering::Relaxed)))
}

/// Leads all clients through the phases, and returns how long was measured, in seconds.
async fn time(plan: &Plan, phase: &Phase) -> f64 {
    tokio::time::sleep(plan.warm_up).await;
    phase.now.store(MEASURED, Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(plan.measured).await;
    phase.now.store(OVER, Ordering::Relaxed);
    started.elapsed().as_secs_f64()
}

impl Plan {
    fn student(&self, number: usize) -> String {
        format!("{}-s{number}", self.prefix)
    }

    fn course(&self, number: usize) -> String {
        format!("{}-c{number}", self.prefix)
    }
}

impl Done {
    fn new() -> Done {
        Done { latency: Latency::new(), enrolled: 0, dropped: 0, aborts: Tally::default(), unknown: 0 }
    }

    fn take(&mut self, other: Done) {
        self.latency.take(&other.latency);
        self.enrolled += other.enrolled;
        self.dropped += other.dropped;
        self.aborts.take(&other.aborts);
        self.unknown += other.unknown;
    }

    fn report(self, plan: &Plan, seconds: f64, committed: u64) -> BenchReport {
        let tries = committed + self.aborts.total();
        BenchReport {
            clients: plan.clients as u64,
            seconds,
            students: plan.students as u64,
            courses: plan.courses as u64,
            committed,
            enrolled: self.enrolled,
            dropped: self.dropped,
            transactions_per_second: if seconds > 0.0 { committed as f64 / seconds } else { 0.0 },
            latency: self.latency.percentiles(),
            abort_rate: if tries > 0 { self.aborts.total() as f64 / tries as f64 } else { 0.0 },
            aborts: self.aborts,
            unknown: self.unknown,
            fdatasync_per_second: None,
        }
    }
}

/// One client with its students.
struct Loader {
    session: Client,
    random: Random,
    courses: Vec<String>,
    students: Vec<(String, Vec<usize>)>,
    capacity: u64,
}

impl Loader {
    fn new(plan: &Plan, number: usize, session: Client) -> Loader {
        Loader {
            session,
            random: Random::new(plan.seed.wrapping_add(number as u64)),
            courses: (0..plan.courses).map(|course| plan.course(course)).collect(),
            students: (number..plan.students)
                .step_by(plan.clients)
                .map(|student| (plan.student(student), Vec::new()))
                .collect(),
            capacity: plan.students as u64,
        }
    }

    async fn run(mut self, phase: Arc<Phase>) -> Result<Done, Failure> {
        let mut done = Done::new();
        while phase.now.load(Ordering::Relaxed) != OVER {
            let student = self.random.below(self.students.len());
            let course = self.random.below(self.courses.len());
            let has = &self.students[student].1;
            let at = has.iter().position(|&had| had == course);
            let at = at.or_else(|| (has.len() >= SCHEDULE_MAX).then(|| self.random.below(has.len())));
            let course = at.map_or(course, |at| has[at]);
            let change = self.change(student, course, at.is_none());
            let began = Instant::now();
            self.settle(change, &mut done, &phase).await?;
            match at {
                Some(at) => drop(self.students[student].1.swap_remove(at)),
                None => self.students[student].1.push(course),
            }
            if phase.now.load(Ordering::Relaxed) == MEASURED {
                phase.committed.fetch_add(1, Ordering::Relaxed);
                done.latency.record(began.elapsed());
                *(if at.is_some() { &mut done.dropped } else { &mut done.enrolled }) += 1;
            }
        }
        self.session.close().await;
        Ok(done)
    }

    fn change(&self, student: usize, course: usize, enrol: bool) -> Transaction {
        let student = &self.students[student].0;
        let place = Place { course: &self.courses[course], credits: CREDITS, capacity: Some(self.capacity) };
        let enrolment =
            Enrolment { student, credits_max: Some(CREDITS * SCHEDULE_MAX as i64), courses: &[place] };
        let change = records::require_active(Transaction::new(), student);
        if enrol { enrolment.enrol(change) } else { enrolment.drop(change) }
    }

    /// Tries until it is committed: nothing of this load can be refused for good.
    async fn settle(&mut self, change: Transaction, done: &mut Done, phase: &Phase) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let mut outcome = self.session.submit(change.clone()).await;
            let measured = phase.now.load(Ordering::Relaxed) == MEASURED;
            if let Outcome::Unknown(handle) = outcome {
                done.unknown += u64::from(measured);
                outcome = match Settler::new(self.session.clone(), PATIENCE).resolve(handle, began).await? {
                    End::Committed(receipt) => Outcome::Committed(receipt),
                    End::Aborted(abort) => Outcome::Aborted(abort),
                    End::Forgotten(id) => {
                        return Err(Failure::new(
                            Status::Unknown,
                            format!("the outcome of {id} can't be learnt any more"),
                        ));
                    }
                };
            }
            let Outcome::Aborted(abort) = outcome else { return Ok(()) };
            if measured {
                done.aborts.count(abort.reason.kind());
            }
            if abort.refusal().is_some() || began.elapsed() > PATIENCE {
                return Err(Failure::new(Status::WrongResult, "a transaction that had to commit did not")
                    .cause(abort));
            }
            let delay = self.random.below(RETRY_DELAY_US_MAX) as u64;
            tokio::time::sleep(Duration::from_micros(delay)).await;
        }
    }
}

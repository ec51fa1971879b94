//! Registration: students enrol, change their minds, and are sometimes refused. What they were told is kept.
//!
//! A student is with one session at a time, so what was acknowledged last is what the records must hold in the end.

use super::university::University;
use crate::{
    failure::{Failure, chain},
    latency::Latency,
    progress::Progress,
    random::Random,
    status::Status,
    tally::Tally,
};
use assent_client::{
    Client, Receipt,
    registrar::{Failure as Answer, Refused, Registrar},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Courses that a student enrols in at first, all or none.
const FIRST_WISHES: (usize, usize) = (2, 5);
/// How long one change is tried, while nodes are away.
const PATIENCE: Duration = Duration::from_secs(60);

/// A student, and what the cluster has acknowledged.
#[derive(Debug)]
pub(super) struct Acknowledged {
    pub(super) student: String,
    pub(super) courses: BTreeSet<String>,
}

/// What registration came to.
#[derive(Debug)]
pub(super) struct Tallies {
    pub(super) committed: u64,
    pub(super) refused: Tally,
    pub(super) retried: u64,
    pub(super) unknown_at_first: u64,
    pub(super) latency: Latency,
}

/// What all sessions share.
pub(super) struct Registration {
    university: University,
    waiting: Mutex<VecDeque<Acknowledged>>,
    tallies: Mutex<Tallies>,
    over: AtomicBool,
    pub(super) progress: Progress,
}

/// What a student wants now.
enum Wish {
    Enrol(Vec<String>),
    Drop(String),
    Transfer { from: String, to: String },
}

impl Registration {
    /// Opens it. The progress counts milliseconds.
    pub(super) fn open(university: University, progress: Progress) -> Arc<Registration> {
        let waiting = university
            .students
            .iter()
            .map(|student| Acknowledged { student: student.id.clone(), courses: BTreeSet::new() })
            .collect();
        let tallies = Tallies {
            committed: 0,
            refused: Tally::default(),
            retried: 0,
            unknown_at_first: 0,
            latency: Latency::new(),
        };
        Arc::new(Registration {
            university,
            waiting: Mutex::new(waiting),
            tallies: Mutex::new(tallies),
            over: AtomicBool::new(false),
            progress,
        })
    }

    /// Lets students in through several sessions.
    pub(super) async fn serve(
        self: &Arc<Self>,
        client: &Client,
        clients: usize,
        seed: u64,
    ) -> Result<JoinSet<Result<(), Failure>>, Failure> {
        let registrar = Registrar::new(client.clone());
        let mut desks = JoinSet::new();
        for number in 0..clients {
            let session = client.session().await.map_err(|error| {
                Failure::new(Status::Unreachable, "could not open a session").cause(chain(&error))
            })?;
            let random = Random::new(seed.wrapping_add(1 + number as u64));
            desks.spawn(Arc::clone(self).desk(registrar.with_client(session), random));
        }
        Ok(desks)
    }

    /// Closes it: every session ends after what it is doing.
    pub(super) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// What was acknowledged to whom.
    pub(super) fn acknowledged(&self) -> MutexGuard<'_, VecDeque<Acknowledged>> {
        lock(&self.waiting)
    }

    /// How transactions have ended so far.
    pub(super) fn tallies(&self) -> MutexGuard<'_, Tallies> {
        lock(&self.tallies)
    }

    async fn desk(self: Arc<Self>, registrar: Registrar, mut random: Random) -> Result<(), Failure> {
        while !self.over.load(Ordering::Relaxed) {
            let Some(mut student) = lock(&self.waiting).pop_front() else {
                // Every student stands at another desk.
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            };
            let result = self.attend(&registrar, &mut student, &mut random).await;
            lock(&self.waiting).push_back(student);
            result?;
        }
        registrar.client().clone().close().await;
        Ok(())
    }

    async fn attend(
        &self,
        registrar: &Registrar,
        who: &mut Acknowledged,
        random: &mut Random,
    ) -> Result<(), Failure> {
        let wish = self.wish(who, random);
        let started = Instant::now();
        let answer = self.settle(registrar, &who.student, &wish).await?;
        let mut tallies = lock(&self.tallies);
        match answer {
            Ok(receipt) => {
                tallies.committed += 1;
                tallies.retried += u64::from(receipt.attempts.saturating_sub(1));
                tallies.latency.record(started.elapsed());
                wish.note(&mut who.courses);
            }
            Err(refused) => tallies.refused.count(label(&refused)),
        }
        Ok(())
    }

    fn wish(&self, who: &Acknowledged, random: &mut Random) -> Wish {
        if who.courses.is_empty() {
            let (least, most) = FIRST_WISHES;
            let count = least + random.below(most - least + 1);
            return Wish::Enrol(
                self.university.wishes(count, random).into_iter().map(str::to_owned).collect(),
            );
        }
        let own: Vec<&String> = who.courses.iter().collect();
        let from = own[random.below(own.len())].clone();
        let to = self.university.wish(random).to_owned();
        match random.below(10) {
            0..3 => Wish::Drop(from),
            3..7 if to != from => Wish::Transfer { from, to },
            _ => Wish::Enrol(vec![to]),
        }
    }

    /// Tries until there is a definite answer.
    async fn settle(
        &self,
        registrar: &Registrar,
        student: &str,
        wish: &Wish,
    ) -> Result<Result<Receipt, Refused>, Failure> {
        let started = Instant::now();
        let mut answer = wish.submit(registrar, student).await;
        loop {
            let failure = match answer {
                Ok(receipt) => return Ok(Ok(receipt)),
                Err(Answer::Refused(refused)) => return Ok(Err(refused)),
                Err(failure) => failure,
            };
            if started.elapsed() > PATIENCE {
                return Err(Failure::new(
                    Status::Unreachable,
                    "the cluster gave no definite answer for a minute",
                )
                .cause(chain(&failure)));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer = match failure {
                Answer::Unknown(handle) => {
                    lock(&self.tallies).unknown_at_first += 1;
                    registrar.resolve(&handle).await
                }
                Answer::Aborted(_) | Answer::Refused(_) => {
                    lock(&self.tallies).retried += 1;
                    wish.submit(registrar, student).await
                }
            };
        }
    }
}

impl Wish {
    async fn submit(&self, registrar: &Registrar, student: &str) -> Result<Receipt, Answer> {
        match self {
            Wish::Enrol(courses) => {
                let courses: Vec<&str> = courses.iter().map(String::as_str).collect();
                registrar.enroll(student, &courses).await
            }
            Wish::Drop(course) => registrar.drop(student, &[course]).await,
            Wish::Transfer { from, to } => registrar.transfer(student, from, to).await,
        }
    }

    /// What a student has once the wish has come true.
    fn note(self, courses: &mut BTreeSet<String>) {
        match self {
            Wish::Enrol(new) => courses.extend(new),
            Wish::Drop(course) => {
                courses.remove(&course);
            }
            Wish::Transfer { from, to } => {
                courses.remove(&from);
                courses.insert(to);
            }
        }
    }
}

fn label(refused: &Refused) -> &'static str {
    match refused {
        Refused::StudentExists { .. } => "student exists",
        Refused::CourseExists { .. } => "course exists",
        Refused::UnknownStudent { .. } => "unknown student",
        Refused::UnknownCourse { .. } => "unknown course",
        Refused::StudentInactive { .. } => "student inactive",
        Refused::CourseClosed { .. } => "course closed",
        Refused::CourseFull { .. } => "course full",
        Refused::CreditLimit { .. } => "credit limit",
        Refused::ScheduleFull { .. } => "schedule full",
        Refused::AlreadyEnrolled { .. } => "already enrolled",
        Refused::NotEnrolled { .. } => "not enrolled",
        Refused::CourseNamedTwice { .. } => "course named twice",
        Refused::NoCourse => "no course",
    }
}

/// A panic of one session must not hide what the others were told.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

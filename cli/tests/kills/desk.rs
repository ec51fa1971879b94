//! One session that changes records without end, and writes down what it was told.
//!
//! A student is with one desk for ever and has one change under way at a time; while that one's outcome is unknown, the
//! student waits. So what was told last is exactly what the record must hold.

use crate::{campus::Campus, load::Call, load::Load, random::Random};
use assent_client::{Doubt, Handle, NodeId, Outcome, Transaction, registrar::Registrar};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long an unknown outcome may stay so once all nodes run.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Between two calls of a desk: about what a person's client would leave, and enough to keep the test's own work small.
const PAUSE: Duration = Duration::from_millis(2);

/// A change of records.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A student leaves some courses and joins others.
    Courses {
        /// Who.
        student: String,
        /// Left.
        out_of: Vec<String>,
        /// Joined.
        into: Vec<String>,
    },
    /// What is added to each of these purses.
    Coins(Vec<(String, i64)>),
}

/// What was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The courses of each student.
    pub(crate) courses: BTreeMap<String, BTreeSet<String>>,
    /// What was added to each purse in sum.
    pub(crate) coins: BTreeMap<String, i64>,
}

impl Told {
    /// It has happened.
    fn note(&mut self, change: &Change) {
        match change {
            Change::Courses { student, out_of, into } => {
                let courses = self.courses.entry(student.clone()).or_default();
                courses.retain(|course| !out_of.contains(course));
                courses.extend(into.iter().cloned());
            }
            Change::Coins(moves) => {
                for (purse, delta) in moves {
                    *self.coins.entry(purse.clone()).or_default() += delta;
                }
            }
        }
    }

    /// Both together. No student is in both.
    pub(crate) fn merge(&mut self, other: Told) {
        self.courses.extend(other.courses);
        for (purse, delta) in other.coins {
            *self.coins.entry(purse).or_default() += delta;
        }
    }
}

/// What a desk does.
pub(crate) enum Work {
    /// Enrols these students.
    Students(Vec<String>),
    /// Moves coins between purses of these participants.
    Purses(BTreeSet<NodeId>),
}

/// A desk.
pub(crate) struct Desk {
    /// Over a session of its own.
    registrar: Registrar,
    work: Work,
    told: Told,
    unknown: Vec<(Handle, Change)>,
    random: Random,
}

impl Desk {
    /// A desk that has told nothing yet.
    pub(crate) fn new(registrar: Registrar, work: Work, random: Random) -> Desk {
        let mut told = Told::default();
        if let Work::Students(students) = &work {
            told.courses = students.iter().map(|student| (student.clone(), BTreeSet::new())).collect();
        }
        Desk { registrar, work, told, unknown: Vec::new(), random }
    }

    /// What it has told, which is all once nothing is unknown.
    pub(crate) fn told(&self) -> Told {
        assert!(self.unknown.is_empty(), "settle first");
        self.told.clone()
    }

    /// Serves until the load is closed.
    pub(crate) async fn serve(&mut self, campus: &Campus, load: &Load) {
        while load.is_open() {
            tokio::time::sleep(PAUSE).await;
            let Some(change) = self.wish(campus) else { continue };
            let transaction = self.transaction(&change).await;
            // Short deadlines end in Unknown, long ones see the cluster whole again.
            let transaction = match load.deadlines {
                Some((least, most)) => transaction.deadline(self.random.millis(least, most)),
                None => transaction,
            };
            let touched = campus.touched(&transaction);
            let began = Instant::now();
            let outcome = self.registrar.client().run_with_retries(transaction).await;
            load.note(Call { touched, began, ended: Instant::now(), committed: outcome.is_committed() });
            match outcome {
                Outcome::Committed(_) => self.told.note(&change),
                Outcome::Aborted(_) => {}
                Outcome::Unknown(handle) => self.unknown.push((handle, change)),
            }
        }
    }

    /// Learns all unknown outcomes, and says how many there were. All nodes run.
    pub(crate) async fn settle(&mut self) -> usize {
        let began = Instant::now();
        let unknown = std::mem::take(&mut self.unknown);
        let count = unknown.len();
        for (handle, change) in unknown {
            loop {
                match self.registrar.client().resolve(&handle).await {
                    Outcome::Committed(_) => self.told.note(&change),
                    Outcome::Aborted(_) => {}
                    Outcome::Unknown(again) => {
                        let (id, doubt) = (again.id(), again.doubt());
                        // The session keeps its answers until it has them (R8).
                        assert_ne!(
                            doubt,
                            Doubt::Expired,
                            "{id} was forgotten before its client knew its outcome"
                        );
                        assert!(began.elapsed() < SETTLED_WITHIN, "{id} stays unknown: {doubt}");
                        continue;
                    }
                }
                break;
            }
        }
        count
    }

    fn wish(&mut self, campus: &Campus) -> Option<Change> {
        match &self.work {
            Work::Students(students) => {
                let waits = |student: &String| {
                    self.unknown.iter().any(
                        |(_, change)| matches!(change, Change::Courses { student: who, .. } if who == student),
                    )
                };
                let free: Vec<&String> = students.iter().filter(|student| !waits(student)).collect();
                if free.is_empty() {
                    return None;
                }
                let student = *self.random.one_of(&free);
                Some(campus.wish(student, &self.told.courses[student], &mut self.random))
            }
            Work::Purses(nodes) => Some(campus.move_between(nodes, &mut self.random)),
        }
    }

    async fn transaction(&self, change: &Change) -> Transaction {
        match change {
            Change::Courses { student, out_of, into } => {
                let out_of: Vec<&str> = out_of.iter().map(String::as_str).collect();
                let into: Vec<&str> = into.iter().map(String::as_str).collect();
                let transaction = self.registrar.transaction(student, &out_of, &into).await;
                transaction.expect("the registrar knows all limits, and no course is named twice")
            }
            Change::Coins(moves) => {
                let mut transaction = Transaction::new();
                for (purse, delta) in moves {
                    transaction =
                        transaction.add(&**purse, "coins", *delta, 0..).set(&**purse, "last", *delta);
                }
                transaction
            }
        }
    }
}

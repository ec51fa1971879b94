//! What the load works on, and whether the cluster's records are what was told of them.
//!
//! Students and courses, so that two participants must agree on each enrolment; and purses, of which every participant
//! holds some, so that any two or three must agree on moves from one to another. Each purse also has a field that
//! every move sets: on it, moves exclude each other and wait.

use crate::{desk::Change, desk::Told, random::Random};
use assent_client::{
    Client, FieldContent, Member, NodeId, Outcome, RecordContent, RecordId, Transaction, Value,
    registrar::{NewCourse, NewStudent, Registrar},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Courses, with few enough places that some fill.
const COURSES: usize = 24;
const PLACES: u64 = 30;
/// Credits of one course, and of one student at most.
const CREDITS: u32 = 3;
const CREDITS_MAX: u32 = 24;
/// Purses on each participant.
const PURSES: usize = 12;
/// What is in each at first.
const PURSE: i64 = 1_000;
/// How long a participant that has just come back may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// All records that the load works on.
pub(crate) struct Campus {
    /// Knows the limits of all courses and students.
    pub(crate) registrar: Registrar,
    /// The ids of all courses.
    pub(crate) courses: Vec<String>,
    /// The ids of purses, by the participant that holds them.
    pub(crate) purses: BTreeMap<NodeId, Vec<String>>,
    next_student: usize,
}

impl Campus {
    /// Adds courses and purses.
    pub(crate) async fn open(client: Client) -> Campus {
        let directory = client.cluster().directory();
        let registrar = Registrar::new(client);
        let courses: Vec<String> = (0..COURSES).map(|n| format!("C{n:02}")).collect();
        for id in &courses {
            let course =
                NewCourse { id: id.clone(), title: id.clone(), credits: CREDITS, capacity: Some(PLACES) };
            registrar.add_course(&course).await.expect("the cluster is whole");
        }
        let mut purses: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for id in (0..).map(|n| format!("purse/{n}")) {
            let of = purses.entry(directory.locate(&record(&id))).or_default();
            if of.len() < PURSES {
                let filled = Transaction::new().require_absent(&*id).set(&*id, "coins", PURSE);
                let filled = registrar.client().run_with_retries(filled).await;
                assert!(matches!(filled, Outcome::Committed(_)), "{filled:?}");
                of.push(id);
            }
            if purses.len() == directory.participants().len() && purses.values().all(|of| of.len() == PURSES)
            {
                break;
            }
        }
        Campus { registrar, courses, purses, next_student: 0 }
    }

    /// Adds students that one participant holds.
    pub(crate) async fn add_students(&mut self, count: usize, on: NodeId) -> Vec<String> {
        let directory = self.registrar.client().cluster().directory();
        let mut ids = Vec::new();
        while ids.len() < count {
            let id = format!("s{:04}", self.next_student);
            self.next_student += 1;
            if directory.locate(&record(&format!("student/{id}"))) == on {
                let student = NewStudent { id: id.clone(), name: id.clone(), credits_max: Some(CREDITS_MAX) };
                self.registrar.add_student(&student).await.expect("the cluster is whole");
                ids.push(id);
            }
        }
        ids
    }

    /// Everyone who takes part in a change.
    pub(crate) fn touched(&self, transaction: &Transaction) -> BTreeSet<NodeId> {
        let directory = self.registrar.client().cluster().directory();
        transaction.operations().iter().map(|operation| directory.locate(operation.record())).collect()
    }

    /// What a student with these courses wishes next.
    pub(crate) fn wish(&self, student: &str, has: &BTreeSet<String>, random: &mut Random) -> Change {
        let own: Vec<&String> = has.iter().collect();
        let change = |out_of: Vec<String>, into: Vec<String>| Change::Courses {
            student: student.to_owned(),
            out_of,
            into,
        };
        let new = random.one_of(&self.courses).clone();
        match random.below(10) {
            0..4 if !own.is_empty() => change(vec![(*random.one_of(&own)).clone()], Vec::new()),
            4..6 if !own.is_empty() && !has.contains(&new) => {
                change(vec![(*random.one_of(&own)).clone()], vec![new])
            }
            6..8 => {
                let other = random.one_of(&self.courses).clone();
                let both = BTreeSet::from([new, other]);
                change(Vec::new(), both.into_iter().collect())
            }
            // Also courses that the student has, which must be refused.
            _ => change(Vec::new(), vec![new]),
        }
    }

    /// A move of a few coins from a purse of one participant to purses of others.
    pub(crate) fn move_between(&self, nodes: &BTreeSet<NodeId>, random: &mut Random) -> Change {
        let mut purses: Vec<String> =
            nodes.iter().map(|node| random.one_of(&self.purses[node]).clone()).collect();
        let from = random.below(purses.len());
        purses.swap(0, from);
        let coins = 1 + random.below(5) as i64;
        let others = purses.len() as i64 - 1;
        let deltas = std::iter::once(-coins * others).chain(std::iter::repeat(coins));
        Change::Coins(purses.into_iter().zip(deltas).collect())
    }

    /// Compares all records with what was told of them: nothing acknowledged is lost, nothing refused has happened.
    pub(crate) async fn compare(&self, told: &Told) {
        let students = self.scan("student").await;
        for (student, courses) in &told.courses {
            let has = students.get(&format!("student/{student}")).map(|content| members(content, "schedule"));
            assert_eq!(has.as_ref(), Some(courses), "student {student}: the record, and what was told");
        }
        let purses = self.scan("purse").await;
        for purse in self.purses.values().flatten() {
            let has = purses.get(purse).and_then(|content| integer(content, "coins"));
            let moved = told.coins.get(purse).copied().unwrap_or(0);
            assert_eq!(has, Some(PURSE + moved), "{purse}: the record, and what was told");
        }
    }

    async fn scan(&self, table: &str) -> BTreeMap<String, RecordContent> {
        let began = Instant::now();
        loop {
            let replies = self.registrar.client().scan(Some(table)).await;
            let failed =
                replies.iter().find_map(|node| node.reply.as_ref().err().map(|error| (&node.name, error)));
            match failed {
                None => {
                    let records = replies.into_iter().filter_map(|node| node.reply.ok()).flatten();
                    return records.map(|(record, content)| (record.to_string(), content)).collect();
                }
                // A node that was dead a moment ago is connected again only when it is next dialled.
                Some((node, error)) => {
                    assert!(began.elapsed() < READ_WITHIN, "{node} can't be read: {error}");
                }
            }
        }
    }
}

fn record(id: &str) -> RecordId {
    id.parse().expect("it is a valid id")
}

fn members(content: &RecordContent, name: &str) -> BTreeSet<String> {
    match content.fields.iter().find(|(field, _)| field.as_str() == name) {
        Some((_, FieldContent::Set(members))) => members.iter().map(Member::to_string).collect(),
        Some(_) | None => BTreeSet::new(),
    }
}

fn integer(content: &RecordContent, name: &str) -> Option<i64> {
    match content.fields.iter().find(|(field, _)| field.as_str() == name) {
        Some((_, FieldContent::Value(Value::Int(value)))) => Some(*value),
        Some(_) | None => None,
    }
}

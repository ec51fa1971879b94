//! What is known of courses and students and never changes: their limits. Read once each.

use super::{Failure, Refused, course_record, student_record};
use crate::{
    client::Client,
    names::Named,
    outcome::{Abort, NotExecuted, Outcome},
    transaction::Transaction,
};
use assent_protocol::{
    ids::RecordId,
    operation::{FieldContent, Operation, ReadResult, Selection, Value},
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Entries of each kind at most; beyond, everything is forgotten and read again as needed.
const ENTRIES_MAX: usize = 1 << 20;

/// A student's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StudentLimits {
    pub(super) credits_max: Option<i64>,
}

/// A course and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CourseLimits {
    pub(super) id: String,
    pub(super) credits: i64,
    pub(super) capacity: Option<u64>,
}

/// Remembers limits.
#[derive(Default)]
pub(super) struct Catalogue {
    students: Mutex<HashMap<String, StudentLimits>>,
    courses: Mutex<HashMap<String, CourseLimits>>,
}

impl Catalogue {
    /// A student was added.
    pub(super) fn learn_student(&self, id: &str, credits_max: Option<i64>) {
        remember(&self.students, id, StudentLimits { credits_max });
    }

    /// A course was added.
    pub(super) fn learn_course(&self, id: &str, credits: i64, capacity: Option<u64>) {
        remember(&self.courses, id, CourseLimits { id: id.to_owned(), credits, capacity });
    }

    /// A student's limits.
    pub(super) async fn student(&self, client: &Client, id: &str) -> Result<StudentLimits, Failure> {
        if let Some(known) = remembered(&self.students, id) {
            return Ok(known);
        }
        let record: RecordId = student_record(id).named().map_err(invalid)?;
        let reads = read(client, &[record], &["status", "credits_max"]).await?;
        let [Some(_), credits_max] = &reads[..] else {
            return Err(Refused::UnknownStudent { student: id.to_owned() }.into());
        };
        let known = StudentLimits { credits_max: credits_max.as_ref().and_then(integer) };
        remember(&self.students, id, known);
        Ok(known)
    }

    /// The limits of courses, in the order given; what is not known yet is read in one transaction.
    pub(super) async fn courses(&self, client: &Client, ids: &[&str]) -> Result<Vec<CourseLimits>, Failure> {
        let unknown: Vec<&str> =
            ids.iter().copied().filter(|id| remembered(&self.courses, id).is_none()).collect();
        let mut read_now = HashMap::new();
        if !unknown.is_empty() {
            let records: Result<Vec<RecordId>, _> =
                unknown.iter().map(|id| course_record(id).named()).collect();
            let reads = read(client, &records.map_err(invalid)?, &["state", "credits", "capacity"]).await?;
            for (id, fields) in unknown.iter().zip(reads.chunks(3)) {
                let [Some(_), credits, capacity] = fields else {
                    return Err(Refused::UnknownCourse { course: (*id).to_owned() }.into());
                };
                let known = CourseLimits {
                    id: (*id).to_owned(),
                    credits: credits.as_ref().and_then(integer).unwrap_or(0),
                    capacity: capacity.as_ref().and_then(integer).and_then(|max| u64::try_from(max).ok()),
                };
                remember(&self.courses, id, known.clone());
                read_now.insert(*id, known);
            }
        }
        let known = |id: &&str| {
            let known = read_now.get(*id).cloned().or_else(|| remembered(&self.courses, id));
            known.ok_or_else(|| Failure::Refused(Refused::UnknownCourse { course: (*id).to_owned() }))
        };
        ids.iter().map(known).collect()
    }
}

/// Reads these fields of these records, by record and then by field.
async fn read(
    client: &Client,
    records: &[RecordId],
    fields: &[&str],
) -> Result<Vec<Option<FieldContent>>, Failure> {
    let mut transaction = Transaction::new();
    for record in records {
        for field in fields {
            let field = field.named().map_err(invalid)?;
            let what = Selection::Field(field);
            transaction = transaction.push(Operation::Read { record: record.clone(), what });
        }
    }
    match client.run_with_retries(transaction).await {
        Outcome::Committed(receipt) => {
            let content = |read| match read {
                ReadResult::Field(content) => content,
                ReadResult::Record(_) | ReadResult::Count(_) | ReadResult::Member(_) => None,
            };
            Ok(receipt.reads.into_iter().map(content).collect())
        }
        Outcome::Aborted(abort) => Err(Failure::Aborted(abort)),
        Outcome::Unknown(handle) => Err(Failure::Unknown(handle)),
    }
}

fn integer(content: &FieldContent) -> Option<i64> {
    match content {
        FieldContent::Value(Value::Int(value)) => Some(*value),
        FieldContent::Value(Value::Text(_) | Value::Bytes(_))
        | FieldContent::List(_)
        | FieldContent::Set(_) => None,
    }
}

fn invalid(error: assent_protocol::ids::InvalidName) -> Failure {
    let wrong = NotExecuted::Invalid { operation: None, why: error.to_string() };
    Failure::Aborted(Abort::not_executed(None, wrong, 1))
}

fn remembered<T: Clone>(known: &Mutex<HashMap<String, T>>, id: &str) -> Option<T> {
    known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
}

fn remember<T>(known: &Mutex<HashMap<String, T>>, id: &str, limits: T) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= ENTRIES_MAX {
        known.clear();
    }
    known.insert(id.to_owned(), limits);
}

//! Students and courses, typed: how an application builds its own module on transactions.
//!
//! Records: `student/ID` {name, status: "active", credits, credits_max?, schedule: set of course ids}, and
//! `course/ID` {title, credits, state: "open", capacity?, roster: set of student ids}. A student is in a course's
//! roster exactly when the course is in the student's schedule, since both change in one transaction.
//!
//! The limits that never change after a student or course was added (`credits_max`; `credits` and `capacity`) are read
//! once and remembered: they go into the bounds of the operations, where the participants check them. Whoever changes
//! them by transactions of their own must know that registrars which have read them go on with the old ones.

mod catalogue;
mod change;
mod refused;

use crate::{
    client::Client,
    handle::Handle,
    outcome::{Outcome, Receipt},
    transaction::Transaction,
};
use assent_protocol::{
    ids::Member,
    operation::{FieldContent, RecordContent, Value},
};
use catalogue::Catalogue;
pub use refused::{Failure, Refused};
use std::sync::Arc;

/// Courses in one schedule at most.
pub const SCHEDULE_MAX: u64 = 64;

const ACTIVE: &str = "active";
const OPEN: &str = "open";

/// A new student.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStudent {
    /// The id, as "s17".
    pub id: String,
    /// The full name.
    pub name: String,
    /// Credits at most; none: no limit.
    pub credits_max: Option<u32>,
}

/// A new course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCourse {
    /// The id, as "CS101".
    pub id: String,
    /// The title.
    pub title: String,
    /// What it counts towards a student's credits.
    pub credits: u32,
    /// Students at most; none: no limit.
    pub capacity: Option<u64>,
}

/// A student as one read saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Student {
    /// The id.
    pub id: String,
    /// The full name.
    pub name: String,
    /// "active", or what an application set.
    pub status: String,
    /// Credits of the courses in the schedule.
    pub credits: i64,
    /// Credits at most.
    pub credits_max: Option<i64>,
    /// The ids of the courses, in order.
    pub schedule: Vec<String>,
    /// How many transactions have changed the record.
    pub version: u64,
}

/// A course as one read saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The id.
    pub id: String,
    /// The title.
    pub title: String,
    /// "open", or what an application set.
    pub state: String,
    /// What it counts towards a student's credits.
    pub credits: i64,
    /// Students at most.
    pub capacity: Option<u64>,
    /// The ids of the students, in order.
    pub roster: Vec<String>,
    /// How many transactions have changed the record.
    pub version: u64,
}

/// Adds, enrols, drops, transfers, and reads. Clones share the client's session and what is known of courses and
/// students. Every change is tried again while that may help ([`Client::run_with_retries`]).
#[derive(Clone)]
pub struct Registrar {
    client: Client,
    catalogue: Arc<Catalogue>,
}

impl Registrar {
    /// Over a client's session.
    pub fn new(client: Client) -> Registrar {
        Registrar { client, catalogue: Arc::default() }
    }

    /// The same over another session, sharing what is known of courses and students.
    pub fn with_client(&self, client: Client) -> Registrar {
        Registrar { client, catalogue: Arc::clone(&self.catalogue) }
    }

    /// The client below.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Adds a student, active and in no course.
    pub async fn add_student(&self, student: &NewStudent) -> Result<Receipt, Failure> {
        let record = student_record(&student.id);
        let mut transaction = Transaction::new()
            .require_absent(&record)
            .set(&record, "name", &student.name)
            .set(&record, "status", ACTIVE)
            .set(&record, "credits", 0_i64);
        if let Some(max) = student.credits_max {
            transaction = transaction.set(&record, "credits_max", max);
        }
        let receipt = self.run(transaction).await?;
        self.catalogue.learn_student(&student.id, student.credits_max.map(i64::from));
        Ok(receipt)
    }

    /// Adds a course, open and empty.
    pub async fn add_course(&self, course: &NewCourse) -> Result<Receipt, Failure> {
        let record = course_record(&course.id);
        let mut transaction = Transaction::new()
            .require_absent(&record)
            .set(&record, "title", &course.title)
            .set(&record, "credits", course.credits)
            .set(&record, "state", OPEN);
        if let Some(capacity) = course.capacity {
            let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
            transaction = transaction.set(&record, "capacity", capacity);
        }
        let receipt = self.run(transaction).await?;
        self.catalogue.learn_course(&course.id, course.credits.into(), course.capacity);
        Ok(receipt)
    }

    /// Enrols the student in all of the courses, or in none.
    pub async fn enroll(&self, student: &str, courses: &[&str]) -> Result<Receipt, Failure> {
        self.change(student, &[], courses).await
    }

    /// Takes the student out of all of the courses, or of none.
    pub async fn drop(&self, student: &str, courses: &[&str]) -> Result<Receipt, Failure> {
        self.change(student, courses, &[]).await
    }

    /// Takes the student out of one course and into another, or does nothing.
    pub async fn transfer(&self, student: &str, from: &str, to: &str) -> Result<Receipt, Failure> {
        self.change(student, &[from], &[to]).await
    }

    /// Takes the student out of some courses and into others, all or nothing: what [`Registrar::enroll`],
    /// [`Registrar::drop`] and [`Registrar::transfer`] are made of.
    pub async fn change(&self, student: &str, out_of: &[&str], into: &[&str]) -> Result<Receipt, Failure> {
        self.run(self.transaction(student, out_of, into).await?).await
    }

    /// The transaction that [`Registrar::change`] would run, for who adds operations of their own to it.
    pub async fn transaction(
        &self,
        student: &str,
        out_of: &[&str],
        into: &[&str],
    ) -> Result<Transaction, Failure> {
        let limits = self.catalogue.student(&self.client, student).await?;
        let leaving = self.catalogue.courses(&self.client, out_of).await?;
        let joining = self.catalogue.courses(&self.client, into).await?;
        Ok(change::transaction(student, &limits, &leaving, &joining)?)
    }

    /// A student with the schedule, in one consistent read.
    pub async fn schedule(&self, student: &str) -> Result<Student, Failure> {
        let content = self.read(Transaction::new().read(student_record(student))).await?;
        let content = content.ok_or_else(|| Refused::UnknownStudent { student: student.to_owned() })?;
        Ok(Student {
            id: student.to_owned(),
            name: text(&content, "name"),
            status: text(&content, "status"),
            credits: integer(&content, "credits").unwrap_or(0),
            credits_max: integer(&content, "credits_max"),
            schedule: members(&content, "schedule"),
            version: content.version.0,
        })
    }

    /// A course with the roster, in one consistent read.
    pub async fn roster(&self, course: &str) -> Result<Course, Failure> {
        let content = self.read(Transaction::new().read(course_record(course))).await?;
        let content = content.ok_or_else(|| Refused::UnknownCourse { course: course.to_owned() })?;
        Ok(Course {
            id: course.to_owned(),
            title: text(&content, "title"),
            state: text(&content, "state"),
            credits: integer(&content, "credits").unwrap_or(0),
            capacity: integer(&content, "capacity").and_then(|capacity| u64::try_from(capacity).ok()),
            roster: members(&content, "roster"),
            version: content.version.0,
        })
    }

    /// Learns the outcome of a change that is unknown; one that has not happened yet is aborted.
    pub async fn resolve(&self, handle: &Handle) -> Result<Receipt, Failure> {
        told(self.client.resolve(handle).await)
    }

    /// Runs a transaction and tells its outcome as the registrar does: for those from [`Registrar::transaction`].
    pub async fn run(&self, transaction: Transaction) -> Result<Receipt, Failure> {
        told(self.client.run_with_retries(transaction).await)
    }

    async fn read(&self, transaction: Transaction) -> Result<Option<RecordContent>, Failure> {
        self.run(transaction).await.map(|receipt| receipt.record(0).cloned())
    }
}

/// An outcome as the registrar tells it. A refusal is confirmed on the way: it has changed nothing, and who learns of it
/// twice has lost nothing. Receipts and other aborts are the application's to confirm.
pub fn told(outcome: Outcome) -> Result<Receipt, Failure> {
    match outcome {
        Outcome::Committed(receipt) => Ok(receipt),
        Outcome::Aborted(abort) => match abort.refusal().and_then(Refused::from_refusal) {
            Some(refused) => {
                abort.confirm();
                Err(Failure::Refused(refused))
            }
            None => Err(Failure::Aborted(abort)),
        },
        Outcome::Unknown(handle) => Err(Failure::Unknown(handle)),
    }
}

fn student_record(id: &str) -> String {
    format!("student/{id}")
}

fn course_record(id: &str) -> String {
    format!("course/{id}")
}

fn field<'c>(content: &'c RecordContent, name: &str) -> Option<&'c FieldContent> {
    content.fields.iter().find(|(field, _)| field.as_str() == name).map(|(_, content)| content)
}

fn text(content: &RecordContent, name: &str) -> String {
    match field(content, name) {
        Some(FieldContent::Value(Value::Text(text))) => text.clone(),
        Some(_) | None => String::new(),
    }
}

fn integer(content: &RecordContent, name: &str) -> Option<i64> {
    match field(content, name) {
        Some(FieldContent::Value(Value::Int(value))) => Some(*value),
        Some(_) | None => None,
    }
}

fn members(content: &RecordContent, name: &str) -> Vec<String> {
    match field(content, name) {
        Some(FieldContent::Set(members)) => members.iter().map(Member::to_string).collect(),
        Some(_) | None => Vec::new(),
    }
}

//! How students and courses look as records, for commands that put more into a transaction than the library's
//! registrar does. The names are the registrar's.

use assent_client::Transaction;

/// What has a student or course its own weight: credits.
pub(crate) const CREDITS: &str = "credits";
/// The most credits that a student may have.
pub(crate) const CREDITS_MAX: &str = "credits_max";
/// A student's courses.
pub(crate) const SCHEDULE: &str = "schedule";
/// A course's students.
pub(crate) const ROSTER: &str = "roster";
/// The most students that a course may have.
pub(crate) const CAPACITY: &str = "capacity";

/// The record of a student.
pub(crate) fn student(id: &str) -> String {
    format!("student/{id}")
}

/// The record of a course.
pub(crate) fn course(id: &str) -> String {
    format!("course/{id}")
}

/// Refuses unless there is no such student, and creates it.
pub(crate) fn create_student(
    transaction: Transaction,
    id: &str,
    name: &str,
    credits_max: Option<i64>,
) -> Transaction {
    let record = student(id);
    let transaction = transaction
        .require_absent(&record)
        .set(&record, "name", name)
        .set(&record, "status", "active")
        .set(&record, CREDITS, 0i64);
    match credits_max {
        Some(max) => transaction.set(&record, CREDITS_MAX, max),
        None => transaction,
    }
}

/// Refuses unless there is no such course, and creates it.
pub(crate) fn create_course(
    transaction: Transaction,
    id: &str,
    title: &str,
    credits: i64,
    capacity: Option<i64>,
) -> Transaction {
    let record = course(id);
    let transaction = transaction
        .require_absent(&record)
        .set(&record, "title", title)
        .set(&record, CREDITS, credits)
        .set(&record, "state", "open");
    match capacity {
        Some(capacity) => transaction.set(&record, CAPACITY, capacity),
        None => transaction,
    }
}

/// Refuses unless there is such a student, who may enrol.
pub(crate) fn require_active(transaction: Transaction, id: &str) -> Transaction {
    transaction.require_equals(student(id), "status", "active")
}

/// A student who enrols in courses or drops them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enrolment<'a> {
    /// The student's id.
    pub(crate) student: &'a str,
    /// The most credits that the student may have.
    pub(crate) credits_max: Option<i64>,
    /// The courses.
    pub(crate) courses: &'a [Place<'a>],
}

/// A course as far as an enrolment needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The course's id.
    pub(crate) course: &'a str,
    /// Its credits.
    pub(crate) credits: i64,
    /// Its capacity.
    pub(crate) capacity: Option<u64>,
}

impl Enrolment<'_> {
    /// Puts the student into every course, on both sides.
    pub(crate) fn enrol(&self, transaction: Transaction) -> Transaction {
        let student = student(self.student);
        let most = self.credits_max.unwrap_or(i64::MAX);
        let transaction = self
            .courses
            .iter()
            .fold(transaction, |all, place| all.insert(&student, SCHEDULE, place.course, None))
            .add(&student, CREDITS, self.credits(), 0..=most);
        self.courses.iter().fold(transaction, |all, place| {
            let course = course(place.course);
            all.require_equals(&course, "state", "open").insert(&course, ROSTER, self.student, place.capacity)
        })
    }

    /// Takes the student out of every course, on both sides.
    pub(crate) fn drop(&self, transaction: Transaction) -> Transaction {
        let student = student(self.student);
        let transaction = self
            .courses
            .iter()
            .fold(transaction, |all, place| all.remove(&student, SCHEDULE, place.course, None))
            .add(&student, CREDITS, -self.credits(), 0..);
        self.courses
            .iter()
            .fold(transaction, |all, place| all.remove(course(place.course), ROSTER, self.student, None))
    }

    fn credits(&self) -> i64 {
        self.courses.iter().map(|place| place.credits).sum()
    }
}
